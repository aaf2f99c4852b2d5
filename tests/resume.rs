//! Tests of resuming: `infer` can be killed at any moment. It then continues from `OUT.partial` and gives the output of
//! an uninterrupted run.

mod common;

use common::{
    Workdir, binary, fixture_model, json_lines, onnx_runtime, parquet_rows, text, to_lines,
};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Writes independent and nested prompts with a column that `infer` does not know.
fn write_prompts(dir: &Workdir, trials: u32) {
    let mut prompts = dir.prompts(
        &format!("--task identity --task flip_bits --shots 1,4,16 --trials {trials}"),
        "--alphabet linguistic",
    );
    prompts.extend(dir.prompts(
        &format!("--task reverse_bits --design nested --shots 1,4,16 --trials {trials}"),
        "--alphabet linguistic",
    ));
    let mut prompts = json_lines(&prompts);
    for (number, prompt) in prompts.iter_mut().enumerate() {
        prompt["batch"] = Value::from(number / 7);
    }
    dir.write("prompts.jsonl", to_lines(&prompts));
}

fn arguments(output: &str, more: &str) -> String {
    format!(
        "--model {} prompts.jsonl -o {output} {more}",
        fixture_model("tiny-subset")
    )
}

/// Starts `infer` and does not wait for it.
fn start(dir: &Workdir, output: &str, more: &str) -> Child {
    Command::new(binary("infer"))
        .args(arguments(output, more).split(' ').filter(|a| !a.is_empty()))
        .current_dir(dir.path(""))
        .env("SHOTLINE_ORT_LIB", onnx_runtime())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Whether two outputs have the same records. A resumed run makes new batches from the unanswered prompts, and the
/// batch can change the last digits of floating-point results.
fn same_records(found: &[u8], expected: &[u8]) -> bool {
    const COMPUTED: [&str; 2] = ["answer_logprob", "margin"];
    let (found, expected) = (json_lines(found), json_lines(expected));
    let near = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-4,
        _ => a == b,
    };
    found.len() == expected.len()
        && found.into_iter().zip(expected).all(|(mut a, mut b)| {
            COMPUTED
                .iter()
                .all(|column| near(&a[*column].take(), &b[*column].take()))
                && a == b
        })
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[test]
fn killed_at_twenty_random_moments_it_ends_as_if_nothing_had_been() {
    let dir = Workdir::new();
    write_prompts(&dir, 250);
    // Each prompt is a batch of its own, so no digit of an answer depends on other prompts.
    let alone = "--quiet --batch-tokens 1";
    let again = format!("--resume {alone}");
    let begun = Instant::now();
    dir.infer("", &arguments("whole.jsonl", alone)).ok();
    assert!(!dir.path("whole.jsonl.partial").exists());
    // A run survives about sixteen kills. If it ends between two kills, the next run starts.
    let longest = begun.elapsed() / 16;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut kills = 0;
    for _ in 0..200 {
        // Some kills come before the model is loaded, most while it answers.
        let wait = longest.mul_f64(f64::from(rng.next_u32()) / f64::from(u32::MAX));
        let mut child = start(&dir, "killed.jsonl", &again);
        std::thread::sleep(wait);
        signal(&child, "KILL");
        let is_killed = !child.wait().unwrap().success();
        kills += usize::from(is_killed);
        // The output may exist after a kill: the kill came after the renaming and before the journal was removed.
        if dir.path("killed.jsonl").exists() {
            assert!(
                dir.read("killed.jsonl") == dir.read("whole.jsonl"),
                "half an output"
            );
        }
        if kills == 20 {
            break;
        }
        if !is_killed {
            std::fs::remove_file(dir.path("killed.jsonl")).unwrap();
        }
    }
    dir.infer("", &arguments("killed.jsonl", &again)).ok();
    assert!(kills == 20, "only {kills} kills");
    assert!(dir.read("killed.jsonl") == dir.read("whole.jsonl"));
    assert!(!dir.path("killed.jsonl.partial").exists());
}

#[test]
fn a_signal_ends_it_where_nobody_reads_its_last_words() {
    let dir = Workdir::new();
    write_prompts(&dir, 250);
    let mut child = start(&dir, "out.jsonl", "--quiet");
    drop(child.stderr.take());
    let journal = dir.path("out.jsonl.partial");
    let begun = Instant::now();
    while std::fs::metadata(&journal).map_or(0, |file| file.len()) < 100_000 {
        assert!(begun.elapsed() < Duration::from_mins(1), "no answers");
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(&child, "TERM");
    let sent = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if sent.elapsed() > Duration::from_mins(1) {
            signal(&child, "KILL");
            panic!("it is still there");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs `infer` on the prompts and on one more that it cannot read. This leaves a journal with all other answers.
fn leave_a_journal(dir: &Workdir, output: &str, more: &str) {
    let good = dir.read("prompts.jsonl");
    let bad = String::from_utf8(good.clone()).unwrap();
    let bad = bad
        .lines()
        .next()
        .unwrap()
        .replace("\"prompt\":\"", "\"prompt\":\"\u{3b1}");
    dir.write("prompts.jsonl", [&good[..], bad.as_bytes()].concat());
    let ran = dir.infer("", &arguments(output, more));
    ran.refused(
        1,
        &[
            "is not one token",
            "prompts.jsonl:",
            "are kept in",
            "--resume goes on",
        ],
    );
    assert!(!dir.path(output).exists());
    dir.write("prompts.jsonl", good);
}

#[test]
fn what_is_torn_at_the_end_is_answered_again() {
    let dir = Workdir::new();
    write_prompts(&dir, 1);
    // Each prompt is a batch of its own, so no digit of an answer depends on other prompts.
    let alone = "--quiet --batch-tokens 1";
    dir.infer("", &arguments("whole.jsonl", alone)).ok();
    leave_a_journal(&dir, "out.jsonl", alone);
    let journal = dir.read("out.jsonl.partial");
    let ends: Vec<usize> = (0..journal.len())
        .filter(|&i| journal[i] == b'\n')
        .collect();
    assert_eq!(ends.len(), 1 + 6 + 3);
    // The journal is cut after every line, in the middle of the next line, and before its line break.
    for pair in ends.windows(2) {
        for cut in [pair[0] + 1, usize::midpoint(pair[0], pair[1]), pair[1]] {
            dir.write("out.jsonl.partial", &journal[..cut]);
            dir.infer("", &arguments("out.jsonl", &format!("--resume {alone}")))
                .ok();
            assert!(
                dir.read("out.jsonl") == dir.read("whole.jsonl"),
                "cut at {cut}"
            );
        }
    }
    // A journal with half of its first line counts as no journal.
    dir.write("out.jsonl.partial", &journal[..40]);
    dir.infer("", &arguments("out.jsonl", alone)).ok();
    assert!(dir.read("out.jsonl") == dir.read("whole.jsonl"));
    // With larger batches, the unanswered prompts are batched anew.
    leave_a_journal(&dir, "batched.jsonl", "--quiet");
    let journal = dir.read("batched.jsonl.partial");
    dir.write("batched.jsonl.partial", &journal[..ends[5]]);
    dir.infer("", &arguments("batched.jsonl", "--resume --quiet"))
        .ok();
    assert!(same_records(
        &dir.read("batched.jsonl"),
        &dir.read("whole.jsonl")
    ));
}

#[test]
fn every_format_and_unknown_typed_columns_come_out_as_without_an_interruption() {
    let dir = Workdir::new();
    write_prompts(&dir, 2);
    dir.infer("", &arguments("whole.parquet", "--quiet --slim"))
        .ok();
    leave_a_journal(&dir, "out.parquet", "--quiet --slim");
    dir.infer("", &arguments("out.parquet", "--quiet --slim --resume"))
        .ok();
    let (whole, resumed) = (dir.read("whole.parquet"), dir.read("out.parquet"));
    assert_eq!(parquet_rows(&whole), parquet_rows(&resumed));
    assert_eq!(parquet_rows(&whole).len(), 12 + 6);
    assert_eq!(parquet_rows(&whole)[7]["batch"], Value::from(1));
    assert!(dir.path("out.parquet.provenance.json").exists());
}

#[test]
fn a_packed_output_comes_out_as_without_an_interruption() {
    let dir = Workdir::new();
    write_prompts(&dir, 2);
    for suffix in ["jsonl.gz", "jsonl.zst"] {
        let (whole, out) = (format!("whole.{suffix}"), format!("out.{suffix}"));
        dir.infer("", &arguments(&whole, "--quiet")).ok();
        leave_a_journal(&dir, &out, "--quiet");
        // The journal is not compressed, so every line is in the file at once.
        let journal = json_lines(&dir.read(&format!("{out}.partial")));
        assert_eq!(journal.len(), 1 + 12 + 6);
        dir.infer("", &arguments(&out, "--quiet --resume")).ok();
        assert!(dir.read(&out) == dir.read(&whole), "{suffix}");
        assert!(!dir.path(&format!("{out}.partial")).exists());
    }
}

#[test]
fn another_model_another_method_or_other_prompts_are_refused_and_nothing_is_lost() {
    let dir = Workdir::new();
    write_prompts(&dir, 1);
    leave_a_journal(&dir, "out.jsonl", "--quiet");
    let journal = dir.read("out.jsonl.partial");
    let run = |more: &str| dir.infer("", &arguments("out.jsonl", more));
    run("").refused(2, &["out.jsonl.partial", "--resume", "or remove it"]);
    for (more, words) in [
        (
            "--method generate",
            ["method \"score\"", "this is \"generate\""],
        ),
        ("--complete none", ["complete true", "this is false"]),
        ("--constrain", ["constrained false", "this is true"]),
        ("--slim", ["slim false", "this is true"]),
        ("--name other", ["model \"tiny-subset\"", "\"other\""]),
    ] {
        run(&format!("--resume {more}")).refused(2, &words);
    }
    let other = format!(
        "--model {} --name tiny-subset --modality linguistic --params 12936 prompts.jsonl -o out.jsonl --resume",
        fixture_model("tiny-hf")
    );
    dir.infer("", &other).refused(2, &["model SHA-256"]);
    // Prompts in another order, other prompts with the same names, fewer prompts.
    let prompts = String::from_utf8(dir.read("prompts.jsonl")).unwrap();
    let mut turned: Vec<&str> = prompts.lines().collect();
    turned.swap(0, 1);
    let again = dir.prompts(
        "--task identity --shots 1 --trials 1 --seed 0",
        ["--alphabet", "linguistic", "--template", "{x}>{y}{sep}"],
    );
    let edited = |column: &str, value: &str| {
        let mut records = json_lines(prompts.as_bytes());
        records[0][column] = serde_json::from_str(value).unwrap();
        String::from_utf8(to_lines(&records)).unwrap()
    };
    let target = &json_lines(prompts.as_bytes())[0]["target"];
    let other = if *target == "00000000" { "1" } else { "0" }.repeat(8);
    for (wrong, place, words) in [
        (turned.join("\n"), 2, "column \"trial_id\""),
        (String::from_utf8(again).unwrap(), 2, "column \"template\""),
        (edited("function", "\"rotl1\""), 2, "column \"function\""),
        (edited("trial", "7"), 2, "column \"trial\""),
        (edited("seed", "7"), 2, "column \"seed\""),
        (
            edited("target", &format!("\"{other}\"")),
            2,
            "column \"target\"",
        ),
        (
            prompts.lines().next().unwrap().to_owned(),
            3,
            "no prompt any more",
        ),
    ] {
        dir.write("prompts.jsonl", wrong);
        let ran = run("--resume --quiet");
        let place = format!("out.jsonl.partial:{place}: ");
        ran.refused(1, &[&place, words, "9 answers are kept in out.jsonl"]);
        assert!(!ran.stderr.contains("goes on"), "{ran}");
        assert!(
            dir.read("out.jsonl.partial") == journal,
            "the journal has changed"
        );
    }
    dir.write("prompts.jsonl", prompts);
    dir.write("out.jsonl.partial", "{\"trial_id\":\"a\"}\n");
    run("--resume").refused(1, &["out.jsonl.partial:1", "not the journal"]);
}

#[test]
fn a_finished_run_is_complete_and_stays_as_it_is() {
    let dir = Workdir::new();
    write_prompts(&dir, 1);
    let prompts = dir.read("prompts.jsonl");
    for (output, more) in [
        ("out.jsonl", ""),
        ("out.jsonl.gz", ""),
        ("out.arrow", ""),
        ("out.parquet", ""),
        ("slim.parquet", "--slim"),
    ] {
        let run = |more: &str| dir.infer("", &arguments(output, more));
        run(&format!("{more} --quiet")).ok();
        let names = [output.to_owned(), format!("{output}.provenance.json")];
        let state = || {
            names.clone().map(|name| {
                (
                    dir.read(&name),
                    dir.path(&name).metadata().unwrap().modified().unwrap(),
                )
            })
        };
        let before = state();
        let ran = run(&format!("{more} --resume"));
        assert!(ran.stderr.contains(&format!("{output}: complete")), "{ran}");
        ran.loud_ok();
        run(&format!("{more} --resume --quiet")).ok();
        for (settings, words) in [
            (
                "--method generate",
                "method \"score\", this is \"generate\"",
            ),
            ("--name other", "model \"tiny-subset\", this is \"other\""),
        ] {
            let ran = run(&format!("{more} --resume {settings}"));
            ran.refused(2, &[words, &format!("9 answers are kept in {output}, ")]);
        }
        let mut records = json_lines(&prompts);
        let more_prompts = [&prompts[..], &to_lines(&records[..1])].concat();
        records[2]["trial"] = Value::from(9);
        let all: Vec<u8> = prompts
            .split_inclusive(|&b| b == b'\n')
            .next()
            .unwrap()
            .into();
        for (wrong, words) in [
            (to_lines(&records), "column \"trial\""),
            (all, "no prompt any more"),
            (more_prompts, "prompts.jsonl:8, and no more"),
        ] {
            dir.write("prompts.jsonl", wrong);
            let ran = run(&format!("{more} --resume"));
            ran.refused(1, &[words, &format!("9 answers are kept in {output}")]);
            dir.write("prompts.jsonl", &prompts);
        }
        assert!(state() == before, "{output} was touched");
        assert!(!dir.path(&format!("{output}.partial")).exists());
        // Without --resume the output is made anew.
        run(&format!("{more} --quiet --name other")).ok();
        assert!(dir.read(&names[0]) != before[0].0);
    }
    let again = || dir.infer("", &arguments("out.jsonl", "--quiet --resume --name other"));
    again().ok();
    // A finished run with malformed answers fails the second time, too.
    let beside = "out.jsonl.provenance.json";
    let made = String::from_utf8(dir.read(beside)).unwrap();
    dir.write(beside, made.replace("\"broken\":0", "\"broken\":2"));
    again().refused(1, &["2 of 9 answers are malformed"]);
    // Without provenance, infer does not know whether the output is its own.
    std::fs::remove_file(dir.path(beside)).unwrap();
    again().refused(2, &["out.jsonl is there", "leave out --resume"]);
}

/// Starts `infer` and waits until it has finished some answers.
fn start_and_get_going(dir: &Workdir, output: &str) -> Child {
    let mut child = start(dir, output, "--quiet");
    wait_until_going(dir, &mut child, output);
    child
}

fn wait_until_going(dir: &Workdir, child: &mut Child, output: &str) {
    let partial = dir.path(&format!("{output}.partial"));
    for _ in 0..5000 {
        if partial.metadata().map_or(0, |meta| meta.len()) > 20_000 {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended too soon");
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("nothing was finished in 10 s");
}

#[test]
fn interrupted_it_says_what_is_done_and_how_to_go_on() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let dir = Workdir::new();
        write_prompts(&dir, 100);
        let child = start_and_get_going(&dir, "out.jsonl");
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("infer: interrupted: ") && said.contains("--resume goes on"),
            "{said}"
        );
        let kept: usize = said.trim().split(' ').nth(2).unwrap().parse().unwrap();
        assert_eq!(json_lines(&dir.read("out.jsonl.partial")).len(), kept + 1);
        let names = dir.names();
        assert_eq!(names, ["out.jsonl.partial", "prompts.jsonl"], "{names:?}");
    }
}

#[test]
fn two_processes_do_not_write_one_output() {
    let dir = Workdir::new();
    write_prompts(&dir, 100);
    let mut first = start_and_get_going(&dir, "out.jsonl");
    for more in ["--resume", ""] {
        dir.infer("", &arguments("out.jsonl", more))
            .refused(1, &["out.jsonl.partial", "another process"]);
    }
    assert!(first.wait().unwrap().success());
    let ids: Vec<String> = json_lines(&dir.read("out.jsonl"))
        .iter()
        .map(|record| text(record, "trial_id").to_owned())
        .collect();
    assert_eq!(ids.len(), 600 + 300);
}

#[test]
fn a_file_has_one_journal_whatever_links_lead_to_it() {
    let dir = Workdir::new();
    write_prompts(&dir, 100);
    // The target of the links does not exist yet.
    symlink("out.jsonl", dir.path("latest.jsonl")).unwrap();
    symlink("latest.jsonl", dir.path("best.jsonl")).unwrap();
    let mut first = start(&dir, "best.jsonl", "--quiet");
    wait_until_going(&dir, &mut first, "out.jsonl");
    for output in ["out.jsonl", "latest.jsonl"] {
        for more in ["--resume", ""] {
            dir.infer("", &arguments(output, more))
                .refused(1, &["out.jsonl.partial", "another process"]);
        }
    }
    assert!(first.wait().unwrap().success());
    assert_eq!(json_lines(&dir.read("out.jsonl")).len(), 600 + 300);
    let is_link = |name: &str| dir.path(name).symlink_metadata().unwrap().is_symlink();
    assert!(is_link("latest.jsonl") && is_link("best.jsonl") && !is_link("out.jsonl"));
}

#[test]
fn nothing_finished_leaves_no_journal() {
    let dir = Workdir::new();
    dir.write("prompts.jsonl", "{\"trial_id\":1}\n");
    dir.infer("", &arguments("out.jsonl", "--resume"))
        .refused(1, &["prompts.jsonl:1", "trial_id"]);
    assert_eq!(dir.names(), ["prompts.jsonl"]);
    let resumes = "--model builtin:copy prompts.jsonl --resume";
    dir.infer("", resumes).refused(2, &["--output"]);
}
