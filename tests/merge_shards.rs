//! Tests of `merge-shards`. It gives the records of the uncut run, or one line that says which shard is missing,
//! doubled, cut off or from another run.

mod common;

use common::{FORMATS, Workdir, json_lines, lines, metadata, text, to_lines};
use serde_json::{Value, json};
use std::process::Command;

/// 3 functions, 2 shot counts, 2 conditions, 3 trials: 36 trials.
const GRID: &str = "--task identity --task rotl1 --task meta_constant --shots 2,4 --trials 3 \
                    --condition clean,deranged --seed 3";
/// 6 sequences, each evaluated at 3 shot counts.
const NESTED: &str = "--task identity --task rotl1 --design nested --shots 1,2,4 --trials 3";
/// The stages of a run: trials (t), prompts (p), predictions (a).
const STAGES: [&str; 3] = ["t", "p", "a"];

/// Makes the files `t.NAME`, `p.NAME` and `a.NAME` of a run or of one of its shards.
fn make(dir: &Workdir, drawn: &str, inferred: &str, name: &str) {
    dir.run("gen-tasks", &format!("{drawn} -o t.{name}")).ok();
    dir.run(
        "encode",
        &format!("--alphabet genomic t.{name} -o p.{name}"),
    )
    .ok();
    let answered = format!("--model builtin:nearest {inferred} p.{name} -o a.{name}");
    dir.run("infer", &answered).ok();
}

/// Makes the files of all shards, `t.0.FORMAT` and so on. Gives their names without the stage.
fn shards(dir: &Workdir, drawn: &str, inferred: &str, count: usize, to: &str) -> Vec<String> {
    (0..count)
        .map(|i| {
            let name = format!("{i}.{to}");
            make(
                dir,
                &format!("{drawn} --shard {i}/{count}"),
                inferred,
                &name,
            );
            name
        })
        .collect()
}

/// The files of one stage as arguments.
fn files(stage: &str, names: &[String]) -> String {
    let files: Vec<String> = names.iter().map(|name| format!("{stage}.{name}")).collect();
    files.join(" ")
}

#[test]
fn shards_are_the_uncut_run_byte_for_byte_in_whatever_order_they_are_named() {
    for (drawn, inferred) in [(GRID, ""), (NESTED, ""), (GRID, "--slim")] {
        let dir = Workdir::new();
        make(&dir, drawn, inferred, "jsonl");
        for (to, read) in FORMATS {
            let mut names = shards(&dir, drawn, inferred, 4, to);
            names.swap(0, 2);
            for stage in STAGES {
                let whole = dir.read(&format!("{stage}.jsonl"));
                let merged = format!("{} --to jsonl", files(stage, &names));
                let found = dir.run("merge-shards", &merged).ok();
                assert_eq!(lines(&found), lines(&whole), "{drawn} {to} {stage}");
                let arguments = format!("{} -o whole.{to}", files(stage, &names));
                dir.run("merge-shards", &arguments).ok();
                let records = read(&dir.read(&format!("whole.{to}")));
                assert_eq!(records, json_lines(&whole), "{drawn} {to} {stage}");
            }
        }
    }
}

#[test]
fn more_shards_than_trials_leave_some_empty_which_is_fine_but_for_lines() {
    let dir = Workdir::new();
    let drawn = "--task identity --shots 1,2 --trials 1";
    make(&dir, drawn, "", "jsonl");
    for to in ["arrow", "parquet"] {
        let names = shards(&dir, drawn, "", 5, to);
        for stage in STAGES {
            let merged = format!("{} --to jsonl", files(stage, &names));
            let found = dir.run("merge-shards", &merged).ok();
            assert_eq!(found, dir.read(&format!("{stage}.jsonl")), "{to} {stage}");
        }
    }
    dir.run("gen-tasks", &format!("{drawn} --shard 0/5 -o t.0.jsonl"))
        .ok();
    dir.run("merge-shards", "t.0.jsonl")
        .refused(1, &["t.0.jsonl: empty input"]);
}

