/*!
Corrections for multiple testing: Holm, and Benjamini and Hochberg.
*/

use super::count;

/// Holm's step-down adjusted p-values, in the order given. The i-th smallest of m is multiplied by m - i + 1. Each is
/// at least the one before it, and at most 1.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let order = ascending(p);
    let mut adjusted = vec![0.0; p.len()];
    let mut largest = 0.0f64;
    for (rank, i) in order.into_iter().enumerate() {
        largest = largest.max((count(p.len() - rank) * p[i]).min(1.0));
        adjusted[i] = largest;
    }
    adjusted
}

/// Benjamini and Hochberg's step-up adjusted p-values (false discovery rate), in the order given. The i-th smallest of
/// m is multiplied by m / i. Each is at most the one after it, and at most 1.
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let order = ascending(p);
    let mut adjusted = vec![0.0; p.len()];
    let mut smallest = 1.0f64;
    for (rank, i) in order.into_iter().enumerate().rev() {
        smallest = smallest.min(count(p.len()) / count(rank + 1) * p[i]);
        adjusted[i] = smallest;
    }
    adjusted
}

/// One family of p-values after a correction. None is not part of the family, and stays None.
pub fn adjusted(p: &[Option<f64>], correction: fn(&[f64]) -> Vec<f64>) -> Vec<Option<f64>> {
    let family: Vec<f64> = p.iter().flatten().copied().collect();
    let mut corrected = correction(&family).into_iter();
    p.iter().map(|p| p.and_then(|_| corrected.next())).collect()
}

/// The positions of the p-values in ascending order.
fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_p_is_not_part_of_the_family() {
        let p = [None, Some(0.25), Some(0.5), None];
        assert_eq!(adjusted(&p, holm), [None, Some(0.5), Some(0.5), None]);
    }
}
