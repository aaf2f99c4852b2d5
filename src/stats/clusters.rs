/*!
Least squares over single observations, with cluster-robust errors.
*/

use super::rounding::{all_equal, but_for_rounding, largest};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The observations of one cluster at one x.
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
    /// Slope. Exactly 0 if what it explains is rounding.
    pub a1: f64,
    /// Standard error of the intercept. None if all groups have the same mean.
    pub a0_se: Option<f64>,
    /// Standard error of the slope. None if all groups have the same mean.
    pub a1_se: Option<f64>,
    /// a1 / `a1_se`. None if the error is 0 or None.
    pub t: Option<f64>,
    /// Clusters - 1.
    pub df: u32,
    /// P(T >= t) for Student's t with `df` degrees of freedom.
    pub p: Option<f64>,
}

/// Ordinary least squares over all observations of all clusters. The errors come from the cluster sandwich with the CR1
/// factor `G / (G - 1) (N - 1) / (N - 2)` for G clusters and N observations (the default of Stata and statsmodels).
/// Sums of squares that are only rounding count as 0. None with fewer than two clusters, three observations or two
/// different x.
#[must_use]
pub fn clustered_line(clusters: &[Vec<Group>]) -> Option<ClusteredLine> {
    let groups = || clusters.iter().flatten();
    let n: f64 = groups().map(|g| g.n).sum();
    // Far fewer than 2^32 clusters.
    let df = u32::try_from(clusters.len()).ok()?.checked_sub(1)?;
    if df == 0 || n <= 2.0 || all_equal(groups().map(|g| g.x)) {
        return None;
    }
    let mean_x = groups().map(|g| g.n * g.x).sum::<f64>() / n;
    let mean_y = groups().map(|g| g.sum).sum::<f64>() / n;
    // Counts minus their expectation: equal groups give exactly 0.
    let above = |g: &Group| g.sum - g.n * mean_y;
    let sxx: f64 = groups().map(|g| g.n * (g.x - mean_x).powi(2)).sum();
    let sxy: f64 = groups().map(|g| above(g) * (g.x - mean_x)).sum();
    let largest = largest(groups().map(|g| g.sum / g.n));
    let explains = but_for_rounding(sxy * sxy / sxx, largest, n) > 0.0;
    let a1 = if explains { sxy / sxx } else { 0.0 };
    let residuals = |g: &Group| above(g) - g.n * a1 * (g.x - mean_x);
    let squares = groups().map(|g| residuals(g).powi(2) / g.n).sum();
    let varies = explains || but_for_rounding(squares, largest, n) > 0.0;
    // Both estimates are weighted sums of y. The weights are (x - mean x) / Sxx for a1, and
    // 1/N - mean x (x - mean x) / Sxx for a0.
    let factor = f64::from(df + 1) / f64::from(df) * (n - 1.0) / (n - 2.0);
    let error = |weight: &dyn Fn(&Group) -> f64| {
        let of_cluster = |cluster: &Vec<Group>| {
            let contribution: f64 = cluster.iter().map(|g| residuals(g) * weight(g)).sum();
            let reach: f64 = cluster.iter().map(|g| g.n * weight(g).abs()).sum();
            (contribution * contribution, reach)
        };
        let (squares, reach) = clusters
            .iter()
            .map(of_cluster)
            .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, one.1.max(sum.1)));
        let squares = but_for_rounding(squares, largest * reach, f64::from(df + 1));
        varies.then(|| (factor * squares).sqrt())
    };
    let slope = |g: &Group| (g.x - mean_x) / sxx;
    let a1_se = error(&slope);
    let t = a1_se.filter(|&se| se > 0.0).map(|se| a1 / se);
    let student = StudentsT::new(0.0, 1.0, f64::from(df)).ok()?;
    Some(ClusteredLine {
        a0: mean_y - a1 * mean_x,
        a1,
        a0_se: error(&|g| 1.0 / n - mean_x * slope(g)),
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
    fn one_cluster_one_x_or_two_observations_have_no_line() {
        let group = |x, sum| Group { x, n: 2.0, sum };
        let clusters = [-1.0, 1.0].map(|x| vec![group(-1.0, 0.0), group(x, 2.0)]);
        assert!(clustered_line(&clusters).is_some());
        assert_eq!(clustered_line(&clusters[1..]), None);
        let once = [-1.0, 1.0].map(|x| {
            vec![Group {
                n: 1.0,
                ..group(x, 0.0)
            }]
        });
        assert_eq!(clustered_line(&once), None);
        assert_eq!(
            clustered_line(&[vec![group(1.0, 0.0)], vec![group(1.0, 1.0)]]),
            None
        );
    }
}
