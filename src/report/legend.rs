/*!
Naming the series without covering them: labels beside the ends of the lines, or a legend in columns above the plot.

Placing and drawing are apart, so that the geometry can be tested.
*/

use super::canvas::{Anchor, Canvas, Rect, Stroke, TextStyle};
use super::font::{self, CAP_HEIGHT, Weight};
use super::mark::{self, Look, SAMPLE, SHORT_SAMPLE};
use super::page::float;
use super::style;

/// A series to name.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub label: String,
    /// How it looks.
    pub look: Look,
    /// The height at which its line reaches the right edge of the plot, if it does.
    pub end: Option<f64>,
    /// The height near which its label belongs.
    pub near: f64,
}

/// A label that has its place.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Which entry it names.
    pub entry: usize,
    /// The label as shown: whole, or elided.
    pub shown: String,
    /// Sample and text.
    pub bounds: Rect,
}

/// Height of a line of labels.
pub const LINE: f64 = style::SMALL_PT * LEADING_TIGHT;
const LEADING_TIGHT: f64 = 1.25;
/// Between sample and text.
const SAMPLE_GAP: f64 = 3.0;
/// Between the columns of a legend.
const COLUMN_GAP: f64 = 12.0;
/// Between the plot and the labels beside it: room for leaders, and where there are none.
const LEADER: f64 = 10.0;
const NO_LEADER: f64 = 3.0;
/// No leader for a label that is this near to the height of its line's end.
const LEADER_LEAST: f64 = 1.5;
const LEADER_LINE: f64 = 0.5;
/// No label is elided below this width.
const LEAST_TEXT: f64 = 30.0;

fn entry_width(label: &str, sample: f64) -> f64 {
    sample + SAMPLE_GAP + font::width(label, style::SMALL_PT, Weight::Regular)
}

/// Labels between `top` and `bottom` that end at `right`: each as near to its line's end as the others allow, in
/// the order of the ends, so that no two leaders cross. Also the right edge that this leaves to the plot. `None` if
/// they are too many.
#[must_use]
pub fn beside(entries: &[Entry], right: f64, top: f64, bottom: f64) -> Option<(Vec<Placed>, f64)> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by(|&a, &b| entries[a].near.total_cmp(&entries[b].near).then(a.cmp(&b)));
    let wanted: Vec<f64> = order.iter().map(|&i| entries[i].near).collect();
    let centres = spread(&wanted, LINE, top + LINE / 2.0, bottom - LINE / 2.0)?;
    let widths: Vec<f64> = order
        .iter()
        .map(|&i| entry_width(&entries[i].label, SHORT_SAMPLE))
        .collect();
    let left = right - widths.iter().copied().fold(0.0, f64::max);
    let led = order
        .iter()
        .zip(&centres)
        .any(|(&i, &y)| needs_leader(&entries[i], y).is_some());
    let placed = order
        .into_iter()
        .zip(centres)
        .zip(widths)
        .map(|((entry, y), width)| Placed {
            entry,
            shown: entries[entry].label.clone(),
            bounds: Rect {
                left,
                top: y - LINE / 2.0,
                right: left + width,
                bottom: y + LINE / 2.0,
            },
        })
        .collect();
    Some((placed, left - if led { LEADER } else { NO_LEADER }))
}

/// Where the leader to a label at `y` starts, if it needs one.
fn needs_leader(entry: &Entry, y: f64) -> Option<f64> {
    entry.end.filter(|end| (end - y).abs() > LEADER_LEAST)
}

