//! `infer`: lets a predictor answer prompts.

mod answer;
mod predictors;

use clap::builder::{NonEmptyStringValueParser, TypedValueParser as _};
use clap::{Parser, ValueEnum, ValueHint};
use shotline::cli::{
    self, InputArgs, OutputArgs, SeedArg, Sink, SuggestedValues, SuiteArg, ThreadArgs, destination,
};
use shotline::error::{Error, Result};
use shotline::predictor::onnx::{self, Bos, Device, Method, doctor};
use shotline::predictor::{BUILTINS, Journal};
use shotline::record::Reader;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Lets a predictor answer prompts: an ONNX model, any engine as a child process, or a baseline that
/// needs neither.
///
/// An answer is the greedy continuation of the prompt, as many symbols as the target has. Every
/// symbol is one token, forced and verified with the model's own tokenizer (an engine sees to that
/// itself). A nested prompt is answered at all its shot counts in one pass, and becomes one prediction
/// for each.
///
/// With -o, what is finished is kept in OUTPUT.partial as it comes, whatever happens; --resume
/// goes on from there.
///
/// Memory does not grow with the number of prompts.
#[derive(Parser)]
#[command(name = "infer", version, disable_version_flag = true, after_help = EXAMPLES)]
// Every one is a flag of the command line.
#[allow(clippy::struct_excessive_bools)]
struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// A model folder or one of its graphs (see below), or builtin:mode (the papers' baseline),
    /// builtin:nearest, builtin:copy, builtin:bayes (the ideal observer of a suite), or
    /// builtin:compress (context-tree weighting: a model that knows nothing but the prompt), or
    /// 'exec:COMMAND ARGS', a program that answers JSON lines (see below).
    #[arg(long, value_name = "FOLDER|builtin:NAME|exec:COMMAND", required_unless_present_any = ["doctor", "version"],
          value_parser = SuggestedValues(&BUILTINS), hide_possible_values = true, value_hint = ValueHint::AnyPath)]
    model: Option<String>,

    /// score: one teacher-forced pass, decoding only from the first wrong symbol on. generate:
    /// greedy decoding symbol by symbol. Both give the same answers.
    #[arg(long, default_value = "score")]
    method: Method,

    /// Whether `score` decodes a wrong answer to its end, or stops at the first wrong symbol, which
    /// is enough to know that it is wrong.
    #[arg(long, default_value = "all")]
    complete: CompleteArg,

    /// Let only the two bit symbols compete, not the whole vocabulary.
    #[arg(long)]
    constrain: bool,

    /// Whether to put a beginning-of-sequence token before the prompt. auto: as the model's tokenizer
    /// does. exec: only what to record, because the engine decides (auto: no).
    #[arg(long, default_value = "auto")]
    bos: Bos,

    #[command(flatten)]
    suite: SuiteArg,

    /// exec: requests to send before the first of them is answered.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    in_flight: u32,

    /// exec: give up when the engine is silent for so long with requests unanswered; 0: never.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = parse_timeout)]
    timeout: Timeout,

    /// The name of the model in the records. Default: its card's, or the folder's; exec: the whole
    /// `exec:COMMAND ARGS`.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,

    /// The model's modality in the records. Default: its card's.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    modality: Option<String>,

    /// The model's number of parameters in the records, as 7e9. Default: its card's.
    #[arg(long, value_parser = parse_params)]
    params: Option<f64>,

    /// Read several prompts of the same length in one call, up to this many tokens. auto: what suits
    /// the device. Answers do not change, except for rounding. If memory runs out, it is halved.
    #[arg(long, value_name = "N|auto", default_value = "auto", value_parser = parse_tokens)]
    batch_tokens: Tokens,

    /// Read longer prompts in pieces of this many tokens, which takes less memory. auto: what suits
    /// the device. Answers do not change, except for rounding.
    #[arg(long, value_name = "N|auto", default_value = "auto", value_parser = parse_tokens)]
    prefill_chunk: Tokens,

    /// Let a dynamically quantised graph answer, for which a token's logits depend on what else is read in
    /// the same call: one whole prompt a call, and only with --method generate. The provenance says so.
    /// Nested prompts are refused all the same.
    #[arg(long)]
    allow_inexact: bool,

    /// Leave prompt, inputs and outputs out of the records (`score` then has no baseline).
    #[arg(long)]
    slim: bool,

    /// cpu, cuda, cuda:N or auto. cuda fails if CUDA does not work; auto says what it took.
    #[arg(long, default_value = "cpu", hide_possible_values = true,
          value_parser = SuggestedValues(&["cpu", "cuda", "cuda:0", "auto"]).try_map(|text| text.parse::<Device>()))]
    device: Device,

    /// ONNX Runtime's library or its folder. Default: SHOTLINE_ORT_LIB, ORT_DYLIB_PATH, the one of
    /// the same Python environment, beside the program, or where `make runtime` puts it.
    #[arg(long, value_name = "PATH")]
    ort_lib: Option<PathBuf>,

    /// Say which runtime and devices can be used, then stop. With --device cuda also: which libraries
    /// are missing, whether the GPU computes right and how fast.
    #[arg(long)]
    doctor: bool,

    /// Hold the model against what its card says that the right one gives, instead of answering
    /// prompts: logits recorded at conversion, or (Evo2) the published loss and accuracy on
    /// sequences, which are then given as FILEs: FASTA, or CSV with a column `Sequence`.
    #[arg(long, conflicts_with_all = ["doctor", "version", "to", "provenance", "resume"])]
    verify: bool,

    /// Print the versions of infer and of ONNX Runtime.
    #[arg(short = 'V', long)]
    version: bool,

    #[command(flatten)]
    seed: SeedArg,

    #[command(flatten)]
    threads: ThreadArgs,

    /// Go on with what an interrupted run left in OUTPUT.partial: its prompts are not answered
    /// again. Model, method and settings have to be the same, of an engine its command, and the
    /// prompts in the same order. Where OUTPUT is there and is what would be written, nothing is
    /// done. Where nothing was left, the run begins.
    #[arg(long, requires = "output")]
    resume: bool,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompleteArg {
    /// To the end.
    All,
    /// Not beyond the first wrong symbol.
    None,
}

