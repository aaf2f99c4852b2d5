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
    /// Slope; exactly 0 where what it explains is rounding.
    pub a1: f64,
    /// Share of the variance of y explained; none where y does not vary.
    pub r2: Option<f64>,
    /// Errors and test; none with two points, through which a line always goes, and where y does
    /// not vary.
    pub test: Option<Test>,
}

/// Standard errors and the one-sided test of a positive slope.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// Standard error of the intercept.
    pub a0_se: f64,
    /// Standard error of the slope.
    pub a1_se: f64,
    /// a1 / `a1_se`; none of a perfect fit, which has no error to test against.
    pub t: Option<f64>,
    /// Points - 2.
    pub df: u32,
    /// P(T >= t) for Student's t with `df` degrees of freedom.
    pub p: Option<f64>,
}

/// Fits a line: `a1 = Sxy / Sxx`, `a0 = mean(y) - a1 mean(x)`, residual variance `SSR / (n - 2)`,
/// `a1_se^2 = s^2 / Sxx`, `a0_se^2 = s^2 (1/n + mean(x)^2 / Sxx)`. Sums of squares that are rounding
/// are 0. None with fewer than two different x, or with lists of unequal length.
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
    fn by_hand() {
        // x = 0, 1, 2; y = 1, 2, 4: Sxx = 2, Sxy = 3, SSR = 1/6.
        let fit = line(&[0.0, 1.0, 2.0], &[1.0, 2.0, 4.0]).unwrap();
        assert!((fit.a1 - 1.5).abs() < 1e-15);
        assert!((fit.a0 - 5.0 / 6.0).abs() < 1e-15);
        let test = fit.test.unwrap();
        assert_eq!(test.df, 1);
        assert!((test.a1_se - (1.0f64 / 12.0).sqrt()).abs() < 1e-15);
        // Student's t with one degree of freedom is Cauchy's: P(T >= t) = 1/2 - atan(t)/pi.
        let cauchy = 0.5 - test.t.unwrap().atan() / std::f64::consts::PI;
        assert!((test.p.unwrap() - cauchy).abs() < 1e-12);
    }

    #[test]
    fn what_has_no_line_or_no_error() {
        assert_eq!(line(&[1.0], &[1.0]), None);
        assert_eq!(line(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(line(&[1.0, 2.0], &[1.0]), None);
        assert_eq!(line(&[7e9f64.ln(); 3], &[1.0, 2.0, 4.0]), None);
        assert!(line(&[1.0, 2.0], &[1.0, 2.0]).unwrap().test.is_none());
    }
}
