//! What `encode` promises.

mod common;

use arrow::array::{Array, ArrayRef, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use common::{
    FORMATS, Workdir, arrow_batches, chi_squared, int, json_lines, list, parquet_batches, text,
    texts, to_arrow_stream, to_lines,
};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

fn prompts(gen_tasks: &str, encode: &str) -> Vec<Value> {
    json_lines(&Workdir::new().prompts(gen_tasks, encode))
}

/// Symbols of zero, one and, if there is one, the separator.
fn symbols(prompt: &Value) -> Vec<char> {
    ["zero", "one", "separator"]
        .iter()
        .filter_map(|column| prompt[column].as_str())
        .map(|symbol| {
            let mut chars = symbol.chars();
            let first = chars.next().unwrap();
            assert_eq!(chars.next(), None, "{symbol:?}");
            first
        })
        .collect()
}

/// A prompt read back, by a reader that knows the template and the symbols only.
struct Decoder<'a> {
    left: &'a str,
    bits: usize,
    symbols: Vec<char>,
    read: usize,
}

impl Decoder<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.left.chars().next()?;
        self.left = &self.left[c.len_utf8()..];
        self.read += 1;
        Some(c)
    }

    fn expect(&mut self, text: &str) {
        for c in text.chars() {
            assert_eq!(self.next(), Some(c), "before {:?}", self.left);
        }
    }

    fn bits(&mut self) -> String {
        (0..self.bits)
            .map(|_| {
                let c = self.next().unwrap();
                match self.symbols.iter().position(|s| *s == c) {
                    Some(0) => '0',
                    Some(1) => '1',
                    _ => panic!("{c:?} is no bit"),
                }
            })
            .collect()
    }

    /// Reads what the template has up to `until`, and gives the bitstring in it, if there is one.
    fn pieces(&mut self, template: &str) -> Option<String> {
        let mut found = None;
        let mut rest = template;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("{x}") {
                found = Some(self.bits());
                rest = after;
            } else if let Some(after) = rest.strip_prefix("{sep}") {
                let separator = self.symbols[2].to_string();
                self.expect(&separator);
                rest = after;
            } else {
                let literal: String = rest.chars().take(1).collect();
                self.expect(&literal);
                rest = &rest[literal.len()..];
            }
        }
        found
    }
}

/// Decodes a prompt and checks it against the trial that it carries. `template` has its line
/// breaks as such.
fn check_decoded(prompt: &Value, template: &str, prefix: &str) {
    let (before, after) = template.split_once("{y}").unwrap();
    let whole = text(prompt, "prompt");
    let mut decoder = Decoder {
        left: whole,
        bits: int(prompt, "bits"),
        symbols: symbols(prompt),
        read: 0,
    };
    decoder.expect(prefix);
    let mut starts = Vec::new();
    let examples = texts(prompt, "inputs");
    for (x, y) in examples.iter().zip(texts(prompt, "outputs")) {
        assert_eq!(decoder.pieces(before).as_deref(), Some(*x), "{prompt}");
        starts.push(decoder.read);
        assert_eq!(decoder.bits(), y, "{prompt}");
        assert_eq!(decoder.pieces(after), None);
    }
    assert_eq!(examples.len(), int(prompt, "shots"));
    assert_eq!(
        decoder.pieces(before).as_deref(),
        Some(text(prompt, "query"))
    );
    assert_eq!(decoder.left, "", "the prompt ends where the answer begins");
    starts.push(decoder.read);
    let mut answer = Decoder {
        left: text(prompt, "answer"),
        read: 0,
        ..decoder
    };
    assert_eq!(answer.bits(), text(prompt, "target"));
    assert_eq!(answer.left, "");
    match prompt["eval_shots"].as_array() {
        None => assert!(prompt["answer_starts"].is_null()),
        Some(points) => {
            let expected: Vec<usize> = points
                .iter()
                .map(|s| starts[usize::try_from(s.as_u64().unwrap()).unwrap()])
                .collect();
            let found: Vec<usize> = list(prompt, "answer_starts")
                .iter()
                .map(|s| s.as_u64().unwrap().try_into().unwrap())
                .collect();
            assert_eq!(found, expected, "{prompt}");
        }
    }
}

/// A template with its escapes replaced.
fn unescaped(template: &str) -> String {
    let mut out = String::new();
    let mut chars = template.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next().unwrap() {
                'n' => '\n',
                't' => '\t',
                c => c,
            },
            c => c,
        });
    }
    out
}

