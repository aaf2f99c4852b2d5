/*!
Bars in groups, each bar a stack, in one panel or several: counts of kinds of answers at every shot count.

Neighbouring kinds differ in hatching as well as in colour.
*/

use std::fmt::Write as _;

use super::Form;
use super::axis::{Axis, Quantity, Span};
use super::canvas::{Canvas, Rect};
use super::legend::Entry;
use super::mark::{self, Look};
use super::page::{Head, Page, Plot, float};
use crate::error::{Error, Result};

/// A bar: its segments from the bottom upwards, each with its kind and its share.
pub type Bar = Vec<(usize, f64)>;

/// One pair of axes with its bars.
pub struct BarPanel {
    /// Above it.
    pub title: String,
    /// From left to right: what stands under the tick, and the bars side by side over it.
    pub groups: Vec<(String, Vec<Bar>)>,
}

/// The figure, over shot counts.
pub struct Bars {
    /// At least one; all have the same vertical axis.
    pub panels: Vec<BarPanel>,
    /// Names and looks of the kinds of segments, in the order of the legend.
    pub kinds: Vec<(&'static str, Look)>,
    pub y_label: &'static str,
}

/// Share of the space of a tick that its bars take.
const FILLED: f64 = 0.78;

impl Form for Bars {
    fn draw(&self, page: &Page) -> Result<Canvas> {
        let groups = self.panels.iter().flat_map(|panel| &panel.groups);
        let bars: Vec<&Bar> = groups.flat_map(|(_, bars)| bars).collect();
        let segments = bars.iter().copied().flatten();
        if let Some((kind, share)) = segments
            .copied()
            .find(|(_, share)| !(0.0..=1.0).contains(share))
        {
            let label = self.kinds[kind].0;
            return Err(Error::data(format!(
                "{label}: share {share}, expected 0 to 1"
            )));
        }
        let height = |bar: &&Bar| bar.iter().map(|(_, share)| share).sum();
        let highest = bars.iter().map(height).fold(0.0, f64::max);
        let heads = self.panels.iter().map(|panel| Head {
            title: Some(&panel.title),
            y_label: self.y_label,
            span: Span::share(highest.max(page.y_max.unwrap_or_default())),
        });
        let kinds = self.kinds.iter();
        let entries: Vec<Entry> = kinds
            .map(|(label, look)| Entry::new(label, *look))
            .collect();
        let plot = Plot::new(page, heads.collect(), &entries, false)?;
        let mut canvas = page.canvas(self.y_label, &self.description());
        let over = |canvas: &mut Canvas, i: usize| {
            self.draw_groups(canvas, &self.panels[i], &plot.frames[i], &plot.upwards[i]);
        };
        plot.draw(&mut canvas, "Shots", 0.0, |_, _| {}, over);
        Ok(canvas)
    }
}

impl Bars {
    fn draw_groups(&self, canvas: &mut Canvas, panel: &BarPanel, frame: &Rect, upwards: &Axis) {
        let count = panel.groups.len();
        let step = frame.width() / float(count);
        let (places, ends) = ((0..count).map(float), (frame.left, frame.right));
        let labels = panel.groups.iter().map(|(label, _)| label.clone());
        let across = Axis::across(Quantity::Plain, places.clone(), ends, step / 2.0)
            .with_ticks(places.zip(labels));
        for ((label, bars), tick) in panel.groups.iter().zip(&across.ticks) {
            let width = step * FILLED / float(bars.len());
            for (k, bar) in bars.iter().enumerate() {
                let left = tick.at - step * FILLED / 2.0 + width * float(k);
                let mut base = 0.0;
                for &(kind, share) in bar {
                    let (name, look) = self.kinds[kind];
                    let words = format!("{label}: {name}, {share:.4}");
                    let [top, bottom] = [base + share, base].map(|y| upwards.position_within(y));
                    let bar = Rect::new(left, top, left + width, bottom);
                    canvas.group("series", Some(name), |canvas| {
                        canvas.group("segment", Some(&words), |canvas| {
                            mark::draw_bar(canvas, look, &bar);
                        });
                    });
                    base += share;
                }
            }
        }
        across.draw_across(canvas, frame.bottom, 0.0);
    }

    /// The figure in words.
    fn description(&self) -> String {
        let mut text = String::new();
        for panel in &self.panels {
            text += &panel.title;
            text.push('\n');
            for (label, bars) in &panel.groups {
                let _ = write!(text, "{label}:");
                for (kind, share) in bars.iter().flatten() {
                    let _ = write!(text, " {} {share:.4};", self.kinds[*kind].0);
                }
                text.push('\n');
            }
        }
        text
    }
}
