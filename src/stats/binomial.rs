/*!
Maximum-likelihood curves through shares: a sum of terms gives the probability, or its logit.
*/

use super::linear::{dot, solve};

/// Hits out of trials at one point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
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

/// The curve of maximum likelihood. `terms` has one list per point; the first term is 1. Probabilities are clipped to
/// `[margin, 1 - margin]`. None if the points do not determine the coefficients.
///
/// Clipped points have no gradient, so the likelihood can have several peaks. Fisher scoring with halved steps
/// therefore starts from several curves: a level one, and least squares through all points, or without the first or
/// last few.
#[must_use]
pub fn likeliest(
    shares: &[Share],
    terms: &[Vec<f64>],
    link: Link,
    margin: f64,
) -> Option<LikelihoodCurve> {
    let points = shares.len();
    let count = terms.first()?.len();
    let all = least_squares(shares, terms, link, margin)?;
    let hits: f64 = shares.iter().map(|share| share.hits).sum();
    let trials: f64 = shares.iter().map(|share| share.trials).sum();
    let mut level = vec![0.0; count];
    level[0] = link.of((hits / trials).clamp(margin, 1.0 - margin));
    let left = (1..=points.saturating_sub(count)).flat_map(|n| [n..points, 0..points - n]);
    let others =
        left.filter_map(|range| least_squares(&shares[range.clone()], &terms[range], link, margin));
    let starts = [level, all].into_iter().chain(others);
    let climbed = starts.map(|start| climbed(start, shares, terms, link, margin));
    climbed.reduce(|best, next| {
        // The first of equally likely ones.
        let is_likelier = next.log_likelihood > best.log_likelihood;
        if is_likelier { next } else { best }
    })
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

/// The coefficients of the least-squares curve through the shares.
fn least_squares(
    shares: &[Share],
    terms: &[Vec<f64>],
    link: Link,
    margin: f64,
) -> Option<Vec<f64>> {
    let count = terms.first()?.len();
    let sum = |i: usize, of: &dyn Fn(usize) -> f64| {
        terms
            .iter()
            .enumerate()
            .map(|(at, terms)| terms[i] * of(at))
            .sum()
    };
    let row = |i| (0..count).map(|j| sum(i, &|at| terms[at][j])).collect();
    let share = |at: usize| shares[at].hits / shares[at].trials;
    let target = |i| sum(i, &|at| link.of(share(at).clamp(margin, 1.0 - margin)));
    solve(
        (0..count).map(row).collect(),
        (0..count).map(target).collect(),
    )
}

/// The peak that Fisher scoring reaches from `start`.
fn climbed(
    start: Vec<f64>,
    shares: &[Share],
    terms: &[Vec<f64>],
    link: Link,
    margin: f64,
) -> LikelihoodCurve {
    const STEPS: usize = 100;
    const HALVINGS: usize = 30;
    let curve = |coefficients: Vec<f64>| {
        let p = |terms: &Vec<f64>| link.probability(dot(terms, &coefficients));
        let clipped = terms
            .iter()
            .map(|terms| p(terms).clamp(margin, 1.0 - margin));
        let probabilities: Vec<f64> = clipped.collect();
        let each = shares.iter().zip(&probabilities);
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
    let bounds = [margin, 1.0 - margin].map(|bound| link.of(bound));
    let mut best = curve(start);
    for _ in 0..STEPS {
        // Convergence is quadratic: after a gain this small the remaining error is far smaller.
        let least = best.log_likelihood + 1e-10 * best.log_likelihood.abs();
        // None if nearly all points are clipped.
        let free = scoring_step(shares, terms, link, margin, &best, None);
        let free = free.and_then(|step| halved(&best, &step));
        if let Some(better) = free.clone().filter(|next| next.log_likelihood > least) {
            best = better;
            continue;
        }
        // The peak may lie at an edge, where a point is just about to be clipped.
        let edges = (0..shares.len()).flat_map(|at| bounds.map(|bound| (at, bound)));
        let is_near = |&(at, bound): &(usize, f64)| {
            (dot(&terms[at], &best.coefficients) - bound).abs() < bounds[0].abs() / 8.0
        };
        let along = edges.filter(is_near).filter_map(|edge| {
            let step = scoring_step(shares, terms, link, margin, &best, Some(edge))?;
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

/// One step of Fisher scoring: the inverse information times the gradient, over the points that are not clipped. With
/// an `edge`, the sum of terms of that point is held at that bound.
fn scoring_step(
    shares: &[Share],
    terms: &[Vec<f64>],
    link: Link,
    margin: f64,
    from: &LikelihoodCurve,
    edge: Option<(usize, f64)>,
) -> Option<Vec<f64>> {
    let count = from.coefficients.len();
    let mut information = vec![vec![0.0; count]; count];
    let mut gradient = vec![0.0; count];
    for ((share, terms), &p) in shares.iter().zip(terms).zip(&from.probabilities) {
        if p <= margin || p >= 1.0 - margin {
            continue;
        }
        let variance = p * (1.0 - p);
        let slope = match link {
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
    let mut right = gradient;
    if let Some((at, bound)) = edge {
        // A Lagrange multiplier, scaled like the information.
        let scale = information
            .iter()
            .flatten()
            .fold(1.0, |most: f64, x| most.max(x.abs()));
        for (row, term) in information.iter_mut().zip(&terms[at]) {
            row.push(scale * term);
        }
        let held = terms[at].iter().map(|term| scale * term);
        information.push(held.chain([0.0]).collect());
        right.push(scale * (bound - dot(&terms[at], &from.coefficients)));
    }
    let mut step = solve(information, right)?;
    step.truncate(count);
    Some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(hits: &[f64], trials: f64) -> Vec<Share> {
        hits.iter().map(|&hits| Share { hits, trials }).collect()
    }

    #[test]
    fn as_many_terms_as_points_go_through_all() {
        let shares = shares(&[1.0, 4.0, 6.0], 10.0);
        let terms: Vec<Vec<f64>> = [0.0, 1.0, 3.0].map(|x: f64| vec![1.0, x, x * x]).to_vec();
        for link in [Link::Identity, Link::Logit] {
            let curve = likeliest(&shares, &terms, link, 0.01).unwrap();
            for (p, expected) in curve.probabilities.iter().zip([0.1, 0.4, 0.6]) {
                assert!((p - expected).abs() < 1e-9, "{link:?} {p}");
            }
        }
    }

    #[test]
    fn terms_that_the_points_do_not_tell_apart_have_no_curve() {
        let shares = shares(&[1.0, 4.0], 10.0);
        let terms = vec![vec![1.0, 2.0], vec![1.0, 2.0]];
        assert_eq!(likeliest(&shares, &terms, Link::Identity, 0.01), None);
    }

    #[test]
    fn nothing_and_everything_are_clipped() {
        let none = shares(&[0.0, 0.0], 10.0);
        let curve = likeliest(&none, &[vec![1.0], vec![1.0]], Link::Identity, 0.05).unwrap();
        assert_eq!(curve.probabilities, [0.05, 0.05]);
    }
}
