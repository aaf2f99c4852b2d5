/*!
The exact condition-swap test, a sign-flip permutation test: how often would random signs of the tasks' differences give as much?
*/

use num_bigint::BigUint;
use num_traits::{One, ToPrimitive, Zero};

/// Exact tail probabilities of a sum of differences under random signs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignFlipTest {
    /// P(sum >= observed): the differences tend to be positive.
    pub greater: f64,
    /// P(sum <= observed): they tend to be negative.
    pub less: f64,
}

impl SignFlipTest {
    /// Twice the smaller tail, at most 1.
    #[must_use]
    pub fn two_sided(&self) -> f64 {
        (2.0 * self.greater.min(self.less)).min(1.0)
    }
}

/// The condition-swap test of integer differences, one a task (Breslow et al., arXiv 2609.14011).
///
/// Under the null hypothesis each difference keeps or flips its sign with equal probability. Zero
/// differences are dropped; of the `2^r` sign assignments of the others, those whose sum reaches the
/// observed one are counted by dynamic programming in integers of any size, so that `p = count /
/// 2^r` is exact until it is rounded to an f64 (it underflows to 0 below 2^-1074). Without any
/// difference p is 1. Time and memory: r times half the sum of the absolute differences, at most.
#[must_use]
pub fn sign_flip_test(differences: &[i64]) -> SignFlipTest {
    let total_of = |sign: i64| -> u64 {
        let parts = differences.iter().filter(|d| d.signum() == sign);
        parts.map(|d| d.unsigned_abs()).sum()
    };
    // With a the absolute differences and A their sum, signs whose positive ones sum to s give
    // 2 s - A; the observed signs have s = `positive`. By symmetry as many choices have s at least
    // `positive` as have s at most A - `positive` = `negative`.
    let (positive, negative) = (total_of(1), total_of(-1));
    let sizes: Vec<u64> = differences
        .iter()
        .map(|d| d.unsigned_abs())
        .filter(|&d| d > 0)
        .collect();
    let all = BigUint::one() << sizes.len();
    // Counting up to the smaller sum is enough: the rest are all others.
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
    // Sums of trials of tasks in memory fit an index.
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

/// `count / 2^power`, its first 64 bits kept before it is rounded to an f64.
fn ratio_to_power_of_two(count: &BigUint, power: usize) -> f64 {
    let dropped = count.bits().saturating_sub(64);
    let head = (count >> dropped).to_f64().unwrap_or_default();
    let below = i64::try_from(power).unwrap_or(i64::MAX) - i64::try_from(dropped).unwrap_or(0);
    // In halves, so that neither factor underflows where the product doesn't.
    let half = |halves: i64| 0.5f64.powi(i32::try_from(halves).unwrap_or(i32::MAX));
    head * half(below / 2) * half(below - below / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All sign assignments, one after the other.
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
        /// Zeros, ties and both signs, up to 14 tasks. Both are ratios with few bits: no rounding.
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
