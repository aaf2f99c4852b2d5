/*!
A campaign at a glance: one row a model, with what each kind of results says of it.
*/

use super::figures::{Findings, OnCurve as _};
use crate::record::{Condition, CurveKey, Shape, Summary};

/// The models of some results, in the order in which they first stand. Rows with deranged demonstrations only are left out.
/// Nothing of one model, or where there are results of one kind only, whose table says it all.
pub fn campaign(findings: &Findings) -> Vec<Summary> {
    let (fits, contrasts) = (&findings.fits, &findings.contrasts);
    let (has_cells, has_shapes) = (!findings.cells.is_empty(), !findings.shapes.is_empty());
    let kinds = [
        has_cells,
        has_shapes,
        !fits.is_empty(),
        !contrasts.is_empty(),
    ];
    if kinds.iter().filter(|has| **has).count() < 2 {
        return Vec::new();
    }
    let mut rows: Vec<Summary> = Vec::new();
    // The largest shot count comes last, and stays.
    for score in ascending(&findings.cells, |score| score.shots) {
        if let Some(row) = row_of(&mut rows, score.key()) {
            row.params = row.params.or(score.params);
            row.shots = Some(score.shots);
            row.accuracy = Some(score.accuracy);
            (row.ci_low, row.ci_high) = (score.ci_low, score.ci_high);
        }
    }
    for fit in fits {
        if let Some(row) = row_of(&mut rows, fit.key()) {
            row.params = row.params.or(fit.params);
            (row.a0, row.a1, row.p) = (Some(fit.a0), Some(fit.a1), fit.p);
        }
    }
    for contrast in ascending(contrasts, |contrast| contrast.shots) {
        if let Some(row) = row_of(&mut rows, contrast.key()) {
            row.params = row.params.or(contrast.params);
            (row.gap, row.p_holm) = (Some(contrast.gap), contrast.p_holm);
        }
    }
    for fit in &findings.shapes {
        if let Some(row) = row_of(&mut rows, fit.key()) {
            if fit.shape == Shape::Log {
                row.p_lack_of_fit = fit.p;
            }
            // That of the line is 0.
            if row.shape.is_none() || fit.gain.unwrap_or_default() > row.gain.unwrap_or_default() {
                row.shape = Some(fit.shape);
                (row.gain, row.gain_se) = (fit.gain, fit.gain_se);
            }
        }
    }
    if rows.len() > 1 { rows } else { Vec::new() }
}

fn ascending<T>(rows: &[T], shots: impl Fn(&T) -> u32) -> Vec<&T> {
    let mut rows: Vec<&T> = rows.iter().collect();
    rows.sort_by_key(|row| shots(row));
    rows
}

/// The row of a curve, made where there is none; contrasts do not say a condition.
fn row_of(rows: &mut Vec<Summary>, mut key: CurveKey) -> Option<&mut Summary> {
    if key.condition == Some(Condition::Deranged) {
        return None;
    }
    key.condition = None;
    let known = rows.iter().position(|row| row.curve == key);
    let at = known.unwrap_or(rows.len());
    if known.is_none() {
        rows.push(Summary {
            curve: key,
            ..Summary::default()
        });
    }
    rows.get_mut(at)
}
