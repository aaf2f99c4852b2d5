//! `score`: from predictions to accuracies, errors and baselines.

use clap::{Parser, ValueEnum};
use shotline::analysis::{Cells, Complexities, Judge, replicates, score_cell, score_tasks};
use shotline::cli::{self, InputArgs, OutputArgs, Progress, SeedArg, ThreadArgs};
use shotline::error::Result;
use shotline::program::Suite;
use shotline::record::provenance::Step;
use shotline::record::{Extra, Outcome, Reader, Score};
use shotline::stats::Bootstrap;
use std::process::ExitCode;

/// Scores predictions: accuracy by exact match, its errors, and baselines, one row a cell.
///
/// A cell is one model, encoding, template, width, condition, design, method and shot count;
/// nothing is pooled across cells. Accuracy is the mean over functions of the mean over trials. Its
/// error comes from a two-stage cluster bootstrap (functions, then trials or nested sequences); the
/// mode baseline is taken on the same trials, its ties by exact expectation.
///
/// Memory grows with the number of predictions, by about 60 bytes each.
#[derive(Parser)]
#[command(name = "score", version, after_help = EXAMPLES)]
struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// One row a cell, or one row a function in every cell.
    #[arg(long, default_value = "cell")]
    by: By,

    /// Bootstrap replicates.
    #[arg(long, default_value_t = 5000)]
    replicates: u32,

    /// The suite of the rivals of "understandable" mistakes: wrong answers that another function,
    /// true to all demonstrations, gives. `paper`, `primitives` or a file.
    #[arg(long, default_value = "paper")]
    suite: String,

    /// Score functions with unequal numbers of trials, too, instead of refusing them.
    #[arg(long)]
    allow_partial: bool,

    #[command(flatten)]
    seed: SeedArg,

    #[command(flatten)]
    threads: ThreadArgs,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// One row a cell.
    Cell,
    /// One row a function in every cell.
    Task,
}

const EXAMPLES: &str = "\
Examples:
  A table to look at (aligned on a terminal, CSV in a pipe):
    score predictions.parquet
  Several models into one table:
    score evo2.parquet qwen3.parquet -o scores.csv
  Which functions does the model learn?
    score --by task predictions.parquet --to csv | qsv sort -s accuracy -N -R";

fn main() -> ExitCode {
    cli::main("score", run)
}

fn run(args: &Args) -> Result<()> {
    args.threads.install()?;
    let mut reader = Reader::<Outcome>::open(args.input.paths()?, false)?;
    let mut judge = Judge::new(Suite::load(&args.suite)?);
    let mut cells = Cells::default();
    let progress = Progress::new("predictions", reader.total(), args.output.quiet);
    while let Some(entry) = reader.read()? {
        cells.add(&entry.record.verdict, &judge.see(&entry.record));
        progress.step();
    }
    progress.finish();
    let mut step = Step::here("score");
    step.seed = Some(args.seed.seed);
    let chain = reader.provenance().with(step);
    let bootstrap = Bootstrap {
        replicates: args.replicates,
        seed: args.seed.seed,
    };
    let mut writer = args.output.table::<Score>(&chain)?;
    let none = Extra::default();
    let mut measured = Complexities::default();
    for curve in cells.finish(args.allow_partial)? {
        match args.by {
            By::Cell => {
                let replicates = replicates(&curve, bootstrap)?;
                for (&shots, cell) in &curve.cells {
                    let score = score_cell(&curve, shots, cell, &replicates[&shots]);
                    writer.write(&score, &none)?;
                }
            }
            By::Task => {
                for (&shots, cell) in &curve.cells {
                    for score in score_tasks(&curve, shots, cell, &mut measured)? {
                        writer.write(&score, &none)?;
                    }
                }
            }
        }
    }
    args.output.finish(writer, &chain)
}
