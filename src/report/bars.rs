/*!
Bars in groups, each bar a stack, in one panel or several: counts of kinds of answers at every shot count.

Neighbouring kinds differ in hatching as well as in colour.
*/

use std::fmt::Write as _;

use super::axis::{self, Upwards};
use super::canvas::{Canvas, Rect, Stroke};
use super::legend::{self, Entry};
use super::mark::{self, Look};
use super::page::{self, Page, float};
use super::style::{self, Fill};
use crate::error::{Error, Result};

/// A kind of segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// Its name in the legend.
    pub label: String,
    /// How it looks.
    pub fill: Fill,
}

/// One part of a bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Which of the kinds it is.
    pub kind: usize,
    /// Its share, 0 to 1.
    pub share: f64,
}

/// A bar: its segments from the bottom upwards.
pub type Bar = Vec<Segment>;

/// Bars side by side over one tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Under the tick.
    pub label: String,
    /// From left to right.
    pub bars: Vec<Bar>,
}

/// One pair of axes with its bars.
#[derive(Clone, Debug, PartialEq)]
pub struct BarPanel {
    /// Above it.
    pub title: Option<String>,
    /// From left to right.
    pub groups: Vec<Group>,
}

/// The figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// Size, title and note.
    pub page: Page,
    /// At least one; all have the same vertical axis.
    pub panels: Vec<BarPanel>,
    /// In the order of the legend.
    pub kinds: Vec<Kind>,
    /// Below the horizontal axes.
    pub x_label: String,
    /// Beside the vertical axes.
    pub y_label: String,
    /// The least upper end of the vertical axis.
    pub y_max: Option<f64>,
}

/// Share of the space of a tick that its bars take.
const FILLED: f64 = 0.78;
/// The legend takes at most this share of the page's height.
const LEGEND_SHARE: f64 = 0.4;
const TOP: f64 = 4.0;
const BETWEEN: f64 = 9.0;
const BELOW: f64 = 5.0;

impl Bars {
    /// The figure as SVG; equal figures give equal bytes.
    ///
    /// # Errors
    /// [`Error::Data`] if there is no bar or a share is impossible, [`Error::Usage`] if the page is too small.
    pub fn to_svg(&self) -> Result<String> {
        self.check()?;
        let body = self.page.body();
        let highest = self.bars().map(height).fold(0.0, f64::max);
        let upwards = Upwards::share(highest.max(self.y_max.unwrap_or_default()));
        let entries: Vec<Entry> = self
            .kinds
            .iter()
            .map(|kind| Entry {
                label: kind.label.clone(),
                look: Look::Bar(kind.fill),
                end: None,
                near: 0.0,
            })
            .collect();
        let cramped = || {
            let count = self.panels.len();
            self.page.cramped(&format!("{count} panels of bars"))
        };
        let room = self.page.bounds().height() * LEGEND_SHARE;
        let labels = legend::columns(&entries, body.left, body.top, body.width(), room)
            .ok_or_else(cramped)?;
        let legend_bottom = labels.iter().map(|l| l.bounds.bottom);
        let area = Rect {
            left: body.left + upwards.width(true),
            top: legend_bottom.fold(body.top, f64::max) + 2.0,
            right: body.right,
            bottom: body.bottom - axis::HEIGHT,
        };
        let titled = self.panels.iter().any(|panel| panel.title.is_some());
        let above = TOP + if titled { page::PANEL_TITLE } else { 0.0 };
        let columns = page::columns_for(self.panels.len());
        let below = BELOW + axis::TICKS_HEIGHT;
        let frames = page::grid(&area, self.panels.len(), columns, BETWEEN, above, below);
        if !page::roomy(&frames) {
            return Err(cramped());
        }
        let mut canvas = self.page.canvas(&self.y_label, &self.description());
        for (i, (panel, frame)) in self.panels.iter().zip(&frames).enumerate() {
            canvas.open_group("panel", panel.title.as_deref());
            if let Some(title) = &panel.title {
                page::draw_panel_title(&mut canvas, title, frame);
            }
            upwards.draw_grid(&mut canvas, frame);
            self.draw_groups(&mut canvas, panel, frame, &upwards);
            upwards.draw(&mut canvas, frame, i % columns == 0, None);
            canvas.close_group();
        }
        let bottom = frames.iter().map(|f| f.bottom).fold(0.0, f64::max);
        let top = frames.first().map_or(area.top, |f| f.top);
        axis::draw_title_upwards(&mut canvas, &self.y_label, body.left, top, bottom);
        axis::draw_title_across(&mut canvas, &self.x_label, area.left, area.right, bottom);
        legend::draw(&mut canvas, &entries, &labels, None, 0.0);
        Ok(canvas.finish())
    }

