//! `contrast`: clean against deranged, model against model.

use clap::{Parser, ValueEnum};
use shotline::analysis::{
    Cells, Complexities, Contrasts, CurveCells, Details, Profile, SuiteDistances, Verdict,
    contrast_cells, contrast_tasks, similarities, versus, versus_tasks,
};
use shotline::cli::{
    self, GroupArgs, InputArgs, OutputArgs, Progress, SeedArg, SuiteArg, ThreadArgs, parse_shots,
    warn,
};
use shotline::error::{Error, Result, counted};
use shotline::program::{Program, Suite, check_bits, measures};
use shotline::provenance::{Chain, Step};
use shotline::record::{Identifiability, ProfileOf, Reader};
use std::process::ExitCode;

/// Contrasts conditions and models, paired function by function.
#[derive(Parser)]
#[command(name = "contrast", version, long_about = MANUAL, after_help = EXAMPLES)]
// Every one is a flag of the command line.
#[allow(clippy::struct_excessive_bools)]
struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// Model against model instead of clean against deranged.
    #[arg(long, group = "what")]
    models: bool,

    /// Rank correlations of the models' profiles, and how high noise lets them be.
    #[arg(long, group = "what")]
    profiles: bool,

    /// How likely demonstrations identify a function of the suite. Reads no input.
    #[arg(long, group = "what")]
    identifiability: bool,

    /// One row per cell (or pair), per function in it, or per group of functions.
    #[arg(long, default_value = "cell")]
    by: By,

    #[command(flatten)]
    groups: GroupArgs,

    /// --models: length of the lists of functions, at least 1.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,

    /// Only these shot counts. Default: all; for --identifiability 1,2,4,8,16,32,64.
    #[arg(long, value_delimiter = ',', value_parser = parse_shots)]
    shots: Vec<u32>,

    /// --profiles: the value of each function in a profile.
    #[arg(long, default_value = "gap", requires = "profiles")]
    of: Of,

    /// --profiles: number of random permutations.
    #[arg(long, default_value_t = 1_000_000)]
    permutations: u32,

    #[command(flatten)]
    suite: SuiteArg,

    /// --identifiability: width of the bitstrings, 1..16.
    #[arg(long, default_value_t = 8)]
    bits: u32,

    /// Accept functions with unequal numbers of trials (without the swap test), and compare the
    /// functions that both sides have.
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
    /// One row per cell or pair.
    Cell,
    /// One row per function in it.
    Task,
    /// Clean against deranged: one row per group of functions in it.
    Group,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    /// Accuracy with clean minus accuracy with deranged demonstrations.
    Gap,
    /// Accuracy with clean demonstrations.
    Accuracy,
}

const MANUAL: &str = "\
Contrasts conditions and models, paired function by function.\n\n\
By default, clean against deranged demonstrations, one row per model and shot count. Conditions are \
paired if everything else is equal. gap is the mean over functions of accuracy (clean) - accuracy \
(deranged), with its paired error. p_swap is the exact one-sided p of the condition-swap test: under \
the null hypothesis each function's difference has a random sign, and all 2^r signs are counted. p_t is \
the one-sided p of the paired t-test. p_holm (Holm) and p_bh (Benjamini and Hochberg, false discovery \
rate) correct p_swap over the models (by group: over models and groups), each at its largest shot \
count. Controls, which have the method builtin, are not part of the correction and have neither.\n\n\
--models compares every two models of the same width and condition, at the largest shot count that \
both have: the gap, its two-sided tests, and the overlap of the lists of their best functions. iou is \
the number of shared functions divided by the number in either list. Ties in accuracy, by exact \
counts, are ordered by name; tied_a and tied_b count the functions outside a list that are as good as \
its last. Pairs with a control are not corrected. With --by task: the functions in either list, and \
those that favour one model most.\n\n\
--profiles gives Spearman's rank correlation of every two models' gaps (or accuracies) over the \
functions, each model at its largest shot count, with a one-sided permutation p and both corrections \
over the pairs of models. Noise of finite trials lowers it. ceiling is the correlation that equal \
profiles would have, from the reliability of each (split halves, Spearman-Brown, 20 seeded splits). \
disattenuated is the correlation without that noise; it compares one model's half with the other \
model's other half, so that errors on the same trials do not count. Its interval is by the jackknife \
over functions. --of accuracy also simulates rho_if_equal and rho_if_independent: models with equal and \
with independent true accuracies, from one beta distribution fitted to both. (--by task without \
--profiles prints the gaps themselves.)\n\n\
--identifiability needs no input. It gives the probability that all functions of the suite that agree \
with n demonstrations also agree on the query. It is a lower bound, by the union bound.\n\n\
Memory grows with the number of predictions, by about 50 bytes each.";

const EXAMPLES: &str = "\
Examples:
  Does the model use the mapping?
    gen-tasks --condition clean,deranged --shots 8,64 | encode --alphabet genomic \\
      | infer --model models/evo2_7b -o both.parquet
    contrast both.parquet
  Which groups of functions?
    contrast --by group both.parquet
  The gap of every function, for a figure:
    contrast --by task both.parquet -o gaps.csv
  Do two models learn the same functions?
    contrast --profiles evo2-both.parquet qwen3-both.parquet
    contrast --profiles --of accuracy evo2.parquet qwen3.parquet
    contrast --models evo2.parquet qwen3.parquet
    contrast --models --by task evo2.parquet qwen3.parquet
  How many demonstrations identify a function of the suite?
    contrast --identifiability --shots 1,2,4,8";

