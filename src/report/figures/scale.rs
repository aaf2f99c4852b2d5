/*!
What grows with the number of parameters: accuracy at one shot count, the gap, and both coefficients of the log-linear fit.
*/

use super::super::Drawing;
use super::super::chart::Chart;
use super::super::page::{DOUBLE_COLUMN_MM, Page};
use super::super::series::{Line, Panel, Point, Role, Series};
use super::contrasts::GAP_LABEL;

use super::curves::{Group, accuracy_at, around, clean, group, is_clean};
use super::{Findings, lacking};
use crate::analysis::Family;
use crate::error::{Error, Result};
use crate::record::{Contrast, Score};
use crate::stats;

/// A line through two points says nothing.
const LEAST_POINTS: usize = 3;
const LINES: &str =
    "Bars: 95 % intervals. Lines: least squares on ln(parameters), families of three and more.";

/// Accuracy or the gap, whichever there is, against parameters.
pub fn size(findings: &Findings, shots: Option<u32>, named: &[Family]) -> Result<Drawing> {
    match (findings.cells.is_empty(), findings.contrasts.is_empty()) {
        (false, false) => Err(Error::data(
            "scores and contrasts are different pictures; give one of them",
        )),
        (true, false) => gap(findings, shots, named),
        (_, true) => accuracy(findings, shots, named),
    }
}

/// Accuracy against parameters at `shots`, or at the largest shot count that all models have; one series a family.
pub(super) fn accuracy(
    findings: &Findings,
    shots: Option<u32>,
    named: &[Family],
) -> Result<Drawing> {
    let groups: Vec<Group<Score>> = group(clean(&findings.cells))
        .into_iter()
        .filter(|g| !g.is_baseline() && g.rows.iter().any(|s| s.params.is_some()))
        .collect();
    let mut families = Families::new(named);
    let shots = common_shots(&groups, shots)?;
    for model in &groups {
        for score in model.rows.iter().filter(|s| Some(s.shots) == shots) {
            let point = score.params.map(|params| accuracy_at(params, score));
            families.add(model, point);
        }
    }
    let what = format!("Accuracy at {} shots", shots.unwrap_or_default());
    let panel = Panel::share(&what, families.into_series()?);
    Ok(one_panel(panel, &what))
}

/// The gap against parameters at `shots`, or at each model's largest shot count; one series a family.
pub(super) fn gap(findings: &Findings, shots: Option<u32>, named: &[Family]) -> Result<Drawing> {
    let mut families = Families::new(named);
    for model in group(&findings.contrasts) {
        let at = |row: &&&Contrast| shots.is_none_or(|shots| row.shots == shots);
        let largest = model.rows.iter().filter(at).max_by_key(|row| row.shots);
        if let Some(row) = largest.filter(|_| !model.is_baseline()) {
            let (interval, tasks) = (row.ci_low.zip(row.ci_high), Some(row.tasks));
            let bare = |params: f64| Point::new(params, row.gap, interval);
            let point = row.params.map(|params| bare(params).of(tasks, "functions"));
            families.add(&model, point);
        }
    }
    let at = shots.map_or_else(
        || "the largest shot count of each model".to_owned(),
        |shots| format!("{shots} shots"),
    );
    let panel = Panel::any(GAP_LABEL, families.into_series()?);
    Ok(one_panel(
        panel,
        &format!("Gap, clean less deranged, at {at}"),
    ))
}

fn one_panel(panel: Panel, what: &str) -> Drawing {
    let page = Page::new(120.0, 80.0);
    Drawing::new(
        page,
        format!("{what}. {LINES}"),
        Chart::by_parameters(vec![panel]),
    )
}

