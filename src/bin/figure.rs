//! `figure`: pictures of results.

use clap::{Args as ClapArgs, Parser, Subcommand};
use shotline::analysis::Family;
use shotline::cli::{self, InputArgs, Sink, warn};
use shotline::digest;
use shotline::error::{Error, Result};
use shotline::provenance::Step;
use shotline::record::Reader;
use shotline::report::figures::{self, Findings, Sort};
use shotline::report::{Drawing, html, svg_to_png};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Draws results as SVG and PNG. Fonts are embedded: a picture is the same on every machine.
///
/// Colours are told apart by all kinds of colour vision; markers, dashes and hatching tell series apart in grey print.
#[derive(Parser)]
#[command(name = "figure", version, after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    figure: Figure,
}

#[derive(Subcommand)]
enum Figure {
    /// Accuracy against shots, with error bars and log-linear fits, over the baselines.
    #[command(after_help = "\
Examples:
  Scores of models and baselines in one picture, for a paper and for a slide:
    figure curve scores.csv -o curve.svg -o curve.png
  One journal column wide, several files:
    figure curve evo2.csv qwen3.csv -o curve.svg --width-mm 89 --height-mm 70
  Beside the published curves of a family:
    figure curve scores.csv --published Qwen3 -o curve.svg
Models of modality `baseline` are drawn grey. Where no builtin:mode is among them, the mode baseline
of the scores' own columns is added. Bars are 95 % intervals.")]
    Curve {
        #[command(flatten)]
        picture: PictureArgs,
        #[command(flatten)]
        line: LineArgs,
        /// Lay published curves (arXiv 2609.14011, 128 trials a function) over one's own: models, families or
        /// modalities, as `evo2,Qwen3-8B-Base`.
        #[arg(long, value_name = "NAMES", value_delimiter = ',')]
        published: Vec<String>,
    },
    /// Accuracy against shots, one panel a family of models.
    #[command(after_help = "\
Examples:
  One panel a family:
    score evo2.parquet qwen3.parquet | figure families -o families.svg
  Families whose names do not say so:
    figure families scores.csv --family ProGen2=ProGen2 --family ImageGPT=imagegpt -o families.svg")]
    Families {
        #[command(flatten)]
        picture: PictureArgs,
        #[command(flatten)]
        line: LineArgs,
        #[command(flatten)]
        family: FamilyArgs,
    },
    /// Accuracy at one shot count, or the gap, against parameters. Reads scores, or contrasts.
    #[command(after_help = "\
Examples:
  At the largest shot count that all models have, and at 16 shots:
    figure size scores.csv -o size.svg
    figure size scores.csv --shots 16 -o size-16.svg
  The gap, clean less deranged, at each model's largest shot count:
    figure size contrasts.csv -o gap-size.svg
Models need a number of parameters (column params): the model folder's card has it, or `infer --params`.")]
    Size {
        #[command(flatten)]
        picture: PictureArgs,
        #[command(flatten)]
        family: FamilyArgs,
        /// The shot count. Default: the largest that all models have; of gaps, each model's largest.
        #[arg(long)]
        shots: Option<u32>,
    },
    /// Both coefficients of the log-linear fit against parameters. Reads fits.
    #[command(after_help = "\
Examples:
  Accuracy at one shot and slope, by parameters:
    fit-loglinear predictions.parquet | figure coefficients -o coefficients.svg
Models need a number of parameters (column params): the model folder's card has it, or `infer --params`.")]
    Coefficients {
        #[command(flatten)]
        picture: PictureArgs,
        #[command(flatten)]
        family: FamilyArgs,
    },
    /// The shapes that curves could have through their points, residuals beside. Reads shapes and scores.
    #[command(after_help = "\
Examples:
  Is it a line in ln(shots)?
    score predictions.parquet -o scores.csv
    fit-loglinear --shape predictions.parquet -o shapes.csv
    figure shapes shapes.csv scores.csv -o shapes.svg
  Two of the shapes only:
    grep -E ',(shape|log|logistic),' shapes.csv > two.csv
    figure shapes two.csv scores.csv -o two.svg")]
    Shapes(PictureArgs),
    /// Accuracy by `BitLoad`, one panel a model. Reads scores by `BitLoad`.
    #[command(
        name = "bitload",
        after_help = "\
Examples:
  How accuracy falls with the number of input bits that matter:
    score --by bitload predictions.parquet | figure bitload -o bitload.svg"
    )]
    BitLoad(PictureArgs),
    /// Accuracy by mean `BitDiversity`, one panel a model. Reads scores by `BitDiversity`.
    #[command(
        name = "bitdiversity",
        after_help = "\
Examples:
  Accuracy by the mean number of minority bits of a function's outputs:
    score --by bitdiversity predictions.parquet | figure bitdiversity -o bitdiversity.svg"
    )]
    BitDiversity(PictureArgs),
    /// Answers, targets and correct answers whose bits are all equal, one panel a model.
    #[command(after_help = "\
