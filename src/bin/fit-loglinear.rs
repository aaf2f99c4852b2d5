//! `fit-loglinear`: accuracy = a0 + a1 ln(shots).

use clap::{Parser, ValueEnum};
use shotline::analysis::{
    Cells, CurveCells, Details, Family, Mean, Outcome, Points, fit_means, fit_predictions, place,
    points_of, scalings, shapes,
};
use shotline::cli::{self, GroupArgs, InputArgs, OutputArgs, SeedArg, ThreadArgs, warn};
use shotline::error::{Error, Result};
use shotline::program::Suite;
use shotline::provenance::Step;
use shotline::record::{Design, Fit, FromRow, Place, Reader, Row, ShapeFit};
use shotline::stats::Bootstrap;
use std::collections::HashMap;
use std::process::ExitCode;

/// Fits accuracy = a0 + a1 ln(shots), one row per curve.
///
/// a0 is the accuracy at one shot. a1 is the gain per unit of ln(shots), the ICL efficacy. From scores,
/// the cell means are fitted by ordinary least squares, with the one-sided t-test of a1 > 0 (the
/// paper's). From predictions, a1 also has a cluster-bootstrap interval. The points of a nested curve
/// are correlated, so its errors and p come from the bootstrap only; from its scores only the line is
/// known. 0 shots have no logarithm and are left out.
///
/// If accuracy does not vary, a1 is 0, without error and test. A perfect fit has errors of 0 and no
/// test. The bootstrap draws functions by name from all functions of the curve, once for all shot
/// counts. Errors over functions need two functions at every shot count, and are null with one.
///
/// From predictions there is also a regression over single trials (columns trial_...) with
/// cluster-robust errors: CR1, one cluster per function, t with functions - 1 degrees of freedom. It is
/// valid for nested curves, too.
///
/// --families regresses across models: accuracy at every shot count, a0 and a1 against ln(params), by
/// least squares over the models of a family, with the one-sided t-test of a positive slope.
///
/// --shape tests whether the curve is a line in ln(shots) at all. It needs predictions and gives one row
/// per shape. A shape is one curve for all functions, fitted by marginal binomial likelihood. `gain` is
/// how much better than the line it predicts the answers to a left-out function, in nats per function.
/// f and p test whether the means deviate from the shape by more than functions differ (Hotelling's
/// test, valid for nested curves, too). docs/shapes.md has the formulas.
///
/// A table of scores needs only the columns model, shots and accuracy.
#[derive(Parser)]
#[command(name = "fit-loglinear", version, after_help = EXAMPLES)]
struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// One row per family and quantity, against ln(params). A family is a modality.
    #[arg(long)]
    families: bool,

    /// The same, but a family is the models whose names begin with PREFIX (the first that matches).
    /// Repeatable. Other models are left out.
    #[arg(long, value_name = "NAME=PREFIX")]
    family: Vec<Family>,

    /// One row per curve, or per group of functions in it.
    #[arg(long, default_value = "curve", conflicts_with_all = ["families", "family", "shape"])]
    by: By,

    #[command(flatten)]
    groups: GroupArgs,

    /// One row per curve and shape, from predictions: log, constant, linear, root, logistic, saturating, break.
    #[arg(long, conflicts_with_all = ["families", "family"])]
    shape: bool,

    /// Bootstrap replicates, for predictions. Memory grows by about 30 bytes for each, at every shot
    /// count of a curve.
    #[arg(long, default_value_t = 5000)]
    replicates: u32,

    /// Accept functions with unequal numbers of trials, and shot counts with different functions.
    /// Replicates that draw no function of a shot count are left out.
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
    /// One row per curve.
    Curve,
    /// One row per group of functions in it, from predictions.
    Group,
}

const EXAMPLES: &str = "\
Examples:
  From a table of scores, your own or published:
    fit-loglinear scores.csv
  From predictions, with a bootstrap interval of the slope:
    fit-loglinear predictions.parquet -o fits.csv
  Which groups of functions does the model learn from more examples?
    fit-loglinear --by group predictions.parquet
  Is it a line? The other shapes: constant, linear, square root, logistic, saturating, break:
    fit-loglinear --shape predictions.parquet
  How do the curves change with the size of the models?
    fit-loglinear --families table4.csv
    fit-loglinear --family Qwen3=Qwen3- --family Evo2=evo2 table4.csv
  From any CSV with columns model, shots and accuracy:
    printf 'model,shots,accuracy\\na,1,.1\\na,2,.2\\na,4,.25\\n' | fit-loglinear";

/// A row with an accuracy, or one with a prediction.
enum MeanOrOutcome {
    Mean(Mean),
    Outcome(Outcome),
}

