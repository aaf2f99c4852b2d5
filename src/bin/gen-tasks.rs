//! `gen-tasks`: draws the trials of an experiment.

use clap::{Parser, ValueEnum, ValueHint};
use serde_json::json;
use shotline::cli::{self, OutputArgs, Progress, SeedArg, SuggestedValues, parse_shots, warn};
use shotline::encoding::Alphabet;
use shotline::error::{Error, Result};
use shotline::program::{Program, Suite, check_bits, measures};
use shotline::provenance::{Chain, Facts, Step, of_functions};
use shotline::record::{Condition, Design, Extra, Listing, Trial};
use shotline::trial::shard::Shard;
use shotline::trial::{Grid, Replay};
use std::process::ExitCode;

/// Draws trials: demonstrations of a hidden bitstring function, a query, and its target.
///
/// A trial at n shots draws n + 1 different inputs uniformly. The first n are shown with their
/// outputs, the last is the query. A trial depends only on the seed, the width, the function, the shot
/// count and the trial's number. So conditions, alphabets and shards are paired trial by trial.
///
/// Memory does not grow with the number of trials.
#[derive(Parser)]
#[command(name = "gen-tasks", version, after_help = EXAMPLES)]
struct Args {
    /// The functions: `paper` (the 100 of Breslow et al.), `primitives` (30), a file of functions (see
    /// below), or random functions. Random functions all differ, and their `BitLoads` are as even as
    /// possible. `random:COUNT,depth=D,seed=S[,bitload=LO-HI]` draws programs of 1 to D primitives
    /// whose truth tables at this width are not in the paper.
    /// `random-tables:COUNT,k=K,seed=S[,bitload=LO-HI]` draws tables of K bits (1 to 12), uniformly
    /// for each `BitLoad`.
    #[arg(long, default_value = "paper", value_parser = SuggestedValues(&Suite::NAMES),
          hide_possible_values = true, value_hint = ValueHint::AnyPath)]
    suite: String,

    /// A program instead of a suite, such as `flip_bits.reverse_bits` (left to right). Repeatable.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "suite")]
    task: Vec<String>,

    /// Width of the bitstrings, 1..16.
    #[arg(long, default_value_t = 8)]
    bits: u32,

    /// Shot counts: the numbers of demonstrations. 0 is an empty context.
    #[arg(long, value_delimiter = ',', value_parser = parse_shots, default_value = "1,2,4,8,16,32,64,128")]
    shots: Vec<u32>,

    /// Trials per function, shot count and condition.
    #[arg(long, default_value_t = 8)]
    trials: u32,

    /// Clean or deranged demonstrations, or both. Deranged ones have permuted outputs, which destroys the mapping.
    #[arg(long, value_delimiter = ',', default_value = "clean")]
    condition: Vec<Condition>,

    /// independent: every shot count has its own trials (the paper's design). nested: one sequence of
    /// the largest shot count serves all shot counts, at half the tokens; its points are correlated.
    #[arg(long, default_value = "independent")]
    design: Design,

    /// Where a nested sequence is evaluated: at the given shot counts, or at all from 1 to the largest.
    /// All cost no more tokens and make the fitted line more certain.
    #[arg(long, default_value = "given", conflicts_with = "replay")]
    eval_shots: EvalShots,

    #[command(flatten)]
    seed: SeedArg,

    /// Draw only shard I (from 0) of N contiguous parts of the trials. `merge-shards` joins shards, at any
    /// later stage.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,

    /// Instead of drawing trials, print the functions with BitLoad, mean BitDiversity, share of outputs
    /// with all bits equal, and a hash of the truth table.
    #[arg(long)]
    list: bool,

    /// Reproduce the prompts of a published campaign byte for byte. Give --alphabet, --seed, --shots and
    /// --trials of the published cell.
    #[arg(long, value_name = "CAMPAIGN", value_parser = ["breslow2026"], requires = "alphabet",
          conflicts_with_all = ["suite", "task", "bits", "design", "list"])]
    replay: Option<String>,

    /// The alphabet of the replayed campaign: genomic, linguistic, integer or protein. (Other trials get
    /// their alphabet from `encode`.)
    #[arg(long, value_name = "NAME", requires = "replay", value_parser = SuggestedValues(&Alphabet::NAMES),
          hide_possible_values = true)]
    alphabet: Option<String>,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EvalShots {
    /// The shot counts of --shots.
    Given,
    /// 1, 2, 3, ... up to the largest of --shots.
    All,
}

