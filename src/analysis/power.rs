/*!
Power: the numbers of functions and trials that give an accuracy a wanted standard error.
*/

use super::cells::{CurveCell, CurveCells, mean, place, whole};
use crate::error::{Error, Result};
use crate::record::Power;
use crate::stats::{Components, count};

/// The trials per function of the computed designs.
const DESIGNS: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

/// One row per number of trials per function, with the number of functions that it needs.
///
/// # Errors
/// There is a single function, or a function with a single trial, so the variance components are unknown.
pub fn power(curve: &CurveCells, shots: u32, cell: &CurveCell, wanted: f64) -> Result<Vec<Power>> {
    let tasks: Vec<(f64, u32)> = cell
        .tasks
        .values()
        .map(|task| (task.accuracy(), whole(task.trials.len())))
        .collect();
    let components = Components::of(&tasks).ok_or_else(|| {
        Error::data(format!(
            "{}: --power needs two functions, and two trials of each (gen-tasks --trials 2)",
            place(&curve.key, shots)
        ))
    })?;
    let functions = whole(tasks.len());
    let trials = mean(cell.tasks.values().map(|task| count(task.trials.len())));
    Ok(DESIGNS
        .into_iter()
        .map(|design_trials| {
            let design_tasks = components.tasks_for(wanted, design_trials);
            Power {
                curve: curve.key.clone(),
                shots,
                tasks: functions,
                trials,
                se: components.se,
                between: components.between.sqrt(),
                within: components.within.sqrt(),
                wanted_se: wanted,
                trials_enough: components.trials_for(wanted, functions),
                design_trials,
                design_tasks,
                design_predictions: design_tasks.map(|n| f64::from(n) * f64::from(design_trials)),
                design_se: design_tasks.map(|n| components.expected_se(n, design_trials)),
            }
        })
        .collect())
}
