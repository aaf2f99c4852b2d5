/*!
The look that all figures share: colours, type sizes and line widths, in points.

Sizes follow the printed page: journals ask for 5 to 7 pt type and 0.25 to 1 pt lines at final size
(Nature's guide for figures), so nothing here scales with the figure.
*/

/// Text and axis lines.
pub const INK: &str = "#1a1a1a";
/// Secondary text: notes, the labels of baselines.
pub const MUTED: &str = "#5c5c5c";
/// Grid lines.
pub const GRID: &str = "#e9e9e9";
/// The interval of a baseline, as a band under everything else.
pub const BAND: &str = "#f1f1f1";
/// Lines that join the markers of a row, and bars of chance.
pub const ROW_LINE: &str = "#c9c9c9";
/// The page.
pub const PAPER: &str = "#ffffff";

/// Axis titles.
pub const LABEL_PT: f64 = 7.0;
/// Tick labels, series labels.
pub const SMALL_PT: f64 = 6.5;
/// Notes.
pub const NOTE_PT: f64 = 5.5;
/// The figure's title.
pub const TITLE_PT: f64 = 8.0;
/// Distance of two baselines of text, in type sizes.
pub const LEADING: f64 = 1.3;

/// Axis lines and ticks.
pub const AXIS_LINE: f64 = 0.6;
/// Grid lines.
pub const GRID_LINE: f64 = 0.5;
/// Lines of models.
pub const MODEL_LINE: f64 = 0.9;
/// Lines of baselines.
pub const BASELINE_LINE: f64 = 0.8;
/// Error bars.
pub const ERROR_LINE: f64 = 0.7;
/// Lines of published models, and their dashes.
pub const PUBLISHED_LINE: f64 = 0.6;
/// Lengths of dash and gap.
pub const PUBLISHED_DASHES: &str = "2.2 1.2";
/// Length of a tick.
pub const TICK: f64 = 2.5;
/// White space around the figure.
pub const MARGIN: f64 = 3.0;

/// Okabe and Ito's colours (Color Universal Design, 2008) without yellow, which has no contrast on paper
/// (1.3:1), and with black last, as it would outweigh the others.
pub const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
];

/// Each colour with 40 % white: error bars stay behind the points without transparency, which EPS lacks.
const TINTS: [&str; 7] = [
    "#66aad1", "#e69e66", "#66c5ab", "#e0afca", "#f0c566", "#9ad2f2", "#666666",
];

/// The shape of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A disc.
    Circle,
    /// A square on its side.
    Square,
    /// A triangle pointing up.
    Triangle,
    /// A square on its tip.
    Diamond,
    /// A triangle pointing down.
    TriangleDown,
    /// An upright cross.
    Plus,
    /// A diagonal cross.
    Cross,
}

const SHAPES: [Shape; 7] = [
    Shape::Circle,
    Shape::Square,
    Shape::Triangle,
    Shape::Diamond,
    Shape::TriangleDown,
    Shape::Plus,
    Shape::Cross,
];

/// How a model's points look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Of marker and line.
    pub colour: &'static str,
    /// Of error bars.
    pub tint: &'static str,
    /// Of the marker.
    pub shape: Shape,
    /// Drawn as an outline.
    pub hollow: bool,
}

/// The marker of the `index`-th model. The first 98 differ; those that share a colour differ in shape or
/// filling, and those that share a shape within the first 14 differ in filling, so that grey print still tells them
/// apart.
#[must_use]
pub fn marker(index: usize) -> Marker {
    let colours = COLOURS.len();
    let round = index / colours;
    Marker {
        colour: COLOURS[index % colours],
        tint: TINTS[index % colours],
        shape: SHAPES[(index + round / 2) % SHAPES.len()],
        hollow: round % 2 == 1,
    }
}

/// How a baseline's line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dash {
    /// A grey.
    pub colour: &'static str,
    /// Lengths of dashes and gaps, in points.
    pub pattern: &'static str,
}

