/*!
Sorts predictions into cells and tasks. Of each prediction it keeps only what scoring needs (32 bytes).
*/

use super::Verdict;
use crate::chance::Key;
use crate::error::{Error, Result, counted};
use crate::record::{CurveKey, Design, ErrorKind};
use crate::stats::count;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One prediction, reduced to what scoring needs.
#[derive(Debug, Clone, Copy)]
pub struct TrialResult {
    /// Hash of the trial's id; of the sequence's if nested.
    pub id: u64,
    /// The trial's number. Trials are ordered by it.
    pub trial: u32,
    /// Whether the prediction is right.
    pub correct: bool,
    /// Index of the input file, for error messages.
    file: u16,
    /// The probability that the mode baseline is right, if the input has demonstrations.
    pub mode: OptionF64,
    /// The log-probability of the target, if the predictor gave one.
    pub logprob: OptionF64,
}

/// An optional finite number in 8 bytes; NaN means None. Every prediction has two of them.
#[derive(Debug, Clone, Copy)]
pub struct OptionF64(f64);

impl OptionF64 {
    /// The number, if there is one.
    #[must_use]
    pub fn get(self) -> Option<f64> {
        (!self.0.is_nan()).then_some(self.0)
    }
}

impl From<Option<f64>> for OptionF64 {
    fn from(number: Option<f64>) -> Self {
        Self(number.unwrap_or(f64::NAN))
    }
}

/// Sums over the predictions of one task in one cell.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Answers with a wrong number of bits.
    pub malformed: u32,
    /// Levenshtein distances of prediction and target.
    pub edits: u64,
    /// Targets that are all zeros or all ones.
    pub zero_bd_targets: u32,
    /// Complete predictions that are all zeros or all ones.
    pub zero_bd_predictions: u32,
    /// Correct predictions with such a target.
    pub correct_zero_bd: u32,
    /// Correct predictions with another target.
    pub correct_other: u32,
    /// Wrong answers that a rival gives which agrees with all demonstrations.
    pub understandable: u32,
    /// Kinds of wrong answers, if requested.
    pub errors: Errors,
}

/// Wrong answers by [`ErrorKind`], in the order of its variants.
#[derive(Debug, Clone, Copy, Default)]
pub struct Errors {
    /// Wrong answers of each kind. An answer may have several kinds.
    pub count: [u32; ERROR_KINDS],
    /// Wrong answers by the first kind that fits.
    pub once: [u32; ERROR_KINDS],
    /// The number of wrong strings of each kind, summed over the complete wrong answers.
    pub candidates: [u64; ERROR_KINDS],
}

/// The number of kinds of wrong answers.
pub const ERROR_KINDS: usize = ErrorKind::Other as usize + 1;

impl Errors {
    fn add(&mut self, other: &Self) {
        for kind in 0..ERROR_KINDS {
            self.count[kind] += other.count[kind];
            self.once[kind] += other.once[kind];
            self.candidates[kind] += other.candidates[kind];
        }
    }
}

impl Counts {
    /// Adds the counts of another task.
    pub fn add(&mut self, other: &Self) {
        self.malformed += other.malformed;
        self.edits += other.edits;
        self.zero_bd_targets += other.zero_bd_targets;
        self.zero_bd_predictions += other.zero_bd_predictions;
        self.correct_zero_bd += other.correct_zero_bd;
        self.correct_other += other.correct_other;
        self.understandable += other.understandable;
        self.errors.add(&other.errors);
    }
}

/// The predictions of one function in one cell.
#[derive(Debug, Clone, Default)]
pub struct TaskTrials {
    /// One per prediction, by trial number.
    pub trials: Vec<TrialResult>,
    /// Their sums.
    pub counts: Counts,
}

impl TaskTrials {
    /// The share of correct predictions.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        mean(self.trials.iter().map(|u| f64::from(u8::from(u.correct))))
    }

    /// The mean of the mode baseline, if every prediction has it.
    #[must_use]
    pub fn mode_accuracy(&self) -> Option<f64> {
        let modes: Option<Vec<f64>> = self.trials.iter().map(|u| u.mode.get()).collect();
        modes.map(|m| mean(m.into_iter()))
    }
}

