/*!
Charts: points with error bars and lines, or bars, over a horizontal axis, in one or more panels. Examples are accuracy
against shots, slope against parameters, accuracy against `BitLoad`, and kinds of answers.

If a model has a fit, its points and the line a0 + a1 ln x are drawn. The line is straight on a logarithmic axis and
covers only the range of the points. Without a fit, the points are joined or stand alone. No line crosses the axis break
at 0 shots. At each tick the models are placed side by side, centred on the tick, in the order of the series. Otherwise
equal accuracies would cover each other. A model's line moves with its points. Axes of parameters have no such shift.

A label has the same look in every panel. A single panel has its labels beside the ends of the lines, if there is room;
otherwise a legend stands above.
*/

use super::layers::{Place, Shown, TITLE_DROP};
use super::{
    Axis, Canvas, Entry, Form, INSET, LABEL, LEAST_PANEL, Legend, Line, Look, Page, Panel,
    Quantity, Rect, Role, Series, Span, axis, columns_for, ends, float, grid,
};
use crate::error::Result;

/// The figure.
pub struct Chart {
    /// At least one.
    pub panels: Vec<Panel>,
    /// What the horizontal axis measures.
    pub quantity: Quantity,
}

/// The height that the title of a panel takes.
const PANEL_TITLE: f64 = 2.0 * LABEL.drop() + TITLE_DROP + 3.0;
/// Labels beside the plot take at most this share of the page's width.
const BESIDE_SHARE: f64 = 0.36;
/// The space above a plot, for half a tick label and a marker at the top.
const TOP: f64 = 4.0;
/// The space between two panels with the same vertical axis, and between two rows of panels.
const BETWEEN: f64 = 9.0;
const BELOW: f64 = 5.0;
/// Radius of the markers: usual, with many models, with many points.
const RADII: [f64; 3] = [2.1, 1.75, 1.3];
const MANY_MODELS: usize = 6;
const MANY_POINTS: usize = 16;
/// Distance between the points of two models at one tick, and the share of the tick's space that all may take.
const DODGE: f64 = 2.6;
const DODGE_SHARE: f64 = 0.32;
/// The share of a tick's space that bars take.
const BAR_SHARE: f64 = 0.78;

impl Form for Chart {
    fn is_empty(&self) -> bool {
        self.series().all(|series| series.points.is_empty())
    }

    fn draw(&self, page: &Page) -> Result<Canvas> {
        let (panels, entries) = (&self.panels, self.entries());
        for panel in panels {
            for series in &panel.series {
                series.check(&panel.y_label, panel.is_share, self.quantity)?;
            }
        }
        let spans: Vec<Span> = panels.iter().map(|p| self.span(p, page.y_max)).collect();
        let widest = spans.iter().map(Span::width).fold(0.0, f64::max);
        let is_titled = panels.iter().any(|panel| panel.title.is_some());
        let above = TOP + if is_titled { PANEL_TITLE } else { 0.0 };
        let body = page.body();
        let mut area = Rect {
            left: body.left + widest,
            bottom: body.bottom - axis::HEIGHT,
            ..body
        };
        let what = format!("{} series", entries.len());
        let top = area.top + above;
        let room = page.bounds().width() * BESIDE_SHARE;
        let legend = match self.beside(&entries, &spans[0], Rect { top, ..area }, room) {
            Some(legend) => legend,
            None => page.legend_above(&entries, &what)?,
        };
        match legend.plot {
            Some(plot) => area.right = plot,
            None => area.top = legend.bottom().max(area.top) + 2.0,
        }
        let y_label = &panels[0].y_label;
        let is_shared = panels.iter().all(|panel| panel.y_label == *y_label);
        let between = BETWEEN + if is_shared { 0.0 } else { widest };
        let below = BELOW + axis::TICKS_HEIGHT;
        let frames = grid(&area, panels.len(), between, above, below);
        let is_low = |frame: &Rect| frame.width() < LEAST_PANEL || frame.height() < LEAST_PANEL;
        if frames.iter().any(is_low) {
            return Err(page.cramped(&what));
        }
        let mut canvas = page.canvas(&format!("{y_label} against {}", self.quantity.title()));
        let columns = columns_for(panels.len());
        for (i, ((panel, span), frame)) in panels.iter().zip(&spans).zip(frames).enumerate() {
            let place = self.place(panel, span, frame, &entries);
            place.draw(&mut canvas, i % columns == 0 || !is_shared, !is_shared);
        }
        let top = area.top + above;
        let whole = Rect { top, ..area };
        if is_shared {
            axis::draw_title_upwards(&mut canvas, y_label, area.left - widest, &whole);
        }
        axis::draw_title_across(&mut canvas, self.quantity, &whole);
        legend.draw(&mut canvas, self.radius(&entries));
        Ok(canvas)
    }
}

impl Chart {
    /// A chart. The points of each series are sorted from left to right.
    pub fn new(quantity: Quantity, mut panels: Vec<Panel>) -> Self {
        for series in panels.iter_mut().flat_map(|panel| &mut panel.series) {
            let points = &mut series.points;
            points.sort_by(|a, b| a.x.total_cmp(&b.x).then_with(|| a.name.cmp(&b.name)));
        }
        Self { panels, quantity }
    }