const DASHES: [Dash; 5] = [
    Dash {
        colour: "#6b6b6b",
        pattern: "4 2",
    },
    Dash {
        colour: "#8a8a8a",
        pattern: "1.2 1.6",
    },
    Dash {
        colour: "#6b6b6b",
        pattern: "6 1.6 1.2 1.6",
    },
    Dash {
        colour: "#8a8a8a",
        pattern: "2.4 1.4",
    },
    Dash {
        colour: "#6b6b6b",
        pattern: "6 1.6 1.2 1.6 1.2 1.6",
    },
];

/// The line of the `index`-th baseline; five differ.
#[must_use]
pub fn dash(index: usize) -> Dash {
    DASHES[index % DASHES.len()]
}

/// How a kind of bar looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Its colour.
    pub colour: &'static str,
    /// Whether white lines cross it.
    pub hatched: bool,
}

/// The fill of the `index`-th kind of bar; 14 differ, and neighbours differ in hatching, so that grey print still tells
/// them apart.
#[must_use]
pub fn fill(index: usize) -> Fill {
    let colours = COLOURS.len();
    Fill {
        colour: COLOURS[index % colours],
        hatched: index % 2 == 1,
    }
}

/// What stands for these colours on a dark page, where the report shows figures.
pub const IN_THE_DARK: [(&str, &str); 22] = [
    (INK, "#e8e6e3"),
    (MUTED, "#a8a8a8"),
    (GRID, "#33363b"),
    (BAND, "#24272c"),
    (PAPER, "#16181c"),
    (ROW_LINE, "#55595f"),
    ("#6b6b6b", "#a0a0a0"),
    ("#8a8a8a", "#8f8f8f"),
    (COLOURS[0], "#4ea5d9"),
    (COLOURS[1], "#f0803c"),
    (COLOURS[2], "#2cc295"),
    (COLOURS[3], "#dc93b9"),
    (COLOURS[4], "#f0b030"),
    (COLOURS[5], "#7cc8f0"),
    (COLOURS[6], "#ffffff"),
    (TINTS[0], "#2f6487"),
    (TINTS[1], "#96531f"),
    (TINTS[2], "#1f7a5e"),
    (TINTS[3], "#85597a"),
    (TINTS[4], "#8f6c20"),
    (TINTS[5], "#4c7d98"),
    (TINTS[6], "#999999"),
];

/// What chance would give: a light bar beside the others.
pub const CHANCE: Fill = Fill {
    colour: ROW_LINE,
    hatched: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_98_markers_differ() {
        let markers: Vec<Marker> = (0..98).map(marker).collect();
        for (i, a) in markers.iter().enumerate() {
            assert!(!markers[..i].contains(a), "marker {i} repeats");
        }
    }

    #[test]
    fn the_first_14_markers_differ_without_colour() {
        let grey: Vec<(Shape, bool)> = (0..14).map(marker).map(|m| (m.shape, m.hollow)).collect();
        for (i, a) in grey.iter().enumerate() {
            assert!(!grey[..i].contains(a), "marker {i} repeats in grey");
        }
    }

    #[test]
    fn tints_are_their_colours_with_two_fifths_of_white() {
        let channels =
            |hex: &str| [1, 3, 5].map(|i| u32::from_str_radix(&hex[i..i + 2], 16).unwrap());
        for (colour, tint) in COLOURS.iter().zip(TINTS) {
            let mixed = channels(colour).map(|c| (6 * c + 4 * 255 + 5) / 10);
            assert_eq!(channels(tint), mixed, "{colour}");
        }
    }

    #[test]
    fn fourteen_kinds_of_bar_differ_and_neighbours_in_hatching() {
        let fills: Vec<Fill> = (0..14).map(fill).collect();
        for (i, a) in fills.iter().enumerate() {
            assert!(!fills[..i].contains(a), "fill {i} repeats");
        }
        assert!(
            fills
                .windows(2)
                .all(|pair| pair[0].hatched != pair[1].hatched)
        );
    }

    #[test]
    fn five_baselines_differ_in_their_dashes() {
        for i in 0..5 {
            for j in 0..i {
                assert_ne!(dash(i).pattern, dash(j).pattern);
            }
        }
    }
}