/// The ascending heights nearest (in squares) to the ascending `wanted` that are `gap` apart and within the limits:
/// isotonic regression by pooling adjacent violators.
fn spread(wanted: &[f64], gap: f64, least: f64, most: f64) -> Option<Vec<f64>> {
    let index = |i: usize| f64::from(u32::try_from(i).unwrap_or(u32::MAX));
    let slack = most - least - gap * index(wanted.len().saturating_sub(1));
    if slack < 0.0 {
        return None;
    }
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (i, y) in wanted.iter().enumerate() {
        let mut pool = (y - gap * index(i), 1);
        while let Some(&(mean, count)) = pools.last() {
            if mean <= pool.0 {
                break;
            }
            let total = count + pool.1;
            pool = (
                (mean * index(count) + pool.0 * index(pool.1)) / index(total),
                total,
            );
            pools.pop();
        }
        pools.push(pool);
    }
    let start = pools
        .into_iter()
        .flat_map(|(mean, count)| std::iter::repeat_n(mean.clamp(least, least + slack), count));
    Some(start.enumerate().map(|(i, y)| y + gap * index(i)).collect())
}

/// A legend in columns, read downwards, from (`left`, `top`), at most `width` wide and `height` high. Labels are elided
/// only if they would not fit otherwise; `None` if not even that helps.
#[must_use]
pub fn columns(
    entries: &[Entry],
    left: f64,
    top: f64,
    width: f64,
    height: f64,
) -> Option<Vec<Placed>> {
    let count = entries.len();
    let fits = |rows: usize| rows_height(rows) <= height;
    // The fewest rows first: a legend should be flat.
    for rows in (1..=count).filter(|&rows| fits(rows)) {
        let widths: Vec<f64> = entries
            .chunks(rows)
            .map(|column| {
                column
                    .iter()
                    .map(|entry| entry_width(&entry.label, SAMPLE))
                    .fold(0.0, f64::max)
            })
            .collect();
        if total(&widths) <= width {
            return Some(place(entries, rows, &widths, left, top));
        }
    }
    let rows = (1..=count).rev().find(|&rows| fits(rows))?;
    let columns = count.div_ceil(rows);
    let gaps = COLUMN_GAP * float(columns - 1);
    let each = (width - gaps) / float(columns);
    (each >= SAMPLE + SAMPLE_GAP + LEAST_TEXT)
        .then(|| place(entries, rows, &vec![each; columns], left, top))
}

/// The height of a legend of that many rows.
#[must_use]
pub fn rows_height(rows: usize) -> f64 {
    LINE * float(rows)
}

fn total(widths: &[f64]) -> f64 {
    widths.iter().sum::<f64>() + COLUMN_GAP * float(widths.len().saturating_sub(1))
}

fn place(entries: &[Entry], rows: usize, widths: &[f64], left: f64, top: f64) -> Vec<Placed> {
    let mut placed = Vec::with_capacity(entries.len());
    let mut x = left;
    for (column, &width) in entries.chunks(rows).zip(widths) {
        for (row, entry) in column.iter().enumerate() {
            let shown = font::elide(
                &entry.label,
                width - SAMPLE - SAMPLE_GAP,
                style::SMALL_PT,
                Weight::Regular,
            );
            let y = top + rows_height(row);
            placed.push(Placed {
                entry: placed.len(),
                bounds: Rect {
                    left: x,
                    top: y,
                    right: x + entry_width(&shown, SAMPLE),
                    bottom: y + LINE,
                },
                shown,
            });
        }
        x += width + COLUMN_GAP;
    }
    placed
}

