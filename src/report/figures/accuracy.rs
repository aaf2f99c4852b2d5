/*!
Accuracy against shots: all curves in one picture, or families side by side.
*/

use super::super::{Drawing, Panel, Quantity, Series};
use super::curves::{group, mode_baseline, note};
use super::{Findings, panels};
use crate::analysis::Family;
use crate::error::Result;

/// Accuracy against shots in one panel, over the baselines, with `published` curves.
pub fn curve(findings: &Findings, with_fit: bool, published: &[Series]) -> Result<Drawing> {
    let groups = group(&findings.cells);
    let mut series: Vec<Series> = groups.iter().map(|g| g.series(with_fit)).collect();
    series.extend_from_slice(published);
    series.extend(mode_baseline(&groups));
    // Models lie on top of published curves, and these on baselines.
    series.sort_by_key(|s| s.role);
    let shown = vec![Panel::accuracy(series)];
    panels(Quantity::Shots, 68.0, &note(&shown), shown)
}

/// Accuracy against shots, one panel a family, the baselines in each. Those named in `families` go
/// first; the others are called by the name before their size.
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
