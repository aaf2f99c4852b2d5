//! Makes each kind of predictor from the command line, with its identity in the records and its step of provenance.

use super::answer::Run;
use super::{Args, CompleteArg, say};
use serde_json::json;
use shotline::cli::{keep_apart, note, read_sequences, warn};
use shotline::error::{Error, Result, counted};
use shotline::predictor::onnx::{self, Bos, Device, Method, Onnx, OnnxModel, Settings};
use shotline::predictor::{Builtin, Compress, Exec, ExecSettings, Identity, Rule};
use shotline::provenance::{FUNCTIONS_SHA256, Step};
use shotline::record::{Prompt, Reader};
use std::path::Path;
use std::thread;

pub fn verify(args: &Args, model: &str, options: &onnx::Options) -> Result<()> {
    if model.starts_with("builtin:") || model.starts_with("exec:") {
        return Err(Error::usage(format!(
            "--verify: {model} has no card; give a model folder"
        )));
    }
    keep_apart(&args.input.files, args.output.output.as_slice())?;
    let sequences = read_sequences(&args.input.files)?;
    let mut model = load(args, Path::new(model), options)?;
    let verdict = onnx::verify::verify(&mut model, &sequences)?;
    say(args, &verdict.report)?;
    if verdict.passed {
        Ok(())
    } else {
        Err(Error::model(
            "--verify: the model is not what its card says",
        ))
    }
}

/// Loads a model and prints the warnings of its card.
fn load(args: &Args, folder: &Path, options: &onnx::Options) -> Result<OnnxModel> {
    let model = OnnxModel::load(folder, options)?;
    for text in &model.card.warnings {
        warn(format!("{}: {text}", model.card.name));
    }
    if let Some(operators) = &model.inexact {
        warn(format!(
            "{}: dynamically quantised ({operators}): its answers are not exact",
            model.card.name
        ));
    }
    if options.device == Device::Auto && !args.output.quiet {
        note(format!("device: {}", model.device));
    }
    Ok(model)
}

pub fn builtin(args: &Args, mut reader: Reader<Prompt>, name: &str) -> Result<()> {
    if !matches!(args.device, Device::Cpu | Device::Auto) {
        return Err(Error::usage("--device: a baseline runs on the CPU"));
    }
    let identity = Identity {
        model: args.name.clone().unwrap_or(format!("builtin:{name}")),
        modality: args.modality.clone().or(Some("baseline".to_owned())),
        params: args.params,
        method: "builtin",
        constrained: false,
        bos: false,
    };
    let run = Run {
        args,
        identity: &identity,
    };
    let mut step = step(args, &identity);
    step.seed = Some(args.seed.seed);
    step.settings.insert("builtin".to_owned(), json!(name));
    if name == "compress" {
        let seed = args.seed.seed;
        return run.answer(reader, &mut Compress { seed }, step);
    }
    let rule = Rule::named(name)?;
    let suite = args.suite.load(&reader.provenance(), None)?;
    step.settings
        .insert(FUNCTIONS_SHA256.to_owned(), json!(suite.sha256()));
    let mut predictor = Builtin::new(rule, suite, args.seed.seed);
    run.answer(reader, &mut predictor, step)?;
    if predictor.fallbacks > 0 {
        warn(format!(
            "{} to clean prompts fell back on the mode: no function of the suite agrees with \
                 their demonstrations (--suite)",
            counted(predictor.fallbacks, "answer")
        ));
    }
    Ok(())
}

pub fn exec(args: &Args, reader: Reader<Prompt>, command: &str) -> Result<()> {
    if args.complete == CompleteArg::None {
        return Err(Error::usage(
            "--complete none: an engine always goes to the end; use --method score of a model folder",
        ));
    }
    if args.device != Device::Cpu {
        return Err(Error::usage(
            "--device: an engine chooses its own; give it to the command, where it has such an option",
        ));
    }
    let settings = ExecSettings {
        in_flight: args.in_flight as usize,
        timeout: args.timeout,
        constrained: args.constrain,
    };
    let mut predictor = Exec::new(command, settings)?;
    let identity = Identity {
        model: args.name.clone().unwrap_or(format!("exec:{command}")),
        modality: args.modality.clone(),
        params: args.params,
        method: "exec",
        constrained: args.constrain,
        bos: args.bos == Bos::Always,
    };
    let run = Run {
        args,
        identity: &identity,
    };
    let mut step = step(args, &identity);
    step.settings.extend(predictor.decisive()?);
    run.answer(reader, &mut predictor, step)?;
    if predictor.ignored_end {
        warn(
            "the engine went on at the end of its input, and was stopped; it had answered everything",
        );
    }
    Ok(())
}

pub fn onnx(
    args: &Args,
    reader: Reader<Prompt>,
    folder: &Path,
    options: &onnx::Options,
) -> Result<()> {
    if args.complete == CompleteArg::None && args.method == Method::Generate {
        return Err(Error::usage(
            "--complete none: generate always goes to the end; use --method score",
        ));
    }
    // Hashing a large model takes as long as loading it, so do both at the same time.
    let hash = {
        let folder = folder.to_owned();
        thread::Builder::new()
            .spawn(move || onnx::sha256(&folder))
            .map_err(|e| Error::OutOfMemory(format!("no thread could be started: {e}")))?
    };
    let model = load(args, folder, options)?;
    let settings = Settings {
        method: args.method,
        constrained: args.constrain,
        bos: args.bos,
        complete: args.complete == CompleteArg::All,
    };
    let card = &model.card;
    let identity = Identity {
        model: args.name.clone().unwrap_or_else(|| card.name.clone()),
        modality: args.modality.clone().or_else(|| card.modality.clone()),
        params: args.params.or(card.params),
        method: args.method.word(),
        constrained: args.constrain,
        bos: model.puts_bos(settings.bos)?,
    };
    let run = Run {
        args,
        identity: &identity,
    };
    let mut step = step(args, &identity);
    let hash = (hash.join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    step.model_sha256 = Some(hash?);
    step.runtime = Some(format!("ONNX Runtime {}", model.runtime.version));
    step.device = Some(model.device.to_string());
    if let Some(operators) = &model.inexact {
        (step.settings).insert("inexact".to_owned(), json!(operators));
    }
    let mut predictor = Onnx::new(model, settings, options.threads);
    run.answer(reader, &mut predictor, step)
}

/// This run's step, with the settings that decide its records, besides the prompts and the model's weights.
fn step(args: &Args, identity: &Identity) -> Step {
    let settings = [
        ("model", json!(identity.model)),
        ("modality", json!(identity.modality)),
        ("params", json!(identity.params)),
        ("method", json!(identity.method)),
        ("constrained", json!(identity.constrained)),
        ("bos", json!(identity.bos)),
        ("complete", json!(args.complete == CompleteArg::All)),
        ("slim", json!(args.slim)),
    ];
    Step {
        settings: settings
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        ..Step::here("infer")
    }
}
