/*!
Shapes of learning curves: the line in ln(shots) against other shapes, compared by leave-one-function-out prediction.

A shape is one curve for all functions. It is fitted to the functions' answers at all shot counts above 0 by marginal
binomial likelihood. It is judged by the likelihood of the answers to a function that was left out of the fit.
*/

use super::cells::{CurveCells, TaskTrials, whole};
use crate::error::{Error, Result};
use crate::record::{Shape, ShapeFit};
use crate::stats::{
    Likelihood, LikelihoodCurve, Link, Paired, Share, count, lack_of_fit, line, log_likelihood,
    paired,
};
use clap::ValueEnum as _;
use std::collections::BTreeSet;

impl Shape {
    /// The number of parameters.
    #[must_use]
    pub fn parameters(self) -> u32 {
        match self {
            Self::Constant => 1,
            Self::Log | Self::Linear | Self::Root | Self::Logistic => 2,
            Self::Saturating => 3,
            Self::Break => 4,
        }
    }

    fn link(self) -> Link {
        match self {
            Self::Logistic => Link::Logit,
            _ => Link::Identity,
        }
    }

    /// The terms at `n` shots. `c` is the parameter that is not a coefficient.
    fn terms(self, n: f64, c: f64) -> Vec<f64> {
        match self {
            Self::Constant => vec![1.0],
            Self::Linear => vec![1.0, n],
            Self::Root => vec![1.0, n.sqrt()],
            Self::Log | Self::Logistic => vec![1.0, n.ln()],
            Self::Saturating => vec![1.0, n / (n + c)],
            Self::Break => vec![1.0, n.ln(), (n / c).ln().max(0.0)],
        }
    }

    /// The maximum-likelihood curve of this shape, and its `c`.
    fn fit(
        self,
        shots: &[f64],
        shares: &[Share],
        margin: f64,
    ) -> Option<(LikelihoodCurve, Option<f64>)> {
        let at = |c: f64| {
            let terms: Vec<Vec<f64>> = shots.iter().map(|&n| self.terms(n, c)).collect();
            let likelihood = Likelihood {
                shares,
                terms: &terms,
                link: self.link(),
                margin,
            };
            likelihood.highest()
        };
        match self {
            Self::Saturating => {
                let (first, last) = (shots.first()?, shots.last()?);
                let range = first.ln()..last.ln();
                let log_c = highest(range, |log_c| Some(at(log_c.exp())?.log_likelihood))?;
                let c = log_c.exp();
                Some((at(c)?, Some(c)))
            }
            Self::Break => {
                let inner = shots.get(1..shots.len().saturating_sub(1))?;
                let curves = inner.iter().filter_map(|&c| Some((at(c)?, Some(c))));
                // The first of equally likely ones.
                curves.reduce(|best, next| {
                    let is_likelier = next.0.log_likelihood > best.0.log_likelihood;
                    if is_likelier { next } else { best }
                })
            }
            _ => Some((at(0.0)?, None)),
        }
    }
}

impl ShapeFit {
    /// The fitted accuracy at `n` > 0 shots. None if a parameter of the shape is missing.
    #[must_use]
    pub fn at(&self, n: f64) -> Option<f64> {
        let parameters = [Some(self.a), self.b, self.d];
        let terms = self.shape.terms(n, self.c.unwrap_or_default());
        let sum = terms
            .iter()
            .zip(parameters)
            .map(|(term, parameter)| Some(term * parameter?))
            .sum::<Option<f64>>()?;
        Some(self.shape.link().probability(sum))
    }
}

