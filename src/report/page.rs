/*!
The page of a figure: size, title, note, a legend above the plot, and the grid of panels.
*/

use super::{
    CAP_HEIGHT, Canvas, DESCENT, Entry, LEADING, Legend, MARGIN, NOTE, PT_PER_MM, Rect, TITLE,
    TextStyle,
};
use crate::error::{Error, Result};

/// Width of two journal columns (Nature: 183 mm).
pub const DOUBLE_COLUMN_MM: f64 = 183.0;
/// The largest side of a page, in millimetres (an A0 poster).
const LARGEST_MM: f64 = 1189.0;
/// No panel is narrower or lower than this, in points.
pub const LEAST_PANEL: f64 = 48.0;
/// Title and note have at most this many lines each.
const MOST_LINES: usize = 3;
/// A legend above the plot takes at most this share of the page's height.
const ABOVE_SHARE: f64 = 0.4;

/// A page with its title and note.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// A title above everything; empty if there is none.
    pub title: String,
    /// Small text below everything. It explains error bars and lines.
    pub note: String,
    /// Width in millimetres.
    pub width_mm: f64,
    /// Height in millimetres.
    pub height_mm: f64,
    /// Axes of shares reach at least this far, so that several figures can have the same axis. Data can extend them.
    pub y_max: Option<f64>,
}

impl Page {
    pub fn new(width_mm: f64, height_mm: f64) -> Self {
        Self {
            width_mm,
            height_mm,
            ..Self::default()
        }
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
                "upper end of axes of shares: {top}, expected more than 0 and at most 1"
            ))),
            _ => Ok(()),
        }
    }

    /// The whole page.
    pub fn bounds(&self) -> Rect {
        let [right, bottom] = [self.width_mm, self.height_mm].map(|mm| mm * PT_PER_MM);
        Rect::new(0.0, 0.0, right, bottom)
    }

    /// The area that margins, title and note leave free.
    pub fn body(&self) -> Rect {
        let page = self.bounds();
        let note = match self.lines(&self.note, NOTE).len() {
            0 => 0.0,
            lines => 3.0 + float(lines) * NOTE.size * LEADING,
        };
        let title = float(self.lines(&self.title, TITLE).len()) * TITLE.size * LEADING;
        let (right, bottom) = (page.right - MARGIN, page.bottom - MARGIN - note);
        Rect::new(MARGIN, MARGIN + title, right, bottom)
    }

    /// The error for a page that is too small for its contents.
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

    /// A canvas with title and note drawn. If there is no title, `name` is the SVG's title.
    pub fn canvas(&self, name: &str) -> Canvas {
        let title = if self.title.is_empty() {
            name
        } else {
            &self.title
        };
        let mut canvas = Canvas::new(self.width_mm, self.height_mm, title);
        let first = MARGIN + TITLE.size * (CAP_HEIGHT + 0.1);
        for (i, line) in self.lines(&self.title, TITLE).iter().enumerate() {
            let y = first + float(i) * TITLE.size * LEADING;
            canvas.text(line, MARGIN, y, TITLE);
        }
        let last = self.bounds().bottom - MARGIN - NOTE.size * DESCENT;
        let lines = self.lines(&self.note, NOTE);
        for (i, line) in lines.iter().enumerate() {
            let y = last - float(lines.len() - 1 - i) * NOTE.size * LEADING;
            canvas.text(line, MARGIN, y, NOTE);
        }
        canvas
    }

    fn lines(&self, text: &str, style: TextStyle) -> Vec<String> {
        style.wrap(text, self.bounds().width() - 2.0 * MARGIN, MOST_LINES)
    }
}

/// The number of columns for a number of panels: at most four, with rows as even as possible.
pub fn columns_for(panels: usize) -> usize {
    const MOST: usize = 4;
    let rows = panels.div_ceil(MOST).max(1);
    panels.div_ceil(rows).max(1)
}

/// The frames of `count` panels in `area`, row by row. `between` is the space between two columns, `below` that between
/// two rows, `above` that above each panel.
pub fn grid(area: &Rect, count: usize, between: f64, above: f64, below: f64) -> Vec<Rect> {
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

/// A count as a float. Counts on a page are small.
pub fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// A length, rounded to whole units. Values outside the range of `u32`, negative ones too, become its nearest end.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float saturates"
)]
pub fn whole(length: f64) -> u32 {
    length.round() as u32
}
