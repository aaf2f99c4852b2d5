/*!
Reads records from JSON lines, Arrow, Parquet or (flat tables) CSV, whichever the first bytes show; all but Parquet
also inside gzip or zstd.
*/

use super::batch::Batch;
use super::bounds;
use super::column::shorten;
use super::damage::contained;
use super::extra::Extra;
use super::flat::CsvRows;
use super::json::{self, Object};
use super::plain::Plain;
use super::provenance::{Chain, METADATA_KEY};
use super::table::Record;
use super::version;
use crate::compression::{self, Compression, Stream};
use crate::error::{Error, Result};
use crate::memory;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::ipc::reader::{FileReader, StreamReader};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a record stands: `trials.jsonl:1203`, or `trials.parquet: row 1203`.
#[derive(Debug, Clone)]
pub struct Place {
    file: Arc<str>,
    number: u64,
    is_line: bool,
}

impl Place {
    /// The file.
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.is_line { ":" } else { ": row " };
        write!(f, "{}{separator}{}", self.file, self.number)
    }
}

/// A record with the columns that its kind doesn't know, and where it was read.
#[derive(Debug, Clone)]
pub struct Entry<T> {
    /// The known columns.
    pub record: T,
    /// The others, if the reader keeps them.
    pub extra: Extra,
    /// Where it stands.
    pub place: Place,
}

/// One source of records of kind `T`.
pub(super) trait Rows<T> {
    /// The next record.
    fn next(&mut self) -> Result<Option<Entry<T>>>;
    /// The next record in place of `entry`, whose memory it may take over; false at the end.
    fn next_into(&mut self, entry: &mut Option<Entry<T>>) -> Result<bool> {
        *entry = self.next()?;
        Ok(entry.is_some())
    }
    /// The last record's JSON, where it is in the writers' own form.
    fn plain_line(&self) -> Option<&[u8]> {
        None
    }
    /// The provenance found so far.
    fn provenance(&mut self) -> Option<Chain>;
    /// The number of records, where the file says it beforehand.
    fn total(&self) -> Option<u64> {
        None
    }
    /// The names of the table's columns; of lines those of the first record, none where it is no record.
    fn columns(&self) -> Vec<String>;
}

/// Reads the records of several files, one after the other.
pub struct Reader<T> {
    waiting: VecDeque<PathBuf>,
    current: Option<(Box<dyn Rows<T>>, Arc<str>)>,
    keep_extra: bool,
    chain: Chain,
    /// Records read from the current file, and whether it may have none.
    count: u64,
    may_be_empty: bool,
}

