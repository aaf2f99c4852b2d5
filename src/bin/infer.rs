//! `infer`: lets a predictor answer prompts.

use clap::{Parser, ValueEnum};
use shotline::cli::{self, InputArgs, OutputArgs, Progress, SeedArg, Sink, ThreadArgs, warn};
use shotline::error::{Error, Result};
use shotline::predictor::onnx::{self, Bos, Device, Method, OnnxModel, Settings, doctor};
use shotline::predictor::{Builtin, Compress, Identity, Onnx, Predictor, Rule, predict};
use shotline::program::{PAPER_BITS, Suite};
use shotline::record::provenance::{Chain, Step};
use shotline::record::{Prediction, Prompt, Reader};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Lets a predictor answer prompts: an ONNX model, or a baseline that needs none.
///
/// An answer is the greedy continuation of the prompt, as many symbols as the target has. Every
/// symbol is one token, forced and verified with the model's own tokenizer. A nested prompt is
/// answered at all its shot counts in one pass, and becomes one prediction for each.
///
/// Memory does not grow with the number of prompts.
#[derive(Parser)]
#[command(name = "infer", version, disable_version_flag = true, after_help = EXAMPLES)]
// Every one is a flag of the command line.
#[allow(clippy::struct_excessive_bools)]
struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// A model folder (model.onnx, config.json, tokenizer.json), or builtin:mode (the papers'
    /// baseline), builtin:nearest, builtin:copy, builtin:bayes (the ideal observer of a suite), or
    /// builtin:compress (context-tree weighting: a model that knows nothing but the prompt).
    #[arg(long, value_name = "FOLDER|builtin:NAME", required_unless_present_any = ["doctor", "version"])]
    model: Option<String>,

    /// score: one teacher-forced pass, decoding only from the first wrong symbol on. generate:
    /// greedy decoding symbol by symbol. Both give the same answers.
    #[arg(long, default_value = "score")]
    method: MethodArg,

    /// Whether `score` decodes a wrong answer to its end, or stops at the first wrong symbol, which
    /// is enough to know that it is wrong.
    #[arg(long, default_value = "all")]
    complete: CompleteArg,

    /// Let only the two bit symbols compete, not the whole vocabulary.
    #[arg(long)]
    constrain: bool,

    /// Whether a beginning-of-sequence token goes before the prompt; auto: as the model's tokenizer
    /// does it.
    #[arg(long, default_value = "auto")]
    bos: BosArg,

    /// The suite that builtin:bayes believes in: `paper`, `primitives`, `random:...` (see
    /// gen-tasks) or a file.
    #[arg(long, default_value = "paper")]
    suite: String,

    /// The name of the model in the records. Default: its card's, or the folder's.
    #[arg(long)]
    name: Option<String>,

    /// The model's modality in the records. Default: its card's.
    #[arg(long)]
    modality: Option<String>,

    /// The model's number of parameters in the records, as 7e9. Default: its card's.
    #[arg(long, value_parser = parse_params)]
    params: Option<f64>,

    /// Leave prompt, inputs and outputs out of the records (`score` then has no baseline).
    #[arg(long)]
    slim: bool,

    /// cpu, cuda, cuda:N or auto. cuda fails if CUDA does not work; auto says what it took.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// ONNX Runtime's library or its folder. Default: SHOTLINE_ORT_LIB, ORT_DYLIB_PATH, beside the
    /// program, or where `make runtime` puts it.
    #[arg(long, value_name = "PATH")]
    ort_lib: Option<PathBuf>,

    /// Say which runtime and devices can be used, and what is missing; then stop.
    #[arg(long)]
    doctor: bool,

    /// Print the versions of infer and of ONNX Runtime.
    #[arg(short = 'V', long)]
    version: bool,

    #[command(flatten)]
    seed: SeedArg,

    #[command(flatten)]
    threads: ThreadArgs,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MethodArg {
    /// One teacher-forced pass.
    Score,
    /// Greedy decoding.
    Generate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompleteArg {
    /// To the end.
    All,
    /// Not beyond the first wrong symbol.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BosArg {
    /// As the model's tokenizer does.
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

const EXAMPLES: &str = "\
Examples:
  A model over the paper's prompts:
    infer --model models/gemma3-270m prompts.arrow -o predictions.parquet
  The ideal observer and the papers' baseline on the same prompts:
    infer --model builtin:bayes prompts.arrow -o bayes.parquet
    infer --model builtin:mode prompts.arrow -o mode.parquet
  One pipe from trials to a table:
    gen-tasks --shots 1,4,16 --trials 1 | encode --alphabet genomic \\
      | infer --model builtin:nearest | score
  Is the runtime there, and would CUDA work?
    infer --doctor";

/// What `--slim` leaves out.
const SLIM: &[&str] = &["inputs", "outputs", "prompt"];

fn main() -> ExitCode {
    cli::main("infer", run)
}

fn run(args: &Args) -> Result<()> {
    let options = onnx::Options {
        device: args.device,
        threads: args.threads.count(),
        ort_lib: args.ort_lib.clone(),
        ..onnx::Options::default()
    };
    if args.version {
        let runtime = onnx::runtime::Runtime::get(options.ort_lib.as_deref());
        let runtime = runtime.map_or("none found", |r| &r.version);
        return say(&format!(
            "infer {} (ONNX Runtime {runtime})\n",
            env!("CARGO_PKG_VERSION")
        ));
    }
    if args.doctor {
        let (report, works) = doctor::report(&options);
        say(&report)?;
        return if works {
            Ok(())
        } else {
            Err(Error::model(
                "--doctor: not everything asked for can be used",
            ))
        };
    }
    // Before the model, which takes longer to load than a mistyped file name to find.
    let reader = Reader::open(args.input.paths()?, true)?;
    let model = args.model.as_deref().unwrap_or_default();
    match model.strip_prefix("builtin:") {
        Some(name) => builtin(args, reader, name),
        None => onnx_model(args, reader, Path::new(model), &options),
    }
}

/// Prints a text; `print!` would panic where the reader has left.
fn say(text: &str) -> Result<()> {
    let mut out = Sink::create(None)?;
    out.write_all(text.as_bytes())
        .map_err(|e| Error::io("stdout", e))?;
    out.commit()
}

fn builtin(args: &Args, reader: Reader<Prompt>, name: &str) -> Result<()> {
    let identity = Identity {
        model: args
            .name
            .clone()
            .unwrap_or_else(|| format!("builtin:{name}")),
        modality: Some(
            args.modality
                .clone()
                .unwrap_or_else(|| "baseline".to_owned()),
        ),
        params: args.params,
        method: "builtin",
        constrained: false,
        bos: false,
    };
    let mut step = Step::here("infer");
    step.seed = Some(args.seed.seed);
    if name == "compress" {
        let mut predictor = Compress::new(args.seed.seed);
        return answer_all(args, reader, &mut predictor, &identity, step);
    }
    let rule = Rule::named(name)?;
    let mut predictor = Builtin::new(rule, Suite::load(&args.suite, PAPER_BITS)?, args.seed.seed);
    answer_all(args, reader, &mut predictor, &identity, step)?;
    if predictor.fallbacks() > 0 {
        warn(
            "infer",
            format!(
                "{} answers fell back on the mode: no function of the suite agrees with their \
                 demonstrations",
                predictor.fallbacks()
            ),
        );
    }
    Ok(())
}

fn onnx_model(
    args: &Args,
    reader: Reader<Prompt>,
    folder: &Path,
    options: &onnx::Options,
) -> Result<()> {
    if args.complete == CompleteArg::None && args.method == MethodArg::Generate {
        return Err(Error::usage(
            "--complete none: generate always goes to the end; use --method score",
        ));
    }
    let model = OnnxModel::load(folder, options)?;
    let settings = Settings {
        method: match args.method {
            MethodArg::Score => Method::Score,
            MethodArg::Generate => Method::Generate,
        },
        constrained: args.constrain,
        bos: match args.bos {
            BosArg::Auto => Bos::Auto,
            BosArg::Always => Bos::Always,
            BosArg::Never => Bos::Never,
        },
        complete: args.complete == CompleteArg::All,
    };
    let card = model.card();
    let identity = Identity {
        model: args.name.clone().unwrap_or_else(|| card.name.clone()),
        modality: args.modality.clone().or_else(|| card.modality.clone()),
        params: args.params.or(card.params),
        method: match args.method {
            MethodArg::Score => "score",
            MethodArg::Generate => "generate",
        },
        constrained: args.constrain,
        bos: model.puts_bos(settings.bos)?,
    };
    if options.device == Device::Auto && !args.output.quiet {
        eprintln!("infer: device: {}", model.device());
    }
    let mut step = Step::here("infer");
    step.model_sha256 = Some(model.sha256()?);
    step.runtime = Some(format!("ONNX Runtime {}", model.runtime().version));
    step.device = Some(model.device().to_string());
    answer_all(args, reader, &mut Onnx { model, settings }, &identity, step)
}

/// Reads prompts, writes predictions.
fn answer_all(
    args: &Args,
    mut reader: Reader<Prompt>,
    predictor: &mut dyn Predictor,
    identity: &Identity,
    step: Step,
) -> Result<()> {
    /// A reader of our output sees predictions at least this often.
    const FLUSH: Duration = Duration::from_secs(1);

    let chain: Chain = reader.provenance().with(step.clone());
    let skip = if args.slim { SLIM } else { &[] };
    let mut writer = args.output.records::<Prediction>(skip, &chain)?;
    let progress = Progress::new("prompts", reader.total(), args.output.quiet);
    let (begun, mut flushed) = (Instant::now(), Instant::now());
    let (mut prompts, mut symbols, mut answers, mut correct) = (0u64, 0usize, 0u64, 0u64);
    while let Some(entry) = reader.read()? {
        let predictions =
            predict(predictor, identity, &entry.record).map_err(|e| e.at(&entry.place))?;
        for prediction in &predictions {
            answers += 1;
            correct += u64::from(prediction.correct);
            writer.write(prediction, &entry.extra)?;
        }
        prompts += 1;
        symbols += entry.record.prompt.chars().count();
        if flushed.elapsed() > FLUSH {
            writer.flush()?;
            flushed = Instant::now();
        }
        progress.note(format!("{correct}/{answers} right"));
        progress.step();
    }
    progress.finish();
    args.output
        .finish(writer, &reader.provenance().with(step))?;
    if !args.output.quiet && identity.method != "builtin" {
        let seconds = begun.elapsed().as_secs_f64();
        // Far fewer than 2^53 symbols.
        #[allow(clippy::cast_precision_loss)]
        let speed = symbols as f64 / seconds;
        eprintln!(
            "infer: {prompts} prompts, {answers} answers ({correct} right) in {seconds:.1} s, \
             {speed:.0} prompt tokens/s"
        );
    }
    Ok(())
}

fn parse_params(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if n.is_finite() && n > 0.0 => Ok(n),
        _ => Err(format!(
            "expected a positive number, as 7e9; found {text:?}"
        )),
    }
}
