/*!
The page that every figure stands on: its size, title and note, and the grid of its panels.
*/

use super::canvas::{Anchor, Canvas, PT_PER_MM, Rect, TextStyle};
use super::font::{self, CAP_HEIGHT, Weight};
use super::style;
use crate::error::{Error, Result};

/// Width of one column of a two-column journal (Nature: 89 mm).
pub const SINGLE_COLUMN_MM: f64 = 89.0;
/// Width of both columns (Nature: 183 mm).
pub const DOUBLE_COLUMN_MM: f64 = 183.0;
/// The largest side of a page, in millimetres (an A0 poster).
const LARGEST_MM: f64 = 1189.0;
/// No panel is narrower or lower than this, in points.
pub const LEAST_PANEL: f64 = 48.0;
/// Between the baseline of a panel's title and its frame.
const PANEL_TITLE_DROP: f64 = 4.0;
/// The height that the title of a panel takes.
pub const PANEL_TITLE: f64 = style::LABEL_PT * CAP_HEIGHT + PANEL_TITLE_DROP + 3.0;
/// The note is broken into at most so many lines.
const NOTE_LINES: usize = 3;

/// A page with its title and note.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// A title above everything.
    pub title: Option<String>,
    /// Small type below everything: what error bars and lines are.
    pub note: Option<String>,
    /// Width in millimetres.
    pub width_mm: f64,
    /// Height in millimetres.
    pub height_mm: f64,
}

impl Page {
    /// An empty page of that size.
    #[must_use]
    pub fn new(width_mm: f64, height_mm: f64) -> Self {
        Self {
            title: None,
            note: None,
            width_mm,
            height_mm,
        }
    }

    /// Whether its size is one that a page can have.
    ///
    /// # Errors
    /// [`Error::Usage`] if a side is not positive or longer than a poster's.
    pub fn check(&self) -> Result<()> {
        for (name, side) in [("width", self.width_mm), ("height", self.height_mm)] {
            if !(side > 0.0 && side <= LARGEST_MM) {
                return Err(Error::usage(format!(
                    "{name} of the figure: {side} mm, expected more than 0 and at most {LARGEST_MM}"
                )));
            }
        }
        Ok(())
    }

    /// The whole page.
    #[must_use]
    pub fn bounds(&self) -> Rect {
        Rect {
            left: 0.0,
            top: 0.0,
            right: self.width_mm * PT_PER_MM,
            bottom: self.height_mm * PT_PER_MM,
        }
    }

    /// What margins, title and note leave.
    #[must_use]
    pub fn body(&self) -> Rect {
        let page = self.bounds();
        let note = match self.note_lines().len() {
            0 => 0.0,
            lines => 3.0 + float(lines) * style::NOTE_PT * style::LEADING,
        };
        Rect {
            left: style::MARGIN,
            top: style::MARGIN + float(self.title_lines().len()) * style::TITLE_PT * style::LEADING,
            right: page.right - style::MARGIN,
            bottom: page.bottom - style::MARGIN - note,
        }
    }

    /// The error for a page that is too small for what should stand on it.
    #[must_use]
    pub fn cramped(&self, what: &str) -> Error {
        Error::usage(format!(
            "a figure of {} x {} mm has no room for {what}: enlarge it or leave some out",
            self.width_mm, self.height_mm
        ))
    }

    /// A canvas with title and note on it; `name` stands in for a title that is not there.
    #[must_use]
    pub fn canvas(&self, name: &str, description: &str) -> Canvas {
        let title = self.title.as_deref().unwrap_or(name);
        let mut canvas = Canvas::new(self.width_mm, self.height_mm, title, description);
        for (i, line) in self.title_lines().iter().enumerate() {
            canvas.text(
                line,
                style::MARGIN,
                style::MARGIN
                    + style::TITLE_PT * (CAP_HEIGHT + 0.1)
                    + float(i) * style::TITLE_PT * style::LEADING,
                &TextStyle {
                    weight: Weight::SemiBold,
                    ..TextStyle::regular(style::TITLE_PT, Anchor::Start)
                },
            );
        }
        let lines = self.note_lines();
        for (i, line) in lines.iter().enumerate() {
            let above = float(lines.len() - 1 - i) * style::NOTE_PT * style::LEADING;
            canvas.text(
                line,
                style::MARGIN,
                self.bounds().bottom - style::MARGIN - style::NOTE_PT * font::DESCENT - above,
                &TextStyle {
                    colour: style::MUTED,
                    ..TextStyle::regular(style::NOTE_PT, Anchor::Start)
                },
            );
        }
        canvas
    }

