/*!
Rectangles, and an SVG writer. The unit is the point (1/72 inch).

The writer is small, so we do not need a library. It writes to memory, so it cannot fail. It escapes every attribute and
text, and replaces characters that XML 1.0 forbids. It formats numbers so that equal figures give equal bytes. It writes
no `id`, so one HTML page can hold several figures.

Text is written as outlines, as matplotlib does by default. An embedded `@font-face` works in browsers only: Inkscape,
rsvg, LaTeX converters and Illustrator replace it by another font with other widths, and the converters of journals
accept only fonts they know. The text of each outline is in its `aria-label`, and groups have a `<title>`, so the text
can still be read and searched in the file.
*/

use std::fmt::Write as _;

use super::{MUTED, PAPER, TextStyle};

/// Points in a millimetre.
pub const PT_PER_MM: f64 = 72.0 / 25.4;

/// A rectangle on the page, y pointing down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Rect {
    pub const fn new(left: f64, top: f64, right: f64, bottom: f64) -> Self {
        Self {
            left,
            top,
            right,
            bottom,
        }
    }

    pub fn around(x: f64, y: f64, half_width: f64, half_height: f64) -> Self {
        let (top, bottom) = (y - half_height, y + half_height);
        Self::new(x - half_width, top, x + half_width, bottom)
    }

    pub fn width(&self) -> f64 {
        self.right - self.left
    }

    pub fn height(&self) -> f64 {
        self.bottom - self.top
    }

    /// The x of its middle; [`Self::middle`] is the y.
    pub fn centre(&self) -> f64 {
        f64::midpoint(self.left, self.right)
    }

    pub fn middle(&self) -> f64 {
        f64::midpoint(self.top, self.bottom)
    }

    /// Whether the two overlap by more than a millionth of a point. A shared edge or a rounding error does not count.
    pub fn overlaps(&self, other: &Self) -> bool {
        let shared = |from: f64, to: f64| to - from > 1e-6;
        shared(self.left.max(other.left), self.right.min(other.right))
            && shared(self.top.max(other.top), self.bottom.min(other.bottom))
    }

    /// Whether `other` is completely inside.
    pub fn contains(&self, other: &Self) -> bool {
        self.left <= other.left
            && self.top <= other.top
            && self.right >= other.right
            && self.bottom >= other.bottom
    }

    /// The path data of its edge.
    pub fn path(&self) -> String {
        let (left, top) = (self.left, self.top);
        let (right, bottom) = (self.right, self.bottom);
        polygon(&[(left, top), (right, top), (right, bottom), (left, bottom)])
    }
}

/// A line's colour, its width in points, and the lengths of its dashes and gaps (empty for a solid line).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    pub colour: &'static str,
    pub width: f64,
    pub dashes: &'static str,
}

impl Stroke {
    pub const fn solid(colour: &'static str, width: f64) -> Self {
        Self::dashed(colour, width, "")
    }

    pub const fn dashed(colour: &'static str, width: f64, dashes: &'static str) -> Self {
        Self {
            colour,
            width,
            dashes,
        }
    }
}

/// An unfinished SVG document.
pub struct Canvas {
    /// The text before the description; `body` is the text after it.
    head: String,
    body: String,
    description: String,
    /// All texts drawn on the page, one after another.
    pub texts: String,
}

impl Canvas {
    /// A page of that size in millimetres. Its title and its description are for screen readers.
    pub fn new(width_mm: f64, height_mm: f64, title: &str) -> Self {
        let (width, height) = (number(width_mm * PT_PER_MM), number(height_mm * PT_PER_MM));
        let attributes = [
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("width", &format!("{}mm", number(width_mm))),
            ("height", &format!("{}mm", number(height_mm))),
            ("viewBox", &format!("0 0 {width} {height}")),
            ("role", "img"),
            ("fill", "none"),
        ];
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
        let mut canvas = Self {
            head: head + &start("svg", &attributes, ">") + &prose("title", title),
            body: String::new(),
            description: String::new(),
            texts: String::new(),
        };
        canvas.path(&format!("M0 0H{width}V{height}H0Z"), &[("fill", PAPER)]);
        canvas
    }

    /// A group that holds what `draw` draws. `title` says what it shows; browsers show it as a tooltip.
    pub fn group(&mut self, class: &str, title: Option<&str>, draw: impl FnOnce(&mut Self)) {
        self.body += &start("g", &[("class", class)], ">");
        self.body.extend(title.map(|title| prose("title", title)));
        draw(self);
        self.body += "</g>\n";
    }