impl<T: Record + 'static> Reader<T> {
    /// A reader of `paths` (`-`, or none at all, is standard input). The first, and every regular
    /// file, is opened at once, so that its provenance is known and a mistake in its name is found
    /// before any work. Without `keep_extra`, unknown columns are dropped.
    ///
    /// # Errors
    /// A file that cannot be opened, is empty, or in no known format.
    pub fn open(paths: &[PathBuf], keep_extra: bool) -> Result<Self> {
        let waiting = if paths.is_empty() {
            VecDeque::from([PathBuf::from("-")])
        } else {
            paths.iter().cloned().collect()
        };
        let mut reader = Self {
            waiting,
            current: None,
            keep_extra,
            chain: Chain::default(),
            count: 0,
            may_be_empty: false,
        };
        reader.advance()?;
        // A pipe can be read once only: what it brings joins the chain when its turn comes.
        for path in paths.iter().skip(1).filter(|path| !is_pipe(path)) {
            let (mut rows, _) = Input::open(path)?.rows::<T>(keep_extra)?;
            reader.chain.merge(chain_at(path, &mut *rows)?);
        }
        memory::reading(reader.current.as_ref().map(|(_, name)| name.clone()));
        Ok(reader)
    }

    /// The provenance of the records read so far.
    pub fn provenance(&mut self) -> Chain {
        if let Some((rows, _)) = &mut self.current
            && let Some(chain) = rows.provenance()
        {
            self.chain.merge(chain);
        }
        self.chain.clone()
    }

    /// The number of records to come, where there is one file and it says so (Parquet does).
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        let (rows, _) = self.current.as_ref()?;
        rows.total().filter(|_| self.waiting.is_empty())
    }

    /// The names of the columns of the file being read, known to `T` or not; of lines those of the first record, as long
    /// as it has not been read.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let current = self.current.as_ref();
        current.map(|(rows, _)| rows.columns()).unwrap_or_default()
    }

    /// The next record, or none at the end of the last file.
    ///
    /// # Errors
    /// A record that is damaged or impossible, by file, line or row, and column.
    pub fn read(&mut self) -> Result<Option<Entry<T>>> {
        let mut entry = None;
        self.read_into(&mut entry)?;
        Ok(entry)
    }

    /// Reads the next record in place of `entry`, whose memory it may take over; false, and no entry, at the end of the
    /// last file.
    ///
    /// # Errors
    /// A record that is damaged or impossible, by file, line or row, and column.
    pub fn read_into(&mut self, entry: &mut Option<Entry<T>>) -> Result<bool> {
        loop {
            let Some((rows, name)) = &mut self.current else {
                *entry = None;
                return Ok(false);
            };
            if rows.next_into(entry)?
                && let Some(entry) = entry
            {
                self.count += 1;
                entry
                    .record
                    .check()
                    .map_err(|e| Error::data(format!("{}: {e}", entry.place)))?;
                return Ok(true);
            }
            if self.count == 0 && !self.may_be_empty {
                return Err(Error::data(format!("{name}: empty input, no {}", T::KIND)));
            }
            self.provenance();
            self.advance()?;
        }
    }

    /// The JSON of the record read last, where it stands in its file exactly as our writers would write it.
    #[must_use]
    pub fn plain_line(&self) -> Option<&[u8]> {
        self.current.as_ref()?.0.plain_line()
    }

    fn advance(&mut self) -> Result<()> {
        self.current = None;
        self.count = 0;
        let Some(path) = self.waiting.pop_front() else {
            memory::reading(None);
            return Ok(());
        };
        let input = Input::open(&path)?;
        let name = input.name.clone();
        let (mut rows, may_be_empty) = input.rows(self.keep_extra)?;
        self.may_be_empty = may_be_empty;
        self.chain.merge(chain_at(&path, &mut *rows)?);
        self.current = Some((rows, name));
        Ok(())
    }
}

impl<T: Record + 'static> Iterator for Reader<T> {
    type Item = Result<Entry<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// The provenance at the beginning of a file, or else in the file beside it.
fn chain_at<T>(path: &Path, rows: &mut dyn Rows<T>) -> Result<Chain> {
    match rows.provenance() {
        Some(chain) => Ok(chain),
        None if is_pipe(path) => Ok(Chain::default()),
        None => Chain::read_beside(path),
    }
}

/// Whether what a path names is gone once it is read: standard input, a pipe, a device.
fn is_pipe(path: &Path) -> bool {
    path == Path::new("-") || path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir())
}

/// An open file or standard input.
struct Input {
    name: Arc<str>,
    stream: Stream,
    /// What it was packed with; the stream is unpacked.
    compression: Option<Compression>,
    /// The file itself, where it can be sought in.
    file: Option<File>,
}