#[test]
fn replayed_trials_keep_the_columns_that_nobody_here_knows() {
    let dir = Workdir::new();
    let drawn = "--replay breslow2026 --alphabet linguistic --seed 42 --shots 2 --trials 1";
    let whole = dir.run("gen-tasks", drawn).ok();
    for i in 0..3 {
        let part = format!("{drawn} --shard {i}/3 -o {i}.parquet");
        dir.run("gen-tasks", &part).ok();
    }
    let merged = dir
        .run("merge-shards", "0.parquet 1.parquet 2.parquet --to jsonl")
        .ok();
    assert_eq!(merged, whole);
    assert!(json_lines(&merged)[0]["zero"].is_string());
}

/// For every format and stage: a shard is missing, is given twice, or is of another run.
#[test]
fn missing_doubled_and_foreign_shards_are_refused_in_every_format() {
    for (to, _) in FORMATS {
        let dir = Workdir::new();
        let names = shards(&dir, GRID, "", 4, to);
        for stage in STAGES {
            let merge = |names: &[String]| {
                dir.run(
                    "merge-shards",
                    &format!("{} -o out.{to}", files(stage, names)),
                )
            };
            let without = |left_out: &[usize]| -> Vec<String> {
                let kept = names.iter().enumerate();
                let kept = kept.filter(|(i, _)| !left_out.contains(i));
                kept.map(|(_, name)| name.clone()).collect()
            };
            merge(&without(&[2])).refused(1, &["missing of 4 shards: 2"]);
            merge(&without(&[0, 1, 3])).refused(1, &["missing of 4 shards: 0 to 1, 3"]);
            let doubled = [&names[..], &names[1..2]].concat();
            merge(&doubled).refused(
                1,
                &[&format!(
                    "{stage}.1.{to} and {stage}.1.{to} are both shard 1/4"
                )],
            );
            let with = |name: &str| [without(&[3]), vec![name.to_owned()]].concat();
            // The last shard is from a run with one other setting.
            for (foreign, drawn, inferred, words) in [
                ("seed", GRID.replace("--seed 3", "--seed 4"), "", "seed 4"),
                (
                    "grid",
                    GRID.replace("--trials 3", "--trials 6"),
                    "",
                    "trials 3",
                ),
                (
                    "suite",
                    GRID.replace("rotl1", "rotr1"),
                    "",
                    "functions_sha256",
                ),
                ("shots", GRID.replace("2,4", "4,2"), "", "shots [4,2]"),
            ] {
                let name = format!("{foreign}.{to}");
                make(&dir, &format!("{drawn} --shard 3/4"), inferred, &name);
                // The message names the first step that differs, and the setting.
                merge(&with(&name)).refused(
                    1,
                    &[
                        &format!("{stage}.{name}: gen-tasks with "),
                        if foreign == "grid" { "total" } else { words },
                        &format!("{stage}.0.{to}: "),
                        "shards of different runs",
                    ],
                );
            }
            let name = format!("count.{to}");
            make(&dir, &format!("{GRID} --shard 3/5"), "", &name);
            merge(&with(&name)).refused(1, &["shard 3/5", "is shard 0/4", "same number"]);
            let name = format!("whole.{to}");
            make(&dir, GRID, "", &name);
            merge(&with(&name)).refused(1, &[&format!("{stage}.{name}: no shard")]);
            assert!(!dir.names().iter().any(|name| name.starts_with("out")));
        }
    }
}

