/*!
What grows with the number of parameters: accuracy at one shot count, the gap, and both coefficients of the log-linear fit.
*/

use super::super::axis::Quantity;
use super::super::chart::{Chart, Fit, Line, Panel, Point, Range, Role, Series};
use super::super::page::{DOUBLE_COLUMN_MM, Page};
use super::contrasts::GAP_LABEL;
use super::curves::{Group, around, clean, group, interval};
use super::{Findings, lacking};
use crate::analysis::Family;
use crate::error::{Error, Result};
use crate::record::{Contrast, Score};
use crate::stats;

const X_LABEL: &str = "Parameters (log scale)";
const NO_PARAMS: &str = "give `infer --params N`, or a model folder whose card has them";
/// A line through two points says nothing.
const LEAST_POINTS: usize = 3;

/// Accuracy against parameters at `shots`, or at the largest shot count that all models have; one series a family.
///
/// # Errors
/// [`Error::Data`] if no model has a number of parameters, or the models have no such shot count in common.
pub fn size(findings: &Findings, shots: Option<u32>, families: &[Family]) -> Result<Chart> {
    let groups: Vec<Group<Score>> = group(clean(&findings.cells))
        .into_iter()
        .filter(|g| !g.is_baseline() && g.rows.iter().any(|s| s.params.is_some()))
        .collect();
    if groups.is_empty() {
        return Err(lacking("params", NO_PARAMS));
    }
    let shots = common_shots(&groups, shots)?;
    let mut series: Vec<Series> = Vec::new();
    for model in &groups {
        for score in model.rows.iter().filter(|s| s.shots == shots) {
            let Some(params) = score.params else { continue };
            let family = model.family(families);
            let point = Point {
                name: Some(member(&model.label, &family)),
                ..Point::new(params, score.accuracy, interval(score))
            };
            add(&mut series, family, point);
        }
    }
    let what = format!("Accuracy at {shots} shots");
    Ok(one_panel(series, &what, Range::Share, &what))
}

/// The gap against parameters at `shots`, or at each model's largest shot count; one series a family.
///
/// # Errors
/// [`Error::Data`] if no model has a number of parameters, or none such a shot count.
pub fn gap_size(findings: &Findings, shots: Option<u32>, families: &[Family]) -> Result<Chart> {
    let mut series: Vec<Series> = Vec::new();
    for model in group(&findings.contrasts) {
        let at = |row: &&&Contrast| shots.is_none_or(|shots| row.shots == shots);
        let rows = model.rows.iter().filter(at);
        let Some(row) = rows.max_by_key(|row| row.shots) else {
            continue;
        };
        let Some(params) = row.params.filter(|_| !model.is_baseline()) else {
            continue;
        };
        let family = model.family(families);
        let point = Point {
            name: Some(member(&model.label, &family)),
            ..Point::new(params, row.gap, row.ci_low.zip(row.ci_high))
        };
        add(&mut series, family, point);
    }
    if series.is_empty() {
        return Err(lacking("params", NO_PARAMS));
    }
    let what = shots.map_or_else(
        || "Gap, clean less deranged, at the largest shot count of each model".to_owned(),
        |shots| format!("Gap, clean less deranged, at {shots} shots"),
    );
    Ok(one_panel(series, GAP_LABEL, Range::Any, &what))
}

/// Families against parameters.
fn one_panel(mut series: Vec<Series>, y_label: &str, range: Range, what: &str) -> Chart {
    fit_lines(&mut series);
    let mut page = Page::new(120.0, 80.0);
    page.note = Some(format!(
        "{what}. Bars: 95 % intervals. Lines: least squares on ln(parameters), families of three and more."
    ));
    Chart {
        page,
        panels: vec![Panel {
            title: None,
            y_label: y_label.to_owned(),
            range,
            series,
        }],
        quantity: Quantity::Parameters,
        x_label: X_LABEL.to_owned(),
        y_max: None,
    }
}

