/*!
The data of charts and rows: panels of series of points.
*/

use std::fmt::Write as _;

use super::{Canvas, Look, Quantity};
use crate::error::{Error, Result};

/// One measured value, at one place of the horizontal axis.
#[derive(Clone, Debug, Default)]
pub struct Point {
    /// Its place on the axis: the number of demonstrations (0: an empty context) or of parameters, or another quantity.
    pub x: f64,
    /// Its height, for example an accuracy.
    pub y: f64,
    /// The height at which its bar begins, in a stack of bars.
    pub base: f64,
    /// The ends of its error bar. The caller chooses the kind of interval. Parts outside the axis are cut off.
    pub ci: Option<(f64, f64)>,
    /// The text beside it.
    pub name: Option<String>,
    /// If it is a mean: over how many, and of what ("trials", "functions").
    pub of: Option<(u32, &'static str)>,
}

impl Point {
    pub fn new(x: impl Into<f64>, y: f64, ci: Option<(f64, f64)>) -> Self {
        Self {
            x: x.into(),
            y,
            ci,
            ..Self::default()
        }
    }

    pub fn of(self, count: Option<u32>, what: &'static str) -> Self {
        let of = count.map(|count| (count, what));
        Self { of, ..self }
    }
}

/// The part that a series plays in the figure. It decides the look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A model that the figure is about: colour and markers.
    Model,
    /// A published curve: colour, outlined markers, a thin dashed line.
    Published,
    /// A baseline: grey and dashed.
    Baseline,
    /// Segments of bars. The number says which of the stacks beside each other they belong to.
    Bar(usize),
    /// Segments of bars that show what chance would give.
    Chance(usize),
}

impl Role {
    /// The class of its SVG groups.
    pub fn class(self) -> &'static str {
        match self {
            Self::Model => "series model",
            Self::Published => "series published",
            Self::Baseline => "series baseline",
            Self::Bar(_) | Self::Chance(_) => "series stack",
        }
    }

    /// The stack of bars that it is part of.
    pub fn stack(self) -> Option<usize> {
        match self {
            Self::Bar(stack) | Self::Chance(stack) => Some(stack),
            _ => None,
        }
    }
}

/// The line of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Line {
    /// A line that joins the points.
    Joined,
    /// The line a0 + a1 ln(x). a0 is its height at x = 1, a1 the gain per unit of ln(x).
    Fitted(f64, f64),
    Absent,
}

/// Points under one label.
#[derive(Clone, Debug)]
pub struct Series {
    pub label: String,
    pub role: Role,
    /// In any order; a chart sorts them.
    pub points: Vec<Point>,
    pub line: Line,
}

impl Series {
    /// A series whose points are joined.
    pub fn new(label: impl Into<String>, role: Role, points: Vec<Point>) -> Self {
        Self {
            label: label.into(),
            role,
            points,
            line: Line::Joined,
        }
    }

    pub fn with_line(self, line: Line) -> Self {
        Self { line, ..self }
    }

    /// The points on its line: all but those at 0 shots, which no line reaches. The points must be sorted by `x`.
    pub fn on_line(&self, quantity: Quantity) -> &[Point] {
        let is_off = |point: &&Point| !matches!(quantity, Quantity::Plain(_)) && point.x <= 0.0;
        let off = self.points.iter().take_while(is_off).count();
        &self.points[off..]
    }

    /// Whether its intervals are drawn as a band: it is a baseline with several points, all with an interval.
    pub fn has_band(&self, quantity: Quantity) -> bool {
        let points = self.on_line(quantity);
        let is_barred = points.iter().all(|point| point.ci.is_some());
        self.role == Role::Baseline && points.len() > 1 && is_barred
    }

    /// Draws a part of it in an SVG group with its class and label.
    pub fn group(&self, look: Look, canvas: &mut Canvas, draw: impl FnOnce(&mut Canvas)) {
        let class = format!("{} {}", self.role.class(), look.hue.class);
        canvas.group(&class, Some(&self.label), draw);
    }

