/*!
The figure of `figure curve`: accuracy against shots, one series a model, with error bars and log-linear fits,
over baselines that stay in the background.

A model with a fit shows its points and the line a0 + a1 ln n, which is straight on the shot axis and is drawn over
the model's own shot counts only; without a fit its points are joined. No line crosses the axis break at 0 shots.
Models stand side by side at each shot count (in the order of the series, centred on the tick), as otherwise equal
accuracies would cover each other; a model's line is moved with its points. All error bars lie under all lines, and
these under all points.
*/

use std::fmt::Write as _;

use super::axis::{self, ShareAxis, ShotAxis};
use super::canvas::{Anchor, Canvas, PT_PER_MM, Rect, Stroke, TextStyle, outline};
use super::font::{self, CAP_HEIGHT, Weight};
use super::legend::{self, Entry, Placed};
use super::mark::{self, Look};
use super::style;
use crate::error::{Error, Result};

/// The accuracy at one shot count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The number of demonstrations; 0 is an empty context.
    pub shots: u32,
    /// 0 to 1.
    pub accuracy: f64,
    /// The ends of its error bar, whatever interval the caller chose; what lies outside the axis is cut off.
    pub ci: Option<(f64, f64)>,
}

/// What a series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What the figure is about: colour and markers.
    Model,
    /// What it is measured against: grey and dashed.
    Baseline,
}

/// accuracy = a0 + a1 ln(shots).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The accuracy at one shot.
    pub a0: f64,
    /// The gain per unit of ln(shots).
    pub a1: f64,
}

/// One line of the figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name, as shown.
    pub label: String,
    /// Model or baseline.
    pub role: Role,
    /// In any order, each shot count once.
    pub points: Vec<Point>,
    /// Its fitted line.
    pub fit: Option<Fit>,
}

/// Width of one column of a two-column journal (Nature: 89 mm).
pub const SINGLE_COLUMN_MM: f64 = 89.0;
/// Width of both columns (Nature: 183 mm).
pub const DOUBLE_COLUMN_MM: f64 = 183.0;

/// The figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Drawn from the last to the first, so that the first lies on top.
    pub series: Vec<Series>,
    /// A title above the plot.
    pub title: Option<String>,
    /// Below the shot axis.
    pub x_label: String,
    /// Beside the accuracy axis.
    pub y_label: String,
    /// A line of small type below everything: what the error bars and lines are.
    pub note: Option<String>,
    /// The least upper end of the accuracy axis, for figures that should share it; the data can move it up.
    pub y_max: Option<f64>,
    /// Width of the page.
    pub width_mm: f64,
    /// Height of the page.
    pub height_mm: f64,
}

/// A figure must leave the plot this much room, in points.
const LEAST_PLOT: f64 = 48.0;
/// The largest side of a page, in millimetres (an A0 poster).
const LARGEST_MM: f64 = 1189.0;
/// Labels stand beside the plot up to this share of the page's width, above it otherwise.
const BESIDE_SHARE: f64 = 0.36;
/// The legend above the plot takes at most this share of the page's height.
const ABOVE_SHARE: f64 = 0.4;
/// Radius of the markers: usual, of many models, of many points.
const RADII: [f64; 3] = [2.1, 1.75, 1.3];
const MANY_MODELS: usize = 6;
const MANY_POINTS: usize = 16;
/// Above the plot: half a tick label, and what a marker at the top needs.
const TOP: f64 = 4.0;
/// Distance of the points of two models at one shot count, and the share of a tick's space they may take.
const DODGE: f64 = 2.6;
const DODGE_SHARE: f64 = 0.32;

/// Where everything is.
struct Layout {
    page: Rect,
    frame: Rect,
    shots: ShotAxis,
    share: ShareAxis,
    title: Vec<String>,
    entries: Vec<Entry>,
    labels: Vec<Placed>,
    beside: bool,
    looks: Vec<Look>,
    /// By series: how far its points stand from their tick.
    dodge: Vec<f64>,
    radius: f64,
}

impl Curve {
    /// A figure one column wide with the usual axis titles.
    #[must_use]
    pub fn new(series: Vec<Series>) -> Self {
        Self {
            series,
            title: None,
            x_label: "Shots (log scale)".to_owned(),
            y_label: "Accuracy".to_owned(),
            note: None,
            y_max: None,
            width_mm: SINGLE_COLUMN_MM,
            height_mm: 62.0,
        }
    }

    /// The figure as SVG; equal figures give equal bytes.
    ///
    /// # Errors
    /// [`Error::Data`] if there is no point or a number is impossible, [`Error::Usage`] if the page is too small for
    /// what should stand on it, or larger than a poster.
    pub fn to_svg(&self) -> Result<String> {
        self.check()?;
        Ok(self.draw(&self.layout()?))
    }

