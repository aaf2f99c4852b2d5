/*!
Ordinary least squares with one regressor.
*/

use super::count;
use super::rounding::{all_equal, but_for_rounding, largest};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The line `y = a0 + a1 x` that minimises the squared residuals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Intercept.
    pub a0: f64,
    /// Slope. Exactly 0 if what it explains is rounding.
    pub a1: f64,
    /// Explained share of the variance of y. None if y does not vary.
    pub r2: Option<f64>,
    /// Errors and test. None with two points, which always lie on a line, and if y does not vary.
    pub test: Option<Test>,
}

/// Standard errors and the one-sided test of a positive slope.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// Standard error of the intercept.
    pub a0_se: f64,
    /// Standard error of the slope.
    pub a1_se: f64,
    /// a1 / `a1_se`. None for a perfect fit, which has no error.
    pub t: Option<f64>,
    /// Points - 2.
    pub df: u32,
    /// P(T >= t) for Student's t with `df` degrees of freedom.
    pub p: Option<f64>,
}

/// Fits a line: `a1 = Sxy / Sxx`, `a0 = mean(y) - a1 mean(x)`, residual variance `s^2 = SSR / (n - 2)`, `a1_se^2 = s^2
/// / Sxx`, `a0_se^2 = s^2 (1/n + mean(x)^2 / Sxx)`. Sums of squares that are only rounding count as 0. None with fewer
/// than two different x, or lists of unequal length.
#[must_use]
pub fn line(x: &[f64], y: &[f64]) -> Option<Line> {
    if x.len() != y.len() || all_equal(x.iter().copied()) {
        return None;
    }
    let n = count(x.len());
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let pairs = || x.iter().zip(y).map(|(x, y)| (x - mean_x, y - mean_y));
    let sxx: f64 = pairs().map(|(dx, _)| dx * dx).sum();
    let sxy: f64 = pairs().map(|(dx, dy)| dx * dy).sum();
    let syy: f64 = pairs().map(|(_, dy)| dy * dy).sum();
    let largest = largest(y.iter().copied());
    let exact = |squares| but_for_rounding(squares, largest, n);
    let explains = exact(sxy * sxy / sxx) > 0.0;
    let a1 = if explains { sxy / sxx } else { 0.0 };
    let residuals = exact(pairs().map(|(dx, dy)| (dy - a1 * dx).powi(2)).sum());
    let varies = explains || residuals > 0.0;
    Some(Line {
        a0: mean_y - a1 * mean_x,
        a1,
        r2: varies.then(|| 1.0 - residuals / syy),
        test: test(a1, residuals, sxx, mean_x, n).filter(|_| varies),
    })
}

fn test(a1: f64, residuals: f64, sxx: f64, mean_x: f64, n: f64) -> Option<Test> {
    let df = n - 2.0;
    let student = StudentsT::new(0.0, 1.0, df).ok()?;
    let variance = residuals / df;
    let a1_se = (variance / sxx).sqrt();
    let t = (a1_se > 0.0).then(|| a1 / a1_se);
    // A small whole number.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let whole_df = df as u32;
    Some(Test {
        a0_se: (variance * (1.0 / n + mean_x * mean_x / sxx)).sqrt(),
        a1_se,
        t,
        df: whole_df,
        p: t.map(|t| student.sf(t)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_points_have_no_line_or_no_error() {
        assert_eq!(line(&[1.0], &[1.0]), None);
        assert_eq!(line(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(line(&[1.0, 2.0], &[1.0]), None);
        assert_eq!(line(&[7e9f64.ln(); 3], &[1.0, 2.0, 4.0]), None);
        assert!(line(&[1.0, 2.0], &[1.0, 2.0]).unwrap().test.is_none());
    }
}
