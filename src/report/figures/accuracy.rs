/*!
Accuracy against shots: all curves in one picture, or families side by side.
*/

use super::super::chart::{Chart, Panel, Range, Series};
use super::super::page::{DOUBLE_COLUMN_MM, Page};
use super::curves::{Group, group, mode_baseline, note};
use super::{Findings, page_for};
use crate::analysis::Family;
use crate::error::Result;
use crate::record::Score;

/// Accuracy against shots in one panel, over the baselines, with `published` curves.
///
/// # Errors
/// None of its own: what cannot be drawn is found when it is drawn.
pub fn curve(findings: &Findings, with_fit: bool, published: Vec<Series>) -> Result<Chart> {
    let groups = group(&findings.cells);
    let mut series: Vec<Series> = groups.iter().map(|g| g.series(with_fit)).collect();
    series.extend(published);
    series.extend(mode_baseline(&groups));
    // Models lie on top of published curves, and these on baselines.
    series.sort_by_key(|s| s.role);
    let mut chart = Chart::curve(series);
    chart.page = Page::new(DOUBLE_COLUMN_MM, 90.0);
    chart.page.note = note(&chart.panels);
    Ok(chart)
}

/// Accuracy against shots, one panel a family, the baselines in each. Those named in `families` go
/// first; the others are called by the name before their size.
///
/// # Errors
/// None of its own: what cannot be drawn is found when it is drawn.
pub fn families(findings: &Findings, with_fit: bool, families: &[Family]) -> Result<Chart> {
    let groups = group(&findings.cells);
    let (baselines, models): (Vec<&Group<Score>>, Vec<&Group<Score>>) =
        groups.iter().partition(|g| g.is_baseline());
    let mut panels: Vec<Panel> = Vec::new();
    for model in models {
        let family = model.family(families);
        let series = model.series(with_fit);
        match panels
            .iter_mut()
            .find(|p| p.title.as_ref() == Some(&family))
        {
            Some(panel) => panel.series.push(series),
            None => panels.push(Panel {
                title: Some(family),
                y_label: "Accuracy".to_owned(),
                range: Range::Share,
                series: vec![series],
            }),
        }
    }
    let mut shared: Vec<Series> = baselines.iter().map(|g| g.series(with_fit)).collect();
    shared.extend(mode_baseline(&groups));
    if panels.is_empty() {
        panels.push(Panel {
            title: None,
            y_label: "Accuracy".to_owned(),
            range: Range::Share,
            series: Vec::new(),
        });
    }
    for panel in &mut panels {
        panel.series.extend(shared.iter().cloned());
    }
    let mut page = page_for(panels.len(), 58.0);
    page.note = note(&panels);
    Ok(Chart::by_shots(page, panels))
}
