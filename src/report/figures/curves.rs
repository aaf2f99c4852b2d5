/*!
Groups results into curves. Holds what the figures share: names, intervals, the mode baseline, families.
*/

use super::super::{Line, Panel, Point, Role, Series};
use crate::analysis::{Family, family, least_squares};
use crate::error::counted;
use crate::record::{self, Condition, Contrast, CurveKey, Fit, Score};
use crate::stats::NORMAL_95;
use std::collections::BTreeMap;

/// A row of results that belongs to a curve. All rows of a curve have the same key.
pub(in crate::report) trait OnCurve {
    fn key(&self) -> CurveKey;
}

macro_rules! on_curve {
    ($($kind:ident)*) => {
        $(impl OnCurve for record::$kind {
            fn key(&self) -> CurveKey {
                self.curve.clone()
            }
        })*
    };
}

on_curve!(Score Fit ShapeFit ErrorShare);

impl OnCurve for Contrast {
    fn key(&self) -> CurveKey {
        CurveKey {
            model: self.model.clone(),
            modality: self.modality.clone(),
            encoding: self.encoding.clone(),
            template: self.template.clone(),
            bits: self.bits,
            condition: None,
            design: self.design,
            method: self.method.clone(),
            constrained: self.constrained,
            bos: self.bos,
        }
    }
}

/// A row with a number that can be drawn.
pub(super) trait Measured: OnCurve {
    /// The number with its interval, at `x` on the horizontal axis.
    fn point(&self, x: f64) -> Point;
}

impl Measured for Score {
    fn point(&self, x: f64) -> Point {
        Point::new(x, self.accuracy, interval(self)).of(self.trials, "trials")
    }
}

impl Measured for Contrast {
    fn point(&self, x: f64) -> Point {
        let tasks = Some(self.tasks).filter(|_| self.function.is_none());
        let gap = &self.paired;
        Point::new(x, gap.gap, gap.ci_low.zip(gap.ci_high)).of(tasks, "functions")
    }
}

impl Measured for Fit {
    fn point(&self, x: f64) -> Point {
        Point::new(x, self.a1, self.a1_ci_low.zip(self.a1_ci_high))
    }
}

/// The rows of one curve.
pub(super) struct Group<'a, T> {
    pub key: CurveKey,
    /// The model's name, and what distinguishes this curve from others of the model.
    pub label: String,
    pub rows: Vec<&'a T>,
}

/// Rows grouped by curve, in order of first appearance.
pub(super) fn group<'a, T: OnCurve>(rows: impl IntoIterator<Item = &'a T>) -> Vec<Group<'a, T>> {
    let mut groups: Vec<Group<T>> = Vec::new();
    for row in rows {
        let key = row.key();
        match groups.iter_mut().find(|group| group.key == key) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group {
                key,
                label: String::new(),
                rows: vec![row],
            }),
        }
    }
    let keys: Vec<CurveKey> = groups.iter().map(|group| group.key.clone()).collect();
    for group in &mut groups {
        group.label = label(&group.key, &keys);
    }
    groups
}

impl<T> Group<'_, T> {
    pub fn is_baseline(&self) -> bool {
        self.key.modality.as_deref() == Some("baseline")
    }

    pub fn role(&self) -> Role {
        if self.is_baseline() {
            Role::Baseline
        } else {
            Role::Model
        }
    }

    /// The family of its model.
    pub fn family(&self, families: &[Family]) -> String {
        family(&self.key.model, families).to_owned()
    }

    /// The points of all rows for which `point` gives one.
    pub fn points(&self, point: impl Fn(&T) -> Option<Point>) -> Vec<Point> {
        self.rows.iter().filter_map(|row| point(row)).collect()
    }
}

impl Group<'_, Score> {
    /// Accuracy against shots. It has a fitted line if `with_fit` is set and it is no baseline.
    pub fn series(&self, with_fit: bool) -> Series {
        let points = self.points(|s| Some(s.point(f64::from(s.shots))));
        let means: Vec<(u32, f64)> = self.rows.iter().map(|s| (s.shots, s.accuracy)).collect();
        let fit = least_squares(&means).filter(|_| with_fit && !self.is_baseline());
        let line = fit.map_or(Line::Joined, |fit| Line::Fitted(fit.a0, fit.a1));
        Series::new(&self.label, self.role(), points).with_line(line)
    }
}