fn main() -> ExitCode {
    cli::main(option_env!("SHOTLINE_COMMIT"), run)
}

fn run(args: &Args) -> Result<()> {
    args.threads.install(args.output.quiet)?;
    let mut step = Step::here("contrast");
    if args.profiles {
        step.seed = Some(args.seed.seed);
    }
    if args.profiles && args.by == By::Task {
        return Err(Error::usage(
            "--profiles --by task: --by task alone prints the gaps of all functions",
        ));
    }
    if args.by == By::Group && (args.models || args.profiles || args.identifiability) {
        return Err(Error::usage(
            "--by group: only clean against deranged has groups",
        ));
    }
    args.suite.keep_from(&args.output)?;
    if args.identifiability {
        return identifiability(args, &Chain::default().with(step));
    }
    let (curves, chain) = read(args)?;
    let suite = args.suite.load(&chain, None)?;
    let curves = args
        .groups
        .split(args.by == By::Group, curves, &suite, &args.output)?;
    let mut known = Complexities::new(suite);
    let chain = chain.with(step);
    let top = args.top as usize;
    if args.models && args.by == By::Task {
        let rows = versus_tasks(&curves, top, args.allow_partial, &mut known)?;
        return args.output.write_table(&chain, &rows);
    }
    if args.models {
        let rows = versus(&curves, top, args.allow_partial)?;
        return args.output.write_table(&chain, &rows);
    }
    let similar = |of: ProfileOf, profiles: &[Profile<'_>]| {
        let rows = similarities(of, profiles, args.permutations, args.seed.seed)?;
        args.output.write_table(&chain, &rows)
    };
    if args.profiles && args.of == Of::Accuracy {
        return similar(ProfileOf::Accuracy, &Profile::accuracies(&curves));
    }
    let contrasts = Contrasts::new(&curves, args.allow_partial)?;
    for key in &contrasts.unpaired {
        warn(format!(
            "model {:?}: one condition only, left out",
            key.model
        ));
    }
    if args.profiles {
        return similar(ProfileOf::Gap, &Profile::gaps(&contrasts));
    }
    if args.by == By::Task {
        let rows = contrast_tasks(&contrasts, &mut known)?;
        return args.output.write_table(&chain, &rows);
    }
    let rows = contrast_cells(&contrasts);
    args.output.write_table(&chain, &rows)
}

/// The cells of the input at the requested shot counts.
fn read(args: &Args) -> Result<(Vec<CurveCells>, Chain)> {
    let mut reader = Reader::<Verdict>::open(args.input.paths(args.output.files()?)?, false)?;
    let mut cells = Cells::default();
    let progress = Progress::new("predictions", reader.total(), args.output.quiet);
    while let Some(entry) = reader.read()? {
        if args.shots.is_empty() || args.shots.contains(&entry.record.shots) {
            cells.add(&entry.record, &Details::default(), entry.place.file());
        }
        progress.step();
    }
    progress.finish();
    Ok((cells.finish(args.allow_partial)?, reader.provenance()))
}

fn identifiability(args: &Args, chain: &Chain) -> Result<()> {
    if !args.input.files.is_empty() {
        return Err(Error::usage("--identifiability: reads no predictions"));
    }
    check_bits(args.bits)?;
    let inputs = 1 << args.bits;
    let shots = match args.shots.as_slice() {
        [] => [1, 2, 4, 8, 16, 32, 64]
            .into_iter()
            .filter(|n| *n < inputs)
            .collect(),
        shots => shots.to_vec(),
    };
    if let Some(n) = shots.iter().find(|n| **n >= inputs) {
        return Err(Error::usage(format!(
            "--shots {n}: there are only {inputs} different inputs of {}, and one of them is the query",
            counted(args.bits, "bit")
        )));
    }
    let suite = args.suite.load(chain, Some(args.bits))?;
    cli::warn_of_equal(&suite, args.bits);
    let distances = SuiteDistances::new(&suite, args.bits);
    let rows = |shots: u32| identified(args, &suite, &distances, shots);
    let rows: Vec<Identifiability> = shots.into_iter().flat_map(rows).collect();
    args.output.write_table(chain, &rows)
}

/// The rows of one shot count.
fn identified(
    args: &Args,
    suite: &Suite,
    distances: &SuiteDistances,
    shots: u32,
) -> Vec<Identifiability> {
    let shares = distances.identified(shots);
    let each = || suite.programs().iter().zip(&shares);
    if args.by == By::Task {
        let row = |(program, identified): (&Program, &f64)| Identifiability {
            bits: args.bits,
            shots,
            bitload: Some(measures(program, args.bits).bitload),
            function: Some(program.to_string()),
            tasks: 1,
            identified: *identified,
            ..Identifiability::default()
        };
        return each().map(row).collect();
    }
    let tasks = u32::try_from(shares.len()).unwrap_or(u32::MAX);
    let worst = each().min_by(|a, b| a.1.total_cmp(b.1));
    vec![Identifiability {
        bits: args.bits,
        shots,
        tasks,
        identified: shares.iter().sum::<f64>() / f64::from(tasks),
        worst: worst.map(|(_, share)| *share),
        worst_function: worst.map(|(program, _)| program.to_string()),
        ..Identifiability::default()
    }]
}
