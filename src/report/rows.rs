/*!
One row a function or group, one marker a model: all of them with their names.

Rows are in the order given. Markers of one row stand on its line, which shows how far they are apart; with intervals, each
on a line of its own.
*/

use std::fmt::Write as _;

use super::Form;
use super::axis::{self, Axis, INSET, Quantity, Span};
use super::canvas::{Canvas, PT_PER_MM, Rect, Stroke};
use super::font::Anchor;
use super::legend::Entry;
use super::mark::{self, Look};
use super::page::{LEAST_PANEL, Page, float};
use super::series::ends;
use super::style::{ERROR_LINE, FAINT, GRID_LINE, INK, NOTE, TICK};
use crate::error::{Error, Result};

/// A row: its name, and the value of every series that has one.
pub struct Row {
    pub name: String,
    pub values: Vec<Option<Value>>,
}

/// A value, and its 95 % interval if it has one.
pub type Value = (f64, Option<(f64, f64)>);

/// The figure.
pub struct Rows {
    /// Of the series.
    pub labels: Vec<String>,
    /// From top to bottom.
    pub lines: Vec<Row>,
    /// Below the axis.
    pub x_label: &'static str,
}

/// The least height of a row, in points, and its height over the size of its type.
const LEAST_ROW: f64 = 5.0;
const LEADING: f64 = 1.15;
const GAP: f64 = 4.0;
const RADIUS: f64 = 1.7;
/// Rows are told apart in groups of so many.
const GROUP: usize = 5;
/// Names take at most this share of the page's width.
const NAME_SHARE: f64 = 0.4;

impl Form for Rows {
    fn draw(&self, page: &Page) -> Result<Canvas> {
        let numbers: Vec<f64> = self.numbers().collect();
        if let Some(bad) = numbers.iter().find(|value| !value.is_finite()) {
            return Err(Error::data(format!("a value of {bad}, expected a number")));
        }
        let body = page.body();
        let looks = (0..).map(|i| Look::model(i).without_line());
        let entries = self.labels.iter().zip(looks);
        let entries: Vec<Entry> = entries
            .map(|(label, look)| Entry::new(label, look))
            .collect();
        let what = format!("{} rows", self.lines.len());
        let legend = page.legend_above(&entries, &what)?;
        let widths = self.lines.iter().map(|row| NOTE.width(&row.name));
        let names = widths.fold(0.0, f64::max).min(body.width() * NAME_SHARE);
        let frame = Rect {
            left: body.left + names + GAP,
            top: legend.bottom().max(body.top) + 5.0,
            bottom: body.bottom - axis::HEIGHT,
            ..body
        };
        let pitch = frame.height() / float(self.lines.len());
        if pitch < LEAST_ROW || frame.width() < LEAST_PANEL {
            return Err(page.cramped(&what));
        }
        // An axis with round ticks around 0 and all values.
        let (lowest, highest) = ends(numbers);
        let span = Span::around_zero(lowest, highest);
        let ticks = span.ticks().map(|(value, _)| value);
        let across = Axis::across(Quantity::Plain, ticks, (frame.left, frame.right), INSET);
        let description = self.lines.iter().map(|row| self.words(row) + "\n");
        let mut canvas = page.canvas(self.x_label, &description.collect::<String>());
        canvas.group("grid", None, |canvas| {
            for tick in &across.ticks {
                let ends = [(tick.at, frame.top), (tick.at, frame.bottom)];
                canvas.line(&ends, tick.grid_line(), &[]);
            }
            for i in (GROUP..self.lines.len()).step_by(GROUP) {
                let y = frame.top + pitch * float(i);
                canvas.line(&[(body.left, y), (frame.right, y)], GRID_LINE, &[]);
            }
        });
        for (i, row) in self.lines.iter().enumerate() {
            let y = frame.top + pitch * (float(i) + 0.5);
            canvas.group("row", Some(&self.words(row)), |canvas| {
                let style = NOTE.sized(NOTE.size.min(pitch / LEADING)).coloured(INK);
                let name = style.elide(&row.name, names);
                canvas.text(
                    &name,
                    frame.left - GAP,
                    y + style.drop(),
                    style.at(Anchor::End),
                );
                row.draw(canvas, &self.labels, &across, y, pitch);
            });
        }
        across.draw_across(&mut canvas, frame.bottom, TICK);
        axis::draw_title_across(
            &mut canvas,
            self.x_label,
            frame.left,
            frame.right,
            frame.bottom,
        );
        legend.draw(&mut canvas, RADIUS);
        Ok(canvas)
    }
}

impl Rows {
    /// The page that shows every row at a readable size; intervals need a line each.
    pub fn page(&self) -> Page {
        let mut values = self
            .lines
            .iter()
            .flat_map(|row| row.values.iter().flatten());
        let has_intervals = values.any(|(_, interval)| interval.is_some());
        let lines = if has_intervals {
            self.labels.len() + 1
        } else {
            1
        };
        let lines = float(lines).mul_add(0.5, 0.5);
        let height = float(self.lines.len()) * lines * (NOTE.size * LEADING) + 62.0;
        Page::new(super::page::DOUBLE_COLUMN_MM, height / PT_PER_MM)
    }

    fn numbers(&self) -> impl Iterator<Item = f64> {
        let values = self
            .lines
            .iter()
            .flat_map(|row| row.values.iter().flatten());
        values.flat_map(|&(at, interval)| {
            let (low, high) = interval.unwrap_or((at, at));
            [at, low, high]
        })
    }

    fn words(&self, row: &Row) -> String {
        let mut text = row.name.clone();
        for (label, value) in self.labels.iter().zip(&row.values) {
            if let Some((at, interval)) = value {
                let _ = write!(text, "; {label} {at:.4}");
                if let Some((low, high)) = interval {
                    let _ = write!(text, " ({low:.4} to {high:.4})");
                }
            }
        }
        text
    }
}

impl Row {
    /// Draws its markers around the height `y`, the first on top, and the line that joins them, or their intervals.
    fn draw(&self, canvas: &mut Canvas, labels: &[String], across: &Axis, y: f64, pitch: f64) {
        let known = || self.values.iter().flatten();
        let places = || known().map(|(at, _)| across.position(*at));
        let low = places().fold(f64::INFINITY, f64::min);
        let high = places().fold(f64::NEG_INFINITY, f64::max);
        let apart = known().any(|(_, interval)| interval.is_some());
        if high > low && !apart {
            canvas.line(
                &[(low, y), (high, y)],
                Stroke::solid(FAINT, GRID_LINE.width),
                &[],
            );
        }
        for (i, value) in self.values.iter().enumerate().rev() {
            let Some((at, interval)) = *value else {
                continue;
            };
            let off = (float(i) + 0.5) / float(self.values.len()) - 0.5;
            let y = if apart { y + off * pitch * 0.8 } else { y };
            let look = Look::model(i);
            canvas.group("series", Some(&labels[i]), |canvas| {
                if let Some((low, high)) = interval {
                    let ends = [low, high].map(|end| (across.position(end), y));
                    canvas.line(&ends, Stroke::solid(look.tint, ERROR_LINE), &[]);
                }
                mark::draw_point(canvas, look, across.position(at), y, RADIUS);
            });
        }
    }
}
