/*!
The tables that flow between the filters: record kinds, their readers and writers, provenance.

JSON lines, Arrow and Parquet hold the same columns; a reader sniffs which it has. Columns that a
filter doesn't know travel along as [`Extra`].
*/

mod batch;
mod bounds;
mod check;
mod column;
mod damage;
mod extra;
mod finding;
mod flat;
mod json;
#[macro_use]
mod table;
mod kinds;
mod plain;
pub mod provenance;
mod read;
mod shard;
mod version;
mod write;

pub use batch::schema;
pub use column::{Column, ColumnType};
pub(crate) use damage::contained;
pub use extra::Extra;
pub use finding::Finding;
pub use flat::{Brief, BriefCell, BriefColumn};
pub use kinds::{
    Condition, Contrast, CurveKey, Design, ErrorKind, ErrorShare, Fit, Identifiability, Listed,
    Listing, Mean, Outcome, PairKey, Power, Prediction, Prompt, Quantity, SLIM, Scaling, Score,
    ScoreOrOutcome, Side, Similarity, Trial, Verdict, Versus, VersusTask,
};
pub use read::{Entry, Place, Reader};
pub use shard::{AnyRecord, Part, Shard, Watch, Whole};
pub use table::Record;
pub use version::{SCHEMA_KEY, VERSIONS};
pub use write::{Format, Writer};
