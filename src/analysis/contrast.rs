/*!
Clean against deranged: how much of a model's accuracy comes from the mapping in the demonstrations?
*/

use super::cells::{CurveCells, whole};
use super::compare::{PairedTasks, TaskPair, corrected};
use super::score::Complexities;
use crate::error::{Error, Result};
use crate::record::{Condition, Contrast, CurveKey, PairedGap};
use rayon::prelude::*;

/// A model's clean and deranged cells at one shot count.
struct Point<'a> {
    shots: u32,
    /// Whether it is the largest shot count of the model.
    is_last: bool,
    tasks: PairedTasks<'a>,
}

/// A model in both conditions, by shot count.
struct ConditionPair<'a> {
    clean: &'a CurveCells,
    deranged: &'a CurveCells,
    points: Vec<Point<'a>>,
}

/// The models that have both conditions.
pub struct Contrasts<'a> {
    models: Vec<ConditionPair<'a>>,
    /// The curves without the other condition, for a warning.
    pub unpaired: Vec<&'a CurveKey>,
}

impl<'a> Contrasts<'a> {
    /// Pairs clean and deranged curves that are equal in all else.
    ///
    /// # Errors
    /// There is no pair. Unless `allow_partial`: the functions of a pair differ.
    pub fn new(curves: &'a [CurveCells], allow_partial: bool) -> Result<Self> {
        let partner = |curve: &CurveCells, condition: Condition| {
            let key = CurveKey {
                condition: Some(condition),
                ..curve.key.clone()
            };
            curves
                .iter()
                .find(|c| c.key == key && c.group == curve.group)
        };
        let mut models = Vec::new();
        let mut unpaired = Vec::new();
        for curve in curves {
            if curve.key.condition == Some(Condition::Deranged) {
                if partner(curve, Condition::Clean).is_none() {
                    unpaired.push(&curve.key);
                }
                continue;
            }
            match partner(curve, Condition::Deranged) {
                Some(deranged) => models.push(ConditionPair::new(curve, deranged, allow_partial)?),
                None => unpaired.push(&curve.key),
            }
        }
        models.retain(|m| !m.points.is_empty());
        if models.is_empty() {
            return Err(Error::data(
                "no model has clean and deranged predictions at one shot count; draw both with \
                 gen-tasks --condition clean,deranged (or compare models with --models)",
            ));
        }
        Ok(Self { models, unpaired })
    }

    /// The clean and deranged curves of each model, and its largest shot count.
    pub(super) fn last(&self) -> impl Iterator<Item = (&'a CurveCells, &'a CurveCells, u32)> {
        self.models.iter().filter_map(|model| {
            let last = model.points.iter().find(|point| point.is_last)?;
            Some((model.clean, model.deranged, last.shots))
        })
    }
}

impl<'a> ConditionPair<'a> {
    fn new(clean: &'a CurveCells, deranged: &'a CurveCells, allow_partial: bool) -> Result<Self> {
        let shared = |shots: &u32| deranged.cells.contains_key(shots);
        let last = clean.cells.keys().copied().filter(shared).max();
        let points = clean
            .cells
            .iter()
            .filter_map(|(&shots, a)| Some((shots, a, deranged.cells.get(&shots)?)))
            .map(|(shots, a, b)| {
                let place = format!("{}, clean and deranged", clean.place(shots));
                Ok(Point {
                    shots,
                    is_last: Some(shots) == last,
                    tasks: PairedTasks::new(a, b, allow_partial, &place)?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            clean,
            deranged,
            points,
        })
    }
}

/// One row per model and shot count. p-values are corrected over the models, each at its largest shot count. Controls
/// are not part of the correction.
#[must_use]
pub fn contrast_cells(contrasts: &Contrasts<'_>) -> Vec<Contrast> {
    let points: Vec<(&CurveCells, &Point<'_>)> = contrasts
        .models
        .iter()
        .flat_map(|model| model.points.iter().map(|point| (model.clean, point)))
        .collect();
    let rows = points
        .into_par_iter()
        .filter_map(|(clean, point)| {
            let is_of_family = point.is_last && !clean.key.is_control();
            Some((is_of_family, row(clean, point)?))
        })
        .collect();
    corrected(rows, |row: &mut Contrast| {
        let gap = &mut row.paired;
        (gap.p_swap, [&mut gap.p_holm, &mut gap.p_bh])
    })
}

fn row(clean: &CurveCells, point: &Point<'_>) -> Option<Contrast> {
    let [clean_accuracy, deranged_accuracy] = point.tasks.accuracies();
    Some(Contrast {
        tasks: whole(point.tasks.tasks.len()),
        trials: point.tasks.tasks.iter().map(TaskPair::trials).sum(),
        clean_accuracy,
        deranged_accuracy,
        paired: point.tasks.gap(|swap| swap.greater, |t| t.greater)?,
        ..of_model(clean, point.shots)
    })
}

/// A row with only the columns that name a model.
fn of_model(curve: &CurveCells, shots: u32) -> Contrast {
    let key = curve.key.clone();
    Contrast {
        model: key.model,
        modality: key.modality,
        params: curve.params,
        encoding: key.encoding,
        template: key.template,
        bits: key.bits,
        design: key.design,
        method: key.method,
        constrained: key.constrained,
        bos: key.bos,
        shots,
        group: curve.group.clone(),
        ..Contrast::default()
    }
}

/// One row per model, shot count and function.
///
/// # Errors
/// A function is unknown, so its measures cannot be computed.
pub fn contrast_tasks(
    contrasts: &Contrasts<'_>,
    known: &mut Complexities,
) -> Result<Vec<Contrast>> {
    let mut rows = Vec::new();
    for model in &contrasts.models {
        for point in &model.points {
            for task in &point.tasks.tasks {
                let bits = model.clean.key.bits.unwrap_or_default();
                let (bitload, bitdiversity) = known.of(task.function, bits)?;
                let sign = task.sign();
                rows.push(Contrast {
                    function: Some(task.function.to_owned()),
                    bitload: Some(bitload),
                    bitdiversity: Some(bitdiversity),
                    tasks: 1,
                    trials: task.trials(),
                    clean_accuracy: task.accuracy_a(),
                    deranged_accuracy: task.accuracy_b(),
                    paired: PairedGap {
                        gap: task.gap(),
                        up: u32::from(sign > 0),
                        equal: u32::from(sign == 0),
                        down: u32::from(sign < 0),
                        ..PairedGap::default()
                    },
                    ..of_model(model.clean, point.shots)
                });
            }
        }
    }
    Ok(rows)
}
