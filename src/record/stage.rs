/*!
Which stage of the pipeline a table is of, and which filter comes next.
*/

use super::kinds::{Prediction, Prompt, Score, Trial};
use super::table::Record as _;

/// The kind of records that flow through the pipeline and have these columns.
#[must_use]
pub fn kind_of(has: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    let is_dressed = has("prompt") || has("answer");
    let is_answered = has("model") || has("prediction");
    match (has("query"), is_dressed, is_answered) {
        (true, true, true) => Some(Prediction::KIND),
        (true, true, false) => Some(Prompt::KIND),
        (true, false, false) => Some(Trial::KIND),
        (false, ..) if has("accuracy") => Some(Score::KIND),
        _ => None,
    }
}

/// What to do with a table of records of an earlier or later stage than what is wanted; none where it is not.
pub(super) fn advice(found: Option<&str>, wanted: &str) -> Option<String> {
    let found = found.filter(|found| !wanted.contains(found))?;
    let what = match found {
        Trial::KIND if wanted == Prompt::KIND => "run encode first".to_owned(),
        Trial::KIND => "run encode and infer first".to_owned(),
        Prompt::KIND if wanted != Trial::KIND => "run infer first".to_owned(),
        // Results are made of predictions by several filters, which their reader names.
        Prediction::KIND if wanted != Trial::KIND && wanted != Prompt::KIND => return None,
        // Other results have accuracies, too.
        Score::KIND if ![Trial::KIND, Prompt::KIND, Prediction::KIND].contains(&wanted) => {
            return None;
        }
        _ => format!("expected {wanted}s"),
    };
    Some(format!("these are {found}s: {what}"))
}
