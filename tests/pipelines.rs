//! What the filters promise together: the same result through pipes and files, in every format, in
//! one piece or several; and where it came from.

mod common;

use common::{FORMATS, Workdir, binary, json_lines, lines, list, metadata, onnx_runtime, text};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The grid of these tests: without one shot, which cannot be deranged and warns.
const GRID: &str =
    "--suite primitives --shots 2,4,16 --trials 3 --condition clean,deranged --seed 11";

#[test]
fn every_format_through_files_and_pipes_gives_the_same_scores() {
    let dir = Workdir::new();
    let mut tables = Vec::new();
    for (to, _) in FORMATS {
        dir.run("gen-tasks", &format!("{GRID} -o t.{to}")).ok();
        dir.run("encode", &format!("--alphabet protein t.{to} -o p.{to}"))
            .ok();
        dir.run(
            "infer",
            &format!("--model builtin:nearest p.{to} -o a.{to}"),
        )
        .ok();
        tables.push(dir.run("score", &format!("a.{to}")).ok());

        let trials = dir.run("gen-tasks", &format!("{GRID} --to {to}")).ok();
        let prompts = dir
            .pipe(trials, "encode", &format!("--alphabet protein --to {to}"))
            .ok();
        let answers = dir
            .pipe(
                prompts,
                "infer",
                &format!("--model builtin:nearest --to {to}"),
            )
            .ok();
        tables.push(dir.pipe(answers, "score", "").ok());
    }
    assert_eq!(lines(&tables[0]).len(), 1 + 3 * 2);
    assert_eq!(tables.len(), 6);
    for table in &tables {
        assert_eq!(lines(table), lines(&tables[0]));
    }
}

/// Where a shell finds the filters and its own tools.
fn search_path() -> String {
    let filters = Path::new(binary("score")).parent().unwrap();
    format!("{}:{}", filters.display(), std::env::var("PATH").unwrap())
}

#[test]
fn a_shells_pipeline_gives_what_its_steps_give() {
    let dir = Workdir::new();
    let prompts = dir.prompts(GRID, "--alphabet genomic");
    let answers = dir.pipe(prompts, "infer", "--model builtin:mode").ok();
    let expected = dir.pipe(answers, "score", "").ok();
    for (to, _) in FORMATS {
        let script = format!(
            "set -o pipefail; gen-tasks {GRID} --to {to} | encode --alphabet genomic --to {to} \
             | infer --model builtin:mode --to {to} | score"
        );
        let output = Command::new("bash")
            .args(["-c", &script])
            .env("PATH", search_path())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        assert!(output.status.success());
        assert_eq!(lines(&output.stdout), lines(&expected));
    }
}

#[test]
fn records_are_the_same_bytes_in_every_run() {
    let run = || {
        let dir = Workdir::new();
        let prompts = dir.prompts(GRID, "--alphabet linguistic");
        let answers = dir
            .pipe(prompts.clone(), "infer", "--model builtin:mode")
            .ok();
        let scores = dir.pipe(answers.clone(), "score", "").ok();
        [prompts, answers, scores]
    };
    assert_eq!(run(), run());
}

