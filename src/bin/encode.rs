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
    cli::main("encode", option_env!("SHOTLINE_COMMIT"), run)
}

fn run(args: &Args) -> Result<()> {
    let mut encoders = Encoders::new(args)?;
    if let Some(text) = &args.template
        && Template::parse(text)?.ends_prompts_in_space()
    {
        warn(
            "encode",
            format!(
                "--template {text:?}: prompts end in white space, which tokenizers join to the text after it. Models that \
                 read text may answer differently from models that read symbols"
            ),
        );
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
        let prompt = encoders
            .encode(entry.record, &extra)
            .map_err(|e| e.at(&place))?;
        writer.write(&prompt, &extra)?;
        progress.step();
    }
    progress.finish();
    args.output.finish(writer, &reader.provenance().with(step))
}

/// The encoder by the command line, or by the alphabet that a replayed trial carries.
struct Encoders<'a> {
    args: &'a Args,
    current: Option<Encoder>,
}

impl<'a> Encoders<'a> {
    fn new(args: &'a Args) -> Result<Self> {
        let current = args
            .alphabet
            .as_deref()
            .map(|name| Self::build(args, name))
            .transpose()?;
        Ok(Self { args, current })
    }

    fn build(args: &Args, alphabet: &str) -> Result<Encoder> {
        Encoder::new(
            Alphabet::parse(alphabet)?,
            args.template.as_deref(),
            args.prefix.as_deref(),
        )
    }

    /// The prompt of a trial. A replayed trial carries its symbols among its extra columns.
    fn encode(&mut self, trial: Trial, extra: &Extra) -> Result<Prompt> {
        let carried = carried_symbols(extra).map_err(Error::data)?;
        if let Some(Carried { encoding: name, .. }) = &carried {
            let fits = self.current.as_ref().map(|e| e.alphabet.name == *name);
            match (fits, &self.args.alphabet) {
                (Some(false), Some(asked)) => {
                    return Err(Error::data(format!(
                        "column \"encoding\": the trial carries symbols of {name}, but --alphabet \
                         is {asked}"
                    )));
                }
                (Some(true), _) => {}
                (None | Some(false), _) => self.current = Some(Self::build(self.args, name)?),
            }
        }
        let Some(encoder) = &mut self.current else {
            return Err(Error::usage(
                "--alphabet is missing: genomic, linguistic, integer, protein, characters, or words:WORD,WORD,...",
            ));
        };
        encoder.encode(trial, carried.as_ref().map(Carried::symbols))
    }
}

/// The alphabet and symbols that a replayed trial carries.
struct Carried {
    encoding: String,
    zero: String,
    one: String,
    separator: Option<String>,
}

impl Carried {
    fn symbols(&self) -> Symbols<'_> {
        Symbols {
            zero: &self.zero,
            one: &self.one,
            separator: self.separator.as_deref(),
        }
    }
}

fn carried_symbols(extra: &Extra) -> std::result::Result<Option<Carried>, String> {
    if extra.is_empty() {
        return Ok(None);
    }
    let separator = extra.text("separator")?;
    match (
        extra.text("encoding")?,
        extra.text("zero")?,
        extra.text("one")?,
    ) {
        (Some(encoding), Some(zero), Some(one)) => {
            let carried = Carried {
                encoding,
                zero,
                one,
                separator,
            };
            carried.symbols().check()?;
            Ok(Some(carried))
        }
        (None, None, None) => Ok(None),
        _ => Err(
            "columns \"encoding\", \"zero\", \"one\": a replayed trial has all three".to_owned(),
        ),
    }
}
