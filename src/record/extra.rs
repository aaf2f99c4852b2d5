/*!
Columns that a filter doesn't know: carried along as they came, as JSON or as rows of an Arrow batch.
*/

use super::batch::{JsonFields, Unknown, cast, json_fields};
use super::column::{Column, push_text};
use super::provenance::SCHEMA_KEY;
use super::row::Row;
use crate::error::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, FieldRef, Fields, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use std::fmt::Display;
use std::sync::Arc;

/// The unknown columns of one record.
#[derive(Debug, Clone, Default)]
pub struct Extra {
    /// As JSON.
    fields: JsonFields,
    /// The types that they had as Arrow, where they had some.
    types: Option<Fields>,
    /// Or as a row of a batch.
    row: Option<(Arc<Unknown>, usize)>,
}

impl Extra {
    /// The columns of a row that are not among `known`, but for the schema's version, which is no longer true of what the
    /// record becomes.
    pub(super) fn beside_known(row: Row<'_>, known: &[Column]) -> Self {
        let is_known = |name: &str| known.iter().any(|column| column.name == name);
        match row {
            Row::Json(object) => Self {
                fields: (object.fields().enumerate())
                    .filter(|(at, (name, _))| {
                        // Our own lines have the columns in order.
                        let is_in_place = known.get(*at).is_some_and(|column| column.name == *name);
                        !is_in_place && *name != SCHEMA_KEY && !is_known(name)
                    })
                    .map(|(_, (name, value))| (name.to_owned(), value.to_owned()))
                    .collect(),
                ..Self::default()
            },
            Row::Arrow(batch, row) => Self {
                row: Some((batch.unknown(known).clone(), row))
                    .filter(|(unknown, _)| !unknown.is_empty()),
                ..Self::default()
            },
            // Flat tables of results go into no filter that passes columns on.
            Row::Csv(_) => Self::default(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.row.is_none()
    }

    /// The text in the column `name`, if there is one.
    ///
    /// # Errors
    /// The column isn't a text.
    pub fn text(&self, name: &str) -> std::result::Result<Option<String>, String> {
        let unfit = || format!("column {name:?}: expected a string");
        if let Some((unknown, row)) = &self.row {
            let batch = unknown.batch.as_ref();
            let Some(column) = batch.and_then(|batch| batch.column_by_name(name)) else {
                return Ok(None);
            };
            let text = cast(&column.slice(*row, 1), &DataType::Utf8).map_err(|_| unfit())?;
            return Ok(text
                .as_string::<i32>()
                .iter()
                .next()
                .flatten()
                .map(str::to_owned));
        }
        let found = self.fields.iter().find(|(other, _)| other == name);
        found.map_or(Ok(None), |(_, raw)| {
            serde_json::from_str(raw).map_err(|_| unfit())
        })
    }

    /// Adds a text column.
    ///
    /// # Errors
    /// None in practice: every text has a JSON form.
    pub fn put_text(&mut self, name: &str, text: &str) -> Result<()> {
        let mut raw = Vec::new();
        push_text(&mut raw, text);
        let raw = String::from_utf8(raw).map_err(Error::data)?;
        self.fields.push((name.to_owned(), raw));
        Ok(())
    }

    /// Says the types of columns that were read as JSON: those of `typed`.
    pub fn take_types(&mut self, typed: &Self) {
        self.types = match &typed.row {
            Some((unknown, _)) => unknown
                .batch
                .as_ref()
                .map(|batch| batch.schema().fields().clone()),
            None => typed.types.clone(),
        };
    }

    fn json(&self) -> Result<&[(String, String)]> {
        match &self.row {
            Some((unknown, row)) => Ok(unknown.json()?.get(*row).map_or(&[][..], |fields| fields)),
            None => Ok(&self.fields),
        }
    }

    /// The columns as JSON that are not among `known`, which the output writes itself.
    ///
    /// # Errors
    /// JSON cannot say what is in one.
    pub(super) fn beside<'a>(
        &'a self,
        known: &'a [Column],
    ) -> Result<impl Iterator<Item = (&'a str, &'a str)>> {
        let is_known = |name: &str| known.iter().any(|column| column.name == name);
        let fields = self.json()?.iter();
        Ok(fields
            .map(|(name, raw)| (name.as_str(), raw.as_str()))
            .filter(move |(name, _)| !is_known(name)))
    }
}

/// Collects unknown columns of many records into Arrow columns, whose types the first batch fixes.
pub(super) struct ExtraColumns {
    /// The columns that are known, and written otherwise.
    known: &'static [Column],
    pending: Vec<Extra>,
    schema: Option<SchemaRef>,
}

impl ExtraColumns {
    pub(super) fn beside(known: &'static [Column]) -> Self {
        Self {
            known,
            pending: Vec::new(),
            schema: None,
        }
    }

