/*!
The two-stage cluster bootstrap. It draws tasks (functions) with replacement, then units (trials or nested sequences)
with replacement within each drawn task (Breslow et al., arXiv 2511.12797, section 3).
*/

use super::count;
use super::rounding::{but_for_rounding, largest, mean};
use crate::chance::Key;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use std::cmp::Ordering;

/// How to resample.
#[derive(Debug, Clone, Copy)]
pub struct Bootstrap {
    /// Number of replicates.
    pub replicates: u32,
    /// Seed of all draws.
    pub seed: i64,
}

impl Bootstrap {
    /// The mean of every channel in every replicate, as `[channel][replicate]`. It is NaN if the replicate drew no task
    /// with units.
    ///
    /// A task is the list of its observations: `channels` numbers per unit, one unit after the other. A task without
    /// units is drawn like the others, and adds nothing. Channels are resampled together: accuracy and baseline of the
    /// same trials, or all shot counts of the same nested sequences.
    ///
    /// The draw of tasks depends on the seed and the replicate only, so all cells with the same list of tasks draw the
    /// same ones. The draw of units depends on `key`, too. The mean is over drawn tasks of the mean over drawn units.
    /// Replicates are computed in parallel; the result does not depend on the number of threads.
    #[must_use]
    pub fn means(&self, tasks: &[Vec<f64>], channels: usize, key: &Key) -> Vec<Vec<f64>> {
        let tasks: Vec<Resampler<'_>> = tasks
            .iter()
            .map(|values| Resampler::new(values, channels.max(1)))
            .collect();
        let base =
            |what: &[u8], key: &[u8]| Key::new(&[what, &self.seed.to_le_bytes(), key]).seed();
        let of_tasks = base(b"bootstrap tasks", b"");
        let of_units = base(b"bootstrap units", key.bytes());
        let replicate = |number: u32| {
            // Consecutive seeds of xoshiro give unrelated streams, because they pass through SplitMix64.
            let [mut drawn_tasks, mut drawn_units] = [of_tasks, of_units].map(|base| Indices {
                rng: Xoshiro256PlusPlus::seed_from_u64(base.wrapping_add(number.into())),
                spare: None,
            });
            let (mut means, mut sums) = (vec![0.0; channels], vec![0.0; channels]);
            let mut drawn = 0;
            for _ in 0..tasks.len() {
                let task = &tasks[drawn_tasks.below(tasks.len())];
                if task.count == 0.0 {
                    continue;
                }
                drawn += 1;
                task.draw(&mut drawn_units, &mut sums);
                for (mean, sum) in means.iter_mut().zip(&sums) {
                    *mean += sum / task.count;
                }
            }
            for mean in &mut means {
                *mean /= count(drawn);
            }
            means
        };
        let rows: Vec<Vec<f64>> = (0..self.replicates)
            .into_par_iter()
            .map(replicate)
            .collect();
        (0..channels)
            .map(|channel| rows.iter().map(|row| row[channel]).collect())
            .collect()
    }
}

/// Draws the units of a task with replacement, as many as it has, and adds them up.
///
/// Most units of a task are equal (all wrong, for example). One binomial draw from a table says how many of the most
/// common unit are drawn. Only the others are drawn one by one; if they are all equal, none is. The sums are
/// distributed as if all units were drawn one by one.
struct Resampler<'a> {
    /// Number of units.
    count: f64,
    /// The most common unit.
    common: &'a [f64],
    /// The number of other units in a draw.
    others_drawn: Binomial,
    /// The other units; only one of them if they are all equal.
    others: Vec<&'a [f64]>,
}

impl<'a> Resampler<'a> {
    fn new(values: &'a [f64], channels: usize) -> Self {
        let order = |a: &&[f64], b: &&[f64]| {
            let pairs = a.iter().zip(*b).map(|(a, b)| a.total_cmp(b));
            pairs.fold(Ordering::Equal, Ordering::then)
        };
        let mut units: Vec<&[f64]> = values.chunks_exact(channels).collect();
        units.sort_by(order);
        let kinds = || units.chunk_by(|a, b| order(a, b).is_eq());
        // Empty without units; such a task is not drawn from.
        let common = kinds()
            .max_by_key(|kind| kind.len())
            .map_or(&[][..], |kind| kind[0]);
        let is_other = |unit: &&[f64]| order(unit, &common).is_ne();
        let mut others: Vec<&[f64]> = units.iter().copied().filter(is_other).collect();
        let others_drawn = Binomial::new(units.len(), others.len());
        if kinds().count() == 2 {
            others.truncate(1);
        }
        Self {
            count: count(units.len()),
            common,
            others_drawn,
            others,
        }
    }