/// The sum of the log-probabilities, if every prediction has one. They are added in the order of the trials, so that
/// the order of the input changes no digit.
pub(super) fn logprob<'a>(tasks: impl Iterator<Item = &'a TaskTrials>) -> Option<f64> {
    tasks
        .flat_map(|task| &task.trials)
        .map(|u| u.logprob.get())
        .sum()
}

/// A count as the integer of a column.
pub(super) fn whole(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The mean; 0 of an empty list.
pub(super) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = count(values.len().max(1));
    values.sum::<f64>() / n
}

/// The predictions of one cell, by function.
#[derive(Debug, Clone, Default)]
pub struct CurveCell {
    /// By function name.
    pub tasks: BTreeMap<String, TaskTrials>,
    /// Whether every prediction has its demonstrations.
    pub with_demonstrations: bool,
}

/// The sums over tasks, and the number of predictions.
pub(super) fn totals<'a>(tasks: impl Iterator<Item = &'a TaskTrials>) -> (Counts, usize) {
    let mut counts = Counts::default();
    let mut trials = 0;
    for task in tasks {
        counts.add(&task.counts);
        trials += task.trials.len();
    }
    (counts, trials)
}

/// All cells of one curve, by shot count.
#[derive(Debug, Clone)]
pub struct CurveCells {
    /// The columns that the cells share.
    pub key: CurveKey,
    /// The group of its functions, if it has only those of a group.
    pub group: Option<String>,
    /// Number of parameters.
    pub params: Option<f64>,
    /// By shot count.
    pub cells: BTreeMap<u32, CurveCell>,
}

impl CurveCells {
    /// Whether all shot counts are evaluated on the same sequences.
    #[must_use]
    pub fn is_nested(&self) -> bool {
        self.key.design == Some(Design::Nested)
    }

    /// The key of the bootstrap's random stream for this curve, or for one of its shot counts: all values that
    /// distinguish it from other curves. It does not depend on the names of fields, so that renaming one changes no
    /// result.
    #[must_use]
    pub(super) fn stream(&self, shots: Option<u32>) -> Key {
        let key = &self.key;
        let flag = |flag: Option<bool>| flag.map(|yes| if yes { "yes" } else { "no" }.to_owned());
        let parts = [
            Some(key.model.clone()),
            key.modality.clone(),
            key.encoding.clone(),
            key.template.clone(),
            key.bits.map(|bits| bits.to_string()),
            key.condition.map(|condition| condition.word().to_owned()),
            key.design.map(|design| design.word().to_owned()),
            key.method.clone(),
            flag(key.constrained),
            flag(key.bos),
            shots.map(|shots| shots.to_string()),
        ];
        // An empty text differs from None.
        let parts = parts.map(|part| part.map_or_else(String::new, |part| format!("={part}")));
        Key::new(&parts.each_ref().map(String::as_bytes))
    }

    /// The functions of all its cells.
    #[must_use]
    pub fn functions(&self) -> BTreeSet<&str> {
        let cells = self.cells.values();
        cells
            .flat_map(|cell| cell.tasks.keys().map(String::as_str))
            .collect()
    }

    /// The curve with only the tasks that `wanted` keeps.
    pub(super) fn of_tasks(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let mut part = Self {
            key: self.key.clone(),
            group: self.group.clone(),
            params: self.params,
            cells: BTreeMap::new(),
        };
        for (&shots, cell) in &self.cells {
            let kept = cell.tasks.iter().filter(|(function, _)| wanted(function));
            let kept = CurveCell {
                tasks: kept
                    .map(|(name, task)| (name.clone(), task.clone()))
                    .collect(),
                with_demonstrations: cell.with_demonstrations,
            };
            if !kept.tasks.is_empty() {
                part.cells.insert(shots, kept);
            }
        }
        part
    }

