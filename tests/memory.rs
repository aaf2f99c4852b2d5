//! Where memory does not suffice: batches are halved and the answers stay the same, or the filter says so and exits with 4.

mod common;

use common::{Ran, Workdir, binary, json_lines, onnx_runtime, smollm2};
use serde_json::Value;

/// `infer` on the real model with so many kB of address space.
fn within(dir: &Workdir, kilobytes: u64, arguments: &str) -> Ran {
    let infer = binary("infer");
    let model = smollm2();
    let limited = format!(
        "ulimit -v {kilobytes}; exec {infer} --model {model} --threads 1 prompts.jsonl {arguments}"
    );
    let mut command = assert_cmd::Command::new("sh");
    command
        .args(["-c", &limited])
        .current_dir(dir.path(""))
        .env("SHOTLINE_ORT_LIB", onnx_runtime());
    Ran::of("infer", &mut command)
}

fn outputs(lines: &[u8]) -> Vec<Value> {
    let output = |p: &Value| p["output"].clone();
    json_lines(lines).iter().map(output).collect()
}

fn halved(dir: &Workdir, output: &str) -> u64 {
    let chain = dir.read(&format!("{output}.provenance.json"));
    let chain: Vec<Value> = serde_json::from_slice(&chain).unwrap();
    let measured = &chain.last().unwrap()["measured"];
    measured["batches_halved"].as_u64().unwrap()
}

#[test]
fn batches_that_do_not_fit_are_halved_and_nothing_is_lost() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--task identity --task flip_bits --shots 4 --trials 30",
        "--alphabet linguistic",
    );
    dir.write("prompts.jsonl", &prompts);
    let alone = within(&dir, 8 << 20, "--quiet --batch-tokens 1").ok();
    let expected = outputs(&alone);
    assert_eq!(expected.len(), 60);
    // Read together, 60 prompts take some hundred MB more than one after the other. How much address space the rest takes is
    // the machine's affair: less and less, until it does not suffice for all of them.
    for megabytes in (1200..=2600).rev().step_by(200) {
        within(
            &dir,
            megabytes << 10,
            "--batch-tokens 100000 -o out.jsonl --quiet",
        )
        .ok();
        assert_eq!(outputs(&dir.read("out.jsonl")), expected, "{megabytes} MB");
        if halved(&dir, "out.jsonl") > 0 {
            return;
        }
    }
    panic!("1200 MB suffice for everything");
}

#[test]
fn a_filter_that_is_refused_memory_says_so_and_leaves_nothing_behind() {
    let dir = Workdir::new();
    let long = format!("{{\"trial_id\": \"{}\"}}\n", "a".repeat(60 << 20));
    dir.write("trials.jsonl", long);
    let encode = binary("encode");
    let limited = format!("ulimit -v 80000; exec {encode} trials.jsonl -o prompts.jsonl");
    let mut command = assert_cmd::Command::new("sh");
    command.args(["-c", &limited]).current_dir(dir.path(""));
    Ran::of("encode", &mut command)
        .refused(4, &["trials.jsonl: out of memory: ", "the system refused "]);
    assert_eq!(dir.names(), ["trials.jsonl"]);
}

#[test]
fn every_filter_has_a_limit_which_no_result_depends_on() {
    let dir = Workdir::new();
    for size in ["M", "1000", "1023K", "-1G", "1.5G", "640MB", "99999999999G"] {
        let ran = dir.run("gen-tasks", [format!("--max-memory={size}").as_str()]);
        assert_eq!(ran.code, 2, "{ran}");
        let wanted = "expected a size of at least 1M, such as 640M or 16G";
        assert!(ran.stderr.contains(wanted), "{ran}");
    }
    let trials = dir.run("gen-tasks", "--trials 1 --max-memory 64m").ok();
    assert_eq!(trials, dir.run("gen-tasks", "--trials 1").ok());
    dir.write("trials.jsonl", &trials);
    for (output, limit) in [("a.jsonl", ""), ("b.jsonl", "--max-memory 65536k")] {
        let arguments = format!("--alphabet genomic trials.jsonl -o {output} {limit}");
        dir.run("encode", &arguments).ok();
    }
    assert_eq!(dir.read("a.jsonl"), dir.read("b.jsonl"));
    let settings = |output: &str| {
        let chain = dir.read(&format!("{output}.provenance.json"));
        let chain: Vec<Value> = serde_json::from_slice(&chain).unwrap();
        chain.last().unwrap()["settings"].clone()
    };
    assert_eq!(settings("a.jsonl"), settings("b.jsonl"));

    // A line of 4 MiB does not fit.
    dir.write(
        "long.jsonl",
        format!("{{\"a\": \"{}\"}}\n", "a".repeat(4 << 20)),
    );
    for (filter, arguments) in [
        ("encode", "--max-memory 2M long.jsonl"),
        ("infer", "--model builtin:mode --max-memory 2M long.jsonl"),
        ("score", "--max-memory 2M long.jsonl"),
        ("fit-loglinear", "--max-memory 2M long.jsonl"),
        ("contrast", "--max-memory 2M long.jsonl"),
        ("merge-shards", "--max-memory 2M long.jsonl"),
        ("figure", "--max-memory 2M curve long.jsonl -o out.svg"),
        ("figure", "curve long.jsonl -o out.svg --max-memory 2M"),
    ] {
        let ran = dir.run(filter, arguments);
        ran.refused(
            4,
            &[
                "long.jsonl: out of memory: ",
                "the limit of 2 MiB (--max-memory)",
            ],
        );
    }
}
