/*!
Kinds of wrong answers, each with the share expected by chance.
*/

use super::cells::{CurveCell, CurveCells, ERROR_KINDS, totals, whole};
use crate::program::mask;
use crate::record::{Condition, ErrorKind, ErrorShare};
use clap::ValueEnum as _;

/// One row per kind. Without demonstrations, only malformed answers, copies of the query and single wrong bits are
/// known. With deranged demonstrations there are no rivals.
#[must_use]
pub fn error_shares(curve: &CurveCells, shots: u32, cell: &CurveCell) -> Vec<ErrorShare> {
    let (counts, trials) = totals(cell.tasks.values());
    let errors = counts.errors;
    let wrong = whole(trials) - counts.correct_zero_bd - counts.correct_other;
    // All strings of this width but the target.
    let wrong_strings = f64::from(mask(curve.key.bits.unwrap_or(1)));
    ErrorKind::value_variants()
        .iter()
        .take(ERROR_KINDS)
        .map(|&kind| {
            let at = kind as usize;
            let bare = matches!(
                kind,
                ErrorKind::Malformed | ErrorKind::Query | ErrorKind::OneBit
            );
            let is_rival = kind == ErrorKind::Rival;
            let deranged = curve.key.condition == Some(Condition::Deranged);
            let known = (bare || cell.with_demonstrations) && !(is_rival && deranged);
            let of_wrong = |n: f64| (known && wrong > 0).then(|| n / f64::from(wrong));
            // Bits times trials is far below 2^53.
            #[allow(clippy::cast_precision_loss)]
            let candidates = errors.candidates[at] as f64;
            ErrorShare {
                curve: curve.key.clone(),
                shots,
                params: curve.params,
                kind,
                trials: whole(trials),
                wrong,
                count: known.then_some(errors.count[at]),
                share: of_wrong(f64::from(errors.count[at])),
                chance: of_wrong(candidates / wrong_strings)
                    .filter(|_| kind != ErrorKind::Malformed),
                counted_once: (known && cell.with_demonstrations).then_some(errors.once[at]),
            }
        })
        .collect()
}
