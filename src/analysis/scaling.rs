/*!
Regressions across the models of a family: accuracy, intercept and slope against the number of parameters.
*/

use super::cells::whole;
use super::family::{Family, named_family};
use super::fit::{Points, fit_means};
use crate::error::{Error, Result};
use crate::record::{CurveKey, Quantity, Scaling};
use crate::stats::line;
use std::collections::BTreeSet;

/// A curve's point in the regressions of its family.
struct Member<'a> {
    curve: &'a Points,
    /// ln(params).
    size: f64,
    a0: f64,
    a1: f64,
}

/// The regressions of every family on ln(params): one row per shot count of two models of different size, then a0 and
/// a1. Without `families`, a modality is a family. Curves are regressed together if they differ only in model and
/// modality.
///
/// # Errors
/// A member has no number of parameters, or its curve has no line; all models of a family have one size; no family has
/// two models.
pub fn scalings(curves: &[Points], families: &[Family]) -> Result<Vec<Scaling>> {
    // The columns that the members of a group share, and the members.
    let mut groups: Vec<(CurveKey, Vec<Member<'_>>)> = Vec::new();
    for curve in curves {
        let name = named_family(&curve.key.model, families);
        if !families.is_empty() && name.is_none() {
            continue;
        }
        let shared = CurveKey {
            model: String::new(),
            modality: name.map_or_else(|| curve.key.modality.clone(), |name| Some(name.to_owned())),
            ..curve.key.clone()
        };
        let member = member(curve)?;
        match groups.iter_mut().find(|(key, _)| *key == shared) {
            Some((_, members)) => members.push(member),
            None => groups.push((shared, vec![member])),
        }
    }
    for (shared, members) in &groups {
        let params = members[0].curve.params.unwrap_or_default();
        if members.len() > 1 && members.iter().all(|m| m.curve.params == Some(params)) {
            return Err(Error::data(format!(
                "family {:?}: all {} models have {params} parameters; a regression on size needs two sizes",
                shared.modality.as_deref().unwrap_or_default(),
                members.len()
            )));
        }
    }
    let rows = groups.into_iter();
    let rows: Vec<Scaling> = rows
        .flat_map(|(shared, members)| regressions(shared, &members))
        .collect();
    if rows.is_empty() {
        return Err(Error::data(
            "no family has two models of different size; --family NAME=PREFIX says which models are one",
        ));
    }
    Ok(rows)
}

fn member(curve: &Points) -> Result<Member<'_>> {
    let params = curve.params.filter(|&p| p > 0.0).ok_or_else(|| {
        Error::data(format!(
            "model {:?}: column \"params\": is missing, but sizes are compared",
            curve.key.model
        ))
    })?;
    let fit = fit_means(curve)?;
    Ok(Member {
        curve,
        size: params.ln(),
        a0: fit.a0,
        a1: fit.a1,
    })
}

/// All regressions of one family.
fn regressions(shared: CurveKey, members: &[Member<'_>]) -> Vec<Scaling> {
    let row = Scaling {
        family: shared.modality,
        encoding: shared.encoding,
        template: shared.template,
        bits: shared.bits,
        condition: shared.condition,
        design: shared.design,
        method: shared.method,
        constrained: shared.constrained,
        bos: shared.bos,
        ..Scaling::default()
    };
    let counts: BTreeSet<u32> = members
        .iter()
        .flat_map(|m| m.curve.points.iter().map(|p| p.0))
        .collect();
    let accuracies = counts.into_iter().map(|shots| {
        let at = |m: &Member<'_>| {
            let point = m.curve.points.iter().find(|p| p.0 == shots)?;
            Some((m.size, point.1))
        };
        let points = members.iter().filter_map(at).collect();
        (Quantity::Accuracy, Some(shots), points)
    });
    let fitted = |quantity, value: &dyn Fn(&Member<'_>) -> f64| {
        let points: Vec<(f64, f64)> = members.iter().map(|m| (m.size, value(m))).collect();
        (quantity, None, points)
    };
    accuracies
        .chain([
            fitted(Quantity::A0, &|m| m.a0),
            fitted(Quantity::A1, &|m| m.a1),
        ])
        .filter_map(|(quantity, shots, points)| {
            let (x, y): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
            let fit = line(&x, &y)?;
            Some(Scaling {
                quantity,
                shots,
                models: whole(x.len()),
                intercept: fit.a0,
                slope: fit.a1,
                slope_se: fit.test.map(|t| t.a1_se),
                t: fit.test.and_then(|t| t.t),
                df: fit.test.map(|t| t.df),
                p: fit.test.and_then(|t| t.p),
                r2: fit.r2,
                ..row.clone()
            })
        })
        .collect()
}