    /// The characters of its texts that the typeface lacks and shows as boxes.
    #[must_use]
    pub fn missing_characters(&self) -> Vec<char> {
        let mut text: String = self.series.iter().map(|s| s.label.as_str()).collect();
        for part in [
            Some(&self.x_label),
            Some(&self.y_label),
            self.title.as_ref(),
            self.note.as_ref(),
        ]
        .into_iter()
        .flatten()
        {
            text.push_str(part);
        }
        font::missing(&text)
    }

    fn check(&self) -> Result<()> {
        for (name, side) in [("width", self.width_mm), ("height", self.height_mm)] {
            if !(side > 0.0 && side <= LARGEST_MM) {
                return Err(Error::usage(format!(
                    "{name} of the figure: {side} mm, expected more than 0 and at most {LARGEST_MM}"
                )));
            }
        }
        if let Some(top) = self.y_max
            && !(top > 0.0 && top <= 1.0)
        {
            return Err(Error::usage(format!(
                "upper end of the accuracy axis: {top}, expected more than 0 and at most 1"
            )));
        }
        if self.series.iter().all(|series| series.points.is_empty()) {
            return Err(Error::data("nothing to draw: no series has a point"));
        }
        self.series.iter().try_for_each(Series::check)
    }

    fn layout(&self) -> Result<Layout> {
        let page = Rect {
            left: 0.0,
            top: 0.0,
            right: self.width_mm * PT_PER_MM,
            bottom: self.height_mm * PT_PER_MM,
        };
        let share = ShareAxis::reaching(
            self.series
                .iter()
                .map(Series::highest)
                .fold(self.y_max.unwrap_or(0.0), f64::max),
        );
        let looks = self.looks();
        let inner = page.width() - 2.0 * style::MARGIN;
        let title = self.title.as_deref().map_or_else(Vec::new, |title| {
            font::wrap(title, inner, 3, style::TITLE_PT, Weight::SemiBold)
        });
        let lines = f64::from(u32::try_from(title.len()).unwrap_or(u32::MAX));
        let mut top = style::MARGIN + lines * style::TITLE_PT * style::LEADING;
        let note = if self.note.is_some() {
            NOTE_HEIGHT
        } else {
            0.0
        };
        let mut frame = Rect {
            left: style::MARGIN + share.width(),
            top: top + TOP,
            right: page.right - style::MARGIN,
            bottom: page.bottom - style::MARGIN - note - axis::HEIGHT,
        };
        let cramped = || {
            Error::usage(format!(
                "a figure of {} x {} mm has no room for {} series: enlarge it or leave some out",
                self.width_mm,
                self.height_mm,
                self.series.len()
            ))
        };

        // The heights of the lines' ends depend on the frame's height only, the frame's width on the labels.
        let entries = self.entries(&looks, &share, &frame);
        let beside = (frame.height() >= LEAST_PLOT)
            .then(|| legend::beside(&entries, frame.right, frame.top - TOP, frame.bottom))
            .flatten()
            .filter(|&(_, plot)| frame.right - plot <= page.width() * BESIDE_SHARE);
        let (labels, is_beside) = if let Some((labels, plot)) = beside {
            frame.right = plot;
            (labels, true)
        } else {
            let height = page.height() * ABOVE_SHARE;
            let labels =
                legend::columns(&entries, style::MARGIN, top, inner, height).ok_or_else(cramped)?;
            top = labels
                .iter()
                .map(|label| label.bounds.bottom)
                .fold(top, f64::max);
            frame.top = top + TOP + 2.0;
            (labels, false)
        };
        if frame.width() < LEAST_PLOT || frame.height() < LEAST_PLOT {
            return Err(cramped());
        }
        let counts = || {
            let points = self.series.iter().flat_map(|series| &series.points);
            points.map(|point| point.shots)
        };
        let radius = if self.series.iter().any(|s| s.points.len() > MANY_POINTS) {
            RADII[2]
        } else {
            RADII[usize::from(self.models() > MANY_MODELS)]
        };
        let spacing = ShotAxis::new(counts(), frame.left, frame.right, axis::INSET).spacing();
        let (dodge, reach) = self.dodge(spacing);
        let inset = axis::INSET.max(reach + radius + 2.0);
        let shots = ShotAxis::new(counts(), frame.left, frame.right, inset);
        Ok(Layout {
            page,
            frame,
            shots,
            share,
            title,
            entries,
            labels,
            beside: is_beside,
            looks,
            dodge,
            radius,
        })
    }

    fn models(&self) -> usize {
        self.series
            .iter()
            .filter(|series| series.role == Role::Model)
            .count()
    }

