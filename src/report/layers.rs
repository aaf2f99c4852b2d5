/*!
Draws one panel of a chart in layers, from bottom to top: bands of baselines, error bars, lines, points. The names of
points are placed where they cover nothing.
*/

use super::{
    Axis, BAND, Canvas, ERROR_LINE, LABEL, Line, Look, NOTE, Panel, Point, Quantity, Rect, Series,
    Stroke, axis, float, polygon,
};

/// A series in a panel: its look, and the horizontal offset of its points from their tick (`dodge`).
pub struct Shown<'a> {
    pub series: &'a Series,
    pub look: Look,
    pub dodge: f64,
}

/// A panel with everything that is needed to draw it.
pub struct Place<'a> {
    pub panel: &'a Panel,
    /// The first lies on top. Baselines are last, under all others.
    pub shown: Vec<Shown<'a>>,
    pub frame: Rect,
    /// The left edge of the title of its vertical axis.
    pub left: f64,
    pub across: Axis,
    pub upwards: Axis,
    pub quantity: Quantity,
    pub radius: f64,
    /// The distance between neighbouring models or stacks of bars at one tick. It is also the width of a bar.
    pub step: f64,
}

/// The space between the baseline of a panel's title and its frame.
pub const TITLE_DROP: f64 = 4.0;
/// The space between a point and its name.
const NAME_GAP: f64 = 1.8;
/// A fitted line blocks names with boxes at this many steps along it, so close that no name fits between two.
const LINE_STEPS: usize = 60;