#[test]
fn prompts_decode_to_their_trials_under_every_template() {
    let dir = Workdir::new();
    let templates = [
        "{x}{y}{sep}",
        "{x}>{y}\\n",
        "{x}{sep}{y}",
        "f({x}) = {y};\\n",
        "{sep}{x}\\t{sep}{y}{sep}{sep}",
        "<{x}|é{y}>",
        "{x}{y}",
        "\\{{x}\\}\\\\{y}",
    ];
    let mut checked = 0;
    for (bits, design) in [
        (8, "--shots 0,1,3,17"),
        (1, "--shots 0,1"),
        (3, "--design nested --shots 0,2,5"),
        (13, "--shots 2"),
        (16, "--design nested --shots 1,4"),
    ] {
        let trials = dir
            .run(
                "gen-tasks",
                &format!(
                    "--task flip_bits.rotl1 --task meta_constant --bits {bits} --trials 3 {design}"
                ),
            )
            .ok();
        for alphabet in ["genomic", "linguistic", "protein", "01#", "αβγ", "ab🧬~"] {
            for template in templates {
                let encoded = dir
                    .pipe(
                        trials.clone(),
                        "encode",
                        ["--alphabet", alphabet, "--template", template],
                    )
                    .loud_ok();
                let prefix = if alphabet == "protein" { "1" } else { "" };
                for prompt in json_lines(&encoded) {
                    check_decoded(&prompt, &unescaped(template), prefix);
                    assert_eq!(text(&prompt, "template"), template);
                    assert_eq!(text(&prompt, "encoding"), alphabet);
                    checked += 1;
                }
            }
        }
    }
    assert_eq!(checked, 8 * 6 * 2 * 3 * (4 + 2 + 1 + 1 + 1));
}

#[test]
fn prompts_that_end_in_white_space_are_warned_of_once() {
    let dir = Workdir::new();
    let trials = dir.run("gen-tasks", "--task identity --shots 1,2 --trials 2");
    let trials = trials.ok();
    for (template, warned) in [
        ("{x} {y}\\n", true),
        ("{x}>\\t{y};", true),
        ("{x}\\n{y}", true),
        ("{x} > {y} ", true),
        ("{x} >{y} ", false),
        (" {x}{y}\\n", false),
    ] {
        let arguments = ["--alphabet", "genomic", "--template", template, "--quiet"];
        let ran = dir.pipe(trials.clone(), "encode", arguments);
        let warnings = ran.stderr.matches("encode: warning: --template ").count();
        assert_eq!(warnings, usize::from(warned), "{ran}");
        assert_eq!(ran.stderr.contains("end in white space"), warned, "{ran}");
        assert_eq!(json_lines(&ran.loud_ok()).len(), 4);
    }
}

#[test]
fn every_alphabet_has_its_papers_template_and_prefix() {
    for (alphabet, template, prefix) in [
        ("genomic", "{x}{y}{sep}", ""),
        ("linguistic", "{x}{y}{sep}", ""),
        ("integer", "{x}{sep}{y}{sep}", ""),
        ("protein", "{x}{y}{sep}", "1"),
        ("xyZ", "{x}{y}{sep}", ""),
    ] {
        let arguments = format!("--alphabet {alphabet}");
        for p in prompts("--suite primitives --shots 2,5 --trials 1", &arguments) {
            check_decoded(&p, template, prefix);
            assert_eq!(text(&p, "template"), template);
            assert_eq!(text(&p, "prefix"), prefix);
        }
    }
    // PROTOCOL: 17 n + 8 symbols at 8 bits.
    for p in prompts(
        "--task identity --shots 1,128 --trials 2",
        "--alphabet genomic",
    ) {
        assert_eq!(text(&p, "prompt").len(), 17 * int(&p, "shots") + 8);
    }
}

#[test]
fn letters_that_look_like_a_name_are_spelt_out() {
    let all = prompts(
        "--task identity --shots 2 --trials 40",
        "--alphabet chars:dna",
    );
    let drawn: HashSet<char> = all.iter().flat_map(symbols).collect();
    assert_eq!(drawn, HashSet::from(['d', 'n', 'a']));
    assert!(all.iter().all(|p| text(p, "encoding") == "chars:dna"));
    // Whatever looks like no name is letters as it is.
    for letters in ["ACGU", "01x", "DN"] {
        let template = "--template {x}>{y};";
        let all = prompts(
            "--task identity --shots 2 --trials 40",
            &format!("--alphabet {letters} {template}"),
        );
        let drawn: HashSet<char> = all.iter().flat_map(symbols).collect();
        assert_eq!(drawn, letters.chars().collect::<HashSet<_>>());
    }
}

