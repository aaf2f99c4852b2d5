/*!
The brief table of some records: the columns that a person wants to read on a terminal or in a report.
*/

use super::column::{Column, ColumnType};
use super::flat::fields;
use super::table::Record;
use crate::error::visible;
use crate::terminal::{Brief, BriefCell, BriefColumn};

impl Brief {
    /// Makes the brief table. Constant columns (except floats) go above it; empty columns are left out.
    #[must_use]
    pub fn of<T: Record>(records: &[T]) -> Self {
        let is_brief = |column: &&Column| !T::DETAILS.contains(&column.name);
        let columns: Vec<&Column> = T::columns().iter().filter(is_brief).collect();
        let cell = |(exact, shown): (String, String)| BriefCell {
            shown: if shown.is_empty() {
                "-".to_owned()
            } else {
                visible(&shown)
            },
            exact,
        };
        let row = |record: &T| {
            let exact = fields(record, T::DETAILS, |x| x.to_string());
            let shown = fields(record, T::DETAILS, human);
            exact.into_iter().zip(shown).map(cell).collect()
        };
        let rows: Vec<Vec<BriefCell>> = records.iter().map(row).collect();
        let is_empty = |i: usize| rows.iter().all(|row| row[i].exact.is_empty());
        // Floats are results and stay in the table.
        let is_said_once = |i: usize| {
            rows.len() > 1
                && columns[i].kind != ColumnType::Float
                && rows.iter().all(|row| row[i] == rows[0][i])
        };
        let (once, kept): (Vec<usize>, Vec<usize>) = (0..columns.len())
            .filter(|&i| !is_empty(i))
            .partition(|&i| is_said_once(i));
        let said = once
            .iter()
            .map(|&i| (columns[i].name, rows[0][i].shown.clone()));
        let column = |&i: &usize| BriefColumn {
            name: columns[i].name,
            is_number: !matches!(columns[i].kind, ColumnType::Text | ColumnType::Bool),
            has_point: columns[i].kind == ColumnType::Float,
        };
        let of_row = |row: &Vec<BriefCell>| kept.iter().map(|&i| row[i].clone()).collect();
        Self {
            said: said.collect(),
            columns: kept.iter().map(column).collect(),
            rows: rows.iter().map(of_row).collect(),
        }
    }
}

/// A number for reading: four digits after the point; very small or large ones in scientific notation.
fn human(x: f64) -> String {
    let magnitude = x.abs();
    if x == 0.0 || (1e-3..1e5).contains(&magnitude) {
        format!("{x:.4}")
    } else {
        format!("{x:.2e}")
    }
}
