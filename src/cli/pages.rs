/*!
A filter's man pages and shell completions, from the definitions that its `--help` shows.

`FILTER --generate man|bash|zsh|fish FOLDER` writes them into a folder. It is for `make man` and `make completions`, and
stands in no help.
*/

use super::output::Sink;
use crate::error::{Error, Result};
use clap::{Command, ValueEnum as _};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The hidden flag, which stands first.
pub(super) const FLAG: &str = "--generate";

/// The day of the pages, which goes with the version in Cargo.toml.
const DATE: &str = "2026-11-24";

/// What the exit codes mean.
const EXIT_CODES: [(&str, &str); 6] = [
    (
        "0",
        "Done; also when the reader of the output closed the pipe.",
    ),
    (
        "1",
        "Bad data or files: the message says which file, line or row, column, and what was expected.",
    ),
    ("2", "The command line asks for something that cannot be."),
    (
        "3",
        "A model, the inference runtime or a device cannot be used.",
    ),
    ("4", "Out of memory."),
    ("130", "Interrupted."),
];

/// Writes what the arguments behind [`FLAG`] ask for.
///
/// # Errors
/// They are not what they have to be; the folder cannot be written to.
pub(super) fn generate(
    mut command: Command,
    mut arguments: impl Iterator<Item = OsString>,
) -> Result<()> {
    let what = arguments.next().and_then(|what| what.into_string().ok());
    let (Some(what), Some(folder), None) = (what, arguments.next(), arguments.next()) else {
        return Err(Error::usage(format!(
            "{FLAG}: expected man, bash, zsh or fish, and a folder"
        )));
    };
    let folder = PathBuf::from(folder);
    if what == "man" {
        command = command.disable_help_subcommand(true);
        command.build();
        return write_pages(&command, &folder);
    }
    let shell =
        Shell::from_str(&what, false).map_err(|e| Error::usage(format!("{FLAG} {what}: {e}")))?;
    let name = command.get_name().to_owned();
    clap_complete::generate_to(shell, &mut command, name, &folder)
        .map_err(|e| Error::file(&folder, e))?;
    Ok(())
}

/// Writes the page of a command, and those of its subcommands.
fn write_pages(command: &Command, folder: &Path) -> Result<()> {
    for subcommand in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        write_pages(subcommand, folder)?;
    }
    let page = Man::new(command.clone())
        .date(DATE)
        .source(concat!("Shotline ", env!("CARGO_PKG_VERSION")))
        .manual("Shotline");
    let file = folder.join(page.get_filename());
    let text = page_of(command, &page).map_err(|e| Error::file(&file, e))?;
    Sink::write_file(&file, &text)
}

fn page_of(command: &Command, page: &Man) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    let mut rest = Roff::new();
    rest.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        rest.control("TP", []);
        rest.text([bold(code)]);
        rest.text([roman(meaning)]);
    }
    if let Some(examples) = command.get_after_help() {
        push_examples(&mut rest, &examples.to_string());
    }
    rest.to_writer(&mut text)?;
    Ok(text)
}

/// Examples line by line: clap's own section would fill them into paragraphs.
fn push_examples(page: &mut Roff, text: &str) {
    page.control("SH", ["EXAMPLES"]);
    page.control("nf", []);
    let text = text.strip_prefix("Examples:\n").unwrap_or(text);
    for line in text.lines() {
        if line.is_empty() {
            page.control("sp", []);
        } else {
            page.text([roman(line)]);
        }
    }
    page.control("fi", []);
}
