/*!
The rank correlation to expect from finite trials when the true accuracies of two models are equal, or independent. True
accuracies follow a beta distribution fitted by moments; answers are binomial (Breslow et al., arXiv 2609.14011).
*/

use super::rounding::mean;
use super::{quantile, standard_deviation};
use crate::chance::Key;
use rand_core::SeedableRng;
use rand_distr::{Binomial, Distribution as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

/// A beta distribution of true accuracies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beta {
    /// The first shape parameter.
    pub alpha: f64,
    /// The second shape parameter.
    pub beta: f64,
}

/// How the true accuracies of two models are related.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// Both models have the same.
    Equal,
    /// Both models draw theirs independently from one distribution.
    Independent,
}

/// Mean and 95 % interval of a correlation over simulated experiments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedRho {
    /// The mean.
    pub rho: f64,
    /// The 2.5 % quantile.
    pub low: f64,
    /// The 97.5 % quantile.
    pub high: f64,
}

/// The number of simulated experiments. It determines the ends of an interval to .003.
const DRAWS: u32 = 10_000;

impl Beta {
    /// Fits the distribution by moments. `tallies` are (right answers, trials), one per item. The mean is that of the
    /// accuracies. The variance is theirs (ddof 1) minus the mean trial noise, p (1 - p) / (trials - 1). None if that
    /// variance is not positive, or larger than a share can have, or if an item has fewer than two trials.
    #[must_use]
    pub fn by_moments(tallies: &[(u32, u32)]) -> Option<Self> {
        if tallies.iter().any(|(_, trials)| *trials < 2) {
            return None;
        }
        let share = |&(right, trials): &(u32, u32)| f64::from(right) / f64::from(trials);
        let noise = |tally: &(u32, u32)| {
            let p = share(tally);
            p * (1.0 - p) / f64::from(tally.1 - 1)
        };
        let shares: Vec<f64> = tallies.iter().map(share).collect();
        let mean_share = mean(&shares)?;
        let noises: Vec<f64> = tallies.iter().map(noise).collect();
        let variance = standard_deviation(&shares, 1)?.powi(2) - mean(&noises)?;
        let largest = mean_share * (1.0 - mean_share);
        (variance > 0.0 && variance < largest).then(|| {
            let concentration = largest / variance - 1.0;
            Self {
                alpha: mean_share * concentration,
                beta: (1.0 - mean_share) * concentration,
            }
        })
    }

    /// The correlation of two models' accuracies over simulated experiments of `items` items, with each model's
    /// `trials`. Experiments with constant accuracies have no correlation and are left out. None if none is left.
    /// Experiments are computed in parallel, each with its own random stream.
    #[must_use]
    pub fn expected(
        self,
        correlate: fn(&[f64], &[f64]) -> Option<f64>,
        truth: Truth,
        trials: [u32; 2],
        items: usize,
        seed: i64,
    ) -> Option<ExpectedRho> {
        let accuracies = rand_distr::Beta::new(self.alpha, self.beta).ok()?;
        let base = Key::new(&[b"sampling", &seed.to_le_bytes()]).seed();
        let experiment = |number: u32| {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(base.wrapping_add(number.into()));
            let (mut a, mut b) = (Vec::with_capacity(items), Vec::with_capacity(items));
            for _ in 0..items {
                let first = accuracies.sample(&mut rng);
                let second = match truth {
                    Truth::Equal => first,
                    Truth::Independent => accuracies.sample(&mut rng),
                };
                a.push(answers(trials[0], first, &mut rng)?);
                b.push(answers(trials[1], second, &mut rng)?);
            }
            correlate(&a, &b)
        };
        let found: Vec<f64> = (0..DRAWS).into_par_iter().filter_map(experiment).collect();
        Some(ExpectedRho {
            rho: mean(&found)?,
            low: quantile(&found, 0.025)?,
            high: quantile(&found, 0.975)?,
        })
    }
}

/// The number of right answers in simulated trials.
fn answers(trials: u32, accuracy: f64, rng: &mut Xoshiro256PlusPlus) -> Option<f64> {
    let right = Binomial::new(trials.into(), accuracy).ok()?.sample(rng);
    // At most 2^32.
    #[allow(clippy::cast_precision_loss)]
    Some(right as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::spearman;

    const PUBLISHED: &str = include_str!("../../tests/fixtures/paper/noise_ceiling.csv");

    fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
        let (ma, mb) = (mean(a)?, mean(b)?);
        let sum = |x: &[f64], mx: f64, y: &[f64], my: f64| -> f64 {
            x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum()
        };
        let (aa, bb) = (sum(a, ma, a, ma), sum(b, mb, b, mb));
        (aa > 0.0 && bb > 0.0).then(|| sum(a, ma, b, mb) / (aa * bb).sqrt())
    }

    /// With 20,000 published and 10,000 own experiments, chance alone makes means differ by up to .001, and ends by
    /// .004.
    #[test]
    fn expected_correlations_are_the_published_ones() {
        let number = |text: &str| text.parse::<f64>().unwrap();
        let mut rows = 0;
        for line in PUBLISHED.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let beta = Beta {
                alpha: number(cells[1]),
                beta: number(cells[2]),
            };
            let truth = match cells[3] {
                "1" => Truth::Equal,
                _ => Truth::Independent,
            };
            let trials: u32 = cells[4].parse().unwrap();
            let items: usize = cells[5].parse().unwrap();
            let correlate = match cells[6] {
                "spearman" => spearman,
                _ => pearson,
            };
            let found = beta
                .expected(correlate, truth, [trials; 2], items, 1)
                .unwrap();
            for (got, published, tolerance) in [
                (found.rho, cells[7], 0.003),
                (found.low, cells[8], 0.01),
                (found.high, cells[9], 0.01),
            ] {
                let difference = (got - number(published)).abs();
                assert!(difference < tolerance, "{line}: {found:?}");
            }
            rows += 1;
        }
        assert_eq!(rows, 56);
    }

    #[test]
    fn no_beta_fits_these_moments() {
        assert_eq!(Beta::by_moments(&[(1, 8), (1, 8), (1, 8)]), None);
        assert_eq!(Beta::by_moments(&[(0, 8), (8, 8)]), None);
        assert_eq!(Beta::by_moments(&[(0, 1), (1, 1)]), None);
        assert_eq!(Beta::by_moments(&[(3, 8)]), None);
        assert_eq!(Beta::by_moments(&[]), None);
    }
}
