/*!
The page that every figure stands on: its size, title and note, a legend, and panels with their axes.
*/

use super::axis::{self, Axis, Span};
use super::canvas::{Canvas, PT_PER_MM, Rect};
use super::font::{CAP_HEIGHT, DESCENT};
use super::legend::{Entry, Legend};
use super::style::{LABEL, LEADING, MARGIN, NOTE, TITLE};
use crate::error::{Error, Result};

/// Width of both columns (Nature: 183 mm).
pub const DOUBLE_COLUMN_MM: f64 = 183.0;
/// The largest side of a page, in millimetres (an A0 poster).
const LARGEST_MM: f64 = 1189.0;
/// No panel is narrower or lower than this, in points.
pub const LEAST_PANEL: f64 = 48.0;
/// Between the baseline of a panel's title and its frame.
const PANEL_TITLE_DROP: f64 = 4.0;
/// The height that the title of a panel takes.
const PANEL_TITLE: f64 = 2.0 * LABEL.drop() + PANEL_TITLE_DROP + 3.0;
/// Title and note are broken into at most so many lines.
const MOST_LINES: usize = 3;
/// A legend above the plot takes at most this share of the page's height.
const ABOVE_SHARE: f64 = 0.4;
/// Labels stand beside the plot up to this share of the page's width.
const BESIDE_SHARE: f64 = 0.36;
/// Above a plot: half a tick label, and what a marker at the top needs.
const TOP: f64 = 4.0;
/// Between two panels that share their vertical axis, and between two rows of panels.
const BETWEEN: f64 = 9.0;
const BELOW: f64 = 5.0;

/// A page with its title and note.
#[derive(Clone, Debug)]
pub struct Page {
    /// A title above everything.
    pub title: Option<String>,
    /// Small type below everything: what error bars and lines are.
    pub note: String,
    /// Width in millimetres.
    pub width_mm: f64,
    /// Height in millimetres.
    pub height_mm: f64,
    /// The least upper end of axes of shares, for figures that should share it; the data can move it up.
    pub y_max: Option<f64>,
}

impl Page {
    pub fn new(width_mm: f64, height_mm: f64) -> Self {
        Self {
            title: None,
            note: String::new(),
            width_mm,
            height_mm,
            y_max: None,
        }
    }

    /// A page two journal columns wide that leaves every row of panels that much height, in millimetres.
    pub fn for_panels(panels: usize, row_mm: f64) -> Self {
        let rows = panels.div_ceil(columns_for(panels));
        Self::new(DOUBLE_COLUMN_MM, 22.0 + row_mm * float(rows))
    }

    pub fn check(&self) -> Result<()> {
        for (name, side) in [("width", self.width_mm), ("height", self.height_mm)] {
            if !(side > 0.0 && side <= LARGEST_MM) {
                return Err(Error::usage(format!(
                    "{name} of the figure: {side} mm, expected more than 0 and at most {LARGEST_MM}"
                )));
            }
        }
        match self.y_max {
            Some(top) if !(top > 0.0 && top <= 1.0) => Err(Error::usage(format!(
                "upper end of the accuracy axis: {top}, expected more than 0 and at most 1"
            ))),
            _ => Ok(()),
        }
    }

    /// The whole page.
    pub fn bounds(&self) -> Rect {
        let [right, bottom] = [self.width_mm, self.height_mm].map(|mm| mm * PT_PER_MM);
        Rect::new(0.0, 0.0, right, bottom)
    }

    /// What margins, title and note leave.
    pub fn body(&self) -> Rect {
        let page = self.bounds();
        let note = match self.note_lines().len() {
            0 => 0.0,
            lines => 3.0 + float(lines) * NOTE.size * LEADING,
        };
        let title = float(self.title_lines().len()) * TITLE.size * LEADING;
        let (right, bottom) = (page.right - MARGIN, page.bottom - MARGIN - note);
        Rect::new(MARGIN, MARGIN + title, right, bottom)
    }

    /// The error for a page that is too small for what should stand on it.
    pub fn cramped(&self, what: &str) -> Error {
        Error::usage(format!(
            "a figure of {} x {} mm has no room for {what}: enlarge it or leave some out",
            self.width_mm, self.height_mm
        ))
    }

    /// A legend above everything else in the body.
    pub fn legend_above(&self, entries: &[Entry], what: &str) -> Result<Legend> {
        let body = self.body();
        let bottom = body.top + self.bounds().height() * ABOVE_SHARE;
        let legend = Legend::above(entries, &Rect { bottom, ..body });
        legend.ok_or_else(|| self.cramped(what))
    }

