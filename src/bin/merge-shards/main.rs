//! `merge-shards`: puts the shards of a run together again.

use clap::Parser;
use merged::{Merged, ShardFile};
use record_check::{CheckedRecord, RecordCheck};
use serde_json::json;
use shotline::cli::{self, OutputArgs, Progress, keep_apart, warn};
use shotline::error::{Error, Result};
use shotline::provenance::{Chain, Step};
use shotline::record::{
    FromRow, Prediction, Prompt, Reader, Record, Row, SLIM, Score, Trial, kind_of,
};
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

/// What must be known about the shards before their records are read.
struct Shards {
    kind: &'static str,
    /// Columns that all shards leave out.
    skip: &'static [&'static str],
    parts: Vec<ShardFile>,
}

fn main() -> ExitCode {
    cli::main("merge-shards", option_env!("SHOTLINE_COMMIT"), run)
}

fn run(args: &Args) -> Result<()> {
    keep_apart(&args.files, args.output.files()?)?;
    let shards = Shards::look(&args.files)?;
    match shards.kind {
        Trial::KIND => merge::<Trial>(args, &shards),
        Prompt::KIND => merge::<Prompt>(args, &shards),
        _ => merge::<Prediction>(args, &shards),
    }
}

impl Shards {
    /// Reads the head of every file.
    fn look(files: &[PathBuf]) -> Result<Self> {
        let mut found: Option<(&str, bool)> = None;
        let mut parts: Vec<ShardFile> = Vec::with_capacity(files.len());
        for path in files {
            let name = path.display().to_string();
            let (kind, slim, chain) = look(path)?;
            let (first_kind, first_slim) = *found.get_or_insert((kind, slim));
            let words = |kind: &str, slim: bool| {
                let what = if slim { "slim " } else { "" };
                format!("{what}{kind}s")
            };
            if (kind, slim) != (first_kind, first_slim) {
                return Err(Error::data(format!(
                    "{name}: a shard of {}, but {} is one of {}",
                    words(kind, slim),
                    parts[0].name,
                    words(first_kind, first_slim)
                )));
            }
            parts.push(ShardFile { name, chain });
        }
        let Some((kind, slim)) = found else {
            return Err(Error::usage("no FILE"));
        };
        Ok(Self {
            kind,
            skip: if slim { SLIM } else { &[] },
            parts,
        })
    }
}

/// The kind of a file's records, whether they are slim, and their provenance.
fn look(path: &Path) -> Result<(&'static str, bool, Chain)> {
    let name = path.display();
    if path.as_os_str() == "-" || path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir()) {
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
    let Some(kind) = kind_of(&has).filter(|kind| *kind != Score::KIND) else {
        return Err(Error::data(format!(
            "{name}: neither trials nor prompts nor predictions: only these come in shards (merge the predictions, and \
             score them together)"
        )));
    };
    let slim = kind == Prediction::KIND && !SLIM.iter().any(|name| has(name));
    Ok((kind, slim, reader.provenance()))
}

/// The order of the shards, and the checks of their records.
struct Plan {
    order: Vec<usize>,
    /// The number of records that each shard must have; none if unknown.
    lengths: Option<Vec<u64>>,
    chain: Chain,
    watch: RecordCheck,
}

impl Plan {
    fn of(args: &Args, shards: &Shards) -> Result<Self> {
        let parts = &shards.parts;
        let unknown = parts.iter().find(|part| !part.is_shard());
        let mut step = Step::here("merge-shards");
        let mut setting = |name: &str, value| step.settings.insert(name.to_owned(), value);
        setting("shards", json!(parts.len()));
        let unknown = unknown.filter(|part| args.allow_unchecked || part.chain.steps().is_empty());
        let Some(unknown) = unknown else {
            let whole = Merged::of(parts)?;
            for warning in &whole.warnings {
                warn(warning);
            }
            let points = match shards.kind {
                Prediction::KIND => whole.points,
                _ => 1,
            };
            return Ok(Self {
                order: whole.order,
                lengths: Some(whole.trials.iter().map(|trials| trials * points).collect()),
                chain: whole.chain.with(step),
                watch: RecordCheck::beside_provenance(),
            });
        };
        if !args.allow_unchecked {
            return Err(Error::data(format!(
                "{name}: no provenance in it, nor {name}.provenance.json beside it: nobody can tell whether a shard is \
                 missing, cut off or foreign; --allow-unchecked takes the files as they are",
                name = unknown.name
            )));
        }
        warn(format!(
            "{}: no provenance of a shard: whether one is missing, cut off or out of its place was not checked",
            unknown.name
        ));
        setting("unchecked", json!(true));
        let mut chain = Chain::default();
        for part in parts {
            chain.merge(part.chain.clone());
        }
        Ok(Self {
            order: (0..parts.len()).collect(),
            lengths: None,
            chain: chain.with(step),
            watch: RecordCheck::alone(),
        })
    }
}

fn merge<T: Record + 'static>(args: &Args, shards: &Shards) -> Result<()> {
    let mut plan = Plan::of(args, shards)?;
    let mut writer = args.output.records::<T>(shards.skip, &plan.chain)?;
    let total = plan.lengths.as_ref().map(|lengths| lengths.iter().sum());
    let progress = Progress::new("records", total, args.output.quiet);
    for (turn, &at) in plan.order.iter().enumerate() {
        let name = &shards.parts[at].name;
        plan.watch.begin(name);
        let mut reader = Reader::<CheckedRecord<T>>::open(&args.files[at..=at], true)?;
        let begun = reader.provenance();
        while let Some(entry) = reader.read()? {
            let record = plan.watch.see(entry.record);
            let record = record.map_err(|e| Error::data(format!("{}: {e}", entry.place)))?;
            writer.write(&record, &entry.extra)?;
            progress.step();
        }
        if reader.provenance() != begun {
            return Err(Error::data(format!(
                "{name}: provenance of something else after its first records: several files in one"
            )));
        }
        let found = plan.watch.count();
        let expected = plan.lengths.as_ref().map(|lengths| lengths[turn]);
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
    args.output.finish(writer, &plan.chain)
}
