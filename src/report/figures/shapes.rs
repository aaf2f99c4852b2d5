/*!
The shapes fitted to a curve, with its points, and the residuals of each shape.
*/

use super::super::{Drawing, Line, Panel, Point, Quantity, Role, Series};
use super::curves::{group, interval};
use super::{Findings, panels};
use crate::error::{Error, Result};
use crate::record::Score;

/// Two panels per curve: accuracy against shots with every shape, and the residuals (accuracy minus shape).
pub fn shapes(findings: &Findings) -> Result<Drawing> {
    let scores = group(&findings.cells);
    let mut shown: Vec<Panel> = Vec::new();
    for curve in group(&findings.shapes) {
        let measured = scores.iter().find(|scores| scores.key == curve.key);
        let measured = measured.ok_or_else(|| {
            Error::data(format!(
                "model {:?}: no scores of the curve that has shapes; give the table of `score`, too",
                curve.key.model
            ))
        })?;
        let own = |value: fn(&Score) -> f64| {
            let points = measured.points(|score| {
                let around = |end: f64| end - score.accuracy + value(score);
                let ends = interval(score).map(|(low, high)| (around(low), around(high)));
                (score.shots > 0).then(|| Point::new(score.shots, value(score), ends))
            });
            Series::new("measured", Role::Model, points).with_line(Line::Absent)
        };
        let (mut accuracies, mut residuals) = (vec![own(|s| s.accuracy)], vec![own(|_| 0.0)]);
        for fit in &curve.rows {
            // `drawn` computes the height of a point from the accuracy and the shape.
            let series = |drawn: fn(f64, f64) -> f64| {
                let points = measured.points(|score| {
                    let shape = fit.at(f64::from(score.shots)).filter(|_| score.shots > 0)?;
                    Some(Point::new(score.shots, drawn(score.accuracy, shape), None))
                });
                Series::new(fit.shape.to_string(), Role::Model, points)
            };
            accuracies.push(series(|_, shape| shape));
            residuals.push(series(|accuracy, shape| accuracy - shape));
        }
        shown.push(Panel::accuracy(accuracies).titled(&curve.label));
        let residuals = Panel::any("Accuracy less shape", residuals);
        shown.push(residuals.titled(format!("{}: residuals", curve.label)));
    }
    let note = "Shapes are one curve for all functions, fitted by marginal binomial likelihood, here at the shot counts \
                measured. Bars: 95 % intervals.";
    panels(Quantity::Shots, 58.0, note, shown)
}
