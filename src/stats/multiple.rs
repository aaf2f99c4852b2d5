/*!
Multiple testing: Holm's correction, and that of Benjamini and Hochberg.
*/

use super::count;

/// Holm's step-down adjusted p-values, in the order given: the i-th smallest of m is multiplied by
/// m - i + 1, and none is smaller than the one before it, nor larger than 1.
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

/// Benjamini and Hochberg's step-up adjusted p-values (false discovery rate), in the order given:
/// the i-th smallest of m is multiplied by m / i, and none is larger than the one after it, nor than
/// 1.
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

/// The tests of one family after a correction; those that are none stay none.
pub fn adjusted(p: &[Option<f64>], correction: fn(&[f64]) -> Vec<f64>) -> Vec<Option<f64>> {
    let family: Vec<f64> = p.iter().flatten().copied().collect();
    let mut corrected = correction(&family).into_iter();
    p.iter().map(|p| p.and_then(|_| corrected.next())).collect()
}

/// The places of the p-values from the smallest up.
fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Sorted: 0.01 * 4, 0.02 * 3, 0.0275 * 2 = 0.055 (held up to 0.06), 0.5.
        let adjusted = holm(&[0.5, 0.01, 0.0275, 0.02]);
        for (found, expected) in adjusted.iter().zip([0.5, 0.04, 0.06, 0.06]) {
            assert!((found - expected).abs() < 1e-15, "{adjusted:?}");
        }
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
        // Sorted: 0.01 * 4, 0.02 * 2, 0.0275 * 4 / 3, which hold the others down, and 0.5.
        let adjusted = benjamini_hochberg(&[0.5, 0.01, 0.0275, 0.02]);
        let least = 0.0275 * 4.0 / 3.0;
        for (found, expected) in adjusted.iter().zip([0.5, least, least, least]) {
            assert!((found - expected).abs() < 1e-15, "{adjusted:?}");
        }
    }

    #[test]
    fn what_is_no_test_is_no_part_of_the_family() {
        let p = [None, Some(0.25), Some(0.5), None];
        assert_eq!(adjusted(&p, holm), [None, Some(0.5), Some(0.5), None]);
    }
}
