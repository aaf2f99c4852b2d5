/*!
Which version of its schema a table has, as `prediction/1`: the kind of its records, and a number that grows when a
reader of the number before would misread them.

Arrow and Parquet carry it in their metadata, the provenance line of JSON lines beside the chain. Bare JSON lines and CSV
of version 1 say nothing; a later version has to mark them, by a first line or in every record, under the same name. It
is looked for everywhere, so that this reader refuses what it would misread.
*/

use super::kinds::{
    Contrast, ErrorShare, Fit, Identifiability, Listing, Power, Prediction, Prompt, Scaling, Score,
    ShapeFit, Similarity, Trial, Versus, VersusTask,
};
pub use super::provenance::SCHEMA_KEY;
use super::table::Record;
use crate::error::{Error, Result};
use arrow::array::{ArrayRef, AsArray as _};
use arrow::compute::cast;
use arrow::datatypes::DataType;

/// The kinds of records that are written, and the version of each that is written and read.
pub const VERSIONS: [(&str, u32); 15] = [
    (Trial::KIND, 1),
    (Prompt::KIND, 1),
    (Prediction::KIND, 1),
    (Score::KIND, 1),
    (ErrorShare::KIND, 1),
    (Power::KIND, 1),
    (Fit::KIND, 1),
    (Scaling::KIND, 1),
    (ShapeFit::KIND, 1),
    (Contrast::KIND, 1),
    (Versus::KIND, 1),
    (VersusTask::KIND, 1),
    (Similarity::KIND, 1),
    (Identifiability::KIND, 1),
    (Listing::KIND, 1),
];

fn known(kind: &str) -> Option<u32> {
    let mut all = VERSIONS.iter();
    all.find(|(name, _)| *name == kind).map(|&(_, n)| n)
}

/// The version of a kind's schema, as files carry it; none for kinds that are never written.
pub(super) fn mark(kind: &str) -> Option<String> {
    known(kind).map(|number| format!("{kind}/{number}"))
}

/// Whether records that are marked so can be read.
///
/// # Errors
/// What was found, what is understood, and what to do.
pub(super) fn check(found: &str) -> std::result::Result<(), String> {
    const THIS: &str = concat!("this one (", env!("CARGO_PKG_VERSION"), ")");
    let (kind, number) = found
        .rsplit_once('/')
        .and_then(|(kind, number)| Some((kind, number.parse::<u32>().ok()?)))
        .ok_or_else(|| {
            format!(
                "{SCHEMA_KEY}: expected a kind of records and a number, as prediction/1; found {found:?}"
            )
        })?;
    let Some(understood) = known(kind) else {
        return Err(format!(
            "{SCHEMA_KEY} {found}: {THIS} knows no {kind} records; read them with the Shotline that wrote them, or a \
             newer one"
        ));
    };
    let written = format!("{SCHEMA_KEY} {found}: written by");
    match number.cmp(&understood) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(format!(
            "{written} a newer Shotline; {THIS} understands {kind}/{understood}: use the newer one, or make the records \
             anew with this one"
        )),
        std::cmp::Ordering::Less => Err(format!(
            "{written} an older Shotline; {THIS} understands {kind}/{understood}: make the records anew, or read them \
             with the one that wrote them (their provenance says which)"
        )),
    }
}

/// The same for a value in JSON, if there is one.
///
/// # Errors
/// As [`check`]; it is no string.
pub(super) fn check_json(found: Option<&str>) -> std::result::Result<(), String> {
    let Some(found) = found else {
        return Ok(());
    };
    let text: String = serde_json::from_str(found)
        .map_err(|_| format!("{SCHEMA_KEY}: expected a string, found {found}"))?;
    check(&text)
}

/// The same for a column of a batch.
///
/// # Errors
/// As [`check`]; they are no strings.
pub(super) fn check_column(column: &ArrayRef) -> Result<()> {
    let texts = cast(column, &DataType::Utf8).map_err(Error::data)?;
    let mut texts = texts.as_string::<i32>().iter().flatten();
    texts.try_for_each(|text| check(text).map_err(Error::data))
}
