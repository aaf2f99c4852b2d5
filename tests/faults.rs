//! Faults, injected into the real binaries: signals at random moments, upstreams killed, readers that leave, full disks,
//! files that cannot be read, several processes at one output.
//!
//! After each: the exit code and the word are right, nothing half done bears a final name, nothing is left lying about, and
//! what was finished is there. Every test counts its faults and the records lost by them; `make faults` prints the sums.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "sizes here are some megabytes"
)]

mod common;

use common::{Workdir, binary, fixture_model, onnx_runtime};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Faults injected and records lost, kept for `make faults`.
struct Tally {
    file: PathBuf,
    faults: usize,
    lost: usize,
}

impl Tally {
    fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults");
        fs::create_dir_all(&folder).unwrap();
        Self {
            file: folder.join(test),
            faults: 0,
            lost: 0,
        }
    }

    fn fault(&mut self) {
        self.faults += 1;
    }

    /// Counts the lines of `whole` that `found` has not.
    #[track_caller]
    fn compare(&mut self, whole: &[u8], found: &[u8]) {
        let mut counts: HashMap<&[u8], i64> = HashMap::new();
        for line in whole.split(|&byte| byte == b'\n') {
            *counts.entry(line).or_default() += 1;
        }
        for line in found.split(|&byte| byte == b'\n') {
            *counts.entry(line).or_default() -= 1;
        }
        self.lost += counts.values().filter(|&&n| n > 0).count();
        assert!(whole == found, "{} records lost or others", self.lost);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        println!(
            "{} faults injected, {} records lost",
            self.faults, self.lost
        );
        let _ = fs::write(&self.file, format!("{} {}\n", self.faults, self.lost));
    }
}