/// The shot count asked for, or the largest in common; none of no models.
fn common_shots(groups: &[Group<Score>], wanted: Option<u32>) -> Result<Option<u32>> {
    let has = |group: &Group<Score>, shots: u32| group.rows.iter().any(|s| s.shots == shots);
    if let Some(shots) = wanted {
        return match groups.iter().find(|g| !has(g, shots)) {
            Some(group) => Err(Error::data(format!(
                "model {:?}: has no score at {shots} shots",
                group.label
            ))),
            None => Ok(wanted),
        };
    }
    let of_first = groups.iter().take(1).flat_map(|g| &g.rows).map(|s| s.shots);
    let common = of_first.filter(|&shots| groups.iter().all(|g| has(g, shots)));
    match common.max() {
        None if !groups.is_empty() => Err(Error::data(
            "the models have no shot count in common; draw those that have (--shots N)",
        )),
        shots => Ok(shots),
    }
}

/// a0 and a1 against parameters, side by side; one series a family.
pub fn coefficients(findings: &Findings, named: &[Family]) -> Result<Drawing> {
    let (mut a0, mut a1) = (Families::new(named), Families::new(named));
    let fits = findings.fits.iter().filter(|fit| is_clean(&fit.curve));
    for model in group(fits).iter().filter(|g| !g.is_baseline()) {
        for fit in &model.rows {
            let errors = |value: f64, se: Option<f64>| se.map(|se| around(value, se));
            let point = |value: f64, ci| fit.params.map(|params| Point::new(params, value, ci));
            let a1_ci = fit.a1_ci_low.zip(fit.a1_ci_high);
            a0.add(model, point(fit.a0, errors(fit.a0, fit.a0_se)));
            a1.add(
                model,
                point(fit.a1, a1_ci.or_else(|| errors(fit.a1, fit.a1_se))),
            );
        }
    }
    let efficacy = "a1, accuracy per unit of ln(shots)";
    let chart = Chart::by_parameters(vec![
        Panel::any("a0", a0.into_series()?).titled("Accuracy at one shot"),
        Panel::any(efficacy, a1.into_series()?).titled("ICL efficacy"),
    ]);
    let note = format!("Accuracy = a0 + a1 ln(shots), one point a model. {LINES}");
    Ok(Drawing::new(Page::new(DOUBLE_COLUMN_MM, 80.0), note, chart))
}

/// A series a family, with a point a model.
struct Families<'a> {
    named: &'a [Family],
    series: Vec<Series>,
}

impl<'a> Families<'a> {
    fn new(named: &'a [Family]) -> Self {
        let series = Vec::new();
        Self { named, series }
    }

    /// Adds the point of a model, if its number of parameters is known.
    fn add<T>(&mut self, model: &Group<T>, point: Option<Point>) {
        let Some(point) = point else { return };
        let family = model.family(self.named);
        // What tells a model from the others of its family: its name without the family's.
        let rest = model.label.strip_prefix(&family).unwrap_or(&model.label);
        let rest = rest.trim_start_matches(['-', '_', ' ']);
        let name = if rest.is_empty() { &model.label } else { rest };
        let point = point.named(name.to_owned());
        if let Some(known) = self.series.iter_mut().find(|s| s.label == family) {
            known.points.push(point);
        } else {
            let series = Series::new(family, Role::Model, vec![point]);
            self.series.push(series.with_line(Line::Absent));
        }
    }

    /// The series, those of enough models with a line; there is at least one.
    fn into_series(mut self) -> Result<Vec<Series>> {
        if self.series.is_empty() {
            let advice = "give `infer --params N`, or a model folder whose card has them";
            return Err(lacking("params", advice));
        }
        for family in &mut self.series {
            let points = family.points.iter().map(|p| (p.x.ln(), p.y));
            let (x, y): (Vec<f64>, Vec<f64>) = points.unzip();
            let line = stats::line(&x, &y).filter(|_| x.len() >= LEAST_POINTS);
            if let Some(stats::Line { a0, a1, .. }) = line {
                family.line = Line::Fitted { a0, a1 };
            }
        }
        Ok(self.series)
    }
}
