/*!
Arguments that several filters take.
*/

use super::output::{Sink, keep_apart};
use super::{note, warn};
use crate::analysis::{CurveCells, Groups};
use crate::compression::{Compression, name_inside};
use crate::error::{Error, Result, counted};
use crate::memory;
use crate::program::Suite;
use crate::provenance::{self, Chain};
use crate::record::{Extra, Format, Record, Writer};
use crate::terminal::{Brief, aligned};
use clap::builder::{NonEmptyStringValueParser, PossibleValue, TypedValueParser};
use clap::{Arg, ArgMatches, Args, Command, ValueHint};
use std::ffi::OsStr;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;

/// The input files.
#[derive(Debug, Args)]
pub struct InputArgs {
    /// Input files: JSON lines, Arrow or Parquet, and CSV for flat tables. Their first bytes show the format. All but
    /// Parquet may be compressed by gzip or zstd. `-`, or no file, is standard input.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

impl InputArgs {
    /// The input files.
    ///
    /// # Errors
    /// No file is given and standard input is a terminal, or an input is also an output.
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

/// Where and how the records are written.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Write to this file instead of standard output. It appears whole or not at all. It is compressed if its name ends
    /// in .gz or .zst (predictions.jsonl.gz).
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Output format. Default: by the suffix of the output file (.jsonl, .arrow, .parquet, .csv, .tsv, .txt; others are
    /// refused). On standard output: JSON lines; for flat tables CSV, or aligned columns on a terminal.
    #[arg(long, value_name = "FORMAT")]
    pub to: Option<Format>,

    /// Write the provenance as the first JSON line. (Arrow and Parquet always have it in their metadata, and -o writes
    /// it to FILE.provenance.json.)
    #[arg(long)]
    pub provenance: bool,

    /// No progress bar, no notes; warnings and errors only.
    #[arg(short, long)]
    pub quiet: bool,
}

impl OutputArgs {
    /// A writer of records, by default as JSON lines.
    ///
    /// # Errors
    /// The output cannot be created, or the format cannot hold the records.
    pub fn records<T: Record>(
        &self,
        skip: &'static [&'static str],
        chain: &Chain,
    ) -> Result<Writer<Sink, T>> {
        self.writer(self.format()?.unwrap_or(Format::Jsonl), skip, chain)
    }

    /// Writes a flat table, by default as CSV, or as aligned columns on a terminal.
    ///
    /// # Errors
    /// The output cannot be created or written.
    pub fn write_table<T: Record>(&self, chain: &Chain, rows: &[T]) -> Result<()> {
        let default = if self.is_on_terminal() {
            Format::Table
        } else {
            Format::Csv
        };
        let format = self.format()?.unwrap_or(default);
        if format == Format::Table {
            let size = rustix::termios::tcgetwinsize(std::io::stdout());
            let width = size.map_or(0, |size| usize::from(size.ws_col));
            let width = Some(width).filter(|&width| width > 0 && self.is_on_terminal());
            let mut sink = self.sink(format)?;
            sink.write_all(aligned(Brief::of(rows), width).as_bytes())
                .map_err(|e| Error::io(self.place(), e))?;
            return self.commit(sink, chain);
        }
        let mut writer = self.writer(format, &[], chain)?;
        for row in rows {
            writer.write(row, &Extra::default())?;
        }
        self.finish(writer, chain)
    }

    fn writer<T: Record>(
        &self,
        format: Format,
        skip: &'static [&'static str],
        chain: &Chain,
    ) -> Result<Writer<Sink, T>> {
        let mut writer = Writer::new(self.sink(format)?, &self.place(), format, skip, chain)?;
        if self.provenance {
            writer.write_provenance(chain)?;
        }
        Ok(writer)
    }

    /// The output's name in messages.
    fn place(&self) -> String {
        let file = self.file().map(|file| file.display().to_string());
        file.unwrap_or_else(|| "stdout".to_owned())
    }

    fn sink(&self, format: Format) -> Result<Sink> {
        let file = self.file();
        if self.is_on_terminal() && matches!(format, Format::Arrow | Format::Parquet) {
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
        Sink::create(file.map(PathBuf::as_path))
    }

    /// Finishes the output. Only now a file gets its name.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn finish<T: Record>(&self, writer: Writer<Sink, T>, chain: &Chain) -> Result<()> {
        self.commit(writer.finish()?, chain)
    }

    fn commit(&self, sink: Sink, chain: &Chain) -> Result<()> {
        sink.commit()?;
        if let Some(file) = self.file().filter(|f| f.is_file()) {
            Sink::write_file(&provenance::beside(file), chain.to_json().as_bytes())?;
        }
        Ok(())
    }

    /// The format by `--to`, or by the suffix of the output file.
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

    /// The output as a list, for [`InputArgs::paths`]. So a wrong suffix is found before any work.
    ///
    /// # Errors
    /// The suffix is unknown.
    pub fn files(&self) -> Result<&[PathBuf]> {
        self.format()?;
        Ok(self.output.as_slice())
    }

    /// Checks that the output is not the suite's file.
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

