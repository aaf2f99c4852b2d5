/*!
Axes: from values to positions on the page and back, their ticks, and their drawing.
*/

use super::canvas::{Canvas, Rect, Stroke};
use super::font::{Anchor, DESCENT};
use super::style::{AXIS, GRID_LINE, LABEL, SMALL, TICK, ZERO_LINE};

/// A tick: where it stands, what it stands for, and its label if there is room for one.
#[derive(Clone, Debug)]
pub struct Tick {
    pub at: f64,
    pub value: f64,
    pub label: Option<String>,
}

/// What an axis measures.
#[derive(Clone, Copy, Debug, PartialEq)]
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

/// An axis of the page, horizontal or vertical.
#[derive(Clone, Debug)]
pub struct Axis {
    quantity: Quantity,
    from: f64,
    to: f64,
    /// The smallest and the largest value on the axis's scale, 0 left of a break apart, and where they stand.
    low: (f64, f64),
    high: (f64, f64),
    /// Where 0 stands on a logarithmic axis that has it.
    zero: Option<f64>,
    /// Where the axis is broken, if it is.
    pub gap: Option<f64>,
    pub ticks: Vec<Tick>,
}

impl Axis {
    fn new(quantity: Quantity, (from, to): (f64, f64), low: (f64, f64), high: (f64, f64)) -> Self {
        Self {
            quantity,
            from,
            to,
            low,
            high,
            zero: None,
            gap: None,
            ticks: Vec::new(),
        }
    }

