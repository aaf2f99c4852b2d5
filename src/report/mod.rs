/*!
Pictures of results: from plain numbers to SVG and PNG.

A figure module (so far [`curve`]) lays a figure out and draws it with the shared parts below it.
Nothing here knows the record types: the caller turns scores and fits into series.

- [`curve`] draws accuracy against shots, one series a model, with fits and baselines;
- [`axis`] has the shot axis (logarithmic, with a place for 0 shots) and the value axis;
- [`legend`] places labels at the ends of the lines, or a legend in columns;
- [`mark`] draws markers and line samples;
- [`style`] holds colours, sizes, line widths;
- [`font`] holds the one typeface, measures and outlines text;
- [`canvas`] has rectangles and the SVG writer;
- [`png`] rasterises.

Why not plotters: its SVG backend takes whole pixels, names system fonts in `<text>` and has no say over
marker shapes, label collisions or broken axes; what is left of it for one figure is less than what is here.
*/

pub mod axis;
pub mod canvas;
pub mod curve;
pub mod font;
pub mod legend;
pub mod mark;
pub mod png;
pub mod style;

pub use curve::{Curve, Fit, Point, Role, Series};
pub use png::svg_to_png;
