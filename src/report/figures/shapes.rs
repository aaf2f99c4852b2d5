/*!
The shapes that a curve could have, through its points, and what each leaves over.
*/

use super::super::chart::{Chart, Line, Panel, Point, Range, Role, Series};
use super::curves::{Group, group, interval};
use super::{Findings, page_for};
use crate::error::{Error, Result};
use crate::record::{Score, ShapeFit};

/// Two panels a curve: accuracy against shots with every shape, and accuracy less the shape.
///
/// # Errors
/// [`Error::Data`] if there is no score of a curve that has shapes.
pub fn shapes(findings: &Findings) -> Result<Chart> {
    let scores = group(&findings.cells);
    let mut panels: Vec<Panel> = Vec::new();
    for curve in group(&findings.shapes) {
        let measured = scores.iter().find(|scores| scores.key == curve.key);
        let measured = measured.ok_or_else(|| {
            Error::data(format!(
                "model {:?}: no scores of the curve that has shapes; give the table of `score`, too",
                curve.key.model
            ))
        })?;
        panels.extend(panels_of(&curve, measured));
    }
    let mut page = page_for(panels.len(), 58.0);
    page.note = Some(
        "Shapes are one curve for all functions, fitted by marginal binomial likelihood, here at the shot counts measured. Bars: 95 % intervals."
            .to_owned(),
    );
    Ok(Chart::by_shots(page, panels))
}

fn panels_of(curve: &Group<'_, ShapeFit>, measured: &Group<'_, Score>) -> [Panel; 2] {
    let with_shots = || measured.rows.iter().filter(|score| score.shots > 0);
    // Of the accuracies, or of what is left when `taken` is taken off.
    let points = |taken: &dyn Fn(&Score) -> Option<f64>| -> Vec<Point> {
        let point = |score: &&Score| {
            let taken = taken(score)?;
            let ends = interval(score).map(|(low, high)| (low - taken, high - taken));
            Some(Point::new(
                f64::from(score.shots),
                score.accuracy - taken,
                ends,
            ))
        };
        with_shots().filter_map(point).collect()
    };
    let own = |points| Series {
        label: "measured".to_owned(),
        role: Role::Model,
        points,
        line: Line::Absent,
    };
    let (mut accuracies, mut residuals) = (
        vec![own(points(&|_| Some(0.0)))],
        vec![own(points(&|score| Some(score.accuracy)))],
    );
    for fit in &curve.rows {
        let shape = |points: Vec<Point>| Series {
            label: fit.shape.to_string(),
            role: Role::Model,
            points,
            line: Line::Joined,
        };
        let at = |score: &Score| fit.at(f64::from(score.shots));
        let fitted = with_shots()
            .filter_map(|score| Some(Point::new(f64::from(score.shots), at(score)?, None)));
        let left = points(&at)
            .into_iter()
            .map(|point| Point { ci: None, ..point });
        accuracies.push(shape(fitted.collect()));
        residuals.push(shape(left.collect()));
    }
    let panel = |title: String, y_label: &str, range, series| Panel {
        title: Some(title),
        y_label: y_label.to_owned(),
        range,
        series,
    };
    [
        panel(curve.label.clone(), "Accuracy", Range::Share, accuracies),
        panel(
            format!("{}: residuals", curve.label),
            "Accuracy less shape",
            Range::Any,
            residuals,
        ),
    ]
}
