//! What `infer --model exec:COMMAND` promises: engines in processes of their own, in any order and of any manners.

mod common;

use common::{Ran, Workdir, binary, int, json_lines, lines, repository, text, to_lines};
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Engines whose answer is the query: the last symbols of a prompt in the default template.
const PRELUDE: &str = r#"
import json, os, signal, subprocess, sys, time

def requests():
    for line in sys.stdin:
        yield json.loads(line)

def copy(request):
    return {"id": request["id"], "output": request["prompt"][-request["max_symbols"]:]}

def say(answer):
    print(json.dumps(answer), flush=True)

"#;

/// A folder with an engine in it.
fn folder(engine: &str) -> Workdir {
    let dir = Workdir::new();
    dir.write("engine.py", format!("{PRELUDE}{engine}\n"));
    dir
}

/// Lets the engine in the folder answer.
fn ask(dir: &Workdir, prompts: &[u8], arguments: &str) -> Ran {
    let mut words = vec!["--model".to_owned(), "exec:python3 engine.py".to_owned()];
    words.extend(arguments.split_whitespace().map(str::to_owned));
    dir.pipe(prompts, "infer", words)
}

/// Lets an engine answer.
fn with_engine(engine: &str, prompts: &[u8], arguments: &str) -> Ran {
    ask(&folder(engine), prompts, arguments)
}

/// Twelve prompts.
fn twelve() -> Vec<u8> {
    Workdir::new().prompts(
        "--task identity --task rotl1 --shots 1,4 --trials 3",
        "--alphabet genomic",
    )
}

/// Sequences read at five shot counts each.
fn nested() -> Vec<u8> {
    Workdir::new().prompts(
        "--suite primitives --design nested --shots 0,1,2,4,8 --trials 1",
        "--alphabet genomic",
    )
}

/// What `builtin:copy` writes, called as an engine calls it.
fn copied(prompts: &[u8]) -> String {
    let dir = Workdir::new();
    let records = dir.pipe(
        prompts,
        "infer",
        "--model builtin:copy --name copy --modality m",
    );
    let records = String::from_utf8(records.ok()).unwrap();
    records.replace("\"method\":\"builtin\"", "\"method\":\"exec\"")
}

#[test]
fn an_engine_that_copies_writes_the_records_of_the_baseline_that_copies() {
    let in_order = "for r in requests(): say(copy(r))";
    let two_at_a_time = r"
held = []
for r in requests():
    held.append(copy(r))
    if len(held) == 2:
        say(held.pop()); say(held.pop())
for answer in held: say(answer)";
    let all_reversed = "for answer in reversed([copy(r) for r in requests()]): say(answer)";
    for prompts in [twelve(), nested()] {
        let expected = copied(&prompts);
        assert!(expected.lines().count() >= 12);
        for (engine, windows) in [
            (in_order, &[1, 2, 3, 64][..]),
            (two_at_a_time, &[2, 7, 64]),
            (all_reversed, &[1000]),
        ] {
            for window in windows {
                let arguments = format!("--name copy --modality m --quiet --in-flight {window}");
                let found = with_engine(engine, &prompts, &arguments).ok();
                assert_eq!(
                    String::from_utf8(found).unwrap(),
                    expected,
                    "{engine} {window}"
                );
            }
        }
    }
}

#[test]
fn words_go_to_an_engine_and_come_from_it_as_lists() {
    let alphabet = ["--alphabet", "words:AAC,ACA,TTG,GGGG"];
    for design in ["--shots 1,3", "--design nested --shots 0,1,4"] {
        let trials = format!("--task identity --task rotl1 --trials 3 {design}");
        let prompts = Workdir::new().prompts(trials.as_str(), alphabet);
        let found = with_engine(
            "for r in requests(): say(copy(r))",
            &prompts,
            "--name copy --modality m --quiet",
        );
        assert_eq!(String::from_utf8(found.ok()).unwrap(), copied(&prompts));
        let joined = "for r in requests(): say(copy(r) | {'output': ''.join(copy(r)['output'])})";
        with_engine(joined, &prompts, "").refused(3, &["is not a list of words, as the prompt is"]);
    }
}

