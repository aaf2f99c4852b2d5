/*!
The words of an engine's command that can change its answers.

An engine may declare words of its command neutral: they change no answer, such as an address or a number of workers.
The declaration is a line in the engine's file, so that it can be read without running the engine.
*/

use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::provenance::Facts;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The start of a declaration line. Words follow. A word is an option with a value, or, with `*` at its end, a prefix:
/// every word that begins with it is neutral.
const DECLARATION: &str = "# infer: neutral:";

/// A declaration must be within the first bytes of a file; this is their number.
const HEAD: u64 = 1 << 16;

/// The words of a command that can change answers, and the SHA-256 of those that name files.
pub(super) fn decisive(command: &[String]) -> Result<Facts> {
    let mut neutral = Vec::new();
    for file in files(command) {
        neutral.extend(declared(Path::new(file)).map_err(|e| Error::file(Path::new(file), e))?);
    }
    let words = without(command, &neutral);
    let hashes: BTreeMap<&str, String> = files(&words)
        .map(|file| Ok((file, sha256(&[file.into()])?)))
        .collect::<Result<_>>()?;
    Ok(Facts::from([
        ("engine".to_owned(), json!(words)),
        ("engine_sha256".to_owned(), json!(hashes)),
    ]))
}

/// The words that name files, except Python itself: in a virtual environment, `python` links to the system's Python,
/// whose hash changes with every update.
fn files(words: &[impl AsRef<str>]) -> impl Iterator<Item = &str> {
    let is_python = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("python")
    };
    words
        .iter()
        .map(AsRef::as_ref)
        .filter(move |word| Path::new(word).is_file() && !is_python(Path::new(word)))
}

/// The words that a file declares neutral.
fn declared(path: &Path) -> std::io::Result<Vec<String>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    let text = String::from_utf8_lossy(&head);
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix(DECLARATION));
    Ok(lines
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect())
}

/// The words of a command without the neutral ones and their values.
fn without<'a>(command: &'a [String], neutral: &[String]) -> Vec<&'a str> {
    let mut words = command.iter().map(String::as_str);
    let mut left = Vec::new();
    while let Some(word) = words.next() {
        let is_alone = neutral.iter().any(|n| match n.strip_suffix('*') {
            Some(beginning) => word.starts_with(beginning),
            None => word
                .strip_prefix(n.as_str())
                .is_some_and(|rest| rest.starts_with('=')),
        });
        if neutral.iter().any(|n| n == word) {
            words.next();
        } else if !is_alone {
            left.push(word);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neutral_words_go_with_their_values() {
        let neutral = ["http://*", "--workers"].map(str::to_owned);
        for (command, left) in [
            ("e http://a:1 --model m", "e --model m"),
            ("e --workers 2 http://a --workers=3", "e"),
            (
                "e --workers-too 2 ftp://a --workers",
                "e --workers-too 2 ftp://a",
            ),
        ] {
            let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
            assert_eq!(without(&words, &neutral).join(" "), left);
        }
    }
}
