/*!
Markers, and the samples of marker and line that stand beside a label.
*/

use super::canvas::{Canvas, Rect, Stroke, number, outline};
use super::style::{self, Dash, Fill, Marker, Shape};

/// How a series looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Look {
    /// A model: coloured markers, and a line if it has one.
    Model {
        /// Its marker.
        marker: Marker,
        /// Whether a line goes with the markers.
        line: bool,
    },
    /// A published model: outlined markers and a thin dashed line.
    Published(Marker),
    /// A baseline: a grey dashed line.
    Baseline(Dash),
    /// A kind of bar.
    Bar(Fill),
}

impl Look {
    /// The line of a series.
    #[must_use]
    pub fn stroke(self) -> Stroke {
        match self {
            Self::Model { marker, .. } => Stroke::solid(marker.colour, style::MODEL_LINE),
            Self::Published(marker) => Stroke {
                colour: marker.colour,
                width: style::PUBLISHED_LINE,
                dashes: style::PUBLISHED_DASHES,
            },
            Self::Baseline(dash) => Stroke {
                colour: dash.colour,
                width: style::BASELINE_LINE,
                dashes: dash.pattern,
            },
            Self::Bar(fill) => Stroke::solid(fill.colour, style::MODEL_LINE),
        }
    }

    /// The colour of its error bars and leaders.
    #[must_use]
    pub fn tint(self) -> &'static str {
        match self {
            Self::Model { marker, .. } | Self::Published(marker) => marker.tint,
            Self::Baseline(dash) => dash.colour,
            Self::Bar(fill) => fill.colour,
        }
    }

    /// The radius of its marker where a model's is `r`; 0 where it has none.
    #[must_use]
    pub fn reach(self, r: f64) -> f64 {
        match self {
            Self::Model { .. } => r,
            Self::Published(_) => r * PUBLISHED_SCALE,
            Self::Baseline(_) | Self::Bar(_) => 0.0,
        }
    }
}

/// Width of a sample of marker and line.
pub const SAMPLE: f64 = 14.0;
/// Width of a sample that stands at the end of its line and need not show it again.
pub const SHORT_SAMPLE: f64 = 8.8;
/// Radius of a baseline's dots.
pub const DOT: f64 = 0.9;
/// Radius of a published model's markers over that of a model's.
pub const PUBLISHED_SCALE: f64 = 0.8;
/// Distance of the lines of a hatched bar.
const HATCH: f64 = 2.4;

/// Draws a marker whose area is that of a disc of radius `r`, whatever its shape.
pub fn draw(canvas: &mut Canvas, marker: Marker, x: f64, y: f64, r: f64) {
    let d = path(marker.shape, x, y, r);
    if marker.hollow {
        canvas.path(
            &d,
            &[
                ("class", "marker"),
                ("fill", style::PAPER),
                ("stroke", marker.colour),
                ("stroke-width", "0.8"),
                ("stroke-linejoin", "round"),
            ],
        );
    } else {
        // A hair of paper around the marker keeps overlapping ones apart.
        canvas.path(
            &d,
            &[
                ("class", "marker"),
                ("fill", marker.colour),
                ("stroke", style::PAPER),
                ("stroke-width", "0.35"),
                ("stroke-linejoin", "round"),
            ],
        );
    }
}

/// Draws the point of a series, whose marker has radius `r` if it is a model's; a kind of bar has none.
pub fn draw_point(canvas: &mut Canvas, look: Look, x: f64, y: f64, r: f64) {
    match look {
        Look::Model { marker, .. } => draw(canvas, marker, x, y, r),
        Look::Published(marker) => {
            let outlined = Marker {
                hollow: true,
                ..marker
            };
            draw(canvas, outlined, x, y, look.reach(r));
        }
        Look::Baseline(dash) => canvas.path(
            &disc(x, y, DOT),
            &[("class", "marker"), ("fill", dash.colour)],
        ),
        Look::Bar(_) => {}
    }
}

/// Draws the sample of a series from `x` to `x + width`, centred on `y`; a short one of a model without its line.
pub fn draw_sample(canvas: &mut Canvas, look: Look, x: f64, y: f64, width: f64, r: f64) {
    let has_line = match look {
        Look::Model { line, .. } => line && width >= SAMPLE,
        Look::Published(_) => width >= SAMPLE,
        Look::Baseline(_) => true,
        Look::Bar(_) => false,
    };
    if has_line {
        canvas.polyline(&[(x, y), (x + width, y)], look.stroke());
    }
    match look {
        Look::Model { .. } | Look::Published(_) => {
            draw_point(canvas, look, x + width / 2.0, y, r);
        }
        Look::Baseline(_) => {}
        Look::Bar(fill) => {
            let half = style::SMALL_PT * 0.36;
            let swatch = Rect {
                left: x + width - SHORT_SAMPLE,
                top: y - half,
                right: x + width,
                bottom: y + half,
            };
            draw_bar(canvas, fill, &swatch);
        }
    }
}

