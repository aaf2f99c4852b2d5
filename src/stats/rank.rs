/*!
Spearman's rank correlation, and a one-sided permutation test of many of them at once.
*/

use super::count;
use crate::chance::{Below, Key};
use rand_core::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

/// Twice the difference between each average rank and the mean rank. These are whole numbers, so sums of their products
/// are exact, and equal correlations compare equal.
fn doubled_centred_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    // -0.0 and 0.0 are a tie, though `total_cmp` tells them apart.
    for tie in order.chunk_by(|&i, &j| values[i] >= values[j]) {
        let first_and_last = 2 * before + tie.len() + 1;
        for &i in tie {
            ranks[i] = count(first_and_last) - count(values.len()) - 1.0;
        }
        before += tie.len();
    }
    ranks
}

/// Spearman's rank correlation: Pearson's correlation of the average ranks. None if a list is constant or has fewer
/// than two values, or if the lists differ in length.
#[must_use]
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() {
        return None;
    }
    let (a, b) = (doubled_centred_ranks(a), doubled_centred_ranks(b));
    let (aa, bb) = (dot(&a, &a), dot(&b, &b));
    (aa > 0.0 && bb > 0.0).then(|| dot(&a, &b) / (aa * bb).sqrt())
}

/// The dot product, exact for whole numbers. Eight partial sums let the compiler use vector instructions.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_whole, a_rest) = a.as_chunks::<8>();
    let (b_whole, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_whole.iter().zip(b_whole) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// The rank correlation of two profiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// Position of the first profile.
    pub a: usize,
    /// Position of the second profile, after the first.
    pub b: usize,
    /// Spearman's rho. None if a profile is constant.
    pub rho: Option<f64>,
    /// One-sided p of rho > 0: `(count + 1) / (B + 1)`, where `count` of B random permutations of one profile's items
    /// give a rho at least as large. None if rho is None or B = 0.
    pub p: Option<f64>,
}

/// Spearman's rho and a permutation test for every pair of profiles. All profiles have the same items, at most 2^17.
///
/// A permutation depends only on the seed, its number and the number of items, and serves all pairs. So the result of a
/// pair does not depend on the other profiles, nor on the number of threads. Time: permutations x pairs x items, on all
/// threads.
#[must_use]
pub fn rank_correlations(profiles: &[Vec<f64>], permutations: u32, seed: i64) -> Vec<Correlation> {
    let ranks: Vec<Vec<f64>> = profiles.iter().map(|p| doubled_centred_ranks(p)).collect();
    let pairs: Vec<(usize, usize)> = (0..profiles.len())
        .flat_map(|a| (a + 1..profiles.len()).map(move |b| (a, b)))
        .collect();
    let observed: Vec<f64> = pairs
        .iter()
        .map(|&(a, b)| dot(&ranks[a], &ranks[b]))
        .collect();
    let count_one = |mut counts: Vec<u32>, number: u32| {
        let permuted = permuted(&ranks, number, seed);
        for ((&(a, b), &observed), count) in pairs.iter().zip(&observed).zip(&mut counts) {
            *count += u32::from(dot(&ranks[a], &permuted[b]) >= observed);
        }
        counts
    };
    let none = || vec![0; pairs.len()];
    let counts = (0..permutations)
        .into_par_iter()
        .fold(none, count_one)
        .reduce(none, |a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect());
    pairs
        .into_iter()
        .zip(counts)
        .map(|((a, b), count)| {
            let rho = spearman(&profiles[a], &profiles[b]);
            let p = (f64::from(count) + 1.0) / (f64::from(permutations) + 1.0);
            let p = rho.filter(|_| permutations > 0).map(|_| p);
            Correlation { a, b, rho, p }
        })
        .collect()
}

/// All profiles with their items in the order of permutation `number`.
fn permuted(ranks: &[Vec<f64>], number: u32, seed: i64) -> Vec<Vec<f64>> {
    let items = ranks.first().map_or(0, Vec::len);
    let parts: [&[u8]; 3] = [b"permutation", &seed.to_le_bytes(), &number.to_le_bytes()];
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(Key::new(&parts).seed());
    let mut order: Vec<usize> = (0..items).collect();
    rng.shuffle(&mut order);
    ranks
        .iter()
        .map(|ranks| order.iter().map(|&i| ranks[i]).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_rank() {
        // Ranks 5, 3, 5, 1.5, 1.5 and 5; their mean is 3.5.
        let ranks = doubled_centred_ranks(&[3.0, 1.0, 3.0, -0.0, 0.0, 3.0]);
        assert_eq!(ranks, [3.0, -1.0, 3.0, -4.0, -4.0, 3.0]);
    }

    #[test]
    fn too_few_or_equal_values_have_no_correlation() {
        assert_eq!(spearman(&[1.0, 2.0], &[5.0, 5.0]), None);
        assert_eq!(spearman(&[1.0], &[5.0]), None);
        assert_eq!(spearman(&[1.0, 2.0], &[1.0]), None);
    }

    /// Calls `each` with every permutation of `items`.
    fn all_permutations(items: &mut Vec<f64>, from: usize, each: &mut impl FnMut(&[f64])) {
        if from == items.len() {
            return each(items);
        }
        for i in from..items.len() {
            items.swap(from, i);
            all_permutations(items, from + 1, each);
            items.swap(from, i);
        }
    }

    /// Against all 7! permutations, with ties in both lists.
    #[test]
    fn p_is_the_share_of_permutations() {
        let a = vec![1.0, 2.0, 2.0, 4.0, 5.0, 6.0, 9.0];
        let b = vec![2.0, 1.0, 3.0, 3.0, 6.0, 5.0, 5.5];
        let observed = spearman(&a, &b).unwrap();
        let (mut at_least, mut all) = (0.0, 0.0);
        all_permutations(&mut b.clone(), 0, &mut |b| {
            all += 1.0;
            at_least += f64::from(u8::from(spearman(&a, b).unwrap() >= observed - 1e-12));
        });
        let exact: f64 = at_least / all;
        let p = rank_correlations(&[a, b], 40_000, 5)[0].p.unwrap();
        let error = (exact * (1.0 - exact) / 40_000.0).sqrt();
        assert!((p - exact).abs() < 5.0 * error, "{p} {exact}");
    }

    #[test]
    fn pairs_do_not_see_other_profiles() {
        let profile = |k: u32| -> Vec<f64> { (0..12).map(|i| f64::from(i * k % 13)).collect() };
        let all = [profile(3), profile(5), profile(7), vec![1.0; 12]];
        let three = rank_correlations(&all, 500, 1);
        assert_eq!(three.len(), 6);
        let two = rank_correlations(&[all[0].clone(), all[2].clone()], 500, 1);
        assert_eq!((three[1].a, three[1].b), (0, 2));
        assert_eq!((two[0].rho, two[0].p), (three[1].rho, three[1].p));
        assert_ne!(rank_correlations(&all, 500, 2)[1].p, three[1].p);
        assert_eq!((three[5].rho, three[5].p), (None, None));
        assert_eq!(rank_correlations(&all, 0, 1)[0].p, None);
    }
}
