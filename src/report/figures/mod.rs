/*!
One file a family of figures: from scores, fits and contrasts to a form that can be drawn.

A row of results is of one sort; every figure says which sorts it draws, and what else it meets is refused with the
filter that makes the right one.
*/

mod accuracy;
mod all;
mod answers;
mod by_row;
mod complexity;
mod contrasts;
mod curves;
mod published;
mod scale;
mod shapes;

pub use accuracy::{curve, families};
pub use all::{Figure, all};
pub use answers::{errors, understandable, zero_bd};
pub use by_row::{group_accuracies, group_gaps, group_slopes, groups, tasks};
pub use complexity::{bit_diversity, bit_load};
pub use contrasts::{ceilings, contrast, similarity};
pub use published::Published;
pub use scale::{coefficients, gap_size, size};
pub use shapes::shapes;

use super::page::{DOUBLE_COLUMN_MM, Page};
use crate::error::{Error, Result};
use crate::record::{
    Contrast, Entry, ErrorShare, Fit, FromRow, Identifiability, Place, Power, Reader, Row, Scaling,
    Score, ShapeFit, Similarity, Versus, VersusTask,
};
pub(super) use curves::OnCurve;
use std::collections::HashMap;

/// A row of results.
#[derive(Debug, Clone, PartialEq)]
// Rows are moved into lists of their own kind at once.
#[allow(clippy::large_enum_variant)]
pub enum Finding {
    /// A log-linear fit.
    Fit(Fit),
    /// A shape of a curve.
    Shape(ShapeFit),
    /// Clean against deranged.
    Contrast(Contrast),
    /// How alike two models' profiles are.
    Similarity(Similarity),
    /// Model against model at one function.
    VersusTask(VersusTask),
    /// Model against model.
    Versus(Versus),
    /// How surely demonstrations identify functions.
    Identifiability(Identifiability),
    /// One kind of wrong answers.
    ErrorShare(ErrorShare),
    /// A family against its models' parameters.
    Scaling(Scaling),
    /// A design for a wanted error.
    Power(Power),
    /// An accuracy.
    Score(Score),
}

impl FromRow for Finding {
    const WHAT: &'static str = "row of results";

    /// Each kind has a column that no other has; an accuracy is whatever has none of them.
    fn from_row(row: Row<'_>) -> std::result::Result<Self, String> {
        match () {
            () if row.has("correct") => Err(
                "column \"correct\": a prediction, expected results; `score`, `fit-loglinear` and `contrast` make \
                 results of predictions"
                    .to_owned(),
            ),
            () if row.has("log_likelihood") => ShapeFit::from_row(row).map(Self::Shape),
            () if row.has("a0") => Fit::from_row(row).map(Self::Fit),
            () if row.has("clean_accuracy") => Contrast::from_row(row).map(Self::Contrast),
            () if row.has("rho") => Similarity::from_row(row).map(Self::Similarity),
            () if row.has("rank_a") => VersusTask::from_row(row).map(Self::VersusTask),
            () if row.has("iou") => Versus::from_row(row).map(Self::Versus),
            () if row.has("identified") => Identifiability::from_row(row).map(Self::Identifiability),
            () if row.has("counted_once") => ErrorShare::from_row(row).map(Self::ErrorShare),
            () if row.has("slope") => Scaling::from_row(row).map(Self::Scaling),
            () if row.has("wanted_se") => Power::from_row(row).map(Self::Power),
            () => Score::from_row(row).map(Self::Score),
        }
    }
}

/// What a row of results is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// The accuracy of a cell.
    Cell,
    /// The accuracy of one function in a cell.
    Task,
    /// The accuracy of the functions of one `BitLoad` in a cell.
    BitLoad,
    /// The accuracy of the functions of one bin of `BitDiversity` in a cell.
    BitDiversity,
    /// The accuracy, fit or contrast of a group of functions.
    Group,
    /// A log-linear fit.
    Fit,
    /// A shape of a curve.
    Shape,
    /// Clean against deranged in a cell.
    Contrast,
    /// Clean against deranged for one function in a cell.
    TaskContrast,
    /// How alike two models' profiles are.
    Similarity,
    /// Model against model.
    Versus,
    /// Model against model at one function.
    VersusTask,
    /// How surely demonstrations identify functions.
    Identifiability,
    /// One kind of wrong answers in a cell.
    Errors,
    /// A family against its models' parameters.
    Scaling,
    /// A design for a wanted error.
    Power,
}

