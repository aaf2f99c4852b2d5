/*!
What figures and reports read: rows of any table of results, told apart by their columns.
*/

use super::column::{Cell, Column, ColumnType, Value};
use super::kinds::{
    Contrast, ErrorShare, Fit, Identifiability, Power, Scaling, Score, Similarity, Versus,
    VersusTask,
};
use super::table::{Record, Row, concat};

/// The column that shows that a row is a prediction, which is no result yet.
const OF_PREDICTION: Column = Column {
    name: "correct",
    key: ",\"correct\":",
    kind: ColumnType::Bool,
    nullable: true,
};

/// Declares [`Finding`]: each kind with the column that only it has; the last is whatever has none of them.
macro_rules! finding {
    ({ $($(#[$doc:meta])* $kind:ident, by $mark:literal;)* } $(#[$last_doc:meta])* $last:ident) => {
        /// A row of results.
        #[derive(Debug, Clone, PartialEq)]
        // Rows are moved into lists of their own kind at once.
        #[allow(clippy::large_enum_variant)]
        pub enum Finding {
            $($(#[$doc])* $kind($kind),)*
            $(#[$last_doc])* $last($last),
        }

        impl Record for Finding {
            const KIND: &'static str = "row of results";
            const COLUMNS: &'static [Column] = {
                const ALL: [Column; 1 $(+ $kind::COLUMNS.len())* + $last::COLUMNS.len()] = {
                    let all: [Column; 1] = [OF_PREDICTION];
                    finding!(@concat all, 1; $($kind,)* $last,)
                };
                &ALL
            };

            fn read(row: &dyn Row, first: usize) -> Result<Self, String> {
                let is_there = |name: &str| name == OF_PREDICTION.name && has(row, first, OF_PREDICTION.name);
                if let Some(why) = Self::refusal(&is_there) {
                    return Err(why);
                }
                let mut at = first + 1;
                $(
                    if has_column::<$kind>(row, at, $mark) {
                        return $kind::read(row, at).map(Self::$kind);
                    }
                    at += $kind::COLUMNS.len();
                )*
                $last::read(row, at).map(Self::$last)
            }

            fn values<'a>(&'a self, each: &mut dyn FnMut(Value<'a>)) {
                match self {
                    $(Self::$kind(row) => row.values(each),)*
                    Self::$last(row) => row.values(each),
                }
            }

            fn check(&self) -> Result<(), String> {
                match self {
                    $(Self::$kind(row) => row.check(),)*
                    Self::$last(row) => row.check(),
                }
            }

            fn refusal(has: &dyn Fn(&str) -> bool) -> Option<String> {
                has(OF_PREDICTION.name).then(|| {
                    format!(
                        "column {:?}: a prediction, expected results; `score`, `fit-loglinear` and \
                         `contrast` make results of predictions",
                        OF_PREDICTION.name
                    )
                })
            }

            fn is_flat() -> bool {
                true
            }
        }
    };
    (@concat $all:ident, $count:expr;) => { $all };
    (@concat $all:ident, $count:expr; $kind:ident, $($rest:ident,)*) => {{
        let more: [Column; $count + $kind::COLUMNS.len()] = concat(&$all, $kind::COLUMNS);
        finding!(@concat more, $count + $kind::COLUMNS.len(); $($rest,)*)
    }};
}

finding! {
    {
        /// A log-linear fit.
        Fit, by "a0";
        /// Clean against deranged.
        Contrast, by "clean_accuracy";
        /// How alike two models' profiles are.
        Similarity, by "rho";
        /// Model against model at one function.
        VersusTask, by "rank_a";
        /// Model against model.
        Versus, by "iou";
        /// How surely demonstrations identify functions.
        Identifiability, by "identified";
        /// One kind of wrong answers.
        ErrorShare, by "counted_once";
        /// A family against its models' parameters.
        Scaling, by "slope";
        /// A design for a wanted error.
        Power, by "wanted_se";
    }
    /// An accuracy.
    Score
}

/// Whether a row has the column of a kind whose columns are numbered from `first`.
fn has_column<T: Record>(row: &dyn Row, first: usize, name: &'static str) -> bool {
    let at = T::COLUMNS.iter().position(|column| column.name == name);
    at.is_some_and(|i| has(row, first + i, name))
}

fn has(row: &dyn Row, index: usize, name: &'static str) -> bool {
    !matches!(row.cell(index, name), Cell::Missing)
}
