/*!
A column of a batch in the types that records are read from.
*/

use super::cell::Cell;
use arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, Float64Array, Int64Array, ListArray, StringArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use std::sync::Arc;

/// The values of a column, in the types of [`ColumnType`](super::ColumnType).
pub(super) enum Values {
    Null,
    Text(StringArray),
    Int(Int64Array),
    Float(Float64Array),
    Bool(BooleanArray),
    /// Lists, and the items of all of them.
    List(ListArray, Box<Values>),
    /// Of no such type, and what it is called.
    Other(ArrayRef, String),
    /// Each row for itself, where not all fit.
    Rows(Vec<Values>),
    /// One that does not fit, and why.
    Unfit(String),
}

impl Values {
    /// A column in such a type, where it is like one.
    pub(super) fn of(column: &ArrayRef) -> Self {
        let plain = match cast(column, &plain_type(column.data_type())) {
            Ok(plain) => plain,
            Err(_) if column.len() > 1 => {
                let rows = (0..column.len()).map(|row| Self::of(&column.slice(row, 1)));
                return Self::Rows(rows.collect());
            }
            Err(e) => {
                // What a caster says of a value begins with its own words for it.
                let what = e.to_string();
                let cut = what.split_once(": ").map(|(_, what)| what.to_owned());
                return Self::Unfit(cut.unwrap_or(what));
            }
        };
        match plain.data_type() {
            DataType::Null => Self::Null,
            DataType::Utf8 => Self::Text(plain.as_string().clone()),
            DataType::Int64 => Self::Int(plain.as_primitive().clone()),
            DataType::Float64 => Self::Float(plain.as_primitive().clone()),
            DataType::Boolean => Self::Bool(plain.as_boolean().clone()),
            DataType::List(_) => {
                let lists: &ListArray = plain.as_list();
                Self::List(lists.clone(), Box::new(Self::of(lists.values())))
            }
            other => Self::Other(plain.clone(), other.to_string()),
        }
    }

    /// One of them.
    #[inline]
    pub(super) fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Self::Text(texts) if texts.is_valid(row) => Cell::Text(texts.value(row)),
            Self::Int(ints) if ints.is_valid(row) => Cell::Int(ints.value(row)),
            Self::Float(floats) if floats.is_valid(row) => Cell::Float(floats.value(row)),
            Self::Bool(bools) if bools.is_valid(row) => Cell::Bool(bools.value(row)),
            Self::List(lists, items) if lists.is_valid(row) => {
                let offsets = lists.value_offsets();
                // Offsets are never negative.
                let [begin, end] = [offsets[row], offsets[row + 1]].map(i32::unsigned_abs);
                Cell::ArrowList(items, begin, end)
            }
            Self::Other(array, what) if array.is_valid(row) => Cell::Other(what),
            Self::Rows(rows) => rows[row].cell(0),
            Self::Unfit(why) => Cell::Unfit(why),
            _ => Cell::Null,
        }
    }
}

/// Casts an array; a value that does not fit is an error.
pub(super) fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &options)
}

/// The type that a column is read in: that of a [`ColumnType`](super::ColumnType) where it says the same, or its own.
fn plain_type(found: &DataType) -> DataType {
    match found {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        integer if integer.is_integer() => DataType::Int64,
        DataType::Decimal32(_, ..=0)
        | DataType::Decimal64(_, ..=0)
        | DataType::Decimal128(_, ..=0)
        | DataType::Decimal256(_, ..=0) => DataType::Int64,
        number if number.is_numeric() => DataType::Float64,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => {
            let item = Field::new("item", plain_type(item.data_type()), true);
            DataType::List(Arc::new(item))
        }
        other => other.clone(),
    }
}
