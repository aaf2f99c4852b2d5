/*!
One value of a table, and its conversion to the types of columns.

Other tools write some values differently. They are accepted if nothing is lost: whole numbers as floats, true and false
as words or numbers, NaN instead of null.
*/

use super::batch::Values;
use super::plain::eights;
use crate::error::shorten;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A value, with the type that its format shows.
#[derive(Clone, Copy)]
pub enum Datum<'a> {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// JSON text of a number, a list, an object, or a string with escapes.
    Json(&'a str),
    /// A list in a batch: its items are those from the first index to before the second.
    Items(&'a Values, u32, u32),
    /// A field of CSV, whose type is not known; and whether its number may have a decimal comma.
    Bare(&'a str, bool),
    /// A value of a type that no column has; the text is the name of the type.
    Other(&'a str),
    /// A value that no column can hold; the text says why.
    Unfit(&'a str),
}

impl<'a> Datum<'a> {
    /// The value of a valid JSON text.
    pub(super) fn json(text: &'a str) -> Self {
        match text.as_bytes() {
            // A JSON string without a backslash is simply the text between its quotes.
            [b'"', inside @ .., b'"'] if memchr::memchr(b'\\', inside).is_none() => {
                Self::Text(&text[1..text.len() - 1])
            }
            b"null" => Self::Null,
            b"true" => Self::Bool(true),
            b"false" => Self::Bool(false),
            _ => Self::Json(text),
        }
    }

    /// Parses a number. Uses Rust's own parser, because `serde_json`'s result can be wrong in the last bit.
    fn number(text: &str) -> Option<Self> {
        if let Ok(n) = text.parse() {
            return Some(Self::Int(n));
        }
        let x: f64 = text.parse().ok()?;
        x.is_finite().then_some(Self::Float(x))
    }

    /// Whether there is no value. pandas writes NaN instead of null, R writes NA.
    pub(super) fn is_null(self) -> bool {
        match self {
            Self::Null => true,
            Self::Float(x) => x.is_nan(),
            Self::Bare(text, _) => {
                let words = ["", "NA", "NaN", "nan", "null", "NULL", "None"];
                words.contains(&text.trim())
            }
            _ => false,
        }
    }

    /// Converts a text of unknown type to a number, or else to text.
    fn settled(self) -> Self {
        match self {
            Self::Bare(text, has_comma) => {
                let text = text.trim();
                let comma = || Self::number(&text.replacen(',', ".", 1)).filter(|_| has_comma);
                Self::number(text)
                    .or_else(comma)
                    .unwrap_or(Self::Text(text))
            }
            Self::Json(text) => Self::number(text).unwrap_or(self),
            other => other,
        }
    }

    pub(super) fn int(self) -> Result<i64, String> {
        /// 2^53. Above it, floats cannot represent all integers.
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
            Self::Text(text) | Self::Bare(text, _) => Ok(text.into()),
            Self::Json(text) => serde_json::from_str(text)
                .map(Cow::Owned)
                .map_err(|_| self.unfit("a string")),
            _ => Err(self.unfit("a string")),
        }
    }

    /// The items of a list, each converted by `read`. Error messages call the items `what`.
    pub(super) fn list<T>(
        self,
        what: &str,
        mut read: impl FnMut(Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        match self {
            Self::Items(items, begin, end) => {
                // A loop and not `collect`, which would not know the length.
                let mut list = Vec::with_capacity((end - begin) as usize);
                for at in begin..end {
                    list.push(read(items.datum(at as usize))?);
                }
                Ok(list)
            }
            // Fast path for most of a record: an item takes 11 bytes (eight bits, two quotes, a comma or bracket).
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
            Self::Null | Self::Bare("", _) => f.write_str("null"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(x) => write!(f, "{x}"),
            Self::Text(text) => write!(f, "{:?}", shorten(text)),
            Self::Json(text) | Self::Bare(text, _) | Self::Other(text) | Self::Unfit(text) => {
                f.write_str(&shorten(text))
            }
            Self::Items(..) => f.write_str("a list"),
        }
    }
}