    /// The axis of those values from `from` to `to`, its first and last `inset` from the ends.
    pub fn across(
        quantity: Quantity,
        values: impl IntoIterator<Item = f64>,
        (from, to): (f64, f64),
        inset: f64,
    ) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let (low, high) = ((0.0, from + inset), (0.0, to - inset));
        let mut axis = Self::new(quantity, (from, to), low, high);
        let has_zero = quantity != Quantity::Plain && values.first() == Some(&0.0);
        let others = &values[usize::from(has_zero)..];
        if has_zero {
            axis.low.1 += ((to - from) * ZERO_SHARE).max(ZERO_LEAST);
        }
        if let [_] = others {
            axis.low.1 = f64::midpoint(axis.low.1, axis.high.1);
            axis.high.1 = axis.low.1;
        }
        if let [first, ..] = others {
            axis.low.0 = axis.scaled(*first);
            axis.high.0 = axis.scaled(others[others.len() - 1]);
        }
        if has_zero && others.is_empty() {
            axis.zero = Some(f64::midpoint(from, to));
        } else if has_zero {
            axis.zero = Some(from + inset);
            axis.gap = Some(f64::midpoint(from + inset, axis.low.1));
        }
        let round = (quantity == Quantity::Parameters).then(|| axis.round_values());
        let values = round.flatten().unwrap_or(values);
        let label = |&value: &f64| match quantity {
            Quantity::Parameters => (value, parameters(value)),
            Quantity::Shots | Quantity::Plain => (value, value.to_string().replace('-', "−")),
        };
        axis.with_ticks(values.iter().map(label))
    }

    /// The vertical axis of a frame.
    pub fn upwards(span: &Span, frame: &Rect) -> Self {
        let (from, to) = (frame.bottom, frame.top);
        let (low, high) = ((span.bottom, from), (span.top, to));
        let axis = Self::new(Quantity::Plain, (from, to), low, high);
        let ticks = span.ticks().map(|tick| axis.tick(tick)).collect();
        Self { ticks, ..axis }
    }

    /// A horizontal axis with these ticks. All are labelled if that fits; else, of shot counts, the powers of two and 0;
    /// else as many as fit.
    pub fn with_ticks(mut self, ticks: impl Iterator<Item = (f64, String)>) -> Self {
        self.ticks = ticks.map(|tick| self.tick(tick)).collect();
        if !is_crowded(&self.ticks) {
            return self;
        }
        let doubles = |tick: &Tick| tick.value == 0.0 || tick.value.log2().fract() == 0.0;
        let prefers_doubles = self.quantity == Quantity::Shots
            && self.ticks.iter().filter(|tick| doubles(tick)).count() > 2;
        let mut end = f64::NEG_INFINITY;
        for tick in &mut self.ticks {
            let half = tick.half_width();
            if tick.at - half < end + LABEL_GAP || (prefers_doubles && !doubles(tick)) {
                tick.label = None;
            } else {
                end = tick.at + half;
            }
        }
        self
    }

    fn tick(&self, (value, label): (f64, String)) -> Tick {
        Tick {
            at: self.position(value),
            value,
            label: Some(label),
        }
    }

    fn scaled(&self, value: f64) -> f64 {
        match self.quantity {
            Quantity::Plain => value,
            Quantity::Shots | Quantity::Parameters => value.ln(),
        }
    }

    /// Where a value stands. Values between and beyond the ticks have places too.
    pub fn position(&self, value: f64) -> f64 {
        let ((low, from), (high, to)) = (self.low, self.high);
        match self.zero {
            Some(zero) if value <= 0.0 => zero,
            _ if high > low => from + (self.scaled(value) - low) / (high - low) * (to - from),
            _ => from,
        }
    }

    /// Where a value of a linear axis stands, or the end of the axis that it lies beyond.
    pub fn position_within(&self, value: f64) -> f64 {
        self.position(value.clamp(self.low.0, self.high.0))
    }

    /// Its least and its largest value.
    pub fn range(&self) -> (f64, f64) {
        (self.low.0, self.high.0)
    }

    /// The value at a position: the inverse of [`Axis::position`], 0 left of a break.
    pub fn value(&self, at: f64) -> f64 {
        let ((low, from), (high, to)) = (self.low, self.high);
        if self.zero.is_some() && self.gap.is_none_or(|gap| at < gap) {
            return 0.0;
        }
        let length = if high > low { to - from } else { f64::INFINITY };
        let scaled = low + (at - from) / length * (high - low);
        match self.quantity {
            Quantity::Plain => scaled,
            Quantity::Shots | Quantity::Parameters => scaled.exp(),
        }
    }

    /// The least distance of two ticks; the length of the axis if there is but one.
    pub fn spacing(&self) -> f64 {
        let gaps = self.ticks.windows(2).map(|pair| pair[1].at - pair[0].at);
        gaps.fold(self.to - self.from, f64::min)
    }

    /// Round values between the ends of a logarithmic axis: decades and their threes, or ones, twos and fives where
    /// these are few, or none.
    fn round_values(&self) -> Option<Vec<f64>> {
        const LEAST: usize = 3;
        let reach = self.value(self.from).ln()..=self.value(self.to).ln();
        let within = |digits: &[f64]| -> Vec<f64> {
            (0..=15)
                .flat_map(|power| digits.iter().map(move |digit| digit * 10_f64.powi(power)))
                .filter(|value| reach.contains(&value.ln()))
                .collect()
        };
        let choices = [&[1.0, 3.0][..], &[1.0, 2.0, 5.0]];
        let mut choices = choices.into_iter().map(within);
        choices.find(|values| values.len() >= LEAST)
    }

    /// Draws a horizontal axis along the height `y`: its line, ticks of that length, and labels.
    pub fn draw_across(&self, canvas: &mut Canvas, y: f64, tick_length: f64) {
        canvas.group("axis across", None, |canvas| {
            let mut from = self.from;
            if let Some(gap) = self.gap {
                canvas.line(&[(from, y), (gap - 1.5, y)], AXIS, &[]);
                from = gap + 1.5;
                for at in [gap - 1.5, gap + 1.5] {
                    let slash = [(at - 1.2, y + 2.4), (at + 1.2, y - 2.4)];
                    canvas.line(&slash, AXIS, &[("class", "break")]);
                }
            }
            canvas.line(&[(from, y), (self.to, y)], AXIS, &[]);
            for tick in &self.ticks {
                let share = if tick.label.is_some() { 1.0 } else { 0.6 };
                let ends = [(tick.at, y), (tick.at, y + tick_length * share)];
                if tick_length > 0.0 {
                    canvas.line(&ends, AXIS, &[("class", "tick")]);
                }
                if let Some(label) = &tick.label {
                    let style = SMALL.at(Anchor::Middle);
                    canvas.text(label, tick.at, y + TICK_LABEL_DROP, style);
                }
            }
        });
    }

    /// Draws a vertical axis along the left edge of `frame`, with labels if `labelled`.
    pub fn draw_upwards(&self, canvas: &mut Canvas, frame: &Rect, labelled: bool) {
        let x = frame.left;
        canvas.group("axis upwards", None, |canvas| {
            let ends = [(x, frame.top), (x, frame.bottom)];
            canvas.line(&ends, AXIS, &[("stroke-linecap", "square")]);
            for tick in &self.ticks {
                let ends = [(x - TICK, tick.at), (x, tick.at)];
                canvas.line(&ends, AXIS, &[("class", "tick")]);
                if let Some(label) = tick.label.as_deref().filter(|_| labelled) {
                    let (x, y) = (x - TICK - 2.0, tick.at + SMALL.drop());
                    canvas.text(label, x, y, SMALL.at(Anchor::End));
                }
            }
        });
    }

    /// Draws the grid lines of a vertical axis above its lower end.
    pub fn draw_grid(&self, canvas: &mut Canvas, frame: &Rect) {
        canvas.group("grid", None, |canvas| {
            for tick in self.ticks.iter().skip(1) {
                let ends = [(frame.left, tick.at), (frame.right, tick.at)];
                canvas.line(&ends, tick.grid_line(), &[]);
            }
        });
    }
}

