/*!
JSON lines: one record an object, one object a line.
*/

use super::column::{Cell, Value, shorten};
use super::extra::Extra;
use super::table::{Record, Row};
use super::version::SCHEMA_KEY;
use crate::program::{Bits, MAX_BITS};
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

/// A JSON object, its values still text: each column is parsed when its type is known.
pub(super) struct Object<'a> {
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Object<'a> {
    /// The object on one line.
    pub(super) fn parse(line: &'a str) -> Result<Self, String> {
        serde_json::from_str(line).map_err(|e| {
            let message = e.to_string();
            let what = message.split(" at line ").next().unwrap_or(&message);
            if e.is_eof() {
                format!("the JSON object is cut off ({what})")
            } else {
                format!("not a JSON object: {what} at character {}", e.column())
            }
        })
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.fields.iter().map(|(name, value)| (&**name, *value))
    }

    /// The columns that `T` doesn't have, but for the schema's version, which is no longer true of what `T` becomes.
    pub(super) fn extra<T: Record>(&self) -> Extra {
        let mut extra = Extra::default();
        for (name, value) in self.fields() {
            if name != SCHEMA_KEY && !T::COLUMNS.iter().any(|c| c.name == name) {
                extra.push(name, value);
            }
        }
        extra
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::with_capacity(32);
                while let Some(Name(name)) = map.next_key()? {
                    fields.push((name, map.next_value()?));
                }
                Ok(Object { fields })
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// A key, borrowed from the line unless it holds escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Row for Object<'_> {
    fn cell(&self, index: usize, name: &'static str) -> Cell<'_> {
        // Our own files have the columns in order: look at the expected place first.
        let value = match self.fields.get(index) {
            Some((found, value)) if found == name => Some(*value),
            _ => self.get(name),
        };
        value.map_or(Cell::Missing, Cell::Json)
    }
}

/// A record's line, appended to `line` without its line break. Columns in `skip` are left out. `shared` is the line of
/// the columns that the kind shares with another, where it is known already.
pub(super) fn push_record<T: Record>(
    line: &mut Vec<u8>,
    shared: Option<&[u8]>,
    record: &T,
    extra: &Extra,
    skip: &[&str],
) {
    let (begun, copied) = match shared.and_then(|shared| shared.strip_suffix(b"}")) {
        Some(shared) => (shared, T::SHARED),
        None => (&b"{"[..], 0),
    };
    line.extend_from_slice(begun);
    // Nothing stands before the first column but the brace.
    let mut first = usize::from(copied == 0);
    let mut at = 0;
    record.values(&mut |value| {
        let column = &T::COLUMNS[at];
        at += 1;
        if at <= copied || skip.contains(&column.name) {
            return;
        }
        line.extend_from_slice(&column.key.as_bytes()[std::mem::take(&mut first)..]);
        push_value(line, value);
    });
    for (name, raw) in extra.beside(|name| T::COLUMNS.iter().any(|c| c.name == name)) {
        line.push(b',');
        push_text(line, name);
        line.push(b':');
        line.extend_from_slice(raw.as_bytes());
    }
    line.push(b'}');
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

fn push_value(line: &mut Vec<u8>, value: Value<'_>) {
    // Writing into a vector cannot fail, so the results below have nothing to say.
    match value {
        Value::Null => line.extend_from_slice(b"null"),
        Value::Text(text) => push_text(line, text),
        Value::Bits(bits) => push_bits(line, &[bits]),
        Value::Int(n) => push_int(line, n),
        // serde_json writes the shortest text that reads back the same, and null if not finite.
        Value::Float(x) => {
            let _ = serde_json::to_writer(line, &x);
        }
        Value::Bool(b) => {
            let _ = write!(line, "{b}");
        }
        Value::BitsList(list) => {
            line.push(b'[');
            push_bits(line, list);
            line.push(b']');
        }
        Value::IntList(list) => {
            line.push(b'[');
            for (i, &n) in list.iter().enumerate() {
                if i > 0 {
                    line.push(b',');
                }
                push_int(line, i64::from(n));
            }
            line.push(b']');
        }
    }
}

fn push_int(line: &mut Vec<u8>, n: i64) {
    line.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Bitstrings with commas between them: most of a trial is made of them. Each is written at its full width and only
/// counted at its length, which takes a few stores instead of a copy of any length.
fn push_bits(line: &mut Vec<u8>, list: &[Bits]) {
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

/// The line as UTF-8, or where it isn't.
pub(super) fn utf8(line: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(line).map_err(|e| {
        format!(
            "not UTF-8 text at byte {} ({})",
            e.valid_up_to() + 1,
            shorten(&String::from_utf8_lossy(&line[..e.valid_up_to().min(20)]))
        )
    })
}
