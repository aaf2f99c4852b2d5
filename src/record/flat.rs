/*!
Flat tables as text: CSV and its relatives, both ways.
*/

use super::column::{Column, ColumnType};
use super::datum::Datum;
use super::json_lines::line_of;
use super::row::{Columns, LONGEST, Place, Row, Rows};
use super::table::{Record, text_fields};
use crate::compression::Stream;
use crate::error::{Error, Result};
use crate::provenance::Chain;
use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};
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
                Place::line(&self.file, line).too_long()
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
        let names = self.header.iter().map(Into::into);
        let fields: Vec<_> = names.zip(&self.line).collect();
        let datum: fn(_) -> _ = match self.separator {
            b';' => Datum::with_comma,
            _ => Datum::Bare,
        };
        let (columns, next) = (Columns::Text(&fields, datum), Cell::new(0));
        see(Row::new(columns, &next), place.clone())
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
    if let Some(list) = T::columns().iter().find(|column| column.kind.is_list()) {
        return Err(Error::usage(format!(
            "a {} has lists (column {:?}), which CSV cannot hold; use --to jsonl, arrow or parquet",
            T::KIND,
            list.name
        )));
    }
    let names = T::columns().iter().map(|column| column.name);
    Ok(names.filter(|name| !skip.contains(name)).collect())
}

/// A record's values as text, numbers with a point as `float` has them; empty where there is none.
pub(super) fn fields<T: Record>(
    record: &T,
    skip: &[&str],
    float: impl Fn(f64) -> String,
) -> Vec<String> {
    let columns = T::columns().iter();
    let columns = columns.filter(|column| !skip.contains(&column.name));
    let line = line_of(record, skip);
    let text = |(column, (_, value)): (&Column, (_, &str))| match Datum::json(value) {
        Datum::Null => String::new(),
        value if column.kind == ColumnType::Float => value.float().map_or_else(|e| e, &float),
        Datum::Json(value) if column.kind != ColumnType::Text => value.to_owned(),
        Datum::Bool(value) => value.to_string(),
        value => value.text().map_or_else(|e| e, Into::into),
    };
    columns.zip(text_fields(&line)).map(text).collect()
}
