/*!
The only typeface of the figures. Measures text and turns it into outlines.

A subset of Inter (SIL Open Font License 1.1), Regular and `SemiBold`, is compiled in; assets/fonts/README.md gives its
source. harfrust shapes text by the rules of `HarfBuzz` (kerning), and skrifa makes the outlines. A character that the
subset lacks is drawn as the font's empty box; [`missing`] lists such characters.
*/

use std::collections::HashSet;
use std::sync::LazyLock;

use harfrust::{Direction, ShapeOptions, ShaperData, UnicodeBuffer};
use skrifa::instance::{LocationRef, Size};
use skrifa::outline::DrawSettings;
use skrifa::outline::pen::PathElement;
use skrifa::{FontRef, GlyphId, MetadataProvider};

use super::coordinates;

/// How a text is set.
#[derive(Clone, Copy, Debug)]
pub struct TextStyle {
    /// The type size in points.
    pub size: f64,
    is_semi_bold: bool,
    pub colour: &'static str,
    /// The share of its width that is left of its position: 0, 0.5 or 1.
    pub before: f64,
    /// Whether it reads upwards.
    pub is_turned: bool,
}

/// Height of a capital letter, in type sizes (Inter's `OS/2` table: 1490 of 2048).
pub const CAP_HEIGHT: f64 = 1490.0 / 2048.0;
/// Depth of a descender below the baseline, in type sizes (Inter's g: 442 of 2048).
pub const DESCENT: f64 = 442.0 / 2048.0;

struct Face {
    font: FontRef<'static>,
    shaper: ShaperData,
    units_per_em: f64,
}

impl Face {
    fn new(bytes: &'static [u8]) -> Self {
        // No input can make this fail: the bytes are compiled in, and every test of this module reads them.
        let font = FontRef::new(bytes).expect("the compiled-in font is a font");
        let metrics = font.metrics(Size::unscaled(), LocationRef::default());
        Self {
            shaper: ShaperData::new(&font),
            font,
            units_per_em: f64::from(metrics.units_per_em),
        }
    }
}

/// Regular and semi-bold.
static FACES: LazyLock<[Face; 2]> =
    LazyLock::new(|| [Face::new(INTER), Face::new(INTER_SEMI_BOLD)]);
const INTER: &[u8] = include_bytes!("../../assets/fonts/Inter-Regular.subset.ttf");
const INTER_SEMI_BOLD: &[u8] = include_bytes!("../../assets/fonts/Inter-SemiBold.subset.ttf");

/// A glyph, and the position of its origin in font units from the start of the text.
type Placed = (GlyphId, f64, f64);

/// The glyphs of `text`, and its width (advance) in font units.
fn shape(face: &Face, text: &str) -> (Vec<Placed>, f64) {
    let mut buffer = UnicodeBuffer::new();
    buffer.push_str(text);
    buffer.guess_segment_properties();
    // The font has no script that is written from right to left. Its characters are boxes, whose order is irrelevant.
    buffer.set_direction(Direction::LeftToRight);
    let shaper = face.shaper.shaper(&face.font).build();
    let run = shaper.shape(buffer, ShapeOptions::new());
    let (mut glyphs, mut advance) = (Vec::new(), 0.0);
    for (info, position) in run.glyph_infos().iter().zip(run.glyph_positions()) {
        let x = advance + f64::from(position.x_offset);
        glyphs.push((GlyphId::new(info.glyph_id), x, f64::from(position.y_offset)));
        advance += f64::from(position.x_advance);
    }
    (glyphs, advance)
}

impl TextStyle {
    /// Regular weight in the usual colour. The position is the text's left end.
    pub const fn regular(size: f64) -> Self {
        Self {
            size,
            is_semi_bold: false,
            colour: super::style::INK,
            before: 0.0,
            is_turned: false,
        }
    }

    /// Centred on its position.
    pub const fn centred(self) -> Self {
        Self {
            before: 0.5,
            ..self
        }
    }

    /// The position is the text's right end.
    pub const fn ending(self) -> Self {
        Self {
            before: 1.0,
            ..self
        }
    }

    pub const fn semi_bold(self) -> Self {
        Self {
            is_semi_bold: true,
            ..self
        }
    }

    pub const fn turned(self) -> Self {
        let is_turned = true;
        Self { is_turned, ..self }
    }

    pub const fn coloured(self, colour: &'static str) -> Self {
        Self { colour, ..self }
    }

    pub const fn sized(self, size: f64) -> Self {
        Self { size, ..self }
    }

    /// The distance from the middle of a line of capitals down to its baseline.
    pub const fn drop(self) -> f64 {
        self.size * CAP_HEIGHT / 2.0
    }

