/*!
Bootstrap replicates of the cells of a curve.
*/

use super::cells::{Cell, CurveCells, Unit};
use crate::error::{Error, Result};
use crate::stats::{Bootstrap, Task};
use std::collections::BTreeMap;

/// The bootstrap replicates of one cell.
#[derive(Debug, Clone, Default)]
pub struct Replicates {
    /// Accuracy in each replicate.
    pub accuracy: Vec<f64>,
    /// Expected accuracy of the mode baseline on the same draws; empty without demonstrations.
    pub mode: Vec<f64>,
}

/// The replicates of every cell of a curve, by shot count. Functions are drawn once for all cells;
/// trials per cell, or sequences for all cells together if nested.
///
/// # Errors
/// Nested sequences that are not read at every shot count.
pub fn replicates(curve: &CurveCells, bootstrap: Bootstrap) -> Result<BTreeMap<u32, Replicates>> {
    if curve.is_nested() && !curve.cells.is_empty() {
        return nested(curve, bootstrap);
    }
    Ok(curve
        .cells
        .iter()
        .map(|(&shots, cell)| {
            let key = format!("{}/{shots}", curve.name());
            let tasks: Vec<Task> = tasks_of(cell);
            let mut means = bootstrap.means(&tasks, 2, &key).into_iter();
            let accuracy = means.next().unwrap_or_default();
            let mode = if has_mode(cell) { means.next() } else { None };
            let replicates = Replicates {
                accuracy,
                mode: mode.unwrap_or_default(),
            };
            (shots, replicates)
        })
        .collect())
}

/// Two channels a unit: correct, and the mode baseline.
fn channels(unit: &Unit) -> [f64; 2] {
    [
        f64::from(u8::from(unit.correct)),
        unit.mode.unwrap_or_default(),
    ]
}

fn tasks_of(cell: &Cell) -> Vec<Task> {
    cell.tasks
        .values()
        .map(|task| Task {
            values: task.units.iter().flat_map(channels).collect(),
        })
        .collect()
}

fn has_mode(cell: &Cell) -> bool {
    cell.tasks
        .values()
        .all(|t| t.units.iter().all(|u| u.mode.is_some()))
}

fn nested(curve: &CurveCells, bootstrap: Bootstrap) -> Result<BTreeMap<u32, Replicates>> {
    let unfit = |function: &str| {
        Error::data(format!(
            "model {:?}: the sequences of {function} differ between shot counts; a nested curve \
             needs all its points",
            curve.key.model
        ))
    };
    // The first cell says which functions and sequences there are.
    let mut rows: BTreeMap<&str, (Vec<u64>, Vec<Vec<f64>>)> = curve
        .cells
        .values()
        .take(1)
        .flat_map(|cell| &cell.tasks)
        .map(|(function, task)| {
            let ids: Vec<u64> = task.units.iter().map(|u| u.id).collect();
            let empty = vec![Vec::new(); ids.len()];
            (function.as_str(), (ids, empty))
        })
        .collect();
    for cell in curve.cells.values() {
        if let Some(function) = rows.keys().find(|f| !cell.tasks.contains_key(**f)) {
            return Err(unfit(function));
        }
        for (function, task) in &cell.tasks {
            let Some((ids, values)) = rows.get_mut(&**function) else {
                return Err(unfit(function));
            };
            if !ids.iter().eq(task.units.iter().map(|u| &u.id)) {
                return Err(unfit(function));
            }
            for (row, unit) in values.iter_mut().zip(&task.units) {
                row.extend(channels(unit));
            }
        }
    }
    let tasks: Vec<Task> = rows
        .into_values()
        .map(|(_, units)| Task {
            values: units.concat(),
        })
        .collect();
    let key = curve.name();
    let mut means = bootstrap
        .means(&tasks, 2 * curve.cells.len(), &key)
        .into_iter();
    Ok(curve
        .cells
        .iter()
        .map(|(&shots, cell)| {
            let accuracy = means.next().unwrap_or_default();
            let mode = means.next().filter(|_| has_mode(cell)).unwrap_or_default();
            (shots, Replicates { accuracy, mode })
        })
        .collect())
}
