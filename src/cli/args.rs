/*!
Arguments that several filters take.
*/

use super::output::{Sink, keep_apart};
use super::{note, program, warn};
use crate::analysis::{CurveCells, Groups};
use crate::compression::{Compression, name_inside};
use crate::error::{Error, Result, counted};
use crate::memory;
use crate::program::Suite;
use crate::provenance::{self, Chain};
use crate::record::{Extra, Format, Record, Writer};
use clap::builder::{NonEmptyStringValueParser, PossibleValue, TypedValueParser};
use clap::{Arg, ArgMatches, Args, Command, ValueHint};
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::path::PathBuf;

/// The input files.
#[derive(Debug, Args)]
pub struct InputArgs {
    /// Files to read, one after the other: JSON lines, Arrow or Parquet (flat tables: CSV, too), as
    /// their first bytes show; all but Parquet also inside gzip or zstd. `-`, or no file, is standard
    /// input.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

impl InputArgs {
    /// The files; refuses to wait for a person to type records, and to write over what is read.
    ///
    /// # Errors
    /// No file is given and standard input is a terminal; a file is one of the outputs, too.
    pub fn paths(&self, outputs: &[PathBuf]) -> Result<&[PathBuf]> {
        if self.files.is_empty() && std::io::stdin().is_terminal() {
            return Err(Error::usage(
                "no input: give a FILE, or pipe records in (see --help)",
            ));
        }
        keep_apart(&self.files, outputs)?;
        Ok(&self.files)
    }
}

/// Where the records go and how.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Write to this file instead of standard output. It appears whole or not at all. A name that ends
    /// in .gz or .zst is compressed (predictions.jsonl.gz).
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// The output's format. Default: by the suffix of the output file (.jsonl, .arrow, .parquet, .csv,
    /// .tsv, .txt; others are refused); else JSON lines, or for flat tables CSV (aligned columns on a
    /// terminal).
    #[arg(long, value_name = "FORMAT")]
    pub to: Option<Format>,

    /// Begin JSON lines with a line that says where the records come from (Arrow and Parquet say
    /// so in their metadata; with -o a FILE.provenance.json is written).
    #[arg(long)]
    pub provenance: bool,

    /// No progress bar, no notes; warnings and errors only.
    #[arg(short, long)]
    pub quiet: bool,
}

