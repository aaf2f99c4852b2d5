/*!
Flat tables as text: CSV and its relatives, both ways.
*/

use super::column::ColumnType;
use super::place::{LONGEST, Place, too_long};
use super::provenance::Chain;
use super::row::{CsvRow, Row};
use super::rows::Rows;
use super::table::{self, Record};
use super::version;
use crate::compression::Stream;
use crate::error::{Error, Result};
use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};
use serde_json::Value as Json;
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;

/// Lines of a table with a header.
pub(super) struct CsvRows {
    file: Arc<str>,
    reader: csv::Reader<Rationed>,
    /// Bytes that the record being read may still have.
    ration: Rc<Cell<usize>>,
    separator: u8,
    header: StringRecord,
    line: StringRecord,
}

impl CsvRows {
    /// The table of a stream that begins with `head`, whose header says what separates the columns.
    pub(super) fn open(file: Arc<str>, stream: Stream, head: &[u8]) -> Result<Self> {
        let first_line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        // Outside of quotes.
        let bare: Vec<u8> = first_line
            .split(|byte| *byte == b'"')
            .step_by(2)
            .flatten()
            .copied()
            .collect();
        let separator = (b",;\t".iter().copied())
            .max_by_key(|separator| {
                let count = memchr::memchr_iter(*separator, &bare).count();
                // The comma where several are as likely.
                (count, *separator == b',')
            })
            .unwrap_or(b',');
        let ration = Rc::new(Cell::new(LONGEST));
        let stream = Rationed {
            stream,
            left: ration.clone(),
        };
        let mut reader = ReaderBuilder::new()
            .delimiter(separator)
            .trim(Trim::Headers)
            .from_reader(stream);
        let header = reader.headers().cloned();
        let mut rows = Self {
            file,
            reader,
            ration,
            separator,
            header: StringRecord::new(),
            line: StringRecord::new(),
        };
        rows.header = header.map_err(|e| rows.wrong(1, &e))?;
        Ok(rows)
    }

    fn wrong(&self, line: u64, e: &csv::Error) -> Error {
        match e.kind() {
            ErrorKind::Io(e) if e.kind() == io::ErrorKind::FileTooLarge => {
                too_long(&Place::line(&self.file, line))
            }
            _ => Error::data(format!("{}: {e}", self.file)),
        }
    }
}

impl Rows for CsvRows {
    fn next(
        &mut self,
        see: &mut dyn FnMut(Row<'_>, Place) -> std::result::Result<(), String>,
    ) -> Result<bool> {
        self.ration.set(LONGEST);
        let line = self.reader.position().line();
        let more = self.reader.read_record(&mut self.line);
        if !more.map_err(|e| self.wrong(line, &e))? {
            return Ok(false);
        }
        let line = self.line.position().map_or(0, csv::Position::line);
        let place = Place::line(&self.file, line);
        let row = CsvRow {
            header: &self.header,
            line: &self.line,
            has_decimal_commas: self.separator == b';',
        };
        let mark = self
            .header
            .iter()
            .position(|name| name == version::SCHEMA_KEY);
        let mark = mark
            .and_then(|at| row.value(at))
            .map_or(Ok(()), version::check);
        mark.and_then(|()| see(Row::Csv(row), place.clone()))
            .map_err(|e| Error::data(format!("{place}: {e}")))?;
        Ok(true)
    }

    fn provenance(&mut self) -> Option<Chain> {
        None
    }

    fn columns(&self) -> Vec<String> {
        self.header.iter().map(str::to_owned).collect()
    }
}

/// A stream that gives no more than a record's bytes until it is allowed more.
struct Rationed {
    stream: Stream,
    left: Rc<Cell<usize>>,
}

impl Read for Rationed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(self.left.get());
        if room == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let n = self.stream.read(&mut buffer[..room])?;
        self.left.set(self.left.get() - n);
        Ok(n)
    }
}

/// The column names of a flat record kind.
///
/// # Errors
/// The kind has lists, which CSV cannot hold.
pub(super) fn header<T: Record>(skip: &[&str]) -> Result<Vec<&'static str>> {
    if let Some(list) = T::COLUMNS.iter().find(|column| column.kind.is_list()) {
        return Err(Error::usage(format!(
            "a {} has lists (column {:?}), which CSV cannot hold; use --to jsonl, arrow or parquet",
            T::KIND,
            list.name
        )));
    }
    let names = T::COLUMNS.iter().map(|column| column.name);
    Ok(names.filter(|name| !skip.contains(name)).collect())
}

/// A record's values as text, numbers with a point as `float` has them; empty where there is none.
pub(super) fn fields<T: Record>(
    record: &T,
    skip: &[&str],
    float: impl Fn(f64) -> String,
) -> Vec<String> {
    let object = table::object(record, skip);
    let columns = T::COLUMNS
        .iter()
        .filter(|column| !skip.contains(&column.name));
    columns
        .map(|column| match object.get(column.name) {
            None | Some(Json::Null) => String::new(),
            Some(Json::String(text)) => text.clone(),
            Some(Json::Number(number)) if column.kind == ColumnType::Float => {
                number.as_f64().map(&float).unwrap_or_default()
            }
            Some(other) => other.to_string(),
        })
        .collect()
}
