/*!
Axes: from values to positions on the page and back, their ticks, and their drawing.
*/

use super::canvas::{Anchor, Canvas, Rect, Stroke, TextStyle};
use super::font::{self, CAP_HEIGHT, Weight};
use super::style;

/// A tick: where it stands, what it stands for, and its label if there is room for one.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Its position on the page.
    pub at: f64,
    /// The value there.
    pub value: f64,
    /// Its label.
    pub label: Option<String>,
}

/// The usual space between the ends of the shot axis and its first and last tick.
pub const INSET: f64 = 7.0;
/// Least space between two tick labels.
const LABEL_GAP: f64 = 3.0;
/// Share of the axis that lies between 0 shots and the first other tick, and its least length.
const ZERO_SHARE: f64 = 0.1;
const ZERO_LEAST: f64 = 15.0;

/// The shot axis: logarithmic, with ticks at the shot counts themselves. 0 shots, which has no logarithm,
/// stands left of an axis break.
#[derive(Clone, Debug)]
pub struct ShotAxis {
    /// Ascending, each once.
    shots: Vec<u32>,
    left: f64,
    right: f64,
    inset: f64,
    /// Position of the smallest positive count.
    first: f64,
    /// Position of the largest.
    last: f64,
    /// Their logarithms.
    low: f64,
    high: f64,
}

impl ShotAxis {
    /// The axis of those shot counts from `left` to `right`, its first and last tick `inset` from the ends.
    #[must_use]
    pub fn new(shots: impl IntoIterator<Item = u32>, left: f64, right: f64, inset: f64) -> Self {
        let mut shots: Vec<u32> = shots.into_iter().collect();
        shots.sort_unstable();
        shots.dedup();
        let positive: Vec<u32> = shots.iter().copied().filter(|&n| n > 0).collect();
        let zero = shots.first() == Some(&0);
        let (mut first, mut last) = (left + inset, right - inset);
        if zero {
            first += ((right - left) * ZERO_SHARE).max(ZERO_LEAST);
        }
        if positive.len() == 1 {
            first = f64::midpoint(first, last);
            last = first;
        }
        let log = |n: Option<&u32>| n.map_or(0.0, |&n| f64::from(n).ln());
        Self {
            left,
            right,
            inset,
            first,
            last,
            low: log(positive.first()),
            high: log(positive.last()),
            shots,
        }
    }

    /// Where that many shots stand. Counts between and beyond the ticks have places too.
    #[must_use]
    pub fn position(&self, shots: f64) -> f64 {
        if shots <= 0.0 {
            return if self.shots.len() == 1 {
                f64::midpoint(self.left, self.right)
            } else {
                self.left + self.inset
            };
        }
        if self.high > self.low {
            let share = (shots.ln() - self.low) / (self.high - self.low);
            self.first + share * (self.last - self.first)
        } else {
            self.first
        }
    }

    /// The shots at a position: the inverse of [`ShotAxis::position`], 0 left of the break.
    #[must_use]
    pub fn value(&self, at: f64) -> f64 {
        if self.gap().is_some_and(|gap| at < gap) || self.shots == [0] {
            return 0.0;
        }
        if self.high > self.low {
            let share = (at - self.first) / (self.last - self.first);
            (self.low + share * (self.high - self.low)).exp()
        } else {
            self.low.exp()
        }
    }

    /// Where the axis is broken, if it is.
    #[must_use]
    pub fn gap(&self) -> Option<f64> {
        (self.shots.len() > 1 && self.shots[0] == 0)
            .then(|| f64::midpoint(self.left + self.inset, self.first))
    }

    /// The least distance of two ticks; the length of the axis if there is but one.
    #[must_use]
    pub fn spacing(&self) -> f64 {
        self.shots
            .windows(2)
            .map(|pair| self.position(f64::from(pair[1])) - self.position(f64::from(pair[0])))
            .fold(self.right - self.left, f64::min)
    }