    /// A canvas with title and note on it; `name` stands in for a title that is not there.
    pub fn canvas(&self, name: &str, description: &str) -> Canvas {
        let title = self.title.as_deref().unwrap_or(name);
        let mut canvas = Canvas::new(self.width_mm, self.height_mm, title, description);
        let first = MARGIN + TITLE.size * (CAP_HEIGHT + 0.1);
        for (i, line) in self.title_lines().iter().enumerate() {
            let y = first + float(i) * TITLE.size * LEADING;
            canvas.text(line, MARGIN, y, TITLE);
        }
        let last = self.bounds().bottom - MARGIN - NOTE.size * DESCENT;
        let lines = self.note_lines();
        for (i, line) in lines.iter().enumerate() {
            let y = last - float(lines.len() - 1 - i) * NOTE.size * LEADING;
            canvas.text(line, MARGIN, y, NOTE);
        }
        canvas
    }

    fn inner_width(&self) -> f64 {
        self.bounds().width() - 2.0 * MARGIN
    }

    fn title_lines(&self) -> Vec<String> {
        let title = self.title.as_deref().unwrap_or_default();
        TITLE.wrap(title, self.inner_width(), MOST_LINES)
    }

    fn note_lines(&self) -> Vec<String> {
        NOTE.wrap(&self.note, self.inner_width(), MOST_LINES)
    }
}

/// A panel before it has its place: its title, the title of its vertical axis, and what that axis holds.
pub struct Head<'a> {
    pub title: Option<&'a str>,
    pub y_label: &'a str,
    pub span: Span,
}

/// Panels with their vertical axes and a legend, each in its place.
pub struct Plot<'a> {
    heads: Vec<Head<'a>>,
    pub frames: Vec<Rect>,
    /// The vertical axes.
    pub upwards: Vec<Axis>,
    pub legend: Legend,
    /// Whether all panels have one vertical axis.
    is_shared: bool,
    body: Rect,
}

impl<'a> Plot<'a> {
    /// Places panels, at least one, that show the series of `entries`. Those of a single panel are named beside it if
    /// they are `ends`: if they say at which value their lines end.
    pub fn new(page: &Page, heads: Vec<Head<'a>>, entries: &[Entry], ends: bool) -> Result<Self> {
        let what = match (heads.len(), ends) {
            (panels, false) => format!("{panels} panels of bars"),
            _ => format!("{} series", entries.len()),
        };
        let body = page.body();
        let widest = heads.iter().map(|head| head.span.width());
        let widest = widest.fold(0.0, f64::max);
        let is_titled = heads.iter().any(|head| head.title.is_some());
        let above = TOP + if is_titled { PANEL_TITLE } else { 0.0 };
        let mut area = Rect {
            left: body.left + widest,
            bottom: body.bottom - axis::HEIGHT,
            ..body
        };
        // The heights of the lines' ends depend on the frame's height only, the frame's width on the labels.
        let top = area.top + above;
        let single = Rect { top, ..area };
        let beside = || {
            let axis = Axis::upwards(&heads[0].span, &single);
            let at = |entry: Entry| Entry {
                near: axis.position_within(entry.near),
                ..entry
            };
            let entries = entries.iter().cloned().map(at).collect();
            let top = single.top - TOP;
            Legend::beside(entries, &Rect { top, ..single }).filter(|legend| {
                let room = page.bounds().width() * BESIDE_SHARE;
                legend.plot.is_some_and(|plot| single.right - plot <= room)
            })
        };
        let is_single = ends && heads.len() == 1 && single.height() >= LEAST_PANEL;
        let legend = match is_single.then(beside).flatten() {
            Some(legend) => legend,
            None => page.legend_above(entries, &what)?,
        };
        match legend.plot {
            Some(plot) => area.right = plot,
            None => area.top = legend.bottom().max(area.top) + 2.0,
        }
        let mut pairs = heads.windows(2);
        let is_shared = pairs.all(|pair| pair[0].y_label == pair[1].y_label);
        let between = BETWEEN + if is_shared { 0.0 } else { widest };
        let below = BELOW + axis::TICKS_HEIGHT;
        let frames = grid(&area, heads.len(), between, above, below);
        let is_low = |frame: &Rect| frame.width() < LEAST_PANEL || frame.height() < LEAST_PANEL;
        if frames.iter().any(is_low) {
            return Err(page.cramped(&what));
        }
        let axes = heads.iter().zip(&frames);
        let axes = axes.map(|(head, frame)| Axis::upwards(&head.span, frame));
        Ok(Self {
            upwards: axes.collect(),
            heads,
            frames,
            legend,
            is_shared,
            body,
        })
    }

