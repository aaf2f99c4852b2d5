/*!
Man pages and shell completions of a filter, from the definitions of its `--help`.

`FILTER --generate man|bash|zsh|fish FOLDER` writes them into a folder, for `make man` and `make completions`. No help
shows it.
*/

use super::output::Sink;
use crate::error::{Error, Result};
use clap::builder::PossibleValue;
use clap::{Command, ValueEnum as _, ValueHint};
use clap_complete::{Generator as _, Shell};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The hidden flag. It must be the first argument.
pub(super) const FLAG: &str = "--generate";

/// The date of the man pages; it belongs to the version in Cargo.toml.
const DATE: &str = "2026-11-24";

/// The exit codes and their meanings.
const EXIT_CODES: [(&str, &str); 6] = [
    (
        "0",
        "Done; also when the reader of the output closed the pipe.",
    ),
    (
        "1",
        "Bad data or files: the message says which file, line or row, column, and what was expected.",
    ),
    ("2", "The command line asks for something impossible."),
    (
        "3",
        "A model, the inference runtime or a device cannot be used.",
    ),
    ("4", "Out of memory."),
    ("130", "Interrupted."),
];

/// Writes what the arguments after [`FLAG`] ask for.
///
/// # Errors
/// The arguments are wrong, or the folder cannot be written to.
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
    let file = folder.join(shell.file_name(command.get_name()));
    Sink::write_file(&file, completions(shell, command).as_bytes())
}

/// A shell's completions, with two things that `clap_complete` lacks: values that are either one of some words or a
/// file, and words with colons.
fn completions(shell: Shell, mut command: Command) -> String {
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, &name, &mut text);
    let mut text = String::from_utf8_lossy(&text).into_owned();
    let mut has_colons = false;
    for arg in command.get_arguments() {
        let words = arg.get_possible_values();
        let words: Vec<&str> = words.iter().map(PossibleValue::get_name).collect();
        has_colons |= words.iter().any(|word| word.contains(':'));
        let long = arg.get_long().unwrap_or_default();
        if words.is_empty() || arg.get_value_hint() != ValueHint::AnyPath {
            continue;
        }
        let words = words.join(" ");
        if shell == Shell::Zsh {
            let function = format!("_{name}_{long}");
            // An unescaped colon would end a value's name.
            let escaped = |text: &str| text.replace(':', "\\:");
            let value = arg.get_value_names().map_or("", |names| names[0].as_str());
            let closed = format!(":{value}:({})'", escaped(&words));
            text = text.replace(&closed, &format!(":{}:{function}'", escaped(value))).replacen(
                &format!("\n_{name}() {{\n"),
                &format!(
                    "\n{function}() {{\n    local ret=1\n    compadd -- {words} && ret=0\n    _files && ret=0\n    \
                     return ret\n}}\n\n_{name}() {{\n"
                ),
                1,
            );
        } else if shell == Shell::Fish {
            let option = format!(" -l {long} ");
            let open = |line: &str| {
                let files = if line.contains(&option) {
                    " -r -F -a "
                } else {
                    " -r -f -a "
                };
                line.replace(" -r -f -a ", files)
            };
            text = text.split_inclusive('\n').map(open).collect();
        }
    }
    if shell == Shell::Bash && has_colons {
        let function = format!("_{}", name.replace('-', "__"));
        text = text.replace(
            &format!("complete -F {function} "),
            &format!("complete -F {function}_whole "),
        );
        text.push_str(&WHOLE.replace("FUNCTION", &function));
    }
    text
}

/// Bash splits words at colons. This joins them again, and removes the part before the last colon from each suggestion.
const WHOLE: &str = r#"
FUNCTION_whole() {
    local words=() last=-1 word
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ $last -ge 0 && ( $word == : || ${words[last]} == *: ) ]]; then
            words[last]+=$word
        else
            words[++last]=$word
        fi
    done
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$last
    word=${words[last]}
    FUNCTION "$1" "$word" "${words[last - 1]}"
    word=${word%"${word##*:}"}
    COMPREPLY=("${COMPREPLY[@]#"$word"}")
}
"#;

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

/// Adds the examples line by line. clap's own section would join them into paragraphs.
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
