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
    /// Threads within an operator; 0 takes one a core.
    pub threads: usize,
    /// ONNX Runtime's library or its folder; `None` looks in the usual places.
    pub ort_lib: Option<PathBuf>,
    /// The tokens of a prompt that one call reads; longer ones go through the cache in pieces. `None` takes what suits the
    /// device.
    pub prefill_chunk: Option<usize>,
    /// The most tokens of one call that reads several prompts. `None` takes what suits the device.
    pub batch_tokens: Option<usize>,
    /// The bytes that the logits of one call may take: a plain export reads no more tokens at once than that. `None` takes
    /// what suits the device.
    pub logits_bytes: Option<usize>,
    /// Whether a dynamically quantised graph may answer, one whole prompt a call.
    pub allow_inexact: bool,
}
