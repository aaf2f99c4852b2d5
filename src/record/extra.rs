/*!
Columns that a filter does not know. They pass through unchanged, as JSON or as rows of an Arrow batch.
*/

use super::batch::{JsonFields, Unknown, cast, json_fields, rows_as_json};
use super::column::Column;
use super::row::{Columns, Row};
use super::version::SCHEMA_KEY;
use crate::error::{Error, Result};
use arrow::array::{
    ArrayRef, AsArray as _, RecordBatch, RecordBatchOptions, UInt64Array, new_null_array,
};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, FieldRef, Fields, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use serde_json::{Map, Number, Value as Json};
use std::fmt::Display;
use std::sync::Arc;

/// The unknown columns of one record.
#[derive(Debug, Clone, Default)]
pub struct Extra {
    /// The columns as JSON, if they were read from text.
    fields: JsonFields,
    /// The Arrow types that the columns of `fields` had in their source, if known.
    types: Option<Fields>,
    /// The columns as a row of a batch, if they were read from Arrow or Parquet.
    row: Option<(Arc<Unknown>, usize)>,
}

impl Extra {
    /// The columns of a row that are not in `known`. The schema version is left out, because it is not that of the
    /// records that the filter writes.
    pub(super) fn beside_known(row: Row<'_>, known: &[Column]) -> Self {
        let is_known = |name: &str| known.iter().any(|column| column.name == name);
        match row.columns {
            // Fast path: lines written by us have the columns in order.
            Columns::Text(fields, _) => Self {
                fields: (fields.iter().enumerate())
                    .filter(|(at, (name, _))| {
                        let is_in_place = known.get(*at).is_some_and(|column| column.name == *name);
                        !is_in_place && *name != SCHEMA_KEY && !is_known(name)
                    })
                    .map(|(_, (name, value))| (name.to_string(), (*value).to_owned()))
                    .collect(),
                ..Self::default()
            },
            Columns::Batch(batch, row) => Self {
                row: Some((batch.unknown(known).clone(), row))
                    .filter(|(unknown, _)| unknown.batch.num_columns() > 0),
                ..Self::default()
            },
        }
    }

    /// The text in the column `name`, if there is such a column.
    ///
    /// # Errors
    /// The column is not text.
    pub fn text(&self, name: &str) -> std::result::Result<Option<String>, String> {
        let unfit = || format!("column {name:?}: expected a string");
        if let Some((unknown, row)) = &self.row {
            let Some(column) = unknown.batch.column_by_name(name) else {
                return Ok(None);
            };
            let text = cast(&column.slice(*row, 1), &DataType::Utf8).map_err(|_| unfit())?;
            let mut texts = text.as_string::<i32>().iter();
            return Ok(texts.next().flatten().map(str::to_owned));
        }
        let found = self.fields.iter().find(|(other, _)| other == name);
        found.map_or(Ok(None), |(_, raw)| {
            serde_json::from_str(raw).map_err(|_| unfit())
        })
    }

    /// Adds a text column.
    pub fn put_text(&mut self, name: &str, text: &str) {
        let raw = Json::from(text).to_string();
        self.fields.push((name.to_owned(), raw));
    }

    /// Gives columns that were read as JSON the Arrow types of `typed`.
    pub fn take_types(&mut self, typed: &Self) {
        self.types = typed.types().cloned();
    }

    /// The Arrow types of the columns, if known.
    fn types(&self) -> Option<&Fields> {
        match &self.row {
            Some((unknown, _)) => Some(unknown.batch.schema_ref().fields()),
            None => self.types.as_ref(),
        }
    }

    fn json(&self) -> Result<&[(String, String)]> {
        match &self.row {
            Some((unknown, row)) => Ok(unknown.json()?.get(*row).map_or(&[][..], |fields| fields)),
            None => Ok(&self.fields),
        }
    }

    /// The columns as JSON, without those in `known`, which the output writes itself.
    ///
    /// # Errors
    /// JSON cannot represent a value.
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

/// Collects the unknown columns of many records as Arrow columns. The first batch decides their types.
pub(super) struct ExtraColumns {
    /// The known columns, which are written elsewhere.
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

    /// Adds the unknown columns of one record.
    pub(super) fn push(&mut self, extra: &Extra) {
        self.pending.push(extra.clone());
    }

    /// The columns of the records added since the last call.
    pub(super) fn finish(&mut self) -> Result<RecordBatch> {
        let pending = std::mem::take(&mut self.pending);
        let schema = match &self.schema {
            Some(schema) => schema.clone(),
            None => self.schema.insert(self.schema_of(&pending)?).clone(),
        };
        let batch_of = |extra: &Extra| extra.row.as_ref().map(|(unknown, _)| Arc::as_ptr(unknown));
        let runs = pending.chunk_by(|a, b| batch_of(a) == batch_of(b));
        let columns = |run: &[Extra]| {
            let Some((unknown, _)) = &run[0].row else {
                return decoded(&self.lines(run)?, &schema);
            };
            let batch = self.columns_of(&unknown.batch, &schema)?;
            let rows = run
                .iter()
                .filter_map(|extra| Some(extra.row.as_ref()?.1 as u64));
            take_record_batch(&batch, &UInt64Array::from_iter_values(rows)).map_err(unfit)
        };
        let batches = runs.map(columns).collect::<Result<Vec<_>>>()?;
        concat_batches(&schema, &batches).map_err(unfit)
    }

