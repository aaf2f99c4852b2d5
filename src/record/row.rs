/*!
One row of a table of any format, with access to its columns by name, and the row's place in its file.
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

/// The row of a text file: column names, and values as they are written.
pub(super) type TextFields<'a> = [(Cow<'a, str>, &'a str)];

/// A row of a table.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub(super) columns: Columns<'a>,
    /// The index where the search for the next column starts: in most tables, columns are in the order of reading.
    next: &'a Cell<usize>,
}

/// The columns of a row.
#[derive(Clone, Copy)]
pub(super) enum Columns<'a> {
    /// The fields of a line, and the function that converts a field's text to a value.
    Text(&'a TextFields<'a>, fn(&'a str) -> Datum<'a>),
    /// A batch, and the index of the row in it.
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

    /// The value of the column `name`. A column that may be null may also be missing.
    ///
    /// # Errors
    /// The column is missing or its value does not fit; the error names the column and what was expected.
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

    /// The index of a column. Searches from `first` to the end, then from the start to `first`.
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

/// What is done with a row and its place.
pub(super) type See<'a> = dyn FnMut(Row<'_>, Place) -> std::result::Result<(), String> + 'a;

/// The rows of one table. Every format implements this for the reader.
pub(super) trait Rows {
    /// Passes the next row to `see`; adds the row's place to an error of `see`. Returns false at the end.
    fn next(&mut self, see: &mut See<'_>) -> Result<bool>;

    /// The provenance found since the last call.
    fn provenance(&mut self) -> Option<Chain>;

    /// The column names. For JSON lines: those of the first record, and none after it has been read.
    fn columns(&self) -> Vec<String>;

    /// The number of records, if the format stores it.
    fn total(&self) -> Option<u64> {
        None
    }
}

/// The place of a record: a line (`trials.jsonl:1203`) or a row (`trials.parquet: row 1203`) of a file.
#[derive(Debug, Clone)]
pub struct Place {
    file: Arc<str>,
    number: u64,
    is_line: bool,
}

impl Place {
    /// A line of a text file, counted from 1.
    pub(super) fn line(file: &Arc<str>, number: u64) -> Self {
        Self {
            file: file.clone(),
            number,
            is_line: true,
        }
    }

    /// A row of a binary table, counted from 1.
    pub(super) fn row(file: &Arc<str>, number: u64) -> Self {
        Self {
            is_line: false,
            ..Self::line(file, number)
        }
    }

    /// The name of the file.
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// The error for a record that is longer than [`LONGEST`].
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

/// The longest accepted record, in bytes. For comparison: a prompt of 128 shots has about 10 kB.
pub(super) const LONGEST: usize = 64 << 20;