/// A filter about to run in a folder, without input.
fn command(dir: &Workdir, filter: &str, arguments: &str) -> Command {
    let mut command = Command::new(binary(filter));
    command
        .args(arguments.split_whitespace())
        .current_dir(dir.path(""))
        .env("SHOTLINE_ORT_LIB", onnx_runtime())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// The same, none of whose files may grow beyond `bytes`: a disk that is full then, for one process.
fn on_a_small_disk(dir: &Workdir, filter: &str, arguments: &str, bytes: u64) -> Command {
    let mut command = command(dir, filter, arguments);
    let limit = Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    // SAFETY: between fork and exec, setrlimit is one system call that allocates nothing.
    unsafe {
        command.pre_exec(move || setrlimit(Resource::Fsize, limit).map_err(Into::into));
    }
    command
}

fn signal(child: &Child, name: &str) {
    let pid = rustix::process::Pid::from_child(child);
    let signal = match name {
        "KILL" => rustix::process::Signal::KILL,
        "TERM" => rustix::process::Signal::TERM,
        _ => rustix::process::Signal::INT,
    };
    // It may have ended already.
    let _ = rustix::process::kill_process(pid, signal);
}

fn said(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// A number between 0 and 1.
fn part(rng: &mut impl Rng) -> f64 {
    f64::from(rng.next_u32()) / f64::from(u32::MAX)
}

/// A run of a filter: its arguments without `-o`, and the name of its output.
struct Stage {
    filter: &'static str,
    arguments: &'static str,
    output: &'static str,
}

/// Every filter, on input of some megabytes in the folder.
const STAGES: [Stage; 8] = [
    Stage {
        filter: "gen-tasks",
        arguments: "--suite paper --shots 2,8,32 --trials 20",
        output: "out.jsonl",
    },
    Stage {
        filter: "encode",
        arguments: "--alphabet genomic trials.jsonl",
        output: "out.jsonl",
    },
    Stage {
        filter: "infer",
        arguments: "--model builtin:nearest prompts.jsonl",
        output: "out.jsonl",
    },
    Stage {
        filter: "score",
        arguments: "--by task --replicates 500 predictions.jsonl",
        output: "out.csv",
    },
    Stage {
        filter: "fit-loglinear",
        arguments: "--replicates 500 predictions.jsonl",
        output: "out.csv",
    },
    Stage {
        filter: "contrast",
        arguments: "predictions.jsonl",
        output: "out.csv",
    },
    Stage {
        filter: "figure",
        arguments: "curve scores.csv",
        output: "out.svg",
    },
    Stage {
        filter: "merge-shards",
        arguments: "shard.0.jsonl shard.1.jsonl",
        output: "out.jsonl",
    },
];

/// A folder with the input of every stage.
fn with_inputs() -> Workdir {
    let dir = Workdir::new();
    for (filter, arguments) in [
        (
            "gen-tasks",
            "--suite primitives --shots 2,8,32 --trials 16 --condition clean,deranged -o trials.jsonl",
        ),
        ("encode", "--alphabet genomic trials.jsonl -o prompts.jsonl"),
        (
            "infer",
            "--model builtin:nearest prompts.jsonl -o predictions.jsonl",
        ),
        ("score", "--replicates 50 predictions.jsonl -o scores.csv"),
        (
            "gen-tasks",
            "--suite paper --shots 32 --trials 8 --shard 0/2 -o shard.0.jsonl",
        ),
        (
            "gen-tasks",
            "--suite paper --shots 32 --trials 8 --shard 1/2 -o shard.1.jsonl",
        ),
    ] {
        dir.run(filter, arguments).ok();
    }
    dir
}

/// What a stage writes when nothing happens, and how long it takes.
fn uninterrupted(dir: &Workdir, stage: &Stage) -> (Vec<u8>, Duration) {
    let begun = Instant::now();
    let arguments = format!("{} -o {}", stage.arguments, stage.output);
    dir.run(stage.filter, &arguments).loud_ok();
    let took = begun.elapsed();
    let whole = dir.read(stage.output);
    clear(dir, stage);
    (whole, took)
}

/// Removes a stage's output.
fn clear(dir: &Workdir, stage: &Stage) {
    for name in dir.names() {
        if name.starts_with(stage.output) || name.starts_with(".shotline-") {
            fs::remove_file(dir.path(&name)).unwrap();
        }
    }
}

#[test]
fn a_signal_at_any_moment_leaves_the_whole_output_or_none() {
    let mut tally = Tally::new("signals");
    let dir = with_inputs();
    let inputs = dir.names();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(6);
    for stage in &STAGES {
        let (whole, took) = uninterrupted(&dir, stage);
        for (name, number) in [("KILL", 9), ("TERM", 15), ("INT", 2)] {
            for _ in 0..6 {
                let arguments = format!("{} -o {}", stage.arguments, stage.output);
                let child = command(&dir, stage.filter, &arguments).spawn().unwrap();
                std::thread::sleep(took.mul_f64(part(&mut rng)));
                signal(&child, name);
                let output = child.wait_with_output().unwrap();
                tally.fault();
                let status = output.status;
                let context = format!("{} {name}: {status}", stage.filter);
                let word = said(&output);
                // Before its handlers are there, a signal ends it in the plain way.
                let ended = status.signal() == Some(number) || status.code() == Some(128 + number);
                assert!(ended || status.success(), "{context}: {word}");
                assert!(status.success() || word.is_empty(), "{context}: {word}");
                if dir.path(stage.output).exists() {
                    tally.compare(&whole, &dir.read(stage.output));
                } else {
                    assert!(!status.success(), "{context}");
                }
                if name != "KILL" {
                    let left: Vec<String> = dir.names();
                    let ours =
                        |name: &String| inputs.contains(name) || name.starts_with(stage.output);
                    assert!(left.iter().all(ours), "{context}: {left:?}");
                }
                clear(&dir, stage);
                assert_eq!(dir.names(), inputs, "{context}");
            }
        }
        // And it goes as if nothing had been.
        tally.compare(&whole, &uninterrupted(&dir, stage).0);
    }
}

/// Prompts for the small model of the fixtures.
fn write_prompts(dir: &Workdir, trials: u32) {
    let prompts = dir.prompts(
        &format!("--suite primitives --shots 1,4,16 --trials {trials}"),
        "--alphabet linguistic",
    );
    dir.write("prompts.jsonl", prompts);
}

/// One prompt a call: the last bits of a margin hang on what a prompt is batched with, and a run that goes on begins its
/// batches elsewhere.
fn infer(output: &str) -> String {
    let model = fixture_model("tiny-subset");
    format!("--model {model} prompts.jsonl -o {output} --resume --batch-tokens 1 --quiet")
}

/// A run of `infer` to the end; the output is then that of `whole.jsonl`, and the journal gone.
#[track_caller]
fn resume(dir: &Workdir, tally: &mut Tally) {
    let output = command(dir, "infer", &infer("out.jsonl")).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    tally.compare(&dir.read("whole.jsonl"), &dir.read("out.jsonl"));
    assert!(!dir.path("out.jsonl.partial").exists());
    fs::remove_file(dir.path("out.jsonl")).unwrap();
}

/// A folder with prompts and what `infer` answers to them, and the time that took.
fn with_whole() -> (Workdir, Duration) {
    let dir = Workdir::new();
    write_prompts(&dir, 6);
    let begun = Instant::now();
    dir.infer("", &infer("whole.jsonl")).ok();
    (dir, begun.elapsed())
}

/// How many whole lines a journal has, its first aside.
fn kept(dir: &Workdir) -> usize {
    let journal = fs::read(dir.path("out.jsonl.partial")).unwrap_or_default();
    // Behind the last line break is one part more.
    let parts = journal.split(|&byte| byte == b'\n').count();
    parts.saturating_sub(2)
}

#[test]
fn what_a_signal_interrupts_is_kept_and_resumed() {
    let mut tally = Tally::new("resumed");
    let (dir, took) = with_whole();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    for _ in 0..2 {
        let mut before = 0;
        for turn in 0..12 {
            let name = ["INT", "TERM", "KILL"][turn % 3];
            let child = command(&dir, "infer", &infer("out.jsonl")).spawn().unwrap();
            std::thread::sleep(took.mul_f64(part(&mut rng) / 4.0));
            signal(&child, name);
            let output = child.wait_with_output().unwrap();
            tally.fault();
            if output.status.success() {
                break;
            }
            let word = said(&output);
            let now = kept(&dir);
            assert!(now >= before, "{before} answers were kept, {now} are there");
            if output.status.code().is_some() && now > 0 && !word.is_empty() {
                assert!(word.contains("--resume goes on"), "{word}");
            }
            before = now;
        }
        resume(&dir, &mut tally);
    }
}

#[test]
fn processes_that_resume_at_once_do_not_disturb_each_other() {
    let mut tally = Tally::new("concurrent");
    let (dir, took) = with_whole();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(8);
    for _ in 0..4 {
        let start = || command(&dir, "infer", &infer("out.jsonl")).spawn().unwrap();
        let mut children: Vec<Child> = (0..3).map(|_| start()).collect();
        std::thread::sleep(took.mul_f64(part(&mut rng)));
        // Whoever it is that writes: others may take over while the end of the first is on its way.
        signal(&children[0], "KILL");
        children.push(start());
        tally.faults += 3;
        for child in children {
            let output = child.wait_with_output().unwrap();
            let word = said(&output);
            match output.status.code() {
                Some(0) | None => {}
                Some(code) => {
                    assert_eq!(code, 1, "{word}");
                    assert!(word.contains("another process is writing it"), "{word}");
                }
            }
        }
        resume(&dir, &mut tally);
    }
}

/// Runs `producer | consumer -o out.FORMAT` over a pipe and kills what stands before the pipe after a while. `feed` is what
/// the killed filter reads.
fn kill_upstream(
    dir: &Workdir,
    feed: Option<&str>,
    producer: (&str, &str),
    consumer: (&str, &str),
    wait: Duration,
) -> Output {
    let mut first = feed.map(|arguments| {
        let mut child = command(dir, "gen-tasks", arguments);
        child.stdout(Stdio::piped()).stderr(Stdio::null());
        child.spawn().unwrap()
    });
    let mut upstream = command(dir, producer.0, producer.1);
    if let Some(first) = &mut first {
        upstream.stdin(first.stdout.take().unwrap());
    }
    let mut upstream = upstream
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut downstream = command(dir, consumer.0, consumer.1);
    let downstream = downstream
        .stdin(upstream.stdout.take().unwrap())
        .spawn()
        .unwrap();
    std::thread::sleep(wait);
    signal(&upstream, "KILL");
    upstream.wait().unwrap();
    if let Some(mut first) = first {
        signal(&first, "KILL");
        first.wait().unwrap();
    }
    downstream.wait_with_output().unwrap()
}

#[test]
fn an_upstream_killed_in_mid_stream_is_no_success_of_half_the_records() {
    const TRIALS: &str = "--suite primitives --shots 8,32 --trials 4000000";
    let mut tally = Tally::new("upstream");
    let dir = Workdir::new();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(9);
    let mut torn = 0;
    for to in ["arrow", "jsonl"] {
        let trials = format!("{TRIALS} --to {to}");
        let prompts = format!("--alphabet genomic --to {to}");
        let predictions = format!("--model builtin:copy --to {to}");
        let chains = [
            (
                None,
                ("gen-tasks", trials.as_str()),
                ("encode", "--alphabet genomic -o out.jsonl"),
            ),
            (
                Some(trials.as_str()),
                ("encode", prompts.as_str()),
                ("infer", "--model builtin:copy -o out.jsonl"),
            ),
        ];
        for (feed, producer, consumer) in chains {
            for _ in 0..4 {
                let wait = Duration::from_millis(60).mul_f64(1.0 + part(&mut rng));
                let output = kill_upstream(&dir, feed, producer, consumer, wait);
                let word = said(&output);
                tally.fault();
                if output.status.success() {
                    // JSON lines have no end marker: cut between two lines, they are a shorter file. The pipeline still
                    // fails, where the shell looks at every exit code (pipefail).
                    assert_eq!(to, "jsonl", "{producer:?}");
                    for line in dir.read("out.jsonl").split(|&byte| byte == b'\n') {
                        assert!(line.is_empty() || line.ends_with(b"}"), "half a record");
                    }
                } else {
                    torn += usize::from(to == "jsonl");
                    assert_eq!(output.status.code(), Some(1), "{word}");
                    let words = ["cut-off", "cut off", "empty input", "damaged"];
                    assert!(words.iter().any(|w| word.contains(w)), "{word}");
                    assert_eq!(dir.names(), [] as [&str; 0], "{word}");
                }
                for name in dir.names() {
                    fs::remove_file(dir.path(&name)).unwrap();
                }
            }
        }
        // Into what reads predictions.
        let whole = Workdir::new();
        let made = whole.prompts(
            "--suite primitives --shots 2,8 --trials 400",
            "--alphabet genomic",
        );
        dir.write("prompts.jsonl", made);
        for consumer in ["score", "fit-loglinear"] {
            let producer = format!("{predictions} prompts.jsonl");
            let output = kill_upstream(
                &dir,
                None,
                ("infer", &producer),
                (consumer, "--replicates 10 --allow-partial -o out.csv"),
                Duration::from_millis(40),
            );
            let word = said(&output);
            tally.fault();
            if to == "arrow" && !output.status.success() {
                assert!(!dir.path("out.csv").exists(), "{word}");
            }
            let _ = fs::remove_file(dir.path("out.csv"));
            let _ = fs::remove_file(dir.path("out.csv.provenance.json"));
        }
        fs::remove_file(dir.path("prompts.jsonl")).unwrap();
    }
    assert!(torn > 0, "no killed upstream left half a line");
}

#[test]
fn a_reader_that_leaves_in_mid_stream_is_silence_and_success() {
    let mut tally = Tally::new("downstream");
    let dir = with_inputs();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(10);
    for (filter, arguments) in [
        ("gen-tasks", "--trials 4000000"),
        (
            "encode",
            "--alphabet genomic trials.jsonl trials.jsonl trials.jsonl",
        ),
        ("infer", "--model builtin:copy prompts.jsonl prompts.jsonl"),
    ] {
        for to in ["jsonl", "arrow"] {
            for _ in 0..3 {
                let mut child = command(&dir, filter, &format!("{arguments} --to {to}"))
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut taken = vec![0; 1 + (part(&mut rng) * 300_000.0) as usize];
                let mut stdout = child.stdout.take().unwrap();
                stdout.read_exact(&mut taken).unwrap();
                drop(stdout);
                let output = child.wait_with_output().unwrap();
                tally.fault();
                assert_eq!(said(&output), "", "{filter} {to}");
                assert_eq!(output.status.code(), Some(0), "{filter} {to}");
            }
        }
    }
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    let mut tally = Tally::new("full");
    let dir = with_inputs();
    let inputs = dir.names();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(11);
    for stage in &STAGES {
        let suffixes: &[&str] = match stage.output {
            "out.jsonl" => &["jsonl", "arrow", "parquet"],
            "out.csv" => &["csv", "jsonl", "parquet"],
            _ => &["svg", "png", "pdf"][..2],
        };
        for suffix in suffixes {
            let out = format!("out.{suffix}");
            let arguments = format!("{} -o {out}", stage.arguments);
            dir.run(stage.filter, &arguments).loud_ok();
            let size = fs::metadata(dir.path(&out)).unwrap().len();
            clear(
                &dir,
                &Stage {
                    output: "out.",
                    ..*stage
                },
            );
            // At the first byte, anywhere, within the footer of Parquet, at the last byte.
            let limits = [0, (part(&mut rng) * size as f64) as u64, size - 9, size - 1];
            for limit in limits {
                let output = on_a_small_disk(&dir, stage.filter, &arguments, limit)
                    .output()
                    .unwrap();
                let word = said(&output);
                tally.fault();
                let context = format!("{} {out}, {limit} of {size} bytes: {word}", stage.filter);
                assert_eq!(output.status.code(), Some(1), "{context}");
                let last = word.lines().last().unwrap_or_default();
                assert!(
                    last.starts_with(&format!("{}: ", stage.filter)),
                    "{context}"
                );
                assert!(
                    last.contains(&out) && last.contains("File too large"),
                    "{context}"
                );
                assert_eq!(dir.names(), inputs, "{context}");
            }
        }
        // A device that is full: standard output has no other place.
        if stage.filter != "figure" {
            for to in suffixes {
                let arguments = format!("{} --to {to}", stage.arguments);
                let output = command(&dir, stage.filter, &arguments)
                    .stdout(File::create("/dev/full").unwrap())
                    .output()
                    .unwrap();
                let word = said(&output);
                tally.fault();
                assert_eq!(
                    output.status.code(),
                    Some(1),
                    "{} {to}: {word}",
                    stage.filter
                );
                assert!(word.contains("stdout: "), "{word}");
                assert!(word.contains("No space left on device"), "{word}");
            }
        }
    }
}

#[test]
fn a_journal_on_a_full_disk_keeps_what_was_finished() {
    let mut tally = Tally::new("journal");
    let (dir, _) = with_whole();
    let size = fs::metadata(dir.path("whole.jsonl")).unwrap().len();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(12);
    for _ in 0..5 {
        let limit = 2000 + (part(&mut rng) * (size - 4000) as f64) as u64;
        let output = on_a_small_disk(&dir, "infer", &infer("out.jsonl"), limit)
            .output()
            .unwrap();
        let word = said(&output);
        tally.fault();
        assert_eq!(output.status.code(), Some(1), "{word}");
        assert!(word.contains("out.jsonl.partial: File too large"), "{word}");
        assert!(!dir.path("out.jsonl").exists());
        let words = format!("{} answers are kept", kept(&dir));
        assert!(word.contains(&words), "no {words:?} in {word}");
        assert!(kept(&dir) > 0);
        resume(&dir, &mut tally);
    }
}

/// Runs a script in a mount namespace of its own, with a small disk at `disk`: real ENOSPC. Needs root, or a kernel that
/// lets users have namespaces.
fn on_a_mounted_disk(dir: &Workdir, kilobytes: u64, script: &str) -> Option<Output> {
    fs::create_dir_all(dir.path("disk")).unwrap();
    for rights in ["-m", "-rm"] {
        let mount = format!("mount -t tmpfs -o size={kilobytes}k none disk || exit 99; {script}");
        let output = Command::new("unshare")
            .args([rights, "sh", "-c", &mount])
            .current_dir(dir.path(""))
            .env("SHOTLINE_ORT_LIB", onnx_runtime())
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) if ![Some(1), Some(99)].contains(&output.status.code()) => {
                return Some(output);
            }
            _ => {}
        }
    }
    None
}