/// The maximum of a function: the best point of a grid, refined by golden-section search.
fn highest(range: std::ops::Range<f64>, of: impl Fn(f64) -> Option<f64>) -> Option<f64> {
    const CELLS: u32 = 48;
    const SECTIONS: usize = 40;
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let width = (range.end - range.start) / f64::from(CELLS);
    let value = |x: f64| of(x).unwrap_or(f64::NEG_INFINITY);
    let grid = (0..=CELLS).map(|i| range.start + width * f64::from(i));
    let best = grid
        .map(|x| (value(x), x))
        .reduce(|a, b| if b.0 > a.0 { b } else { a })?
        .1;
    let (mut low, mut high) = (
        (best - width).max(range.start),
        (best + width).min(range.end),
    );
    let mut inner = (high - golden * (high - low), low + golden * (high - low));
    let mut values = (value(inner.0), value(inner.1));
    for _ in 0..SECTIONS {
        if values.0 >= values.1 {
            (high, inner.1, values.1) = (inner.1, inner.0, values.0);
            inner.0 = high - golden * (high - low);
            values.0 = value(inner.0);
        } else {
            (low, inner.0, values.0) = (inner.0, inner.1, values.1);
            inner.1 = low + golden * (high - low);
            values.1 = value(inner.1);
        }
    }
    Some(f64::midpoint(low, high))
}

/// The data that the shapes of one curve are fitted to.
struct Data {
    /// Shot counts above 0.
    shots: Vec<f64>,
    /// The answers to each function, one share per shot count.
    functions: Vec<Vec<Share>>,
    /// Probabilities are clipped to `[margin, 1 - margin]`. The margin is half an answer of the largest number of
    /// trials.
    margin: f64,
}

impl Data {
    /// The data of the functions that are at every shot count.
    fn of(curve: &CurveCells) -> Self {
        let cells = || curve.cells.range(1..).map(|(_, cell)| &cell.tasks);
        let names: BTreeSet<&String> = cells().flat_map(|tasks| tasks.keys()).collect();
        let share = |task: &TaskTrials| Share {
            hits: count(task.trials.iter().filter(|result| result.correct).count()),
            trials: count(task.trials.len()),
        };
        let everywhere =
            |name: &&String| cells().map(|tasks| tasks.get(*name).map(share)).collect();
        let functions: Vec<Vec<Share>> = names.iter().filter_map(everywhere).collect();
        let most = functions
            .iter()
            .flatten()
            .fold(1.0, |most: f64, share| most.max(share.trials));
        Self {
            shots: curve
                .cells
                .range(1..)
                .map(|(&shots, _)| f64::from(shots))
                .collect(),
            functions,
            margin: 0.5 / most,
        }
    }

    /// The answers to all functions together, without one of them.
    fn pooled(&self, without: Option<usize>) -> Vec<Share> {
        let mut sums = vec![Share::default(); self.shots.len()];
        for (at, function) in self.functions.iter().enumerate() {
            if Some(at) != without {
                for (sum, share) in sums.iter_mut().zip(function) {
                    sum.hits += share.hits;
                    sum.trials += share.trials;
                }
            }
        }
        sums
    }

    /// The log-likelihood of each function's answers under the shape fitted to all others.
    fn log_scores(&self, shape: Shape) -> Option<Vec<f64>> {
        let of_one = |(at, function): (usize, &Vec<Share>)| {
            let (curve, _) = shape.fit(&self.shots, &self.pooled(Some(at)), self.margin)?;
            let each = function.iter().zip(&curve.probabilities);
            Some(each.map(|(share, p)| log_likelihood(*share, *p)).sum())
        };
        let is_enough = self.functions.len() > 1;
        is_enough.then(|| self.functions.iter().enumerate().map(of_one).collect())?
    }
}

