/*!
How series look, and the drawing of markers, bars, and the samples of marker and line that stand beside a label.
*/

use super::canvas::{Canvas, Rect, Stroke, number, outline, polygon};
use super::style::{DASHES, FAINT, HUES, INK, MUTED, PAPER, SMALL};

/// The shape of a marker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    TriangleDown,
    Plus,
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

fn marker(index: usize, hollow: bool, scale: f64) -> Symbol {
    let shape = SHAPES[(index + index / HUES.len() / 2) % SHAPES.len()];
    Symbol::Marker {
        shape,
        hollow,
        scale,
    }
}

/// What stands for one value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Symbol {
    /// A marker, filled or an outline; its radius is `scale` times the usual.
    Marker {
        shape: Shape,
        hollow: bool,
        scale: f64,
    },
    Dot,
    /// A bar, with white lines across it or without.
    Bar {
        hatched: bool,
    },
}

/// How a series looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    pub symbol: Symbol,
    pub colour: &'static str,
    /// Of error bars and leaders.
    pub tint: &'static str,
    /// Of its label.
    pub ink: &'static str,
    pub line: Option<Stroke>,
}

impl Look {
    /// The `index`-th model: coloured markers and a line. The first 98 differ; those that share a colour differ in shape
    /// or filling, and those that share a shape within the first 14 differ in filling, so that grey print still tells
    /// them apart.
    pub fn model(index: usize) -> Self {
        let [colour, tint, ..] = HUES[index % HUES.len()];
        Self {
            symbol: marker(index, index / HUES.len() % 2 == 1, 1.0),
            colour,
            tint,
            ink: INK,
            line: Some(Stroke::solid(colour, 0.9)),
        }
    }

    /// The `index`-th coloured series, published: outlined smaller markers and a thin dashed line.
    pub fn published(index: usize) -> Self {
        let model = Self::model(index);
        Self {
            symbol: marker(index, true, 0.8),
            ink: MUTED,
            line: Some(Stroke::dashed(model.colour, 0.6, "2.2 1.2")),
            ..model
        }
    }

    /// The `index`-th baseline: a grey dashed line; five differ.
    pub fn baseline(index: usize) -> Self {
        let (colour, dashes) = DASHES[index % DASHES.len()];
        Self {
            symbol: Symbol::Dot,
            colour,
            tint: colour,
            ink: MUTED,
            line: Some(Stroke::dashed(colour, 0.8, dashes)),
        }
    }

    /// The `index`-th kind of bar; 14 differ, and neighbours differ in hatching, so that grey print still tells them
    /// apart.
    pub fn bar(index: usize) -> Self {
        let hatched = index % 2 == 1;
        Self {
            symbol: Symbol::Bar { hatched },
            line: None,
            ..Self::model(index)
        }
    }

    /// What chance would give: a light bar beside the others.
    pub fn chance() -> Self {
        Self {
            colour: FAINT,
            ..Self::bar(0)
        }
    }

    pub fn without_line(self) -> Self {
        Self { line: None, ..self }
    }

    /// The radius of its marker where the usual one is `r`; 0 where it has none.
    pub fn reach(self, r: f64) -> f64 {
        match self.symbol {
            Symbol::Marker { scale, .. } => r * scale,
            Symbol::Dot | Symbol::Bar { .. } => 0.0,
        }
    }
}

/// Width of a sample of marker and line.
pub const SAMPLE: f64 = 14.0;
/// Width of a sample that stands at the end of its line and need not show it again.
pub const SHORT_SAMPLE: f64 = 8.8;
/// Radius of a baseline's dots.
const DOT: f64 = 0.9;
/// Distance of the lines of a hatched bar.
const HATCH: f64 = 2.4;

/// Draws the point of a series, where the usual marker has the area of a disc of radius `r`; a kind of bar has none.
pub fn draw_point(canvas: &mut Canvas, look: Look, x: f64, y: f64, r: f64) {
    let (d, fill, stroke, width) = match look.symbol {
        Symbol::Marker { shape, hollow, .. } => {
            let d = path(shape, x, y, look.reach(r));
            // A hair of paper around a filled marker keeps overlapping ones apart.
            if hollow {
                (d, PAPER, look.colour, "0.8")
            } else {
                (d, look.colour, PAPER, "0.35")
            }
        }
        Symbol::Dot => {
            let attributes = [("class", "marker"), ("fill", look.colour)];
            return canvas.path(&disc(x, y, DOT), &attributes);
        }
        Symbol::Bar { .. } => return,
    };
    let attributes = [
        ("class", "marker"),
        ("fill", fill),
        ("stroke", stroke),
        ("stroke-width", width),
        ("stroke-linejoin", "round"),
    ];
    canvas.path(&d, &attributes);
}

/// Draws the sample of a series from `x` to `x + width`, centred on `y`; a short one without its line, unless that is all
/// there is.
pub fn draw_sample(canvas: &mut Canvas, look: Look, x: f64, y: f64, width: f64, r: f64) {
    let is_line = look.symbol == Symbol::Dot;
    if let Some(stroke) = look.line.filter(|_| is_line || width >= SAMPLE) {
        canvas.line(&[(x, y), (x + width, y)], stroke, &[]);
    }
    if let Symbol::Bar { .. } = look.symbol {
        let right = x + width;
        let half = SMALL.size * 0.36;
        draw_bar(
            canvas,
            look,
            &Rect::new(right - SHORT_SAMPLE, y - half, right, y + half),
        );
    } else if !is_line {
        draw_point(canvas, look, x + width / 2.0, y, r);
    }
}