Examples:
  Is a model right only where all bits of the answer are equal?
    score predictions.parquet | figure zero-bd -o zero-bd.svg")]
    ZeroBd(PictureArgs),
    /// Wrong answers that another function, true to all demonstrations, would give, against shots.
    #[command(after_help = "\
Examples:
  How soon do the demonstrations rule the other functions out?
    score predictions.parquet | figure understandable -o understandable.svg
Needs predictions with their demonstrations (`infer` without --slim), clean ones.")]
    Understandable(PictureArgs),
    /// What wrong answers are like, as stacked bars, one panel a model. Reads `score --errors`.
    #[command(after_help = "\
Examples:
  What does a model do instead?
    score --errors predictions.parquet | figure errors -o errors.svg
An answer that is of several kinds is counted under the first that fits; the shares of each kind by itself, and what
chance would give, are in the table.")]
    Errors(PictureArgs),
    /// Accuracy with clean and with deranged demonstrations, one panel a model, and the gaps. Reads contrasts.
    #[command(after_help = "\
Examples:
  Does the mapping matter, or only what outputs look like?
    contrast clean.parquet deranged.parquet | figure contrast -o contrast.svg")]
    Contrast(PictureArgs),
    /// How alike models' profiles of gaps are: Spearman correlations as a heat map. Reads `contrast --profiles`.
    #[command(after_help = "\
Examples:
  Do models learn the same functions?
    contrast --profiles clean.parquet deranged.parquet | figure similarity -o similarity.svg
A star marks correlations above 0 at p < .05 after Holm's correction over the pairs.")]
    Similarity(PictureArgs),
    /// The gap of every function, one row each. Reads `contrast --by task`.
    #[command(after_help = "\
Examples:
  Which functions are learnt? All 100 on one page:
    contrast --by task clean.parquet deranged.parquet | figure tasks -o tasks.svg")]
    Tasks(PictureArgs),
    /// Accuracy, slope or gap of groups of functions, one row each. Reads scores, fits or contrasts by group.
    #[command(after_help = "\
Examples:
  Which kinds of functions are learnt, and which from more examples?
    contrast --by group both.parquet | figure groups -o gaps.svg
    fit-loglinear --by group predictions.parquet | figure groups -o slopes.svg")]
    Groups(PictureArgs),
    /// One page of HTML with every figure that the results allow, their tables and how they were made.
    ///
    /// Reads any results: scores (by cell, task, BitLoad, BitDiversity, group), fits, contrasts, similarities. The page
    /// needs no network and holds nothing but itself: figures are inline SVG, tables sort by a press on a heading. A press
    /// on a series or its label hides it in all figures, one on the label shows it again; a point is named with its
    /// interval under the pointer, and by the arrow keys from its label; a table's row lights up the curves of its model.
    /// Where a file has a FILE.provenance.json beside it, or its provenance inside (Arrow, Parquet), the page shows the
    /// commands behind it.
    #[command(after_help = "\
Examples:
  Everything about one run:
    score predictions.parquet -o scores.csv
    score --by task predictions.parquet -o tasks.csv
    fit-loglinear predictions.parquet -o fits.csv
    figure report scores.csv tasks.csv fits.csv -o report.html
  Its figures as files, too:
    figure report scores.csv fits.csv --figures figures/ -o report.html
For a list of models `make reproduce` does all of it.")]
    Report(ReportArgs),
}

/// What every picture has.
#[derive(ClapArgs)]
struct PictureArgs {
    #[command(flatten)]
    input: InputArgs,

