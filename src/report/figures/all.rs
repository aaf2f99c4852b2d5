/*!
Every figure that some results allow, with its heading: what a report shows.
*/

use super::super::Drawing;
use super::super::series::Series;
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
    /// What is drawn.
    pub drawing: Drawing,
}

/// The figures, in the order of the report; `published` curves stand in the first.
pub fn all(findings: &Findings, named: &[Family], published: &[Series]) -> Result<Vec<Figure>> {
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
        Some(results.draw(name)?.map(figure))
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
        let (accuracies, gaps) = (&self.accuracies, &self.gaps);
        let models = || {
            group(cells)
                .into_iter()
                .filter(|group| !group.is_baseline())
        };
        let is_measured = |fit: &ShapeFit| all.cells.iter().any(|s| s.curve == fit.curve);
        let clean_fits = || all.fits.iter().filter(|fit| is_clean(&fit.curve));
        let has_ceiling = |rows: &[Similarity]| rows.iter().any(|row| row.ceiling.is_some());
        let is_there = match name {
            "curve" => !cells.is_empty(),
            "families" => count(models().map(|model| model.family(named))) > 1,
            "size" => has_sizes(cells.iter().map(|s| s.params)),
            "coefficients" => has_sizes(clean_fits().map(|fit| fit.params)),
            "shapes" => !all.shapes.is_empty() && all.shapes.iter().all(is_measured),
            "bitload" => !all.bit_loads.is_empty(),
            "bitdiversity" => !all.bit_diversities.is_empty(),
            "zero-bd" => cells.iter().any(|s| s.zero_bd_targets.is_some()),
            "understandable" => cells.iter().any(|s| s.understandable.is_some()),
            "errors" => answers::classed(all).next().is_some(),
            "contrast" => !all.contrasts.is_empty(),
            "gap-size" => has_sizes(all.contrasts.iter().map(|c| c.params)),
            "tasks" => !all.task_contrasts.is_empty(),
            "groups" => !clean.group_scores.is_empty(),
            "group-slopes" => !all.group_fits.is_empty(),
            "group-gaps" => !all.group_contrasts.is_empty(),
            "similarity" => !gaps.is_empty(),
            "ceiling" => has_ceiling(gaps),
            "similarity-accuracy" => !accuracies.is_empty(),
            _ => has_ceiling(accuracies),
        };
        is_there.then(|| match name {
            "curve" => Ok(curve(clean, true, self.published)),
            "families" => Ok(families(clean, true, named)),
            "size" => scale::accuracy(all, None, named),
            "coefficients" => coefficients(all, named),
            "shapes" => shapes(all),
            "bitload" => bit_load(all),
            "bitdiversity" => bit_diversity(all),
            "zero-bd" => zero_bd(all),
            "understandable" => understandable(all),
            "errors" => errors(all),
            "contrast" => Ok(contrast(all)),
            "gap-size" => scale::gap(all, None, named),
            "tasks" => Ok(tasks(all)),
            "groups" => Ok(by_row::group_accuracies(clean)),
            "group-slopes" => Ok(by_row::group_slopes(all)),
            "group-gaps" => Ok(by_row::group_gaps(all)),
            "similarity" => contrasts::correlations(gaps),
            "ceiling" => contrasts::ceilings(gaps),
            "similarity-accuracy" => contrasts::correlations(accuracies),
            _ => contrasts::ceilings(accuracies),
        })
    }
}

/// Whether there are several numbers of parameters, as a line against them needs.
fn has_sizes(params: impl Iterator<Item = Option<f64>>) -> bool {
    count(params.flatten().map(f64::to_bits)) > 1
}

/// The number of different ones.
fn count<T: Ord>(all: impl Iterator<Item = T>) -> usize {
    all.collect::<std::collections::BTreeSet<T>>().len()
}
