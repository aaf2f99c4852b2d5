/*!
Model against model: gaps by function, and the overlap of their best functions.
*/

use super::cells::{CurveCells, whole};
use super::compare::{PairedTasks, Share, TaskPair, accuracy, corrected, exact_gap};
use super::score::Complexities;
use crate::error::{Error, Result, counted};
use crate::record::{CurveKey, Listed, PairKey, Side, Versus, VersusTask};
use crate::stats::{PairedTest, SignFlipTest};
use rayon::prelude::*;
use std::cmp::Reverse;

/// Two curves at the largest shot count that both have.
struct ModelPair<'a> {
    a: &'a CurveCells,
    b: &'a CurveCells,
    shots: u32,
    tasks: PairedTasks<'a>,
}

/// The names of a pair.
pub(super) fn pair_key(a: &CurveKey, b: &CurveKey) -> PairKey {
    PairKey {
        model_a: a.model.clone(),
        modality_a: a.modality.clone(),
        encoding_a: a.encoding.clone(),
        model_b: b.model.clone(),
        modality_b: b.modality.clone(),
        encoding_b: b.encoding.clone(),
        bits: a.bits,
    }
}

/// Whether neither is a control. A pair with a control is not part of the family for corrections.
pub(super) fn are_models(a: &CurveKey, b: &CurveKey) -> bool {
    !(a.is_control() || b.is_control())
}

/// Checks that the names of all curves in a pair would differ.
pub(super) fn assert_distinct<'a>(keys: impl Iterator<Item = &'a CurveKey>) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for key in keys {
        if !seen.insert((&key.model, &key.modality, &key.encoding)) {
            return Err(Error::data(format!(
                "model {:?} has two curves, which differ in template, design, method, constrained or \
                 bos; give one of them, or rename one with infer --name",
                key.model
            )));
        }
    }
    Ok(())
}

/// All pairs of curves with the same width and condition.
fn model_pairs(curves: &[CurveCells], allow_partial: bool) -> Result<Vec<ModelPair<'_>>> {
    let mut model_pairs = Vec::new();
    for (i, a) in curves.iter().enumerate() {
        let alike = |key: &CurveKey| (key.bits, key.condition) == (a.key.bits, a.key.condition);
        assert_distinct(curves.iter().map(|c| &c.key).filter(|k| alike(k)))?;
        for b in curves[i + 1..].iter().filter(|b| alike(&b.key)) {
            let mut counts = a.cells.iter().rev();
            let shared = counts.find_map(|(shots, cell)| Some((shots, cell, b.cells.get(shots)?)));
            let Some((&shots, cell_a, cell_b)) = shared else {
                continue;
            };
            let place = format!(
                "models {:?} and {:?}, {}",
                a.key.model,
                b.key.model,
                counted(shots, "shot")
            );
            let tasks = PairedTasks::new(cell_a, cell_b, allow_partial, &place)?;
            model_pairs.push(ModelPair { a, b, shots, tasks });
        }
    }
    if model_pairs.is_empty() {
        return Err(Error::data(
            "--models: needs two models of one width and condition with a shot count in common",
        ));
    }
    Ok(model_pairs)
}

/// The places of the tasks from the largest rank down, from 0. Equal ranks keep their order, which is by name.
fn places(ranks: &[u32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ranks.len()).collect();
    order.sort_by_key(|&i| Reverse(ranks[i]));
    let mut places = vec![0; ranks.len()];
    for (place, i) in order.into_iter().enumerate() {
        places[i] = place;
    }
    places
}

/// The tasks outside the list of the `top` best that are as good as its last.
fn tied(ranks: &[u32], places: &[usize], top: usize) -> usize {
    let last = ranks.iter().zip(places).find(|(_, p)| **p + 1 == top);
    last.map_or(0, |(last, _)| {
        let outside = ranks.iter().zip(places).filter(|(_, p)| **p >= top);
        outside.filter(|(rank, _)| *rank == last).count()
    })
}

fn exact_a(task: &TaskPair<'_>) -> Share {
    exact_gap(task.a, (0, 1))
}

fn exact_b(task: &TaskPair<'_>) -> Share {
    exact_gap(task.b, (0, 1))
}