    fn face(self) -> &'static Face {
        &FACES[usize::from(self.is_semi_bold)]
    }

    /// The width of `text`.
    pub fn width(self, text: &str) -> f64 {
        let face = self.face();
        shape(face, text).1 * self.size / face.units_per_em
    }

    /// The path data of `text`. Its baseline starts at (`x`, `y`).
    pub fn outline(self, text: &str, x: f64, y: f64) -> String {
        let face = self.face();
        let scale = self.size / face.units_per_em;
        let outlines = face.font.outline_glyphs();
        let mut d = String::new();
        for (glyph, right, up) in shape(face, text).0 {
            let mut path: Vec<PathElement> = Vec::new();
            let settings = DrawSettings::unhinted(Size::unscaled(), LocationRef::default());
            // The result can be ignored: the font is compiled in, so drawing a glyph either always works or never does.
            let _ = outlines
                .get(glyph)
                .map(|glyph| glyph.draw(settings, &mut path));
            let (x, y) = (x + right * scale, y - up * scale);
            let at =
                |(right, up): (f32, f32)| (x + f64::from(right) * scale, y - f64::from(up) * scale);
            for element in path {
                let (command, points) = match element {
                    PathElement::MoveTo { x, y } => ('M', vec![(x, y)]),
                    PathElement::LineTo { x, y } => ('L', vec![(x, y)]),
                    PathElement::QuadTo { cx0, cy0, x, y } => ('Q', vec![(cx0, cy0), (x, y)]),
                    // TrueType outlines have no cubic curves.
                    PathElement::CurveTo { .. } | PathElement::Close => ('Z', Vec::new()),
                };
                let points: Vec<(f64, f64)> = points.into_iter().map(at).collect();
                d.push(command);
                d += &coordinates(&points, " ");
            }
        }
        d
    }

    /// `text`, shortened to `room` points if need be: as much of its beginning and end as fits, with an ellipsis
    /// between them. It keeps both ends because the names of models differ at either.
    pub fn elide(self, text: &str, room: f64) -> String {
        /// No figure has room for more characters. Without this limit, every length of a long text would be tried.
        const MOST: usize = 500;
        let chars: Vec<char> = text.chars().collect();
        if chars.len() <= MOST && self.width(text) <= room {
            return text.to_owned();
        }
        let shown = (1..chars.len().min(MOST)).rev().map(|kept| {
            let (head, tail) = (kept.div_ceil(2), chars.len() - kept / 2);
            let parts = [&chars[..head], &['…'], &chars[tail..]];
            parts.into_iter().flatten().collect::<String>()
        });
        let mut fitting = shown.filter(|shown| self.width(shown) <= room);
        fitting.next().unwrap_or_else(|| "…".to_owned())
    }

    /// `text` in lines of at most `room` points, broken between words. Longer words are shortened. If there are more
    /// than `most` lines, the last line is shortened.
    pub fn wrap(self, text: &str, room: f64, most: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            let longer = lines.last().map(|line| format!("{line} {word}"));
            match (longer, lines.last_mut()) {
                (Some(longer), Some(line)) if self.width(&longer) <= room => *line = longer,
                _ => lines.push(word.to_owned()),
            }
        }
        if lines.len() > most {
            let rest = lines.split_off(most.saturating_sub(1)).join(" ");
            lines.push(rest);
        }
        lines.iter().map(|line| self.elide(line, room)).collect()
    }
}

/// The characters of `text` that the font lacks, each once, in order of appearance.
pub fn missing(text: &str) -> Vec<char> {
    let (map, mut seen) = (FACES[0].font.charmap(), HashSet::new());
    let is_new = |c: &char| map.map(*c).is_none() && seen.insert(*c);
    text.chars().filter(is_new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEVEN: TextStyle = TextStyle::regular(7.0);

    /// The bounding box of the outlines of a text.
    fn drawn(style: TextStyle, text: &str, x: f64, y: f64) -> [f64; 4] {
        let d = style.outline(text, x, y);
        let svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='900' height='900'><path d='{d}'/></svg>"
        );
        let tree = resvg::usvg::Tree::from_str(&svg, &resvg::usvg::Options::default()).unwrap();
        let bounds = tree.root().abs_bounding_box();
        [bounds.left(), bounds.top(), bounds.right(), bounds.bottom()].map(f64::from)
    }

    #[test]
    fn width_grows_with_size_and_weight_and_kerning_is_applied() {
        let regular = SEVEN.width("Evo2-40B");
        assert!(regular > 20.0 && regular < 45.0, "{regular}");
        assert!((SEVEN.sized(14.0).width("Evo2-40B") - 2.0 * regular).abs() < 1e-9);
        assert!(SEVEN.semi_bold().width("Evo2-40B") > regular);
        assert!(SEVEN.width("AV") < SEVEN.width("A") + SEVEN.width("V"));
        assert!(SEVEN.width("") == 0.0);
    }

    #[test]
    fn outlines_stand_where_they_are_asked_to_and_are_as_high_as_the_constants_say() {
        for style in [
            TextStyle::regular(100.0),
            TextStyle::regular(100.0).semi_bold(),
        ] {
            let [left, top, right, bottom] = drawn(style, "H", 100.0, 500.0);
            assert!(left >= 100.0 && right <= 100.0 + style.width("H"));
            assert!((bottom - 500.0).abs() < 0.01);
            assert!((bottom - top - 100.0 * CAP_HEIGHT).abs() < 0.02);
        }
        let depth = drawn(TextStyle::regular(100.0), "gpy", 0.0, 0.0)[3] / 100.0;
        assert!(
            (DESCENT - 0.02..DESCENT + 0.001).contains(&depth),
            "{depth}"
        );
    }
}
