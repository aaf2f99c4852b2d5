/*!
A symmetric table of correlations as coloured cells, the lower triangle only: how alike models are.

Blue is alike, orange is opposite, white is neither; each cell has its number, so that grey print loses nothing. A star
marks those that a test sustains.
*/

use std::fmt::Write as _;

use super::canvas::{Anchor, Canvas, Rect, TextStyle, outline};
use super::font::{self, CAP_HEIGHT, Weight};
use super::page::{Page, float};
use super::style;
use crate::error::{Error, Result};

/// One cell of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Its row: the later of the two names.
    pub row: usize,
    /// Its column: the earlier.
    pub column: usize,
    /// -1 to 1; none where there is no correlation.
    pub value: Option<f64>,
    /// Whether it has a star.
    pub starred: bool,
}

/// The figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    /// Size, title and note.
    pub page: Page,
    /// Of rows and columns alike.
    pub names: Vec<String>,
    /// In any order, each pair once.
    pub cells: Vec<Cell>,
    /// What the colours mean, beside their scale.
    pub scale_label: String,
}

/// No cell is smaller than this, in points.
const LEAST_CELL: f64 = 9.0;
/// No cell is larger than this.
const LARGEST_CELL: f64 = 36.0;
/// The room for the name of the first column.
const TOP: f64 = style::SMALL_PT + 3.0;
/// Names take at most this share of the page's width.
const NAME_SHARE: f64 = 0.38;
/// Between a name and its row.
const GAP: f64 = 4.0;
/// Height of the colour scale with its numbers.
const SCALE_HEIGHT: f64 = 30.0;
const SCALE_BAR: f64 = 6.0;
const SCALE_STEPS: usize = 41;
/// The ends of the colour scale: the hues of Okabe and Ito's blue and vermilion, which all kinds of colour vision tell
/// apart.
const ALIKE: [f64; 3] = [0.0, 114.0, 178.0];
const OPPOSITE: [f64; 3] = [213.0, 94.0, 0.0];

impl Heat {
    /// A page on which so many names stand at a readable size.
    #[must_use]
    pub fn page_for(names: usize) -> Page {
        const WIDE: usize = 9;
        let count = float(names.saturating_sub(1)).max(1.0);
        let side = (150.0 / count).clamp(7.0, 12.0);
        let width = if names > WIDE { 183.0 } else { 120.0 };
        Page::new(width, 24.0 + side * count)
    }

    /// The figure as SVG; equal figures give equal bytes.
    ///
    /// # Errors
    /// [`Error::Data`] if there is no cell or a value is impossible, [`Error::Usage`] if the page is too small.
    pub fn to_svg(&self) -> Result<String> {
        self.check()?;
        let body = self.page.body();
        let room = body.width() * NAME_SHARE;
        let widest = self.names.iter().map(|name| text_width(name));
        let names = widest.fold(0.0, f64::max).min(room);
        // The first name has no row, the last no column.
        let count = float(self.names.len() - 1);
        let left = body.left + names + GAP;
        let wide = (body.right - left) / count;
        let high = (body.height() - SCALE_HEIGHT - TOP) / count;
        let side = wide.min(high).min(LARGEST_CELL);
        if side < LEAST_CELL {
            let what = format!("{} names", self.names.len());
            return Err(self.page.cramped(&what));
        }
        let top = body.top + TOP;
        let mut canvas = self.page.canvas(&self.scale_label, &self.description());
        for cell in &self.cells {
            let spot = Rect {
                left: left + float(cell.column) * side,
                top: top + float(cell.row - 1) * side,
                right: left + float(cell.column + 1) * side,
                bottom: top + float(cell.row) * side,
            };
            self.draw_cell(&mut canvas, cell, &spot);
        }
        for (i, name) in self.names.iter().enumerate().skip(1) {
            canvas.text(
                &font::elide(name, names, style::SMALL_PT, Weight::Regular),
                left - GAP,
                top + (float(i) - 0.5) * side + style::SMALL_PT * CAP_HEIGHT / 2.0,
                &TextStyle::regular(style::SMALL_PT, Anchor::End),
            );
        }
        // The columns' names stand on the diagonal, above the first cell of their column, which leaves them room.
        for (i, name) in self.names.iter().enumerate().take(self.names.len() - 1) {
            let x = left + float(i) * side + if i == 0 { 0.0 } else { 3.0 };
            let y = top + float(i) * side - 2.5;
            let y = if i == 0 { y + 1.0 } else { y };
            canvas.text(
                &font::elide(name, body.right - x, style::SMALL_PT, Weight::Regular),
                x,
                y,
                &TextStyle::regular(style::SMALL_PT, Anchor::Start),
            );
        }
        self.draw_scale(&mut canvas, left, top + count * side + 8.0, side * count);
        Ok(canvas.finish())
    }

