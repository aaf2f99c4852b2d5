/*!
Reads from a model's file, before a runtime does, which files hold the weights and which operators restrict how the
model may be run. It walks over the protobuf and skips the weights themselves.

Field numbers are those of onnx.proto (ONNX 1.x, IR version 3 and later).
*/

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek};
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result, counted};
use crate::text::refuse_lfs_pointer;

/// The deepest nesting of messages, since graphs may be in attributes of nodes. No exporter nests deeper.
const DEPTH: usize = 64;

/// The longest name that is read, in bytes.
const NAME: u64 = 4096;

/// ONNX Runtime takes a location of this name as an address in the memory of its own process.
const MEMORY: &str = "_ORT_MEM_ADDR_";

/// Operators that round activations to integers with one scale for all, which depends on every token of a call, and
/// operators that multiply such integers. `MatMulNBits` is not one of them: if it rounds activations (`accuracy_level`
/// 4), each block of each token has its own scale.
const QUANTISING: [&str; 6] = [
    "ConvInteger",
    "DynamicQuantizeLSTM",
    "DynamicQuantizeLinear",
    "DynamicQuantizeMatMul",
    "MatMulInteger",
    "MatMulIntegerToFloat",
];

/// Attention operators, which have a window if the attribute [`WINDOW`] gives one. Other kinds of attention may put a
/// window into the arithmetic of a mask, which cannot be recognised.
const WINDOWED: [&str; 2] = ["GroupQueryAttention", "PagedAttention"];
const WINDOW: &str = "local_window_size";
/// Their attribute for a cache that is only as long as the window.
const SLIDING: &str = "sliding_window_cache";

/// The messages on the way from a model to its external data.
#[derive(Clone, Copy, PartialEq)]
enum Message {
    Model,
    Training,
    Graph,
    Node,
    Attribute,
    Function,
    Tensor,
    SparseTensor,
    Entry,
}

impl Message {
    /// The message in a field, if the way to external data leads through it.
    fn child(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) | (Self::Training, 1 | 2) | (Self::Attribute, 6 | 11) => {
                Some(Self::Graph)
            }
            (Self::Model, 20) => Some(Self::Training),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Graph, 1) | (Self::Function, 7) => Some(Self::Node),
            (Self::Node, 5) | (Self::Function, 11) => Some(Self::Attribute),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => {
                Some(Self::Tensor)
            }
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Some(Self::SparseTensor),
            (Self::Tensor, 13) => Some(Self::Entry),
            _ => None,
        }
    }
}

/// What a model's file says about the model.
#[derive(Debug, Default)]
pub(crate) struct GraphFile {
    /// The graph, then its external data in the order of their names.
    pub files: Vec<PathBuf>,
    /// The operators that make a token's logits depend on what else a call reads.
    pub quantising: BTreeSet<String>,
    /// Whether some attention operator could have a window, but none has one.
    pub is_without_window: bool,
    /// Whether some operator caches only its window, and so loses the beginning of what it has read.
    pub slides: bool,
}

/// Reads a model's file without its weights.
pub(crate) fn contents(model: &Path) -> Result<GraphFile> {
    let refuse = |problem: &dyn Display| Error::model(format!("{}: {problem}", model.display()));
    refuse_lfs_pointer(model).map_err(|error| refuse(&error))?;
    let file = File::open(model).map_err(|error| refuse(&error))?;
    let length = file.metadata().map_err(|error| refuse(&error))?.len();
    let mut reader = GraphReader {
        reader: BufReader::new(file),
        at: 0,
        locations: BTreeMap::new(),
        quantising: BTreeSet::new(),
        windows: Vec::new(),
        slides: false,
    };
    reader.message(Message::Model, length, 0).map_err(|error| {
        refuse(&format!(
            "not an ONNX model, or cut short (at byte {} of {length}: {error})",
            reader.at
        ))
    })?;
    let folder = model.parent().unwrap_or(Path::new(""));
    // Hugging Face's cache has links for files, all to one folder. So external data may lie beside the real model.
    let real = |path: &Path| path.canonicalize().ok();
    let homes = [
        real(folder),
        real(model).and_then(|model| model.parent().map(Path::to_owned)),
    ];
    let is_home = |path: &Path| homes.iter().flatten().any(|home| path.starts_with(home));
    let mut files = vec![model.to_owned()];
    for (location, &expected) in &reader.locations {
        let inside = Path::new(location)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let path = folder.join(location);
        let leads_out = || real(&path).is_some_and(|path| !is_home(&path));
        if !inside || location.contains(MEMORY) || leads_out() {
            return Err(refuse(&format!(
                "external data {location:?} lies outside the model's folder"
            )));
        }
        let wrong = |what: &dyn Display| Error::model(format!("{}: {what}", path.display()));
        if !path.is_file() {
            return Err(wrong(&"no such file, but the graph keeps weights in it"));
        }
        refuse_lfs_pointer(&path).map_err(|error| wrong(&error))?;
        let found = path.metadata().map_err(|error| wrong(&error))?.len();
        if found < expected {
            return Err(wrong(&format!(
                "cut short: {}, but the graph keeps weights in {expected}; copy or convert it again",
                counted(found, "byte")
            )));
        }
        files.push(path);
    }
    Ok(GraphFile {
        files,
        quantising: reader.quantising,
        is_without_window: reader.windows.contains(&false) && !reader.windows.contains(&true),
        slides: reader.slides,
    })
}

