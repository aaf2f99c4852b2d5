/*!
Writes records as JSON lines, Arrow, Parquet, CSV or an aligned table.
*/

use super::batch::BatchBuilder;
use super::extra::Extra;
use super::flat;
use super::json;
use super::pretty;
use super::provenance::{Chain, METADATA_KEY};
use super::table::Record;
use super::version;
use crate::compression::name_inside;
use crate::error::{Error, Result};
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::collections::HashMap;
use std::io::{self, Write};

/// The formats of `--to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// JSON lines.
    Jsonl,
    /// An Arrow IPC stream.
    Arrow,
    /// A Parquet file.
    Parquet,
    /// CSV, for flat tables.
    Csv,
    /// Aligned columns for reading, for flat tables.
    Table,
}

impl Format {
    /// The format that a file name's suffix asks for, the one before `.gz` or `.zst` if it ends so.
    #[must_use]
    pub fn of_suffix(path: &std::path::Path) -> Option<Self> {
        match name_inside(path)
            .extension()?
            .to_str()?
            .to_ascii_lowercase()
            .as_str()
        {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "arrow" | "arrows" | "ipc" => Some(Self::Arrow),
            "parquet" | "pq" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "txt" => Some(Self::Table),
            _ => None,
        }
    }
}

/// Row groups are closed at this encoded size, so that memory stays flat.
const ROW_GROUP_BYTES: usize = 64 << 20;

enum State<W: Write + Send, T> {
    Lines(Lines<W>),
    Csv(csv::Writer<W>),
    Table(W, Vec<T>),
    /// The writer begins with the first batch, whose unknown columns complete the schema.
    Arrow(Begun<W, StreamWriter<W>>, BatchBuilder),
    Parquet(Begun<W, ArrowWriter<W>>, BatchBuilder),
}

/// JSON lines on their way out: they are made in the block in which they are written.
struct Lines<W: Write> {
    /// None only when it was given back.
    out: Option<W>,
    block: Vec<u8>,
}

impl<W: Write> Lines<W> {
    /// As large as the buffer of an output, which then writes it without a copy.
    const BLOCK: usize = 1 << 18;

    fn new(out: W) -> Self {
        Self {
            out: Some(out),
            block: Vec::new(),
        }
    }

    /// Writes what there is.
    fn write(&mut self) -> io::Result<()> {
        let written = match &mut self.out {
            Some(out) => out.write_all(&self.block),
            None => Ok(()),
        };
        // If it failed, too: nothing is written twice.
        self.block.clear();
        written
    }

    /// One more line is in the block.
    fn end_line(&mut self) -> io::Result<()> {
        self.block.push(b'\n');
        if self.block.len() < Self::BLOCK {
            return Ok(());
        }
        self.write()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write()?;
        self.out.as_mut().map_or(Ok(()), Write::flush)
    }

    fn finish(mut self) -> io::Result<Option<W>> {
        self.write()?;
        Ok(self.out.take())
    }
}

/// As of any buffered writer, what is finished of an output that failed elsewhere is written.
impl<W: Write> Drop for Lines<W> {
    fn drop(&mut self) {
        let _ = self.write();
    }
}

/// An output before and after its header.
enum Begun<W, S> {
    No(W),
    Yes(S),
    /// Only while it changes from one to the other.
    Changing,
}

/// Writes the records of one table.
pub struct Writer<W: Write + Send, T> {
    state: State<W, T>,
    skip: &'static [&'static str],
    metadata: HashMap<String, String>,
    place: String,
    /// The columns of the terminal that the output goes to.
    width: Option<usize>,
}

