/*!
What an input may claim before it is believed: files lie about sizes, by accident or on purpose, and no claim may cost more
memory than the limits here. `docs/robustness.md` says them to users.
*/

use super::read::Place;
use crate::error::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch, RunArray};
use arrow::datatypes::{DataType, Int16Type, Int32Type, Int64Type};
use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;
use std::sync::Arc;

/// The longest record: a prompt of 128 shots has about 10 kB.
pub(super) const RECORD: usize = 64 << 20;

/// The most that is kept of an input that has its table of contents at the end and comes through a pipe.
pub(super) const PIPED: u64 = 4 << 30;

/// Rows that are decoded at once.
const ROWS: usize = 1024;

/// Reads a line with its line break into `line`, which holds nothing.
///
/// # Errors
/// Those of the stream; a line that is longer than a record may be.
pub(super) fn read_line(stream: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        let there = match stream.fill_buf() {
            Ok(there) => there,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        // As `read_until`, but the end is looked for many bytes at a time.
        let end = memchr::memchr(b'\n', there).map(|at| at + 1);
        let taken = end.unwrap_or(there.len());
        line.extend_from_slice(&there[..taken]);
        stream.consume(taken);
        if line.len() > RECORD {
            return Err(too_long());
        }
        if end.is_some() || taken == 0 {
            return Ok(line.len());
        }
    }
}

fn too_long() -> io::Error {
    let what = format!("longer than a record may be ({} MiB)", RECORD >> 20);
    io::Error::new(io::ErrorKind::FileTooLarge, what)
}

/// That a record is too long, by its place; none for a failure of the file itself.
pub(super) fn overlong(file: &Arc<str>, line: u64, e: &io::Error) -> Option<Error> {
    let is_ours = e.kind() == io::ErrorKind::FileTooLarge;
    is_ours.then(|| Error::data(format!("{}: {e}", Place::line(file, line))))
}

/// A stream that gives no more than a record's bytes until it is allowed more.
pub(super) struct Rationed {
    stream: Box<dyn BufRead>,
    left: Rc<Cell<usize>>,
}

/// Allows a [`Rationed`] stream the next record.
pub(super) struct Ration(Rc<Cell<usize>>);

impl Ration {
    pub(super) fn renew(&self) {
        self.0.set(RECORD);
    }
}

impl Rationed {
    pub(super) fn new(stream: Box<dyn BufRead>) -> (Self, Ration) {
        let left = Rc::new(Cell::new(RECORD));
        let ration = Ration(left.clone());
        (Self { stream, left }, ration)
    }
}

impl Read for Rationed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(self.left.get());
        if room == 0 && !buffer.is_empty() {
            return Err(too_long());
        }
        let n = self.stream.read(&mut buffer[..room])?;
        self.left.set(self.left.get() - n);
        Ok(n)
    }
}

/// All of a pipe, for formats that cannot be read from front to back.
///
/// # Errors
/// Those of the pipe; more than [`PIPED`] bytes.
pub(super) fn read_pipe(name: &str, stream: &mut dyn BufRead) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let n = stream
        .take(PIPED + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io(name, e))?;
    if n as u64 > PIPED {
        return Err(Error::data(format!(
            "{name}: more than {} GiB through a pipe, in a format that is read from its end; give the file itself",
            PIPED >> 30
        )));
    }
    Ok(bytes)
}

/// How many rows of a batch are decoded at once, so that rows which share long values (dictionaries, views) are not all
/// written out together.
///
/// # Errors
/// One row alone can be longer than a record may be.
pub(super) fn rows_at_once(batch: &RecordBatch) -> Result<usize> {
    let mut width = 0;
    for column in batch.columns() {
        width += shared(column);
    }
    match RECORD.checked_div(width) {
        None => Ok(ROWS),
        Some(0) => Err(Error::data(format!(
            "a row of up to {width} bytes, longer than a record may be ({} MiB)",
            RECORD >> 20
        ))),
        Some(rows) => Ok(rows.min(ROWS)),
    }
}

/// The most bytes that one element has which need not be its own: several elements can point to them.
fn shared(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::Utf8View => most(array.as_string_view().lengths()),
        DataType::BinaryView => most(array.as_binary_view().lengths()),
        DataType::Dictionary(..) => array
            .as_any_dictionary_opt()
            .map_or(0, |dictionary| longest(dictionary.values())),
        DataType::RunEndEncoded(..) => runs(array).map_or(0, longest),
        DataType::List(_) => lists::<i32>(array, shared),
        DataType::LargeList(_) => lists::<i64>(array, shared),
        // The elements of a view may overlap.
        DataType::ListView(_) => views::<i32>(array),
        DataType::LargeListView(_) => views::<i64>(array),
        DataType::FixedSizeList(_, size) => array.as_fixed_size_list_opt().map_or(0, |list| {
            shared(list.values()).saturating_mul(usize::try_from(*size).unwrap_or(0))
        }),
        DataType::Map(..) => array.as_map_opt().map_or(0, |map| {
            let entries: usize = map.entries().columns().iter().map(shared).sum();
            entries.saturating_mul(widest(map.offsets()))
        }),
        DataType::Struct(_) => array.as_struct().columns().iter().map(shared).sum(),
        _ => 0,
    }
}

/// The bytes of an array's longest element, written out.
fn longest(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::Utf8 => widest(array.as_string::<i32>().offsets()),
        DataType::LargeUtf8 => widest(array.as_string::<i64>().offsets()),
        DataType::Binary => widest(array.as_binary::<i32>().offsets()),
        DataType::LargeBinary => widest(array.as_binary::<i64>().offsets()),
        DataType::List(_) => lists::<i32>(array, longest),
        DataType::LargeList(_) => lists::<i64>(array, longest),
        DataType::Struct(_) => array.as_struct().columns().iter().map(longest).sum(),
        other => other.primitive_width().unwrap_or(1).max(shared(array)),
    }
}

fn lists<O: OffsetSizeTrait>(array: &ArrayRef, of: fn(&ArrayRef) -> usize) -> usize {
    let list = array.as_list::<O>();
    of(list.values()).saturating_mul(widest(list.offsets()))
}

fn views<O: OffsetSizeTrait>(array: &ArrayRef) -> usize {
    let list = array.as_list_view::<O>();
    let most = list.sizes().iter().map(|size| size.as_usize()).max();
    longest(list.values()).saturating_mul(most.unwrap_or(0))
}

fn runs(array: &ArrayRef) -> Option<&ArrayRef> {
    (array.as_run_opt::<Int16Type>().map(RunArray::values))
        .or_else(|| array.as_run_opt::<Int32Type>().map(RunArray::values))
        .or_else(|| array.as_run_opt::<Int64Type>().map(RunArray::values))
}

fn widest<O: OffsetSizeTrait>(offsets: &[O]) -> usize {
    let lengths = offsets
        .windows(2)
        .map(|pair| pair[1].as_usize().saturating_sub(pair[0].as_usize()));
    lengths.max().unwrap_or(0)
}

fn most(lengths: impl Iterator<Item = u32>) -> usize {
    lengths.max().map_or(0, |n| n as usize)
}