    /// Sorts the trials, and refuses repeated ones. Unless `allow_partial`, it also refuses functions with unequal
    /// numbers of trials, or that are missing at a shot count.
    fn check(&mut self, allow_partial: bool, files: &[Arc<str>]) -> Result<()> {
        for (shots, cell) in &mut self.cells {
            let place = place(&self.key, *shots);
            for (function, task) in &mut cell.tasks {
                task.trials.sort_by_key(|u| (u.trial, u.id));
                if let Some(pair) = task.trials.windows(2).find(|w| w[0].id == w[1].id) {
                    let [first, second] = [0, 1].map(|i| &files[usize::from(pair[i].file)]);
                    let what = format!("{place}: trial {} of {function}", pair[0].trial);
                    return Err(Error::twice(what, first, second));
                }
            }
        }
        if allow_partial {
            return Ok(());
        }
        let functions = self.functions();
        for (&shots, cell) in &self.cells {
            let fewest = cell.tasks.iter().min_by_key(|(_, t)| t.trials.len());
            let most = cell.tasks.iter().max_by_key(|(_, t)| t.trials.len());
            if let (Some((a, few)), Some((b, many))) = (fewest, most)
                && few.trials.len() != many.trials.len()
            {
                return Err(Error::data(format!(
                    "{}: {} of {a}, but {} of {b}; some predictions are missing \
                     (--allow-partial scores what is there)",
                    place(&self.key, shots),
                    counted(few.trials.len(), "trial"),
                    many.trials.len()
                )));
            }
            let lacking = |function: &&&str| !cell.tasks.contains_key(**function);
            if let Some(function) = functions.iter().find(lacking) {
                return Err(Error::data(format!(
                    "{}: no trial of {function}, which another shot count has; some predictions are \
                     missing (--allow-partial scores what is there)",
                    place(&self.key, shots)
                )));
            }
        }
        Ok(())
    }
}

/// A curve and a shot count, for a message.
#[must_use]
pub fn place(curve: &CurveKey, shots: u32) -> String {
    format!("model {:?}, {}", curve.model, counted(shots, "shot"))
}

/// What scoring needs of a prediction besides right or wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Details {
    /// The probability that the mode baseline is right, if the input has demonstrations.
    pub mode: Option<f64>,
    /// The log-probability of the target, if the predictor gave one.
    pub logprob: Option<f64>,
    /// Whether the input has demonstrations.
    pub with_demonstrations: bool,
    /// The prediction's part of the sums.
    pub counts: Counts,
}

/// Sorts predictions into cells.
#[derive(Debug, Default)]
pub struct Cells {
    curves: Vec<CurveCells>,
    files: Vec<Arc<str>>,
}

impl Cells {
    /// Adds one prediction from `file`, with its details.
    pub fn add(&mut self, verdict: &Verdict, seen: &Details, file: &Arc<str>) {
        if self.files.last() != Some(file) {
            self.files.push(file.clone());
        }
        let id = verdict.sequence_id.as_ref().unwrap_or(&verdict.trial_id);
        let result = TrialResult {
            id: Key::new(&[id.as_bytes()]).seed(),
            trial: verdict.trial,
            correct: verdict.correct,
            // More files than that count as one.
            file: u16::try_from(self.files.len() - 1).unwrap_or(u16::MAX),
            mode: seen.mode.into(),
            logprob: seen.logprob.into(),
        };
        let curve = self.curve(verdict);
        curve.params = curve.params.or(verdict.params);
        let cell = curve
            .cells
            .entry(verdict.shots)
            .or_insert_with(|| CurveCell {
                with_demonstrations: true,
                ..CurveCell::default()
            });
        cell.with_demonstrations &= seen.with_demonstrations;
        let task = cell.tasks.entry(verdict.function.clone()).or_default();
        task.trials.push(result);
        task.counts.add(&seen.counts);
    }

    /// The curve of a prediction. Searched from the end, because predictions of one curve usually come together.
    fn curve(&mut self, verdict: &Verdict) -> &mut CurveCells {
        let same = |curve: &CurveCells| curve.key == verdict.curve;
        let at = self.curves.iter().rposition(same).unwrap_or_else(|| {
            self.curves.push(CurveCells {
                key: verdict.curve.clone(),
                group: None,
                params: verdict.params,
                cells: BTreeMap::new(),
            });
            self.curves.len() - 1
        });
        &mut self.curves[at]
    }

    /// The curves, in the order of their first predictions.
    ///
    /// # Errors
    /// A trial appears twice. Unless `allow_partial`: functions have unequal numbers of trials, or are missing at a
    /// shot count.
    pub fn finish(mut self, allow_partial: bool) -> Result<Vec<CurveCells>> {
        for curve in &mut self.curves {
            curve.check(allow_partial, &self.files)?;
        }
        Ok(self.curves)
    }
}
