/*!
What is zero but for rounding.
*/

use super::count;

/// Squares that rounding alone can leave where there should be none are zero: a sum of them over `n` values of at most
/// `largest` that is no more than `(64 eps largest)^2 n`. The sum, or exactly 0.
pub(super) fn but_for_rounding(squares: f64, largest: f64, n: f64) -> f64 {
    if squares <= (64.0 * f64::EPSILON * largest).powi(2) * n {
        0.0
    } else {
        squares
    }
}

/// The largest absolute value; 0 of nothing.
pub(super) fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |largest, value| largest.max(value.abs()))
}

/// The mean; none of nothing. That of equal values is their value, to the last bit.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    let first = values.first()?;
    let n = count(values.len());
    Some(first + values.iter().map(|value| value - first).sum::<f64>() / n)
}

/// Whether all values are one.
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
    fn equal_values_have_their_value_for_a_mean() {
        assert_eq!(mean(&vec![0.1; 5000]), Some(0.1));
        assert_eq!(mean(&[1.0, 2.0, 6.0]), Some(3.0));
        assert_eq!(mean(&[]), None);
    }
}
