/*!
Every figure that some results allow, with its heading: what a report shows.
*/

use super::super::{Drawing, Series};
use super::curves::{clean, group, is_clean};
use super::{Findings, bit_diversity, bit_load, coefficients, contrast, curve, families};
use super::{answers, by_row, contrasts, errors, scale, shapes, tasks, understandable, zero_bd};
use crate::analysis::Family;
use crate::error::Result;
use crate::record::{ProfileOf, ShapeFit, Similarity};

/// Name of its file, and heading, of every figure in the order of the report.
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
    /// What is drawn, or what it lacks.
    pub drawing: Result<Drawing>,
}

/// The figures, in the order of the report; `published` curves stand in the first.
#[must_use]
pub fn all(findings: &Findings, named: &[Family], published: &[Series]) -> Vec<Figure> {
    let is_accuracy = |row: &Similarity| row.profile == Some(ProfileOf::Accuracy);
    let similarities = findings.similarities.iter().cloned();
    let (accuracies, gaps) = similarities.partition(is_accuracy);
    let results = Results {
        all: findings,
        // Deranged demonstrations have a figure of their own.
        clean: Findings {
            cells: clean(&findings.cells).cloned().collect(),
            group_scores: clean(&findings.group_scores).cloned().collect(),
            ..Findings::default()
        },
        accuracies,
        gaps,
        named,
        published,
    };
    let figures = FIGURES.iter().filter_map(|&(name, heading)| {
        let figure = |drawing| Figure {
            name,
            heading,
            drawing,
        };
        results.draw(name).map(figure)
    });
    figures.collect()
}

/// What figures are drawn from.
struct Results<'a> {
    all: &'a Findings,
    clean: Findings,
    /// Pairs of profiles of accuracies, and of gaps.
    accuracies: Vec<Similarity>,
    gaps: Vec<Similarity>,
    named: &'a [Family],
    published: &'a [Series],
}

impl Results<'_> {
    /// The figure of that name, if there is what it needs.
    fn draw(&self, name: &str) -> Option<Result<Drawing>> {
        let (all, clean, cells, named) = (self.all, &self.clean, &self.clean.cells, self.named);
        let mut models = group(cells);
        models.retain(|model| !model.is_baseline());
        let families_there = count(models.iter().map(|model| model.family(named)));
        let is_measured = |fit: &ShapeFit| all.cells.iter().any(|s| s.curve == fit.curve);
        let has_shapes = !all.shapes.is_empty() && all.shapes.iter().all(is_measured);
        let clean_fits = || all.fits.iter().filter(|fit| is_clean(&fit.curve));
        let has_ceiling = |row: &Similarity| row.ceiling.is_some();
        let (gaps, accuracies) = (&self.gaps, &self.accuracies);
        match name {
            "curve" => some(cells, || Ok(curve(clean, true, self.published))),
            "families" => (families_there > 1).then(|| Ok(families(clean, true, named))),
            "size" => {
                has_sizes(cells.iter().map(|s| s.params)).then(|| scale::accuracy(all, None, named))
            }
            "coefficients" => {
                has_sizes(clean_fits().map(|fit| fit.params)).then(|| coefficients(all, named))
            }
            "shapes" => has_shapes.then(|| shapes(all)),
            "bitload" => some(&all.bit_loads, || Ok(bit_load(all))),
            "bitdiversity" => some(&all.bit_diversities, || Ok(bit_diversity(all))),
            "zero-bd" => any(cells, |s| s.zero_bd_targets.is_some(), || zero_bd(all)),
            "understandable" => any(
                cells,
                |s| s.understandable.is_some(),
                || understandable(all),
            ),
            "errors" => answers::classed(all).next().map(|_| errors(all)),
            "contrast" => some(&all.contrasts, || Ok(contrast(all))),
            "gap-size" => has_sizes(all.contrasts.iter().map(|c| c.params))
                .then(|| scale::gap(all, None, named)),
            "tasks" => some(&all.task_contrasts, || Ok(tasks(all))),
            "groups" => some(&clean.group_scores, || Ok(by_row::group_accuracies(clean))),
            "group-slopes" => some(&all.group_fits, || Ok(by_row::group_slopes(all))),
            "group-gaps" => some(&all.group_contrasts, || Ok(by_row::group_gaps(all))),
            "similarity" => some(gaps, || contrasts::correlations(gaps)),
            "ceiling" => any(gaps, has_ceiling, || contrasts::ceilings(gaps)),
            "similarity-accuracy" => some(accuracies, || contrasts::correlations(accuracies)),
            _ => any(accuracies, has_ceiling, || contrasts::ceilings(accuracies)),
        }
    }
}

/// A figure, if there are such rows.
fn some<T>(rows: &[T], draw: impl Fn() -> Result<Drawing>) -> Option<Result<Drawing>> {
    any(rows, |_| true, draw)
}

/// A figure, if there is such a row.
fn any<T>(
    rows: &[T],
    is_such: impl Fn(&T) -> bool,
    draw: impl Fn() -> Result<Drawing>,
) -> Option<Result<Drawing>> {
    rows.iter().any(is_such).then(draw)
}

/// Whether there are several numbers of parameters, as a line against them needs.
fn has_sizes(params: impl Iterator<Item = Option<f64>>) -> bool {
    count(params.flatten().map(f64::to_bits)) > 1
}

/// The number of different ones.
fn count<T: Ord>(all: impl Iterator<Item = T>) -> usize {
    all.collect::<std::collections::BTreeSet<T>>().len()
}
