/*!
Points with error bars and lines over a horizontal axis, in one panel or several: accuracy against shots, slopes
against parameters, accuracy against `BitLoad`.

A model with a fit shows its points and the line a0 + a1 ln x, which is straight on a logarithmic axis and is drawn over
the series' own values only; without a fit its points are joined, or stand alone. No line crosses the axis break at 0
shots. Models stand side by side at each value of an axis with few of them (in the order of the series, centred on the
tick), as otherwise equal accuracies would cover each other; a model's line is moved with its points. All error bars lie
under all lines, and these under all points.

A series keeps its look in every panel, by its label. The labels stand beside the ends of the lines of a single panel,
or else in a legend above.
*/

use std::fmt::Write as _;

use super::axis::{self, Across, Quantity, Upwards};
use super::canvas::{Anchor, Canvas, Rect, Stroke, TextStyle, outline};
use super::font::{self, CAP_HEIGHT, Weight};
use super::legend::{self, Entry, Placed};
use super::mark::{self, Look};
use super::page::{self, Page, SINGLE_COLUMN_MM, float};
use super::style;
use crate::error::{Error, Result};

/// What was measured at one place of the horizontal axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its place: the number of demonstrations (0 is an empty context), of parameters, or what the axis measures.
    pub x: f64,
    /// Its height: an accuracy, say.
    pub y: f64,
    /// The ends of its error bar, whatever interval the caller chose; what lies outside the axis is cut off.
    pub ci: Option<(f64, f64)>,
    /// What is written beside it.
    pub name: Option<String>,
}

impl Point {
    /// A point without a name.
    #[must_use]
    pub fn new(x: f64, y: f64, ci: Option<(f64, f64)>) -> Self {
        Self {
            x,
            y,
            ci,
            name: None,
        }
    }
}

/// What a series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// What the figure is about: colour and markers.
    Model,
    /// What others have published: colour, outlined markers, a thin dashed line.
    Published,
    /// What it is measured against: grey and dashed.
    Baseline,
}

/// height = a0 + a1 ln(x).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The height at x = 1: the accuracy at one shot.
    pub a0: f64,
    /// The gain per unit of ln(x).
    pub a1: f64,
}

/// The line of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Line {
    /// Its points, joined.
    Joined,
    /// A fitted line.
    Fitted(Fit),
    /// None.
    Absent,
}

/// The points of one label.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name, as shown.
    pub label: String,
    /// Model, published or baseline.
    pub role: Role,
    /// In any order, each place once unless they have names.
    pub points: Vec<Point>,
    /// Its line.
    pub line: Line,
}

/// What a vertical axis holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Shares: from 0 to a round number of at most 1.
    Share,
    /// Any numbers, and 0.
    Any,
}

/// One pair of axes with its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// Above it.
    pub title: Option<String>,
    /// Beside its vertical axis; panels with the same one have the same axis.
    pub y_label: String,
    /// What this axis holds.
    pub range: Range,
    /// Drawn from the last to the first, so that the first lies on top.
    pub series: Vec<Series>,
}

/// The figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Size, title and note.
    pub page: Page,
    /// At least one.
    pub panels: Vec<Panel>,
    /// What the horizontal axis measures.
    pub quantity: Quantity,
    /// Below it.
    pub x_label: String,
    /// The least upper end of axes of shares, for figures that should share it; the data can move it up.
    pub y_max: Option<f64>,
}

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
/// Between two panels that share their vertical axis.
const BETWEEN: f64 = 9.0;
/// Between two rows of panels.
const BELOW: f64 = 5.0;
/// Distance of the points of two models at one place, and the share of a tick's space they may take.
const DODGE: f64 = 2.6;
const DODGE_SHARE: f64 = 0.32;
/// Between a point and its name.
const NAME_GAP: f64 = 1.8;

/// Where everything is.
struct Layout {
    panels: Vec<Place>,
    entries: Vec<Entry>,
    labels: Vec<Placed>,
    beside: bool,
    radius: f64,
}

/// Where a panel and what is in it are.
struct Place {
    frame: Rect,
    across: Across,
    upwards: Upwards,
    /// By series of the panel.
    looks: Vec<Look>,
    /// By series: how far its points stand from their tick.
    dodge: Vec<f64>,
    radius: f64,
}

