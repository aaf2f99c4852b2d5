/*!
Pictures of results: from plain numbers to SVG, PNG and a page of HTML.

Four forms of figure, of plain numbers, stand on a shared page:

- [`chart`] draws points, error bars and lines over a horizontal axis, in panels;
- [`bars`] draws stacked bars in groups, in panels;
- [`heat`] draws a table of correlations as coloured cells;
- [`rows`] draws one row a function or group.

[`figures`] has one file a figure: from scores, fits and contrasts to one of the forms; [`campaign`] says what they found, a row
a model; [`html`] puts all of them on one page.
Below them:

- [`page`] has size, title, note and the grid of panels;
- [`axis`] has the horizontal axes (logarithmic, with a place for 0 shots, or linear) and the vertical one;
- [`legend`] places labels at the ends of the lines, or a legend in columns;
- [`mark`] draws markers, bars and line samples;
- [`style`] holds colours, sizes, line widths;
- [`font`] holds the one typeface, measures and outlines text;
- [`canvas`] has rectangles and the SVG writer;
- [`png`] rasterises.

Why not plotters: its SVG backend takes whole pixels, names system fonts in `<text>` and has no say over
marker shapes, label collisions or broken axes; what is left of it for these figures is less than what is here.
*/

pub mod axis;
pub mod bars;
pub mod campaign;
pub mod canvas;
pub mod chart;
pub mod figures;
pub mod font;
pub mod heat;
pub mod html;
pub mod legend;
pub mod mark;
pub mod page;
pub mod png;
pub mod rows;
pub mod style;

pub use bars::Bars;
pub use campaign::campaign;
pub use chart::Chart;
pub use heat::Heat;
pub use png::svg_to_png;
pub use rows::Rows;

use crate::error::Result;

macro_rules! form {
    ($name:ident) => {
        impl From<$name> for Drawing {
            fn from(form: $name) -> Self {
                Self::$name(form)
            }
        }
    };
}

form!(Chart);
form!(Bars);
form!(Heat);
form!(Rows);

/// A figure of any form.
#[derive(Clone, Debug, PartialEq)]
pub enum Drawing {
    /// Points and lines.
    Chart(Chart),
    /// Stacked bars.
    Bars(Bars),
    /// A table of correlations.
    Heat(Heat),
    /// One row a function.
    Rows(Rows),
}

impl Drawing {
    /// The figure as SVG; equal figures give equal bytes.
    ///
    /// # Errors
    /// [`crate::error::Error::Data`] if there is nothing to draw or a number is impossible,
    /// [`crate::error::Error::Usage`] if the page is too small for what should stand on it, or larger than a poster.
    pub fn to_svg(&self) -> Result<String> {
        match self {
            Self::Chart(chart) => chart.to_svg(),
            Self::Bars(bars) => bars.to_svg(),
            Self::Heat(heat) => heat.to_svg(),
            Self::Rows(rows) => rows.to_svg(),
        }
    }

    /// Size, title and note.
    pub fn page_mut(&mut self) -> &mut page::Page {
        match self {
            Self::Chart(chart) => &mut chart.page,
            Self::Bars(bars) => &mut bars.page,
            Self::Heat(heat) => &mut heat.page,
            Self::Rows(rows) => &mut rows.page,
        }
    }

    /// Lets its axes of shares reach at least this far.
    pub fn set_y_max(&mut self, y_max: Option<f64>) {
        match self {
            Self::Chart(chart) => chart.y_max = y_max,
            Self::Bars(bars) => bars.y_max = y_max,
            Self::Heat(_) | Self::Rows(_) => {}
        }
    }

    /// The characters of its texts that the typeface lacks and shows as boxes.
    #[must_use]
    pub fn missing_characters(&self) -> Vec<char> {
        let (page, texts) = match self {
            Self::Chart(chart) => (&chart.page, chart.texts()),
            Self::Bars(bars) => (&bars.page, bars.texts()),
            Self::Heat(heat) => (&heat.page, heat.texts()),
            Self::Rows(rows) => (&rows.page, rows.texts()),
        };
        let own = [&page.title, &page.note];
        let own = own.into_iter().filter_map(|text| text.as_deref());
        let all: String = texts.into_iter().chain(own).collect();
        font::missing(&all)
    }
}
