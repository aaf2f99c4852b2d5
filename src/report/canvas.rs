/*!
Rectangles, and a writer of SVG whose unit is the point (1/72 inch).

The writer is small enough to own: it writes to memory, so it cannot fail, it escapes every attribute and text,
drops what XML 1.0 forbids, and formats numbers so that equal figures are equal bytes. No `id` is written: several
figures can stand in one HTML page.

Text is written as outlines, as matplotlib does by default. An embedded `@font-face` is honoured by browsers only:
Inkscape, rsvg, LaTeX converters and Illustrator put another font in its place, with other widths, and journals'
converters want fonts they know. Each outline carries its text as `aria-label`, groups carry `<title>`, so that what
was written can still be read and searched in the file.
*/

use std::fmt::Write as _;

use super::font::{self, Weight};
use super::style;

/// Points in a millimetre.
pub const PT_PER_MM: f64 = 72.0 / 25.4;

/// A rectangle on the page, y pointing down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Lower edge.
    pub bottom: f64,
}

impl Rect {
    /// Its width.
    #[must_use]
    pub fn width(&self) -> f64 {
        self.right - self.left
    }

    /// Its height.
    #[must_use]
    pub fn height(&self) -> f64 {
        self.bottom - self.top
    }

    /// Whether the two share more than an edge (by more than a millionth of a point, so that rounding is none).
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let shared = |from: f64, to: f64| to - from > 1e-6;
        shared(self.left.max(other.left), self.right.min(other.right))
            && shared(self.top.max(other.top), self.bottom.min(other.bottom))
    }

    /// Whether `other` lies in here entirely.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.left <= other.left
            && self.top <= other.top
            && self.right >= other.right
            && self.bottom >= other.bottom
    }
}

/// A line's colour, width and dashes.
#[derive(Clone, Copy, Debug)]
pub struct Stroke {
    /// Its colour.
    pub colour: &'static str,
    /// Its width in points.
    pub width: f64,
    /// Lengths of dashes and gaps; empty for a solid line.
    pub dashes: &'static str,
}

impl Stroke {
    /// A solid line.
    #[must_use]
    pub fn solid(colour: &'static str, width: f64) -> Self {
        Self {
            colour,
            width,
            dashes: "",
        }
    }
}

/// Which point of a text its position names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its left end.
    Start,
    /// Its middle.
    Middle,
    /// Its right end.
    End,
}

/// How a text is set.
#[derive(Clone, Copy, Debug)]
pub struct TextStyle {
    /// Type size in points.
    pub size: f64,
    /// Regular or semibold.
    pub weight: Weight,
    /// Its colour.
    pub colour: &'static str,
    /// Which point of it its position names.
    pub anchor: Anchor,
}

impl TextStyle {
    /// Regular weight in the colour of text.
    #[must_use]
    pub fn regular(size: f64, anchor: Anchor) -> Self {
        Self {
            size,
            weight: Weight::Regular,
            colour: style::INK,
            anchor,
        }
    }
}

/// An SVG document in the making.
pub struct Canvas {
    out: String,
    open: usize,
}

impl Canvas {
    /// A page of that size in millimetres, its title and its description for those who cannot see it.
    #[must_use]
    pub fn new(width_mm: f64, height_mm: f64, title: &str, description: &str) -> Self {
        let mut canvas = Self {
            out: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"),
            open: 0,
        };
        let (width, height) = (width_mm * PT_PER_MM, height_mm * PT_PER_MM);
        canvas.start(
            "svg",
            &[
                ("xmlns", "http://www.w3.org/2000/svg"),
                ("width", &format!("{}mm", number(width_mm))),
                ("height", &format!("{}mm", number(height_mm))),
                (
                    "viewBox",
                    &format!("0 0 {} {}", number(width), number(height)),
                ),
                ("role", "img"),
                ("fill", "none"),
            ],
            ">",
        );
        canvas.open += 1;
        canvas.prose("title", title);
        canvas.prose("desc", description);
        canvas.path(
            &format!("M0 0H{}V{}H0Z", number(width), number(height)),
            &[("fill", style::PAPER)],
        );
        canvas
    }

    /// Opens a group; `title` says what it shows (browsers show it as a tooltip).
    pub fn open_group(&mut self, class: &str, title: Option<&str>) {
        self.start("g", &[("class", class)], ">");
        self.open += 1;
        if let Some(title) = title {
            self.prose("title", title);
        }
    }

    /// Closes the group opened last.
    pub fn close_group(&mut self) {
        self.open -= 1;
        self.out.push_str("</g>\n");
    }

    /// A path with further attributes.
    pub fn path(&mut self, d: &str, attributes: &[(&str, &str)]) {
        let mut all = vec![("d", d)];
        all.extend_from_slice(attributes);
        self.start("path", &all, "/>");
    }

    /// A line through `points`.
    pub fn polyline(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        self.polyline_as(points, stroke, &[]);
    }