impl Place<'_> {
    /// Draws the panel. Its vertical axis has tick labels if `is_labelled`, and a title if `is_titled`.
    pub fn draw(&self, canvas: &mut Canvas, is_labelled: bool, is_titled: bool) {
        let (frame, title) = (&self.frame, self.panel.title.as_deref());
        canvas.group("panel", title, |canvas| {
            self.draw_bands(canvas);
            if let Some(title) = title {
                canvas.describe(title);
                let style = LABEL.semi_bold();
                let title = style.elide(title, frame.width());
                canvas.text(&title, frame.left, frame.top - TITLE_DROP, style);
            }
            self.upwards.draw_grid(canvas, frame);
            self.upwards.draw_upwards(canvas, frame, is_labelled);
            if is_titled {
                axis::draw_title_upwards(canvas, &self.panel.y_label, self.left, frame);
            }
            self.across.draw_across(canvas, frame.bottom);
            let layers = [
                ("bars", Self::draw_bars as fn(&Self, &mut Canvas, &Shown)),
                ("lines", Self::draw_line),
                ("points", Self::draw_points),
            ];
            for (layer, draw) in layers {
                canvas.group(layer, None, |canvas| {
                    for shown in self.shown.iter().rev() {
                        let (series, look) = (shown.series, shown.look);
                        series.group(look, canvas, |canvas| draw(self, canvas, shown));
                    }
                });
            }
            self.draw_names(canvas);
        });
    }

    fn draw_bands(&self, canvas: &mut Canvas) {
        canvas.group("bands", None, |canvas| {
            for shown in self.shown.iter().rev().filter(|shown| self.has_band(shown)) {
                let bars = self.bars(shown, shown.series.on_line(self.quantity));
                let upper = bars.iter().map(|[x, _, high]| (*x, *high));
                let lower = bars.iter().rev().map(|[x, low, _]| (*x, *low));
                let edge: Vec<_> = upper.chain(lower).collect();
                shown.series.group(shown.look, canvas, |canvas| {
                    canvas.path(&polygon(&edge), &[("class", "band"), ("fill", BAND)]);
                });
            }
        });
    }

    fn has_band(&self, shown: &Shown) -> bool {
        shown.series.has_band(self.quantity)
    }

    /// The position of a point on the page.
    pub fn at(&self, shown: &Shown, point: &Point) -> (f64, f64) {
        let x = self.across.position(point.x) + shown.dodge;
        (x, self.upwards.position_within(point.base + point.y))
    }

    /// The error bars of points: x, and the y of the lower and the upper end.
    fn bars(&self, shown: &Shown, points: &[Point]) -> Vec<[f64; 3]> {
        let bar = |point: &Point| {
            let (low, high) = point.ci?;
            let [low, high] = [low, high].map(|end| self.upwards.position_within(end));
            Some([self.at(shown, point).0, low, high])
        };
        points.iter().filter_map(bar).collect()
    }

    fn draw_bars(&self, canvas: &mut Canvas, shown: &Shown) {
        let points = &shown.series.points;
        // A band replaces the error bars of the points on the line.
        let banded = shown.series.on_line(self.quantity).len();
        let barred = points.len() - if self.has_band(shown) { banded } else { 0 };
        for [x, low, high] in self.bars(shown, &points[..barred]) {
            let stroke = Stroke::solid(shown.look.hue.tint, ERROR_LINE);
            canvas.line("bar", &[(x, low), (x, high)], stroke);
        }
    }

    /// Draws the fitted line, from the first to the last point and cut at the frame, or a line that joins the points.
    fn draw_line(&self, canvas: &mut Canvas, shown: &Shown) {
        let points = shown.series.on_line(self.quantity);
        let ([first, .., last], Some(stroke)) = (points, shown.look.line) else {
            return;
        };
        match shown.series.line {
            Line::Fitted(a0, a1) => {
                let label = &shown.series.label;
                canvas.describe(&format!("{label}: fit {a0:.4} + {a1:.4} ln(x)"));
                let end = |point: &Point| (self.at(shown, point).0, a0 + a1 * point.x.ln());
                let (low, high) = self.upwards.range();
                if let Some(ends) = clip(end(first), end(last), low, high) {
                    let ends = ends.map(|(x, value)| (x, self.upwards.position_within(value)));
                    canvas.line("fit", &ends, stroke);
                }
            }
            Line::Joined => {
                let line: Vec<(f64, f64)> = points.iter().map(|p| self.at(shown, p)).collect();
                canvas.line("joint", &line, stroke);
            }
            Line::Absent => {}
        }
    }

    fn draw_points(&self, canvas: &mut Canvas, shown: &Shown) {
        for point in &shown.series.points {
            let (x, y) = self.at(shown, point);
            let place = self.quantity.place(point.x);
            let words = shown.series.words(point, Some(place));
            canvas.mark("point", &words, |canvas| {
                shown.look.draw_point(canvas, x, y, self.radius);
                let foot = self.upwards.position_within(point.base);
                let bar = Rect::new(x - self.step / 2.0, y, x + self.step / 2.0, foot);
                shown.look.draw_bar(canvas, &bar);
            });
        }
    }

    /// The areas that names must not cover: points, error bars, and small boxes along fitted lines.
    fn taken(&self) -> Vec<Rect> {
        let mut taken = Vec::new();
        for shown in &self.shown {
            let points = &shown.series.points;
            for point in points {
                let ((x, y), r) = (self.at(shown, point), self.radius + 0.6);
                taken.push(Rect::around(x, y, r, r));
            }
            let bars = self.bars(shown, points).into_iter();
            taken.extend(bars.map(|[x, low, high]| Rect::new(x - 0.6, high, x + 0.6, low)));
            let on_line = shown.series.on_line(self.quantity);
            if let (Line::Fitted(a0, a1), [first, .., last]) = (shown.series.line, on_line) {
                let (from, to) = (first.x.ln(), last.x.ln());
                taken.extend((0..=LINE_STEPS).map(|i| {
                    let ln_x = from + (to - from) * float(i) / float(LINE_STEPS);
                    let y = self.upwards.position_within(a0 + a1 * ln_x);
                    Rect::around(self.across.position(ln_x.exp()), y, 1.5, 0.7)
                }));
            }
        }
        taken
    }

    /// Writes the names of points where they cover no point, error bar, line or other name. A name that has no such
    /// place is not written; the tooltip still has it.
    fn draw_names(&self, canvas: &mut Canvas) {
        let mut taken = self.taken();
        canvas.group("names", None, |canvas| {
            for shown in &self.shown {
                for point in &shown.series.points {
                    let Some(name) = &point.name else { continue };
                    let (x, y) = self.at(shown, point);
                    let half = (NOTE.width(name) / 2.0, NOTE.size * 0.55);
                    let aside = self.radius + NAME_GAP + half.0;
                    let above = self.radius + NAME_GAP + half.1;
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
                    let spots = places.map(|(dx, dy)| Rect::around(x + dx, y + dy, half.0, half.1));
                    let free = spots.into_iter().find(|spot| {
                        let is_free = taken.iter().all(|other| !spot.overlaps(other));
                        is_free && self.frame.contains(spot)
                    });
                    if let Some(spot) = free {
                        canvas.text(name, spot.left, spot.middle() + NOTE.drop(), NOTE);
                        taken.push(spot);
                    }
                }
            }
        });
    }
}

/// The part of a line segment whose y is between `low` and `high`, if there is one.
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
