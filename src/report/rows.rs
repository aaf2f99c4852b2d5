/*!
One row a function or group, one marker a model: all of them with their names.

Rows are in the order given. Markers of one row stand on its line, which shows how far they are apart; with intervals, each
on a line of its own.
*/

use std::fmt::Write as _;

use super::axis::{self, Across, INSET, Quantity};
use super::canvas::{Anchor, Canvas, Rect, Stroke, TextStyle};
use super::font::{self, CAP_HEIGHT, Weight};
use super::legend::{self, Entry};
use super::mark::{self, Look};
use super::page::{self, Page, float};
use super::style;
use crate::error::{Error, Result};

/// A row: its name, and the value of every series that has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Left of it.
    pub name: String,
    /// By series.
    pub values: Vec<Option<Value>>,
}

/// A value, and its 95 % interval if it has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// Where the marker stands.
    pub at: f64,
    /// Its ends.
    pub interval: Option<(f64, f64)>,
}

impl Value {
    /// All numbers to be drawn.
    fn numbers(&self) -> impl Iterator<Item = f64> {
        let ends = self.interval.map(|(low, high)| [low, high]);
        [self.at].into_iter().chain(ends.into_iter().flatten())
    }
}

/// The figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Size, title and note.
    pub page: Page,
    /// Of the series.
    pub labels: Vec<String>,
    /// From top to bottom.
    pub rows: Vec<Row>,
    /// Below the axis.
    pub x_label: String,
}

/// The least height of a row, in points, and its height over the size of its type.
const LEAST_ROW: f64 = 5.0;
const LEADING: f64 = 1.15;
const GAP: f64 = 4.0;
const RADIUS: f64 = 1.7;
/// Rows are told apart in groups of so many.
const GROUP: usize = 5;

impl Rows {
    /// The height in millimetres that shows every row, of so many lines, at a readable size.
    #[must_use]
    pub fn height_for(rows: usize, lines: usize) -> f64 {
        let lines = float(lines).mul_add(0.5, 0.5);
        (float(rows) * lines * (style::NOTE_PT * LEADING) + 62.0) / super::canvas::PT_PER_MM
    }

    /// The figure as SVG; equal figures give equal bytes.
    ///
    /// # Errors
    /// [`Error::Data`] if there is no value or one is no number, [`Error::Usage`] if the page is too small.
    pub fn to_svg(&self) -> Result<String> {
        self.page.check()?;
        if self.numbers().next().is_none() {
            return Err(Error::data("nothing to draw: no row has a value"));
        }
        if let Some(bad) = self.numbers().find(|value| !value.is_finite()) {
            return Err(Error::data(format!("a value of {bad}, expected a number")));
        }
        let body = self.page.body();
        let cramped = || {
            let count = self.rows.len();
            self.page.cramped(&format!("{count} rows"))
        };
        let entries: Vec<Entry> = self
            .labels
            .iter()
            .enumerate()
            .map(|(i, label)| Entry {
                label: label.clone(),
                look: Look::Model {
                    marker: style::marker(i),
                    line: false,
                },
                end: None,
                near: 0.0,
            })
            .collect();
        let room = self.page.bounds().height() * 0.25;
        let labels = legend::columns(&entries, body.left, body.top, body.width(), room)
            .ok_or_else(cramped)?;
        let legend_bottom = labels.iter().map(|l| l.bounds.bottom);
        let top = legend_bottom.fold(body.top, f64::max) + 5.0;
        let frame = Rect {
            left: body.left + self.names_width(body.width()) + GAP,
            top,
            right: body.right,
            bottom: body.bottom - axis::HEIGHT,
        };
        let pitch = frame.height() / float(self.rows.len());
        if pitch < LEAST_ROW || frame.width() < page::LEAST_PANEL {
            return Err(cramped());
        }
        let across = self.across(&frame);
        let mut canvas = self.page.canvas(&self.x_label, &self.description());
        self.draw_grid(&mut canvas, &frame, &across, body.left);
        for (i, row) in self.rows.iter().enumerate() {
            let y = frame.top + pitch * (float(i) + 0.5);
            canvas.open_group("row", Some(&self.words(row)));
            let room = frame.left - GAP - body.left;
            let size = style::NOTE_PT.min(pitch / LEADING);
            canvas.text(
                &font::elide(&row.name, room, size, Weight::Regular),
                frame.left - GAP,
                y + size * CAP_HEIGHT / 2.0,
                &TextStyle::regular(size, Anchor::End),
            );
            draw_markers(&mut canvas, row, &across, (y, pitch));
            canvas.close_group();
        }
        across.draw(&mut canvas, &frame);
        axis::draw_title_across(
            &mut canvas,
            &self.x_label,
            frame.left,
            frame.right,
            frame.bottom,
        );
        legend::draw(&mut canvas, &entries, &labels, None, RADIUS);
        Ok(canvas.finish())
    }

