/*!
Judges single predictions: the mode baseline on the same trial, and the kind of answer.
*/

use super::Outcome;
use super::cells::{Counts, Details, Errors};
use super::mode::{mode_accuracy, modes};
use crate::error::Result;
use crate::program::{Bits, Rivals, Suite, bit_diversity, mask};
use crate::record::{Condition, ErrorKind};

/// Judges predictions.
pub struct Judge {
    rivals: Rivals,
    /// Whether to count kinds of wrong answers, which takes some time.
    with_errors: bool,
}

impl Judge {
    /// A judge whose rivals are the functions of `suite`. `with_errors` counts kinds of wrong answers.
    #[must_use]
    pub fn new(suite: Suite, with_errors: bool) -> Self {
        Self {
            rivals: Rivals::new(suite),
            with_errors,
        }
    }

    /// The details of a prediction.
    ///
    /// # Errors
    /// A wrong answer needs rivals, but its function is neither in the suite nor a program.
    pub fn see(&mut self, outcome: &Outcome) -> Result<Details> {
        let target = outcome.verdict.target;
        let outputs = outcome.outputs.as_deref();
        Ok(Details {
            mode: outputs.and_then(|outputs| mode_accuracy(outputs, target)),
            logprob: outcome.answer_logprob,
            with_demonstrations: outputs.is_some(),
            counts: self.count(outcome)?,
        })
    }

    fn count(&mut self, outcome: &Outcome) -> Result<Counts> {
        let verdict = &outcome.verdict;
        let zero_bd = |bits: Bits| bit_diversity(bits.value(), bits.len()) == 0;
        let whole = verdict.prediction.len() == verdict.bits;
        let target_zero = zero_bd(verdict.target);
        let answer = verdict.prediction.value();
        Ok(Counts {
            malformed: u32::from(!whole),
            edits: edit_distance(verdict.prediction, verdict.target),
            zero_bd_targets: u32::from(target_zero),
            zero_bd_predictions: u32::from(whole && zero_bd(verdict.prediction)),
            correct_zero_bd: u32::from(verdict.correct && target_zero),
            correct_other: u32::from(verdict.correct && !target_zero),
            understandable: u32::from(
                whole
                    && !verdict.correct
                    && self.rival_answers(outcome)?.any(|rival| rival == answer),
            ),
            errors: if self.with_errors && !verdict.correct {
                self.errors(outcome)?
            } else {
                Errors::default()
            },
        })
    }

    /// The kinds of one wrong answer. Kinds that need demonstrations are empty without them.
    fn errors(&mut self, outcome: &Outcome) -> Result<Errors> {
        let verdict = &outcome.verdict;
        let mut errors = Errors::default();
        if verdict.prediction.len() != verdict.bits {
            errors.count[ErrorKind::Malformed as usize] = 1;
            errors.once[ErrorKind::Malformed as usize] = 1;
            return Ok(errors);
        }
        let target = verdict.target.value();
        let outputs = outcome.outputs.as_deref().unwrap_or_default();
        let values = |bits: &[Bits]| -> Vec<u16> { bits.iter().map(|b| b.value()).collect() };
        // An answer is counted once under the first kind that fits.
        let mut kinds = [
            (ErrorKind::Rival, self.rival_answers(outcome)?.collect()),
            (ErrorKind::Mode, values(&modes(outputs))),
            (ErrorKind::Demonstration, values(outputs)),
            (ErrorKind::Query, vec![outcome.query.value()]),
            (
                ErrorKind::OneBit,
                (0..verdict.bits).map(|i| target ^ 1 << i).collect(),
            ),
        ];
        let mut once = None;
        let mut all = Vec::new();
        for (kind, strings) in &mut kinds {
            strings.sort_unstable();
            strings.dedup();
            strings.retain(|&y| y != target);
            let fits = strings.contains(&verdict.prediction.value());
            errors.count[*kind as usize] = u32::from(fits);
            errors.candidates[*kind as usize] = strings.len() as u64;
            once = once.or(fits.then_some(*kind));
            all.extend_from_slice(strings);
        }
        all.sort_unstable();
        all.dedup();
        let other = ErrorKind::Other as usize;
        errors.candidates[other] = u64::from(mask(verdict.bits)) - all.len() as u64;
        errors.count[other] = u32::from(once.is_none());
        errors.once[once.unwrap_or(ErrorKind::Other) as usize] = 1;
        Ok(errors)
    }

    /// The answers of the suite's functions that agree with all demonstrations. None without demonstrations, or with
    /// deranged ones.
    fn rival_answers<'a>(
        &'a mut self,
        outcome: &'a Outcome,
    ) -> Result<impl Iterator<Item = u16> + 'a> {
        let verdict = &outcome.verdict;
        let shown = match (&outcome.inputs, &outcome.outputs) {
            (Some(inputs), Some(outputs)) if verdict.condition == Condition::Clean => {
                let rivals = self.rivals.of(&verdict.function, verdict.bits)?;
                Some((rivals, inputs, outputs))
            }
            _ => None,
        };
        let survivors = shown
            .into_iter()
            .flat_map(|(rivals, inputs, outputs)| rivals.survivors(inputs, outputs, outcome.query));
        Ok(survivors.map(|survivor| survivor.output))
    }
}

/// The Levenshtein distance of two bitstrings.
fn edit_distance(a: Bits, b: Bits) -> u64 {
    let (a, b): (Vec<bool>, Vec<bool>) = (a.iter().collect(), b.iter().collect());
    strsim::generic_levenshtein(&a, &b) as u64
}
