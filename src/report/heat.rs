/*!
A heat map of correlations: how similar models are. The table is symmetric, so only the lower triangle is drawn.

Blue means alike, orange opposite, white neither. Each cell shows its number, so grey print loses nothing. A star marks
significant correlations.
*/

use super::{
    BAND, CAP_HEIGHT, Canvas, DOUBLE_COLUMN_MM, Form, INK, PAPER, Page, Rect, SMALL, float, whole,
};
use crate::error::{Error, Result};

/// One cell of the table.
pub struct Cell {
    /// The indices of its two names: `row` is the larger one.
    pub row: usize,
    pub column: usize,
    /// From -1 to 1. `None` if there is no correlation.
    pub value: Option<f64>,
    pub has_star: bool,
}

/// The figure.
pub struct Heat {
    /// The names of the rows and of the columns.
    pub names: Vec<String>,
    /// At least one, in any order, each pair once.
    pub cells: Vec<Cell>,
    /// The text beside the colour scale.
    pub scale_label: &'static str,
}

/// The smallest and the largest side of a cell, in points.
const LEAST_CELL: f64 = 9.0;
const LARGEST_CELL: f64 = 36.0;
/// The space for the name of the first column.
const TOP: f64 = SMALL.size + 3.0;
/// Names take at most this share of the page's width.
const NAME_SHARE: f64 = 0.38;
/// The space between a name and its row.
const GAP: f64 = 4.0;
/// Height of the colour scale with its numbers.
const SCALE_HEIGHT: f64 = 30.0;
const SCALE_BAR: f64 = 6.0;
const SCALE_STEPS: usize = 41;
/// The ends of the colour scale: blue and vermilion of Okabe and Ito, which all kinds of colour vision can distinguish.
const ALIKE: [f64; 3] = [0.0, 114.0, 178.0];
const OPPOSITE: [f64; 3] = [213.0, 94.0, 0.0];

impl Form for Heat {
    fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    fn draw(&self, page: &Page) -> Result<Canvas> {
        for (i, cell) in self.cells.iter().enumerate() {
            let is_same = |other: &Cell| (other.row, other.column) == (cell.row, cell.column);
            let expected = if cell.value.is_some_and(|rho| rho.abs() > 1.0) {
                "a correlation of -1 to 1"
            } else if cell.row == cell.column || self.cells[..i].iter().any(is_same) {
                "one correlation of two models"
            } else {
                continue;
            };
            let words = self.words(cell);
            return Err(Error::data(format!("{words}, expected {expected}")));
        }
        let body = page.body();
        let widest = self.names.iter().map(|name| SMALL.width(name));
        let names = widest.fold(0.0, f64::max).min(body.width() * NAME_SHARE);
        // The first name has no row, and the last has no column.
        let count = float(self.names.len() - 1);
        let left = body.left + names + GAP;
        let wide = (body.right - left) / count;
        let high = (body.height() - SCALE_HEIGHT - TOP) / count;
        let side = wide.min(high).min(LARGEST_CELL);
        if side < LEAST_CELL {
            return Err(page.cramped(&format!("{} names", self.names.len())));
        }
        let top = body.top + TOP;
        let mut canvas = page.canvas(self.scale_label);
        for cell in &self.cells {
            let (x, y) = (float(cell.column) * side, float(cell.row) * side);
            let spot = Rect::new(left + x, top + y - side, left + x + side, top + y);
            canvas.mark("cell", &self.words(cell), |canvas| cell.draw(canvas, &spot));
        }
        for (i, name) in self.names.iter().enumerate() {
            let i = float(i);
            if i > 0.0 {
                let name = SMALL.elide(name, names);
                let y = top + (i - 0.5) * side + SMALL.drop();
                canvas.text(&name, left - GAP, y, SMALL.ending());
            }
            // The name of a column stands above its first cell, on the diagonal, where there is room.
            if i < count {
                let (aside, above) = if i > 0.0 { (3.0, 2.5) } else { (0.0, 1.5) };
                let x = left + i * side + aside;
                let name = SMALL.elide(name, body.right - x);
                canvas.text(&name, x, top + i * side - above, SMALL);
            }
        }
        self.draw_scale(&mut canvas, left, top + count * side + 8.0, side * count);
        Ok(canvas)
    }
}

impl Heat {
    /// A page on which all names have a readable size.
    pub fn page(&self) -> Page {
        const WIDE: usize = 9;
        let count = float(self.names.len().saturating_sub(1)).max(1.0);
        let side = (150.0 / count).clamp(7.0, 12.0);
        let is_wide = self.names.len() > WIDE;
        let width = if is_wide { DOUBLE_COLUMN_MM } else { 120.0 };
        Page::new(width, 24.0 + side * count)
    }

    fn draw_scale(&self, canvas: &mut Canvas, left: f64, top: f64, width: f64) {
        let width = width.clamp(60.0, 130.0);
        let bottom = top + SCALE_BAR;
        canvas.group("scale", Some(self.scale_label), |canvas| {
            let step = width / float(SCALE_STEPS);
            for i in 0..SCALE_STEPS {
                let value = 2.0 * float(i) / float(SCALE_STEPS - 1) - 1.0;
                let from = left + step * float(i);
                let block = Rect::new(from, top, left + step * float(i + 1), bottom);
                canvas.path(&block.path(), &[("fill", &colour(value))]);
            }
            let y = bottom + 2.0 + SMALL.size * CAP_HEIGHT;
            for (share, label) in [(0.0, "−1"), (0.5, "0"), (1.0, "1")] {
                canvas.text(label, left + width * share, y, SMALL.centred());
            }
            let y = top + SCALE_BAR / 2.0 + SMALL.drop();
            canvas.text(self.scale_label, left + width + 8.0, y, SMALL);
        });
    }

    fn words(&self, cell: &Cell) -> String {
        let (first, second) = (&self.names[cell.column], &self.names[cell.row]);
        let value = cell.value.map(|value| format!("{value:.4}"));
        let value = value.unwrap_or_else(|| "none".to_owned());
        format!("{first} and {second}: {value}{}", cell.star())
    }
}

impl Cell {
    fn star(&self) -> &'static str {
        if self.has_star { "*" } else { "" }
    }

    fn draw(&self, canvas: &mut Canvas, spot: &Rect) {
        let fill = self.value.map_or_else(|| BAND.to_owned(), colour);
        canvas.path(&spot.path(), &[("fill", &fill)]);
        let short = |value: f64| format!("{value:.2}").replace("0.", ".").replace('-', "−");
        let number = self.value.map_or_else(|| "–".to_owned(), short);
        // Dark cells need light text. At 0.6, light and dark text have the same contrast with the cell.
        let is_dark = self.value.is_some_and(|value| value.abs() > 0.6);
        let style = SMALL.sized(SMALL.size.min(spot.width() * 0.3));
        let style = style.coloured(if is_dark { PAPER } else { INK });
        let (x, y) = (spot.centre(), spot.middle() + style.drop());
        canvas.text(&(number + self.star()), x, y, style.centred());
    }
}

/// The colour of a correlation: white at 0, and linear towards both ends of the scale.
fn colour(value: f64) -> String {
    let end = if value < 0.0 { OPPOSITE } else { ALIKE };
    let [r, g, b] = end.map(|end| whole(255.0 + (end - 255.0) * value.abs()));
    format!("#{r:02x}{g:02x}{b:02x}")
}
