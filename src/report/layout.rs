/*!
Where the panels of a chart, their axes and its legend stand.
*/

use super::layers::{Place, Shown, TITLE_DROP};
use super::{
    Axis, Chart, Entry, INSET, LABEL, LEAST_PANEL, Legend, Line, Page, Panel, Quantity, Rect, Role,
    Series, Span, axis, ends, float, grid,
};
use crate::error::Result;

/// The height that the title of a panel takes.
const PANEL_TITLE: f64 = 2.0 * LABEL.drop() + TITLE_DROP + 3.0;
/// Labels stand beside the plot up to this share of the page's width.
const BESIDE_SHARE: f64 = 0.36;
/// Above a plot: half a tick label, and what a marker at the top needs.
const TOP: f64 = 4.0;
/// Between two panels that share their vertical axis, and between two rows of panels.
const BETWEEN: f64 = 9.0;
const BELOW: f64 = 5.0;
/// Radius of the markers: usual, of many models, of many points.
const RADII: [f64; 3] = [2.1, 1.75, 1.3];
const MANY_MODELS: usize = 6;
const MANY_POINTS: usize = 16;
/// Distance of the points of two models at one place, and the share of a tick's space they may take.
const DODGE: f64 = 2.6;
const DODGE_SHARE: f64 = 0.32;
/// The share that bars take.
const BAR_SHARE: f64 = 0.78;

/// Where everything is.
pub struct Layout<'a> {
    pub places: Vec<Place<'a>>,
    pub legend: Legend,
    /// Whether all panels have one vertical axis.
    pub is_shared: bool,
    pub radius: f64,
}

impl<'a> Layout<'a> {
    /// Places the panels of a chart, at least one, whose points go from left to right.
    pub fn new(chart: &'a Chart, page: &Page) -> Result<Self> {
        let panels = &chart.panels;
        let entries = entries(chart);
        let spans: Vec<Span> = panels.iter().map(|p| span(panels, p, page.y_max)).collect();
        let widest = spans.iter().map(Span::width).fold(0.0, f64::max);
        let is_titled = panels.iter().any(|panel| panel.title.is_some());
        let above = TOP + if is_titled { PANEL_TITLE } else { 0.0 };
        let body = page.body();
        let mut area = Rect {
            left: body.left + widest,
            bottom: body.bottom - axis::HEIGHT,
            ..body
        };
        // The heights of the lines' ends depend on the frame's height only, the frame's width on the labels.
        let top = area.top + above;
        let single = Rect { top, ..area };
        let beside = || {
            let axis = Axis::upwards(&spans[0], &single);
            let at = |entry: &Entry| Entry {
                near: axis.position_within(entry.near),
                ..entry.clone()
            };
            let top = single.top - TOP;
            let room = page.bounds().width() * BESIDE_SHARE;
            let entries = entries.iter().map(at).collect();
            Legend::beside(entries, &Rect { top, ..single }, room)
        };
        let is_single = panels.len() == 1 && chart.quantity != Quantity::Bars;
        let is_single = is_single && single.height() >= LEAST_PANEL;
        let what = format!("{} series", entries.len());
        let legend = match is_single.then(beside).flatten() {
            Some(legend) => legend,
            None => page.legend_above(&entries, &what)?,
        };
        match legend.plot {
            Some(plot) => area.right = plot,
            None => area.top = legend.bottom().max(area.top) + 2.0,
        }
        let is_shared = panels.iter().all(|p| p.y_label == panels[0].y_label);
        let between = BETWEEN + if is_shared { 0.0 } else { widest };
        let below = BELOW + axis::TICKS_HEIGHT;
        let frames = grid(&area, panels.len(), between, above, below);
        let is_low = |frame: &Rect| frame.width() < LEAST_PANEL || frame.height() < LEAST_PANEL;
        if frames.iter().any(is_low) {
            return Err(page.cramped(&what));
        }
        let radius = radius(chart, &entries);
        let places = panels.iter().zip(&spans).zip(frames);
        let places =
            places.map(|((panel, span), frame)| place(chart, panel, span, frame, &entries, radius));
        Ok(Self {
            places: places.collect(),
            legend,
            is_shared,
            radius,
        })
    }
}

/// What a panel's vertical axis holds: all that stands in panels whose axis has the same title.
fn span(panels: &[Panel], panel: &Panel, y_max: Option<f64>) -> Span {
    let alike = panels.iter().filter(|p| p.y_label == panel.y_label);
    let (lowest, highest) = ends(alike.flat_map(|panel| &panel.series));
    if panel.is_share {
        Span::share(highest.max(y_max.unwrap_or_default()))
    } else {
        Span::around_zero(lowest, highest)
    }
}

fn radius(chart: &Chart, entries: &[Entry]) -> f64 {
    let models = entries.iter().filter(|entry| !entry.look.is_baseline());
    let is_full = models.count() > MANY_MODELS || chart.panels.len() > 1;
    match chart.series().map(|s| s.points.len()).max() {
        Some(points) if points > MANY_POINTS => RADII[2],
        _ => RADII[usize::from(is_full)],
    }
}

/// A panel in its frame. Models, and stacks of bars, stand side by side around their tick.
fn place<'a>(
    chart: &Chart,
    panel: &'a Panel,
    span: &Span,
    frame: Rect,
    entries: &[Entry],
    radius: f64,
) -> Place<'a> {
    let quantity = chart.quantity;
    let axis = |inset| {
        let points = chart.series().flat_map(|series| &series.points);
        let ends = (frame.left, frame.right);
        Axis::across(quantity, points.map(|point| point.x), ends, inset)
    };
    let mut models = 0..;
    let slot = |series: &Series| match series.role {
        Role::Bar(stack) | Role::Chance(stack) => Some(stack),
        Role::Baseline => None,
        Role::Model | Role::Published if quantity == Quantity::Parameters => None,
        Role::Model | Role::Published => models.next(),
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
        let entry = entries.iter().find(|entry| entry.label == series.label)?;
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

/// What the legend names: models, published curves, baselines, each in the order in which they first stand. A series keeps
/// its look in every panel, by its label.
fn entries(chart: &Chart) -> Vec<Entry> {
    let last = |series: &Series| series.points.last().map_or(f64::MIN, |point| point.x);
    let farthest = chart.series().map(last).fold(f64::MIN, f64::max);
    let mut entries: Vec<Entry> = Vec::new();
    let mut ordered: Vec<&Series> = chart.series().collect();
    ordered.sort_by_key(|series| series.role);
    for Series { label, role, .. } in ordered {
        if entries.iter().any(|known| known.label == *label) {
            continue;
        }
        let is_alike = |known: &&Entry| known.look.is_baseline() == (*role == Role::Baseline);
        let mut look = role.look(entries.iter().filter(is_alike).count());
        let same = || chart.series().filter(|series| series.label == *label);
        let has_line = |series: &Series| {
            series.line != Line::Absent && series.on_line(chart.quantity).len() > 1
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
