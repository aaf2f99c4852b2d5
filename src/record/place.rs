/*!
Where a record stands.
*/

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
