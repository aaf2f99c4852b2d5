//! What `gen-tasks` promises.

mod common;

use common::{
    FORMATS, Row, Workdir, chi_squared, csv_rows, float, int, json_lines, lines, list, number,
    repository, sha256, text, texts,
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};

fn trials(arguments: &str) -> Vec<Value> {
    json_lines(&Workdir::new().run("gen-tasks", arguments).ok())
}

/// Trials by their identity.
fn by_id(trials: Vec<Value>) -> BTreeMap<String, Value> {
    let count = trials.len();
    let map: BTreeMap<String, Value> = trials
        .into_iter()
        .map(|t| (text(&t, "trial_id").to_owned(), t))
        .collect();
    assert_eq!(map.len(), count, "an id appears twice");
    map
}

/// The 100 functions in the published order, with their BitLoad.
fn table3() -> Vec<(String, String)> {
    std::fs::read_to_string(repository("tests/fixtures/paper/table3.tsv"))
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            (fields.next().unwrap(), fields.next().unwrap())
        })
        .collect()
}

#[test]
fn by_default_it_draws_the_papers_experiment() {
    let trials = trials("");
    assert_eq!(trials.len(), 100 * 8 * 8);
    let mut functions: Vec<&str> = trials.iter().map(|t| text(t, "function")).collect();
    functions.dedup();
    let published = table3();
    assert!(functions.iter().eq(published.iter().map(|(name, _)| name)));
    let mut cells: HashMap<(&str, usize), Vec<usize>> = HashMap::new();
    for t in &trials {
        let key = (text(t, "function"), int(t, "shots"));
        cells.entry(key).or_default().push(int(t, "trial"));
        assert_eq!(text(t, "condition"), "clean");
        assert_eq!(text(t, "design"), "independent");
        assert_eq!((int(t, "bits"), int(t, "seed")), (8, 0));
        assert!(t["unchanged"].is_null() && t["eval_shots"].is_null());
        let constant = text(t, "function").contains("meta_constant");
        assert_eq!(t["constant"].is_string(), constant);
    }
    assert_eq!(cells.len(), 100 * 8);
    for ((_, shots), numbers) in cells {
        assert!([1, 2, 4, 8, 16, 32, 64, 128].contains(&shots));
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}

#[test]
fn inputs_and_query_are_different_strings_of_the_width() {
    for (bits, shots) in [(1, "0,1"), (3, "2,7"), (8, "128,255"), (16, "300")] {
        for t in trials(&format!(
            "--task flip_bits --task identity --bits {bits} --shots {shots} --trials 3"
        )) {
            let mut shown = texts(&t, "inputs");
            assert_eq!(shown.len(), int(&t, "shots"));
            shown.push(text(&t, "query"));
            assert!(
                shown
                    .iter()
                    .all(|x| x.len() == bits && x.chars().all(|c| c == '0' || c == '1'))
            );
            assert_eq!(shown.iter().collect::<HashSet<_>>().len(), shown.len());
        }
    }
}

/// Functions written here a second time, on texts.
fn apply(function: &str, x: &str, constant: Option<&str>) -> String {
    function
        .split('.')
        .fold(x.to_owned(), |value, primitive| match primitive {
            "identity" => value,
            "flip_bits" => value
                .chars()
                .map(|c| if c == '0' { '1' } else { '0' })
                .collect(),
            "reverse_bits" => value.chars().rev().collect(),
            "rotl1" => format!("{}{}", &value[1..], &value[..1]),
            "shift_right_zero" => format!("0{}", &value[..value.len() - 1]),
            "parity_fill" => {
                let odd = value.matches('1').count() % 2 == 1;
                if odd { "1" } else { "0" }.repeat(value.len())
            }
            "meta_constant" => constant.unwrap().to_owned(),
            "xor_with_s0" => value
                .chars()
                .zip(x.chars())
                .map(|(a, b)| if a == b { '0' } else { '1' })
                .collect(),
            other => panic!("{other}"),
        })
}

#[test]
fn outputs_and_target_are_the_functions_own() {
    let functions = [
        "identity",
        "flip_bits.reverse_bits",
        "rotl1.shift_right_zero",
        "parity_fill",
        "meta_constant.rotl1",
        "meta_constant.xor_with_s0",
        "reverse_bits.xor_with_s0",
    ];
    let tasks: Vec<String> = functions.iter().map(|f| format!("--task {f}")).collect();
    for bits in [1, 2, 5, 8, 13, 16] {
        let shots = if bits == 1 { "0,1" } else { "0,1,3" };
        let arguments = format!(
            "{} --bits {bits} --shots {shots} --trials 4",
            tasks.join(" ")
        );
        // At one bit some are one function, of which there is a warning.
        let trials = json_lines(&Workdir::new().run("gen-tasks", &arguments).loud_ok());
        assert!(!trials.is_empty());
        for t in &trials {
            let constant = t["constant"].as_str();
            let f = |x: &str| apply(text(t, "function"), x, constant);
            for (x, y) in texts(t, "inputs").iter().zip(texts(t, "outputs")) {
                assert_eq!(f(x), y, "{t}");
            }
            assert_eq!(texts(t, "inputs").len(), texts(t, "outputs").len());
            assert_eq!(f(text(t, "query")), text(t, "target"), "{t}");
        }
    }
}

/// Three demonstrations and a query over the four strings of two bits are one of 24 orders, each
/// as probable as any other.
#[test]
fn inputs_are_drawn_uniformly_without_replacement() {
    let mut orders: HashMap<String, usize> = HashMap::new();
    for t in trials("--task identity --bits 2 --shots 3 --trials 4800") {
        let order = texts(&t, "inputs").join(" ") + text(&t, "query");
        *orders.entry(order).or_default() += 1;
    }
    assert_eq!(orders.len(), 24);
    let counts: Vec<usize> = orders.into_values().collect();
    // The 99.9 % point of chi-squared with 23 degrees of freedom.
    assert!(chi_squared(&counts) < 49.7, "{counts:?}");
}

#[test]
fn constants_are_uniform_and_vary_between_trials() {
    let mut counts = [0; 8];
    for t in trials("--task meta_constant --bits 3 --shots 1 --trials 4000") {
        counts[usize::from_str_radix(text(&t, "constant"), 2).unwrap()] += 1;
    }
    // The 99.9 % point of chi-squared with 7 degrees of freedom.
    assert!(chi_squared(&counts) < 24.3, "{counts:?}");
}

#[test]
fn trial_ids_are_unique_across_the_grid() {
    let mut ids = HashSet::new();
    for arguments in [
        "--condition clean,deranged --shots 2,4 --trials 3 --suite primitives",
        "--condition clean,deranged --shots 2,4 --trials 3 --suite primitives --seed 1",
        "--condition clean,deranged --shots 2,4 --trials 3 --suite primitives --bits 7",
        "--design nested --shots 2,4 --trials 3 --suite primitives",
        "--design nested --shots 2,8 --trials 3 --suite primitives",
        "--replay breslow2026 --alphabet genomic --condition clean,deranged --shots 2,4 --trials 3",
        "--replay breslow2026 --alphabet protein --condition clean,deranged --shots 2,4 --trials 3",
        "--replay breslow2026 --alphabet genomic --shots 2 --trials 4",
    ] {
        for t in trials(arguments) {
            let id = text(&t, "trial_id").to_owned();
            assert!(ids.insert(id.clone()), "{id} again with {arguments}");
        }
    }
    assert_eq!(ids.len(), 3 * 360 + 2 * 90 + 2 * 1200 + 400);
}

#[test]
fn the_same_trial_is_drawn_whatever_else_the_grid_holds() {
    let whole = by_id(trials(
        "--shots 2,4,8 --trials 4 --condition clean,deranged",
    ));
    let parts = [
        "--shots 8,4 --trials 2",
        "--shots 2 --trials 4 --condition deranged",
        "--shots 2,8 --trials 3 --condition deranged,clean --task parity_fill --task identity",
    ];
    for part in parts {
        let part = by_id(trials(part));
        assert!(part.len() >= 24);
        for (id, trial) in part {
            assert_eq!(Some(&trial), whole.get(&id), "{id}");
        }
    }
    let other = by_id(trials("--shots 2,4,8 --trials 4 --seed 1"));
    assert!(other.keys().all(|id| !whole.contains_key(id)));
    let queries = |trials: &BTreeMap<String, Value>| -> Vec<String> {
        let clean = trials.values().filter(|t| t["condition"] == "clean");
        clean.map(|t| text(t, "query").to_owned()).collect()
    };
    assert_ne!(queries(&whole), queries(&other));
}

#[test]
fn shards_concatenate_to_the_whole_byte_for_byte() {
    let dir = Workdir::new();
    for arguments in [
        "--task identity --task rotl1 --task meta_constant --shots 1,4,2 --trials 3",
        "--task identity --task rotl1 --shots 2,8 --trials 5 --condition clean,deranged",
        "--suite primitives --design nested --shots 4,2 --trials 1",
        "--replay breslow2026 --alphabet integer --shots 2,1 --trials 1 --seed 3",
    ] {
        let whole = dir.run("gen-tasks", arguments).ok();
        for count in [1, 2, 7, 64] {
            let shards: Vec<Vec<u8>> = (0..count)
                .map(|i| {
                    let sharded = format!("{arguments} --shard {i}/{count}");
                    dir.run("gen-tasks", &sharded).ok()
                })
                .collect();
            assert_eq!(shards.concat(), whole, "{arguments} in {count}");
            let sizes = shards.iter().map(|s| lines(s).len());
            let (least, most) = (sizes.clone().min().unwrap(), sizes.max().unwrap());
            assert!(most - least <= 1, "{least}..{most}");
        }
    }
}

#[test]
fn clean_and_deranged_trials_are_paired() {
    let trials = trials("--shots 2,8,64 --trials 2 --condition clean,deranged");
    assert_eq!(trials.len(), 100 * 3 * 2 * 2);
    let (mut moved, mut shown) = (0, 0);
    for pair in trials.chunks(2) {
        let [clean, deranged] = pair else { panic!() };
        assert_eq!(text(clean, "condition"), "clean");
        assert_eq!(text(deranged, "condition"), "deranged");
        let same = [
            "function", "bits", "shots", "trial", "seed", "constant", "inputs", "query", "target",
        ];
        for column in same {
            assert_eq!(clean[column], deranged[column], "{column}: {deranged}");
        }
        let (before, after) = (texts(clean, "outputs"), texts(deranged, "outputs"));
        let unchanged = before.iter().zip(&after).filter(|(a, b)| a == b).count();
        assert_eq!(unchanged, int(deranged, "unchanged"));
        let sorted = |list: &[&str]| {
            let mut list: Vec<String> = list.iter().map(|&s| s.to_owned()).collect();
            list.sort();
            list
        };
        assert_eq!(sorted(&before), sorted(&after));
        let all_equal = before.iter().all(|y| *y == before[0]);
        assert_eq!(before == after, all_equal, "{deranged}");
        shown += before.len();
        moved += before.len() - unchanged;
    }
    // The protocol: 12 to 20 % of the demonstrations keep their output.
    let kept = 1.0 - float(moved) / float(shown);
    assert!((0.08..0.2).contains(&kept), "{kept}");
}

#[test]
fn fewer_than_two_demonstrations_cannot_be_deranged_which_is_said() {
    let dir = Workdir::new();
    for shots in ["1", "1,2", "0,2", "0,1,2"] {
        let ran = dir.run(
            "gen-tasks",
            &format!("--suite primitives --shots {shots} --trials 2 --condition clean,deranged"),
        );
        assert_eq!(
            ran.stderr,
            "gen-tasks: warning: fewer than 2 demonstrations cannot be deranged: at 0 and 1 shots the deranged \
             trials equal the clean ones\n"
        );
        let trials = json_lines(&ran.loud_ok());
        for pair in trials.chunks(2).filter(|pair| int(&pair[0], "shots") < 2) {
            assert_eq!(pair[0]["outputs"], pair[1]["outputs"]);
            assert_eq!(int(&pair[1], "unchanged"), int(&pair[0], "shots"));
        }
    }
}

#[test]
fn zero_shots_are_an_empty_context() {
    for t in trials("--task identity --task meta_constant --shots 0 --trials 3") {
        assert!(list(&t, "inputs").is_empty() && list(&t, "outputs").is_empty());
        assert_eq!(text(&t, "query").len(), 8);
        assert_eq!(int(&t, "shots"), 0);
    }
}

#[test]
fn a_longer_nested_sequence_extends_a_shorter_one() {
    let nested = |shots: &str| {
        trials(&format!(
            "--suite primitives --design nested --shots {shots} --trials 2 --seed 5"
        ))
    };
    let (short, long) = (nested("4,1,2"), nested("1,4,16"));
    assert_eq!((short.len(), long.len()), (60, 60));
    for (short, long) in short.iter().zip(&long) {
        assert_eq!(short["function"], long["function"]);
        assert_eq!(short["constant"], long["constant"]);
        assert_eq!(int(short, "shots"), 4);
        assert_eq!(short["eval_shots"], serde_json::json!([1, 2, 4]));
        assert_eq!(long["eval_shots"], serde_json::json!([1, 4, 16]));
        let sequence = |t: &Value, inputs: &str, query: &str| -> Vec<String> {
            let examples = texts(t, inputs).into_iter().chain([text(t, query)]);
            examples.map(str::to_owned).collect()
        };
        for (examples, last) in [("inputs", "query"), ("outputs", "target")] {
            let (part, whole) = (
                sequence(short, examples, last),
                sequence(long, examples, last),
            );
            assert_eq!((part.len(), whole.len()), (5, 17));
            assert_eq!(part, whole[..5]);
        }
    }
}

#[test]
fn tasks_come_in_the_order_given() {
    let functions: Vec<String> = trials("--task rotl1.rotl1 --task identity --shots 1 --trials 2")
        .iter()
        .map(|t| text(t, "function").to_owned())
        .collect();
    assert_eq!(
        functions,
        ["rotl1.rotl1", "rotl1.rotl1", "identity", "identity"]
    );
}

#[test]
fn the_list_of_the_paper_has_the_published_bitloads() {
    let listing = csv_rows(&Workdir::new().run("gen-tasks", "--list").ok());
    let published = table3();
    assert_eq!(published.len(), 100);
    assert_eq!(listing.len(), 100);
    for (row, (function, bitload)) in listing.iter().zip(&published) {
        assert_eq!(&row["function"], function);
        assert_eq!(&row["bitload"], bitload, "{function}");
    }
    let hashes: HashSet<&String> = listing.iter().map(|row| &row["table_hash"]).collect();
    assert_eq!(hashes.len(), 100, "the functions differ pairwise");
    // 24.3 % of all (function, input) outputs are all zeros or all ones (PROTOCOL: paper 1).
    let zero_bd = listing
        .iter()
        .map(|row| number(row, "zero_bd"))
        .sum::<f64>()
        / 100.0;
    assert!((zero_bd - 0.243).abs() < 5e-4, "{zero_bd}");
}

#[test]
fn the_list_takes_any_suite_width_and_format() {
    let dir = Workdir::new();
    let primitives = csv_rows(&dir.run("gen-tasks", "--list --suite primitives").ok());
    assert_eq!(primitives.len(), 30);
    dir.write("mine.txt", "parity_fill\n  identity  # as it is\n");
    for (format, read) in FORMATS {
        let arguments = format!("--list --suite mine.txt --bits 4 --to {format}");
        let rows = read(&dir.run("gen-tasks", &arguments).ok());
        assert_eq!(rows.len(), 2, "{format}");
        assert_eq!(text(&rows[0], "function"), "parity_fill");
        assert_eq!(int(&rows[0], "bitload"), 4);
        assert_eq!(
            (
                rows[0]["bitdiversity"].as_f64(),
                rows[0]["zero_bd"].as_f64()
            ),
            (Some(0.0), Some(1.0))
        );
        // Of 16 strings 2 have no minority bit, 8 one and 6 two: 20 / 16.
        assert_eq!(
            (
                rows[1]["bitdiversity"].as_f64(),
                rows[1]["zero_bd"].as_f64()
            ),
            (Some(1.25), Some(0.125))
        );
    }
    let task = csv_rows(
        &dir.run("gen-tasks", "--list --task identity --bits 16")
            .ok(),
    );
    assert_eq!(task[0]["bitload"], "16");
}

#[test]
fn a_suite_file_may_hold_comments_and_says_where_it_is_wrong() {
    let dir = Workdir::new();
    dir.write(
        "good.txt",
        "# my functions\n\nflip_bits\nrotl1.rotl1 # twice round\n",
    );
    let trials = json_lines(
        &dir.run("gen-tasks", "--suite good.txt --shots 1 --trials 1")
            .ok(),
    );
    let functions: Vec<&str> = trials.iter().map(|t| text(t, "function")).collect();
    assert_eq!(functions, ["flip_bits", "rotl1.rotl1"]);
    for (contents, message) in [
        (
            "identity\n\nflip_bits.flop\n",
            "bad.txt:3: \"flop\" in \"flip_bits.flop\" is not a primitive",
        ),
        (
            "identity\n# again\nidentity\n",
            "bad.txt:3: identity appears twice, first in line 1",
        ),
        (
            "identity\nrotl1.\n",
            "bad.txt:2: \"\" in \"rotl1.\" is not a primitive",
        ),
        ("# nothing here\n", "bad.txt: no program in this suite"),
    ] {
        dir.write("bad.txt", contents);
        dir.run("gen-tasks", "--suite bad.txt")
            .refused(1, &[message]);
        dir.run("gen-tasks", "--suite bad.txt --list")
            .refused(1, &[message]);
    }
    dir.write("latin1.txt", b"identit\xe9\n");
    dir.run("gen-tasks", "--suite latin1.txt")
        .refused(1, &["latin1.txt: ", "UTF-8"]);
    dir.run("gen-tasks", "--suite gone.txt").refused(
        2,
        &["--suite gone.txt: neither `paper` nor `primitives` nor a file"],
    );
}

#[test]
fn what_cannot_be_drawn_is_a_usage_error() {
    let dir = Workdir::new();
    for (arguments, words) in [
        (
            "--bits 3 --shots 2,8",
            ["--shots 8", "9 different inputs", "only 8 of 3 bits"],
        ),
        (
            "--bits 1 --shots 2",
            ["--shots 2", "3 different inputs", "only 2"],
        ),
        ("--trials 0", ["--trials 0", "expected at least one", ""]),
        ("--bits 0", ["--bits 0", "expected 1..16", ""]),
        ("--bits 17", ["--bits 17", "expected 1..16", ""]),
        ("--list --bits 17", ["--bits 17", "expected 1..16", ""]),
        ("--shots 4,2,4", ["--shots", "4 is given twice", ""]),
        ("--shots 1,x", ["expected shot counts", "\"x\"", ""]),
        ("--shots=-1", ["expected shot counts", "\"-1\"", ""]),
        (
            "--task flip_bits.flop",
            ["\"flop\"", "is not a primitive", "--list"],
        ),
        (
            "--task identity --task identity",
            ["identity", "named twice", ""],
        ),
        (
            "--shard 4/4",
            ["expected I/N with I in 0..N", "\"4/4\"", ""],
        ),
        ("--shard half", ["expected I/N", "\"half\"", ""]),
        (
            "--task identity --suite paper",
            ["--task", "--suite", "cannot be used with"],
        ),
        ("--condition clean,clean", ["--condition", "twice", ""]),
        ("--condition unclean", ["unclean", "clean", "deranged"]),
        (
            "--design nested --condition clean,deranged --shots 2",
            ["--design nested", "--condition deranged", "identity"],
        ),
        ("--seed=-1", ["-1", "--seed", ""]),
        ("--replay breslow2026", ["--alphabet", "required", ""]),
        ("--alphabet genomic", ["--replay", "required", ""]),
        (
            "--replay breslow2026 --alphabet genomic --bits 8",
            ["--replay", "--bits", "cannot be used with"],
        ),
        (
            "--replay breslow2026 --alphabet 01#",
            [
                "--alphabet 01#",
                "genomic, linguistic, integer or protein",
                "",
            ],
        ),
        (
            "--replay breslow2026 --alphabet genomic --trials 0",
            ["--trials 0", "at least one", ""],
        ),
        (
            "--replay breslow2026 --alphabet genomic --shots 256",
            ["--shots 256", "257", "256"],
        ),
        (
            "--to csv",
            [
                "a trial has lists",
                "CSV cannot hold",
                "--to jsonl, arrow or parquet",
            ],
        ),
        (
            "-o trials.csv",
            ["a trial has lists", "CSV cannot hold", ""],
        ),
    ] {
        let ran = dir.run("gen-tasks", arguments);
        ran.refused(2, &words);
        assert!(ran.stdout.is_empty(), "{ran}");
    }
    assert!(dir.names().is_empty(), "{:?}", dir.names());
}

/// The hash over `prompt\ttarget\n` of a replayed cell.
fn replayed(alphabet: &str, shots: u32, seed: u64, trials: u32, condition: &str) -> String {
    let dir = Workdir::new();
    let arguments = format!(
        "--replay breslow2026 --alphabet {alphabet} --shots {shots} --seed {seed} --trials {trials} --condition {condition}"
    );
    let prompts = json_lines(&dir.prompts(&arguments, ""));
    assert_eq!(prompts.len(), 100 * trials as usize);
    let pairs: Vec<String> = prompts
        .iter()
        .map(|p| format!("{}\t{}\n", text(p, "prompt"), text(p, "target")))
        .collect();
    sha256(pairs.concat().as_bytes())
}

/// The hashes of the published raw results.
#[test]
fn the_published_prompts_are_replayed_byte_for_byte() {
    for (alphabet, shots, seed, trials, condition, expected) in [
        (
            "genomic",
            8,
            42,
            8,
            "clean",
            "85d8d5368b40580f93989278fb20bd8ae568527a05b58133f4dc8f6dd8bc6d6f",
        ),
        (
            "genomic",
            8,
            42,
            8,
            "deranged",
            "61ec2f7d11198f742d23954e06b2889f13244d9784aa7f24d8597385b5d1d866",
        ),
        (
            "genomic",
            64,
            42,
            128,
            "clean",
            "85887bc9ddd0b09450fb474b1845a1cbb7b9e98ef28b77ca520993587c98183c",
        ),
        (
            "linguistic",
            64,
            1_958_817_553,
            128,
            "clean",
            "478f511030f2a17ec0db59a302a6b81dfc21cc94094cba4e25a8c11e130618ea",
        ),
    ] {
        assert_eq!(
            replayed(alphabet, shots, seed, trials, condition),
            expected,
            "{alphabet} {shots} {condition}"
        );
    }
}

/// Cells without a published hash: the figures are those of a second implementation over CPython's
/// own `random`, which gives the four published hashes, too.
#[test]
fn other_alphabets_are_replayed_as_cpython_draws_them() {
    for (alphabet, shots, seed, trials, condition, expected) in [
        (
            "protein",
            4,
            7,
            3,
            "clean",
            "7657b17057213098f54229711c3be3e3a1b94c883ccf0a4d35c131cf117e0641",
        ),
        (
            "protein",
            4,
            7,
            3,
            "deranged",
            "41c6931cf22c74647fbf3834e7a22a4867bc19500a58f430f08daf9444eedda2",
        ),
        (
            "integer",
            4,
            7,
            3,
            "clean",
            "033efbd899499bca236b6243345b4bdc87c77f0b457e366a0ce5d8efbb3dff58",
        ),
        (
            "integer",
            1,
            5_000_000_000,
            2,
            "clean",
            "d0947db0cb91dfd12a6a9d34cd03bf00da873ced8c8775879956e325f8500052",
        ),
    ] {
        assert_eq!(
            replayed(alphabet, shots, seed, trials, condition),
            expected,
            "{alphabet} {shots} {condition}"
        );
    }
}

#[test]
fn every_cell_of_a_replay_begins_the_published_stream_anew() {
    let cell = |shots: &str, condition: &str| {
        let arguments = format!(
            "--replay breslow2026 --alphabet genomic --seed 42 --trials 2 --shots {shots} --condition {condition}"
        );
        Workdir::new().run("gen-tasks", &arguments).ok()
    };
    let parts = [
        cell("8", "clean"),
        cell("4", "clean"),
        cell("8", "deranged"),
        cell("4", "deranged"),
    ];
    assert_eq!(cell("8,4", "clean,deranged"), parts.concat());
}

#[test]
fn replayed_prompts_have_the_form_of_their_alphabet() {
    let dir = Workdir::new();
    let prompts = |alphabet: &str| {
        let replay =
            format!("--replay breslow2026 --alphabet {alphabet} --shots 2 --trials 1 --seed 9");
        json_lines(&dir.prompts(&replay, ""))
    };
    for p in prompts("protein") {
        let prompt = text(&p, "prompt");
        assert!(
            prompt.starts_with('1') && prompt.len() == 1 + 17 * 2 + 8,
            "{prompt}"
        );
        assert_eq!(text(&p, "encoding"), "protein");
    }
    for p in prompts("integer") {
        // x, y, x, y, x, each behind its comma: the answer comes next.
        let groups: Vec<&str> = text(&p, "prompt").split(',').collect();
        assert_eq!(groups.len(), 6);
        assert_eq!(groups[5], "");
        let symbols = [text(&p, "zero"), text(&p, "one")].concat();
        for group in &groups[..5] {
            assert!(
                group.len() == 8 && group.chars().all(|c| symbols.contains(c)),
                "{group}"
            );
        }
        assert!(symbols.chars().all(|c| ('1'..='9').contains(&c)));
        assert_eq!(text(&p, "separator"), ",");
    }
}

#[test]
fn a_nested_sequence_can_be_read_at_every_shot_count_and_is_the_same_sequence() {
    let dir = Workdir::new();
    let grid = "--task identity --design nested --shots 2,12 --trials 2";
    let given = json_lines(&dir.run("gen-tasks", grid).ok());
    let all = json_lines(
        &dir.run("gen-tasks", &format!("{grid} --eval-shots all"))
            .ok(),
    );
    assert_eq!(all.len(), 2);
    for (mut given, all) in given.into_iter().zip(all) {
        assert_eq!(
            all["eval_shots"],
            serde_json::json!((1..=12).collect::<Vec<u32>>())
        );
        given["eval_shots"] = all["eval_shots"].clone();
        assert_eq!(given, all);
    }
    dir.run("gen-tasks", "--eval-shots all")
        .refused(2, &["--eval-shots all", "--design nested"]);
}

#[test]
fn a_random_suite_is_new_and_the_same_everywhere() {
    let dir = Workdir::new();
    let suite = "--suite random:40,depth=3,seed=11";
    let listed = csv_rows(&dir.run("gen-tasks", &format!("{suite} --list")).ok());
    assert_eq!(listed.len(), 40);
    let hashes = |rows: &[Row]| -> HashSet<String> {
        rows.iter().map(|r| r["table_hash"].clone()).collect()
    };
    let published = csv_rows(&dir.run("gen-tasks", "--list").ok());
    assert_eq!(hashes(&listed).len(), 40);
    assert!(hashes(&listed).is_disjoint(&hashes(&published)));
    let trials = json_lines(
        &dir.run("gen-tasks", &format!("{suite} --shots 2 --trials 1"))
            .ok(),
    );
    let functions: Vec<&str> = trials.iter().map(|t| text(t, "function")).collect();
    let named: Vec<&str> = listed.iter().map(|r| &*r["function"]).collect();
    assert_eq!(functions, named);
    // Rivals of the same suite, told by the same words; a list is a suite file, too.
    dir.write("mine.txt", named.join("\n"));
    let drawn = |suite: &str| {
        dir.run(
            "gen-tasks",
            &format!("--suite {suite} --shots 2 --trials 1"),
        )
        .ok()
    };
    assert_eq!(drawn("mine.txt"), drawn("random:40,depth=3,seed=11"));
    let prompts = dir.prompts(
        &format!("{suite} --shots 6 --trials 1"),
        "--alphabet genomic",
    );
    let answers = dir
        .pipe(prompts, "infer", &format!("--model builtin:bayes {suite}"))
        .ok();
    let right = json_lines(&answers)
        .iter()
        .filter(|p| p["correct"] == true)
        .count();
    assert!(right > 30, "{right}");
}

#[test]
fn random_functions_differ_at_the_width_asked_for() {
    let dir = Workdir::new();
    let list = |bits: u32| {
        let arguments =
            format!("--suite random:20,depth=4,seed=3,bitload=2-3 --bits {bits} --list");
        csv_rows(&dir.run("gen-tasks", &arguments).ok())
    };
    for bits in [4, 8] {
        let rows = list(bits);
        let hashes: HashSet<&String> = rows.iter().map(|r| &r["table_hash"]).collect();
        assert_eq!(hashes.len(), 20);
        assert!(rows.iter().all(|r| ["2", "3"].contains(&&*r["bitload"])));
    }
    dir.run("gen-tasks", "--suite random:900,depth=1,seed=0 --list")
        .refused(
            2,
            &["random:900", "new functions of BitLoad 1-8 on 8 bits among"],
        );
    dir.run("gen-tasks", "--suite random-tables:5,k=1,seed=1 --bits 1")
        .refused(
            2,
            &["found only 2 functions of BitLoad 1-1 on 1 bit; ask for fewer"],
        );
    dir.run("gen-tasks", "--suite random:9 --list")
        .refused(2, &["depth is a number"]);
}
