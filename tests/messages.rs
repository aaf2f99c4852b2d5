//! What a new user meets: slips of the keyboard, files as other tools leave them, and the line that says what to do.

mod common;

use assert_cmd::Command;
use common::{Ran, Workdir, binary, fixture_model, json_lines, text};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1234567\n";
const PULL: &str = "a git-lfs pointer, not the file itself: run `git lfs pull`";

/// One prompt for the tiny models.
fn prompt(dir: &Workdir) -> Vec<u8> {
    dir.prompts(
        "--task identity --bits 4 --shots 1 --trials 1",
        "--alphabet linguistic",
    )
}

/// A copy of a model's folder.
fn copy(dir: &Workdir, model: &str, name: &str) {
    fs::create_dir(dir.path(name)).unwrap();
    for file in fs::read_dir(fixture_model(model)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), dir.path(name).join(file.file_name())).unwrap();
    }
}

/// What editors make of a text.
fn editors(text: &str) -> [Vec<u8>; 4] {
    let utf16 = |unit: fn(u16) -> [u8; 2]| {
        let marked = format!("\u{feff}{text}");
        marked.encode_utf16().flat_map(unit).collect::<Vec<u8>>()
    };
    [
        format!("\u{feff}{text}").into_bytes(),
        text.replace('\n', "\r\n").into_bytes(),
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
    ]
}

#[test]
fn suites_are_read_whatever_editor_wrote_them() {
    let dir = Workdir::new();
    let list = "--suite s.txt --list --to jsonl";
    let text = "# mine\nflip_bits . reverse_bits\nidentity\n";
    dir.write("s.txt", text.replace(" . ", "."));
    let expected = dir.run("gen-tasks", list).ok();
    for suite in editors(text) {
        dir.write("s.txt", suite);
        assert_eq!(dir.run("gen-tasks", list).ok(), expected);
    }
    let task = [
        "--list",
        "--task",
        " flip_bits. reverse_bits",
        "--to",
        "jsonl",
    ];
    let named = json_lines(&dir.run("gen-tasks", task).ok());
    assert_eq!(
        common::text(&named[0], "function"),
        "flip_bits.reverse_bits"
    );
}

#[test]
fn a_models_texts_are_read_whatever_editor_wrote_them() {
    let dir = Workdir::new();
    let prompt = prompt(&dir);
    let expected = dir
        .infer(
            prompt.clone(),
            &format!("--model {} --quiet", fixture_model("tiny-subset")),
        )
        .ok();
    for (number, file) in [(0, "card.json"), (1, "config.json"), (2, "tokenizer.json")] {
        copy(&dir, "tiny-subset", &number.to_string());
        let path = dir.path(&number.to_string()).join(file);
        let text = fs::read_to_string(&path).unwrap();
        for edited in editors(&text) {
            fs::write(&path, edited).unwrap();
            let ran = dir.infer(
                prompt.clone(),
                &format!("--model {number} --name tiny-subset --quiet"),
            );
            assert_eq!(ran.ok(), expected, "{file}");
        }
    }
}

#[test]
fn a_git_lfs_pointer_in_the_place_of_any_file_is_named() {
    let dir = Workdir::new();
    let prompt = prompt(&dir);
    for file in [
        "card.json",
        "config.json",
        "tokenizer.json",
        "model.onnx",
        "model.onnx.data",
    ] {
        let name = format!("pointer-{file}");
        copy(&dir, "tiny-subset", &name);
        fs::write(dir.path(&name).join(file), POINTER).unwrap();
        let ran = dir.infer(prompt.clone(), &format!("--model {name}"));
        ran.refused(3, &[&format!("{name}/{file}: {PULL}")]);
    }
    dir.write("pointer", POINTER);
    dir.run("gen-tasks", "--suite pointer --list")
        .refused(1, &[&format!("pointer: {PULL}")]);
    let model = fixture_model("tiny-hf");
    dir.infer("", &format!("--model {model} --verify pointer"))
        .refused(1, &[&format!("pointer: {PULL}")]);
    dir.write("p.jsonl", &prompt);
    dir.write("p.jsonl.provenance.json", POINTER);
    dir.run("infer", "--model builtin:mode p.jsonl")
        .refused(1, &[&format!("p.jsonl.provenance.json: {PULL}")]);
}

#[test]
fn json_that_is_no_object_is_told_without_the_programs_own_names() {
    let dir = Workdir::new();
    let prompt = prompt(&dir);
    copy(&dir, "tiny-subset", "model");
    for card in [
        "5",
        r#"{"recorded": 5}"#,
        r#"{"acceptance": {"published": "x", "source": ""}}"#,
    ] {
        fs::write(dir.path("model").join("card.json"), card).unwrap();
        let ran = dir.infer(prompt.clone(), "--model model");
        ran.refused(
            3,
            &["model/card.json: invalid type: ", ", expected an object"],
        );
    }
}

