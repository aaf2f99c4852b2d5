/*!
What a column can hold, and the types of fields that hold it.
*/

use crate::program::{Bits, MAX_BITS};
use arrow::datatypes::{DataType, Field};
use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Text, bitstrings included.
    Text,
    /// An integer that fits 64 bits.
    Int,
    /// A floating-point number.
    Float,
    /// True or false.
    Bool,
    /// A list of texts.
    TextList,
    /// A list of integers.
    IntList,
}

impl ColumnType {
    /// The same in Arrow's terms.
    #[must_use]
    pub fn arrow(self) -> DataType {
        let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
        match self {
            Self::Text => DataType::Utf8,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::TextList => list(DataType::Utf8),
            Self::IntList => list(DataType::Int64),
        }
    }

    /// Whether it is a list, which CSV and tables cannot hold.
    #[must_use]
    pub fn is_list(self) -> bool {
        matches!(self, Self::TextList | Self::IntList)
    }
}

/// One column of a record kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The name, the same in every format.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnType,
    /// Whether it may be null.
    pub nullable: bool,
}

/// A type that a record's field can have.
pub trait Value: Serialize {
    /// The column's type.
    const KIND: ColumnType;
    /// Whether the column may be null or absent.
    const NULLABLE: bool = false;

    /// Appends the value to a line of JSON.
    fn push_json(&self, line: &mut Vec<u8>) {
        // Writing into a vector cannot fail; serde_json writes the shortest text that reads back as the same number.
        let _ = serde_json::to_writer(line, self);
    }

    /// Puts the value into a map.
    ///
    /// # Errors
    /// The map's.
    fn put<M: SerializeMap>(&self, name: &str, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry(name, self)
    }
}

impl Value for u32 {
    const KIND: ColumnType = ColumnType::Int;
}

impl Value for i64 {
    const KIND: ColumnType = ColumnType::Int;
}

impl Value for bool {
    const KIND: ColumnType = ColumnType::Bool;
}

impl Value for Vec<u32> {
    const KIND: ColumnType = ColumnType::IntList;
}

impl Value for f64 {
    const KIND: ColumnType = ColumnType::Float;

    // What is not finite is null, as serde_json has it anyway.
    fn put<M: SerializeMap>(&self, name: &str, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry(name, &self.is_finite().then_some(self))
    }
}

impl Value for String {
    const KIND: ColumnType = ColumnType::Text;

    fn push_json(&self, line: &mut Vec<u8>) {
        push_text(line, self);
    }
}

impl Value for Bits {
    const KIND: ColumnType = ColumnType::Text;

    fn push_json(&self, line: &mut Vec<u8>) {
        push_bits(line, &[*self]);
    }
}

impl Value for Vec<Bits> {
    const KIND: ColumnType = ColumnType::TextList;

    fn push_json(&self, line: &mut Vec<u8>) {
        line.push(b'[');
        push_bits(line, self);
        line.push(b']');
    }
}

impl<T: Value> Value for Option<T> {
    const KIND: ColumnType = T::KIND;
    const NULLABLE: bool = true;

    fn push_json(&self, line: &mut Vec<u8>) {
        match self {
            Some(value) => value.push_json(line),
            None => line.extend_from_slice(b"null"),
        }
    }

    fn put<M: SerializeMap>(&self, name: &str, map: &mut M) -> Result<(), M::Error> {
        match self {
            Some(value) => value.put(name, map),
            None => map.serialize_entry(name, &()),
        }
    }
}

impl Serialize for Bits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let spelt = self.spell(b'0', b'1');
        // Only the bytes b'0' and b'1' are in there.
        serializer
            .serialize_str(std::str::from_utf8(&spelt[..self.len() as usize]).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Bits {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// A value that is written as a text.
///
/// # Errors
/// No text, or one that it cannot be read from.
#[inline]
pub(super) fn from_text<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err = String>,
    D: Deserializer<'de>,
{
    struct Text<T>(PhantomData<T>);

    impl<T: FromStr<Err = String>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        #[inline]
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text(PhantomData))
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
