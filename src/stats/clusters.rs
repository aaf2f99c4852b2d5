/*!
Least squares of single observations, with errors that are robust to clusters.
*/

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Observations of one cluster at one x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// The regressor.
    pub x: f64,
    /// Number of observations.
    pub n: f64,
    /// Their sum.
    pub sum: f64,
}

/// The line `y = a0 + a1 x` through all observations, with CR1 errors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusteredLine {
    /// Intercept.
    pub a0: f64,
    /// Slope.
    pub a1: f64,
    /// Standard error of the intercept.
    pub a0_se: f64,
    /// Standard error of the slope.
    pub a1_se: f64,
    /// a1 / `a1_se`; none where the error is 0.
    pub t: Option<f64>,
    /// Clusters - 1.
    pub df: u32,
    /// P(T >= t) for Student's t with `df` degrees of freedom.
    pub p: Option<f64>,
}

/// Ordinary least squares over all observations of all clusters. The errors are those of the
/// sandwich over clusters with CR1's factor `G / (G - 1) (N - 1) / (N - 2)`, for G clusters and N
/// observations (Stata's and statsmodels' default). None with one cluster, two observations, or one
/// x.
#[must_use]
pub fn clustered_line(clusters: &[Vec<Group>]) -> Option<ClusteredLine> {
    let groups = || clusters.iter().flatten();
    let n: f64 = groups().map(|g| g.n).sum();
    // Far fewer than 2^32 clusters.
    let df = u32::try_from(clusters.len()).ok()?.checked_sub(1)?;
    if df == 0 || n <= 2.0 {
        return None;
    }
    let mean_x = groups().map(|g| g.n * g.x).sum::<f64>() / n;
    let mean_y = groups().map(|g| g.sum).sum::<f64>() / n;
    let sxx: f64 = groups().map(|g| g.n * (g.x - mean_x).powi(2)).sum();
    let sxy: f64 = groups().map(|g| g.sum * (g.x - mean_x)).sum();
    if sxx <= 0.0 {
        return None;
    }
    let a1 = sxy / sxx;
    let a0 = mean_y - a1 * mean_x;
    // What a cluster's residuals contribute to either estimate: a1 is a sum of y (x - mean x) / Sxx,
    // a0 one of y (1/N - mean x (x - mean x) / Sxx).
    let (mut slope_squares, mut intercept_squares) = (0.0, 0.0);
    for cluster in clusters {
        let (mut slope, mut intercept) = (0.0, 0.0);
        for g in cluster {
            let residuals = g.sum - g.n * (a0 + a1 * g.x);
            let weight = (g.x - mean_x) / sxx;
            slope += residuals * weight;
            intercept += residuals * (1.0 / n - mean_x * weight);
        }
        slope_squares += slope * slope;
        intercept_squares += intercept * intercept;
    }
    let factor = (f64::from(df) + 1.0) / f64::from(df) * (n - 1.0) / (n - 2.0);
    let a1_se = (factor * slope_squares).sqrt();
    let t = (a1_se > 0.0).then(|| a1 / a1_se);
    let student = StudentsT::new(0.0, 1.0, f64::from(df)).ok()?;
    Some(ClusteredLine {
        a0,
        a1,
        a0_se: (factor * intercept_squares).sqrt(),
        a1_se,
        t,
        df,
        p: t.map(|t| student.sf(t)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Two clusters at x = -1 and 1, two observations a group: sums 0, 2 and 1, 1.
        let group = |x, sum| Group { x, n: 2.0, sum };
        let clusters = [
            vec![group(-1.0, 0.0), group(1.0, 2.0)],
            vec![group(-1.0, 1.0), group(1.0, 1.0)],
        ];
        let fit = clustered_line(&clusters).unwrap();
        // Sxx = 8, Sxy = 2, mean 1/2. Residual sums -1/2, 1/2 and 1/2, -1/2: slopes 1/8 and -1/8.
        assert!((fit.a1 - 0.25).abs() < 1e-15 && (fit.a0 - 0.5).abs() < 1e-15);
        let factor: f64 = 2.0 * 7.0 / 6.0;
        assert!((fit.a1_se - (factor / 32.0).sqrt()).abs() < 1e-15);
        assert!(fit.a0_se.abs() < 1e-15);
        // Student's t with one degree of freedom is Cauchy's.
        let cauchy = 0.5 - fit.t.unwrap().atan() / std::f64::consts::PI;
        assert!((fit.p.unwrap() - cauchy).abs() < 1e-12);
        assert_eq!(clustered_line(&clusters[..1]), None);
        assert_eq!(
            clustered_line(&[vec![group(1.0, 0.0)], vec![group(1.0, 1.0)]]),
            None
        );
    }
}
