/*!
Flat tables as text: CSV both ways, and aligned columns for a person at a terminal.
*/

use super::column::{Cell, ColumnType, Value};
use super::extra::Extra;
use super::provenance::Chain;
use super::read::{Entry, Place, Rows};
use super::table::{Record, Row};
use crate::error::{Error, Result};
use comfy_table::{CellAlignment, Table, presets};
use std::io::BufRead;
use std::sync::Arc;

/// Records out of a CSV file with a header.
pub(super) struct CsvRows {
    file: Arc<str>,
    reader: csv::Reader<Box<dyn BufRead>>,
    header: csv::StringRecord,
    row: csv::StringRecord,
}

impl CsvRows {
    pub(super) fn open(file: Arc<str>, stream: Box<dyn BufRead>) -> Result<Self> {
        let mut reader = csv::Reader::from_reader(stream);
        let header = reader
            .headers()
            .map_err(|e| Error::data(format!("{file}: {e}")))?
            .clone();
        Ok(Self {
            file,
            reader,
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
        let more = self
            .reader
            .read_record(&mut self.row)
            .map_err(|e| Error::data(format!("{}: {e}", self.file)))?;
        if !more {
            return Ok(None);
        }
        let line = self.row.position().map_or(0, csv::Position::line);
        let place = Place::line(&self.file, line);
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

fn fields<T: Record>(record: &T, skip: &[&str], float: impl Fn(f64) -> String) -> Vec<String> {
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

/// An aligned table for reading: a kind's brief columns, floats to four digits. Columns without any
/// value are left out, and what is the same in every row is said once, above.
pub(super) fn aligned<T: Record>(records: &[T]) -> String {
    let rows: Vec<Vec<String>> = records
        .iter()
        .map(|r| fields(r, &[], human))
        .map(|row| row.iter().map(|text| visible(text)).collect())
        .collect();
    let Some(first) = rows.first() else {
        return String::new();
    };
    let is_brief = |i: usize| T::BRIEF.is_empty() || T::BRIEF.contains(&T::COLUMNS[i].name);
    let is_empty = |i: usize| rows.iter().all(|row| row[i].is_empty());
    // Numbers with a point are results, and stay in the table.
    let is_said_once = |i: usize| {
        rows.len() > 1
            && T::COLUMNS[i].kind != ColumnType::Float
            && rows.iter().all(|row| row[i] == first[i])
    };
    let (once, shown): (Vec<usize>, Vec<usize>) = (0..T::COLUMNS.len())
        .filter(|&i| is_brief(i) && !is_empty(i))
        .partition(|&i| is_said_once(i));
    let mut out = String::new();
    if !once.is_empty() {
        let said: Vec<String> = once
            .iter()
            .map(|&i| format!("{} {}", T::COLUMNS[i].name, first[i]))
            .collect();
        out.push_str("# ");
        out.push_str(&said.join(", "));
        out.push('\n');
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(shown.iter().map(|&i| T::COLUMNS[i].name));
    for row in &rows {
        let cell = |&i: &usize| if row[i].is_empty() { "-" } else { &row[i] };
        table.add_row(shown.iter().map(cell));
    }
    for (at, &i) in shown.iter().enumerate() {
        if let Some(column) = table.column_mut(at) {
            column.set_padding((0, 2));
            if !matches!(T::COLUMNS[i].kind, ColumnType::Text | ColumnType::Bool) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Text with its control characters escaped, so that it cannot steer a terminal.
fn visible(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escape = c.is_control();
            let escaped = escape.then(|| c.escape_default());
            escaped.into_iter().flatten().chain((!escape).then_some(c))
        })
        .collect()
}

/// A number for a person: four digits after the point, small ones in scientific notation.
fn human(x: f64) -> String {
    let magnitude = x.abs();
    if x == 0.0 || (1e-3..1e5).contains(&magnitude) {
        format!("{x:.4}")
    } else {
        format!("{x:.2e}")
    }
}