    /// The picture: .svg or .png. Repeatable.
    #[arg(short, long, value_name = "FILE", required = true)]
    output: Vec<PathBuf>,

    /// A title above the plot.
    #[arg(long)]
    title: Option<String>,

    /// Width in millimetres: 89 is one journal column, 183 are two. Default: as the figure needs.
    #[arg(long, value_name = "MM")]
    width_mm: Option<f64>,

    /// Height in millimetres. Default: as the figure needs.
    #[arg(long, value_name = "MM")]
    height_mm: Option<f64>,

    /// Pixels per inch of a PNG.
    #[arg(long, default_value_t = 300.0)]
    dpi: f64,

    /// Let axes of shares, such as accuracy, reach at least this far, so that several figures share them.
    #[arg(long, value_name = "SHARE")]
    y_max: Option<f64>,
}

#[derive(ClapArgs)]
struct ReportArgs {
    #[command(flatten)]
    input: InputArgs,

    /// The page: .html.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Its title.
    #[arg(long, default_value = "In-context learning of bitstring functions")]
    title: String,

    /// Write every figure into this folder, too, as SVG and PNG.
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,

    /// Pixels per inch of a PNG.
    #[arg(long, default_value_t = 300.0)]
    dpi: f64,

    /// Lay published curves (arXiv 2609.14011) over one's own: models, families or modalities.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    published: Vec<String>,

    #[command(flatten)]
    family: FamilyArgs,
}

#[derive(ClapArgs)]
struct LineArgs {
    /// Join the points instead of fitting a line through them.
    #[arg(long)]
    no_fit: bool,
}

#[derive(ClapArgs)]
struct FamilyArgs {
    /// Models whose names begin with PREFIX are the family NAME. Repeatable. The others belong to the family that their
    /// name says before its size: `Qwen3` of `Qwen3-0.6B-Base`.
    #[arg(long, value_name = "NAME=PREFIX")]
    family: Vec<Family>,
}

const EXAMPLES: &str = "\
Examples:
  Scores of models and baselines in one picture, for a paper and for a slide:
    figure curve scores.csv -o curve.svg -o curve.png
  Which inputs a figure needs is said by its own help, and by its errors:
    figure coefficients --help";

fn main() -> ExitCode {
    cli::main(option_env!("SHOTLINE_COMMIT"), run)
}

fn run(args: &Args) -> Result<()> {
    match &args.figure {
        Figure::Curve {
            picture,
            line,
            published,
        } => {
            let published = figures::published(published)?;
            picture.draw(&[Sort::Cell], |findings| {
                figures::curve(findings, !line.no_fit, &published)
            })
        }
        Figure::Families {
            picture,
            line,
            family,
        } => picture.draw(&[Sort::Cell], |findings| {
            figures::families(findings, !line.no_fit, &family.family)
        }),
        Figure::Size {
            picture,
            family,
            shots,
        } => picture.draw(&[Sort::Cell, Sort::Contrast], |findings| {
            figures::size(findings, *shots, &family.family)
        }),
        Figure::Coefficients { picture, family } => picture.draw(&[Sort::Fit], |findings| {
            figures::coefficients(findings, &family.family)
        }),
        Figure::Shapes(picture) => picture.draw(&[Sort::Shape, Sort::Cell], figures::shapes),
        Figure::BitLoad(picture) => picture.draw(&[Sort::BitLoad], figures::bit_load),
        Figure::BitDiversity(picture) => {
            picture.draw(&[Sort::BitDiversity], figures::bit_diversity)
        }
        Figure::ZeroBd(picture) => picture.draw(&[Sort::Cell], figures::zero_bd),
        Figure::Understandable(picture) => picture.draw(&[Sort::Cell], figures::understandable),
        Figure::Errors(picture) => picture.draw(&[Sort::Errors], figures::errors),
        Figure::Contrast(picture) => picture.draw(&[Sort::Contrast], figures::contrast),
        Figure::Similarity(picture) => picture.draw(&[Sort::Similarity], figures::similarity),
        Figure::Tasks(picture) => picture.draw(&[Sort::TaskContrast], figures::tasks),
        Figure::Groups(picture) => {
            let sorts = [Sort::GroupScore, Sort::GroupFit, Sort::GroupContrast];
            picture.draw(&sorts, figures::groups)
        }
        Figure::Report(args) => report(args),
    }
}