#[test]
fn a_prefix_stands_before_the_first_example() {
    let dir = Workdir::new();
    let trials = dir
        .run(
            "gen-tasks",
            "--design nested --task rotl1 --shots 0,2 --trials 2",
        )
        .ok();
    for (written, prefix) in [
        ("Rule:\n", "Rule:\n"),
        ("Rule:\\n\\t", "Rule:\n\t"),
        ("\\\\n", "\\n"),
        ("é", "é"),
        ("", ""),
    ] {
        let arguments = ["--alphabet", "protein", "--prefix", written];
        for p in json_lines(&dir.pipe(trials.clone(), "encode", arguments).ok()) {
            assert_eq!(text(&p, "prefix"), prefix);
            check_decoded(&p, "{x}{y}{sep}", prefix);
        }
    }
    dir.pipe(
        trials,
        "encode",
        ["--alphabet", "genomic", "--prefix", "a\\q"],
    )
    .refused(
        2,
        &["--prefix \"a\\\\q\": unknown escape \\q; there are \\n, "],
    );
}

#[test]
fn every_trial_triples_fresh_different_symbols_from_the_alphabet() {
    let mut triples: HashMap<Vec<char>, usize> = HashMap::new();
    for p in prompts(
        "--task identity --shots 1 --trials 2400",
        "--alphabet genomic",
    ) {
        let drawn = symbols(&p);
        assert_eq!(drawn.len(), 3);
        assert!(drawn.iter().all(|c| "ACGT".contains(*c)));
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 3);
        *triples.entry(drawn).or_default() += 1;
    }
    // All 24 ordered triples, each as probable: the 99.9 % point with 23 degrees of freedom.
    assert_eq!(triples.len(), 24);
    let counts: Vec<usize> = triples.into_values().collect();
    assert!(chi_squared(&counts) < 49.7, "{counts:?}");
    for p in prompts(
        "--suite primitives --shots 1 --trials 9",
        "--alphabet integer",
    ) {
        let drawn = symbols(&p);
        assert!(drawn[..2].iter().all(|c| "123456789".contains(*c)));
        assert!(drawn[0] != drawn[1] && drawn[2] == ',');
    }
}

#[test]
fn the_same_trial_has_the_same_symbols_in_every_condition_shard_and_template() {
    let dir = Workdir::new();
    let grid = "--suite primitives --shots 2,4 --trials 3";
    let whole = dir
        .run("gen-tasks", &format!("{grid} --condition clean,deranged"))
        .ok();
    let drawn = |input: &[u8], arguments: &str| -> Vec<(String, Vec<char>)> {
        let prompts = json_lines(&dir.pipe(input, "encode", arguments).ok());
        let key = |p: &Value| text(p, "trial_id").replace("/deranged/", "/clean/");
        prompts.iter().map(|p| (key(p), symbols(p))).collect()
    };
    let both = drawn(&whole, "--alphabet linguistic");
    assert_eq!(both.len(), 360);
    for pair in both.chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
    let all: HashMap<_, _> = both.into_iter().collect();
    let shard = dir.run("gen-tasks", &format!("{grid} --shard 4/7")).ok();
    let part = drawn(&shard, "--alphabet linguistic");
    assert!(part.len() > 20);
    for (id, symbols) in part {
        assert_eq!(all[&id], symbols);
    }
    // Without a separator the bits' symbols stay.
    for (id, symbols) in drawn(&shard, "--alphabet linguistic --template {x}>{y};") {
        assert_eq!(symbols, all[&id][..2]);
    }
}

#[test]
fn prompts_stream_byte_for_byte_whatever_the_shard() {
    let dir = Workdir::new();
    let grid = "--suite primitives --shots 2,4 --trials 2";
    let whole = dir.prompts(grid, "--alphabet protein");
    let parts: Vec<u8> = (0..3)
        .flat_map(|i| dir.prompts(&format!("{grid} --shard {i}/3"), "--alphabet protein"))
        .collect();
    assert_eq!(parts, whole);
}

