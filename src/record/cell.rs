/*!
One value of a table, as far as its format says what it is, as something that serde reads a field from.

What other tools write otherwise is read if nothing is lost: whole numbers as floats, true and false as words or numbers,
NaN where there is no value.
*/

use super::plain::eights;
use super::values::Values;
use crate::error::shorten;
use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;
use std::any::type_name;
use std::fmt;

/// A value.
#[derive(Clone, Copy)]
pub(super) enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    /// A text in JSON, with its quotes and escapes.
    Escaped(&'a str),
    JsonList(&'a str),
    /// Items of a list, from the first number to before the second.
    ArrowList(&'a Values, u32, u32),
    /// A number as JSON has it.
    Number(&'a str),
    /// CSV only says how it is written.
    Bare(&'a str),
    /// The same with a comma in it, which may be a point.
    Comma(&'a str),
    /// Of no type that a column has: what it is.
    Other(&'a str),
    /// No column can hold it: why.
    Unfit(&'a str),
}

impl<'a> Cell<'a> {
    pub(super) fn json(text: &'a str) -> Self {
        match text.as_bytes() {
            // Known to be JSON: without a backslash, a text is what stands between its quotes.
            [b'"', inside @ .., b'"'] if memchr::memchr(b'\\', inside).is_none() => {
                Self::Text(&text[1..text.len() - 1])
            }
            [b'"', ..] => Self::Escaped(text),
            b"null" => Self::Null,
            b"true" => Self::Bool(true),
            b"false" => Self::Bool(false),
            [b'[', ..] => Self::JsonList(text),
            [b'-' | b'0'..=b'9', ..] => Self::Number(text),
            _ => Self::Other(text),
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

    /// Whether there is no value: pandas has NaN in the place of null, R has NA.
    fn is_null(self) -> bool {
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
    fn settled(self) -> Self {
        match self {
            Self::Comma(text) => {
                let point = text.trim().replacen(',', ".", 1);
                Self::number(&point).unwrap_or(Self::Text(text))
            }
            Self::Number(text) | Self::Bare(text) => {
                let text = text.trim();
                Self::number(text).unwrap_or(Self::Text(text))
            }
            other => other,
        }
    }

    fn int(self) -> Option<i64> {
        /// Beyond, floats have no odd numbers.
        const WHOLE: f64 = 9_007_199_254_740_992.0;
        match self.settled() {
            Self::Int(n) => Some(n),
            #[allow(
                clippy::cast_possible_truncation,
                reason = "it is whole, and small enough"
            )]
            Self::Float(x) if x.fract() == 0.0 && x.abs() < WHOLE => Some(x as i64),
            _ => None,
        }
    }

    fn float(self) -> Option<f64> {
        let x = match self.settled() {
            #[allow(clippy::cast_precision_loss, reason = "as every reader of JSON has it")]
            Self::Int(n) => n as f64,
            Self::Float(x) => x,
            _ => return None,
        };
        x.is_finite().then_some(x)
    }

    fn bool(self) -> Option<bool> {
        match self.settled() {
            Self::Bool(b) => Some(b),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            Self::Int(0) | Self::Float(0.0) => Some(false),
            Self::Int(1) | Self::Float(1.0) => Some(true),
            _ => None,
        }
    }

    #[cold]
    fn unfit(self, expected: &str) -> Unfit {
        if let Self::Unfit(why) = self {
            return Unfit::custom(why);
        }
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
            Self::Escaped(text)
            | Self::JsonList(text)
            | Self::Number(text)
            | Self::Bare(text)
            | Self::Comma(text)
            | Self::Other(text)
            | Self::Unfit(text) => f.write_str(&shorten(text)),
            Self::ArrowList(..) => f.write_str("a list"),
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
        let beyond = |_| self.unfit(&format!("0..{}", u32::MAX));
        visitor.visit_u32(n.try_into().map_err(beyond)?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_f64(self.float().ok_or_else(|| self.unfit("a number"))?)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self {
            Self::Text(text) | Self::Bare(text) | Self::Comma(text) => {
                visitor.visit_borrowed_str(text)
            }
            Self::Escaped(text) => {
                let text = serde_json::from_str(text).map_err(|_| self.unfit("a string"))?;
                visitor.visit_string(text)
            }
            _ => Err(self.unfit("a string")),
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
        match self {
            Self::ArrowList(items, begin, end) => {
                let cells = (begin..end).map(|at| items.cell(at as usize));
                visitor.visit_seq(SeqDeserializer::new(cells))
            }
            Self::JsonList(text) if eights(text).is_some_and(|all| all.len() == text.len()) => {
                visitor.visit_seq(Eights(&text[1..]))
            }
            Self::JsonList(text) => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(Unfit::custom)?;
                let cells = items.into_iter().map(|item| Self::json(item.get()));
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

impl<'de> IntoDeserializer<'de, Unfit> for Cell<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The items of a list of strings of eight bits, each in its quotes and with what is behind them: most of a record.
struct Eights<'a>(&'a str);

impl<'de> SeqAccess<'de> for Eights<'de> {
    type Error = Unfit;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unfit> {
        let Some((item, rest)) = self.0.split_at_checked(11) else {
            return Ok(None);
        };
        self.0 = rest;
        seed.deserialize(BorrowedStrDeserializer::new(&item[1..9]))
            .map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len() / 11)
    }
}

/// A value that does not fit: the column, and what was expected.
#[derive(Debug)]
pub(super) struct Unfit(Box<Message>);

#[derive(Debug)]
struct Message {
    text: String,
    /// Whether it names the column.
    is_placed: bool,
}

impl Unfit {
    pub(super) fn of_column(mut self, name: &str) -> Self {
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
