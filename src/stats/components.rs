/*!
Variance components of an accuracy, and the bootstrap error to expect from other designs.
*/

use super::{count, standard_deviation};

/// The variance between functions and between trials, and the error of the mean accuracy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Components {
    /// The error of these data by the two-stage bootstrap with infinitely many replicates:
    /// `se^2 = [var_f(A_f, ddof 0) + mean_f(A_f (1 - A_f) / m_f)] / F`.
    pub se: f64,
    /// Variance of accuracy between functions, minus the noise of trials:
    /// `var_f(A_f, ddof 1) - mean_f(A_f (1 - A_f) / (m_f - 1))`. Unbiased, except that it is cut at 0.
    pub between: f64,
    /// Variance of a trial within its function: `mean_f(A_f (1 - A_f) m_f / (m_f - 1))`. Unbiased.
    pub within: f64,
}

impl Components {
    /// The components of tasks, given as (accuracy, trials). None if there are fewer than two tasks, or a task has
    /// fewer than two trials.
    #[must_use]
    pub fn of(tasks: &[(f64, u32)]) -> Option<Self> {
        if tasks.iter().any(|&(_, trials)| trials < 2) {
            return None;
        }
        let accuracies: Vec<f64> = tasks.iter().map(|t| t.0).collect();
        let functions = count(tasks.len());
        let mean = |f: &dyn Fn(f64) -> f64| {
            let noise = tasks.iter().map(|&(a, m)| a * (1.0 - a) * f(f64::from(m)));
            noise.sum::<f64>() / functions
        };
        let spread = |ddof| standard_deviation(&accuracies, ddof).map(|sd| sd * sd);
        let (plain, unbiased) = (spread(0)?, spread(1)?);
        Some(Self {
            se: ((plain + mean(&|m| 1.0 / m)) / functions).sqrt(),
            between: (unbiased - mean(&|m| 1.0 / (m - 1.0))).max(0.0),
            within: mean(&|m| m / (m - 1.0)),
        })
    }

    /// The expected bootstrap error with F = `tasks` such functions and m = `trials` each, the root of
    /// `[(1 - 1/F) (between + within / m) + (1 - 1/m) within / m] / F`. For the design of the data itself it is `se`.
    #[must_use]
    pub fn expected_se(&self, tasks: u32, trials: u32) -> f64 {
        let (functions, trials) = (f64::from(tasks), f64::from(trials));
        let noise = self.within / trials;
        let between_drawn = (1.0 - 1.0 / functions) * (self.between + noise);
        ((between_drawn + (1.0 - 1.0 / trials) * noise) / functions).sqrt()
    }

    /// The smallest number of functions (at least 2) with an expected error of at most `wanted`, with `trials` each.
    /// None above 2^31.
    #[must_use]
    pub fn tasks_for(&self, wanted: f64, trials: u32) -> Option<u32> {
        first_from(2, |tasks| self.expected_se(tasks, trials) <= wanted)
    }

    /// The smallest number of trials per function with an expected error of at most `wanted`, with `tasks` functions.
    /// None above 2^31.
    #[must_use]
    pub fn trials_for(&self, wanted: f64, tasks: u32) -> Option<u32> {
        first_from(1, |trials| self.expected_se(tasks, trials) <= wanted)
    }
}

/// The smallest number from `first` up to 2^31 for which `holds`. All larger numbers must hold, too.
fn first_from(first: u32, holds: impl Fn(u32) -> bool) -> Option<u32> {
    let mut reached = first;
    while !holds(reached) {
        reached = reached.checked_mul(2)?;
    }
    let (mut low, mut high) = (first, reached);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The expected error of the data's own design is the data's error, and the next smaller design is not enough.
        #[test]
        fn designs_are_the_smallest(
            rights in prop::collection::vec(0u32..=6, 2..40), wanted in 0.005f64..0.2, trials in 1u32..200,
        ) {
            let tasks: Vec<(f64, u32)> = rights.iter().map(|&r| (f64::from(r) / 6.0, 6)).collect();
            let functions = u32::try_from(tasks.len()).unwrap();
            let components = Components::of(&tasks).unwrap();
            if components.between > 0.0 {
                prop_assert!((components.expected_se(functions, 6) - components.se).abs() < 1e-12);
            }
            let needed = components.tasks_for(wanted, trials).unwrap();
            prop_assert!(components.expected_se(needed, trials) <= wanted);
            prop_assert!(needed == 2 || components.expected_se(needed - 1, trials) > wanted);
            match components.trials_for(wanted, functions) {
                Some(m) => {
                    prop_assert!(components.expected_se(functions, m) <= wanted);
                    prop_assert!(m == 1 || components.expected_se(functions, m - 1) > wanted);
                }
                None => prop_assert!(components.expected_se(functions, u32::MAX) > wanted),
            }
        }
    }

    #[test]
    fn too_few_tasks_or_trials_or_too_many_wanted() {
        let components = Components::of(&[(0.0, 2), (0.5, 2), (1.0, 2)]).unwrap();
        // 1e-6^2 asks for some 2e11 functions.
        assert_eq!(components.tasks_for(1e-6, 1), None);
        assert_eq!(Components::of(&[(0.5, 2), (0.5, 1)]), None);
        assert_eq!(Components::of(&[(0.5, 2)]), None);
    }
}
