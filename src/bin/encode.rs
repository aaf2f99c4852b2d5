//! `encode`: turns trials into prompts in the symbols of a modality.

use clap::Parser;
use shotline::cli::{self, InputArgs, OutputArgs, Progress, SuggestedValues, warn};
use shotline::encoding::{Alphabet, Encoder, Template};
use shotline::error::{Error, Result};
use shotline::provenance::Step;
use shotline::record::{Extra, Prompt, Reader, Trial};
use shotline::symbols::Symbols;
use std::process::ExitCode;

/// Turns trials into prompts in the symbols of a modality. A prompt ends where the answer begins.
///
/// Every trial draws its own symbols from the alphabet for bit 0, bit 1 and the separator. So no
/// symbol has a meaning before the demonstrations. The same trial gets the same symbols in every
/// condition and shard. Replayed trials keep the symbols that they carry.
///
/// Memory does not grow with the number of trials.
#[derive(Parser)]
#[command(name = "encode", version, after_help = EXAMPLES)]
struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// genomic (ACGT), linguistic (digits), integer (1-9 and commas), protein (20 amino acids), or
    /// the characters themselves, such as `01#` (`chars:dna` if they look like a name). For models with
    /// longer tokens: words, each of one token, as words:AAAAAA,CCCCCC,GGGGGG or words:FILE. Replayed
    /// trials carry their own.
    #[arg(long, value_name = "NAME|CHARS|words:WORDS", value_parser = SuggestedValues(&Alphabet::NAMES), hide_possible_values = true)]
    alphabet: Option<String>,

    /// The form of one example: {x} (input), {y} (output), {sep} and other characters; \n is a line
    /// break, \t a tab, \\ a backslash. Default: the alphabet's, mostly {x}{y}{sep} (the paper's).
    #[arg(long)]
    template: Option<String>,

    /// Text before the first example, with the escapes \n, \t and \\. Default: the alphabet's ("1" for
    /// protein, else none).
    #[arg(long)]
    prefix: Option<String>,

    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  The paper's format for Evo2, symbols from ACGT:
    gen-tasks | encode --alphabet genomic -o prompts.arrow
  Lines such as 47744774>77447744, symbols from the digits:
    gen-tasks --design nested | encode --alphabet linguistic --template '{x}>{y}\\n'
  Look at one prompt:
    gen-tasks --task identity --shots 2 --trials 1 | encode --alphabet 01# | jq -r .prompt";

fn main() -> ExitCode {
    cli::main(option_env!("SHOTLINE_COMMIT"), run)
}

fn run(args: &Args) -> Result<()> {
    let given = args.alphabet.as_deref();
    let mut encoder = given.map(|name| build(args, name)).transpose()?;
    if let Some(text) = &args.template
        && Template::parse(text)?.ends_prompts_in_space()
    {
        warn(format!(
            "--template {text:?}: prompts end in white space, which tokenizers join to the text after it. Models that \
                 read text may answer differently from models that read symbols"
        ));
    }
    let mut reader = Reader::<Trial>::open(args.input.paths(args.output.files()?)?, true)?;
    let mut step = Step::here("encode");
    for (name, asked) in [
        ("alphabet", &args.alphabet),
        ("template", &args.template),
        ("prefix", &args.prefix),
    ] {
        if let Some(asked) = asked {
            step.settings.insert(name.to_owned(), asked.as_str().into());
        }
    }
    let chain = reader.provenance().with(step.clone());
    let mut writer = args.output.records::<Prompt>(&[], &chain)?;
    let progress = Progress::new("prompts", reader.total(), args.output.quiet);
    while let Some(entry) = reader.read()? {
        let (place, extra) = (entry.place, entry.extra);
        let prompt = encode(args, &mut encoder, entry.record, &extra).map_err(|e| e.at(&place))?;
        writer.write(&prompt, &extra)?;
        progress.step();
    }
    progress.finish();
    args.output.finish(writer, &reader.provenance().with(step))
}

fn build(args: &Args, alphabet: &str) -> Result<Encoder> {
    Encoder::new(
        Alphabet::parse(alphabet)?,
        args.template.as_deref(),
        args.prefix.as_deref(),
    )
}

/// The prompt of a trial. A replayed trial carries its alphabet and symbols among its extra columns; its encoder takes
/// the place of `current`.
fn encode(
    args: &Args,
    current: &mut Option<Encoder>,
    trial: Trial,
    extra: &Extra,
) -> Result<Prompt> {
    let text = |name| extra.text(name).map_err(Error::data);
    let (name, separator) = (text("encoding")?, text("separator")?);
    let (zero, one) = (text("zero")?, text("one")?);
    let symbols = match (&name, &zero, &one) {
        (Some(_), Some(zero), Some(one)) => Some(Symbols {
            zero,
            one,
            separator: separator.as_deref(),
        }),
        (None, None, None) => None,
        _ => {
            return Err(Error::data(
                "columns \"encoding\", \"zero\", \"one\": a replayed trial has all three",
            ));
        }
    };
    symbols
        .map_or(Ok(()), Symbols::check)
        .map_err(Error::data)?;
    if let Some(name) = &name
        && !matches!(current, Some(encoder) if encoder.alphabet.name == *name)
    {
        if let Some(asked) = &args.alphabet {
            return Err(Error::data(format!(
                "column \"encoding\": the trial carries symbols of {name}, but --alphabet is {asked}"
            )));
        }
        *current = Some(build(args, name)?);
    }
    let Some(encoder) = current else {
        return Err(Error::usage(
            "--alphabet is missing: genomic, linguistic, integer, protein, characters, or words:WORD,WORD,...",
        ));
    };
    encoder.encode(trial, symbols)
}
