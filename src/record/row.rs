/*!
One row of a table, whatever format it stands in, its columns asked for by name; and where it stands.
*/

use super::batch::Batch;
use super::column::Value;
use super::datum::Datum;
use crate::error::{Error, Result};
use crate::provenance::Chain;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

/// What a row of a text file is made of: names of columns, and their values as they are written.
pub(super) type TextFields<'a> = [(Cow<'a, str>, &'a str)];

/// A row of a table.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub(super) columns: Columns<'a>,
    /// Where the next column is looked for first: most tables have their columns in order.
    next: &'a Cell<usize>,
}

/// The columns of a row.
#[derive(Clone, Copy)]
pub(super) enum Columns<'a> {
    /// A line's, and what a text of it is as a value.
    Text(&'a TextFields<'a>, fn(&'a str) -> Datum<'a>),
    /// A batch's, and the row.
    Batch(&'a Batch, usize),
}

impl<'a> Row<'a> {
    pub(super) fn new(columns: Columns<'a>, next: &'a Cell<usize>) -> Self {
        Self { columns, next }
    }

    /// Whether the table has such a column.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        self.find(name, 0).is_some()
    }

    /// What the column `name` holds. What may be null may be missing.
    ///
    /// # Errors
    /// The column, and what was expected.
    #[inline]
    pub fn get<T: Value>(self, name: &str) -> std::result::Result<T, String> {
        let value = match self.find(name, self.next.get()) {
            Some(at) => {
                self.next.set(at + 1);
                T::read(self.datum(at))
            }
            None if T::NULLABLE => T::read(Datum::Null),
            None => Err("is missing".to_owned()),
        };
        value.map_err(|what| format!("column {name:?}: {what}"))
    }

    /// Where a column is, looked for from `first` on and then before it.
    #[inline]
    fn find(self, name: &str, first: usize) -> Option<usize> {
        let count = match self.columns {
            Columns::Text(fields, _) => fields.len(),
            Columns::Batch(batch, _) => batch.len(),
        };
        let is_it = |at: &usize| match self.columns {
            Columns::Text(fields, _) => fields[*at].0 == name,
            Columns::Batch(batch, _) => batch.name(*at) == name,
        };
        (first..count).chain(0..first.min(count)).find(is_it)
    }

    #[inline]
    fn datum(self, at: usize) -> Datum<'a> {
        match self.columns {
            Columns::Text(fields, datum) => datum(fields[at].1),
            Columns::Batch(batch, row) => batch.column(at).datum(row),
        }
    }
}

/// The rows of one table: what every format gives a reader.
pub(super) trait Rows {
    /// Hands the next row to `see`, and whatever it refuses back with the row's place; false where there is none.
    fn next(
        &mut self,
        see: &mut dyn FnMut(Row<'_>, Place) -> std::result::Result<(), String>,
    ) -> Result<bool>;

    /// The provenance found since the last call.
    fn provenance(&mut self) -> Option<Chain>;

    /// The names of the table's columns; of lines those of the first record, as long as it has not been read.
    fn columns(&self) -> Vec<String>;

    /// The number of records, where the file says it beforehand.
    fn total(&self) -> Option<u64> {
        None
    }
}

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

    /// The error of a record that is longer than one may be.
    pub(super) fn too_long(&self) -> Error {
        let most = LONGEST >> 20;
        Error::data(format!("{self}: longer than a record may be ({most} MiB)"))
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
