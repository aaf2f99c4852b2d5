/*!
Scores: accuracy, errors, the mode baseline and counts, per cell or per function.
*/

use super::cells::{CurveCell, CurveCells, TaskTrials, logprob, mean, totals, whole};
use super::resample::Replicates;
use crate::error::Result;
use crate::program::{Suite, measures};
use crate::record::{Condition, Score};
use crate::stats::{
    NORMAL_95, bootstrap_p, count, one_sided_p, quantile, standard_deviation, z_difference,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The score of one cell. Replicates that drew none of its functions are left out.
#[must_use]
pub fn score_cell(
    curve: &CurveCells,
    shots: u32,
    cell: &CurveCell,
    replicates: &Replicates,
) -> Score {
    let accuracies: Vec<f64> = cell.tasks.values().map(TaskTrials::accuracy).collect();
    let modes: Option<Vec<f64>> = cell.tasks.values().map(TaskTrials::mode_accuracy).collect();
    let mode_accuracy = modes.map(|m| mean(m.into_iter()));
    let accuracy = mean(accuracies.iter().copied());
    let known = |drawn: &[f64]| -> Vec<f64> {
        let drawn = drawn.iter().copied();
        drawn.filter(|v| !v.is_nan()).collect()
    };
    let drawn = known(&replicates.accuracy);
    let se = standard_deviation(&drawn, 0);
    let mode_se = mode_accuracy.and_then(|_| standard_deviation(&known(&replicates.mode), 0));
    let difference = mode_accuracy.map_or_else(Vec::new, |_| known(&replicates.difference));
    let z_mode = match (mode_accuracy, se, mode_se) {
        (Some(mode), Some(se), Some(mode_se)) => z_difference(accuracy, se, mode, mode_se),
        _ => None,
    };
    Score {
        accuracy,
        se,
        normal_low: se.map(|se| accuracy - NORMAL_95 * se),
        normal_high: se.map(|se| accuracy + NORMAL_95 * se),
        ci_low: quantile(&drawn, 0.025),
        ci_high: quantile(&drawn, 0.975),
        task_se: standard_deviation(&accuracies, 1).map(|sd| sd / count(accuracies.len()).sqrt()),
        mode_accuracy,
        mode_se,
        z_mode,
        p_mode: z_mode.map(one_sided_p),
        p_mode_paired: (!difference.is_empty()).then(|| bootstrap_p(difference.into_iter())),
        tasks: Some(whole(cell.tasks.len())),
        ..with_counts(curve, shots, cell, cell.tasks.values())
    }
}

/// The scores of a cell's functions, one each. The error is that of infinitely many bootstrap replicates within the
/// function: sqrt(A (1 - A) / trials).
///
/// # Errors
/// A function is unknown, so its measures cannot be computed.
pub fn score_tasks(
    curve: &CurveCells,
    shots: u32,
    cell: &CurveCell,
    known: &mut Complexities,
) -> Result<Vec<Score>> {
    cell.tasks
        .iter()
        .map(|(function, task)| {
            let bits = curve.key.bits.unwrap_or_default();
            let (bitload, bitdiversity) = known.of(function, bits)?;
            let accuracy = task.accuracy();
            let trials = count(task.trials.len());
            Ok(Score {
                function: Some(function.clone()),
                bitload: Some(bitload),
                bitdiversity: Some(bitdiversity),
                accuracy,
                se: Some((accuracy * (1.0 - accuracy) / trials).sqrt()),
                mode_accuracy: task.mode_accuracy(),
                tasks: Some(1),
                ..with_counts(curve, shots, cell, [task].into_iter())
            })
        })
        .collect()
}

/// The measure that defines strata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// `BitLoad`.
    BitLoad,
    /// Mean BitDiversity, in bins of width 0.5 (the papers').
    BitDiversity,
}

/// The functions of a curve with the same value of a measure.
pub struct Stratum {
    /// Their `BitLoad`, if that is the measure.
    pub bitload: Option<u32>,
    /// The lower end of their bin of mean BitDiversity, if that is the measure.
    pub bitdiversity: Option<f64>,
    /// The curve with these functions only.
    pub curve: CurveCells,
}

/// The strata of a curve by a measure.
///
/// # Errors
/// A function is unknown, so its measures cannot be computed.
pub fn strata(curve: &CurveCells, by: Measure, known: &mut Complexities) -> Result<Vec<Stratum>> {
    let bits = curve.key.bits.unwrap_or_default();
    let mut by_value: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for function in curve.functions() {
        let (bitload, bitdiversity) = known.of(function, bits)?;
        // Mean BitDiversity is 0 to 8, so there are at most 17 bins.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let bin = (2.0 * bitdiversity).floor() as u32;
        let value = if by == Measure::BitLoad { bitload } else { bin };
        by_value.entry(value).or_default().insert(function);
    }
    let stratum = |(value, functions): (u32, BTreeSet<&str>)| Stratum {
        bitload: (by == Measure::BitLoad).then_some(value),
        bitdiversity: (by == Measure::BitDiversity).then_some(f64::from(value) / 2.0),
        curve: curve.of_tasks(|function| functions.contains(function)),
    };
    Ok(by_value.into_iter().map(stratum).collect())
}

/// BitLoad and mean BitDiversity of functions, each computed once.
#[derive(Debug)]
pub struct Complexities {
    suite: Suite,
    known: HashMap<(String, u32), (u32, f64)>,
}

impl Complexities {
    /// For programs, and for the suite's own functions.
    #[must_use]
    pub fn new(suite: Suite) -> Self {
        Self {
            suite,
            known: HashMap::new(),
        }
    }

    /// `BitLoad` and mean BitDiversity of a function at one width.
    ///
    /// # Errors
    /// It is neither a program nor a function of the suite at that width.
    pub fn of(&mut self, function: &str, bits: u32) -> Result<(u32, f64)> {
        let key = (function.to_owned(), bits);
        if let Some(&known) = self.known.get(&key) {
            return Ok(known);
        }
        let m = measures(&self.suite.function(function, bits)?, bits);
        self.known.insert(key, (m.bitload, m.bitdiversity));
        Ok((m.bitload, m.bitdiversity))
    }
}

/// A score of tasks of a cell, with all columns but accuracies and errors.
fn with_counts<'a>(
    curve: &CurveCells,
    shots: u32,
    cell: &CurveCell,
    tasks: impl Iterator<Item = &'a TaskTrials> + Clone,
) -> Score {
    let (counts, trials) = totals(tasks.clone());
    let n = count(trials);
    let has_rivals = cell.with_demonstrations && curve.key.condition != Some(Condition::Deranged);
    let logprob = logprob(tasks).map(|sum| sum / n);
    // Per symbol. An answer has one symbol per bit.
    let perplexity = |(logprob, bits): (f64, u32)| (-logprob / f64::from(bits)).exp();
    Score {
        curve: curve.key.clone(),
        shots,
        group: curve.group.clone(),
        params: curve.params,
        trials: Some(whole(trials)),
        malformed: Some(f64::from(counts.malformed) / n),
        // Bits times trials is far below 2^53.
        #[allow(clippy::cast_precision_loss)]
        edit_distance: Some(counts.edits as f64 / n),
        zero_bd_targets: Some(counts.zero_bd_targets),
        zero_bd_predictions: Some(counts.zero_bd_predictions),
        correct_zero_bd: Some(counts.correct_zero_bd),
        correct_other: Some(counts.correct_other),
        understandable: has_rivals.then_some(counts.understandable),
        answer_logprob: logprob,
        perplexity: logprob.zip(curve.key.bits).map(perplexity),
        ..Score::default()
    }
}