/// Draws placed labels. `leaders_from` is the right edge of the plot for labels beside it: a leader goes from there
/// to each label that does not stand at the height of its line's end.
pub fn draw(
    canvas: &mut Canvas,
    entries: &[Entry],
    placed: &[Placed],
    leaders_from: Option<f64>,
    radius: f64,
) {
    canvas.open_group("legend", None);
    for label in placed {
        let entry = &entries[label.entry];
        let y = f64::midpoint(label.bounds.top, label.bounds.bottom);
        canvas.open_group("label", Some(&entry.label));
        if let (Some(from), Some(end)) = (leaders_from, needs_leader(entry, y)) {
            let reach = entry.look.reach(radius);
            let room = if reach > 0.0 {
                SHORT_SAMPLE / 2.0 - reach - 1.2
            } else {
                -1.2
            };
            let to = label.bounds.left + room;
            canvas.polyline_as(
                &[
                    (from + 0.5, end),
                    (from + 2.5, end),
                    (label.bounds.left - 3.0, y),
                    (to, y),
                ],
                Stroke::solid(entry.look.tint(), LEADER_LINE),
                &[("class", "leader")],
            );
        }
        let sample = if leaders_from.is_some() {
            SHORT_SAMPLE
        } else {
            SAMPLE
        };
        mark::draw_sample(canvas, entry.look, label.bounds.left, y, sample, radius);
        canvas.text(
            &label.shown,
            label.bounds.left + sample + SAMPLE_GAP,
            y + style::SMALL_PT * CAP_HEIGHT / 2.0,
            &TextStyle {
                colour: match entry.look {
                    Look::Model { .. } | Look::Bar(_) => style::INK,
                    Look::Published(_) | Look::Baseline(_) => style::MUTED,
                },
                ..TextStyle::regular(style::SMALL_PT, Anchor::Start)
            },
        );
        canvas.close_group();
    }
    canvas.close_group();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::style::marker;
    use proptest::prelude::*;

    fn entries(labels: &[&str]) -> Vec<Entry> {
        labels
            .iter()
            .enumerate()
            .map(|(i, label)| Entry {
                label: (*label).to_owned(),
                look: Look::Model {
                    marker: marker(i),
                    line: true,
                },
                end: Some(50.0),
                near: 50.0,
            })
            .collect()
    }

    fn assert_apart(placed: &[Placed]) {
        for (i, a) in placed.iter().enumerate() {
            for b in &placed[..i] {
                assert!(!a.bounds.overlaps(&b.bounds), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn labels_that_end_at_one_height_are_centred_on_it() {
        let (placed, plot) = beside(&entries(&["a", "b", "c"]), 100.0, 0.0, 100.0).unwrap();
        assert_apart(&placed);
        assert!(
            placed
                .iter()
                .all(|p| p.bounds.left > plot && p.bounds.right <= 100.0)
        );
        let middle = f64::midpoint(placed[1].bounds.top, placed[1].bounds.bottom);
        assert!((middle - 50.0).abs() < 1e-9);
        assert!(beside(&entries(&["x"; 20]), 100.0, 0.0, 100.0).is_none());
    }

    #[test]
    fn a_legend_is_as_flat_as_its_width_allows() {
        let few = entries(&["Evo2-40B", "Qwen3-4B", "mode"]);
        let placed = columns(&few, 10.0, 5.0, 400.0, 60.0).unwrap();
        assert!(placed.iter().all(|p| (p.bounds.top - 5.0).abs() < 1e-9));
        let narrow = columns(&few, 10.0, 5.0, 70.0, 60.0).unwrap();
        assert!(narrow[2].bounds.top > narrow[0].bounds.top);
        assert_apart(&placed);
        assert_apart(&narrow);
    }

    #[test]
    fn a_legend_elides_what_does_not_fit_and_gives_up_where_that_does_not_help() {
        let long = entries(&["organisation/a-very-long-model-name-with-a-suffix-40b-base"; 8]);
        let placed = columns(&long, 0.0, 0.0, 240.0, 40.0).unwrap();
        assert_apart(&placed);
        assert!(
            placed
                .iter()
                .all(|p| p.bounds.right <= 240.0 && p.bounds.bottom <= 40.0)
        );
        assert!(placed.iter().all(|p| p.shown.contains('…')));
        assert!(columns(&long, 0.0, 0.0, 240.0, 8.2).is_none());
        assert!(columns(&long, 0.0, 0.0, 40.0, 400.0).is_none());
    }

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
                // What is free of neighbours and limits does not move.
                if wanted.iter().filter(|v| (*v - w).abs() < 90.0).count() == 1 {
                    prop_assert!((y - w).abs() < 1e-9);
                }
            }
        }
    }
}
