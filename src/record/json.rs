/*!
JSON lines: one record an object, one object a line.
*/

use super::column::{Cell, Value, shorten};
use super::extra::Extra;
use super::table::{Record, Row};
use super::version::SCHEMA_KEY;
use crate::program::MAX_BITS;
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

/// A record's line, appended to `line` without its line break. Columns in `skip` are left out.
pub(super) fn push_record<T: Record>(line: &mut Vec<u8>, record: &T, extra: &Extra, skip: &[&str]) {
    line.push(b'{');
    let mut columns = T::COLUMNS.iter();
    let mut first = true;
    record.values(&mut |value| {
        let Some(column) = columns.next() else { return };
        if skip.contains(&column.name) {
            return;
        }
        if !std::mem::take(&mut first) {
            line.push(b',');
        }
        // Column names are identifiers: nothing in them needs an escape.
        line.push(b'"');
        line.extend_from_slice(column.name.as_bytes());
        line.extend_from_slice(b"\":");
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
    // Writing a string into a vector cannot fail.
    let _ = serde_json::to_writer(line, text);
}

fn push_value(line: &mut Vec<u8>, value: Value<'_>) {
    // Writing into a vector cannot fail, so the results below have nothing to say.
    match value {
        Value::Null => line.extend_from_slice(b"null"),
        Value::Text(text) => push_text(line, text),
        Value::Bits(bits) => {
            line.push(b'"');
            line.extend_from_slice(bits.spell(b'0', b'1', &mut [0; MAX_BITS as usize]));
            line.push(b'"');
        }
        Value::Int(n) => {
            let _ = write!(line, "{n}");
        }
        // serde_json writes the shortest text that reads back the same, and null if not finite.
        Value::Float(x) => {
            let _ = serde_json::to_writer(line, &x);
        }
        Value::Bool(b) => {
            let _ = write!(line, "{b}");
        }
        Value::BitsList(list) => push_list(line, list.iter().map(|&b| Value::Bits(b))),
        Value::IntList(list) => push_list(line, list.iter().map(|&n| Value::Int(i64::from(n)))),
    }
}

fn push_list<'a>(line: &mut Vec<u8>, items: impl Iterator<Item = Value<'a>>) {
    line.push(b'[');
    for (i, item) in items.enumerate() {
        if i > 0 {
            line.push(b',');
        }
        push_value(line, item);
    }
    line.push(b']');
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
