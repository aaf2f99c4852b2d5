/*!
Reads Arrow streams, Arrow files and Parquet files, batch by batch.
*/

use super::batch::{BATCH_ROWS, Batch};
use super::column::Column;
use super::row::{Columns, LONGEST, Place, Row, Rows, See};
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
    batches: Batches,
    /// The rows that are read but not converted yet.
    rest: RecordBatch,
    current: Batch,
    /// The next row in the current batch, and the number of rows before this batch.
    row: usize,
    before: u64,
    chain: Option<Chain>,
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch>>>;

/// The schema of a table, its batches, and its number of rows, if the format stores it.
type Opened = (Arc<Schema>, Batches, Option<u64>);

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
        Self::open(file, || {
            let reader = StreamReader::try_new(Tail { stream, last: 0 }, None);
            let mut reader = reader.map_err(|e| damaged(WHAT, e))?;
            let schema = reader.schema();
            let batches = std::iter::from_fn(move || match reader.next() {
                None => reader.get_mut().check_end().err().map(Err),
                Some(batch) => Some(batch.map_err(|e| damaged(WHAT, e))),
            });
            Ok((schema, Box::new(batches), None))
        })
    }

    /// Opens an Arrow IPC file.
    pub(super) fn arrow_file(file: Arc<str>, source: Seekable) -> Result<Self> {
        fn open(source: impl Read + Seek + 'static) -> Result<Opened> {
            const WHAT: &str = "Arrow file";
            let reader = FileReader::try_new(source, None).map_err(|e| damaged(WHAT, e))?;
            let schema = reader.schema();
            let batches = reader.map(|batch| batch.map_err(|e| damaged(WHAT, e)));
            Ok((schema, Box::new(batches), None))
        }

        Self::open(file, || match source {
            Seekable::File(file) => open(BufReader::new(file)),
            Seekable::Bytes(bytes) => open(Cursor::new(bytes)),
        })
    }

    /// Opens a Parquet file. If `only` is given, reads only these columns.
    pub(super) fn parquet(
        file: Arc<str>,
        source: Seekable,
        only: Option<&[Column]>,
    ) -> Result<Self> {
        Self::open(file, || match source {
            Seekable::File(file) => open_parquet(file, only),
            Seekable::Bytes(bytes) => open_parquet(Bytes::from(bytes), only),
        })
    }

    fn open(file: Arc<str>, open: impl FnOnce() -> Result<Opened>) -> Result<Self> {
        let (schema, batches, total) = catch_panic(open).map_err(|e| e.at(&file))?;
        let metadata = |key| schema.metadata().get(key).map(String::as_str);
        let chain = version::check(metadata(version::SCHEMA_KEY))
            .and_then(|()| metadata(METADATA_KEY).map(Chain::from_json).transpose());
        Ok(Self {
            chain: chain.map_err(|e| Error::data(e).at(&file))?,
            file,
            rest: RecordBatch::new_empty(schema.clone()),
            current: Batch::new(RecordBatch::new_empty(schema.clone())),
            schema,
            total,
            batches,
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
        if self.rest.num_rows() == 0 {
            // The memory of the last batch is freed first, for the next one.
            self.rest = RecordBatch::new_empty(self.schema.clone());
            self.current = Batch::new(self.rest.clone());
            let batch = catch_panic(|| self.batches.next().transpose()).map_err(after)?;
            let Some(batch) = batch else {
                return Ok(None);
            };
            self.rest = batch;
        }
        let rows = self.rest.num_rows();
        let now = rows.min(BATCH_ROWS);
        let batch = self.rest.slice(0, now);
        self.rest = self.rest.slice(now, rows - now);
        if let Some(row) = long_row(&batch) {
            let place = Place::row(&self.file, self.before + row as u64 + 1);
            return Err(place.too_long());
        }
        Ok(Some(Batch::new(batch)))
    }
}

impl Rows for BatchRows {
    fn next(&mut self, see: &mut See<'_>) -> Result<bool> {
        while self.row == self.current.rows() {
            self.before += self.row as u64;
            self.row = 0;
            let Some(batch) = self.next_batch()? else {
                return Ok(false);
            };
            self.current = batch;
        }
        let row = self.row;
        self.row += 1;
        let place = Place::row(&self.file, self.before + self.row as u64);
        let next = Cell::new(0);
        let row = Row::new(Columns::Batch(&self.current, row), &next);
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

fn open_parquet(file: impl ChunkReader + 'static, only: Option<&[Column]>) -> Result<Opened> {
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
    Ok((schema, Box::new(batches), total))
}

/// A stream that remembers the last eight bytes read.
struct Tail {
    stream: Stream,
    last: u64,
}

impl Tail {
    fn check_end(&mut self) -> Result<()> {
        const END: u64 = 0xffff_ffff_0000_0000;
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
        for byte in &buffer[n.saturating_sub(8)..n] {
            self.last = self.last << 8 | u64::from(*byte);
        }
        Ok(n)
    }
}
