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

/// What a horizontal axis measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Numbers of demonstrations: logarithmic, with ticks at the counts themselves; 0, which has no logarithm, stands
    /// left of an axis break.
    Shots,
    /// Numbers of parameters: logarithmic, with round ticks.
    Parameters,
    /// Anything else: linear, with ticks at the values themselves.
    Plain,
}

/// The usual space between the ends of a horizontal axis and its first and last tick.
pub const INSET: f64 = 7.0;
/// Least space between two tick labels.
const LABEL_GAP: f64 = 3.0;
/// Share of the axis that lies between 0 shots and the first other tick, and its least length.
const ZERO_SHARE: f64 = 0.1;
const ZERO_LEAST: f64 = 15.0;

/// A horizontal axis.
#[derive(Clone, Debug)]
pub struct Across {
    quantity: Quantity,
    /// Ascending, each once.
    values: Vec<f64>,
    left: f64,
    right: f64,
    inset: f64,
    /// Position of the smallest value that is not left of a break.
    first: f64,
    /// Position of the largest.
    last: f64,
    /// The same two on the axis's scale.
    low: f64,
    high: f64,
}

impl Across {
    /// The axis of those values from `left` to `right`, its first and last `inset` from the ends.
    #[must_use]
    pub fn new(
        quantity: Quantity,
        values: impl IntoIterator<Item = f64>,
        left: f64,
        right: f64,
        inset: f64,
    ) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let mut axis = Self {
            quantity,
            left,
            right,
            inset,
            first: left + inset,
            last: right - inset,
            low: 0.0,
            high: 0.0,
            values,
        };
        let beside_break = axis.has_zero();
        let scaled: Vec<f64> = axis
            .values
            .iter()
            .skip(usize::from(beside_break))
            .map(|&x| axis.scaled(x))
            .collect();
        if beside_break {
            axis.first += ((right - left) * ZERO_SHARE).max(ZERO_LEAST);
        }
        if scaled.len() == 1 {
            axis.first = f64::midpoint(axis.first, axis.last);
            axis.last = axis.first;
        }
        axis.low = scaled.first().copied().unwrap_or_default();
        axis.high = scaled.last().copied().unwrap_or_default();
        axis
    }

    /// What it measures.
    #[must_use]
    pub fn quantity(&self) -> Quantity {
        self.quantity
    }

    fn is_logarithmic(&self) -> bool {
        self.quantity != Quantity::Plain
    }

    fn has_zero(&self) -> bool {
        self.is_logarithmic() && self.values.first() == Some(&0.0)
    }

    fn scaled(&self, value: f64) -> f64 {
        if self.is_logarithmic() {
            value.ln()
        } else {
            value
        }
    }

    /// Where a value stands. Values between and beyond the ticks have places too.
    #[must_use]
    pub fn position(&self, value: f64) -> f64 {
        if self.is_logarithmic() && value <= 0.0 {
            return if self.values.len() == 1 {
                f64::midpoint(self.left, self.right)
            } else {
                self.left + self.inset
            };
        }
        if self.high > self.low {
            let share = (self.scaled(value) - self.low) / (self.high - self.low);
            self.first + share * (self.last - self.first)
        } else {
            self.first
        }
    }

    /// The value at a position: the inverse of [`Across::position`], 0 left of a break.
    #[must_use]
    pub fn value(&self, at: f64) -> f64 {
        if self.gap().is_some_and(|gap| at < gap) || (self.has_zero() && self.values.len() == 1) {
            return 0.0;
        }
        let scaled = if self.high > self.low {
            self.low + (at - self.first) / (self.last - self.first) * (self.high - self.low)
        } else {
            self.low
        };
        if self.is_logarithmic() {
            scaled.exp()
        } else {
            scaled
        }
    }

    /// Where the axis is broken, if it is.
    #[must_use]
    pub fn gap(&self) -> Option<f64> {
        (self.has_zero() && self.values.len() > 1)
            .then(|| f64::midpoint(self.left + self.inset, self.first))
    }

    /// The least distance of two values; the length of the axis if there is but one.
    #[must_use]
    pub fn spacing(&self) -> f64 {
        self.values
            .windows(2)
            .map(|pair| self.position(pair[1]) - self.position(pair[0]))
            .fold(self.right - self.left, f64::min)
    }

    /// The ticks. All are labelled if that fits; else, of shot counts, the powers of two and 0; else as many as fit.
    #[must_use]
    pub fn ticks(&self) -> Vec<Tick> {
        let values = match self.quantity {
            Quantity::Shots | Quantity::Plain => self.values.clone(),
            Quantity::Parameters => self.round_values(),
        };
        let mut ticks: Vec<Tick> = values
            .iter()
            .map(|&value| Tick {
                at: self.position(value),
                value,
                label: Some(match self.quantity {
                    Quantity::Parameters => parameters(value),
                    Quantity::Shots | Quantity::Plain => value.to_string().replace('-', "−"),
                }),
            })
            .collect();
        if crowded(&ticks) {
            let doubles = |tick: &Tick| tick.value == 0.0 || tick.value.log2().fract() == 0.0;
            if self.quantity == Quantity::Shots && ticks.iter().filter(|t| doubles(t)).count() > 2 {
                for tick in ticks.iter_mut().filter(|t| !doubles(t)) {
                    tick.label = None;
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

    /// Round values between the ends of a logarithmic axis: decades and their threes, or ones, twos and fives where
    /// these are few, or else the values themselves.
    fn round_values(&self) -> Vec<f64> {
        const LEAST: usize = 3;
        let within = |digits: &[f64]| -> Vec<f64> {
            let reach = |at: f64| (self.value(at)).ln();
            let (low, high) = (reach(self.left), reach(self.right));
            (0..=15)
                .flat_map(|power| digits.iter().map(move |digit| digit * 10_f64.powi(power)))
                .filter(|value| (low..=high).contains(&value.ln()))
                .collect()
        };
        [&[1.0, 3.0][..], &[1.0, 2.0, 5.0]]
            .into_iter()
            .map(within)
            .find(|values| values.len() >= LEAST)
            .unwrap_or_else(|| self.values.clone())
    }

    /// Draws the axis line, its ticks and labels along the lower edge of `frame`.
    pub fn draw(&self, canvas: &mut Canvas, frame: &Rect) {
        canvas.open_group("axis across", None);
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
                draw_tick_label(canvas, label, tick.at, y);
            }
        }
        canvas.close_group();
    }
}

/// A number of parameters in short: `135M`, `1.7B`.
#[must_use]
pub fn parameters(count: f64) -> String {
    let (unit, name) = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")]
        .into_iter()
        .find(|(unit, _)| count >= *unit)
        .unwrap_or((1.0, ""));
    let shown = count / unit;
    let decimals = usize::from(shown < 100.0) + usize::from(shown < 10.0);
    let text = format!("{shown:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{name}")
}

/// Writes a label under the tick at `at` of an axis line at `y`.
pub fn draw_tick_label(canvas: &mut Canvas, label: &str, at: f64, y: f64) {
    canvas.text(
        label,
        at,
        y + TICK_LABEL_DROP,
        &TextStyle::regular(style::SMALL_PT, Anchor::Middle),
    );
}

/// Writes the title of a horizontal axis below its tick labels, centred between `left` and `right`.
pub fn draw_title_across(canvas: &mut Canvas, title: &str, left: f64, right: f64, y: f64) {
    canvas.text(
        title,
        f64::midpoint(left, right),
        y + TITLE_DROP,
        &TextStyle::regular(style::LABEL_PT, Anchor::Middle),
    );
}

/// From the axis line to the baseline of its tick labels.
const TICK_LABEL_DROP: f64 = style::TICK + 2.2 + style::SMALL_PT * CAP_HEIGHT;
/// From the axis line to the baseline of its title.
const TITLE_DROP: f64 = TICK_LABEL_DROP + 4.2 + style::LABEL_PT * CAP_HEIGHT;
/// The height that a titled axis takes below its line.
pub const HEIGHT: f64 = TITLE_DROP + style::LABEL_PT * font::DESCENT;
/// The same without its title.
pub const TICKS_HEIGHT: f64 = TICK_LABEL_DROP + style::SMALL_PT * font::DESCENT;

/// The width of a tick label.
#[must_use]
pub fn label_width(label: &str) -> f64 {
    font::width(label, style::SMALL_PT, Weight::Regular)
}

fn crowded(ticks: &[Tick]) -> bool {
    let half = |tick: &Tick| tick.label.as_deref().map_or(0.0, label_width) / 2.0;
    ticks
        .windows(2)
        .any(|pair| pair[1].at - half(&pair[1]) < pair[0].at + half(&pair[0]) + LABEL_GAP)
}

/// A vertical axis: linear, with round ticks from its lower to its upper end.
#[derive(Clone, Debug)]
pub struct Upwards {
    /// The value at its lower end.
    pub bottom: f64,
    /// The value at its upper end.
    pub top: f64,
    steps: u32,
    decimals: usize,
}

/// No axis of shares ends below this: where everything is near 0, that should show.
const LEAST_TOP: f64 = 0.1;
/// Most intervals between ticks.
const MOST_STEPS: f64 = 6.0;
/// Most intervals of an axis with both signs.
const MOST_SIGNED_STEPS: f64 = 7.0;

impl Upwards {
    /// The axis of a share, such as accuracy: from 0 to the next round number that reaches `highest`, or 1.
    #[must_use]
    pub fn share(highest: f64) -> Self {
        /// Steps with their decimals, from fine to coarse.
        const STEPS: [(f64, usize); 4] = [(0.02, 2), (0.05, 2), (0.1, 1), (0.2, 1)];
        let highest = highest.clamp(LEAST_TOP, 1.0);
        let count = |step: f64| (highest / step - 1e-9).ceil();
        let (step, decimals) = STEPS
            .into_iter()
            .find(|&(step, _)| count(step) <= MOST_STEPS)
            .unwrap_or(STEPS[STEPS.len() - 1]);
        let steps = whole(count(step));
        Self {
            bottom: 0.0,
            top: f64::from(steps) * step,
            steps,
            decimals,
        }
    }

    /// The axis of any numbers: the shortest with round ticks that holds 0, `lowest` and `highest`.
    #[must_use]
    pub fn around_zero(lowest: f64, highest: f64) -> Self {
        let (low, mut high) = (lowest.min(0.0), highest.max(0.0));
        if high - low <= 0.0 {
            high = 1.0;
        }
        let most = if low < 0.0 && high > 0.0 {
            MOST_SIGNED_STEPS
        } else {
            MOST_STEPS
        };
        let mut power = ((high - low) / most).log10().floor();
        let mut digit = 0;
        // A step of ten times the span's sixth is always long enough: this ends in the next decade.
        loop {
            let step = [1.0, 2.0, 5.0][digit] * 10_f64.powf(power);
            let (below, above) = (
                (-low / step - 1e-9).ceil().max(0.0),
                (high / step - 1e-9).ceil().max(0.0),
            );
            if below + above <= most {
                return Self {
                    bottom: -below * step,
                    top: above * step,
                    steps: whole(below + above),
                    decimals: whole((-power).max(0.0)) as usize,
                };
            }
            digit += 1;
            if digit == 3 {
                (digit, power) = (0, power + 1.0);
            }
        }
    }

    /// Where `value` stands in `frame`.
    #[must_use]
    pub fn position(&self, value: f64, frame: &Rect) -> f64 {
        frame.bottom - (value - self.bottom) / (self.top - self.bottom) * frame.height()
    }

    /// Where `value` stands in `frame`, or the end of the axis that it lies beyond.
    #[must_use]
    pub fn position_within(&self, value: f64, frame: &Rect) -> f64 {
        self.position(value.clamp(self.bottom, self.top), frame)
    }

    /// The value at a position: the inverse of [`Upwards::position`].
    #[must_use]
    pub fn value(&self, at: f64, frame: &Rect) -> f64 {
        self.bottom + (frame.bottom - at) / frame.height() * (self.top - self.bottom)
    }

    /// Its ticks in `frame`, from the lower end upwards.
    #[must_use]
    pub fn ticks(&self, frame: &Rect) -> Vec<Tick> {
        (0..=self.steps)
            .map(|i| {
                let value = self.tick(i);
                Tick {
                    at: self.position(value, frame),
                    value,
                    label: Some(self.label(i)),
                }
            })
            .collect()
    }

    /// The number that its label says, to the last bit.
    fn tick(&self, i: u32) -> f64 {
        let value = self.bottom + (self.top - self.bottom) * f64::from(i) / f64::from(self.steps);
        let power: f64 = (0..self.decimals).map(|_| 10.0).product();
        (value * power).round() / power
    }

    fn label(&self, i: u32) -> String {
        let value = self.tick(i);
        let text = format!("{:.*}", self.decimals, value.abs());
        if text.chars().all(|c| matches!(c, '0' | '.')) {
            "0".to_owned()
        } else if value < 0.0 {
            format!("−{text}")
        } else {
            text
        }
    }

    /// The width that the axis takes left of its line, with a title or without.
    #[must_use]
    pub fn width(&self, titled: bool) -> f64 {
        let labels = (0..=self.steps)
            .map(|i| label_width(&self.label(i)))
            .fold(0.0, f64::max);
        let title = if titled {
            4.5 + style::LABEL_PT * (CAP_HEIGHT + font::DESCENT)
        } else {
            0.0
        };
        style::TICK + 2.0 + labels + title
    }

    /// Draws the grid lines, that of 0 in the colour of the axis where there are values below it.
    pub fn draw_grid(&self, canvas: &mut Canvas, frame: &Rect) {
        canvas.open_group("grid", None);
        for tick in self.ticks(frame).iter().skip(1) {
            let stroke = if tick.label.as_deref() == Some("0") {
                Stroke::solid(style::MUTED, style::AXIS_LINE)
            } else {
                Stroke::solid(style::GRID, style::GRID_LINE)
            };
            canvas.polyline(&[(frame.left, tick.at), (frame.right, tick.at)], stroke);
        }
        canvas.close_group();
    }

    /// Draws the axis line and its ticks along the left edge of `frame`, with labels if `labelled`, and `title` beside
    /// them.
    pub fn draw(&self, canvas: &mut Canvas, frame: &Rect, labelled: bool, title: Option<&str>) {
        canvas.open_group("axis upwards", None);
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
            if let Some(label) = tick.label.filter(|_| labelled) {
                canvas.text(
                    &label,
                    frame.left - style::TICK - 2.0,
                    tick.at + style::SMALL_PT * CAP_HEIGHT / 2.0,
                    &TextStyle::regular(style::SMALL_PT, Anchor::End),
                );
            }
        }
        if let Some(title) = title {
            draw_title_upwards(
                canvas,
                title,
                frame.left - self.width(true),
                frame.top,
                frame.bottom,
            );
        }
        canvas.close_group();
    }
}