#[test]
fn other_kinds_symbols_models_and_settings_are_refused_in_every_format() {
    for (to, _) in FORMATS {
        let dir = Workdir::new();
        shards(&dir, GRID, "", 2, to);
        let refuses = |first: &str, second: &str, words: &[&str]| {
            let arguments = format!("{first}.0.{to} {second}.{to} -o out.{to}");
            dir.run("merge-shards", &arguments).refused(1, words);
        };
        refuses("t", "p.1", &["a shard of prompts", "is one of trials"]);
        refuses("a", "p.1", &["a shard of prompts", "is one of predictions"]);
        let encode = |arguments: &str, name: &str| {
            dir.run("encode", &format!("{arguments} t.1.{to} -o {name}.{to}"))
                .ok();
        };
        encode("--alphabet linguistic", "symbols");
        refuses(
            "p",
            "symbols",
            &["encode with alphabet \"linguistic\"", "\"genomic\""],
        );
        encode("--alphabet genomic --template {x}>{y};", "template");
        refuses("p", "template", &["encode with template"]);
        let infer = |arguments: &str, name: &str| {
            dir.run("infer", &format!("{arguments} p.1.{to} -o {name}.{to}"))
                .ok();
        };
        infer("--model builtin:copy", "model");
        refuses(
            "a",
            "model",
            &["infer with builtin \"copy\"", "\"nearest\""],
        );
        infer("--model builtin:nearest --name other", "name");
        refuses("a", "name", &["infer with model \"other\""]);
        infer("--model builtin:nearest --seed 1", "ties");
        refuses("a", "ties", &["infer with seed 1"]);
        infer("--model builtin:nearest --slim", "slim");
        refuses(
            "a",
            "slim",
            &["a shard of slim predictions", "is one of predictions"],
        );
        dir.run(
            "encode",
            &format!("--alphabet genomic t.0.{to} t.1.{to} -o both.{to}"),
        )
        .ok();
        refuses("p", "both", &["both", "several shards"]);
        // Another version of the filters may draw other trials or give other answers.
        let chain = String::from_utf8(dir.read(&format!("t.1.{to}.provenance.json"))).unwrap();
        let other = chain.replace(env!("CARGO_PKG_VERSION"), "99.0.0");
        assert_ne!(chain, other);
        dir.run("gen-tasks", &format!("{GRID} --shard 1/2 -o old.jsonl"))
            .ok();
        dir.write("old.jsonl.provenance.json", other);
        dir.run("merge-shards", &format!("t.0.{to} old.jsonl"))
            .refused(1, &["old.jsonl", "version 99.0.0"]);
    }
}

#[test]
fn the_weights_of_a_model_are_part_of_what_has_to_be_the_same() {
    let dir = Workdir::new();
    let infer = |i: usize, model: &str, name: &str| {
        let prompts = dir.run(
            "gen-tasks",
            &format!("--task identity --shots 1 --trials 4 --shard {i}/2 --to arrow"),
        );
        let prompts = dir.pipe(prompts.ok(), "encode", "--alphabet genomic --to arrow");
        let arguments = format!("--quiet --model {model} --name tiny -o {name}");
        dir.infer(prompts.ok(), &arguments).ok();
    };
    let tiny = common::fixture_model("tiny-subset");
    let exported = common::fixture_model("tiny-hf");
    infer(0, &tiny, "0.parquet");
    infer(1, &tiny, "1.parquet");
    infer(1, &exported, "other.parquet");
    dir.run("merge-shards", "0.parquet 1.parquet").ok();
    dir.run("merge-shards", "0.parquet other.parquet")
        .refused(1, &["other.parquet: infer with model SHA-256"]);
    // A journal begins with the provenance of the unfinished run only, so it is no shard.
    let prompts = dir.prompts("--task identity --shots 1 --trials 4", "--alphabet genomic");
    let journal = format!("--quiet --model {tiny} --name tiny --provenance");
    dir.write("1.parquet.partial", dir.infer(prompts, &journal).ok());
    dir.run("merge-shards", "0.parquet 1.parquet.partial")
        .refused(1, &["1.parquet.partial: no shard"]);
}

