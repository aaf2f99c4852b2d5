/*!
Reads and writes JSON lines: one object on each line, one record in each object.
*/

use super::column::push_text;
use super::datum::Datum;
use super::plain;
use super::row::{Columns, LONGEST, Place, Row, Rows, See, TextFields};
use super::table::Record;
use super::version;
use crate::compression::Stream;
use crate::error::{Error, Result, shorten};
use crate::provenance::Chain;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::io::{BufRead as _, Read as _};
use std::sync::Arc;

/// A reader of lines.
pub(super) struct JsonLines {
    file: Arc<str>,
    stream: Stream,
    line: Vec<u8>,
    number: u64,
    /// Whether `line` holds a record that was read but not returned yet.
    is_waiting: bool,
    chain: Option<Chain>,
}

impl JsonLines {
    /// Opens a stream and reads up to the first record, because the provenance usually stands before it.
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

    /// Reads the next line that is neither empty nor a header. Returns false at the end.
    fn read_record(&mut self) -> Result<bool> {
        while self.read_line()? {
            let line = self.line.trim_ascii();
            // Records begin with other columns, so parse only lines that look like a header.
            if let [b'{', b'"', b'p' | b's', ..] | [b'{', b' ', ..] = line {
                let fields = std::str::from_utf8(line).ok().map(parse);
                let header = fields.and_then(|fields| header(&fields.ok()?));
                if let Some(chain) = header {
                    let chain = chain.map_err(|e| Error::data(e).at(self.place()))?;
                    self.chain.get_or_insert_default().merge(chain);
                    continue;
                }
            }
            // If the line is damaged, the error is returned when the record is read.
            if !line.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the next line, with its line break. Returns false at the end.
    fn read_line(&mut self) -> Result<bool> {
        self.line.clear();
        let mut stream = (&mut self.stream).take(LONGEST as u64 + 1);
        let read = stream.read_until(b'\n', &mut self.line);
        read.map_err(|e| Error::io(&self.file, e))?;
        self.number += 1;
        if self.line.len() > LONGEST {
            return Err(self.place().too_long());
        }
        Ok(!self.line.is_empty())
    }

    fn place(&self) -> Place {
        Place::line(&self.file, self.number)
    }

    /// Parses the line and passes its fields to `see`.
    fn parse<T>(
        &self,
        see: impl FnOnce(&TextFields<'_>) -> std::result::Result<T, String>,
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
        see(&parse(line)?)
    }
}

impl Rows for JsonLines {
    fn next(&mut self, see: &mut See<'_>) -> Result<bool> {
        if !std::mem::take(&mut self.is_waiting) && !self.read_record()? {
            return Ok(false);
        }
        let place = self.place();
        let mut read = |fields: &TextFields<'_>| {
            let (columns, next) = (Columns::Text(fields, Datum::json), Cell::new(0));
            see(Row::new(columns, &next), place.clone())
        };
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
        let names =
            |fields: &TextFields<'_>| Ok(fields.iter().map(|(name, _)| name.to_string()).collect());
        if self.is_waiting {
            self.parse(names).unwrap_or_default()
        } else {
            Vec::new()
        }
    }
}

/// The chain of a header line; none for other lines. A header holds only the chain, the schema version, or both.
fn header(fields: &TextFields<'_>) -> Option<std::result::Result<Chain, String>> {
    const CHAIN: &str = "provenance";
    let is_header = |(name, _): &(Cow<'_, str>, _)| name == CHAIN || name == version::SCHEMA_KEY;
    if fields.is_empty() || !fields.iter().all(is_header) {
        return None;
    }
    let chain = fields.iter().find(|(name, _)| name == CHAIN);
    let chain = chain.map_or(Ok(Chain::default()), |(_, chain)| Chain::from_json(chain));
    let next = Cell::new(0);
    let row = Row::new(Columns::Text(fields, Datum::json), &next);
    Some(version::check_row(row).and(chain))
}

/// Replaces each NaN with null. Python writes NaN, but JSON has no such number. Returns whether there was one.
fn null_for_nan(line: &mut Vec<u8>) -> bool {
    let mut found = false;
    while let Err(e) = serde_json::from_slice::<IgnoredAny>(line) {
        let at = e.column().saturating_sub(1);
        if !line[at..].starts_with(b"NaN") {
            break;
        }
        line.splice(at..at + 3, *b"null");
        found = true;
    }
    found
}

/// The columns of one line and their values as JSON text. Each value is parsed later, when its type is known.
pub(super) fn parse(line: &str) -> std::result::Result<Vec<(Cow<'_, str>, &str)>, String> {
    if let Some(fields) = plain::fields(line) {
        return Ok(fields);
    }
    let fields = serde_json::from_str(line).map(|Object(fields)| fields);
    fields.map_err(|e| {
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

/// An object as a list of its fields, in order. Duplicate names are kept.
struct Object<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Object<'de>, A::Error> {
                let mut fields = Vec::with_capacity(32);
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    fields.push((name.into(), value.get()));
                }
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// Appends a record to `line` as a JSON object, without a line break. Columns in `skip` are left out.
pub(super) fn push_record<'a, T: Record>(
    line: &mut Vec<u8>,
    record: &T,
    extra: impl IntoIterator<Item = (&'a str, &'a str)>,
    skip: &[&str],
) {
    let begin = line.len();
    record.push_json(line, skip);
    for (name, value) in extra {
        line.push(b',');
        push_text(line, name);
        line.push(b':');
        line.extend_from_slice(value.as_bytes());
    }
    if line.len() == begin {
        line.push(b'{');
    }
    line[begin] = b'{';
    line.push(b'}');
}

/// A record as one line of JSON.
pub(super) fn line_of<T: Record>(record: &T, skip: &[&str]) -> String {
    let mut line = Vec::new();
    push_record(&mut line, record, [], skip);
    // Cannot fail: all parts are UTF-8.
    String::from_utf8(line).unwrap_or_default()
}
