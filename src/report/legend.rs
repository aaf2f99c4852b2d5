/*!
Names the series without covering them: labels beside the ends of the lines, or a legend in columns above the plot.

Placing and drawing are separate steps, so that tests can check the geometry.
*/

use super::{Canvas, Look, Rect, SAMPLE, SHORT_SAMPLE, SMALL, Stroke, float};

/// A series that needs a label.
#[derive(Clone, Debug)]
pub struct Entry {
    pub label: String,
    pub look: Look,
    /// The height that its label should be near; negative infinity if the series has no points.
    pub near: f64,
    /// Whether its line ends there, at the right edge of the plot.
    pub is_end: bool,
}

impl Entry {
    /// An entry of a legend above the plot.
    pub fn new(label: &str, look: Look) -> Self {
        Self {
            label: label.to_owned(),
            look,
            near: f64::NEG_INFINITY,
            is_end: false,
        }
    }
}

/// A label with its place on the page.
#[derive(Clone, Debug)]
pub struct Placed {
    entry: Entry,
    /// The label as shown, whole or shortened.
    shown: String,
    /// The area of sample and text.
    pub bounds: Rect,
}

/// Labels with their places.
pub struct Legend {
    pub labels: Vec<Placed>,
    /// The right edge of the plot, if the labels stand beside it.
    pub plot: Option<f64>,
}

/// Height of a label.
const LINE: f64 = SMALL.size * 1.25;
/// The space between sample and text.
const SAMPLE_GAP: f64 = 3.0;
/// The space between the columns of a legend.
const COLUMN_GAP: f64 = 12.0;
/// The space between the plot and the labels beside it, with leaders (lines that lead to labels) and without.
const LEADER: f64 = 10.0;
const NO_LEADER: f64 = 3.0;
/// A label gets no leader if its height differs from that of its line's end by at most this.
const LEADER_LEAST: f64 = 1.5;
const LEADER_LINE: f64 = 0.5;
/// No label is shortened below this width.
const LEAST_TEXT: f64 = 30.0;

fn label_width(label: &str, sample: f64) -> f64 {
    sample + SAMPLE_GAP + SMALL.width(label)
}

/// Ascending heights within the limits and at least `gap` apart, with the least squared distance to `wanted`
/// (ascending). This is isotonic regression by pooling adjacent violators.
fn spread(wanted: &[f64], gap: f64, least: f64, most: f64) -> Option<Vec<f64>> {
    let slack = most - least - gap * float(wanted.len().saturating_sub(1));
    if slack < 0.0 {
        return None;
    }
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (i, y) in wanted.iter().enumerate() {
        let mut pool = (y - gap * float(i), 1);
        while let Some((mean, count)) = pools.pop_if(|(mean, _)| *mean > pool.0) {
            let sum = mean * float(count) + pool.0 * float(pool.1);
            pool = (sum / float(count + pool.1), count + pool.1);
        }
        pools.push(pool);
    }
    let within = |mean: f64| mean.clamp(least, least + slack);
    let start = pools.into_iter();
    let start = start.flat_map(|(mean, count)| std::iter::repeat_n(within(mean), count));
    Some(start.enumerate().map(|(i, y)| y + gap * float(i)).collect())
}

impl Legend {
    /// Labels at the right edge of `area`, each as near to its line's end as the others allow. They have the order of
    /// the ends, so no two leaders cross. `None` if there are too many labels, or if they are wider than `room`.
    pub fn beside(mut entries: Vec<Entry>, area: &Rect, room: f64) -> Option<Self> {
        entries.sort_by(|a, b| a.near.total_cmp(&b.near));
        let wanted: Vec<f64> = entries.iter().map(|entry| entry.near).collect();
        let (top, bottom) = (area.top + LINE / 2.0, area.bottom - LINE / 2.0);
        let centres = spread(&wanted, LINE, top, bottom)?;
        let widths = entries
            .iter()
            .map(|entry| label_width(&entry.label, SHORT_SAMPLE));
        let left = area.right - widths.fold(0.0, f64::max);
        let placed = |(entry, y): (Entry, f64)| {
            let top = y - LINE / 2.0;
            Placed::new(entry.label.clone(), entry, left, top, SHORT_SAMPLE)
        };
        let labels: Vec<Placed> = entries.into_iter().zip(centres).map(placed).collect();
        let has_leaders = labels.iter().any(Placed::is_led);
        let right = left - if has_leaders { LEADER } else { NO_LEADER };
        let plot = Some(right);
        (area.right - right <= room).then_some(Self { labels, plot })
    }