/// JSON lines do not say where a file ends. So the number of records shows whether a shard is complete.
#[test]
fn a_shard_that_is_cut_off_or_holds_too_much_is_refused() {
    let dir = Workdir::new();
    for (drawn, stage, found, expected) in [
        (GRID, "t", 17, 18),
        (GRID, "p", 17, 18),
        (GRID, "a", 17, 18),
        (NESTED, "a", 8, 9),
    ] {
        shards(&dir, drawn, "", 2, "jsonl");
        let name = format!("{stage}.1.jsonl");
        let records = json_lines(&dir.read(&name));
        let merge = || {
            dir.run(
                "merge-shards",
                &format!("{stage}.0.jsonl {name} -o out.jsonl"),
            )
        };
        dir.write(&name, to_lines(&records[1..]));
        merge().refused(
            1,
            &[
                &format!("{name}: {found} "),
                &format!("this shard has {expected}: it is cut off"),
            ],
        );
        dir.write(&name, to_lines(&[&records[..], &records[..1]].concat()));
        merge().refused(1, &[&name, "records were added"]);
        // The provenance is of this shard, but the records have another seed.
        let foreign: Vec<Value> = records
            .iter()
            .map(|record| {
                let mut record = record.clone();
                record["seed"] = json!(77);
                record
            })
            .collect();
        dir.write(&name, to_lines(&foreign));
        merge().refused(1, &[&format!("{name}:1: column \"seed\": 77")]);
        dir.write(&name, &to_lines(&records)[..200]);
        merge().refused(1, &[&name]);
        assert!(!dir.names().contains(&"out.jsonl".to_owned()));
    }
}

#[test]
fn lines_without_provenance_are_taken_only_unchecked_and_then_checked_for_what_they_say() {
    let dir = Workdir::new();
    make(&dir, GRID, "", "jsonl");
    shards(&dir, GRID, "", 2, "jsonl");
    for name in dir.names() {
        if name.ends_with(".provenance.json") {
            std::fs::remove_file(dir.path(&name)).unwrap();
        }
    }
    for stage in STAGES {
        let merge = |arguments: &str| dir.run("merge-shards", arguments);
        let both = format!("{stage}.0.jsonl {stage}.1.jsonl");
        merge(&both).refused(
            1,
            &[
                &format!(
                    "{stage}.0.jsonl: no provenance in it, nor {stage}.0.jsonl.provenance.json"
                ),
                "--allow-unchecked",
            ],
        );
        let taken = merge(&format!("{both} --allow-unchecked"));
        assert!(taken.stderr.contains("warning") && taken.stderr.contains("was not checked"));
        assert_eq!(taken.loud_ok(), dir.read(&format!("{stage}.jsonl")));
        let first = format!("--allow-unchecked {stage}.0.jsonl");
        merge(&format!("{first} {stage}.0.jsonl"))
            .refused(1, &["one shard twice", &format!("{stage}.0.jsonl")]);
        let changed = |column: &str, value: Value| {
            let mut records = json_lines(&dir.read(&format!("{stage}.1.jsonl")));
            records[3][column] = value;
            dir.write("changed.jsonl", to_lines(&records));
            merge(&format!("{first} changed.jsonl")).refused(
                1,
                &[
                    &format!("changed.jsonl:4: column {column:?}"),
                    &format!("{stage}.0.jsonl"),
                ],
            );
        };
        changed("seed", json!(4));
        if stage != "t" {
            changed("encoding", json!("protein"));
        }
        if stage == "a" {
            changed("model", json!("other"));
            changed("params", json!(1.0));
            changed("bos", json!(true));
        }
    }
    dir.run("merge-shards", "--allow-unchecked t.0.jsonl p.1.jsonl")
        .refused(1, &["p.1.jsonl: a shard of prompts"]);
    // The provenance of the result says that it was not checked.
    let taken = "--allow-unchecked t.0.jsonl t.1.jsonl -o all.arrow";
    dir.run("merge-shards", taken).loud_ok();
    let chain: Value = serde_json::from_slice(&dir.read("all.arrow.provenance.json")).unwrap();
    assert_eq!(
        chain[0]["settings"],
        json!({"shards": 2, "unchecked": true})
    );
}

#[test]
fn a_line_of_provenance_is_as_good_as_a_file_beside_but_not_in_the_middle() {
    let dir = Workdir::new();
    for i in 0..2 {
        let part = dir.run("gen-tasks", &format!("{GRID} --shard {i}/2 --provenance"));
        dir.write(&format!("{i}.jsonl"), part.ok());
    }
    let whole = dir.run("gen-tasks", GRID).ok();
    assert_eq!(dir.run("merge-shards", "0.jsonl 1.jsonl").ok(), whole);
    dir.write(
        "both.jsonl",
        [dir.read("0.jsonl"), dir.read("1.jsonl")].concat(),
    );
    dir.run("merge-shards", "both.jsonl 1.jsonl")
        .refused(1, &["both.jsonl", "after its first records"]);
}

