/*!
Compares two lists of task accuracies: the mean gap, its error, and tests paired by task.
*/

use super::cells::{CurveCell, TrialResult, mean, whole};
use crate::error::{Error, Result, counted};
use crate::record::PairedGap;
use crate::stats::{
    NORMAL_95, PairedTest, SignFlipTest, adjusted, benjamini_hochberg, holm, paired, sign_flip_test,
};

/// Right answers and trials of one side of a task.
pub type Tally = (u32, u32);

/// One task with two sides: two models, or two conditions.
#[derive(Debug, Clone, Copy)]
pub struct TaskPair<'a> {
    /// The function.
    pub function: &'a str,
    /// The first side.
    pub a: Tally,
    /// The second side.
    pub b: Tally,
}

/// An exact fraction: numerator, and positive denominator.
pub type Share = (i64, i64);

impl TaskPair<'_> {
    /// The exact difference, first minus second.
    pub fn exact_gap(&self) -> Share {
        exact_gap(self.a, self.b)
    }

    /// The difference, rounded once, so that equal gaps stay equal.
    pub fn gap(&self) -> f64 {
        gap(self.a, self.b)
    }

    /// The exact sign of the gap: 1, 0 or -1.
    pub fn sign(&self) -> i64 {
        self.exact_gap().0.signum()
    }
}

/// The tasks of two cells, by name.
#[derive(Debug, Clone)]
pub struct PairedTasks<'a> {
    /// The tasks that both have.
    pub tasks: Vec<TaskPair<'a>>,
}

impl<'a> PairedTasks<'a> {
    /// Pairs the tasks of two cells. `place` begins an error message.
    ///
    /// # Errors
    /// No function is in both. Unless `allow_partial`: only one side has a function, or with another number of trials.
    pub fn new(
        a: &'a CurveCell,
        b: &'a CurveCell,
        allow_partial: bool,
        place: &str,
    ) -> Result<Self> {
        let lacking = |has: &CurveCell, lacks: &CurveCell| -> Option<String> {
            let mut functions = has.tasks.keys();
            functions.find(|f| !lacks.tasks.contains_key(*f)).cloned()
        };
        if !allow_partial && let Some(function) = lacking(a, b).or_else(|| lacking(b, a)) {
            return Err(Error::data(format!(
                "{place}: only one side has {function} (--allow-partial compares what both have)"
            )));
        }
        let tasks: Vec<TaskPair<'a>> = a
            .tasks
            .iter()
            .filter_map(|(function, task)| {
                Some(TaskPair {
                    function,
                    a: tally(&task.trials),
                    b: tally(&b.tasks.get(function)?.trials),
                })
            })
            .collect();
        if tasks.is_empty() {
            return Err(Error::data(format!("{place}: no function in common")));
        }
        let uneven = tasks.iter().find(|task| task.a.1 != task.b.1);
        if !allow_partial && let Some(task) = uneven {
            return Err(Error::data(format!(
                "{place}: {} of {} on one side, {} on the other (--allow-partial compares them, \
                 without the swap test)",
                counted(task.a.1, "trial"),
                task.function,
                task.b.1
            )));
        }
        Ok(Self { tasks })
    }

