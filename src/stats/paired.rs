/*!
The paired t-test: is the mean difference above zero?
*/

use super::{count, rounding, standard_deviation};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// A mean difference with its error and test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    /// The mean difference.
    pub mean: f64,
    /// Its standard error, sd (ddof 1) / sqrt(pairs). Exactly 0 if all differences are equal up to rounding. None
    /// with one pair.
    pub se: Option<f64>,
    /// Student's test. None with one pair, or if the error is 0.
    pub test: Option<PairedTest>,
}

/// Student's t of a mean difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedTest {
    /// mean / se.
    pub t: f64,
    /// P(T >= t) with pairs - 1 degrees of freedom.
    pub greater: f64,
    /// P(T <= t). It keeps its digits where `greater` is near 1.
    pub less: f64,
}

impl PairedTest {
    /// P(|T| >= |t|).
    #[must_use]
    pub fn two_sided(&self) -> f64 {
        2.0 * self.greater.min(self.less)
    }
}

/// The paired t-test of these differences. None without a pair.
#[must_use]
pub fn paired(differences: &[f64]) -> Option<Paired> {
    let mean = rounding::mean(differences)?;
    let n = count(differences.len());
    let se = standard_deviation(differences, 1).map(|sd| sd / n.sqrt());
    let student = StudentsT::new(0.0, 1.0, n - 1.0).ok();
    let varying = se.filter(|&se| se > 0.0);
    let test = varying.zip(student).map(|(se, student)| {
        let t = mean / se;
        PairedTest {
            t,
            greater: student.sf(t),
            less: student.sf(-t),
        }
    });
    Some(Paired { mean, se, test })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_or_equal_differences_have_no_test() {
        assert_eq!(paired(&[]), None);
        assert_eq!(paired(&[1.0]).unwrap().se, None);
        // Three differences of a tenth, each rounded differently.
        let constant = paired(&[0.1, 0.3 - 0.2, 0.9 - 0.8]).unwrap();
        assert_eq!((constant.se, constant.test), (Some(0.0), None));
    }
}
