/*!
Baselines that need no model: what part of a curve do they explain?
*/

use super::stream::{Jobs, one_by_one};
use super::{Answer, Point, Predictor};
use crate::analysis::modes;
use crate::chance::{Below, Key, Purpose};
use crate::error::{Error, Result, meant};
use crate::program::{Bits, Hypotheses, Rivals, Suite};
use crate::record::{Condition, Prompt, Trial};
use std::collections::BTreeMap;

/// What `infer --model` knows by name: the rules, and a model that is none of them.
pub const BUILTINS: [&str; 5] = [
    "builtin:mode",
    "builtin:nearest",
    "builtin:copy",
    "builtin:bayes",
    "builtin:compress",
];

/// How a baseline answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The most frequent output among the demonstrations (the papers' baseline).
    Mode,
    /// The most frequent output among the demonstrations nearest to the query in Hamming distance.
    Nearest,
    /// The query itself.
    Copy,
    /// The ideal observer: a uniform prior over a suite, and the most probable output given the
    /// demonstrations. Where no function agrees with all of them, the mode.
    Bayes,
}

impl Rule {
    /// The rule called `name`, as in `builtin:name`.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "mode" => Ok(Self::Mode),
            "nearest" => Ok(Self::Nearest),
            "copy" => Ok(Self::Copy),
            "bayes" => Ok(Self::Bayes),
            _ => Err(Error::usage(format!(
                "--model builtin:{name}: expected builtin:mode, nearest, copy, bayes or compress{}",
                meant(&format!("builtin:{name}"), &BUILTINS)
            ))),
        }
    }
}

/// A baseline.
pub struct Builtin {
    rule: Rule,
    /// What [`Rule::Bayes`] believes in.
    hypotheses: Rivals,
    seed: i64,
    fallbacks: u64,
}

impl Builtin {
    /// A baseline; `suite` is the prior of [`Rule::Bayes`], and equally good answers are chosen
    /// between by a draw from `seed` and the trial.
    #[must_use]
    pub fn new(rule: Rule, suite: Suite, seed: i64) -> Self {
        Self {
            rule,
            hypotheses: Rivals::new(suite),
            seed,
            fallbacks: 0,
        }
    }

    /// Answers for which no function of the suite agreed with all demonstrations, though they were clean.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.fallbacks
    }

    /// The equally good answers; every string if nothing speaks for any.
    fn candidates(&mut self, point: &Point<'_>, trial: &Trial) -> Result<Vec<Bits>> {
        Ok(match self.rule {
            Rule::Copy => vec![point.query],
            Rule::Mode => modes(point.outputs),
            Rule::Nearest => nearest(point),
            Rule::Bayes => {
                let bits = point.query.len();
                let hypotheses = self.hypotheses.of(&trial.function, bits)?;
                let best = most_probable(hypotheses, point);
                if best.is_empty() {
                    // Of deranged demonstrations no function is to be expected.
                    self.fallbacks += u64::from(trial.condition == Condition::Clean);
                    return Ok(modes(point.outputs));
                }
                best
            }
        })
    }
}

/// The most frequent outputs of the demonstrations whose input is nearest to the query.
fn nearest(point: &Point<'_>) -> Vec<Bits> {
    let distance = |x: &Bits| (x.value() ^ point.query.value()).count_ones();
    let Some(least) = point.inputs.iter().map(distance).min() else {
        return Vec::new();
    };
    let outputs: Vec<Bits> = point
        .inputs
        .iter()
        .zip(point.outputs)
        .filter(|(x, _)| distance(x) == least)
        .map(|(_, &y)| y)
        .collect();
    modes(&outputs)
}

/// The outputs with the largest posterior, none where no function agrees with the demonstrations.
fn most_probable(hypotheses: &Hypotheses, point: &Point<'_>) -> Vec<Bits> {
    let mut posterior: BTreeMap<u16, f64> = BTreeMap::new();
    for survivor in hypotheses.survivors(point.inputs, point.outputs, point.query) {
        *posterior.entry(survivor.output).or_default() += survivor.prior;
    }
    let most = posterior.values().copied().fold(0.0, f64::max);
    posterior
        .into_iter()
        // Sums of powers of two below 2^53: equal posteriors are exactly equal.
        .filter(|(_, p)| *p >= most)
        .map(|(output, _)| Bits::new(output, hypotheses.bits()))
        .collect()
}

/// The chance by which a baseline chooses between equally good answers: a function of the seed and what is asked.
pub(super) fn ties(seed: i64, trial: &Trial, point: &Point<'_>) -> impl Below + use<> {
    let key = Key::new(&[
        b"builtin",
        &seed.to_le_bytes(),
        trial.trial_id.as_bytes(),
        &point.shots.to_le_bytes(),
    ]);
    key.stream(Purpose::Ties)
}

impl Predictor for Builtin {
    fn answer_all(&mut self, jobs: &mut dyn Jobs) -> Result<()> {
        one_by_one(jobs, |prompt, points| self.answer(prompt, points))
    }
}

impl Builtin {
    fn answer(&mut self, prompt: &Prompt, points: &[Point<'_>]) -> Result<Vec<Answer>> {
        let symbols = prompt.symbols();
        points
            .iter()
            .map(|point| {
                let candidates = self.candidates(point, &prompt.trial)?;
                let mut rng = ties(self.seed, &prompt.trial, point);
                let bits = point.query.len();
                let chosen = if candidates.is_empty() {
                    // Below 2^16.
                    Bits::new(
                        u16::try_from(rng.below(1 << bits)).unwrap_or_default(),
                        bits,
                    )
                } else {
                    let n = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
                    candidates[rng.below(n) as usize]
                };
                Ok(Answer {
                    output: symbols.output(chosen.iter().map(|bit| symbols.of(bit))),
                    ..Answer::default()
                })
            })
            .collect()
    }
}
