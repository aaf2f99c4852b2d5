/*!
The one typeface of the figures: measuring text and turning it into outlines.

Inter (SIL Open Font License 1.1), a subset of its Regular and `SemiBold`, is compiled in; assets/fonts/README.md
says where it is from. Text is shaped with `HarfBuzz`'s rules (kerning) by harfrust and outlined by skrifa.
A character that the subset lacks is drawn as the font's empty box; [`missing`] names such characters beforehand.
*/

use std::fmt::Write as _;
use std::sync::LazyLock;

use harfrust::{Direction, ShapeOptions, ShaperData, UnicodeBuffer};
use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, GlyphId, MetadataProvider};

use super::canvas::number;

/// A weight of the typeface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// 400.
    Regular,
    /// 600.
    SemiBold,
}

/// Height of a capital letter over the type size (Inter's `OS/2` table: 1490 of 2048).
pub const CAP_HEIGHT: f64 = 1490.0 / 2048.0;
/// Depth of a descender below the baseline over the type size (Inter's g: 442 of 2048).
pub const DESCENT: f64 = 442.0 / 2048.0;

struct Face {
    font: FontRef<'static>,
    shaper: ShaperData,
    units_per_em: f64,
}

impl Face {
    fn new(bytes: &'static [u8]) -> Self {
        // The bytes are compiled in and every test of this module reads them: no input can make this fail.
        let font = FontRef::new(bytes).expect("the compiled-in font is a font");
        let units = font
            .metrics(Size::unscaled(), LocationRef::default())
            .units_per_em;
        Self {
            shaper: ShaperData::new(&font),
            font,
            units_per_em: f64::from(units),
        }
    }
}

static REGULAR: LazyLock<Face> = LazyLock::new(|| {
    Face::new(include_bytes!(
        "../../assets/fonts/Inter-Regular.subset.ttf"
    ))
});
static SEMI_BOLD: LazyLock<Face> = LazyLock::new(|| {
    Face::new(include_bytes!(
        "../../assets/fonts/Inter-SemiBold.subset.ttf"
    ))
});

fn face(weight: Weight) -> &'static Face {
    match weight {
        Weight::Regular => &REGULAR,
        Weight::SemiBold => &SEMI_BOLD,
    }
}

/// A glyph and where its origin stands, in font units from the start of the text.
struct Placed {
    glyph: GlyphId,
    x: f64,
    y: f64,
}

/// The glyphs of `text` and its advance, in font units.
fn shape(face: &Face, text: &str) -> (Vec<Placed>, f64) {
    let mut buffer = UnicodeBuffer::new();
    buffer.push_str(text);
    buffer.guess_segment_properties();
    // No script that is written from right to left is in the font: its boxes may as well stand in reading order.
    buffer.set_direction(Direction::LeftToRight);
    let shaped = face
        .shaper
        .shaper(&face.font)
        .build()
        .shape(buffer, ShapeOptions::new());
    let mut glyphs = Vec::with_capacity(shaped.len());
    let mut advance = 0.0;
    for (info, position) in shaped.glyph_infos().iter().zip(shaped.glyph_positions()) {
        glyphs.push(Placed {
            glyph: GlyphId::new(info.glyph_id),
            x: advance + f64::from(position.x_offset),
            y: f64::from(position.y_offset),
        });
        advance += f64::from(position.x_advance);
    }
    (glyphs, advance)
}

/// The width of `text` set at `size` points.
#[must_use]
pub fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let face = face(weight);
    shape(face, text).1 * size / face.units_per_em
}

/// The path data of `text` set at `size` points, its baseline starting at (`x`, `y`).
#[must_use]
pub fn outline(text: &str, size: f64, weight: Weight, x: f64, y: f64) -> String {
    let face = face(weight);
    let scale = size / face.units_per_em;
    let outlines = face.font.outline_glyphs();
    let mut d = String::new();
    for placed in shape(face, text).0 {
        let Some(glyph) = outlines.get(placed.glyph) else {
            continue;
        };
        let mut pen = Pen {
            d: &mut d,
            x: x + placed.x * scale,
            y: y - placed.y * scale,
            scale,
        };
        let settings = DrawSettings::unhinted(Size::unscaled(), LocationRef::default());
        // As in Face::new: an outline of the compiled-in font that cannot be drawn would be drawn for no input.
        let _ = glyph.draw(settings, &mut pen);
    }
    d
}

struct Pen<'a> {
    d: &'a mut String,
    x: f64,
    y: f64,
    scale: f64,
}

impl Pen<'_> {
    fn write(&mut self, command: char, points: &[(f32, f32)]) {
        self.d.push(command);
        for (i, &(x, y)) in points.iter().enumerate() {
            let _ = write!(
                self.d,
                "{}{} {}",
                if i == 0 { "" } else { " " },
                number(self.x + f64::from(x) * self.scale),
                number(self.y - f64::from(y) * self.scale)
            );
        }
    }
}

impl OutlinePen for Pen<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.write('M', &[(x, y)]);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.write('L', &[(x, y)]);
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        self.write('Q', &[(cx, cy), (x, y)]);
    }

    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        self.write('C', &[(cx0, cy0), (cx1, cy1), (x, y)]);
    }

    fn close(&mut self) {
        self.d.push('Z');
    }
}

/// The characters of `text` that the font lacks, each once, in order of appearance.
#[must_use]
pub fn missing(text: &str) -> Vec<char> {
    let map = REGULAR.font.charmap();
    let mut found = Vec::new();
    for c in text.chars() {
        if map.map(c).is_none() && !found.contains(&c) {
            found.push(c);
        }
    }
    found
}

