/*!
Tests against the standard normal distribution.
*/

use statrs::function::erf::erfc;

/// A 95 % interval is the estimate +- this many errors (rounded as in Breslow et al., arXiv 2609.14011).
pub const NORMAL_95: f64 = 1.96;

/// P(Z >= z) for a standard normal Z: `erfc(z / sqrt 2) / 2`.
#[must_use]
pub fn one_sided_p(z: f64) -> f64 {
    0.5 * erfc(z / std::f64::consts::SQRT_2)
}

/// z of the difference of two independent estimates, `(a - b) / sqrt(a_se^2 + b_se^2)`. None if both errors are 0.
#[must_use]
pub fn z_difference(a: f64, a_se: f64, b: f64, b_se: f64) -> Option<f64> {
    let error = a_se.hypot(b_se);
    (error > 0.0).then(|| (a - b) / error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_without_errors_have_no_z() {
        assert_eq!(z_difference(0.9, 0.3, 0.4, 0.4), Some(1.0));
        assert_eq!(z_difference(0.9, 0.0, 0.4, 0.0), None);
    }
}
