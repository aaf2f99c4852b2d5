/*!
The exact condition-swap test, a sign-flip permutation test: how often do random signs of the tasks' differences give a
sum as large as the observed one?
*/

use num_bigint::BigUint;
use num_traits::{One, ToPrimitive, Zero};

/// Exact tail probabilities of a sum of differences under random signs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignFlipTest {
    /// P(sum >= observed). Small if the differences tend to be positive.
    pub greater: f64,
    /// P(sum <= observed). Small if they tend to be negative.
    pub less: f64,
}

impl SignFlipTest {
    /// Twice the smaller tail, at most 1.
    #[must_use]
    pub fn two_sided(&self) -> f64 {
        (2.0 * self.greater.min(self.less)).min(1.0)
    }
}

/// The condition-swap test of integer differences, one per task (Breslow et al., arXiv 2609.14011).
///
/// Under the null hypothesis each difference keeps or flips its sign with equal probability. Zero differences are
/// dropped. Dynamic programming over big integers counts those of the `2^r` sign assignments of the others that reach
/// the observed sum. So `p = count / 2^r` is exact until it is rounded to an f64 (below 2^-1074 it underflows to 0).
/// Without any difference p is 1. Time and memory: at most r times half the sum of the absolute differences.
#[must_use]
pub fn sign_flip_test(differences: &[i64]) -> SignFlipTest {
    let total_of = |sign: i64| -> u64 {
        let parts = differences.iter().filter(|d| d.signum() == sign);
        parts.map(|d| d.unsigned_abs()).sum()
    };
    // Let A be the sum of the absolute differences. Signs whose positive part is s give the sum 2 s - A; the observed
    // signs have s = `positive`. By symmetry, s >= `positive` is as frequent as s <= A - `positive` = `negative`.
    let (positive, negative) = (total_of(1), total_of(-1));
    let sizes: Vec<u64> = differences
        .iter()
        .map(|d| d.unsigned_abs())
        .filter(|&d| d > 0)
        .collect();
    let all = BigUint::one() << sizes.len();
    // It is enough to count up to the smaller sum: the rest are all others.
    let counts = subset_counts(&sizes, positive.min(negative));
    let up_to_smaller: BigUint = counts.iter().sum();
    let above_smaller = &all - &up_to_smaller + counts.last().unwrap_or(&all);
    let share = |count: &BigUint| ratio_to_power_of_two(count, sizes.len());
    let (rare, common) = (share(&up_to_smaller), share(&above_smaller));
    if positive >= negative {
        SignFlipTest {
            greater: rare,
            less: common,
        }
    } else {
        SignFlipTest {
            greater: common,
            less: rare,
        }
    }
}

/// The number of subsets of `sizes` with each sum from 0 to `largest`.
fn subset_counts(sizes: &[u64], largest: u64) -> Vec<BigUint> {
    // The sizes count trials in memory, so their sum fits an index.
    let largest = usize::try_from(largest).unwrap_or(usize::MAX - 1);
    let mut counts = vec![BigUint::zero(); largest + 1];
    counts[0] = BigUint::one();
    let mut reached = 0usize;
    for &size in sizes {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        reached = reached.saturating_add(size).min(largest);
        for sum in (size..=reached).rev() {
            let (without, with) = counts.split_at_mut(sum);
            let count = &without[sum - size];
            if !count.is_zero() {
                with[0] += count;
            }
        }
    }
    counts
}

/// `count / 2^power`. Only the first 64 bits of `count` are kept before rounding to an f64.
fn ratio_to_power_of_two(count: &BigUint, power: usize) -> f64 {
    let dropped = count.bits().saturating_sub(64);
    let head = (count >> dropped).to_f64().unwrap_or_default();
    let below = i64::try_from(power).unwrap_or(i64::MAX) - i64::try_from(dropped).unwrap_or(0);
    // In two halves: a single factor could underflow although the product does not.
    let half = |halves: i64| 0.5f64.powi(i32::try_from(halves).unwrap_or(i32::MAX));
    head * half(below / 2) * half(below - below / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Tries all sign assignments.
    fn brute_force(differences: &[i64]) -> (f64, f64) {
        let observed: i64 = differences.iter().sum();
        let (mut greater, mut less) = (0u32, 0u32);
        for signs in 0..1u32 << differences.len() {
            let sum: i64 = differences
                .iter()
                .enumerate()
                .map(|(i, d)| if signs >> i & 1 == 1 { -d } else { *d })
                .sum();
            greater += u32::from(sum >= observed);
            less += u32::from(sum <= observed);
        }
        let all = f64::from(1u32 << differences.len());
        (f64::from(greater) / all, f64::from(less) / all)
    }

    fn assert_exact(differences: &[i64]) {
        let test = sign_flip_test(differences);
        assert_eq!(
            (test.greater, test.less),
            brute_force(differences),
            "{differences:?}"
        );
    }

    proptest! {
        /// Up to 14 tasks with zeros, ties and both signs. The ratios have few bits, so they are exact.
        #[test]
        fn every_sign_is_counted(differences in prop::collection::vec(-9i64..=9, 0..=14)) {
            assert_exact(&differences);
        }
    }

    #[test]
    fn twenty_tasks_by_brute_force() {
        let of = |f: &dyn Fn(i64) -> i64| (0..20).map(f).collect::<Vec<i64>>();
        assert_exact(&of(&|i| i * 37 % 23 - 5));
        assert_exact(&of(&|i| i * 11 % 128 - 40));
        assert_exact(&of(&|i| 1 - 2 * (i % 2)));
        assert_exact(&of(&|i| i + 1));
        assert_exact(&of(&|_| -3));
    }

    #[test]
    fn no_difference_is_no_evidence() {
        for differences in [&[][..], &[0, 0, 0]] {
            let test = sign_flip_test(differences);
            assert_eq!((test.greater, test.less, test.two_sided()), (1.0, 1.0, 1.0));
        }
    }

    #[test]
    // Powers of two are exact.
    #[allow(clippy::float_cmp)]
    fn the_far_tail_is_a_power_of_two() {
        for tasks in [64, 127, 128, 200, 1022, 1070] {
            let test = sign_flip_test(&vec![5; tasks]);
            let expected = 0.5f64.powi(i32::try_from(tasks).unwrap());
            assert_eq!((test.greater, test.less), (expected, 1.0), "{tasks}");
            assert_eq!(test.two_sided(), 2.0 * expected);
        }
        assert_eq!(sign_flip_test(&[3; 1200]).greater, 0.0);
    }
}