    /// Its texts.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        let names = self.names.iter().map(String::as_str);
        names.chain([self.scale_label.as_str()]).collect()
    }

    fn check(&self) -> Result<()> {
        self.page.check()?;
        if self.cells.is_empty() {
            return Err(Error::data("nothing to draw: there is no pair of models"));
        }
        for cell in &self.cells {
            if let Some(value) = cell.value
                && !(-1.0..=1.0).contains(&value)
            {
                return Err(Error::data(format!(
                    "{} and {}: correlation {value}, expected -1 to 1",
                    self.names[cell.column], self.names[cell.row]
                )));
            }
        }
        Ok(())
    }

    fn draw_cell(&self, canvas: &mut Canvas, cell: &Cell, spot: &Rect) {
        canvas.open_group("cell", Some(&self.words(cell)));
        let fill = cell.value.map_or_else(|| style::BAND.to_owned(), colour);
        draw_block(canvas, spot, &fill);
        let size = style::SMALL_PT.min(spot.width() * 0.3);
        let star = if cell.starred { "*" } else { "" };
        let number = cell.value.map_or_else(
            || "–".to_owned(),
            |value| format!("{value:.2}").replace("0.", ".").replace('-', "−"),
        );
        canvas.text(
            &format!("{number}{star}"),
            f64::midpoint(spot.left, spot.right),
            f64::midpoint(spot.top, spot.bottom) + size * CAP_HEIGHT / 2.0,
            &TextStyle {
                // Dark cells need light text: at this value the two contrast equally with the cell.
                colour: if cell.value.is_some_and(|value| value.abs() > 0.6) {
                    style::PAPER
                } else {
                    style::INK
                },
                ..TextStyle::regular(size, Anchor::Middle)
            },
        );
        canvas.close_group();
    }

    fn draw_scale(&self, canvas: &mut Canvas, left: f64, top: f64, width: f64) {
        let width = width.clamp(60.0, 130.0);
        canvas.open_group("scale", Some(&self.scale_label));
        let step = width / float(SCALE_STEPS);
        for i in 0..SCALE_STEPS {
            let value = 2.0 * float(i) / float(SCALE_STEPS - 1) - 1.0;
            let block = Rect {
                left: left + step * float(i),
                right: left + step * float(i + 1),
                top,
                bottom: top + SCALE_BAR,
            };
            draw_block(canvas, &block, &colour(value));
        }
        let below = top + SCALE_BAR + 2.0 + style::SMALL_PT * CAP_HEIGHT;
        for (share, label) in [(0.0, "−1"), (0.5, "0"), (1.0, "1")] {
            canvas.text(
                label,
                left + width * share,
                below,
                &TextStyle::regular(style::SMALL_PT, Anchor::Middle),
            );
        }
        canvas.text(
            &self.scale_label,
            left + width + 8.0,
            top + SCALE_BAR / 2.0 + style::SMALL_PT * CAP_HEIGHT / 2.0,
            &TextStyle::regular(style::SMALL_PT, Anchor::Start),
        );
        canvas.close_group();
    }

    fn words(&self, cell: &Cell) -> String {
        let value = cell
            .value
            .map_or_else(|| "none".to_owned(), |value| format!("{value:.4}"));
        let star = if cell.starred { "*" } else { "" };
        let (first, second) = (&self.names[cell.column], &self.names[cell.row]);
        format!("{first} and {second}: {value}{star}")
    }

    /// The figure in words.
    fn description(&self) -> String {
        let mut text = String::new();
        for cell in &self.cells {
            let _ = writeln!(text, "{}", self.words(cell));
        }
        text
    }
}

fn text_width(text: &str) -> f64 {
    font::width(text, style::SMALL_PT, Weight::Regular)
}

fn draw_block(canvas: &mut Canvas, spot: &Rect, fill: &str) {
    let corners = [
        (spot.left, spot.top),
        (spot.right, spot.top),
        (spot.right, spot.bottom),
        (spot.left, spot.bottom),
    ];
    canvas.path(&(outline(&corners) + "Z"), &[("fill", fill)]);
}

/// The colour of a correlation: white at 0, linear in it towards either end.
fn colour(value: f64) -> String {
    let end = if value < 0.0 { OPPOSITE } else { ALIKE };
    let channel = |i: usize| {
        let mixed = 255.0 + (end[i] - 255.0) * value.abs();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 255"
        )]
        let byte = mixed.round() as u8;
        byte
    };
    format!("#{:02x}{:02x}{:02x}", channel(0), channel(1), channel(2))
}
