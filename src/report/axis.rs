/*!
Axes: they map values to positions on the page, choose ticks, and draw themselves.
*/

use super::{AXIS, Canvas, DESCENT, GRID_LINE, LABEL, Rect, SMALL, TICK, ZERO_LINE, float, short};
use crate::error::counted;

/// A tick: its position, its value, and its label if there is room for one.
#[derive(Clone, Debug)]
pub struct Tick {
    pub at: f64,
    pub value: f64,
    pub label: Option<String>,
}

/// What an axis measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// Numbers of demonstrations: logarithmic, with a tick at each count. 0 has no logarithm, so it stands left of an
    /// axis break.
    Shots,
    /// Numbers of demonstrations below bars: equally spaced, without tick marks.
    Bars,
    /// Numbers of parameters: logarithmic, with round ticks.
    Parameters,
    /// Anything else, with the title of the axis: linear, with a tick at each value.
    Plain(&'static str),
}

impl Quantity {
    /// `value` on the axis's scale: its logarithm, its rank among `values` (ascending), or itself.
    fn scaled(self, value: f64, values: &[f64]) -> f64 {
        match self {
            Self::Plain(_) => value,
            Self::Bars => float(values.partition_point(|known| *known < value)),
            Self::Shots | Self::Parameters => value.ln(),
        }
    }

    /// The title of the axis.
    pub fn title(self) -> &'static str {
        match self {
            Self::Shots => "Shots (log scale)",
            Self::Bars => "Shots",
            Self::Parameters => "Parameters (log scale)",
            Self::Plain(title) => title,
        }
    }

    /// The place `x` on the axis in words.
    pub fn place(self, x: f64) -> String {
        match self {
            Self::Shots | Self::Bars => counted(x, "shot"),
            Self::Parameters => format!("{} parameters", parameters(x)),
            Self::Plain(_) => format!("at {x}"),
        }
    }
}

/// The usual space between the first or last tick of a horizontal axis and that end.
pub const INSET: f64 = 7.0;
/// Least space between two tick labels.
const LABEL_GAP: f64 = 3.0;
/// The distance from 0 shots to the next tick, as a share of the axis, and its minimum.
const ZERO_SHARE: f64 = 0.1;
const ZERO_LEAST: f64 = 15.0;

/// An axis of the page, horizontal or vertical.
#[derive(Clone, Debug)]
pub struct Axis {
    quantity: Quantity,
    from: f64,
    to: f64,
    /// The values it shows, ascending, each once.
    values: Vec<f64>,
    /// The smallest and the largest value, each scaled and with its position. A 0 left of the break does not count.
    low: (f64, f64),
    high: (f64, f64),
    /// On a broken axis: the position of 0, and that of the break.
    zero: Option<(f64, f64)>,
    pub ticks: Vec<Tick>,
}