impl PictureArgs {
    /// Reads results of these sorts, makes the drawing and writes all pictures asked for.
    fn draw(&self, sorts: &[Sort], make: impl FnOnce(&Findings) -> Result<Drawing>) -> Result<()> {
        let suffixes = self.output.iter().map(|file| suffix(file, &["svg", "png"]));
        let suffixes = suffixes.collect::<Result<Vec<_>>>()?;
        let mut reader = Reader::open(self.input.paths(&self.output)?, false)?;
        let mut drawing = make(&Findings::read(&mut reader, Some(sorts))?)?;
        let page = &mut drawing.page;
        page.y_max = self.y_max;
        page.title = self.title.clone().unwrap_or_default();
        page.width_mm = self.width_mm.unwrap_or(page.width_mm);
        page.height_mm = self.height_mm.unwrap_or(page.height_mm);
        let (svg, missing) = drawing.to_svg()?;
        if !missing.is_empty() {
            let list: String = missing.into_iter().collect();
            warn(format!("the typeface lacks {list:?}; drawn as boxes"));
        }
        // All pictures are written to temporary files before the first gets its name. So either all appear or none.
        let mut sinks = Vec::new();
        for (file, suffix) in self.output.iter().zip(suffixes) {
            let picture = match suffix {
                "png" => svg_to_png(&svg, self.dpi)?,
                _ => svg.clone().into_bytes(),
            };
            let mut sink = Sink::create(Some(file))?;
            sink.write_all(&picture).map_err(|e| Error::file(file, e))?;
            sinks.push(sink);
        }
        sinks.into_iter().try_for_each(Sink::commit)
    }
}

fn report(args: &ReportArgs) -> Result<()> {
    suffix(&args.output, &["html"])?;
    let published = figures::published(&args.published)?;
    let paths = args.input.paths(std::slice::from_ref(&args.output))?;
    let mut reader = Reader::open(paths, false)?;
    let findings = Findings::read(&mut reader, None)?;
    let chain = reader.provenance();
    let mut drawn = Vec::new();
    for figure in figures::all(&findings, &args.family.family, &published) {
        let svg = match figure.drawing {
            Ok(drawing) => match drawing.to_svg() {
                Ok((svg, _)) => Ok((drawing.page.width_mm, svg)),
                // A figure that does not fit on its page is left out. The others are still drawn.
                Err(why @ Error::Usage(_)) => Err(why),
                Err(error) => return Err(error),
            },
            Err(why) => Err(why),
        };
        if let (Some(folder), Ok((_, svg))) = (&args.figures, &svg) {
            let file = |suffix: &str| folder.join(format!("{}.{suffix}", figure.name));
            Sink::write_file(&file("svg"), svg.as_bytes())?;
            Sink::write_file(&file("png"), &svg_to_png(svg, args.dpi)?)?;
        }
        if let Err(why) = &svg {
            warn(format!("{:?} is left out: {why}", figure.heading));
        }
        drawn.push((figure.heading, svg));
    }
    let sources: Result<Vec<_>> = paths.iter().map(|path| source(path)).collect();
    let page = html::Report {
        title: args.title.clone(),
        figures: drawn,
        tables: findings.tables(),
        sources: sources?,
        chain: chain.with(Step::here("figure")),
    };
    Sink::write_file(&args.output, page.to_html().as_bytes())
}

/// A file's name and its SHA-256. A pipe has no hash, because it can be read only once.
fn source(path: &Path) -> Result<(String, Option<String>)> {
    let hash = || digest::sha256(&[path.to_owned()]);
    let sha256 = path.is_file().then(hash).transpose()?;
    Ok((path.display().to_string(), sha256))
}

/// The suffix of a file name, which has to be one of these.
fn suffix(file: &Path, known: &[&'static str]) -> Result<&'static str> {
    let own = file.extension().unwrap_or_default();
    let found = known.iter().find(|suffix| own.eq_ignore_ascii_case(suffix));
    found.copied().ok_or_else(|| {
        Error::usage(format!(
            "-o {}: expected a name that ends in .{}",
            file.display(),
            known.join(" or .")
        ))
    })
}
