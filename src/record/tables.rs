/*!
Reads Arrow streams, Arrow files and Parquet files, batch by batch.
*/

use super::batch::{BATCH_ROWS, Batch};
use super::column::Column;
use super::row::{Columns, LONGEST, Place, Row, Rows};
use super::version;
use crate::compression::Stream;
use crate::error::{Error, Result, catch_panic};
use crate::provenance::{Chain, METADATA_KEY};
use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::{cast, kernels::length::length};
use arrow::datatypes::{DataType, Schema, UInt64Type};
use arrow::ipc::reader::{FileReader, StreamReader};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;
use std::cell::Cell;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Cursor, Read, Seek};
use std::sync::Arc;

/// A source that can seek, for formats with their table of contents at the end: a file, or the bytes of a pipe.
pub(super) enum Seekable {
    File(File),
    Bytes(Vec<u8>),
}

/// Reads batches and returns their rows.
pub(super) struct BatchRows {
    file: Arc<str>,
    schema: Arc<Schema>,
    total: Option<u64>,
    batches: Box<dyn Iterator<Item = Result<RecordBatch>>>,
    /// The rest of the last batch, which is still to be decoded.
    rest: Option<RecordBatch>,
    current: Option<Batch>,
    /// The next row in the current batch, and the number of rows before this batch.
    row: usize,
    before: u64,
    chain: Option<Chain>,
}

fn damaged(what: &str, e: impl Display) -> Error {
    // Keep the first line: the others only say where in the footer the problem is.
    let e = e.to_string();
    let e = e.lines().next().unwrap_or_default();
    Error::data(format!("damaged or cut-off {what}: {e}"))
}

impl BatchRows {
    /// Opens an Arrow IPC stream. It must end with the end-of-stream marker.
    pub(super) fn arrow_stream(file: Arc<str>, stream: Stream) -> Result<Self> {
        const WHAT: &str = "Arrow stream";
        let tail = Tail {
            stream,
            last: [0; 8],
        };
        let reader =
            catch_panic(|| StreamReader::try_new(tail, None).map_err(|e| damaged(WHAT, e)));
        let mut reader = reader.map_err(|e| e.at(&file))?;
        let schema = reader.schema();
        let batches = std::iter::from_fn(move || match reader.next() {
            None => reader.get_mut().check_end().err().map(Err),
            Some(batch) => Some(batch.map_err(|e| damaged(WHAT, e))),
        });
        Self::new(file, schema, None, Box::new(batches))
    }

    /// Opens an Arrow IPC file.
    pub(super) fn arrow_file(file: Arc<str>, source: Seekable) -> Result<Self> {
        fn open(source: impl Read + Seek + 'static) -> Result<Opened> {
            const WHAT: &str = "Arrow file";
            let reader = FileReader::try_new(source, None).map_err(|e| damaged(WHAT, e))?;
            let schema = reader.schema();
            let batches = reader.map(|batch| batch.map_err(|e| damaged(WHAT, e)));
            Ok((schema, Box::new(batches)))
        }

        let opened = catch_panic(|| match source {
            Seekable::File(file) => open(BufReader::new(file)),
            Seekable::Bytes(bytes) => open(Cursor::new(bytes)),
        });
        let (schema, batches) = opened.map_err(|e| e.at(&file))?;
        Self::new(file, schema, None, batches)
    }

    /// Opens a Parquet file. If `only` is given, reads only these columns.
    pub(super) fn parquet(
        file: Arc<str>,
        source: Seekable,
        only: Option<&[Column]>,
    ) -> Result<Self> {
        let opened = catch_panic(|| match source {
            Seekable::File(file) => open_parquet(file, only),
            Seekable::Bytes(bytes) => open_parquet(Bytes::from(bytes), only),
        });
        let ((schema, batches), total) = opened.map_err(|e| e.at(&file))?;
        Self::new(file, schema, total, batches)
    }

    fn new(
        file: Arc<str>,
        schema: Arc<Schema>,
        total: Option<u64>,
        batches: Box<dyn Iterator<Item = Result<RecordBatch>>>,
    ) -> Result<Self> {
        let metadata = schema.metadata();
        let mark = metadata
            .get(version::SCHEMA_KEY)
            .map_or(Ok(()), |mark| version::check(mark));
        mark.map_err(|e| Error::data(format!("{file}: {e}")))?;
        let chain = metadata
            .get(METADATA_KEY)
            .map(|text| Chain::from_json(text));
        let chain = chain
            .transpose()
            .map_err(|e| Error::data(format!("{file}: {e}")))?;
        Ok(Self {
            chain,
            file,
            schema,
            total,
            batches,
            rest: None,
            current: None,
            row: 0,
            before: 0,
        })
    }