    /// Draws the panels: of each `under` its grid and `over` its axes what those draw.
    pub fn draw(
        &self,
        canvas: &mut Canvas,
        x_label: &str,
        radius: f64,
        under: impl Fn(&mut Canvas, usize),
        over: impl Fn(&mut Canvas, usize),
    ) {
        let columns = columns_for(self.frames.len());
        let width = |i: usize| self.heads[i].span.width();
        for (i, (head, frame)) in self.heads.iter().zip(&self.frames).enumerate() {
            canvas.group("panel", head.title, |canvas| {
                under(canvas, i);
                if let Some(title) = head.title {
                    let style = LABEL.semi_bold();
                    let title = style.elide(title, frame.width());
                    canvas.text(&title, frame.left, frame.top - PANEL_TITLE_DROP, style);
                }
                self.upwards[i].draw_grid(canvas, frame);
                let is_labelled = i % columns == 0 || !self.is_shared;
                self.upwards[i].draw_upwards(canvas, frame, is_labelled);
                if !self.is_shared {
                    let left = frame.left - width(i);
                    axis::draw_title_upwards(canvas, head.y_label, left, frame.top, frame.bottom);
                }
                over(canvas, i);
            });
        }
        let frames = || self.frames.iter();
        let bottom = frames().map(|f| f.bottom).fold(0.0, f64::max);
        let right = frames().map(|f| f.right).fold(0.0, f64::max);
        let first = self.frames[0];
        if self.is_shared {
            let label = self.heads[0].y_label;
            axis::draw_title_upwards(canvas, label, self.body.left, first.top, bottom);
        }
        axis::draw_title_across(canvas, x_label, first.left, right, bottom);
        self.legend.draw(canvas, radius);
    }
}

/// The number of columns for so many panels: at most four, and as even rows as that allows.
fn columns_for(panels: usize) -> usize {
    const MOST: usize = 4;
    let rows = panels.div_ceil(MOST).max(1);
    panels.div_ceil(rows).max(1)
}

/// The frames of `count` panels in `area`, row by row. `between` and `below` is the space between two columns and two
/// rows, `above` that over each panel.
fn grid(area: &Rect, count: usize, between: f64, above: f64, below: f64) -> Vec<Rect> {
    let columns = columns_for(count);
    let rows = float(count.div_ceil(columns));
    let width = (area.width() - between * float(columns - 1)) / float(columns);
    let height = (area.height() - below * (rows - 1.0) - above * rows) / rows;
    let frame = |i: usize| {
        let left = area.left + float(i % columns) * (width + between);
        let top = area.top + float(i / columns) * (height + above + below) + above;
        Rect::new(left, top, left + width, top + height)
    };
    (0..count).map(frame).collect()
}

/// A count as a float; counts on a page are small.
pub fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_fill_their_area_and_stay_apart() {
        let area = Rect::new(10.0, 20.0, 310.0, 220.0);
        for count in 1..=12 {
            let frames = grid(&area, count, 8.0, 10.0, 14.0);
            assert_eq!(frames.len(), count);
            for (i, frame) in frames.iter().enumerate() {
                let (right, bottom) = (frame.right - 1e-9, frame.bottom - 1e-9);
                assert!(area.contains(&Rect::new(frame.left, frame.top, right, bottom)));
                assert!(frames[..i].iter().all(|other| !frame.overlaps(other)));
            }
            let last = frames.iter().map(|f| f.bottom).fold(0.0, f64::max);
            assert!((last - area.bottom).abs() < 1e-9);
        }
        let columns = [1, 2, 3, 4, 5, 8, 9].map(columns_for);
        assert_eq!(columns, [1, 2, 3, 4, 3, 4, 3]);
    }

    #[test]
    fn a_long_note_is_broken_and_takes_its_room() {
        let mut page = Page::new(89.0, 60.0);
        let bare = page.body().bottom;
        page.note = "Bars: 95 % intervals.".to_owned();
        let one = page.body().bottom;
        page.note = "Bars and bands are 95 % intervals of the bootstrap. ".repeat(3);
        assert!(bare > one && one > page.body().bottom);
    }
}
