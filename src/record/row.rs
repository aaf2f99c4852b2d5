/*!
One row of a table, whatever format it stands in, as something that serde reads a record from.

A record asks for its columns by name. Those that other tools write otherwise are read if nothing is lost: whole numbers
as floats, true and false as words or numbers, NaN where there is no value.
*/

use super::batch::Batch;
use super::column::shorten;
use super::object::Object;
use super::plain::Eights;
use arrow::array::{Array, ArrayRef, AsArray as _};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use csv::StringRecord;
use serde::de::value::SeqDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer as _, SeqAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;
use std::any::type_name;
use std::borrow::Cow;
use std::cell;
use std::fmt;
use std::iter::Enumerate;
use std::rc::Rc;
use std::slice;

/// A row of a table.
#[derive(Clone, Copy)]
pub enum Row<'a> {
    /// An object on a line.
    Json(&'a Object<'a>),
    /// A row of a batch.
    Arrow(&'a Batch, usize),
    /// A line of CSV.
    Csv(CsvRow<'a>),
}

/// A line of CSV, and its header.
#[derive(Clone, Copy)]
pub struct CsvRow<'a> {
    pub(super) header: &'a StringRecord,
    pub(super) line: &'a StringRecord,
    /// Where commas do not separate, they may stand in numbers.
    pub(super) has_decimal_commas: bool,
}

impl<'a> CsvRow<'a> {
    fn len(self) -> usize {
        self.header.len()
    }

    fn name(self, at: usize) -> Option<&'a str> {
        self.header.get(at)
    }

    pub(super) fn value(self, at: usize) -> Option<&'a str> {
        self.line.get(at)
    }
}

impl<'a> Row<'a> {
    /// Whether the table has such a column.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        self.find(name, 0).is_some()
    }

    /// The row as `T`, a struct whose fields are columns, or structs whose fields are columns of the same row.
    ///
    /// # Errors
    /// The column, and what was expected.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, String> {
        let part = Part {
            row: self,
            at: None,
            next: &cell::Cell::new(0),
        };
        T::deserialize(part).map_err(|unfit| unfit.0.text)
    }

    /// Where a column is, looked for from `first` on and then before it: most tables have their columns in order.
    #[inline]
    fn find(self, name: &str, first: usize) -> Option<usize> {
        let is_it = |at: usize| match self {
            Self::Json(object) => object.name(at) == Some(name),
            Self::Arrow(batch, _) => batch.name(at) == Some(name),
            Self::Csv(row) => row.name(at) == Some(name),
        };
        let count = match self {
            Self::Json(object) => object.len(),
            Self::Arrow(batch, _) => batch.len(),
            Self::Csv(row) => row.len(),
        };
        (first..count)
            .chain(0..first.min(count))
            .find(|&at| is_it(at))
    }

    #[inline]
    fn cell(self, at: usize) -> Result<Cell<'a>, Unfit> {
        match self {
            Self::Json(object) => Ok(object.value(at).map_or(Cell::Null, Cell::json)),
            Self::Arrow(batch, row) => {
                Ok(Cell::arrow(batch.column(at).map_err(Unfit::custom)?, row))
            }
            Self::Csv(row) => Ok(row.value(at).map_or(Cell::Null, |text| {
                if row.has_decimal_commas && text.contains(',') {
                    Cell::Comma(text)
                } else {
                    Cell::Bare(text)
                }
            })),
        }
    }
}

