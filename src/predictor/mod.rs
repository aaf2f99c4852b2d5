/*!
Predictors and their answers: models in ONNX Runtime, engines in processes of their own, and baselines that need no model.

A predictor answers a prompt at its evaluation points: one at the end of an ordinary prompt, several
within a nested one. The points become one prediction each.
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
pub use stream::{Job, Jobs, Stream};

use crate::error::Result;
use crate::provenance::Facts;

/// What every prediction of a run says of its predictor.
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
    /// The raw symbols, as [`Symbols::output`](crate::symbols::Symbols::output) has them: as many as the target has, or fewer
    /// before an end of sequence. A token counts as one symbol and stands as it is; a special token has no text.
    pub output: String,
    /// Sum of ln p(target symbol | target prefix), in nats, where the predictor gives one: over the whole vocabulary, or,
    /// constrained, over the two bit symbols. A model that generates gives it where the answer is the target.
    pub logprob: Option<f64>,
    /// Smallest gap between the best two logits along the answer; none where only one token can be.
    pub margin: Option<f64>,
    /// Whether the model's logits were no numbers, so that the answer ends there.
    pub is_broken: bool,
}

/// Something that answers prompts.
pub trait Predictor {
    /// Answers all prompts that `jobs` has, as many at a time as suits it.
    ///
    /// # Errors
    /// A prompt that the predictor cannot read, by its place; a failure of its engine; those of
    /// `jobs`.
    fn answer_all(&mut self, jobs: &mut dyn Jobs) -> Result<()>;

    /// What it cost, by name, for the provenance and the user: tokens read, device, threads, ...
    fn measured(&self) -> Facts {
        Facts::new()
    }
}