    /// One of its points in words: label, name and place, value, interval, number of trials or functions.
    pub fn words(&self, point: &Point, place: Option<String>) -> String {
        let place: Vec<String> = point.name.clone().into_iter().chain(place).collect();
        let mut text = format!("{}: {} {:.4}", self.label, place.join(", "), point.y);
        if let Some((low, high)) = point.ci {
            let _ = write!(text, " [{low:.4}, {high:.4}]");
        }
        if let Some((count, what)) = point.of {
            let _ = write!(text, ", {count} {what}");
        }
        text
    }

    /// Refuses values that no axis can show. `what` names the values in the message.
    pub fn check(&self, what: &str, is_share: bool, quantity: Quantity) -> Result<()> {
        let (heights, expected) = if is_share {
            (0.0..=1.0, "0 to 1")
        } else {
            (-1e100..=1e100, "a number")
        };
        for Point { x, y, ci, name, .. } in &self.points {
            let (low, high) = ci.unwrap_or((*y, *y));
            let wrong = if quantity == Quantity::Parameters && *x <= 0.0 {
                "expected a number above 0".to_owned()
            } else if !heights.contains(y) {
                format!("{what} {y}, expected {expected}")
            } else if !(low.is_finite() && high.is_finite() && low <= high) {
                format!("interval from {low} to {high}, expected two numbers in ascending order")
            } else {
                continue;
            };
            let name = name
                .clone()
                .filter(|_| matches!(quantity, Quantity::Plain(_)));
            let place = name.unwrap_or_else(|| quantity.place(*x));
            let label = &self.label;
            return Err(Error::data(format!("series {label:?}, {place}: {wrong}")));
        }
        Ok(())
    }
}

/// One pair of axes with its series.
#[derive(Clone, Debug)]
pub struct Panel {
    pub title: Option<String>,
    /// The title of the vertical axis. Panels with the same title have the same axis.
    pub y_label: String,
    /// Whether its values are shares. If so, the axis goes from 0 to at most 1. If not, it contains 0.
    pub is_share: bool,
    /// Drawn from the last to the first, so that the first lies on top.
    pub series: Vec<Series>,
}

impl Panel {
    pub fn any(y_label: impl Into<String>, series: Vec<Series>) -> Self {
        Self {
            title: None,
            y_label: y_label.into(),
            is_share: false,
            series,
        }
    }

    pub fn share(y_label: impl Into<String>, series: Vec<Series>) -> Self {
        Self {
            is_share: true,
            ..Self::any(y_label, series)
        }
    }

    pub fn accuracy(series: Vec<Series>) -> Self {
        Self::share("Accuracy", series)
    }

    /// A panel of bars. Each series is stacked on the series before it in the same stack.
    pub fn bars(y_label: &str, mut series: Vec<Series>) -> Self {
        let mut tops: Vec<(Option<usize>, f64, f64)> = Vec::new();
        for Series { role, points, .. } in &mut series {
            for point in points {
                let of = |(stack, x, _): &&(Option<usize>, f64, f64)| {
                    *stack == role.stack() && x.total_cmp(&point.x).is_eq()
                };
                point.base = tops.iter().filter(of).map(|(_, _, y)| y).sum();
                tops.push((role.stack(), point.x, point.y));
            }
        }
        Self::share(y_label, series)
    }

    pub fn titled(self, title: impl Into<String>) -> Self {
        let title = Some(title.into());
        Self { title, ..self }
    }
}

/// The smallest and the largest height in some series, intervals included. 0 counts as a height, too.
pub fn ends<'a>(series: impl IntoIterator<Item = &'a Series>) -> (f64, f64) {
    let points = series.into_iter().flat_map(|series| &series.points);
    points.fold((0.0, 0.0), |(least, most): (f64, f64), point| {
        let (top, (low, high)) = (point.base + point.y, point.ci.unwrap_or((0.0, 0.0)));
        (least.min(top).min(low), most.max(top).max(high))
    })
}
