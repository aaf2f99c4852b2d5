/*!
The published curves, to lay over one's own: `assets/published` says where they are from.
*/

use super::super::chart::{Line, Point, Role, Series};
use super::curves::around;
use crate::analysis::family;
use crate::error::{Error, Result};
use crate::record::Condition;
use serde::Deserialize;

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
    /// The table that is compiled in.
    ///
    /// # Errors
    /// It is damaged, which no input can make it.
    pub fn load() -> Result<Self> {
        let rows = csv::Reader::from_reader(TABLE.as_bytes()).into_deserialize();
        let cells: std::result::Result<Vec<Cell>, csv::Error> = rows.collect();
        cells
            .map(Self)
            .map_err(|e| Error::data(format!("the table of published cells: {e}")))
    }

    /// The clean curves of the models that are called so, or are of the family or modality that is.
    ///
    /// # Errors
    /// [`Error::Usage`] if nothing published is called so; the message lists what is.
    pub fn curves(&self, wanted: &[String]) -> Result<Vec<Series>> {
        let mut chosen: Vec<&str> = Vec::new();
        for name in wanted {
            let found: Vec<&str> = self
                .models()
                .into_iter()
                .filter(|(model, modality)| {
                    [model, family(model, &[]), modality]
                        .iter()
                        .any(|known| known.eq_ignore_ascii_case(name))
                })
                .map(|(model, _)| model)
                .collect();
            if found.is_empty() {
                return Err(self.unknown(name));
            }
            chosen.extend(found);
        }
        let mut unique: Vec<&str> = Vec::new();
        for model in chosen {
            if !unique.contains(&model) {
                unique.push(model);
            }
        }
        Ok(unique.into_iter().map(|model| self.series(model)).collect())
    }

    /// Model and modality, in the order of the table.
    fn models(&self) -> Vec<(&str, &str)> {
        let mut models: Vec<(&str, &str)> = Vec::new();
        for cell in &self.0 {
            if !models.iter().any(|(model, _)| *model == cell.model) {
                models.push((&cell.model, &cell.modality));
            }
        }
        models
    }

    fn series(&self, model: &str) -> Series {
        let clean = Condition::Clean.word();
        let points = self
            .0
            .iter()
            .filter(|cell| cell.model == model && cell.condition == clean)
            .map(|cell| {
                let interval = around(cell.accuracy, cell.task_cluster_se);
                Point::new(f64::from(cell.shots), cell.accuracy, Some(interval))
            })
            .collect();
        Series {
            label: format!("{model} (published)"),
            role: Role::Published,
            points,
            line: Line::Joined,
        }
    }

    fn unknown(&self, name: &str) -> Error {
        let models = self.models();
        let mut groups: Vec<&str> = models
            .iter()
            .flat_map(|(model, modality)| [family(model, &[]), modality])
            .filter(|group| !models.iter().any(|(model, _)| model == group))
            .collect();
        groups.sort_unstable();
        groups.dedup();
        let names: Vec<&str> = models.iter().map(|(model, _)| *model).collect();
        Error::usage(format!(
            "--published {name}: expected a family or modality ({}) or a model ({})",
            groups.join(", "),
            names.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_21_models_and_281_cells() {
        let table = Published::load().unwrap();
        assert_eq!((table.models().len(), table.0.len()), (21, 281));
    }

    #[test]
    fn models_are_found_by_name_family_and_modality_once_each() {
        let table = Published::load().unwrap();
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