impl<W: Write + Send, T: Record + Clone> Writer<W, T> {
    /// A writer to `out`, which errors call `place`. Columns in `skip` are left out; `chain` goes
    /// into the schema's metadata where the format has any.
    ///
    /// # Errors
    /// The format cannot hold the record kind.
    pub fn new(
        out: W,
        place: &str,
        format: Format,
        skip: &'static [&'static str],
        chain: &Chain,
    ) -> Result<Self> {
        let mut metadata = HashMap::from([
            (METADATA_KEY.to_owned(), chain.to_json()),
            ("shotline.record".to_owned(), T::KIND.to_owned()),
        ]);
        if let Some(mark) = version::mark(T::KIND) {
            metadata.insert(version::SCHEMA_KEY.to_owned(), mark);
        }
        let state = match format {
            Format::Jsonl => State::Lines(Lines::new(out)),
            Format::Csv => {
                let header = flat::header::<T>(skip)?;
                let mut writer = csv::Writer::from_writer(out);
                writer
                    .write_record(header)
                    .map_err(|e| csv_error(place, e))?;
                State::Csv(writer)
            }
            Format::Table => {
                flat::header::<T>(skip)?;
                State::Table(out, Vec::new())
            }
            Format::Arrow => State::Arrow(Begun::No(out), BatchBuilder::new::<T>(skip)),
            Format::Parquet => State::Parquet(Begun::No(out), BatchBuilder::new::<T>(skip)),
        };
        Ok(Self {
            state,
            skip,
            metadata,
            place: place.to_owned(),
            width: None,
        })
    }

    /// Fits an aligned table to a terminal of so many columns.
    pub fn fit(&mut self, width: Option<usize>) {
        self.width = width;
    }

    /// Writes a line with the chain and the schema's version (JSON lines only; other formats have it in their metadata).
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn write_provenance(&mut self, chain: &Chain) -> Result<()> {
        if let State::Lines(lines) = &mut self.state {
            let line = &mut lines.block;
            line.extend_from_slice(b"{\"provenance\":");
            line.extend_from_slice(chain.to_json().as_bytes());
            if let Some(mark) = version::mark(T::KIND) {
                line.push(b',');
                json::push_text(line, version::SCHEMA_KEY);
                line.push(b':');
                json::push_text(line, &mark);
            }
            line.push(b'}');
            lines.end_line().map_err(|e| Error::io(&self.place, e))?;
        }
        Ok(())
    }

    /// Writes one record.
    ///
    /// # Errors
    /// The output cannot be written, or the format cannot hold the unknown columns.
    pub fn write(&mut self, record: &T, extra: &Extra) -> Result<()> {
        self.write_upon(None, record, extra)
    }

    /// Writes one record whose kind only adds to another's columns. `shared` is the JSON of those, if the reader has it
    /// ([`Reader::plain_line`](super::Reader::plain_line)): JSON lines copy it.
    ///
    /// # Errors
    /// The output cannot be written, or the format cannot hold the unknown columns.
    pub fn write_upon(&mut self, shared: Option<&[u8]>, record: &T, extra: &Extra) -> Result<()> {
        match &mut self.state {
            State::Lines(lines) => {
                // A column that is to be left out may be among the shared ones.
                let shared = shared.filter(|_| self.skip.is_empty());
                json::push_record(&mut lines.block, shared, record, extra, self.skip);
                lines.end_line().map_err(|e| Error::io(&self.place, e))
            }
            State::Csv(writer) => writer
                .write_record(flat::texts(record, self.skip))
                .map_err(|e| csv_error(&self.place, e)),
            State::Table(_, records) => {
                records.push(record.clone());
                Ok(())
            }
            State::Arrow(_, batch) | State::Parquet(_, batch) => {
                batch.push(record, extra);
                if batch.is_full() {
                    self.flush_batch()
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Makes what is written so far visible to the reader of a stream.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        match &mut self.state {
            State::Lines(lines) => lines.flush(),
            State::Csv(writer) => writer.flush(),
            _ => Ok(()),
        }
        .map_err(|e| Error::io(&self.place, e))
    }

    fn flush_batch(&mut self) -> Result<()> {
        let place = &self.place;
        match &mut self.state {
            State::Arrow(begun, builder) => {
                let batch = builder.finish(&self.metadata)?;
                let writer = begun.stream(|out| {
                    StreamWriter::try_new(out, &batch.schema()).map_err(|e| arrow_error(place, e))
                })?;
                writer.write(&batch).map_err(|e| arrow_error(place, e))
            }
            State::Parquet(begun, builder) => {
                let batch = builder.finish(&self.metadata)?;
                let metadata = &self.metadata;
                let writer = begun.stream(|out| {
                    ArrowWriter::try_new(out, batch.schema(), Some(properties(metadata)?))
                        .map_err(|e| parquet_error(place, e))
                })?;
                writer.write(&batch).map_err(|e| parquet_error(place, e))?;
                if writer.in_progress_size() > ROW_GROUP_BYTES {
                    writer.flush().map_err(|e| parquet_error(place, e))?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Writes what is left and gives the output back.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn finish(mut self) -> Result<W> {
        let unwritten = match &self.state {
            State::Arrow(begun, batch) => matches!(begun, Begun::No(_)) || !batch.is_empty(),
            State::Parquet(begun, batch) => matches!(begun, Begun::No(_)) || !batch.is_empty(),
            _ => false,
        };
        if unwritten {
            self.flush_batch()?;
        }
        let place = &self.place;
        let mut out = match self.state {
            State::Lines(lines) => lines
                .finish()
                .map_err(|e| Error::io(place, e))?
                .ok_or_else(|| Error::data(format!("{place}: the output was given back before")))?,
            State::Csv(writer) => writer
                .into_inner()
                .map_err(|e| Error::io(place, e.into_error()))?,
            State::Table(mut out, records) => {
                out.write_all(pretty::aligned(&records, self.width).as_bytes())
                    .map_err(|e| Error::io(place, e))?;
                out
            }
            State::Arrow(Begun::Yes(writer), _) => {
                writer.into_inner().map_err(|e| arrow_error(place, e))?
            }
            State::Parquet(Begun::Yes(writer), _) => {
                writer.into_inner().map_err(|e| parquet_error(place, e))?
            }
            State::Arrow(..) | State::Parquet(..) => {
                return Err(Error::data(format!("{place}: the output was not begun")));
            }
        };
        out.flush().map_err(|e| Error::io(place, e))?;
        Ok(out)
    }
}

impl<W, S> Begun<W, S> {
    /// The stream, begun now if it wasn't.
    fn stream(&mut self, begin: impl FnOnce(W) -> Result<S>) -> Result<&mut S> {
        if matches!(self, Self::No(_))
            && let Self::No(out) = std::mem::replace(self, Self::Changing)
        {
            *self = Self::Yes(begin(out)?);
        }
        match self {
            Self::Yes(stream) => Ok(stream),
            _ => Err(Error::data("the output failed before")),
        }
    }
}

fn properties(metadata: &HashMap<String, String>) -> Result<WriterProperties> {
    let pairs = metadata
        .iter()
        .map(|(k, v)| KeyValue::new(k.clone(), v.clone()))
        .collect();
    // Level 1: a third of the size of uncompressed prompts at little cost in time.
    let level = ZstdLevel::try_new(1).map_err(Error::data)?;
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_key_value_metadata(Some(pairs))
        .build())
}

/// The input/output error inside another error, or the error as text.
fn unwrap_io(place: &str, e: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match e.downcast::<std::io::Error>() {
        Ok(io) => Error::io(place, *io),
        Err(other) => Error::data(format!("{place}: {other}")),
    }
}

fn arrow_error(place: &str, e: arrow::error::ArrowError) -> Error {
    match e {
        arrow::error::ArrowError::IoError(_, io) => Error::io(place, io),
        other => Error::data(format!("{place}: {other}")),
    }
}

fn parquet_error(place: &str, e: parquet::errors::ParquetError) -> Error {
    match e {
        parquet::errors::ParquetError::External(inner) => unwrap_io(place, inner),
        other => Error::data(format!("{place}: {other}")),
    }
}

fn csv_error(place: &str, e: csv::Error) -> Error {
    match e.into_kind() {
        csv::ErrorKind::Io(io) => Error::io(place, io),
        other => Error::data(format!("{place}: {other:?}")),
    }
}
