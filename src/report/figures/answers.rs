/*!
What is answered: strings of equal bits, understandable mistakes.
*/

use super::super::Drawing;
use super::super::bars::{Bar, BarPanel, Bars};
use super::super::chart::Chart;
use super::super::mark::Look;
use super::super::page::{DOUBLE_COLUMN_MM, Page};
use super::super::series::{Panel, Point, Series};
use super::curves::{clean, group, is_clean};
use super::{Findings, lacking};
use crate::error::Result;
use crate::record::{ErrorKind, ErrorShare, Score};
use std::collections::BTreeSet;

const NEEDS_DEMONSTRATIONS: &str =
    "it needs predictions with their demonstrations (`infer` without --slim), clean ones";

/// Answers and targets of equal bits (BitDiversity 0), and correct answers of both sorts, per shot count: one panel a
/// model.
pub fn zero_bd(findings: &Findings) -> Result<Drawing> {
    let mut panels = Vec::new();
    for mut model in group(clean(&findings.cells)) {
        model.rows.sort_by_key(|score| score.shots);
        let bars = |score: &&Score| {
            let trials = f64::from(score.trials?);
            let part = |kind: usize, count: u32| (kind, f64::from(count) / trials);
            let correct = vec![
                part(0, score.correct_zero_bd?),
                part(1, score.correct_other?),
            ];
            let answers = vec![part(2, score.zero_bd_predictions?)];
            let targets = vec![part(3, score.zero_bd_targets?)];
            Some((score.shots.to_string(), vec![correct, answers, targets]))
        };
        let groups: Vec<_> = model.rows.iter().filter_map(bars).collect();
        if !groups.is_empty() {
            let title = model.label;
            panels.push(BarPanel { title, groups });
        }
    }
    if panels.is_empty() {
        let advice = "give scores that `score` has made from predictions";
        return Err(lacking("zero_bd_targets", advice));
    }
    let note = "0-BD: all bits equal. Left bar: correct answers; middle: all 0-BD answers; right: targets. Shares of all \
                trials.";
    let kinds = vec![
        ("correct, 0-BD", Look::bar(0)),
        ("correct, other", Look::bar(1)),
        ("0-BD answers", Look::bar(2)),
        ("0-BD targets", Look::chance()),
    ];
    let bars = Bars {
        panels,
        kinds,
        y_label: "Share of trials",
    };
    Ok(Drawing::new(
        Page::for_panels(bars.panels.len(), 52.0),
        note,
        bars,
    ))
}

/// The clean answers that are counted under one kind each.
pub(super) fn classed(findings: &Findings) -> impl Iterator<Item = &ErrorShare> + Clone {
    let is_classed = |row: &&ErrorShare| row.counted_once.is_some() && is_clean(&row.curve);
    findings.errors.iter().filter(is_classed)
}

/// Kinds of wrong answers per shot count, each answer counted once: one panel a model.
pub fn errors(findings: &Findings) -> Result<Drawing> {
    let kinds: BTreeSet<ErrorKind> = classed(findings).map(|row| row.kind).collect();
    let bar = |rows: &[&ErrorShare], shots: u32| -> Bar {
        let at = |row: &&&ErrorShare| row.shots == shots;
        let segment = |row: &&ErrorShare| {
            let kind = kinds.iter().position(|kind| *kind == row.kind)?;
            let count = f64::from(row.counted_once?);
            Some((kind, count / f64::from(row.trials)))
        };
        let mut bar: Bar = rows.iter().filter(at).filter_map(segment).collect();
        bar.sort_by_key(|(kind, _)| *kind);
        bar
    };
    let models = group(classed(findings)).into_iter();
    let panels: Vec<BarPanel> = models
        .map(|model| {
            let shots: BTreeSet<u32> = model.rows.iter().map(|row| row.shots).collect();
            let shots = shots.into_iter();
            BarPanel {
                groups: shots
                    .map(|shots| (shots.to_string(), vec![bar(&model.rows, shots)]))
                    .collect(),
                title: model.label,
            }
        })
        .collect();
    if panels.is_empty() {
        return Err(lacking("counted_once", NEEDS_DEMONSTRATIONS));
    }
    let note = "Shares of all answers; what is missing to 1 is right. An answer of several kinds is counted under the first \
                of the legend that fits.";
    let look = |(i, kind): (usize, ErrorKind)| match kind {
        ErrorKind::Other => (words(kind), Look::chance()),
        _ => (words(kind), Look::bar(i)),
    };
    let bars = Bars {
        panels,
        kinds: kinds.iter().copied().enumerate().map(look).collect(),
        y_label: "Share of answers",
    };
    Ok(Drawing::new(
        Page::for_panels(bars.panels.len(), 56.0),
        note,
        bars,
    ))
}

/// A kind of wrong answers as the legend calls it.
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

/// The share of understandable mistakes against shots: wrong answers that another function, true to all
/// demonstrations, would give.
pub fn understandable(findings: &Findings) -> Result<Drawing> {
    let mut series = Vec::new();
    for model in group(clean(&findings.cells)) {
        let points = model.points(|score| {
            let share = f64::from(score.understandable?) / f64::from(score.trials?);
            Some(Point::new(score.shots, share, None))
        });
        if !points.is_empty() {
            series.push(Series::new(&model.label, model.role(), points));
        }
    }
    if series.is_empty() {
        return Err(lacking("understandable", NEEDS_DEMONSTRATIONS));
    }
    let note = "Wrong answers that another function of the suite, true to all demonstrations, would give; share of all \
                trials.";
    let panel = Panel::share("Understandable mistakes", series);
    let page = Page::new(DOUBLE_COLUMN_MM, 80.0);
    Ok(Drawing::new(page, note, Chart::by_shots(vec![panel])))
}
