/*!
Writes records as JSON lines, Arrow, Parquet or CSV.
*/

use super::arrays::BatchWriter;
use super::extra::Extra;
use super::flat;
use super::json_lines::push_record;
use super::table::Record;
use super::version::{self, SCHEMA_KEY};
use crate::compression::name_inside;
use crate::error::{Error, Result};
use crate::provenance::{Chain, METADATA_KEY};
use csv::WriterBuilder;
use serde_json::json;
use std::collections::HashMap;
use std::io::Write;
use std::marker::PhantomData;

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
    /// The same with tabs.
    Tsv,
    // Needs the whole table, so the command line aligns it; a `Writer` separates its columns by tabs.
    /// Aligned columns for reading, for flat tables.
    Table,
}

impl Format {
    /// The format that belongs to the suffix of a file name. A final `.gz` or `.zst` is ignored.
    #[must_use]
    pub fn of_suffix(path: &std::path::Path) -> Option<Self> {
        let suffix = name_inside(path).extension()?.to_ascii_lowercase();
        match suffix.to_str()? {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "arrow" | "arrows" | "ipc" => Some(Self::Arrow),
            "parquet" | "pq" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "txt" => Some(Self::Table),
            _ => None,
        }
    }
}

enum State<W: Write + Send> {
    Lines(W, Vec<u8>),
    Csv(Box<csv::Writer<W>>),
    Batches(Box<BatchWriter<W>>),
}

/// Writes the records of one table.
pub struct Writer<W: Write + Send, T> {
    state: State<W>,
    skip: &'static [&'static str],
    place: String,
    kind: PhantomData<T>,
}

impl<W: Write + Send, T: Record> Writer<W, T> {
    /// A writer to `out`; error messages call it `place`. Columns in `skip` are left out. `chain` goes into the schema
    /// metadata, if the format has metadata.
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
        let state = match format {
            Format::Jsonl => State::Lines(out, Vec::new()),
            Format::Csv | Format::Tsv | Format::Table => {
                let header = flat::header::<T>(skip)?;
                let separator = if format == Format::Csv { b',' } else { b'\t' };
                let mut writer = WriterBuilder::new().delimiter(separator).from_writer(out);
                writer
                    .write_record(header)
                    .map_err(|e| csv_error(place, e))?;
                State::Csv(Box::new(writer))
            }
            Format::Arrow | Format::Parquet => {
                let mut metadata = HashMap::from([
                    (METADATA_KEY.to_owned(), chain.to_json()),
                    ("shotline.record".to_owned(), T::KIND.to_owned()),
                ]);
                metadata.extend(version::mark(T::KIND).map(|mark| (SCHEMA_KEY.to_owned(), mark)));
                let batches = BatchWriter::new::<T>((out, place), format, skip, metadata)?;
                State::Batches(Box::new(batches))
            }
        };
        Ok(Self {
            state,
            skip,
            place: place.to_owned(),
            kind: PhantomData,
        })
    }

    /// Writes a line with the chain and the schema version. Does so only for JSON lines: other formats have metadata.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn write_provenance(&mut self, chain: &Chain) -> Result<()> {
        if let State::Lines(out, _) = &mut self.state {
            let mut header = json!({"provenance": chain});
            if let Some(mark) = version::mark(T::KIND) {
                header[SCHEMA_KEY] = mark.into();
            }
            writeln!(out, "{header}").map_err(|e| Error::io(&self.place, e))?;
        }
        Ok(())
    }

    /// Writes one record.
    ///
    /// # Errors
    /// The output cannot be written, or the format cannot hold the unknown columns.
    pub fn write(&mut self, record: &T, extra: &Extra) -> Result<()> {
        match &mut self.state {
            State::Lines(out, line) => {
                line.clear();
                push_record(line, record, extra.beside(T::columns())?, self.skip);
                line.push(b'\n');
                out.write_all(line).map_err(|e| Error::io(&self.place, e))
            }
            State::Csv(writer) => writer
                .write_record(flat::fields(record, self.skip, |x| x.to_string()))
                .map_err(|e| csv_error(&self.place, e)),
            State::Batches(batches) => batches.push(record, extra),
        }
    }

    /// Flushes the records written so far, so that a program which reads the stream sees them.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        match &mut self.state {
            State::Lines(out, _) => out.flush(),
            State::Csv(writer) => writer.flush(),
            State::Batches(_) => Ok(()),
        }
        .map_err(|e| Error::io(&self.place, e))
    }

    /// Writes the remaining records and returns the output.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn finish(self) -> Result<W> {
        let place = &self.place;
        let mut out = match self.state {
            State::Lines(out, _) => out,
            State::Csv(writer) => writer
                .into_inner()
                .map_err(|e| Error::io(place, e.into_error()))?,
            State::Batches(batches) => batches.finish()?,
        };
        out.flush().map_err(|e| Error::io(place, e))?;
        Ok(out)
    }
}

fn csv_error(place: &str, e: csv::Error) -> Error {
    match e.into_kind() {
        csv::ErrorKind::Io(io) => Error::io(place, io),
        other => Error::data(format!("{place}: {other:?}")),
    }
}