#[test]
fn several_inputs_are_read_one_after_the_other_whatever_their_formats() {
    let dir = Workdir::new();
    dir.run("gen-tasks", &format!("{GRID} -o whole.jsonl")).ok();
    let parts = ["part0.jsonl", "part1.arrow", "part2.parquet"];
    for (i, part) in parts.iter().enumerate() {
        dir.run("gen-tasks", &format!("{GRID} --shard {i}/3 -o {part}"))
            .ok();
    }
    let whole = dir.run("encode", "--alphabet genomic whole.jsonl").ok();
    let joined = dir
        .run("encode", &format!("--alphabet genomic {}", parts.join(" ")))
        .ok();
    assert_eq!(joined, whole);
    // `-` is standard input, wherever it stands.
    let mixed = dir.pipe(
        dir.read(parts[1]),
        "encode",
        &format!("--alphabet genomic {} - {}", parts[0], parts[2]),
    );
    assert_eq!(mixed.ok(), whole);
    // Prompts by parts, predictions by parts, one table.
    let answer = |input: Vec<u8>| dir.pipe(input, "infer", "--model builtin:nearest").ok();
    let expected = dir.pipe(answer(whole), "score", "").ok();
    let names: Vec<String> = parts
        .iter()
        .enumerate()
        .map(|(i, part)| {
            let prompts = dir
                .run("encode", &format!("--alphabet genomic {part}"))
                .ok();
            let name = format!("answers{i}.jsonl");
            dir.write(&name, answer(prompts));
            name
        })
        .collect();
    let found = dir.run("score", &names.join(" ")).ok();
    assert_eq!(lines(&found), lines(&expected));
}

#[test]
fn pipes_given_as_files_are_read_once_and_in_their_order() {
    let dir = Workdir::new();
    let whole = dir.run("gen-tasks", GRID).ok();
    let expected = dir.pipe(whole, "encode", "--alphabet genomic").ok();
    for (to, _) in FORMATS {
        let part = |i: usize| format!("<(gen-tasks {GRID} --to {to} --shard {i}/3)");
        let script = format!(
            "encode --alphabet genomic {} {} {}",
            part(0),
            part(1),
            part(2)
        );
        let output = Command::new("bash")
            .args(["-c", &script])
            .env("PATH", search_path())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        assert_eq!(lines(&output.stdout), lines(&expected), "{to}");
    }
}

#[test]
fn the_suffix_of_the_output_chooses_its_format_unless_told_otherwise() {
    let dir = Workdir::new();
    for (file, head) in [
        ("a.jsonl", &b"{"[..]),
        ("a.ndjson", b"{"),
        ("a.arrow", b"\xff\xff\xff\xff"),
        ("a.parquet", b"PAR1"),
        ("a.PARQUET", b"PAR1"),
        ("a.unknown --to jsonl", b"{"),
        ("a", b"{"),
        ("b.jsonl --to parquet", b"PAR1"),
        ("b.parquet --to jsonl", b"{"),
    ] {
        dir.run(
            "gen-tasks",
            &format!("--task identity --shots 1 --trials 1 -o {file}"),
        )
        .ok();
        let written = dir.read(file.split(' ').next().unwrap());
        assert!(written.starts_with(head), "{file}");
    }
    dir.run("gen-tasks", "--list --task identity -o list.csv")
        .ok();
    assert!(dir.read("list.csv").starts_with(b"function,"));
    // `-o -` is standard output.
    let out = dir
        .run("gen-tasks", "--task identity --shots 1 --trials 1 -o -")
        .ok();
    assert_eq!(json_lines(&out).len(), 1);
}

/// The programs of a chain.
fn programs(chain: &Value) -> Vec<&str> {
    chain
        .as_array()
        .unwrap()
        .iter()
        .map(|step| text(step, "program"))
        .collect()
}

/// The chain in the metadata of an Arrow or Parquet file.
fn embedded(dir: &Workdir, file: &str, kind: &str) -> Value {
    let metadata = metadata(&dir.read(file));
    assert_eq!(metadata["shotline.record"], kind);
    assert_eq!(metadata["shotline.schema"], format!("{kind}/1"));
    serde_json::from_str(&metadata["shotline.provenance"]).unwrap()
}

/// The chain in the file beside another.
fn beside(dir: &Workdir, file: &str) -> Value {
    serde_json::from_slice(&dir.read(&format!("{file}.provenance.json"))).unwrap()
}

