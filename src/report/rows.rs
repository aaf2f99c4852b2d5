/*!
A figure with one row per function or group, and one marker per model in each row. All rows are named.

Rows have the given order. The markers of a row are on one line, which shows their distance. Markers with intervals are
on separate lines.
*/

use super::{
    Axis, Canvas, DOUBLE_COLUMN_MM, ERROR_LINE, Entry, FAINT, Form, GRID_LINE, INK, INSET,
    LEAST_PANEL, Look, NOTE, PT_PER_MM, Page, Quantity, Rect, Role, Series, Span, Stroke, axis,
    ends, float,
};
use crate::error::{Result, counted};

/// The figure.
pub struct Rows {
    /// From top to bottom.
    pub names: Vec<String>,
    /// Each point is a marker: `x` is the index of its row, `y` its value, and its name is that of the row.
    pub series: Vec<Series>,
    /// What the horizontal axis measures.
    pub quantity: Quantity,
}

/// The smallest height of a row, in points. [`LEADING`] is the height of a row in type sizes.
const LEAST_ROW: f64 = 5.0;
const LEADING: f64 = 1.15;
const GAP: f64 = 4.0;
const RADIUS: f64 = 1.7;
/// A grid line separates groups of this many rows.
const GROUP: usize = 5;
/// Names take at most this share of the page's width.
const NAME_SHARE: f64 = 0.4;
/// Markers with intervals take this share of the row's height.
const FILLED: f64 = 0.8;

impl Form for Rows {
    fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    fn draw(&self, page: &Page) -> Result<Canvas> {
        for series in &self.series {
            series.check("a value of", false, self.quantity)?;
        }
        let body = page.body();
        let look = |i| Look::of(Role::Model, i).without_line();
        let entry = |(i, series): (usize, &Series)| Entry::new(&series.label, look(i));
        let entries: Vec<Entry> = self.series.iter().enumerate().map(entry).collect();
        let what = counted(self.names.len(), "row");
        let legend = page.legend_above(&entries, &what)?;
        let widths = self.names.iter().map(|name| NOTE.width(name));
        let names = widths.fold(0.0, f64::max).min(body.width() * NAME_SHARE);
        let frame = Rect {
            left: body.left + names + GAP,
            top: legend.bottom().max(body.top) + 5.0,
            bottom: body.bottom - axis::HEIGHT,
            ..body
        };
        let pitch = frame.height() / float(self.names.len());
        if pitch < LEAST_ROW || frame.width() < LEAST_PANEL {
            return Err(page.cramped(&what));
        }
        let (lowest, highest) = ends(&self.series);
        let span = Span::around_zero(lowest, highest);
        let ends = (frame.left, frame.right);
        let across = Axis::across(self.quantity, span.values(), ends, INSET);
        let mut canvas = page.canvas(self.quantity.title());
        canvas.group("grid", None, |canvas| {
            for tick in &across.ticks {
                tick.draw_grid_line(canvas, (tick.at, frame.top), (tick.at, frame.bottom));
            }
            for i in (GROUP..self.names.len()).step_by(GROUP) {
                let y = frame.top + pitch * float(i);
                canvas.line("", &[(body.left, y), (frame.right, y)], GRID_LINE);
            }
        });
        let middle = |x: f64| frame.top + pitch * (x + 0.5);
        canvas.group("rows", None, |canvas| {
            let style = NOTE.sized(NOTE.size.min(pitch / LEADING)).coloured(INK);
            for (i, name) in self.names.iter().enumerate() {
                let (name, y) = (style.elide(name, names), middle(float(i)));
                let baseline = y + style.drop();
                canvas.text(&name, frame.left - GAP, baseline, style.ending());
                self.draw_reach(canvas, float(i), &across, y);
            }
        });
        let filled = if self.has_intervals() { FILLED } else { 0.0 };
        // The first series lies on top.
        for (i, series) in self.series.iter().enumerate().rev() {
            let look = look(i);
            let lines = float(self.series.len());
            let off = ((float(i) + 0.5) / lines - 0.5) * pitch * filled;
            series.group(look, &mut canvas, |canvas| {
                for point in &series.points {
                    let y = middle(point.x) + off;
                    let words = series.words(point, None);
                    canvas.mark("point", &words, |canvas| {
                        if let Some((low, high)) = point.ci {
                            let ends = [low, high].map(|end| (across.position(end), y));
                            canvas.line("bar", &ends, Stroke::solid(look.hue.tint, ERROR_LINE));
                        }
                        look.draw_point(canvas, across.position(point.y), y, RADIUS);
                    });
                }
            });
        }
        across.draw_across(&mut canvas, frame.bottom);
        axis::draw_title_across(&mut canvas, self.quantity, &frame);
        legend.draw(&mut canvas, RADIUS);
        Ok(canvas)
    }
}

impl Rows {
    /// A page on which every row has a readable size. Each interval needs a line.
    pub fn page(&self) -> Page {
        let has_intervals = self.has_intervals();
        let own = if has_intervals { self.series.len() } else { 0 };
        let lines = float(own + 1).mul_add(0.5, 0.5);
        let height = float(self.names.len()) * lines * (NOTE.size * LEADING) + 62.0;
        Page::new(DOUBLE_COLUMN_MM, height / PT_PER_MM)
    }

    fn has_intervals(&self) -> bool {
        let mut points = self.series.iter().flat_map(|series| &series.points);
        points.any(|point| point.ci.is_some())
    }

    /// Draws a line from the first to the last marker of a row without intervals.
    fn draw_reach(&self, canvas: &mut Canvas, row: f64, across: &Axis, y: f64) {
        let points = self.series.iter().flat_map(|series| &series.points);
        let of_row = points.filter(|point| point.x.total_cmp(&row).is_eq());
        let mut places: Vec<f64> = of_row.map(|point| across.position(point.y)).collect();
        places.sort_by(f64::total_cmp);
        if let [low, .., high] = places[..]
            && high > low
            && !self.has_intervals()
        {
            let stroke = Stroke::solid(FAINT, GRID_LINE.width);
            canvas.line("reach", &[(low, y), (high, y)], stroke);
        }
    }
}
