/*!
Accuracy against how complex functions are: `BitLoad` and BitDiversity, one panel a model, one series a shot count.
*/

use super::super::axis::Quantity;
use super::super::chart::{Chart, Line, Panel, Point, Range, Role, Series};
use super::curves::{group, interval};
use super::{Findings, lacking, page_for};
use crate::error::Result;
use crate::record::Score;

/// More lines than this hide each other; of more shot counts, the ends and those between at equal steps are drawn.
const MOST_SERIES: usize = 4;
/// The width of a bin of `BitDiversity` in `score --by bitdiversity`.
const BIN: f64 = 0.5;
const NOTE: &str = "One line a shot count. Bars: 95 % intervals.";

/// Accuracy against `BitLoad`: the number of input bits that matter.
///
/// # Errors
/// [`crate::error::Error::Data`] if no row has one.
pub fn bit_load(findings: &Findings) -> Result<Chart> {
    let place = |score: &Score| score.bitload.map(f64::from);
    let title = "BitLoad (input bits that matter)";
    panels(&findings.bit_loads, place, title)
        .ok_or_else(|| lacking("bitload", "give scores by BitLoad (`score --by bitload`)"))
}

/// Accuracy against mean BitDiversity: the number of minority bits of outputs.
///
/// # Errors
/// [`crate::error::Error::Data`] if no row has one.
pub fn bit_diversity(findings: &Findings) -> Result<Chart> {
    let title = "Mean BitDiversity (minority bits of outputs; bins of 0.5)";
    // A bin is called by its lower end.
    let place = |score: &Score| score.bitdiversity.map(|low| low + BIN / 2.0);
    panels(&findings.bit_diversities, place, title).ok_or_else(|| {
        lacking(
            "bitdiversity",
            "give scores by BitDiversity (`score --by bitdiversity`)",
        )
    })
}

fn panels(scores: &[Score], place: impl Fn(&Score) -> Option<f64>, x_label: &str) -> Option<Chart> {
    let shown = shown_shots(scores.iter().map(|score| score.shots));
    let panels: Vec<Panel> = group(scores)
        .iter()
        .map(|model| Panel {
            title: Some(model.label.clone()),
            y_label: "Accuracy".to_owned(),
            range: Range::Share,
            series: shown
                .iter()
                .map(|&shots| Series {
                    label: if shots == 1 {
                        "1 shot".to_owned()
                    } else {
                        format!("{shots} shots")
                    },
                    role: Role::Model,
                    points: model
                        .rows
                        .iter()
                        .filter(|score| score.shots == shots)
                        .filter_map(|score| {
                            Some(Point::new(place(score)?, score.accuracy, interval(score)))
                        })
                        .collect(),
                    line: Line::Joined,
                })
                .collect(),
        })
        .collect();
    if panels.is_empty() {
        return None;
    }
    let mut page = page_for(panels.len(), 52.0);
    page.note = Some(NOTE.to_owned());
    Some(Chart {
        page,
        panels,
        quantity: Quantity::Plain,
        x_label: x_label.to_owned(),
        y_max: None,
    })
}

/// The shot counts to draw: all if they are few, else the ends and some between.
fn shown_shots(shots: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut all: Vec<u32> = shots.collect();
    all.sort_unstable();
    all.dedup();
    if all.len() <= MOST_SERIES {
        return all;
    }
    (0..MOST_SERIES)
        .map(|i| all[i * (all.len() - 1) / (MOST_SERIES - 1)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_shot_counts_the_ends_and_some_between_are_drawn() {
        assert_eq!(shown_shots([8, 1, 8, 4].into_iter()), [1, 4, 8]);
        let all = [1, 2, 4, 8, 16, 32, 64, 128];
        assert_eq!(shown_shots(all.into_iter()), [1, 4, 16, 128]);
    }
}
