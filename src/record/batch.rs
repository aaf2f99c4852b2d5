/*!
Arrow batches: rows out of them, and records into them. Parquet is read and written through these.
*/

use super::column::{Cell, Column, ColumnType, Value};
use super::extra::{self, Extra, ExtraColumns};
use super::table::{Record, Row};
use super::version;
use crate::error::{Error, Result};
use arrow::array::{
    Array, ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, RecordBatch,
    StringBuilder,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// A batch is written when it holds this many records or bytes, so that memory stays flat whatever
/// the records' length.
const BATCH_ROWS: usize = 1024;
const BATCH_BYTES: usize = 8 << 20;

/// A batch's known columns in the order of a record kind, each cast to its own type.
pub(super) struct Batch {
    columns: Vec<Option<ArrayRef>>,
    extra: Vec<Extra>,
    pub(super) rows: usize,
}

impl Batch {
    /// The columns of `batch` that `T` knows, and the others as extra columns if wanted.
    pub(super) fn new<T: Record>(batch: &RecordBatch, keep_extra: bool) -> Result<Self> {
        let schema = batch.schema();
        if let Some(column) = batch.column_by_name(version::SCHEMA_KEY) {
            version::check_column(column)?;
        }
        if let Some(why) = T::refusal(&|name| schema.index_of(name).is_ok()) {
            return Err(Error::data(why));
        }
        // Where `T` stands for several kinds of rows, a name can have a type in each: a row is of the kind that fits, and
        // the others do not read it.
        let ambiguous = |column: &Column| {
            let mut others = T::COLUMNS.iter();
            others.any(|other| other.name == column.name && other.kind != column.kind)
        };
        let columns = T::COLUMNS
            .iter()
            .map(|column| {
                let found = schema.index_of(column.name).ok();
                match found.map(|i| known(column, batch.column(i))).transpose() {
                    Err(_) if ambiguous(column) => Ok(None),
                    known => known,
                }
            })
            .collect::<Result<_>>()?;
        let extra = if keep_extra {
            let others: Vec<usize> = schema
                .fields()
                .iter()
                .enumerate()
                .filter(|(_, f)| f.name() != version::SCHEMA_KEY)
                .filter(|(_, f)| !T::COLUMNS.iter().any(|c| c.name == f.name()))
                .map(|(i, _)| i)
                .collect();
            extra::from_batch(&batch.project(&others).map_err(Error::data)?)?
        } else {
            Vec::new()
        };
        Ok(Self {
            columns,
            extra,
            rows: batch.num_rows(),
        })
    }

    pub(super) fn row(&self, row: usize) -> BatchRow<'_> {
        BatchRow { batch: self, row }
    }

    pub(super) fn take_extra(&mut self, row: usize) -> Extra {
        self.extra
            .get_mut(row)
            .map(std::mem::take)
            .unwrap_or_default()
    }
}

fn known(column: &Column, array: &ArrayRef) -> Result<ArrayRef> {
    let wanted = column.kind.arrow();
    if *array.data_type() == wanted {
        return Ok(array.clone());
    }
    let unfit = |found: &dyn std::fmt::Display| {
        Error::data(format!(
            "column {:?}: expected {}, found {found}",
            column.name,
            column.kind.words()
        ))
    };
    if !column.kind.accepts(array.data_type()) {
        return Err(unfit(array.data_type()));
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, &wanted, &options).map_err(|e| unfit(&e))
}

/// One row of a [`Batch`].
pub(super) struct BatchRow<'a> {
    batch: &'a Batch,
    row: usize,
}

impl Row for BatchRow<'_> {
    fn cell(&self, index: usize, _name: &'static str) -> Cell<'_> {
        match self.batch.columns.get(index) {
            Some(Some(array)) => Cell::Arrow(&**array, self.row),
            _ => Cell::Missing,
        }
    }
}