#[test]
fn a_request_holds_the_prompt_and_the_symbols_and_never_the_answer() {
    let dir = folder(
        r#"
with open("requests.jsonl", "w") as file:
    for r in requests():
        print(json.dumps(r), file=file)
        say(copy(r))"#,
    );
    for (prompts, constrain) in [(twelve(), ""), (nested(), "--constrain")] {
        let records = json_lines(&ask(&dir, &prompts, &format!("--quiet {constrain}")).ok());
        let requests = json_lines(&dir.read("requests.jsonl"));
        assert_eq!(requests.len(), records.len());
        for (number, (request, record)) in requests.iter().zip(&records).enumerate() {
            let expected = json!({
                "id": number, "prompt": record["prompt"], "symbols": [record["zero"], record["one"]],
                "max_symbols": record["bits"], "constrained": !constrain.is_empty(),
            });
            assert_eq!(request, &expected);
            assert_eq!(record["constrained"], expected["constrained"]);
            assert_eq!(record["model"], json!("exec:python3 engine.py"));
            assert_eq!(record["modality"], Value::Null);
            assert_eq!(
                (text(record, "method"), &record["bos"]),
                ("exec", &json!(false))
            );
        }
    }
}

#[test]
fn probabilities_and_margins_are_taken_over_where_the_answer_is_the_target() {
    let engine =
        "for r in requests(): say(copy(r) | {'logprob': -2.5, 'margin': 0.25, 'note': 'ignored'})";
    let records = json_lines(&with_engine(engine, &twelve(), "--quiet --bos always").ok());
    assert!(records.iter().any(|p| p["correct"] == json!(false)));
    for p in &records {
        let logprob = if p["correct"] == json!(true) {
            json!(-2.5)
        } else {
            Value::Null
        };
        assert_eq!(
            (&p["answer_logprob"], &p["margin"], &p["bos"]),
            (&logprob, &json!(0.25), &json!(true))
        );
    }
}

/// Python's `json` writes what JSON has not.
#[test]
fn figures_that_are_no_numbers_are_null() {
    for figures in [
        "'logprob': -float('inf'), 'margin': float('nan')",
        "'logprob': float('nan'), 'note': 'a \\\"NaN'",
    ] {
        let engine = format!("for r in requests(): say(copy(r) | {{{figures}}})");
        let records = json_lines(&with_engine(&engine, &twelve(), "--quiet").ok());
        assert_eq!(records.len(), 12);
        for p in records {
            assert_eq!(
                (&p["answer_logprob"], &p["margin"]),
                (&Value::Null, &Value::Null)
            );
        }
    }
}