impl ModelPair<'_> {
    fn row(&self, top: usize) -> Option<Versus> {
        let [accuracy_a, accuracy_b] = self.tasks.accuracies();
        let top = top.min(self.tasks.tasks.len());
        let [a, b] = [exact_a, exact_b].map(|share| self.tasks.ranks(share));
        let (places_a, places_b) = (places(&a), places(&b));
        let pairs = places_a.iter().zip(&places_b);
        let shared = pairs.filter(|(p, q)| **p < top && **q < top).count();
        Some(Versus {
            pair: pair_key(&self.a.key, &self.b.key),
            condition: self.a.key.condition,
            shots: self.shots,
            tasks: whole(self.tasks.tasks.len()),
            accuracy_a,
            accuracy_b,
            paired: (self.tasks).gap(SignFlipTest::two_sided, PairedTest::two_sided)?,
            top: whole(top),
            shared: whole(shared),
            iou: f64::from(whole(shared)) / f64::from(whole(2 * top - shared)),
            tied_a: whole(tied(&a, &places_a, top)),
            tied_b: whole(tied(&b, &places_b, top)),
        })
    }
}

/// One row per pair. `top` is the length of the lists of best functions, at least 1.
///
/// # Errors
/// There is no pair, or models have the same name. Unless `allow_partial`: models have different functions.
pub fn versus(curves: &[CurveCells], top: usize, allow_partial: bool) -> Result<Vec<Versus>> {
    let model_pairs = model_pairs(curves, allow_partial)?;
    let rows = model_pairs
        .par_iter()
        .filter_map(|pair| Some((are_models(&pair.a.key, &pair.b.key), pair.row(top)?)))
        .collect();
    Ok(corrected(rows, |row: &mut Versus| {
        let gap = &mut row.paired;
        (gap.p_swap, [&mut gap.p_holm, &mut gap.p_bh])
    }))
}

/// One row per pair and function that is among the `top` best of a model, or among the `top` that favour one model
/// most. Rows go from the function that favours the first model most to the one that favours the second model most.
///
/// # Errors
/// Those of [`versus`], or a function is unknown, so its measures cannot be computed.
pub fn versus_tasks(
    curves: &[CurveCells],
    top: usize,
    allow_partial: bool,
    known: &mut Complexities,
) -> Result<Vec<VersusTask>> {
    let mut rows = Vec::new();
    for pair in model_pairs(curves, allow_partial)? {
        let [a, b, favouring_a, favouring_b] = [
            exact_a,
            exact_b,
            |task: &TaskPair<'_>| task.exact_gap(),
            |task: &TaskPair<'_>| exact_gap(task.b, task.a),
        ]
        .map(|share| places(&pair.tasks.ranks(share)));
        let mut order: Vec<usize> = (0..pair.tasks.tasks.len()).collect();
        order.sort_by_key(|&i| favouring_a[i]);
        for i in order {
            let task = &pair.tasks.tasks[i];
            let best = match (a[i] < top, b[i] < top) {
                (true, true) => Some(Listed::Both),
                (true, false) => Some(Listed::A),
                (false, true) => Some(Listed::B),
                (false, false) => None,
            };
            let favours = if task.sign() > 0 && favouring_a[i] < top {
                Some(Side::A)
            } else if task.sign() < 0 && favouring_b[i] < top {
                Some(Side::B)
            } else {
                None
            };
            if best.is_none() && favours.is_none() {
                continue;
            }
            let (bitload, bitdiversity) =
                known.of(task.function, pair.a.key.bits.unwrap_or_default())?;
            rows.push(VersusTask {
                pair: pair_key(&pair.a.key, &pair.b.key),
                condition: pair.a.key.condition,
                shots: pair.shots,
                function: task.function.to_owned(),
                bitload,
                bitdiversity,
                accuracy_a: accuracy(task.a),
                accuracy_b: accuracy(task.b),
                gap: task.gap(),
                rank_a: whole(a[i] + 1),
                rank_b: whole(b[i] + 1),
                best,
                favours,
            });
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_ties_by_name() {
        let ranks = [1, 2, 1, 0, 1];
        assert_eq!(places(&ranks), [1, 0, 2, 4, 3]);
        // The list of two ends within a tie of three.
        assert_eq!(tied(&ranks, &places(&ranks), 2), 2);
        assert_eq!(tied(&ranks, &places(&ranks), 1), 0);
        assert_eq!(tied(&ranks, &places(&ranks), 5), 0);
    }
}
