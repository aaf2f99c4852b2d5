/*!
Shotline: small filters for few-shot in-context-learning experiments on next-token predictors.

The modules are in the order in which data flows. Each depends only on those before it.
*/

/// The error type, and exit codes.
pub mod error;

/// The memory of a filter, and its limit.
pub mod memory;

/// SHA-256 of files and texts.
pub mod digest;

/// gzip and zstd around files.
pub mod compression;

/// Small files that people edit, and git-lfs pointers.
pub mod text;

/// Seeded random draws, keyed by what they are for.
pub mod chance;

/// Bitstring functions: primitives, programs, suites, truth tables, complexity.
pub mod program;

/// Where records come from: the steps behind them.
pub mod provenance;

/// The symbols of a prompt: bits to text, and text to symbols.
pub mod symbols;

/// Numeric functions on slices: least squares, the cluster bootstrap, tests.
pub mod stats;

/// The tables between the filters: columns, readers, writers.
#[macro_use]
pub mod record;

/// Tables for a person.
pub mod terminal;

/// Alphabets and templates: bits to symbols and back.
pub mod encoding;

/// Drawing trials: grids, derangements, the replay of published prompts.
pub mod trial;

/// From predictions to scores, fits and contrasts.
pub mod analysis;

/// Predictors: ONNX models, engines behind a pipe, and baselines.
pub mod predictor;

/// Figures and the HTML report.
pub mod report;

/// What the binaries share: arguments, outputs, progress, exit codes.
pub mod cli;
