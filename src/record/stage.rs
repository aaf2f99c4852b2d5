/*!
Finds out which stage of the pipeline a table comes from, and which filter comes next.
*/

use super::kinds::{Prediction, Prompt, Score, Trial};
use super::table::Record as _;

/// The record kind of the pipeline that has these columns; none if there is none.
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

/// Advice if a table comes from another stage than `wanted`: which filter to run first. None if it does not.
pub(super) fn advice(found: Option<&str>, wanted: &str) -> Option<String> {
    let found = found.filter(|found| !wanted.contains(found))?;
    let what = match found {
        Trial::KIND if wanted == Prompt::KIND => "run encode first".to_owned(),
        Trial::KIND => "run encode and infer first".to_owned(),
        Prompt::KIND if wanted != Trial::KIND => "run infer first".to_owned(),
        // Several filters make results from predictions; the reader of the results names the right one.
        Prediction::KIND if wanted != Trial::KIND && wanted != Prompt::KIND => return None,
        // Other kinds of results have accuracies, too, so the table may be one of them.
        Score::KIND if ![Trial::KIND, Prompt::KIND, Prediction::KIND].contains(&wanted) => {
            return None;
        }
        _ => format!("expected {wanted}s"),
    };
    Some(format!("these are {found}s: {what}"))
}
