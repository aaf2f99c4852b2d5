/*!
Predictors and their answers: models in ONNX Runtime, engines in their own processes, and baselines without a model.

A predictor answers a prompt at its evaluation points. An ordinary prompt has one, at its end. A nested prompt has
several. Each point gives one prediction.
*/

mod builtin;
mod compress;
mod exec;
mod journal;
pub mod onnx;
mod point;
mod stream;

pub use builtin::{BUILTINS, Builtin, Rule};
pub use compress::Compress;
#[cfg(fuzzing)]
pub use exec::fuzz_answer;
pub use exec::{Exec, Settings as ExecSettings, stop_engines};
pub use journal::{Journal, kept_words};
pub use point::{Point, points};
pub use stream::Jobs;

use crate::error::Result;
use crate::provenance::Facts;

/// The description of the predictor that every prediction of a run carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The predictor's name.
    pub model: String,
    /// The modality it was trained on, or `baseline`.
    pub modality: Option<String>,
    /// Number of parameters.
    pub params: Option<f64>,
    /// `score`, `generate`, `exec` or `builtin`.
    pub method: &'static str,
    /// Whether only the two bit symbols compete.
    pub constrained: bool,
    /// Whether a beginning-of-sequence token goes before the prompt.
    pub bos: bool,
}

/// An answer at one evaluation point.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The raw symbols, as [`Symbols::output`](crate::symbols::Symbols::output) writes them: as many as in the target,
    /// or fewer if the sequence ended early. A token counts as one symbol, unchanged; a special token has no text.
    pub output: String,
    /// Sum of ln p(target symbol | target prefix), in nats, if the predictor gives one. It is over the whole
    /// vocabulary, or over the two bit symbols if constrained. Method `generate` gives it only for a correct answer.
    pub logprob: Option<f64>,
    /// Smallest gap between the best two logits along the answer; none if only one token is possible.
    pub margin: Option<f64>,
    /// Whether the answer ended early because the model's logits were not finite numbers.
    pub is_broken: bool,
}

/// Something that answers prompts.
pub trait Predictor {
    /// Answers all prompts of `jobs`. The predictor chooses how many it takes at a time.
    ///
    /// # Errors
    /// The predictor cannot read a prompt (the error names its place); its engine fails; an error of `jobs`.
    fn answer_all(&mut self, jobs: &mut Jobs<'_>) -> Result<()>;

    /// Measurements by name, for the provenance and the user: tokens read, device, threads, ...
    fn measured(&self) -> Facts {
        Facts::new()
    }
}
