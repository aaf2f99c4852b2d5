/*!
The pages of a Parquet file, looked at before they are decoded.

A page says in its header how many bytes it holds once decompressed, and a dictionary or a shared prefix lets a few bytes
stand for a long text in every row. parquet 60 makes room for whatever is said, so the headers are read here first: a page
that is too large is refused, and where rows share long texts, fewer of them are decoded at once.

The headers are Thrift structs in the compact protocol (parquet.thrift, `PageHeader`); only the fields that are looked at
are read, the others skipped.
*/

use super::bounds::RECORD;
use parquet::basic::{PageType, Type};
use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;
use std::io::{self, Read};
use std::sync::Arc;

/// The largest page, decompressed. Writers aim at 1 MiB, and a page holds one value at least.
const PAGE: i64 = 128 << 20;

/// The largest text in a header: a column's smallest and largest value may stand there.
const STATISTIC: u64 = 64 << 20;

/// The most values of one column of lists in a row group, however many rows it claims.
const LIST_VALUES: i64 = 1 << 28;

/// Rows that are decoded at once.
const ROWS: usize = 1024;

/// Texts that rows share take this many bytes at once, written out.
const AT_ONCE: usize = RECORD;

/// `DELTA_BYTE_ARRAY`: each text is a prefix of the one before and a suffix of its own.
const SHARED_PREFIXES: i64 = 7;

/// Looks at the pages of the columns `wanted` of a file; says how many rows may be decoded at once.
///
/// # Errors
/// A page that cannot be, or that is larger than any is believed to be.
pub(super) fn rows_at_once<R: ChunkReader + 'static>(
    file: &Arc<R>,
    metadata: &ParquetMetaData,
    wanted: impl Fn(usize) -> bool,
) -> Result<usize, String> {
    let mut rows = ROWS;
    for group in metadata.row_groups() {
        let mut width = 0;
        for (index, column) in group.columns().iter().enumerate() {
            if wanted(index) {
                let shared = look(file, column, group.num_rows())
                    .map_err(|e| format!("column {:?}: {e}", column.column_path().string()))?;
                width += shared;
            }
        }
        rows = rows.min(AT_ONCE.checked_div(width).unwrap_or(ROWS));
    }
    Ok(rows.max(1))
}

/// The pages of one column in one row group: the most bytes that a value has which other values have, too.
fn look<R: ChunkReader + 'static>(
    file: &Arc<R>,
    column: &ColumnChunkMetaData,
    rows: i64,
) -> Result<usize, String> {
    let is_text = matches!(column.column_type(), Type::BYTE_ARRAY);
    let first = column
        .dictionary_page_offset()
        .unwrap_or(column.data_page_offset());
    let (Ok(mut at), Ok(length)) = (
        u64::try_from(first),
        u64::try_from(column.compressed_size()),
    ) else {
        return Err("a negative place or length".to_owned());
    };
    let end = at
        .checked_add(length)
        .filter(|&end| end <= file.len())
        .ok_or("lies outside the file")?;
    let (mut values, mut shared, mut has_dictionary) = (0_i64, 0, false);
    while at < end {
        let stream = file.get_read(at).map_err(|e| e.to_string())?;
        let mut header = Counted {
            stream: stream.take(end - at),
            read: 0,
        };
        let page = Header::read(&mut header).map_err(|e| format!("a damaged page header ({e})"))?;
        at += header.read;
        let stored = u64::try_from(page.stored)
            .ok()
            .filter(|&stored| stored <= end - at);
        at += stored.ok_or("a page that reaches beyond its column")?;
        if !(0..=PAGE).contains(&page.size) {
            return Err(format!(
                "a page of {} bytes, more than {} MiB",
                page.size,
                PAGE >> 20
            ));
        }
        if page.kind == PageType::DICTIONARY_PAGE as i64 {
            has_dictionary = true;
        } else {
            values = values.saturating_add(page.values.max(0));
        }
        if is_text && page.encoding == SHARED_PREFIXES {
            // At most, since the page holds every suffix once.
            shared = shared.max(usize::try_from(page.size).unwrap_or(usize::MAX));
        }
    }
    let is_list = column.column_descr().max_rep_level() > 0;
    if is_list && values > LIST_VALUES {
        return Err(format!(
            "lists of {values} values in a row group, more than {LIST_VALUES}"
        ));
    }
    if is_text && has_dictionary {
        shared = shared.max(longest_in_dictionary(file, column, rows)?);
    }
    if is_list && rows > 0 {
        let length = usize::try_from(values / rows).unwrap_or(usize::MAX);
        shared = shared.saturating_mul(length.saturating_add(1));
    }
    Ok(shared)
}

/// The longest text of a dictionary: each is its length and its bytes.
fn longest_in_dictionary<R: ChunkReader + 'static>(
    file: &Arc<R>,
    column: &ColumnChunkMetaData,
    rows: i64,
) -> Result<usize, String> {
    let rows = usize::try_from(rows).map_err(|_| "a negative number of rows")?;
    let page = SerializedPageReader::new(file.clone(), column, rows, None)
        .and_then(|mut pages| pages.get_next_page())
        .map_err(|e| e.to_string())?;
    let Some(Page::DictionaryPage { buf, .. }) = page else {
        return Ok(0);
    };
    let (mut rest, mut longest) = (&buf[..], 0);
    while let Some((length, more)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        longest = longest.max(length.min(more.len()));
        rest = more.get(length..).unwrap_or_default();
    }
    Ok(longest)
}

