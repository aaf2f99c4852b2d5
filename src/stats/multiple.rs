/*!
Multiple testing: Holm's correction.
*/

/// Holm's step-down adjusted p-values, in the order given: the i-th smallest of m is multiplied by
/// m - i + 1, and none is smaller than the one before it, nor larger than 1.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest = 0.0f64;
    // Far fewer than 2^53 tests.
    #[allow(clippy::cast_precision_loss)]
    for (rank, i) in order.into_iter().enumerate() {
        largest = largest.max(((p.len() - rank) as f64 * p[i]).min(1.0));
        adjusted[i] = largest;
    }
    adjusted
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
    }
}
