//! Checks from their columns that the records of all shards belong to one run.

use serde::Serialize;
use serde_json::{Value as Json, json};
use shotline::record::{Column, FromRow, Record, Row, Value};
use std::collections::HashMap;

/// The columns that all records of a run share, and their values. The first [`OF_DRAW`] have one value in all trials of
/// one draw, the others in all cells of a run. Shot counts and conditions are not among them.
type Shared = [(&'static str, Json); 12];

/// The number of columns about the draw.
const OF_DRAW: usize = 3;

/// A record, and its values in the columns that all records of a run share.
pub struct CheckedRecord<T> {
    pub record: T,
    trial_id: String,
    shared: Shared,
}

impl<T: Record> FromRow for CheckedRecord<T> {
    const WHAT: &'static str = T::KIND;

    fn known() -> Option<&'static [Column]> {
        Some(T::columns())
    }

    fn from_row(row: Row<'_>) -> Result<Self, String> {
        Ok(Self {
            record: T::from_row(row)?,
            trial_id: row.get("trial_id")?,
            shared: [
                shared::<u32>(row, "bits")?,
                shared::<i64>(row, "seed")?,
                shared::<String>(row, "design")?,
                shared::<String>(row, "encoding")?,
                shared::<String>(row, "template")?,
                shared::<String>(row, "prefix")?,
                shared::<String>(row, "model")?,
                shared::<String>(row, "modality")?,
                shared::<f64>(row, "params")?,
                shared::<String>(row, "method")?,
                shared::<bool>(row, "constrained")?,
                shared::<bool>(row, "bos")?,
            ],
        })
    }
}

fn shared<V: Value + Serialize>(
    row: Row<'_>,
    name: &'static str,
) -> Result<(&'static str, Json), String> {
    Ok((name, json!(row.get::<Option<V>>(name)?)))
}

/// Compares each record with the first of all.
pub struct RecordCheck {
    /// The file of the very first record, and its values in the shared columns.
    first: Option<(String, Shared)>,
    /// For files without provenance: the file that begins with each trial. Then all shared columns are checked, not
    /// only those about the draw.
    begins: Option<HashMap<String, String>>,
}

impl RecordCheck {
    /// A check for shards whose provenance was checked already, or, if they are `alone`, for shards without.
    pub fn new(alone: bool) -> Self {
        Self {
            first: None,
            begins: alone.then(HashMap::new),
        }
    }

    /// Checks the next record of a file: its shared columns, and, if it `is_first` there, that no other file begins with
    /// the same trial.
    pub fn see<T>(
        &mut self,
        file: &str,
        is_first: bool,
        checked: CheckedRecord<T>,
    ) -> Result<T, String> {
        let (record, id, shared) = (checked.record, checked.trial_id, checked.shared);
        if is_first
            && let Some(begins) = &mut self.begins
            && let Some(other) = begins.insert(id.clone(), file.to_owned())
        {
            return Err(format!(
                "begins with {id:?}, as {other} does: one shard twice"
            ));
        }
        let (first_file, first) = self
            .first
            .get_or_insert_with(|| (file.to_owned(), shared.clone()));
        let count = if self.begins.is_some() {
            shared.len()
        } else {
            OF_DRAW
        };
        let mut pairs = first.iter().zip(&shared).take(count);
        match pairs.find(|(first, own)| first != own) {
            Some(((column, kept), (_, found))) => Err(format!(
                "column {column:?}: {found}, but {kept} in {first_file}: shards of different runs"
            )),
            None => Ok(record),
        }
    }
}
