/*!
Clean against deranged demonstrations: by shots, by function, and how alike models' gaps are.
*/

use super::super::chart::{Chart, Line, Panel, Point, Range, Role, Series};
use super::super::heat::{Cell, Heat};
use super::curves::{Group, group};
use super::{Findings, page_for};
use crate::error::{Error, Result};
use crate::record::{Contrast, PairKey, ProfileOf, Similarity};

/// The level of the tests that figures mark.
const LEVEL: f64 = 0.05;
pub(super) const GAP_LABEL: &str = "Gap (clean − deranged)";

/// Accuracy with clean and deranged demonstrations against shots, one panel a model, and in a last panel the gaps of all.
///
/// # Errors
/// [`Error::Data`] if there is no contrast.
pub fn contrast(findings: &Findings) -> Result<Chart> {
    let groups = group(&findings.contrasts);
    let accuracy = |label: &str, model: &Group<Contrast>, pick: fn(&Contrast) -> f64| Series {
        label: label.to_owned(),
        role: Role::Model,
        points: model
            .rows
            .iter()
            .map(|row| Point::new(f64::from(row.shots), pick(row), None))
            .collect(),
        line: Line::Joined,
    };
    let mut panels: Vec<Panel> = groups
        .iter()
        .map(|model| Panel {
            title: Some(model.label.clone()),
            y_label: "Accuracy".to_owned(),
            range: Range::Share,
            series: vec![
                accuracy("clean", model, |row| row.clean_accuracy),
                accuracy("deranged", model, |row| row.deranged_accuracy),
            ],
        })
        .collect();
    let gaps = groups.iter().map(|model| Series {
        label: model.label.clone(),
        role: Role::Model,
        points: model
            .rows
            .iter()
            .map(|row| {
                let interval = row.ci_low.zip(row.ci_high);
                Point::new(f64::from(row.shots), row.gap, interval)
            })
            .collect(),
        line: Line::Joined,
    });
    panels.push(Panel {
        title: Some(GAP_LABEL.to_owned()),
        y_label: "Gap".to_owned(),
        range: Range::Any,
        series: gaps.collect(),
    });
    let mut page = page_for(panels.len(), 56.0);
    page.note = Some(
        "Deranged: the same outputs, permuted across the demonstrations. Gap: mean over functions, clean less deranged; bars: 95 % intervals, paired by function."
            .to_owned(),
    );
    Ok(Chart::by_shots(page, panels))
}

/// Spearman's correlations of the models' profiles.
///
/// # Errors
/// [`Error::Data`] if there is no pair, or one stands twice.
pub fn similarity(findings: &Findings) -> Result<Heat> {
    let is_accuracy = |row: &Similarity| row.profile == Some(ProfileOf::Accuracy);
    let of = if findings.similarities.iter().all(is_accuracy) {
        "accuracy with clean demonstrations"
    } else {
        "the gap, clean less deranged"
    };
    let note = format!(
        "Correlation over functions of {of}, at each model's largest shot count. *: p < .05, one-sided permutation test, Holm's correction."
    );
    let starred = |row: &Similarity| row.p_holm.is_some_and(|p| p < LEVEL);
    let cell = |row: &Similarity| (row.rho, starred(row));
    heat(findings, cell, "Spearman's ρ", note)
}

/// The correlations that equal profiles would have, as far as the noise of finite trials allows.
///
/// # Errors
/// As [`similarity`].
pub fn ceilings(findings: &Findings) -> Result<Heat> {
    let note = "What the correlation would be, on average, if the two profiles were equal: from their reliabilities, by split halves of the trials.";
    let cell = |row: &Similarity| (row.ceiling, false);
    heat(findings, cell, "Ceiling of ρ", note.to_owned())
}

/// A cell a pair, with its value and whether it has a star.
fn heat(
    findings: &Findings,
    cell: impl Fn(&Similarity) -> (Option<f64>, bool),
    scale_label: &str,
    note: String,
) -> Result<Heat> {
    let mut names: Vec<String> = Vec::new();
    let mut cells: Vec<Cell> = Vec::new();
    let ambiguous = |model: &str| {
        let sides = findings
            .similarities
            .iter()
            .flat_map(|row| sides(&row.pair));
        let mut encodings: Vec<Option<&str>> = sides
            .filter(|(name, _)| *name == model)
            .map(|(_, encoding)| encoding)
            .collect();
        encodings.dedup();
        encodings.iter().any(|e| *e != encodings[0])
    };
    for row in &findings.similarities {
        let places = sides(&row.pair).map(|(model, encoding)| {
            let short = model.trim_start_matches("builtin:");
            let name = match encoding {
                Some(encoding) if ambiguous(model) => format!("{short} ({encoding})"),
                _ => short.to_owned(),
            };
            names
                .iter()
                .position(|known| *known == name)
                .unwrap_or_else(|| {
                    names.push(name);
                    names.len() - 1
                })
        });
        let (column, row_at) = (places[0].min(places[1]), places[0].max(places[1]));
        if cells.iter().any(|c| (c.row, c.column) == (row_at, column)) || row_at == column {
            return Err(Error::data(format!(
                "{} and {}: more than one correlation, expected one",
                names[column], names[row_at]
            )));
        }
        let (value, starred) = cell(row);
        cells.push(Cell {
            row: row_at,
            column,
            value,
            starred,
        });
    }
    let mut page = Heat::page_for(names.len());
    page.note = Some(note);
    Ok(Heat {
        page,
        names,
        cells,
        scale_label: scale_label.to_owned(),
    })
}

/// Name and encoding of both models of a pair.
fn sides(pair: &PairKey) -> [(&str, Option<&str>); 2] {
    [
        (&pair.model_a, pair.encoding_a.as_deref()),
        (&pair.model_b, pair.encoding_b.as_deref()),
    ]
}
