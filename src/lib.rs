/*!
Shotline: small filters for few-shot in-context-learning experiments on next-token predictors.

The modules stand in the order in which data flows; each depends only on those before it.
*/

/// The error type, and exit codes.
pub mod error;

/// The memory that a filter takes, and its limit.
pub mod memory;

/// SHA-256 of files.
pub mod digest;

/// gzip and zstd around files.
pub mod compression;

/// Small files that people edit, and pointers in the place of large ones.
pub mod text;

/// Text and tables for a terminal.
pub mod terminal;

/// Seeded chance, keyed by what it is for.
pub mod chance;

/// Bitstring functions: primitives, programs, suites, truth tables, complexity.
pub mod program;

/// Where records come from: the steps behind them.
pub mod provenance;

/// The symbols of a prompt: bits as text, and text symbol by symbol.
pub mod symbols;

/// Numeric functions on slices: least squares, the cluster bootstrap, tests.
pub mod stats;

/// The tables between the filters: columns, readers, writers.
pub mod record;

/// Alphabets and templates: bits to symbols and back.
pub mod encoding;

/// Drawing trials: grids, derangements, the replay of published prompts.
pub mod trial;

/// From predictions to scores and fits.
pub mod analysis;

/// Predictors: ONNX models, engines behind a pipe, and baselines.
pub mod predictor;

/// Figures.
pub mod report;

/// What the binaries share: arguments, outputs, progress, exit codes.
pub mod cli;
