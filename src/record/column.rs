/*!
What a column can hold, and how a field of a record goes into and out of JSON, Arrow and CSV.

Reading: a [`Cell`] is one value as its file has it; [`Field::read`] turns it into the field's type
or says what was expected. Writing: [`Field::value`] gives a [`Value`], which every writer prints.
*/

use super::plain::Plain;
use crate::program::Bits;
use arrow::array::{Array, AsArray, GenericListArray};
use arrow::datatypes::{DataType, Field as ArrowField, Float64Type, Int64Type};
use serde_json::value::RawValue;
use std::borrow::Cow;
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
        let list = |item| DataType::List(Arc::new(ArrowField::new("item", item, true)));
        match self {
            Self::Text => DataType::Utf8,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::TextList => list(DataType::Utf8),
            Self::IntList => list(DataType::Int64),
        }
    }

    /// The type in words, for error messages.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Int => "an integer",
            Self::Float => "a number",
            Self::Bool => "true or false",
            Self::TextList => "a list of strings",
            Self::IntList => "a list of integers",
        }
    }

    /// Whether values of an Arrow column of type `found` can be read as this type without loss.
    #[must_use]
    pub fn accepts(self, found: &DataType) -> bool {
        let text = |t: &DataType| {
            matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
                || matches!(t, DataType::Dictionary(_, v) if **v == DataType::Utf8)
        };
        let item = |t: &DataType| match t {
            DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => {
                Some(f.data_type().clone())
            }
            _ => None,
        };
        matches!(found, DataType::Null)
            || match self {
                Self::Text => text(found),
                Self::Int => found.is_integer(),
                Self::Float => found.is_numeric(),
                Self::Bool => *found == DataType::Boolean,
                Self::TextList => item(found).is_some_and(|t| text(&t) || t == DataType::Null),
                Self::IntList => item(found).is_some_and(|t| t.is_integer() || t == DataType::Null),
            }
    }
}

/// One column of a record kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The name, the same in every format.
    pub name: &'static str,
    /// The name as a JSON object has it behind another column. (Names are identifiers, without escapes.)
    pub key: &'static str,
    /// What it holds.
    pub kind: ColumnType,
    /// Whether it may be null.
    pub nullable: bool,
}

