/*!
Baselines that need no model. They show how much of a model's curve simple rules explain.
*/

use super::stream::{Jobs, one_by_one};
use super::{Answer, Point, Predictor};
use crate::analysis::modes;
use crate::chance::{Below, Key, Purpose};
use crate::error::{Error, Result, meant};
use crate::program::{Bits, Hypotheses, Rivals, Suite};
use crate::record::{Condition, Prompt, Trial};
use std::collections::BTreeMap;

/// The built-in names of `infer --model`: the rules of [`Rule`], and `builtin:compress`, which is a model of its own.
pub const BUILTINS: [&str; 5] = [
    "builtin:mode",
    "builtin:nearest",
    "builtin:copy",
    "builtin:bayes",
    "builtin:compress",
];

/// The rule by which a baseline answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The most frequent output among the demonstrations (the papers' baseline).
    Mode,
    /// The most frequent output among the demonstrations whose inputs are nearest to the query in Hamming distance.
    Nearest,
    /// The query itself.
    Copy,
    /// The ideal observer: the most probable output given the demonstrations, with a uniform prior over a suite. If no
    /// function agrees with all demonstrations, it answers as [`Rule::Mode`].
    Bayes,
}

impl Rule {
    /// The rule called `name`, as in `builtin:name`.
    ///
    /// # Errors
    /// No rule has this name.
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

/// A predictor that answers by a [`Rule`].
pub struct Builtin {
    rule: Rule,
    /// The functions that [`Rule::Bayes`] considers.
    hypotheses: Rivals,
    seed: i64,
    /// Number of answers to clean prompts for which no function of the suite agreed with all demonstrations.
    pub fallbacks: u64,
}

impl Builtin {
    /// A baseline. `suite` is the prior of [`Rule::Bayes`]. Ties between equally good answers are broken by a draw that
    /// depends on `seed` and the trial.
    #[must_use]
    pub fn new(rule: Rule, suite: Suite, seed: i64) -> Self {
        Self {
            rule,
            hypotheses: Rivals::new(suite),
            seed,
            fallbacks: 0,
        }
    }

    /// The equally good answers; an empty list means that every bitstring is equally good.
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
                    // With deranged demonstrations, it is normal that no function agrees.
                    self.fallbacks += u64::from(trial.condition == Condition::Clean);
                    return Ok(modes(point.outputs));
                }
                best
            }
        })
    }

    fn answer(&mut self, prompt: &Prompt, point: &Point<'_>) -> Result<Answer> {
        let symbols = prompt.symbols();
        let candidates = self.candidates(point, &prompt.trial)?;
        let mut rng = ties(self.seed, &prompt.trial, point);
        let bits = point.query.len();
        let chosen = if candidates.is_empty() {
            // Below 2^16.
            let value = u16::try_from(rng.below(1 << bits)).unwrap_or_default();
            Bits::new(value, bits)
        } else {
            let n = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
            candidates[rng.below(n) as usize]
        };
        Ok(Answer {
            output: symbols.output(chosen.iter().map(|bit| symbols.of(bit))),
            ..Answer::default()
        })
    }
}

/// The most frequent outputs of the demonstrations whose inputs are nearest to the query.
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

/// The outputs with the largest posterior; empty if no function agrees with the demonstrations.
fn most_probable(hypotheses: &Hypotheses, point: &Point<'_>) -> Vec<Bits> {
    let mut posterior: BTreeMap<u16, f64> = BTreeMap::new();
    for survivor in hypotheses.survivors(point.inputs, point.outputs, point.query) {
        *posterior.entry(survivor.output).or_default() += survivor.prior;
    }
    let most = posterior.values().copied().fold(0.0, f64::max);
    posterior
        .into_iter()
        // The posteriors are sums of powers of two, below 2^53: equal posteriors are exactly equal as floats.
        .filter(|(_, p)| *p >= most)
        .map(|(output, _)| Bits::new(output, hypotheses.bits()))
        .collect()
}

/// The random stream that breaks ties between equally good answers. It depends on the seed, the trial and the shots.
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
    fn answer_all(&mut self, jobs: &mut Jobs<'_>) -> Result<()> {
        one_by_one(jobs, |prompt, points| {
            let answers = points.iter().map(|point| self.answer(prompt, point));
            answers.collect()
        })
    }
}