impl Chart {
    /// A figure of one panel, one journal column wide: accuracy against shots.
    #[must_use]
    pub fn curve(series: Vec<Series>) -> Self {
        let panel = Panel {
            title: None,
            y_label: "Accuracy".to_owned(),
            range: Range::Share,
            series,
        };
        Self::by_shots(Page::new(SINGLE_COLUMN_MM, 62.0), vec![panel])
    }

    /// Panels over shot counts.
    #[must_use]
    pub fn by_shots(page: Page, panels: Vec<Panel>) -> Self {
        Self {
            page,
            panels,
            quantity: Quantity::Shots,
            x_label: "Shots (log scale)".to_owned(),
            y_max: None,
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

    /// Its texts.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        let panels = self.panels.iter().flat_map(|panel| {
            let names = panel.series.iter().flat_map(|s| {
                let names = s.points.iter().filter_map(|p| p.name.as_deref());
                names.chain([s.label.as_str()])
            });
            names
                .chain(panel.title.as_deref())
                .chain([panel.y_label.as_str()])
        });
        panels.chain([self.x_label.as_str()]).collect()
    }

    fn series(&self) -> impl Iterator<Item = &Series> {
        self.panels.iter().flat_map(|panel| &panel.series)
    }

    fn check(&self) -> Result<()> {
        self.page.check()?;
        if let Some(top) = self.y_max
            && !(top > 0.0 && top <= 1.0)
        {
            return Err(Error::usage(format!(
                "upper end of the accuracy axis: {top}, expected more than 0 and at most 1"
            )));
        }
        if self.series().all(|series| series.points.is_empty()) {
            return Err(Error::data("nothing to draw: no series has a point"));
        }
        self.panels.iter().try_for_each(|panel| {
            let check = |series: &Series| series.check(panel.range, self.quantity);
            panel.series.iter().try_for_each(check)
        })
    }

    fn layout(&self) -> Result<Layout> {
        let body = self.page.body();
        let upwards = self.vertical_axes();
        let titled = self.panels.iter().any(|panel| panel.title.is_some());
        let above = TOP + if titled { page::PANEL_TITLE } else { 0.0 };
        let widest = |titled: bool| {
            let widths = upwards.iter().map(|axis| axis.width(titled));
            widths.fold(0.0, f64::max)
        };
        let mut area = Rect {
            left: body.left + widest(true),
            bottom: body.bottom - axis::HEIGHT,
            ..body
        };
        let looks = self.looks();
        let cramped = || {
            let labels = looks.len();
            self.page.cramped(&format!("{labels} series"))
        };

        // The heights of the lines' ends depend on the frame's height only, the frame's width on the labels.
        let single = Rect {
            top: area.top + above,
            ..area
        };
        let entries = self.entries(&looks, &upwards[0], &single);
        let beside = (self.panels.len() == 1 && single.height() >= page::LEAST_PANEL)
            .then(|| legend::beside(&entries, single.right, single.top - TOP, single.bottom))
            .flatten()
            .filter(|&(_, plot)| single.right - plot <= self.page.bounds().width() * BESIDE_SHARE);
        let (labels, is_beside) = if let Some((labels, plot)) = beside {
            area.right = plot;
            (labels, true)
        } else {
            let height = self.page.bounds().height() * ABOVE_SHARE;
            let labels = legend::columns(&entries, body.left, area.top, body.width(), height)
                .ok_or_else(cramped)?;
            let bottoms = labels.iter().map(|label| label.bounds.bottom);
            area.top = bottoms.fold(area.top, f64::max) + 2.0;
            (labels, false)
        };
        let between = BETWEEN + if self.is_shared() { 0.0 } else { widest(true) };
        let below = BELOW + axis::TICKS_HEIGHT;
        let columns = page::columns_for(self.panels.len());
        let frames = page::grid(&area, self.panels.len(), columns, between, above, below);
        if !page::roomy(&frames) {
            return Err(cramped());
        }
        let radius = if self.series().any(|s| s.points.len() > MANY_POINTS) {
            RADII[2]
        } else {
            RADII[usize::from(self.models() > MANY_MODELS || self.panels.len() > 1)]
        };
        let panels = self
            .panels
            .iter()
            .zip(frames)
            .zip(upwards)
            .map(|((panel, frame), upwards)| self.place(panel, frame, upwards, &looks, radius))
            .collect();
        Ok(Layout {
            panels,
            entries,
            labels,
            beside: is_beside,
            radius,
        })
    }

    fn place(
        &self,
        panel: &Panel,
        frame: Rect,
        upwards: Upwards,
        looks: &[(String, Look)],
        radius: f64,
    ) -> Place {
        let values = || {
            let points = self.series().flat_map(|series| &series.points);
            points.map(|point| point.x)
        };
        let axis = |inset| Across::new(self.quantity, values(), frame.left, frame.right, inset);
        let (dodge, reach) = self.dodge(panel, axis(axis::INSET).spacing());
        let inset = axis::INSET.max(reach + radius + 2.0);
        Place {
            across: axis(inset),
            upwards,
            looks: panel
                .series
                .iter()
                .filter_map(|s| looks.iter().find(|(label, _)| *label == s.label))
                .map(|(_, look)| *look)
                .collect(),
            dodge,
            frame,
            radius,
        }
    }

    /// Whether all panels have one vertical axis.
    fn is_shared(&self) -> bool {
        self.panels
            .windows(2)
            .all(|pair| pair[0].y_label == pair[1].y_label)
    }

    /// The vertical axis of every panel.
    fn vertical_axes(&self) -> Vec<Upwards> {
        let axis = |panel: &Panel| {
            let alike = self.panels.iter().filter(|p| p.y_label == panel.y_label);
            let series: Vec<&Series> = alike.flat_map(|p| &p.series).collect();
            let ends = |pick: fn(&Series) -> f64, fold: fn(f64, f64) -> f64| {
                series.iter().map(|s| pick(s)).fold(0.0, fold)
            };
            let highest = ends(Series::highest, f64::max);
            match panel.range {
                Range::Share => Upwards::share(highest.max(self.y_max.unwrap_or_default())),
                Range::Any => Upwards::around_zero(ends(Series::lowest, f64::min), highest),
            }
        };
        self.panels.iter().map(axis).collect()
    }

    fn models(&self) -> usize {
        let mut labels: Vec<&str> = self
            .series()
            .filter(|series| series.role != Role::Baseline)
            .map(|series| series.label.as_str())
            .collect();
        labels.sort_unstable();
        labels.dedup();
        labels.len()
    }

    /// The look of every label: models, published curves, baselines, each in the order in which they first stand.
    fn looks(&self) -> Vec<(String, Look)> {
        let (mut coloured, mut baselines) = (0, 0);
        let mut looks: Vec<(String, Look)> = Vec::new();
        let mut ordered: Vec<&Series> = self.series().collect();
        ordered.sort_by_key(|series| series.role);
        for series in ordered {
            if looks.iter().any(|(label, _)| *label == series.label) {
                continue;
            }
            let mut marker = || {
                coloured += 1;
                style::marker(coloured - 1)
            };
            let look = match series.role {
                Role::Model => Look::Model {
                    marker: marker(),
                    line: self
                        .series()
                        .any(|s| s.label == series.label && s.has_line()),
                },
                Role::Published => Look::Published(marker()),
                Role::Baseline => {
                    baselines += 1;
                    Look::Baseline(style::dash(baselines - 1))
                }
            };
            looks.push((series.label.clone(), look));
        }
        looks
    }

    /// What the legend names; their heights are those in a single panel.
    fn entries(&self, looks: &[(String, Look)], upwards: &Upwards, frame: &Rect) -> Vec<Entry> {
        let farthest = self
            .series()
            .flat_map(|series| series.points.iter().map(|p| p.x))
            .fold(f64::NEG_INFINITY, f64::max);
        looks
            .iter()
            .map(|(label, look)| {
                let series = self.series().find(|series| series.label == *label);
                let last = series.and_then(|s| s.points.iter().max_by(|a, b| a.x.total_cmp(&b.x)));
                let near = last.map_or(frame.bottom, |p| upwards.position_within(p.y, frame));
                Entry {
                    label: label.clone(),
                    look: *look,
                    end: last.filter(|p| p.x >= farthest).map(|_| near),
                    near,
                }
            })
            .collect()
    }

    /// By series of a panel, how far its points stand from their tick; and the farthest.
    fn dodge(&self, panel: &Panel, spacing: f64) -> (Vec<f64>, f64) {
        let stands_apart = |series: &Series| {
            series.role != Role::Baseline && self.quantity != Quantity::Parameters
        };
        let apart = panel.series.iter().filter(|s| stands_apart(s)).count();
        let gaps = float(apart.saturating_sub(1));
        let step = DODGE.min(spacing * DODGE_SHARE / gaps.max(1.0));
        let reach = step * gaps / 2.0;
        let mut at = -reach;
        let dodge = panel
            .series
            .iter()
            .map(|series| {
                if !stands_apart(series) {
                    return 0.0;
                }
                at += step;
                at - step
            })
            .collect();
        (dodge, reach)
    }

    fn draw(&self, layout: &Layout) -> String {
        let name = format!("{} against {}", self.panels[0].y_label, self.x_label);
        let mut canvas = self.page.canvas(&name, &self.description());
        let columns = page::columns_for(self.panels.len());
        for (i, (panel, place)) in self.panels.iter().zip(&layout.panels).enumerate() {
            let is_first = i % columns == 0;
            canvas.open_group("panel", panel.title.as_deref());
            place.draw(
                &mut canvas,
                panel,
                is_first || !self.is_shared(),
                !self.is_shared() || self.panels.len() == 1,
            );
            canvas.close_group();
        }
        let body = self.page.body();
        let frames = || layout.panels.iter().map(|place| place.frame);
        let (top, bottom) = (
            frames().map(|f| f.top).fold(f64::INFINITY, f64::min),
            frames().map(|f| f.bottom).fold(0.0, f64::max),
        );
        let right = frames().map(|f| f.right).fold(0.0, f64::max);
        if self.is_shared() && self.panels.len() > 1 {
            axis::draw_title_upwards(&mut canvas, &self.panels[0].y_label, body.left, top, bottom);
        }
        let left = layout.panels[0].frame.left;
        axis::draw_title_across(&mut canvas, &self.x_label, left, right, bottom);
        legend::draw(
            &mut canvas,
            &layout.entries,
            &layout.labels,
            layout.beside.then_some(right),
            layout.radius,
        );
        canvas.finish()
    }

    /// The figure in words: each series with its points and fit.
    fn description(&self) -> String {
        let mut text = String::new();
        for panel in &self.panels {
            if let Some(title) = &panel.title {
                let _ = writeln!(text, "{title}");
            }
            for series in &panel.series {
                let _ = write!(text, "{}:", series.label);
                for point in series.sorted() {
                    let _ = write!(text, " {}", point.words(self.quantity));
                }
                if let Line::Fitted(fit) = series.line {
                    let what = self.quantity.word();
                    let _ = write!(text, " fit {:.4} + {:.4} ln({what});", fit.a0, fit.a1);
                }
                text.push('\n');
            }
        }
        text
    }
}

