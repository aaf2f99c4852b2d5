/*!
Arrow batches as records are read from them. Parquet is read through these.
*/

use super::column::Column;
use super::object::Object;
use super::provenance::SCHEMA_KEY;
use super::values::{Values, cast};
use crate::error::{Error, Result};
use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type, Schema};
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

/// Records that are read or written at once.
pub(super) const BATCH_ROWS: usize = 1024;

/// A batch as records are read from it.
pub struct Batch {
    source: RecordBatch,
    /// The columns as records are read from them, each made when it is asked for.
    values: Vec<OnceCell<Values>>,
    unknown: OnceCell<Arc<Unknown>>,
    /// Where the columns are that a struct asks for, by its own list of them.
    places: RefCell<Vec<(&'static [&'static str], Places)>>,
}

/// The places of some columns, none of those that are not there.
type Places = Rc<[Option<usize>]>;

impl Batch {
    pub(super) fn new(batch: RecordBatch) -> Self {
        Self {
            values: (0..batch.num_columns()).map(|_| OnceCell::new()).collect(),
            source: batch,
            unknown: OnceCell::new(),
            places: RefCell::default(),
        }
    }

    /// The number of columns.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn rows(&self) -> usize {
        self.source.num_rows()
    }

    pub(super) fn name(&self, at: usize) -> Option<&str> {
        let fields = self.source.schema_ref().fields();
        fields.get(at).map(|field| field.name().as_str())
    }

    /// Where the columns called `names` are; looked for once.
    pub(super) fn places(&self, names: &'static [&'static str]) -> Places {
        let mut known = self.places.borrow_mut();
        if let Some((_, places)) = known.iter().find(|(of, _)| std::ptr::eq(*of, names)) {
            return places.clone();
        }
        let schema = self.source.schema_ref();
        let places: Places = names
            .iter()
            .map(|name| schema.index_of(name).ok())
            .collect();
        known.push((names, places.clone()));
        places
    }

    /// The values of a column.
    #[inline]
    pub(super) fn column(&self, at: usize) -> &Values {
        self.values[at].get_or_init(|| Values::of(self.source.column(at)))
    }

    /// The columns that are not among `known`. A batch is asked for one list of columns only.
    pub(super) fn unknown(&self, known: &[Column]) -> &Arc<Unknown> {
        self.unknown.get_or_init(|| {
            let is_unknown = |field: &&Arc<Field>| {
                field.name() != SCHEMA_KEY
                    && !known.iter().any(|column| column.name == field.name())
            };
            let schema = self.source.schema();
            let at = schema.fields().iter().enumerate();
            let at: Vec<usize> = at
                .filter(|(_, f)| is_unknown(f))
                .map(|(at, _)| at)
                .collect();
            Arc::new(Unknown::new(self.source.project(&at).ok()))
        })
    }
}

/// The unknown columns of a batch.
#[derive(Debug)]
pub struct Unknown {
    pub(super) batch: Option<RecordBatch>,
    /// The same as JSON, row by row, made when it is asked for.
    json: OnceLock<std::result::Result<Vec<JsonFields>, String>>,
}

/// Names of columns, and their values in JSON.
pub(super) type JsonFields = Vec<(String, String)>;

impl Unknown {
    fn new(batch: Option<RecordBatch>) -> Self {
        Self {
            batch,
            json: OnceLock::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batch
            .as_ref()
            .is_none_or(|batch| batch.num_columns() == 0)
    }

    pub(super) fn json(&self) -> Result<&[JsonFields]> {
        let made = self.json.get_or_init(|| {
            let batch = self.batch.as_ref().map_or(Ok(Vec::new()), rows_as_json);
            batch.map_err(|e| {
                format!("a column that this filter doesn't know cannot be said in JSON ({e})")
            })
        });
        made.as_deref().map_err(Error::data)
    }
}

/// A batch's rows as JSON. NaN is null there.
///
/// # Errors
/// What JSON cannot say: an infinity, keys that are no texts.
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
    // A null is passed on as null, as it is from JSON lines.
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, LineDelimited>(&mut text);
    writer.write(&batch).map_err(Error::data)?;
    writer.finish().map_err(Error::data)?;
    let lines = std::str::from_utf8(&text).map_err(Error::data)?.lines();
    lines
        .map(|line| {
            let object = Object::parse(line).map_err(Error::data)?;
            let fields = object.fields();
            Ok(fields
                .map(|(name, raw)| (name.to_owned(), raw.to_owned()))
                .collect())
        })
        .collect()
}

/// The type in which JSON says a column, and reads it back: a dictionary's values are themselves, a duration is its number
/// of units.
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

/// Fields of the types in which JSON says theirs.
pub(super) fn json_fields(fields: &Fields) -> Fields {
    let field = |field: &FieldRef| Field::new(field.name(), json_type(field.data_type()), true);
    fields.iter().map(field).collect()
}
