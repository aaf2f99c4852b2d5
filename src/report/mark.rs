/*!
The look of series. Draws markers, bars, and the sample of marker and line beside a label.
*/

use super::{
    Canvas, DASHES, FAINT_HUE, HUES, Hue, INK, MUTED, PAPER, Rect, Role, SMALL, Stroke, number,
    outline, polygon,
};

/// The shapes of markers, all with the area of the unit disc. Each has some corners, the number of copies of these
/// around the origin, and a rotation of the whole as a fraction of a turn. The disc has no corners.
const SHAPES: [(Corners, u32, f64); 7] = [
    (&[], 0, 0.0),
    (&[(-SQUARE, -SQUARE)], 4, 0.0),
    (&[(0.0, -1.555), (BASE, 0.778), (-BASE, 0.778)], 1, 0.0),
    (&[(0.0, -1.253)], 4, 0.0),
    (&[(0.0, 1.555), (BASE, -0.778), (-BASE, -0.778)], 1, 0.0),
    (&CROSS, 4, 0.0),
    (&CROSS, 4, 0.125),
];
type Corners = &'static [(f64, f64)];
const SQUARE: f64 = 0.886;
/// Half the base of a triangle.
const BASE: f64 = 1.347;
/// One arm of an upright cross. With half width w and length l, the cross has the area 8 l w - 4 w^2 = pi.
const CROSS: [(f64, f64); 3] = [(-0.42, -1.145), (0.42, -1.145), (0.42, -0.42)];

/// The symbol that shows one value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Symbol {
    /// One of the shapes, filled or an outline. Its radius is `scale` times the usual one.
    Marker {
        shape: usize,
        hollow: bool,
        scale: f64,
    },
    Dot,
    /// A bar, hatched with white lines or plain.
    Bar {
        hatched: bool,
    },
}

/// How a series looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    pub symbol: Symbol,
    pub hue: Hue,
    /// The colour of its label.
    pub ink: &'static str,
    pub line: Option<Stroke>,
}

impl Look {
    /// The look of a series. Baselines are numbered on their own, all other series together; `index` is that number.
    ///
    /// - Models: coloured markers and a line. The first 98 looks differ. The first 14 differ in shape or filling, so
    ///   grey print still tells them apart.
    /// - Published curves: smaller outlined markers and a thin dashed line. Baselines: a grey dashed line; five differ.
    /// - Bars: 14 looks differ; neighbours differ in hatching. Chance: a light bar.
    pub fn of(role: Role, index: usize) -> Self {
        let (hue, round) = (HUES[index % HUES.len()], index / HUES.len());
        let shape = (index + round / 2) % SHAPES.len();
        let marker = |hollow, scale| Symbol::Marker {
            shape,
            hollow,
            scale,
        };
        let solid = Stroke::solid(hue.colour, 0.9);
        let thin = Stroke::dashed(hue.colour, 0.6, "2.2 1.2");
        let (grey, dashes) = DASHES[index % DASHES.len()];
        let coarse = Stroke::dashed(grey.colour, 0.8, dashes);
        let hatched = index % 2 == 1;
        let (symbol, hue, ink, line) = match role {
            Role::Model => (marker(round % 2 == 1, 1.0), hue, INK, Some(solid)),
            Role::Published => (marker(true, 0.8), hue, MUTED, Some(thin)),
            Role::Baseline => (Symbol::Dot, grey, MUTED, Some(coarse)),
            Role::Bar(_) => (Symbol::Bar { hatched }, hue, INK, None),
            Role::Chance(_) => (Symbol::Bar { hatched: false }, FAINT_HUE, INK, None),
        };
        Self {
            symbol,
            hue,
            ink,
            line,
        }
    }

    pub fn is_baseline(&self) -> bool {
        self.symbol == Symbol::Dot
    }

    pub fn without_line(self) -> Self {
        Self { line: None, ..self }
    }

    /// The radius of its marker if the usual radius is `r`; 0 if it has no marker.
    pub fn reach(self, r: f64) -> f64 {
        match self.symbol {
            Symbol::Marker { scale, .. } => r * scale,
            Symbol::Dot | Symbol::Bar { .. } => 0.0,
        }
    }

    /// Draws a point. The usual marker has the area of a disc of radius `r`. Bars have no point.
    pub fn draw_point(self, canvas: &mut Canvas, x: f64, y: f64, r: f64) {
        let colour = self.hue.colour;
        match self.symbol {
            Symbol::Marker { shape, hollow, .. } => {
                // A thin white edge separates overlapping filled markers.
                let (class, fill, stroke, width) = if hollow {
                    ("hollow", PAPER, colour, "0.8")
                } else {
                    ("marker", colour, PAPER, "0.35")
                };
                let attributes = [
                    ("class", class),
                    ("fill", fill),
                    ("stroke", stroke),
                    ("stroke-width", width),
                    ("stroke-linejoin", "round"),
                ];
                canvas.path(&path(shape, x, y, self.reach(r)), &attributes);
            }
            Symbol::Dot => {
                let attributes = [("class", "dot"), ("fill", colour)];
                canvas.path(&disc(x, y, DOT), &attributes);
            }
            Symbol::Bar { .. } => {}
        }
    }