    fn looks(&self) -> Vec<Look> {
        let (mut models, mut baselines) = (0, 0);
        self.series
            .iter()
            .map(|series| match series.role {
                Role::Model => {
                    models += 1;
                    Look::Model {
                        marker: style::marker(models - 1),
                        line: series.positive().len() > 1,
                    }
                }
                Role::Baseline => {
                    baselines += 1;
                    Look::Baseline(style::dash(baselines - 1))
                }
            })
            .collect()
    }

    fn entries(&self, looks: &[Look], share: &ShareAxis, frame: &Rect) -> Vec<Entry> {
        let most = self
            .series
            .iter()
            .flat_map(|series| series.points.iter().map(|p| p.shots))
            .max();
        self.series
            .iter()
            .zip(looks)
            .map(|(series, &look)| {
                let last = series.points.iter().max_by_key(|p| p.shots);
                let near = last.map_or(frame.bottom, |p| share.position(p.accuracy, frame));
                Entry {
                    label: series.label.clone(),
                    look,
                    end: last.filter(|p| Some(p.shots) == most).map(|_| near),
                    near,
                }
            })
            .collect()
    }

    /// By series, how far its points stand from their tick; and the farthest.
    fn dodge(&self, spacing: f64) -> (Vec<f64>, f64) {
        let gaps = f64::from(u32::try_from(self.models().saturating_sub(1)).unwrap_or(u32::MAX));
        let step = DODGE.min(spacing * DODGE_SHARE / gaps.max(1.0));
        let reach = step * gaps / 2.0;
        let mut at = -reach;
        let dodge = self
            .series
            .iter()
            .map(|series| {
                if series.role == Role::Baseline {
                    return 0.0;
                }
                at += step;
                at - step
            })
            .collect();
        (dodge, reach)
    }

    fn draw(&self, layout: &Layout) -> String {
        let title = self
            .title
            .clone()
            .unwrap_or_else(|| format!("{} against shots", self.y_label));
        let mut canvas = Canvas::new(self.width_mm, self.height_mm, &title, &self.description());
        let frame = &layout.frame;
        for (i, line) in layout.title.iter().enumerate() {
            let below = f64::from(u32::try_from(i).unwrap_or(u32::MAX));
            canvas.text(
                line,
                style::MARGIN,
                style::MARGIN
                    + style::TITLE_PT * (CAP_HEIGHT + 0.1)
                    + below * style::TITLE_PT * style::LEADING,
                &TextStyle {
                    weight: Weight::SemiBold,
                    ..TextStyle::regular(style::TITLE_PT, Anchor::Start)
                },
            );
        }
        canvas.open_group("bands", None);
        for i in self.of(Role::Baseline) {
            layout.draw_band(&mut canvas, &self.series[i], i);
        }
        canvas.close_group();
        layout.share.draw_grid(&mut canvas, frame);
        layout.shots.draw(&mut canvas, frame, &self.x_label);
        layout.share.draw(&mut canvas, frame, &self.y_label);
        for (layer, draw) in [
            (
                "bars",
                Layout::draw_bars as fn(&Layout, &mut Canvas, &Series, usize),
            ),
            ("lines", Layout::draw_line),
            ("points", Layout::draw_points),
        ] {
            canvas.open_group(layer, None);
            for i in self.of(Role::Baseline).chain(self.of(Role::Model)) {
                let series = &self.series[i];
                canvas.open_group(
                    match series.role {
                        Role::Model => "series model",
                        Role::Baseline => "series baseline",
                    },
                    Some(&series.label),
                );
                draw(layout, &mut canvas, series, i);
                canvas.close_group();
            }
            canvas.close_group();
        }
        legend::draw(
            &mut canvas,
            &layout.entries,
            &layout.labels,
            layout.beside.then_some(frame.right),
            layout.radius,
        );
        if let Some(note) = &self.note {
            let room = layout.page.width() - 2.0 * style::MARGIN;
            canvas.text(
                &font::elide(note, room, style::NOTE_PT, Weight::Regular),
                style::MARGIN,
                layout.page.bottom - style::MARGIN - style::NOTE_PT * font::DESCENT,
                &TextStyle {
                    colour: style::MUTED,
                    ..TextStyle::regular(style::NOTE_PT, Anchor::Start)
                },
            );
        }
        canvas.finish()
    }

    /// The series of a role, from the last to the first.
    fn of(&self, role: Role) -> impl Iterator<Item = usize> {
        (0..self.series.len())
            .rev()
            .filter(move |&i| self.series[i].role == role)
    }

