//! Functions of one's own: tables, rules and names, from a suite file through every filter.

mod common;

use common::{
    FORMATS, Workdir, csv_rows, int, json_lines, metadata, number, text, texts, to_arrow_stream,
    to_batch,
};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// A table of the function `f` on texts of `bits` characters, in a line of a suite.
fn table(name: &str, bits: usize, f: impl Fn(&str) -> String) -> String {
    let outputs: String = (0..1 << bits).map(|x| f(&format!("{x:0bits$b}"))).collect();
    let padded = format!(
        "{outputs:0<width$}",
        width = outputs.len().next_multiple_of(4)
    );
    let digits = padded.as_bytes().chunks(4).map(|four| {
        let four = std::str::from_utf8(four).unwrap();
        format!("{:x}", u8::from_str_radix(four, 2).unwrap())
    });
    format!("{name} = table:{}", digits.collect::<String>())
}

fn rotl1(x: &str) -> String {
    format!("{}{}", &x[1..], &x[..1])
}

/// The ones first.
fn sorted(x: &str) -> String {
    let mut bits: Vec<char> = x.chars().collect();
    bits.sort_unstable_by(|a, b| b.cmp(a));
    bits.into_iter().collect()
}

/// One step of a rule by its definition: which of the eight neighbourhoods give a living cell.
fn step(rule: u8, cells: &str) -> String {
    let cells: Vec<u8> = cells.bytes().map(|c| c - b'0').collect();
    let k = cells.len();
    (0..k)
        .map(|i| {
            let neighbourhood = 4 * cells[(i + k - 1) % k] + 2 * cells[i] + cells[(i + 1) % k];
            char::from(b'0' + (rule >> neighbourhood) % 2)
        })
        .collect()
}

/// Records whose outputs and target are all those of `f`.
fn assert_computed(trials: &[Value], f: impl Fn(&str) -> String) {
    assert!(!trials.is_empty());
    for t in trials {
        for (x, y) in texts(t, "inputs").into_iter().zip(texts(t, "outputs")) {
            assert_eq!(f(x), y, "{t}");
        }
        assert_eq!(f(text(t, "query")), text(t, "target"), "{t}");
    }
}

/// Eight functions of 4 bits, seven of them of one's own.
fn suite() -> String {
    [
        "# mine",
        "rotl1",
        "pascal = rule:90",
        "chaos = rule:110 # Turing-complete",
        "twice = rotl1 . rotl1",
        &table("sorted", 4, sorted),
        &table("turned", 4, |x| rotl1(&rotl1(&rotl1(x)))),
        &table("Any-1", 4, |x| step(150, &sorted(x)))
            .to_uppercase()
            .replace("TABLE", "table"),
        &table("last", 4, |x| x[3..].repeat(4)),
    ]
    .join("\n")
    .replace("ANY-1", "Any-1")
}

const DRAW: &str = "--suite mine.txt --bits 4 --shots 1,2,8 --trials 6";

#[test]
fn rules_are_what_wolfram_numbered_and_tables_what_they_say() {
    let dir = Workdir::new();
    for bits in [1, 2, 3, 5, 8, 13] {
        for rule in [0, 1, 30, 90, 110, 184, 254, 255] {
            dir.write("rule.txt", format!("rule_{rule} = rule:{rule}"));
            let draw = format!("--suite rule.txt --bits {bits} --shots 0,1 --trials 8");
            assert_computed(&json_lines(&dir.run("gen-tasks", &draw).ok()), |x| {
                step(rule, x)
            });
        }
    }
    for bits in [1, 2, 3, 7, 12] {
        let f = |x: &str| step(30, &sorted(x));
        dir.write("table.txt", table("f", bits, f));
        let draw = format!("--suite table.txt --bits {bits} --shots 0,1 --trials 20");
        assert_computed(&json_lines(&dir.run("gen-tasks", &draw).ok()), f);
    }
}