#[test]
fn the_command_is_split_as_a_shell_would_and_run_without_one() {
    let dir = folder(
        r"
print(json.dumps(sys.argv[1:]), file=sys.stderr)
for r in requests(): say(copy(r))",
    );
    let model = "exec:python3 engine.py 'two words' \"a\\\"b\" $HOME *.py ; ls | cat > gone";
    let ran = dir.pipe(twelve(), "infer", ["--quiet", "--model", model]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(
        serde_json::from_str::<Value>(&ran.stderr).unwrap(),
        json!([
            "two words",
            "a\"b",
            "$HOME",
            "*.py",
            ";",
            "ls",
            "|",
            "cat",
            ">",
            "gone"
        ])
    );
    assert_eq!(text(&json_lines(&ran.stdout)[0], "model"), model);
    for (model, words) in [
        ("exec:", "expected a command"),
        ("exec:   ", "expected a command"),
        ("exec:python3 'engine.py", "missing closing quote"),
    ] {
        dir.pipe(twelve(), "infer", ["--model", model])
            .refused(2, &["--model exec:", words]);
    }
    let verify = ["--model", "exec:python3 engine.py", "--verify"];
    dir.pipe("", "infer", verify)
        .refused(2, &["--verify", "has no card"]);
    for (arguments, words) in [
        ("--in-flight 0", "--in-flight"),
        ("--timeout soon", "expected seconds, as 600 or 0.5"),
        ("--timeout=-1", "expected seconds"),
        ("--complete none", "--complete none"),
        ("--device cuda", "--device: an engine chooses its own"),
    ] {
        ask(&dir, &twelve(), arguments).refused(2, &[words]);
    }
}

/// An engine that answers five of twelve prompts and then does something.
fn after_five(deed: &str) -> String {
    let deed = deed.replace('\n', "\n        ");
    format!("for r in requests():\n    if r['id'] == 5:\n        {deed}\n    say(copy(r))")
}

/// Checks that an engine's failure is told, and that what it had answered is there.
#[track_caller]
fn fails_after_five(deed: &str, words: &[&str]) -> Ran {
    fails_within(20, deed, words)
}

/// The same with a time for silence, in seconds.
#[track_caller]
fn fails_within(timeout: u32, deed: &str, words: &[&str]) -> Ran {
    let prompts = twelve();
    let ran = with_engine(
        &after_five(deed),
        &prompts,
        &format!("--name copy --modality m --timeout {timeout}"),
    );
    let expected = copied(&prompts);
    let first_five: String = expected.split_inclusive('\n').take(5).collect();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), first_five, "{deed}");
    assert_eq!(ran.code, 3, "{ran}");
    let last = ran.stderr.lines().last().unwrap();
    assert!(last.starts_with("infer: the engine: "), "{ran}");
    for word in words {
        assert!(last.contains(word), "no {word:?} in: {ran}");
    }
    ran
}

#[test]
fn an_engine_that_cannot_be_started_is_named() {
    let dir = folder("");
    for (model, words) in [
        (
            "exec:no-such-engine --fast",
            ["\"no-such-engine\"", "No such file"],
        ),
        ("exec:./engine.py", ["\"./engine.py\"", "Permission denied"]),
    ] {
        let ran = dir.pipe(twelve(), "infer", ["--model", model, "-o", "out.jsonl"]);
        ran.refused(3, &words);
        assert!(ran.stderr.contains("cannot start"), "{ran}");
    }
    assert_eq!(dir.names(), ["engine.py"]);
}

#[test]
fn an_engine_that_dies_is_told_with_its_status_and_how_far_it_was() {
    fails_after_five(
        "sys.exit(7)",
        &["exit status: 7", "5 of 12 requests were answered"],
    );
    fails_after_five("sys.exit(0)", &["exit status: 0", "5 of 12"]);
    fails_after_five(
        "os.kill(os.getpid(), signal.SIGKILL)",
        &["signal: 9", "5 of 12"],
    );
    let loud = fails_after_five("raise ValueError('no weights')", &["exit status: 1"]);
    assert!(loud.stderr.contains("ValueError: no weights"), "{loud}");
}

