/*!
One row of a table, whatever format it stands in, as something that serde reads a record from.

A record asks for its columns by name.
*/

use super::batch::Batch;
use super::cell::{Cell, Unfit};
use super::object::Object;
use csv::StringRecord;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::cell;
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
        T::deserialize(part).map_err(|unfit| unfit.to_string())
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
    fn cell(self, at: usize) -> Cell<'a> {
        match self {
            Self::Json(object) => object.value(at).map_or(Cell::Null, Cell::json),
            Self::Arrow(batch, row) => batch.column(at).cell(row),
            Self::Csv(row) => row.value(at).map_or(Cell::Null, |text| {
                if row.has_decimal_commas && text.contains(',') {
                    Cell::Comma(text)
                } else {
                    Cell::Bare(text)
                }
            }),
        }
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
    fn value(&self) -> Option<Cell<'de>> {
        let at = self.at?;
        self.next.set(at + 1);
        Some(self.row.cell(at))
    }
}

macro_rules! deserialize_required {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
            let value = self.value().ok_or_else(|| Unfit::custom("is missing"))?;
            value.$method(visitor)
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
        match self.value() {
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
