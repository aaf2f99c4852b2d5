/*!
One row a function or a group of functions, one marker a model.
*/

use super::super::rows::Rows;
use super::super::{Drawing, Point, Quantity, Role, Series, float};
use super::Findings;
use super::contrasts::GAP_LABEL;
use super::curves::{Measured, group};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

const GAP: &str = "Gap: accuracy with clean less accuracy with deranged demonstrations.";

/// The gap of every function at each model's largest shot count, the largest mean gap first.
#[must_use]
pub fn tasks(findings: &Findings) -> Drawing {
    let note = format!("One row a function, the largest mean gap first. {GAP}");
    rows(&findings.task_contrasts, GAP_LABEL, note)
}

/// The gaps of groups of functions, with their intervals.
pub(super) fn group_gaps(findings: &Findings) -> Drawing {
    rows(&findings.group_contrasts, GAP_LABEL, of_groups(GAP))
}

/// The slopes of groups of functions.
pub(super) fn group_slopes(findings: &Findings) -> Drawing {
    let note = of_groups("Slope: gain in accuracy per unit of ln(shots).");
    rows(&findings.group_fits, "Slope a1", note)
}

/// The accuracies of groups of functions.
pub(super) fn group_accuracies(findings: &Findings) -> Drawing {
    let note = of_groups("At each model's largest shot count.");
    rows(&findings.group_scores, "Accuracy", note)
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

/// One row a function or group, the largest mean first, one series a curve, at its largest shot count.
fn rows<T: Measured>(findings: &[T], x_label: &'static str, note: String) -> Drawing {
    let curves = group(findings).into_iter().map(|mut curve| {
        let largest = curve.rows.iter().filter_map(|row| row.shots()).max();
        curve.rows.retain(|row| row.shots() == largest);
        if let Some(shots) = largest {
            curve.label = format!("{}, {shots} shots", curve.label);
        }
        curve
    });
    let curves: Vec<_> = curves.collect();
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for row in curves.iter().flat_map(|curve| &curve.rows) {
        values.entry(row.part()).or_default().push(row.point(0.0).y);
    }
    let mean = |name: &&str| values[name].iter().sum::<f64>() / float(values[name].len());
    let mut names: Vec<&str> = values.keys().copied().collect();
    names.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
    let series = curves.iter().map(|curve| {
        let points = curve.points(|row| {
            let at = names.iter().position(|name| *name == row.part())?;
            let name = Some(row.part().to_owned());
            let point = row.point(float(at));
            Some(Point { name, ..point })
        });
        Series::new(&curve.label, Role::Model, points)
    });
    let rows = Rows {
        series: series.collect(),
        names: names.into_iter().map(str::to_owned).collect(),
        quantity: Quantity::Plain(x_label),
    };
    Drawing::new(rows.page(), note, rows)
}