/// One value as the file has it.
#[derive(Clone, Copy)]
pub enum Cell<'a> {
    /// The column isn't there.
    Missing,
    /// A JSON text.
    Json(&'a RawValue),
    /// A row of an Arrow column that has been cast to its [`ColumnType`].
    Arrow(&'a dyn Array, usize),
    /// A CSV field; empty is null.
    Csv(&'a str),
}

/// What a reader says of a cell that doesn't fit.
type Fit<T> = std::result::Result<T, String>;

impl<'a> Cell<'a> {
    /// Whether there is no value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match self {
            Self::Missing => true,
            Self::Json(raw) => raw.get() == "null",
            Self::Arrow(array, row) => array.is_null(*row),
            Self::Csv(text) => text.is_empty(),
        }
    }

    fn expected(&self, kind: ColumnType) -> String {
        let found = match self {
            Self::Missing => return "is missing".to_owned(),
            _ if self.is_null() => return format!("expected {}, found null", kind.words()),
            Self::Json(raw) => shorten(raw.get()),
            Self::Csv(text) => shorten(text),
            Self::Arrow(array, _) => array.data_type().to_string(),
        };
        format!("expected {}, found {found}", kind.words())
    }

    fn text(&self) -> Fit<Cow<'a, str>> {
        match *self {
            Self::Json(raw) if raw.get().starts_with('"') => json_text(raw.get()),
            Self::Arrow(array, row) if !array.is_null(row) => array
                .as_string_opt::<i32>()
                .map(|a| Cow::Borrowed(a.value(row)))
                .ok_or_else(|| self.expected(ColumnType::Text)),
            // An empty CSV field is an empty text where a text is required.
            Self::Csv(text) => Ok(Cow::Borrowed(text)),
            _ => Err(self.expected(ColumnType::Text)),
        }
    }

    fn int(&self) -> Fit<i64> {
        let parsed = match self {
            Self::Json(raw) => raw.get().parse().ok(),
            Self::Csv(text) => text.parse().ok(),
            Self::Arrow(array, row) if !array.is_null(*row) => {
                array.as_primitive_opt::<Int64Type>().map(|a| a.value(*row))
            }
            _ => None,
        };
        parsed.ok_or_else(|| self.expected(ColumnType::Int))
    }

    fn float(&self) -> Fit<f64> {
        let parsed = match self {
            // Rust's own parser, which gives the number that was written; serde_json's can miss it by its last bit. What
            // begins like this is a number, for JSON has no NaN and no infinities.
            Self::Json(raw)
                if raw
                    .get()
                    .starts_with(|c: char| c == '-' || c.is_ascii_digit()) =>
            {
                raw.get().parse().ok()
            }
            Self::Csv(text) => text.parse().ok(),
            Self::Arrow(array, row) if !array.is_null(*row) => array
                .as_primitive_opt::<Float64Type>()
                .map(|a| a.value(*row)),
            _ => None,
        };
        parsed
            .filter(|x: &f64| x.is_finite())
            .ok_or_else(|| self.expected(ColumnType::Float))
    }

    fn bool(&self) -> Fit<bool> {
        let parsed = match self {
            Self::Json(raw) => raw.get().parse().ok(),
            Self::Csv(text) => text.to_ascii_lowercase().parse().ok(),
            Self::Arrow(array, row) if !array.is_null(*row) => {
                array.as_boolean_opt().map(|a| a.value(*row))
            }
            _ => None,
        };
        parsed.ok_or_else(|| self.expected(ColumnType::Bool))
    }

    /// Calls `each` with every text of the list.
    fn texts(&self, each: &mut dyn FnMut(&str) -> Fit<()>) -> Fit<()> {
        let unfit = || self.expected(ColumnType::TextList);
        match self {
            Self::Json(raw) => {
                // Texts without escapes, as bitstrings are, need no copy.
                if let Ok(texts) = serde_json::from_str::<Vec<&str>>(raw.get()) {
                    return texts.into_iter().try_for_each(each);
                }
                let texts: Vec<String> = serde_json::from_str(raw.get()).map_err(|_| unfit())?;
                texts.iter().try_for_each(|text| each(text))
            }
            Self::Arrow(..) => {
                let items = self.items().ok_or_else(unfit)?;
                let texts = items.as_string_opt::<i32>().ok_or_else(unfit)?;
                texts
                    .iter()
                    .try_for_each(|text| each(text.ok_or_else(unfit)?))
            }
            _ => Err(unfit()),
        }
    }

    fn ints(&self) -> Fit<Vec<i64>> {
        let unfit = || self.expected(ColumnType::IntList);
        match self {
            Self::Json(raw) => serde_json::from_str(raw.get()).map_err(|_| unfit()),
            Self::Arrow(..) => {
                let items = self.items().ok_or_else(unfit)?;
                let ints = items.as_primitive_opt::<Int64Type>().ok_or_else(unfit)?;
                ints.iter().map(|i| i.ok_or_else(unfit)).collect()
            }
            _ => Err(unfit()),
        }
    }

    /// The items of an Arrow list cell.
    fn items(&self) -> Option<Arc<dyn Array>> {
        match self {
            Self::Arrow(array, row) if !array.is_null(*row) => {
                let list: &GenericListArray<i32> = array.as_list_opt()?;
                Some(list.value(*row))
            }
            _ => None,
        }
    }
}

fn json_text(raw: &str) -> Fit<Cow<'_, str>> {
    if let Ok(text) = serde_json::from_str::<&str>(raw) {
        return Ok(Cow::Borrowed(text));
    }
    serde_json::from_str::<String>(raw)
        .map(Cow::Owned)
        .map_err(|_| format!("expected a string, found {}", shorten(raw)))
}

/// At most 40 characters of a text, on one line, for an error message.
#[must_use]
pub fn shorten(text: &str) -> String {
    const LONGEST: usize = 40;
    let line: String = text
        .chars()
        .take(LONGEST)
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        line + "..."
    } else {
        line
    }
}

