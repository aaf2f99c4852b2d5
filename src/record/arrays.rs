/*!
Records into Arrow batches. Parquet is written through these.
*/

use super::batch::BATCH_ROWS;
use super::column::Column;
use super::extra::{Extra, ExtraColumns};
use super::json_lines::push_record;
use super::table::Record;
use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use arrow::json::reader::Decoder;
use std::collections::HashMap;
use std::sync::Arc;

/// Collects records into batches.
pub(super) struct BatchWriter {
    schema: SchemaRef,
    decoder: Decoder,
    line: Vec<u8>,
    skip: &'static [&'static str],
    extra: ExtraColumns,
}

impl BatchWriter {
    /// For `T`'s columns but those in `skip`.
    pub(super) fn new<T: Record>(skip: &'static [&'static str]) -> Result<Self> {
        let columns = T::columns()
            .iter()
            .filter(|column| !skip.contains(&column.name));
        let schema: SchemaRef = Arc::new(Schema::new(columns.map(field).collect::<Vec<_>>()));
        Ok(Self {
            decoder: ReaderBuilder::new(schema.clone())
                .with_batch_size(BATCH_ROWS)
                .build_decoder()
                .map_err(Error::data)?,
            schema,
            line: Vec::new(),
            skip,
            extra: ExtraColumns::beside(T::columns()),
        })
    }

    pub(super) fn push<T: Record>(&mut self, record: &T, extra: &Extra) -> Result<()> {
        self.line.clear();
        push_record(&mut self.line, record, [], self.skip);
        self.decoder.decode(&self.line).map_err(Error::data)?;
        self.extra.push(extra)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.decoder.is_empty()
    }

    /// Whether it is time to [`finish`](Self::finish) a batch.
    pub(super) fn is_full(&self) -> bool {
        self.decoder.len() >= BATCH_ROWS
    }

    /// The records since the last call as a batch.
    pub(super) fn finish(&mut self, metadata: &HashMap<String, String>) -> Result<RecordBatch> {
        let known = self.decoder.flush().map_err(Error::data)?;
        let known = known.unwrap_or_else(|| RecordBatch::new_empty(self.schema.clone()));
        let extra = self.extra.finish()?;
        let extra_schema = extra.schema();
        let fields = self.schema.fields().iter().chain(extra_schema.fields());
        let fields: Vec<_> = fields.cloned().collect();
        let arrays = [known.columns(), extra.columns()].concat();
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata.clone()));
        RecordBatch::try_new(schema, arrays).map_err(Error::data)
    }
}

fn field(column: &Column) -> Field {
    Field::new(column.name, column.kind.arrow(), column.nullable)
}

/// The Arrow schema of a record kind.
#[must_use]
pub fn schema<T: Record>() -> SchemaRef {
    Arc::new(Schema::new(
        T::columns().iter().map(field).collect::<Vec<_>>(),
    ))
}