const EXAMPLES: &str = "\
Examples:
  The paper's experiment (6,400 trials), encoded for a genomic model:
    gen-tasks --suite paper --trials 8 | encode --alphabet genomic -o prompts.arrow
  One function at few shots, to look at:
    gen-tasks --task flip_bits.reverse_bits --bits 4 --shots 2 --trials 1
  Sequences that serve all shot counts up to 32 in one pass:
    gen-tasks --design nested --shots 1,2,4,8,16,32 --trials 1 -o trials.arrow
  The same, evaluated after every demonstration (`infer --complete none` is then fastest):
    gen-tasks --design nested --shots 32 --eval-shots all --trials 1 -o trials.arrow
  Both conditions, paired trial by trial; the third of ten shards:
    gen-tasks --condition clean,deranged --shots 2,4,8 --shard 2/10
  A published cell, byte for byte:
    gen-tasks --replay breslow2026 --alphabet genomic --seed 42 --shots 8 --trials 8
  The functions and their complexity:
    gen-tasks --list
  A hundred unpublished functions, as a file to keep:
    gen-tasks --suite random:100,depth=3,seed=1 --list \\
      | tail -n +2 | cut -d, -f1 > mine.txt
  A hundred random tables of BitLoad 2 to 4:
    gen-tasks --suite random-tables:100,k=8,seed=1,bitload=2-4 -o trials.arrow

Files of functions (docs/functions.md) have one function per line; `#` begins a comment. A line is a
program, or NAME = DEFINITION. Names have letters, digits, _ and -, and are not those of primitives:
    flip_bits.rotl1
    twice = rotl1.rotl1
    pascal = rule:90                  one step of a cellular automaton (0 to 255) on a ring
    fill = table:1f                   the outputs 00, 01, 11, 11, as one hexadecimal number
A table of k bits (1 to 12) has k 2^k / 4 digits, all outputs in the order of the inputs, and needs
--bits k. The groups of a function may follow after a tab, separated by commas. Or the file is a CSV
with the columns function, input and output, one row per input. Later filters find the functions in
the records' provenance. If it was lost, give them --suite FILE.";

fn main() -> ExitCode {
    cli::main(option_env!("SHOTLINE_COMMIT"), run)
}

fn run(args: &Args) -> Result<()> {
    let mut step = Step::here("gen-tasks");
    step.seed = Some(args.seed.seed);
    args.output.keep_suite(&args.suite)?;
    if args.list {
        return list(args, &Chain::default().with(step));
    }
    let conditions = &args.condition;
    if (1..conditions.len()).any(|i| conditions[..i].contains(&conditions[i])) {
        return Err(Error::usage("--condition: given twice"));
    }
    if conditions.contains(&Condition::Deranged) && args.shots.iter().any(|&shots| shots < 2) {
        warn(
            "fewer than 2 demonstrations cannot be deranged: at 0 and 1 shots the deranged trials equal the clean ones",
        );
    }
    match &args.alphabet {
        Some(alphabet) => replay(args, alphabet, step),
        None => draw(args, step),
    }
}

/// The settings that determine the trials, besides the seed. They must be the same in every shard.
fn settings(args: &Args, suite: &Suite, shots: &[u32], total: u64) -> Facts {
    let nested = args.design == Design::Nested;
    let mut facts = Shard::settings(args.shard, total, if nested { shots.len() } else { 1 });
    facts.extend(of_functions(suite));
    let conditions: Vec<&str> = args.condition.iter().map(|c| c.word()).collect();
    let own = [
        ("replay", json!(args.replay)),
        ("alphabet", json!(args.alphabet)),
        ("bits", json!(args.bits)),
        ("shots", json!(shots)),
        ("trials", json!(args.trials)),
        ("condition", json!(conditions)),
        ("design", json!(args.design.word())),
    ];
    let own = own.into_iter().filter(|(_, value)| !value.is_null());
    facts.extend(own.map(|(name, value)| (name.to_owned(), value)));
    facts
}