/// One value, as far as its format says what it is.
#[derive(Clone)]
enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    JsonList(&'a str),
    ArrowList(ArrayRef),
    /// A number as JSON has it.
    Number(&'a str),
    /// CSV only says how it is written.
    Bare(&'a str),
    /// The same with a comma in it, which may be a point.
    Comma(&'a str),
    /// Of no type that a column has: what it is.
    Other(String),
}

impl<'a> Cell<'a> {
    fn json(text: &'a str) -> Self {
        match text.as_bytes() {
            // Known to be JSON: without a backslash, a text is what stands between its quotes.
            [b'"', inside @ .., b'"'] if memchr::memchr(b'\\', inside).is_none() => {
                Self::Text(text[1..text.len() - 1].into())
            }
            [b'"', ..] => serde_json::from_str::<String>(text).map_or_else(
                |_| Self::Other(shorten(text)),
                |text| Self::Text(text.into()),
            ),
            b"null" => Self::Null,
            b"true" => Self::Bool(true),
            b"false" => Self::Bool(false),
            [b'[', ..] => Self::JsonList(text),
            [b'-' | b'0'..=b'9', ..] => Self::Number(text),
            _ => Self::Other(shorten(text)),
        }
    }

    /// Rust's own parser gives the number that was written; `serde_json`'s can miss it by its last bit.
    fn number(text: &str) -> Option<Self> {
        if let Ok(n) = text.parse() {
            return Some(Self::Int(n));
        }
        let x: f64 = text.parse().ok()?;
        x.is_finite().then_some(Self::Float(x))
    }

    #[inline]
    fn arrow(array: &'a ArrayRef, row: usize) -> Self {
        if array.is_null(row) {
            return Self::Null;
        }
        match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Utf8 => Self::Text(array.as_string::<i32>().value(row).into()),
            DataType::Int64 => Self::Int(array.as_primitive::<Int64Type>().value(row)),
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>().value(row)),
            DataType::Boolean => Self::Bool(array.as_boolean().value(row)),
            DataType::List(_) => Self::ArrowList(array.as_list::<i32>().value(row)),
            other => Self::Other(other.to_string()),
        }
    }

    /// Whether there is no value: pandas has NaN in the place of null, R has NA.
    fn is_null(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Float(x) => x.is_nan(),
            Self::Bare(text) => {
                let words = ["", "NA", "NaN", "nan", "null", "NULL", "None"];
                words.contains(&text.trim())
            }
            _ => false,
        }
    }

    /// What a bare text is meant as: a number or a word.
    fn settled(&self) -> Cow<'_, Self> {
        if let Self::Comma(text) = self {
            let number = Self::number(text.trim().replacen(',', ".", 1).as_str());
            return Cow::Owned(number.unwrap_or_else(|| Self::Text((*text).into())));
        }
        let (Self::Number(text) | Self::Bare(text)) = self else {
            return Cow::Borrowed(self);
        };
        let text = text.trim();
        Cow::Owned(match text.to_ascii_lowercase().as_str() {
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            _ => Self::number(text).unwrap_or(Self::Text(text.into())),
        })
    }

    fn int(&self) -> Option<i64> {
        /// Beyond, floats have no odd numbers.
        const WHOLE: f64 = 9_007_199_254_740_992.0;
        match *self.settled() {
            Self::Int(n) => Some(n),
            #[allow(
                clippy::cast_possible_truncation,
                reason = "it is whole, and small enough"
            )]
            Self::Float(x) if x.fract() == 0.0 && x.abs() < WHOLE => Some(x as i64),
            _ => None,
        }
    }

    fn float(&self) -> Option<f64> {
        let x = match *self.settled() {
            #[allow(clippy::cast_precision_loss, reason = "as every reader of JSON has it")]
            Self::Int(n) => n as f64,
            Self::Float(x) => x,
            _ => return None,
        };
        x.is_finite().then_some(x)
    }

    fn bool(&self) -> Option<bool> {
        match *self.settled() {
            Self::Bool(b) => Some(b),
            Self::Text(ref text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::Text(ref text) if text.eq_ignore_ascii_case("false") => Some(false),
            Self::Int(0) | Self::Float(0.0) => Some(false),
            Self::Int(1) | Self::Float(1.0) => Some(true),
            _ => None,
        }
    }

    fn unfit(&self, expected: &str) -> Unfit {
        Unfit::custom(format_args!("expected {expected}, found {self}"))
    }
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null | Self::Bare("") => f.write_str("null"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(x) => write!(f, "{x}"),
            Self::Text(text) => write!(f, "{:?}", shorten(text)),
            Self::JsonList(text) | Self::Number(text) | Self::Bare(text) | Self::Comma(text) => {
                f.write_str(&shorten(text))
            }
            Self::ArrowList(_) => f.write_str("a list"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl<'de> Deserializer<'de> for Cell<'de> {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unfit> {
        Err(self.unfit("a column of a record"))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_bool(self.bool().ok_or_else(|| self.unfit("true or false"))?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_i64(self.int().ok_or_else(|| self.unfit("an integer"))?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        let n = self.int().ok_or_else(|| self.unfit("an integer"))?;
        visitor.visit_u32(
            n.try_into()
                .map_err(|_| self.unfit(&format!("0..{}", u32::MAX)))?,
        )
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_f64(self.float().ok_or_else(|| self.unfit("a number"))?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self {
            Self::Text(Cow::Borrowed(text)) | Self::Bare(text) | Self::Comma(text) => {
                visitor.visit_borrowed_str(text)
            }
            Self::Text(Cow::Owned(text)) => visitor.visit_string(text),
            other => Err(other.unfit("a string")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if self.is_null() {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match &self {
            Self::ArrowList(items) => visitor.visit_seq(ArrowItems { items, next: 0 }),
            Self::JsonList(text) => {
                if let Some(eights) = Eights::of(text) {
                    return visitor.visit_seq(eights);
                }
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(Unfit::custom)?;
                let cells = items.into_iter().map(|item| Item(Cell::json(item.get())));
                visitor.visit_seq(SeqDeserializer::new(cells))
            }
            other => {
                // Serde does not say of what; this is for a person only.
                let is_of_ints = type_name::<V::Value>().contains("u32");
                let items = if is_of_ints { "integers" } else { "strings" };
                Err(other.unfit(&format!("a list of {items}")))
            }
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u64 u128 f32 char bytes byte_buf unit unit_struct newtype_struct tuple tuple_struct map
        struct enum identifier ignored_any
    }
}

/// An item of a JSON list.
struct Item<'a>(Cell<'a>);

impl<'de> serde::de::IntoDeserializer<'de, Unfit> for Item<'de> {
    type Deserializer = Cell<'de>;

    fn into_deserializer(self) -> Cell<'de> {
        self.0
    }
}

/// The items of an Arrow list. They live no longer than the list, so that texts are copied.
struct ArrowItems<'a> {
    items: &'a ArrayRef,
    next: usize,
}

impl<'de> SeqAccess<'de> for ArrowItems<'_> {
    type Error = Unfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unfit> {
        if self.next == self.items.len() {
            return Ok(None);
        }
        let at = self.next;
        self.next += 1;
        // A text is only looked at; no other item borrows anything.
        if let Some(texts) = self
            .items
            .as_string_opt::<i32>()
            .filter(|texts| texts.is_valid(at))
        {
            return seed
                .deserialize(texts.value(at).into_deserializer())
                .map(Some);
        }
        let cell = match Cell::arrow(self.items, at) {
            Cell::Int(n) => Cell::Int(n),
            Cell::Float(x) => Cell::Float(x),
            Cell::Bool(b) => Cell::Bool(b),
            Cell::Null => Cell::Null,
            other => Cell::Other(other.to_string()),
        };
        seed.deserialize(cell).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.next)
    }
}

/// A row, or the column of it that a field is to be read from.
struct Part<'r, 'de> {
    row: Row<'de>,
    /// The column, if there is such a column.
    at: Option<usize>,
    /// Where the next column is looked for first.
    next: &'r cell::Cell<usize>,
}

impl<'de> Part<'_, 'de> {
    #[inline]
    fn value(&self) -> Result<Option<Cell<'de>>, Unfit> {
        let Some(at) = self.at else {
            return Ok(None);
        };
        self.next.set(at + 1);
        self.row.cell(at).map(Some)
    }

    #[inline]
    fn required(&self) -> Result<Cell<'de>, Unfit> {
        self.value()?.ok_or_else(|| Unfit::custom("is missing"))
    }
}

