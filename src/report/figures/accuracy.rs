/*!
Accuracy against shots: all curves in one panel, or one panel per family.
*/

use super::super::{Drawing, Panel, Quantity, Series};
use super::curves::{group, mode_baseline, note};
use super::{Findings, panels};
use crate::analysis::Family;
use crate::error::Result;

/// Accuracy against shots in one panel, with baselines and `published` curves.
pub fn curve(findings: &Findings, with_fit: bool, published: &[Series]) -> Result<Drawing> {
    let groups = group(&findings.cells);
    let mut series: Vec<Series> = groups.iter().map(|g| g.series(with_fit)).collect();
    series.extend_from_slice(published);
    series.extend(mode_baseline(&groups));
    // Models are drawn on top of published curves, and these on top of baselines.
    series.sort_by_key(|s| s.role);
    let shown = vec![Panel::accuracy(series)];
    panels(Quantity::Shots, 68.0, &note(&shown), shown)
}

/// Accuracy against shots, one panel per family, with the baselines in each panel. `families` decides the family of a
/// model first. Models that it does not name belong to the family in their own name, before the size.
pub fn families(findings: &Findings, with_fit: bool, families: &[Family]) -> Result<Drawing> {
    let groups = group(&findings.cells);
    let (baselines, models): (Vec<_>, Vec<_>) = groups.iter().partition(|g| g.is_baseline());
    let mut shown: Vec<Panel> = Vec::new();
    for model in models {
        let family = model.family(families);
        let series = model.series(with_fit);
        match shown.iter_mut().find(|p| p.title.as_ref() == Some(&family)) {
            Some(panel) => panel.series.push(series),
            None => shown.push(Panel::accuracy(vec![series]).titled(family)),
        }
    }
    if shown.is_empty() {
        shown.push(Panel::accuracy(Vec::new()));
    }
    let baselines = baselines.into_iter().map(|group| group.series(with_fit));
    let baselines: Vec<Series> = baselines.chain(mode_baseline(&groups)).collect();
    for panel in &mut shown {
        panel.series.extend(baselines.iter().cloned());
    }
    panels(Quantity::Shots, 58.0, &note(&shown), shown)
}