impl OutputArgs {
    /// A writer of records, which by default are JSON lines.
    ///
    /// # Errors
    /// The output cannot be created, or the format cannot hold the records.
    pub fn records<T: Record + Clone>(
        &self,
        skip: &'static [&'static str],
        chain: &Chain,
    ) -> Result<Writer<Sink, T>> {
        self.writer(Format::Jsonl, skip, chain)
    }

    /// A writer of a flat table, which by default is CSV, or aligned columns on a terminal.
    ///
    /// # Errors
    /// The output cannot be created, or the format cannot hold the records.
    pub fn table<T: Record + Clone>(&self, chain: &Chain) -> Result<Writer<Sink, T>> {
        let default = if self.is_on_terminal() {
            Format::Table
        } else {
            Format::Csv
        };
        self.writer(default, &[], chain)
    }

    /// Writes a whole flat table.
    ///
    /// # Errors
    /// The output cannot be created or written.
    pub fn write_table<T: Record + Clone>(&self, chain: &Chain, rows: &[T]) -> Result<()> {
        let mut writer = self.table::<T>(chain)?;
        for row in rows {
            writer.write(row, &Extra::default())?;
        }
        self.finish(writer, chain)
    }

    fn writer<T: Record + Clone>(
        &self,
        default: Format,
        skip: &'static [&'static str],
        chain: &Chain,
    ) -> Result<Writer<Sink, T>> {
        let file = self.file();
        let terminal = self.is_on_terminal();
        let format = self.format()?.unwrap_or(default);
        if terminal && matches!(format, Format::Arrow | Format::Parquet) {
            return Err(Error::usage(
                "binary output on a terminal: redirect it, or use -o FILE",
            ));
        }
        if let Some(packed) = file.filter(|f| Compression::of_suffix(f).is_some())
            && format == Format::Parquet
        {
            return Err(Error::usage(format!(
                "-o {}: Parquet compresses itself; name it {}",
                packed.display(),
                name_inside(packed).display()
            )));
        }
        let sink = Sink::create(file.map(PathBuf::as_path))?;
        let place = file.map_or_else(|| "stdout".to_owned(), |f| f.display().to_string());
        let mut writer = Writer::new(sink, &place, format, skip, chain)?;
        if terminal && let Ok(size) = rustix::termios::tcgetwinsize(std::io::stdout()) {
            writer.fit(Some(usize::from(size.ws_col)).filter(|&width| width > 0));
        }
        if self.provenance {
            writer.write_provenance(chain)?;
        }
        Ok(writer)
    }

    /// Finishes the output: only now does a file have its name.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn finish<T: Record + Clone>(&self, writer: Writer<Sink, T>, chain: &Chain) -> Result<()> {
        writer.finish()?.commit()?;
        if let Some(file) = self.file().filter(|f| f.is_file()) {
            Sink::write_file(&provenance::beside(file), chain.to_json().as_bytes())?;
        }
        Ok(())
    }

    /// The format that is asked for: by `--to`, or by the suffix of the output file.
    fn format(&self) -> Result<Option<Format>> {
        let Some(file) = self.file().filter(|_| self.to.is_none()) else {
            return Ok(self.to);
        };
        let format = Format::of_suffix(file);
        if format.is_none() && name_inside(file).extension().is_some() {
            return Err(Error::usage(format!(
                "-o {}: expected .jsonl, .arrow, .parquet, .csv, .tsv or .txt (or --to FORMAT, under any name)",
                file.display()
            )));
        }
        Ok(format)
    }

    /// The output as a list, for [`InputArgs::paths`]; a mistake in its name is found before any work.
    ///
    /// # Errors
    /// A suffix of no format.
    pub fn files(&self) -> Result<&[PathBuf]> {
        self.format()?;
        Ok(self.output.as_slice())
    }

    /// Refuses an output that is the suite's file.
    ///
    /// # Errors
    /// It is.
    pub fn keep_suite(&self, suite: &str) -> Result<()> {
        match Suite::file(suite) {
            Some(file) => keep_apart(&[file.to_owned()], self.files()?),
            None => Ok(()),
        }
    }

    fn is_on_terminal(&self) -> bool {
        self.file().is_none() && std::io::stdout().is_terminal()
    }

    /// The output file, if it isn't standard output.
    #[must_use]
    pub fn file(&self) -> Option<&PathBuf> {
        self.output.as_ref().filter(|f| f.as_os_str() != "-")
    }
}

/// The groups of functions.
#[derive(Debug, Args)]
pub struct GroupArgs {
    /// --by group: `primitives` (rotations, shifts, masks and so on: functions that have such a primitive), or a CSV file
    /// of columns function and group. A function may be in several groups: their rows then overlap. [default: those that
    /// the suite names, or else primitives]
    #[arg(long, value_name = "primitives|FILE", value_parser = SuggestedValues(&[Groups::PRIMITIVES]),
          hide_possible_values = true, value_hint = ValueHint::AnyPath)]
    groups: Option<String>,
}

impl GroupArgs {
    /// The curves as they are, or by group.
    ///
    /// # Errors
    /// Groups are given, and not asked for; those of [`Groups`]; an output that is their file.
    pub fn split(
        &self,
        by_group: bool,
        curves: Vec<CurveCells>,
        suite: &Suite,
        output: &OutputArgs,
    ) -> Result<Vec<CurveCells>> {
        if !by_group {
            return match &self.groups {
                Some(groups) => Err(Error::usage(format!("--groups {groups}: needs --by group"))),
                None => Ok(curves),
            };
        }
        let name = self.groups.as_deref();
        if let Some(file) = name.filter(|name| *name != Groups::PRIMITIVES) {
            keep_apart(&[PathBuf::from(file)], output.files()?)?;
        }
        let functions = curves.iter().flat_map(CurveCells::functions).collect();
        let groups = Groups::load(name, suite, &functions)?;
        let absent = groups.absent(&functions);
        if let Some(first) = absent.first() {
            let functions = counted(absent.len(), "function");
            let name = name.unwrap_or("the suite's groups");
            warn(
                program(),
                format!("{name}: {functions} without predictions, {first} first"),
            );
        }
        groups.split(&curves)
    }
}

/// The functions that records are of.
#[derive(Debug, Args)]
pub struct SuiteArg {
    /// The functions that may be behind the demonstrations: `paper`, `primitives`, `random:...`,
    /// `random-tables:...` or a file (see gen-tasks). Default: those of your own from which the
    /// input was drawn, if its provenance has any; else `paper`.
    #[arg(long, value_parser = SuggestedValues(&Suite::NAMES), hide_possible_values = true, value_hint = ValueHint::AnyPath)]
    suite: Option<String>,
}

