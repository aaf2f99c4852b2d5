/*!
The look that all figures share: colours, type sizes and line widths, in points.

Sizes are those on paper. Journals ask for 5 to 7 pt type and 0.25 to 1 pt lines at final size (Nature's guide for
figures), so no size scales with the figure.
*/

use super::{Stroke, TextStyle};

/// The colour of text and axis lines.
pub const INK: &str = "#1a1a1a";
/// The colour of secondary text: notes, labels of baselines.
pub const MUTED: &str = "#5c5c5c";
const GRID: &str = "#e9e9e9";
/// The colour of the band that shows a baseline's interval.
pub const BAND: &str = "#f1f1f1";
/// The colour of lines that join the markers of a row, and of bars of chance.
pub const FAINT: &str = "#c9c9c9";
/// The colour of the page.
pub const PAPER: &str = "#ffffff";

/// The figure's title.
pub const TITLE: TextStyle = TextStyle::regular(8.0).semi_bold();
/// Axis titles.
pub const LABEL: TextStyle = TextStyle::regular(7.0);
/// Tick labels, series labels.
pub const SMALL: TextStyle = TextStyle::regular(6.5);
/// Notes, and text within the plot.
pub const NOTE: TextStyle = TextStyle::regular(5.5).coloured(MUTED);
/// Distance between two lines of text, in type sizes.
pub const LEADING: f64 = 1.3;

/// Axis lines and ticks.
pub const AXIS: Stroke = Stroke::solid(INK, 0.6);
/// Grid lines. [`ZERO_LINE`] is the one at 0, if the axis goes on below it.
pub const GRID_LINE: Stroke = Stroke::solid(GRID, 0.5);
pub const ZERO_LINE: Stroke = Stroke::solid(MUTED, 0.6);
/// The width of error bars.
pub const ERROR_LINE: f64 = 0.7;
/// Length of a tick.
pub const TICK: f64 = 2.5;
/// Width of the white margin around the figure.
pub const MARGIN: f64 = 3.0;

/// The colour of a series, and its class for the style sheet of the report. `tint` is the colour with 40 % white, for
/// error bars: so they look fainter than the points without transparency, which EPS lacks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hue {
    pub class: &'static str,
    pub colour: &'static str,
    pub tint: &'static str,
}

const fn hue(class: &'static str, colour: &'static str, tint: &'static str) -> Hue {
    Hue {
        class,
        colour,
        tint,
    }
}

/// The colours of Okabe and Ito (Color Universal Design, 2008). Yellow is left out: its contrast on paper is too low
/// (1.3:1). Black is last because it looks stronger than the others.
pub const HUES: [Hue; 7] = [
    hue("blue", "#0072b2", "#66aad1"),
    hue("vermilion", "#d55e00", "#e69e66"),
    hue("green", "#009e73", "#66c5ab"),
    hue("purple", "#cc79a7", "#e0afca"),
    hue("orange", "#e69f00", "#f0c566"),
    hue("sky", "#56b4e9", "#9ad2f2"),
    hue("black", "#000000", "#666666"),
];
/// The colour of bars of chance.
pub const FAINT_HUE: Hue = hue("faint", FAINT, FAINT);
const GREY: Hue = hue("grey", "#6b6b6b", "#6b6b6b");
const LIGHT_GREY: Hue = hue("light-grey", "#8a8a8a", "#8a8a8a");

/// Greys and dashes of the lines of baselines.
pub const DASHES: [(Hue, &str); 5] = [
    (GREY, "4 2"),
    (LIGHT_GREY, "1.2 1.6"),
    (GREY, "6 1.6 1.2 1.6"),
    (LIGHT_GREY, "2.4 1.4"),
    (GREY, "6 1.6 1.2 1.6 1.2 1.6"),
];
