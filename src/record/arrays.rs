/*!
Arrow batches: rows out of them, and records into them. Parquet is read and written through these.
*/

use super::column::Column;
use super::extra::{Extra, ExtraColumns, Unknown};
use super::table::{AsMap, Record};
use super::version;
use crate::error::{Error, Result};
use arrow::array::{Array as _, ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use arrow::json::reader::Decoder;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Records that are read or written at once.
pub(super) const BATCH_ROWS: usize = 1024;

/// A batch as records are read from it.
pub struct Batch {
    source: RecordBatch,
    /// The columns in the types of [`ColumnType`](super::ColumnType), each made when it is asked for.
    plain: Vec<OnceCell<std::result::Result<ArrayRef, String>>>,
    unknown: OnceCell<Arc<Unknown>>,
    /// Where the columns are that a struct asks for, by the address of its list of them.
    places: RefCell<Vec<(*const &'static str, Places)>>,
}

/// The places of some columns, none of those that are not there.
type Places = Rc<[Option<usize>]>;

impl Batch {
    pub(super) fn new(batch: RecordBatch) -> Result<Self> {
        if let Some(column) = batch.column_by_name(version::SCHEMA_KEY) {
            version::check_column(column)?;
        }
        Ok(Self {
            plain: vec![OnceCell::new(); batch.num_columns()],
            source: batch,
            unknown: OnceCell::new(),
            places: RefCell::default(),
        })
    }

    /// The number of columns.
    pub(super) fn len(&self) -> usize {
        self.plain.len()
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
        if let Some((_, places)) = known.iter().find(|(of, _)| *of == names.as_ptr()) {
            return places.clone();
        }
        let schema = self.source.schema_ref();
        let places: Places = names
            .iter()
            .map(|name| schema.index_of(name).ok())
            .collect();
        known.push((names.as_ptr(), places.clone()));
        places
    }

    /// A column in a type that records are read from, where it is like one.
    pub(super) fn column(&self, at: usize) -> std::result::Result<&ArrayRef, String> {
        let make = || {
            let column = self.source.column(at);
            cast(column, &plain_type(column.data_type())).map_err(|e| {
                // What a caster says of a value begins with its own words for it.
                let what = e.to_string();
                what.split_once(": ")
                    .map_or(what.clone(), |(_, what)| what.to_owned())
            })
        };
        self.plain[at]
            .get_or_init(make)
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The columns that are not among `known`. A batch is asked for one list of columns only.
    pub(super) fn unknown(&self, known: &[Column]) -> &Arc<Unknown> {
        self.unknown.get_or_init(|| {
            let is_unknown = |field: &&Arc<Field>| {
                field.name() != version::SCHEMA_KEY
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

/// Casts an array; a value that does not fit is an error.
pub(super) fn cast(
    array: &ArrayRef,
    to: &DataType,
) -> std::result::Result<ArrayRef, arrow::error::ArrowError> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &options)
}

/// The type that a column is read in: that of a [`ColumnType`](super::ColumnType) where it says the same, or its own.
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

/// Collects records into batches.
pub(super) struct BatchWriter {
    schema: SchemaRef,
    decoder: Decoder,
    skip: &'static [&'static str],
    extra: ExtraColumns,
}

impl BatchWriter {
    /// For `T`'s columns but those in `skip`.
    pub(super) fn new<T: Record>(skip: &'static [&'static str]) -> Result<Self> {
        let columns = T::COLUMNS
            .iter()
            .filter(|column| !skip.contains(&column.name));
        let schema: SchemaRef = Arc::new(Schema::new(columns.map(field).collect::<Vec<_>>()));
        Ok(Self {
            decoder: ReaderBuilder::new(schema.clone())
                .build_decoder()
                .map_err(Error::data)?,
            schema,
            skip,
            extra: ExtraColumns::beside(T::COLUMNS),
        })
    }

    pub(super) fn push<T: Record>(&mut self, record: &T, extra: &Extra) -> Result<()> {
        let map = AsMap(record, self.skip);
        self.decoder.serialize(&[map]).map_err(Error::data)?;
        self.extra.push(extra);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.decoder.is_empty()
    }

    /// Whether it is time to [`finish`](Self::finish) a batch.
    pub(super) fn is_full(&self) -> bool {
        self.decoder.len() >= BATCH_ROWS
    }

    /// The records since the last call as a batch.
    pub(super) fn finish(&mut self, metadata: &HashMap<String, String>) -> Result<RecordBatch> {
        let known = self.decoder.flush().map_err(Error::data)?;
        let known = known.unwrap_or_else(|| RecordBatch::new_empty(self.schema.clone()));
        let (fields, arrays) = self.extra.finish()?;
        let fields: Vec<_> = self
            .schema
            .fields()
            .iter()
            .chain(&fields)
            .cloned()
            .collect();
        let arrays = [known.columns(), &arrays].concat();
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata.clone()));
        RecordBatch::try_new(schema, arrays).map_err(Error::data)
    }
}

fn field(column: &Column) -> Field {
    Field::new(column.name, column.kind.arrow(), column.nullable)
}

/// The Arrow schema of a record kind.
#[must_use]
pub fn schema<T: Record>() -> SchemaRef {
    Arc::new(Schema::new(
        T::COLUMNS.iter().map(field).collect::<Vec<_>>(),
    ))
}
