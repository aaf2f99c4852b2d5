/*!
Evaluation points: where a prompt is answered, and what the model has seen up to there.
*/

use crate::error::{Error, Result};
use crate::program::Bits;
use crate::record::Prompt;

/// One place in a prompt where the predictor has to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point<'a> {
    /// Number of demonstrations before the query.
    pub shots: u32,
    /// The demonstrations' inputs.
    pub inputs: &'a [Bits],
    /// The demonstrations' outputs, as shown.
    pub outputs: &'a [Bits],
    /// The query.
    pub query: Bits,
    /// The correct output.
    pub target: Bits,
    /// The text that the model reads before it answers.
    pub prompt: &'a str,
    /// Where the answer begins, in symbols from the start of the prompt.
    pub start: usize,
    /// The encoded target.
    pub answer: String,
}

/// The evaluation points of a prompt, ordered by shots. An ordinary prompt has one, at its end. A nested prompt has one
/// for each s in `eval_shots`: there the model answers example s + 1 after it has seen the first s examples.
///
/// # Errors
/// The text of a nested prompt contradicts its columns.
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