/// What is looked at of a page's header.
#[derive(Debug, Default, PartialEq, Eq)]
struct Header {
    kind: i64,
    /// Bytes, decompressed.
    size: i64,
    /// Bytes in the file.
    stored: i64,
    values: i64,
    encoding: i64,
}

/// Types of the compact protocol.
mod kind {
    pub const STOP: u8 = 0;
    pub const TRUE: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const BYTE: u8 = 3;
    pub const I16: u8 = 4;
    pub const I32: u8 = 5;
    pub const I64: u8 = 6;
    pub const DOUBLE: u8 = 7;
    pub const BINARY: u8 = 8;
    pub const LIST: u8 = 9;
    pub const SET: u8 = 10;
    pub const STRUCT: u8 = 12;
}

impl Header {
    fn read(stream: &mut impl Read) -> io::Result<Self> {
        let mut header = Self::default();
        fields(stream, &mut |stream, id, kind| {
            match (id, kind) {
                (1, kind::I32) => header.kind = integer(stream)?,
                (2, kind::I32) => header.size = integer(stream)?,
                (3, kind::I32) => header.stored = integer(stream)?,
                // DataPageHeader, DictionaryPageHeader, DataPageHeaderV2.
                (5 | 7 | 8, kind::STRUCT) => {
                    let encoding = if id == 8 { 4 } else { 2 };
                    fields(stream, &mut |stream, id, kind| {
                        match (id, kind) {
                            (1, kind::I32) => header.values = integer(stream)?,
                            (id, kind::I32) if id == encoding => header.encoding = integer(stream)?,
                            _ => return Ok(false),
                        }
                        Ok(true)
                    })?;
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(header)
    }
}

/// Walks over the fields of a struct, skipping those that `take` leaves.
fn fields<R: Read>(
    stream: &mut R,
    take: &mut dyn FnMut(&mut R, i64, u8) -> io::Result<bool>,
) -> io::Result<()> {
    let mut id = 0_i64;
    loop {
        let head = byte(stream)?;
        let kind = head & 0x0f;
        if kind == kind::STOP {
            return Ok(());
        }
        id = match head >> 4 {
            0 => integer(stream)?,
            step => id.saturating_add(i64::from(step)),
        };
        if !take(stream, id, kind)? {
            skip(stream, kind, 0)?;
        }
    }
}

fn skip<R: Read>(stream: &mut R, kind: u8, depth: usize) -> io::Result<()> {
    /// Nothing in a page header is nested deeper.
    const DEEPEST: usize = 8;
    if depth > DEEPEST {
        return Err(io::Error::other("nested too deeply"));
    }
    match kind {
        kind::TRUE | kind::FALSE => Ok(()),
        kind::BYTE => byte(stream).map(drop),
        kind::I16 | kind::I32 | kind::I64 => number(stream).map(drop),
        kind::DOUBLE => bytes(stream, 8),
        kind::BINARY => {
            let length = number(stream)?;
            if length > STATISTIC {
                return Err(io::Error::other(format!("a text of {length} bytes")));
            }
            bytes(stream, length)
        }
        kind::LIST | kind::SET => {
            let head = byte(stream)?;
            let items = match head >> 4 {
                15 => number(stream)?,
                n => u64::from(n),
            };
            for _ in 0..items {
                match head & 0x0f {
                    // In a list, a truth value is a byte.
                    kind::TRUE | kind::FALSE => _ = byte(stream)?,
                    item => skip(stream, item, depth + 1)?,
                }
            }
            Ok(())
        }
        kind::STRUCT => loop {
            let head = byte(stream)?;
            if head & 0x0f == kind::STOP {
                return Ok(());
            }
            if head >> 4 == 0 {
                number(stream)?;
            }
            skip(stream, head & 0x0f, depth + 1)?;
        },
        other => Err(io::Error::other(format!("type {other}"))),
    }
}

fn byte(stream: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn bytes(stream: &mut impl Read, length: u64) -> io::Result<()> {
    let skipped = io::copy(&mut stream.take(length), &mut io::sink())?;
    if skipped < length {
        Err(io::ErrorKind::UnexpectedEof.into())
    } else {
        Ok(())
    }
}

/// A number in seven bits a byte, the lowest first.
fn number(stream: &mut impl Read) -> io::Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = byte(stream)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(io::Error::other("a number of more than 64 bits"))
}

/// A number whose last bit is its sign.
fn integer(stream: &mut impl Read) -> io::Result<i64> {
    let coded = number(stream)?;
    Ok((coded >> 1).cast_signed() ^ -(coded & 1).cast_signed())
}

/// Counts what is read.
struct Counted<R> {
    stream: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(buffer)?;
        self.read += n as u64;
        Ok(n)
    }
}
