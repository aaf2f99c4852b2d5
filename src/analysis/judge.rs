/*!
Looks at one prediction: the mode baseline beside it, and what kind of answer it is.
*/

use super::cells::{Counts, Seen};
use super::mode::mode_accuracy;
use crate::program::{Bits, Hypotheses, Suite, bit_diversity};
use crate::record::{Condition, Outcome};
use std::collections::HashMap;

/// Judges predictions; a suite holds the rivals of understandable mistakes.
pub struct Judge {
    suite: Suite,
    /// The suite at each width met.
    rivals: HashMap<u32, Hypotheses>,
}

impl Judge {
    /// A judge whose rivals are the functions of `suite`.
    #[must_use]
    pub fn new(suite: Suite) -> Self {
        Self {
            suite,
            rivals: HashMap::new(),
        }
    }

    /// What is to be seen of a prediction.
    pub fn see(&mut self, outcome: &Outcome) -> Seen {
        let target = outcome.verdict.target;
        let outputs = outcome.outputs.as_deref();
        Seen {
            mode: outputs.and_then(|outputs| mode_accuracy(outputs, target)),
            logprob: outcome.answer_logprob,
            with_demonstrations: outputs.is_some(),
            counts: self.count(outcome),
        }
    }

    fn count(&mut self, outcome: &Outcome) -> Counts {
        let verdict = &outcome.verdict;
        let zero_bd = |bits: Bits| bit_diversity(bits.value(), bits.len()) == 0;
        let whole = verdict.prediction.len() == verdict.bits;
        let target_zero = zero_bd(verdict.target);
        Counts {
            malformed: u32::from(!whole),
            edits: edit_distance(verdict.prediction, verdict.target),
            zero_bd_targets: u32::from(target_zero),
            zero_bd_predictions: u32::from(whole && zero_bd(verdict.prediction)),
            correct_zero_bd: u32::from(verdict.correct && target_zero),
            correct_other: u32::from(verdict.correct && !target_zero),
            understandable: u32::from(whole && !verdict.correct && self.is_understandable(outcome)),
        }
    }

    /// Whether some function of the suite agrees with all demonstrations and gives the wrong answer.
    fn is_understandable(&mut self, outcome: &Outcome) -> bool {
        let (Some(inputs), Some(outputs)) = (&outcome.inputs, &outcome.outputs) else {
            return false;
        };
        let verdict = &outcome.verdict;
        if verdict.condition == Condition::Deranged {
            return false;
        }
        let rivals = self
            .rivals
            .entry(verdict.bits)
            .or_insert_with(|| Hypotheses::new(&self.suite, verdict.bits));
        rivals
            .survivors(inputs, outputs, outcome.query)
            .any(|rival| rival.output == verdict.prediction.value())
    }
}

/// Levenshtein distance of two bitstrings.
fn edit_distance(a: Bits, b: Bits) -> u64 {
    let (a, b): (Vec<bool>, Vec<bool>) = (a.iter().collect(), b.iter().collect());
    strsim::generic_levenshtein(&a, &b) as u64
}
