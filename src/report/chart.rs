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
use crate::error::Result;

/// The figure.
pub struct Chart {
    /// At least one.
    pub panels: Vec<Panel>,
    /// What the horizontal axis measures.
    pub quantity: Quantity,
}

impl Form for Chart {
    fn is_empty(&self) -> bool {
        self.series().all(|series| series.points.is_empty())
    }

    fn draw(&self, page: &Page) -> Result<Canvas> {
        self.check()?;
        let layout = Layout::new(self, page)?;
        let y_label = &self.panels[0].y_label;
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
    /// The points of each series from left to right.
    pub fn new(quantity: Quantity, mut panels: Vec<Panel>) -> Self {
        for series in panels.iter_mut().flat_map(|panel| &mut panel.series) {
            let points = &mut series.points;
            points.sort_by(|a, b| a.x.total_cmp(&b.x).then_with(|| a.name.cmp(&b.name)));
        }
        Self { panels, quantity }
    }

    /// The series of all panels.
    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.panels.iter().flat_map(|panel| &panel.series)
    }

    fn check(&self) -> Result<()> {
        let check = |panel: &Panel| {
            let (what, is_share) = (&panel.y_label, panel.is_share);
            let mut series = panel.series.iter();
            series.try_for_each(|series| series.check(what, is_share, self.quantity))
        };
        self.panels.iter().try_for_each(check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{DOUBLE_COLUMN_MM, Line, Point, Role};
    use resvg::usvg::{Options, Tree};

    const SHOTS: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

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
            Role::Model => Line::Fitted(a0, a1),
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
    fn figures() -> Vec<(&'static str, Page, Chart)> {
        let with_zero: Vec<u32> = std::iter::once(0).chain(SHOTS).collect();
        let all: Vec<u32> = (0..=64).collect();
        let long = ["ACGT, nested, greedy", "digits, independent, constrained"]
            .map(|tail| format!("organisation/a-long-model-name-40b-base, {tail}"))
            .map(|name| model(&name, &SHOTS, 0.1, 0.02));
        let lines = [
            ("mode", 0.19, 0.0),
            ("nearest", 0.1, 0.05),
            ("copy", 0.045, 0.0),
        ];
        let baselines = lines.map(|(label, a0, a1)| series(label, Role::Baseline, &SHOTS, a0, a1));
        let over_baselines = |count| [models(count, &SHOTS), baselines.to_vec()].concat();
        let odd = vec![
            model("none", &[], 0.1, 0.1),
            model("one", &[4], 0.1, 0.1),
            model("steep", &SHOTS, -0.5, 0.4),
            series("dot", Role::Baseline, &[4], 0.3, 0.0),
        ];
        let mut wide = Page::new(DOUBLE_COLUMN_MM, 62.0);
        wide.title = Some("Bitstring programs".to_owned());
        wide.note = "Bars: 95 % bootstrap intervals. Lines: a₀ + a₁ ln(shots).".to_owned();
        let column = Page::new(89.0, 62.0);
        let mut titled = column.clone();
        let title = "A title so long that it has to be broken into several lines ";
        titled.title = Some(title.repeat(2));
        let of = |page: &Page, series| {
            let panels = vec![Panel::accuracy(series)];
            (page.clone(), Chart::new(Quantity::Shots, panels))
        };
        let figures = [
            ("one", of(&column, models(1, &SHOTS))),
            ("baselines", of(&column, over_baselines(3))),
            ("ten", of(&column, over_baselines(10))),
            ("ten, wide", of(&wide, over_baselines(10))),
            ("long labels", of(&titled, long.to_vec())),
            ("thirty", of(&Page::new(89.0, 120.0), models(30, &SHOTS))),
            ("0 shots", of(&column, models(2, &with_zero))),
            ("only 0 shots", of(&column, models(2, &[0]))),
            ("one shot count", of(&column, models(3, &[16]))),
            ("0 and another", of(&column, models(3, &[0, 16]))),
            ("every shot count", of(&column, models(2, &all))),
            ("odd lengths and slopes", of(&column, odd)),
            ("nameless", of(&column, vec![model("", &SHOTS, 0.1, 0.1)])),
        ];
        figures
            .map(|(name, (page, chart))| (name, page, chart))
            .into()
    }

    #[test]
    fn labels_cover_neither_data_nor_each_other_and_nothing_leaves_the_page() {
        for (name, page, chart) in figures() {
            let Layout {
                places,
                legend,
                radius,
                ..
            } = Layout::new(&chart, &page).unwrap();
            let (frame, labels) = (places[0].frame, &legend.labels);
            let (half_width, half_height) = (frame.width() / 2.0, frame.height() / 2.0);
            let (x, y) = (frame.centre(), frame.middle());
            let data = Rect::around(x, y, half_width + radius, half_height + radius);
            assert_eq!(labels.len(), chart.panels[0].series.len(), "{name}");
            for (i, label) in labels.iter().enumerate() {
                let bounds = &label.bounds;
                assert!(!bounds.overlaps(&data), "{name}: {label:?} over the plot");
                assert!(page.bounds().contains(bounds), "{name}: {label:?}");
                let mut others = labels[..i].iter();
                let is_free = others.all(|other| !bounds.overlaps(&other.bounds));
                assert!(is_free, "{name}: {label:?}");
            }
            // What is drawn, not what was planned: the page itself is the largest thing on it.
            let svg = chart.draw(&page).unwrap().finish();
            let tree = Tree::from_str(&svg, &Options::default()).unwrap();
            let (drawn, size) = (tree.root().abs_stroke_bounding_box(), tree.size());
            let [right, bottom] = [size.width() + 0.1, size.height() + 0.1];
            let is_within = drawn.left() > -0.1 && drawn.top() > -0.1;
            assert!(is_within && drawn.right() < right, "{name}: {drawn:?}");
            assert!(drawn.bottom() < bottom, "{name}: {drawn:?}");
        }
    }

    #[test]
    fn points_of_one_shot_count_stay_nearer_to_their_tick_than_to_any_other() {
        for (name, page, chart) in figures() {
            let place = &Layout::new(&chart, &page).unwrap().places[0];
            for shown in &place.shown {
                assert!(shown.dodge.abs() < place.across.spacing() / 2.0, "{name}");
                for point in &shown.series.points {
                    let ((x, y), r) = (place.at(shown, point), place.radius);
                    assert!(place.frame.contains(&Rect::around(x, y, r, 0.0)), "{name}");
                }
            }
        }
    }
}