impl Sort {
    fn of(finding: &Finding) -> Self {
        match finding {
            Finding::Score(Score { group: Some(_), .. })
            | Finding::Fit(Fit { group: Some(_), .. })
            | Finding::Contrast(Contrast { group: Some(_), .. }) => Self::Group,
            Finding::Score(score) if score.function.is_some() => Self::Task,
            Finding::Score(score) if score.bitload.is_some() => Self::BitLoad,
            Finding::Score(score) if score.bitdiversity.is_some() => Self::BitDiversity,
            Finding::Score(_) => Self::Cell,
            Finding::Fit(_) => Self::Fit,
            Finding::Shape(_) => Self::Shape,
            Finding::Contrast(contrast) if contrast.function.is_some() => Self::TaskContrast,
            Finding::Contrast(_) => Self::Contrast,
            Finding::Similarity(_) => Self::Similarity,
            Finding::Versus(_) => Self::Versus,
            Finding::VersusTask(_) => Self::VersusTask,
            Finding::Identifiability(_) => Self::Identifiability,
            Finding::ErrorShare(_) => Self::Errors,
            Finding::Scaling(_) => Self::Scaling,
            Finding::Power(_) => Self::Power,
        }
    }

    /// The sort in words, with the command that makes it.
    fn words(self) -> &'static str {
        match self {
            Self::Cell => "scores of cells (`score`)",
            Self::Task => "scores of single functions (`score --by task`)",
            Self::BitLoad => "scores by BitLoad (`score --by bitload`)",
            Self::BitDiversity => "scores by BitDiversity (`score --by bitdiversity`)",
            Self::Group => {
                "groups of functions (`score`, `fit-loglinear` or `contrast`, --by group)"
            }
            Self::Fit => "fits (`fit-loglinear`)",
            Self::Shape => "shapes of curves (`fit-loglinear --shape`)",
            Self::Contrast => "contrasts of conditions (`contrast`)",
            Self::TaskContrast => "contrasts of single functions (`contrast --by task`)",
            Self::Similarity => "correlations of profiles (`contrast --profiles`)",
            Self::Versus => "models against each other (`contrast --models`)",
            Self::VersusTask => {
                "models against each other by function (`contrast --models --by task`)"
            }
            Self::Errors => "kinds of wrong answers (`score --errors`)",
            Self::Scaling => "regressions of families (`fit-loglinear --families`)",
            Self::Power => "designs (`score --power`)",
            Self::Identifiability => "identifiability (`contrast --identifiability`)",
        }
    }
}

/// Results, sorted.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Of cells.
    pub cells: Vec<Score>,
    /// Of single functions.
    pub tasks: Vec<Score>,
    /// By `BitLoad`.
    pub bit_loads: Vec<Score>,
    /// By `BitDiversity`.
    pub bit_diversities: Vec<Score>,
    /// By group of functions.
    pub group_scores: Vec<Score>,
    /// Log-linear fits by group of functions.
    pub group_fits: Vec<Fit>,
    /// Clean against deranged, by group of functions.
    pub group_contrasts: Vec<Contrast>,
    /// Log-linear fits.
    pub fits: Vec<Fit>,
    /// Shapes of curves.
    pub shapes: Vec<ShapeFit>,
    /// Clean against deranged, by cell.
    pub contrasts: Vec<Contrast>,
    /// Clean against deranged, by function.
    pub task_contrasts: Vec<Contrast>,
    /// How alike models' profiles are.
    pub similarities: Vec<Similarity>,
    /// Model against model.
    pub versus: Vec<Versus>,
    /// Model against model, by function.
    pub versus_tasks: Vec<VersusTask>,
    /// How surely demonstrations identify functions.
    pub identifiability: Vec<Identifiability>,
    /// Kinds of wrong answers.
    pub errors: Vec<ErrorShare>,
    /// Families against parameters.
    pub scalings: Vec<Scaling>,
    /// Designs for a wanted error.
    pub powers: Vec<Power>,
    /// Where the rows stand, by what they are about.
    places: HashMap<String, Place>,
}