#[test]
fn what_would_make_an_answer_ambiguous_or_impossible_is_a_usage_error() {
    let dir = Workdir::new();
    let trials = dir
        .run("gen-tasks", "--task identity --shots 1 --trials 1")
        .ok();
    for (alphabet, template, words) in [
        (
            "genomic",
            "{x}A{y}",
            ["'A' is also a symbol of the alphabet genomic", "ambiguous"],
        ),
        ("linguistic", "{x} 1 {y}{sep}", ["'1'", "ambiguous"]),
        ("integer", "{x},{y}{sep}", ["','", "ambiguous"]),
        ("ab#", "{x}{y}#", ["'#'", "ambiguous"]),
        (
            "genomic",
            "{y}{x}",
            ["{y} is before {x}", "before its query"],
        ),
        ("genomic", "{x}", ["{x} once and {y} once", "--template"]),
        (
            "genomic",
            "{x}{y}{y}",
            ["{x} once and {y} once", "--template"],
        ),
        ("genomic", "", ["{x} once and {y} once", "--template"]),
        (
            "genomic",
            "{x}{z}{y}",
            ["expected {x}, {y} or {sep}", "found {z}"],
        ),
        ("genomic", "{x}{y", ["a { without its }", "--template"]),
        ("genomic", "{x}}{y}", ["a } without its {", "--template"]),
        ("genomic", "{x}\\q{y}", ["unknown escape \\q", "--template"]),
        ("ACCA", "{x}{y}", ["--alphabet ACCA", "'C' appears twice"]),
        ("01", "{x}{y}{sep}", ["2 symbols", "needs 3"]),
        (
            "genomics",
            "{x}{y}",
            ["--alphabet genomics", "expected genomic;"],
        ),
        ("0 1", "{x}{y}", ["--alphabet", "' ' is invisible"]),
        (
            "words:AAC,ACA,AACG",
            "{x}{y}",
            [
                "--alphabet words:AAC,ACA,AACG",
                "\"AAC\" is the beginning of \"AACG\"",
            ],
        ),
        (
            "words:AAC,ACA",
            "{x}C{y}",
            ["'C' also occurs in a word of the alphabet", "ambiguous"],
        ),
        ("words:AAC,ACA", "{x}{y}{sep}", ["2 symbols", "needs 3"]),
    ] {
        let arguments = ["--alphabet", alphabet, "--template", template];
        let ran = dir.pipe(trials.clone(), "encode", arguments);
        ran.refused(2, &words);
        assert!(ran.stdout.is_empty(), "{ran}");
    }
    dir.pipe(trials.clone(), "encode", "")
        .refused(2, &["--alphabet is missing", "genomic, linguistic"]);
    dir.pipe(trials.clone(), "encode", "--alphabet words:")
        .refused(
            1,
            &["--alphabet words: (without a comma it is a file of words): No such file"],
        );
    let prefix = "--alphabet words:AAC,ACA,TTG --prefix >>A";
    dir.pipe(trials, "encode", prefix)
        .refused(2, &["--prefix \">>A\"", "'A' also occurs in a word"]);
}

#[test]
fn words_dress_a_trial_as_characters_do() {
    let dir = Workdir::new();
    let words = ["AAC", "ACA", "TTGA", "GG"];
    dir.write("words.txt", "AAC ACA\nTTGA\r\nGG\n");
    for design in ["--shots 0,3", "--design nested --shots 0,2,5"] {
        let trials = dir
            .run(
                "gen-tasks",
                format!("--task rotl1 --trials 3 {design}").as_str(),
            )
            .ok();
        let encode = |alphabet: &str| {
            let options = [
                "--alphabet",
                alphabet,
                "--template",
                "{x}>{y}{sep}\\n",
                "--prefix",
                "1",
            ];
            json_lines(&dir.pipe(trials.clone(), "encode", options).ok())
        };
        let (characters, spelt_out) = (encode("WXYZ"), encode("words:AAC,ACA,TTGA,GG"));
        let from_file = encode("words:words.txt");
        assert_eq!(characters.len(), spelt_out.len());
        let in_words = |text: &str| -> String {
            let symbol = |c: char| {
                "WXYZ"
                    .find(c)
                    .map_or(c.to_string(), |i| words[i].to_owned())
            };
            text.chars().map(symbol).collect()
        };
        for ((mut prompt, dressed), mut filed) in
            characters.into_iter().zip(spelt_out).zip(from_file)
        {
            for column in ["zero", "one", "separator", "prompt", "answer"] {
                prompt[column] = json!(in_words(text(&prompt, column)));
            }
            prompt["encoding"] = json!("words:AAC,ACA,TTGA,GG");
            assert_eq!(dressed, prompt);
            assert!(text(&filed, "encoding").starts_with("words:words.txt#"));
            filed["encoding"] = prompt["encoding"].clone();
            assert_eq!(filed, prompt);
        }
    }
}

