//! `score`: from predictions to accuracies, errors and baselines.

use clap::{Parser, ValueEnum};
use shotline::analysis::{
    Cells, Complexities, CurveCell, CurveCells, Judge, Measure, Outcome, error_shares, place,
    power, replicates, score_cell, score_tasks, strata,
};
use shotline::cli::{
    self, GroupArgs, InputArgs, OutputArgs, Progress, SeedArg, SuiteArg, ThreadArgs, warn,
};
use shotline::error::Result;
use shotline::program::Suite;
use shotline::provenance::Step;
use shotline::record::{Reader, Score};
use shotline::stats::Bootstrap;
use std::process::ExitCode;

/// Scores predictions: accuracy by exact match, its errors, and baselines, one row a cell.
///
/// A cell is one model, encoding, template, width, condition, design, method and shot count;
/// nothing is pooled across cells. Accuracy is the mean over functions of the mean over trials. Its
/// error comes from a two-stage cluster bootstrap (functions, then trials or nested sequences). The
/// mode baseline is computed on the same trials; where several outputs are the most frequent, it is
/// the expectation over them. `p_mode_paired` tests the difference from the baseline within the same
/// bootstrap draws. `z_mode` and `p_mode` are the paper's test, which treats the two as independent.
///
/// The bootstrap draws functions by name, once for all shot counts of a curve, from all functions of
/// that curve. Errors over functions need two functions or more; in a cell with one they are null.
///
/// "understandable" counts wrong answers that are right for another function of the suite, one that
/// agrees with all demonstrations.
///
/// --errors sorts the wrong answers into kinds, and gives each kind's share beside the share that it
/// would have if wrong answers were drawn uniformly. An answer may be of several kinds. It is then
/// counted once, under the first that fits: malformed, rival (right for another function of the suite
/// that agrees with all demonstrations), mode, demonstration (an output shown), query, one bit off,
/// other.
///
/// --power says how many functions and trials a smaller error needs. It is the bootstrap's error in
/// closed form; the variances between and within functions are estimated from the predictions, as if
/// the functions were a sample of those that would be added. Designs of more than 2^31 functions are
/// null.
///
/// Memory grows with the number of predictions, by about 50 bytes each.
#[derive(Parser)]
#[command(name = "score", version, after_help = EXAMPLES)]
struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// What one row is: a cell; or, within each cell, a function, a `BitLoad`, a bin of mean
    /// `BitDiversity` (width 0.5) or a group of functions.
    #[arg(long, default_value = "cell")]
    by: By,

    #[command(flatten)]
    groups: GroupArgs,

    /// Kinds of wrong answers, one row a cell and kind.
    #[arg(long, conflicts_with_all = ["by", "power", "replicates"])]
    errors: bool,

    /// Designs that would give every cell's accuracy this standard error.
    #[arg(long, value_name = "SE", conflicts_with_all = ["by", "replicates"], value_parser = parse_se)]
    power: Option<f64>,

    /// Bootstrap replicates. Memory grows by about 45 bytes for each, at every shot count of a curve.
    #[arg(long, default_value_t = 5000)]
    replicates: u32,

    #[command(flatten)]
    suite: SuiteArg,

    /// Score functions with unequal numbers of trials, and shot counts with different functions,
    /// instead of refusing them. Replicates that draw no function of a cell are left out of its errors.
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
    /// One row a number of input bits that matter.
    Bitload,
    /// One row a bin of mean minority bits of the outputs.
    Bitdiversity,
    /// One row a group of functions.
    Group,
}

const EXAMPLES: &str = "\
Examples:
  A table to look at (aligned on a terminal, CSV in a pipe):
    score predictions.parquet
  Several models into one table:
    score evo2.parquet qwen3.parquet -o scores.csv
  Which functions does the model learn?
    score --by task predictions.parquet --to csv | qsv sort -s accuracy -N -R
  How does accuracy fall with the number of bits that matter?
    score --by bitload predictions.parquet
  Which kinds of functions does it learn?
    score --by group predictions.parquet
  What are the wrong answers like?
    score --errors predictions.parquet
  How many functions and trials would halve an error of .04?
    score --power .02 predictions.parquet";