#[test]
fn a_table_is_as_complex_as_the_program_that_it_is_of() {
    let dir = Workdir::new();
    let lines = ["rotl1", "named = rotl1", &table("mine", 8, rotl1)].join("\n");
    dir.write("mine.txt", lines);
    let ran = dir.run("gen-tasks", "--suite mine.txt --list");
    assert!(
        ran.stderr
            .contains("with the same truth table at 8 bits: rotl1 = named = mine"),
        "{ran}"
    );
    let rows = csv_rows(&ran.loud_ok());
    assert_eq!(rows.len(), 3);
    for column in ["bitload", "bitdiversity", "zero_bd", "table_hash"] {
        assert!(
            rows.iter().all(|row| row[column] == rows[0][column]),
            "{column}"
        );
    }
    // Trials are drawn by seed and name: the same questions come of another name, but the answers are the function's.
    let ran = dir.run("gen-tasks", "--suite mine.txt --shots 3 --trials 4");
    assert_computed(&json_lines(&ran.loud_ok()), rotl1);
}

#[test]
fn a_csv_is_the_suite_of_its_tables() {
    let dir = Workdir::new();
    let mut rows: Vec<String> = (0..16)
        .map(|x| format!("{x:04b}"))
        .flat_map(|x| {
            [("sorted", sorted(&x)), ("turned", rotl1(&x))].map(|(f, y)| format!("{y},{x},{f}"))
        })
        .collect();
    rows[4..].reverse();
    rows.insert(0, "output, input ,function".to_owned());
    dir.write("mine.csv", rows.join("\r\n"));
    let lines = [table("sorted", 4, sorted), table("turned", 4, rotl1)];
    dir.write("mine.txt", lines.join("\n"));
    let draw = |suite: &str| {
        let draw = format!("--suite {suite} --bits 4 --shots 5 --trials 3 --to arrow");
        dir.run("gen-tasks", &draw).ok()
    };
    let [csv, txt] = ["mine.csv", "mine.txt"].map(draw);
    assert_eq!(common::arrow_rows(&csv), common::arrow_rows(&txt));
    let settings = |bytes: &[u8]| {
        let chain = &metadata(bytes)["shotline.provenance"];
        let chain: Value = serde_json::from_str(chain).unwrap();
        chain[0]["settings"].clone()
    };
    assert_eq!(settings(&csv), settings(&txt));
    assert_eq!(settings(&csv)["suite"], json!(lines));
}

/// `gen-tasks | encode | infer --model builtin:bayes | score --by task` in this format, with what the filters are told.
fn experiment(dir: &Workdir, to: &str, more: &str) -> Vec<u8> {
    let between = if to == "jsonl" {
        "jsonl --provenance"
    } else {
        to
    };
    let mut records = dir.run("gen-tasks", &format!("{DRAW} --to {between}")).ok();
    for (filter, arguments) in [
        ("encode", "--alphabet genomic".to_owned()),
        ("infer", format!("--model builtin:bayes {more}")),
    ] {
        records = dir
            .pipe(records, filter, &format!("{arguments} --to {between}"))
            .ok();
    }
    records
}

#[test]
fn every_filter_finds_the_functions_in_the_provenance() {
    let dir = Workdir::new();
    dir.write("mine.txt", suite());
    let mut scores = HashSet::new();
    for (to, _) in FORMATS {
        for more in ["", "--suite mine.txt"] {
            let predictions = experiment(&dir, to, more);
            let rows = dir.pipe(predictions.clone(), "score", &format!("--by task {more}"));
            scores.insert(String::from_utf8(rows.ok()).unwrap());
            for by in ["--by cell", "--by bitload", "--errors"] {
                // What is known of one function only is said on stderr.
                dir.pipe(predictions.clone(), "score", by).loud_ok();
            }
        }
    }
    assert_eq!(scores.len(), 1);
    let rows = csv_rows(scores.iter().next().unwrap().as_bytes());
    let loads: HashMap<&str, &str> = rows
        .iter()
        .map(|r| (&*r["function"], &*r["bitload"]))
        .collect();
    let expected = [
        ("rotl1", "4"),
        ("pascal", "4"),
        ("chaos", "4"),
        ("twice", "4"),
        ("sorted", "4"),
        ("turned", "4"),
        ("Any-1", "4"),
        ("last", "1"),
    ];
    assert_eq!(loads, HashMap::from(expected));
    // The ideal observer knows the functions: after eight of sixteen inputs there is little left to be wrong about, and
    // whatever was wrong a rival of the suite would have said, too.
    for row in &rows {
        let accuracy = number(row, "accuracy");
        let wrong = ((1.0 - accuracy) * 6.0).round();
        assert!(
            (number(row, "understandable") - wrong).abs() < 1e-9,
            "{row:?}"
        );
        assert!(row["shots"] != "8" || accuracy > 0.8, "{row:?}");
    }
}