    /// A group that shows a result. `words` is its title and becomes part of the description.
    pub fn mark(&mut self, class: &str, words: &str, draw: impl FnOnce(&mut Self)) {
        self.describe(words);
        self.group(class, Some(words), draw);
    }

    /// Adds a line to the description.
    pub fn describe(&mut self, words: &str) {
        self.description.push_str(words);
        self.description.push('\n');
    }

    /// A path with further attributes.
    pub fn path(&mut self, d: &str, attributes: &[(&str, &str)]) {
        self.body += &start("path", &[&[("d", d)], attributes].concat(), "/>");
    }

    /// A line through `points`. If `class` is empty, it has no class.
    pub fn line(&mut self, class: &str, points: &[(f64, f64)], stroke: Stroke) {
        let width = number(stroke.width);
        let mut attributes = vec![("stroke", stroke.colour), ("stroke-width", width.as_str())];
        if !stroke.dashes.is_empty() {
            attributes.push(("stroke-dasharray", stroke.dashes));
        }
        if points.len() > 2 {
            attributes.push(("stroke-linejoin", "round"));
        }
        attributes.extend((!class.is_empty()).then_some(("class", class)));
        self.path(&outline(points), &attributes);
    }

    /// A text with its baseline at `y`. If it reads upwards, the baseline is the vertical line through `x`.
    pub fn text(&mut self, text: &str, x: f64, y: f64, style: TextStyle) {
        let left = x - style.width(text) * style.before;
        let d = style.outline(text, left, y);
        let turn = format!("rotate(-90 {} {})", number(x), number(y));
        let is_muted = style.colour == MUTED;
        let class = if is_muted { "text muted" } else { "text" };
        let mut attributes = vec![
            ("class", class),
            ("aria-label", text),
            ("fill", style.colour),
        ];
        attributes.extend(style.is_turned.then_some(("transform", turn.as_str())));
        if !d.is_empty() {
            self.texts.push_str(text);
            self.path(&d, &attributes);
        }
    }

    /// The finished document.
    pub fn finish(self) -> String {
        self.head + &prose("desc", self.description.trim_end()) + &self.body + "</svg>\n"
    }
}

fn prose(element: &str, text: &str) -> String {
    format!("<{element}>{}</{element}>\n", escaped(text))
}

fn start(element: &str, attributes: &[(&str, &str)], end: &str) -> String {
    let attributes = attributes.iter();
    let written = attributes.map(|(name, value)| format!(" {name}=\"{}\"", escaped(value)));
    format!("<{element}{}{end}\n", written.collect::<String>())
}

/// The path data of a line through `points`.
pub fn outline(points: &[(f64, f64)]) -> String {
    format!("M{}", coordinates(points, "L"))
}

/// The coordinates of `points`, joined by `between`.
pub fn coordinates(points: &[(f64, f64)], between: &str) -> String {
    let points = points.iter();
    let written = points.map(|&(x, y)| format!("{} {}", number(x), number(y)));
    written.collect::<Vec<String>>().join(between)
}

/// The path data of the area within `points`.
pub fn polygon(points: &[(f64, f64)]) -> String {
    outline(points) + "Z"
}

/// A number with at most `decimals` decimals, without trailing zeros.
pub fn short(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = match decimals {
        0 => &text,
        _ => text.trim_end_matches('0').trim_end_matches('.'),
    };
    if text == "-0" { "0" } else { text }.to_owned()
}

/// A coordinate to the hundredth of a point (3.5 micrometres).
pub fn number(value: f64) -> String {
    short(value, 2)
}

/// `text` escaped for XML. Characters that XML 1.0 forbids become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '<' | '>' | '"' | '\'' | '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_never_negative_zero() {
        let numbers = [1.0, -0.001, 10.50, 100.0, -3.456].map(number);
        assert_eq!(numbers, ["1", "0", "10.5", "100", "-3.46"]);
    }

    #[test]
    fn rectangles_that_touch_do_not_overlap() {
        let a = Rect::new(0.0, 0.0, 1.0, 1.0);
        let b = Rect::new(1.0, 0.0, 2.0, 1.0);
        assert!(!a.overlaps(&b));
        assert!(a.overlaps(&Rect { left: 0.9, ..b }));
        assert!(a.contains(&Rect { left: 0.5, ..a }));
        assert!(!a.contains(&b));
    }
}
