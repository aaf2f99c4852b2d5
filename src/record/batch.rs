/*!
Arrow batches, and the values that records read from them. Parquet files are read as Arrow batches, too.
*/

use super::column::Column;
use super::datum::Datum;
use super::json_lines::parse;
use super::version::SCHEMA_KEY;
use crate::error::{Error, Result};
use arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type, Schema};
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use std::cell::OnceCell;
use std::sync::{Arc, OnceLock};

/// Number of records that are read or written at once.
pub(super) const BATCH_ROWS: usize = 1024;

/// A batch from which records are read.
pub struct Batch {
    source: RecordBatch,
    /// The values of each column, converted when they are first needed.
    values: Vec<OnceCell<Values>>,
    unknown: OnceCell<Arc<Unknown>>,
}

impl Batch {
    pub(super) fn new(batch: RecordBatch) -> Self {
        Self {
            values: (0..batch.num_columns()).map(|_| OnceCell::new()).collect(),
            source: batch,
            unknown: OnceCell::new(),
        }
    }

    /// The number of columns.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn rows(&self) -> usize {
        self.source.num_rows()
    }

    pub(super) fn name(&self, at: usize) -> &str {
        self.source.schema_ref().field(at).name()
    }

    /// The values of a column.
    #[inline]
    pub(super) fn column(&self, at: usize) -> &Values {
        self.values[at].get_or_init(|| Values::of(self.source.column(at)))
    }

    /// The columns that are not in `known`. The result is cached, so every call for a batch must have the same `known`.
    pub(super) fn unknown(&self, known: &[Column]) -> &Arc<Unknown> {
        self.unknown.get_or_init(|| {
            let is_unknown = |at: &usize| {
                let name = self.name(*at);
                name != SCHEMA_KEY && !known.iter().any(|column| column.name == name)
            };
            let at: Vec<usize> = (0..self.len()).filter(is_unknown).collect();
            let batch = self.source.project(&at);
            Arc::new(Unknown {
                batch: batch.unwrap_or_else(|_| RecordBatch::new_empty(Schema::empty().into())),
                json: OnceLock::new(),
            })
        })
    }
}

/// The unknown columns of a batch.
#[derive(Debug)]
pub struct Unknown {
    pub(super) batch: RecordBatch,
    /// The same columns as JSON, row by row, made when first needed.
    json: OnceLock<std::result::Result<Vec<JsonFields>, String>>,
}

/// Column names and values as JSON text.
pub(super) type JsonFields = Vec<(String, String)>;

impl Unknown {
    pub(super) fn json(&self) -> Result<&[JsonFields]> {
        let made = self.json.get_or_init(|| {
            rows_as_json(&self.batch).map_err(|e| {
                format!("a column that this filter doesn't know cannot be said in JSON ({e})")
            })
        });
        made.as_deref().map_err(Error::data)
    }
}

/// The values of a column, converted to the types of [`ColumnType`](super::ColumnType).
pub enum Values {
    Null,
    Text(StringArray),
    Int(Int64Array),
    Float(Float64Array),
    Bool(BooleanArray),
    /// Lists, and the items of all lists together.
    List(ListArray, Box<Values>),
    /// Values of another type, and the name of this type.
    Other(ArrayRef, String),
    /// One entry for each row, if some rows cannot be converted.
    Rows(Vec<Values>),
    /// A value that cannot be converted; the text says why.
    Unfit(String),
}

impl Values {
    /// Converts a column to the closest of these types.
    pub(super) fn of(column: &ArrayRef) -> Self {
        let plain = match cast(column, &plain_type(column.data_type())) {
            Ok(plain) => plain,
            Err(_) if column.len() > 1 => {
                let rows = (0..column.len()).map(|row| Self::of(&column.slice(row, 1)));
                return Self::Rows(rows.collect());
            }
            Err(e) => {
                // Cut the kind of error, with which Arrow's message begins.
                let what = e.to_string();
                let cut = what.split_once(": ").map(|(_, what)| what.to_owned());
                return Self::Unfit(cut.unwrap_or(what));
            }
        };
        match plain.data_type() {
            DataType::Null => Self::Null,
            DataType::Utf8 => Self::Text(plain.as_string().clone()),
            DataType::Int64 => Self::Int(plain.as_primitive().clone()),
            DataType::Float64 => Self::Float(plain.as_primitive().clone()),
            DataType::Boolean => Self::Bool(plain.as_boolean().clone()),
            DataType::List(_) => {
                let lists: &ListArray = plain.as_list();
                Self::List(lists.clone(), Box::new(Self::of(lists.values())))
            }
            other => Self::Other(plain.clone(), other.to_string()),
        }
    }