    /// A tick for every shot count. All are labelled if that fits; else the powers of two, and 0; else as many of
    /// those as fit.
    #[must_use]
    pub fn ticks(&self) -> Vec<Tick> {
        let mut ticks: Vec<Tick> = self
            .shots
            .iter()
            .map(|&n| Tick {
                at: self.position(f64::from(n)),
                value: f64::from(n),
                label: Some(n.to_string()),
            })
            .collect();
        if crowded(&ticks) {
            let round = |n: &u32| *n == 0 || n.is_power_of_two();
            if self.shots.iter().filter(|n| round(n)).count() > 2 {
                for (tick, n) in ticks.iter_mut().zip(&self.shots) {
                    if !round(n) {
                        tick.label = None;
                    }
                }
            }
            let mut end = f64::NEG_INFINITY;
            for tick in &mut ticks {
                let Some(label) = &tick.label else { continue };
                let half = label_width(label) / 2.0;
                if tick.at - half < end + LABEL_GAP {
                    tick.label = None;
                } else {
                    end = tick.at + half;
                }
            }
        }
        ticks
    }

    /// Draws the axis line, its ticks and labels along the lower edge of `frame`, and `title` below them.
    pub fn draw(&self, canvas: &mut Canvas, frame: &Rect, title: &str) {
        canvas.open_group("axis shots", None);
        let line = Stroke::solid(style::INK, style::AXIS_LINE);
        let y = frame.bottom;
        let mut from = self.left;
        if let Some(gap) = self.gap() {
            canvas.polyline(&[(from, y), (gap - 1.5, y)], line);
            from = gap + 1.5;
            for at in [gap - 1.5, gap + 1.5] {
                canvas.polyline_as(
                    &[(at - 1.2, y + 2.4), (at + 1.2, y - 2.4)],
                    line,
                    &[("class", "break")],
                );
            }
        }
        canvas.polyline(&[(from, y), (self.right, y)], line);
        for tick in self.ticks() {
            let length = if tick.label.is_some() {
                style::TICK
            } else {
                style::TICK * 0.6
            };
            canvas.polyline_as(
                &[(tick.at, y), (tick.at, y + length)],
                line,
                &[("class", "tick")],
            );
            if let Some(label) = &tick.label {
                canvas.text(
                    label,
                    tick.at,
                    y + TICK_LABEL_DROP,
                    &TextStyle::regular(style::SMALL_PT, Anchor::Middle),
                );
            }
        }
        canvas.text(
            title,
            f64::midpoint(frame.left, frame.right),
            y + TITLE_DROP,
            &TextStyle::regular(style::LABEL_PT, Anchor::Middle),
        );
        canvas.close_group();
    }
}

/// From the axis line to the baseline of its tick labels.
const TICK_LABEL_DROP: f64 = style::TICK + 2.2 + style::SMALL_PT * CAP_HEIGHT;
/// From the axis line to the baseline of its title.
const TITLE_DROP: f64 = TICK_LABEL_DROP + 4.2 + style::LABEL_PT * CAP_HEIGHT;
/// The height that a titled axis takes below its line.
pub const HEIGHT: f64 = TITLE_DROP + style::LABEL_PT * font::DESCENT;

fn label_width(label: &str) -> f64 {
    font::width(label, style::SMALL_PT, Weight::Regular)
}

fn crowded(ticks: &[Tick]) -> bool {
    let half = |tick: &Tick| tick.label.as_deref().map_or(0.0, label_width) / 2.0;
    ticks
        .windows(2)
        .any(|pair| pair[1].at - half(&pair[1]) < pair[0].at + half(&pair[0]) + LABEL_GAP)
}

/// The axis of a share, such as accuracy: linear from 0 at the bottom to a round number of at most 1.
#[derive(Clone, Debug)]
pub struct ShareAxis {
    /// The value at its upper end.
    pub top: f64,
    steps: u32,
    decimals: usize,
}