/// The shot count asked for, or the largest in common.
fn common_shots(groups: &[Group<Score>], wanted: Option<u32>) -> Result<u32> {
    let has = |group: &Group<Score>, shots: u32| group.rows.iter().any(|s| s.shots == shots);
    if let Some(shots) = wanted {
        return match groups.iter().find(|g| !has(g, shots)) {
            Some(group) => Err(Error::data(format!(
                "model {:?}: has no score at {shots} shots",
                group.label
            ))),
            None => Ok(shots),
        };
    }
    let of_first = groups.iter().take(1).flat_map(|g| &g.rows);
    let common = of_first
        .map(|s| s.shots)
        .filter(|&shots| groups.iter().all(|g| has(g, shots)));
    common.max().ok_or_else(|| {
        Error::data("the models have no shot count in common; draw those that have (--shots N)")
    })
}

/// a0 and a1 against parameters, side by side; one series a family.
///
/// # Errors
/// [`Error::Data`] if no fit has a number of parameters.
pub fn coefficients(findings: &Findings, families: &[Family]) -> Result<Chart> {
    let clean = findings
        .fits
        .iter()
        .filter(|f| f.curve.condition != Some(crate::record::Condition::Deranged));
    let (mut a0, mut a1): (Vec<Series>, Vec<Series>) = (Vec::new(), Vec::new());
    for model in group(clean).iter().filter(|g| !g.is_baseline()) {
        for fit in &model.rows {
            let Some(params) = fit.params else { continue };
            let family = model.family(families);
            let point = |value: f64, ci: Option<(f64, f64)>| Point {
                name: Some(member(&model.label, &family)),
                ..Point::new(params, value, ci)
            };
            let errors = |value: f64, se: Option<f64>| se.map(|se| around(value, se));
            let a1_ci = fit.a1_ci_low.zip(fit.a1_ci_high);
            let (intercept, slope) = (
                point(fit.a0, errors(fit.a0, fit.a0_se)),
                point(fit.a1, a1_ci.or_else(|| errors(fit.a1, fit.a1_se))),
            );
            add(&mut a0, family.clone(), intercept);
            add(&mut a1, family, slope);
        }
    }
    if a0.is_empty() {
        return Err(lacking("params", NO_PARAMS));
    }
    fit_lines(&mut a0);
    fit_lines(&mut a1);
    let mut page = Page::new(DOUBLE_COLUMN_MM, 80.0);
    page.note = Some(
        "Accuracy = a0 + a1 ln(shots), one point a model. Bars: 95 % intervals. Lines: least squares on ln(parameters), families of three and more."
            .to_owned(),
    );
    let panel = |title: &str, y_label: &str, series| Panel {
        title: Some(title.to_owned()),
        y_label: y_label.to_owned(),
        range: Range::Any,
        series,
    };
    Ok(Chart {
        page,
        panels: vec![
            panel("Accuracy at one shot", "a0", a0),
            panel("ICL efficacy", "a1, accuracy per unit of ln(shots)", a1),
        ],
        quantity: Quantity::Parameters,
        x_label: X_LABEL.to_owned(),
        y_max: None,
    })
}

/// What tells a model from the others of its family: its name without the family's.
fn member(label: &str, family: &str) -> String {
    let rest = label.strip_prefix(family).unwrap_or(label);
    let rest = rest.trim_start_matches(['-', '_', ' ']);
    if rest.is_empty() { label } else { rest }.to_owned()
}

fn add(series: &mut Vec<Series>, family: String, point: Point) {
    match series.iter_mut().find(|s| s.label == family) {
        Some(known) => known.points.push(point),
        None => series.push(Series {
            label: family,
            role: Role::Model,
            points: vec![point],
            line: Line::Absent,
        }),
    }
}

/// Gives every family of enough models its line.
fn fit_lines(series: &mut [Series]) {
    for family in series {
        if family.points.len() < LEAST_POINTS {
            continue;
        }
        let (x, y): (Vec<f64>, Vec<f64>) = family.points.iter().map(|p| (p.x.ln(), p.y)).unzip();
        if let Some(line) = stats::line(&x, &y) {
            family.line = Line::Fitted(Fit {
                a0: line.a0,
                a1: line.a1,
            });
        }
    }
}