    /// Its texts.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        let titles = self.panels.iter().filter_map(|p| p.title.as_deref());
        let groups = self.panels.iter().flat_map(|p| &p.groups);
        let kinds = self.kinds.iter().map(|kind| kind.label.as_str());
        titles
            .chain(groups.map(|group| group.label.as_str()))
            .chain(kinds)
            .chain([self.x_label.as_str(), self.y_label.as_str()])
            .collect()
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        let groups = self.panels.iter().flat_map(|panel| &panel.groups);
        groups.flat_map(|group| &group.bars)
    }

    fn check(&self) -> Result<()> {
        self.page.check()?;
        if self.bars().next().is_none() {
            return Err(Error::data("nothing to draw: there is no bar"));
        }
        for segment in self.bars().flatten() {
            if !(0.0..=1.0).contains(&segment.share) {
                return Err(Error::data(format!(
                    "{}: share {}, expected 0 to 1",
                    self.kinds[segment.kind].label, segment.share
                )));
            }
        }
        Ok(())
    }

    fn draw_groups(&self, canvas: &mut Canvas, panel: &BarPanel, frame: &Rect, upwards: &Upwards) {
        let step = frame.width() / float(panel.groups.len().max(1));
        let line = Stroke::solid(style::INK, style::AXIS_LINE);
        let mut labels_end = f64::NEG_INFINITY;
        for (i, group) in panel.groups.iter().enumerate() {
            let middle = frame.left + step * (float(i) + 0.5);
            let width = step * FILLED / float(group.bars.len().max(1));
            let left = middle - step * FILLED / 2.0;
            for (k, bar) in group.bars.iter().enumerate() {
                let left = left + width * float(k);
                let mut base = 0.0;
                for segment in bar {
                    let kind = &self.kinds[segment.kind];
                    let words = format!("{}: {}, {:.4}", group.label, kind.label, segment.share);
                    canvas.open_group("segment", Some(&words));
                    mark::draw_bar(
                        canvas,
                        kind.fill,
                        &Rect {
                            left,
                            right: left + width,
                            top: upwards.position_within(base + segment.share, frame),
                            bottom: upwards.position_within(base, frame),
                        },
                    );
                    canvas.close_group();
                    base += segment.share;
                }
            }
            let half = axis::label_width(&group.label) / 2.0;
            if middle - half > labels_end + 2.0 {
                axis::draw_tick_label(canvas, &group.label, middle, frame.bottom);
                labels_end = middle + half;
            }
        }
        let ends = [(frame.left, frame.bottom), (frame.right, frame.bottom)];
        canvas.polyline(&ends, line);
    }

    /// The figure in words.
    fn description(&self) -> String {
        let mut text = String::new();
        for panel in &self.panels {
            if let Some(title) = &panel.title {
                let _ = writeln!(text, "{title}");
            }
            for group in &panel.groups {
                let _ = write!(text, "{}:", group.label);
                for segment in group.bars.iter().flatten() {
                    let label = &self.kinds[segment.kind].label;
                    let _ = write!(text, " {label} {:.4};", segment.share);
                }
                text.push('\n');
            }
        }
        text
    }
}

/// The height of a bar.
fn height(bar: &Bar) -> f64 {
    bar.iter().map(|segment| segment.share).sum()
}