impl Findings {
    /// Reads results that a figure of these sorts can draw.
    ///
    /// # Errors
    /// A row of another sort, by its place; two rows about the same; and whatever the reader refuses.
    pub fn read(reader: &mut Reader<Finding>, sorts: &[Sort]) -> Result<Self> {
        let mut findings = Self::default();
        while let Some(entry) = reader.read()? {
            let sort = Sort::of(&entry.record);
            if !sorts.contains(&sort) {
                return Err(misplaced(&entry.place, sort, sorts));
            }
            findings.add(entry)?;
        }
        Ok(findings)
    }

    /// Reads results of every sort.
    ///
    /// # Errors
    /// Two rows about the same; whatever the reader refuses.
    pub fn read_all(reader: &mut Reader<Finding>) -> Result<Self> {
        let mut findings = Self::default();
        while let Some(entry) = reader.read()? {
            findings.add(entry)?;
        }
        Ok(findings)
    }

    fn add(&mut self, entry: Entry<Finding>) -> Result<()> {
        let place = entry.place;
        if let Some(about) = about(&entry.record)
            && let Some(first) = self.places.insert(about, place.clone())
        {
            return Err(Error::twice("the same cell", first, place));
        }
        let sort = Sort::of(&entry.record);
        match entry.record {
            Finding::Fit(fit) if sort == Sort::Group => self.group_fits.push(fit),
            Finding::Fit(fit) => self.fits.push(fit),
            Finding::Contrast(contrast) if sort == Sort::Group => {
                self.group_contrasts.push(contrast);
            }
            Finding::Shape(shape) => self.shapes.push(shape),
            Finding::Contrast(contrast) if sort == Sort::TaskContrast => {
                self.task_contrasts.push(contrast);
            }
            Finding::Contrast(contrast) => self.contrasts.push(contrast),
            Finding::Similarity(similarity) => self.similarities.push(similarity),
            Finding::Versus(versus) => self.versus.push(versus),
            Finding::VersusTask(task) => self.versus_tasks.push(task),
            Finding::ErrorShare(errors) => self.errors.push(errors),
            Finding::Scaling(scaling) => self.scalings.push(scaling),
            Finding::Power(power) => self.powers.push(power),
            Finding::Identifiability(identifiability) => {
                self.identifiability.push(identifiability);
            }
            Finding::Score(score) => match sort {
                Sort::Task => self.tasks.push(score),
                Sort::Group => self.group_scores.push(score),
                Sort::BitLoad => self.bit_loads.push(score),
                Sort::BitDiversity => self.bit_diversities.push(score),
                _ => self.cells.push(score),
            },
        }
        Ok(())
    }
}

/// What a row is about, where figures draw one of the kind in a place.
fn about(finding: &Finding) -> Option<String> {
    Some(match finding {
        Finding::Score(s) => {
            let part = (&s.function, s.bitload, s.bitdiversity, &s.group);
            format!("score {:?}", (&s.curve, s.shots, part))
        }
        Finding::Shape(fit) => format!("shape {:?}", (&fit.curve, fit.shape)),
        Finding::Fit(fit) => format!("fit {:?}", (&fit.curve, &fit.group)),
        Finding::Contrast(c) => {
            format!("contrast {:?}", (c.key(), c.shots, &c.function, &c.group))
        }
        Finding::ErrorShare(e) => format!("error {:?}", (&e.curve, e.shots, e.kind)),
        _ => return None,
    })
}

fn misplaced(place: &Place, found: Sort, wanted: &[Sort]) -> Error {
    let wanted: Vec<&str> = wanted.iter().map(|sort| sort.words()).collect();
    Error::data(format!(
        "{place}: expected {}, found {}",
        wanted.join(" or "),
        found.words()
    ))
}

/// The error for a column that a figure needs and no row has.
fn lacking(column: &str, advice: &str) -> Error {
    Error::data(format!("column {column:?}: is null in every row; {advice}"))
}

/// A page two journal columns wide that leaves every row of panels that much height, in millimetres.
fn page_for(panels: usize, row_mm: f64) -> Page {
    let rows = panels.div_ceil(super::page::columns_for(panels));
    Page::new(DOUBLE_COLUMN_MM, 22.0 + row_mm * super::page::float(rows))
}
