/*!
How a model is run.
*/

use std::path::PathBuf;

use super::Device;

/// How a model is run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Where it runs.
    pub device: Device,
    /// Threads within an operator; 0 means one per core.
    pub threads: usize,
    /// ONNX Runtime's library or its folder; `None` looks in the usual places.
    pub ort_lib: Option<PathBuf>,
    /// The most tokens of a prompt that one call reads. Longer prompts are read in pieces through the cache. `None`
    /// takes the device's default.
    pub prefill_chunk: Option<usize>,
    /// The most tokens of one call that reads several prompts. `None` takes the device's default.
    pub batch_tokens: Option<usize>,
    /// The most bytes that the logits of one call may take; they limit how many tokens a plain export reads at once.
    /// `None` takes the device's default.
    pub logits_bytes: Option<usize>,
    /// Whether a dynamically quantised graph may answer. It reads one whole prompt per call.
    pub allow_inexact: bool,
}