const EXAMPLES: &str = "\
Examples:
  A model over the paper's prompts:
    infer --model models/gemma3-270m prompts.arrow -o predictions.parquet
  The ideal observer and the papers' baseline on the same prompts:
    infer --model builtin:bayes prompts.arrow -o bayes.parquet
    infer --model builtin:mode prompts.arrow -o mode.parquet
  A running vLLM or llama.cpp server (docs/engines.md has more engines; `make install` puts scripts
  and docs into PREFIX/share/shotline):
    infer --model 'exec:scripts/engines/openai-completions.py http://127.0.0.1:8000' \\
      --name Qwen3-8B --modality linguistic prompts.arrow -o predictions.parquet
  One pipe from trials to a table:
    gen-tasks --shots 1,4,16 --trials 1 | encode --alphabet genomic \\
      | infer --model builtin:nearest | score
  A long run that may be interrupted: the same line starts it and goes on with it:
    infer --model models/evo2_7b --device cuda prompts.arrow -o predictions.parquet --resume
  Is the runtime there, and would CUDA work?
    infer --doctor
  Is the converted model right? (Evo2, on the sequences of upstream's own test)
    infer --model models/evo2_7b --verify evo2/test/data/prompts.csv

Models (what is read of each: docs/models/onnx.md):
    an export of optimum or onnxruntime-genai; what scripts/convert made   --model FOLDER
    the same with its graph in FOLDER/onnx, as for transformers.js         --model FOLDER
    one of several graphs                          --model FOLDER/onnx/model_q4.onnx
    weights: safetensors, GGUF, Evo 2              scripts/convert SOURCE -o FOLDER, then FOLDER
    a server, or a program of any kind             --model 'exec:COMMAND ARGS'

Engines (exec:COMMAND ARGS): COMMAND is started once and never by a shell. It reads requests on its
standard input, one JSON object a line, and writes answers on its standard output, in any order:
    {\"id\": 0, \"prompt\": \"...\", \"symbols\": [\"A\", \"C\"], \"max_symbols\": 8, \"constrained\": false}
    {\"id\": 0, \"output\": \"ACCACCAA\", \"logprob\": -1.25, \"margin\": 0.5}
`output` is the greedy continuation, at most max_symbols characters; `logprob` (ln p of the output)
and `margin` may be null. A nested prompt is one request a shot count. When its input ends, the
engine ends. Its stderr is ours.";

/// A number of tokens; none: what suits the device. It has a name because clap takes a plain `Option` for an optional
/// argument.
type Tokens = Option<usize>;

/// How long an engine may be silent; none: for ever.
type Timeout = Option<Duration>;

fn main() -> ExitCode {
    cli::main(option_env!("SHOTLINE_COMMIT"), run)
}

fn run(args: &Args) -> Result<()> {
    let options = onnx::Options {
        device: args.device,
        threads: args.threads.count(args.output.quiet),
        ort_lib: args.ort_lib.clone(),
        prefill_chunk: args.prefill_chunk,
        batch_tokens: args.batch_tokens,
        allow_inexact: args.allow_inexact,
        ..onnx::Options::default()
    };
    if args.version {
        let runtime = onnx::runtime::Runtime::get(options.ort_lib.as_deref());
        let runtime = runtime.map_or("none found", |r| &r.version);
        let version = cli::version(Some(format!("ONNX Runtime {runtime}")));
        return say(args, &format!("infer {version}\n"));
    }
    if args.doctor {
        let (report, works) = doctor::report(&options);
        say(args, &report)?;
        return if works {
            Ok(())
        } else {
            Err(Error::model(
                "--doctor: not everything asked for can be used",
            ))
        };
    }
    let model = args.model.as_deref().unwrap_or_default();
    if args.verify {
        return predictors::verify(args, model, &options);
    }
    // Before the model, which takes longer to load than a mistyped file name to find.
    let mut outputs = args.output.files()?.to_vec();
    outputs.extend(
        args.output
            .file()
            .map(|file| Journal::path_of(&destination(file))),
    );
    args.suite.keep_from(&args.output)?;
    let reader = Reader::open(args.input.paths(&outputs)?, true)?;
    match model.strip_prefix("builtin:") {
        Some(name) => predictors::builtin(args, reader, name),
        None => match model.strip_prefix("exec:") {
            Some(command) => predictors::exec(args, reader, command),
            None => predictors::onnx(args, reader, Path::new(model), &options),
        },
    }
}

/// Writes a text to the output; `print!` would panic where the reader has left.
fn say(args: &Args, text: &str) -> Result<()> {
    if let Some(file) = args.output.file() {
        return Sink::write_file(file, text.as_bytes());
    }
    let mut out = Sink::create(None)?;
    out.write_all(text.as_bytes())
        .map_err(|e| Error::io("stdout", e))?;
    out.commit()
}

fn parse_params(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if n.is_finite() && n > 0.0 => Ok(n),
        _ => Err(format!(
            "expected a positive number, as 7e9; found {text:?}"
        )),
    }
}

fn parse_tokens(text: &str) -> std::result::Result<Tokens, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(Some(n)),
        _ if text == "auto" => Ok(None),
        _ => Err(format!(
            "expected a number of tokens from 1 on, or auto; found {text:?}"
        )),
    }
}

fn parse_timeout(text: &str) -> std::result::Result<Timeout, String> {
    match text.parse().map(Duration::try_from_secs_f64) {
        Ok(Ok(time)) => Ok((!time.is_zero()).then_some(time)),
        _ => Err(format!("expected seconds, as 600 or 0.5; found {text:?}")),
    }
}