#[test]
fn a_replayed_trial_keeps_its_symbols_and_another_alphabet_is_refused() {
    let dir = Workdir::new();
    let replayed = dir
        .run(
            "gen-tasks",
            "--replay breslow2026 --alphabet genomic --seed 42 --shots 1 --trials 1",
        )
        .ok();
    let plain = dir.pipe(replayed.clone(), "encode", "").ok();
    assert_eq!(
        dir.pipe(replayed.clone(), "encode", "--alphabet genomic")
            .ok(),
        plain
    );
    let trials = json_lines(&replayed);
    for (trial, prompt) in trials.iter().zip(json_lines(&plain)) {
        for column in ["encoding", "zero", "one", "separator"] {
            assert_eq!(trial[column], prompt[column]);
        }
    }
    dir.write("trials.jsonl", &replayed);
    dir.run("encode", "--alphabet protein trials.jsonl").refused(
        1,
        &["trials.jsonl:1: column \"encoding\": the trial carries symbols of genomic, but --alphabet is protein"],
    );
    for (change, words) in [
        (json!({"zero": 5}), "column \"zero\": expected a string"),
        (
            json!({"zero": "AC"}),
            "column \"one\": expected a word, like the symbol of zero, found",
        ),
        (
            json!({"zero": "A", "one": "A"}),
            "column \"one\": \"A\" is also the symbol of zero",
        ),
        (
            json!({"encoding": 4}),
            "column \"encoding\": expected a string",
        ),
        (
            json!({"separator": null}),
            "column \"separator\": is missing, but the template has {sep}",
        ),
    ] {
        let mut changed = trials[..3].to_vec();
        for (column, value) in change.as_object().unwrap() {
            changed[2][column] = value.clone();
        }
        let ran = dir.pipe(to_lines(&changed), "encode", "");
        ran.refused(1, &["stdin:3: ", words]);
    }
    let mut halved = trials[0].clone();
    halved.as_object_mut().unwrap().remove("one");
    dir.pipe(to_lines(&[halved]), "encode", "")
        .refused(1, &["stdin:1: ", "a replayed trial has all three"]);
}

#[test]
fn json_may_be_spelt_in_any_way() {
    let dir = Workdir::new();
    let trials = dir
        .run(
            "gen-tasks",
            "--task identity --shots 0,1,3 --trials 2 --bits 5",
        )
        .ok();
    let expected = dir
        .pipe(trials.clone(), "encode", "--alphabet genomic")
        .ok();
    let plain = String::from_utf8(trials).unwrap();
    let backwards: Vec<String> = json_lines(plain.as_bytes())
        .iter()
        .map(|t| {
            let columns = t.as_object().unwrap().iter().rev();
            let columns: Vec<String> = columns.map(|(k, v)| format!("{k:?}: {v}")).collect();
            format!("{{{}}}\r\n", columns.join(" , "))
        })
        .collect();
    for other in [
        plain
            .replace(',', " ,\t")
            .replace('[', "[ ")
            .replace(']', " ]"),
        // Digits and letters by their code points.
        plain
            .replace("\"0", "\"\\u0030")
            .replace("1\"", "\\u0031\""),
        plain.replace("\"inputs\"", "\"\\u0069nputs\""),
        plain.replace('\n', "\n\n  \n"),
        plain.trim_end().to_owned(),
        backwards.concat(),
    ] {
        assert_ne!(other, plain);
        let found = dir.pipe(other, "encode", "--alphabet genomic").ok();
        assert_eq!(found, expected);
    }
}

/// Columns of a user's own, of every type that JSON has.
fn own_columns(i: usize) -> Value {
    json!({
        "lab": format!("é \"{i}\"\n"),
        "weight": 0.1 + common::float(i),
        "count": i,
        "flag": i.is_multiple_of(2),
        "notes": [format!("n{i}"), "x"],
        "deep": {"a": [i, 2], "b": {"c": "d"}},
        "sometimes": if i.is_multiple_of(2) { json!(null) } else { json!(i) },
    })
}

