/*!
The tables that flow between the filters: record kinds, their readers and writers.

JSON lines, Arrow, Parquet and, for flat tables, CSV hold the same columns; a reader sniffs which it has. It hands out
[`Row`]s, of which records are made column by column; what a filter doesn't know travels along as [`Extra`]. A record goes
out as a line of JSON, of which the other formats are made.
*/

mod arrays;
mod batch;
mod brief;
mod check;
mod column;
mod datum;
mod extra;
mod flat;
mod json_lines;
mod plain;
#[macro_use]
mod table;
mod kinds;
mod read;
mod row;
mod stage;
mod tables;
mod version;
mod write;

pub use arrays::schema;
pub use column::{Column, ColumnType, Value};
pub use datum::Datum;
pub use extra::Extra;
pub use kinds::{
    Condition, Contrast, CurveKey, Design, ErrorKind, ErrorShare, Fit, Identifiability, Listed,
    Listing, Mean, Outcome, PairKey, Power, Prediction, ProfileOf, Prompt, Quantity, SLIM, Scaling,
    Score, Shape, ShapeFit, Side, Similarity, Summary, Trial, Verdict, Versus, VersusTask,
};
pub use read::{Entry, Reader};
pub use row::{Place, Row};
pub use stage::kind_of;
pub use table::{FromRow, Record, first_difference};
pub use version::{SCHEMA_KEY, VERSIONS};
pub use write::{Format, Writer};
