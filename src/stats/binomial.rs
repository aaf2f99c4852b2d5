/*!
Maximum-likelihood curves through shares: a sum of terms gives the probability, or its logit.
*/

use super::linear::{dot, solve};
use super::rounding::largest;
use std::ops::Range;

/// Hits out of trials at one point of a curve.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Share {
    /// The number of hits.
    pub hits: f64,
    /// The number of trials.
    pub trials: f64,
}

/// What the sum of terms is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The probability p.
    Identity,
    /// The logit, ln(p / (1 - p)).
    Logit,
}

/// A maximum-likelihood curve.
#[derive(Debug, Clone, PartialEq)]
pub struct LikelihoodCurve {
    /// One per term.
    pub coefficients: Vec<f64>,
    /// One per point, within `[margin, 1 - margin]`.
    pub probabilities: Vec<f64>,
    /// In nats, without the binomial coefficients, which are the same for every curve.
    pub log_likelihood: f64,
}

/// `hits ln p + (trials - hits) ln(1 - p)`, in nats.
#[must_use]
pub fn log_likelihood(share: Share, p: f64) -> f64 {
    share.hits * p.ln() + (share.trials - share.hits) * (1.0 - p).ln()
}

impl Link {
    /// The sum of terms for the probability `p`.
    fn of(self, p: f64) -> f64 {
        match self {
            Self::Identity => p,
            Self::Logit => (p / (1.0 - p)).ln(),
        }
    }

    /// The probability for a sum of terms.
    #[must_use]
    pub fn probability(self, sum: f64) -> f64 {
        match self {
            Self::Identity => sum,
            Self::Logit => 1.0 / (1.0 + (-sum).exp()),
        }
    }
}

/// The likelihood of the curves through shares.
#[derive(Debug, Clone, Copy)]
pub struct Likelihood<'a> {
    /// One per point.
    pub shares: &'a [Share],
    /// One list per point; the first term is 1.
    pub terms: &'a [Vec<f64>],
    /// What the sum of terms is.
    pub link: Link,
    /// Probabilities are clipped to `[margin, 1 - margin]`.
    pub margin: f64,
}