    /// The sums over one draw.
    fn draw(&self, chance: &mut Indices, sums: &mut [f64]) {
        let others = self.others_drawn.draw(chance);
        let common = self.count - count(others);
        for (sum, value) in sums.iter_mut().zip(self.common) {
            *sum = common * value;
        }
        if let [other] = self.others.as_slice() {
            for (sum, value) in sums.iter_mut().zip(*other) {
                *sum += count(others) * value;
            }
            return;
        }
        for _ in 0..others {
            let other = self.others[chance.below(self.others.len())];
            for (sum, value) in sums.iter_mut().zip(other) {
                *sum += value;
            }
        }
    }
}

/// Binomial draws of `n` trials with probability `successes / n`, by Walker's alias method with Vose's tables. A draw
/// costs the same for every n.
struct Binomial {
    /// One column per outcome: the share of the column that is its own, in 2^-32, and the outcome of the rest.
    columns: Vec<(u32, u32)>,
}

impl Binomial {
    fn new(n: usize, successes: usize) -> Self {
        let mut weights = binomial_weights(n, successes);
        let columns = weights.len();
        let total: f64 = weights.iter().sum();
        for weight in &mut weights {
            *weight *= count(columns) / total;
        }
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..columns).partition(|&i| weights[i] < 1.0);
        let mut alias: Vec<usize> = (0..columns).collect();
        while let (Some(&low), Some(&high)) = (small.last(), large.last()) {
            small.pop();
            alias[low] = high;
            weights[high] -= 1.0 - weights[low];
            if weights[high] < 1.0 {
                large.pop();
                small.push(high);
            }
        }
        // The columns left over are full up to rounding.
        for i in small.into_iter().chain(large) {
            weights[i] = 1.0;
        }
        // A share of 1 saturates at 2^32 - 1; there are far fewer than 2^32 columns.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let columns = weights
            .into_iter()
            .zip(alias)
            .map(|(own, alias)| ((own * 4_294_967_296.0) as u32, alias as u32))
            .collect();
        Self { columns }
    }

    #[inline]
    fn draw(&self, chance: &mut Indices) -> usize {
        if self.columns.len() == 1 {
            return 0;
        }
        let column = chance.below(self.columns.len());
        let (own, alias) = self.columns[column];
        if chance.bits() < own {
            column
        } else {
            alias as usize
        }
    }
}

/// Numbers proportional to the probabilities of 0..=n successes, each of probability `successes / n` below 1. Only the
/// first if `successes` is 0.
fn binomial_weights(n: usize, successes: usize) -> Vec<f64> {
    if successes == 0 {
        return vec![1.0];
    }
    let odds = count(successes) / count(n - successes);
    let mut weights = vec![0.0; n + 1];
    // From the mode outwards, so that nothing overflows.
    let mode = ((n + 1) * successes / n).min(n);
    weights[mode] = 1.0;
    for k in mode..n {
        weights[k + 1] = weights[k] * odds * count(n - k) / count(k + 1);
    }
    for k in (0..mode).rev() {
        weights[k] = weights[k + 1] * count(k + 1) / (odds * count(n - k));
    }
    weights
}

/// Random indices, two from every 64 random bits. An index below m deviates from uniform by at most m / 2^32, which is
/// far below the bootstrap's own error.
struct Indices {
    rng: Xoshiro256PlusPlus,
    spare: Option<u32>,
}

impl Indices {
    /// 32 random bits.
    #[inline]
    // The two halves of the 64 bits are meant.
    #[allow(clippy::cast_possible_truncation)]
    fn bits(&mut self) -> u32 {
        if let Some(bits) = self.spare.take() {
            return bits;
        }
        let bits = self.rng.next_u64();
        self.spare = Some((bits >> 32) as u32);
        bits as u32
    }