    /// A line through `points` with further attributes.
    pub fn polyline_as(
        &mut self,
        points: &[(f64, f64)],
        stroke: Stroke,
        attributes: &[(&str, &str)],
    ) {
        let width = number(stroke.width);
        let mut all = vec![("stroke", stroke.colour), ("stroke-width", width.as_str())];
        if !stroke.dashes.is_empty() {
            all.push(("stroke-dasharray", stroke.dashes));
        }
        if points.len() > 2 {
            all.push(("stroke-linejoin", "round"));
        }
        all.extend_from_slice(attributes);
        self.path(&outline(points), &all);
    }

    /// A text whose baseline is at `y`.
    pub fn text(&mut self, text: &str, x: f64, y: f64, style: &TextStyle) {
        self.place_text(text, x, y, style, false);
    }

    /// A text that reads upwards, its baseline on the vertical through `x`.
    pub fn text_upwards(&mut self, text: &str, x: f64, y: f64, style: &TextStyle) {
        self.place_text(text, x, y, style, true);
    }

    fn place_text(&mut self, text: &str, x: f64, y: f64, style: &TextStyle, upwards: bool) {
        let width = font::width(text, style.size, style.weight);
        let shift = match style.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        };
        let d = font::outline(text, style.size, style.weight, x + shift, y);
        if d.is_empty() {
            return;
        }
        let turn = format!("rotate(-90 {} {})", number(x), number(y));
        let mut attributes = vec![
            ("class", "text"),
            ("aria-label", text),
            ("fill", style.colour),
        ];
        if upwards {
            attributes.push(("transform", &turn));
        }
        self.path(&d, &attributes);
    }

    /// The finished document.
    #[must_use]
    pub fn finish(mut self) -> String {
        while self.open > 1 {
            self.close_group();
        }
        self.out.push_str("</svg>\n");
        self.out
    }

    fn prose(&mut self, element: &str, text: &str) {
        self.out.push('<');
        self.out.push_str(element);
        self.out.push('>');
        escape(text, &mut self.out);
        self.out.push_str("</");
        self.out.push_str(element);
        self.out.push_str(">\n");
    }

    fn start(&mut self, element: &str, attributes: &[(&str, &str)], end: &str) {
        self.out.push('<');
        self.out.push_str(element);
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(value, &mut self.out);
            self.out.push('"');
        }
        self.out.push_str(end);
        self.out.push('\n');
    }
}

/// The path data of a line through `points`.
#[must_use]
pub fn outline(points: &[(f64, f64)]) -> String {
    let mut d = String::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        let _ = write!(
            d,
            "{}{} {}",
            if i == 0 { 'M' } else { 'L' },
            number(x),
            number(y)
        );
    }
    d
}

/// A coordinate to the hundredth of a point (3.5 micrometres), without trailing zeros.
#[must_use]
pub fn number(value: f64) -> String {
    let mut text = format!("{value:.2}");
    let kept = text.trim_end_matches('0').trim_end_matches('.').len();
    text.truncate(kept);
    if text == "-0" {
        text.remove(0);
    }
    text
}

/// Appends `text` so that XML reads it back; what XML 1.0 cannot hold becomes U+FFFD.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_never_negative_zero() {
        assert_eq!(number(1.0), "1");
        assert_eq!(number(-0.001), "0");
        assert_eq!(number(10.50), "10.5");
        assert_eq!(number(100.0), "100");
        assert_eq!(number(-3.456), "-3.46");
    }

    #[test]
    fn text_of_any_characters_is_read_back_from_the_document() {
        let label = "a<b>&\"c'\t]]> \u{1} \u{ffff} \u{1f9ec}";
        let mut canvas = Canvas::new(50.0, 40.0, label, "d");
        canvas.open_group("g", Some(label));
        canvas.text(label, 10.0, 10.0, &TextStyle::regular(7.0, Anchor::Start));
        let svg = canvas.finish();
        let document = resvg::usvg::roxmltree::Document::parse(&svg).unwrap();
        let expected = "a<b>&\"c'\t]]> \u{fffd} \u{fffd} \u{1f9ec}";
        let titles: Vec<_> = document
            .descendants()
            .filter(|n| n.has_tag_name("title"))
            .map(|n| n.text().unwrap())
            .collect();
        assert_eq!(titles, [expected, expected]);
        let text = document
            .descendants()
            .find(|n| n.attribute("class") == Some("text"))
            .unwrap();
        assert_eq!(text.attribute("aria-label"), Some(expected));
    }

    #[test]
    fn rectangles_that_touch_do_not_overlap() {
        let a = Rect {
            left: 0.0,
            top: 0.0,
            right: 1.0,
            bottom: 1.0,
        };
        let b = Rect {
            left: 1.0,
            right: 2.0,
            ..a
        };
        assert!(!a.overlaps(&b));
        assert!(a.overlaps(&Rect { left: 0.9, ..b }));
        assert!(a.contains(&Rect { left: 0.5, ..a }));
        assert!(!a.contains(&b));
    }
}