macro_rules! deserialize_required {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
            self.required()?.$method(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Part<'_, 'de> {
    type Error = Unfit;

    deserialize_required! {
        deserialize_any deserialize_bool deserialize_i64 deserialize_u32 deserialize_f64 deserialize_str
        deserialize_string deserialize_seq
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.value()? {
            Some(value) => value.deserialize_option(visitor),
            None => visitor.visit_none(),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        let (row, next) = (self.row, self.next);
        let places = match row {
            Row::Arrow(batch, _) => Some(batch.places(fields)),
            Row::Json(_) | Row::Csv(_) => None,
        };
        let names = fields.iter().enumerate();
        visitor.visit_seq(Columns {
            row,
            next,
            places,
            names,
        })
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u64 u128 f32 char bytes byte_buf unit unit_struct newtype_struct tuple tuple_struct map
        enum identifier ignored_any
    }
}

/// The columns that a struct asks for, in its order.
struct Columns<'r, 'de> {
    row: Row<'de>,
    next: &'r cell::Cell<usize>,
    /// Where they are, where that is known.
    places: Option<Rc<[Option<usize>]>>,
    names: Enumerate<slice::Iter<'static, &'static str>>,
}

impl<'de> SeqAccess<'de> for Columns<'_, 'de> {
    type Error = Unfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unfit> {
        let Some((number, name)) = self.names.next() else {
            return Ok(None);
        };
        let part = Part {
            row: self.row,
            at: match &self.places {
                Some(places) => places[number],
                None => self.row.find(name, self.next.get()),
            },
            next: self.next,
        };
        (seed.deserialize(part).map(Some)).map_err(|unfit| unfit.of_column(name))
    }
}

/// A value that does not fit: the column, and what was expected.
#[derive(Debug)]
struct Unfit(Box<Message>);

#[derive(Debug)]
struct Message {
    text: String,
    /// Whether it names the column.
    is_placed: bool,
}

impl Unfit {
    fn of_column(mut self, name: &str) -> Self {
        if !self.0.is_placed {
            self.0.text.insert_str(0, &format!("column {name:?}: "));
            self.0.is_placed = true;
        }
        self
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl std::error::Error for Unfit {}

impl serde::de::Error for Unfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Box::new(Message {
            text: message.to_string(),
            is_placed: false,
        }))
    }
}
