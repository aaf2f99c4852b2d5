/*!
One row a function or a group of functions, one marker a model.
*/

use super::super::page::{DOUBLE_COLUMN_MM, Page, float};
use super::super::rows::{Row, Rows, Value};
use super::Findings;
use super::contrasts::GAP_LABEL;
use super::curves::{Group, OnCurve, group, interval};
use crate::error::{Error, Result};
use crate::record::{Contrast, Fit, Score};

/// The gap of every function at each model's largest shot count, the largest mean gap first.
#[must_use]
pub fn tasks(rows: &[Contrast]) -> Rows {
    let gap = |row: &Contrast| Value {
        at: row.gap,
        interval: None,
    };
    let note = "One row a function, the largest mean gap first. Gap: accuracy with clean less accuracy with deranged demonstrations.";
    let place = |row: &Contrast| (row.function.clone(), Some(row.shots));
    rows_of(rows, place, gap, GAP_LABEL, note)
}

/// The gaps of groups of functions, with their intervals, the largest mean first.
#[must_use]
pub fn group_gaps(rows: &[Contrast]) -> Rows {
    let gap = |row: &Contrast| Value {
        at: row.gap,
        interval: row.ci_low.zip(row.ci_high),
    };
    let note = of_groups("Gap: accuracy with clean less accuracy with deranged demonstrations.");
    let place = |row: &Contrast| (row.group.clone(), Some(row.shots));
    rows_of(rows, place, gap, GAP_LABEL, &note)
}

/// The slopes of groups of functions.
#[must_use]
pub fn group_slopes(rows: &[Fit]) -> Rows {
    let slope = |row: &Fit| Value {
        at: row.a1,
        interval: row.a1_ci_low.zip(row.a1_ci_high),
    };
    let note = of_groups("Slope: gain in accuracy per unit of ln(shots).");
    rows_of(
        rows,
        |row| (row.group.clone(), None),
        slope,
        "Slope a1",
        &note,
    )
}

/// The accuracies of groups of functions.
#[must_use]
pub fn group_accuracies(rows: &[Score]) -> Rows {
    let accuracy = |row: &Score| Value {
        at: row.accuracy,
        interval: interval(row),
    };
    let note = of_groups("At each model's largest shot count.");
    let place = |row: &Score| (row.group.clone(), Some(row.shots));
    rows_of(rows, place, accuracy, "Accuracy", &note)
}

fn of_groups(what: &str) -> String {
    format!(
        "One row a group of functions, the largest mean first; a function may be in several. {what} Bars: 95 % intervals over functions."
    )
}

/// Whichever of these there is.
///
/// # Errors
/// [`Error::Data`] if there are several.
pub fn groups(findings: &Findings) -> Result<Rows> {
    let (gaps, fits) = (&findings.group_contrasts, &findings.group_fits);
    let scores = &findings.group_scores;
    match (gaps.is_empty(), fits.is_empty(), scores.is_empty()) {
        (false, true, true) => Ok(group_gaps(gaps)),
        (true, false, true) => Ok(group_slopes(fits)),
        (true, true, _) => Ok(group_accuracies(scores)),
        _ => Err(Error::data(
            "groups of scores, of fits and of contrasts are different pictures; give one of them",
        )),
    }
}

/// One row a name, one marker a curve, at its largest shot count. `place` gives a row's name and shot count.
fn rows_of<T: OnCurve>(
    findings: &[T],
    place: impl Fn(&T) -> (Option<String>, Option<u32>),
    value: impl Fn(&T) -> Value,
    x_label: &str,
    note: &str,
) -> Rows {
    let mut names: Vec<String> = Vec::new();
    for name in findings.iter().filter_map(|row| place(row).0) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let models = group(findings);
    let largest: Vec<Option<u32>> = models
        .iter()
        .map(|model| model.rows.iter().filter_map(|row| place(row).1).max())
        .collect();
    let find = |name: &str| -> Vec<Option<Value>> {
        let at = |(model, shots): (&Group<'_, T>, &Option<u32>)| {
            let mut rows = model.rows.iter();
            rows.find(|row| place(row) == (Some(name.to_owned()), *shots))
                .map(|row| value(row))
        };
        models.iter().zip(&largest).map(at).collect()
    };
    let mut rows: Vec<Row> = names
        .into_iter()
        .map(|name| Row {
            values: find(&name),
            name,
        })
        .collect();
    rows.sort_by(|a, b| {
        let order = mean(&b.values).total_cmp(&mean(&a.values));
        order.then_with(|| a.name.cmp(&b.name))
    });
    let label = |(model, shots): (&Group<'_, T>, &Option<u32>)| match shots {
        Some(shots) => format!("{}, {shots} shots", model.label),
        None => model.label.clone(),
    };
    let labels = models.iter().zip(&largest).map(label).collect();
    let values = || rows.iter().flat_map(|row| row.values.iter().flatten());
    // Intervals need a line each.
    let lines = if values().any(|value| value.interval.is_some()) {
        models.len() + 1
    } else {
        1
    };
    let mut page = Page::new(DOUBLE_COLUMN_MM, Rows::height_for(rows.len(), lines));
    page.note = Some(note.to_owned());
    Rows {
        page,
        labels,
        rows,
        x_label: x_label.to_owned(),
    }
}

fn mean(values: &[Option<Value>]) -> f64 {
    let known: Vec<f64> = values.iter().flatten().map(|value| value.at).collect();
    known.iter().sum::<f64>() / float(known.len().max(1))
}