    /// A legend within `area`, in columns, from the upper left corner. It reads downwards. Labels are shortened only if
    /// they do not fit otherwise. `None` if they do not fit even then.
    pub fn above(entries: &[Entry], area: &Rect) -> Option<Self> {
        let width = |entry: &Entry| label_width(&entry.label, SAMPLE);
        let widest = |column: &[Entry]| column.iter().map(width).fold(0.0, f64::max);
        let room = |columns: usize| area.width() - COLUMN_GAP * (float(columns) - 1.0);
        let low = (1..=entries.len()).filter(|rows| LINE * float(*rows) <= area.height());
        // Try the smallest number of rows first: a legend should be flat.
        let mut whole = low.clone().filter_map(|rows| {
            let widths: Vec<f64> = entries.chunks(rows).map(widest).collect();
            let is_narrow = widths.iter().sum::<f64>() <= room(widths.len());
            is_narrow.then_some((rows, widths))
        });
        let elided = || {
            let rows = low.clone().next_back()?;
            let columns = entries.len().div_ceil(rows);
            let each = room(columns) / float(columns);
            let is_wide = each >= SAMPLE + SAMPLE_GAP + LEAST_TEXT;
            is_wide.then(|| (rows, vec![each; columns]))
        };
        let (rows, widths) = whole.next().or_else(elided)?;
        let (mut labels, mut x) = (Vec::new(), area.left);
        for (column, width) in entries.chunks(rows).zip(widths) {
            for (row, entry) in column.iter().enumerate() {
                let shown = SMALL.elide(&entry.label, width - SAMPLE - SAMPLE_GAP);
                let y = area.top + LINE * float(row);
                labels.push(Placed::new(shown, entry.clone(), x, y, SAMPLE));
            }
            x += width + COLUMN_GAP;
        }
        Some(Self { labels, plot: None })
    }

    /// Its lower edge.
    pub fn bottom(&self) -> f64 {
        let bottoms = self.labels.iter().map(|label| label.bounds.bottom);
        bottoms.fold(0.0, f64::max)
    }

    /// Draws it. Beside a plot, leaders connect lines with labels that are not at the height of their line's end.
    pub fn draw(&self, canvas: &mut Canvas, radius: f64) {
        canvas.group("legend", None, |canvas| {
            for label in &self.labels {
                let class = format!("label {}", label.entry.look.hue.class);
                canvas.group(&class, Some(&label.entry.label), |canvas| {
                    label.draw(canvas, self.plot, radius);
                });
            }
        });
    }
}

impl Placed {
    fn new(shown: String, entry: Entry, left: f64, top: f64, sample: f64) -> Self {
        let right = left + label_width(&shown, sample);
        Self {
            bounds: Rect::new(left, top, right, top + LINE),
            entry,
            shown,
        }
    }

    /// Whether it needs a leader beside the plot.
    fn is_led(&self) -> bool {
        self.entry.is_end && (self.entry.near - self.bounds.middle()).abs() > LEADER_LEAST
    }

    fn draw(&self, canvas: &mut Canvas, plot: Option<f64>, radius: f64) {
        let Entry { look, near, .. } = self.entry;
        let (left, y) = (self.bounds.left, self.bounds.middle());
        if let Some(from) = plot.filter(|_| self.is_led()) {
            let to = match look.reach(radius) {
                0.0 => left,
                reach => left + SHORT_SAMPLE / 2.0 - reach,
            };
            let near = [(from + 0.5, near), (from + 2.5, near)];
            let points = [near[0], near[1], (left - 3.0, y), (to - 1.2, y)];
            canvas.line("leader", &points, Stroke::solid(look.hue.tint, LEADER_LINE));
        }
        let sample = plot.map_or(SAMPLE, |_| SHORT_SAMPLE);
        look.draw_sample(canvas, left, y, sample, radius);
        let (x, y) = (left + sample + SAMPLE_GAP, y + SMALL.drop());
        canvas.text(&self.shown, x, y, SMALL.coloured(look.ink));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn spread_keeps_order_distance_and_limits(mut wanted in prop::collection::vec(0.0..100.0f64, 0..10)) {
            wanted.sort_by(f64::total_cmp);
            let at = spread(&wanted, 9.0, 0.0, 100.0).unwrap();
            prop_assert_eq!(at.len(), wanted.len());
            for pair in at.windows(2) {
                prop_assert!(pair[1] - pair[0] >= 9.0 - 1e-9);
            }
            for (y, w) in at.iter().zip(&wanted) {
                prop_assert!(*y >= -1e-9 && *y <= 100.0 + 1e-9);
                // A label without near neighbours or limits does not move.
                if wanted.iter().filter(|v| (*v - w).abs() < 90.0).count() == 1 {
                    prop_assert!((y - w).abs() < 1e-9);
                }
            }
        }
    }
}