#[test]
fn a_slip_in_a_name_is_told_from_what_is_not_there() {
    let dir = Workdir::new();
    let prompt = prompt(&dir);
    dir.write("notes.txt", "");
    for (model, code, words) in [
        ("builtin:mdoe", 2, "; did you mean builtin:mode?"),
        ("builtin:Nearset", 2, "; did you mean builtin:nearest?"),
        (
            "mode",
            3,
            "mode: no such model folder; did you mean builtin:mode?",
        ),
        ("models/gone", 3, "models/gone: no such model folder\n"),
        ("gone", 3, "gone: no such model folder\n"),
        (
            "notes.txt",
            3,
            "notes.txt: not a graph, nor has its folder one",
        ),
    ] {
        let ran = dir.pipe(prompt.clone(), "infer", &format!("--model {model}"));
        ran.refused(code, &[words]);
    }
    let oracle = dir.pipe(prompt, "infer", "--model builtin:oracle");
    assert!(!oracle.stderr.contains("did you mean"), "{oracle}");
    dir.run("gen-tasks", "--suite papre")
        .refused(2, &["nor a file; did you mean paper?"]);
    dir.pipe("", "encode", "--alphabet genoimc")
        .refused(2, &["--alphabet genoimc: expected genomic"]);
}

#[test]
fn a_name_cannot_be_empty() {
    let dir = Workdir::new();
    for (filter, arguments) in [
        ("infer", vec!["--model", "builtin:mode", "--name", ""]),
        ("infer", vec!["--model", "builtin:mode", "--modality", ""]),
        ("infer", vec!["--model", ""]),
        ("gen-tasks", vec!["--suite", ""]),
        ("encode", vec!["--alphabet", ""]),
    ] {
        let flag = arguments[arguments.len() - 2];
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        dir.pipe("", filter, arguments).refused(2, &[flag]);
    }
}

#[test]
fn a_function_that_stands_twice_has_both_its_lines_named() {
    let dir = Workdir::new();
    dir.write("s.txt", "identity\n# again\nrotl1 . rotl1\n\nrotl1.rotl1\n");
    dir.run("gen-tasks", "--suite s.txt")
        .refused(1, &["s.txt:5: rotl1.rotl1 appears twice, first in line 3"]);
}

#[test]
fn functions_of_one_truth_table_are_warned_of_by_name() {
    let dir = Workdir::new();
    dir.write("s.txt", "identity\nflip_bits\nrotl1.rotr1\nrotr1.rotl1\n");
    let warning = "warning: functions with the same truth table at 8 bits: identity = rotl1.rotr1 = rotr1.rotl1\n";
    for (filter, arguments) in [
        ("gen-tasks", "--suite s.txt --shots 1 --trials 1"),
        ("gen-tasks", "--suite s.txt --list"),
        ("contrast", "--identifiability --suite s.txt"),
    ] {
        let ran = dir.run(filter, arguments);
        assert_eq!(ran.stderr, format!("{filter}: {warning}"));
        ran.loud_ok();
    }
    // Of many the first are named.
    let few = dir.run("gen-tasks", "--list --bits 2");
    assert!(few.stderr.ends_with("; and 18 more\n"), "{few}");
    assert_eq!(few.code, 0);
}

/// A filter with arguments that need not be text.
fn bytes(dir: &Workdir, filter: &str, arguments: &[&[u8]]) -> Ran {
    let mut command = Command::new(binary(filter));
    let arguments = arguments.iter().map(|argument| OsStr::from_bytes(argument));
    Ran::of(
        filter,
        command
            .args(arguments)
            .current_dir(dir.path(""))
            .write_stdin(""),
    )
}

#[test]
fn an_argument_that_is_no_text_is_named() {
    let dir = Workdir::new();
    bytes(
        &dir,
        "infer",
        &[b"--model", b"builtin:mode", b"--name", b"caf\xe9"],
    )
    .refused(2, &["infer: caf\\xe9: not UTF-8"]);
    // A file may have any name.
    bytes(&dir, "score", &[b"caf\xe9.csv"]).refused(1, &["caf"]);
}

#[test]
fn no_name_steers_the_terminal() {
    let dir = Workdir::new();
    let name = b"\x1b[31mred\x07\n.jsonl";
    fs::write(dir.path("").join(OsStr::from_bytes(name)), "{").unwrap();
    let clean = |ran: Ran, code: i32| {
        assert_eq!(ran.code, code, "{ran}");
        let steers = |c: char| c.is_control() && c != '\n';
        assert!(!ran.stderr.contains(steers), "{:?}", ran.stderr);
        assert!(ran.stderr.contains("\\u{1b}[31mred"), "{ran}");
        ran
    };
    for filter in ["encode", "score", "merge-shards"] {
        let arguments: &[&[u8]] = match filter {
            "encode" => &[b"--alphabet", b"genomic", name],
            _ => &[name],
        };
        let ran = clean(bytes(&dir, filter, arguments), 1);
        assert_eq!(ran.stderr.lines().count(), 1, "{ran}");
    }
    clean(bytes(&dir, "score", &[b"gone-\x1b[31mred"]), 1);
    clean(bytes(&dir, "score", &[b"--by", b"\x1b[31mred"]), 2);
    clean(bytes(&dir, "score", &[b"--\x1b[31mred"]), 2);
}

#[test]
fn a_power_that_cannot_be_says_what_to_draw() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--suite primitives --shots 2 --trials 1",
        "--alphabet genomic",
    );
    let answers = dir.pipe(prompts, "infer", "--model builtin:mode").ok();
    assert_eq!(text(&json_lines(&answers)[0], "model"), "builtin:mode");
    dir.pipe(answers, "score", "--power .02")
        .refused(1, &["two trials of each (gen-tasks --trials 2)"]);
}