impl Input {
    fn open(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Self::unpack("stdin", io::stdin().lock(), None);
        }
        let file = File::open(path).map_err(|e| Error::file(path, e))?;
        let meta = file.metadata().map_err(|e| Error::file(path, e))?;
        if meta.is_dir() {
            return Err(Error::data(format!(
                "{}: a folder, not a file of records",
                path.display()
            )));
        }
        let seekable = meta.is_file();
        let again = file.try_clone().map_err(|e| Error::file(path, e))?;
        let name = path.display().to_string();
        Self::unpack(&name, file, seekable.then_some(again))
    }

    fn unpack(name: &str, stream: impl Read + 'static, file: Option<File>) -> Result<Self> {
        let name: Arc<str> = name.into();
        memory::reading(Some(name.clone()));
        let (stream, compression) = compression::unpack(stream).map_err(|e| Error::io(&name, e))?;
        Ok(Self {
            name,
            stream,
            compression,
            file: file.filter(|_| compression.is_none()),
        })
    }

    /// The rows, by what the first bytes show; and whether there may be none.
    fn rows<T: Record + 'static>(mut self, keep_extra: bool) -> Result<(Box<dyn Rows<T>>, bool)> {
        let name = self.name.clone();
        let (head, stream) = compression::peek(self.stream).map_err(|e| Error::io(&name, e))?;
        self.stream = stream;
        let batches = |batches: Box<dyn Batches>| {
            let rows = BatchRows::new(name.clone(), batches, keep_extra)?;
            Ok((Box::new(rows) as Box<dyn Rows<T>>, true))
        };
        if head.is_empty() {
            return Err(Error::data(format!("{name}: empty input, no {}", T::KIND)));
        }
        if head.starts_with(&[0xff, 0xff, 0xff, 0xff]) {
            let stream = contained(|| ArrowStream::open(self.stream)).map_err(|e| e.at(&name))?;
            return batches(Box::new(stream));
        }
        if head.starts_with(b"ARROW1") {
            let source = self.seekable()?;
            let reader = contained(|| ArrowFile::open(source)).map_err(|e| e.at(&name))?;
            return batches(Box::new(reader));
        }
        if head.starts_with(b"PAR1") {
            if let Some(tool) = self.compression {
                return Err(Error::data(format!(
                    "{name}: Parquet inside {tool}: expected it bare, for it compresses itself; unpack it with \
                     `{tool} -dc`"
                )));
            }
            let columns = (!keep_extra).then_some(T::COLUMNS);
            let source = self.seekable()?;
            let reader =
                contained(|| ParquetFile::open(source, columns)).map_err(|e| e.at(&name))?;
            return batches(Box::new(reader));
        }
        if let (Some(outer), Some(inner)) = (self.compression, Compression::of_head(&head)) {
            return Err(Error::data(format!(
                "{name}: compressed twice, {inner} inside {outer}; unpack it once with `{outer} -dc`"
            )));
        }
        let first = head.iter().find(|b| !b.is_ascii_whitespace()).copied();
        let flat = T::is_flat();
        match first {
            Some(b'{') | None => {
                let rows = JsonRows::open(name, self.stream, keep_extra)?;
                Ok((Box::new(rows), false))
            }
            Some(byte) if flat && (byte.is_ascii_graphic()) => {
                let rows = CsvRows::open(name, self.stream)?;
                Ok((Box::new(rows), false))
            }
            Some(_) => Err(Error::data(format!(
                "{name}: not a table of {}s: expected JSON lines, Arrow or Parquet{}, found {:?}",
                T::KIND,
                if flat { " or CSV" } else { "" },
                shorten(&String::from_utf8_lossy(&head[..head.len().min(64)]))
            ))),
        }
    }

    /// The file, for formats that have their table of contents at the end; a pipe, or what was packed, is read whole.
    fn seekable(mut self) -> Result<Seekable> {
        if let Some(file) = self.file {
            return Ok(Seekable::File(file));
        }
        let mut bytes = Vec::new();
        self.stream
            .read_to_end(&mut bytes)
            .map_err(|e| Error::io(&self.name, e))?;
        Ok(Seekable::Bytes(bytes))
    }
}

enum Seekable {
    File(File),
    Bytes(Vec<u8>),
}

/// A stream of Arrow batches.
trait Batches {
    fn schema(&self) -> Arc<Schema>;
    fn total(&self) -> Option<u64> {
        None
    }
    fn next(&mut self) -> Result<Option<RecordBatch>>;
}

/// An Arrow IPC stream, which must end with its end-of-stream marker.
struct ArrowStream {
    reader: StreamReader<Tail>,
}

impl ArrowStream {
    fn open(stream: Stream) -> Result<Self> {
        let tail = Tail {
            stream,
            last: [0; 8],
        };
        let reader = StreamReader::try_new(tail, None)
            .map_err(|e| Error::data(format!("damaged or cut-off Arrow stream: {e}")))?;
        Ok(Self { reader })
    }
}