fn main() -> ExitCode {
    cli::main(option_env!("SHOTLINE_COMMIT"), run)
}

fn run(args: &Args) -> Result<()> {
    args.threads.install(args.output.quiet)?;
    args.suite.keep_from(&args.output)?;
    let mut reader = Reader::<Outcome>::open(args.input.paths(args.output.files()?)?, false)?;
    let suite = args.suite.load(&reader.provenance(), None)?;
    let mut judge = Judge::new(suite.clone(), args.errors);
    let mut cells = Cells::default();
    let progress = Progress::new("predictions", reader.total(), args.output.quiet);
    while let Some(entry) = reader.read()? {
        let seen = judge.see(&entry.record).map_err(|e| e.at(&entry.place))?;
        cells.add(&entry.record.verdict, &seen, entry.place.file());
        progress.step();
    }
    progress.finish();
    let mut step = Step::here("score");
    step.seed = Some(args.seed.seed);
    let chain = reader.provenance().with(step);
    let curves = cells.finish(args.allow_partial)?;
    let curves = args
        .groups
        .split(args.by == By::Group, curves, &suite, &args.output)?;
    if args.errors {
        let rows = each_cell(&curves, |curve, shots, cell| {
            Ok(error_shares(curve, shots, cell))
        })?;
        return args.output.write_table(&chain, &rows);
    }
    if let Some(se) = args.power {
        let rows = each_cell(&curves, |curve, shots, cell| power(curve, shots, cell, se))?;
        let beyond = rows.iter().filter(|r| r.design_tasks.is_none()).count();
        if beyond > 0 {
            warn(format!(
                "--power {se}: {beyond} of {} designs would need more than 2147483648 functions, \
                     and are null",
                rows.len()
            ));
        }
        return args.output.write_table(&chain, &rows);
    }
    let rows = scores(args, &curves, suite)?;
    let lone = rows
        .iter()
        .filter(|r| r.function.is_none() && r.tasks == Some(1));
    cli::warn_of_one_function(lone.count());
    args.output.write_table(&chain, &rows)
}

/// The rows of every cell.
fn each_cell<T>(
    curves: &[CurveCells],
    mut rows: impl FnMut(&CurveCells, u32, &CurveCell) -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    let mut all = Vec::new();
    for curve in curves {
        for (&shots, cell) in &curve.cells {
            all.extend(rows(curve, shots, cell)?);
        }
    }
    Ok(all)
}

fn scores(args: &Args, curves: &[CurveCells], suite: Suite) -> Result<Vec<Score>> {
    let mut known = Complexities::new(suite);
    let measure = match args.by {
        By::Cell | By::Group => None,
        By::Task => {
            return each_cell(curves, |curve, shots, cell| {
                score_tasks(curve, shots, cell, &mut known)
            });
        }
        By::Bitload => Some(Measure::BitLoad),
        By::Bitdiversity => Some(Measure::BitDiversity),
    };
    let mut rows = Vec::new();
    for curve in curves {
        let Some(measure) = measure else {
            rows.extend(score_cells(args, curve)?);
            continue;
        };
        for stratum in strata(curve, measure, &mut known)? {
            let scores = score_cells(args, &stratum.curve)?.into_iter();
            rows.extend(scores.map(|score| Score {
                bitload: stratum.bitload,
                bitdiversity: stratum.bitdiversity,
                ..score
            }));
        }
    }
    Ok(rows)
}

/// One row per cell of a curve.
fn score_cells(args: &Args, curve: &CurveCells) -> Result<Vec<Score>> {
    let bootstrap = Bootstrap {
        replicates: args.replicates,
        seed: args.seed.seed,
    };
    let replicates = replicates(curve, bootstrap)?;
    let cells = curve.cells.iter();
    Ok(cells
        .map(|(&shots, cell)| {
            let drawn = &replicates[&shots];
            cli::warn_of_replicates(&place(&curve.key, shots), drawn.missing(), args.replicates);
            score_cell(curve, shots, cell, drawn)
        })
        .collect())
}

fn parse_se(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(se) if se > 0.0 && se < 1.0 => Ok(se),
        _ => Err(format!(
            "expected an error between 0 and 1, such as .02; found {text:?}"
        )),
    }
}
