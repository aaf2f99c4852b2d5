/*!
A summary table of a campaign: one row per model, with the main number of each kind of results.
*/

use super::figures::{Findings, OnCurve};
use crate::record::{Condition, CurveKey, Shape};

record! {
    /// The main numbers of one curve: a row of a report's first table.
    struct Summary: "summary" {
        ..curve: CurveKey, "The columns of a curve.";
        params: Option<f64>, "Number of parameters; null if unknown.";
        shots: Option<u32>, "The largest shot count.";
        accuracy: Option<f64>, "Accuracy there.";
        ci_low: Option<f64>, "The lower end of its 95 % interval.";
        ci_high: Option<f64>, "The upper end.";
        a0: Option<f64>, "Accuracy at one shot, by the line.";
        a1: Option<f64>, "Gain in accuracy per unit of ln(shots).";
        p: Option<f64>, "One-sided p of a1 > 0.";
        gap: Option<f64>, "Accuracy with clean minus deranged demonstrations, at the largest shot count of both.";
        p_holm: Option<f64>, "Its p of the condition-swap test after Holm's correction.";
        shape: Option<Shape>, "The shape that predicts best the answers to left-out functions.";
        gain: Option<f64>, "How much better than the line it predicts, in nats per function; null for the line.";
        gain_se: Option<f64>, "Its error.";
        p_lack_of_fit: Option<f64>, "p of the line against free means.";
    }
}

/// One summary per model, in order of first appearance. Results of deranged demonstrations are not used. The list is
/// empty if there is only one model or only one kind of results: then the table of these results says the same.
pub fn campaign(findings: &Findings) -> Vec<Summary> {
    let (fits, contrasts) = (&findings.fits, &findings.contrasts);
    let (scores, shapes) = (&findings.cells, &findings.shapes);
    let results = [scores.len(), shapes.len(), fits.len(), contrasts.len()];
    if results.iter().filter(|count| **count > 0).count() < 2 {
        return Vec::new();
    }
    let mut rows: Vec<Summary> = Vec::new();
    // Scores are sorted by shots, so the largest shot count overwrites the others.
    for score in clean(scores, |score| score.shots) {
        let row = row_of(&mut rows, score);
        row.params = row.params.or(score.params);
        row.shots = Some(score.shots);
        row.accuracy = Some(score.accuracy);
        (row.ci_low, row.ci_high) = (score.ci_low, score.ci_high);
    }
    for fit in clean(fits, |_| 0) {
        let row = row_of(&mut rows, fit);
        row.params = row.params.or(fit.params);
        (row.a0, row.a1, row.p) = (Some(fit.a0), Some(fit.a1), fit.p);
    }
    for contrast in clean(contrasts, |contrast| contrast.shots) {
        let row = row_of(&mut rows, contrast);
        row.params = row.params.or(contrast.params);
        (row.gap, row.p_holm) = (Some(contrast.paired.gap), contrast.paired.p_holm);
    }
    for fit in clean(shapes, |_| 0) {
        let row = row_of(&mut rows, fit);
        if fit.shape == Shape::Log {
            row.p_lack_of_fit = fit.p;
        }
        // The gain of the line is 0.
        if row.shape.is_none() || fit.gain.unwrap_or_default() > row.gain.unwrap_or_default() {
            row.shape = Some(fit.shape);
            (row.gain, row.gain_se) = (fit.gain, fit.gain_se);
        }
    }
    if rows.len() > 1 { rows } else { Vec::new() }
}

/// The rows whose demonstrations are not deranged, sorted by shots.
fn clean<T: OnCurve>(rows: &[T], shots: impl Fn(&T) -> u32) -> Vec<&T> {
    let is_clean = |row: &&T| row.key().condition != Some(Condition::Deranged);
    let mut rows: Vec<&T> = rows.iter().filter(is_clean).collect();
    rows.sort_by_key(|row| shots(row));
    rows
}

/// The summary of a row's curve. It is added if it does not exist. The condition is ignored: contrasts have none.
fn row_of<'a>(rows: &'a mut Vec<Summary>, row: &impl OnCurve) -> &'a mut Summary {
    let mut curve = row.key();
    curve.condition = None;
    let known = rows.iter().position(|row| row.curve == curve);
    let at = known.unwrap_or(rows.len());
    if known.is_none() {
        rows.push(Summary {
            curve,
            ..Summary::default()
        });
    }
    &mut rows[at]
}