    #[inline]
    // An index is below `n`.
    #[allow(clippy::cast_possible_truncation)]
    fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.bits()) * n as u64) >> 32) as usize
    }
}

/// Standard deviation with divisor `values - ddof`. Exactly 0 if the values are equal up to rounding. None if there
/// are too few values.
#[must_use]
pub fn standard_deviation(values: &[f64], ddof: usize) -> Option<f64> {
    if values.len() <= ddof {
        return None;
    }
    let mean = mean(values)?;
    let squares = values.iter().map(|v| (v - mean).powi(2)).sum();
    let largest = largest(values.iter().copied());
    let squares = but_for_rounding(squares, largest, count(values.len()));
    Some((squares / count(values.len() - ddof)).sqrt())
}

/// The q-quantile with linear interpolation between order statistics (numpy's default). None of an empty list.
#[must_use]
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = q.clamp(0.0, 1.0) * count(last);
    // Between 0 and `last`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let below = at.floor() as usize;
    let above = (below + 1).min(last);
    let weight = at - at.floor();
    Some(sorted[below] + weight * (sorted[above] - sorted[below]))
}

/// Sums of a million shares are right to 1e-12, even with thirds among them. Means that differ at all differ by more.
const ROUNDING: f64 = 1e-12;

/// One-sided p that a bootstrapped quantity is positive: `(b + 1) / (B + 1)`, where b of B replicates are not positive.
/// A replicate below `ROUNDING` is not positive: its sums differ by rounding only.
#[must_use]
pub fn bootstrap_p(replicates: impl ExactSizeIterator<Item = f64>) -> f64 {
    let total = replicates.len();
    let not_positive = replicates.filter(|&v| v < ROUNDING).count();
    (count(not_positive) + 1.0) / (count(total) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One channel of the given successes out of `m` trials per task.
    fn binary(successes: &[usize], m: usize) -> Vec<Vec<f64>> {
        let task = |&s: &usize| (0..m).map(|i| if i < s { 1.0 } else { 0.0 }).collect();
        successes.iter().map(task).collect()
    }

    fn key(name: &str) -> Key {
        Key::new(&[name.as_bytes()])
    }

    /// Units of several kinds against the formulas for single draws: the sum over one task has mean m mu and variance
    /// m sigma^2 in each channel, and the covariance of the channels.
    #[test]
    fn units_of_many_kinds_are_drawn_as_if_one_by_one() {
        let units = [
            [0.0, 0.0],
            [0.0, 0.0],
            [0.0, 0.0],
            [1.0, 0.5],
            [1.0, 0.0],
            [0.0, 0.5],
            [1.0, 0.5],
        ];
        let replicates = 200_000;
        let bootstrap = Bootstrap {
            replicates,
            seed: 9,
        };
        let means = bootstrap.means(&[units.concat()], 2, &key("k"));
        let average = |v: &mut dyn Iterator<Item = f64>| v.sum::<f64>() / f64::from(replicates);
        let of = |f: &dyn Fn(f64, f64) -> f64| {
            let drawn = average(&mut means[0].iter().zip(&means[1]).map(|(a, b)| f(*a, *b)));
            let one = units.iter().map(|u| f(u[0], u[1])).sum::<f64>() / 7.0;
            (drawn, one)
        };
        let (a, mu_a) = of(&|a, _| a);
        let (b, mu_b) = of(&|_, b| b);
        // Standard deviations are below 0.2 over the root of the draws, 5e-4; five times that.
        assert!((a - mu_a).abs() < 2.5e-3 && (b - mu_b).abs() < 2.5e-3);
        for f in [
            &(|a: f64, _: f64| (a - mu_a).powi(2)) as &dyn Fn(f64, f64) -> f64,
            &|_, b| (b - mu_b).powi(2),
            &|a, b| (a - mu_a) * (b - mu_b),
        ] {
            let (drawn, one) = of(f);
            assert!((drawn / (one / 7.0) - 1.0).abs() < 0.02, "{drawn} {one}");
        }
    }

    /// Pearson's chi-squared of draws from the table against the probabilities by their formula.
    #[test]
    fn binomial_draws_are_binomial() {
        let mut chance = Indices {
            rng: Xoshiro256PlusPlus::seed_from_u64(4),
            spare: None,
        };
        for (n, successes) in [(1, 0), (2, 1), (8, 3), (9, 8), (128, 5), (128, 90)] {
            let table = Binomial::new(n, successes);
            let mut counts = vec![0u32; n + 1];
            for _ in 0..100_000 {
                counts[table.draw(&mut chance)] += 1;
            }
            let p = count(successes) / count(n);
            let (mut chi2, mut cells, mut choose) = (0.0, 0.0, 1.0f64);
            for (k, &found) in counts.iter().enumerate() {
                let power = |base: f64, n: usize| base.powi(i32::try_from(n).unwrap());
                let expected = 1e5 * choose * power(p, k) * power(1.0 - p, n - k);
                choose *= count(n - k) / count(k + 1);
                if expected >= 5.0 {
                    chi2 += (f64::from(found) - expected).powi(2) / expected;
                    cells += 1.0;
                } else {
                    assert!(f64::from(found) < 25.0, "{n} {successes} {k}");
                }
            }
            // Mean `cells`, variance twice that: five standard deviations.
            assert!(
                chi2 < cells + 5.0 * (2.0f64 * cells).sqrt(),
                "{n} {successes}: {chi2}"
            );
        }
    }

    /// A task without units is drawn and adds nothing. A replicate that draws only such tasks has no mean.
    #[test]
    // Means of one task are exact.
    #[allow(clippy::float_cmp)]
    fn a_task_without_units_adds_nothing() {
        let bootstrap = Bootstrap {
            replicates: 20_000,
            seed: 5,
        };
        let tasks = [binary(&[1, 0], 1), vec![vec![]]].concat();
        let means = &bootstrap.means(&tasks, 1, &key("x"))[0];
        let share = |wanted: fn(f64) -> bool| {
            count(means.iter().filter(|m| wanted(**m)).count()) / 20_000.0
        };
        // Three draws from three: only the empty task in 1/27; never the right one in (2/3)^3, which includes those.
        assert!((share(f64::is_nan) - 1.0 / 27.0).abs() < 0.007);
        assert!((share(|m| m == 0.0) - 7.0 / 27.0).abs() < 0.016);
        // A cell with units where this one has none draws the same tasks.
        let other = [vec![vec![]; 2], binary(&[1], 1)].concat();
        let other = &bootstrap.means(&other, 1, &key("y"))[0];
        assert!(means.iter().any(|a| a.is_nan()) && other.iter().any(|b| b.is_nan()));
        let mut pairs = means.iter().zip(other);
        assert!(pairs.all(|(a, b)| !a.is_nan() || *b == 1.0));
    }

    #[test]
    fn channels_are_resampled_together_and_cells_share_the_tasks() {
        let tasks = binary(&[1, 2, 3, 0, 4], 4);
        let doubled: Vec<Vec<f64>> = tasks
            .iter()
            .map(|values| values.iter().flat_map(|&v| [v, v, 1.0 - v]).collect())
            .collect();
        let bootstrap = Bootstrap {
            replicates: 200,
            seed: 1,
        };
        let one = bootstrap.means(&tasks, 1, &key("a"));
        let three = bootstrap.means(&doubled, 3, &key("a"));
        assert_eq!(one[0], three[0]);
        assert_eq!(three[0], three[1]);
        for (v, w) in three[0].iter().zip(&three[2]) {
            assert!((v + w - 1.0).abs() < 1e-12);
        }
        // With one unit a task, only the tasks are drawn: another cell draws the same ones.
        let single = binary(&[0, 1, 1, 0, 1], 1);
        assert_eq!(
            bootstrap.means(&single, 1, &key("a")),
            bootstrap.means(&single, 1, &key("b"))
        );
        assert_ne!(
            bootstrap.means(&tasks, 1, &key("a")),
            bootstrap.means(&tasks, 1, &key("b"))
        );
    }

    #[test]
    fn a_replicate_that_is_zero_up_to_rounding_is_not_positive() {
        assert!((bootstrap_p([1.0, -1.0, 0.0].into_iter()) - 0.75).abs() < 1e-15);
        let tie = (0.1 + 0.2) - 0.3;
        assert!(tie > 0.0);
        assert!((bootstrap_p([1.0, -1.0, tie].into_iter()) - 0.75).abs() < 1e-15);
    }
}
