/*!
Flat tables as CSV, both ways.
*/

use super::bounds::{self, Ration, Rationed};
use super::column::{Cell, ColumnType, Value};
use super::extra::Extra;
use super::provenance::Chain;
use super::read::{Entry, Place, Rows};
use super::table::{Record, Row};
use super::version;
use crate::error::{Error, Result};
use std::io::BufRead;
use std::sync::Arc;

/// Records out of a CSV file with a header.
pub(super) struct CsvRows {
    file: Arc<str>,
    reader: csv::Reader<Rationed>,
    ration: Ration,
    header: csv::StringRecord,
    row: csv::StringRecord,
}

impl CsvRows {
    pub(super) fn open(file: Arc<str>, stream: Box<dyn BufRead>) -> Result<Self> {
        let (stream, ration) = Rationed::new(stream);
        let mut reader = csv::Reader::from_reader(stream);
        let header = reader
            .headers()
            .map_err(|e| Error::data(format!("{file}: {e}")))?
            .clone();
        Ok(Self {
            file,
            reader,
            ration,
            header,
            row: csv::StringRecord::new(),
        })
    }
}

struct CsvRow<'a>(&'a CsvRows);

impl Row for CsvRow<'_> {
    fn cell(&self, _index: usize, name: &'static str) -> Cell<'_> {
        let at = self.0.header.iter().position(|h| h == name);
        at.and_then(|i| self.0.row.get(i))
            .map_or(Cell::Missing, Cell::Csv)
    }
}

impl<T: Record> Rows<T> for CsvRows {
    fn next(&mut self) -> Result<Option<Entry<T>>> {
        self.ration.renew();
        let line = self.reader.position().line();
        let more = self.reader.read_record(&mut self.row).map_err(|e| {
            let overlong = match e.kind() {
                csv::ErrorKind::Io(e) => bounds::overlong(&self.file, line, e),
                _ => None,
            };
            overlong.unwrap_or_else(|| Error::data(format!("{}: {e}", self.file)))
        })?;
        if !more {
            return Ok(None);
        }
        let line = self.row.position().map_or(0, csv::Position::line);
        let place = Place::line(&self.file, line);
        if let Cell::Csv(mark) = CsvRow(self).cell(0, version::SCHEMA_KEY) {
            version::check(mark).map_err(|e| Error::data(format!("{place}: {e}")))?;
        }
        let record = T::read(&CsvRow(self), 0).map_err(|e| Error::data(format!("{place}: {e}")))?;
        Ok(Some(Entry {
            record,
            extra: Extra::default(),
            place,
        }))
    }

    fn provenance(&mut self) -> Option<Chain> {
        None
    }

    fn columns(&self) -> Vec<String> {
        self.header.iter().map(str::to_owned).collect()
    }
}

/// The column names of a flat record kind.
///
/// # Errors
/// The kind has lists, which CSV cannot hold.
pub(super) fn header<T: Record>(skip: &[&str]) -> Result<Vec<&'static str>> {
    if let Some(list) = T::COLUMNS
        .iter()
        .find(|c| matches!(c.kind, ColumnType::TextList | ColumnType::IntList))
    {
        return Err(Error::usage(format!(
            "a {} has lists (column {:?}), which CSV cannot hold; use --to jsonl, arrow or parquet",
            T::KIND,
            list.name
        )));
    }
    Ok(T::COLUMNS
        .iter()
        .map(|c| c.name)
        .filter(|name| !skip.contains(name))
        .collect())
}

/// A record's values as text, exact: numbers read back as they were.
pub(super) fn texts<T: Record>(record: &T, skip: &[&str]) -> Vec<String> {
    fields(record, skip, |x| format!("{x}"))
}

/// A record's values as text, numbers with a point as `float` has them; empty where there is none.
pub(super) fn fields<T: Record>(
    record: &T,
    skip: &[&str],
    float: impl Fn(f64) -> String,
) -> Vec<String> {
    let mut texts = Vec::with_capacity(T::COLUMNS.len());
    let mut columns = T::COLUMNS.iter();
    record.values(&mut |value| {
        let Some(column) = columns.next() else { return };
        if skip.contains(&column.name) {
            return;
        }
        texts.push(match value {
            Value::Text(text) => text.to_owned(),
            Value::Bits(bits) => bits.to_string(),
            Value::Int(n) => n.to_string(),
            Value::Float(x) if x.is_finite() => float(x),
            Value::Bool(b) => b.to_string(),
            // Lists were refused with the header.
            Value::Null | Value::Float(_) | Value::BitsList(_) | Value::IntList(_) => String::new(),
        });
    });
    texts
}
