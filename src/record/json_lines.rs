/*!
JSON lines: one record an object, one object a line, read and written.
*/

use super::column::{Value, shorten};
use super::extra::Extra;
use super::place::Place;
use super::plain;
use super::provenance::Chain;
use super::row::Row;
use super::rows::Rows;
use super::table::{Fields, Record};
use super::version;
use crate::compression::Stream;
use crate::error::{Error, Result};
use crate::program::{Bits, MAX_BITS};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::io::{BufRead, ErrorKind};
use std::sync::Arc;

/// The longest line: a prompt of 128 shots has about 10 kB.
pub(super) const LONGEST: usize = 64 << 20;

pub(super) fn too_long(place: &Place) -> Error {
    let most = LONGEST >> 20;
    Error::data(format!("{place}: longer than a record may be ({most} MiB)"))
}

/// A JSON object, its values still text: each is parsed when its type is known.
pub struct Object<'a> {
    fields: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Object<'a> {
    /// The object on one line.
    pub(super) fn parse(line: &'a str) -> std::result::Result<Self, String> {
        if let Some(fields) = plain::fields(line) {
            return Ok(Self { fields });
        }
        serde_json::from_str(line).map_err(|e| {
            let message = e.to_string();
            let what = message.split(" at line ").next().unwrap_or(&message);
            if line.starts_with('[') {
                return "not a JSON object: an array, `jq -c '.[]'` takes it apart".to_owned();
            }
            if e.is_eof() {
                format!("the JSON object is cut off ({what})")
            } else {
                format!("not a JSON object: {what} at character {}", e.column())
            }
        })
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(super) fn name(&self, at: usize) -> Option<&str> {
        self.fields.get(at).map(|(name, _)| &**name)
    }

    pub(super) fn value(&self, at: usize) -> Option<&'a str> {
        self.fields.get(at).map(|(_, value)| *value)
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.fields()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.fields.iter().map(|(name, value)| (&**name, *value))
    }

    /// The chain of a line that is no record: it holds nothing but the chain, the version of the records' schema, or both.
    fn header(&self) -> Option<std::result::Result<Chain, String>> {
        const CHAIN: &str = "provenance";
        let is_header = |(name, _)| name == CHAIN || name == version::SCHEMA_KEY;
        if self.fields.is_empty() || !self.fields().all(is_header) {
            return None;
        }
        let chain = self.get(CHAIN);
        let chain = chain.map_or(Ok(Chain::default()), Chain::from_json);
        Some(version::check_json(self.get(version::SCHEMA_KEY)).and(chain))
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        /// A key, borrowed from the line unless it holds escapes.
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        struct Columns;

        impl<'de> Visitor<'de> for Columns {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Object<'de>, A::Error> {
                let mut fields = Vec::with_capacity(32);
                while let Some(Name(name)) = map.next_key()? {
                    let value: &RawValue = map.next_value()?;
                    fields.push((name, value.get()));
                }
                Ok(Object { fields })
            }
        }

        deserializer.deserialize_map(Columns)
    }
}

/// Lines, read one after the other.
pub(super) struct JsonLines {
    file: Arc<str>,
    stream: Stream,
    line: Vec<u8>,
    number: u64,
    /// Whether `line` was read already, and is still to be handed out.
    is_waiting: bool,
    chain: Option<Chain>,
}

impl JsonLines {
    /// The lines of a stream, read up to the first record: the provenance, mostly, stands before it.
    pub(super) fn open(file: Arc<str>, stream: Stream) -> Result<Self> {
        let mut lines = Self {
            file,
            stream,
            line: Vec::new(),
            number: 0,
            is_waiting: false,
            chain: None,
        };
        lines.is_waiting = lines.read_record()?;
        Ok(lines)
    }

