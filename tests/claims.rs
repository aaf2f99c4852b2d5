//! `docs/claims.md`: its commands, run as they stand, print what the page shows.

mod common;

use common::{Workdir, binary, repository};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// A command of the page and what stands below it.
struct Shown {
    command: String,
    output: String,
}

/// The commands of the page's console blocks: a line that begins with `$`, and the lines after it
/// that continue it, indented.
fn shown(page: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let blocks = page.split("```console\n").skip(1);
    for block in blocks.map(|b| b.split("\n```").next().unwrap()) {
        let mut in_command = false;
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                in_command = true;
                all.push(Shown {
                    command: command.to_owned(),
                    output: String::new(),
                });
                continue;
            }
            let last = all.last_mut().unwrap();
            in_command &= line.starts_with("    ");
            if in_command {
                last.command.push('\n');
                last.command.push_str(line);
            } else {
                last.output.push_str(line);
                last.output.push('\n');
            }
        }
    }
    all
}

#[test]
fn the_page_shows_what_its_commands_print() {
    let dir = Workdir::new();
    for folder in ["assets", "tests"] {
        std::os::unix::fs::symlink(repository(folder), dir.path(folder)).unwrap();
    }
    let filters = Path::new(binary("score")).parent().unwrap();
    let mut path = OsString::from(filters);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let page = std::fs::read_to_string(repository("docs/claims.md")).unwrap();
    let commands = shown(&page);
    assert!(commands.len() >= 14, "{}", commands.len());
    for Shown { command, output } in commands {
        let ran = Command::new("bash")
            .args(["-o", "pipefail", "-c", &command])
            .env("PATH", &path)
            .current_dir(dir.path(""))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{command}\n{errors}");
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), output, "{command}");
    }
}
