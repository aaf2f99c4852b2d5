/*!
The messages of an Arrow stream or file, looked at before they are decoded.

A compressed buffer begins with eight bytes that say how long it is decompressed, and arrow 60 makes room for that at once.
Their sum is held against a limit here: in a stream while the bytes go by, in a file by its table of contents.
*/

use crate::error::{Error, Result};
use arrow::ipc::{Message, root_as_footer, root_as_message};
use std::io::{self, Read, Seek, SeekFrom};

/// The most bytes of one batch, decompressed.
const BATCH: i64 = 1 << 30;

/// The longest header of a message; a table of thousands of columns has less.
const HEADER: usize = 64 << 20;

/// What stands before a message's length, and the length of both.
const CONTINUATION: [u8; 4] = [0xff; 4];
const PREFIX: usize = 8;

/// Where in its body the compressed buffers of a message begin, ascending.
fn compressed_buffers(message: &Message<'_>) -> Vec<u64> {
    let batch = message.header_as_record_batch().or_else(|| {
        message
            .header_as_dictionary_batch()
            .and_then(|dictionary| dictionary.data())
    });
    let Some(batch) = batch.filter(|batch| batch.compression().is_some()) else {
        return Vec::new();
    };
    let mut begins: Vec<u64> = batch
        .buffers()
        .iter()
        .flatten()
        .filter(|buffer| buffer.length() >= 8)
        .filter_map(|buffer| u64::try_from(buffer.offset()).ok())
        .collect();
    begins.sort_unstable();
    begins.dedup();
    begins
}

/// Adds what a buffer claims.
fn add(sum: &mut i64, claim: [u8; 8]) -> io::Result<()> {
    // -1 stands before bytes that are not compressed.
    *sum = sum.saturating_add(i64::from_le_bytes(claim).max(0));
    if *sum > BATCH {
        return Err(io::Error::other(format!(
            "a batch of {sum} bytes, decompressed; at most {} MiB are read at once",
            BATCH >> 20
        )));
    }
    Ok(())
}

/// What of an Arrow stream goes by.
#[derive(Default)]
pub(super) struct Watch {
    part: Part,
    /// What is collected: a prefix, a header, or a buffer's claim.
    bytes: Vec<u8>,
    /// Bytes of the body that went by, and its length.
    at: u64,
    length: u64,
    /// Where the buffers begin that have not gone by, the next one last.
    begins: Vec<u64>,
    /// What the buffers of this message claim together.
    claimed: i64,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    #[default]
    Prefix,
    Header(usize),
    Body,
    /// What cannot be followed is the decoder's to refuse.
    Lost,
}

impl Watch {
    /// Looks at the next bytes.
    ///
    /// # Errors
    /// A batch that claims to be too large.
    pub(super) fn see(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() && self.part != Part::Lost {
            match self.part {
                Part::Prefix => {
                    if self.collect(&mut bytes, PREFIX) {
                        self.prefix();
                    }
                }
                Part::Header(length) => {
                    if self.collect(&mut bytes, length) {
                        self.header();
                    }
                }
                Part::Body => self.body(&mut bytes)?,
                Part::Lost => {}
            }
        }
        Ok(())
    }

    /// Takes bytes until so many are collected; whether they are.
    fn collect(&mut self, bytes: &mut &[u8], wanted: usize) -> bool {
        let n = bytes.len().min(wanted - self.bytes.len());
        let (now, rest) = bytes.split_at(n);
        self.bytes.extend_from_slice(now);
        *bytes = rest;
        self.bytes.len() == wanted
    }

    fn prefix(&mut self) {
        let is_new = self.bytes.starts_with(&CONTINUATION);
        let length: Option<[u8; 4]> = self.bytes[4..].try_into().ok();
        self.bytes.clear();
        self.part = match length.map(u32::from_le_bytes) {
            // A length of nothing is the end; what has no mark before it is of before 2019.
            Some(length @ 1..) if is_new && length as usize <= HEADER => {
                Part::Header(length as usize)
            }
            _ => Part::Lost,
        };
    }

    fn header(&mut self) {
        let header = std::mem::take(&mut self.bytes);
        let message = root_as_message(&header).ok();
        let body = message.and_then(|message| {
            let length = u64::try_from(message.bodyLength()).ok()?;
            Some((compressed_buffers(&message), length))
        });
        let Some((mut begins, length)) = body else {
            self.part = Part::Lost;
            return;
        };
        begins.reverse();
        (self.begins, self.length, self.at, self.claimed) = (begins, length, 0, 0);
        self.part = if length == 0 {
            Part::Prefix
        } else {
            Part::Body
        };
    }