/// Draws a bar: filled, and hatched if its kind is.
pub fn draw_bar(canvas: &mut Canvas, fill: Fill, bar: &Rect) {
    let corners = [
        (bar.left, bar.top),
        (bar.right, bar.top),
        (bar.right, bar.bottom),
        (bar.left, bar.bottom),
    ];
    let outlined = outline(&corners) + "Z";
    canvas.path(
        &outlined,
        &[
            ("class", "block"),
            ("fill", fill.colour),
            ("stroke", style::PAPER),
            ("stroke-width", "0.35"),
        ],
    );
    if !fill.hatched {
        return;
    }
    // Lines that rise to the right, on the same lattice in every bar: x + y is a multiple of their distance.
    let mut d = String::new();
    let mut sum = ((bar.left + bar.top) / HATCH).ceil() * HATCH;
    while sum < bar.right + bar.bottom {
        let right = (sum - bar.top).min(bar.right);
        let left = (sum - bar.bottom).max(bar.left);
        if right > left {
            d += &outline(&[(left, sum - left), (right, sum - right)]);
        }
        sum += HATCH;
    }
    if !d.is_empty() {
        canvas.path(&d, &[("stroke", style::PAPER), ("stroke-width", "0.55")]);
    }
}

fn disc(x: f64, y: f64, r: f64) -> String {
    let (x0, x1, y, r) = (number(x - r), number(x + r), number(y), number(r));
    format!("M{x0} {y}A{r} {r} 0 1 1 {x1} {y}A{r} {r} 0 1 1 {x0} {y}Z")
}

fn path(shape: Shape, x: f64, y: f64, r: f64) -> String {
    // Each polygon is given around the origin for a disc of radius 1 and area pi.
    let corners: &[(f64, f64)] = match shape {
        Shape::Circle => return disc(x, y, r),
        Shape::Square => &[
            (-0.886, -0.886),
            (0.886, -0.886),
            (0.886, 0.886),
            (-0.886, 0.886),
        ],
        Shape::Diamond => &[(0.0, -1.253), (1.253, 0.0), (0.0, 1.253), (-1.253, 0.0)],
        Shape::Triangle => &[(0.0, -1.555), (1.347, 0.778), (-1.347, 0.778)],
        Shape::TriangleDown => &[(0.0, 1.555), (1.347, -0.778), (-1.347, -0.778)],
        Shape::Plus | Shape::Cross => &PLUS,
    };
    let turn = if shape == Shape::Cross {
        std::f64::consts::FRAC_1_SQRT_2
    } else {
        0.0
    };
    let points: Vec<(f64, f64)> = corners
        .iter()
        .map(|&(dx, dy)| {
            if turn > 0.0 {
                ((dx - dy) * turn, (dx + dy) * turn)
            } else {
                (dx, dy)
            }
        })
        .map(|(dx, dy)| (x + dx * r, y + dy * r))
        .collect();
    outline(&points) + "Z"
}

/// An upright cross: reach `L`, half width `W`, area 8 L W - 4 W^2 = pi.
const PLUS: [(f64, f64); 12] = {
    const L: f64 = 1.145;
    const W: f64 = 0.42;
    [
        (-W, -L),
        (W, -L),
        (W, -W),
        (L, -W),
        (L, W),
        (W, W),
        (W, L),
        (-W, L),
        (-W, W),
        (-L, W),
        (-L, -W),
        (-W, -W),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hatching_stays_within_its_bar() {
        let bar = Rect {
            left: 10.0,
            top: 5.0,
            right: 17.0,
            bottom: 42.0,
        };
        let mut canvas = Canvas::new(30.0, 30.0, "", "");
        draw_bar(&mut canvas, style::fill(1), &bar);
        let svg = canvas.finish();
        let document = resvg::usvg::roxmltree::Document::parse(&svg).unwrap();
        let lines = document
            .descendants()
            .filter_map(|n| n.attribute("d"))
            .next_back();
        let numbers: Vec<f64> = lines
            .unwrap()
            .split(['M', 'L', ' '])
            .filter_map(|n| n.parse().ok())
            .collect();
        assert!(numbers.len() > 20);
        for point in numbers.chunks(2) {
            assert!(point[0] >= 9.99 && point[0] <= 17.01, "{point:?}");
            assert!(point[1] >= 4.99 && point[1] <= 42.01, "{point:?}");
        }
    }
    use resvg::usvg::{Options, Tree};

    #[test]
    fn every_shape_has_the_same_area_of_ink_and_is_centred() {
        // Counted in pixels of a picture, so that the paths themselves are what is measured.
        let mut areas = Vec::new();
        for shape in [
            Shape::Circle,
            Shape::Square,
            Shape::Triangle,
            Shape::Diamond,
            Shape::TriangleDown,
            Shape::Plus,
            Shape::Cross,
        ] {
            let svg = format!(
                "<svg xmlns='http://www.w3.org/2000/svg' width='200' height='200'><path d='{}'/></svg>",
                path(shape, 100.0, 100.0, 50.0)
            );
            let tree = Tree::from_str(&svg, &Options::default()).unwrap();
            let mut pixmap = resvg::tiny_skia::Pixmap::new(200, 200).unwrap();
            resvg::render(
                &tree,
                resvg::tiny_skia::Transform::identity(),
                &mut pixmap.as_mut(),
            );
            let (mut area, mut moment_x, mut moment_y) = (0.0, 0.0, 0.0);
            for (i, pixel) in pixmap.pixels().iter().enumerate() {
                let ink = f64::from(pixel.alpha()) / 255.0;
                area += ink;
                moment_x += ink * (f64::from(u32::try_from(i % 200).unwrap()) + 0.5);
                moment_y += ink * (f64::from(u32::try_from(i / 200).unwrap()) + 0.5);
            }
            assert!((moment_x / area - 100.0).abs() < 0.5, "{shape:?}");
            assert!((moment_y / area - 100.0).abs() < 0.5, "{shape:?}");
            areas.push(area);
        }
        let disc = std::f64::consts::PI * 2500.0;
        for area in areas {
            assert!((area / disc - 1.0).abs() < 0.03, "{area} {disc}");
        }
    }
}
