/*!
Log-linear fits: accuracy = a0 + a1 ln(shots), from cell means or from predictions.
*/

use super::cells::{CurveCells, TaskTrials, mean, whole};
use super::resample::{Replicates, replicates};
use crate::error::{Error, Result};
use crate::record::{CurveKey, Design, Fit};
use crate::stats::{
    Bootstrap, ClusteredLine, Group, Line, bootstrap_p, clustered_line, count, line, quantile,
    standard_deviation,
};
use std::collections::BTreeMap;

/// The points of one curve: shot counts and mean accuracies.
#[derive(Debug, Clone)]
pub struct Points {
    /// The columns that the points share.
    pub key: CurveKey,
    /// Number of parameters.
    pub params: Option<f64>,
    /// (shots, accuracy). 0 shots have no logarithm and are not fitted.
    pub points: Vec<(u32, f64)>,
}

/// The fit of one curve's means. The points of a nested curve are correlated, so it has no least-squares errors and no
/// test.
///
/// # Errors
/// There are fewer than two shot counts above 0.
pub fn fit_means(curve: &Points) -> Result<Fit> {
    let shots = curve.points.iter().filter(|p| p.0 > 0).count();
    let least = least_squares(&curve.points).ok_or_else(|| {
        Error::data(format!(
            "model {:?}: a line needs two shot counts above 0, found {}",
            curve.key.model, shots
        ))
    })?;
    let independent = curve.key.design != Some(Design::Nested);
    let test = least.test.filter(|_| independent);
    Ok(Fit {
        curve: curve.key.clone(),
        params: curve.params,
        a0: least.a0,
        a0_se: test.map(|t| t.a0_se),
        a1: least.a1,
        a1_se: test.map(|t| t.a1_se),
        t: test.and_then(|t| t.t),
        df: test.map(|t| t.df),
        p: test.and_then(|t| t.p),
        r2: least.r2,
        points: whole(shots),
        ..Fit::default()
    })
}

/// The cell means of predictions.
#[must_use]
pub fn points_of(curve: &CurveCells) -> Points {
    Points {
        key: curve.key.clone(),
        params: curve.params,
        points: curve
            .cells
            .iter()
            .map(|(&shots, cell)| (shots, mean(cell.tasks.values().map(TaskTrials::accuracy))))
            .collect(),
    }
}

/// The regression of single answers (0 or 1) on ln(shots), with errors that are robust to any dependence within a
/// function.
fn trial_level(curve: &CurveCells) -> Option<ClusteredLine> {
    let mut functions: BTreeMap<&str, Vec<Group>> = BTreeMap::new();
    for (&shots, cell) in curve.cells.iter().filter(|(shots, _)| **shots > 0) {
        for (function, task) in &cell.tasks {
            let group = Group {
                x: f64::from(shots).ln(),
                n: count(task.trials.len()),
                sum: count(task.trials.iter().filter(|u| u.correct).count()),
            };
            functions.entry(function).or_default().push(group);
        }
    }
    clustered_line(&functions.into_values().collect::<Vec<_>>())
}

/// The fit of one curve's predictions: the same line, with the slope's interval from the cluster bootstrap, and the
/// regression over single trials with cluster-robust errors. Nested curves have their errors and p from the bootstrap,
/// too. A replicate that lacks a point is left out; the second result is their number.
///
/// # Errors
/// Those of [`fit_means`] and [`replicates`].
pub fn fit_predictions(curve: &CurveCells, bootstrap: Bootstrap) -> Result<(Fit, usize)> {
    let points = points_of(curve);
    let mut fit = fit_means(&points)?;
    fit.group.clone_from(&curve.group);
    let cells = replicates(curve, bootstrap)?;
    let fitted = || cells.range(1..);
    let replicates = fitted().map(|(_, r)| r.accuracy.len()).min();
    let lines: Vec<Line> = (0..replicates.unwrap_or_default())
        .filter_map(|b| {
            let drawn = |(&shots, r): (&u32, &Replicates)| {
                let accuracy = r.accuracy[b];
                (!accuracy.is_nan()).then_some((shots, accuracy))
            };
            let points: Option<Vec<(u32, f64)>> = fitted().map(drawn).collect();
            least_squares(&points?)
        })
        .collect();
    let missing = replicates.unwrap_or_default() - lines.len();
    let slopes: Vec<f64> = lines.iter().map(|l| l.a1).collect();
    fit.a1_ci_low = quantile(&slopes, 0.025);
    fit.a1_ci_high = quantile(&slopes, 0.975);
    let spread = standard_deviation(&slopes, 0).filter(|sd| *sd > 0.0 || fit.a1 != 0.0);
    if curve.is_nested() && spread.is_some() {
        let intercepts: Vec<f64> = lines.iter().map(|l| l.a0).collect();
        fit.a0_se = standard_deviation(&intercepts, 0);
        fit.a1_se = spread;
        let varies = spread.is_some_and(|sd| sd > 0.0);
        fit.p = varies.then(|| bootstrap_p(slopes.into_iter()));
    }
    if let Some(trials) = trial_level(curve) {
        fit.trial_a0 = Some(trials.a0);
        fit.trial_a0_se = trials.a0_se;
        fit.trial_a1 = Some(trials.a1);
        fit.trial_a1_se = trials.a1_se;
        fit.trial_t = trials.t;
        fit.trial_df = Some(trials.df);
        fit.trial_p = trials.p;
    }
    Ok((fit, missing))
}

/// The line through the points with at least one shot.
#[must_use]
pub fn least_squares(points: &[(u32, f64)]) -> Option<Line> {
    let (x, y): (Vec<f64>, Vec<f64>) = points
        .iter()
        .filter(|(shots, _)| *shots > 0)
        .map(|&(shots, accuracy)| (f64::from(shots).ln(), accuracy))
        .unzip();
    line(&x, &y)
}
