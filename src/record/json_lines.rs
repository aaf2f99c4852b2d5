/*!
JSON lines: one record an object, one object a line, read and written.
*/

use super::column::{Value, push_text};
use super::extra::Extra;
use super::object::Object;
use super::place::{LONGEST, Place, too_long};
use super::provenance::Chain;
use super::row::Row;
use super::rows::Rows;
use super::table::{Fields, Record};
use super::version;
use crate::compression::Stream;
use crate::error::{Error, Result, shorten};
use std::convert::Infallible;
use std::io::{BufRead, ErrorKind};
use std::sync::Arc;

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
                let header = object.and_then(|object| header(&object.ok()?));
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

/// The chain of a line that is no record: it holds nothing but the chain, the version of the records' schema, or both.
fn header(object: &Object<'_>) -> Option<std::result::Result<Chain, String>> {
    const CHAIN: &str = "provenance";
    let is_header = |(name, _)| name == CHAIN || name == version::SCHEMA_KEY;
    if object.len() == 0 || !object.fields().all(is_header) {
        return None;
    }
    let chain = object.get(CHAIN);
    let chain = chain.map_or(Ok(Chain::default()), Chain::from_json);
    Some(version::check_json(object.get(version::SCHEMA_KEY)).and(chain))
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