    /// The ranks of the tasks' shares, from 0 for the smallest. Equal shares have the same rank. Comparison is exact.
    pub fn ranks(&self, share: fn(&TaskPair<'a>) -> Share) -> Vec<u32> {
        let shares: Vec<Share> = self.tasks.iter().map(share).collect();
        let cross = |a: i64, b: i64| i128::from(a) * i128::from(b);
        let compare = |&i: &usize, &j: &usize| {
            let (a, b) = (shares[i], shares[j]);
            cross(a.0, b.1).cmp(&cross(b.0, a.1))
        };
        let mut order: Vec<usize> = (0..shares.len()).collect();
        order.sort_by(compare);
        let mut ranks = vec![0; shares.len()];
        for (rank, ties) in (0..).zip(order.chunk_by(|i, j| compare(i, j).is_eq())) {
            for &i in ties {
                ranks[i] = rank;
            }
        }
        ranks
    }

    /// The mean accuracies of both sides.
    pub fn accuracies(&self) -> [f64; 2] {
        [|t: &TaskPair<'_>| t.a, |t: &TaskPair<'_>| t.b]
            .map(|side| mean(self.tasks.iter().map(|t| accuracy(side(t)))))
    }

    /// The gap and its tests, with the p-values that `p_swap` and `p_t` choose, and none corrected yet.
    pub fn gap(
        &self,
        p_swap: fn(&SignFlipTest) -> f64,
        p_t: fn(&PairedTest) -> f64,
    ) -> Option<PairedGap> {
        let gaps: Vec<f64> = self.tasks.iter().map(TaskPair::gap).collect();
        let gap = paired(&gaps)?;
        let [up, equal, down] =
            [1, 0, -1].map(|sign| whole(self.tasks.iter().filter(|t| t.sign() == sign).count()));
        Some(PairedGap {
            gap: gap.mean,
            gap_se: gap.se,
            ci_low: gap.se.map(|se| gap.mean - NORMAL_95 * se),
            ci_high: gap.se.map(|se| gap.mean + NORMAL_95 * se),
            up,
            equal,
            down,
            p_swap: self.differences().map(|d| p_swap(&sign_flip_test(&d))),
            t: gap.test.map(|test| test.t),
            p_t: gap.test.map(|test| p_t(&test)),
            p_holm: None,
            p_bh: None,
        })
    }

    /// The differences in right answers. None unless all tasks have the same number of trials on both sides.
    fn differences(&self) -> Option<Vec<i64>> {
        let trials = self.tasks.first()?.a.1;
        let even = |t: &TaskPair<'_>| t.a.1 == trials && t.b.1 == trials;
        self.tasks.iter().all(even).then(|| {
            let difference = |t: &TaskPair<'_>| i64::from(t.a.0) - i64::from(t.b.0);
            self.tasks.iter().map(difference).collect()
        })
    }
}

/// The rows with corrected p-values. The rows marked true are the family. `columns` gives a row's p-value, and the
/// columns for its corrections by Holm and by Benjamini and Hochberg.
pub fn corrected<T>(
    rows: Vec<(bool, T)>,
    columns: impl Fn(&mut T) -> (Option<f64>, [&mut Option<f64>; 2]),
) -> Vec<T> {
    let (is_of_family, mut rows): (Vec<bool>, Vec<T>) = rows.into_iter().unzip();
    let family: Vec<Option<f64>> = rows
        .iter_mut()
        .zip(is_of_family)
        .map(|(row, is_of_family)| columns(row).0.filter(|_| is_of_family))
        .collect();
    let corrections = [holm, benjamini_hochberg].map(|correction| adjusted(&family, correction));
    for (i, row) in rows.iter_mut().enumerate() {
        for (column, corrected) in columns(row).1.into_iter().zip(&corrections) {
            *column = corrected[i];
        }
    }
    rows
}

/// An accuracy.
pub fn accuracy((right, trials): Tally) -> f64 {
    f64::from(right) / f64::from(trials)
}

/// The exact difference of two accuracies. That to `(0, 1)` is the accuracy itself.
pub fn exact_gap((a, of_a): Tally, (b, of_b): Tally) -> Share {
    let [a, of_a, b, of_b] = [a, of_a, b, of_b].map(i64::from);
    (a * of_b - b * of_a, of_a * of_b)
}

/// The difference of two accuracies, rounded once.
pub fn gap(a: Tally, b: Tally) -> f64 {
    let (over, under) = exact_gap(a, b);
    // Products of numbers of trials are far below 2^53.
    #[allow(clippy::cast_precision_loss)]
    let gap = over as f64 / under as f64;
    gap
}

/// The numbers of right answers and of trials.
pub fn tally<'a>(trials: impl IntoIterator<Item = &'a TrialResult>) -> Tally {
    let add =
        |(right, trials), result: &TrialResult| (right + u32::from(result.correct), trials + 1);
    trials.into_iter().fold((0, 0), add)
}
