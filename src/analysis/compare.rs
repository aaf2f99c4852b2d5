/*!
Two lists of task accuracies against each other: mean gap, its error, and tests paired by task.
*/

use super::cells::{Cell, TaskUnits, mean};
use crate::error::{Error, Result};
use crate::stats::{NORMAL_95, Paired, SwapTest, condition_swap, paired};

/// One task answered twice: by two models, or in two conditions.
#[derive(Debug, Clone, Copy)]
pub struct TaskPair<'a> {
    /// The function.
    pub function: &'a str,
    /// Right answers and trials of the first.
    a: (u32, u32),
    /// Right answers and trials of the second.
    b: (u32, u32),
}

impl TaskPair<'_> {
    /// Accuracy of the first.
    pub fn accuracy_a(&self) -> f64 {
        f64::from(self.a.0) / f64::from(self.a.1)
    }

    /// Accuracy of the second.
    pub fn accuracy_b(&self) -> f64 {
        f64::from(self.b.0) / f64::from(self.b.1)
    }

    /// First less second, equal where they are equal.
    pub fn gap(&self) -> f64 {
        if self.a.1 == self.b.1 {
            let difference = i64::from(self.a.0) - i64::from(self.b.0);
            // Far below 2^53 trials.
            #[allow(clippy::cast_precision_loss)]
            return difference as f64 / f64::from(self.a.1);
        }
        self.accuracy_a() - self.accuracy_b()
    }

    /// Trials of the first.
    pub fn trials(&self) -> u32 {
        self.a.1
    }

    /// 1, 0 or -1, exactly.
    fn sign(&self) -> i64 {
        let (a, b) = (&self.a, &self.b);
        let cross = |x: u32, y: u32| i64::from(x) * i64::from(y);
        (cross(a.0, b.1) - cross(b.0, a.1)).signum()
    }
}

/// The tasks of two cells, by name.
#[derive(Debug, Clone)]
pub struct Compared<'a> {
    /// The tasks that both have.
    pub tasks: Vec<TaskPair<'a>>,
}

/// What is said of two cells.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    /// Mean accuracy of the first.
    pub accuracy_a: f64,
    /// Mean accuracy of the second.
    pub accuracy_b: f64,
    /// Their mean difference and its paired error and test.
    pub gap: Paired,
    /// 95 % interval of the gap.
    pub interval: Option<(f64, f64)>,
    /// Tasks at which the first is better, they are equal, the second is better.
    pub signs: [u32; 3],
    /// The exact swap test; none where trials are unequal.
    pub swap: Option<SwapTest>,
}

impl<'a> Compared<'a> {
    /// Pairs the tasks of two cells. `place` begins an error message.
    ///
    /// # Errors
    /// A function that only one of them has, unless `allow_partial`; no function in common.
    pub fn new(a: &'a Cell, b: &'a Cell, allow_partial: bool, place: &str) -> Result<Self> {
        let lacking = |has: &Cell, lacks: &Cell| -> Option<String> {
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
                    a: tally(task),
                    b: tally(b.tasks.get(function)?),
                })
            })
            .collect();
        if tasks.is_empty() {
            return Err(Error::data(format!("{place}: no function in common")));
        }
        Ok(Self { tasks })
    }

    /// The gaps, in the order of the tasks.
    pub fn gaps(&self) -> Vec<f64> {
        self.tasks.iter().map(TaskPair::gap).collect()
    }

    /// Accuracies, gap and tests.
    pub fn summary(&self) -> Option<Summary> {
        let gap = paired(&self.gaps())?;
        let signs = [1, 0, -1].map(|sign| {
            let found = self.tasks.iter().filter(|t| t.sign() == sign).count();
            u32::try_from(found).unwrap_or(u32::MAX)
        });
        Some(Summary {
            accuracy_a: mean(self.tasks.iter().map(TaskPair::accuracy_a)),
            accuracy_b: mean(self.tasks.iter().map(TaskPair::accuracy_b)),
            gap,
            interval: gap
                .se
                .map(|se| (gap.mean - NORMAL_95 * se, gap.mean + NORMAL_95 * se)),
            signs,
            swap: self.differences().map(|d| condition_swap(&d)),
        })
    }

    /// Differences in right answers; none unless every task has the same number of trials twice.
    fn differences(&self) -> Option<Vec<i64>> {
        let trials = self.tasks.first()?.a.1;
        let even = |t: &TaskPair<'_>| t.a.1 == trials && t.b.1 == trials;
        self.tasks.iter().all(even).then(|| {
            let difference = |t: &TaskPair<'_>| i64::from(t.a.0) - i64::from(t.b.0);
            self.tasks.iter().map(difference).collect()
        })
    }
}

/// Right answers and trials.
fn tally(task: &TaskUnits) -> (u32, u32) {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let right = task.units.iter().filter(|u| u.correct).count();
    (count(right), count(task.units.len()))
}
