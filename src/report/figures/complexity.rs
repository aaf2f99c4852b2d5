/*!
Accuracy against the complexity of functions (`BitLoad`, BitDiversity): one panel per model, one series per shot count.
*/

use super::super::{Drawing, Panel, Quantity, Role, Series};
use super::curves::{Measured as _, group};
use super::{Findings, panels};
use crate::error::{Result, counted};
use crate::record::Score;
use std::collections::BTreeSet;

/// More lines than this would hide each other. If there are more shot counts, only some are drawn, at equal steps.
const MOST_SERIES: usize = 4;
/// The width of a bin of `BitDiversity` in `score --by bitdiversity`.
const BIN: f64 = 0.5;

/// Accuracy against `BitLoad`, the number of input bits that matter.
pub fn bit_load(findings: &Findings) -> Result<Drawing> {
    let place = |score: &Score| score.bitload.map(f64::from);
    by_place(
        &findings.bit_loads,
        place,
        "BitLoad (input bits that matter)",
    )
}

/// Accuracy against mean BitDiversity, the number of minority bits of outputs.
pub fn bit_diversity(findings: &Findings) -> Result<Drawing> {
    let title = "Mean BitDiversity (minority bits of outputs; bins of 0.5)";
    // The column has the lower end of a bin. The point stands at its middle.
    let place = |score: &Score| score.bitdiversity.map(|low| low + BIN / 2.0);
    by_place(&findings.bit_diversities, place, title)
}

fn by_place(
    scores: &[Score],
    place: impl Fn(&Score) -> Option<f64>,
    x_label: &'static str,
) -> Result<Drawing> {
    let counts = shown_shots(scores.iter().map(|score| score.shots));
    let shown = group(scores).into_iter().map(|model| {
        let series = counts.iter().map(|&shots| {
            let points = model.points(|score| {
                let place = place(score).filter(|_| score.shots == shots)?;
                Some(score.point(place))
            });
            Series::new(counted(shots, "shot"), Role::Model, points)
        });
        Panel::accuracy(series.collect()).titled(&model.label)
    });
    let note = "One line a shot count. Bars: 95 % intervals.";
    panels(Quantity::Plain(x_label), 52.0, note, shown.collect())
}

/// The shot counts to draw: all, or if there are too many, the smallest, the largest and some between.
fn shown_shots(shots: impl Iterator<Item = u32>) -> Vec<u32> {
    let all: BTreeSet<u32> = shots.collect();
    let all: Vec<u32> = all.into_iter().collect();
    if all.len() <= MOST_SERIES {
        return all;
    }
    let step = |i: usize| all[i * (all.len() - 1) / (MOST_SERIES - 1)];
    (0..MOST_SERIES).map(step).collect()
}