#[test]
fn a_file_on_disk_says_it_beside_it_and_contrast_knows_it_too() {
    let dir = Workdir::new();
    dir.write("mine.txt", suite());
    dir.run(
        "gen-tasks",
        &format!("{DRAW} --condition clean,deranged -o t.jsonl"),
    )
    .loud_ok();
    dir.run("encode", "--alphabet genomic t.jsonl -o p.jsonl.gz")
        .ok();
    dir.run("infer", "--model builtin:bayes p.jsonl.gz -o a.jsonl")
        .ok();
    let gaps = csv_rows(&dir.run("contrast", "--by task a.jsonl").ok());
    let loads: HashSet<&str> = gaps.iter().map(|r| &*r["bitload"]).collect();
    assert_eq!(loads, HashSet::from(["1", "4"]));
    let pairs = "--models --by task --allow-partial a.jsonl b.jsonl";
    dir.run("infer", "--model builtin:mode p.jsonl.gz -o b.jsonl")
        .ok();
    dir.run("contrast", pairs).ok();
    let rows = csv_rows(
        &dir.run(
            "contrast",
            "--identifiability --suite mine.txt --bits 4 --by task --shots 2",
        )
        .ok(),
    );
    assert_eq!(
        rows.iter()
            .filter(|r| r["function"] == "last" && r["bitload"] == "1")
            .count(),
        1
    );
    // Without the file beside, nothing says what the names mean.
    std::fs::remove_file(dir.path("a.jsonl.provenance.json")).unwrap();
    dir.run("contrast", "--by task a.jsonl")
        .refused(1, &["column \"function\"", "--suite FILE"]);
    let again = csv_rows(
        &dir.run("contrast", "--by task a.jsonl --suite mine.txt")
            .ok(),
    );
    assert_eq!(again, gaps);
}

#[test]
fn where_the_provenance_was_lost_the_filters_ask_for_the_suite() {
    let dir = Workdir::new();
    dir.write("mine.txt", suite());
    let prompts = dir.prompts(DRAW, "--alphabet genomic");
    let ask = "column \"function\": \"";
    dir.pipe(prompts.clone(), "infer", "--model builtin:bayes")
        .refused(1, &["stdin:", ask, "--suite FILE"]);
    dir.pipe(prompts.clone(), "infer", "--model builtin:nearest")
        .ok();
    let bayes = "--model builtin:bayes --suite mine.txt";
    let predictions = dir.pipe(prompts, "infer", bayes).ok();
    let expected = experiment(&dir, "arrow", "");
    assert_eq!(json_lines(&predictions), common::arrow_rows(&expected));
    for by in ["--by task", "--by bitload", "--by cell", "--errors"] {
        dir.pipe(predictions.clone(), "score", by)
            .refused(1, &[ask, "--suite FILE"]);
    }
    // A table that another tool wrote.
    let stripped = to_arrow_stream(&[to_batch(&common::arrow_rows(&expected))]);
    let by_task = |bytes: &[u8], more: &str| dir.pipe(bytes, "score", &format!("--by task {more}"));
    by_task(&stripped, "").refused(1, &[ask, "--suite FILE"]);
    assert_eq!(
        by_task(&stripped, "--suite mine.txt").ok(),
        by_task(&expected, "").ok()
    );
}

