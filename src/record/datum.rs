/*!
One value of a table, as far as its format says what it is, and what it can be read as.

What other tools write otherwise is read if nothing is lost: whole numbers as floats, true and false as words or numbers,
NaN where there is no value.
*/

use super::batch::Values;
use super::plain::eights;
use crate::error::shorten;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A value.
#[derive(Clone, Copy)]
pub enum Datum<'a> {
    /// None.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(&'a str),
    /// A number, a list, an object, or a text with escapes, as JSON has it.
    Json(&'a str),
    /// Items of a list in a batch, from the first number to before the second.
    Items(&'a Values, u32, u32),
    /// CSV only says how it is written.
    Bare(&'a str),
    /// The same with a comma in it, which may be a point.
    Comma(&'a str),
    /// Of a type that no column has: its name.
    Other(&'a str),
    /// No column can hold it: why.
    Unfit(&'a str),
}

impl<'a> Datum<'a> {
    /// A value that is known to be JSON.
    pub(super) fn json(text: &'a str) -> Self {
        match text.as_bytes() {
            // Without a backslash, a text is what stands between its quotes.
            [b'"', inside @ .., b'"'] if memchr::memchr(b'\\', inside).is_none() => {
                Self::Text(&text[1..text.len() - 1])
            }
            b"null" => Self::Null,
            b"true" => Self::Bool(true),
            b"false" => Self::Bool(false),
            _ => Self::Json(text),
        }
    }

    /// A field of CSV whose columns commas do not separate: they may stand in numbers.
    pub(super) fn with_comma(text: &'a str) -> Self {
        if text.contains(',') {
            Self::Comma(text)
        } else {
            Self::Bare(text)
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
    pub(super) fn is_null(self) -> bool {
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

    /// What a text without a type is meant as: a number or a word.
    fn settled(self) -> Self {
        match self {
            Self::Comma(text) => {
                let point = text.trim().replacen(',', ".", 1);
                Self::number(&point).unwrap_or(Self::Text(text))
            }
            Self::Bare(text) => {
                let text = text.trim();
                Self::number(text).unwrap_or(Self::Text(text))
            }
            Self::Json(text) => Self::number(text).unwrap_or(self),
            other => other,
        }
    }

    pub(super) fn int(self) -> Result<i64, String> {
        /// Beyond, floats have no odd numbers.
        const WHOLE: f64 = 9_007_199_254_740_992.0;
        match self.settled() {
            Self::Int(n) => Ok(n),
            #[allow(
                clippy::cast_possible_truncation,
                reason = "it is whole, and small enough"
            )]
            Self::Float(x) if x.fract() == 0.0 && x.abs() < WHOLE => Ok(x as i64),
            _ => Err(self.unfit("an integer")),
        }
    }

    pub(super) fn float(self) -> Result<f64, String> {
        match self.settled() {
            #[allow(clippy::cast_precision_loss, reason = "as every reader of JSON has it")]
            Self::Int(n) => Ok(n as f64),
            Self::Float(x) if x.is_finite() => Ok(x),
            _ => Err(self.unfit("a number")),
        }
    }

    pub(super) fn bool(self) -> Result<bool, String> {
        match self.settled() {
            Self::Bool(b) => Ok(b),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Self::Int(0) | Self::Float(0.0) => Ok(false),
            Self::Int(1) | Self::Float(1.0) => Ok(true),
            _ => Err(self.unfit("true or false")),
        }
    }

    #[inline]
    pub(super) fn text(self) -> Result<Cow<'a, str>, String> {
        match self {
            Self::Text(text) | Self::Bare(text) | Self::Comma(text) => Ok(text.into()),
            Self::Json(text) => serde_json::from_str(text)
                .map(Cow::Owned)
                .map_err(|_| self.unfit("a string")),
            _ => Err(self.unfit("a string")),
        }
    }

    /// What `read` makes of a list's items, which should be `what`.
    pub(super) fn list<T>(
        self,
        what: &str,
        mut read: impl FnMut(Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        match self {
            Self::Items(items, begin, end) => {
                // `collect` would not know how many there are.
                let mut list = Vec::with_capacity((end - begin) as usize);
                for at in begin..end {
                    list.push(read(items.datum(at as usize))?);
                }
                Ok(list)
            }
            // Most of a record: each item has eight bits, two quotes, and what is behind them.
            Self::Json(text) if eights(text).is_some_and(|all| all.len() == text.len()) => {
                let mut list = Vec::with_capacity(text.len() / 11);
                for at in (2..text.len()).step_by(11) {
                    list.push(read(Self::Text(&text[at..at + 8]))?);
                }
                Ok(list)
            }
            Self::Json(text) if text.starts_with('[') => {
                let items: Vec<&RawValue> =
                    serde_json::from_str(text).map_err(|e| e.to_string())?;
                items
                    .into_iter()
                    .map(|item| read(Self::json(item.get())))
                    .collect()
            }
            _ => Err(self.unfit(&format!("a list of {what}"))),
        }
    }

    #[cold]
    pub(super) fn unfit(self, expected: &str) -> String {
        match self {
            Self::Unfit(why) => why.to_owned(),
            _ => format!("expected {expected}, found {self}"),
        }
    }
}

impl fmt::Display for Datum<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null | Self::Bare("") => f.write_str("null"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(x) => write!(f, "{x}"),
            Self::Text(text) => write!(f, "{:?}", shorten(text)),
            Self::Json(text)
            | Self::Bare(text)
            | Self::Comma(text)
            | Self::Other(text)
            | Self::Unfit(text) => f.write_str(&shorten(text)),
            Self::Items(..) => f.write_str("a list"),
        }
    }
}
