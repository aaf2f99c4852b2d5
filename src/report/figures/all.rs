/*!
All figures of a report: every figure that the results allow, with its heading.
*/

use super::super::{Drawing, Series};
use super::curves::{clean, group, is_clean};
use super::{Findings, bit_diversity, bit_load, coefficients, contrast, curve, families};
use super::{by_row, contrasts, errors, scale, shapes, tasks, understandable, zero_bd};
use crate::analysis::Family;
use crate::error::Result;
use crate::record::{ProfileOf, Similarity};
use std::collections::BTreeSet;

/// File name and heading of every figure, in the order of the report.
const FIGURES: [(&str, &str); 20] = [
    ("curve", "Accuracy by shots"),
    ("families", "Families side by side"),
    ("size", "Accuracy by parameters"),
    ("coefficients", "Intercept and slope by parameters"),
    ("shapes", "Shapes of curves"),
    ("bitload", "Accuracy by BitLoad"),
    ("bitdiversity", "Accuracy by BitDiversity"),
    ("zero-bd", "Answers of equal bits"),
    ("understandable", "Understandable mistakes"),
    ("errors", "Kinds of wrong answers"),
    ("contrast", "Clean against deranged"),
    ("gap-size", "Gap by parameters"),
    ("tasks", "Gap of every function"),
    ("groups", "Accuracy by group"),
    ("group-slopes", "Slope by group"),
    ("group-gaps", "Gap by group"),
    ("similarity", "Likeness of gaps"),
    ("ceiling", "Likeness of gaps that noise allows"),
    ("similarity-accuracy", "Likeness of accuracies"),
    (
        "ceiling-accuracy",
        "Likeness of accuracies that noise allows",
    ),
];

/// A figure of a report.
pub struct Figure {
    /// The name of its file.
    pub name: &'static str,
    /// What it shows.
    pub heading: &'static str,
    /// The drawing, or the reason why there is none.
    pub drawing: Result<Drawing>,
}

/// The figures for which there are results, in the order of the report. `published` curves are in the first figure.
#[must_use]
pub fn all(findings: &Findings, named: &[Family], published: &[Series]) -> Vec<Figure> {
    let is_accuracy = |row: &Similarity| row.profile == Some(ProfileOf::Accuracy);
    let similarities = findings.similarities.iter().cloned();
    let (accuracies, gaps): (Vec<_>, Vec<_>) = similarities.partition(is_accuracy);
    // Scores of deranged demonstrations are left out. The figure of contrasts shows them.
    let clean = &Findings {
        cells: clean(&findings.cells).cloned().collect(),
        group_scores: clean(&findings.group_scores).cloned().collect(),
        ..Findings::default()
    };
    let mut models = group(&clean.cells);
    models.retain(|model| !model.is_baseline());
    let families_there = differ(models.iter().map(|model| model.family(named)));
    let fits = findings.fits.iter().filter(|fit| is_clean(&fit.curve));
    // A figure against parameters needs several model sizes.
    let bits = |params: Option<f64>| params.map(f64::to_bits);
    let sizes = differ(clean.cells.iter().filter_map(|row| bits(row.params)));
    let fit_sizes = differ(fits.filter_map(|row| bits(row.params)));
    let gap_sizes = differ(findings.contrasts.iter().filter_map(|row| bits(row.params)));
    let figure = |&(name, heading): &(&'static str, &'static str)| {
        let drawing = match name {
            "curve" => curve(clean, true, published),
            "families" if families_there => families(clean, true, named),
            "size" if sizes => scale::accuracy(findings, None, named),
            "coefficients" if fit_sizes => coefficients(findings, named),
            "shapes" => shapes(findings),
            "bitload" => bit_load(findings),
            "bitdiversity" => bit_diversity(findings),
            "zero-bd" => zero_bd(findings),
            "understandable" => understandable(findings),
            "errors" => errors(findings),
            "contrast" => contrast(findings),
            "gap-size" if gap_sizes => scale::gap(findings, None, named),
            "tasks" => tasks(findings),
            "groups" => by_row::group_accuracies(clean),
            "group-slopes" => by_row::group_slopes(findings),
            "group-gaps" => by_row::group_gaps(findings),
            "similarity" => contrasts::correlations(&gaps),
            "ceiling" => contrasts::ceilings(&gaps),
            "similarity-accuracy" => contrasts::correlations(&accuracies),
            "ceiling-accuracy" => contrasts::ceilings(&accuracies),
            _ => return None,
        };
        // A figure without results is left out. Only "size" says why: models of several sizes should have it.
        let is_shown = drawing.is_ok() || name == "size";
        is_shown.then_some(Figure {
            name,
            heading,
            drawing,
        })
    };
    FIGURES.iter().filter_map(figure).collect()
}

fn differ<T: Ord>(all: impl Iterator<Item = T>) -> bool {
    all.collect::<BTreeSet<T>>().len() > 1
}
