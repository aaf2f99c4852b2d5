/*!
Points with error bars and lines, or bars, over a horizontal axis, in one panel or several: accuracy against shots, slopes
against parameters, accuracy against `BitLoad`, kinds of answers.

A model with a fit shows its points and the line a0 + a1 ln x, which is straight on a logarithmic axis and is drawn over
the series' own values only; without a fit its points are joined, or stand alone. No line crosses the axis break at 0
shots. Models stand side by side at each value of an axis with few of them (in the order of the series, centred on the
tick), as otherwise equal accuracies would cover each other; a model's line is moved with its points.

A series keeps its look in every panel, by its label. The labels stand beside the ends of the lines of a single panel,
or else in a legend above.
*/

use super::layout::Layout;
use super::{Canvas, Form, Page, Panel, Quantity, Rect, Series, axis, columns_for};
use crate::error::{Error, Result};

/// The figure.
#[derive(Clone, Debug)]
pub struct Chart {
    /// At least one.
    pub panels: Vec<Panel>,
    /// What the horizontal axis measures.
    pub quantity: Quantity,
}

impl Form for Chart {
    fn draw(&self, page: &Page) -> Result<Canvas> {
        let chart = self.sorted();
        let layout = chart.layout(page)?;
        let y_label = &chart.panels[0].y_label;
        let mut canvas = page.canvas(&format!("{y_label} against {}", self.quantity.title()));
        let columns = columns_for(layout.places.len());
        for (i, place) in layout.places.iter().enumerate() {
            let is_labelled = i % columns == 0 || !layout.is_shared;
            place.draw(&mut canvas, is_labelled, !layout.is_shared);
        }
        let first = &layout.places[0];
        let frames = layout.places.iter().map(|place| place.frame);
        let whole = frames.fold(first.frame, |whole, frame| Rect {
            right: whole.right.max(frame.right),
            bottom: whole.bottom.max(frame.bottom),
            ..whole
        });
        if layout.is_shared {
            axis::draw_title_upwards(&mut canvas, y_label, first.left, &whole);
        }
        axis::draw_title_across(&mut canvas, self.quantity, &whole);
        layout.legend.draw(&mut canvas, layout.radius);
        Ok(canvas)
    }
}

impl Chart {
    /// At least one panel; over what.
    pub fn new(quantity: Quantity, panels: Vec<Panel>) -> Self {
        Self { panels, quantity }
    }

    /// The same with the points of each series from left to right.
    fn sorted(&self) -> Self {
        let mut chart = self.clone();
        for series in chart.panels.iter_mut().flat_map(|panel| &mut panel.series) {
            let points = &mut series.points;
            points.sort_by(|a, b| a.x.total_cmp(&b.x).then_with(|| a.name.cmp(&b.name)));
        }
        chart
    }