impl SuiteArg {
    /// Refuses an output that is the suite's file.
    ///
    /// # Errors
    /// It is.
    pub fn keep_from(&self, output: &OutputArgs) -> Result<()> {
        self.suite
            .iter()
            .try_for_each(|name| output.keep_suite(name))
    }

    /// The suite that is given, or that records of this provenance are of. `bits` as in [`Suite::load`].
    ///
    /// # Errors
    /// A suite that cannot be had, or is another than the one in the provenance.
    pub fn load(&self, chain: &Chain, bits: Option<u32>) -> Result<Suite> {
        let drawn = chain.suite()?;
        let Some(name) = &self.suite else {
            return drawn.map_or_else(Suite::paper, Ok);
        };
        let given = Suite::load(name, bits)?;
        match drawn.map(|suite| suite.sha256()) {
            Some(drawn) if drawn != given.sha256() => Err(Error::data(format!(
                "--suite {name}: SHA-256 {} of its functions, but the input was drawn from {drawn}; it has them itself",
                given.sha256()
            ))),
            _ => Ok(given),
        }
    }
}

/// The seed of a filter's chance.
#[derive(Debug, Args)]
pub struct SeedArg {
    /// Seed of all chance. The same seed gives the same numbers on any machine.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    pub seed: i64,
}

/// The number of threads.
#[derive(Debug, Args)]
pub struct ThreadArgs {
    /// Threads to use, at most one per core; 0 is one per core. No result depends on it.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
}

impl ThreadArgs {
    /// Sets rayon's global pool up.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn install(&self, quiet: bool) -> Result<()> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.count(quiet))
            .build_global()
            .map_err(|e| Error::usage(format!("--threads {}: {e}", self.threads)))
    }

    /// The number of threads meant. More than there are cores would wait for each other; unless `quiet`, a line says so.
    #[must_use]
    pub fn count(&self, quiet: bool) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if self.threads > cores && !quiet {
            let asked = self.threads;
            note(
                program(),
                format!("--threads {asked}: {cores}, as many as there are cores"),
            );
        }
        match self.threads {
            0 => cores,
            n => n.min(cores),
        }
    }
}

/// Any text but none, for which shells offer these words.
#[derive(Debug, Clone, Copy)]
pub struct SuggestedValues(pub &'static [&'static str]);

impl TypedValueParser for SuggestedValues {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> std::result::Result<String, clap::Error> {
        NonEmptyStringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(PossibleValue::new)))
    }
}

const MAX_MEMORY: &str = "max-memory";

/// A filter with the limit of its memory, which no filter looks at and no result depends on.
pub(super) fn with_memory(command: Command) -> Command {
    command.arg(
        Arg::new(MAX_MEMORY)
            .long(MAX_MEMORY)
            .value_name("SIZE")
            .value_parser(parse_size)
            .global(true)
            .help(
                "The most memory that this filter takes for itself, as 640M or 16G; ONNX Runtime's is not in it. \
                 Default: four fifths of what machine and control group have left at the start",
            ),
    )
}

/// The limit, in bytes.
pub(super) fn max_memory(matches: &ArgMatches) -> u64 {
    let own = matches.subcommand().map_or(matches, |(_, own)| own);
    own.get_one(MAX_MEMORY)
        .copied()
        .unwrap_or_else(|| memory::available().map_or(u64::MAX, |available| available / 5 * 4))
}

/// A size in bytes: `640M`.
fn parse_size(text: &str) -> std::result::Result<u64, String> {
    /// No filter does with less.
    const LEAST: u64 = 1 << 20;
    let upper = text.to_ascii_uppercase();
    let (number, shift) = [('K', 10), ('M', 20), ('G', 30)]
        .iter()
        .find_map(|(unit, shift)| Some((upper.strip_suffix(*unit)?, *shift)))
        .unwrap_or((&upper, 0));
    let size = number
        .parse()
        .ok()
        .and_then(|n: u64| n.checked_mul(1 << shift));
    size.filter(|&size| size >= LEAST)
        .ok_or_else(|| format!("expected a size of at least 1M, as 640M or 16G; found {text:?}"))
}

/// A list of shot counts: `1,2,4,8`.
///
/// # Errors
/// Something that is no shot count.
pub fn parse_shots(text: &str) -> std::result::Result<u32, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("expected shot counts, as 1,2,4,8; found {text:?}"))
}
