/*!
Model against model: gaps function by function, and what their best functions share.
*/

use super::cells::CurveCells;
use super::compare::{Compared, TaskPair};
use super::score::Complexities;
use crate::error::{Error, Result};
use crate::record::{CurveKey, Listed, PairKey, Side, Versus, VersusTask};
use crate::stats::holm;
use rayon::prelude::*;

/// Two curves at the largest shot count that both have.
struct Duel<'a> {
    a: &'a CurveCells,
    b: &'a CurveCells,
    shots: u32,
    tasks: Compared<'a>,
}

/// A pair's names.
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

/// Refuses curves whose names in a pair would be the same.
pub(super) fn assert_distinct<'a>(keys: impl Iterator<Item = &'a CurveKey>) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for key in keys {
        if !seen.insert((&key.model, &key.modality, &key.encoding)) {
            return Err(Error::data(format!(
                "model {:?} stands for two curves, which differ in template, design, method, \
                 constrained or bos; give one of them, or name one anew with infer --name",
                key.model
            )));
        }
    }
    Ok(())
}

/// Every two curves of one width and condition.
fn duels(curves: &[CurveCells], allow_partial: bool) -> Result<Vec<Duel<'_>>> {
    let mut duels = Vec::new();
    for (i, a) in curves.iter().enumerate() {
        let alike = |key: &CurveKey| (key.bits, key.condition) == (a.key.bits, a.key.condition);
        assert_distinct(curves.iter().map(|c| &c.key).filter(|k| alike(k)))?;
        for b in curves[i + 1..].iter().filter(|b| alike(&b.key)) {
            let shared = a.cells.iter().rev().find_map(|(shots, cell)| {
                let other = b.cells.get(shots)?;
                Some((*shots, cell, other))
            });
            let Some((shots, cell_a, cell_b)) = shared else {
                continue;
            };
            let place = format!(
                "models {:?} and {:?}, {shots} shots",
                a.key.model, b.key.model
            );
            let tasks = Compared::new(cell_a, cell_b, allow_partial, &place)?;
            duels.push(Duel { a, b, shots, tasks });
        }
    }
    if duels.is_empty() {
        return Err(Error::data(
            "--models: needs two models of one width and condition with a shot count in common",
        ));
    }
    Ok(duels)
}

/// The places of the tasks from the largest value down, 0 first; equal ones by name, in which
/// order they come.
fn places(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[j].total_cmp(&values[i]));
    let mut places = vec![0; values.len()];
    for (place, i) in order.into_iter().enumerate() {
        places[i] = place;
    }
    places
}

/// The tasks outside the list of the `top` best that are as good as its last.
fn tied(values: &[f64], places: &[usize], top: usize) -> usize {
    let last = values.iter().zip(places).find(|(_, p)| **p + 1 == top);
    last.map_or(0, |(last, _)| {
        let outside = values.iter().zip(places).filter(|(_, p)| **p >= top);
        outside.filter(|(v, _)| *v >= last).count()
    })
}

/// The places of a duel's tasks by accuracy of either, and by the gap both ways.
struct Places {
    a: Vec<usize>,
    b: Vec<usize>,
    favouring_a: Vec<usize>,
    favouring_b: Vec<usize>,
}