#[test]
fn a_suite_of_other_functions_is_refused() {
    let dir = Workdir::new();
    dir.write("mine.txt", suite());
    let predictions = experiment(&dir, "arrow", "");
    // The same functions under another file name, with other comments and in groups, are the same.
    dir.write(
        "copy.txt",
        suite()
            .replace("# mine", "#")
            .replace("rule:90", "rule:90\twith neighbours, sums")
            .replace("rule:110", "rule:110\tsums, with neighbours"),
    );
    dir.pipe(predictions.clone(), "score", "--suite copy.txt")
        .ok();
    dir.write("other.txt", suite().replace("rule:110", "rule:30"));
    let words = [
        "--suite other.txt: its functions have SHA-256 ",
        "the input was drawn from ",
    ];
    dir.pipe(predictions.clone(), "score", "--suite other.txt")
        .refused(1, &words);
    dir.pipe(predictions.clone(), "score", "--suite primitives")
        .refused(1, &["--suite primitives: its functions have SHA-256"]);
    dir.pipe(
        predictions.clone(),
        "contrast",
        "--by task --suite other.txt",
    )
    .refused(1, &words);
    let prompts = dir.run("gen-tasks", &format!("{DRAW} --to arrow")).ok();
    let prompts = dir
        .pipe(prompts, "encode", "--alphabet genomic --to arrow")
        .ok();
    dir.pipe(prompts, "infer", "--model builtin:bayes --suite other.txt")
        .refused(1, &words);
    // Two suites at once: one name may mean two things.
    dir.write("a.arrow", predictions);
    for (suite, more) in [
        ("other.txt", ""),
        ("primitives", ""),
        ("mine.txt", "--seed 1"),
    ] {
        let draw = format!("--suite {suite} --bits 4 --shots 1,2,8 --trials 6 {more} --to arrow");
        let trials = dir.run("gen-tasks", &draw).loud_ok();
        let prompts = dir
            .pipe(trials, "encode", "--alphabet genomic --to arrow")
            .ok();
        dir.pipe(
            prompts,
            "infer",
            "--model builtin:mode --to arrow -o b.arrow",
        )
        .ok();
        let both = dir.run("score", "a.arrow b.arrow");
        match more {
            "" => both.refused(1, &["records of several suites"]),
            _ => drop(both.ok()),
        }
    }
}

#[test]
fn suites_whose_names_say_all_leave_no_list() {
    let dir = Workdir::new();
    dir.write("plain.txt", "identity\nrotl1\n");
    for suite in ["paper", "plain.txt", "random:5,depth=3,seed=1"] {
        let trials = dir
            .run(
                "gen-tasks",
                &format!("--suite {suite} --shots 1 --trials 1 --to arrow"),
            )
            .ok();
        let chain = &metadata(&trials)["shotline.provenance"];
        let chain: Value = serde_json::from_str(chain).unwrap();
        assert!(chain[0]["settings"]["functions_sha256"].is_string());
        assert!(chain[0]["settings"].get("suite").is_none(), "{chain}");
    }
}

#[test]
fn shards_keep_the_functions() {
    let dir = Workdir::new();
    dir.write("mine.txt", suite());
    for i in 0..2 {
        dir.run(
            "gen-tasks",
            &format!("{DRAW} --shard {i}/2 -o t.{i}.parquet"),
        )
        .ok();
        dir.run(
            "encode",
            &format!("--alphabet genomic t.{i}.parquet -o p.{i}.parquet"),
        )
        .ok();
        dir.run(
            "infer",
            &format!("--model builtin:bayes p.{i}.parquet -o a.{i}.parquet"),
        )
        .ok();
    }
    dir.run("merge-shards", "a.0.parquet a.1.parquet -o a.parquet")
        .ok();
    let whole = dir.run("score", "--by task a.parquet").ok();
    let at_once = dir
        .pipe(experiment(&dir, "parquet", ""), "score", "--by task")
        .ok();
    assert_eq!(whole, at_once);
    dir.write("mine.txt", suite().replace("rule:110", "rule:30"));
    dir.run("gen-tasks", &format!("{DRAW} --shard 1/2 -o t.1.parquet"))
        .ok();
    dir.run("merge-shards", "t.0.parquet t.1.parquet -o t.parquet")
        .refused(1, &["functions_sha256"]);
}

