/*!
Hotelling's test of lack of fit: do the means of repeated measurements lie on a curve?
*/

use super::linear::{dot, solve};
use super::rounding::mean;
use statrs::distribution::{ContinuousCDF, FisherSnedecor};

/// An F test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FTest {
    /// The statistic.
    pub f: f64,
    /// Degrees of freedom of the numerator and the denominator.
    pub df: (u32, u32),
    /// P(F >= f).
    pub p: f64,
}

/// Tests whether the means over subjects are a linear combination of the terms. `profiles` has one list per subject
/// with a value per point; `terms` has one list per point. With `n` subjects and `q` more points than terms, W is
/// Hotelling's statistic of the means' components orthogonal to the terms, with the subjects' covariance (ddof 1), and
/// `F = W (n - q) / (q (n - 1))`. None if `n <= q`, `q = 0`, or the covariance is singular.
#[must_use]
pub fn lack_of_fit(profiles: &[Vec<f64>], terms: &[Vec<f64>]) -> Option<FTest> {
    let outside = outside(terms);
    let (n, q) = (profiles.len(), outside.len());
    if q == 0 || n <= q {
        return None;
    }
    let of_direction = |direction: &Vec<f64>| -> Vec<f64> {
        profiles
            .iter()
            .map(|profile| dot(profile, direction))
            .collect()
    };
    let components: Vec<Vec<f64>> = outside.iter().map(of_direction).collect();
    let means: Vec<f64> = components
        .iter()
        .filter_map(|values| mean(values))
        .collect();
    let (n32, q32) = (u32::try_from(n).ok()?, u32::try_from(q).ok()?);
    let (n, q) = (f64::from(n32), f64::from(q32));
    let covariance = |i: usize, j: usize| {
        let both = components[i].iter().zip(&components[j]);
        both.map(|(a, b)| (a - means[i]) * (b - means[j]))
            .sum::<f64>()
            / (n - 1.0)
    };
    let row = |i| (0..components.len()).map(|j| covariance(i, j)).collect();
    let matrix: Vec<Vec<f64>> = (0..components.len()).map(row).collect();
    // Values are shares of at most 1, so smaller deviations are rounding.
    let varies = |i: usize| matrix[i][i] > (64.0 * f64::EPSILON).powi(2);
    if !(0..matrix.len()).any(varies) {
        return None;
    }
    let w = n * dot(&means, &solve(matrix, means.clone())?);
    let f = w * (n - q) / (q * (n - 1.0));
    let distribution = FisherSnedecor::new(q, n - q).ok()?;
    Some(FTest {
        f,
        df: (q32, n32 - q32),
        p: distribution.sf(f),
    })
}

/// An orthonormal basis of the directions orthogonal to all terms.
fn outside(terms: &[Vec<f64>]) -> Vec<Vec<f64>> {
    const PARALLEL: f64 = 1e-9;
    let points = terms.len();
    let count = terms.first().map_or(0, Vec::len);
    let columns = (0..count).map(|j| terms.iter().map(|of_point| of_point[j]).collect());
    let axes = (0..points).map(|i| (0..points).map(|j| f64::from(u8::from(i == j))).collect());
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let mut inside = 0;
    for (at, direction) in columns.chain(axes).enumerate() {
        let mut rest: Vec<f64> = direction;
        let length = dot(&rest, &rest).sqrt();
        // Twice, to remove what rounding leaves.
        for _ in 0..2 {
            for other in &basis {
                let part = dot(&rest, other);
                rest.iter_mut().zip(other).for_each(|(x, y)| *x -= part * y);
            }
        }
        let left = dot(&rest, &rest).sqrt();
        if left > PARALLEL * length {
            basis.push(rest.iter().map(|x| x / left).collect());
            inside += usize::from(at < count);
        }
    }
    basis.split_off(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_direction_is_the_square_of_students_t() {
        // Two points and a constant term: the remaining direction is their difference.
        let differences: [f64; 5] = [0.1, 0.3, -0.2, 0.4, 0.15];
        let profiles: Vec<Vec<f64>> = differences.iter().map(|d| vec![0.3, 0.3 + d]).collect();
        let test = lack_of_fit(&profiles, &[vec![1.0], vec![1.0]]).unwrap();
        let t = crate::stats::paired(&differences).unwrap().test.unwrap();
        assert!((test.f - t.t * t.t).abs() < 1e-12 * test.f, "{test:?}");
        assert_eq!(test.df, (1, 4));
        assert!((test.p - t.two_sided()).abs() < 1e-12);
    }

    #[test]
    fn too_few_subjects_or_no_variation_give_no_test() {
        let terms: Vec<Vec<f64>> = (0..4).map(|x| vec![1.0, f64::from(x)]).collect();
        let profile = |k: u32| (0..4).map(|x| f64::from((x * x + k) % 5) / 5.0).collect();
        let profiles: Vec<Vec<f64>> = (0..6).map(profile).collect();
        assert!(lack_of_fit(&profiles, &terms).is_some());
        assert_eq!(lack_of_fit(&profiles[..2], &terms), None);
        assert_eq!(lack_of_fit(&vec![profiles[0].clone(); 6], &terms), None);
        assert_eq!(lack_of_fit(&profiles, &terms[..2]), None);
    }
}
