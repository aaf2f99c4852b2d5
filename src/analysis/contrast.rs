/*!
Clean against deranged: how much of a model's accuracy comes from the mapping in the demonstrations?
*/

use super::cells::{CurveCells, place, whole};
use super::compare::{PairedTasks, accuracy, corrected};
use super::score::Complexities;
use crate::error::{Error, Result};
use crate::record::{Condition, Contrast, CurveKey, PairedGap};
use rayon::prelude::*;

/// A model's clean and deranged cells at one shot count.
pub(super) struct Point<'a> {
    pub clean: &'a CurveCells,
    pub deranged: &'a CurveCells,
    pub shots: u32,
    /// Whether it is the largest shot count of the model.
    pub is_last: bool,
    tasks: PairedTasks<'a>,
}

/// The models that have both conditions.
pub struct Contrasts<'a> {
    /// By model, then by shot count.
    pub(super) points: Vec<Point<'a>>,
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
        let mut points = Vec::new();
        let mut unpaired = Vec::new();
        for curve in curves {
            if curve.key.condition == Some(Condition::Deranged) {
                if partner(curve, Condition::Clean).is_none() {
                    unpaired.push(&curve.key);
                }
                continue;
            }
            match partner(curve, Condition::Deranged) {
                Some(deranged) => points.extend(points_of(curve, deranged, allow_partial)?),
                None => unpaired.push(&curve.key),
            }
        }
        if points.is_empty() {
            return Err(Error::data(
                "no model has clean and deranged predictions at one shot count; draw both with \
                 gen-tasks --condition clean,deranged (or compare models with --models)",
            ));
        }
        Ok(Self { points, unpaired })
    }
}

/// The shot counts that both conditions of a model have.
fn points_of<'a>(
    clean: &'a CurveCells,
    deranged: &'a CurveCells,
    allow_partial: bool,
) -> Result<Vec<Point<'a>>> {
    let mut points = Vec::new();
    for (&shots, a) in &clean.cells {
        let Some(b) = deranged.cells.get(&shots) else {
            continue;
        };
        let place = format!("{}, clean and deranged", place(&clean.key, shots));
        points.push(Point {
            clean,
            deranged,
            shots,
            is_last: false,
            tasks: PairedTasks::new(a, b, allow_partial, &place)?,
        });
    }
    if let Some(last) = points.last_mut() {
        last.is_last = true;
    }
    Ok(points)
}

/// One row per model and shot count. p-values are corrected over the models, each at its largest shot count. Controls
/// are not part of the correction.
#[must_use]
pub fn contrast_cells(contrasts: &Contrasts<'_>) -> Vec<Contrast> {
    let rows = contrasts
        .points
        .par_iter()
        .filter_map(|point| {
            let is_of_family = point.is_last && !point.clean.key.is_control();
            Some((is_of_family, row(point)?))
        })
        .collect();
    corrected(rows, |row: &mut Contrast| {
        let gap = &mut row.paired;
        (gap.p_swap, [&mut gap.p_holm, &mut gap.p_bh])
    })
}

fn row(point: &Point<'_>) -> Option<Contrast> {
    let [clean_accuracy, deranged_accuracy] = point.tasks.accuracies();
    Some(Contrast {
        tasks: whole(point.tasks.tasks.len()),
        trials: point.tasks.tasks.iter().map(|task| task.a.1).sum(),
        clean_accuracy,
        deranged_accuracy,
        paired: point.tasks.gap(|swap| swap.greater, |t| t.greater)?,
        ..of_model(point)
    })
}

/// A row with only the columns that name a model.
fn of_model(point: &Point<'_>) -> Contrast {
    let key = point.clean.key.clone();
    Contrast {
        model: key.model,
        modality: key.modality,
        params: point.clean.params,
        encoding: key.encoding,
        template: key.template,
        bits: key.bits,
        design: key.design,
        method: key.method,
        constrained: key.constrained,
        bos: key.bos,
        shots: point.shots,
        group: point.clean.group.clone(),
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
    for point in &contrasts.points {
        for task in &point.tasks.tasks {
            let bits = point.clean.key.bits.unwrap_or_default();
            let (bitload, bitdiversity) = known.of(task.function, bits)?;
            let sign = task.sign();
            rows.push(Contrast {
                function: Some(task.function.to_owned()),
                bitload: Some(bitload),
                bitdiversity: Some(bitdiversity),
                tasks: 1,
                trials: task.a.1,
                clean_accuracy: accuracy(task.a),
                deranged_accuracy: accuracy(task.b),
                paired: PairedGap {
                    gap: task.gap(),
                    up: u32::from(sign > 0),
                    equal: u32::from(sign == 0),
                    down: u32::from(sign < 0),
                    ..PairedGap::default()
                },
                ..of_model(point)
            });
        }
    }
    Ok(rows)
}
