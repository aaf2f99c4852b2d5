/*!
Predictors and their answers: models in ONNX Runtime, and baselines that need no model.

A predictor answers a prompt at its evaluation points: one at the end of an ordinary prompt, several
within a nested one. The points become one prediction each.
*/

mod builtin;
mod compress;
pub mod onnx;
mod point;

pub use builtin::{Builtin, Rule};
pub use compress::Compress;
pub use point::{Point, points};

use crate::encoding::decode_bits;
use crate::error::{Error, Result};
use crate::record::{Design, Prediction, Prompt};
use onnx::{EvalPoint, OnnxModel, Request, Settings};

/// What every prediction of a run says of its predictor.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The predictor's name.
    pub model: String,
    /// The modality it was trained on, or `baseline`.
    pub modality: Option<String>,
    /// Number of parameters.
    pub params: Option<f64>,
    /// `score`, `generate` or `builtin`.
    pub method: &'static str,
    /// Whether only the two bit symbols compete.
    pub constrained: bool,
    /// Whether a beginning-of-sequence token goes before the prompt.
    pub bos: bool,
}

/// An answer at one evaluation point.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The raw symbols.
    pub output: String,
    /// Sum of ln p(target symbol | target prefix), in nats, where the predictor gives one.
    pub logprob: Option<f64>,
    /// Smallest gap between the best two logits along the answer.
    pub margin: Option<f64>,
}

/// Something that answers prompts.
pub trait Predictor {
    /// The answers at the prompt's points, in order.
    ///
    /// # Errors
    /// A prompt that the predictor cannot read, or a failure of its runtime.
    fn answer(&mut self, prompt: &Prompt, points: &[Point<'_>]) -> Result<Vec<Answer>>;
}

/// A model in ONNX Runtime with the settings of a run.
pub struct Onnx {
    /// The model.
    pub model: OnnxModel,
    /// How it answers.
    pub settings: Settings,
}

impl Predictor for Onnx {
    fn answer(&mut self, prompt: &Prompt, points: &[Point<'_>]) -> Result<Vec<Answer>> {
        let places: Vec<EvalPoint<'_>> = points
            .iter()
            .map(|p| EvalPoint {
                start: p.start,
                target: &p.answer,
            })
            .collect();
        let (zero, one) = bit_symbols(prompt)?;
        let request = Request {
            prompt: &prompt.prompt,
            points: &places,
            zero,
            one,
        };
        let answers = self.model.answer(&request, &self.settings)?;
        Ok(answers
            .into_iter()
            .map(|a| Answer {
                output: a.output,
                logprob: a.answer_logprob,
                margin: a.margin,
            })
            .collect())
    }
}

/// The symbols of bit 0 and bit 1.
///
/// # Errors
/// Not one character each; the record's own check refuses such prompts before.
fn bit_symbols(prompt: &Prompt) -> Result<(char, char)> {
    match (prompt.zero.chars().next(), prompt.one.chars().next()) {
        (Some(zero), Some(one)) => Ok((zero, one)),
        _ => Err(Error::data("columns \"zero\", \"one\": no symbol")),
    }
}

/// Answers one prompt: its predictions, one an evaluation point.
///
/// # Errors
/// Those of the predictor; a nested prompt whose text is not what its columns say.
pub fn predict(
    predictor: &mut dyn Predictor,
    identity: &Identity,
    prompt: &Prompt,
) -> Result<Vec<Prediction>> {
    let points = points(prompt)?;
    let answers = predictor.answer(prompt, &points)?;
    if answers.len() != points.len() {
        return Err(Error::model(format!(
            "{}: {} answers at {} points",
            identity.model,
            answers.len(),
            points.len()
        )));
    }
    let (zero, one) = bit_symbols(prompt)?;
    Ok(points
        .into_iter()
        .zip(answers)
        .map(|(point, answer)| {
            let bits = prompt.trial.bits;
            let prediction = decode_bits(&answer.output, zero, one, bits);
            let nested = prompt.trial.design == Design::Nested;
            Prediction {
                trial_id: if nested {
                    format!("{}@{}", prompt.trial.trial_id, point.shots)
                } else {
                    prompt.trial.trial_id.clone()
                },
                sequence_id: nested.then(|| prompt.trial.trial_id.clone()),
                function: prompt.trial.function.clone(),
                bits,
                condition: prompt.trial.condition,
                shots: point.shots,
                trial: prompt.trial.trial,
                seed: prompt.trial.seed,
                design: prompt.trial.design,
                constant: prompt.trial.constant,
                inputs: Some(point.inputs.to_vec()),
                outputs: Some(point.outputs.to_vec()),
                query: point.query,
                target: point.target,
                unchanged: prompt.trial.unchanged,
                encoding: prompt.encoding.clone(),
                template: prompt.template.clone(),
                prefix: prompt.prefix.clone(),
                zero: prompt.zero.clone(),
                one: prompt.one.clone(),
                separator: prompt.separator.clone(),
                prompt: Some(point.prompt.to_owned()),
                answer: point.answer,
                model: identity.model.clone(),
                modality: identity.modality.clone(),
                params: identity.params,
                method: identity.method.to_owned(),
                constrained: identity.constrained,
                bos: identity.bos,
                correct: prediction == point.target,
                malformed: prediction.len() != bits,
                output: answer.output,
                prediction,
                answer_logprob: answer.logprob,
                margin: answer.margin,
            }
        })
        .collect())
}