    /// The series of all panels.
    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.panels.iter().flat_map(|panel| &panel.series)
    }

    fn layout(&self, page: &Page) -> Result<Layout<'_>> {
        if self.series().all(|series| series.points.is_empty()) {
            return Err(Error::data("nothing to draw: no series has a point"));
        }
        for panel in &self.panels {
            for series in &panel.series {
                series.check(&panel.y_label, panel.is_share, self.quantity)?;
            }
        }
        Layout::new(self, page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{DOUBLE_COLUMN_MM, Drawing, HUES, Line, Point, Role, svg_to_png};
    use resvg::usvg::{Options, Tree, roxmltree};
    use roxmltree::{Document, Node};

    const SHOTS: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

    /// A chart of one panel on its page.
    #[derive(Clone)]
    struct Curve(Page, Chart);

    impl Curve {
        fn new(series: Vec<Series>) -> Self {
            let chart = Chart::new(Quantity::Shots, vec![Panel::accuracy(series)]);
            Self(Page::new(89.0, 62.0), chart.sorted())
        }

        fn layout(&self) -> Layout<'_> {
            self.1.layout(&self.0).unwrap()
        }

        fn try_svg(&self) -> Result<String> {
            let drawing = Drawing::new(self.0.clone(), self.0.note.as_str(), self.1.clone());
            Ok(drawing.to_svg()?.0)
        }

        fn svg(&self) -> String {
            self.try_svg().unwrap()
        }

        fn series(&mut self) -> &mut Vec<Series> {
            &mut self.1.panels[0].series
        }
    }

    /// A series whose accuracies lie near a0 + a1 ln n (at 0 shots: near half of a0), on alternating sides of it.
    fn series(label: &str, role: Role, shots: &[u32], a0: f64, a1: f64) -> Series {
        let point = |(i, &n): (usize, &u32)| {
            let line = match n {
                0 => a0 / 2.0,
                _ => a0 + a1 * f64::from(n).ln(),
            };
            let y = (line + if i % 2 == 0 { 0.01 } else { -0.01 }).clamp(0.0, 1.0);
            Point::new(n, y, Some((y - 0.03, y + 0.03)))
        };
        let points = shots.iter().enumerate().map(point).collect();
        let line = match role {
            Role::Model => Line::Fitted { a0, a1 },
            _ => Line::Joined,
        };
        Series::new(label, role, points).with_line(line)
    }

    fn model(label: &str, shots: &[u32], a0: f64, a1: f64) -> Series {
        series(label, Role::Model, shots, a0, a1)
    }

    fn models(count: u32, shots: &[u32]) -> Vec<Series> {
        let slope = |i| 0.055 - 0.0015 * f64::from(i);
        let model = |i| model(&format!("Model-{}B", i + 1), shots, 0.12, slope(i));
        (0..count).map(model).collect()
    }

    /// Figures as users make them, and awkward ones.
    fn figures() -> Vec<(&'static str, Curve)> {
        let with_zero: Vec<u32> = std::iter::once(0).chain(SHOTS).collect();
        let all: Vec<u32> = (0..=64).collect();
        let long = ["ACGT, nested, greedy", "digits, independent, constrained"]
            .map(|tail| format!("organisation/a-long-model-name-40b-base, {tail}"))
            .map(|name| model(&name, &SHOTS, 0.1, 0.02));
        let with_baselines = |mut series: Vec<Series>| {
            for (label, a0, a1) in [
                ("mode", 0.19, 0.0),
                ("nearest", 0.1, 0.05),
                ("copy", 0.045, 0.0),
            ] {
                series.push(self::series(label, Role::Baseline, &SHOTS, a0, a1));
            }
            series
        };
        let many = with_baselines(models(10, &SHOTS));
        let mut wide = Curve::new(many.clone());
        wide.0.width_mm = DOUBLE_COLUMN_MM;
        wide.0.title = Some("Bitstring programs".to_owned());
        wide.0.note = "Bars: 95 % bootstrap intervals. Lines: a₀ + a₁ ln(shots).".to_owned();
        let mut titled = Curve::new(long.to_vec());
        let title = "A title so long that it has to be broken into several lines ";
        titled.0.title = Some(title.repeat(2));
        let mut poster = Curve::new(models(30, &SHOTS));
        poster.0.height_mm = 120.0;
        let odd = vec![
            model("none", &[], 0.1, 0.1),
            model("one", &[4], 0.1, 0.1),
            model("steep", &SHOTS, -0.5, 0.4),
            series("dot", Role::Baseline, &[4], 0.3, 0.0),
        ];
        vec![
            ("one", Curve::new(models(1, &SHOTS))),
            ("baselines", Curve::new(with_baselines(models(3, &SHOTS)))),
            ("ten", Curve::new(many)),
            ("ten, wide", wide),
            ("long labels", titled),
            ("thirty", poster),
            ("0 shots", Curve::new(models(2, &with_zero))),
            ("only 0 shots", Curve::new(models(2, &[0]))),
            ("one shot count", Curve::new(models(3, &[16]))),
            ("0 and another", Curve::new(models(3, &[0, 16]))),
            ("every shot count", Curve::new(models(2, &all))),
            ("odd lengths and slopes", Curve::new(odd)),
            ("nameless", Curve::new(vec![model("", &SHOTS, 0.1, 0.1)])),
        ]
    }

    /// The elements of a class.
    fn classed<'a>(svg: &'a Document, class: &str) -> Vec<Node<'a, 'a>> {
        let is_such = |n: &Node| {
            n.attribute("class")
                .is_some_and(|c| c.split(' ').any(|c| c == class))
        };
        svg.descendants().filter(is_such).collect()
    }

    /// The numbers of a path of straight lines.
    fn numbers(path: Node) -> Vec<f64> {
        let numbers = path.attribute("d").unwrap().split(['M', 'L', ' ']);
        numbers.filter_map(|n| n.parse().ok()).collect()
    }

    #[test]
    fn labels_cover_neither_data_nor_each_other_and_nothing_leaves_the_page() {
        for (name, curve) in figures() {
            let Layout {
                places,
                legend,
                radius,
                ..
            } = curve.layout();
            let (frame, labels) = (places[0].frame, &legend.labels);
            let (half_width, half_height) = (frame.width() / 2.0, frame.height() / 2.0);
            let (x, y) = (frame.centre(), frame.middle());
            let data = Rect::around(x, y, half_width + radius, half_height + radius);
            assert_eq!(labels.len(), curve.1.panels[0].series.len(), "{name}");
            for (i, label) in labels.iter().enumerate() {
                let bounds = &label.bounds;
                assert!(!bounds.overlaps(&data), "{name}: {label:?} over the plot");
                assert!(curve.0.bounds().contains(bounds), "{name}: {label:?}");
                let mut others = labels[..i].iter();
                let is_free = others.all(|other| !bounds.overlaps(&other.bounds));
                assert!(is_free, "{name}: {label:?}");
            }
            // What is drawn, not what was planned: the page itself is the largest thing on it.
            let tree = Tree::from_str(&curve.svg(), &Options::default()).unwrap();
            let (drawn, size) = (tree.root().abs_stroke_bounding_box(), tree.size());
            assert!(
                drawn.left() > -0.1 && drawn.top() > -0.1,
                "{name}: {drawn:?}"
            );
            assert!(drawn.right() < size.width() + 0.1, "{name}: {drawn:?}");
            assert!(drawn.bottom() < size.height() + 0.1, "{name}: {drawn:?}");
        }
    }

    #[test]
    fn points_of_one_shot_count_stay_nearer_to_their_tick_than_to_any_other() {
        for (name, curve) in figures() {
            let place = &curve.layout().places[0];
            for shown in &place.shown {
                assert!(shown.dodge.abs() < place.across.spacing() / 2.0, "{name}");
                for point in &shown.series.points {
                    let ((x, y), r) = (place.at(shown, point), place.radius);
                    assert!(place.frame.contains(&Rect::around(x, y, r, 0.0)), "{name}");
                }
            }
        }
    }

    #[test]
    fn every_point_bar_fit_and_series_is_an_element() {
        for (name, curve) in figures() {
            let svg = curve.svg();
            let document = Document::parse(&svg).unwrap();
            let series = || curve.1.series();
            let points = |series: &Series| series.points.len();
            let banded = || series().filter(|s| s.role == Role::Baseline && points(s) > 1);
            let is_fitted = |s: &&Series| matches!(s.line, Line::Fitted { .. }) && s.has_line();
            let all: usize = series().map(points).sum();
            for (class, count) in [
                ("point", all),
                ("label", series().count()),
                ("fit", series().filter(is_fitted).count()),
                ("band", banded().count()),
                ("bar", all - banded().map(points).sum::<usize>()),
            ] {
                assert_eq!(classed(&document, class).len(), count, "{name}: {class}");
            }
        }
    }

    #[test]
    fn the_fitted_line_read_off_the_page_has_the_intercept_and_slope_it_was_given() {
        let curve = Curve::new(models(3, &SHOTS));
        let place = &curve.layout().places[0];
        for shown in &place.shown {
            let mut canvas = Canvas::new(89.0, 62.0, "");
            place.draw_line(&mut canvas, shown);
            let svg = canvas.finish();
            let document = Document::parse(&svg).unwrap();
            let ends = numbers(classed(&document, "fit")[0]);
            let x = [0, 2].map(|k| place.across.value(ends[k] - shown.dodge).ln());
            let y = [1, 3].map(|k| place.upwards.value(ends[k]));
            let slope = (y[1] - y[0]) / (x[1] - x[0]);
            let Line::Fitted { a0, a1 } = shown.series.line else {
                panic!()
            };
            assert!((slope - a1).abs() < 1e-4, "{slope} {a1}");
            assert!((y[0] - slope * x[0] - a0).abs() < 1e-4);
        }
    }

    #[test]
    fn no_line_crosses_the_break_at_0_shots() {
        let mut curve = Curve::new(models(1, &[0, 1, 2, 4]));
        curve.series()[0].line = Line::Joined;
        let svg = curve.svg();
        let document = Document::parse(&svg).unwrap();
        assert_eq!(classed(&document, "break").len(), 2);
        let joint = numbers(classed(&document, "joint")[0]);
        assert_eq!(joint.len(), 2 * 3);
        assert!(joint[0] > curve.layout().places[0].across.gap.unwrap());
    }

    #[test]
    fn hostile_labels_are_text_and_nothing_else() {
        let label = "</title><script>alert('x')</script>&amp;\"\u{0}模";
        let mut curve = Curve::new(vec![model(label, &SHOTS, 0.1, 0.05)]);
        curve.0.title = Some(label.to_owned());
        curve.1.panels[0].y_label = label.to_owned();
        let svg = curve.svg();
        assert!(!svg.contains("<script") && !svg.contains('\u{0}'));
        let document = Document::parse(&svg).unwrap();
        let shown = label.replace('\u{0}', "\u{fffd}");
        let mut titles = document.descendants().filter(|n| n.has_tag_name("title"));
        assert!(titles.any(|title| title.text() == Some(&shown)));
    }

    #[test]
    fn the_svg_is_the_same_every_time_and_needs_no_font_no_file_and_no_network_and_can_be_inlined()
    {
        for (name, curve) in figures() {
            let svg = curve.svg();
            for word in ["<text", "font", "href", "url(", " id=", "<style", "<image"] {
                assert!(!svg.contains(word), "{name}: {word}");
            }
            let namespaces = svg.matches("http").count();
            assert_eq!(namespaces, 1, "{name}: more than the namespace");
            // Whatever the order of the points.
            let mut turned = curve.clone();
            turned.series().iter_mut().for_each(|s| s.points.reverse());
            assert!(svg == curve.svg() && svg == turned.svg(), "{name}");
        }
    }

    #[test]
    fn the_png_has_the_size_of_the_page_and_shows_the_colours_of_its_series() {
        let mut curve = Curve::new(models(3, &SHOTS));
        (curve.0.width_mm, curve.0.height_mm) = (127.0, 63.5);
        let bytes = svg_to_png(&curve.svg(), 100.0).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes))
            .read_info()
            .unwrap();
        assert_eq!((reader.info().width, reader.info().height), (500, 250));
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let count = |rgb: [u8; 3]| pixels.chunks(3).filter(|pixel| *pixel == rgb).count();
        for hue in &HUES[..3] {
            let channel = |k: usize| u8::from_str_radix(&hue.colour[k..k + 2], 16).unwrap();
            assert!(count([1, 3, 5].map(channel)) > 40, "{hue:?}");
        }
        assert!(count([255; 3]) > 500 * 250 / 2);
    }

    #[test]
    fn figures_that_should_share_an_axis_can() {
        for (a1, y_max, least, most) in [
            (0.01, None, 0.1, 0.3),
            (0.01, Some(1.0), 1.0, 1.0),
            // No point is cut off.
            (0.055, Some(0.1), 0.35, 1.0),
        ] {
            let mut curve = Curve::new(vec![model("m", &SHOTS, 0.1, a1)]);
            curve.0.y_max = y_max;
            let top = curve.layout().places[0].upwards.range().1;
            assert!(
                (least - 1e-12..=most + 1e-12).contains(&top),
                "{a1} {y_max:?} {top}"
            );
        }
    }

    fn refusal(change: impl Fn(&mut Curve)) -> Error {
        let mut curve = Curve::new(models(2, &SHOTS));
        change(&mut curve);
        curve.try_svg().unwrap_err()
    }

    #[test]
    fn impossible_data_is_refused_with_its_place() {
        let first = |change: fn(&mut Point)| refusal(|c| change(&mut c.series()[0].points[0]));
        let none = refusal(|c| c.series().iter_mut().for_each(|s| s.points.clear()));
        let fourth = refusal(|c| c.series()[1].points[2].y = f64::NAN);
        let parameters = refusal(|c| {
            c.1.quantity = Quantity::Parameters;
            c.series()[0].points[0].x = 0.0;
        });
        for (part, error) in [
            ("nothing to draw", refusal(|c| c.series().clear())),
            ("nothing to draw", none),
            ("\"Model-2B\", 4 shots: Accuracy NaN", fourth),
            ("Accuracy 1.5, expected 0 to 1", first(|p| p.y = 1.5)),
            ("Accuracy -0.1", first(|p| p.y = -0.1)),
            (
                "interval from 0.3 to 0.2",
                first(|p| p.ci = Some((0.3, 0.2))),
            ),
            ("0 parameters: expected a number above 0", parameters),
            ("interval from NaN", first(|p| p.ci = Some((f64::NAN, 0.2)))),
        ] {
            assert!(matches!(error, Error::Data(_)), "{error:?}");
            assert!(error.to_string().contains(part), "{error}");
            assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn impossible_pages_are_refused_as_usage() {
        for error in [
            refusal(|c| c.0.width_mm = 0.0),
            refusal(|c| c.0.width_mm = f64::NAN),
            refusal(|c| c.0.height_mm = f64::INFINITY),
            refusal(|c| c.0.height_mm = 1e9),
            refusal(|c| c.0.width_mm = 20.0),
            refusal(|c| c.0.height_mm = 20.0),
            refusal(|c| *c.series() = models(200, &SHOTS)),
            refusal(|c| c.0.y_max = Some(0.0)),
            refusal(|c| c.0.y_max = Some(f64::NAN)),
        ] {
            assert!(matches!(error, Error::Usage(_)), "{error:?}");
        }
    }
}