fn suite(args: &Args) -> Result<Suite> {
    check_bits(args.bits)?;
    if args.task.is_empty() {
        Suite::load(&args.suite, Some(args.bits))
    } else {
        Suite::of(args.task.iter().cloned())
    }
}

fn draw(args: &Args, mut step: Step) -> Result<()> {
    let shots = match (args.eval_shots, args.design) {
        (EvalShots::Given, _) => args.shots.clone(),
        (EvalShots::All, Design::Nested) => {
            (1..=args.shots.iter().copied().max().unwrap_or_default()).collect()
        }
        (EvalShots::All, Design::Independent) => {
            return Err(Error::usage(
                "--eval-shots all: only a nested sequence is evaluated at several shot counts; give \
                 --design nested",
            ));
        }
    };
    let grid = Grid {
        suite: suite(args)?,
        bits: args.bits,
        shots,
        trials: args.trials,
        conditions: args.condition.clone(),
        design: args.design,
        seed: args.seed.seed,
    };
    grid.check()?;
    cli::warn_of_equal(&grid.suite, args.bits);
    let total = grid.total();
    let range = args.shard.map_or(0..total, |s| s.range(total));
    step.settings = settings(args, &grid.suite, &grid.shots, total);
    let chain = Chain::default().with(step);
    let mut writer = args.output.records::<Trial>(&[], &chain)?;
    let progress = Progress::new("trials", Some(range.end - range.start), args.output.quiet);
    let none = Extra::default();
    let mut trials = grid.trials(range);
    while let Some(trial) = trials.draw() {
        writer.write(trial, &none)?;
        progress.step();
    }
    progress.finish();
    args.output.finish(writer, &chain)
}

fn replay(args: &Args, alphabet: &str, mut step: Step) -> Result<()> {
    let replay = Replay {
        alphabet: Alphabet::parse(alphabet)?,
        seed: args.seed.seed,
        shots: args.shots.clone(),
        trials: args.trials,
        conditions: args.condition.clone(),
    };
    replay.check()?;
    let suite = Suite::paper()?;
    let total = replay.len(&suite);
    let range = args.shard.map_or(0..total, |s| s.range(total));
    step.settings = settings(args, &suite, &args.shots, total);
    let chain = Chain::default().with(step);
    let mut writer = args.output.records::<Trial>(&[], &chain)?;
    let progress = Progress::new("trials", Some(total), args.output.quiet);
    let mut index = 0;
    replay.trials(&suite, |trial, symbols| {
        progress.step();
        // Every shard has to draw the published random stream from its beginning.
        let wanted = range.contains(&index);
        index += 1;
        if !wanted {
            return Ok(());
        }
        let mut carried = Extra::default();
        carried.put_text("encoding", &replay.alphabet.name);
        carried.put_text("zero", symbols.zero);
        carried.put_text("one", symbols.one);
        if let Some(separator) = symbols.separator {
            carried.put_text("separator", separator);
        }
        writer.write(&trial, &carried)
    })?;
    progress.finish();
    args.output.finish(writer, &chain)
}

fn list(args: &Args, chain: &Chain) -> Result<()> {
    let suite = suite(args)?;
    cli::warn_of_equal(&suite, args.bits);
    let listing = |program: &Program| {
        let measures = measures(program, args.bits);
        Listing {
            function: program.to_string(),
            bitload: measures.bitload,
            bitdiversity: measures.bitdiversity,
            zero_bd: measures.zero_bd,
            table_hash: measures.table_hash,
        }
    };
    let rows: Vec<Listing> = suite.programs().iter().map(listing).collect();
    args.output.write_table(chain, &rows)
}
