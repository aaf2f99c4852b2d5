//! The manual of every filter: its help is what was looked at, man pages and completions say the same, and `make install`
//! puts all of it where systems look for it.

mod common;

use common::{Workdir, binary, repository};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The filters: those of src/bin.
fn filters() -> Vec<String> {
    let files = fs::read_dir(repository("src/bin")).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .map(|name| name.trim_end_matches(".rs").to_owned())
        .collect();
    names.sort();
    names
}

/// Columns of the help that is kept; and so many that no line of examples is broken.
const WIDTH: &str = "100";
const UNFILLED: &str = "1000";

fn folder_of_binaries() -> &'static Path {
    Path::new(binary("encode")).parent().unwrap()
}

/// What a filter's `--help` prints, or that of its subcommand, so many columns wide.
fn help(filter: &str, subcommand: Option<&str>, columns: &str) -> String {
    let output = Command::new(binary(filter))
        .args(subcommand)
        .arg("--help")
        .env("COLUMNS", columns)
        .env("LINES", "50")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every page of a filter's manual: its name, and its help.
fn manual(filter: &str, columns: &str) -> Vec<(String, String)> {
    let own = help(filter, None, columns);
    let subcommands: Vec<String> = own
        .split_once("Commands:\n")
        .map(|(_, list)| {
            list.lines()
                .take_while(|line| !line.trim().is_empty())
                .filter(|line| line.starts_with("  ") && !line.starts_with("    "))
                .map(|line| line.split_whitespace().next().unwrap().to_owned())
                .filter(|name| name != "help")
                .collect()
        })
        .unwrap_or_default();
    let mut pages = vec![(filter.to_owned(), own)];
    for subcommand in subcommands {
        let text = help(filter, Some(&subcommand), columns);
        pages.push((format!("{filter}-{subcommand}"), text));
    }
    pages
}

/// The flags that a help text lists, `-o` and `--output` each.
fn flags(help: &str) -> BTreeSet<String> {
    // What flags do stands further right, and may begin with one.
    const INDENT: usize = 6;
    let (_, options) = help.split_once("\nOptions:\n").unwrap();
    let (options, _) = options.split_once("\nExamples:\n").unwrap();
    let listed = options.lines().map(|line| (line, line.trim_start()));
    listed
        .filter(|(line, text)| text.starts_with('-') && line.len() - text.len() <= INDENT)
        .flat_map(|(_, text)| text.split([' ', ',']))
        .filter(|word| word.starts_with('-'))
        .map(|word| word.trim_end_matches('.').to_owned())
        .collect()
}

/// What the filter makes for `--generate`, in a folder.
fn generate(filter: &str, what: &str, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let output = Command::new(binary(filter))
        .args(["--generate", what])
        .arg(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
}

/// Runs a tool that need not be here.
fn tool(command: &mut Command) -> Option<Output> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Some(output),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => panic!("{command:?}: {e}"),
    }
}

#[test]
fn the_help_of_every_filter_is_what_was_looked_at() {
    let mut names = BTreeSet::new();
    for filter in filters() {
        for (name, help) in manual(&filter, WIDTH) {
            let golden = repository(&format!("tests/fixtures/help/{name}.txt"));
            // `SHOTLINE_BLESS=1 cargo test --release --test manual` takes it for right: look at it first.
            if std::env::var_os("SHOTLINE_BLESS").is_some() {
                fs::write(&golden, &help).unwrap();
            }
            let expected = fs::read_to_string(&golden).unwrap_or_default();
            let differing = help.lines().zip(expected.lines()).find(|(a, b)| a != b);
            assert!(
                help == expected,
                "{name}: {differing:?}; if it is right: SHOTLINE_BLESS=1"
            );
            assert!(help.contains("Examples:\n"), "{name}");
            names.insert(format!("{name}.txt"));
        }
    }
    let kept = fs::read_dir(repository("tests/fixtures/help")).unwrap();
    let kept: BTreeSet<String> = kept
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(kept, names, "left: tests/fixtures/help; right: the filters");
}