    /// Takes one record's.
    pub(super) fn push(&mut self, extra: &Extra) {
        self.pending.push(extra.clone());
    }

    /// The columns of the records since the last call.
    pub(super) fn finish(&mut self) -> Result<(Fields, Vec<ArrayRef>)> {
        let pending = std::mem::take(&mut self.pending);
        let schema = match &self.schema {
            Some(schema) => schema.clone(),
            None => self.schema.insert(self.schema_of(&pending)?).clone(),
        };
        let columns = match rows_alike(&pending, &schema) {
            Some(rows) => interleaved(&rows, &schema)?,
            None => self.through_json(&pending, &schema)?,
        };
        Ok((schema.fields().clone(), columns))
    }

    /// What the first records say of their columns.
    fn schema_of(&self, pending: &[Extra]) -> Result<SchemaRef> {
        let is_known = |name: &str| self.known.iter().any(|column| column.name == name);
        let typed = pending.iter().find_map(|extra| match &extra.row {
            Some((unknown, _)) => unknown
                .batch
                .as_ref()
                .map(|batch| batch.schema_ref().fields()),
            None => extra.types.as_ref(),
        });
        if let Some(fields) = typed {
            let unknown = fields.iter().filter(|field| !is_known(field.name()));
            return Ok(Arc::new(Schema::new(unknown.cloned().collect::<Vec<_>>())));
        }
        let lines = self.lines(pending)?;
        let inferred = arrow::json::reader::infer_json_schema(lines.as_slice(), None);
        Ok(Arc::new(inferred.map_err(unfit)?.0))
    }

    fn lines(&self, pending: &[Extra]) -> Result<Vec<u8>> {
        let mut lines = Vec::new();
        for extra in pending {
            lines.push(b'{');
            for (i, (name, value)) in extra.beside(self.known)?.enumerate() {
                if i > 0 {
                    lines.push(b',');
                }
                push_text(&mut lines, name);
                lines.push(b':');
                lines.extend_from_slice(value.as_bytes());
            }
            lines.extend_from_slice(b"}\n");
        }
        Ok(lines)
    }

    /// The columns of records that are not all rows of like batches.
    fn through_json(&self, pending: &[Extra], schema: &SchemaRef) -> Result<Vec<ArrayRef>> {
        let lines = self.lines(pending)?;
        if schema.fields().is_empty() {
            if lines.contains(&b':') {
                return Err(unfit("a new column after the first records"));
            }
            return Ok(Vec::new());
        }
        let fields = json_fields(schema.fields());
        let mut decoder = ReaderBuilder::new(Arc::new(Schema::new(fields)))
            .with_batch_size(pending.len())
            .with_strict_mode(true)
            .build_decoder()
            .map_err(unfit)?;
        decoder.decode(&lines).map_err(unfit)?;
        let batch = decoder.flush().map_err(unfit)?;
        let batch = batch.ok_or_else(|| unfit("records were lost on their way"))?;
        let columns = batch.columns().iter().zip(schema.fields());
        columns
            .map(|(column, field)| cast(column, field.data_type()).map_err(unfit))
            .collect()
    }
}

fn unfit(why: impl Display) -> Error {
    Error::data(format!(
        "a column that this filter doesn't know cannot be held by Arrow and Parquet ({why}); write JSONL instead"
    ))
}

/// The records as rows of batches that have all columns of a schema; none where one is not.
fn rows_alike<'a>(pending: &'a [Extra], schema: &Schema) -> Option<Vec<(&'a RecordBatch, usize)>> {
    let has_all = |batch: &RecordBatch| {
        let mut fields = schema.fields().iter();
        fields.all(|field| {
            let found = batch.column_by_name(field.name());
            found.is_some_and(|column| column.data_type() == field.data_type())
        })
    };
    let rows = pending.iter().map(|extra| {
        let (unknown, row) = extra.row.as_ref()?;
        Some((unknown.batch.as_ref().filter(|batch| has_all(batch))?, *row))
    });
    rows.collect()
}

/// The columns of a schema, row by row from batches that have them.
fn interleaved(rows: &[(&RecordBatch, usize)], schema: &Schema) -> Result<Vec<ArrayRef>> {
    let mut batches: Vec<&RecordBatch> = Vec::new();
    let mut at = Vec::with_capacity(rows.len());
    for &(batch, row) in rows {
        // Rows come batch by batch.
        if !batches
            .last()
            .is_some_and(|last| std::ptr::eq(*last, batch))
        {
            batches.push(batch);
        }
        at.push((batches.len() - 1, row));
    }
    let column = |field: &FieldRef| {
        let arrays = batches
            .iter()
            .filter_map(|batch| batch.column_by_name(field.name()));
        let arrays: Vec<&dyn Array> = arrays.map(AsRef::as_ref).collect();
        interleave(&arrays, &at).map_err(unfit)
    };
    schema.fields().iter().map(column).collect()
}
