/*!
The published curves, to lay over one's own: `assets/published` says where they are from.
*/

use super::super::{Point, Role, Series};
use super::curves::around;
use crate::analysis::family;
use crate::error::{Error, Result};
use crate::record::Condition;
use serde::Deserialize;
use std::collections::{BTreeSet, HashSet};

const TABLE: &str = include_str!("../../../assets/published/breslow2026.csv");

/// A published cell.
#[derive(Clone, Debug, Deserialize)]
struct Cell {
    model: String,
    modality: String,
    condition: String,
    shots: u32,
    accuracy: f64,
    task_cluster_se: f64,
}

/// The published cells.
#[derive(Clone, Debug)]
pub struct Published(Vec<Cell>);

impl Published {
    /// The table that is compiled in: a test counts its rows.
    #[must_use]
    pub fn load() -> Self {
        let rows = csv::Reader::from_reader(TABLE.as_bytes()).into_deserialize();
        Self(rows.filter_map(std::result::Result::ok).collect())
    }

    /// The clean curves of the models that are called so, or are of the family or modality that is.
    ///
    /// # Errors
    /// [`Error::Usage`] if nothing published is called so; the message lists what is.
    pub fn curves(&self, wanted: &[String]) -> Result<Vec<Series>> {
        let models = self.models();
        let mut chosen: Vec<&str> = Vec::new();
        for name in wanted {
            let known = models.iter().filter(|(model, modality)| {
                let mut names = [model, family(model, &[]), modality].into_iter();
                names.any(|known| known.eq_ignore_ascii_case(name))
            });
            let known: Vec<&str> = known.map(|(model, _)| *model).collect();
            if known.is_empty() {
                return Err(self.unknown(name));
            }
            chosen.extend(known);
        }
        let mut seen = HashSet::new();
        chosen.retain(|model| seen.insert(*model));
        Ok(chosen.into_iter().map(|model| self.series(model)).collect())
    }

    /// Model and modality, in the order of the table.
    fn models(&self) -> Vec<(&str, &str)> {
        let mut models: Vec<(&str, &str)> = Vec::new();
        for Cell {
            model, modality, ..
        } in &self.0
        {
            if !models.contains(&(model, modality)) {
                models.push((model, modality));
            }
        }
        models
    }

    fn series(&self, model: &str) -> Series {
        let clean = Condition::Clean.word();
        let cells = self.0.iter();
        let cells = cells.filter(|cell| cell.model == model && cell.condition == clean);
        let points = cells.map(|cell| {
            let interval = around(cell.accuracy, cell.task_cluster_se);
            Point::new(cell.shots, cell.accuracy, Some(interval))
        });
        let label = format!("{model} (published)");
        Series::new(label, Role::Published, points.collect())
    }

    fn unknown(&self, name: &str) -> Error {
        let models = self.models();
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_21_models_and_281_cells() {
        let table = Published::load();
        assert_eq!((table.models().len(), table.0.len()), (21, 281));
    }

    #[test]
    fn models_are_found_by_name_family_and_modality_once_each() {
        let table = Published::load();
        let count = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
            table.curves(&names).map(|series| series.len())
        };
        assert_eq!(count(&["evo2_7b"]).unwrap(), 1);
        assert_eq!(count(&["EVO2"]).unwrap(), 3);
        assert_eq!(count(&["genomic", "evo2_1b_base"]).unwrap(), 3);
        assert_eq!(count(&["linguistic"]).unwrap(), 5);
        let error = count(&["gpt-9"]).unwrap_err().to_string();
        assert!(
            error.contains("gpt-9") && error.contains("Qwen3-8B-Base"),
            "{error}"
        );
    }
}