impl Batches for ArrowStream {
    fn schema(&self) -> Arc<Schema> {
        self.reader.schema()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        match self.reader.next() {
            Some(Ok(batch)) => Ok(Some(batch)),
            Some(Err(e)) => Err(Error::data(format!("damaged or cut-off Arrow stream: {e}"))),
            None => {
                let tail = self.reader.get_mut();
                if tail.last != END {
                    return Err(Error::data(
                        "cut-off Arrow stream: it has no end-of-stream marker, so its writer was \
                         stopped",
                    ));
                }
                match tail.stream.fill_buf() {
                    Ok([]) => Ok(None),
                    Ok(_) => Err(Error::data(
                        "bytes after the end of the Arrow stream; give several files as arguments \
                         instead of concatenating them",
                    )),
                    Err(e) => Err(Error::data(e)),
                }
            }
        }
    }
}

/// Remembers the last bytes read.
struct Tail {
    stream: Stream,
    last: [u8; 8],
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

/// An Arrow IPC file.
struct ArrowFile<R: Read + io::Seek> {
    reader: FileReader<R>,
}

impl ArrowFile<BufReader<File>> {
    fn open(source: Seekable) -> Result<Box<dyn Batches>> {
        fn damaged(e: &arrow::error::ArrowError) -> Error {
            // Where in the footer it was found follows, a line a step.
            let what = e.to_string();
            let what = what.lines().next().unwrap_or_default();
            Error::data(format!("damaged or cut-off Arrow file: {what}"))
        }
        Ok(match source {
            Seekable::File(file) => Box::new(ArrowFile {
                reader: FileReader::try_new(BufReader::new(file), None).map_err(|e| damaged(&e))?,
            }),
            Seekable::Bytes(bytes) => Box::new(ArrowFile {
                reader: FileReader::try_new(io::Cursor::new(bytes), None)
                    .map_err(|e| damaged(&e))?,
            }),
        })
    }
}

impl<R: Read + io::Seek> Batches for ArrowFile<R> {
    fn schema(&self) -> Arc<Schema> {
        self.reader.schema()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.reader
            .next()
            .transpose()
            .map_err(|e| Error::data(format!("damaged Arrow file: {e}")))
    }
}

impl Batches for Box<dyn Batches> {
    fn schema(&self) -> Arc<Schema> {
        (**self).schema()
    }

    fn total(&self) -> Option<u64> {
        (**self).total()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        (**self).next()
    }
}

/// A Parquet file.
struct ParquetFile {
    schema: Arc<Schema>,
    rows: Option<u64>,
    reader: parquet::arrow::arrow_reader::ParquetRecordBatchReader,
}

impl ParquetFile {
    /// Opens the file; only the columns called `only` are read, if given.
    fn open(source: Seekable, only: Option<&[super::column::Column]>) -> Result<Self> {
        match source {
            Seekable::File(file) => Self::build(file, only),
            Seekable::Bytes(bytes) => Self::build(bytes::Bytes::from(bytes), only),
        }
    }

    fn build<R: parquet::file::reader::ChunkReader + 'static>(
        file: R,
        only: Option<&[super::column::Column]>,
    ) -> Result<Self> {
        let damaged =
            |e: &dyn fmt::Display| Error::data(format!("damaged or cut-off Parquet file: {e}"));
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged(&e))?;
        let schema = builder.schema().clone();
        let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).ok();
        let mut mask = ProjectionMask::all();
        if let Some(columns) = only {
            let known = schema
                .fields()
                .iter()
                .enumerate()
                .filter(|(_, f)| {
                    f.name() == version::SCHEMA_KEY || columns.iter().any(|c| c.name == f.name())
                })
                .map(|(i, _)| i);
            mask = ProjectionMask::roots(builder.parquet_schema(), known);
        }
        let reader = builder
            .with_projection(mask)
            .with_batch_size(ROWS)
            .build()
            .map_err(|e| damaged(&e))?;
        Ok(Self {
            schema,
            rows,
            reader,
        })
    }
}

impl Batches for ParquetFile {
    fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    fn total(&self) -> Option<u64> {
        self.rows
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.reader
            .next()
            .transpose()
            .map_err(|e| Error::data(format!("damaged Parquet file: {e}")))
    }
}

/// Rows that are decoded at once.
const ROWS: usize = 1024;

