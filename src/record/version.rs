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
use super::row::Row;
use super::table::Record;

/// The name that it stands under: a key of metadata, a key in a JSON line, or a column.
pub const SCHEMA_KEY: &str = "shotline.schema";

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

/// Whether a row can be read: it says nothing of its schema's version, or this one.
///
/// # Errors
/// What was found, what is understood, and what to do.
pub(super) fn check_row(row: Row<'_>) -> Result<(), String> {
    let mark: Option<String> = row.get(SCHEMA_KEY)?;
    mark.map_or(Ok(()), |mark| check(&mark))
}

/// The same for metadata.
///
/// # Errors
/// As [`check_row`].
pub(super) fn check(found: &str) -> Result<(), String> {
    const THIS: &str = concat!("this one (", env!("CARGO_PKG_VERSION"), ")");
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