impl Axis {
    /// A horizontal axis from `from` to `to`. The first and the last of its `values` are `inset` from the ends.
    pub fn across(
        quantity: Quantity,
        values: impl IntoIterator<Item = f64>,
        (from, to): (f64, f64),
        inset: f64,
    ) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let is_broken = quantity == Quantity::Shots && values.len() > 1 && values[0] == 0.0;
        let others = &values[usize::from(is_broken)..];
        let (mut first, mut last) = (from + inset, to - inset);
        let mut zero = None;
        if is_broken {
            let start = first;
            first += ((to - from) * ZERO_SHARE).max(ZERO_LEAST);
            zero = Some((start, f64::midpoint(start, first)));
        }
        if others.len() == 1 {
            first = f64::midpoint(first, last);
            last = first;
        }
        let scaled = |value: Option<&f64>| value.map_or(0.0, |v| quantity.scaled(*v, &values));
        let (low, high) = (scaled(others.first()), scaled(others.last()));
        let mut axis = Self {
            quantity,
            from,
            to,
            low: (low, first),
            high: (high, last),
            values,
            zero,
            ticks: Vec::new(),
        };
        let round = (quantity == Quantity::Parameters).then(|| axis.round_values());
        let values = round.flatten().unwrap_or_else(|| axis.values.clone());
        let tick = |value: f64| Tick {
            at: axis.position(value),
            value,
            label: Some(match quantity {
                Quantity::Parameters => parameters(value),
                _ => value.to_string().replace('-', "−"),
            }),
        };
        axis.ticks = values.into_iter().map(tick).collect();
        axis.thin_labels();
        axis
    }

    /// The vertical axis of a frame.
    pub fn upwards(span: &Span, frame: &Rect) -> Self {
        let (quantity, ends) = (Quantity::Plain(""), (frame.bottom, frame.top));
        let mut axis = Self::across(quantity, span.values(), ends, 0.0);
        for (tick, (_, label)) in axis.ticks.iter_mut().zip(&span.0) {
            tick.label = Some(label.clone());
        }
        axis
    }

    /// Removes labels of a horizontal axis if they are crowded. On an axis of shot counts, only 0 and powers of two
    /// keep theirs. Then every label that comes too close to the one before is removed.
    fn thin_labels(&mut self) {
        if !is_crowded(&self.ticks) {
            return;
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
    }

    /// The position of a value. It may be between the ticks or beyond them.
    pub fn position(&self, value: f64) -> f64 {
        let ((low, from), (high, to)) = (self.low, self.high);
        match self.zero {
            Some((zero, _)) if value <= 0.0 => zero,
            _ if high > low => {
                let scaled = self.quantity.scaled(value, &self.values);
                from + (scaled - low) / (high - low) * (to - from)
            }
            _ => from,
        }
    }

    /// The position of a value on a linear axis. Values beyond an end are moved to that end.
    pub fn position_within(&self, value: f64) -> f64 {
        self.position(value.clamp(self.low.0, self.high.0))
    }

    /// Its smallest and largest value.
    pub fn range(&self) -> (f64, f64) {
        (self.low.0, self.high.0)
    }

    /// The smallest distance between two ticks; the length of the axis if there is only one.
    pub fn spacing(&self) -> f64 {
        let gaps = self.ticks.windows(2).map(|pair| pair[1].at - pair[0].at);
        gaps.fold(self.to - self.from, f64::min)
    }

    /// Round values between the ends of a logarithmic axis: 1 and 3 times powers of ten. If these are too few: 1, 2 and
    /// 5 times powers of ten. `None` if these are too few, too.
    fn round_values(&self) -> Option<Vec<f64>> {
        const LEAST: usize = 3;
        let is_within = |value: &f64| (self.from..=self.to).contains(&self.position(*value));
        let within = |digits: &[f64]| -> Vec<f64> {
            let powers = (0..=15).map(|power| 10_f64.powi(power));
            let all = powers.flat_map(|power| digits.iter().map(move |digit| digit * power));
            all.filter(is_within).collect()
        };
        let choices = [&[1.0, 3.0][..], &[1.0, 2.0, 5.0]];
        let mut choices = choices.into_iter().map(within);
        let is_enough = |values: &Vec<f64>| self.values.len() > 1 && values.len() >= LEAST;
        choices.find(is_enough)
    }

    /// Draws a horizontal axis at the height `y`: line, ticks and labels.
    pub fn draw_across(&self, canvas: &mut Canvas, y: f64) {
        canvas.group("axis across", None, |canvas| {
            let mut from = self.from;
            if let Some((_, gap)) = self.zero {
                canvas.line("", &[(from, y), (gap - 1.5, y)], AXIS);
                from = gap + 1.5;
                for at in [gap - 1.5, gap + 1.5] {
                    let slash = [(at - 1.2, y + 2.4), (at + 1.2, y - 2.4)];
                    canvas.line("break", &slash, AXIS);
                }
            }
            canvas.line("", &[(from, y), (self.to, y)], AXIS);
            for tick in &self.ticks {
                if self.quantity != Quantity::Bars {
                    let share = if tick.label.is_some() { 1.0 } else { 0.6 };
                    let ends = [(tick.at, y), (tick.at, y + TICK * share)];
                    canvas.line("tick", &ends, AXIS);
                }
                if let Some(label) = &tick.label {
                    let style = SMALL.centred();
                    canvas.text(label, tick.at, y + TICK_LABEL_DROP, style);
                }
            }
        });
    }

    /// Draws a vertical axis at the left edge of `frame`, with tick labels if `labelled`.
    pub fn draw_upwards(&self, canvas: &mut Canvas, frame: &Rect, labelled: bool) {
        let x = frame.left;
        canvas.group("axis upwards", None, |canvas| {
            let half = AXIS.width / 2.0;
            canvas.line("", &[(x, frame.top - half), (x, frame.bottom + half)], AXIS);
            for tick in &self.ticks {
                let ends = [(x - TICK, tick.at), (x, tick.at)];
                canvas.line("tick", &ends, AXIS);
                if let Some(label) = tick.label.as_deref().filter(|_| labelled) {
                    let (x, y) = (x - TICK - 2.0, tick.at + SMALL.drop());
                    canvas.text(label, x, y, SMALL.ending());
                }
            }
        });
    }

    /// Draws the grid lines of a vertical axis, but none at its lower end.
    pub fn draw_grid(&self, canvas: &mut Canvas, frame: &Rect) {
        canvas.group("grid", None, |canvas| {
            for tick in self.ticks.iter().skip(1) {
                tick.draw_grid_line(canvas, (frame.left, tick.at), (frame.right, tick.at));
            }
        });
    }
}

