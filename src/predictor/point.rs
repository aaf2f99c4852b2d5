/*!
Evaluation points: where a prompt is answered, and what has been shown by then.
*/

use crate::error::{Error, Result};
use crate::program::Bits;
use crate::record::Prompt;

/// One place of a prompt at which an answer is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point<'a> {
    /// Demonstrations before it.
    pub shots: u32,
    /// Their inputs.
    pub inputs: &'a [Bits],
    /// Their outputs, as shown.
    pub outputs: &'a [Bits],
    /// The input to answer.
    pub query: Bits,
    /// The output wanted.
    pub target: Bits,
    /// What the model has read by then.
    pub prompt: &'a str,
    /// Where the answer begins, in symbols.
    pub start: usize,
    /// The encoded target.
    pub answer: String,
}

/// The evaluation points of a prompt, by shots: its end, or those of `eval_shots` if nested, where
/// the answer to example s + 1 given the first s is read.
///
/// # Errors
/// A nested prompt whose text isn't what its columns say.
pub fn points(prompt: &Prompt) -> Result<Vec<Point<'_>>> {
    let trial = &prompt.trial;
    let symbols = prompt.symbols();
    let (Some(shots), Some(starts)) = (&trial.eval_shots, &prompt.answer_starts) else {
        return Ok(vec![Point {
            shots: trial.shots,
            inputs: &trial.inputs,
            outputs: &trial.outputs,
            query: trial.query,
            target: trial.target,
            prompt: &prompt.prompt,
            start: symbols.count(&prompt.prompt),
            answer: prompt.answer.clone(),
        }]);
    };
    shots
        .iter()
        .zip(starts)
        .map(|(&shots, &start)| {
            let shown = shots as usize;
            let before = symbols.first(start as usize, &prompt.prompt);
            let (query, target) = match (trial.inputs.get(shown), trial.outputs.get(shown)) {
                (Some(&query), Some(&target)) => (query, target),
                _ => (trial.query, trial.target),
            };
            let answer = symbols.encode(target);
            let rest = &prompt.prompt[before.len()..];
            if !(rest.starts_with(&answer) || rest.is_empty() && shots == trial.shots) {
                return Err(Error::data(format!(
                    "column \"prompt\": at symbol {start} it does not go on with the output of \
                     example {}, {answer:?}",
                    shown + 1
                )));
            }
            Ok(Point {
                shots,
                inputs: &trial.inputs[..shown.min(trial.inputs.len())],
                outputs: &trial.outputs[..shown.min(trial.outputs.len())],
                query,
                target,
                prompt: before,
                start: start as usize,
                answer,
            })
        })
        .collect()
}
