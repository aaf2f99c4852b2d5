/*!
gzip and zstd around files. Reading recognizes them by the first bytes; writing chooses by the suffix of the file name.

Several members or frames may follow each other, as from `bgzip`, `pigz` and `cat a.gz b.gz`. A stream without the end
that its format requires is an error, never a shorter file. Memory does not grow with the length of a stream.
*/

use crate::{memory, text};
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

/// A compressed stream's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip, RFC 1952. BGZF is gzip, too.
    Gzip,
    /// Zstandard, RFC 8878.
    Zstd,
}

impl Compression {
    /// The compression that a file's first bytes show.
    #[must_use]
    pub fn of_head(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            // The second pattern is a skippable frame, which `pzstd` writes first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The compression that the suffix of a file name asks for: `.gz` or `.zst`.
    #[must_use]
    pub fn of_suffix(path: &Path) -> Option<Self> {
        match path.extension()?.to_ascii_lowercase().to_str()? {
            "gz" => Some(Self::Gzip),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// Buffer size for reading, in bytes.
const BUFFER: usize = 1 << 18;

/// Any stream.
pub type Stream = Box<dyn BufRead>;

/// A stream, decompressed if its first bytes show a compression, and that compression.
///
/// # Errors
/// The beginning cannot be read. Later errors come from the returned stream.
pub fn unpack(stream: impl Read + 'static) -> io::Result<(Stream, Option<Compression>)> {
    let (head, stream) = peek(Box::new(BufReader::with_capacity(BUFFER, stream)))?;
    let Some(packed_with) = Compression::of_head(&head) else {
        return Ok((stream, None));
    };
    let unpacked = Unpacked {
        packed_with,
        decoder: match packed_with {
            Compression::Gzip => Box::new(Gunzip::new(stream)),
            Compression::Zstd => Box::new(zstd::Decoder::with_buffer(stream)?),
        },
    };
    let stream = BufReader::with_capacity(BUFFER, unpacked);
    Ok((Box::new(stream), Some(packed_with)))
}

/// The first bytes of a stream, enough to recognize its format, and the stream from its beginning. It reads until it
/// has them, because one read of a pipe can return fewer.
///
/// # Errors
/// It cannot be read.
pub fn peek(mut stream: Stream) -> io::Result<(Vec<u8>, Stream)> {
    /// More than any format needs: error messages show them.
    const HEAD: u64 = 64;
    let mut head = Vec::new();
    stream.by_ref().take(HEAD).read_to_end(&mut head)?;
    let whole = Cursor::new(head.clone()).chain(stream);
    Ok((head, Box::new(whole)))
}

/// The text of a small file, decompressed. If memory runs out meanwhile, the message names this file.
///
/// # Errors
/// Those of [`open`] and of [`text::read`].
pub fn read_text(path: &Path) -> io::Result<String> {
    let before = memory::reading(Some(path.display().to_string().into()));
    let text = open(path).and_then(text::read);
    memory::reading(before);
    text
}

/// Opens a file and decompresses it.
///
/// # Errors
/// It cannot be opened or read.
pub fn open(path: &Path) -> io::Result<Stream> {
    Ok(unpack(File::open(path)?)?.0)
}

/// A file name without the suffix of a compression.
#[must_use]
pub fn name_inside(path: &Path) -> PathBuf {
    match Compression::of_suffix(path) {
        Some(_) => path.with_extension(""),
        None => path.to_owned(),
    }
}

/// A decoder whose errors say what was expected.
struct Unpacked {
    decoder: Box<dyn Read>,
    packed_with: Compression,
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|e| {
            // An error of the file itself: the disk failed, or a signal interrupted the read.
            if e.raw_os_error().is_some() || e.kind() == io::ErrorKind::Interrupted {
                return e;
            }
            let tool = self.packed_with;
            io::Error::new(
                io::ErrorKind::InvalidData,
                if e.kind() == io::ErrorKind::UnexpectedEof {
                    format!("cut-off {tool} stream: expected more of it, found the end of the file")
                } else {
                    format!("damaged {tool} stream: {e}")
                },
            )
        })
    }
}

/// The members of a gzip stream, one after the other.
struct Gunzip {
    member: GzDecoder<Stream>,
    /// The bytes decompressed from this member so far.
    given: u64,
    /// Whether all members so far are BGZF's. BGZF marks its end.
    is_bgzf: bool,
}

impl Gunzip {
    fn new(stream: Stream) -> Self {
        Self {
            member: GzDecoder::new(stream),
            given: 0,
            is_bgzf: true,
        }
    }

    /// Goes to the next member. Returns whether there is one.
    fn next_member(&mut self) -> io::Result<bool> {
        /// A member of BGZF has an extra field of this name and size for its length (SAM specification, 4.1).
        const BGZF: &[u8] = b"BC\x02\0";
        let extra = self.member.header().and_then(|header| header.extra());
        self.is_bgzf &= extra.is_some_and(|extra| extra.starts_with(BGZF));
        if self.member.get_mut().fill_buf()?.is_empty() {
            // The last member of BGZF is empty (4.1.2). Without it, the file was cut between two members.
            if self.is_bgzf && self.given > 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            return Ok(false);
        }
        let stream = std::mem::replace(self.member.get_mut(), Box::new(io::empty()));
        self.member.reset(stream);
        self.given = 0;
        Ok(true)
    }
}

impl Read for Gunzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.member.read(buffer)?;
            self.given += n as u64;
            if n > 0 || buffer.is_empty() || !self.next_member()? {
                return Ok(n);
            }
        }
    }
}