    /// The figure in words: each series with its points and fit.
    fn description(&self) -> String {
        let mut text = String::new();
        for series in &self.series {
            let _ = write!(text, "{}:", series.label);
            for point in series.sorted() {
                let _ = write!(text, " {}", point.words());
            }
            if let Some(fit) = series.fit {
                let _ = write!(text, " fit {:.4} + {:.4} ln(shots);", fit.a0, fit.a1);
            }
            text.push('\n');
        }
        text
    }
}

const NOTE_HEIGHT: f64 = 3.0 + style::NOTE_PT * style::LEADING;

impl Series {
    fn check(&self) -> Result<()> {
        let place = |point: &Point| format!("series {:?}, {} shots", self.label, point.shots);
        for point in &self.points {
            if !(0.0..=1.0).contains(&point.accuracy) {
                return Err(Error::data(format!(
                    "{}: accuracy {}, expected 0 to 1",
                    place(point),
                    point.accuracy
                )));
            }
            if let Some((low, high)) = point.ci
                && !(low.is_finite() && high.is_finite() && low <= high)
            {
                return Err(Error::data(format!(
                    "{}: interval from {low} to {high}, expected two numbers in ascending order",
                    place(point)
                )));
            }
        }
        for pair in self.sorted().windows(2) {
            if pair[0].shots == pair[1].shots {
                return Err(Error::data(format!(
                    "{}: more than one accuracy, expected one (nothing is pooled across cells)",
                    place(&pair[0])
                )));
            }
        }
        if let Some(fit) = self.fit
            && !(fit.a0.is_finite() && fit.a1.is_finite())
        {
            return Err(Error::data(format!(
                "series {:?}: fit a0 = {}, a1 = {}, expected numbers",
                self.label, fit.a0, fit.a1
            )));
        }
        Ok(())
    }

    fn sorted(&self) -> Vec<Point> {
        let mut points = self.points.clone();
        points.sort_by_key(|point| point.shots);
        points
    }

    fn highest(&self) -> f64 {
        self.points
            .iter()
            .map(|point| {
                point
                    .ci
                    .map_or(point.accuracy, |(_, high)| high.max(point.accuracy))
            })
            .fold(0.0, f64::max)
    }

    /// Its points without the one at 0 shots, which no line reaches.
    fn positive(&self) -> Vec<Point> {
        let mut points = self.sorted();
        points.retain(|point| point.shots > 0);
        points
    }
}

impl Point {
    fn words(&self) -> String {
        let mut text = format!("{} shots {:.4}", self.shots, self.accuracy);
        if let Some((low, high)) = self.ci {
            let _ = write!(text, " [{low:.4}, {high:.4}]");
        }
        text.push(';');
        text
    }
}

impl Layout {
    /// Where a point of the `i`-th series stands.
    fn place(&self, point: &Point, i: usize) -> (f64, f64) {
        (
            self.shots.position(f64::from(point.shots)) + self.dodge[i],
            self.height(point.accuracy),
        )
    }

    /// The height of an accuracy, or of the end of the axis that it lies beyond.
    fn height(&self, accuracy: f64) -> f64 {
        let shown = accuracy.clamp(0.0, self.share.top);
        self.share.position(shown, &self.frame)
    }

    fn draw_bars(&self, canvas: &mut Canvas, series: &Series, i: usize) {
        let colour = match self.looks[i] {
            Look::Model { marker, .. } => marker.tint,
            Look::Baseline(dash) => dash.colour,
        };
        let band = series.role == Role::Baseline && has_band(series);
        for point in series.sorted() {
            let Some((low, high)) = point.ci else {
                continue;
            };
            if band && point.shots > 0 {
                continue;
            }
            let (x, _) = self.place(&point, i);
            canvas.polyline_as(
                &[(x, self.height(low)), (x, self.height(high))],
                Stroke::solid(colour, style::ERROR_LINE),
                &[("class", "bar")],
            );
        }
    }

    /// The fitted line over the series' own shot counts and within the frame, or else its points joined.
    fn draw_line(&self, canvas: &mut Canvas, series: &Series, i: usize) {
        let stroke = match self.looks[i] {
            Look::Model { marker, .. } => Stroke::solid(marker.colour, style::MODEL_LINE),
            Look::Baseline(dash) => Stroke {
                colour: dash.colour,
                width: style::BASELINE_LINE,
                dashes: dash.pattern,
            },
        };
        let positive = series.positive();
        let [first, .., last] = positive.as_slice() else {
            return;
        };
        if let Some(fit) = series.fit {
            let end = |point: &Point| {
                let accuracy = fit.a0 + fit.a1 * f64::from(point.shots).ln();
                (self.place(point, i).0, accuracy)
            };
            if let Some(ends) = clip(end(first), end(last), 0.0, self.share.top) {
                let ends = ends.map(|(x, accuracy)| (x, self.height(accuracy)));
                canvas.polyline_as(&ends, stroke, &[("class", "fit")]);
            }
        } else {
            let line: Vec<(f64, f64)> = positive.iter().map(|p| self.place(p, i)).collect();
            canvas.polyline_as(&line, stroke, &[("class", "joint")]);
        }
    }

