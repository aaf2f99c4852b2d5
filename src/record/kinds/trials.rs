/*!
Trials and prompts: the questions for a predictor.
*/

use crate::error::counted;
use crate::program::Bits;
use crate::record::check::{Checked, bits, demonstrations, width};
use crate::symbols::Symbols;

words! {
    /// What the demonstrations show.
    enum Condition {
        Clean = "clean", "The function's own outputs.";
        Deranged = "deranged", "The same outputs, permuted across the demonstrations: the mapping is destroyed.";
    }
}

words! {
    /// How the shot counts of one curve share examples.
    enum Design {
        Independent = "independent", "Every shot count has trials of its own, as in the paper.";
        Nested = "nested", "One sequence of examples serves all shot counts.";
    }
}

record! {
    /// A trial: demonstrations, a query and the target that a predictor should answer.
    struct Trial: "trial" {
        trial_id: String, "Unique among all trials of all seeds.";
        function: String, "The hidden function: in dot notation, or by its own name.";
        bits: u32, "Width of the bitstrings.";
        condition: Condition, "Clean or deranged demonstrations.";
        shots: u32, "Number of demonstrations.";
        trial: u32, "Number of the trial within its function and shot count, from 0.";
        seed: i64, "The seed it was drawn from.";
        design: Design, "Independent or nested shot counts.";
        constant: Option<Bits>, "The trial's constant, where the function uses one.";
        inputs: Vec<Bits>, "The demonstrations' inputs, in the order shown.";
        outputs: Vec<Bits>, "The demonstrations' outputs, as shown.";
        query: Bits, "The input to answer.";
        target: Bits, "The function's output for the query.";
        unchanged: Option<u32>, "Demonstrations whose output the derangement left in place; null if clean.";
        eval_shots: Option<Vec<u32>>, "Nested: the shot counts at which the sequence is read.";
    }
    check trial;
}

record! {
    /// A trial dressed in the symbols of a modality.
    struct Prompt: "prompt" {
        ..trial: Trial, "The columns of a trial.";
        encoding: String, "The alphabet's name, or its symbols.";
        template: String, "How one example is written.";
        prefix: String, "Text before the first example.";
        zero: String, "The symbol of bit 0 in this trial.";
        one: String, "The symbol of bit 1 in this trial.";
        separator: Option<String>, "The symbol between examples; null where the template has none.";
        prompt: String, "What the model reads; it ends where the answer begins.";
        answer: String, "The encoded target, never shown.";
        answer_starts: Option<Vec<u32>>, "Nested: where each answer of `eval_shots` begins in `prompt`, in symbols.";
    }
    check prompt;
}

impl Prompt {
    /// The symbols in which the trial is written.
    #[must_use]
    pub fn symbols(&self) -> Symbols<'_> {
        Symbols {
            zero: &self.zero,
            one: &self.one,
            separator: self.separator.as_deref(),
        }
    }
}

/// Checks the shape of a trial: every bitstring has the trial's width, every input has an output.
fn trial(trial: &Trial) -> Checked {
    let bits = bits(trial.bits)?;
    demonstrations(&trial.inputs, &trial.outputs, trial.shots, bits)?;
    width("query", trial.query, bits)?;
    width("target", trial.target, bits)?;
    if let Some(constant) = trial.constant {
        width("constant", constant, bits)?;
    }
    match (&trial.eval_shots, trial.design) {
        (Some(points), Design::Nested) => {
            if let Some(beyond) = points.iter().find(|&&s| s > trial.shots) {
                return Err(format!(
                    "column \"eval_shots\": {beyond} is more than the sequence's {}",
                    counted(trial.shots, "shot")
                ));
            }
            if points.is_empty() || points.windows(2).any(|w| w[0] >= w[1]) {
                return Err("column \"eval_shots\": expected increasing shot counts".to_owned());
            }
            Ok(())
        }
        (None, Design::Nested) => {
            Err("column \"eval_shots\": is missing, but design is nested".to_owned())
        }
        (Some(_), Design::Independent) => {
            Err("column \"eval_shots\": expected null where design is independent".to_owned())
        }
        (None, Design::Independent) => Ok(()),
    }
}

fn prompt(prompt: &Prompt) -> Checked {
    trial(&prompt.trial)?;
    let symbols = prompt.symbols();
    symbols.check()?;
    let length = symbols.count(&prompt.answer);
    if length != prompt.trial.bits as usize {
        return Err(format!(
            "column \"answer\": {} for {}",
            counted(length, "symbol"),
            counted(prompt.trial.bits, "bit")
        ));
    }
    match (&prompt.answer_starts, &prompt.trial.eval_shots) {
        (None, None) => Ok(()),
        (Some(starts), Some(points)) if starts.len() == points.len() => {
            let end = symbols.count(&prompt.prompt);
            let last = starts.last().copied().unwrap_or_default() as usize;
            if starts.windows(2).any(|w| w[0] >= w[1]) || last > end {
                return Err(format!(
                    "column \"answer_starts\": expected increasing offsets up to {end}"
                ));
            }
            Ok(())
        }
        _ => Err(
            "column \"answer_starts\": expected one offset for every one of eval_shots".to_owned(),
        ),
    }
}
