/*!
What all filters share. A command line comes in. Checked inputs, outputs that appear whole or not at all, and one exit
code go out. Warnings, progress, man pages and completions are here, too.
*/

mod args;
mod generate;
mod output;
mod progress;
mod sequences;

pub use args::{
    GroupArgs, InputArgs, OutputArgs, SeedArg, SuggestedValues, SuiteArg, ThreadArgs, parse_shots,
};
pub use output::{Sink, destination, keep_apart, when_interrupted};
pub use progress::Progress;
pub use sequences::read_sequences;

use crate::error::{Error, Result, counted, visible};
use crate::memory;
use crate::program::{Program, Suite};
use clap::Parser;
use clap::error::ErrorKind;
use std::fmt::{self, Display};
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;
use std::sync::OnceLock;

static PROGRAM: OnceLock<String> = OnceLock::new();
static COMMIT: OnceLock<&str> = OnceLock::new();

/// What `--version` prints: the number, the commit if the build knows it (`make`), and what a filter adds.
#[must_use]
pub fn version(more: Option<String>) -> String {
    let commit = COMMIT.get().map(|commit| format!("commit {commit}"));
    let more: Vec<String> = commit.into_iter().chain(more).collect();
    let number = env!("CARGO_PKG_VERSION");
    if more.is_empty() {
        return number.to_owned();
    }
    format!("{number} ({})", more.join(", "))
}

/// The name of this filter.
fn program() -> &'static str {
    PROGRAM.get().map_or("shotline", String::as_str)
}

/// Parses the command line, runs the filter and turns its result into an exit code. If the reader closes standard
/// output, the filter ends silently with success. Any other error is one line on stderr.
///
/// Each filter passes its `commit`, so that a new commit does not recompile the library.
pub fn main<A: Parser>(
    commit: Option<&'static str>,
    run: impl FnOnce(&A) -> Result<()>,
) -> ExitCode {
    // Sources without a repository have no commit.
    if let Some(commit) = commit.filter(|commit| !commit.is_empty()) {
        COMMIT.get_or_init(|| commit);
    }
    let mut command = args::with_memory(A::command());
    PROGRAM.get_or_init(|| command.get_name().to_owned());
    let mut arguments = std::env::args_os().skip(1);
    if arguments
        .next()
        .is_some_and(|first| first == generate::FLAG)
    {
        return exit(generate::generate(command, arguments));
    }
    command = command.version(&*version(None).leak());
    let parsed = command
        .try_get_matches_from_mut(std::env::args_os())
        .and_then(|mut matches| {
            let memory = args::max_memory(&matches);
            let args = A::from_arg_matches_mut(&mut matches);
            Ok((args.map_err(|e| e.format(&mut command))?, memory))
        });
    let (args, memory) = match parsed {
        Ok(parsed) => parsed,
        Err(e) if e.kind() == ErrorKind::InvalidUtf8 => {
            let wrong = std::env::args_os().filter(|arg| arg.to_str().is_none());
            let wrong: Vec<String> = wrong
                .map(|arg| arg.as_bytes().escape_ascii().to_string())
                .collect();
            return exit(Err(Error::usage(format!(
                "{}: not UTF-8",
                wrong.join(", ")
            ))));
        }
        Err(e) if e.use_stderr() => {
            // Parse again with escaped arguments, so that the message cannot steer the terminal.
            let shown = std::env::args_os().map(|arg| visible(&arg.to_string_lossy()));
            let shown = args::with_memory(A::command())
                .try_get_matches_from(shown)
                .err();
            let _ = shown.filter(clap::Error::use_stderr).unwrap_or(e).print();
            return ExitCode::from(2);
        }
        Err(help_or_version) => {
            let printed = output::check_stdout().and_then(|()| {
                let printed = help_or_version.print();
                printed.map_err(|e| Error::io("stdout", e))
            });
            return exit(printed);
        }
    };
    memory::limit(memory, last_word);
    output::remove_unfinished_on_signals();
    exit(run(&args))
}

/// The last message when memory runs out. No unfinished file is left behind.
fn last_word(words: fmt::Arguments<'_>) {
    output::remove_unfinished();
    eprintln!("{}: {words}", program());
}

/// Prints the error, if there is one, and gives the exit code.
fn exit(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) | Err(Error::Closed) => ExitCode::SUCCESS,
        Err(e) => {
            note(&e);
            ExitCode::from(e.exit_code())
        }
    }
}

/// Warns that rows with only one function have no error over functions.
pub fn warn_of_one_function(rows: usize) {
    if rows > 0 {
        warn(format!(
            "{} of only one function: errors over functions need two, and are null",
            counted(rows, "row")
        ));
    }
}

/// Warns that some bootstrap replicates at `place` were left out, because they lack a shot count.
pub fn warn_of_replicates(place: &str, missing: usize, replicates: u32) {
    if missing > 0 {
        warn(format!(
            "{place}: left out {missing} of {replicates} bootstrap replicates, which drew no function \
                 of a shot count"
        ));
    }
}

/// One line of warning on stderr.
pub fn warn(message: impl Display) {
    note(format!("warning: {message}"));
}

/// One line on stderr, with control characters escaped.
pub fn note(message: impl Display) {
    eprintln!("{}: {}", program(), visible(&message.to_string()));
}

/// Warns of functions of a suite that are equal at this width.
pub fn warn_of_equal(suite: &Suite, bits: u32) {
    /// Further groups are only counted.
    const NAMED: usize = 3;
    let groups = suite.equal(bits);
    if groups.is_empty() {
        return;
    }
    let joined = |group: &Vec<&Program>| {
        let names: Vec<String> = group.iter().map(ToString::to_string).collect();
        names.join(" = ")
    };
    let mut named: Vec<String> = groups.iter().take(NAMED).map(joined).collect();
    if groups.len() > NAMED {
        named.push(format!("and {} more", groups.len() - NAMED));
    }
    let named = named.join("; ");
    warn(format!(
        "functions with the same truth table at {}: {named}",
        counted(bits, "bit")
    ));
}
