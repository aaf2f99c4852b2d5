/*!
One row a function or a group of functions, one marker a model.
*/

use super::super::Drawing;
use super::super::page::float;
use super::super::rows::{Row, Rows, Value};
use super::Findings;
use super::contrasts::GAP_LABEL;
use super::curves::{Group, OnCurve, group, interval};
use crate::error::{Error, Result};
use crate::record::{Contrast, Fit, Score};

const GAP: &str = "Gap: accuracy with clean less accuracy with deranged demonstrations.";

/// The gap of every function at each model's largest shot count, the largest mean gap first.
#[must_use]
pub fn tasks(findings: &Findings) -> Drawing {
    let place = |row: &Contrast| (row.function.clone(), Some(row.shots));
    let gap = |row: &Contrast| (row.gap, None);
    let note = format!("One row a function, the largest mean gap first. {GAP}");
    rows(&findings.task_contrasts, place, gap, GAP_LABEL, note)
}

/// The gaps of groups of functions, with their intervals.
pub(super) fn group_gaps(findings: &Findings) -> Drawing {
    let place = |row: &Contrast| (row.group.clone(), Some(row.shots));
    let gap = |row: &Contrast| (row.gap, row.ci_low.zip(row.ci_high));
    rows(
        &findings.group_contrasts,
        place,
        gap,
        GAP_LABEL,
        of_groups(GAP),
    )
}

/// The slopes of groups of functions.
pub(super) fn group_slopes(findings: &Findings) -> Drawing {
    let place = |row: &Fit| (row.group.clone(), None);
    let slope = |row: &Fit| (row.a1, row.a1_ci_low.zip(row.a1_ci_high));
    let note = of_groups("Slope: gain in accuracy per unit of ln(shots).");
    rows(&findings.group_fits, place, slope, "Slope a1", note)
}

/// The accuracies of groups of functions.
pub(super) fn group_accuracies(findings: &Findings) -> Drawing {
    let place = |row: &Score| (row.group.clone(), Some(row.shots));
    let accuracy = |row: &Score| (row.accuracy, interval(row));
    let note = of_groups("At each model's largest shot count.");
    rows(&findings.group_scores, place, accuracy, "Accuracy", note)
}

fn of_groups(what: &str) -> String {
    format!(
        "One row a group of functions, the largest mean first; a function may be in several. {what} Bars: 95 % intervals over functions."
    )
}

/// Whichever of these there is.
pub fn groups(findings: &Findings) -> Result<Drawing> {
    let (gaps, fits) = (&findings.group_contrasts, &findings.group_fits);
    match (
        gaps.is_empty(),
        fits.is_empty(),
        findings.group_scores.is_empty(),
    ) {
        (false, true, true) => Ok(group_gaps(findings)),
        (true, false, true) => Ok(group_slopes(findings)),
        (true, true, _) => Ok(group_accuracies(findings)),
        _ => Err(Error::data(
            "groups of scores, of fits and of contrasts are different pictures; give one of them",
        )),
    }
}

/// One row a name, the largest mean first, one marker a curve, at its largest shot count. `place` gives a row's name and
/// shot count, `value` where its marker stands and its interval.
fn rows<T: OnCurve>(
    findings: &[T],
    place: impl Fn(&T) -> (Option<String>, Option<u32>),
    value: impl Fn(&T) -> Value,
    x_label: &'static str,
    note: String,
) -> Drawing {
    let mut names: Vec<String> = findings.iter().filter_map(|row| place(row).0).collect();
    names.sort_unstable();
    names.dedup();
    let models = group(findings).into_iter().map(|model| {
        let shots = model.rows.iter().filter_map(|row| place(row).1).max();
        (model, shots)
    });
    let models: Vec<_> = models.collect();
    let row = |name: String| {
        let find = |(model, shots): &(Group<T>, Option<u32>)| {
            let wanted = (Some(name.clone()), *shots);
            let row = model.rows.iter().find(|row| place(row) == wanted)?;
            Some(value(row))
        };
        let values = models.iter().map(find).collect();
        Row { name, values }
    };
    let mut rows: Vec<Row> = names.into_iter().map(row).collect();
    rows.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
    let label = |(model, shots): &(Group<T>, Option<u32>)| match shots {
        Some(shots) => format!("{}, {shots} shots", model.label),
        None => model.label.clone(),
    };
    let rows = Rows {
        labels: models.iter().map(label).collect(),
        lines: rows,
        x_label,
    };
    Drawing::new(rows.page(), note, rows)
}

fn mean(row: &Row) -> f64 {
    let known: Vec<f64> = row.values.iter().flatten().map(|(at, _)| *at).collect();
    known.iter().sum::<f64>() / float(known.len().max(1))
}
