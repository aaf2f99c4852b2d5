/*!
What all filters share: arguments, input that is no record, output files, warnings, progress, and the way out.
*/

mod args;
mod memory;
mod output;
mod progress;
mod sequences;

pub use args::{InputArgs, OutputArgs, SeedArg, ThreadArgs, parse_shots};
pub use memory::peak_memory;
pub use output::{Sink, when_interrupted};
pub use progress::Progress;
pub use sequences::read_sequences;

use crate::error::{Error, Result};
use clap::Parser;
use std::process::ExitCode;

/// Parses the command line, runs the filter and turns its result into an exit code. A closed
/// standard output ends in silence with success; any other error is one line on stderr.
pub fn main<A: Parser>(program: &str, run: impl FnOnce(&A) -> Result<()>) -> ExitCode {
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(e) => {
            // Help and version go to stdout and succeed; a reader that left is no failure.
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { 2 } else { 0 });
        }
    };
    output::remove_unfinished_on_signals();
    match run(&args) {
        Ok(()) | Err(Error::Closed) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{program}: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}

/// One line of warning on stderr.
pub fn warn(program: &str, message: impl std::fmt::Display) {
    eprintln!("{program}: warning: {message}");
}