/// One value to be written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// Text.
    Text(&'a str),
    /// A bitstring, written as text.
    Bits(Bits),
    /// An integer.
    Int(i64),
    /// A number; not finite is written as null.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Bitstrings, written as texts.
    BitsList(&'a [Bits]),
    /// Integers.
    IntList(&'a [u32]),
}

/// A type that a record's field can have.
pub trait Field: Sized {
    /// The column's type.
    const KIND: ColumnType;
    /// Whether the column may be null or absent.
    const NULLABLE: bool = false;

    /// The field from the file's cell.
    ///
    /// # Errors
    /// What was expected and what was found.
    fn read(cell: Cell<'_>) -> Fit<Self>;

    /// The field from a line in the writers' own form; none if it is in any other, or the type has none.
    fn plain(_line: &mut Plain<'_>) -> Option<Self> {
        None
    }

    /// The same in place of the last record's field, whose memory it takes over.
    fn read_plain(&mut self, line: &mut Plain<'_>) -> Option<()> {
        *self = Self::plain(line)?;
        Some(())
    }

    /// The field as a value for a writer.
    fn value(&self) -> Value<'_>;
}

impl Field for String {
    const KIND: ColumnType = ColumnType::Text;

    fn plain(line: &mut Plain<'_>) -> Option<Self> {
        line.text().map(str::to_owned)
    }

    fn read_plain(&mut self, line: &mut Plain<'_>) -> Option<()> {
        self.clear();
        self.push_str(line.text()?);
        Some(())
    }

    fn read(cell: Cell<'_>) -> Fit<Self> {
        cell.text().map(Cow::into_owned)
    }

    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl Field for Bits {
    const KIND: ColumnType = ColumnType::Text;

    fn plain(line: &mut Plain<'_>) -> Option<Self> {
        line.bits()
    }

    fn read(cell: Cell<'_>) -> Fit<Self> {
        cell.text()?.parse()
    }

    fn value(&self) -> Value<'_> {
        Value::Bits(*self)
    }
}

impl Field for u32 {
    const KIND: ColumnType = ColumnType::Int;

    fn plain(line: &mut Plain<'_>) -> Option<Self> {
        line.int()?.try_into().ok()
    }

    fn read(cell: Cell<'_>) -> Fit<Self> {
        let n = cell.int()?;
        Self::try_from(n).map_err(|_| format!("expected 0..{}, found {n}", Self::MAX))
    }

    fn value(&self) -> Value<'_> {
        Value::Int(i64::from(*self))
    }
}

impl Field for i64 {
    const KIND: ColumnType = ColumnType::Int;

    fn plain(line: &mut Plain<'_>) -> Option<Self> {
        line.int()
    }

    fn read(cell: Cell<'_>) -> Fit<Self> {
        cell.int()
    }

    fn value(&self) -> Value<'_> {
        Value::Int(*self)
    }
}

impl Field for f64 {
    const KIND: ColumnType = ColumnType::Float;

    fn read(cell: Cell<'_>) -> Fit<Self> {
        cell.float()
    }

    fn value(&self) -> Value<'_> {
        Value::Float(*self)
    }
}

impl Field for bool {
    const KIND: ColumnType = ColumnType::Bool;

    fn read(cell: Cell<'_>) -> Fit<Self> {
        cell.bool()
    }

    fn value(&self) -> Value<'_> {
        Value::Bool(*self)
    }
}

impl Field for Vec<Bits> {
    const KIND: ColumnType = ColumnType::TextList;

    fn plain(line: &mut Plain<'_>) -> Option<Self> {
        let mut list = Self::new();
        line.bits_list(&mut list)?;
        Some(list)
    }

    fn read_plain(&mut self, line: &mut Plain<'_>) -> Option<()> {
        self.clear();
        line.bits_list(self)
    }

    fn read(cell: Cell<'_>) -> Fit<Self> {
        if let Cell::Json(raw) = cell
            && let Some(list) = Plain::whole(raw.get(), Self::plain)
        {
            return Ok(list);
        }
        let mut list = Self::new();
        cell.texts(&mut |text| {
            list.push(text.parse()?);
            Ok(())
        })?;
        Ok(list)
    }

    fn value(&self) -> Value<'_> {
        Value::BitsList(self)
    }
}

impl Field for Vec<u32> {
    const KIND: ColumnType = ColumnType::IntList;

    fn plain(line: &mut Plain<'_>) -> Option<Self> {
        let mut list = Self::new();
        line.ints(&mut list)?;
        Some(list)
    }

    fn read(cell: Cell<'_>) -> Fit<Self> {
        cell.ints()?
            .into_iter()
            .map(|n| u32::try_from(n).map_err(|_| format!("expected 0..{}, found {n}", u32::MAX)))
            .collect()
    }

    fn value(&self) -> Value<'_> {
        Value::IntList(self)
    }
}

impl<T: Field> Field for Option<T> {
    const KIND: ColumnType = T::KIND;
    const NULLABLE: bool = true;

    fn plain(line: &mut Plain<'_>) -> Option<Self> {
        if line.null() {
            return Some(None);
        }
        T::plain(line).map(Some)
    }

    fn read(cell: Cell<'_>) -> Fit<Self> {
        if cell.is_null() {
            return Ok(None);
        }
        T::read(cell).map(Some)
    }

    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Field::value)
    }
}