    fn inner_width(&self) -> f64 {
        self.bounds().width() - 2.0 * style::MARGIN
    }

    fn title_lines(&self) -> Vec<String> {
        self.title.as_deref().map_or_else(Vec::new, |title| {
            font::wrap(
                title,
                self.inner_width(),
                3,
                style::TITLE_PT,
                Weight::SemiBold,
            )
        })
    }

    fn note_lines(&self) -> Vec<String> {
        self.note.as_deref().map_or_else(Vec::new, |note| {
            font::wrap(
                note,
                self.inner_width(),
                NOTE_LINES,
                style::NOTE_PT,
                Weight::Regular,
            )
        })
    }
}

/// The number of columns for so many panels: at most four, and as even rows as that allows.
#[must_use]
pub fn columns_for(panels: usize) -> usize {
    const MOST: usize = 4;
    let rows = panels.div_ceil(MOST).max(1);
    panels.div_ceil(rows).max(1)
}

/// The frames of `count` panels in `area`, row by row. `between` and `below` is the space between two columns and two
/// rows, `above` that over each panel.
#[must_use]
pub fn grid(
    area: &Rect,
    count: usize,
    columns: usize,
    between: f64,
    above: f64,
    below: f64,
) -> Vec<Rect> {
    let rows = count.div_ceil(columns);
    let width = (area.width() - between * float(columns - 1)) / float(columns);
    let height =
        (area.height() - below * float(rows.saturating_sub(1)) - above * float(rows)) / float(rows);
    (0..count)
        .map(|i| {
            let (row, column) = (i / columns, i % columns);
            let left = area.left + float(column) * (width + between);
            let top = area.top + float(row) * (height + above + below) + above;
            Rect {
                left,
                top,
                right: left + width,
                bottom: top + height,
            }
        })
        .collect()
}

/// Whether every frame leaves a panel enough room.
#[must_use]
pub fn roomy(frames: &[Rect]) -> bool {
    frames
        .iter()
        .all(|frame| frame.width() >= LEAST_PANEL && frame.height() >= LEAST_PANEL)
}

/// Writes the title of a panel over its frame.
pub fn draw_panel_title(canvas: &mut Canvas, title: &str, frame: &Rect) {
    let room = frame.width();
    canvas.text(
        &font::elide(title, room, style::LABEL_PT, Weight::SemiBold),
        frame.left,
        frame.top - PANEL_TITLE_DROP,
        &TextStyle {
            weight: Weight::SemiBold,
            ..TextStyle::regular(style::LABEL_PT, Anchor::Start)
        },
    );
}

/// A count as a float; counts on a page are small.
#[must_use]
pub fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_fill_their_area_and_stay_apart() {
        let area = Rect {
            left: 10.0,
            top: 20.0,
            right: 310.0,
            bottom: 220.0,
        };
        for count in 1..=12 {
            let columns = columns_for(count);
            assert!(columns <= 4);
            let frames = grid(&area, count, columns, 8.0, 10.0, 14.0);
            assert_eq!(frames.len(), count);
            for (i, frame) in frames.iter().enumerate() {
                assert!(area.contains(&Rect {
                    right: frame.right - 1e-9,
                    bottom: frame.bottom - 1e-9,
                    ..*frame
                }));
                assert!(frames[..i].iter().all(|other| !frame.overlaps(other)));
            }
            let last = frames.iter().map(|f| f.bottom).fold(0.0, f64::max);
            assert!((last - area.bottom).abs() < 1e-9);
        }
        assert_eq!(
            [1, 2, 3, 4, 5, 8, 9].map(columns_for),
            [1, 2, 3, 4, 3, 4, 3]
        );
    }

    #[test]
    fn a_long_note_is_broken_and_takes_its_room() {
        let mut page = Page::new(SINGLE_COLUMN_MM, 60.0);
        let bare = page.body().bottom;
        page.note = Some("Bars: 95 % intervals.".to_owned());
        let one = page.body().bottom;
        page.note = Some("Bars and bands are 95 % intervals of the bootstrap. ".repeat(3));
        assert!(bare > one && one > page.body().bottom);
    }
}
