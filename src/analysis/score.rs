/*!
Scores: accuracy, errors, the mode baseline and counts, per cell or per function.
*/

use super::cells::{Cell, Counts, CurveCells, TaskUnits, logprob, mean};
use super::resample::Replicates;
use crate::error::{Error, Result};
use crate::program::{Program, measures};
use crate::record::{Condition, Score};
use crate::stats::{bootstrap_p, one_sided_p, quantile, standard_deviation, z_difference};
use std::collections::HashMap;

/// The score of one cell; `replicates` are its bootstrap replicates.
#[must_use]
pub fn score_cell(curve: &CurveCells, shots: u32, cell: &Cell, replicates: &Replicates) -> Score {
    let accuracies: Vec<f64> = cell.tasks.values().map(TaskUnits::accuracy).collect();
    let modes: Option<Vec<f64>> = cell.tasks.values().map(TaskUnits::mode_accuracy).collect();
    let mode_accuracy = modes.map(|m| mean(m.into_iter()));
    let accuracy = mean(accuracies.iter().copied());
    let se = standard_deviation(&replicates.accuracy, 0);
    let mode_se = mode_accuracy.and_then(|_| standard_deviation(&replicates.mode, 0));
    let z_mode = match (mode_accuracy, se, mode_se) {
        (Some(mode), Some(se), Some(mode_se)) => z_difference(accuracy, se, mode, mode_se),
        _ => None,
    };
    let differences = || {
        replicates
            .accuracy
            .iter()
            .zip(&replicates.mode)
            .map(|(a, m)| a - m)
    };
    let mut counts = Counts::default();
    let mut trials = 0;
    for task in cell.tasks.values() {
        counts.add(&task.counts);
        trials += task.units.len();
    }
    Score {
        accuracy,
        se,
        ci_low: quantile(&replicates.accuracy, 0.025),
        ci_high: quantile(&replicates.accuracy, 0.975),
        task_se: standard_deviation(&accuracies, 1).map(|sd| sd / float(accuracies.len()).sqrt()),
        mode_accuracy,
        mode_se,
        z_mode,
        p_mode: z_mode.map(one_sided_p),
        p_mode_paired: mode_accuracy
            .filter(|_| !replicates.mode.is_empty())
            .map(|_| bootstrap_p(differences())),
        tasks: Some(whole(cell.tasks.len())),
        answer_logprob: logprob(cell.tasks.values()).map(|sum| sum / float(trials)),
        ..with_counts(curve, shots, cell, &counts, trials)
    }
}

/// The scores of a cell's functions, one each. The error is that of infinitely many bootstrap
/// replicates within the function: sqrt(A (1 - A) / trials).
///
/// # Errors
/// A function that is no program, whose measures cannot be computed.
pub fn score_tasks(
    curve: &CurveCells,
    shots: u32,
    cell: &Cell,
    known: &mut Complexities,
) -> Result<Vec<Score>> {
    cell.tasks
        .iter()
        .map(|(function, task)| {
            let bits = curve.key.bits.unwrap_or_default();
            let (bitload, bitdiversity) = known.of(function, bits)?;
            let accuracy = task.accuracy();
            let trials = task.units.len();
            Ok(Score {
                function: Some(function.clone()),
                bitload: Some(bitload),
                bitdiversity: Some(bitdiversity),
                accuracy,
                se: Some((accuracy * (1.0 - accuracy) / float(trials)).sqrt()),
                mode_accuracy: task.mode_accuracy(),
                tasks: Some(1),
                answer_logprob: logprob([task].into_iter()).map(|sum| sum / float(trials)),
                ..with_counts(curve, shots, cell, &task.counts, trials)
            })
        })
        .collect()
}

/// BitLoad and mean BitDiversity of functions, computed once each.
#[derive(Debug, Default)]
pub struct Complexities(HashMap<(String, u32), (u32, f64)>);

impl Complexities {
    /// `BitLoad` and mean BitDiversity of a function at one width.
    ///
    /// # Errors
    /// It is no program.
    pub fn of(&mut self, function: &str, bits: u32) -> Result<(u32, f64)> {
        let key = (function.to_owned(), bits);
        if let Some(&known) = self.0.get(&key) {
            return Ok(known);
        }
        let program: Program = function
            .parse()
            .map_err(|e| Error::data(format!("column \"function\": {e}")))?;
        let m = measures(&program, bits);
        self.0.insert(key, (m.bitload, m.bitdiversity));
        Ok((m.bitload, m.bitdiversity))
    }
}

/// A score with everything but accuracies and errors.
fn with_counts(
    curve: &CurveCells,
    shots: u32,
    cell: &Cell,
    counts: &Counts,
    trials: usize,
) -> Score {
    let n = whole(trials);
    let has_rivals = cell.with_demonstrations && curve.key.condition != Some(Condition::Deranged);
    Score {
        curve: curve.key.clone(),
        shots,
        function: None,
        bitload: None,
        bitdiversity: None,
        params: curve.params,
        tasks: None,
        trials: Some(n),
        accuracy: 0.0,
        se: None,
        ci_low: None,
        ci_high: None,
        task_se: None,
        mode_accuracy: None,
        mode_se: None,
        z_mode: None,
        p_mode: None,
        p_mode_paired: None,
        malformed: Some(f64::from(counts.malformed) / float(trials)),
        // Bits times trials is far below 2^53.
        #[allow(clippy::cast_precision_loss)]
        edit_distance: Some(counts.edits as f64 / float(trials)),
        answer_logprob: None,
        zero_bd_targets: Some(counts.zero_bd_targets),
        zero_bd_predictions: Some(counts.zero_bd_predictions),
        correct_zero_bd: Some(counts.correct_zero_bd),
        correct_other: Some(counts.correct_other),
        understandable: has_rivals.then_some(counts.understandable),
    }
}

/// A count as a float; counts here are far below 2^53.
#[allow(clippy::cast_precision_loss)]
fn float(n: usize) -> f64 {
    n as f64
}

/// A count as a column's integer.
fn whole(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