impl Likelihood<'_> {
    /// The curve of maximum likelihood. None if the points do not determine the coefficients.
    ///
    /// Clipped points have no gradient, so the likelihood can have several peaks. Fisher scoring with halved steps
    /// therefore starts from several curves: a level one, and least squares through all points, or without the first or
    /// last few.
    #[must_use]
    pub fn highest(&self) -> Option<LikelihoodCurve> {
        let points = self.shares.len();
        let count = self.terms.first()?.len();
        let all = self.least_squares(0..points)?;
        let hits: f64 = self.shares.iter().map(|share| share.hits).sum();
        let trials: f64 = self.shares.iter().map(|share| share.trials).sum();
        let mut level = vec![0.0; count];
        level[0] = self.link.of(self.clipped(hits / trials));
        let left = (1..=points.saturating_sub(count)).flat_map(|n| [n..points, 0..points - n]);
        let others = left.filter_map(|range| self.least_squares(range));
        let starts = [level, all].into_iter().chain(others);
        starts
            .map(|start| self.climbed(start))
            .reduce(|best, next| {
                // The first of equally likely ones.
                let is_likelier = next.log_likelihood > best.log_likelihood;
                if is_likelier { next } else { best }
            })
    }

    fn clipped(&self, p: f64) -> f64 {
        p.clamp(self.margin, 1.0 - self.margin)
    }

    /// The coefficients of the least-squares curve through the points of a range.
    fn least_squares(&self, range: Range<usize>) -> Option<Vec<f64>> {
        let count = self.terms.first()?.len();
        let (shares, terms) = (&self.shares[range.clone()], &self.terms[range]);
        let targets: Vec<f64> = shares
            .iter()
            .map(|share| self.link.of(self.clipped(share.hits / share.trials)))
            .collect();
        let column = |j: usize| terms.iter().map(|terms| terms[j]).collect::<Vec<f64>>();
        let columns: Vec<Vec<f64>> = (0..count).map(column).collect();
        let products = |a: &Vec<f64>| columns.iter().map(|b| dot(a, b)).collect();
        solve(
            columns.iter().map(products).collect(),
            columns.iter().map(|column| dot(column, &targets)).collect(),
        )
    }

    /// The peak that Fisher scoring reaches from `start`.
    fn climbed(&self, start: Vec<f64>) -> LikelihoodCurve {
        const STEPS: usize = 100;
        const HALVINGS: usize = 30;
        let curve = |coefficients: Vec<f64>| {
            let p = |terms: &Vec<f64>| self.link.probability(dot(terms, &coefficients));
            let clipped = self.terms.iter().map(|terms| self.clipped(p(terms)));
            let probabilities: Vec<f64> = clipped.collect();
            let each = self.shares.iter().zip(&probabilities);
            LikelihoodCurve {
                log_likelihood: each.map(|(share, p)| log_likelihood(*share, *p)).sum(),
                probabilities,
                coefficients,
            }
        };
        // The first of the halved steps that gains something.
        let halved = |from: &LikelihoodCurve, step: &[f64]| {
            let mut factor = 1.0;
            (0..HALVINGS).find_map(|_| {
                let moved = from.coefficients.iter().zip(step);
                let moved = curve(moved.map(|(at, step)| at + factor * step).collect());
                factor /= 2.0;
                (moved.log_likelihood > from.log_likelihood).then_some(moved)
            })
        };
        let bounds = [self.margin, 1.0 - self.margin].map(|bound| self.link.of(bound));
        let mut best = curve(start);
        for _ in 0..STEPS {
            // Convergence is quadratic: after a gain this small the remaining error is far smaller.
            let least = best.log_likelihood + 1e-10 * best.log_likelihood.abs();
            // None if nearly all points are clipped.
            let free = self.scoring_step(&best, None);
            let free = free.and_then(|step| halved(&best, &step));
            if let Some(better) = free.clone().filter(|next| next.log_likelihood > least) {
                best = better;
                continue;
            }
            // The peak may lie at an edge, where a point is just about to be clipped.
            let edges = (0..self.shares.len()).flat_map(|at| bounds.map(|bound| (at, bound)));
            let is_near = |&(at, bound): &(usize, f64)| {
                (dot(&self.terms[at], &best.coefficients) - bound).abs() < bounds[0].abs() / 8.0
            };
            let along = edges.filter(is_near).filter_map(|edge| {
                let step = self.scoring_step(&best, Some(edge))?;
                halved(&best, &step).filter(|next| next.log_likelihood > least)
            });
            let along = along.max_by(|a, b| a.log_likelihood.total_cmp(&b.log_likelihood));
            let is_over = along.is_none();
            best = along.or(free).unwrap_or(best);
            if is_over {
                break;
            }
        }
        best
    }

    /// One step of Fisher scoring: the inverse information times the gradient, over the points that are not clipped.
    /// With an `edge`, the sum of terms of that point is held at that bound.
    fn scoring_step(&self, from: &LikelihoodCurve, edge: Option<(usize, f64)>) -> Option<Vec<f64>> {
        let count = from.coefficients.len();
        let mut information = vec![vec![0.0; count]; count];
        let mut gradient = vec![0.0; count];
        let points = self.shares.iter().zip(self.terms);
        for ((share, terms), &p) in points.zip(&from.probabilities) {
            if p <= self.margin || p >= 1.0 - self.margin {
                continue;
            }
            let variance = p * (1.0 - p);
            let slope = match self.link {
                Link::Identity => 1.0,
                Link::Logit => variance,
            };
            let above = share.hits - share.trials * p;
            for (i, one) in terms.iter().enumerate() {
                gradient[i] += above * slope / variance * one;
                for (j, other) in terms.iter().enumerate() {
                    information[i][j] += share.trials * slope * slope / variance * one * other;
                }
            }
        }
        if let Some((at, bound)) = edge {
            // A Lagrange multiplier, scaled like the information.
            let terms = &self.terms[at];
            let scale = largest(information.iter().flatten().copied()).max(1.0);
            for (row, term) in information.iter_mut().zip(terms) {
                row.push(scale * term);
            }
            let held = terms.iter().map(|term| scale * term);
            information.push(held.chain([0.0]).collect());
            gradient.push(scale * (bound - dot(terms, &from.coefficients)));
        }
        let mut step = solve(information, gradient)?;
        step.truncate(count);
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The highest curve of these hits out of ten trials each.
    fn highest(hits: &[f64], terms: &[Vec<f64>], link: Link) -> Option<LikelihoodCurve> {
        let share = |&hits: &f64| Share { hits, trials: 10.0 };
        let likelihood = Likelihood {
            shares: &hits.iter().map(share).collect::<Vec<_>>(),
            terms,
            link,
            margin: 0.05,
        };
        likelihood.highest()
    }

    #[test]
    fn as_many_terms_as_points_go_through_all() {
        let terms: Vec<Vec<f64>> = [0.0, 1.0, 3.0].map(|x: f64| vec![1.0, x, x * x]).to_vec();
        for link in [Link::Identity, Link::Logit] {
            let curve = highest(&[1.0, 4.0, 6.0], &terms, link).unwrap();
            for (p, expected) in curve.probabilities.iter().zip([0.1, 0.4, 0.6]) {
                assert!((p - expected).abs() < 1e-9, "{link:?} {p}");
            }
        }
    }

    #[test]
    fn terms_that_the_points_do_not_tell_apart_have_no_curve() {
        let terms = vec![vec![1.0, 2.0], vec![1.0, 2.0]];
        assert_eq!(highest(&[1.0, 4.0], &terms, Link::Identity), None);
    }

    #[test]
    fn nothing_and_everything_are_clipped() {
        let curve = highest(&[0.0, 0.0], &[vec![1.0], vec![1.0]], Link::Identity).unwrap();
        assert_eq!(curve.probabilities, [0.05, 0.05]);
    }
}