#[test]
fn the_provenance_of_the_whole_is_one_chain() {
    let dir = Workdir::new();
    shards(&dir, GRID, "", 3, "parquet");
    let arguments = "a.2.parquet a.0.parquet a.1.parquet -o a.parquet";
    dir.run("merge-shards", arguments).ok();
    let beside: Value = serde_json::from_slice(&dir.read("a.parquet.provenance.json")).unwrap();
    let inside = &metadata(&dir.read("a.parquet"))["shotline.provenance"];
    assert_eq!(serde_json::from_str::<Value>(inside).unwrap(), beside);
    let programs: Vec<&str> = common::list(&json!({"steps": beside.clone()}), "steps")
        .iter()
        .map(|step| match text(step, "program") {
            "gen-tasks" => "gen-tasks",
            "encode" => "encode",
            "infer" => "infer",
            "merge-shards" => "merge-shards",
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(programs, ["gen-tasks", "encode", "infer", "merge-shards"]);
    assert_eq!(beside[0]["settings"]["shards"], 3);
    assert!(beside[0]["settings"].get("shard").is_none());
    // The command is that of the first shard, in whatever order the files were given.
    let command: Vec<&str> = common::texts(&beside[0], "command");
    assert!(command.contains(&"0/3"), "{command:?}");
    // The merged file is no shard.
    dir.run("merge-shards", "a.parquet a.0.parquet")
        .refused(1, &["a.parquet: no shard"]);
    // Other filters read it like any file.
    dir.run("score", "a.parquet --replicates 10").ok();
}

#[test]
fn what_comes_in_no_shards_or_is_no_file_is_refused() {
    let dir = Workdir::new();
    shards(&dir, GRID, "", 2, "arrow");
    for to in ["csv", "jsonl", "arrow", "parquet"] {
        dir.run(
            "score",
            &format!("a.0.arrow a.1.arrow --replicates 10 -o s.{to}"),
        )
        .ok();
        dir.run("merge-shards", &format!("s.{to}")).refused(
            1,
            &[&format!(
                "s.{to}: neither trials nor prompts nor predictions"
            )],
        );
    }
    dir.run("merge-shards", "").refused(2, &["<FILE>"]);
    dir.pipe(dir.read("a.0.arrow"), "merge-shards", "a.1.arrow -")
        .refused(2, &["-: a shard has to be a file"]);
    dir.run("merge-shards", "a.0.arrow gone.arrow")
        .refused(1, &["gone.arrow: No such file"]);
    dir.write("nothing.jsonl", "");
    dir.run("merge-shards", "nothing.jsonl")
        .refused(1, &["nothing.jsonl: empty input"]);
    dir.write("text.jsonl", "{\"a\": ");
    dir.run("merge-shards", "text.jsonl")
        .refused(1, &["text.jsonl:1: the JSON object is cut off"]);
    let half = dir.read("a.1.arrow");
    dir.write("half.arrow", &half[..half.len() - 400]);
    dir.run("merge-shards", "a.0.arrow half.arrow -o out.arrow")
        .refused(1, &["half.arrow", "cut-off Arrow stream"]);
    dir.run("merge-shards", "a.0.arrow a.1.arrow -o out.csv")
        .refused(2, &["lists"]);
    assert!(!dir.names().iter().any(|name| name.starts_with("out")));
    // It is no failure if the reader of the pipe stops early.
    let head = Command::new("bash")
        .args([
            "-o",
            "pipefail",
            "-c",
            "\"$0\" a.0.arrow a.1.arrow | head -n 1",
        ])
        .arg(common::binary("merge-shards"))
        .current_dir(dir.path(""))
        .output()
        .unwrap();
    assert!(head.status.success(), "{head:?}");
    assert_eq!(lines(&head.stdout).len(), 1);
}