/// A score's own interval, or accuracy +- 1.96 standard errors.
pub(super) fn interval(score: &Score) -> Option<(f64, f64)> {
    let own = score.ci_low.zip(score.ci_high);
    own.or_else(|| score.se.map(|se| around(score.accuracy, se)))
}

/// The 95 % interval of a normal distribution with this mean and standard error.
pub(super) fn around(mean: f64, se: f64) -> (f64, f64) {
    (mean - NORMAL_95 * se, mean + NORMAL_95 * se)
}

/// The model's name, with the traits that distinguish this curve from others of the model in parentheses.
fn label(own: &CurveKey, all: &[CurveKey]) -> String {
    let name = own.model.trim_start_matches("builtin:");
    let traits = |key: &CurveKey| {
        [
            key.encoding.clone(),
            key.template.clone(),
            key.condition.map(|c| c.to_string()),
            key.design.map(|d| d.to_string()),
            key.method.clone(),
            key.bits.map(|b| counted(b, "bit")),
            (key.constrained == Some(true)).then(|| "constrained".to_owned()),
            key.bos.map(|b| if b { "BOS" } else { "no BOS" }.to_owned()),
        ]
    };
    let mine = traits(own);
    let others = all.iter().filter(|key| key.model == own.model);
    let others: Vec<_> = others.map(traits).collect();
    let differs = |i: &usize| others.iter().any(|other| other[*i] != mine[*i]);
    let differing = (0..mine.len()).filter(differs);
    let differing: Vec<&str> = differing.filter_map(|i| mine[i].as_deref()).collect();
    if differing.is_empty() {
        return name.to_owned();
    }
    format!("{name} ({})", differing.join(", "))
}

/// The mode baseline from the scores' columns. `None` if `builtin:mode` is among the models, or if curves disagree on
/// the baseline. Curves over the same trials agree.
pub(super) fn mode_baseline(groups: &[Group<Score>]) -> Option<Series> {
    if groups.iter().any(|g| g.key.model == "builtin:mode") {
        return None;
    }
    let mut points: BTreeMap<u32, Point> = BTreeMap::new();
    let scores = groups.iter().flat_map(|g| &g.rows);
    for (score, accuracy) in scores.filter_map(|s| Some((s, s.mode_accuracy?))) {
        let interval = score.mode_se.map(|se| around(accuracy, se));
        let point = Point::new(score.shots, accuracy, interval);
        let known = points.entry(score.shots).or_insert(point);
        if (known.y - accuracy).abs() > 1e-12 {
            return None;
        }
    }
    let points: Vec<Point> = points.into_values().collect();
    (!points.is_empty()).then(|| Series::new("mode", Role::Baseline, points))
}

/// Whether the demonstrations of a curve are clean. Results without a condition are clean, too.
pub(super) fn is_clean(curve: &CurveKey) -> bool {
    curve.condition != Some(Condition::Deranged)
}

/// The scores with clean demonstrations.
pub(super) fn clean(scores: &[Score]) -> impl Iterator<Item = &Score> {
    scores.iter().filter(|score| is_clean(&score.curve))
}

/// The note below a figure: a sentence each for bars, lines and published curves.
pub(super) fn note(panels: &[Panel]) -> String {
    let any = |is: fn(&Series) -> bool| panels.iter().flat_map(|p| &p.series).any(is);
    let bars = any(|s| s.points.iter().any(|p| p.ci.is_some()));
    let bands = any(|s| s.role == Role::Baseline && s.points.iter().any(|p| p.ci.is_some()));
    let parts = [
        (bars && !bands, "Bars: 95 % intervals."),
        (bands, "Bars and bands: 95 % intervals."),
        (
            any(|s| matches!(s.line, Line::Fitted(..))),
            "Lines: least squares, a0 + a1 ln(shots).",
        ),
        (
            any(|s| s.role == Role::Published),
            "Dashed lines with outlined markers: published results (arXiv 2609.14011), task-cluster errors.",
        ),
    ];
    let said = parts
        .into_iter()
        .filter_map(|(is_there, text)| is_there.then_some(text));
    said.collect::<Vec<&str>>().join(" ")
}