#[test]
fn an_engine_that_leaves_its_output_to_its_own_child_is_dead_all_the_same() {
    let begun = Instant::now();
    fails_after_five(
        "subprocess.Popen(['sleep', '600'])\nsys.exit(7)",
        &["exit status: 7"],
    );
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn an_engine_that_closes_its_output_is_stopped() {
    fails_within(
        3,
        "os.close(1)\ntime.sleep(600)",
        &["closed its output and went on", "5 of 12"],
    );
}

#[test]
fn silence_beyond_the_timeout_is_an_error_and_waiting_within_it_is_none() {
    let silent = with_engine(
        "for r in requests(): time.sleep(0 if r['id'] < 5 else 600); say(copy(r))",
        &twelve(),
        "--timeout 2",
    );
    assert_eq!(
        (silent.code, json_lines(&silent.stdout).len()),
        (3, 5),
        "{silent}"
    );
    for words in [
        "silent for 2 s with 7 requests unanswered",
        "--in-flight",
        "5 of 12",
    ] {
        assert!(silent.stderr.contains(words), "{silent}");
    }
    // Twelve answers take longer than the timeout, each less.
    let slow = "for r in requests(): time.sleep(0.25); say(copy(r))";
    with_engine(slow, &twelve(), "--quiet --timeout 2").ok();
    with_engine(slow, &twelve(), "--quiet --timeout 0").ok();
    // It wants to see more before it answers than it is shown.
    let hoarder = "for answer in [copy(r) for r in requests()]: say(answer)";
    with_engine(hoarder, &twelve(), "--in-flight 4 --timeout 2")
        .refused(3, &["4 requests", "larger --in-flight"]);
}

#[test]
fn ids_that_were_never_asked_for_or_are_answered_twice_are_errors() {
    for (deed, words) in [
        (
            "say(copy(r) | {'id': 99})",
            "line 6 of its output: id 99 was never asked for",
        ),
        (
            "say(copy(r) | {'id': 2})",
            "line 6 of its output: id 2 is answered twice",
        ),
        (
            "say(copy(r) | {'id': -1})",
            "line 6 of its output: expected {",
        ),
        ("say(copy(r) | {'id': '5'})", "invalid type: string"),
    ] {
        fails_after_five(deed, &[words]);
    }
}

#[test]
fn lines_that_are_no_answers_are_errors_that_show_them() {
    for (deed, words) in [
        (
            "print('loading weights', flush=True)",
            "line 6 of its output: expected {\"id\", \"output\", \"logprob\", \"margin\"}, found \"loading weights\"",
        ),
        ("print('', flush=True)", "found \"\": not a JSON object"),
        ("print('5', flush=True)", "found \"5\": not a JSON object"),
        ("print('[]', flush=True)", "found \"[]\": not a JSON object"),
        ("print('x' * 5000, flush=True)", "xxxxx\"..."),
        (
            "sys.stdout.buffer.write(b'\\xff\\xfe\\n'); sys.stdout.flush()",
            "line 6 of its output",
        ),
        (
            "sys.stdout.write('{\"id\": 5, \"out'); sys.stdout.flush(); sys.exit(0)",
            "EOF while parsing",
        ),
        ("say({'id': 5})", "missing field `output`"),
        ("say({'id': 5, 'output': None})", "expected a string"),
        ("say({'id': 5, 'output': 8})", "expected a string"),
        ("say(copy(r) | {'logprob': 'high'})", "expected f64"),
        ("say({'id': '5', 'output': 'A'})", "expected u64"),
        ("say(copy(r) | {'logprob': float('inf')})", "expected value"),
        (
            "say(copy(r) | {'logprob': 0.5})",
            "answer 5: \"logprob\" 0.5, expected at most 0",
        ),
        (
            "say(copy(r) | {'margin': -0.5})",
            "answer 5: \"margin\" -0.5, expected at least 0",
        ),
        (
            "say(copy(r) | {'output': 'ACGTACGTA'})",
            "answer 5: 9 symbols of \"output\", at most 8",
        ),
    ] {
        fails_after_five(deed, &[words]);
    }
    let endless = after_five("while True: sys.stdout.write('x' * 65536)");
    let ran = with_engine(&endless, &twelve(), "");
    assert_eq!((ran.code, json_lines(&ran.stdout).len()), (3, 5), "{ran}");
    assert!(
        ran.stderr
            .contains("a line of its output does not end: \"xxx"),
        "{ran}"
    );
}

#[test]
fn an_engine_that_does_not_constrain_its_answers_is_found_out() {
    let prompts = twelve();
    for output in ["'N' * 8", "r['symbols'][0] * 7"] {
        let engine = format!("for r in requests(): say({{'id': r['id'], 'output': {output}}})");
        with_engine(&engine, &prompts, "--constrain")
            .refused(3, &["answer 0", "as --constrain asks"]);
        let records = json_lines(&with_engine(&engine, &prompts, "--quiet").ok());
        assert!(records.iter().all(|p| p["malformed"] == json!(true)));
    }
}

#[test]
fn answers_after_the_last_one_are_errors() {
    let prompts = twelve();
    for (deed, words) in [
        (
            "say({'id': 3, 'output': 'A'})",
            "line 13 of its output: id 3 is answered twice",
        ),
        (
            "say({'id': 12, 'output': 'A'})",
            "line 13 of its output: id 12 was never asked for",
        ),
        ("print('goodbye')", "line 13 of its output: expected {"),
    ] {
        let engine = format!("for r in requests(): say(copy(r))\n{deed}");
        let ran = with_engine(&engine, &prompts, "");
        ran.refused(3, &[words, "12 of 12 requests were answered"]);
        assert_eq!(json_lines(&ran.stdout).len(), 12);
    }
}

#[test]
fn a_bad_end_after_the_last_answer_is_told() {
    let prompts = twelve();
    let failing = "for r in requests(): say(copy(r))\nsys.exit(9)";
    let ran = with_engine(failing, &prompts, "");
    ran.refused(3, &["exit status: 9", "12 of 12"]);
    assert_eq!(json_lines(&ran.stdout).len(), 12);
    for stays in ["time.sleep(600)", "os.close(1); time.sleep(600)"] {
        let engine = format!("for r in requests(): say(copy(r))\n{stays}");
        let ran = with_engine(&engine, &prompts, "--timeout 2 --quiet");
        assert!(
            ran.stderr
                .contains("warning: the engine went on at the end of its input"),
            "{ran}"
        );
        assert_eq!(json_lines(&ran.loud_ok()).len(), 12);
    }
    let closed = "n = 0\nfor r in requests():\n    say(copy(r)); n += 1\n    if n == 12: os.close(1); sys.stdin.read(); os._exit(0)";
    with_engine(closed, &prompts, "--quiet").ok();
}

/// Requests and answers are far larger than any pipe: whoever waited for the other to read would wait for good.
#[test]
fn an_engine_that_writes_much_before_it_reads_on_is_no_deadlock() {
    let prompts = Workdir::new().prompts(
        "--task identity --shots 128 --trials 200",
        "--alphabet genomic",
    );
    assert!(prompts.len() > 1 << 20);
    let engine = "for r in requests(): say(copy(r) | {'padding': 'x' * 200_000})";
    let records = json_lines(&with_engine(engine, &prompts, "--quiet --in-flight 300").ok());
    assert_eq!(records.len(), 200);
}

#[test]
fn an_engine_that_reads_no_further_is_told_by_its_end() {
    fails_after_five("os.close(0)\nsys.exit(4)", &["exit status: 4", "5 of 12"]);
}

#[test]
fn bad_prompts_end_the_engine_and_keep_what_was_answered() {
    let dir = folder("open('pid', 'w').write(str(os.getpid()))\nfor r in requests(): say(copy(r))");
    let mut prompts = json_lines(&twelve());
    prompts[7]["zero"] = json!("AB");
    let ran = ask(&dir, &to_lines(&prompts), "--in-flight 2");
    ran.refused(1, &["stdin:8", "zero"]);
    assert!(json_lines(&ran.stdout).len() >= 5, "{ran}");
    wait_for_end(&dir.read("pid"));
}

#[test]
fn a_reader_that_leaves_ends_the_engine_in_silence() {
    let dir = folder("open('pid', 'w').write(str(os.getpid()))\nfor r in requests(): say(copy(r))");
    let prompts = Workdir::new().prompts("--shots 4 --trials 60", "--alphabet genomic");
    let mut infer = start(&dir, &[]);
    let mut input = infer.stdin.take().unwrap();
    drop(infer.stdout.take());
    let _ = input.write_all(&prompts);
    drop(input);
    assert_eq!(infer.wait().unwrap().code(), Some(0));
    wait_for_end(&dir.read("pid"));
}

/// `infer` with the engine of the folder, under our eyes.
fn start(dir: &Workdir, arguments: &[&str]) -> Child {
    Command::new(binary("infer"))
        .args(["--quiet", "--model", "exec:python3 engine.py"])
        .args(arguments)
        .current_dir(dir.path("."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until something is there.
fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until a process is gone; a zombie is not gone.
#[track_caller]
fn wait_for_end(pid: &[u8]) {
    let pid = String::from_utf8(pid.to_vec()).unwrap();
    assert!(pid.parse::<u32>().is_ok(), "{pid:?}");
    wait_for(|| (!fs::exists(format!("/proc/{pid}")).unwrap()).then_some(()));
}

#[test]
fn a_signal_ends_the_engine_and_what_it_started() {
    // The engine asks for time when it is told to end; what it started doesn't even listen.
    let engine = r"
helper = subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)'], stdout=subprocess.PIPE)
helper.stdout.readline()
open('helper', 'w').write(str(helper.pid))
open('engine.tmp', 'w').write(str(os.getpid()))
os.rename('engine.tmp', 'engine')
time.sleep(600)";
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let dir = folder(engine);
        let mut infer = start(&dir, &["-o", "out.jsonl"]);
        infer.stdin.as_mut().unwrap().write_all(&twelve()).unwrap();
        wait_for(|| dir.path("engine").exists().then_some(()));
        let sent = Command::new("kill")
            .args([format!("-{signal}"), infer.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let output = infer.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(!said.contains("the engine"), "{said}");
        wait_for_end(&dir.read("engine"));
        wait_for_end(&dir.read("helper"));
        assert!(!dir.path("out.jsonl").exists());
    }
}

#[test]
fn an_engine_outlives_no_infer_that_was_killed() {
    let dir = folder(
        r"
open('engine.tmp', 'w').write(str(os.getpid()))
os.rename('engine.tmp', 'engine')
for r in requests(): say(copy(r))",
    );
    let mut infer = start(&dir, &[]);
    infer.stdin.as_mut().unwrap().write_all(&twelve()).unwrap();
    wait_for(|| dir.path("engine").exists().then_some(()));
    infer.kill().unwrap();
    infer.wait().unwrap();
    wait_for_end(&dir.read("engine"));
}

#[test]
fn engines_answer_into_any_output_and_their_predictions_can_be_scored() {
    let dir = folder("for r in requests(): say(copy(r))");
    dir.write("prompts.jsonl", twelve());
    ask(
        &dir,
        b"",
        "--quiet --name copy -o out.parquet prompts.jsonl",
    )
    .ok();
    assert_eq!(
        dir.names(),
        [
            "engine.py",
            "out.parquet",
            "out.parquet.provenance.json",
            "prompts.jsonl"
        ]
    );
    let chain: Value = serde_json::from_slice(&dir.read("out.parquet.provenance.json")).unwrap();
    let step = chain.as_array().unwrap().last().unwrap();
    assert!(
        step["command"]
            .as_array()
            .unwrap()
            .contains(&json!("exec:python3 engine.py")),
        "{step}"
    );
    let table = dir
        .run("score", "out.parquet --replicates 100 --to jsonl")
        .ok();
    let rows = json_lines(&table);
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!(
            (text(&row, "model"), text(&row, "method")),
            ("copy", "exec")
        );
        assert_eq!(int(&row, "trials"), 6);
    }
}

#[test]
fn what_a_dead_engine_had_answered_is_not_asked_again() {
    for prompts in [twelve(), nested()] {
        let dir = folder(
            r"
n = 0
for r in requests():
    if r['id'] == 5 and not os.path.exists('again'): sys.exit(7)
    say(copy(r)); n += 1
open('asked', 'w').write(str(n))",
        );
        dir.write("prompts.jsonl", &prompts);
        let arguments = "--name copy --modality m --quiet -o out.jsonl --resume prompts.jsonl";
        let ran = ask(&dir, b"", arguments);
        assert_eq!(ran.code, 3, "{ran}");
        let kept = lines(&dir.read("out.jsonl.partial")).len() - 1;
        let hint = format!("{kept} answers are kept in out.jsonl.partial");
        assert!(kept == 5 && ran.stderr.contains(&hint), "{ran}");
        assert!(!dir.path("out.jsonl").exists());
        dir.write("again", "");
        ask(&dir, b"", &arguments.replace("copy", "other"))
            .refused(2, &["--resume", "model \"copy\", this is \"other\""]);
        ask(&dir, b"", arguments).ok();
        let expected = copied(&prompts);
        let asked: usize = String::from_utf8(dir.read("asked"))
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(asked, expected.lines().count() - kept);
        assert_eq!(String::from_utf8(dir.read("out.jsonl")).unwrap(), expected);
        assert!(!dir.path("out.jsonl.partial").exists());
    }
}

/// An engine that dies at the sixth request the first time, and declares two kinds of words neutral.
fn mortal() -> Workdir {
    let dir = folder(
        r"
# infer: neutral: --workers http://*
for r in requests():
    if r['id'] == 5 and not os.path.exists('again'): sys.exit(7)
    say(copy(r))",
    );
    dir.write("prompts.jsonl", twelve());
    let ran = go_on(&dir, "--workers 1 http://here --weights w");
    assert_eq!(ran.code, 3, "{ran}");
    dir.write("again", "");
    dir
}

/// Goes on with the engine in the folder, called with these words.
fn go_on(dir: &Workdir, words: &str) -> Ran {
    let model = format!("exec:python3 engine.py {words}");
    let arguments = "--quiet --name copy --modality m -o out.jsonl --resume prompts.jsonl";
    let mut list = vec!["--model".to_owned(), model];
    list.extend(arguments.split(' ').map(str::to_owned));
    dir.pipe("", "infer", list)
}

#[test]
fn a_run_is_not_resumed_with_another_engine() {
    let dir = mortal();
    let kept = dir.read("out.jsonl.partial");
    for words in [
        "--workers 1 http://here --weights v",
        "--workers 1 https://here --weights w",
        "--weights w more",
    ] {
        let changed = go_on(&dir, words);
        changed.refused(2, &["5 answers are kept in out.jsonl.partial", "engine ["]);
        assert!(!changed.stderr.contains("goes on"), "{changed}");
    }
    let engine = String::from_utf8(dir.read("engine.py")).unwrap();
    dir.write("engine.py", format!("{engine}\n# Better.\n"));
    let changed = go_on(&dir, "--workers 1 http://here --weights w");
    changed.refused(2, &["5 answers are kept", "engine_sha256", "engine.py"]);
    assert!(dir.read("out.jsonl.partial") == kept, "it has changed");
}

#[test]
fn what_an_engine_declares_neutral_may_differ_and_is_recorded() {
    let dir = mortal();
    go_on(&dir, "--workers=8 --weights w http://there").ok();
    let found = String::from_utf8(dir.read("out.jsonl")).unwrap();
    assert_eq!(found, copied(&twelve()));
    let chain: Value = serde_json::from_slice(&dir.read("out.jsonl.provenance.json")).unwrap();
    let step = chain.as_array().unwrap().last().unwrap();
    assert_eq!(
        step["settings"]["engine"],
        json!(["python3", "engine.py", "--weights", "w"])
    );
    let runs = step["measured"]["earlier_runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    for (run, words) in [(&runs[0], "http://here"), (step, "http://there")] {
        assert!(run["command"][2].as_str().unwrap().contains(words), "{run}");
    }
}

#[test]
fn a_finished_run_starts_no_engine() {
    let dir = folder("open('started', 'w')\nfor r in requests(): say(copy(r))");
    dir.write("prompts.jsonl", twelve());
    let arguments = "--name copy -o out.jsonl --resume prompts.jsonl";
    ask(&dir, b"", arguments).loud_ok();
    fs::remove_file(dir.path("started")).unwrap();
    let ran = ask(&dir, b"", arguments);
    assert!(ran.stderr.contains("out.jsonl: complete"), "{ran}");
    assert!(!dir.path("started").exists());
    assert!(!dir.path("out.jsonl.partial").exists());
}

#[test]
fn the_engine_in_the_manual_is_one() {
    let manual = fs::read_to_string(repository("docs/engines.md")).unwrap();
    let (_, code) = manual.split_once("```python\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let dir = Workdir::new();
    dir.write("engine.py", code);
    for prompts in [twelve(), nested()] {
        let found = ask(&dir, &prompts, "--quiet --name copy --modality m").ok();
        assert_eq!(String::from_utf8(found).unwrap(), copied(&prompts));
    }
}
