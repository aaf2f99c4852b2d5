/*!
Pictures of results: from plain numbers to SVG, PNG and a page of HTML.

[`figures`] has one file a figure: from scores, fits and contrasts to a [`Drawing`]; `campaign` says what they found, a row
a model; [`html`] puts all of them on one page. A drawing is of one of three forms, of plain numbers, on a page:

- `chart` places `series` of points, error bars and lines, or of bars, over a horizontal axis, in panels, which `layers`
  draws;
- `heat` draws a table of correlations as coloured cells;
- `rows` draws one row a function or group.

Below them:

- `page` has size, title, note and the grid of panels;
- `axis` has the axes: logarithmic, with a place for 0 shots, or linear;
- `legend` places labels at the ends of the lines, or a legend in columns;
- `mark` draws markers, bars and line samples;
- `style` holds colours, sizes, line widths;
- `font` holds the one typeface, measures and outlines text;
- `canvas` has rectangles and the SVG writer;
- `png` rasterises.

Why not plotters: its SVG backend takes whole pixels, names system fonts in `<text>` and has no say over
marker shapes, label collisions or broken axes; what is left of it for these figures is less than what is here.
*/

mod axis;
mod campaign;
mod canvas;
mod chart;
pub mod figures;
mod font;
mod heat;
pub mod html;
mod layers;
mod legend;
mod mark;
mod page;
mod png;
mod rows;
mod series;
mod style;

// What the files of this room call things.
use axis::{Axis, INSET, Quantity, Span};
use campaign::campaign;
use canvas::{Canvas, PT_PER_MM, Rect, Stroke, coordinates, number, outline, polygon, short};
use chart::Chart;
use font::{CAP_HEIGHT, DESCENT, TextStyle};
use legend::{Entry, Legend};
use mark::{Look, SAMPLE, SHORT_SAMPLE};
use page::{DOUBLE_COLUMN_MM, LEAST_PANEL, Page, columns_for, float, grid, whole};
pub use png::svg_to_png;
use series::{Line, Panel, Point, Role, Series, ends};
use style::{
    AXIS, BAND, DASHES, ERROR_LINE, FAINT, FAINT_HUE, GRID_LINE, HUES, Hue, INK, LABEL, LEADING,
    MARGIN, MUTED, NOTE, PAPER, SMALL, TICK, TITLE, ZERO_LINE,
};

use crate::error::{Error, Result};

/// What can be drawn on a page.
trait Form {
    fn is_empty(&self) -> bool;

    /// Draws it, or says what is impossible about its numbers, or that the page is too small.
    fn draw(&self, page: &Page) -> Result<Canvas>;
}

/// A figure.
pub struct Drawing {
    /// Size, title and note.
    pub page: Page,
    form: Box<dyn Form>,
}

impl Drawing {
    fn new(page: Page, note: impl Into<String>, form: impl Form + 'static) -> Result<Self> {
        if form.is_empty() {
            return Err(Error::data("nothing to draw: no series has a point"));
        }
        let note = note.into();
        Ok(Self {
            page: Page { note, ..page },
            form: Box::new(form),
        })
    }

    /// The figure as SVG, and the characters of its texts that the typeface lacks and shows as boxes; equal figures give
    /// equal bytes.
    ///
    /// # Errors
    /// [`Error::Data`] if a number is impossible, [`Error::Usage`] if the page is too small for what should stand on it, or
    /// larger than a poster.
    pub fn to_svg(&self) -> Result<(String, Vec<char>)> {
        self.page.check()?;
        let canvas = self.form.draw(&self.page)?;
        let missing = font::missing(&canvas.texts);
        Ok((canvas.finish(), missing))
    }
}
