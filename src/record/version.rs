/*!
The schema version of a table, for example `prediction/1`: the record kind and a number. The number grows when an older
reader would misread the records.

Arrow and Parquet store the version in their metadata. JSON lines store it in the provenance line, beside the chain.
Bare JSON lines and CSV of version 1 have no mark. A later version must mark them under the same name, in a first line
or in every record. This reader checks all these places, so that it refuses tables which it would misread.
*/

use super::kinds::{
    Contrast, ErrorShare, Fit, Identifiability, Listing, Power, Prediction, Prompt, Scaling, Score,
    ShapeFit, Similarity, Trial, Versus, VersusTask,
};
use super::row::Row;
use super::table::Record;

/// The name of the version: a key of the metadata, a key in a JSON line, or a column.
pub const SCHEMA_KEY: &str = "shotline.schema";

/// The record kinds that are written, each with the version that this program writes and reads.
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

/// The schema version of a kind, as stored in files; none for kinds that are never written.
pub(super) fn mark(kind: &str) -> Option<String> {
    known(kind).map(|number| format!("{kind}/{number}"))
}

/// Checks that a row can be read: it has no schema version, or the current one.
///
/// # Errors
/// Another version; the error says what was found, what this reader understands, and what to do.
pub(super) fn check_row(row: Row<'_>) -> Result<(), String> {
    check(row.get::<Option<String>>(SCHEMA_KEY)?.as_deref())
}

/// Checks the schema version in metadata or a row, if there is one.
///
/// # Errors
/// Like [`check_row`].
pub(super) fn check(found: Option<&str>) -> Result<(), String> {
    const THIS: &str = concat!("this one (", env!("CARGO_PKG_VERSION"), ")");
    let Some(found) = found else {
        return Ok(());
    };
    let (kind, number) = (found.rsplit_once('/'))
        .and_then(|(kind, number)| Some((kind, number.parse::<u32>().ok()?)))
        .ok_or_else(|| {
            format!(
                "{SCHEMA_KEY}: expected a kind of records and a number, as prediction/1; found {found:?}"
            )
        })?;
    let understood = known(kind);
    if understood == Some(number) {
        return Ok(());
    }
    let understands = match understood {
        Some(other) => format!("understands {kind}/{other}"),
        None => format!("knows no {kind} records"),
    };
    Err(format!(
        "{SCHEMA_KEY} {found}: written by another Shotline; {THIS} {understands}: make the records anew, or read them \
         with the Shotline that wrote them (their provenance says which)"
    ))
}