#[test]
fn every_filter_adds_its_step_to_the_chain() {
    let dir = Workdir::new();
    dir.run(
        "gen-tasks",
        "--suite primitives --shots 1,2 --trials 1 --seed 4 -o t.arrow",
    )
    .ok();
    dir.run("encode", "--alphabet genomic t.arrow -o p.parquet")
        .ok();
    dir.run(
        "infer",
        "--model builtin:mode --seed 5 p.parquet -o a.arrow",
    )
    .ok();
    dir.run("score", "--replicates 100 a.arrow -o s.parquet")
        .ok();
    dir.run("fit-loglinear", "s.parquet -o f.csv").ok();
    let all = ["gen-tasks", "encode", "infer", "score", "fit-loglinear"];
    for (file, kind, steps) in [
        ("t.arrow", "trial", 1),
        ("p.parquet", "prompt", 2),
        ("a.arrow", "prediction", 3),
        ("s.parquet", "score", 4),
    ] {
        let inside = embedded(&dir, file, kind);
        assert_eq!(programs(&inside), all[..steps], "{file}");
        assert_eq!(beside(&dir, file), inside, "{file}");
    }
    let chain = beside(&dir, "f.csv");
    assert_eq!(programs(&chain), all);
    let [gen_tasks, encode, infer, score, _] = chain.as_array().unwrap().as_slice() else {
        panic!()
    };
    assert_eq!(
        (
            gen_tasks["seed"].as_i64(),
            infer["seed"].as_i64(),
            score["seed"].as_i64()
        ),
        (Some(4), Some(5), Some(0))
    );
    assert!(encode["seed"].is_null());
    let command: Vec<&str> = list(infer, "command")
        .iter()
        .skip(1)
        .map(|a| a.as_str().unwrap())
        .collect();
    assert_eq!(
        command,
        [
            "--model",
            "builtin:mode",
            "--seed",
            "5",
            "p.parquet",
            "-o",
            "a.arrow"
        ]
    );
    for step in chain.as_array().unwrap() {
        assert_eq!(text(step, "version"), env!("CARGO_PKG_VERSION"));
        let time = text(step, "time");
        assert!(
            time.len() == 20 && time.starts_with("20") && time.ends_with('Z'),
            "{time}"
        );
    }
}

#[test]
fn jsonl_says_where_it_comes_from_only_if_asked() {
    let dir = Workdir::new();
    let trials = "--task identity --shots 1 --trials 2";
    let plain = dir.run("gen-tasks", trials).ok();
    let with = dir.run("gen-tasks", &format!("{trials} --provenance")).ok();
    let first = lines(&with)[0];
    assert_eq!(lines(&with)[1..], lines(&plain));
    let line: Value = serde_json::from_str(first).unwrap();
    assert_eq!(programs(&line["provenance"]), ["gen-tasks"]);
    assert_eq!(line["shotline.schema"], "trial/1");
    assert_eq!(line.as_object().unwrap().len(), 2);
    // The chain goes on through a pipe.
    let prompts = dir
        .pipe(with, "encode", "--alphabet genomic --provenance")
        .ok();
    let line: Value = serde_json::from_str(lines(&prompts)[0]).unwrap();
    assert_eq!(programs(&line["provenance"]), ["gen-tasks", "encode"]);
    assert_eq!(
        lines(&prompts)[1..],
        lines(&dir.pipe(plain, "encode", "--alphabet genomic").ok())
    );
}

