/*!
Reads records from JSON lines, Arrow, Parquet or (for flat tables) CSV. The first bytes show the format. All formats
except Parquet may be compressed with gzip or zstd.
*/

use super::column::Column;
use super::extra::Extra;
use super::flat::CsvRows;
use super::json_lines::JsonLines;
use super::row::{Place, Rows};
use super::stage;
use super::table::FromRow;
use super::tables::{BatchRows, Seekable};
use super::version;
use crate::compression::{self, Compression, Stream};
use crate::error::{Error, Result, shorten};
use crate::memory;
use crate::provenance::Chain;
use crate::text;
use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A record, its unknown columns, and the place where it was read.
#[derive(Debug, Clone)]
pub struct Entry<T> {
    /// The record, made of the columns that its kind knows.
    pub record: T,
    /// The unknown columns, if the reader keeps them.
    pub extra: Extra,
    /// The record's file and line or row.
    pub place: Place,
}

/// Reads the records of several files, one file after the other.
pub struct Reader<T> {
    waiting: VecDeque<PathBuf>,
    current: Option<Table>,
    keep_extra: bool,
    chain: Chain,
    /// Number of records read from the current file.
    count: u64,
    kind: std::marker::PhantomData<T>,
}

impl<T: FromRow> Reader<T> {
    /// A reader of `paths`. `-`, or an empty list, means standard input. The first file and all regular files are
    /// opened at once. So their provenance is known, and a wrong name is an error, before any work. Without
    /// `keep_extra`, unknown columns are dropped.
    ///
    /// # Errors
    /// A file cannot be opened, is empty, or has no known format.
    pub fn open(paths: &[PathBuf], keep_extra: bool) -> Result<Self> {
        let stdin = [PathBuf::from("-")];
        let paths = if paths.is_empty() { &stdin } else { paths };
        let mut reader = Self {
            waiting: paths.iter().cloned().collect(),
            current: None,
            keep_extra,
            chain: Chain::default(),
            count: 0,
            kind: std::marker::PhantomData,
        };
        reader.advance()?;
        // A pipe can be read only once, so its provenance joins the chain when its turn comes.
        for path in paths.iter().skip(1).filter(|path| !is_pipe(path)) {
            let mut table = Table::open::<T>(path, keep_extra)?;
            reader.chain.merge(table.chain(path)?);
        }
        memory::reading(reader.current.as_ref().map(|table| table.name.clone()));
        Ok(reader)
    }

    /// The provenance of the records read so far, and of the files opened in advance.
    pub fn provenance(&mut self) -> Chain {
        if let Some(table) = &mut self.current
            && let Some(chain) = table.rows.provenance()
        {
            self.chain.merge(chain);
        }
        self.chain.clone()
    }

    /// The number of records, if this is the last file and its format stores the number (Parquet does).
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        let table = self.current.as_ref()?;
        table.rows.total().filter(|_| self.waiting.is_empty())
    }

    /// The column names of the current file, known to `T` or not. For JSON lines: those of the first record, and none
    /// after it has been read.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let table = self.current.as_ref();
        table.map(|table| table.rows.columns()).unwrap_or_default()
    }

    /// The next record, or none at the end of the last file.
    ///
    /// # Errors
    /// A record is damaged or has impossible values. The error names the file, the line or row, and the column.
    pub fn read(&mut self) -> Result<Option<Entry<T>>> {
        while let Some(table) = &mut self.current {
            let mut entry = None;
            let (keep_extra, kind) = (self.keep_extra, table.kind);
            table.rows.next(&mut |row, place| {
                version::check_row(row)?;
                let record =
                    T::from_row(row).map_err(|e| stage::advice(kind, T::WHAT).unwrap_or(e))?;
                let extra = match T::known().filter(|_| keep_extra) {
                    Some(known) => Extra::beside_known(row, known),
                    None => Extra::default(),
                };
                entry = Some(Entry {
                    record,
                    extra,
                    place,
                });
                Ok(())
            })?;
            if entry.is_some() {
                self.count += 1;
                return Ok(entry);
            }
            if self.count == 0 {
                table.check_empty::<T>()?;
            }
            self.provenance();
            self.advance()?;
        }
        Ok(None)
    }

    fn advance(&mut self) -> Result<()> {
        self.current = None;
        self.count = 0;
        if let Some(path) = self.waiting.pop_front() {
            let mut table = Table::open::<T>(&path, self.keep_extra)?;
            self.chain.merge(table.chain(&path)?);
            self.current = Some(table);
        } else {
            memory::reading(None);
        }
        Ok(())
    }
}

impl<T: FromRow> Iterator for Reader<T> {
    type Item = Result<Entry<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

fn empty<T: FromRow>(name: &str) -> Error {
    Error::data(format!("{name}: empty input, no {}", T::WHAT))
}

/// Whether a path can be read only once: standard input, a pipe or a device.
fn is_pipe(path: &Path) -> bool {
    path == Path::new("-") || path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir())
}

/// An open file or standard input, in a known format.
struct Table {
    name: Arc<str>,
    rows: Box<dyn Rows>,
    /// The record kind of a pipeline stage, if the columns show one.
    kind: Option<&'static str>,
    /// Whether the table may have no rows. True for formats with a schema, which still shows the record kind.
    may_be_empty: bool,
}

impl Table {
    fn open<T: FromRow>(path: &Path, keep_extra: bool) -> Result<Self> {
        if path == Path::new("-") {
            return Self::of::<T>("stdin".into(), io::stdin().lock(), None, keep_extra);
        }
        let file = File::open(path).map_err(|e| Error::file(path, e))?;
        let meta = file.metadata().map_err(|e| Error::file(path, e))?;
        let name = path.display().to_string();
        if meta.is_dir() {
            return Err(Error::data(format!(
                "{name}: a folder, not a file of records"
            )));
        }
        let again = file.try_clone().map_err(|e| Error::file(path, e))?;
        let seekable = meta.is_file().then_some(again);
        Self::of::<T>(name.into(), file, seekable, keep_extra)
    }