    /// The value of a row.
    #[inline]
    pub(super) fn datum(&self, row: usize) -> Datum<'_> {
        match self {
            Self::Text(texts) if texts.is_valid(row) => Datum::Text(texts.value(row)),
            Self::Int(ints) if ints.is_valid(row) => Datum::Int(ints.value(row)),
            Self::Float(floats) if floats.is_valid(row) => Datum::Float(floats.value(row)),
            Self::Bool(bools) if bools.is_valid(row) => Datum::Bool(bools.value(row)),
            Self::List(lists, items) if lists.is_valid(row) => {
                let offsets = lists.value_offsets();
                // Offsets are never negative.
                let [begin, end] = [offsets[row], offsets[row + 1]].map(i32::unsigned_abs);
                Datum::Items(items, begin, end)
            }
            Self::Other(array, what) if array.is_valid(row) => Datum::Other(what),
            Self::Rows(rows) => rows[row].datum(0),
            Self::Unfit(why) => Datum::Unfit(why),
            _ => Datum::Null,
        }
    }
}

/// Casts an array. A value that does not fit is an error, not null.
pub(super) fn cast(array: &ArrayRef, to: &DataType) -> std::result::Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &options)
}

/// The type that a column is cast to for reading: that of the matching [`ColumnType`](super::ColumnType), or its own.
fn plain_type(found: &DataType) -> DataType {
    match found {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        integer if integer.is_integer() => DataType::Int64,
        DataType::Decimal32(_, ..=0)
        | DataType::Decimal64(_, ..=0)
        | DataType::Decimal128(_, ..=0)
        | DataType::Decimal256(_, ..=0) => DataType::Int64,
        number if number.is_numeric() => DataType::Float64,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => {
            let item = Field::new("item", plain_type(item.data_type()), true);
            DataType::List(Arc::new(item))
        }
        other => other.clone(),
    }
}

/// The rows of a batch as JSON. NaN becomes null.
///
/// # Errors
/// JSON cannot represent a value: an infinity, or a map key that is not text.
pub(super) fn rows_as_json(batch: &RecordBatch) -> Result<Vec<JsonFields>> {
    let columns: Vec<ArrayRef> = (batch.columns().iter())
        .map(|column| cast(column, &json_type(column.data_type())).map_err(Error::data))
        .collect::<Result<_>>()?;
    let fields = json_fields(batch.schema().fields());
    for (field, column) in fields.iter().zip(&columns) {
        if field.data_type().is_floating()
            && let Ok(floats) = cast(column, &DataType::Float64)
            && let mut floats = floats.as_primitive::<Float64Type>().iter().flatten()
            && let Some(found) = floats.find(|x| x.is_infinite())
        {
            return Err(Error::data(format!("column {:?}: {found}", field.name())));
        }
    }
    let batch =
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(Error::data)?;
    let mut text = Vec::new();
    // Write nulls explicitly, so that a null column stays a column, as with JSON lines.
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, LineDelimited>(&mut text);
    writer.write(&batch).map_err(Error::data)?;
    writer.finish().map_err(Error::data)?;
    let lines = std::str::from_utf8(&text).map_err(Error::data)?.lines();
    lines
        .map(|line| {
            let fields = parse(line).map_err(Error::data)?.into_iter();
            let fields = fields.map(|(name, raw)| (name.into_owned(), raw.to_owned()));
            Ok(fields.collect())
        })
        .collect()
}

/// The type with which a column is written to JSON and read back. A dictionary becomes plain values, a duration becomes
/// its number of units.
fn json_type(of: &DataType) -> DataType {
    let item = |field: &FieldRef| {
        let inner = json_type(field.data_type());
        Arc::new(field.as_ref().clone().with_data_type(inner))
    };
    match of {
        DataType::Dictionary(_, values) => json_type(values),
        DataType::RunEndEncoded(_, values) => json_type(values.data_type()),
        DataType::Duration(_) => DataType::Int64,
        DataType::List(field) => DataType::List(item(field)),
        DataType::LargeList(field) => DataType::LargeList(item(field)),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(item(field), *size),
        DataType::Map(field, is_sorted) => DataType::Map(item(field), *is_sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(item).collect()),
        other => other.clone(),
    }
}

/// The same fields, with the types that [`json_type`] gives.
pub(super) fn json_fields(fields: &Fields) -> Fields {
    let field = |field: &FieldRef| Field::new(field.name(), json_type(field.data_type()), true);
    fields.iter().map(field).collect()
}
