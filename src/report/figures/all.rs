/*!
Every figure that some results allow, with its heading: what a report shows.
*/

use super::super::Drawing;
use super::super::chart::Series;
use super::curves::group;
use super::{Findings, bit_diversity, bit_load, coefficients, contrast, curve, families};
use super::{similarity, size, tasks, understandable, zero_bd};
use crate::error::Result;

/// A line against parameters needs models of several sizes.
const LEAST_SIZES: usize = 2;

/// Headings and figures; `published` curves stand in the first.
///
/// # Errors
/// Those of the figures.
pub fn all(
    findings: &Findings,
    prefixes: &[String],
    published: Vec<Series>,
) -> Result<Vec<(String, Drawing)>> {
    let mut figures: Vec<(&str, Drawing)> = Vec::new();
    let cells = &findings.cells;
    if !cells.is_empty() {
        let drawing = curve(findings, true, published)?;
        figures.push(("Accuracy by shots", drawing.into()));
        if count_families(findings, prefixes) > 1 {
            let drawing = families(findings, true, prefixes)?;
            figures.push(("Families side by side", drawing.into()));
        }
    }
    if sizes(cells.iter().map(|s| s.params)) >= LEAST_SIZES {
        let drawing = size(findings, None, prefixes)?;
        figures.push(("Accuracy by parameters", drawing.into()));
    }
    if sizes(findings.fits.iter().map(|f| f.params)) >= LEAST_SIZES {
        let drawing = coefficients(findings, prefixes)?;
        figures.push(("Intercept and slope by parameters", drawing.into()));
    }
    if !findings.bit_loads.is_empty() {
        figures.push(("Accuracy by BitLoad", bit_load(findings)?.into()));
    }
    if !findings.bit_diversities.is_empty() {
        figures.push(("Accuracy by BitDiversity", bit_diversity(findings)?.into()));
    }
    if cells.iter().any(|s| s.zero_bd_targets.is_some()) {
        figures.push(("Answers of equal bits", zero_bd(findings)?.into()));
    }
    if cells.iter().any(|s| s.understandable.is_some()) {
        figures.push(("Understandable mistakes", understandable(findings)?.into()));
    }
    if !findings.contrasts.is_empty() {
        figures.push(("Clean against deranged", contrast(findings)?.into()));
    }
    if !findings.task_contrasts.is_empty() {
        figures.push(("Gap of every function", tasks(findings)?.into()));
    }
    if !findings.similarities.is_empty() {
        figures.push(("Likeness of profiles", similarity(findings)?.into()));
    }
    Ok(figures
        .into_iter()
        .map(|(heading, drawing)| (heading.to_owned(), drawing))
        .collect())
}

/// The number of different numbers of parameters.
fn sizes(params: impl Iterator<Item = Option<f64>>) -> usize {
    let mut known: Vec<f64> = params.flatten().collect();
    known.sort_by(f64::total_cmp);
    known.dedup();
    known.len()
}

/// The number of families among the models.
fn count_families(findings: &Findings, prefixes: &[String]) -> usize {
    let models = group(&findings.cells);
    let models = models.iter().filter(|group| !group.is_baseline());
    let mut names: Vec<String> = models.map(|group| group.family(prefixes)).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}
