/*!
The tables that flow between the filters: record kinds, their readers and writers.

JSON lines, Arrow, Parquet and (for flat tables) CSV hold the same columns. A reader detects the format from the first
bytes. It returns `Row`s, from which records are read column by column. Columns that a filter does not know are kept
as `Extra`. A record is written as a line of JSON; the other formats are made from this line.
*/

mod arrays;
mod batch;
pub(crate) mod check;
mod column;
mod datum;
mod extra;
mod flat;
mod json_lines;
mod plain;
#[macro_use]
pub(crate) mod table;
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
pub(crate) use flat::fields;
pub use kinds::{
    Condition, Contrast, CurveKey, Design, ErrorKind, ErrorShare, Fit, Identifiability, Listed,
    Listing, PairKey, PairedGap, Power, Prediction, ProfileOf, Prompt, Quantity, SLIM, Scaling,
    Score, Shape, ShapeFit, Side, Similarity, Trial, Versus, VersusTask,
};
pub use read::{Entry, Reader};
pub use row::{Place, Row};
pub use stage::kind_of;
pub use table::{FromRow, Record, first_difference};
pub use version::{SCHEMA_KEY, VERSIONS};
pub use write::{Format, Writer};