/// The fitted shapes of one curve, and the shapes left out: those with as many parameters as shot counts above 0, or
/// more. Gains are over the line in ln(shots).
///
/// # Errors
/// There are fewer than three shot counts above 0, or no function is at all of them.
pub fn shapes(curve: &CurveCells) -> Result<(Vec<ShapeFit>, Vec<Shape>)> {
    let data = Data::of(curve);
    let model = &curve.key.model;
    if data.shots.len() < 3 {
        let found = data.shots.len();
        return Err(Error::data(format!(
            "model {model:?}: a shape needs three shot counts above 0, found {found}"
        )));
    }
    if data.functions.is_empty() {
        return Err(Error::data(format!(
            "model {model:?}: no function is at every shot count"
        )));
    }
    let points = whole(data.shots.len());
    let (mut rows, mut left_out, mut line) = (Vec::new(), Vec::new(), None);
    for &shape in Shape::value_variants() {
        let fit = (shape.parameters() < points)
            .then(|| shape.fit(&data.shots, &data.pooled(None), data.margin));
        let Some((fit, c)) = fit.flatten() else {
            left_out.push(shape);
            continue;
        };
        let log_scores = data.log_scores(shape);
        rows.push(row(
            curve,
            &data,
            shape,
            (fit, c),
            log_scores.as_deref(),
            line.as_deref(),
        ));
        // The line in ln(shots) is the first shape.
        line = line.or(log_scores);
    }
    Ok((rows, left_out))
}

/// The row of a shape. `line` has the log scores of the line in ln(shots); it is None for that line itself.
fn row(
    curve: &CurveCells,
    data: &Data,
    shape: Shape,
    (fit, c): (LikelihoodCurve, Option<f64>),
    log_scores: Option<&[f64]>,
    line: Option<&[f64]>,
) -> ShapeFit {
    let gain = log_scores.zip(line).and_then(|(scores, line)| {
        let gains = scores.iter().zip(line).map(|(score, line)| score - line);
        paired(&gains.collect::<Vec<f64>>())
    });
    let accuracy = |share: &Share| share.hits / share.trials;
    let functions = data.functions.iter();
    let profiles: Vec<Vec<f64>> = functions
        .map(|f| f.iter().map(accuracy).collect())
        .collect();
    let is_linear = shape.link() == Link::Identity && c.is_none();
    let terms: Vec<Vec<f64>> = data.shots.iter().map(|&n| shape.terms(n, 0.0)).collect();
    let test = is_linear.then(|| lack_of_fit(&profiles, &terms)).flatten();
    let curvature = (shape == Shape::Log)
        .then(|| curvature(&data.shots, &profiles))
        .flatten();
    ShapeFit {
        curve: curve.key.clone(),
        params: curve.params,
        shape,
        parameters: shape.parameters(),
        points: whole(data.shots.len()),
        tasks: whole(data.functions.len()),
        a: fit.coefficients[0],
        b: fit.coefficients.get(1).copied(),
        c,
        d: fit.coefficients.get(2).copied(),
        log_likelihood: fit.log_likelihood,
        log_score: log_scores.map(|scores| scores.iter().sum::<f64>() / count(scores.len())),
        gain: gain.map(|gain| gain.mean),
        gain_se: gain.and_then(|gain| gain.se),
        f: test.map(|test| test.f),
        df1: test.map(|test| test.df.0),
        df2: test.map(|test| test.df.1),
        p: test.map(|test| test.p),
        curvature: curvature.map(|curvature| curvature.mean),
        curvature_se: curvature.and_then(|curvature| curvature.se),
        p_curvature: curvature.and_then(|curvature| Some(curvature.test?.two_sided())),
    }
}

/// The functions' least-squares coefficients of ln(n)^2, added to a line in ln(n): their mean, error and test.
fn curvature(shots: &[f64], profiles: &[Vec<f64>]) -> Option<Paired> {
    let x: Vec<f64> = shots.iter().map(|n| n.ln()).collect();
    let square: Vec<f64> = x.iter().map(|x| x * x).collect();
    let line = line(&x, &square)?;
    let bend: Vec<f64> = x
        .iter()
        .zip(&square)
        .map(|(x, y)| y - line.a0 - line.a1 * x)
        .collect();
    let length: f64 = bend.iter().map(|b| b * b).sum();
    let coefficient =
        |profile: &Vec<f64>| profile.iter().zip(&bend).map(|(y, b)| y * b).sum::<f64>() / length;
    paired(&profiles.iter().map(coefficient).collect::<Vec<_>>())
}