/// No axis ends below this: where everything is near 0, that should show.
const LEAST_TOP: f64 = 0.1;
/// Steps with their decimals, from fine to coarse.
const STEPS: [(f64, usize); 4] = [(0.02, 2), (0.05, 2), (0.1, 1), (0.2, 1)];
/// Most intervals between ticks.
const MOST_STEPS: f64 = 6.0;

impl ShareAxis {
    /// The shortest axis with round ticks that reaches `highest`, or 1.
    #[must_use]
    pub fn reaching(highest: f64) -> Self {
        let highest = highest.clamp(LEAST_TOP, 1.0);
        let count = |step: f64| (highest / step - 1e-9).ceil();
        let (step, decimals) = STEPS
            .into_iter()
            .find(|&(step, _)| count(step) <= MOST_STEPS)
            .unwrap_or(STEPS[STEPS.len() - 1]);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "1 to 6"
        )]
        let steps = count(step) as u32;
        Self {
            top: f64::from(steps) * step,
            steps,
            decimals,
        }
    }

    /// Where `value` stands in `frame`.
    #[must_use]
    pub fn position(&self, value: f64, frame: &Rect) -> f64 {
        frame.bottom - value / self.top * frame.height()
    }

    /// The value at a position: the inverse of [`ShareAxis::position`].
    #[must_use]
    pub fn value(&self, at: f64, frame: &Rect) -> f64 {
        (frame.bottom - at) / frame.height() * self.top
    }

    /// Its ticks in `frame`, from 0 upwards.
    #[must_use]
    pub fn ticks(&self, frame: &Rect) -> Vec<Tick> {
        (0..=self.steps)
            .map(|i| {
                let value = self.top * f64::from(i) / f64::from(self.steps);
                Tick {
                    at: self.position(value, frame),
                    value,
                    label: Some(self.label(i)),
                }
            })
            .collect()
    }

    fn label(&self, i: u32) -> String {
        let value = self.top * f64::from(i) / f64::from(self.steps);
        if i == 0 {
            "0".to_owned()
        } else {
            format!("{value:.*}", self.decimals)
        }
    }

    /// The width that the titled axis takes left of its line.
    #[must_use]
    pub fn width(&self) -> f64 {
        let labels = (0..=self.steps)
            .map(|i| label_width(&self.label(i)))
            .fold(0.0, f64::max);
        style::TICK + 2.0 + labels + 4.5 + style::LABEL_PT * (CAP_HEIGHT + font::DESCENT)
    }

    /// Draws the grid lines.
    pub fn draw_grid(&self, canvas: &mut Canvas, frame: &Rect) {
        canvas.open_group("grid", None);
        for tick in self.ticks(frame).iter().skip(1) {
            canvas.polyline(
                &[(frame.left, tick.at), (frame.right, tick.at)],
                Stroke::solid(style::GRID, style::GRID_LINE),
            );
        }
        canvas.close_group();
    }

    /// Draws the axis line, its ticks and labels along the left edge of `frame`, and `title` beside them.
    pub fn draw(&self, canvas: &mut Canvas, frame: &Rect, title: &str) {
        canvas.open_group("axis share", None);
        let line = Stroke::solid(style::INK, style::AXIS_LINE);
        canvas.polyline_as(
            &[(frame.left, frame.top), (frame.left, frame.bottom)],
            line,
            &[("stroke-linecap", "square")],
        );
        for tick in self.ticks(frame) {
            canvas.polyline_as(
                &[(frame.left - style::TICK, tick.at), (frame.left, tick.at)],
                line,
                &[("class", "tick")],
            );
            if let Some(label) = &tick.label {
                canvas.text(
                    label,
                    frame.left - style::TICK - 2.0,
                    tick.at + style::SMALL_PT * CAP_HEIGHT / 2.0,
                    &TextStyle::regular(style::SMALL_PT, Anchor::End),
                );
            }
        }
        canvas.text_upwards(
            title,
            frame.left - self.width() + style::LABEL_PT * CAP_HEIGHT,
            f64::midpoint(frame.top, frame.bottom),
            &TextStyle::regular(style::LABEL_PT, Anchor::Middle),
        );
        canvas.close_group();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Rect = Rect {
        left: 30.0,
        top: 10.0,
        right: 230.0,
        bottom: 150.0,
    };

    fn axis(shots: &[u32]) -> ShotAxis {
        ShotAxis::new(shots.iter().copied(), FRAME.left, FRAME.right, INSET)
    }

    #[test]
    fn shot_ticks_make_the_round_trip() {
        for shots in [
            &[0, 1, 2, 4, 8, 16, 32, 64, 128][..],
            &[1, 2, 4, 8],
            &[0, 4, 8],
            &[3],
            &[0, 5],
            &[0],
            &[1, 10, 100, 1000],
        ] {
            let axis = axis(shots);
            let ticks = axis.ticks();
            assert_eq!(ticks.len(), shots.len());
            for (tick, &n) in ticks.iter().zip(shots) {
                assert_eq!(tick.label.as_deref(), Some(n.to_string().as_str()));
                assert!((axis.position(f64::from(n)) - tick.at).abs() < 1e-9);
                assert!((axis.value(tick.at) - f64::from(n)).abs() < 1e-9 * f64::from(n.max(1)));
                assert!(tick.at > FRAME.left && tick.at < FRAME.right);
            }
        }
    }

    #[test]
    fn doublings_are_equally_far_apart_and_zero_stands_left_of_the_break() {
        let axis = axis(&[8, 0, 1, 4, 2, 2]);
        let at: Vec<f64> = axis.ticks().iter().map(|t| t.at).collect();
        assert_eq!(at.len(), 5);
        for pair in at[1..].windows(3) {
            assert!((pair[2] - 2.0 * pair[1] + pair[0]).abs() < 1e-9);
        }
        let gap = axis.gap().unwrap();
        assert!(at[0] < gap && gap < at[1]);
    }

    #[test]
    fn labels_of_crowded_ticks_are_powers_of_two_and_never_collide() {
        let axis = axis(&(0..=64).collect::<Vec<_>>());
        let ticks = axis.ticks();
        assert_eq!(ticks.len(), 65);
        let labels: Vec<&str> = ticks.iter().filter_map(|t| t.label.as_deref()).collect();
        assert_eq!(labels, ["0", "1", "2", "4", "8", "16", "32", "64"]);
        let labelled: Vec<Tick> = ticks.into_iter().filter(|t| t.label.is_some()).collect();
        assert!(!crowded(&labelled));
        let close = ShotAxis::new(1000..1100, 0.0, 60.0, INSET);
        let labelled: Vec<Tick> = close
            .ticks()
            .into_iter()
            .filter(|t| t.label.is_some())
            .collect();
        assert!(!labelled.is_empty() && !crowded(&labelled));
    }

    #[test]
    fn share_ticks_make_the_round_trip_and_are_labelled_with_their_value() {
        for highest in [0.0, 0.07, 0.12, 0.3, 0.301, 0.56, 0.61, 0.99, 1.0, 1.7] {
            let axis = ShareAxis::reaching(highest);
            assert!(axis.top >= highest.min(1.0) - 1e-9 && axis.top <= 1.0 + 1e-9);
            let ticks = axis.ticks(&FRAME);
            assert!((3..=7).contains(&ticks.len()), "{highest}: {}", ticks.len());
            for tick in ticks {
                assert!((axis.value(tick.at, &FRAME) - tick.value).abs() < 1e-12);
                let label: f64 = tick.label.unwrap().parse().unwrap();
                assert!((label - tick.value).abs() < 1e-12, "{highest}: {label}");
            }
        }
        assert!((ShareAxis::reaching(0.28).top - 0.3).abs() < 1e-12);
        assert!((ShareAxis::reaching(0.83).top - 1.0).abs() < 1e-12);
    }
}