impl FromRow for MeanOrOutcome {
    const WHAT: &'static str = "score or prediction";

    fn from_row(row: Row<'_>) -> std::result::Result<Self, String> {
        if row.has("correct") {
            return Outcome::from_row(row).map(Self::Outcome);
        }
        Mean::from_row(row).map(Self::Mean)
    }
}

fn main() -> ExitCode {
    cli::main(option_env!("SHOTLINE_COMMIT"), run)
}

fn run(args: &Args) -> Result<()> {
    args.threads.install(args.output.quiet)?;
    let mut reader = Reader::<MeanOrOutcome>::open(args.input.paths(args.output.files()?)?, false)?;
    let mut cells = Cells::default();
    let mut means: Vec<Points> = Vec::new();
    let mut places: HashMap<String, Place> = HashMap::new();
    while let Some(entry) = reader.read()? {
        match entry.record {
            MeanOrOutcome::Outcome(outcome) => {
                cells.add(&outcome.verdict, &Details::default(), entry.place.file());
            }
            MeanOrOutcome::Mean(score) => {
                add_score(&mut means, &score).map_err(|e| e.at(&entry.place))?;
                let cell = format!("{:?}", (&score.curve, score.shots));
                if let Some(first) = places.insert(cell, entry.place.clone()) {
                    let what = place(&score.curve, score.shots);
                    return Err(Error::twice(what, first, entry.place));
                }
            }
        }
    }
    let mut step = Step::here("fit-loglinear");
    step.seed = Some(args.seed.seed);
    let chain = reader.provenance().with(step);
    if args.shape {
        if !means.is_empty() {
            return Err(Error::usage(
                "--shape: these are scores; give the predictions, because functions are left out one by one",
            ));
        }
        let rows = shape_rows(&cells.finish(args.allow_partial)?)?;
        return args.output.write_table(&chain, &rows);
    }
    let across = args.families || !args.family.is_empty();
    if !across && means.iter().any(|m| m.key.design == Some(Design::Nested)) {
        warn("scores of nested curves have no errors for a fit; give the predictions instead");
    }
    if args.by == By::Group && !means.is_empty() {
        return Err(Error::usage(
            "--by group: these are scores; give the predictions, because groups consist of functions",
        ));
    }
    let curves = cells.finish(args.allow_partial)?;
    let suite = chain.suite()?.map_or_else(Suite::paper, Ok)?;
    let curves = args
        .groups
        .split(args.by == By::Group, curves, &suite, &args.output)?;
    if across {
        means.extend(curves.iter().map(points_of));
        let rows = scalings(&means, &args.family)?;
        return args.output.write_table(&chain, &rows);
    }
    let bootstrap = Bootstrap {
        replicates: args.replicates,
        seed: args.seed.seed,
    };
    let mut fits: Vec<Fit> = means.iter().map(fit_means).collect::<Result<_>>()?;
    for curve in &curves {
        let (fit, missing) = fit_predictions(curve, bootstrap)?;
        let place = format!("model {:?}", curve.key.model);
        cli::warn_of_replicates(&place, missing, args.replicates);
        fits.push(fit);
    }
    let lone = |curve: &&CurveCells| {
        let mut fitted = curve.cells.range(1..);
        fitted.any(|(_, cell)| cell.tasks.len() == 1)
    };
    cli::warn_of_one_function(curves.iter().filter(lone).count());
    args.output.write_table(&chain, &fits)
}

/// The shapes of all curves.
fn shape_rows(curves: &[CurveCells]) -> Result<Vec<ShapeFit>> {
    let mut rows = Vec::new();
    for curve in curves {
        let (fitted, left_out) = shapes(curve)?;
        rows.extend(fitted);
        if !left_out.is_empty() {
            let names: Vec<&str> = left_out.iter().map(|shape| shape.word()).collect();
            let (model, names) = (&curve.key.model, names.join(", "));
            warn(format!(
                "model {model:?}: too few shot counts for the shapes {names}, left out"
            ));
        }
    }
    Ok(rows)
}

/// Adds a cell's mean to its curve.
fn add_score(means: &mut Vec<Points>, score: &Mean) -> Result<()> {
    if score.function.is_some() {
        return Err(Error::data(
            "column \"function\": scores of single functions (--by task); fit the scores of cells",
        ));
    }
    if score.group.is_some() {
        return Err(Error::data(
            "column \"group\": scores of groups; fit the predictions with --by group",
        ));
    }
    let point = (score.shots, score.accuracy);
    match means.iter_mut().find(|m| m.key == score.curve) {
        Some(curve) => curve.points.push(point),
        None => means.push(Points {
            key: score.curve.clone(),
            params: score.params,
            points: vec![point],
        }),
    }
    Ok(())
}