    /// Draws its sample from `x` to `x + width`, centred on `y`. A short sample has a line only for baselines.
    pub fn draw_sample(self, canvas: &mut Canvas, x: f64, y: f64, width: f64, r: f64) {
        let is_line = self.is_baseline();
        if let Some(stroke) = self.line.filter(|_| is_line || width >= SAMPLE) {
            canvas.line("sample", &[(x, y), (x + width, y)], stroke);
        }
        let (right, half) = (x + width, SMALL.size * 0.36);
        let bar = Rect::new(right - SHORT_SAMPLE, y - half, right, y + half);
        self.draw_bar(canvas, &bar);
        if !is_line {
            self.draw_point(canvas, x + width / 2.0, y, r);
        }
    }

    /// Draws a filled bar, hatched if the symbol is. Does nothing for other symbols.
    pub fn draw_bar(self, canvas: &mut Canvas, bar: &Rect) {
        let Symbol::Bar { hatched } = self.symbol else {
            return;
        };
        let attributes = [
            ("class", "marker"),
            ("fill", self.hue.colour),
            ("stroke", PAPER),
            ("stroke-width", "0.35"),
        ];
        canvas.path(&bar.path(), &attributes);
        // The lines rise to the right. On each, x + y is a multiple of HATCH, so that neighbouring bars match.
        let mut d = String::new();
        let mut sum = ((bar.left + bar.top) / HATCH).ceil() * HATCH;
        while hatched && sum < bar.right + bar.bottom {
            let right = (sum - bar.top).min(bar.right);
            let left = (sum - bar.bottom).max(bar.left);
            if right > left {
                d += &outline(&[(left, sum - left), (right, sum - right)]);
            }
            sum += HATCH;
        }
        if !d.is_empty() {
            let attributes = [
                ("class", "hatch"),
                ("stroke", PAPER),
                ("stroke-width", "0.55"),
            ];
            canvas.path(&d, &attributes);
        }
    }
}

/// Width of a sample with marker and line.
pub const SAMPLE: f64 = 14.0;
/// Width of a sample at the end of its line. It does not show the line again.
pub const SHORT_SAMPLE: f64 = 8.8;
/// Radius of a baseline's dots.
const DOT: f64 = 0.9;
/// Distance between the lines of a hatched bar.
const HATCH: f64 = 2.4;

fn disc(x: f64, y: f64, r: f64) -> String {
    let (x0, x1, y, r) = (number(x - r), number(x + r), number(y), number(r));
    format!("M{x0} {y}A{r} {r} 0 1 1 {x1} {y}A{r} {r} 0 1 1 {x0} {y}Z")
}

/// The path data of a shape that has the area of a disc of radius `r`.
fn path(shape: usize, x: f64, y: f64, r: f64) -> String {
    let (corners, times, tilt) = SHAPES[shape];
    if corners.is_empty() {
        return disc(x, y, r);
    }
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
    use resvg::usvg::{Options, Tree};

    fn assert_all_differ<T: PartialEq>(looks: impl Iterator<Item = T>) {
        let looks: Vec<T> = looks.collect();
        for (i, look) in looks.iter().enumerate() {
            assert!(!looks[..i].contains(look), "{i} repeats");
        }
    }

    #[test]
    fn models_bars_and_baselines_differ_in_colour_and_in_grey() {
        let model = |i| Look::of(Role::Model, i);
        let bar = |i| Look::of(Role::Bar(0), i);
        let baseline = |i| Look::of(Role::Baseline, i);
        assert_all_differ((0..98).map(model));
        assert_all_differ((0..14).map(|i| model(i).symbol));
        assert_all_differ((0..14).map(bar));
        assert!((0..13).all(|i| bar(i).symbol != bar(i + 1).symbol));
        assert_all_differ((0..5).map(|i| baseline(i).line.unwrap().dashes));
    }

    #[test]
    fn every_shape_has_the_same_area_of_ink_and_is_centred() {
        // The test counts pixels of a rendered picture, so it measures the paths themselves.
        for shape in 0..SHAPES.len() {
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
            assert!((moment_x / area - 100.0).abs() < 0.5, "{shape}");
            assert!((moment_y / area - 100.0).abs() < 0.5, "{shape}");
            let disc = std::f64::consts::PI * 2500.0;
            assert!((area / disc - 1.0).abs() < 0.03, "{shape}: {area} {disc}");
        }
    }
}