impl Duel<'_> {
    fn values(&self) -> [Vec<f64>; 3] {
        let tasks = || self.tasks.tasks.iter();
        [
            tasks().map(TaskPair::accuracy_a).collect(),
            tasks().map(TaskPair::accuracy_b).collect(),
            self.tasks.gaps(),
        ]
    }

    fn places(&self) -> Places {
        let [a, b, gap] = self.values();
        let reversed: Vec<f64> = gap.iter().map(|g| -g).collect();
        Places {
            a: places(&a),
            b: places(&b),
            favouring_a: places(&gap),
            favouring_b: places(&reversed),
        }
    }

    fn row(&self, top: usize) -> Option<Versus> {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let summary = self.tasks.summary()?;
        let top = top.min(self.tasks.tasks.len());
        let [a, b, _] = self.values();
        let places = self.places();
        let both = |(p, q): (&usize, &usize)| *p < top && *q < top;
        let shared = places.a.iter().zip(&places.b).filter(|&p| both(p)).count();
        let [up, equal, down] = summary.signs;
        let test = summary.gap.test;
        Some(Versus {
            pair: pair_key(&self.a.key, &self.b.key),
            condition: self.a.key.condition,
            shots: self.shots,
            tasks: count(self.tasks.tasks.len()),
            accuracy_a: summary.accuracy_a,
            accuracy_b: summary.accuracy_b,
            gap: summary.gap.mean,
            gap_se: summary.gap.se,
            ci_low: summary.interval.map(|i| i.0),
            ci_high: summary.interval.map(|i| i.1),
            up,
            equal,
            down,
            p_swap: summary.swap.map(|s| s.two_sided()),
            t: test.map(|t| t.t),
            p_t: test.map(|t| t.two_sided()),
            p_holm: None,
            top: count(top),
            shared: count(shared),
            iou: f64::from(count(shared)) / f64::from(count(2 * top - shared)),
            tied_a: count(tied(&a, &places.a, top)),
            tied_b: count(tied(&b, &places.b, top)),
        })
    }
}

/// One row a pair; `top` is the length of the lists of best functions, at least 1.
///
/// # Errors
/// No pair; models that cannot be told apart; functions that differ unless `allow_partial`.
pub fn versus(curves: &[CurveCells], top: usize, allow_partial: bool) -> Result<Vec<Versus>> {
    let duels = duels(curves, allow_partial)?;
    let mut rows: Vec<Versus> = duels.par_iter().filter_map(|duel| duel.row(top)).collect();
    let p: Vec<f64> = rows.iter().filter_map(|r| r.p_swap).collect();
    let tested = rows.iter_mut().filter(|r| r.p_swap.is_some());
    for (row, adjusted) in tested.zip(holm(&p)) {
        row.p_holm = Some(adjusted);
    }
    Ok(rows)
}

/// One row a pair and function that is among the `top` best of either model, or among the `top`
/// that favour one most; from the one that favours the first most to the one that favours the
/// second most.
///
/// # Errors
/// As [`versus`]; a function that is no program, whose measures cannot be computed.
pub fn versus_tasks(
    curves: &[CurveCells],
    top: usize,
    allow_partial: bool,
    known: &mut Complexities,
) -> Result<Vec<VersusTask>> {
    let mut rows = Vec::new();
    for duel in duels(curves, allow_partial)? {
        let places = duel.places();
        let mut order: Vec<usize> = (0..duel.tasks.tasks.len()).collect();
        order.sort_by_key(|&i| places.favouring_a[i]);
        for i in order {
            let task = &duel.tasks.tasks[i];
            let best = match (places.a[i] < top, places.b[i] < top) {
                (true, true) => Some(Listed::Both),
                (true, false) => Some(Listed::A),
                (false, true) => Some(Listed::B),
                (false, false) => None,
            };
            let gap = task.gap();
            let favours = if gap > 0.0 && places.favouring_a[i] < top {
                Some(Side::A)
            } else if gap < 0.0 && places.favouring_b[i] < top {
                Some(Side::B)
            } else {
                None
            };
            if best.is_none() && favours.is_none() {
                continue;
            }
            let place = |p: usize| u32::try_from(p + 1).unwrap_or(u32::MAX);
            let (bitload, bitdiversity) =
                known.of(task.function, duel.a.key.bits.unwrap_or_default())?;
            rows.push(VersusTask {
                pair: pair_key(&duel.a.key, &duel.b.key),
                condition: duel.a.key.condition,
                shots: duel.shots,
                function: task.function.to_owned(),
                bitload,
                bitdiversity,
                accuracy_a: task.accuracy_a(),
                accuracy_b: task.accuracy_b(),
                gap,
                rank_a: place(places.a[i]),
                rank_b: place(places.b[i]),
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
        let values = [0.5, 1.0, 0.5, 0.0, 0.5];
        assert_eq!(places(&values), [1, 0, 2, 4, 3]);
        // The list of two ends amid three that are equal.
        assert_eq!(tied(&values, &places(&values), 2), 2);
        assert_eq!(tied(&values, &places(&values), 1), 0);
        assert_eq!(tied(&values, &places(&values), 5), 0);
    }
}