    /// The columns of each record as a JSON object.
    fn lines(&self, run: &[Extra]) -> Result<Vec<Vec<u8>>> {
        let line = |extra: &Extra| {
            let fields = extra.beside(self.known)?;
            let fields = fields.map(|(name, raw)| format!("{}:{raw}", Json::from(name)));
            Ok(format!("{{{}}}\n", fields.collect::<Vec<_>>().join(",")).into_bytes())
        };
        run.iter().map(line).collect()
    }

    fn is_known(&self, name: &str) -> bool {
        self.known.iter().any(|column| column.name == name)
    }

    /// The columns of a schema, taken from a batch. Types must be the same; a missing column is filled with nulls.
    fn columns_of(&self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        let is_late = |field: &&FieldRef| {
            schema.index_of(field.name()).is_err() && !self.is_known(field.name())
        };
        if let Some(field) = batch.schema_ref().fields().iter().find(is_late) {
            return Err(late(field.name()));
        }
        let column = |field: &FieldRef| match batch.column_by_name(field.name()) {
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
            Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
            Some(column) => Err(unfit(format_args!(
                "column {:?}: first {}, then {}",
                field.name(),
                field.data_type(),
                column.data_type()
            ))),
        };
        let columns = schema.fields().iter().map(column).collect::<Result<_>>()?;
        new_batch(schema, columns, batch.num_rows())
    }

    /// The schema of the unknown columns, from the first records: their types, or types inferred from their JSON.
    fn schema_of(&self, first: &[Extra]) -> Result<SchemaRef> {
        if let Some(fields) = first.iter().find_map(Extra::types) {
            let unknown = fields.iter().filter(|field| !self.is_known(field.name()));
            // Another input may have nulls.
            let unknown = unknown.map(|field| field.as_ref().clone().with_nullable(true));
            return Ok(Arc::new(Schema::new(unknown.collect::<Vec<_>>())));
        }
        let lines = self.lines(first)?.concat();
        let inferred = arrow::json::reader::infer_json_schema(lines.as_slice(), None);
        Ok(Arc::new(inferred.map_err(unfit)?.0))
    }
}

/// The columns of records that came as JSON. A value that does not fit its column exactly is an error.
fn decoded(lines: &[Vec<u8>], schema: &SchemaRef) -> Result<RecordBatch> {
    let said = lines
        .iter()
        .map(|line| serde_json::from_slice(line).map_err(unfit));
    let said: Vec<Map<String, Json>> = said.collect::<Result<_>>()?;
    let mut names = said.iter().flat_map(|line| line.keys());
    if let Some(name) = names.find(|name| schema.index_of(name).is_err()) {
        return Err(late(name));
    }
    if schema.fields().is_empty() {
        return new_batch(schema, Vec::new(), lines.len());
    }
    let mut decoder = ReaderBuilder::new(Arc::new(Schema::new(json_fields(schema.fields()))))
        .with_batch_size(lines.len())
        .build_decoder()
        .map_err(unfit)?;
    decoder.decode(&lines.concat()).map_err(unfit)?;
    let batch = decoder.flush().map_err(unfit)?;
    let batch = batch.ok_or_else(|| unfit("records were lost on their way"))?;
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()).map_err(unfit));
    let batch = new_batch(schema, columns.collect::<Result<_>>()?, lines.len())?;
    // The decoder silently changes values that do not fit, so compare with the original.
    for (said, held) in said.iter().zip(rows_as_json(&batch)?) {
        for (name, said) in said {
            let held = held.iter().find(|(other, _)| other == name);
            let held = held.map_or("null", |(_, held)| held);
            if !is_same(said, &serde_json::from_str(held).map_err(unfit)?) {
                return Err(unfit(format_args!(
                    "column {name:?}: {said} would become {held}"
                )));
            }
        }
    }
    Ok(batch)
}

fn new_batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(unfit)
}

/// Whether two JSON values are equal. Numbers may be written differently; a missing field equals null.
fn is_same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => {
            a.as_f64() == b.as_f64() && (whole(a).is_none() || whole(a) == whole(b))
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            let field = |of: &Map<String, Json>, name| of.get(name).cloned().unwrap_or_default();
            let mut names = a.keys().chain(b.keys());
            names.all(|name| is_same(&field(a, name), &field(b, name)))
        }
        _ => a == b,
    }
}

/// A number as an integer, if it is whole. Needed because floats cannot hold all integers of 64 bits.
#[allow(
    clippy::cast_possible_truncation,
    reason = "what is too large is no number of 64 bits"
)]
fn whole(number: &Number) -> Option<i128> {
    let float = || number.as_f64().filter(|x| x.fract() == 0.0);
    number.as_i128().or_else(|| float().map(|x| x as i128))
}

fn late(name: &str) -> Error {
    unfit(format_args!(
        "column {name:?} comes after the first records"
    ))
}

fn unfit(why: impl Display) -> Error {
    Error::data(format!(
        "a column that this filter doesn't know cannot be held by Arrow and Parquet ({why}); write JSONL instead"
    ))
}