/// A writer that compresses, or passes its bytes on unchanged.
pub enum Packer<W: Write> {
    /// Unchanged.
    Plain(W),
    /// gzip. It is never dropped, because flate2 would then write the end of the stream, and half an output would look
    /// complete.
    Gzip(ManuallyDrop<GzEncoder<W>>),
    /// Zstandard.
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Packer<W> {
    /// A packer that writes into `out`.
    ///
    /// # Errors
    /// The compressor cannot be set up, or its header cannot be written.
    pub fn new(out: W, compression: Option<Compression>) -> io::Result<Self> {
        Ok(match compression {
            None => Self::Plain(out),
            Some(Compression::Gzip) => {
                // The default level of `gzip`.
                let encoder = GzEncoder::new(out, flate2::Compression::default());
                Self::Gzip(ManuallyDrop::new(encoder))
            }
            Some(Compression::Zstd) => {
                let mut encoder = zstd::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                // The `zstd` tool does so, too. Without it, a flipped bit is read as data.
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
        })
    }

    /// Writes the end of the compressed stream, and returns the output. A packer that is dropped instead leaves a
    /// stream without its end, which every reader refuses.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(out) => Ok(out),
            Self::Gzip(encoder) => ManuallyDrop::into_inner(encoder).finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_those_of_the_tools() {
        for (name, compression, inside) in [
            ("a.jsonl.gz", Some(Compression::Gzip), "a.jsonl"),
            ("b/a.csv.ZST", Some(Compression::Zstd), "b/a.csv"),
            ("a.jsonl", None, "a.jsonl"),
            ("gz", None, "gz"),
        ] {
            let path = Path::new(name);
            assert_eq!(Compression::of_suffix(path), compression, "{name}");
            assert_eq!(name_inside(path), Path::new(inside));
        }
    }

    /// An encoder that finished its stream when dropped would make half an output look whole.
    #[test]
    fn a_dropped_stream_has_no_end() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let mut out = Vec::new();
            let mut packer = Packer::new(&mut out, Some(compression)).unwrap();
            packer.write_all(b"{\"a\": 1}\n").unwrap();
            packer.flush().unwrap();
            drop(packer);
            let read = unpack(io::Cursor::new(out))
                .and_then(|(mut stream, _)| stream.read_to_end(&mut Vec::new()));
            assert!(read.unwrap_err().to_string().contains("cut-off"));
        }
    }
}
