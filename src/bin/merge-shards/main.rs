//! `merge-shards`: puts the shards of a run together again.

use clap::Parser;
use merged::{Merged, ShardFile};
use record_check::{CheckedRecord, RecordCheck};
use serde_json::json;
use shotline::cli::{self, OutputArgs, Progress, keep_apart, warn};
use shotline::error::{Error, Result};
use shotline::provenance::Step;
use shotline::record::{FromRow, Prediction, Prompt, Reader, Record, Row, SLIM, Trial, kind_of};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod merged;
mod record_check;

/// Puts the shards of a run together: trials, prompts or predictions, in the order of the shards.
///
/// The result has the same records as a run that was never split; JSON lines are the same byte for
/// byte. Shards are refused if they are missing, given twice, cut off, or from another run (another
/// kind of records, seed, grid, symbols, model, settings, version or number of shards). The files may
/// be given in any order.
///
/// A file's provenance says which shard it is. It is inside the file (Arrow, Parquet; JSON lines with
/// --provenance), or beside it in FILE.provenance.json. Files without provenance, or whose provenance
/// names no shard, are refused, because nobody can tell whether one is missing. --allow-unchecked
/// takes such files in the order given, and checks only what the records show: one kind, one seed and
/// width, one encoding, model and method, and no two files that begin alike.
///
/// The provenance of the result is one chain. For each step it has the first shard's command, and the
/// measurements of each shard where they differ.
///
/// Scores, fits and contrasts of shards cannot be merged, because a cell's accuracy does not follow
/// from those of its shards. Merge the predictions, then score them.
///
/// Memory does not grow with the number of records.
#[derive(Parser)]
#[command(name = "merge-shards", version, after_help = EXAMPLES)]
struct Args {
    /// The shards: JSON lines, Arrow or Parquet, recognised by their first bytes. A shard has to be a
    /// file, not a pipe, because its provenance is read first. Shards of Arrow and Parquet may be empty.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Also take files whose provenance names no shard, in the order given.
    #[arg(long)]
    allow_unchecked: bool,

    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  One run in four shards, each of which could run on another machine (between the filters, Arrow
  carries the provenance; JSON lines would need --provenance):
    for i in 0 1 2 3; do gen-tasks --shots 1,4,16 --trials 1 --shard $i/4 --to arrow \\
      | encode --alphabet genomic --to arrow | infer --model builtin:mode -o part.$i.parquet; done
  Put together again:
    merge-shards part.*.parquet -o whole.parquet
  Straight into a table:
    merge-shards part.*.parquet --to arrow | score
  JSON lines that were kept without provenance, in their order:
    merge-shards --allow-unchecked a.jsonl b.jsonl -o all.jsonl";

/// A record of any kind. Used to read a table's columns and provenance before its kind is known.
struct Any;

impl FromRow for Any {
    const WHAT: &'static str = "record";