#[test]
fn columns_that_encode_does_not_know_pass_through_in_every_format() {
    let dir = Workdir::new();
    let generated = dir
        .run("gen-tasks", "--suite primitives --shots 2 --trials 60")
        .ok();
    let mut trials = json_lines(&generated);
    assert!(trials.len() > 1024, "more than one Arrow batch");
    for (i, trial) in trials.iter_mut().enumerate() {
        let own = own_columns(i);
        trial
            .as_object_mut()
            .unwrap()
            .extend(own.as_object().unwrap().clone());
    }
    dir.write("trials.jsonl", to_lines(&trials));
    let check = |rows: &[Value], from: &str| {
        assert_eq!(rows.len(), trials.len());
        for (i, row) in rows.iter().enumerate() {
            for (column, value) in own_columns(i).as_object().unwrap() {
                assert_eq!(&row[column], value, "{column} of row {i} from {from}");
            }
            assert_eq!(row["trial_id"], trials[i]["trial_id"]);
            assert!(row["prompt"].is_string());
        }
    };
    for (to, rows) in FORMATS {
        let first = format!("prompts.{to}");
        dir.run(
            "encode",
            &format!("--alphabet genomic trials.jsonl -o {first}"),
        )
        .ok();
        check(&rows(&dir.read(&first)), to);
        // Once more through another filter, from this format to each.
        for (further, rows) in FORMATS {
            let arguments = format!("--model builtin:copy --to {further} {first}");
            let predictions = dir.run("infer", &arguments).ok();
            check(&rows(&predictions), &format!("{to} to {further}"));
        }
    }
}

#[test]
fn an_unknown_column_keeps_its_arrow_type() {
    let dir = Workdir::new();
    let trials = dir
        .run(
            "gen-tasks",
            "--task identity --shots 1 --trials 5 --to arrow",
        )
        .ok();
    let batch = &arrow_batches(&trials)[0];
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(arrow::datatypes::Field::new(
        "block",
        DataType::Int32,
        true,
    )));
    let mut columns = batch.columns().to_vec();
    let block: ArrayRef = Arc::new(Int32Array::from(vec![
        Some(7),
        None,
        Some(-1),
        Some(0),
        None,
    ]));
    columns.push(block.clone());
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let stream = to_arrow_stream(&[batch]);
    for (to, read) in [
        ("arrow", arrow_batches as fn(&[u8]) -> Vec<RecordBatch>),
        ("parquet", parquet_batches),
    ] {
        let out = dir
            .pipe(
                stream.clone(),
                "encode",
                &format!("--alphabet genomic --to {to}"),
            )
            .ok();
        let found = read(&out)[0].column_by_name("block").unwrap().clone();
        assert_eq!(found.data_type(), &DataType::Int32, "{to}");
        assert_eq!(found.as_ref(), block.as_ref() as &dyn Array, "{to}");
    }
}

#[test]
fn a_column_that_changes_its_type_is_refused_where_the_format_cannot_hold_it() {
    let dir = Workdir::new();
    let mut trials = json_lines(
        &dir.run("gen-tasks", "--task identity --shots 1 --trials 2")
            .ok(),
    );
    trials[0]["mine"] = json!("a");
    trials[1]["mine"] = json!({"b": 1});
    let input = to_lines(&trials);
    let kept = dir.pipe(input.clone(), "encode", "--alphabet genomic").ok();
    assert_eq!(json_lines(&kept)[1]["mine"], json!({"b": 1}));
    for to in ["arrow", "parquet"] {
        let ran = dir.pipe(
            input.clone(),
            "encode",
            &format!("--alphabet genomic --to {to}"),
        );
        ran.refused(1, &["write JSONL instead"]);
    }
}

/// Lines in gen-tasks' own form are read at once and copied; any other spelling of the same trials goes the long way.
#[test]
fn however_a_trial_is_spelt_its_prompt_is_the_same() {
    let dir = Workdir::new();
    for design in ["--condition clean,deranged", "--design nested"] {
        let draw = format!("--suite primitives --shots 2,3,5 --trials 2 {design}");
        let trials = dir.run("gen-tasks", draw.as_str()).ok();
        let plain = String::from_utf8(trials.clone()).unwrap();
        let spaced = plain.replace(':', ": ").replace(',', " , ");
        let by_turns: String = plain
            .lines()
            .zip(spaced.lines())
            .enumerate()
            .flat_map(|(i, (plain, spaced))| [if i % 3 == 1 { plain } else { spaced }, "\r\n"])
            .collect();
        let escaped = plain.replace("\"0", "\"\\u0030");
        let encode = |trials: &str| dir.pipe(trials, "encode", "--alphabet genomic").ok();
        let expected = encode(&plain);
        for other in [spaced, by_turns, escaped, plain.trim_end().to_owned()] {
            assert_eq!(encode(&other), expected);
        }
    }
}
