/*!
Bootstrap replicates of the cells of a curve.
*/

use super::cells::{CurveCell, CurveCells, TaskTrials, TrialResult};
use crate::error::{Error, Result};
use crate::stats::{Bootstrap, Task};
use std::collections::BTreeMap;

/// The bootstrap replicates of one cell; all empty where it has one function only, whose spread over
/// functions nobody knows. A number is NaN in a replicate that drew none of the cell's functions.
#[derive(Debug, Clone, Default)]
pub struct Replicates {
    /// Accuracy in each replicate, drawn without a look at the baseline: the same numbers with and
    /// without demonstrations.
    pub accuracy: Vec<f64>,
    /// Expected accuracy of the mode baseline; empty without demonstrations.
    pub mode: Vec<f64>,
    /// Accuracy less that of the mode baseline on the same draws.
    pub difference: Vec<f64>,
}

impl Replicates {
    /// How many drew none of the cell's functions.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.accuracy.iter().filter(|a| a.is_nan()).count()
    }
}

/// The replicates of every cell of a curve, by shot count. Functions are drawn by name, from those of
/// all cells, and once for all cells, of which each uses those that it has; trials are drawn per
/// cell, or sequences for all cells together if nested.
///
/// # Errors
/// Nested sequences that are not read at every shot count.
pub fn replicates(curve: &CurveCells, bootstrap: Bootstrap) -> Result<BTreeMap<u32, Replicates>> {
    if curve.is_nested() && !curve.cells.is_empty() {
        return nested(curve, bootstrap);
    }
    let functions = curve.functions();
    Ok(curve
        .cells
        .iter()
        .map(|(&shots, cell)| {
            if cell.tasks.len() < 2 {
                return (shots, Replicates::default());
            }
            let key = curve.stream(Some(shots));
            let tasks = |channels: &dyn Fn(&TrialResult) -> Vec<f64>| -> Vec<Task> {
                let trials = |task: &TaskTrials| task.trials.iter().flat_map(channels).collect();
                functions
                    .iter()
                    .map(|function| Task {
                        values: cell.tasks.get(*function).map_or_else(Vec::new, trials),
                    })
                    .collect()
            };
            let accuracy = bootstrap.means(&tasks(&|u| vec![right(u)]), 1, &key);
            let paired = has_mode(cell).then(|| bootstrap.means(&tasks(&both), 2, &key));
            let replicates = one_cell(
                &mut accuracy.into_iter(),
                paired.map(Vec::into_iter).as_mut(),
            );
            (shots, replicates)
        })
        .collect())
}

/// The next cell's replicates of accuracies, and of accuracies and baselines in turn.
fn one_cell(
    accuracy: &mut impl Iterator<Item = Vec<f64>>,
    paired: Option<&mut impl Iterator<Item = Vec<f64>>>,
) -> Replicates {
    let mut replicates = Replicates {
        accuracy: accuracy.next().unwrap_or_default(),
        ..Replicates::default()
    };
    if let Some(paired) = paired
        && let (Some(accuracy), Some(mode)) = (paired.next(), paired.next())
    {
        let pairs = accuracy.iter().zip(&mode);
        replicates.difference = pairs.map(|(a, m)| a - m).collect();
        replicates.mode = mode;
    }
    replicates
}

fn right(result: &TrialResult) -> f64 {
    f64::from(u8::from(result.correct))
}

/// Two channels a result: correct, and the mode baseline.
fn both(result: &TrialResult) -> Vec<f64> {
    vec![right(result), result.mode.get().unwrap_or_default()]
}

fn has_mode(cell: &CurveCell) -> bool {
    cell.tasks
        .values()
        .all(|t| t.trials.iter().all(|u| u.mode.get().is_some()))
}

fn nested(curve: &CurveCells, bootstrap: Bootstrap) -> Result<BTreeMap<u32, Replicates>> {
    check_sequences(curve)?;
    if curve.functions().len() < 2 {
        let none = |&shots| (shots, Replicates::default());
        return Ok(curve.cells.keys().map(none).collect());
    }
    let cells: Vec<&CurveCell> = curve.cells.values().collect();
    // The cells have the same functions and sequences: one row a sequence, through all cells.
    let tasks = |of: &[&CurveCell], channels: &dyn Fn(&TrialResult) -> Vec<f64>| -> Vec<Task> {
        let Some(first) = of.first() else {
            return Vec::new();
        };
        let row = |function: &str, i: usize| -> Vec<f64> {
            let trials = of.iter().map(|cell| &cell.tasks[function].trials[i]);
            trials.flat_map(channels).collect()
        };
        let functions = first.tasks.iter();
        functions
            .map(|(function, task)| Task {
                values: (0..task.trials.len())
                    .flat_map(|i| row(function, i))
                    .collect(),
            })
            .collect()
    };
    let with_mode: Vec<&CurveCell> = cells.iter().copied().filter(|c| has_mode(c)).collect();
    let key = curve.stream(None);
    let means = |tasks: &[Task], channels| bootstrap.means(tasks, channels, &key).into_iter();
    let mut accuracy = means(&tasks(&cells, &|u| vec![right(u)]), cells.len());
    let mut paired = means(&tasks(&with_mode, &both), 2 * with_mode.len());
    Ok(curve
        .cells
        .iter()
        .map(|(&shots, cell)| {
            let paired = has_mode(cell).then_some(&mut paired);
            (shots, one_cell(&mut accuracy, paired))
        })
        .collect())
}

/// Checks that all cells of a nested curve have the same functions and sequences.
fn check_sequences(curve: &CurveCells) -> Result<()> {
    let unfit = |function: &str| {
        Error::data(format!(
            "model {:?}: the sequences of {function} differ between shot counts; a nested curve \
             needs all its points",
            curve.key.model
        ))
    };
    let mut cells = curve.cells.values();
    let Some(first) = cells.next() else {
        return Ok(());
    };
    for cell in cells {
        for function in first.tasks.keys().chain(cell.tasks.keys()) {
            let ids = |cell: &CurveCell| -> Option<Vec<u64>> {
                let trials = &cell.tasks.get(function)?.trials;
                Some(trials.iter().map(|u| u.id).collect())
            };
            if ids(first) != ids(cell) {
                return Err(unfit(function));
            }
        }
    }
    Ok(())
}