/// Writes the title of a vertical axis from `left` on, centred between `top` and `bottom`.
pub fn draw_title_upwards(canvas: &mut Canvas, title: &str, left: f64, top: f64, bottom: f64) {
    canvas.text_upwards(
        title,
        left + style::LABEL_PT * CAP_HEIGHT,
        f64::midpoint(top, bottom),
        &TextStyle::regular(style::LABEL_PT, Anchor::Middle),
    );
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts, not below 0"
)]
fn whole(count: f64) -> u32 {
    count as u32
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

    fn axis(shots: &[u32]) -> Across {
        let shots = shots.iter().map(|&n| f64::from(n));
        Across::new(Quantity::Shots, shots, FRAME.left, FRAME.right, INSET)
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
        let many = (1000..1100).map(f64::from);
        let close = Across::new(Quantity::Shots, many, 0.0, 60.0, INSET);
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
            let axis = Upwards::share(highest);
            assert!(axis.top >= highest.min(1.0) - 1e-9 && axis.top <= 1.0 + 1e-9);
            let ticks = axis.ticks(&FRAME);
            assert!((3..=7).contains(&ticks.len()), "{highest}: {}", ticks.len());
            for tick in ticks {
                assert!((axis.value(tick.at, &FRAME) - tick.value).abs() < 1e-12);
                let label: f64 = tick.label.unwrap().parse().unwrap();
                assert!((label - tick.value).abs() < 1e-12, "{highest}: {label}");
            }
        }
        assert!((Upwards::share(0.28).top - 0.3).abs() < 1e-12);
        assert!((Upwards::share(0.83).top - 1.0).abs() < 1e-12);
    }

    #[test]
    fn axes_around_zero_hold_their_values_between_few_round_ticks_of_which_one_is_0() {
        for (low, high) in [
            (0.0, 0.0),
            (0.0, 0.0543),
            (-0.031, 0.002),
            (-0.4, 0.9),
            (12.0, 8123.0),
            (-3e-7, 1e-6),
            (0.1, 0.11),
            (-1.0, 1.0),
        ] {
            let axis = Upwards::around_zero(low, high);
            assert!(axis.bottom <= low && axis.top >= high, "{axis:?}");
            assert!(axis.top > axis.bottom);
            let ticks = axis.ticks(&FRAME);
            assert!((2..=8).contains(&ticks.len()), "{axis:?}");
            assert!(ticks.iter().any(|t| t.label.as_deref() == Some("0")));
            for tick in ticks {
                assert!((axis.value(tick.at, &FRAME) - tick.value).abs() < 1e-9 * axis.top.abs());
                let label: f64 = tick.label.unwrap().replace('−', "-").parse().unwrap();
                assert_eq!(label.to_bits(), (tick.value + 0.0).to_bits(), "{label}");
            }
        }
    }

    #[test]
    fn parameters_are_written_in_short() {
        for (count, shown) in [
            (135e6, "135M"),
            (1.7e9, "1.7B"),
            (40e9, "40B"),
            (0.6e9, "600M"),
            (1e12, "1T"),
            (30.0, "30"),
            (12.5e3, "12.5k"),
        ] {
            assert_eq!(parameters(count), shown);
        }
    }

    #[test]
    fn parameter_axes_have_round_ticks_or_the_models_own() {
        let labels = |values: &[f64]| -> Vec<String> {
            let values = values.iter().copied();
            let axis = Across::new(Quantity::Parameters, values, 0.0, 200.0, INSET);
            axis.ticks().into_iter().filter_map(|t| t.label).collect()
        };
        assert_eq!(
            labels(&[135e6, 1.7e9, 40e9]),
            ["300M", "1B", "3B", "10B", "30B"]
        );
        assert_eq!(labels(&[1.7e9, 8e9]), ["1.7B", "8B"]);
        assert_eq!(labels(&[7e9]), ["7B"]);
    }

    #[test]
    fn plain_axes_are_linear() {
        let axis = Across::new(Quantity::Plain, [0.0, 1.0, 2.0, 4.0], 0.0, 100.0, 10.0);
        let at: Vec<f64> = axis.ticks().iter().map(|t| t.at).collect();
        assert_eq!(at, [10.0, 30.0, 50.0, 90.0]);
        assert!((axis.value(70.0) - 3.0).abs() < 1e-12 && axis.gap().is_none());
    }
}
