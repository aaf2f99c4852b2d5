/*!
The tables that flow between the filters: record kinds, their readers and writers, provenance.

JSON lines, Arrow and Parquet hold the same columns; a reader sniffs which it has. A reader hands out [`Row`]s, of which
serde makes records; what a filter doesn't know travels along as [`Extra`].
*/

mod arrays;
mod batch;
mod brief;
mod cell;
mod check;
mod column;
mod extra;
mod flat;
mod json_lines;
mod object;
mod place;
mod plain;
#[macro_use]
mod table;
mod kinds;
pub mod provenance;
mod read;
mod row;
mod rows;
mod stage;
mod tables;
mod values;
mod version;
mod write;

pub use arrays::schema;
pub use column::{Column, ColumnType};
pub use extra::Extra;
pub use kinds::{
    Condition, Contrast, CurveKey, Design, ErrorKind, ErrorShare, Fit, Identifiability, Listed,
    Listing, Mean, Outcome, PairKey, Power, Prediction, ProfileOf, Prompt, Quantity, SLIM, Scaling,
    Score, Shape, ShapeFit, Side, Similarity, Summary, Trial, Verdict, Versus, VersusTask,
};
pub use place::Place;
pub use read::{Entry, Reader};
pub use row::Row;
pub use stage::kind_of;
pub use table::{Fields, FromRow, Record, first_difference};
pub use version::{SCHEMA_KEY, VERSIONS};
pub use write::{Format, Writer};
