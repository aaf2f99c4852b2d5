/*!
Bootstrap replicates of a curve's cells.
*/

use super::cells::{CurveCell, CurveCells, TrialResult};
use crate::chance::Key;
use crate::error::{Error, Result};
use crate::stats::Bootstrap;
use std::collections::{BTreeMap, BTreeSet};

/// The bootstrap replicates of one cell. All are empty for a cell with one function, whose spread over functions is
/// unknown. A value is NaN if the replicate drew none of the cell's functions.
#[derive(Debug, Clone, Default)]
pub struct Replicates {
    /// The accuracy in each replicate. It is drawn without the baseline, so that it is the same without demonstrations.
    pub accuracy: Vec<f64>,
    /// The expected accuracy of the mode baseline. Empty without demonstrations.
    pub mode: Vec<f64>,
    /// The accuracy minus that of the mode baseline on the same draws.
    pub difference: Vec<f64>,
}

impl Replicates {
    /// The number of replicates that drew none of the cell's functions.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.accuracy.iter().filter(|a| a.is_nan()).count()
    }
}

/// The replicates of every cell of a curve, by shot count. Functions are drawn by name from those of all cells, once
/// for all cells; each cell uses those that it has. Trials are drawn per cell. Nested sequences are drawn for all cells
/// together.
///
/// # Errors
/// A nested sequence is missing at a shot count.
pub fn replicates(curve: &CurveCells, bootstrap: Bootstrap) -> Result<BTreeMap<u32, Replicates>> {
    let cells: Vec<(u32, &CurveCell)> = curve.cells.iter().map(|(&n, cell)| (n, cell)).collect();
    let functions = curve.functions();
    if curve.is_nested() {
        check_sequences(curve)?;
        return Ok(together(&cells, &functions, bootstrap, &curve.stream(None)));
    }
    let alone = |cell: &(u32, &CurveCell)| {
        let key = curve.stream(Some(cell.0));
        together(&[*cell], &functions, bootstrap, &key)
    };
    Ok(cells.iter().flat_map(alone).collect())
}

/// The replicates of cells whose trials are drawn together: one cell, or all cells of the same nested sequences.
fn together(
    cells: &[(u32, &CurveCell)],
    functions: &BTreeSet<&str>,
    bootstrap: Bootstrap,
    key: &Key,
) -> BTreeMap<u32, Replicates> {
    let nothing = |(shots, _): &(u32, &CurveCell)| (*shots, Replicates::default());
    let mut drawn: BTreeMap<u32, Replicates> = cells.iter().map(nothing).collect();
    if cells.iter().any(|(_, cell)| cell.tasks.len() < 2) {
        return drawn;
    }
    let accuracies = means(cells, functions, bootstrap, key, |trial| [accuracy(trial)]);
    for ((shots, _), [accuracy]) in cells.iter().zip(accuracies) {
        drawn.entry(*shots).or_default().accuracy = accuracy;
    }
    let with_mode: Vec<_> = cells.iter().copied().filter(|c| has_mode(c.1)).collect();
    let pairs = means(&with_mode, functions, bootstrap, key, |trial| {
        [accuracy(trial), trial.mode.get().unwrap_or_default()]
    });
    for ((shots, _), [accuracy, mode]) in with_mode.iter().zip(pairs) {
        let replicates = drawn.entry(*shots).or_default();
        replicates.difference = accuracy.iter().zip(&mode).map(|(a, m)| a - m).collect();
        replicates.mode = mode;
    }
    drawn
}

/// The replicates of the means of each cell's channels. A unit of the bootstrap is a trial, or a sequence through all
/// cells.
fn means<const N: usize>(
    cells: &[(u32, &CurveCell)],
    functions: &BTreeSet<&str>,
    bootstrap: Bootstrap,
    key: &Key,
    channels: impl Fn(&TrialResult) -> [f64; N] + Copy,
) -> Vec<[Vec<f64>; N]> {
    let task = |function: &&str| {
        let tasks = cells
            .iter()
            .filter_map(|(_, cell)| cell.tasks.get(*function));
        let trials: Vec<&[TrialResult]> = tasks.map(|task| task.trials.as_slice()).collect();
        let rows = trials.first().map_or(0, |first| first.len());
        let row = |i: usize| trials.iter().flat_map(move |trials| channels(&trials[i]));
        (0..rows).flat_map(row).collect()
    };
    let tasks: Vec<Vec<f64>> = functions.iter().map(task).collect();
    let means = bootstrap.means(&tasks, N * cells.len(), key);
    means.as_chunks().0.to_vec()
}

fn accuracy(trial: &TrialResult) -> f64 {
    f64::from(u8::from(trial.correct))
}

fn has_mode(cell: &CurveCell) -> bool {
    let mut trials = cell.tasks.values().flat_map(|task| &task.trials);
    trials.all(|trial| trial.mode.get().is_some())
}

/// Checks that all cells of a nested curve have the same functions and sequences.
fn check_sequences(curve: &CurveCells) -> Result<()> {
    for function in curve.functions() {
        let mut ids = curve.cells.values().map(|cell| -> Option<Vec<u64>> {
            let trials = &cell.tasks.get(function)?.trials;
            Some(trials.iter().map(|u| u.id).collect())
        });
        let first = ids.next().flatten();
        if ids.any(|other| other != first) {
            return Err(Error::data(format!(
                "model {:?}: the sequences of {function} differ between shot counts; a nested curve \
                 needs all its points",
                curve.key.model
            )));
        }
    }
    Ok(())
}
