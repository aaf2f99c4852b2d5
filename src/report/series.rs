/*!
What a chart shows: panels of series of points.
*/

use std::fmt::Write as _;

use super::axis::{Quantity, parameters};
use crate::error::{Error, Result};

/// What was measured at one place of the horizontal axis.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its place: the number of demonstrations (0 is an empty context), of parameters, or what the axis measures.
    pub x: f64,
    /// Its height: an accuracy, say.
    pub y: f64,
    /// The ends of its error bar, whatever interval the caller chose; what lies outside the axis is cut off.
    pub ci: Option<(f64, f64)>,
    /// What is written beside it.
    pub name: Option<String>,
    /// The number of what it is a mean of, and what that are.
    pub of: Option<(u32, &'static str)>,
}

impl Point {
    pub fn new(x: impl Into<f64>, y: f64, ci: Option<(f64, f64)>) -> Self {
        let x = x.into();
        Self {
            x,
            y,
            ci,
            name: None,
            of: None,
        }
    }

    pub fn of(self, count: Option<u32>, what: &'static str) -> Self {
        let of = count.map(|count| (count, what));
        Self { of, ..self }
    }

    pub fn named(self, name: String) -> Self {
        let name = Some(name);
        Self { name, ..self }
    }

    pub fn words(&self, quantity: Quantity) -> String {
        let name = self.name.iter().map(|name| format!("{name}, "));
        let mut text = name.collect::<String>() + &quantity.place(self.x);
        let _ = write!(text, " {:.4}", self.y);
        if let Some((low, high)) = self.ci {
            let _ = write!(text, " [{low:.4}, {high:.4}]");
        }
        if let Some((count, what)) = self.of {
            let _ = write!(text, ", {count} {what}");
        }
        text + ";"
    }
}

/// What a series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// What the figure is about: colour and markers.
    Model,
    /// What others have published: colour, outlined markers, a thin dashed line.
    Published,
    /// What it is measured against: grey and dashed.
    Baseline,
}

/// The line of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Line {
    /// Its points, joined.
    Joined,
    /// a0 + a1 ln(x): a0 is the height at x = 1, a1 the gain per unit of ln(x).
    Fitted {
        a0: f64,
        a1: f64,
    },
    Absent,
}

/// The points of one label.
#[derive(Clone, Debug)]
pub struct Series {
    pub label: String,
    pub role: Role,
    /// In any order.
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

    /// The points of its line: without the one at 0 shots, which no line reaches.
    pub fn on_line(&self, quantity: Quantity) -> &[Point] {
        let is_off = |point: &&Point| quantity != Quantity::Plain && point.x <= 0.0;
        let off = self.points.iter().take_while(is_off).count();
        &self.points[off..]
    }

    /// All heights that it has.
    pub fn heights(&self) -> impl Iterator<Item = f64> {
        self.points.iter().flat_map(|point| {
            let (low, high) = point.ci.unwrap_or((point.y, point.y));
            [point.y, low, high]
        })
    }

    pub fn has_line(&self) -> bool {
        self.line != Line::Absent && self.points.iter().filter(|p| p.x > 0.0).count() > 1
    }

    pub fn check(&self, panel: &Panel, quantity: Quantity) -> Result<()> {
        let (heights, expected) = if panel.is_share {
            (0.0..=1.0, "0 to 1")
        } else {
            (-1e100..=1e100, "a number")
        };
        for Point { x, y, ci, .. } in &self.points {
            let (low, high) = ci.unwrap_or((*y, *y));
            let what = if !(heights.contains(y) && quantity.has(*x)) {
                format!("{} {y}, expected {expected}", panel.y_label)
            } else if !(low.is_finite() && high.is_finite() && low <= high) {
                format!("interval from {low} to {high}, expected two numbers in ascending order")
            } else {
                continue;
            };
            let (label, place) = (&self.label, quantity.place(*x));
            return Err(Error::data(format!("series {label:?}, {place}: {what}")));
        }
        Ok(())
    }
}

/// One pair of axes with its series.
#[derive(Clone, Debug)]
pub struct Panel {
    pub title: Option<String>,
    /// Beside its vertical axis; panels with the same one have the same axis.
    pub y_label: String,
    /// Whether it holds shares: its axis goes from 0 to a round number of at most 1. Otherwise to any numbers from 0.
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

    pub fn titled(self, title: impl Into<String>) -> Self {
        let title = Some(title.into());
        Self { title, ..self }
    }
}

/// The least and the largest of some numbers and 0.
pub fn ends(numbers: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let widen = |(low, high): (f64, f64), x: f64| (low.min(x), high.max(x));
    numbers.into_iter().fold((0.0, 0.0), widen)
}

impl Quantity {
    pub fn word(self) -> &'static str {
        match self {
            Self::Shots => "shots",
            Self::Parameters => "parameters",
            Self::Plain => "x",
        }
    }

    /// A place of the axis in words.
    pub fn place(self, x: f64) -> String {
        match self {
            Self::Shots => format!("{x} shots"),
            Self::Parameters => format!("{} parameters", parameters(x)),
            Self::Plain => format!("at {x}"),
        }
    }

    /// Whether the axis has such a place.
    pub fn has(self, x: f64) -> bool {
        let least = match self {
            Self::Shots => 0.0,
            Self::Parameters => f64::MIN_POSITIVE,
            Self::Plain => f64::MIN,
        };
        (least..=f64::MAX).contains(&x)
    }
}