#[test]
fn a_line_of_provenance_is_read_wherever_it_stands() {
    let dir = Workdir::new();
    let trials = dir
        .run(
            "gen-tasks",
            "--task identity --task rotl1 --shots 1,2 --trials 1",
        )
        .ok();
    let prompts = dir
        .pipe(trials.clone(), "encode", "--alphabet genomic")
        .ok();
    let answers = dir
        .pipe(prompts.clone(), "infer", "--model builtin:mode")
        .ok();
    let scores = dir.pipe(answers.clone(), "score", "--to jsonl").ok();
    let step = "{\"provenance\":[{\"program\":\"mine\",\"version\":\"1\",\"command\":[\"mine\"],\"time\":\"2026-01-01T00:00:00Z\"}]}";
    for (filter, arguments, input) in [
        ("encode", "--alphabet genomic", &trials),
        ("infer", "--model builtin:mode", &prompts),
        ("score", "--replicates 10", &answers),
        ("fit-loglinear", "--replicates 10", &answers),
        ("fit-loglinear", "", &scores),
    ] {
        let expected = dir.pipe(input.clone(), filter, arguments).ok();
        let records = lines(input);
        for at in 0..=records.len() {
            let mut with = records.clone();
            with.insert(at, step);
            let found = dir.pipe(with.join("\n") + "\n", filter, arguments).ok();
            assert_eq!(found, expected, "{filter}, line {}", at + 1);
        }
        // It is a part of the chain, and it is none if it is no chain.
        let ran = dir.pipe(
            format!("{step}\n{}", records.join("\n")),
            filter,
            &format!("{arguments} -o out.jsonl"),
        );
        assert_eq!(ran.code, 0, "{ran}");
        let chain: Value = serde_json::from_slice(&dir.read("out.jsonl.provenance.json")).unwrap();
        assert_eq!(programs(&chain), ["mine", filter]);
        let bad = format!("{}\n{{\"provenance\":\"mine\"}}\n", records[0]);
        dir.pipe(bad, filter, arguments)
            .refused(1, &["stdin:2: not a provenance chain"]);
    }
}

#[test]
fn the_chains_of_several_inputs_are_merged() {
    let dir = Workdir::new();
    for i in 0..2 {
        let shard = format!("--task identity --task rotl1 --shots 1,2 --trials 4 --shard {i}/2");
        dir.run("gen-tasks", &format!("{shard} -o t{i}.arrow")).ok();
        dir.run("gen-tasks", &format!("{shard} --provenance -o t{i}.jsonl"))
            .ok();
        dir.run(
            "encode",
            &format!("--alphabet genomic t{i}.arrow -o p{i}.parquet"),
        )
        .ok();
        dir.run(
            "infer",
            &format!("--model builtin:copy p{i}.parquet -o a{i}.arrow"),
        )
        .ok();
    }
    // Filters that write as they read know the chain of every file from the beginning.
    for inputs in ["t0.arrow t1.arrow", "t0.jsonl t1.jsonl"] {
        dir.run("encode", &format!("--alphabet genomic {inputs} -o p.arrow"))
            .ok();
        let chain = embedded(&dir, "p.arrow", "prompt");
        assert_eq!(
            programs(&chain),
            ["gen-tasks", "gen-tasks", "encode"],
            "{inputs}"
        );
        assert_eq!(beside(&dir, "p.arrow"), chain);
    }
    dir.run(
        "infer",
        "--model builtin:copy p0.parquet p1.parquet -o a.parquet",
    )
    .ok();
    let chain = embedded(&dir, "a.parquet", "prediction");
    let expected = ["gen-tasks", "encode", "gen-tasks", "encode", "infer"];
    assert_eq!(programs(&chain), expected);
    dir.run("score", "a0.arrow a1.arrow -o s.csv").ok();
    let expected = [&["gen-tasks", "encode", "infer"][..]; 2].concat();
    assert_eq!(programs(&beside(&dir, "s.csv"))[..6], expected);
    // What both inputs share stands there once.
    dir.run(
        "encode",
        "--alphabet protein t0.arrow t0.arrow -o twice.arrow",
    )
    .ok();
    assert_eq!(
        programs(&embedded(&dir, "twice.arrow", "prompt")),
        ["gen-tasks", "encode"]
    );
}

#[test]
fn quiet_runs_say_nothing_and_others_no_more_than_warnings() {
    let dir = Workdir::new();
    // `ok` checks that stderr is empty: no bar where stderr is no terminal.
    let prompts = dir.prompts(&format!("{GRID} --quiet"), "--alphabet genomic --quiet");
    let answers = dir
        .pipe(prompts, "infer", "--model builtin:mode --quiet")
        .ok();
    dir.pipe(answers.clone(), "score", "--quiet").ok();
    dir.pipe(answers, "score", "").ok();
}

