/*!
Columns that a filter doesn't know: carried along as they came, as JSON or as rows of an Arrow batch.
*/

use super::batch::{JsonFields, Unknown, json_fields, rows_as_json};
use super::column::{Column, push_text};
use super::provenance::SCHEMA_KEY;
use super::row::Row;
use super::values::cast;
use crate::error::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch, new_empty_array, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, FieldRef, Fields, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use serde_json::{Map, Number, Value as Json};
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
        // Every record is a row of one of these: of what came as JSON, and of the batches that others came in.
        let as_json: Vec<&Extra> = pending.iter().filter(|extra| extra.row.is_none()).collect();
        let mut sources = vec![(None, self.decoded(&as_json, &schema)?)];
        let (mut at, mut decoded) = (Vec::with_capacity(pending.len()), 0..);
        for extra in &pending {
            let Some((unknown, row)) = &extra.row else {
                at.extend(decoded.next().map(|row| (0, row)));
                continue;
            };
            let own = Arc::as_ptr(unknown);
            // Rows come batch by batch.
            let source = sources.iter().rposition(|(of, _)| *of == Some(own));
            let source = if let Some(source) = source {
                source
            } else {
                sources.push((Some(own), self.columns_of(unknown, &schema)?));
                sources.len() - 1
            };
            at.push((source, *row));
        }
        let column = |number: usize| {
            let arrays = sources
                .iter()
                .map(|(_, columns)| &*columns[number] as &dyn Array);
            interleave(&arrays.collect::<Vec<_>>(), &at).map_err(unfit)
        };
        let columns = (0..schema.fields().len())
            .map(column)
            .collect::<Result<_>>()?;
        Ok((schema.fields().clone(), columns))
    }

    /// The columns of a schema out of a batch: the same types, or none at all.
    fn columns_of(&self, unknown: &Unknown, schema: &Schema) -> Result<Vec<ArrayRef>> {
        let Some(batch) = &unknown.batch else {
            return Ok(Vec::new());
        };
        let is_expected = |name: &str| {
            schema.index_of(name).is_ok() || self.known.iter().any(|column| column.name == name)
        };
        let fields = batch.schema_ref().fields();
        if let Some(field) = fields.iter().find(|field| !is_expected(field.name())) {
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
        schema.fields().iter().map(column).collect()
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
            // Another input may have nulls.
            let unknown = unknown.map(|field| field.as_ref().clone().with_nullable(true));
            return Ok(Arc::new(Schema::new(unknown.collect::<Vec<_>>())));
        }
        let lines = self.lines(&pending.iter().collect::<Vec<_>>())?;
        let inferred = arrow::json::reader::infer_json_schema(lines.as_slice(), None);
        Ok(Arc::new(inferred.map_err(unfit)?.0))
    }

    fn lines(&self, pending: &[&Extra]) -> Result<Vec<u8>> {
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

    /// The columns of records that came as JSON. A value that they cannot hold as it is, is an error.
    fn decoded(&self, pending: &[&Extra], schema: &SchemaRef) -> Result<Vec<ArrayRef>> {
        for extra in pending {
            if let Some((name, _)) =
                (extra.beside(self.known)?).find(|(name, _)| schema.index_of(name).is_err())
            {
                return Err(late(name));
            }
        }
        if schema.fields().is_empty() || pending.is_empty() {
            let empty = |field: &FieldRef| new_empty_array(field.data_type());
            return Ok(schema.fields().iter().map(empty).collect());
        }
        let fields = json_fields(schema.fields());
        let mut decoder = ReaderBuilder::new(Arc::new(Schema::new(fields)))
            .with_batch_size(pending.len())
            .build_decoder()
            .map_err(unfit)?;
        decoder.decode(&self.lines(pending)?).map_err(unfit)?;
        let batch = decoder.flush().map_err(unfit)?;
        let batch = batch.ok_or_else(|| unfit("records were lost on their way"))?;
        let columns = batch.columns().iter().zip(schema.fields());
        let columns: Vec<ArrayRef> = columns
            .map(|(column, field)| cast(column, field.data_type()).map_err(unfit))
            .collect::<Result<_>>()?;
        // Decoders cut what does not fit.
        let batch = RecordBatch::try_new(schema.clone(), columns.clone()).map_err(unfit)?;
        for (extra, held) in pending.iter().zip(rows_as_json(&batch)?) {
            for (name, said) in extra.beside(self.known)? {
                let held = held.iter().find(|(other, _)| other == name);
                let held = held.map_or("null", |(_, held)| held);
                if !is_same(&parsed(said)?, &parsed(held)?) {
                    return Err(unfit(format_args!(
                        "column {name:?}: {said} would become {held}"
                    )));
                }
            }
        }
        Ok(columns)
    }
}

fn parsed(json: &str) -> Result<Json> {
    serde_json::from_str(json).map_err(unfit)
}

/// Whether two values in JSON are the same, however their numbers are written; a field that is not there is null.
fn is_same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => match (integer(a), integer(b)) {
            (Some(a), Some(b)) => a == b,
            (Some(whole), None) => is_whole(b, whole),
            (None, Some(whole)) => is_whole(a, whole),
            (None, None) => a.as_f64() == b.as_f64(),
        },
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            let names = a.keys().chain(b.keys());
            let field =
                |of: &Map<String, Json>, name: &str| of.get(name).cloned().unwrap_or_default();
            names
                .into_iter()
                .all(|name| is_same(&field(a, name), &field(b, name)))
        }
        _ => a == b,
    }
}

fn integer(number: &Number) -> Option<i128> {
    (number.as_i64().map(i128::from)).or_else(|| number.as_u64().map(i128::from))
}

/// Whether a float is this whole number.
#[allow(
    clippy::cast_possible_truncation,
    reason = "what is too large is no number of 64 bits"
)]
fn is_whole(float: &Number, whole: i128) -> bool {
    float
        .as_f64()
        .is_some_and(|x| x.fract() == 0.0 && x as i128 == whole)
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
