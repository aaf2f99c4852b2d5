/*!
One file a family of figures: from scores, fits and contrasts to a form that can be drawn.

A row of results is of one sort; every figure says which sorts it draws, and what else it meets is refused with the
filter that makes the right one.
*/
// Whatever lacks what a figure draws is refused; each would say the same.
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

/// Every kind of results, by a column that no other kind has, and its sorts: where rows of the sort are kept, what it is
/// called, with the command that makes it, and the place and heading of its table in a report.
macro_rules! kinds {
    ($($kind:ident($type:ident) has $column:literal {
        $($sort:ident in $field:ident $(if $is:expr)?, $words:literal, $at:literal $heading:literal;)*
    })*) => {
        /// A row of results.
        #[derive(Debug, Clone, PartialEq)]
        // Rows are moved into lists of their own sort at once.
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
                // Says what an accuracy lacks.
                Score::from_row(row).map(Self::Score)
            }
        }

        /// What a row of results is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Sort {
            $($(#[doc = $heading] $sort,)*)*
        }

        impl Sort {
            /// The sort in words, with the command that makes it.
            fn words(self) -> &'static str {
                match self {
                    $($(Self::$sort => $words,)*)*
                }
            }
        }

        /// Results, sorted.
        #[derive(Clone, Debug, Default)]
        pub struct Findings {
            $($(#[doc = $heading] pub $field: Vec<$type>,)*)*
            /// Where the rows stand, by what they are about.
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

            /// The tables of all results, each with its heading.
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
    /// Reads results of these sorts, which a figure can draw, at least one; or else of every sort.
    ///
    /// # Errors
    /// A row of another sort, by its place; two rows about the same; and whatever the reader refuses.
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

/// Panels on a page two journal columns wide, with that height for each of their rows, in millimetres.
fn panels(over: Quantity, row_mm: f64, note: &str, panels: Vec<Panel>) -> Result<Drawing> {
    let rows = panels.len().div_ceil(columns_for(panels.len()));
    let page = Page::new(DOUBLE_COLUMN_MM, 22.0 + row_mm * float(rows));
    Drawing::new(page, note, Chart::new(over, panels))
}

/// The error for a column that a figure needs and no row has.
fn lacking(column: &str, advice: &str) -> Error {
    Error::data(format!("column {column:?}: is null in every row; {advice}"))
}