impl Tick {
    /// Its grid line: that of 0 stands out.
    pub fn grid_line(&self) -> Stroke {
        match self.value {
            0.0 => ZERO_LINE,
            _ => GRID_LINE,
        }
    }

    fn half_width(&self) -> f64 {
        let label = self.label.as_deref();
        label.map_or(0.0, |label| SMALL.width(label) / 2.0)
    }
}

fn is_crowded(ticks: &[Tick]) -> bool {
    ticks.windows(2).any(|pair| {
        pair[1].at - pair[1].half_width() < pair[0].at + pair[0].half_width() + LABEL_GAP
    })
}

/// A number of parameters in short: `135M`, `1.7B`.
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

/// From the axis line to the baseline of its tick labels.
const TICK_LABEL_DROP: f64 = TICK + 2.2 + 2.0 * SMALL.drop();
/// From the axis line to the baseline of its title.
const TITLE_DROP: f64 = TICK_LABEL_DROP + 4.2 + 2.0 * LABEL.drop();
/// The height that a titled axis takes below its line.
pub const HEIGHT: f64 = TITLE_DROP + LABEL.size * DESCENT;
/// The same without its title.
pub const TICKS_HEIGHT: f64 = TICK_LABEL_DROP + SMALL.size * DESCENT;

/// Writes the title of a horizontal axis at `y` below its tick labels, centred between `left` and `right`.
pub fn draw_title_across(canvas: &mut Canvas, title: &str, left: f64, right: f64, y: f64) {
    let middle = f64::midpoint(left, right);
    canvas.text(title, middle, y + TITLE_DROP, LABEL.at(Anchor::Middle));
}

/// Writes the title of a vertical axis from `left` on, centred between `top` and `bottom`.
pub fn draw_title_upwards(canvas: &mut Canvas, title: &str, left: f64, top: f64, bottom: f64) {
    let (x, y) = (left + 2.0 * LABEL.drop(), f64::midpoint(top, bottom));
    canvas.text(title, x, y, LABEL.at(Anchor::Middle).turned());
}

/// What a linear axis holds between its round first and last tick.
#[derive(Clone, Debug)]
pub struct Span {
    pub bottom: f64,
    pub top: f64,
    steps: u32,
    decimals: i32,
}

impl Span {
    /// The span of shares, such as accuracies: from 0 to a round number that reaches `highest`, or to 1.
    pub fn share(highest: f64) -> Self {
        /// Where everything is near 0, that should show.
        const LEAST_TOP: f64 = 0.1;
        Self::around_zero(0.0, highest.clamp(LEAST_TOP, 1.0))
    }

    /// The shortest with round ticks that holds 0, `lowest` and `highest`.
    pub fn around_zero(lowest: f64, highest: f64) -> Self {
        /// Most intervals between ticks; and of an axis with both signs.
        const MOST: [f64; 2] = [6.0, 7.0];
        let (low, mut high) = (lowest.min(0.0), highest.max(0.0));
        if high - low <= 0.0 {
            high = 1.0;
        }
        let most = MOST[usize::from(low < 0.0 && high > 0.0)];
        let mut power = whole(((high - low) / most).log10().floor());
        // A step of ten times the span's sixth is always long enough: this ends in the next decade.
        loop {
            for digit in [1.0, 2.0, 5.0] {
                let step = digit * 10_f64.powi(power);
                let count = |length: f64| (length / step - 1e-9).ceil().max(0.0);
                let (below, above) = (count(-low), count(high));
                if below + above <= most {
                    return Self {
                        bottom: -below * step,
                        top: above * step,
                        steps: whole(below + above).unsigned_abs(),
                        decimals: (-power).max(0),
                    };
                }
            }
            power += 1;
        }
    }

    /// Its ticks from the lower end upwards, each the number that its label says, to the last bit.
    pub fn ticks(&self) -> impl Iterator<Item = (f64, String)> {
        (0..=self.steps).map(|i| {
            let share = f64::from(i) / f64::from(self.steps);
            let value = self.bottom + (self.top - self.bottom) * share;
            let power = 10_f64.powi(self.decimals);
            let value = (value * power).round() / power;
            let decimals = self.decimals.unsigned_abs() as usize;
            let label = match value {
                0.0 => "0".to_owned(),
                _ => format!("{value:.decimals$}").replace('-', "−"),
            };
            (value, label)
        })
    }

    /// The width that a vertical axis takes left of its line, with its title.
    pub fn width(&self) -> f64 {
        let widths = self.ticks().map(|(_, label)| SMALL.width(&label));
        let title = 4.5 + 2.0 * LABEL.drop() + LABEL.size * DESCENT;
        TICK + 2.0 + widths.fold(0.0, f64::max) + title
    }
}