/// Records out of Arrow batches.
struct BatchRows {
    file: Arc<str>,
    batches: Box<dyn Batches>,
    keep_extra: bool,
    /// What of the last batch is still to be decoded.
    undecoded: Option<RecordBatch>,
    current: Option<Batch>,
    /// Row of the current batch, and rows before it.
    row: usize,
    before: u64,
    chain: Option<Chain>,
}

impl BatchRows {
    fn new(file: Arc<str>, batches: Box<dyn Batches>, keep_extra: bool) -> Result<Self> {
        let schema = batches.schema();
        if let Some(mark) = schema.metadata().get(version::SCHEMA_KEY) {
            version::check(mark).map_err(|e| Error::data(format!("{file}: {e}")))?;
        }
        let chain = schema
            .metadata()
            .get(METADATA_KEY)
            .and_then(|text| Chain::from_json(text).ok());
        Ok(Self {
            file,
            batches,
            keep_extra,
            undecoded: None,
            current: None,
            row: 0,
            before: 0,
            chain,
        })
    }
}

impl<T: Record> Rows<T> for BatchRows {
    fn next(&mut self) -> Result<Option<Entry<T>>> {
        loop {
            if let Some(batch) = &mut self.current {
                if self.row < batch.rows {
                    let row = self.row;
                    self.row += 1;
                    let place = Place::row(&self.file, self.before + row as u64 + 1);
                    let record = T::read(&batch.row(row), 0)
                        .map_err(|e| Error::data(format!("{place}: {e}")))?;
                    let extra = batch.take_extra(row);
                    return Ok(Some(Entry {
                        record,
                        extra,
                        place,
                    }));
                }
                self.before += batch.rows as u64;
                self.row = 0;
            }
            let after = |e: Error, rows| match rows {
                0 => e.at(&self.file),
                rows => e.at(format!("{}: after row {rows}", self.file)),
            };
            if self.undecoded.is_none() {
                let next = contained(|| self.batches.next());
                self.undecoded = next.map_err(|e| after(e, self.before))?;
            }
            let Some(batch) = self.undecoded.take() else {
                return Ok(None);
            };
            let now = batch.slice(0, batch.num_rows().min(ROWS));
            let rest = batch.num_rows() - now.num_rows();
            self.undecoded = (rest > 0).then(|| batch.slice(now.num_rows(), rest));
            if let Some(row) = bounds::long_row(&now) {
                let place = Place::row(&self.file, self.before + row as u64 + 1);
                return Err(Error::data(format!("{place}: {}", bounds::too_long())));
            }
            let decoded = contained(|| Batch::new::<T>(&now, self.keep_extra));
            self.current = Some(decoded.map_err(|e| after(e, self.before))?);
        }
    }

    fn provenance(&mut self) -> Option<Chain> {
        self.chain.take()
    }

    fn total(&self) -> Option<u64> {
        self.batches.total()
    }

    fn columns(&self) -> Vec<String> {
        let schema = self.batches.schema();
        schema.fields().iter().map(|f| f.name().clone()).collect()
    }
}

/// Records out of JSON lines.
struct JsonRows {
    file: Arc<str>,
    stream: Stream,
    keep_extra: bool,
    line: Vec<u8>,
    /// Whether `line` is still to be read as a record.
    is_waiting: bool,
    /// Whether it was read as one in the writers' own form.
    is_plain: bool,
    number: u64,
    chain: Option<Chain>,
}

impl JsonRows {
    /// Rows of a stream, its first lines read up to the first record: the provenance, mostly,
    /// stands before it.
    fn open(file: Arc<str>, stream: Stream, keep_extra: bool) -> Result<Self> {
        let mut rows = Self {
            file,
            stream,
            keep_extra,
            line: Vec::new(),
            is_waiting: false,
            is_plain: false,
            number: 0,
            chain: None,
        };
        while rows.read_line()? {
            let place = rows.place();
            let object = json::utf8(&rows.line).and_then(|line| Object::parse(line.trim()));
            match object.map(|object| header_of(&object)) {
                Ok(Some(chain)) => {
                    let chain = chain.map_err(|e| Error::data(format!("{place}: {e}")))?;
                    rows.chain.get_or_insert_default().merge(chain);
                }
                _ if rows.line.trim_ascii().is_empty() => {}
                // What is wrong with it is said when it is read.
                _ => {
                    rows.is_waiting = true;
                    break;
                }
            }
        }
        Ok(rows)
    }

