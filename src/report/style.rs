/*!
The look that all figures share: colours, type sizes and line widths, in points.

Sizes follow the printed page: journals ask for 5 to 7 pt type and 0.25 to 1 pt lines at final size
(Nature's guide for figures), so nothing here scales with the figure.
*/

use super::canvas::Stroke;
use super::font::TextStyle;

/// Text and axis lines.
pub const INK: &str = "#1a1a1a";
/// Secondary text: notes, the labels of baselines.
pub const MUTED: &str = "#5c5c5c";
const GRID: &str = "#e9e9e9";
/// The interval of a baseline, as a band under everything else.
pub const BAND: &str = "#f1f1f1";
/// Lines that join the markers of a row, and bars of chance.
pub const FAINT: &str = "#c9c9c9";
/// The page.
pub const PAPER: &str = "#ffffff";
const GREY: &str = "#6b6b6b";
const LIGHT_GREY: &str = "#8a8a8a";

/// The figure's title.
pub const TITLE: TextStyle = TextStyle::regular(8.0).semi_bold();
/// Axis titles.
pub const LABEL: TextStyle = TextStyle::regular(7.0);
/// Tick labels, series labels.
pub const SMALL: TextStyle = TextStyle::regular(6.5);
/// Notes, and what stands in the plot.
pub const NOTE: TextStyle = TextStyle::regular(5.5).coloured(MUTED);
/// Distance of two baselines of text, in type sizes.
pub const LEADING: f64 = 1.3;

/// Axis lines and ticks.
pub const AXIS: Stroke = Stroke::solid(INK, 0.6);
/// Grid lines, and that of 0 where there are values on both sides of it.
pub const GRID_LINE: Stroke = Stroke::solid(GRID, 0.5);
pub const ZERO_LINE: Stroke = Stroke::solid(MUTED, 0.6);
/// The width of error bars.
pub const ERROR_LINE: f64 = 0.7;
/// Length of a tick.
pub const TICK: f64 = 2.5;
/// White space around the figure.
pub const MARGIN: f64 = 3.0;

/// A colour, the same with 40 % white for error bars, which so stay behind the points without transparency (EPS lacks
/// it), and what stands for both on a dark page.
pub type Hue = [&'static str; 4];

/// Okabe and Ito's colours (Color Universal Design, 2008) without yellow, which has no contrast on paper
/// (1.3:1), and with black last, as it would outweigh the others.
pub const HUES: [Hue; 7] = [
    ["#0072b2", "#66aad1", "#4ea5d9", "#2f6487"],
    ["#d55e00", "#e69e66", "#f0803c", "#96531f"],
    ["#009e73", "#66c5ab", "#2cc295", "#1f7a5e"],
    ["#cc79a7", "#e0afca", "#dc93b9", "#85597a"],
    ["#e69f00", "#f0c566", "#f0b030", "#8f6c20"],
    ["#56b4e9", "#9ad2f2", "#7cc8f0", "#4c7d98"],
    ["#000000", "#666666", "#ffffff", "#999999"],
];

/// Grey and dashes of the lines of baselines.
pub const DASHES: [(&str, &str); 5] = [
    (GREY, "4 2"),
    (LIGHT_GREY, "1.2 1.6"),
    (GREY, "6 1.6 1.2 1.6"),
    (LIGHT_GREY, "2.4 1.4"),
    (GREY, "6 1.6 1.2 1.6 1.2 1.6"),
];

/// Every colour with what stands for it on a dark page, where the report shows figures.
pub fn in_the_dark() -> impl Iterator<Item = (&'static str, &'static str)> {
    let greys = [
        (INK, "#e8e6e3"),
        (MUTED, "#a8a8a8"),
        (GRID, "#33363b"),
        (BAND, "#24272c"),
        (PAPER, "#16181c"),
        (FAINT, "#55595f"),
        (GREY, "#a0a0a0"),
        (LIGHT_GREY, "#8f8f8f"),
    ];
    let hues = HUES.into_iter();
    let hues = hues.flat_map(|[colour, tint, dark, dark_tint]| [(colour, dark), (tint, dark_tint)]);
    greys.into_iter().chain(hues)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tints_are_their_colours_with_two_fifths_of_white() {
        let channels =
            |hex: &str| [1, 3, 5].map(|i| u32::from_str_radix(&hex[i..i + 2], 16).unwrap());
        for [colour, tint, ..] in HUES {
            let mixed = channels(colour).map(|c| (6 * c + 4 * 255 + 5) / 10);
            assert_eq!(channels(tint), mixed, "{colour}");
        }
    }
}