#[test]
fn bad_functions_are_refused_by_line() {
    let dir = Workdir::new();
    let short = table("f", 4, sorted);
    let cut = &short[..short.len() - 1];
    for (bits, contents, message) in [
        (
            4,
            format!("identity\n{cut}"),
            "bad:2: \"f\": expected 16 hexadecimal digits for --bits 4, found 15",
        ),
        (
            8,
            short.clone(),
            "bad:1: \"f\": expected 512 hexadecimal digits for --bits 8, found 16",
        ),
        (
            13,
            short.clone(),
            "bad:1: \"f\": a table has 1 to 12 bits, not 13",
        ),
        (
            4,
            short.replace("088c", "08gc"),
            "bad:1: \"f\": 'g', digit 3, is not hexadecimal",
        ),
        (
            1,
            "f = table:7".to_owned(),
            "bad:1: \"f\": expected zeros after the last output",
        ),
        (
            8,
            "f = rule:256".to_owned(),
            "bad:1: \"f\": expected a rule from 0 to 255, found \"256\"",
        ),
        (8, "f = rule:-1".to_owned(), "found \"-1\""),
        (
            8,
            "f = rotl".to_owned(),
            "bad:1: \"rotl\" in \"rotl\" is not a primitive",
        ),
        (
            8,
            "f = ".to_owned(),
            "bad:1: \"\" in \"\" is not a primitive",
        ),
        (
            8,
            "identity\nrotl1 = rule:1".to_owned(),
            "bad:2: \"rotl1\" is the name of a primitive",
        ),
        (8, "a.b = rule:1".to_owned(), "bad:1: \"a.b\" is not a name"),
        (8, " = rule:1".to_owned(), "bad:1: \"\" is not a name"),
        (
            8,
            "rule:1".to_owned(),
            "bad:1: a table or a rule needs a name",
        ),
        (
            8,
            "f = rule:1\n\nf = rule:2".to_owned(),
            "bad:3: f appears twice, first in line 1",
        ),
        (
            8,
            "f = rule:1\tone,,two".to_owned(),
            "bad:1: a group without a name",
        ),
        (
            8,
            "f = rule:1\tone,two,one".to_owned(),
            "bad:1: group \"one\" appears twice",
        ),
    ] {
        dir.write("bad", contents);
        for more in ["", "--list"] {
            let ran = dir.run(
                "gen-tasks",
                &format!("--suite bad --bits {bits} --shots 1 {more}"),
            );
            ran.refused(1, &[message]);
        }
    }
    // Without a width to go by, all lengths are named.
    dir.write("bad", cut);
    dir.write("mine.txt", suite());
    let predictions = experiment(&dir, "arrow", "");
    dir.pipe(predictions, "score", "--suite bad").refused(
        1,
        &[
            "bad:1: \"f\": expected 1, 2, 6, 16, 40, 96, 224, 512, ",
            "12288 hexadecimal digits for 1 to 12 bits",
            "found 15",
        ],
    );
}

#[test]
fn a_bad_csv_is_refused_by_line() {
    let dir = Workdir::new();
    for (rows, message) in [
        (
            "function,input\nf,0",
            "bad:1: expected the columns function, input and output, found function, input",
        ),
        ("function,bitload,output\n", "bad:1: expected the columns"),
        ("function,input,output\n", "bad: no program in this suite"),
        (
            "function,input,output\nf,0\n",
            "bad:2: expected 3 fields, found 2",
        ),
        (
            "function,input,output\nf,0,0\nf,0,1\n",
            "bad:3: \"f\": input 0 appears twice, first in line 2",
        ),
        (
            "function,input,output\ng,0,0\nf,0,1\ng,1,1\n",
            "bad:3: \"f\", which begins here, has 1 of 2 inputs: 1 is missing",
        ),
        (
            "function,input,output\nf,0,2\n",
            "bad:2: column \"output\": '2'",
        ),
        (
            "function,input,output\nf,0,10\n",
            "bad:2: column \"output\": expected 1 bit, as in the first row of \"f\", found \"10\"",
        ),
        (
            "function,input,output\nf,0,1\nf,,1\n",
            "bad:3: column \"input\": expected 1 bit",
        ),
        (
            "function,input,output\nf,00,10\n",
            "bad:2: \"f\": expected inputs of 1 bit (--bits), found \"00\"",
        ),
        (
            "function,input,output\nrotl1,0,1\n",
            "bad:2: \"rotl1\" is the name of a primitive",
        ),
    ] {
        dir.write("bad", rows);
        dir.run("gen-tasks", "--suite bad --bits 1 --shots 1")
            .refused(1, &[message]);
    }
}

