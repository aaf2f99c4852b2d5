/*!
Numbers that would be zero without rounding.
*/

use super::count;

/// A sum of squares over `n` values of at most `largest`; exactly 0 if rounding alone can explain it, that is, up to
/// `(64 eps largest)^2 n`.
pub(super) fn but_for_rounding(squares: f64, largest: f64, n: f64) -> f64 {
    if squares <= (64.0 * f64::EPSILON * largest).powi(2) * n {
        0.0
    } else {
        squares
    }
}

/// The largest absolute value; 0 of an empty list.
pub(super) fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |largest, value| largest.max(value.abs()))
}

/// The mean. None of an empty list. The mean of equal values is exactly their value.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    let first = values.first()?;
    let n = count(values.len());
    Some(first + values.iter().map(|value| value - first).sum::<f64>() / n)
}

/// Whether all values are equal, to the last bit.
pub(super) fn all_equal(values: impl Iterator<Item = f64>) -> bool {
    let mut bits = values.map(f64::to_bits);
    bits.next()
        .is_none_or(|first| bits.all(|other| other == first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    // Zero is exact.
    #[allow(clippy::float_cmp)]
    fn rounding_scales_with_the_values() {
        let eps = f64::EPSILON;
        for scale in [1e-9, 1.0, 1e12] {
            assert_eq!(
                but_for_rounding((64.0 * eps * scale).powi(2), scale, 1.0),
                0.0
            );
            let more = 2.0 * (64.0 * eps * scale).powi(2);
            assert_eq!(but_for_rounding(more, scale, 1.0), more);
            assert_eq!(but_for_rounding(more, scale, 2.0), 0.0);
        }
        assert_eq!(but_for_rounding(0.0, 0.0, 3.0), 0.0);
    }

    #[test]
    // To the last bit.
    #[allow(clippy::float_cmp)]
    fn the_mean_of_equal_values_is_their_value() {
        assert_eq!(mean(&vec![0.1; 5000]), Some(0.1));
        assert_eq!(mean(&[1.0, 2.0, 6.0]), Some(3.0));
        assert_eq!(mean(&[]), None);
    }
}