struct GraphReader<R> {
    reader: R,
    at: u64,
    /// The files of external data, and how long the graph expects each to be, in bytes.
    locations: BTreeMap<String, u64>,
    quantising: BTreeSet<String>,
    /// For each operator that could have a window: whether it has one.
    windows: Vec<bool>,
    slides: bool,
}

/// The fields of a message. `name`: the key of an entry, the name of an attribute or the operator of a node. `value`:
/// an entry's value, or a tensor's location. `number`: an attribute's number, or where a tensor ends in its file.
#[derive(Default)]
struct Fields {
    name: String,
    value: String,
    number: u64,
}

impl<R: BufRead + Seek> GraphReader<R> {
    /// Reads one message that ends at byte `end`.
    fn message(&mut self, message: Message, end: u64, depth: usize) -> io::Result<Fields> {
        if depth > DEPTH {
            return Err(io::Error::other("messages are nested too deeply"));
        }
        let mut fields = Fields::default();
        let mut has_window = false;
        while self.at < end {
            let tag = self.varint()?;
            let (field, wire) = (tag >> 3, tag & 7);
            match wire {
                0 => {
                    let number = self.varint()?;
                    if (message, field) == (Message::Attribute, 3) {
                        fields.number = number;
                    }
                }
                1 => self.skip(8)?,
                5 => self.skip(4)?,
                2 => {
                    let length = self.varint()?;
                    let stop = self
                        .at
                        .checked_add(length)
                        .filter(|&stop| stop <= end)
                        .ok_or(ErrorKind::UnexpectedEof)?;
                    match (message, field) {
                        (Message::Entry | Message::Attribute, 1) | (Message::Node, 4) => {
                            fields.name = self.string(length)?;
                        }
                        (Message::Entry, 2) => fields.value = self.string(length)?,
                        _ => match message.child(field) {
                            Some(child) => {
                                let inner = self.message(child, stop, depth + 1)?;
                                // A window is a signed number; -1 means none.
                                has_window |=
                                    inner.name == WINDOW && (1..1 << 63).contains(&inner.number);
                                self.slides |= inner.name == SLIDING && inner.number != 0;
                                match (message, inner.name.as_str()) {
                                    (Message::Tensor, "location") => fields.value = inner.value,
                                    (Message::Tensor, "offset" | "length") => {
                                        let part = inner.value.parse().unwrap_or(0);
                                        fields.number = fields.number.saturating_add(part);
                                    }
                                    _ => {}
                                }
                            }
                            None => self.skip(length)?,
                        },
                    }
                }
                _ => {
                    return Err(io::Error::other(format!("wire type {wire}")));
                }
            }
        }
        if self.at != end {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match message {
            Message::Entry if fields.name == "location" => {
                self.locations.entry(fields.value.clone()).or_default();
            }
            Message::Tensor => {
                if let Some(expected) = self.locations.get_mut(&fields.value) {
                    *expected = fields.number.max(*expected);
                }
            }
            Message::Node if QUANTISING.contains(&fields.name.as_str()) => {
                self.quantising.insert(std::mem::take(&mut fields.name));
            }
            Message::Node if WINDOWED.contains(&fields.name.as_str()) => {
                self.windows.push(has_window);
            }
            _ => {}
        }
        Ok(fields)
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.reader.read_exact(&mut byte)?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(io::Error::other("a number of more than 64 bits"))
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let offset = i64::try_from(length).map_err(|_| ErrorKind::UnexpectedEof)?;
        self.reader.seek_relative(offset)?;
        self.at += length;
        Ok(())
    }

    fn string(&mut self, length: u64) -> io::Result<String> {
        if length > NAME {
            return Err(io::Error::other("a name of more than 4096 bytes"));
        }
        let mut text = String::new();
        self.reader
            .by_ref()
            .take(length)
            .read_to_string(&mut text)?;
        self.at += length;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A field that holds fewer than 128 bytes.
    fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![field << 3 | 2, u8::try_from(content.len()).unwrap()];
        assert!(out[1] < 0x80);
        out.extend(content);
        out
    }

    /// A model whose one initialiser lies in another file.
    fn model() -> Vec<u8> {
        let place = [("location", "w"), ("offset", "2"), ("length", "5")].map(|(key, value)| {
            let entry = [bytes(1, key.as_bytes()), bytes(2, value.as_bytes())];
            bytes(13, &entry.concat())
        });
        let tensor = [vec![0x08, 0x01], bytes(8, b"w"), place.concat()].concat();
        [vec![0x08, 0x08], bytes(7, &bytes(5, &tensor))].concat()
    }

    #[test]
    fn every_cut_of_a_model_is_refused_or_harmless() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        let is_refused = |model: &[u8]| {
            fs::write(&path, model).unwrap();
            let words = "not an ONNX model, or cut short";
            contents(&path).is_err_and(|error| error.to_string().contains(words))
        };
        let whole = model();
        for length in 1..whole.len() {
            // The first two bytes are the version alone: a model without a graph, which the session refuses.
            assert_eq!(is_refused(&whole[..length]), length != 2, "{length}");
        }
        assert!(is_refused(b"version: latest\n"));
    }
}