    fn from_row(_: Row<'_>) -> std::result::Result<Self, String> {
        Ok(Self)
    }
}

fn main() -> ExitCode {
    cli::main(option_env!("SHOTLINE_COMMIT"), run)
}

fn run(args: &Args) -> Result<()> {
    keep_apart(&args.files, args.output.files()?)?;
    let looked = args.files.iter().map(|path| look(path));
    let (kinds, parts): (Vec<&str>, Vec<ShardFile>) = looked.collect::<Result<_>>()?;
    let kind = kinds[0];
    if let Some(at) = kinds.iter().position(|other| *other != kind) {
        return Err(Error::data(format!(
            "{}: a shard of {}, but {} is one of {kind}",
            parts[at].name, kinds[at], parts[0].name
        )));
    }
    match kind {
        TRIALS => merge::<Trial>(args, &parts, &[]),
        PROMPTS => merge::<Prompt>(args, &parts, &[]),
        SLIM_PREDICTIONS => merge::<Prediction>(args, &parts, SLIM),
        _ => merge::<Prediction>(args, &parts, &[]),
    }
}

const TRIALS: &str = "trials";
const PROMPTS: &str = "prompts";
const PREDICTIONS: &str = "predictions";
const SLIM_PREDICTIONS: &str = "slim predictions";

/// What a file's records are, and their provenance.
fn look(path: &Path) -> Result<(&'static str, ShardFile)> {
    let name = path.display().to_string();
    if name == "-" || path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        return Err(Error::usage(format!(
            "{name}: a shard has to be a file: its provenance is read before any records"
        )));
    }
    let mut reader = Reader::<Any>::open(&[path.to_owned()], true)?;
    let columns = reader.columns();
    let has = |name: &str| columns.iter().any(|column| column == name);
    if columns.is_empty() {
        // The first line may be damaged: reading it returns the error.
        reader.read()?;
    }
    let kind = match kind_of(&has) {
        Some(Trial::KIND) => TRIALS,
        Some(Prompt::KIND) => PROMPTS,
        Some(Prediction::KIND) if SLIM.iter().any(|name| has(name)) => PREDICTIONS,
        Some(Prediction::KIND) => SLIM_PREDICTIONS,
        _ => {
            return Err(Error::data(format!(
                "{name}: neither trials nor prompts nor predictions: only these come in shards (merge the predictions, and \
                 score them together)"
            )));
        }
    };
    let chain = reader.provenance();
    Ok((kind, ShardFile { name, chain }))
}

fn merge<T: Record + 'static>(
    args: &Args,
    parts: &[ShardFile],
    skip: &'static [&'static str],
) -> Result<()> {
    let mut step = Step::here("merge-shards");
    step.settings
        .insert("shards".to_owned(), json!(parts.len()));
    let unknown = parts.iter().find(|part| !part.is_shard());
    let unknown = unknown.filter(|part| args.allow_unchecked || part.chain.steps().is_empty());
    let whole = match unknown {
        None => Merged::of(parts)?,
        Some(ShardFile { name, .. }) if args.allow_unchecked => {
            warn(format!(
                "{name}: no provenance of a shard: whether one is missing, cut off or out of its place was not checked"
            ));
            step.settings.insert("unchecked".to_owned(), json!(true));
            Merged::unchecked(parts)
        }
        Some(ShardFile { name, .. }) => {
            return Err(Error::data(format!(
                "{name}: no provenance in it, nor {name}.provenance.json beside it: nobody can tell whether a shard is \
                 missing, cut off or foreign; --allow-unchecked takes the files as they are"
            )));
        }
    };
    for warning in &whole.warnings {
        warn(warning);
    }
    let chain = whole.chain.with(step);
    let points = if T::KIND == Prediction::KIND {
        whole.points
    } else {
        1
    };
    let lengths = whole
        .shards
        .iter()
        .map(|(_, trials)| Some((*trials)? * points));
    let mut writer = args.output.records::<T>(skip, &chain)?;
    let progress = Progress::new("records", lengths.clone().sum(), args.output.quiet);
    let mut check = RecordCheck::new(unknown.is_some());
    for ((at, _), expected) in whole.shards.iter().zip(lengths) {
        let name = &parts[*at].name;
        let mut reader = Reader::<CheckedRecord<T>>::open(&args.files[*at..=*at], true)?;
        let begun = reader.provenance();
        let mut found = 0;
        while let Some(entry) = reader.read()? {
            let record = check.see(name, found == 0, entry.record);
            let record = record.map_err(|e| Error::data(format!("{}: {e}", entry.place)))?;
            writer.write(&record, &entry.extra)?;
            found += 1;
            progress.step();
        }
        if reader.provenance() != begun {
            return Err(Error::data(format!(
                "{name}: provenance of something else after its first records: several files in one"
            )));
        }
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(Error::data(format!(
                "{name}: {found} {}s, but this shard has {expected}: {}",
                T::KIND,
                if found < expected {
                    "it is cut off, or records were taken out"
                } else {
                    "records were added"
                }
            )));
        }
    }
    progress.finish();
    args.output.finish(writer, &chain)
}