/// Draws a bar: filled, and hatched if its kind is.
pub fn draw_bar(canvas: &mut Canvas, look: Look, bar: &Rect) {
    let attributes = [
        ("class", "block"),
        ("fill", look.colour),
        ("stroke", PAPER),
        ("stroke-width", "0.35"),
    ];
    canvas.path(&bar.path(), &attributes);
    if look.symbol != (Symbol::Bar { hatched: true }) {
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
        canvas.path(&d, &[("stroke", PAPER), ("stroke-width", "0.55")]);
    }
}

fn disc(x: f64, y: f64, r: f64) -> String {
    let (x0, x1, y, r) = (number(x - r), number(x + r), number(y), number(r));
    format!("M{x0} {y}A{r} {r} 0 1 1 {x1} {y}A{r} {r} 0 1 1 {x0} {y}Z")
}

/// A polygon whose area is that of a disc of radius `r`, whatever its shape.
fn path(shape: Shape, x: f64, y: f64, r: f64) -> String {
    /// An upright cross: reach `L`, half width `W`, area 8 L W - 4 W^2 = pi.
    const L: f64 = 1.145;
    const W: f64 = 0.42;
    const S: f64 = 0.886;
    const D: f64 = 1.253;
    const A: f64 = 1.347;
    // A corner or several of each, given around the origin, and how often they are repeated around it.
    let (corners, times): (&[(f64, f64)], u32) = match shape {
        Shape::Circle => return disc(x, y, r),
        Shape::Square => (&[(-S, -S)], 4),
        Shape::Diamond => (&[(0.0, -D)], 4),
        Shape::Triangle => (&[(0.0, -1.555), (A, 0.778), (-A, 0.778)], 1),
        Shape::TriangleDown => (&[(0.0, 1.555), (A, -0.778), (-A, -0.778)], 1),
        Shape::Plus | Shape::Cross => (&[(-W, -L), (W, -L), (W, -W)], 4),
    };
    let tilt = if shape == Shape::Cross { 0.125 } else { 0.0 };
    let turned = (0..times).flat_map(|i| {
        let turn = (f64::from(i) / f64::from(times) + tilt) * std::f64::consts::TAU;
        let (sin, cos) = turn.sin_cos();
        let turned = move |&(dx, dy): &(f64, f64)| (dx * cos - dy * sin, dx * sin + dy * cos);
        corners.iter().map(turned)
    });
    let points: Vec<_> = turned.map(|(dx, dy)| (x + dx * r, y + dy * r)).collect();
    polygon(&points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use resvg::usvg::{Options, Tree, roxmltree};

    fn assert_all_differ<T: PartialEq>(looks: impl Iterator<Item = T>) {
        let looks: Vec<T> = looks.collect();
        for (i, look) in looks.iter().enumerate() {
            assert!(!looks[..i].contains(look), "{i} repeats");
        }
    }

    #[test]
    fn models_bars_and_baselines_differ_in_colour_and_in_grey() {
        assert_all_differ((0..98).map(Look::model));
        assert_all_differ((0..14).map(|i| Look::model(i).symbol));
        assert_all_differ((0..14).map(Look::bar));
        assert!((0..13).all(|i| Look::bar(i).symbol != Look::bar(i + 1).symbol));
        assert_all_differ((0..5).map(|i| Look::baseline(i).line.unwrap().dashes));
    }

    #[test]
    fn hatching_stays_within_its_bar() {
        let bar = Rect::new(10.0, 5.0, 17.0, 42.0);
        let mut canvas = Canvas::new(30.0, 30.0, "", "");
        draw_bar(&mut canvas, Look::bar(1), &bar);
        let svg = canvas.finish();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let mut paths = document.descendants().filter_map(|n| n.attribute("d"));
        let numbers = paths.next_back().unwrap().split(['M', 'L', ' ']);
        let numbers: Vec<f64> = numbers.filter_map(|n| n.parse().ok()).collect();
        assert!(numbers.len() > 20);
        for point in numbers.chunks(2) {
            assert!(point[0] >= 9.99 && point[0] <= 17.01, "{point:?}");
            assert!(point[1] >= 4.99 && point[1] <= 42.01, "{point:?}");
        }
    }

    #[test]
    fn every_shape_has_the_same_area_of_ink_and_is_centred() {
        // Counted in pixels of a picture, so that the paths themselves are what is measured.
        for shape in SHAPES {
            let d = path(shape, 100.0, 100.0, 50.0);
            let svg = format!(
                "<svg xmlns='http://www.w3.org/2000/svg' width='200' height='200'><path d='{d}'/></svg>"
            );
            let tree = Tree::from_str(&svg, &Options::default()).unwrap();
            let mut pixmap = resvg::tiny_skia::Pixmap::new(200, 200).unwrap();
            let whole = resvg::tiny_skia::Transform::identity();
            resvg::render(&tree, whole, &mut pixmap.as_mut());
            let (mut area, mut moment_x, mut moment_y) = (0.0, 0.0, 0.0);
            for (i, pixel) in (0_u32..).zip(pixmap.pixels()) {
                let ink = f64::from(pixel.alpha()) / 255.0;
                area += ink;
                moment_x += ink * (f64::from(i % 200) + 0.5);
                moment_y += ink * (f64::from(i / 200) + 0.5);
            }
            assert!((moment_x / area - 100.0).abs() < 0.5, "{shape:?}");
            assert!((moment_y / area - 100.0).abs() < 0.5, "{shape:?}");
            let disc = std::f64::consts::PI * 2500.0;
            assert!((area / disc - 1.0).abs() < 0.03, "{shape:?}: {area} {disc}");
        }
    }
}
