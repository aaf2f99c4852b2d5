/*!
Reads and writes flat tables as text: CSV and similar formats.
*/

use super::column::{Column, ColumnType};
use super::datum::Datum;
use super::json_lines::line_of;
use super::row::{Columns, LONGEST, Place, Row, Rows, See};
use super::table::{Record, text_fields};
use crate::compression::Stream;
use crate::error::{Error, Result};
use crate::provenance::Chain;
use csv::{ReaderBuilder, StringRecord, Trim};
use std::cell::Cell;
use std::io::{Read as _, Take};
use std::sync::Arc;

/// A reader of the lines of a table with a header.
pub(super) struct CsvRows {
    file: Arc<str>,
    /// The CSV reader. Its stream is limited to the bytes that one record may have.
    reader: csv::Reader<Take<Stream>>,
    separator: u8,
    header: StringRecord,
    line: StringRecord,
}

impl CsvRows {
    /// Opens a stream that begins with `head`. The header line shows which character separates the columns.
    pub(super) fn open(file: Arc<str>, stream: Stream, head: &[u8]) -> Result<Self> {
        let first_line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        // The parts outside of quotes.
        let bare: Vec<u8> = first_line
            .split(|byte| *byte == b'"')
            .step_by(2)
            .flatten()
            .copied()
            .collect();
        let separator = (b",;\t".iter().copied())
            .max_by_key(|separator| {
                let count = memchr::memchr_iter(*separator, &bare).count();
                // The comma wins ties.
                (count, *separator == b',')
            })
            .unwrap_or(b',');
        let mut reader = ReaderBuilder::new()
            .delimiter(separator)
            .trim(Trim::Headers)
            .from_reader(stream.take(LONGEST as u64));
        let header = reader.headers().cloned();
        Ok(Self {
            header: whole(header, &reader, &Place::line(&file, 1))?,
            file,
            reader,
            separator,
            line: StringRecord::new(),
        })
    }
}

/// Returns what was read, or an error if the record that begins at `place` is too long.
fn whole<T>(read: csv::Result<T>, reader: &csv::Reader<Take<Stream>>, place: &Place) -> Result<T> {
    if reader.get_ref().limit() == 0 {
        return Err(place.too_long());
    }
    read.map_err(|e| Error::data(format!("{}: {e}", place.file())))
}

impl Rows for CsvRows {
    fn next(&mut self, see: &mut See<'_>) -> Result<bool> {
        self.reader.get_mut().set_limit(LONGEST as u64);
        let begin = Place::line(&self.file, self.reader.position().line());
        let more = self.reader.read_record(&mut self.line);
        if !whole(more, &self.reader, &begin)? {
            return Ok(false);
        }
        let line = self.line.position().map_or(0, csv::Position::line);
        let place = Place::line(&self.file, line);
        let names = self.header.iter().map(Into::into);
        let fields: Vec<_> = names.zip(&self.line).collect();
        let datum: fn(_) -> _ = match self.separator {
            b';' => |text| Datum::Bare(text, true),
            _ => |text| Datum::Bare(text, false),
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

/// The values of a record as text. `float` formats floating-point numbers; null is an empty text.
pub(crate) fn fields<T: Record>(
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
