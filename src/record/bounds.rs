/*!
The longest record: a line, row or text without an end is refused by its place. Whatever else a file claims is the affair of
the filter's memory.
*/

use super::read::Place;
use crate::error::Error;
use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::{cast, kernels::length::length};
use arrow::datatypes::{DataType, UInt64Type};
use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;
use std::sync::Arc;

/// The longest record: a prompt of 128 shots has about 10 kB.
const RECORD: usize = 64 << 20;

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

pub(super) fn too_long() -> io::Error {
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

/// The first row of a batch that has a text longer than a record may be. Texts that rows share (dictionaries, views) are
/// not written out.
pub(super) fn long_row(batch: &RecordBatch) -> Option<usize> {
    let may = |column: &&ArrayRef| column.get_buffer_memory_size() > RECORD;
    batch.columns().iter().filter(may).find_map(|column| {
        // What has no length has no texts.
        let lengths = cast(&length(column).ok()?, &DataType::UInt64).ok()?;
        let mut lengths = lengths.as_primitive::<UInt64Type>().iter();
        lengths.position(|n| n.is_some_and(|n| n > RECORD as u64))
    })
}