#[test]
fn every_list_of_filters_has_them_all() {
    let filters = filters();
    let filters: BTreeSet<&str> = filters.iter().map(String::as_str).collect();
    for (file, begins, between) in [
        ("Makefile", "FILTERS := ", " "),
        ("python/shotline/__init__.py", "FILTERS = (", ", "),
        ("scripts/docs_pages.py", "FILTERS = (", ", "),
        ("tests/docs/test_commands.py", "FILTERS = (", ", "),
        ("tests/wheel/test_wheel.py", "FILTERS = (", ", "),
    ] {
        let text = fs::read_to_string(repository(file)).unwrap();
        let list = text.lines().find_map(|line| line.strip_prefix(begins));
        let names = list.unwrap().trim_end_matches(')').split(between);
        let known: BTreeSet<&str> = names.map(|name| name.trim_matches('"')).collect();
        assert_eq!(known, filters, "{file}");
    }
    let site = fs::read_to_string(repository("mkdocs.yml")).unwrap();
    for filter in filters {
        let page = format!(" {filter}: reference/{filter}.md");
        assert!(site.contains(&page), "mkdocs.yml lacks{page}");
    }
}

#[test]
fn man_pages_say_what_the_help_says() {
    let dir = Workdir::new();
    for filter in filters() {
        generate(&filter, "man", &dir.path("man"));
        for (name, help) in manual(&filter, WIDTH) {
            let file = dir.path(&format!("man/{name}.1"));
            let page = fs::read_to_string(&file).unwrap();
            let plain = page
                .replace("\\-", "-")
                .replace("\\fB", "")
                .replace("\\fR", "");
            assert!(plain.starts_with(".ie") && plain.contains(&format!("\n{name} - ")));
            let options = &plain[plain.find(".SH OPTIONS").unwrap()..];
            let found = flags(&help);
            assert!(found.contains("--help"));
            for flag in found {
                let there = [format!("\n{flag}"), format!(", {flag}")]
                    .iter()
                    .any(|with| options.contains(with));
                assert!(there, "{name}: {flag}");
            }
            assert!(!plain.contains("--generate"));
        }
    }
}

#[test]
fn man_pages_are_well_formed_and_keep_examples_as_they_are() {
    let dir = Workdir::new();
    for filter in filters() {
        generate(&filter, "man", &dir.path("man"));
        for (name, help) in manual(&filter, UNFILLED) {
            let file = dir.path(&format!("man/{name}.1"));
            let mut lint = Command::new("mandoc");
            lint.args(["-T", "lint", "-W", "warning"]).arg(&file);
            if let Some(output) = tool(&mut lint) {
                // clap_mangen parts possible values from what stands before them by a break and a space.
                let said = String::from_utf8(output.stdout).unwrap();
                let wrong: Vec<&str> = said
                    .lines()
                    .filter(|line| !line.contains("skipping paragraph macro: br"))
                    .collect();
                assert!(wrong.is_empty() && output.stderr.is_empty(), "{wrong:?}");
            }
            let mut groff = Command::new("groff");
            groff.args(["-man", "-T", "utf8", "-r", "LL=150n", "-P", "-cbou"]);
            let Some(shown) = tool(groff.arg(&file)) else {
                continue;
            };
            assert!(
                shown.status.success() && shown.stderr.is_empty(),
                "{shown:?}"
            );
            let shown = String::from_utf8(shown.stdout).unwrap();
            let lines: Vec<&str> = shown.lines().map(str::trim).collect();
            let (_, examples) = help.split_once("Examples:\n").unwrap();
            for example in examples.lines().filter(|line| !line.is_empty()) {
                // Every character as it is typed: quotes, minus signs, tildes.
                assert!(
                    lines.contains(&example.trim()),
                    "{name}: {example:?}\n{shown}"
                );
            }
            for section in [
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "OPTIONS",
                "EXIT STATUS",
                "EXAMPLES",
            ] {
                assert!(lines.contains(&section), "{name}: {section}");
            }
        }
    }
}