/// `text`, or as much of its beginning and end as fits into `room` points around an ellipsis: the names of models
/// differ at both ends.
#[must_use]
pub fn elide(text: &str, room: f64, size: f64, weight: Weight) -> String {
    /// No figure has room for more; every length down from here is shaped.
    const MOST: usize = 500;
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= MOST && width(text, size, weight) <= room {
        return text.to_owned();
    }
    for kept in (1..chars.len().min(MOST)).rev() {
        let head = kept.div_ceil(2);
        let shown: String = chars[..head]
            .iter()
            .chain(&['…'])
            .chain(&chars[chars.len() - (kept - head)..])
            .collect();
        if width(&shown, size, weight) <= room {
            return shown;
        }
    }
    "…".to_owned()
}

/// `text` broken between words into lines of at most `room` points; a longer word, and what comes after
/// `most` lines, is elided.
#[must_use]
pub fn wrap(text: &str, room: f64, most: usize, size: f64, weight: Weight) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let longer = lines.last().map(|line| format!("{line} {word}"));
        match (longer, lines.last_mut()) {
            (Some(longer), Some(line)) if width(&longer, size, weight) <= room => *line = longer,
            _ => lines.push(word.to_owned()),
        }
    }
    if lines.len() > most {
        let rest = lines.split_off(most.saturating_sub(1)).join(" ");
        lines.push(rest);
    }
    lines
        .into_iter()
        .map(|line| elide(&line, room, size, weight))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_grows_with_size_and_weight_and_kerning_is_applied() {
        let regular = width("Evo2-40B", 7.0, Weight::Regular);
        assert!(regular > 20.0 && regular < 45.0, "{regular}");
        assert!((width("Evo2-40B", 14.0, Weight::Regular) - 2.0 * regular).abs() < 1e-9);
        assert!(width("Evo2-40B", 7.0, Weight::SemiBold) > regular);
        let apart = width("A", 7.0, Weight::Regular) + width("V", 7.0, Weight::Regular);
        assert!(width("AV", 7.0, Weight::Regular) < apart);
        assert!(width("", 7.0, Weight::Regular) == 0.0);
    }

    #[test]
    fn outlines_stand_where_they_are_asked_to() {
        let d = outline("H", 10.0, Weight::Regular, 100.0, 50.0);
        let svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='200' height='100'><path d='{d}'/></svg>"
        );
        let tree = resvg::usvg::Tree::from_str(&svg, &resvg::usvg::Options::default()).unwrap();
        let bounds = tree.root().abs_bounding_box();
        assert!(
            bounds.left() >= 100.0
                && f64::from(bounds.right()) <= 100.0 + width("H", 10.0, Weight::Regular)
        );
        assert!((f64::from(bounds.bottom()) - 50.0).abs() < 0.01);
        assert!((f64::from(bounds.height()) - 10.0 * CAP_HEIGHT).abs() < 0.02);
    }

    #[test]
    fn the_metrics_named_as_constants_are_the_fonts() {
        for face in [&REGULAR, &SEMI_BOLD] {
            let metrics = face.font.metrics(Size::unscaled(), LocationRef::default());
            assert!(
                (f64::from(metrics.cap_height.unwrap()) / face.units_per_em - CAP_HEIGHT).abs()
                    < 1e-6
            );
        }
        let d = outline("gpy", 100.0, Weight::Regular, 0.0, 0.0);
        let svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='900' height='900'><path d='{d}'/></svg>"
        );
        let tree = resvg::usvg::Tree::from_str(&svg, &resvg::usvg::Options::default()).unwrap();
        let depth = f64::from(tree.root().abs_bounding_box().bottom()) / 100.0;
        assert!(
            depth > DESCENT - 0.02 && depth <= DESCENT + 0.001,
            "{depth}"
        );
    }

    #[test]
    fn greek_signs_and_accents_are_there_and_the_rest_is_named() {
        assert_eq!(
            missing("a₀ + a₁ ln n, α–β ≥ ½ × √2 − é ü ł …"),
            Vec::<char>::new()
        );
        assert_eq!(missing("模a模型"), ['模', '型']);
        assert!(!outline("模", 7.0, Weight::Regular, 0.0, 0.0).is_empty());
    }

    #[test]
    fn elision_keeps_both_ends_and_fits() {
        let name = "organisation/a-rather-long-model-name-7b-base";
        let shown = elide(name, 80.0, 7.0, Weight::Regular);
        assert!(width(&shown, 7.0, Weight::Regular) <= 80.0);
        assert!(shown.starts_with("organ") && shown.ends_with("base") && shown.contains('…'));
        assert_eq!(elide("short", 80.0, 7.0, Weight::Regular), "short");
        assert_eq!(elide(name, 0.0, 7.0, Weight::Regular), "…");
        assert_eq!(elide("", 0.0, 7.0, Weight::Regular), "");
    }

    #[test]
    fn wrapped_lines_fit_and_lose_nothing_where_there_is_room() {
        let text =
            "In-context learning of bitstring programs across genomic and linguistic predictors";
        let lines = wrap(text, 150.0, 9, 8.0, Weight::SemiBold);
        assert!(lines.len() > 1);
        assert_eq!(lines.join(" "), text);
        assert!(
            lines
                .iter()
                .all(|l| width(l, 8.0, Weight::SemiBold) <= 150.0)
        );
        let short = wrap(text, 150.0, 1, 8.0, Weight::SemiBold);
        assert_eq!(short.len(), 1);
        assert!(short[0].contains('…'));
    }
}
