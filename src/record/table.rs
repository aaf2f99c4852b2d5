/*!
What a record kind is, and the macros that declare one: a struct whose fields are the columns.
*/

use super::column::{Column, ColumnType, Value};
use super::row::Row;
use serde::de::DeserializeOwned;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value as Json};

/// A record kind: the columns of one table.
pub trait Record: DeserializeOwned {
    /// What one record is called: `trial`, `prompt`, ...
    const KIND: &'static str;
    /// The columns, in order.
    const COLUMNS: &'static [Column];
    /// The columns that an aligned table shows a person; none is all of them.
    const BRIEF: &'static [&'static str] = &[];

    /// Hands every column's value over, in the order of the columns.
    ///
    /// # Errors
    /// The receiver's.
    fn fields<F: Fields>(&self, to: &mut F) -> Result<(), F::Error>;

    /// What must hold between the columns.
    ///
    /// # Errors
    /// The column, and what was expected.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// What takes a record's values.
pub trait Fields {
    /// What can go wrong.
    type Error;

    /// The next column's value.
    ///
    /// # Errors
    /// The receiver's own.
    fn field<V: Value>(&mut self, name: &'static str, value: &V) -> Result<(), Self::Error>;
}

/// What rows of a table are read as: a record kind, or one of several that the columns tell apart.
pub trait FromRow: Sized {
    /// What one row is called.
    const WHAT: &'static str;

    /// The columns that are looked at; none where it could be any.
    #[must_use]
    fn columns() -> Option<&'static [Column]> {
        None
    }

    /// What a row says.
    ///
    /// # Errors
    /// The column, and what was expected.
    fn from_row(row: Row<'_>) -> Result<Self, String>;
}

impl<T: Record> FromRow for T {
    const WHAT: &'static str = T::KIND;

    fn columns() -> Option<&'static [Column]> {
        Some(T::COLUMNS)
    }

    fn from_row(row: Row<'_>) -> Result<Self, String> {
        let record: T = row.read()?;
        record.check()?;
        Ok(record)
    }
}

/// A record without some of its columns as a map, for serialisers.
pub(super) struct AsMap<'a, T>(pub &'a T, pub &'a [&'a str]);

impl<T: Record> Serialize for AsMap<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Columns<'a, M>(M, &'a [&'a str]);

        impl<M: SerializeMap> Fields for Columns<'_, M> {
            type Error = M::Error;

            fn field<V: Value>(&mut self, name: &'static str, value: &V) -> Result<(), M::Error> {
                if self.1.contains(&name) {
                    return Ok(());
                }
                value.put(name, &mut self.0)
            }
        }

        let mut columns = Columns(serializer.serialize_map(None)?, self.1);
        self.0.fields(&mut columns)?;
        columns.0.end()
    }
}

/// A record as a JSON object, without some of its columns.
pub(super) fn object<T: Record>(record: &T, skip: &[&str]) -> Map<String, Json> {
    match serde_json::to_value(AsMap(record, skip)) {
        Ok(Json::Object(object)) => object,
        // Neither texts nor numbers can fail.
        _ => Map::new(),
    }
}

/// The first column in which two records differ.
#[must_use]
pub fn first_difference<T: Record + PartialEq>(a: &T, b: &T) -> Option<&'static str> {
    if a == b {
        return None;
    }
    let (a, b) = (object(a, &[]), object(b, &[]));
    let mut names = T::COLUMNS.iter().map(|column| column.name);
    names.find(|name| a.get(*name) != b.get(*name))
}

/// Concatenates lists of columns in a constant.
pub(super) const fn concat<const N: usize>(parts: &[&[Column]]) -> [Column; N] {
    let mut all = [Column {
        name: "",
        kind: ColumnType::Text,
        nullable: false,
    }; N];
    let (mut part, mut at, mut next) = (0, 0, 0);
    while next < N {
        if at == parts[part].len() {
            (part, at) = (part + 1, 0);
        } else {
            all[next] = parts[part][at];
            (at, next) = (at + 1, next + 1);
        }
    }
    all
}

/// How many columns some lists have together.
pub(super) const fn count(parts: &[&[Column]]) -> usize {
    let (mut part, mut n) = (0, 0);
    while part < parts.len() {
        n += parts[part].len();
        part += 1;
    }
    n
}

/// Declares a record kind: name, type and meaning of every column. Behind `..` is another kind, whose columns stand there.
macro_rules! record {
    (
        $(#[$doc:meta])*
        struct $name:ident: $kind:literal {
            $($(.. $whole:ident)? $($field:ident)?: $type:ty, $meaning:literal;)*
        }
        $(check $check:expr;)?
        $(brief $brief:expr;)?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
        pub struct $name {
            $(#[doc = $meaning] pub $($whole)? $($field)?: $type,)*
        }

        impl $crate::record::Record for $name {
            const KIND: &'static str = $kind;
            const COLUMNS: &'static [$crate::record::Column] = {
                const PARTS: &[&[$crate::record::Column]] =
                    &[$(record!(@columns $(.. $whole)? $($field)?: $type)),*];
                const ALL: [$crate::record::Column; $crate::record::table::count(PARTS)] =
                    $crate::record::table::concat(PARTS);
                &ALL
            };

            fn fields<F: $crate::record::Fields>(&self, to: &mut F) -> Result<(), F::Error> {
                $(record!(@give self, to, $(.. $whole)? $($field)?);)*
                Ok(())
            }

            $(const BRIEF: &'static [&'static str] = &$brief;)?

            $(fn check(&self) -> Result<(), String> {
                $check(self)
            })?
        }
    };
    (@columns .. $whole:ident: $type:ty) => { <$type as $crate::record::Record>::COLUMNS };
    (@columns $field:ident: $type:ty) => {
        &[$crate::record::Column {
            name: stringify!($field),
            kind: <$type as $crate::record::column::Value>::KIND,
            nullable: <$type as $crate::record::column::Value>::NULLABLE,
        }]
    };
    (@give $self:ident, $to:ident, .. $whole:ident) => { $self.$whole.fields($to)? };
    (@give $self:ident, $to:ident, $field:ident) => {
        $to.field(stringify!($field), &$self.$field)?
    };
}

/// An enum that is written as one of a few words.
macro_rules! words {
    ($(#[$doc:meta])* enum $name:ident { $($variant:ident = $word:literal, $meaning:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum)]
        pub enum $name {
            $(#[doc = $meaning] $variant,)*
        }

        impl Default for $name {
            /// The first.
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

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::record::column::from_text(deserializer)
            }
        }

        impl $crate::record::column::Value for $name {
            const KIND: $crate::record::ColumnType = $crate::record::ColumnType::Text;

            fn push_json(&self, line: &mut Vec<u8>) {
                $crate::record::column::push_text(line, self.word());
            }
        }
    };
}
