//! `figure`: pictures of results.

use clap::{Args as ClapArgs, Parser, Subcommand};
use shotline::analysis::least_squares;
use shotline::cli::{self, InputArgs, Sink, warn};
use shotline::error::{Error, Result};
use shotline::record::{CurveKey, Reader, Score};
use shotline::report::{Curve, Fit, Point, Role, Series, curve, svg_to_png};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Draws results as SVG and PNG. Fonts are embedded: a picture is the same on every machine.
#[derive(Parser)]
#[command(name = "figure", version, after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    figure: Figure,
}

#[derive(Subcommand)]
enum Figure {
    /// Accuracy against shots, with error bars and log-linear fits, over the baselines.
    #[command(after_help = EXAMPLES)]
    Curve(CurveArgs),
}

#[derive(ClapArgs)]
struct CurveArgs {
    #[command(flatten)]
    input: InputArgs,

    /// The picture: .svg or .png. Repeatable.
    #[arg(short, long, value_name = "FILE", required = true)]
    output: Vec<PathBuf>,

    /// A title above the plot.
    #[arg(long)]
    title: Option<String>,

    /// Width in millimetres: 89 is one journal column, 183 are two.
    #[arg(long, value_name = "MM", default_value_t = curve::DOUBLE_COLUMN_MM)]
    width_mm: f64,

    /// Height in millimetres.
    #[arg(long, value_name = "MM", default_value_t = 90.0)]
    height_mm: f64,

    /// Pixels per inch of a PNG.
    #[arg(long, default_value_t = 300.0)]
    dpi: f64,

    /// Let the accuracy axis reach at least this far, so that several figures share it.
    #[arg(long, value_name = "ACCURACY")]
    y_max: Option<f64>,

    /// Join the points instead of fitting a line through them.
    #[arg(long)]
    no_fit: bool,
}

const EXAMPLES: &str = "\
Examples:
  Scores of models and baselines in one picture, for a paper and for a slide:
    figure curve scores.csv -o curve.svg -o curve.png
  One journal column wide, several files:
    figure curve evo2.csv qwen3.csv -o curve.svg --width-mm 89 --height-mm 70
Models of modality `baseline` are drawn grey. Where no builtin:mode is among them, the mode baseline
of the scores' own columns is added. Bars are 95 % intervals.";

fn main() -> ExitCode {
    cli::main("figure", run)
}

fn run(args: &Args) -> Result<()> {
    match &args.figure {
        Figure::Curve(args) => draw_curve(args),
    }
}