    /// Lines at the ticks, and from `left` on between groups of rows.
    fn draw_grid(&self, canvas: &mut Canvas, frame: &Rect, across: &Across, left: f64) {
        canvas.open_group("grid", None);
        for tick in across.ticks() {
            let stroke = if tick.value == 0.0 {
                Stroke::solid(style::MUTED, style::AXIS_LINE)
            } else {
                Stroke::solid(style::GRID, style::GRID_LINE)
            };
            canvas.polyline(&[(tick.at, frame.top), (tick.at, frame.bottom)], stroke);
        }
        let pitch = frame.height() / float(self.rows.len());
        for i in (GROUP..self.rows.len()).step_by(GROUP) {
            let y = frame.top + pitch * float(i);
            canvas.polyline(
                &[(left, y), (frame.right, y)],
                Stroke::solid(style::GRID, style::GRID_LINE),
            );
        }
        canvas.close_group();
    }

    /// Its texts.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        let names = self.rows.iter().map(|row| row.name.as_str());
        names
            .chain(self.labels.iter().map(String::as_str))
            .chain([self.x_label.as_str()])
            .collect()
    }

    fn names_width(&self, page: f64) -> f64 {
        let widths = self
            .rows
            .iter()
            .map(|row| font::width(&row.name, style::NOTE_PT, Weight::Regular));
        widths.fold(0.0, f64::max).min(page * 0.4)
    }

    /// An axis with round ticks around 0 and all values.
    fn across(&self, frame: &Rect) -> Across {
        let ends = axis::Upwards::around_zero(
            self.numbers().fold(0.0, f64::min),
            self.numbers().fold(0.0, f64::max),
        );
        let ticks = ends.ticks(frame).into_iter().map(|tick| tick.value);
        Across::new(Quantity::Plain, ticks, frame.left, frame.right, INSET)
    }

    fn numbers(&self) -> impl Iterator<Item = f64> {
        let values = self.rows.iter().flat_map(|row| row.values.iter().flatten());
        values.flat_map(Value::numbers)
    }

    fn words(&self, row: &Row) -> String {
        let mut text = row.name.clone();
        for (label, value) in self.labels.iter().zip(&row.values) {
            if let Some(value) = value {
                let _ = write!(text, "; {label} {:.4}", value.at);
                if let Some((low, high)) = value.interval {
                    let _ = write!(text, " ({low:.4} to {high:.4})");
                }
            }
        }
        text
    }

    /// The figure in words.
    fn description(&self) -> String {
        self.rows.iter().map(|row| self.words(row) + "\n").collect()
    }
}

/// Draws the markers of a row around the height `y`, the first on top, and the line that joins them, or their intervals.
fn draw_markers(canvas: &mut Canvas, row: &Row, across: &Across, (y, pitch): (f64, f64)) {
    let known = || row.values.iter().flatten();
    let places = || known().map(|value| across.position(value.at));
    let (low, high) = (
        places().fold(f64::INFINITY, f64::min),
        places().fold(f64::NEG_INFINITY, f64::max),
    );
    let apart = known().any(|value| value.interval.is_some());
    if high > low && !apart {
        canvas.polyline(
            &[(low, y), (high, y)],
            Stroke::solid(style::ROW_LINE, style::GRID_LINE),
        );
    }
    let lines = float(row.values.len());
    for (i, value) in row.values.iter().enumerate().rev() {
        let Some(value) = value else { continue };
        let off = (float(i) + 0.5) / lines - 0.5;
        let y = if apart { y + off * pitch * 0.8 } else { y };
        if let Some((low, high)) = value.interval {
            let ends = [low, high].map(|end| (across.position(end), y));
            canvas.polyline(
                &ends,
                Stroke::solid(style::marker(i).tint, style::ERROR_LINE),
            );
        }
        mark::draw(
            canvas,
            style::marker(i),
            across.position(value.at),
            y,
            RADIUS,
        );
    }
}