    /// The next rows, at most [`BATCH_ROWS`]; none at the end.
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let after = |e: Error| match self.before {
            0 => e.at(&self.file),
            rows => e.at(format!("{}: after row {rows}", self.file)),
        };
        let batches = &mut self.batches;
        let batch = match self.rest.take() {
            Some(batch) => Some(batch),
            None => catch_panic(|| batches.next().transpose()).map_err(after)?,
        };
        let Some(batch) = batch else {
            return Ok(None);
        };
        let now = batch.num_rows().min(BATCH_ROWS);
        if now < batch.num_rows() {
            self.rest = Some(batch.slice(now, batch.num_rows() - now));
        }
        let batch = batch.slice(0, now);
        if let Some(row) = long_row(&batch) {
            let place = Place::row(&self.file, self.before + row as u64 + 1);
            return Err(place.too_long());
        }
        Ok(Some(Batch::new(batch)))
    }
}

impl Rows for BatchRows {
    fn next(
        &mut self,
        see: &mut dyn FnMut(Row<'_>, Place) -> std::result::Result<(), String>,
    ) -> Result<bool> {
        while self
            .current
            .as_ref()
            .is_none_or(|batch| self.row == batch.rows())
        {
            self.before += self.current.take().map_or(0, |batch| batch.rows() as u64);
            self.row = 0;
            self.current = self.next_batch()?;
            if self.current.is_none() {
                return Ok(false);
            }
        }
        let Some(batch) = &self.current else {
            return Ok(false);
        };
        let row = self.row;
        self.row += 1;
        let place = Place::row(&self.file, self.before + self.row as u64);
        let next = Cell::new(0);
        let row = Row::new(Columns::Batch(batch, row), &next);
        catch_panic(|| see(row, place.clone()).map_err(Error::data)).map_err(|e| e.at(&place))?;
        Ok(true)
    }

    fn provenance(&mut self) -> Option<Chain> {
        self.chain.take()
    }

    fn columns(&self) -> Vec<String> {
        let fields = self.schema.fields().iter();
        fields.map(|field| field.name().clone()).collect()
    }

    fn total(&self) -> Option<u64> {
        self.total
    }
}

/// The first row of a batch with a text that is longer than a record may be. Texts that several rows share (in
/// dictionaries and views) are not copied for this.
fn long_row(batch: &RecordBatch) -> Option<usize> {
    let may = |column: &&ArrayRef| column.get_buffer_memory_size() > LONGEST;
    batch.columns().iter().filter(may).find_map(|column| {
        // A column type without a length has no texts.
        let lengths = cast(&length(column).ok()?, &DataType::UInt64).ok()?;
        let mut lengths = lengths.as_primitive::<UInt64Type>().iter();
        lengths.position(|n| n.is_some_and(|n| n > LONGEST as u64))
    })
}

type Opened = (Arc<Schema>, Box<dyn Iterator<Item = Result<RecordBatch>>>);

fn open_parquet(
    file: impl ChunkReader + 'static,
    only: Option<&[Column]>,
) -> Result<(Opened, Option<u64>)> {
    const WHAT: &str = "Parquet file";
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged(WHAT, e))?;
    let schema = builder.schema().clone();
    let total = u64::try_from(builder.metadata().file_metadata().num_rows()).ok();
    let is_wanted = |name: &str| {
        name == version::SCHEMA_KEY
            || only.is_none_or(|columns| columns.iter().any(|column| column.name == name))
    };
    let fields = schema.fields().iter().enumerate();
    let wanted = fields
        .filter(|(_, field)| is_wanted(field.name()))
        .map(|(at, _)| at);
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let reader = builder
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build();
    let reader = reader.map_err(|e| damaged(WHAT, e))?;
    let batches = reader.map(|batch| batch.map_err(|e| damaged(WHAT, e)));
    Ok(((schema, Box::new(batches)), total))
}

/// A stream that remembers the last bytes read.
struct Tail {
    stream: Stream,
    last: [u8; 8],
}

impl Tail {
    fn check_end(&mut self) -> Result<()> {
        const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        if self.last != END {
            return Err(Error::data(
                "cut-off Arrow stream: it has no end-of-stream marker, so its writer was stopped",
            ));
        }
        match self.stream.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(Error::data(
                "bytes after the end of the Arrow stream; give several files as arguments instead of concatenating them",
            )),
            Err(e) => Err(Error::data(e)),
        }
    }
}

impl Read for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(buffer)?;
        let keep = self.last.len();
        if n >= keep {
            self.last.copy_from_slice(&buffer[n - keep..n]);
        } else {
            self.last.rotate_left(n);
            self.last[keep - n..].copy_from_slice(&buffer[..n]);
        }
        Ok(n)
    }
}