    /// Reads the next line that is a record, or is meant as one.
    fn read_record(&mut self) -> Result<bool> {
        while self.read_line()? {
            let line = self.line.trim_ascii();
            // Records begin with another column: what does not look like a header is not parsed twice.
            if let [b'{', b'"', b'p' | b's', ..] | [b'{', b' ', ..] = line {
                let object = std::str::from_utf8(line).ok().map(Object::parse);
                let header = object.and_then(|object| object.ok()?.header());
                if let Some(chain) = header {
                    let chain = chain.map_err(|e| Error::data(e).at(self.place()))?;
                    self.chain.get_or_insert_default().merge(chain);
                    continue;
                }
            }
            // What is wrong with it is said when it is read.
            if !line.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the next line, with its line break; false at the end.
    fn read_line(&mut self) -> Result<bool> {
        self.line.clear();
        loop {
            let there = match self.stream.fill_buf() {
                Ok(there) => there,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(Error::io(&self.file, e)),
            };
            // As `read_until`, but the end is looked for many bytes at a time.
            let end = memchr::memchr(b'\n', there).map(|at| at + 1);
            let taken = end.unwrap_or(there.len());
            self.line.extend_from_slice(&there[..taken]);
            self.stream.consume(taken);
            let is_over = end.is_some() || taken == 0;
            if is_over && self.line.is_empty() {
                return Ok(false);
            }
            if self.line.len() > LONGEST || is_over {
                self.number += 1;
                if self.line.len() > LONGEST {
                    return Err(too_long(&self.place()));
                }
                return Ok(true);
            }
        }
    }

    fn place(&self) -> Place {
        Place::line(&self.file, self.number)
    }

    /// What `see` makes of the line.
    fn parse<T>(
        &self,
        see: &mut dyn FnMut(&Object<'_>) -> std::result::Result<T, String>,
    ) -> std::result::Result<T, String> {
        let line = std::str::from_utf8(&self.line).map_err(|e| {
            let before = String::from_utf8_lossy(&self.line[..e.valid_up_to().min(20)]);
            format!(
                "not UTF-8 text at byte {} ({})",
                e.valid_up_to() + 1,
                shorten(&before)
            )
        })?;
        let line = line.trim();
        if self.number == 1 && line == "{" {
            return Err("a JSON object of several lines, `jq -c .` puts it on one".to_owned());
        }
        let object = Object::parse(line)?;
        version::check_json(object.get(version::SCHEMA_KEY))?;
        see(&object)
    }
}

impl Rows for JsonLines {
    fn next(
        &mut self,
        see: &mut dyn FnMut(Row<'_>, Place) -> std::result::Result<(), String>,
    ) -> Result<bool> {
        if !std::mem::take(&mut self.is_waiting) && !self.read_record()? {
            return Ok(false);
        }
        let place = self.place();
        let mut read = |object: &Object<'_>| see(Row::Json(object), place.clone());
        let mut done = self.parse(&mut read);
        if done.is_err() && null_for_nan(&mut self.line) {
            done = self
                .parse(&mut read)
                .map_err(|e| match e.strip_suffix("found null") {
                    Some(expected) => format!("{expected}found NaN"),
                    None => e,
                });
        }
        done.map_err(|e| Error::data(format!("{place}: {e}")))?;
        Ok(true)
    }

    fn provenance(&mut self) -> Option<Chain> {
        self.chain.take()
    }

    fn columns(&self) -> Vec<String> {
        let mut names =
            |object: &Object<'_>| Ok(object.fields().map(|(name, _)| name.to_owned()).collect());
        if self.is_waiting {
            self.parse(&mut names).unwrap_or_default()
        } else {
            Vec::new()
        }
    }
}

/// Puts null in the place of each NaN, which Python writes and JSON has not; whether there was one.
fn null_for_nan(line: &mut Vec<u8>) -> bool {
    let mut fixed = Vec::with_capacity(line.len());
    let (mut rest, mut is_text) = (&line[..], false);
    while let Some((&byte, behind)) = rest.split_first() {
        let taken = match byte {
            b'"' => {
                is_text = !is_text;
                1
            }
            b'\\' if is_text => behind.len().min(1) + 1,
            b'N' if !is_text && rest.starts_with(b"NaN") => {
                fixed.extend_from_slice(b"null");
                rest = &rest[3..];
                continue;
            }
            _ => 1,
        };
        fixed.extend_from_slice(&rest[..taken]);
        rest = &rest[taken..];
    }
    let found = fixed.len() > line.len();
    *line = fixed;
    found
}

/// A record's line, appended to `line` without its line break. Columns in `skip` are left out.
pub(super) fn push_record<T: Record>(
    line: &mut Vec<u8>,
    record: &T,
    extra: &Extra,
    skip: &[&str],
) -> Result<()> {
    struct Line<'a> {
        line: &'a mut Vec<u8>,
        skip: &'a [&'a str],
    }

    impl Fields for Line<'_> {
        type Error = Infallible;

        fn field<V: Value>(
            &mut self,
            name: &'static str,
            value: &V,
        ) -> std::result::Result<(), Infallible> {
            if !self.skip.contains(&name) {
                // Names are identifiers, without escapes.
                self.line.extend_from_slice(b",\"");
                self.line.extend_from_slice(name.as_bytes());
                self.line.extend_from_slice(b"\":");
                value.push_json(self.line);
            }
            Ok(())
        }
    }

    let begin = line.len();
    let Ok(()) = record.fields(&mut Line { line, skip });
    for (name, raw) in extra.beside(T::COLUMNS)? {
        line.push(b',');
        push_text(line, name);
        line.push(b':');
        line.extend_from_slice(raw.as_bytes());
    }
    if line.len() == begin {
        line.push(b'{');
    }
    line[begin] = b'{';
    line.push(b'}');
    Ok(())
}

/// `text` as a JSON string.
pub(super) fn push_text(line: &mut Vec<u8>, text: &str) {
    // Looked at to the end whatever is found, so that many bytes are looked at at once.
    let escapes = text.bytes().fold(0, |found, byte| {
        found | u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\')
    });
    if escapes == 0 {
        line.push(b'"');
        line.extend_from_slice(text.as_bytes());
        line.push(b'"');
        return;
    }
    // Writing a string into a vector cannot fail.
    let _ = serde_json::to_writer(line, text);
}

/// Bitstrings with commas between them: most of a trial is made of them. Each is written at its full width and only
/// counted at its length, which takes a few stores instead of a copy of any length.
pub(super) fn push_bits(line: &mut Vec<u8>, list: &[Bits]) {
    // Quotes and a comma, or what was written too far.
    const ROOM: usize = MAX_BITS as usize + 3;
    let begin = line.len();
    line.resize(begin + ROOM * list.len(), b',');
    let mut end = begin;
    for bits in list {
        let Some(room) = line[end..].first_chunk_mut::<ROOM>() else {
            break;
        };
        room[0] = b'"';
        let width = bits.len() as usize;
        room[1..=MAX_BITS as usize].copy_from_slice(&bits.spell(b'0', b'1'));
        room[width + 1..width + 3].copy_from_slice(b"\",");
        end += width + 3;
    }
    // Without the last comma.
    line.truncate(end - usize::from(end > begin));
}
