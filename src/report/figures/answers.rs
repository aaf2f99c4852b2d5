/*!
What is answered: strings of equal bits, understandable mistakes.
*/

use super::super::bars::{BarPanel, Bars, Group as BarGroup, Kind, Segment};
use super::super::chart::{Chart, Line, Panel, Point, Range, Series};
use super::super::page::{DOUBLE_COLUMN_MM, Page};
use super::super::style;
use super::curves::{clean, group};
use super::{Findings, lacking, page_for};
use crate::error::Result;
use crate::record::{Condition, ErrorKind, Score};

/// Answers and targets of equal bits (BitDiversity 0), and correct answers of both sorts, per shot count: one panel a
/// model.
///
/// # Errors
/// [`crate::error::Error::Data`] if no row has the counts.
pub fn zero_bd(findings: &Findings) -> Result<Bars> {
    let panels: Vec<BarPanel> = group(clean(&findings.cells))
        .iter()
        .map(|model| BarPanel {
            title: Some(model.label.clone()),
            groups: by_shots(&model.rows)
                .into_iter()
                .filter_map(zero_bd_group)
                .collect(),
        })
        .filter(|panel: &BarPanel| !panel.groups.is_empty())
        .collect();
    if panels.is_empty() {
        return Err(lacking(
            "zero_bd_targets",
            "give scores that `score` has made from predictions",
        ));
    }
    let mut page = page_for(panels.len(), 52.0);
    page.note = Some(
        "0-BD: all bits equal. Left bar: correct answers; middle: all 0-BD answers; right: targets. Shares of all trials."
            .to_owned(),
    );
    let labels = [
        "correct, 0-BD",
        "correct, other",
        "0-BD answers",
        "0-BD targets",
    ];
    let kinds = labels
        .iter()
        .enumerate()
        .map(|(i, label)| Kind {
            label: (*label).to_owned(),
            fill: if i == 3 {
                style::CHANCE
            } else {
                style::fill(i)
            },
        })
        .collect();
    Ok(Bars {
        page,
        panels,
        kinds,
        x_label: "Shots".to_owned(),
        y_label: "Share of trials".to_owned(),
        y_max: None,
    })
}

fn zero_bd_group(score: &Score) -> Option<BarGroup> {
    let trials = f64::from(score.trials?);
    let segment = |kind: usize, count: u32| Segment {
        kind,
        share: f64::from(count) / trials,
    };
    Some(BarGroup {
        label: score.shots.to_string(),
        bars: vec![
            vec![
                segment(0, score.correct_zero_bd?),
                segment(1, score.correct_other?),
            ],
            vec![segment(2, score.zero_bd_predictions?)],
            vec![segment(3, score.zero_bd_targets?)],
        ],
    })
}

fn by_shots<'a>(scores: &[&'a Score]) -> Vec<&'a Score> {
    let mut sorted = scores.to_vec();
    sorted.sort_by_key(|score| score.shots);
    sorted
}

/// Kinds of wrong answers per shot count, each answer counted once: one panel a model.
///
/// # Errors
/// [`crate::error::Error::Data`] if no row has them.
pub fn errors(findings: &Findings) -> Result<Bars> {
    let known = findings
        .errors
        .iter()
        .filter(|e| e.counted_once.is_some() && e.curve.condition != Some(Condition::Deranged));
    let mut kinds: Vec<ErrorKind> = Vec::new();
    for row in known.clone() {
        if !kinds.contains(&row.kind) {
            kinds.push(row.kind);
        }
    }
    kinds.sort_unstable();
    let panels: Vec<BarPanel> = group(known)
        .iter()
        .map(|model| {
            let mut shots: Vec<u32> = model.rows.iter().map(|row| row.shots).collect();
            shots.sort_unstable();
            shots.dedup();
            let bar = |shots: u32| {
                let rows = model.rows.iter().filter(move |row| row.shots == shots);
                let mut bar: Vec<Segment> = rows
                    .filter_map(|row| {
                        Some(Segment {
                            kind: kinds.iter().position(|kind| *kind == row.kind)?,
                            share: f64::from(row.counted_once?) / f64::from(row.trials),
                        })
                    })
                    .collect();
                bar.sort_by_key(|segment| segment.kind);
                bar
            };
            BarPanel {
                title: Some(model.label.clone()),
                groups: shots
                    .into_iter()
                    .map(|shots| BarGroup {
                        label: shots.to_string(),
                        bars: vec![bar(shots)],
                    })
                    .collect(),
            }
        })
        .collect();
    if panels.is_empty() {
        return Err(lacking(
            "counted_once",
            "it needs predictions with their demonstrations (`infer` without --slim), clean ones",
        ));
    }
    let mut page = page_for(panels.len(), 56.0);
    page.note = Some(
        "Shares of all answers; what is missing to 1 is right. An answer of several kinds is counted under the first of the legend that fits."
            .to_owned(),
    );
    Ok(Bars {
        page,
        panels,
        kinds: kinds
            .iter()
            .enumerate()
            .map(|(i, kind)| Kind {
                label: words(*kind).to_owned(),
                fill: if *kind == ErrorKind::Other {
                    style::CHANCE
                } else {
                    style::fill(i)
                },
            })
            .collect(),
        x_label: "Shots".to_owned(),
        y_label: "Share of answers".to_owned(),
        y_max: None,
    })
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
///
/// # Errors
/// [`crate::error::Error::Data`] if no row has their number.
pub fn understandable(findings: &Findings) -> Result<Chart> {
    let series: Vec<Series> = group(clean(&findings.cells))
        .iter()
        .map(|model| Series {
            label: model.label.clone(),
            role: model.role(),
            points: model
                .rows
                .iter()
                .filter_map(|score| {
                    let share = f64::from(score.understandable?) / f64::from(score.trials?);
                    Some(Point::new(f64::from(score.shots), share, None))
                })
                .collect(),
            line: Line::Joined,
        })
        .filter(|series: &Series| !series.points.is_empty())
        .collect();
    if series.is_empty() {
        return Err(lacking(
            "understandable",
            "it needs predictions with their demonstrations (`infer` without --slim), clean ones",
        ));
    }
    let mut page = Page::new(DOUBLE_COLUMN_MM, 80.0);
    page.note = Some(
        "Wrong answers that another function of the suite, true to all demonstrations, would give; share of all trials."
            .to_owned(),
    );
    let panel = Panel {
        title: None,
        y_label: "Understandable mistakes".to_owned(),
        range: Range::Share,
        series,
    };
    Ok(Chart::by_shots(page, vec![panel]))
}
