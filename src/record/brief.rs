/*!
The brief table of some records: what a person reads of them, on a terminal or in a report.
*/

use super::column::ColumnType;
use super::flat::fields;
use super::table::Record;
use crate::terminal::{Brief, BriefCell, BriefColumn, visible};

impl Brief {
    /// The table of some records.
    #[must_use]
    pub fn of<T: Record>(records: &[T]) -> Self {
        let rows: Vec<Vec<BriefCell>> = records
            .iter()
            .map(|record| {
                let exact = fields(record, &[], |x| format!("{x}"));
                let shown = fields(record, &[], human);
                let cell = |(exact, shown): (String, String)| BriefCell {
                    shown: if shown.is_empty() {
                        "-".to_owned()
                    } else {
                        visible(&shown)
                    },
                    exact,
                };
                exact.into_iter().zip(shown).map(cell).collect()
            })
            .collect();
        let is_brief = |i: usize| T::BRIEF.is_empty() || T::BRIEF.contains(&T::columns()[i].name);
        let is_empty = |i: usize| rows.iter().all(|row| row[i].exact.is_empty());
        // Numbers with a point are results, and stay in the table.
        let is_said_once = |i: usize| {
            rows.len() > 1
                && T::columns()[i].kind != ColumnType::Float
                && rows.iter().all(|row| row[i] == rows[0][i])
        };
        let (once, kept): (Vec<usize>, Vec<usize>) = (0..T::columns().len())
            .filter(|&i| is_brief(i) && !is_empty(i))
            .partition(|&i| is_said_once(i));
        Self {
            said: once
                .iter()
                .map(|&i| (T::columns()[i].name, rows[0][i].shown.clone()))
                .collect(),
            columns: kept
                .iter()
                .map(|&i| BriefColumn {
                    name: T::columns()[i].name,
                    is_number: !matches!(T::columns()[i].kind, ColumnType::Text | ColumnType::Bool),
                    has_point: T::columns()[i].kind == ColumnType::Float,
                })
                .collect(),
            rows: rows
                .iter()
                .map(|row| kept.iter().map(|&i| row[i].clone()).collect())
                .collect(),
        }
    }
}

/// A number for a person: four digits after the point, small ones in scientific notation.
fn human(x: f64) -> String {
    let magnitude = x.abs();
    if x == 0.0 || (1e-3..1e5).contains(&magnitude) {
        format!("{x:.4}")
    } else {
        format!("{x:.2e}")
    }
}
