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