#[test]
fn a_disk_that_fills_while_the_output_is_made_from_the_journal_loses_nothing() {
    let mut tally = Tally::new("disk");
    let (dir, _) = with_whole();
    let size = fs::metadata(dir.path("whole.jsonl")).unwrap().len();
    // Room for the journal and half of the output, which is made beside it.
    let kilobytes = size * 3 / 2 / 1024;
    let script = format!(
        "{} {}; code=$?; ls -A disk; cp disk/out.jsonl.partial .; exit $((code + 40))",
        binary("infer"),
        infer("disk/out.jsonl")
    );
    let Some(output) = on_a_mounted_disk(&dir, kilobytes, &script) else {
        // The limit on a file's size stands for it in the tests above.
        println!("no small disk can be mounted here");
        return;
    };
    let word = said(&output);
    tally.fault();
    assert_eq!(output.status.code(), Some(41), "{word}");
    assert!(word.contains("No space left on device"), "{word}");
    assert!(word.contains("--resume goes on"), "{word}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "out.jsonl.partial\n"
    );
    resume(&dir, &mut tally);
}

#[test]
fn what_cannot_be_read_is_named() {
    let mut tally = Tally::new("unreadable");
    let dir = Workdir::new();
    fs::create_dir(dir.path("folder")).unwrap();
    File::create(dir.path("empty.jsonl")).unwrap();
    // A terabyte of nothing, on no disk.
    let huge = File::create(dir.path("huge.jsonl")).unwrap();
    huge.set_len(1 << 40).unwrap();
    let before = dir.names();
    for (filter, arguments, out) in [
        ("encode", "--alphabet genomic", "out.jsonl"),
        ("infer", "--model builtin:copy", "out.parquet"),
        ("score", "", "out.csv"),
        ("fit-loglinear", "", "out.csv"),
        ("contrast", "", "out.csv"),
        ("figure", "curve", "out.svg"),
    ] {
        for (input, words) in [
            // Reading its first page is an input/output error, for root, too.
            ("/proc/self/mem", "/proc/self/mem: Input/output error"),
            ("folder", "folder: a folder"),
            ("empty.jsonl", "empty.jsonl: empty input"),
            ("huge.jsonl", "huge.jsonl: not a table of"),
            ("gone.jsonl", "gone.jsonl: No such file"),
        ] {
            let begun = Instant::now();
            dir.run(filter, &format!("{arguments} {input} -o {out}"))
                .refused(1, &[words]);
            tally.fault();
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{filter} {input}"
            );
            assert_eq!(dir.names(), before, "{filter} {input}");
        }
    }
}

#[test]
fn a_file_that_is_still_being_written_is_refused_at_its_torn_end() {
    let mut tally = Tally::new("growing");
    let dir = Workdir::new();
    let trials = dir
        .run("gen-tasks", "--task identity --shots 4 --trials 30")
        .ok();
    let mut file = File::create(dir.path("growing.jsonl")).unwrap();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(13);
    let mut at = 0;
    while at < trials.len() - 400 {
        let to = at + 1 + (part(&mut rng) * 390.0) as usize;
        file.write_all(&trials[at..to]).unwrap();
        at = to;
        let ran = dir.run("encode", "--alphabet genomic growing.jsonl -o out.jsonl");
        tally.fault();
        let whole = matches!(trials[at - 1], b'\n' | b'}');
        assert_eq!(ran.code, i32::from(!whole), "{ran}");
        if !whole {
            ran.refused(1, &["growing.jsonl:", "cut off"]);
            assert!(!dir.path("out.jsonl").exists());
        }
        let _ = fs::remove_file(dir.path("out.jsonl"));
        let _ = fs::remove_file(dir.path("out.jsonl.provenance.json"));
    }
}
