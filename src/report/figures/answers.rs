/*!
Figures about answers: strings of equal bits, kinds of wrong answers, understandable mistakes.
*/

use super::super::{Drawing, Panel, Point, Quantity, Role, Series};
use super::curves::{clean, group, is_clean};
use super::{Findings, lacking, panels};
use crate::error::Result;
use crate::record::{ErrorKind, ErrorShare, Score};
use std::collections::BTreeSet;

const NEEDS_DEMONSTRATIONS: &str =
    "it needs predictions with their demonstrations (`infer` without --slim), clean ones";

/// A count: its name, its stack of bars, and its column in a score.
type Counted = (&'static str, Role, fn(&Score) -> Option<u32>);

/// Answers and targets whose bits are all equal (BitDiversity 0), and correct answers of this and other kinds, per shot
/// count. One panel per model.
pub fn zero_bd(findings: &Findings) -> Result<Drawing> {
    const KINDS: [Counted; 4] = [
        ("correct, 0-BD", Role::Bar(0), |s| s.correct_zero_bd),
        ("correct, other", Role::Bar(0), |s| s.correct_other),
        ("0-BD answers", Role::Bar(1), |s| s.zero_bd_predictions),
        ("0-BD targets", Role::Chance(2), |s| s.zero_bd_targets),
    ];
    let mut models = group(clean(&findings.cells));
    models.retain(|model| model.rows.iter().any(|s| s.zero_bd_targets.is_some()));
    if models.is_empty() {
        let advice = "give scores that `score` has made from predictions";
        return Err(lacking("zero_bd_targets", advice));
    }
    let shown = models.iter().map(|model| {
        let series = KINDS.map(|(name, role, count)| {
            let points = model.points(|s| Some(share(s.shots, count(s)?, s.trials?)));
            Series::new(name, role, points)
        });
        Panel::bars("Share of trials", series.into()).titled(&model.label)
    });
    let note = "0-BD: all bits equal. Left bar: correct answers; middle: all 0-BD answers; right: targets. Shares of all \
                trials.";
    panels(Quantity::Bars, 52.0, note, shown.collect())
}

/// Kinds of wrong answers per shot count, one panel per model. Each answer is counted once.
pub fn errors(findings: &Findings) -> Result<Drawing> {
    let is_classed = |row: &&ErrorShare| row.counted_once.is_some() && is_clean(&row.curve);
    let classed: Vec<&ErrorShare> = findings.errors.iter().filter(is_classed).collect();
    let kinds: BTreeSet<ErrorKind> = classed.iter().map(|row| row.kind).collect();
    if kinds.is_empty() {
        return Err(lacking("counted_once", NEEDS_DEMONSTRATIONS));
    }
    let shown = group(classed).into_iter().map(|model| {
        let series = kinds.iter().map(|&kind| {
            let points = model.points(|row| {
                let count = row.counted_once.filter(|_| row.kind == kind)?;
                Some(share(row.shots, count, row.trials))
            });
            let role = match kind {
                ErrorKind::Other => Role::Chance(0),
                _ => Role::Bar(0),
            };
            Series::new(words(kind), role, points)
        });
        Panel::bars("Share of answers", series.collect()).titled(&model.label)
    });
    let note = "Shares of all answers; what is missing to 1 is right. An answer of several kinds is counted under the first \
                of the legend that fits.";
    panels(Quantity::Bars, 56.0, note, shown.collect())
}

/// The name of a kind of wrong answers in the legend.
fn words(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Malformed => "malformed",
        ErrorKind::Rival => "a rival function's output",
        ErrorKind::Mode => "the mode",
        ErrorKind::Demonstration => "another demonstration's output",
        ErrorKind::Query => "the query",
        ErrorKind::OneBit => "one bit off",
        ErrorKind::Other => "other",
    }
}

/// The share of understandable mistakes against shots. These are wrong answers that another function would give which
/// also fits all demonstrations.
pub fn understandable(findings: &Findings) -> Result<Drawing> {
    let series = group(clean(&findings.cells)).into_iter().map(|model| {
        let points = model.points(|s| Some(share(s.shots, s.understandable?, s.trials?)));
        Series::new(&model.label, model.role(), points)
    });
    let series: Vec<Series> = series.filter(|s| !s.points.is_empty()).collect();
    if series.is_empty() {
        return Err(lacking("understandable", NEEDS_DEMONSTRATIONS));
    }
    let note = "Wrong answers that another function of the suite, true to all demonstrations, would give; share of all \
                trials.";
    let panel = Panel::share("Understandable mistakes", series);
    panels(Quantity::Shots, 58.0, note, vec![panel])
}

/// A point: `count` as a share of the trials at a shot count.
fn share(shots: u32, count: u32, trials: u32) -> Point {
    let share = f64::from(count) / f64::from(trials);
    Point::new(shots, share, None).of(Some(trials), "trials")
}
