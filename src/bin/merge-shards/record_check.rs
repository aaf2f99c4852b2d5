//! Checks from their columns that the records of all shards belong to one run.

use serde::Serialize;
use serde_json::{Map, Value};
use shotline::record::{Column, Design, FromRow, Record, Row};
use std::collections::HashMap;

/// A record, and its values in the columns that all records of a run share.
pub struct CheckedRecord<T> {
    pub record: T,
    shares: Shares,
}

impl<T: Record> FromRow for CheckedRecord<T> {
    const WHAT: &'static str = T::KIND;

    fn known() -> Option<&'static [Column]> {
        Some(T::columns())
    }

    fn from_row(row: Row<'_>) -> Result<Self, String> {
        Ok(Self {
            record: T::from_row(row)?,
            shares: Shares::of(row)?,
        })
    }
}

struct Shares {
    trial_id: String,
    draw: OfDraw,
    cell: OfCell,
}

impl Shares {
    fn of(row: Row<'_>) -> Result<Self, String> {
        Ok(Self {
            trial_id: row.get("trial_id")?,
            draw: OfDraw {
                bits: row.get("bits")?,
                seed: row.get("seed")?,
                design: row.get::<Option<Design>>("design")?.map(Design::word),
            },
            cell: OfCell {
                encoding: row.get("encoding")?,
                template: row.get("template")?,
                prefix: row.get("prefix")?,
                model: row.get("model")?,
                modality: row.get("modality")?,
                params: row.get("params")?,
                method: row.get("method")?,
                constrained: row.get("constrained")?,
                bos: row.get("bos")?,
            },
        })
    }
}

/// Columns with the same value in all trials of one draw.
#[derive(PartialEq, Serialize)]
struct OfDraw {
    bits: Option<u32>,
    seed: Option<i64>,
    design: Option<&'static str>,
}

/// Columns with the same value in all cells of a run. Shot counts and conditions are not among them.
#[derive(PartialEq, Serialize)]
struct OfCell {
    encoding: Option<String>,
    template: Option<String>,
    prefix: Option<String>,
    model: Option<String>,
    modality: Option<String>,
    params: Option<f64>,
    method: Option<String>,
    constrained: Option<bool>,
    bos: Option<bool>,
}

/// Compares each record with the first of all.
pub struct RecordCheck {
    /// The file of the very first record, and its values in the shared columns.
    first: Option<(String, Shares)>,
    /// For files without provenance: the file that begins with each trial. Then `OfCell` is checked, too.
    begins: Option<HashMap<String, String>>,
    /// The current file, and the number of its records so far.
    file: String,
    count: u64,
}

impl RecordCheck {
    /// A check for shards whose provenance was checked already: only `OfDraw` has to agree.
    pub fn beside_provenance() -> Self {
        Self {
            first: None,
            begins: None,
            file: String::new(),
            count: 0,
        }
    }

    /// A check for shards without provenance: `OfCell` has to agree, too, and no two files may begin alike.
    pub fn alone() -> Self {
        Self {
            begins: Some(HashMap::new()),
            ..Self::beside_provenance()
        }
    }

    /// Begins the next file.
    pub fn begin(&mut self, file: &str) {
        file.clone_into(&mut self.file);
        self.count = 0;
    }

    /// The number of records of the current file so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Checks the next record of the file: its shared columns, and that no other file begins with the same trial.
    pub fn see<T>(&mut self, watched: CheckedRecord<T>) -> Result<T, String> {
        let CheckedRecord { record, shares } = watched;
        self.count += 1;
        if self.count == 1
            && let Some(begins) = &mut self.begins
            && let Some(other) = begins.insert(shares.trial_id.clone(), self.file.clone())
        {
            return Err(format!(
                "begins with {:?}, as {other} does: one shard twice",
                shares.trial_id
            ));
        }
        let Some((file, first)) = &self.first else {
            self.first = Some((self.file.clone(), shares));
            return Ok(record);
        };
        let differing = difference(&first.draw, &shares.draw).or_else(|| {
            let is_alone = self.begins.is_some();
            is_alone.then(|| difference(&first.cell, &shares.cell))?
        });
        match differing {
            Some((column, kept, found)) => Err(format!(
                "column {column:?}: {found}, but {kept} in {file}: shards of different runs"
            )),
            None => Ok(record),
        }
    }
}

/// The first column in which two records differ, and its two values.
fn difference<T: PartialEq + Serialize>(a: &T, b: &T) -> Option<(String, Value, Value)> {
    if a == b {
        return None;
    }
    let columns = |of: &T| match serde_json::to_value(of) {
        Ok(Value::Object(columns)) => columns,
        _ => Map::new(),
    };
    let (a, b) = (columns(a), columns(b));
    let mut pairs = a.into_iter().zip(b);
    let ((column, a), (_, b)) = pairs.find(|((_, a), (_, b))| a != b)?;
    Some((column, a, b))
}
