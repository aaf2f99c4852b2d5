/*!
Pictures of results: SVG, PNG and an HTML report, drawn from plain numbers.

`figures` turns scores, fits and contrasts into a `Drawing`, one file per family of figures. `campaign` makes a
summary table with one row per model. `html` puts everything on one page. A drawing has one of three forms:

- `chart` places `series` over a horizontal axis, in panels that `layers` draws. A series has points, error bars and a
  line, or bars.
- `heat` draws a table of correlations as coloured cells.
- `rows` draws one row per function or group.

The forms use these modules:

- `page`: size, title, note and the grid of panels.
- `axis`: linear axes, and logarithmic axes with a place for 0 shots.
- `legend`: labels at the ends of the lines, or a legend in columns.
- `mark`: markers, bars and line samples.
- `style`: colours, sizes, line widths.
- `font`: the only typeface; it measures text and turns it into outlines.
- `canvas`: rectangles and the SVG writer.
- `png`: turns SVG into pixels.

We do not use the crate plotters. Its SVG backend rounds to whole pixels and names system fonts in `<text>`, and it
gives no control over marker shapes, label collisions or broken axes. What we could use is less than the code here.
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

// The files of this module import these names with `use super::`.
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

/// A form of drawing: chart, heat map or rows.
trait Form {
    fn is_empty(&self) -> bool;

    /// Draws it. Fails if a number is impossible or the page is too small.
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

    /// The figure as SVG, and the characters that the typeface lacks (they are drawn as boxes). Equal figures give
    /// equal bytes.
    ///
    /// # Errors
    /// [`Error::Data`] if a number is impossible, [`Error::Usage`] if the page is too small for its contents or larger
    /// than a poster.
    pub fn to_svg(&self) -> Result<(String, Vec<char>)> {
        self.page.check()?;
        let canvas = self.form.draw(&self.page)?;
        let missing = font::missing(&canvas.texts);
        Ok((canvas.finish(), missing))
    }
}
