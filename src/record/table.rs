/*!
Record kinds, and the macros that declare one as a struct whose fields are the columns.
*/

use super::column::{Column, Value};
use super::json_lines::{line_of, parse};
use super::row::Row;
use std::borrow::Cow;

/// A record kind: the columns of one table.
pub trait Record: Sized {
    /// The name of one record: `trial`, `prompt`, ...
    const KIND: &'static str;
    /// The columns that an aligned table leaves out because they are seldom of interest.
    const DETAILS: &'static [&'static str] = &[];

    /// The columns, in order.
    fn columns() -> &'static [Column];

    /// Reads the columns of a row, without [`check`](Self::check).
    ///
    /// # Errors
    /// A value does not fit; the error names the column and what was expected.
    fn read(row: Row<'_>) -> Result<Self, String>;

    /// Appends the columns that are not in `skip` to a line of JSON, each with a comma before it.
    fn push_json(&self, line: &mut Vec<u8>, skip: &[&str]);

    /// Checks what must hold between the columns.
    ///
    /// # Errors
    /// A check fails; the error names the column and what was expected.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A type that can be read from rows: a record kind, or a choice of several kinds with different columns.
pub trait FromRow: Sized {
    /// The name of one row.
    const WHAT: &'static str;

    /// The columns that may be read; none if it may be any column.
    #[must_use]
    fn known() -> Option<&'static [Column]> {
        None
    }

    /// Reads and checks a row.
    ///
    /// # Errors
    /// A value does not fit or a check fails; the error names the column and what was expected.
    fn from_row(row: Row<'_>) -> Result<Self, String>;
}

impl<T: Record> FromRow for T {
    const WHAT: &'static str = T::KIND;

    fn known() -> Option<&'static [Column]> {
        Some(T::columns())
    }

    fn from_row(row: Row<'_>) -> Result<Self, String> {
        let record = T::read(row)?;
        record.check()?;
        Ok(record)
    }
}

/// The first column in which two records differ.
#[must_use]
pub fn first_difference<T: Record>(a: &T, b: &T) -> Option<&'static str> {
    let (a, b) = (line_of(a, &[]), line_of(b, &[]));
    let (a, b) = (text_fields(&a), text_fields(&b));
    let differing = a.iter().zip(&b).position(|(a, b)| a != b)?;
    Some(T::columns()[differing].name)
}

/// The columns of a line written by Shotline and their values as JSON text.
pub(super) fn text_fields(line: &str) -> Vec<(Cow<'_, str>, &str)> {
    parse(line).unwrap_or_default()
}

/// The column that belongs to a field of type `T`.
pub(crate) fn column<T: Value>(name: &'static str) -> Column {
    Column {
        name,
        kind: T::KIND,
        nullable: T::NULLABLE,
    }
}

/// Appends a field's column to a line of JSON.
pub(crate) fn push_field<T: Value>(line: &mut Vec<u8>, skip: &[&str], name: &str, value: &T) {
    if !skip.contains(&name) {
        // Names are identifiers and need no escapes.
        line.extend_from_slice(b",\"");
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(b"\":");
        value.push_json(line);
    }
}

/// Declares a record kind: name, type and meaning of every column. `..` inserts all columns of another kind.
macro_rules! record {
    (
        $(#[$doc:meta])*
        struct $name:ident: $kind:literal {
            $($(.. $whole:ident)? $($field:ident)?: $type:ty, $meaning:literal;)*
        }
        $(check $check:expr;)?
        $(details $details:expr;)?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $(#[doc = $meaning] pub $($whole)? $($field)?: $type,)*
        }

        impl $crate::record::Record for $name {
            const KIND: &'static str = $kind;
            $(const DETAILS: &'static [&'static str] = &$details;)?

            fn columns() -> &'static [$crate::record::Column] {
                static ALL: std::sync::OnceLock<Vec<$crate::record::Column>> =
                    std::sync::OnceLock::new();
                ALL.get_or_init(|| {
                    let parts: &[&[$crate::record::Column]] = &[$(record!(@columns $(.. $whole)? $($field)?: $type)),*];
                    parts.concat()
                })
            }

            fn read(row: $crate::record::Row<'_>) -> Result<Self, String> {
                Ok(Self {
                    $($($whole: $crate::record::Record::read(row)?,)? $($field: row.get(stringify!($field))?,)?)*
                })
            }

            fn push_json(&self, line: &mut Vec<u8>, skip: &[&str]) {
                $(
                    $($crate::record::Record::push_json(&self.$whole, line, skip);)?
                    $($crate::record::table::push_field(line, skip, stringify!($field), &self.$field);)?
                )*
            }

            $(fn check(&self) -> Result<(), String> {
                $check(self)
            })?
        }
    };
    (@columns .. $whole:ident: $type:ty) => { <$type as $crate::record::Record>::columns() };
    (@columns $field:ident: $type:ty) => { &[$crate::record::table::column::<$type>(stringify!($field))] };
}

/// Declares an enum whose variants are written as words.
macro_rules! words {
    ($(#[$doc:meta])* enum $name:ident { $($variant:ident = $word:literal, $meaning:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum)]
        pub enum $name {
            $(#[doc = $meaning] $variant,)*
        }

        impl Default for $name {
            /// The first variant.
            fn default() -> Self {
                [$(Self::$variant),*][0]
            }
        }

        impl $name {
            /// The word in records and on command lines.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    other => Err(format!(
                        "expected {}, found {:?}",
                        [$($word),*].join(" or "),
                        $crate::error::shorten(other),
                    )),
                }
            }
        }

        impl $crate::record::column::Value for $name {
            const KIND: $crate::record::ColumnType = $crate::record::ColumnType::Text;

            fn read(datum: $crate::record::Datum<'_>) -> Result<Self, String> {
                datum.text()?.parse()
            }

            fn push_json(&self, line: &mut Vec<u8>) {
                $crate::record::column::push_text(line, self.word());
            }
        }
    };
}