    fn draw_points(&self, canvas: &mut Canvas, series: &Series, i: usize) {
        for point in series.sorted() {
            let (x, y) = self.place(&point, i);
            let words = format!("{}: {}", series.label, point.words());
            canvas.open_group("point", Some(&words));
            match self.looks[i] {
                Look::Model { marker, .. } => mark::draw(canvas, marker, x, y, self.radius),
                Look::Baseline(dash) => mark::draw_dot(canvas, dash, x, y),
            }
            canvas.close_group();
        }
    }

    fn draw_band(&self, canvas: &mut Canvas, series: &Series, i: usize) {
        if !has_band(series) {
            return;
        }
        let (mut upper, mut lower) = (Vec::new(), Vec::new());
        for point in series.positive() {
            let Some((low, high)) = point.ci else { return };
            let (x, _) = self.place(&point, i);
            upper.push((x, self.height(high)));
            lower.push((x, self.height(low)));
        }
        lower.reverse();
        upper.extend(lower);
        canvas.path(
            &(outline(&upper) + "Z"),
            &[("class", "band"), ("fill", style::BAND)],
        );
    }
}

/// Whether a baseline's intervals make a band: they all exist, at more than one place.
fn has_band(series: &Series) -> bool {
    let positive = series.positive();
    positive.len() > 1 && positive.iter().all(|point| point.ci.is_some())
}

