/*!
Figures with one row per function or group of functions, and one marker per model.
*/

use super::super::rows::Rows;
use super::super::{Drawing, Point, Quantity, Role, Series, float};
use super::Findings;
use super::contrasts::GAP_LABEL;
use super::curves::{Measured, group};
use crate::error::{Error, Result, counted};
use crate::record::{Contrast, Fit, Score};
use std::collections::BTreeMap;

const GAP: &str = "Gap: accuracy with clean less accuracy with deranged demonstrations.";

/// The gap of every function at each model's largest shot count. The largest mean gap is first.
pub fn tasks(findings: &Findings) -> Result<Drawing> {
    let note = format!("One row a function, the largest mean gap first. {GAP}");
    let place = |row: &Contrast| (row.function.clone(), Some(row.shots));
    rows(&findings.task_contrasts, place, GAP_LABEL, note)
}

/// The gaps of groups of functions, with their intervals.
pub(super) fn group_gaps(findings: &Findings) -> Result<Drawing> {
    let place = |row: &Contrast| (row.group.clone(), Some(row.shots));
    rows(&findings.group_contrasts, place, GAP_LABEL, of_groups(GAP))
}

/// The slopes of groups of functions.
pub(super) fn group_slopes(findings: &Findings) -> Result<Drawing> {
    let note = of_groups("Slope: gain in accuracy per unit of ln(shots).");
    let place = |row: &Fit| (row.group.clone(), None);
    rows(&findings.group_fits, place, "Slope a1", note)
}

/// The accuracies of groups of functions.
pub(super) fn group_accuracies(findings: &Findings) -> Result<Drawing> {
    let note = of_groups("At each model's largest shot count.");
    let place = |row: &Score| (row.group.clone(), Some(row.shots));
    rows(&findings.group_scores, place, "Accuracy", note)
}

fn of_groups(what: &str) -> String {
    format!(
        "One row a group of functions, the largest mean first; a function may be in several. {what} Bars: 95 % intervals over functions."
    )
}

/// The figure of groups for the results that exist: gaps, slopes or accuracies.
pub fn groups(findings: &Findings) -> Result<Drawing> {
    let (gaps, fits) = (&findings.group_contrasts, &findings.group_fits);
    let has_scores = !findings.group_scores.is_empty();
    match (!gaps.is_empty(), !fits.is_empty(), has_scores) {
        (true, false, false) => group_gaps(findings),
        (false, true, false) => group_slopes(findings),
        (false, false, _) => group_accuracies(findings),
        _ => Err(Error::data(
            "groups of scores, of fits and of contrasts are different pictures; give one of them",
        )),
    }
}

/// One row per function or group, the largest mean first, and one series per curve, at its largest shot count. `place`
/// gives the name of a result's row and the result's shot count.
fn rows<T: Measured>(
    findings: &[T],
    place: impl Fn(&T) -> (Option<String>, Option<u32>),
    x_label: &'static str,
    note: String,
) -> Result<Drawing> {
    let name = |row: &T| place(row).0.unwrap_or_default();
    let mut curves = group(findings);
    for curve in &mut curves {
        let largest = curve.rows.iter().filter_map(|row| place(row).1).max();
        curve.rows.retain(|row| place(row).1 == largest);
        if let Some(shots) = largest {
            curve.label = format!("{}, {}", curve.label, counted(shots, "shot"));
        }
    }
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in curves.iter().flat_map(|curve| &curve.rows) {
        values.entry(name(row)).or_default().push(row.point(0.0).y);
    }
    let mean = |name: &String| values[name].iter().sum::<f64>() / float(values[name].len());
    let mut names: Vec<String> = values.keys().cloned().collect();
    names.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
    let series = curves.iter().map(|curve| {
        let points = curve.points(|row| {
            let name = name(row);
            let at = names.iter().position(|known| *known == name)?;
            let point = row.point(float(at));
            let name = Some(name);
            Some(Point { name, ..point })
        });
        Series::new(&curve.label, Role::Model, points)
    });
    let rows = Rows {
        series: series.collect(),
        names,
        quantity: Quantity::Plain(x_label),
    };
    Drawing::new(rows.page(), note, rows)
}