#[test]
fn every_filter_has_a_manual_with_examples_and_a_version() {
    let dir = Workdir::new();
    for filter in [
        "gen-tasks",
        "encode",
        "infer",
        "score",
        "fit-loglinear",
        "contrast",
        "figure",
        "merge-shards",
    ] {
        let manual = String::from_utf8(dir.run(filter, "--help").ok()).unwrap();
        assert!(
            manual.contains("Examples:") && manual.contains(&format!("{filter} ")),
            "{manual}"
        );
        let version = String::from_utf8(dir.run(filter, "--version").ok()).unwrap();
        let number = env!("CARGO_PKG_VERSION");
        // `make` tells the build and this test.
        let expected = match std::env::var("SHOTLINE_COMMIT").as_deref() {
            Ok("") | Err(_) => format!("{filter} {number}"),
            Ok(commit) => format!("{filter} {number} (commit {commit}"),
        };
        assert!(version.starts_with(&expected), "{version}");
        dir.run(filter, "--no-such-flag")
            .refused(2, &["--no-such-flag"]);
    }
}

/// The commands of the manuals' examples, run as they stand on files of the names they use.
#[test]
fn the_examples_of_the_manuals_run() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--suite primitives --shots 1,4,16 --trials 2",
        "--alphabet genomic",
    );
    let published = std::fs::read(common::repository("assets/published/table4.csv")).unwrap();
    dir.write("table4.csv", published);
    let both = dir.prompts(
        "--suite primitives --shots 2,4 --trials 2 --condition clean,deranged",
        "--alphabet genomic",
    );
    let arguments = "--model builtin:nearest -o both.parquet";
    dir.pipe(both.clone(), "infer", arguments).ok();
    for name in ["evo2", "qwen3"] {
        let arguments = format!("--model builtin:nearest --name {name} -o {name}-both.parquet");
        dir.pipe(both.clone(), "infer", &arguments).ok();
    }
    for name in ["predictions", "evo2", "qwen3"] {
        let arguments = format!("--model builtin:nearest --name {name} -o {name}.parquet");
        dir.pipe(prompts.clone(), "infer", &arguments).ok();
        dir.run("score", &format!("{name}.parquet -o {name}.csv"))
            .ok();
    }
    dir.run("score", "evo2.parquet qwen3.parquet -o scores.csv")
        .ok();
    for (i, name) in ["a.jsonl", "b.jsonl"].iter().enumerate() {
        let trials = dir.run("gen-tasks", &format!("--shots 1 --trials 1 --shard {i}/2"));
        dir.write(name, trials.ok());
    }
    let mut ran = 0;
    for filter in [
        "gen-tasks",
        "encode",
        "infer",
        "score",
        "fit-loglinear",
        "contrast",
        "figure",
        "merge-shards",
    ] {
        let manual = String::from_utf8(dir.run(filter, "--help").ok()).unwrap();
        let examples = manual
            .split("Examples:\n")
            .nth(1)
            .and_then(|rest| rest.split("\n\n").next())
            .unwrap()
            .replace("\\\n", " ");
        // What follows the examples has a heading of its own, which is not indented.
        for line in examples
            .lines()
            .take_while(|line| line.is_empty() || line.starts_with("  "))
            .filter_map(|line| line.strip_prefix("    "))
        {
            // Models, engines and tools that need not be here.
            if ["models/", "exec:", "| qsv", "| jq"]
                .iter()
                .any(|foreign| line.contains(foreign))
            {
                continue;
            }
            let output = Command::new("bash")
                .args(["-o", "pipefail", "-c", line])
                .env("PATH", search_path())
                .env("SHOTLINE_ORT_LIB", onnx_runtime())
                .current_dir(dir.path(""))
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{line}\n{stderr}");
            ran += 1;
        }
    }
    assert!(ran >= 32, "{ran}");
}
