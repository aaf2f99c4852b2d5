/*!
From SVG to PNG. The file states its resolution in dots per inch.
*/

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use super::whole;
use crate::error::{Error, Result};

/// A full journal page (183 x 247 mm) at 1200 dots per inch has 101 million pixels. Each takes 7 bytes of memory.
const MOST_PIXELS: f64 = 150e6;
const METRES_PER_INCH: f64 = 0.0254;

/// A PNG of `svg`, which a [`super::Drawing`] has written, on white, with `dpi` dots per inch.
///
/// # Errors
/// [`Error::Usage`] for a resolution that gives no pixel or too many.
pub fn svg_to_png(svg: &str, dpi: f64) -> Result<Vec<u8>> {
    if !(1.0..=10_000.0).contains(&dpi) {
        return Err(Error::usage(format!(
            "a resolution of {dpi} dots per inch: expected 1 to 10000"
        )));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "usvg takes f32; 24 bits are plenty for 1 to 10000"
    )]
    let options = Options {
        dpi: dpi as f32,
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options)
        .map_err(|e| Error::data(format!("not an SVG figure: {e}")))?;
    let size = tree.size();
    let [width, height] = [size.width(), size.height()].map(|side| whole(side.into()).max(1));
    let is_small = f64::from(width) * f64::from(height) <= MOST_PIXELS;
    let pixmap = is_small.then(|| Pixmap::new(width, height)).flatten();
    let mut pixmap = pixmap.ok_or_else(|| {
        Error::usage(format!(
            "{width} x {height} pixels at {dpi} dots per inch: more than {MOST_PIXELS:.0}"
        ))
    })?;
    pixmap.fill(Color::WHITE);
    #[expect(clippy::cast_precision_loss, reason = "a side of under 2^24 pixels")]
    let scale = Transform::from_scale(width as f32 / size.width(), height as f32 / size.height());
    resvg::render(&tree, scale, &mut pixmap.as_mut());
    encode(&pixmap, dpi).map_err(|e| Error::data(format!("writing the PNG: {e}")))
}

/// The PNG with its resolution. It is RGB without alpha: the page is white, so nothing is transparent.
fn encode(pixmap: &Pixmap, dpi: f64) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let rgb: Vec<u8> = pixmap
        .data()
        .chunks_exact(4)
        .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .collect();
    let per_metre = whole(dpi / METRES_PER_INCH);
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, pixmap.width(), pixmap.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: per_metre,
        yppu: per_metre,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&rgb)?;
    writer.finish()?;
    Ok(out)
}