#[expect(clippy::cast_possible_truncation, reason = "small counts")]
fn whole(count: f64) -> i32 {
    count as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Rect = Rect::new(30.0, 10.0, 230.0, 150.0);

    fn axis(shots: &[u32]) -> Axis {
        let shots = shots.iter().map(|&n| f64::from(n));
        Axis::across(Quantity::Shots, shots, (FRAME.left, FRAME.right), INSET)
    }

    fn labels(axis: &Axis) -> Vec<&str> {
        let labels = axis.ticks.iter().filter_map(|t| t.label.as_deref());
        labels.collect()
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
            assert_eq!(axis.ticks.len(), shots.len());
            for (tick, &n) in axis.ticks.iter().zip(shots) {
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
        let at: Vec<f64> = axis.ticks.iter().map(|t| t.at).collect();
        assert_eq!(at.len(), 5);
        for pair in at[1..].windows(3) {
            assert!((pair[2] - 2.0 * pair[1] + pair[0]).abs() < 1e-9);
        }
        let gap = axis.gap.unwrap();
        assert!(at[0] < gap && gap < at[1]);
    }

    #[test]
    fn labels_of_crowded_ticks_are_powers_of_two_and_never_collide() {
        let shots = axis(&(0..=64).collect::<Vec<_>>());
        assert_eq!(shots.ticks.len(), 65);
        assert_eq!(labels(&shots), ["0", "1", "2", "4", "8", "16", "32", "64"]);
        let many = (1000..1100).map(f64::from);
        let close = Axis::across(Quantity::Shots, many, (0.0, 60.0), INSET);
        for axis in [shots, close] {
            let ticks = axis.ticks.into_iter();
            let labelled: Vec<Tick> = ticks.filter(|t| t.label.is_some()).collect();
            assert!(!labelled.is_empty() && !is_crowded(&labelled));
        }
    }

    #[test]
    fn spans_hold_their_values_between_few_round_ticks_of_which_one_is_0() {
        let shares = [0.0_f64, 0.07, 0.12, 0.3, 0.301, 0.56, 0.61, 0.99, 1.0, 1.7];
        let shares = shares.map(|high| (0.0, high.min(1.0), Span::share(high)));
        let any = [
            (0.0, 0.0),
            (0.0, 0.0543),
            (-0.031, 0.002),
            (-0.4, 0.9),
            (12.0, 8123.0),
            (-3e-7, 1e-6),
            (0.1, 0.11),
            (-1.0, 1.0),
        ];
        let any = any.map(|(low, high)| (low, high, Span::around_zero(low, high)));
        for (low, high, span) in shares.into_iter().chain(any) {
            assert!(span.bottom <= low && span.top >= high - 1e-9, "{span:?}");
            let axis = Axis::upwards(&span, &FRAME);
            assert!((2..=8).contains(&axis.ticks.len()), "{span:?}");
            assert!(labels(&axis).contains(&"0"));
            for tick in &axis.ticks {
                assert!((axis.value(tick.at) - tick.value).abs() < 1e-9 * span.top.abs());
                let label = tick.label.as_deref().unwrap().replace('−', "-");
                let label: f64 = label.parse().unwrap();
                assert_eq!(label.to_bits(), (tick.value + 0.0).to_bits(), "{label}");
            }
        }
        for (highest, top) in [(0.0, 0.1), (0.28, 0.3), (0.83, 1.0), (1.7, 1.0)] {
            let span = Span::share(highest);
            assert!((span.top - top).abs() < 1e-12 && span.bottom == 0.0);
            assert!((3..=7).contains(&span.ticks().count()), "{span:?}");
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
        for (values, expected) in [
            (
                &[135e6, 1.7e9, 40e9][..],
                &["300M", "1B", "3B", "10B", "30B"][..],
            ),
            (&[1.7e9, 8e9], &["1.7B", "8B"]),
            (&[7e9], &["7B"]),
        ] {
            let values = values.iter().copied();
            let axis = Axis::across(Quantity::Parameters, values, (0.0, 200.0), INSET);
            assert_eq!(labels(&axis), expected);
        }
    }

    #[test]
    fn plain_axes_are_linear() {
        let values = [0.0, 1.0, 2.0, 4.0];
        let axis = Axis::across(Quantity::Plain, values, (0.0, 100.0), 10.0);
        let at: Vec<f64> = axis.ticks.iter().map(|t| t.at).collect();
        assert_eq!(at, [10.0, 30.0, 50.0, 90.0]);
        assert!((axis.value(70.0) - 3.0).abs() < 1e-12 && axis.gap.is_none());
    }
}
