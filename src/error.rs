/*!
The error type of the library, and the only place that decides exit codes.

Every message is one line that a user can act on: `trials.jsonl:1203: column "outputs": 127 outputs for 128 inputs`.
*/

use std::cell::Cell;
use std::fmt::Display;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;

/// Errors, by what the user can do about them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bad input. The message names the file, line or row, column, and what was expected.
    #[error("{0}")]
    Data(String),
    /// The command line asks for something that cannot be done.
    #[error("{0}")]
    Usage(String),
    /// A model, the inference runtime or a device cannot be used.
    #[error("{0}")]
    Model(String),
    /// There is not enough memory for the work.
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    /// The reader closed our standard output. This is not a failure.
    #[error("the reader of the output closed it")]
    Closed,
    /// Reading or writing failed.
    #[error("{place}: {source}")]
    Io {
        /// The file, or `stdin`/`stdout`.
        place: String,
        /// What the operating system said.
        source: io::Error,
    },
}

/// `Result` with the library's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// The end of a message about an unknown word: asks for the known word (in lower case) that differs only by a typo, if
/// there is one.
#[must_use]
pub fn meant(word: &str, known: &[&str]) -> String {
    let word = word.to_lowercase();
    let near = |name: &&&str| {
        let own = name.rsplit(':').next().unwrap_or_default();
        strsim::osa_distance(name, &word) <= 1 + own.len() / 8
    };
    known
        .iter()
        .find(near)
        .map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// The exit code for [`Error::OutOfMemory`].
pub const OUT_OF_MEMORY: u8 = 4;

impl Error {
    /// Bad data.
    pub fn data(message: impl Display) -> Self {
        Self::Data(message.to_string())
    }

    /// A command line that asks for something impossible.
    pub fn usage(message: impl Display) -> Self {
        Self::Usage(message.to_string())
    }

    /// A model, runtime or device that cannot be used.
    pub fn model(message: impl Display) -> Self {
        Self::Model(message.to_string())
    }

    /// The same thing was found in two places of an experiment.
    pub fn twice(what: impl Display, first: impl Display, second: impl Display) -> Self {
        Self::Data(format!(
            "{what} appears twice, in {first} and in {second}: a file given twice, or two models with the same name \
             (`infer --name` gives another)"
        ))
    }

    /// Reading or writing failed at `place`. A closed pipe becomes [`Error::Closed`].
    pub fn io(place: impl Display, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe {
            return Self::Closed;
        }
        Self::Io {
            place: place.to_string(),
            source,
        }
    }

    /// Reading or writing the file at `path` failed.
    #[must_use]
    pub fn file(path: &Path, source: io::Error) -> Self {
        Self::io(path.display(), source)
    }

    /// Bad data, or an unusable model, with `place` in front of the message. Other errors stay as they are.
    #[must_use]
    pub fn at(self, place: impl Display) -> Self {
        match self {
            Self::Data(message) => Self::Data(format!("{place}: {message}")),
            Self::Model(message) => Self::Model(format!("{place}: {message}")),
            other => other,
        }
    }

    /// The process's exit code: 0 done, 1 bad data, 2 usage, 3 model or runtime, 4 memory.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Data(_) | Self::Io { .. } => 1,
            Self::Usage(_) => 2,
            Self::Model(_) => 3,
            Self::OutOfMemory(_) => OUT_OF_MEMORY,
        }
    }
}

/// A number of things, as "1 shot" and "2 shots".
#[must_use]
pub fn counted(n: impl Display, thing: &str) -> String {
    let n = n.to_string();
    let s = if n == "1" { "" } else { "s" };
    format!("{n} {thing}{s}")
}

/// Text with its control characters escaped, so that it cannot steer a terminal.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// At most 40 characters of a text, on one line, for an error message.
#[must_use]
pub fn shorten(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => visible(&text[..end]) + "...",
        None => visible(text),
    }
}

thread_local! {
    /// Whether [`catch_panic`] runs in this thread, so that a panic is not printed.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// The result of `decode`, or an error if it panics. Libraries panic on damaged files: arrow 60 trusts offsets and
/// lengths in a batch's header, tokenizers 0.22 a decoder's name. Do not use what `decode` worked on after a panic.
pub(crate) fn catch_panic<T>(decode: impl FnOnce() -> Result<T>) -> Result<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_CAUGHT.get() {
                loud(info);
            }
        }));
    });
    IS_CAUGHT.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(decode));
    IS_CAUGHT.set(false);
    result.unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no further reason");
        Err(Error::data(format!(
            "damaged or cut-off file: {}",
            message.lines().next().unwrap_or_default()
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_a_result_stays() {
        assert_eq!(catch_panic(|| Ok(1)).unwrap(), 1);
        let error = catch_panic::<()>(|| panic!("at {}\nmore", 7)).unwrap_err();
        assert_eq!(error.to_string(), "damaged or cut-off file: at 7");
        assert_eq!(error.exit_code(), 1);
        let error = catch_panic::<()>(|| Err(Error::usage("u"))).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