    fn body(&mut self, bytes: &mut &[u8]) -> io::Result<()> {
        let claim = self
            .begins
            .last()
            .copied()
            .filter(|&begin| begin < self.length);
        let stop = match claim {
            Some(begin) if self.at < begin => begin,
            Some(begin) => (begin + 8).min(self.length),
            None => self.length,
        };
        let n = (bytes.len() as u64).min(stop.saturating_sub(self.at));
        // At most as many as there are bytes.
        let (now, rest) = bytes.split_at(usize::try_from(n).unwrap_or(bytes.len()));
        if claim.is_some_and(|begin| self.at >= begin) {
            self.bytes.extend_from_slice(now);
        }
        *bytes = rest;
        self.at += n;
        if self.at == stop && claim.is_some_and(|begin| stop != begin) {
            self.begins.pop();
            if let Ok(claim) = <[u8; 8]>::try_from(self.bytes.as_slice()) {
                add(&mut self.claimed, claim)?;
            }
            self.bytes.clear();
            // Buffers that overlap cannot be.
            self.begins.retain(|&begin| begin >= stop);
        }
        if self.at == self.length {
            self.bytes.clear();
            self.part = Part::Prefix;
        }
        Ok(())
    }
}

/// Looks at the table of contents of an Arrow file and at what its batches claim.
///
/// # Errors
/// A footer that is not inside the file; a batch that is too large; the file cannot be read.
pub(super) fn check_file(file: &mut (impl Read + Seek)) -> Result<()> {
    let cut_off =
        |e: &dyn std::fmt::Display| Error::data(format!("damaged or cut-off Arrow file: {e}"));
    check_blocks(file).map_err(|e| cut_off(&e))?;
    file.rewind().map_err(|e| cut_off(&e))
}

fn check_blocks(file: &mut (impl Read + Seek)) -> io::Result<()> {
    /// The footer's length and the closing `ARROW1`.
    const END: usize = 10;
    let wrong = |what: String| io::Error::other(what);
    let size = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::End(-10))?;
    let mut end = [0; END];
    file.read_exact(&mut end)?;
    let length = arrow::ipc::reader::read_footer_length(end).map_err(|e| wrong(e.to_string()))?;
    // arrow makes room for it before it looks.
    if length as u64 > size {
        return Err(wrong(format!(
            "a footer of {length} bytes in a file of {size}"
        )));
    }
    let begin = size.saturating_sub((END + length) as u64);
    let footer = read_at(file, begin, length)?;
    let footer = root_as_footer(&footer).map_err(|e| {
        // The way to it follows, a line a step.
        let what = e.to_string();
        wrong(format!(
            "its footer: {}",
            what.lines().next().unwrap_or_default()
        ))
    })?;
    let (dictionaries, batches) = (footer.dictionaries(), footer.recordBatches());
    for block in dictionaries
        .iter()
        .flatten()
        .chain(batches.iter().flatten())
    {
        let (Ok(at), Ok(header), Ok(body)) = (
            u64::try_from(block.offset()),
            usize::try_from(block.metaDataLength()),
            u64::try_from(block.bodyLength()),
        ) else {
            return Err(wrong("a negative place or length".to_owned()));
        };
        let body_at = at.saturating_add(header as u64);
        if body_at.saturating_add(body) > size || header > HEADER {
            return Err(wrong("a batch that lies outside the file".to_owned()));
        }
        let header = read_at(file, at, header)?;
        let begin = if header.starts_with(&CONTINUATION) {
            PREFIX
        } else {
            4
        };
        let Some(message) = header
            .get(begin..)
            .and_then(|header| root_as_message(header).ok())
        else {
            // The decoder's to refuse.
            continue;
        };
        let mut claimed = 0;
        for begin in compressed_buffers(&message) {
            if begin.saturating_add(8) > body {
                return Err(wrong("a buffer that lies outside its batch".to_owned()));
            }
            let claim = read_at(file, body_at + begin, 8)?;
            if let Ok(claim) = claim.try_into() {
                add(&mut claimed, claim)?;
            }
        }
    }
    Ok(())
}

/// Bytes of a file, which has so many there.
fn read_at(file: &mut (impl Read + Seek), at: u64, length: usize) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    let n = file.take(length as u64).read_to_end(&mut bytes)?;
    if n < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}
