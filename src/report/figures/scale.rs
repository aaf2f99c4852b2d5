/*!
Figures against the number of parameters: accuracy at one shot count, the gap, both coefficients of the log-linear fit.
*/

use super::super::{Chart, Drawing, Line, Page, Panel, Point, Quantity, Role, Series};
use super::contrasts::GAP_LABEL;
use super::curves::{Group, Measured as _, around, clean, group, is_clean};
use super::{Findings, lacking, panels};
use crate::analysis::Family;
use crate::error::{Error, Result, counted};
use crate::record::Score;
use crate::stats;

/// The fewest points that get a line. A line through two points says nothing.
const LEAST_POINTS: usize = 3;
const LINES: &str =
    "Bars: 95 % intervals. Lines: least squares on ln(parameters), families of three and more.";

/// Accuracy or the gap against parameters, depending on the results.
pub fn size(findings: &Findings, shots: Option<u32>, named: &[Family]) -> Result<Drawing> {
    match (findings.cells.is_empty(), findings.contrasts.is_empty()) {
        (false, false) => Err(Error::data(
            "scores and contrasts are different pictures; give one of them",
        )),
        (true, false) => gap(findings, shots, named),
        (_, true) => accuracy(findings, shots, named),
    }
}

/// Accuracy against parameters at `shots`, or at the largest shot count that all models have. One series per family.
pub(super) fn accuracy(
    findings: &Findings,
    shots: Option<u32>,
    named: &[Family],
) -> Result<Drawing> {
    let mut groups = group(clean(&findings.cells));
    groups.retain(|g| !g.is_baseline() && g.rows.iter().any(|s| s.params.is_some()));
    let shots = common_shots(&groups, shots)?;
    let series = by_size(&groups, named, |_, score| {
        let params = score.params.filter(|_| Some(score.shots) == shots)?;
        Some(score.point(params))
    })?;
    let what = format!("Accuracy at {}", counted(shots.unwrap_or_default(), "shot"));
    one_panel(Panel::share(&what, series), &what)
}

/// The gap against parameters at `shots`, or at each model's largest shot count. One series per family.
pub(super) fn gap(findings: &Findings, shots: Option<u32>, named: &[Family]) -> Result<Drawing> {
    let groups = group(&findings.contrasts);
    let series = by_size(&groups, named, |model, row| {
        let largest = model.rows.iter().map(|row| row.shots).max();
        let at = shots.or(largest);
        let params = row.params.filter(|_| Some(row.shots) == at)?;
        Some(row.point(params))
    })?;
    let at = shots.map_or_else(
        || "the largest shot count of each model".to_owned(),
        |shots| counted(shots, "shot"),
    );
    let what = format!("Gap, clean less deranged, at {at}");
    one_panel(Panel::any(GAP_LABEL, series), &what)
}

fn one_panel(panel: Panel, what: &str) -> Result<Drawing> {
    let page = Page::new(120.0, 80.0);
    let chart = Chart::new(Quantity::Parameters, vec![panel]);
    Drawing::new(page, format!("{what}. {LINES}"), chart)
}

/// The `wanted` shot count, or the largest that all models have. `None` if there are no models.
fn common_shots(groups: &[Group<Score>], wanted: Option<u32>) -> Result<Option<u32>> {
    let has = |group: &Group<Score>, shots: u32| group.rows.iter().any(|s| s.shots == shots);
    let lacks = |shots| groups.iter().find(|group| !has(group, shots));
    if let Some((shots, group)) = wanted.and_then(|shots| Some((shots, lacks(shots)?))) {
        let shots = counted(shots, "shot");
        let message = format!("model {:?}: has no score at {shots}", group.label);
        return Err(Error::data(message));
    }
    let all = groups.iter().flat_map(|g| &g.rows).map(|s| s.shots);
    match wanted.or(all.filter(|shots| lacks(*shots).is_none()).max()) {
        None if !groups.is_empty() => Err(Error::data(
            "the models have no shot count in common; give the scores of those that have one",
        )),
        shots => Ok(shots),
    }
}

/// a0 and a1 against parameters, in two panels. One series per family.
pub fn coefficients(findings: &Findings, named: &[Family]) -> Result<Drawing> {
    let groups = group(findings.fits.iter().filter(|fit| is_clean(&fit.curve)));
    let interval = |value: f64, se: Option<f64>| se.map(|se| around(value, se));
    let a0 = by_size(&groups, named, |_, fit| {
        Some(Point::new(fit.params?, fit.a0, interval(fit.a0, fit.a0_se)))
    })?;
    let a1 = by_size(&groups, named, |_, fit| {
        let point = fit.point(fit.params?);
        let ci = point.ci.or_else(|| interval(fit.a1, fit.a1_se));
        Some(Point { ci, ..point })
    })?;
    let efficacy = "a1, accuracy per unit of ln(shots)";
    let both = vec![
        Panel::any("a0", a0).titled("Accuracy at one shot"),
        Panel::any(efficacy, a1).titled("ICL efficacy"),
    ];
    let note = format!("Accuracy = a0 + a1 ln(shots), one point a model. {LINES}");
    panels(Quantity::Parameters, 58.0, &note, both)
}

/// One series per family with the points of its models, and a line if there are enough points. Baselines are left out.
fn by_size<T>(
    groups: &[Group<T>],
    named: &[Family],
    point: impl Fn(&Group<T>, &T) -> Option<Point>,
) -> Result<Vec<Series>> {
    let mut families: Vec<Series> = Vec::new();
    for model in groups.iter().filter(|group| !group.is_baseline()) {
        let family = model.family(named);
        // A point's name is the model's name without that of the family.
        let rest = model.label.strip_prefix(&family).unwrap_or(&model.label);
        let rest = rest.trim_start_matches(['-', '_', ' ']);
        let name = if rest.is_empty() { &model.label } else { rest };
        for point in model.points(|row| point(model, row)) {
            let name = Some(name.to_owned());
            let point = Point { name, ..point };
            match families.iter_mut().find(|known| known.label == family) {
                Some(known) => known.points.push(point),
                None => families.push(Series::new(&family, Role::Model, vec![point])),
            }
        }
    }
    if families.is_empty() {
        let advice = "give `infer --params N`, or a model folder whose card has them";
        return Err(lacking("params", advice));
    }
    for family in &mut families {
        let points = family.points.iter().map(|p| (p.x.ln(), p.y));
        let (x, y): (Vec<f64>, Vec<f64>) = points.unzip();
        let line = stats::line(&x, &y).filter(|_| x.len() >= LEAST_POINTS);
        family.line = line.map_or(Line::Absent, |line| Line::Fitted(line.a0, line.a1));
    }
    Ok(families)
}