impl Quantity {
    fn word(self) -> &'static str {
        match self {
            Self::Shots => "shots",
            Self::Parameters => "parameters",
            Self::Plain => "x",
        }
    }

    /// A place of the axis in words.
    fn place(self, x: f64) -> String {
        match self {
            Self::Shots => format!("{x} shots"),
            Self::Parameters => format!("{} parameters", axis::parameters(x)),
            Self::Plain => format!("at {x}"),
        }
    }
}

impl Series {
    fn check(&self, range: Range, quantity: Quantity) -> Result<()> {
        let place = |point: &Point| format!("series {:?}, {}", self.label, quantity.place(point.x));
        for point in &self.points {
            if range == Range::Share && !(0.0..=1.0).contains(&point.y) {
                return Err(Error::data(format!(
                    "{}: accuracy {}, expected 0 to 1",
                    place(point),
                    point.y
                )));
            }
            let possible = match quantity {
                Quantity::Shots => point.x >= 0.0,
                Quantity::Parameters => point.x > 0.0,
                Quantity::Plain => true,
            };
            if !(point.y.is_finite() && point.x.is_finite() && possible) {
                return Err(Error::data(format!(
                    "{}: {}, expected numbers on the axes",
                    place(point),
                    point.y
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
            if pair[0].x >= pair[1].x && pair[0].name == pair[1].name {
                return Err(Error::data(format!(
                    "{}: more than one accuracy, expected one (nothing is pooled across cells)",
                    place(&pair[0])
                )));
            }
        }
        if let Line::Fitted(fit) = self.line
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
        points.sort_by(|a, b| a.x.total_cmp(&b.x).then_with(|| a.name.cmp(&b.name)));
        points
    }

    fn highest(&self) -> f64 {
        self.points
            .iter()
            .map(|point| point.ci.map_or(point.y, |(_, high)| high.max(point.y)))
            .fold(0.0, f64::max)
    }

    fn lowest(&self) -> f64 {
        self.points
            .iter()
            .map(|point| point.ci.map_or(point.y, |(low, _)| low.min(point.y)))
            .fold(0.0, f64::min)
    }

    /// Whether a line goes with its points.
    fn has_line(&self) -> bool {
        self.line != Line::Absent && self.points.iter().filter(|p| p.x > 0.0).count() > 1
    }
}

/// The points of a line: without the one at 0 shots, which no line reaches.
fn on_line(series: &Series, quantity: Quantity) -> Vec<Point> {
    let mut points = series.sorted();
    points.retain(|point| quantity == Quantity::Plain || point.x > 0.0);
    points
}

impl Point {
    fn words(&self, quantity: Quantity) -> String {
        let mut text = self.name.clone().unwrap_or_default();
        if !text.is_empty() {
            text.push_str(", ");
        }
        let _ = write!(text, "{} {:.4}", quantity.place(self.x), self.y);
        if let Some((low, high)) = self.ci {
            let _ = write!(text, " [{low:.4}, {high:.4}]");
        }
        text.push(';');
        text
    }
}

impl Place {
    /// Draws a panel; its vertical axis has labels if `labelled`, and a title if `titled`.
    fn draw(&self, canvas: &mut Canvas, panel: &Panel, labelled: bool, titled: bool) {
        let of = |roles: &'static [Role]| {
            let series = panel.series.iter().enumerate().rev();
            series.filter(move |(_, s)| roles.contains(&s.role))
        };
        canvas.open_group("bands", None);
        for (i, series) in of(&[Role::Baseline]) {
            self.draw_band(canvas, series, i);
        }
        canvas.close_group();
        if let Some(title) = &panel.title {
            page::draw_panel_title(canvas, title, &self.frame);
        }
        self.upwards.draw_grid(canvas, &self.frame);
        self.across.draw(canvas, &self.frame);
        let title = titled.then_some(panel.y_label.as_str());
        self.upwards.draw(canvas, &self.frame, labelled, title);
        for (layer, draw) in [
            (
                "bars",
                Self::draw_bars as fn(&Self, &mut Canvas, &Series, usize),
            ),
            ("lines", Self::draw_line),
            ("points", Self::draw_points),
        ] {
            canvas.open_group(layer, None);
            for (i, series) in of(&[Role::Baseline]).chain(of(&[Role::Published, Role::Model])) {
                canvas.open_group(
                    match series.role {
                        Role::Model => "series model",
                        Role::Published => "series published",
                        Role::Baseline => "series baseline",
                    },
                    Some(&series.label),
                );
                draw(self, canvas, series, i);
                canvas.close_group();
            }
            canvas.close_group();
        }
        self.draw_names(canvas, panel);
    }

    fn quantity(&self) -> Quantity {
        self.across.quantity()
    }

    /// Where a point of the `i`-th series stands.
    fn place(&self, point: &Point, i: usize) -> (f64, f64) {
        (
            self.across.position(point.x) + self.dodge[i],
            self.height(point.y),
        )
    }

    /// The height of a value, or of the end of the axis that it lies beyond.
    fn height(&self, value: f64) -> f64 {
        self.upwards.position_within(value, &self.frame)
    }

    fn draw_bars(&self, canvas: &mut Canvas, series: &Series, i: usize) {
        let colour = self.looks[i].tint();
        let band = series.role == Role::Baseline && has_band(series);
        for point in series.sorted() {
            let Some((low, high)) = point.ci else {
                continue;
            };
            if band && point.x > 0.0 {
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

    /// The fitted line over the series' own values and within the frame, or its points joined.
    fn draw_line(&self, canvas: &mut Canvas, series: &Series, i: usize) {
        let stroke = self.looks[i].stroke();
        let points = on_line(series, self.quantity());
        let [first, .., last] = points.as_slice() else {
            return;
        };
        match series.line {
            Line::Fitted(fit) => {
                let end = |point: &Point| (self.place(point, i).0, fit.a0 + fit.a1 * point.x.ln());
                let (low, high) = (self.upwards.bottom, self.upwards.top);
                if let Some(ends) = clip(end(first), end(last), low, high) {
                    let ends = ends.map(|(x, value)| (x, self.height(value)));
                    canvas.polyline_as(&ends, stroke, &[("class", "fit")]);
                }
            }
            Line::Joined => {
                let line: Vec<(f64, f64)> = points.iter().map(|p| self.place(p, i)).collect();
                canvas.polyline_as(&line, stroke, &[("class", "joint")]);
            }
            Line::Absent => {}
        }
    }

    fn draw_points(&self, canvas: &mut Canvas, series: &Series, i: usize) {
        for point in series.sorted() {
            let (x, y) = self.place(&point, i);
            let words = format!("{}: {}", series.label, point.words(self.quantity()));
            canvas.open_group("point", Some(&words));
            mark::draw_point(canvas, self.looks[i], x, y, self.radius);
            canvas.close_group();
        }
    }

    fn draw_band(&self, canvas: &mut Canvas, series: &Series, i: usize) {
        if !has_band(series) {
            return;
        }
        let (mut upper, mut lower) = (Vec::new(), Vec::new());
        for point in on_line(series, self.quantity()) {
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

    /// Small boxes along the fitted line of a series.
    fn line_boxes(&self, series: &Series) -> Vec<Rect> {
        let points = on_line(series, self.quantity());
        let (Line::Fitted(fit), [first, .., last]) = (series.line, points.as_slice()) else {
            return Vec::new();
        };
        let (from, to) = (first.x.ln(), last.x.ln());
        (0..=LINE_STEPS)
            .map(|i| {
                let ln_x = from + (to - from) * float(i) / float(LINE_STEPS);
                let y = self.height(fit.a0 + fit.a1 * ln_x);
                around(self.across.position(ln_x.exp()), y, 1.5, 0.7)
            })
            .collect()
    }

    /// Writes the names of points where they cover neither points, error bars, lines nor each other; a name without
    /// such a place is left to the tooltip.
    fn draw_names(&self, canvas: &mut Canvas, panel: &Panel) {
        let mut taken: Vec<Rect> = Vec::new();
        let mut named: Vec<(f64, f64, &str)> = Vec::new();
        for (i, series) in panel.series.iter().enumerate() {
            taken.extend(self.line_boxes(series));
            for point in &series.points {
                let (x, y) = self.place(point, i);
                let r = self.radius + 0.6;
                taken.push(around(x, y, r, r));
                if let Some((low, high)) = point.ci {
                    taken.push(Rect {
                        left: x - 0.6,
                        right: x + 0.6,
                        top: self.height(high),
                        bottom: self.height(low),
                    });
                }
                if let Some(name) = point.name.as_deref() {
                    named.push((x, y, name));
                }
            }
        }
        canvas.open_group("names", None);
        for (x, y, name) in named {
            let width = font::width(name, style::NOTE_PT, Weight::Regular);
            let half = style::NOTE_PT * 0.55;
            let aside = self.radius + NAME_GAP + width / 2.0;
            let above = self.radius + NAME_GAP + half;
            let places = [
                (aside, 0.0),
                (-aside, 0.0),
                (0.0, -above),
                (0.0, above),
                (aside, -above),
                (aside, above),
                (-aside, -above),
                (-aside, above),
            ];
            let free = places
                .iter()
                .map(|(dx, dy)| around(x + dx, y + dy, width / 2.0, half))
                .find(|spot| {
                    self.frame.contains(spot) && taken.iter().all(|other| !spot.overlaps(other))
                });
            let Some(spot) = free else { continue };
            canvas.text(
                name,
                spot.left,
                f64::midpoint(spot.top, spot.bottom) + style::NOTE_PT * CAP_HEIGHT / 2.0,
                &TextStyle {
                    colour: style::MUTED,
                    ..TextStyle::regular(style::NOTE_PT, Anchor::Start)
                },
            );
            taken.push(spot);
        }
        canvas.close_group();
    }
}

/// Steps along a fitted line, fine enough that no name slips between two of them.
const LINE_STEPS: usize = 60;

fn around(x: f64, y: f64, half_width: f64, half_height: f64) -> Rect {
    Rect {
        left: x - half_width,
        top: y - half_height,
        right: x + half_width,
        bottom: y + half_height,
    }
}

/// Whether a baseline's intervals make a band: they all exist, at more than one place.
fn has_band(series: &Series) -> bool {
    let mut on_line = series.points.iter().filter(|point| point.x > 0.0);
    on_line.clone().count() > 1 && on_line.all(|point| point.ci.is_some())
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
    use crate::report::page::DOUBLE_COLUMN_MM;
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
                Point::new(
                    f64::from(n),
                    accuracy,
                    Some((accuracy - 0.03, accuracy + 0.03)),
                )
            })
            .collect();
        Series {
            label: label.to_owned(),
            role,
            points,
            line: if role == Role::Model {
                Line::Fitted(Fit { a0, a1 })
            } else {
                Line::Joined
            },
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
    fn figures() -> Vec<(&'static str, Chart)> {
        let with_zero: Vec<u32> = std::iter::once(0).chain(SHOTS).collect();
        let long = ["ACGT, nested, greedy", "digits, independent, constrained"]
            .map(|tail| format!("organisation/a-long-model-name-40b-base, {tail}"));
        let mut many = models(10, &SHOTS);
        many.extend(baselines());
        let mut wide = Chart::curve(many.clone());
        wide.page.width_mm = DOUBLE_COLUMN_MM;
        wide.page.title = Some("Bitstring programs".to_owned());
        wide.page.note =
            Some("Bars: 95 % bootstrap intervals. Lines: a₀ + a₁ ln(shots).".to_owned());
        let mut three = models(3, &SHOTS);
        three.extend(baselines());
        let mut titled = Chart::curve(
            long.iter()
                .map(|name| series(name, Role::Model, &SHOTS, 0.1, 0.02))
                .collect(),
        );
        titled.page.title =
            Some("A title so long that it has to be broken into several lines ".repeat(2));
        let mut poster = Chart::curve(models(30, &SHOTS));
        poster.page.height_mm = 120.0;
        vec![
            ("one", Chart::curve(models(1, &SHOTS))),
            ("three and baselines", Chart::curve(three)),
            ("ten", Chart::curve(many)),
            ("ten, wide", wide),
            ("long labels", titled),
            ("thirty", poster),
            ("0 shots", Chart::curve(models(2, &with_zero))),
            ("only 0 shots", Chart::curve(models(2, &[0]))),
            ("one shot count", Chart::curve(models(3, &[16]))),
            ("0 and another", Chart::curve(models(3, &[0, 16]))),
            (
                "every shot count",
                Chart::curve(models(2, &(0..=64).collect::<Vec<_>>())),
            ),
            (
                "no points in one, one in another, steep in a third",
                Chart::curve(vec![
                    series("none", Role::Model, &[], 0.1, 0.1),
                    series("one", Role::Model, &[4], 0.1, 0.1),
                    series("steep", Role::Model, &SHOTS, -0.5, 0.4),
                    series("dot", Role::Baseline, &[4], 0.3, 0.0),
                ]),
            ),
            (
                "nameless",
                Chart::curve(vec![series("", Role::Model, &SHOTS, 0.1, 0.1)]),
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
            let data = inflate(&layout.panels[0].frame, layout.radius);
            let page = curve.page.bounds();
            assert_eq!(layout.labels.len(), curve.panels[0].series.len(), "{name}");
            for (i, label) in layout.labels.iter().enumerate() {
                assert!(
                    !label.bounds.overlaps(&data),
                    "{name}: {label:?} over the plot"
                );
                assert!(
                    page.contains(&label.bounds),
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
            let half = layout.panels[0].across.spacing() / 2.0;
            for (i, series) in curve.panels[0].series.iter().enumerate() {
                assert!(layout.panels[0].dodge[i].abs() < half, "{name}");
                for point in &series.points {
                    let (x, y) = layout.panels[0].place(point, i);
                    let frame = &layout.panels[0].frame;
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
            let points: usize = curve.panels[0].series.iter().map(|s| s.points.len()).sum();
            assert_eq!(count(&document, "point"), points, "{name}");
            assert_eq!(
                count(&document, "label"),
                curve.panels[0].series.len(),
                "{name}"
            );
            let fits = curve.panels[0]
                .series
                .iter()
                .filter(|s| matches!(s.line, Line::Fitted(_)) && s.has_line())
                .count();
            assert_eq!(count(&document, "fit"), fits, "{name}");
            let bands = curve.panels[0]
                .series
                .iter()
                .filter(|s| s.role == Role::Baseline && s.points.len() > 1)
                .count();
            assert_eq!(count(&document, "band"), bands, "{name}");
            let in_bands: usize = curve.panels[0]
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
        let curve = Chart::curve(models(3, &SHOTS));
        let layout = curve.layout().unwrap();
        for (i, series) in curve.panels[0].series.iter().enumerate() {
            let mut canvas = Canvas::new(curve.page.width_mm, curve.page.height_mm, "", "");
            layout.panels[0].draw_line(&mut canvas, series, i);
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
                let shots = layout.panels[0]
                    .across
                    .value(numbers[k] - layout.panels[0].dodge[i]);
                (
                    shots.ln(),
                    layout.panels[0]
                        .upwards
                        .value(numbers[k + 1], &layout.panels[0].frame),
                )
            };
            let ((x0, y0), (x1, y1)) = (at(0), at(2));
            let a1 = (y1 - y0) / (x1 - x0);
            let Line::Fitted(fit) = series.line else {
                panic!()
            };
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
        let mut curve = Chart::curve(models(1, &[0, 1, 2, 4]));
        curve.panels[0].series[0].line = Line::Joined;
        let layout = curve.layout().unwrap();
        let gap = layout.panels[0].across.gap().unwrap();
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
        let mut curve = Chart::curve(vec![series(label, Role::Model, &SHOTS, 0.1, 0.05)]);
        curve.page.title = Some(label.to_owned());
        curve.panels[0].y_label = label.to_owned();
        let svg = curve.to_svg().unwrap();
        assert!(!svg.contains("<script") && !svg.contains('\u{0}'));
        let document = roxmltree::Document::parse(&svg).unwrap();
        let shown = label.replace('\u{0}', "\u{fffd}");
        assert!(
            document
                .descendants()
                .any(|node| node.has_tag_name("title") && node.text() == Some(shown.as_str()))
        );
        assert!(curve.texts().contains(&label));
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
            for series in &mut turned.panels[0].series {
                series.points.reverse();
            }
            let svg = curve.to_svg().unwrap();
            assert_eq!(svg, curve.to_svg().unwrap(), "{name}");
            assert_eq!(svg, turned.to_svg().unwrap(), "{name}");
        }
    }

    #[test]
    fn the_png_has_the_size_of_the_page_and_shows_the_colours_of_its_series() {
        let mut curve = Chart::curve(models(3, &SHOTS));
        curve.page.width_mm = 127.0;
        curve.page.height_mm = 63.5;
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
        let mut low = Chart::curve(vec![series("low", Role::Model, &SHOTS, 0.1, 0.01)]);
        assert!(low.layout().unwrap().panels[0].upwards.top < 0.3);
        low.y_max = Some(1.0);
        assert!((low.layout().unwrap().panels[0].upwards.top - 1.0).abs() < 1e-12);
        let mut high = Chart::curve(models(1, &SHOTS));
        high.y_max = Some(0.1);
        assert!(
            high.layout().unwrap().panels[0].upwards.top > 0.35,
            "no point is cut off"
        );
    }

    fn refusal(change: impl Fn(&mut Chart)) -> Error {
        let mut curve = Chart::curve(models(2, &SHOTS));
        change(&mut curve);
        curve.to_svg().unwrap_err()
    }

    #[test]
    fn impossible_data_is_refused_with_its_place() {
        let cases: [(&str, Error); 9] = [
            ("nothing to draw", refusal(|c| c.panels[0].series.clear())),
            (
                "nothing to draw",
                refusal(|c| c.panels[0].series.iter_mut().for_each(|s| s.points.clear())),
            ),
            (
                "\"Model-2B\", 4 shots: accuracy NaN",
                refusal(|c| c.panels[0].series[1].points[2].y = f64::NAN),
            ),
            (
                "accuracy 1.5, expected 0 to 1",
                refusal(|c| c.panels[0].series[0].points[0].y = 1.5),
            ),
            (
                "accuracy -0.1",
                refusal(|c| c.panels[0].series[0].points[0].y = -0.1),
            ),
            (
                "interval from 0.3 to 0.2",
                refusal(|c| c.panels[0].series[0].points[0].ci = Some((0.3, 0.2))),
            ),
            (
                "interval from NaN",
                refusal(|c| c.panels[0].series[0].points[0].ci = Some((f64::NAN, 0.2))),
            ),
            (
                "2 shots: more than one accuracy",
                refusal(|c| c.panels[0].series[0].points[2].x = 2.0),
            ),
            (
                "fit a0 = inf",
                refusal(|c| {
                    c.panels[0].series[0].line = Line::Fitted(Fit {
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
            refusal(|c| c.page.width_mm = 0.0),
            refusal(|c| c.page.width_mm = f64::NAN),
            refusal(|c| c.page.height_mm = f64::INFINITY),
            refusal(|c| c.page.height_mm = 1e9),
            refusal(|c| c.page.width_mm = 20.0),
            refusal(|c| c.page.height_mm = 20.0),
            refusal(|c| c.panels[0].series = models(200, &SHOTS)),
            refusal(|c| c.y_max = Some(0.0)),
            refusal(|c| c.y_max = Some(f64::NAN)),
        ];
        for error in cases {
            assert!(matches!(error, Error::Usage(_)), "{error:?}");
        }
    }
}