    /// Detects the format from the first bytes and opens the table.
    fn of<T: FromRow>(
        name: Arc<str>,
        stream: impl io::Read + 'static,
        file: Option<File>,
        keep_extra: bool,
    ) -> Result<Self> {
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        memory::reading(Some(name.clone()));
        let wrong = |e| Error::io(&name, e);
        let refused = |what: String| Err(Error::data(format!("{name}: {what}")));
        let (stream, compression) = compression::unpack(stream).map_err(wrong)?;
        let (head, mut stream) = compression::peek(stream).map_err(wrong)?;
        // Seeking in a compressed file is not possible: it is read whole, like a pipe.
        let file = file.filter(|_| compression.is_none());
        let table = |rows: BatchRows| Self::new(name.clone(), Box::new(rows), true);
        if head.starts_with(&[0xff; 4]) {
            return table(BatchRows::arrow_stream(name.clone(), stream)?);
        }
        if head.starts_with(b"ARROW1") {
            let source = seekable(file, stream).map_err(wrong)?;
            return table(BatchRows::arrow_file(name.clone(), source)?);
        }
        if head.starts_with(b"PAR1") {
            if let Some(tool) = compression {
                return refused(format!(
                    "Parquet inside {tool}: expected it bare, for it compresses itself; unpack it with `{tool} -dc`"
                ));
            }
            let source = seekable(file, stream).map_err(wrong)?;
            let only = T::known().filter(|_| !keep_extra);
            return table(BatchRows::parquet(name.clone(), source, only)?);
        }
        if let (Some(outer), Some(inner)) = (compression, Compression::of_head(&head)) {
            return refused(format!(
                "compressed twice, {inner} inside {outer}; unpack it once with `{outer} -dc`"
            ));
        }
        if text::is_lfs_pointer(&head) {
            return refused(text::LFS_POINTER.to_owned());
        }
        if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
            return refused(
                "UTF-16, expected UTF-8: `iconv -f UTF-16 -t UTF-8` makes it so".to_owned(),
            );
        }
        if let Some(text) = head.strip_prefix(BYTE_ORDER_MARK) {
            let mut mark = [0; BYTE_ORDER_MARK.len()];
            stream.read_exact(&mut mark).map_err(wrong)?;
            return Self::of_text::<T>(name, text, stream);
        }
        Self::of_text::<T>(name, &head, stream)
    }

    fn of_text<T: FromRow>(name: Arc<str>, head: &[u8], stream: Stream) -> Result<Self> {
        let is_flat = T::known().is_none_or(|all| !all.iter().any(|column| column.kind.is_list()));
        let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
        let rows: Box<dyn Rows> = match first {
            None if head.is_empty() => return Err(empty::<T>(&name)),
            Some(b'{' | b'[') | None => Box::new(JsonLines::open(name.clone(), stream)?),
            Some(byte) if is_flat && byte.is_ascii_graphic() => {
                Box::new(CsvRows::open(name.clone(), stream, head)?)
            }
            Some(_) => {
                return Err(Error::data(format!(
                    "{name}: not a table of {}s: expected JSON lines, Arrow or Parquet{}, found {:?}",
                    T::WHAT,
                    if is_flat { " or CSV" } else { "" },
                    shorten(&String::from_utf8_lossy(head))
                )));
            }
        };
        Self::new(name, rows, false)
    }

    fn new(name: Arc<str>, rows: Box<dyn Rows>, may_be_empty: bool) -> Result<Self> {
        let columns = rows.columns();
        let mut names = HashSet::new();
        // Spreadsheets may leave several columns without a name.
        let twice = columns
            .iter()
            .find(|name| !name.is_empty() && !names.insert(name.as_str()));
        if let Some(column) = twice {
            return Err(Error::data(format!("{name}: two columns {column:?}")));
        }
        Ok(Self {
            name,
            kind: stage::kind_of(&|name| columns.iter().any(|column| column == name)),
            rows,
            may_be_empty,
        })
    }

    /// Checks a table without rows: it is valid only if its schema has the columns of the right kind.
    fn check_empty<T: FromRow>(&self) -> Result<()> {
        if !self.may_be_empty {
            return Err(empty::<T>(&self.name));
        }
        let columns = self.rows.columns();
        let is_missing =
            |column: &&Column| !column.nullable && !columns.iter().any(|name| name == column.name);
        let Some(missing) = T::known().unwrap_or_default().iter().find(is_missing) else {
            return Ok(());
        };
        let advice = stage::advice(self.kind, T::WHAT);
        let what = advice.unwrap_or_else(|| format!("column {:?}: is missing", missing.name));
        Err(Error::data(format!("{}: {what}", self.name)))
    }

    /// The provenance inside the file, or else that of the provenance file beside it.
    fn chain(&mut self, path: &Path) -> Result<Chain> {
        match self.rows.provenance() {
            Some(chain) => Ok(chain),
            None if is_pipe(path) => Ok(Chain::default()),
            None => Chain::read_beside(path),
        }
    }
}

/// A source that can seek, for formats with their table of contents at the end. A pipe is read whole into memory.
fn seekable(file: Option<File>, mut stream: Stream) -> io::Result<Seekable> {
    if let Some(file) = file {
        return Ok(Seekable::File(file));
    }
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(Seekable::Bytes(bytes))
}
