/*!
The published curves, to draw over one's own. `assets/published` gives their source.
*/

use super::super::{Point, Role, Series};
use super::curves::around;
use crate::analysis::family;
use crate::error::{Error, Result};
use crate::record::Condition;
use serde::Deserialize;
use std::collections::{BTreeSet, HashSet};

const TABLE: &str = include_str!("../../../assets/published/breslow2026.csv");

/// A row of the published table.
#[derive(Deserialize)]
struct Cell {
    model: String,
    modality: String,
    condition: String,
    shots: u32,
    accuracy: f64,
    task_cluster_se: f64,
}

/// The table that is compiled in. Broken rows would be skipped, so a test counts the rows.
fn cells() -> Vec<Cell> {
    let rows = csv::Reader::from_reader(TABLE.as_bytes()).into_deserialize();
    rows.filter_map(std::result::Result::ok).collect()
}

/// All models with their modality, in the order of the table.
fn models(cells: &[Cell]) -> Vec<(&str, &str)> {
    let models = cells.iter().map(|cell| (&*cell.model, &*cell.modality));
    let mut models: Vec<(&str, &str)> = models.collect();
    models.dedup();
    models
}

/// The published curves with clean demonstrations for `wanted`, the names of models, families or modalities.
///
/// # Errors
/// [`Error::Usage`] if a name is not in the table. The message lists the names that are.
pub fn published(wanted: &[String]) -> Result<Vec<Series>> {
    let cells = cells();
    let models = models(&cells);
    let mut chosen: Vec<&str> = Vec::new();
    for name in wanted {
        let is_called = |(model, modality): &&(&str, &str)| {
            let mut names = [model, family(model, &[]), modality].into_iter();
            names.any(|known| known.eq_ignore_ascii_case(name))
        };
        let known = models.iter().filter(is_called).map(|(model, _)| *model);
        let before = chosen.len();
        chosen.extend(known);
        if chosen.len() == before {
            return Err(unknown(name, &models));
        }
    }
    let mut seen = HashSet::new();
    chosen.retain(|model| seen.insert(*model));
    Ok(chosen
        .into_iter()
        .map(|model| series(model, &cells))
        .collect())
}

fn series(model: &str, cells: &[Cell]) -> Series {
    let is_clean = |cell: &&Cell| cell.model == model && cell.condition == Condition::Clean.word();
    let points = cells.iter().filter(is_clean).map(|cell| {
        let interval = around(cell.accuracy, cell.task_cluster_se);
        Point::new(cell.shots, cell.accuracy, Some(interval))
    });
    let label = format!("{model} (published)");
    Series::new(label, Role::Published, points.collect())
}

fn unknown(name: &str, models: &[(&str, &str)]) -> Error {
    let names: Vec<&str> = models.iter().map(|(model, _)| *model).collect();
    let groups = models
        .iter()
        .flat_map(|(model, modality)| [family(model, &[]), modality]);
    let groups: BTreeSet<&str> = groups.filter(|group| !names.contains(group)).collect();
    Error::usage(format!(
        "--published {name}: expected a family or modality ({}) or a model ({})",
        groups.into_iter().collect::<Vec<_>>().join(", "),
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_21_models_and_281_cells() {
        let cells = cells();
        assert_eq!((models(&cells).len(), cells.len()), (21, 281));
    }
}
