/*!
Every figure that some results allow, with its heading: what a report shows.
*/

use super::super::Drawing;
use super::super::chart::Series;
use super::curves::{clean, group};
use super::{Findings, bit_diversity, bit_load, ceilings, coefficients, contrast, curve, families};
use super::{
    errors, gap_size, group_accuracies, group_gaps, group_slopes, shapes, similarity, size, tasks,
    understandable, zero_bd,
};
use crate::analysis::Family;
use crate::error::Result;
use crate::record::{Condition, ProfileOf, ShapeFit, Similarity};

/// A line against parameters needs models of several sizes.
const LEAST_SIZES: usize = 2;

/// A figure of a report.
pub struct Figure {
    /// The name of its file.
    pub name: &'static str,
    /// What it shows.
    pub heading: &'static str,
    /// What is drawn.
    pub drawing: Drawing,
}

/// The figures, in the order of the report; `published` curves stand in the first.
///
/// # Errors
/// Those of the figures.
pub fn all(findings: &Findings, named: &[Family], published: Vec<Series>) -> Result<Vec<Figure>> {
    let mut figures: Vec<Figure> = Vec::new();
    let mut add = |name, heading, drawing: Drawing| {
        figures.push(Figure {
            name,
            heading,
            drawing,
        });
    };
    // Deranged demonstrations have a figure of their own.
    let clean = Findings {
        cells: clean(&findings.cells).cloned().collect(),
        group_scores: clean(&findings.group_scores).cloned().collect(),
        ..Findings::default()
    };
    let cells = &clean.cells;
    if !cells.is_empty() {
        let drawing = curve(&clean, true, published)?;
        add("curve", "Accuracy by shots", drawing.into());
        if count_families(&clean, named) > 1 {
            let drawing = families(&clean, true, named)?;
            add("families", "Families side by side", drawing.into());
        }
    }
    if sizes(cells.iter().map(|s| s.params)) >= LEAST_SIZES {
        let drawing = size(findings, None, named)?;
        add("size", "Accuracy by parameters", drawing.into());
    }
    let fits = findings.fits.iter();
    let fits = fits.filter(|f| f.curve.condition != Some(Condition::Deranged));
    if sizes(fits.map(|f| f.params)) >= LEAST_SIZES {
        let drawing = coefficients(findings, named)?;
        let heading = "Intercept and slope by parameters";
        add("coefficients", heading, drawing.into());
    }
    let with_scores = |fit: &ShapeFit| findings.cells.iter().any(|s| s.curve == fit.curve);
    if !findings.shapes.is_empty() && findings.shapes.iter().all(with_scores) {
        add("shapes", "Shapes of curves", shapes(findings)?.into());
    }
    if !findings.bit_loads.is_empty() {
        let drawing = bit_load(findings)?;
        add("bitload", "Accuracy by BitLoad", drawing.into());
    }
    if !findings.bit_diversities.is_empty() {
        let drawing = bit_diversity(findings)?;
        add("bitdiversity", "Accuracy by BitDiversity", drawing.into());
    }
    if cells.iter().any(|s| s.zero_bd_targets.is_some()) {
        let drawing = zero_bd(findings)?;
        add("zero-bd", "Answers of equal bits", drawing.into());
    }
    if cells.iter().any(|s| s.understandable.is_some()) {
        let drawing = understandable(findings)?;
        add("understandable", "Understandable mistakes", drawing.into());
    }
    if findings.errors.iter().any(|e| e.counted_once.is_some()) {
        let drawing = errors(findings)?;
        add("errors", "Kinds of wrong answers", drawing.into());
    }
    if !findings.contrasts.is_empty() {
        let drawing = contrast(findings)?;
        add("contrast", "Clean against deranged", drawing.into());
    }
    if sizes(findings.contrasts.iter().map(|c| c.params)) >= LEAST_SIZES {
        let drawing = gap_size(findings, None, named)?;
        add("gap-size", "Gap by parameters", drawing.into());
    }
    if !findings.task_contrasts.is_empty() {
        let drawing = tasks(&findings.task_contrasts);
        add("tasks", "Gap of every function", drawing.into());
    }
    if !clean.group_scores.is_empty() {
        let drawing = group_accuracies(&clean.group_scores);
        add("groups", "Accuracy by group", drawing.into());
    }
    if !findings.group_fits.is_empty() {
        let drawing = group_slopes(&findings.group_fits);
        add("group-slopes", "Slope by group", drawing.into());
    }
    if !findings.group_contrasts.is_empty() {
        let drawing = group_gaps(&findings.group_contrasts);
        add("group-gaps", "Gap by group", drawing.into());
    }
    figures.extend(likenesses(findings)?);
    Ok(figures)
}

/// Correlations of profiles and their ceilings, of gaps and of accuracies.
fn likenesses(findings: &Findings) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (is_accuracy, names, headings) in [
        (
            false,
            ["similarity", "ceiling"],
            ["Likeness of gaps", "Likeness of gaps that noise allows"],
        ),
        (
            true,
            ["similarity-accuracy", "ceiling-accuracy"],
            [
                "Likeness of accuracies",
                "Likeness of accuracies that noise allows",
            ],
        ),
    ] {
        let mut alike = Findings::default();
        let is_of = |row: &&Similarity| (row.profile == Some(ProfileOf::Accuracy)) == is_accuracy;
        alike.similarities = findings
            .similarities
            .iter()
            .filter(is_of)
            .cloned()
            .collect();
        if !alike.similarities.is_empty() {
            figures.push(Figure {
                name: names[0],
                heading: headings[0],
                drawing: similarity(&alike)?.into(),
            });
        }
        if alike.similarities.iter().any(|s| s.ceiling.is_some()) {
            figures.push(Figure {
                name: names[1],
                heading: headings[1],
                drawing: ceilings(&alike)?.into(),
            });
        }
    }
    Ok(figures)
}

/// The number of different numbers of parameters.
fn sizes(params: impl Iterator<Item = Option<f64>>) -> usize {
    let mut known: Vec<f64> = params.flatten().collect();
    known.sort_by(f64::total_cmp);
    known.dedup();
    known.len()
}

/// The number of families among the models.
fn count_families(findings: &Findings, named: &[Family]) -> usize {
    let models = group(&findings.cells);
    let models = models.iter().filter(|group| !group.is_baseline());
    let mut found: Vec<String> = models.map(|group| group.family(named)).collect();
    found.sort_unstable();
    found.dedup();
    found.len()
}
