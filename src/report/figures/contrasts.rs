/*!
Clean against deranged demonstrations: accuracies and gaps by shots, and how similar the gaps of models are.
*/

use super::super::heat::{Cell, Heat};
use super::super::{Drawing, Panel, Point, Quantity, Role, Series};
use super::curves::{Measured as _, group};
use super::{Findings, lacking, panels};
use crate::error::Result;
use crate::record::{Contrast, PairKey, ProfileOf, Similarity};

/// The significance level for stars.
const LEVEL: f64 = 0.05;
pub(super) const GAP_LABEL: &str = "Gap (clean − deranged)";

/// Accuracy with clean and deranged demonstrations against shots, one panel per model. The last panel has all gaps.
pub fn contrast(findings: &Findings) -> Result<Drawing> {
    let (mut shown, mut gaps) = (Vec::new(), Vec::new());
    for model in group(&findings.contrasts) {
        let series = |label: &str, point: fn(&Contrast) -> Point| {
            let points = model.points(|row| Some(point(row)));
            Series::new(label, Role::Model, points)
        };
        let clean = series("clean", |row| {
            Point::new(row.shots, row.clean_accuracy, None)
        });
        let deranged = |row: &Contrast| Point::new(row.shots, row.deranged_accuracy, None);
        let both = vec![clean, series("deranged", deranged)];
        shown.push(Panel::accuracy(both).titled(&model.label));
        gaps.push(series(&model.label, |row| row.point(f64::from(row.shots))));
    }
    shown.push(Panel::any("Gap", gaps).titled(GAP_LABEL));
    let note = "Deranged: the same outputs, permuted across the demonstrations. Gap: mean over functions, clean less \
                deranged; bars: 95 % intervals, paired by function.";
    panels(Quantity::Shots, 56.0, note, shown)
}

/// Spearman correlations of the models' profiles.
pub fn similarity(findings: &Findings) -> Result<Drawing> {
    correlations(&findings.similarities)
}

/// The correlations in `rows`, one cell per pair of models.
pub(super) fn correlations(rows: &[Similarity]) -> Result<Drawing> {
    let is_accuracy = |row: &Similarity| row.profile == Some(ProfileOf::Accuracy);
    let of = if rows.iter().all(is_accuracy) {
        "accuracy with clean demonstrations"
    } else {
        "the gap, clean less deranged"
    };
    let note = format!(
        "Correlation over functions of {of}, at each model's largest shot count. *: p < .05, one-sided permutation test, Holm's correction."
    );
    let has_star = |row: &Similarity| row.p_holm.is_some_and(|p| p < LEVEL);
    let cell = |row: &Similarity| (row.rho, has_star(row));
    heat(rows, cell, "Spearman's ρ", note)
}

/// The ceilings: the correlations that equal profiles would have, given the noise of finite trials.
pub(super) fn ceilings(rows: &[Similarity]) -> Result<Drawing> {
    if rows.iter().all(|row| row.ceiling.is_none()) {
        return Err(lacking("ceiling", "`contrast --profiles` makes it"));
    }
    let note = "What the correlation would be, on average, if the two profiles were equal: from their reliabilities, by \
                split halves of the trials.";
    heat(rows, |row| (row.ceiling, false), "Ceiling of ρ", note)
}

/// A heat map with one cell per pair. `cell` gives its value and whether it has a star.
fn heat(
    rows: &[Similarity],
    cell: impl Fn(&Similarity) -> (Option<f64>, bool),
    scale_label: &'static str,
    note: impl Into<String>,
) -> Result<Drawing> {
    let all = || rows.iter().flat_map(|row| sides(&row.pair));
    let name = |(model, encoding): (&str, Option<&str>)| {
        let short = model.trim_start_matches("builtin:");
        let is_ambiguous = all().any(|(other, its)| other == model && its != encoding);
        match encoding {
            Some(encoding) if is_ambiguous => format!("{short} ({encoding})"),
            _ => short.to_owned(),
        }
    };
    let mut names: Vec<String> = Vec::new();
    let mut cells: Vec<Cell> = Vec::new();
    for pair in rows {
        let [a, b] = sides(&pair.pair).map(|side| {
            let name = name(side);
            let known = names.iter().position(|known| *known == name);
            known.unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            })
        });
        let (value, has_star) = cell(pair);
        cells.push(Cell {
            row: a.max(b),
            column: a.min(b),
            value,
            has_star,
        });
    }
    let heat = Heat {
        names,
        cells,
        scale_label,
    };
    Drawing::new(heat.page(), note, heat)
}

/// Name and encoding of both models of a pair.
fn sides(pair: &PairKey) -> [(&str, Option<&str>); 2] {
    [
        (&pair.model_a, pair.encoding_a.as_deref()),
        (&pair.model_b, pair.encoding_b.as_deref()),
    ]
}
