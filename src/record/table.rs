/*!
What a record kind is, and the macros that declare one: a struct whose fields are the columns.
*/

use super::column::{Cell, Column, ColumnType, Value};
use super::plain::Plain;

/// A row of some table, by which a record reads its fields.
pub trait Row {
    /// The cell of the record's column number `index`, called `name`.
    fn cell(&self, index: usize, name: &'static str) -> Cell<'_>;
}

/// A record kind: the columns of one table.
pub trait Record: Sized {
    /// What one record is called: `trial`, `prompt`, ...
    const KIND: &'static str;
    /// The columns, in order.
    const COLUMNS: &'static [Column];
    /// The columns that an aligned table shows a person; none is all of them.
    const BRIEF: &'static [&'static str] = &[];
    /// How many of the first columns are those of another kind, which this one only adds to.
    const SHARED: usize = 0;

    /// A record from a row; its columns are numbered from `first`.
    ///
    /// # Errors
    /// The column, and what was expected.
    fn read(row: &dyn Row, first: usize) -> std::result::Result<Self, String>;

    /// Takes over the columns of a line in the writers' own form; none if it is in any other, and then some columns may
    /// have been taken over.
    fn read_plain(&mut self, _line: &mut Plain<'_>) -> Option<()> {
        None
    }

    /// Calls `each` with every value, in the order of the columns.
    fn values<'a>(&'a self, each: &mut dyn FnMut(Value<'a>));

    /// Why a table that has certain columns is none of this kind, where their names alone say so.
    #[must_use]
    fn refusal(_has: &dyn Fn(&str) -> bool) -> Option<String> {
        None
    }

    /// Whether CSV can hold the kind: it has no lists.
    #[must_use]
    fn is_flat() -> bool {
        let list = |kind| matches!(kind, ColumnType::TextList | ColumnType::IntList);
        !Self::COLUMNS.iter().any(|column| list(column.kind))
    }

    /// What must hold between the columns.
    ///
    /// # Errors
    /// The column, and what was expected.
    fn check(&self) -> std::result::Result<(), String> {
        Ok(())
    }
}

/// Concatenates column lists in a constant.
pub(super) const fn concat<const N: usize>(a: &[Column], b: &[Column]) -> [Column; N] {
    let mut all = [Column {
        name: "",
        key: "",
        kind: ColumnType::Text,
        nullable: false,
    }; N];
    let mut i = 0;
    while i < N {
        all[i] = if i < a.len() { a[i] } else { b[i - a.len()] };
        i += 1;
    }
    all
}

/// Declares a record kind; `record! { struct Prompt: "prompt" = Trial as trial + { ... } }` begins
/// with the columns of another.
macro_rules! record {
    (
        $(#[$doc:meta])*
        struct $name:ident: $kind:literal = $($base:ident as $part:ident +)? {
            $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
        }
        $(check $check:expr;)?
        $(brief $brief:expr;)?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $(#[doc = concat!("The columns of a `", stringify!($base), "`.")] pub $part: $base,)?
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $crate::record::Record for $name {
            const KIND: &'static str = $kind;
            const SHARED: usize = {
                const BASE: &[Column] = record!(@base $($base)?);
                BASE.len()
            };
            const COLUMNS: &'static [Column] = {
                const BASE: &[Column] = record!(@base $($base)?);
                const OWN: &[Column] = &[$(Column {
                    name: stringify!($field),
                    key: concat!(",\"", stringify!($field), "\":"),
                    kind: <$type as Field>::KIND,
                    nullable: <$type as Field>::NULLABLE,
                }),*];
                const ALL: [Column; BASE.len() + OWN.len()] = concat(BASE, OWN);
                &ALL
            };

            fn read(row: &dyn Row, first: usize) -> std::result::Result<Self, String> {
                let mut index = first;
                $(
                    let $part = <$base as Record>::read(row, first)?;
                    index += <$base as Record>::COLUMNS.len();
                )?
                $(
                    let $field = <$type as Field>::read(row.cell(index, stringify!($field)))
                        .map_err(|e| format!("column {:?}: {e}", stringify!($field)))?;
                    index += 1;
                )*
                let _ = index;
                Ok(Self { $($part,)? $($field,)* })
            }

            fn read_plain(&mut self, line: &mut Plain<'_>) -> Option<()> {
                $(self.$part.read_plain(line)?;)?
                $(
                    line.key(concat!(",\"", stringify!($field), "\":"))?;
                    self.$field.read_plain(line)?;
                )*
                Some(())
            }

            fn values<'a>(&'a self, each: &mut dyn FnMut(Value<'a>)) {
                $(self.$part.values(each);)?
                $(each(Field::value(&self.$field));)*
            }

            $(const BRIEF: &'static [&'static str] = &$brief;)?

            $(fn check(&self) -> std::result::Result<(), String> {
                $check(self)
            })?
        }
    };
    (@base $base:ident) => { <$base as Record>::COLUMNS };
    (@base) => { &[] };
}

/// An enum that is written as one of a few words.
macro_rules! words {
    ($(#[$doc:meta])* enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// The word in records and on command lines.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> std::result::Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    other => Err(format!(
                        "expected {}, found {:?}",
                        [$($word),*].join(" or "),
                        super::column::shorten(other),
                    )),
                }
            }
        }

        impl Field for $name {
            const KIND: ColumnType = ColumnType::Text;

            fn read(cell: Cell<'_>) -> std::result::Result<Self, String> {
                String::read(cell)?.parse()
            }

            fn plain(line: &mut Plain<'_>) -> Option<Self> {
                let word = line.text()?;
                [$(Self::$variant),*].into_iter().find(|known| known.word() == word)
            }

            fn value(&self) -> Value<'_> {
                Value::Text(self.word())
            }
        }
    };
}