    /// Reads the next line; false at the end.
    fn read_line(&mut self) -> Result<bool> {
        self.line.clear();
        let n = bounds::read_line(&mut self.stream, &mut self.line).map_err(|e| {
            bounds::overlong(&self.file, self.number + 1, &e)
                .unwrap_or_else(|| Error::io(&self.file, e))
        })?;
        self.number += u64::from(n > 0);
        Ok(n > 0)
    }

    /// The line without its line break.
    fn text(&self) -> &[u8] {
        self.line.strip_suffix(b"\n").unwrap_or(&self.line)
    }

    /// Where the line stands.
    fn place(&self) -> Place {
        Place::line(&self.file, self.number)
    }
}

/// The chain of a line that is no record: it holds nothing but the chain, the version of the records' schema, or both.
fn header_of(object: &Object<'_>) -> Option<std::result::Result<Chain, String>> {
    const CHAIN: &str = "provenance";
    let mut fields = object.fields().peekable();
    fields.peek()?;
    if fields.any(|(name, _)| name != CHAIN && name != version::SCHEMA_KEY) {
        return None;
    }
    let chain = object.get(CHAIN);
    let chain = chain.map_or(Ok(Chain::default()), |raw| Chain::from_json(raw.get()));
    Some(version::check_json(object.get(version::SCHEMA_KEY)).and(chain))
}

impl<T: Record> Rows<T> for JsonRows {
    fn next_into(&mut self, entry: &mut Option<Entry<T>>) -> Result<bool> {
        if let Some(last) = entry
            && (std::mem::take(&mut self.is_waiting) || self.read_line()?)
        {
            let mut plain = Plain::new(self.text());
            self.is_plain = last.record.read_plain(&mut plain).is_some() && plain.is_end();
            if self.is_plain {
                last.extra = Extra::default();
                if Arc::ptr_eq(&last.place.file, &self.file) {
                    last.place.number = self.number;
                } else {
                    last.place = self.place();
                }
                return Ok(true);
            }
            self.is_waiting = true;
        }
        *entry = self.next()?;
        Ok(entry.is_some())
    }

    fn plain_line(&self) -> Option<&[u8]> {
        self.is_plain.then(|| self.text())
    }

    fn next(&mut self) -> Result<Option<Entry<T>>> {
        self.is_plain = false;
        loop {
            if !std::mem::take(&mut self.is_waiting) && !self.read_line()? {
                return Ok(None);
            }
            let place = self.place();
            let at = |e: String| Error::data(format!("{place}: {e}"));
            let line = json::utf8(&self.line).map_err(at)?.trim();
            if line.is_empty() {
                continue;
            }
            let object = Object::parse(line).map_err(at)?;
            if let Some(chain) = header_of(&object) {
                let chain = chain.map_err(at)?;
                self.chain.get_or_insert_default().merge(chain);
                continue;
            }
            version::check_json(object.get(version::SCHEMA_KEY)).map_err(at)?;
            let record = T::read(&object, 0).map_err(at)?;
            let extra = if self.keep_extra {
                object.extra::<T>()
            } else {
                Extra::default()
            };
            return Ok(Some(Entry {
                record,
                extra,
                place,
            }));
        }
    }

    fn provenance(&mut self) -> Option<Chain> {
        self.chain.take()
    }

    fn columns(&self) -> Vec<String> {
        let first = self
            .is_waiting
            .then(|| json::utf8(&self.line).ok())
            .flatten();
        let object = first.and_then(|line| Object::parse(line.trim()).ok());
        let names = object.iter().flat_map(Object::fields);
        names.map(|(name, _)| name.to_owned()).collect()
    }
}

impl Place {
    /// A row of a table.
    fn row(file: &Arc<str>, number: u64) -> Self {
        Self {
            file: file.clone(),
            number,
            is_line: false,
        }
    }

    /// A line of a text file.
    pub(super) fn line(file: &Arc<str>, number: u64) -> Self {
        Self {
            file: file.clone(),
            number,
            is_line: true,
        }
    }
}