#[test]
fn random_tables_have_the_bitload_asked_for_and_travel() {
    let dir = Workdir::new();
    let suite = "--suite random-tables:24,k=6,seed=3,bitload=2-5 --bits 6";
    let rows = csv_rows(&dir.run("gen-tasks", &format!("{suite} --list")).ok());
    let loads: Vec<&str> = rows.iter().map(|r| &*r["bitload"]).collect();
    assert_eq!(loads, ["2", "3", "4", "5"].repeat(6));
    let hashes: HashSet<&str> = rows.iter().map(|r| &*r["table_hash"]).collect();
    assert_eq!(hashes.len(), 24);
    assert_eq!(rows[23]["function"], "table_0024");
    let draw = format!("{suite} --shots 32 --trials 2 --to parquet");
    let trials = dir.run("gen-tasks", &draw).ok();
    assert_eq!(trials.len(), dir.run("gen-tasks", &draw).ok().len());
    let prompts = dir
        .pipe(trials, "encode", "--alphabet genomic --to arrow")
        .ok();
    assert_eq!(int(&common::arrow_rows(&prompts)[0], "bits"), 6);
    let answers = dir
        .pipe(prompts, "infer", "--model builtin:bayes --to arrow")
        .ok();
    // Half of the inputs tell 24 random functions apart.
    let scores = csv_rows(&dir.pipe(answers.clone(), "score", "").ok());
    assert!(
        (number(&scores[0], "accuracy") - 1.0).abs() < 1e-12,
        "{scores:?}"
    );
    let by_load = csv_rows(&dir.pipe(answers, "score", "--by bitload").ok());
    assert_eq!(by_load.len(), 4);
    dir.run("gen-tasks", "--suite random-tables:5,k=6,seed=1")
        .refused(2, &["tables of 6 bits, but --bits is 8"]);
    dir.run("gen-tasks", "--suite random-tables:5,seed=1")
        .refused(2, &["k is a number from 1 to 12"]);
}

/// The widest tables, in a chain that is larger than any other.
#[test]
fn a_hundred_tables_of_twelve_bits_travel() {
    let dir = Workdir::new();
    let draw = "--suite random-tables:100,k=12,seed=1 --bits 12 --shots 1 --trials 1 --provenance";
    let prompts = dir.prompts(draw, "--alphabet genomic --provenance");
    dir.pipe(prompts, "infer", "--model builtin:bayes -o a.parquet")
        .ok();
    dir.run("score", "--by task a.parquet -o s.csv").ok();
}

/// The groups that a suite names travel with its records, and are what --by group goes by; a program under another name is
/// in the groups of its primitives.
#[test]
fn groups_of_the_suite_are_those_of_its_records() {
    let dir = Workdir::new();
    dir.write(
        "grouped.txt",
        "rotl1\tturns\npascal = rule:90\tmine\nback = rotr1\tturns,mine\n",
    );
    dir.write("bare.txt", "rotl1\nback = rotr1\npascal = rule:90\n");
    for (suite, expected) in [
        ("grouped.txt", vec![("mine", "2"), ("turns", "2")]),
        ("bare.txt", vec![("rotations", "2")]),
    ] {
        let draw = format!("--suite {suite} --shots 2,4 --trials 2 --condition clean,deranged");
        let prompts = dir.prompts(
            &format!("{draw} --to arrow"),
            "--alphabet genomic --to arrow",
        );
        dir.pipe(prompts, "infer", "--model builtin:nearest -o p.parquet")
            .ok();
        for filter in ["score", "contrast", "fit-loglinear"] {
            let rows = csv_rows(&dir.run(filter, "--by group --to csv p.parquet").ok());
            let mut found: Vec<(&str, &str)> = rows
                .iter()
                .map(|r| (&*r["group"], r.get("tasks").map_or("2", |n| n)))
                .collect();
            found.sort_unstable();
            found.dedup();
            assert_eq!(found, expected, "{filter} {suite}");
        }
        std::fs::remove_file(dir.path("p.parquet")).unwrap();
    }
    dir.write("lone.txt", "rotl1\tturns\nrotr1\tturns,left\n");
    dir.run("gen-tasks", "--suite lone.txt --shots 2 --trials 1")
        .refused(1, &["lone.txt:2: the group left has one function"]);
}