/// The part of a line that lies between the heights `low` and `high`.
fn clip(from: (f64, f64), to: (f64, f64), low: f64, high: f64) -> Option<[(f64, f64); 2]> {
    let rise = to.1 - from.1;
    let (mut start, mut end) = (0.0_f64, 1.0_f64);
    if rise == 0.0 {
        if !(low..=high).contains(&from.1) {
            return None;
        }
    } else {
        let (a, b) = ((low - from.1) / rise, (high - from.1) / rise);
        start = start.max(a.min(b));
        end = end.min(a.max(b));
    }
    let at = |share: f64| (from.0 + share * (to.0 - from.0), from.1 + share * rise);
    (start < end).then(|| [at(start), at(end)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::svg_to_png;
    use resvg::usvg::{Options, Tree, roxmltree};

    const SHOTS: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

    /// A series whose accuracies lie near a0 + a1 ln n (at 0 shots: near half of a0), on alternating sides of it.
    fn series(label: &str, role: Role, shots: &[u32], a0: f64, a1: f64) -> Series {
        let points = shots
            .iter()
            .enumerate()
            .map(|(i, &n)| {
                let line = if n == 0 {
                    a0 / 2.0
                } else {
                    a0 + a1 * f64::from(n).ln()
                };
                let accuracy = (line + if i % 2 == 0 { 0.01 } else { -0.01 }).clamp(0.0, 1.0);
                Point {
                    shots: n,
                    accuracy,
                    ci: Some((accuracy - 0.03, accuracy + 0.03)),
                }
            })
            .collect();
        Series {
            label: label.to_owned(),
            role,
            points,
            fit: (role == Role::Model).then_some(Fit { a0, a1 }),
        }
    }

    fn models(count: u32, shots: &[u32]) -> Vec<Series> {
        (0..count)
            .map(|i| {
                let name = format!("Model-{}B", i + 1);
                series(
                    &name,
                    Role::Model,
                    shots,
                    0.12,
                    0.055 - 0.0015 * f64::from(i),
                )
            })
            .collect()
    }

    fn baselines() -> Vec<Series> {
        vec![
            series("mode", Role::Baseline, &SHOTS, 0.19, 0.0),
            series("nearest", Role::Baseline, &SHOTS, 0.1, 0.05),
            series("copy", Role::Baseline, &SHOTS, 0.045, 0.0),
        ]
    }

    /// Figures as users make them, and awkward ones.
    fn figures() -> Vec<(&'static str, Curve)> {
        let with_zero: Vec<u32> = std::iter::once(0).chain(SHOTS).collect();
        let long = ["ACGT, nested, greedy", "digits, independent, constrained"]
            .map(|tail| format!("organisation/a-long-model-name-40b-base, {tail}"));
        let mut many = models(10, &SHOTS);
        many.extend(baselines());
        let mut wide = Curve::new(many.clone());
        wide.width_mm = DOUBLE_COLUMN_MM;
        wide.title = Some("Bitstring programs".to_owned());
        wide.note = Some("Bars: 95 % bootstrap intervals. Lines: a₀ + a₁ ln(shots).".to_owned());
        let mut three = models(3, &SHOTS);
        three.extend(baselines());
        let mut titled = Curve::new(
            long.iter()
                .map(|name| series(name, Role::Model, &SHOTS, 0.1, 0.02))
                .collect(),
        );
        titled.title =
            Some("A title so long that it has to be broken into several lines ".repeat(2));
        let mut poster = Curve::new(models(30, &SHOTS));
        poster.height_mm = 120.0;
        vec![
            ("one", Curve::new(models(1, &SHOTS))),
            ("three and baselines", Curve::new(three)),
            ("ten", Curve::new(many)),
            ("ten, wide", wide),
            ("long labels", titled),
            ("thirty", poster),
            ("0 shots", Curve::new(models(2, &with_zero))),
            ("only 0 shots", Curve::new(models(2, &[0]))),
            ("one shot count", Curve::new(models(3, &[16]))),
            ("0 and another", Curve::new(models(3, &[0, 16]))),
            (
                "every shot count",
                Curve::new(models(2, &(0..=64).collect::<Vec<_>>())),
            ),
            (
                "no points in one, one in another, steep in a third",
                Curve::new(vec![
                    series("none", Role::Model, &[], 0.1, 0.1),
                    series("one", Role::Model, &[4], 0.1, 0.1),
                    series("steep", Role::Model, &SHOTS, -0.5, 0.4),
                    series("dot", Role::Baseline, &[4], 0.3, 0.0),
                ]),
            ),
            (
                "nameless",
                Curve::new(vec![series("", Role::Model, &SHOTS, 0.1, 0.1)]),
            ),
        ]
    }

    fn inflate(rect: &Rect, by: f64) -> Rect {
        Rect {
            left: rect.left - by,
            top: rect.top - by,
            right: rect.right + by,
            bottom: rect.bottom + by,
        }
    }

    fn count(document: &roxmltree::Document, class: &str) -> usize {
        document
            .descendants()
            .filter(|node| node.attribute("class") == Some(class))
            .count()
    }

    #[test]
    fn labels_cover_neither_data_nor_each_other_and_nothing_leaves_the_page() {
        for (name, curve) in figures() {
            let layout = curve.layout().unwrap();
            let data = inflate(&layout.frame, layout.radius);
            assert_eq!(layout.labels.len(), curve.series.len(), "{name}");
            for (i, label) in layout.labels.iter().enumerate() {
                assert!(
                    !label.bounds.overlaps(&data),
                    "{name}: {label:?} over the plot"
                );
                assert!(
                    layout.page.contains(&label.bounds),
                    "{name}: {label:?} off the page"
                );
                for other in &layout.labels[..i] {
                    assert!(
                        !label.bounds.overlaps(&other.bounds),
                        "{name}: {label:?} {other:?}"
                    );
                }
            }
            // What is drawn, not what was planned: the page itself is the largest thing on it.
            let tree = Tree::from_str(&curve.to_svg().unwrap(), &Options::default()).unwrap();
            let drawn = tree.root().abs_stroke_bounding_box();
            let (width, height) = (tree.size().width(), tree.size().height());
            assert!(
                drawn.left() > -0.1 && drawn.top() > -0.1,
                "{name}: {drawn:?}"
            );
            assert!(
                drawn.right() < width + 0.1 && drawn.bottom() < height + 0.1,
                "{name}: {drawn:?}"
            );
        }
    }

    #[test]
    fn points_of_one_shot_count_stay_nearer_to_their_tick_than_to_any_other() {
        for (name, curve) in figures() {
            let layout = curve.layout().unwrap();
            let half = layout.shots.spacing() / 2.0;
            for (i, series) in curve.series.iter().enumerate() {
                assert!(layout.dodge[i].abs() < half, "{name}");
                for point in &series.points {
                    let (x, y) = layout.place(point, i);
                    let frame = &layout.frame;
                    assert!(
                        x - layout.radius > frame.left && x + layout.radius < frame.right,
                        "{name}"
                    );
                    assert!(y >= frame.top && y <= frame.bottom, "{name}");
                }
            }
        }
    }

    #[test]
    fn every_point_bar_fit_and_series_is_an_element() {
        for (name, curve) in figures() {
            let svg = curve.to_svg().unwrap();
            let document = roxmltree::Document::parse(&svg).unwrap();
            let points: usize = curve.series.iter().map(|s| s.points.len()).sum();
            assert_eq!(count(&document, "point"), points, "{name}");
            assert_eq!(count(&document, "label"), curve.series.len(), "{name}");
            let fits = curve
                .series
                .iter()
                .filter(|s| s.fit.is_some() && s.positive().len() > 1)
                .count();
            assert_eq!(count(&document, "fit"), fits, "{name}");
            let bands = curve
                .series
                .iter()
                .filter(|s| s.role == Role::Baseline && s.points.len() > 1)
                .count();
            assert_eq!(count(&document, "band"), bands, "{name}");
            let in_bands: usize = curve
                .series
                .iter()
                .filter(|s| s.role == Role::Baseline && s.points.len() > 1)
                .map(|s| s.points.len())
                .sum();
            assert_eq!(count(&document, "bar"), points - in_bands, "{name}");
        }
    }

    #[test]
    fn the_fitted_line_read_off_the_page_has_the_intercept_and_slope_it_was_given() {
        let curve = Curve::new(models(3, &SHOTS));
        let layout = curve.layout().unwrap();
        for (i, series) in curve.series.iter().enumerate() {
            let mut canvas = Canvas::new(curve.width_mm, curve.height_mm, "", "");
            layout.draw_line(&mut canvas, series, i);
            let svg = canvas.finish();
            let document = roxmltree::Document::parse(&svg).unwrap();
            let path = document
                .descendants()
                .find(|node| node.attribute("class") == Some("fit"))
                .unwrap();
            let numbers: Vec<f64> = path
                .attribute("d")
                .unwrap()
                .split(['M', 'L', ' '])
                .filter_map(|n| n.parse().ok())
                .collect();
            let at = |k: usize| {
                let shots = layout.shots.value(numbers[k] - layout.dodge[i]);
                (
                    shots.ln(),
                    layout.share.value(numbers[k + 1], &layout.frame),
                )
            };
            let ((x0, y0), (x1, y1)) = (at(0), at(2));
            let a1 = (y1 - y0) / (x1 - x0);
            let fit = series.fit.unwrap();
            assert!((a1 - fit.a1).abs() < 1e-4, "{a1} {}", fit.a1);
            assert!((y0 - a1 * x0 - fit.a0).abs() < 1e-4);
        }
    }

    #[test]
    fn a_line_that_leaves_the_axis_is_cut_where_it_leaves() {
        assert_eq!(
            clip((0.0, -1.0), (4.0, 3.0), 0.0, 1.0),
            Some([(1.0, 0.0), (2.0, 1.0)])
        );
        assert_eq!(
            clip((0.0, 0.75), (4.0, 0.25), 0.0, 1.0),
            Some([(0.0, 0.75), (4.0, 0.25)])
        );
        assert_eq!(
            clip((0.0, 0.5), (4.0, 0.5), 0.0, 1.0),
            Some([(0.0, 0.5), (4.0, 0.5)])
        );
        assert_eq!(clip((0.0, 2.0), (4.0, 2.0), 0.0, 1.0), None);
        assert_eq!(clip((0.0, 2.0), (4.0, 3.0), 0.0, 1.0), None);
        assert_eq!(clip((0.0, -1e308), (4.0, 1e308), 0.0, 1.0), None);
    }

    #[test]
    fn no_line_crosses_the_break_at_0_shots() {
        let mut curve = Curve::new(models(1, &[0, 1, 2, 4]));
        curve.series[0].fit = None;
        let layout = curve.layout().unwrap();
        let gap = layout.shots.gap().unwrap();
        let svg = curve.to_svg().unwrap();
        let document = roxmltree::Document::parse(&svg).unwrap();
        assert_eq!(count(&document, "break"), 2);
        let joint = document
            .descendants()
            .find(|node| node.attribute("class") == Some("joint"))
            .unwrap();
        let d = joint.attribute("d").unwrap();
        assert_eq!(d.matches(['M', 'L']).count(), 3);
        let first: f64 = d[1..].split(' ').next().unwrap().parse().unwrap();
        assert!(first > gap);
    }

    #[test]
    fn hostile_labels_are_text_and_nothing_else() {
        let label = "</title><script>alert('x')</script>&amp;\"\u{0}模";
        let mut curve = Curve::new(vec![series(label, Role::Model, &SHOTS, 0.1, 0.05)]);
        curve.title = Some(label.to_owned());
        curve.y_label = label.to_owned();
        let svg = curve.to_svg().unwrap();
        assert!(!svg.contains("<script") && !svg.contains('\u{0}'));
        let document = roxmltree::Document::parse(&svg).unwrap();
        let shown = label.replace('\u{0}', "\u{fffd}");
        assert!(
            document
                .descendants()
                .any(|node| node.has_tag_name("title") && node.text() == Some(shown.as_str()))
        );
        assert_eq!(curve.missing_characters(), ['\u{0}', '模']);
    }

    #[test]
    fn the_svg_needs_no_font_no_file_and_no_network_and_can_be_inlined() {
        for (name, curve) in figures() {
            let svg = curve.to_svg().unwrap();
            for word in ["<text", "font", "href", "url(", " id=", "<style", "<image"] {
                assert!(!svg.contains(word), "{name}: {word}");
            }
            assert_eq!(
                svg.matches("http").count(),
                1,
                "{name}: more than the namespace"
            );
        }
    }

    #[test]
    fn equal_figures_are_equal_bytes_whatever_the_order_of_their_points() {
        for (name, curve) in figures() {
            let mut turned = curve.clone();
            for series in &mut turned.series {
                series.points.reverse();
            }
            let svg = curve.to_svg().unwrap();
            assert_eq!(svg, curve.to_svg().unwrap(), "{name}");
            assert_eq!(svg, turned.to_svg().unwrap(), "{name}");
        }
    }

    #[test]
    fn the_png_has_the_size_of_the_page_and_shows_the_colours_of_its_series() {
        let mut curve = Curve::new(models(3, &SHOTS));
        curve.width_mm = 127.0;
        curve.height_mm = 63.5;
        let bytes = svg_to_png(&curve.to_svg().unwrap(), 100.0).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes))
            .read_info()
            .unwrap();
        assert_eq!((reader.info().width, reader.info().height), (500, 250));
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        for i in 0..3 {
            let hex = style::marker(i).colour;
            let rgb = [1, 3, 5].map(|k| u8::from_str_radix(&hex[k..k + 2], 16).unwrap());
            let found = pixels.chunks(3).filter(|pixel| *pixel == rgb).count();
            assert!(found > 40, "{hex}: {found} pixels");
        }
        let white = pixels.chunks(3).filter(|pixel| *pixel == [255; 3]).count();
        assert!(white > 500 * 250 / 2);
    }

    #[test]
    fn figures_that_should_share_an_axis_can() {
        let mut low = Curve::new(vec![series("low", Role::Model, &SHOTS, 0.1, 0.01)]);
        assert!(low.layout().unwrap().share.top < 0.3);
        low.y_max = Some(1.0);
        assert!((low.layout().unwrap().share.top - 1.0).abs() < 1e-12);
        let mut high = Curve::new(models(1, &SHOTS));
        high.y_max = Some(0.1);
        assert!(
            high.layout().unwrap().share.top > 0.35,
            "no point is cut off"
        );
    }

    fn refusal(change: impl Fn(&mut Curve)) -> Error {
        let mut curve = Curve::new(models(2, &SHOTS));
        change(&mut curve);
        curve.to_svg().unwrap_err()
    }

    #[test]
    fn impossible_data_is_refused_with_its_place() {
        let cases: [(&str, Error); 9] = [
            ("nothing to draw", refusal(|c| c.series.clear())),
            (
                "nothing to draw",
                refusal(|c| c.series.iter_mut().for_each(|s| s.points.clear())),
            ),
            (
                "\"Model-2B\", 4 shots: accuracy NaN",
                refusal(|c| c.series[1].points[2].accuracy = f64::NAN),
            ),
            (
                "accuracy 1.5, expected 0 to 1",
                refusal(|c| c.series[0].points[0].accuracy = 1.5),
            ),
            (
                "accuracy -0.1",
                refusal(|c| c.series[0].points[0].accuracy = -0.1),
            ),
            (
                "interval from 0.3 to 0.2",
                refusal(|c| c.series[0].points[0].ci = Some((0.3, 0.2))),
            ),
            (
                "interval from NaN",
                refusal(|c| c.series[0].points[0].ci = Some((f64::NAN, 0.2))),
            ),
            (
                "2 shots: more than one accuracy",
                refusal(|c| c.series[0].points[2].shots = 2),
            ),
            (
                "fit a0 = inf",
                refusal(|c| {
                    c.series[0].fit = Some(Fit {
                        a0: f64::INFINITY,
                        a1: 0.0,
                    });
                }),
            ),
        ];
        for (part, error) in cases {
            assert!(matches!(error, Error::Data(_)), "{error:?}");
            assert!(error.to_string().contains(part), "{error}");
            assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn impossible_pages_are_refused_as_usage() {
        let cases = [
            refusal(|c| c.width_mm = 0.0),
            refusal(|c| c.width_mm = f64::NAN),
            refusal(|c| c.height_mm = f64::INFINITY),
            refusal(|c| c.height_mm = 1e9),
            refusal(|c| c.width_mm = 20.0),
            refusal(|c| c.height_mm = 20.0),
            refusal(|c| c.series = models(200, &SHOTS)),
            refusal(|c| c.y_max = Some(0.0)),
            refusal(|c| c.y_max = Some(f64::NAN)),
        ];
        for error in cases {
            assert!(matches!(error, Error::Usage(_)), "{error:?}");
        }
    }
}
