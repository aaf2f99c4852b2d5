/*!
From scores, fits and contrasts to figures, one file per family of figures.

Each row of results has one sort. Every figure declares which sorts it can draw. Rows of other sorts are refused, and
the message names the filter that makes the right sort.
*/
// Every function fails if the results lack what the figure needs. We do not repeat this for each.
#![expect(clippy::missing_errors_doc)]

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
pub use by_row::{groups, tasks};
pub use complexity::{bit_diversity, bit_load};
pub use contrasts::{contrast, similarity};
pub use published::published;
pub use scale::{coefficients, size};
pub use shapes::shapes;

use super::html::Table;
use super::{Chart, DOUBLE_COLUMN_MM, Drawing, Page, Panel, Quantity, columns_for, float};
use crate::error::{Error, Result};
use crate::record::{
    Contrast, Entry, ErrorShare, Fit, FromRow, Identifiability, Place, Power, Reader, Row, Scaling,
    Score, ShapeFit, Similarity, Versus, VersusTask,
};
pub(super) use curves::OnCurve;
use std::collections::HashMap;

/// Every kind of results, with a column that only this kind has, and its sorts. A sort has a field of [`Findings`],
/// a condition, its name with the command that makes it, and the position and heading of its table in a report.
macro_rules! kinds {
    ($($kind:ident($type:ident) has $column:literal {
        $($sort:ident in $field:ident $(if $is:expr)?, $words:literal, $at:literal $heading:literal;)*
    })*) => {
        /// A row of results.
        #[derive(Debug, Clone, PartialEq)]
        // A row is moved into the list of its sort at once, so the size of the enum does not matter.
        #[allow(clippy::large_enum_variant)]
        pub enum Finding {
            $(#[doc = concat!("A row with ", $column, ".")] $kind($type),)*
        }

        impl FromRow for Finding {
            const WHAT: &'static str = "row of results";

            fn from_row(row: Row<'_>) -> std::result::Result<Self, String> {
                if row.has("correct") {
                    let message = "column \"correct\": a prediction, expected results; `score`, `fit-loglinear` and \
                                   `contrast` make results of predictions";
                    return Err(message.to_owned());
                }
                $(if row.has($column) {
                    return $type::from_row(row).map(Self::$kind);
                })*
                // No kind fits. The message for scores says which column is missing.
                Score::from_row(row).map(Self::Score)
            }
        }

        /// What a row of results is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Sort {
            $($(#[doc = $heading] $sort,)*)*
        }

        impl Sort {
            /// The name of the sort, with the command that makes it.
            fn words(self) -> &'static str {
                match self {
                    $($(Self::$sort => $words,)*)*
                }
            }
        }

        /// Results, with one list for each sort.
        #[derive(Clone, Debug, Default)]
        pub struct Findings {
            $($(#[doc = $heading] pub $field: Vec<$type>,)*)*
            /// The place (file and line) of each row, by the text that `about` gives.
            places: HashMap<String, Place>,
        }

        impl Findings {
            fn add(&mut self, finding: Finding) -> Sort {
                match finding {
                    $(Finding::$kind(row) => match row {
                        $(row $(if ($is as fn(&$type) -> bool)(&row))? => {
                            self.$field.push(row);
                            Sort::$sort
                        })*
                    },)*
                }
            }

            /// The tables of all results, with their headings.
            #[must_use]
            pub fn tables(&self) -> Vec<Table> {
                let mut tables = vec![(0, Table::of("Models", &super::campaign(self)))];
                $($(tables.push(($at, Table::of($heading, &self.$field)));)*)*
                tables.sort_by_key(|(at, _)| *at);
                tables.into_iter().filter_map(|(_, table)| table).collect()
            }
        }
    };
}

kinds! {
    Shape(ShapeFit) has "log_likelihood" {
        Shape in shapes, "shapes of curves (`fit-loglinear --shape`)", 3 "Shapes of curves, beside the line";
    }
    Fit(Fit) has "a0" {
        GroupFit in group_fits if |fit| fit.group.is_some(),
            "fits of groups of functions (`fit-loglinear --by group`)", 10 "Fits of groups";
        Fit in fits, "fits (`fit-loglinear`)", 2 "Fits: accuracy = a0 + a1 ln(shots)";
    }
    Contrast(Contrast) has "clean_accuracy" {
        GroupContrast in group_contrasts if |contrast| contrast.group.is_some(),
            "contrasts of groups of functions (`contrast --by group`)", 11 "Contrasts of groups";
        TaskContrast in task_contrasts if |contrast| contrast.function.is_some(),
            "contrasts of single functions (`contrast --by task`)", 17 "Contrasts of functions";
        Contrast in contrasts, "contrasts of conditions (`contrast`)", 4 "Contrasts: clean against deranged";
    }
    Similarity(Similarity) has "rho" {
        Similarity in similarities, "correlations of profiles (`contrast --profiles`)", 6 "Correlations of profiles";
    }
    VersusTask(VersusTask) has "rank_a" {
        VersusTask in versus_tasks, "models against each other by function (`contrast --models --by task`)",
            18 "Model against model, by function";
    }
    Versus(Versus) has "iou" {
        Versus in versus, "models against each other (`contrast --models`)", 5 "Model against model";
    }
    Identifiability(Identifiability) has "identified" {
        Identifiability in identifiability, "identifiability (`contrast --identifiability`)", 15 "Identifiability";
    }
    ErrorShare(ErrorShare) has "counted_once" {
        Errors in errors, "kinds of wrong answers (`score --errors`)", 12 "Kinds of wrong answers, beside chance";
    }
    Scaling(Scaling) has "slope" {
        Scaling in scalings, "regressions of families (`fit-loglinear --families`)",
            13 "Families against ln(parameters)";
    }
    Power(Power) has "wanted_se" {
        Power in powers, "designs (`score --power`)", 14 "Designs for a wanted error";
    }
    Score(Score) has "accuracy" {
        GroupScore in group_scores if |score| score.group.is_some(),
            "scores of groups of functions (`score --by group`)", 9 "Scores of groups";
        Task in tasks if |score| score.function.is_some(),
            "scores of single functions (`score --by task`)", 16 "Scores of functions";
        BitLoad in bit_loads if |score| score.bitload.is_some(),
            "scores by BitLoad (`score --by bitload`)", 7 "Scores by BitLoad";
        BitDiversity in bit_diversities if |score| score.bitdiversity.is_some(),
            "scores by BitDiversity (`score --by bitdiversity`)", 8 "Scores by BitDiversity";
        Cell in cells, "scores of cells (`score`)", 1 "Scores";
    }
}

impl Findings {
    /// Reads results of the given sorts, or of every sort if `sorts` is `None`.
    ///
    /// # Errors
    /// A row of another sort; two rows about the same thing; no rows, if sorts are given; any error of the reader.
    pub fn read(reader: &mut Reader<Finding>, sorts: Option<&[Sort]>) -> Result<Self> {
        let mut findings = Self::default();
        while let Some(Entry { record, place, .. }) = reader.read()? {
            let about = about(&record);
            let sort = findings.add(record);
            if let Some(sorts) = sorts.filter(|sorts| !sorts.contains(&sort)) {
                let wanted: Vec<&str> = sorts.iter().map(|sort| sort.words()).collect();
                let (wanted, found) = (wanted.join(" or "), sort.words());
                let message = format!("{place}: expected {wanted}, found {found}");
                return Err(Error::data(message));
            }
            let known = about.and_then(|about| findings.places.insert(about, place.clone()));
            if let Some(first) = known {
                return Err(Error::twice("the same cell", first, place));
            }
        }
        if sorts.is_some() && findings.tables().is_empty() {
            return Err(Error::data("nothing to draw: there are no results"));
        }
        Ok(findings)
    }
}

/// What a row is about. Two rows with the same text would be drawn at the same place. `None` for kinds without figures.
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

/// Panels on a page of two journal columns. Each row of panels is `row_mm` millimetres high.
fn panels(over: Quantity, row_mm: f64, note: &str, panels: Vec<Panel>) -> Result<Drawing> {
    let rows = panels.len().div_ceil(columns_for(panels.len()));
    let page = Page::new(DOUBLE_COLUMN_MM, 22.0 + row_mm * float(rows));
    Drawing::new(page, note, Chart::new(over, panels))
}

/// The error for a column that a figure needs but that is null in every row.
fn lacking(column: &str, advice: &str) -> Error {
    Error::data(format!("column {column:?}: is null in every row; {advice}"))
}