impl Tick {
    /// Draws its grid line. The line at 0 is darker.
    pub fn draw_grid_line(&self, canvas: &mut Canvas, from: (f64, f64), to: (f64, f64)) {
        let (class, stroke) = match self.value {
            0.0 => ("zero", ZERO_LINE),
            _ => ("", GRID_LINE),
        };
        canvas.line(class, &[from, to], stroke);
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

/// A number of parameters in short form: `135M`, `1.7B`.
pub fn parameters(count: f64) -> String {
    let (unit, name) = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")]
        .into_iter()
        .find(|(unit, _)| count >= *unit)
        .unwrap_or((1.0, ""));
    let shown = count / unit;
    let decimals = usize::from(shown < 100.0) + usize::from(shown < 10.0);
    short(shown, decimals) + name
}

/// The distance from the axis line to the baseline of the tick labels.
const TICK_LABEL_DROP: f64 = TICK + 2.2 + 2.0 * SMALL.drop();
/// The distance from the axis line to the baseline of the title.
const TITLE_DROP: f64 = TICK_LABEL_DROP + 4.2 + 2.0 * LABEL.drop();
/// The height below the line of an axis with a title.
pub const HEIGHT: f64 = TITLE_DROP + LABEL.size * DESCENT;
/// The height below the line of an axis without a title.
pub const TICKS_HEIGHT: f64 = TICK_LABEL_DROP + SMALL.size * DESCENT;

/// Writes the title of a horizontal axis below the tick labels of a frame.
pub fn draw_title_across(canvas: &mut Canvas, quantity: Quantity, frame: &Rect) {
    let (title, y) = (quantity.title(), frame.bottom + TITLE_DROP);
    canvas.text(title, frame.centre(), y, LABEL.centred());
}

/// Writes the title of a vertical axis of a frame, with its left edge at `left`.
pub fn draw_title_upwards(canvas: &mut Canvas, title: &str, left: f64, frame: &Rect) {
    let x = left + 2.0 * LABEL.drop();
    canvas.text(title, x, frame.middle(), LABEL.centred().turned());
}

/// The ticks of a linear axis, from the lower end upwards: a round number and its label. The number is exactly what the
/// label says.
#[derive(Clone, Debug)]
pub struct Span(Vec<(f64, String)>);

impl Span {
    /// The span for shares, such as accuracies: from 0 to a round number that is at least `highest` and at most 1.
    pub fn share(highest: f64) -> Self {
        /// The smallest upper end, so that a figure shows when all values are near 0.
        const LEAST_TOP: f64 = 0.1;
        Self::around_zero(0.0, highest.clamp(LEAST_TOP, 1.0))
    }

    /// The shortest span with round ticks that contains 0, `lowest` and `highest`.
    pub fn around_zero(lowest: f64, highest: f64) -> Self {
        /// The most intervals between ticks: if all values have one sign, and if there are both signs.
        const MOST: [u32; 2] = [6, 7];
        let (low, mut high) = (lowest.min(0.0), highest.max(0.0));
        if high - low <= 0.0 {
            high = 1.0;
        }
        let most = f64::from(MOST[usize::from(low < 0.0 && high > 0.0)]);
        let mut power = f64::MIN_10_EXP;
        // The loop ends: ten times a sixth of the span is always a long enough step, and no value is near f64::MAX.
        loop {
            for digit in [1.0, 2.0, 5.0] {
                let step = digit * 10_f64.powi(power);
                let count = |length: f64| (length / step - 1e-9).ceil().max(0.0);
                let (below, above) = (count(-low), count(high));
                if below + above <= most {
                    let decimals = usize::try_from(-power).unwrap_or_default();
                    let ticks = (0..=MOST[1]).map(|i| f64::from(i) - below);
                    let ticks = ticks.take_while(|i| *i <= above);
                    return Self(ticks.map(|i| round(i * step, decimals)).collect());
                }
            }
            power += 1;
        }
    }

    /// The numbers at its ticks.
    pub fn values(&self) -> impl Iterator<Item = f64> {
        self.0.iter().map(|(value, _)| *value)
    }

    /// The width of a vertical axis left of its line, title included.
    pub fn width(&self) -> f64 {
        let widths = self.0.iter().map(|(_, label)| SMALL.width(label));
        let title = 4.5 + 2.0 * LABEL.drop() + LABEL.size * DESCENT;
        TICK + 2.0 + widths.fold(0.0, f64::max) + title
    }
}

/// A number rounded to `decimals`, and its text.
fn round(value: f64, decimals: usize) -> (f64, String) {
    let text = format!("{value:.decimals$}");
    match text.parse() {
        Ok(value) if value != 0.0 => (value, text.replace('-', "−")),
        _ => (0.0, "0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (-1e100, 1e100),
        ];
        let any = any.map(|(low, high)| (low, high, Span::around_zero(low, high)));
        for (low, high, span) in shares.into_iter().chain(any) {
            let ticks = &span.0;
            assert!((2..=8).contains(&ticks.len()), "{span:?}");
            let (bottom, top) = (ticks[0].0, ticks[ticks.len() - 1].0);
            assert!(bottom <= low && top >= high - 1e-9, "{span:?}");
            assert!(ticks.iter().any(|(_, label)| label == "0"), "{span:?}");
            let step = ticks[1].0 - bottom;
            for (i, (value, label)) in ticks.iter().enumerate() {
                assert!((bottom + float(i) * step - value).abs() <= 1e-9 * (top - bottom));
                let label: f64 = label.replace('−', "-").parse().unwrap();
                assert_eq!(label.to_bits(), value.to_bits(), "{span:?}");
            }
        }
        for (highest, top) in [(0.0, 0.1), (0.28, 0.3), (0.83, 1.0), (1.7, 1.0)] {
            let span = Span::share(highest);
            assert!((span.values().last().unwrap() - top).abs() < 1e-12 && span.0[0].0 == 0.0);
            assert!((3..=7).contains(&span.0.len()), "{span:?}");
        }
    }
}
