/*!
Accuracy against shots: all curves in one picture, or families side by side.
*/

use super::super::{Chart, DOUBLE_COLUMN_MM, Drawing, Page, Panel, Quantity, Series};
use super::Findings;
use super::curves::{Group, group, mode_baseline, note};
use crate::analysis::Family;

/// Accuracy against shots in one panel, over the baselines, with `published` curves.
#[must_use]
pub fn curve(findings: &Findings, with_fit: bool, published: &[Series]) -> Drawing {
    let groups = group(&findings.cells);
    let mut series: Vec<Series> = groups.iter().map(|g| g.series(with_fit)).collect();
    series.extend_from_slice(published);
    series.extend(mode_baseline(&groups));
    // Models lie on top of published curves, and these on baselines.
    series.sort_by_key(|s| s.role);
    let panels = vec![Panel::accuracy(series)];
    let page = Page::new(DOUBLE_COLUMN_MM, 90.0);
    Drawing::new(page, note(&panels), Chart::new(Quantity::Shots, panels))
}

/// Accuracy against shots, one panel a family, the baselines in each. Those named in `families` go
/// first; the others are called by the name before their size.
#[must_use]
pub fn families(findings: &Findings, with_fit: bool, families: &[Family]) -> Drawing {
    let groups = group(&findings.cells);
    let (baselines, models): (Vec<_>, Vec<_>) = groups.iter().partition(|g| g.is_baseline());
    let mut panels: Vec<Panel> = Vec::new();
    for model in models {
        let family = Some(model.family(families));
        let series = model.series(with_fit);
        match panels.iter_mut().find(|panel| panel.title == family) {
            Some(panel) => panel.series.push(series),
            None => panels.push(Panel {
                title: family,
                ..Panel::accuracy(vec![series])
            }),
        }
    }
    if panels.is_empty() {
        panels.push(Panel::accuracy(Vec::new()));
    }
    let shared = baselines
        .iter()
        .map(|baseline: &&Group<_>| baseline.series(with_fit));
    let shared: Vec<Series> = shared.chain(mode_baseline(&groups)).collect();
    for panel in &mut panels {
        panel.series.extend(shared.iter().cloned());
    }
    let page = Page::for_panels(panels.len(), 58.0);
    Drawing::new(page, note(&panels), Chart::new(Quantity::Shots, panels))
}