/// What a bash that has read a filter's completions offers behind these words.
fn offered(script: &Path, words: &[&str]) -> BTreeSet<String> {
    const ASK: &str = r#"
        source "$1"; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        [[ $(complete -p "$1") =~ -F\ ([^ ]+) ]] || exit 9
        "${BASH_REMATCH[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let output = Command::new("bash")
        .args(["--noprofile", "--norc", "-c", ASK, "ask"])
        .arg(script)
        .args(words)
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn bash_completes_flags_values_and_subcommands() {
    let dir = Workdir::new();
    let script = |filter: &str| {
        generate(filter, "bash", &dir.path("bash"));
        dir.path(&format!("bash/{filter}.bash"))
    };
    let gen_tasks = script("gen-tasks");
    assert_eq!(
        offered(&gen_tasks, &["gen-tasks", "--cond"]),
        set(&["--condition"])
    );
    assert_eq!(
        offered(&gen_tasks, &["gen-tasks", "--condition", ""]),
        set(&["clean", "deranged"])
    );
    assert_eq!(
        offered(&gen_tasks, &["gen-tasks", "--seed", "1", "--to", "p"]),
        set(&["parquet"])
    );
    let suites = set(&["paper", "primitives", "random:", "random-tables:"]);
    for filter in ["gen-tasks", "infer", "score", "contrast"] {
        assert_eq!(offered(&script(filter), &[filter, "--suite", ""]), suites);
    }
    let encode = script("encode");
    assert_eq!(
        offered(&encode, &["encode", "--alphabet", "g"]),
        set(&["genomic"])
    );
    let figure = script("figure");
    assert_eq!(offered(&figure, &["figure", "cur"]), set(&["curve"]));
    assert_eq!(
        offered(&figure, &["figure", "curve", "--publ"]),
        set(&["--published"])
    );
    let infer = script("infer");
    assert_eq!(offered(&infer, &["infer", "--gen"]), set(&[""]));
    assert_eq!(offered(&infer, &["infer", "--device", "a"]), set(&["auto"]));
    // Bash parts words at colons, and wants what is behind them.
    for (typed, offers) in [
        (
            &["builtin", ":"][..],
            &["mode", "nearest", "copy", "bayes", "compress"][..],
        ),
        (&["builtin", ":", "co"], &["copy", "compress"]),
        (&["models/"], &[""]),
        (
            &["m", "--device", "cuda", ":", "0", "--verif"],
            &["--verify"],
        ),
    ] {
        let words = [&["infer", "--quiet", "--model"], typed].concat();
        assert_eq!(offered(&infer, &words), set(offers), "{typed:?}");
    }
    for filter in filters() {
        let script = script(&filter);
        for (name, help) in manual(&filter, WIDTH) {
            let mut words: Vec<&str> = vec![&filter];
            words.extend(
                name.strip_prefix(&format!("{filter}-"))
                    .filter(|_| name != filter),
            );
            words.push("--");
            let offers = offered(&script, &words);
            let expected: BTreeSet<String> = flags(&help)
                .into_iter()
                .filter(|flag| flag.starts_with("--"))
                .collect();
            assert_eq!(offers, expected, "{name}");
        }
    }
}

#[test]
fn zsh_and_fish_know_every_flag_and_can_read_their_files() {
    let dir = Workdir::new();
    for filter in filters() {
        for (shell, file) in [
            ("zsh", format!("_{filter}")),
            ("fish", format!("{filter}.fish")),
        ] {
            generate(&filter, shell, &dir.path(shell));
            let file = dir.path(&format!("{shell}/{file}"));
            let text = fs::read_to_string(&file).unwrap();
            for (name, help) in manual(&filter, WIDTH) {
                for flag in flags(&help)
                    .iter()
                    .filter_map(|flag| flag.strip_prefix("--"))
                {
                    let there = match shell {
                        "zsh" => ["[", "=[", "\\[", "=-["]
                            .iter()
                            .any(|with| text.contains(&format!("--{flag}{with}"))),
                        _ => text.contains(&format!(" -l {flag} ")),
                    };
                    assert!(there, "{shell}, {name}: --{flag}");
                }
            }
            // Values that may be words, or files.
            for (flag, words) in [("suite", "primitives"), ("model", "builtin:mode")] {
                let completed = match shell {
                    "zsh" => format!("_{filter}_{flag}'"),
                    _ => format!(" -l {flag} "),
                };
                for line in text.lines().filter(|line| line.contains(&completed)) {
                    assert!(text.contains(words), "{shell}, {filter}: {words}");
                    assert!(shell == "zsh" || line.contains(" -r -F -a "), "{line}");
                }
            }
            if let Some(output) = tool(Command::new(shell).arg("-n").arg(&file)) {
                assert!(
                    output.status.success() && output.stderr.is_empty(),
                    "{output:?}"
                );
            }
        }
    }
}

#[test]
fn what_cannot_be_generated_is_a_usage_error() {
    let dir = Workdir::new();
    for arguments in [
        "--generate",
        "--generate man",
        "--generate elisp .",
        "--generate man a b",
    ] {
        dir.run("encode", arguments)
            .refused(2, &["encode: --generate"]);
    }
    dir.run("encode", "--generate man nowhere")
        .refused(1, &["nowhere"]);
    dir.run("encode", "--generate zsh nowhere")
        .refused(1, &["nowhere"]);
}

/// The files below a folder, by their paths from there.
fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.insert(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    all
}

/// `make` with the filters that are built already.
fn make(dir: &Workdir, target: &str, more: &[&str]) -> Output {
    let mut command = Command::new("make");
    command
        .args(["--no-print-directory", "-C"])
        .arg(repository(""))
        .arg(target)
        .arg(format!("BIN={}", folder_of_binaries().display()))
        .arg(format!("STAGE={}", dir.path("stage").display()))
        .arg("CARGO=true")
        .args(more)
        .env_remove("MAKEFLAGS")
        .output()
        .unwrap()
}

#[test]
fn make_install_yields_a_tree_that_works_and_make_uninstall_takes_it_away() {
    let dir = Workdir::new();
    let (root, prefix) = (dir.path("root"), "PREFIX=/opt/shotline");
    let destination = format!("DESTDIR={}", root.display());
    let options = [prefix, &destination];
    fs::create_dir_all(root.join("opt/shotline/bin")).unwrap();
    fs::write(root.join("opt/shotline/bin/other"), "").unwrap();
    // A second time replaces the first.
    for _ in 0..2 {
        let output = make(&dir, "install", &options);
        assert!(output.status.success(), "{output:?}");
    }
    let tree = root.join("opt/shotline");
    let files = files_below(&tree);
    for filter in filters() {
        for file in [
            format!("bin/{filter}"),
            format!("share/man/man1/{filter}.1"),
            format!("share/bash-completion/completions/{filter}.bash"),
            format!("share/zsh/site-functions/_{filter}"),
            format!("share/fish/vendor_completions.d/{filter}.fish"),
        ] {
            assert!(files.contains(Path::new(&file)), "{file}");
        }
    }
    for file in [
        "share/man/man1/figure-curve.1",
        "share/doc/shotline/LICENSE-MIT",
        "share/doc/shotline/onnxruntime-LICENSE.txt",
        "share/shotline/examples/pandas_curves.py",
        "share/shotline/scripts/convert/__main__.py",
    ] {
        assert!(files.contains(Path::new(file)), "{file}");
    }
    assert!(!files.iter().any(|file| file.ends_with("__pycache__")));
    // What the manuals name of the sources.
    let mut named = BTreeSet::new();
    for filter in filters() {
        for (_, help) in manual(&filter, UNFILLED) {
            let words = help.split([' ', '\'', '(', ')', ':', '\n']);
            let ours =
                words.filter(|word| word.starts_with("scripts/") || word.starts_with("docs/"));
            named.extend(ours.map(str::to_owned));
        }
    }
    assert!(named.len() >= 2, "{named:?}");
    for name in named {
        // A file, or a folder that Python runs.
        let place = Path::new("share/shotline").join(&name);
        assert!(files.iter().any(|file| file.starts_with(&place)), "{name}");
    }
    let engine = Command::new(tree.join("share/shotline/scripts/engines/openai-completions.py"))
        .arg("--help")
        .output()
        .unwrap();
    assert!(engine.status.success(), "{engine:?}");
    // The runtime is found where it lies, from anywhere.
    let doctor = Command::new(tree.join("bin/infer"))
        .arg("--doctor")
        .current_dir(&root)
        .env_remove("SHOTLINE_ORT_LIB")
        .env_remove("ORT_DYLIB_PATH")
        .output()
        .unwrap();
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.status.success(), "{said}");
    let library = tree.join("lib/libonnxruntime.so");
    assert!(said.contains(library.to_str().unwrap()), "{said}");
    let trials = Command::new(tree.join("bin/gen-tasks"))
        .args(["--task", "identity", "--shots", "1", "--trials", "1"])
        .output()
        .unwrap();
    assert_eq!(common::json_lines(&trials.stdout).len(), 1);

    let output = make(&dir, "uninstall", &options);
    assert!(output.status.success(), "{output:?}");
    // Nothing of ours is left, and all of others.
    let left: Vec<PathBuf> = files_below(&tree).into_iter().collect();
    assert_eq!(left, [Path::new("bin/other")]);
    let again = make(&dir, "uninstall", &options);
    assert!(!again.status.success());
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(
        said.contains("Nothing of Shotline is installed in"),
        "{said}"
    );
}
