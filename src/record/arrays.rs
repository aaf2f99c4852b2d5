/*!
Writes records as Arrow streams and Parquet files, batch by batch.
*/

use super::batch::BATCH_ROWS;
use super::column::Column;
use super::extra::{Extra, ExtraColumns};
use super::json_lines::push_record;
use super::table::Record;
use super::write::Format;
use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use arrow::json::ReaderBuilder;
use arrow::json::reader::Decoder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

/// A row group is closed at this encoded size in bytes, so that memory use does not grow.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// Collects records into batches and writes the batches.
pub(super) struct BatchWriter<W: Write + Send> {
    place: String,
    metadata: HashMap<String, String>,
    schema: SchemaRef,
    decoder: Decoder,
    line: Vec<u8>,
    skip: &'static [&'static str],
    extra: ExtraColumns,
    /// The output, before the first batch, whose unknown columns are needed for the schema.
    waiting: Option<(W, Format)>,
    /// The output, from the first batch on.
    sink: Option<Sink<W>>,
}

/// The output of batches.
enum Sink<W: Write + Send> {
    Arrow(StreamWriter<W>),
    Parquet(ArrowWriter<W>),
}

impl<W: Write + Send> BatchWriter<W> {
    /// A writer of `T`'s columns, without those in `skip`, to `out`. Error messages call it `place`.
    pub(super) fn new<T: Record>(
        (out, place): (W, &str),
        format: Format,
        skip: &'static [&'static str],
        metadata: HashMap<String, String>,
    ) -> Result<Self> {
        let columns = (T::columns().iter()).filter(|column| !skip.contains(&column.name));
        let schema: SchemaRef = Arc::new(Schema::new(columns.map(field).collect::<Vec<_>>()));
        Ok(Self {
            place: place.to_owned(),
            metadata,
            decoder: ReaderBuilder::new(schema.clone())
                .with_batch_size(BATCH_ROWS)
                .build_decoder()
                .map_err(Error::data)?,
            schema,
            line: Vec::new(),
            skip,
            extra: ExtraColumns::beside(T::columns()),
            waiting: Some((out, format)),
            sink: None,
        })
    }

    pub(super) fn push<T: Record>(&mut self, record: &T, extra: &Extra) -> Result<()> {
        self.line.clear();
        push_record(&mut self.line, record, [], self.skip);
        self.decoder.decode(&self.line).map_err(Error::data)?;
        self.extra.push(extra);
        if self.decoder.len() >= BATCH_ROWS {
            self.write_batch()?;
        }
        Ok(())
    }

    /// The records since the last call, as a batch.
    fn batch(&mut self) -> Result<RecordBatch> {
        let known = self.decoder.flush().map_err(Error::data)?;
        let known = known.unwrap_or_else(|| RecordBatch::new_empty(self.schema.clone()));
        let extra = self.extra.finish()?;
        let extra_schema = extra.schema();
        let fields = self.schema.fields().iter().chain(extra_schema.fields());
        let fields: Vec<_> = fields.cloned().collect();
        let arrays = [known.columns(), extra.columns()].concat();
        let schema = Arc::new(Schema::new_with_metadata(fields, self.metadata.clone()));
        RecordBatch::try_new(schema, arrays).map_err(Error::data)
    }

    fn write_batch(&mut self) -> Result<()> {
        let batch = self.batch()?;
        self.pass_on(&batch).map_err(|e| self.wrong(&*e))
    }

    fn pass_on(&mut self, batch: &RecordBatch) -> std::result::Result<(), Failure> {
        if let Some((out, format)) = self.waiting.take() {
            let schema = batch.schema();
            self.sink = Some(if format == Format::Parquet {
                let properties = properties(&self.metadata)?;
                Sink::Parquet(ArrowWriter::try_new(out, schema, Some(properties))?)
            } else {
                Sink::Arrow(StreamWriter::try_new(out, &schema)?)
            });
        }
        match &mut self.sink {
            Some(Sink::Arrow(writer)) => writer.write(batch)?,
            Some(Sink::Parquet(writer)) => {
                writer.write(batch)?;
                if writer.in_progress_size() > ROW_GROUP_BYTES {
                    writer.flush()?;
                }
            }
            None => return Err("the output could not be begun".into()),
        }
        Ok(())
    }

    /// Writes the remaining records and returns the output.
    pub(super) fn finish(mut self) -> Result<W> {
        if !self.decoder.is_empty() || self.waiting.is_some() {
            self.write_batch()?;
        }
        let done = match self.sink.take() {
            Some(Sink::Arrow(writer)) => writer.into_inner().map_err(Failure::from),
            Some(Sink::Parquet(writer)) => writer.into_inner().map_err(Failure::from),
            None => Err("the output could not be begun".into()),
        };
        done.map_err(|e| self.wrong(&*e))
    }

    /// Converts an error of a writer. If its cause is an I/O error, reports that one.
    fn wrong(&self, e: &(dyn std::error::Error + 'static)) -> Error {
        let mut causes = std::iter::successors(Some(e), |e| e.source());
        match causes.find_map(|e| e.downcast_ref::<io::Error>()) {
            Some(io) => Error::io(&self.place, io::Error::new(io.kind(), io.to_string())),
            None => Error::data(format!("{}: {e}", self.place)),
        }
    }
}

/// An error of a writer of batches.
type Failure = Box<dyn std::error::Error>;

fn properties(
    metadata: &HashMap<String, String>,
) -> std::result::Result<WriterProperties, Failure> {
    let pairs = (metadata.iter()).map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    // Level 1 compresses prompts to a third of their size and costs little time.
    let level = ZstdLevel::try_new(1)?;
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_key_value_metadata(Some(pairs.collect()))
        .build())
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
