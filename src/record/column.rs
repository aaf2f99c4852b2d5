/*!
The types of columns, and the Rust types of the fields that hold their values.
*/

use super::datum::Datum;
use crate::program::{Bits, MAX_BITS};
use arrow::datatypes::{DataType, Field};
use std::sync::Arc;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Text. Bitstrings are text, too.
    Text,
    /// A signed integer of 64 bits.
    Int,
    /// A floating-point number of 64 bits.
    Float,
    /// True or false.
    Bool,
    /// A list of texts.
    TextList,
    /// A list of integers.
    IntList,
}

impl ColumnType {
    /// The same type in Arrow.
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

    /// Whether the type is a list. CSV and aligned tables cannot hold lists.
    #[must_use]
    pub fn is_list(self) -> bool {
        matches!(self, Self::TextList | Self::IntList)
    }
}

/// One column of a record kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The column's name, which is the same in every format.
    pub name: &'static str,
    /// The column's type.
    pub kind: ColumnType,
    /// Whether the column may be null.
    pub nullable: bool,
}

/// A type that a record's field can have.
pub trait Value: Sized {
    /// The column's type.
    const KIND: ColumnType;
    /// Whether the column may be null or absent.
    const NULLABLE: bool = false;

    /// Converts a value of a table.
    ///
    /// # Errors
    /// The value does not fit; the error says what was expected and what was found.
    fn read(datum: Datum<'_>) -> Result<Self, String>;

    /// Appends the value to a line of JSON.
    fn push_json(&self, line: &mut Vec<u8>);
}

/// Appends a value to a line of JSON.
fn push(line: &mut Vec<u8>, value: &impl serde::Serialize) {
    // Writing into a vector cannot fail. serde_json writes a number as the shortest text that reads back as the same
    // number, and as null if it is not finite.
    let _ = serde_json::to_writer(line, value);
}

macro_rules! values {
    ($($type:ty: $kind:ident, $read:expr, $push:expr;)*) => {
        $(impl Value for $type {
            const KIND: ColumnType = ColumnType::$kind;

            #[inline]
            fn read(datum: Datum<'_>) -> Result<Self, String> {
                $read(datum)
            }

            fn push_json(&self, line: &mut Vec<u8>) {
                $push(line, self);
            }
        })*
    };
}

values! {
    i64: Int, Datum::int, push;
    u32: Int, count, push;
    f64: Float, Datum::float, push;
    bool: Bool, Datum::bool, push;
    String: Text, |datum: Datum<'_>| datum.text().map(Into::into), |line, text: &Self| push_text(line, text);
    Bits: Text, |datum: Datum<'_>| datum.text()?.parse(), |line, bits: &Self| push_bits(line, &[*bits]);
    Vec<u32>: IntList, |datum: Datum<'_>| datum.list("integers", count), push;
    Vec<Bits>: TextList, |datum: Datum<'_>| datum.list("strings", Bits::read), push_list;
}

impl<T: Value> Value for Option<T> {
    const KIND: ColumnType = T::KIND;
    const NULLABLE: bool = true;

    fn read(datum: Datum<'_>) -> Result<Self, String> {
        (!datum.is_null()).then(|| T::read(datum)).transpose()
    }

    fn push_json(&self, line: &mut Vec<u8>) {
        match self {
            Some(value) => value.push_json(line),
            None => line.extend_from_slice(b"null"),
        }
    }
}

fn count(datum: Datum<'_>) -> Result<u32, String> {
    let beyond = |_| datum.unfit(&format!("0..{}", u32::MAX));
    datum.int()?.try_into().map_err(beyond)
}

fn push_list(line: &mut Vec<u8>, list: &[Bits]) {
    line.push(b'[');
    push_bits(line, list);
    line.push(b']');
}

/// Appends `text` as a JSON string.
pub(super) fn push_text(line: &mut Vec<u8>, text: &str) {
    // The fold has no early exit, so that the compiler can check many bytes at once.
    let escapes = text.bytes().fold(0, |found, byte| {
        found | u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\')
    });
    if escapes == 0 {
        line.push(b'"');
        line.extend_from_slice(text.as_bytes());
        line.push(b'"');
        return;
    }
    push(line, &text);
}

/// Appends bitstrings with commas between them. They are most of a trial, so this is fast: each is written at the full
/// width of 16 bits, which takes a few stores, and the next one overwrites what is beyond its real length.
fn push_bits(line: &mut Vec<u8>, list: &[Bits]) {
    // The full width, two quotes and a comma.
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
    // Cut the last comma.
    line.truncate(end - usize::from(end > begin));
}