    /// The output file, if it is not standard output.
    #[must_use]
    pub fn file(&self) -> Option<&PathBuf> {
        self.output.as_ref().filter(|f| f.as_os_str() != "-")
    }
}

/// The groups of functions.
#[derive(Debug, Args)]
pub struct GroupArgs {
    /// --by group: `primitives` (functions with a rotation, a shift, a mask and so on), or a CSV file with the columns
    /// function and group. A function may be in several groups; their rows then overlap. [default: the suite's groups,
    /// or else primitives]
    #[arg(long, value_name = "primitives|FILE", value_parser = SuggestedValues(&[Groups::PRIMITIVES]),
          hide_possible_values = true, value_hint = ValueHint::AnyPath)]
    groups: Option<String>,
}

impl GroupArgs {
    /// The curves, split by group if `by_group`.
    ///
    /// # Errors
    /// --groups is given without `by_group`; the errors of [`Groups`]; the output is the file of groups.
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
            warn(format!(
                "{name}: {functions} without predictions, {first} first"
            ));
        }
        groups.split(&curves)
    }
}

/// The suite of the records' functions.
#[derive(Debug, Args)]
pub struct SuiteArg {
    /// The suite of the input's functions: `paper`, `primitives`, `random:...`, `random-tables:...` or a file (see
    /// gen-tasks). Default: your own functions in the input's provenance, if it has any; else `paper`.
    #[arg(long, value_parser = SuggestedValues(&Suite::NAMES), hide_possible_values = true, value_hint = ValueHint::AnyPath)]
    suite: Option<String>,
}

impl SuiteArg {
    /// Checks that the output is not the suite's file.
    ///
    /// # Errors
    /// It is.
    pub fn keep_from(&self, output: &OutputArgs) -> Result<()> {
        self.suite
            .iter()
            .try_for_each(|name| output.keep_suite(name))
    }

    /// The given suite, or the one in the provenance. `bits` as in [`Suite::load`].
    ///
    /// # Errors
    /// The suite cannot be loaded, or is not the one in the provenance.
    pub fn load(&self, chain: &Chain, bits: Option<u32>) -> Result<Suite> {
        let drawn = chain.suite()?;
        let Some(name) = &self.suite else {
            return drawn.map_or_else(Suite::paper, Ok);
        };
        let given = Suite::load(name, bits)?;
        match drawn.map(|suite| suite.sha256()) {
            Some(drawn) if drawn != given.sha256() => Err(Error::data(format!(
                "--suite {name}: its functions have SHA-256 {}, but the input was drawn from {drawn}, which its provenance \
                 has: leave --suite out",
                given.sha256()
            ))),
            _ => Ok(given),
        }
    }
}

/// The seed of a filter.
#[derive(Debug, Args)]
pub struct SeedArg {
    /// Seed of all random draws. The same seed gives the same numbers on every machine.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    pub seed: i64,
}

/// The number of threads.
#[derive(Debug, Args)]
pub struct ThreadArgs {
    /// Number of threads, at most one per core; 0 is one per core. Results do not depend on it.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
}

impl ThreadArgs {
    /// Sets up rayon's global pool.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn install(&self, quiet: bool) -> Result<()> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.count(quiet))
            .build_global()
            .map_err(|e| Error::usage(format!("--threads {}: {e}", self.threads)))
    }

    /// The number of threads, at most one per core: more would wait for each other. Unless `quiet`, a note says so.
    #[must_use]
    pub fn count(&self, quiet: bool) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if self.threads > cores && !quiet {
            let asked = self.threads;
            note(format!(
                "--threads {asked}: {cores}, as many as there are cores"
            ));
        }
        match self.threads {
            0 => cores,
            n => n.min(cores),
        }
    }
}

/// Any text that is not empty. Shells suggest these words.
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

/// Adds --max-memory, which [`super::main`] reads for all filters.
pub(super) fn with_memory(command: Command) -> Command {
    command.arg(
        Arg::new(MAX_MEMORY)
            .long(MAX_MEMORY)
            .value_name("SIZE")
            .value_parser(parse_size)
            .global(true)
            .help(
                "Memory limit of this filter, for example 640M or 16G; ONNX Runtime's memory does not count. Default: four \
                 fifths of the memory that machine and control group have left at the start",
            ),
    )
}

/// The memory limit, in bytes.
pub(super) fn max_memory(matches: &ArgMatches) -> u64 {
    let own = matches.subcommand().map_or(matches, |(_, own)| own);
    own.get_one(MAX_MEMORY)
        .copied()
        .unwrap_or_else(|| memory::available().map_or(u64::MAX, |available| available / 5 * 4))
}

/// Parses a size in bytes, such as `640M`.
fn parse_size(text: &str) -> std::result::Result<u64, String> {
    /// No filter works with less.
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
    size.filter(|&size| size >= LEAST).ok_or_else(|| {
        format!("expected a size of at least 1M, such as 640M or 16G; found {text:?}")
    })
}

/// Parses one of a list of shot counts, such as `1,2,4,8`.
///
/// # Errors
/// The text is not a shot count.
pub fn parse_shots(text: &str) -> std::result::Result<u32, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("expected shot counts such as 1,2,4,8; found {text:?}"))
}
