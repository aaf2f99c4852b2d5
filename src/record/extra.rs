/*!
Columns that a filter doesn't know: carried along as JSON text, with their Arrow types if they had any.
*/

use super::json::Object;
use crate::error::{Error, Result};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Fields, Schema, SchemaRef};
use arrow::json::writer::LineDelimited;
use arrow::json::{ReaderBuilder, WriterBuilder};
use serde_json::value::RawValue;
use std::sync::Arc;

/// The unknown columns of one record.
#[derive(Debug, Clone, Default)]
pub struct Extra {
    fields: Vec<(String, Box<RawValue>)>,
    /// The columns' types, where the input had them.
    types: Option<Fields>,
}

impl Extra {
    pub(super) fn push(&mut self, name: &str, value: &RawValue) {
        self.fields.push((name.to_owned(), value.to_owned()));
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Takes the column `name` out; texts only.
    ///
    /// # Errors
    /// The column isn't a text.
    pub fn take_text(&mut self, name: &str) -> std::result::Result<Option<String>, String> {
        let Some(at) = self.fields.iter().position(|(n, _)| n == name) else {
            return Ok(None);
        };
        let (_, raw) = self.fields.remove(at);
        serde_json::from_str(raw.get()).map_err(|_| format!("column {name:?}: expected a string"))
    }

    /// Adds a text column.
    ///
    /// # Errors
    /// None in practice: every text has a JSON form.
    pub fn put_text(&mut self, name: &str, text: &str) -> Result<()> {
        let raw = serde_json::value::to_raw_value(text).map_err(Error::data)?;
        self.fields.push((name.to_owned(), raw));
        Ok(())
    }

    /// The columns that are not in `known`, which the output writes itself.
    pub(super) fn beside<'a>(
        &'a self,
        known: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        self.fields
            .iter()
            .map(|(name, raw)| (name.as_str(), raw.get()))
            .filter(move |(name, _)| !known(name))
    }

    /// Takes over the Arrow types that another record of the same table has.
    pub fn take_types(&mut self, other: &Self) {
        self.types.clone_from(&other.types);
    }

    pub(super) fn types(&self) -> Option<&Fields> {
        self.types.as_ref()
    }
}

/// The unknown columns of a batch, a row each.
pub(super) fn from_batch(batch: &RecordBatch) -> Result<Vec<Extra>> {
    if batch.num_columns() == 0 {
        return Ok(vec![Extra::default(); batch.num_rows()]);
    }
    let types = batch.schema().fields().clone();
    let mut text = Vec::new();
    // A null is passed on as null, as it is from JSON lines.
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, LineDelimited>(&mut text);
    writer.write(batch).map_err(Error::data)?;
    writer.finish().map_err(Error::data)?;
    let text = String::from_utf8(text).map_err(Error::data)?;
    text.lines()
        .map(|line| {
            let object = Object::parse(line).map_err(Error::data)?;
            let mut extra = Extra {
                types: Some(types.clone()),
                ..Extra::default()
            };
            for (name, value) in object.fields() {
                extra.push(name, value);
            }
            Ok(extra)
        })
        .collect()
}

/// Collects unknown columns of many records into Arrow columns, whose types the first batch fixes.
#[derive(Debug, Default)]
pub(super) struct ExtraColumns {
    lines: Vec<u8>,
    types: Option<Fields>,
    schema: Option<SchemaRef>,
}

impl ExtraColumns {
    pub(super) fn push(&mut self, extra: &Extra, known: impl Fn(&str) -> bool) {
        if self.types.is_none()
            && let Some(types) = extra.types()
        {
            self.types = Some(types.iter().filter(|f| !known(f.name())).cloned().collect());
        }
        self.lines.push(b'{');
        for (i, (name, value)) in extra.beside(known).enumerate() {
            if i > 0 {
                self.lines.push(b',');
            }
            super::json::push_text(&mut self.lines, name);
            self.lines.push(b':');
            self.lines.extend_from_slice(value.as_bytes());
        }
        self.lines.extend_from_slice(b"}\n");
    }

    pub(super) fn len_bytes(&self) -> usize {
        self.lines.len()
    }

    /// The columns of the records since the last call.
    pub(super) fn finish(&mut self, rows: usize) -> Result<(Fields, Vec<ArrayRef>)> {
        let lines = std::mem::take(&mut self.lines);
        let unfit = |e: arrow::error::ArrowError| {
            Error::data(format!(
                "a column that this filter doesn't know cannot be held by Arrow and Parquet ({e}); \
                 write JSONL instead"
            ))
        };
        let schema = if let Some(schema) = &self.schema {
            schema.clone()
        } else {
            let schema = match self.types.take() {
                Some(types) => Schema::new(types),
                None => {
                    arrow::json::reader::infer_json_schema(lines.as_slice(), None)
                        .map_err(unfit)?
                        .0
                }
            };
            self.schema.insert(Arc::new(schema)).clone()
        };
        if schema.fields().is_empty() {
            if lines.contains(&b':') {
                return Err(unfit(arrow::error::ArrowError::SchemaError(
                    "a new column after the first records".to_owned(),
                )));
            }
            return Ok((Fields::empty(), Vec::new()));
        }
        let mut decoder = ReaderBuilder::new(schema.clone())
            .with_batch_size(rows)
            .with_strict_mode(true)
            .build_decoder()
            .map_err(unfit)?;
        decoder.decode(&lines).map_err(unfit)?;
        let batch = decoder
            .flush()
            .map_err(unfit)?
            .ok_or_else(|| Error::data("records were lost on their way to Arrow"))?;
        Ok((schema.fields().clone(), batch.columns().to_vec()))
    }
}
