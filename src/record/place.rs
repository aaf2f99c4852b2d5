/*!
Where a record stands, and how long it may be there.
*/

use crate::error::Error;
use std::fmt;
use std::sync::Arc;

/// A line or a row of a file: `trials.jsonl:1203`, or `trials.parquet: row 1203`.
#[derive(Debug, Clone)]
pub struct Place {
    file: Arc<str>,
    number: u64,
    is_line: bool,
}

impl Place {
    /// A line of a text file, from 1.
    pub(super) fn line(file: &Arc<str>, number: u64) -> Self {
        Self {
            file: file.clone(),
            number,
            is_line: true,
        }
    }

    /// A row of a binary table, from 1.
    pub(super) fn row(file: &Arc<str>, number: u64) -> Self {
        Self {
            is_line: false,
            ..Self::line(file, number)
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.is_line { ":" } else { ": row " };
        write!(f, "{}{separator}{}", self.file, self.number)
    }
}

/// The longest record: a prompt of 128 shots has about 10 kB.
pub(super) const LONGEST: usize = 64 << 20;

/// A record is longer.
pub(super) fn too_long(place: &Place) -> Error {
    let most = LONGEST >> 20;
    Error::data(format!("{place}: longer than a record may be ({most} MiB)"))
}
