//! What a person sees at a terminal: tables that fit it, and how far a long run is. The terminal is `script`'s.

mod common;

use common::{Workdir, binary};
use std::path::Path;
use std::process::{Command, Stdio};

/// What a command writes to a terminal of so many columns.
fn shown(dir: &Workdir, columns: usize, command: &str) -> String {
    let filters = Path::new(binary("score")).parent().unwrap();
    let path = format!("{}:{}", filters.display(), std::env::var("PATH").unwrap());
    let output = Command::new("script")
        .args(["-qec", &format!("stty cols {columns} && {command}")])
        .arg("/dev/null")
        .env("PATH", path)
        .env("TERM", "xterm")
        .current_dir(dir.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{command}: {text}");
    text.replace("\r\n", "\n")
}

/// Two models under both conditions, and one of a long name.
fn predictions() -> Workdir {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--suite primitives --condition clean,deranged --shots 2,4,8 --trials 2",
        "--alphabet genomic",
    );
    for (file, rule, name) in [
        ("a", "mode", "builtin:mode"),
        ("b", "nearest", "builtin:nearest"),
        ("long", "copy", &"a_model_of_a_long_name/".repeat(6)),
    ] {
        let arguments = format!("--model builtin:{rule} --name {name} -o {file}.parquet");
        dir.pipe(prompts.clone(), "infer", &arguments).ok();
    }
    dir
}

#[test]
fn tables_fit_the_terminal_and_lose_nothing() {
    let dir = predictions();
    for table in [
        "score a.parquet",
        "score a.parquet b.parquet",
        "score --by task a.parquet",
        "score --errors a.parquet",
        "score --power .05 a.parquet",
        "fit-loglinear a.parquet b.parquet",
        "fit-loglinear long.parquet",
        "contrast a.parquet b.parquet",
        "contrast --models a.parquet b.parquet",
        "contrast --models a.parquet b.parquet long.parquet",
        "contrast --profiles a.parquet b.parquet",
        "gen-tasks --list",
        "gen-tasks --list --suite random:9,depth=16,seed=1",
    ] {
        let whole = shown(&dir, 2000, &format!("{table} --quiet"));
        for columns in [80, 100] {
            let fitted = shown(&dir, columns, &format!("{table} --quiet"));
            let widest = fitted.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(columns), "{table}: {widest:?}\n{fitted}");
            // Names and values may be cut where a line ends, between two values never.
            let joined: String = fitted.split(['\n', ' ', '#', ',']).collect();
            for word in whole.split(['\n', ' ', '#', ',']) {
                let there = word.split_inclusive('_').all(|part| joined.contains(part));
                assert!(there, "{table}: no {word:?}\n{fitted}");
            }
        }
        // A pipe and a file have the lines of old.
        let filter = table.split_once(' ').unwrap();
        let piped = dir.run(filter.0, &format!("{} --to table --quiet", filter.1));
        assert_eq!(String::from_utf8(piped.ok()).unwrap(), whole);
    }
}

#[test]
fn a_table_too_wide_goes_on_below_with_the_names_of_its_rows() {
    let dir = predictions();
    let table = shown(&dir, 80, "fit-loglinear a.parquet b.parquet --quiet");
    let parts: Vec<Vec<&str>> = table.split("\n\n").map(|p| p.lines().collect()).collect();
    assert!(parts.len() > 1, "{table}");
    for part in &parts {
        let rows: Vec<&&str> = part.iter().filter(|l| l.starts_with("builtin:")).collect();
        assert_eq!(rows.len(), 4, "{table}");
        assert!(rows[3].starts_with("builtin:nearest  deranged "), "{table}");
    }
    // One row is a list.
    let long = ["identity"; 9].join(".");
    let table = shown(&dir, 80, &format!("gen-tasks --quiet --list --task {long}"));
    assert!(
        table.starts_with("function      identity.identity."),
        "{table}"
    );
    assert!(table.contains("\nbitload       8\n"), "{table}");
}

#[test]
fn progress_says_how_many_how_fast_and_how_long_yet() {
    let dir = Workdir::new();
    dir.write(
        "slow.py",
        "import json, sys, time\n\
         for line in sys.stdin:\n    \
             time.sleep(1.3)\n    \
             asked = json.loads(line)\n    \
             print(json.dumps({'id': asked['id'], 'output': asked['symbols'][0] * 8}), flush=True)\n",
    );
    let grid =
        "gen-tasks --task identity --shots 1 --trials 3 | encode --alphabet genomic -o p.parquet";
    let infer = "infer --model 'exec:python3 slow.py' p.parquet -o out.parquet";
    let slow = shown(&dir, 100, &format!("{grid} && {infer}"));
    for words in ["prompts", " 2/3 ", " s/answer ", "s left ", "/2 right"] {
        assert!(slow.contains(words), "no {words:?} in {slow:?}");
    }
}