fn draw_curve(args: &CurveArgs) -> Result<()> {
    for file in &args.output {
        suffix(file)?;
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut reader = Reader::<Score>::open(args.input.paths()?, false)?;
    while let Some(entry) = reader.read()? {
        let score = entry.record;
        if score.function.is_some() {
            return Err(Error::data(format!(
                "{}: column \"function\": a score of one function (--by task); a curve is drawn \
                 from the scores of cells",
                entry.place
            )));
        }
        match groups.iter_mut().find(|g| g.key == score.curve) {
            Some(group) => group.scores.push(score),
            None => groups.push(Group {
                key: score.curve.clone(),
                scores: vec![score],
            }),
        }
    }
    let mut series: Vec<Series> = groups
        .iter()
        .map(|group| group.series(&label(group, &groups), !args.no_fit))
        .collect();
    series.extend(mode_baseline(&groups));
    // Models lie on top of baselines.
    series.sort_by_key(|s| s.role == Role::Baseline);
    let fitted = series.iter().any(|s| s.fit.is_some());
    let bars = series
        .iter()
        .any(|s| s.points.iter().any(|p| p.ci.is_some()));
    let mut figure = Curve::new(series);
    figure.title.clone_from(&args.title);
    figure.note = note(bars, fitted);
    figure.y_max = args.y_max;
    figure.width_mm = args.width_mm;
    figure.height_mm = args.height_mm;
    let missing = figure.missing_characters();
    if !missing.is_empty() {
        let list: String = missing.into_iter().collect();
        warn(
            "figure",
            format!("the typeface lacks {list:?}; drawn as boxes"),
        );
    }
    let svg = figure.to_svg()?;
    // All are drawn and begun before the first has its name: every picture appears, or none.
    let mut sinks = Vec::new();
    for file in &args.output {
        let picture = match suffix(file)? {
            Picture::Svg => svg.clone().into_bytes(),
            Picture::Png => svg_to_png(&svg, args.dpi)?,
        };
        let mut sink = Sink::create(Some(file))?;
        sink.write_all(&picture).map_err(|e| Error::file(file, e))?;
        sinks.push(sink);
    }
    sinks.into_iter().try_for_each(Sink::commit)
}

enum Picture {
    Svg,
    Png,
}

fn suffix(file: &Path) -> Result<Picture> {
    match file.extension().and_then(|s| s.to_str()) {
        Some(s) if s.eq_ignore_ascii_case("svg") => Ok(Picture::Svg),
        Some(s) if s.eq_ignore_ascii_case("png") => Ok(Picture::Png),
        _ => Err(Error::usage(format!(
            "-o {}: expected a name that ends in .svg or .png",
            file.display()
        ))),
    }
}

fn note(bars: bool, fitted: bool) -> Option<String> {
    let parts: Vec<&str> = [
        (bars, "Bars and bands: 95 % intervals."),
        (fitted, "Lines: least squares, a0 + a1 ln(shots)."),
    ]
    .into_iter()
    .filter_map(|(there, text)| there.then_some(text))
    .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The scores of one curve.
struct Group {
    key: CurveKey,
    scores: Vec<Score>,
}

impl Group {
    fn is_baseline(&self) -> bool {
        self.key.modality.as_deref() == Some("baseline")
    }

    fn series(&self, label: &str, with_fit: bool) -> Series {
        let points = self
            .scores
            .iter()
            .map(|s| Point {
                shots: s.shots,
                accuracy: s.accuracy,
                ci: interval(s.accuracy, s.se, s.ci_low.zip(s.ci_high)),
            })
            .collect();
        let means: Vec<(u32, f64)> = self.scores.iter().map(|s| (s.shots, s.accuracy)).collect();
        let fit = least_squares(&means)
            .filter(|_| with_fit && !self.is_baseline())
            .map(|line| Fit {
                a0: line.a0,
                a1: line.a1,
            });
        Series {
            label: label.to_owned(),
            role: if self.is_baseline() {
                Role::Baseline
            } else {
                Role::Model
            },
            points,
            fit,
        }
    }
}

/// The interval of the scores, or accuracy +- 1.96 errors.
fn interval(accuracy: f64, se: Option<f64>, ci: Option<(f64, f64)>) -> Option<(f64, f64)> {
    ci.or_else(|| se.map(|se| (accuracy - 1.96 * se, accuracy + 1.96 * se)))
}

/// The model's name, with what tells this curve from others of the same model.
fn label(group: &Group, groups: &[Group]) -> String {
    let name = group.key.model.trim_start_matches("builtin:");
    let traits = |key: &CurveKey| {
        [
            key.encoding.clone(),
            key.template.clone(),
            key.condition.map(|c| c.to_string()),
            key.design.map(|d| d.to_string()),
            key.method.clone(),
            key.bits.map(|b| format!("{b} bits")),
            key.constrained
                .filter(|&c| c)
                .map(|_| "constrained".to_owned()),
            key.bos.map(|b| if b { "BOS" } else { "no BOS" }.to_owned()),
        ]
    };
    let own = traits(&group.key);
    let others: Vec<_> = groups
        .iter()
        .filter(|g| g.key.model == group.key.model)
        .map(|g| traits(&g.key))
        .collect();
    let differing: Vec<String> = (0..own.len())
        .filter(|&i| others.iter().any(|other| other[i] != own[i]))
        .filter_map(|i| own[i].clone())
        .collect();
    if differing.is_empty() {
        name.to_owned()
    } else {
        format!("{name} ({})", differing.join(", "))
    }
}

/// The mode baseline from the scores' own columns, unless it is there as a model. Drawn where all
/// curves agree on it, as they do on the same trials.
fn mode_baseline(groups: &[Group]) -> Option<Series> {
    if groups.iter().any(|g| g.key.model == "builtin:mode") {
        return None;
    }
    let mut points: Vec<Point> = Vec::new();
    for score in groups.iter().flat_map(|g| &g.scores) {
        let Some(accuracy) = score.mode_accuracy else {
            continue;
        };
        match points.iter().find(|p| p.shots == score.shots) {
            Some(known) if (known.accuracy - accuracy).abs() > 1e-12 => return None,
            Some(_) => {}
            None => points.push(Point {
                shots: score.shots,
                accuracy,
                ci: interval(accuracy, score.mode_se, None),
            }),
        }
    }
    (!points.is_empty()).then(|| Series {
        label: "mode".to_owned(),
        role: Role::Baseline,
        points,
        fit: None,
    })
}
