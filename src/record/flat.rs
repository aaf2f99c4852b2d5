/*!
Flat tables as text: CSV both ways, and aligned columns for a person at a terminal.
*/

use super::bounds::{self, Ration, Rationed};
use super::column::{Cell, ColumnType, Value};
use super::extra::Extra;
use super::provenance::Chain;
use super::read::{Entry, Place, Rows};
use super::table::{Record, Row};
use super::version;
use crate::error::{Error, Result};
use comfy_table::{CellAlignment, Table, presets};
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

/// A column of a table for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BriefColumn {
    /// Its name.
    pub name: &'static str,
    /// Whether it holds numbers.
    pub is_number: bool,
}

/// A cell of a table for reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BriefCell {
    /// For a person: floats to four digits, control characters escaped, `-` where there is no value.
    pub shown: String,
    /// Exact; empty where there is no value.
    pub exact: String,
}

/// A table for reading: a kind's brief columns, without those that have no value; what is the same in every row is said
/// once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// Name and value of what is the same in every row.
    pub said: Vec<(&'static str, String)>,
    /// The other columns.
    pub columns: Vec<BriefColumn>,
    /// Their cells, row by row.
    pub rows: Vec<Vec<BriefCell>>,
}

impl Brief {
    /// The table of some records.
    #[must_use]
    pub fn of<T: Record>(records: &[T]) -> Self {
        let rows: Vec<Vec<BriefCell>> = records
            .iter()
            .map(|record| {
                let exact = fields(record, &[], |x| format!("{x}"));
                let shown = fields(record, &[], human);
                let cell = |(exact, shown): (String, String)| BriefCell {
                    shown: if shown.is_empty() {
                        "-".to_owned()
                    } else {
                        visible(&shown)
                    },
                    exact,
                };
                exact.into_iter().zip(shown).map(cell).collect()
            })
            .collect();
        let is_brief = |i: usize| T::BRIEF.is_empty() || T::BRIEF.contains(&T::COLUMNS[i].name);
        let is_empty = |i: usize| rows.iter().all(|row| row[i].exact.is_empty());
        // Numbers with a point are results, and stay in the table.
        let is_said_once = |i: usize| {
            rows.len() > 1
                && T::COLUMNS[i].kind != ColumnType::Float
                && rows.iter().all(|row| row[i] == rows[0][i])
        };
        let (once, kept): (Vec<usize>, Vec<usize>) = (0..T::COLUMNS.len())
            .filter(|&i| is_brief(i) && !is_empty(i))
            .partition(|&i| is_said_once(i));
        Self {
            said: once
                .iter()
                .map(|&i| (T::COLUMNS[i].name, rows[0][i].shown.clone()))
                .collect(),
            columns: kept
                .iter()
                .map(|&i| BriefColumn {
                    name: T::COLUMNS[i].name,
                    is_number: !matches!(T::COLUMNS[i].kind, ColumnType::Text | ColumnType::Bool),
                })
                .collect(),
            rows: rows
                .iter()
                .map(|row| kept.iter().map(|&i| row[i].clone()).collect())
                .collect(),
        }
    }
}

/// A table for reading, its columns aligned.
pub(super) fn aligned<T: Record>(records: &[T]) -> String {
    let brief = Brief::of(records);
    if brief.rows.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    if !brief.said.is_empty() {
        let said = brief.said.iter();
        let said: Vec<String> = said.map(|(name, text)| format!("{name} {text}")).collect();
        out.push_str("# ");
        out.push_str(&said.join(", "));
        out.push('\n');
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(brief.columns.iter().map(|column| column.name));
    for row in &brief.rows {
        table.add_row(row.iter().map(|cell| &cell.shown));
    }
    for (at, shown) in brief.columns.iter().enumerate() {
        if let Some(column) = table.column_mut(at) {
            column.set_padding((0, 2));
            if shown.is_number {
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