    /// The series of all panels.
    fn series(&self) -> impl Iterator<Item = &Series> {
        self.panels.iter().flat_map(|panel| &panel.series)
    }

    /// The entries of the legend: models, published curves, baselines, each in order of first appearance. There is one
    /// entry per label, so a label has the same look in every panel.
    fn entries(&self) -> Vec<Entry> {
        let last = |series: &Series| series.points.last().map_or(f64::MIN, |point| point.x);
        let farthest = self.series().map(last).fold(f64::MIN, f64::max);
        let mut entries: Vec<Entry> = Vec::new();
        let mut ordered: Vec<&Series> = self.series().collect();
        ordered.sort_by_key(|series| series.role);
        for Series { label, role, .. } in ordered {
            if entries.iter().any(|known| known.label == *label) {
                continue;
            }
            let is_alike = |known: &&Entry| known.look.is_baseline() == (*role == Role::Baseline);
            let mut look = Look::of(*role, entries.iter().filter(is_alike).count());
            let same = || self.series().filter(|series| series.label == *label);
            let has_line = |series: &Series| {
                series.line != Line::Absent && series.on_line(self.quantity).len() > 1
            };
            if *role == Role::Model && !same().any(has_line) {
                look = look.without_line();
            }
            let mut entry = Entry::new(label, look);
            if let Some(point) = same().next().and_then(|series| series.points.last()) {
                (entry.near, entry.is_end) = (point.y, point.x >= farthest);
            }
            entries.push(entry);
        }
        entries
    }

    /// The span of a panel's vertical axis. It covers all panels whose axis has the same title.
    fn span(&self, panel: &Panel, y_max: Option<f64>) -> Span {
        let alike = self.panels.iter().filter(|p| p.y_label == panel.y_label);
        let (lowest, highest) = ends(alike.flat_map(|panel| &panel.series));
        if panel.is_share {
            Span::share(highest.max(y_max.unwrap_or_default()))
        } else {
            Span::around_zero(lowest, highest)
        }
    }

    /// The labels beside a single panel, if they fit into `room`. `frame` reaches to the right end of the page: only
    /// its height matters for the labels, and the labels then decide its width.
    fn beside(&self, entries: &[Entry], span: &Span, frame: Rect, room: f64) -> Option<Legend> {
        let is_single = self.panels.len() == 1 && self.quantity != Quantity::Bars;
        if !is_single || frame.height() < LEAST_PANEL {
            return None;
        }
        let upwards = Axis::upwards(span, &frame);
        let mut entries = entries.to_vec();
        for entry in &mut entries {
            entry.near = upwards.position_within(entry.near);
        }
        let top = frame.top - TOP;
        Legend::beside(entries, &Rect { top, ..frame }, room)
    }

    fn radius(&self, entries: &[Entry]) -> f64 {
        let models = entries.iter().filter(|entry| !entry.look.is_baseline());
        let is_full = models.count() > MANY_MODELS || self.panels.len() > 1;
        match self.series().map(|s| s.points.len()).max() {
            Some(points) if points > MANY_POINTS => RADII[2],
            _ => RADII[usize::from(is_full)],
        }
    }

    /// A panel in its frame. Models and stacks of bars are placed side by side around their tick.
    fn place<'a>(&self, panel: &'a Panel, span: &Span, frame: Rect, named: &[Entry]) -> Place<'a> {
        let (quantity, radius) = (self.quantity, self.radius(named));
        let axis = |inset| {
            let points = self.series().flat_map(|series| &series.points);
            let ends = (frame.left, frame.right);
            Axis::across(quantity, points.map(|point| point.x), ends, inset)
        };
        let mut models = 0..;
        let slot = |series: &Series| match series.role {
            Role::Bar(stack) | Role::Chance(stack) => Some(stack),
            Role::Model | Role::Published if quantity != Quantity::Parameters => models.next(),
            _ => None,
        };
        let slots: Vec<Option<usize>> = panel.series.iter().map(slot).collect();
        let last = float(slots.iter().flatten().max().copied().unwrap_or_default());
        let usual = axis(INSET);
        let (step, across) = if quantity == Quantity::Bars {
            let group = frame.width() / float(usual.ticks.len());
            (group * BAR_SHARE / (last + 1.0), axis(group / 2.0))
        } else {
            let step = DODGE.min(usual.spacing() * DODGE_SHARE / last.max(1.0));
            (step, axis(INSET.max(step * last / 2.0 + radius + 2.0)))
        };
        let shown = |(series, slot): (&'a Series, Option<usize>)| {
            let entry = named.iter().find(|entry| entry.label == series.label)?;
            Some(Shown {
                series,
                look: entry.look,
                dodge: slot.map_or(0.0, |slot| step * (float(slot) - last / 2.0)),
            })
        };
        let mut shown: Vec<Shown> = panel.series.iter().zip(slots).filter_map(shown).collect();
        shown.sort_by_key(|shown| shown.look.is_baseline());
        Place {
            shown,
            upwards: Axis::upwards(span, &frame),
            left: frame.left - span.width(),
            panel,
            frame,
            across,
            quantity,
            radius,
            step,
        }
    }
}