enum Builder {
    Text(StringBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    TextList(ListBuilder<StringBuilder>),
    IntList(ListBuilder<Int64Builder>),
}

impl Builder {
    fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Text => Self::Text(StringBuilder::new()),
            ColumnType::Int => Self::Int(Int64Builder::new()),
            ColumnType::Float => Self::Float(Float64Builder::new()),
            ColumnType::Bool => Self::Bool(BooleanBuilder::new()),
            ColumnType::TextList => Self::TextList(ListBuilder::new(StringBuilder::new())),
            ColumnType::IntList => Self::IntList(ListBuilder::new(Int64Builder::new())),
        }
    }

    /// Appends a value of the column's own type (or null); returns about how many bytes it took.
    fn push(&mut self, value: Value<'_>) -> usize {
        match (self, value) {
            (Self::Text(b), Value::Text(text)) => {
                b.append_value(text);
                text.len()
            }
            (Self::Text(b), Value::Bits(bits)) => {
                // Writing into a builder cannot fail.
                let _ = write!(b, "{bits}");
                b.append_value("");
                16
            }
            (Self::Int(b), Value::Int(n)) => {
                b.append_value(n);
                8
            }
            (Self::Float(b), Value::Float(x)) => {
                b.append_option(x.is_finite().then_some(x));
                8
            }
            (Self::Bool(b), Value::Bool(x)) => {
                b.append_value(x);
                1
            }
            (Self::TextList(b), Value::BitsList(list)) => {
                for bits in list {
                    let _ = write!(b.values(), "{bits}");
                    b.values().append_value("");
                }
                b.append(true);
                16 * list.len()
            }
            (Self::IntList(b), Value::IntList(list)) => {
                for &n in list {
                    b.values().append_value(i64::from(n));
                }
                b.append(true);
                8 * list.len()
            }
            (builder, _) => builder.push_null(),
        }
    }

    fn push_null(&mut self) -> usize {
        match self {
            Self::Text(b) => b.append_null(),
            Self::Int(b) => b.append_null(),
            Self::Float(b) => b.append_null(),
            Self::Bool(b) => b.append_null(),
            Self::TextList(b) => b.append_null(),
            Self::IntList(b) => b.append_null(),
        }
        8
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(b) => Arc::new(b.finish()),
            Self::Int(b) => Arc::new(b.finish()),
            Self::Float(b) => Arc::new(b.finish()),
            Self::Bool(b) => Arc::new(b.finish()),
            Self::TextList(b) => Arc::new(b.finish()),
            Self::IntList(b) => Arc::new(b.finish()),
        }
    }
}

/// Collects records into batches.
pub(super) struct BatchBuilder {
    columns: Vec<(&'static Column, Builder)>,
    skip: &'static [&'static str],
    extra: ExtraColumns,
    rows: usize,
    bytes: usize,
}

impl BatchBuilder {
    /// A builder for `T`'s columns but those in `skip`.
    pub(super) fn new<T: Record>(skip: &'static [&'static str]) -> Self {
        Self {
            columns: T::COLUMNS
                .iter()
                .filter(|c| !skip.contains(&c.name))
                .map(|c| (c, Builder::new(c.kind)))
                .collect(),
            skip,
            extra: ExtraColumns::default(),
            rows: 0,
            bytes: 0,
        }
    }

    pub(super) fn push<T: Record>(&mut self, record: &T, extra: &Extra) {
        let mut columns = T::COLUMNS.iter();
        let mut builders = self.columns.iter_mut();
        record.values(&mut |value| {
            let Some(column) = columns.next() else { return };
            if self.skip.contains(&column.name) {
                return;
            }
            if let Some((_, builder)) = builders.next() {
                self.bytes += builder.push(value);
            }
        });
        let known = |name: &str| T::COLUMNS.iter().any(|c| c.name == name);
        self.extra.push(extra, known);
        self.rows += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether it is time to [`finish`](Self::finish) a batch.
    pub(super) fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes + self.extra.len_bytes() >= BATCH_BYTES
    }

    /// The records since the last call as a batch.
    pub(super) fn finish(&mut self, metadata: &HashMap<String, String>) -> Result<RecordBatch> {
        let (extra_fields, extra_columns) = self.extra.finish(self.rows)?;
        let fields: Vec<_> = self
            .columns
            .iter()
            .map(|(c, _)| Arc::new(arrow_field(c)))
            .chain(extra_fields.iter().cloned())
            .collect();
        let arrays: Vec<ArrayRef> = self
            .columns
            .iter_mut()
            .map(|(_, b)| b.finish())
            .chain(extra_columns)
            .collect();
        self.rows = 0;
        self.bytes = 0;
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata.clone()));
        RecordBatch::try_new(schema, arrays).map_err(Error::data)
    }
}

fn arrow_field(column: &Column) -> ArrowField {
    ArrowField::new(column.name, column.kind.arrow(), column.nullable)
}

/// The Arrow schema of a record kind.
#[must_use]
pub fn schema<T: Record>() -> SchemaRef {
    Arc::new(Schema::new(
        T::COLUMNS.iter().map(arrow_field).collect::<Vec<_>>(),
    ))
}
