/*!
Queries about the logits at a place, sent with a call, and the replies, read after it.
*/

use ort::session::SessionOutputs;
use ort::value::{PrimitiveTensorElementType, Shape};

use super::graph::Graph;
use crate::error::{Error, Result};
use crate::predictor::onnx::runtime::dimension;

/// A query about the logits of the token that follows a fed token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogitQuery {
    /// Index of that fed token.
    pub after: usize,
    /// Tokens whose logits are wanted.
    pub choices: Vec<u32>,
}

/// The reply to a [`LogitQuery`]: a summary of the logits at one place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogitSummary {
    /// The token with the largest logit; among equals, the lowest id.
    pub best: u32,
    /// The largest and the second largest logit.
    pub top: [f32; 2],
    /// ln of the sum of exp(logit - `top[0]`) over the whole vocabulary.
    pub log_sum: f64,
    /// The logits of the query's choices, in their order.
    pub chosen: Vec<f32>,
}

/// An output's numbers, after checking its shape.
pub(crate) fn numbers<'a, T: PrimitiveTensorElementType>(
    outputs: &'a SessionOutputs<'_>,
    name: &str,
    shape: &[usize],
) -> Result<&'a [T]> {
    let value = outputs
        .get(name)
        .ok_or_else(|| Error::model(format!("no {name}")))?;
    let (found, data) = value.try_extract_tensor::<T>()?;
    let expected = Shape::new(shape.iter().copied().map(dimension));
    if *found != expected {
        return Err(Error::model(format!(
            "the graph gives {name} of shape {found}, expected {expected}"
        )));
    }
    Ok(data)
}

/// Reads a reading graph's replies. `asks` holds the queries of each sequence of the call.
pub(crate) fn read(
    outputs: &SessionOutputs<'_>,
    asks: &[&[LogitQuery]],
    choices: usize,
) -> Result<Vec<Vec<LogitSummary>>> {
    let places = asks.first().map_or(0, |asks| asks.len()).max(1);
    let rows = asks.len();
    let best: &[i64] = numbers(outputs, "best", &[rows, places])?;
    let top: &[f32] = numbers(outputs, "top", &[rows, places, 2])?;
    let log_sum: &[f32] = numbers(outputs, "log_sum", &[rows, places])?;
    let chosen: &[f32] = numbers(outputs, "chosen", &[rows, places, choices])?;
    let at = |place: usize, ask: &LogitQuery| LogitSummary {
        // If the logits are unusable there is no best token, and this value is ignored.
        best: u32::try_from(best[place]).unwrap_or(u32::MAX),
        top: [top[2 * place], top[2 * place + 1]],
        log_sum: f64::from(log_sum[place]),
        chosen: chosen[choices * place..][..ask.choices.len()].to_vec(),
    };
    Ok((asks.iter().enumerate())
        .map(|(row, asks)| {
            (asks.iter().enumerate())
                .map(|(index, ask)| at(row * places + index, ask))
                .collect()
        })
        .collect())
}

/// Summarises a plain export's logits for `[rows, tokens]`. `begin` is the index of the call's first token in the feed.
pub(crate) fn survey_all<T>(
    outputs: &SessionOutputs<'_>,
    asks: &[&[LogitQuery]],
    graph: &Graph,
    [rows, length]: [usize; 2],
    begin: usize,
) -> Result<Vec<Vec<LogitSummary>>>
where
    T: PrimitiveTensorElementType + Copy + Into<f32>,
{
    // The places that have logits.
    let (first, places) = if graph.is_last_only {
        (length - 1, 1)
    } else {
        (0, length)
    };
    let logits: &[T] = numbers(outputs, "logits", &[rows, places, graph.vocab])?;
    let read = |row: usize, ask: &LogitQuery| {
        let place = (ask.after - begin).checked_sub(first).ok_or_else(|| {
            Error::model(
                "the graph gives logits of the last token only (prune_lm_head), more are asked for",
            )
        })?;
        let at = (row * places + place) * graph.vocab;
        Ok(survey(&logits[at..][..graph.vocab], &ask.choices))
    };
    (asks.iter().enumerate())
        .map(|(row, asks)| asks.iter().map(|ask| read(row, ask)).collect())
        .collect()
}

/// Summarises one row of logits.
fn survey<T: Copy + Into<f32>>(logits: &[T], choices: &[u32]) -> LogitSummary {
    let (mut best, mut top, mut second) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
    for (index, &logit) in logits.iter().enumerate() {
        let logit = logit.into();
        if logit > top {
            (best, second, top) = (index, top, logit);
        } else if logit > second {
            second = logit;
        }
    }
    // If any logit is NaN, the sum is NaN, too.
    let sum: f64 = (logits.iter())
        .map(|&logit| f64::from(logit.into() - top).exp())
        .sum();
    LogitSummary {
        // Token ids have 32 bits everywhere; no larger vocabulary can get here.
        best: u32::try_from(best).unwrap_or(u32::MAX),
        top: [top, second],
        log_sum: sum.ln(),
        // The ids are below the vocabulary's size: the symbol table checks this.
        chosen: choices
            .iter()
            .map(|&id| logits[id as usize].into())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lowest_id() {
        let seen = survey(&[0.5, 2.0, 2.0, 1.0], &[]);
        assert_eq!((seen.best, seen.top), (1, [2.0, 2.0]));
    }

    #[test]
    fn the_best_two_are_found_wherever_they_stand() {
        for (best, logits) in [
            (0, [3.0, 1.0, 2.5]),
            (2, [2.5, 1.0, 3.0]),
            (2, [1.0, 2.5, 3.0]),
        ] {
            let seen = survey(&logits, &[1, 1]);
            assert_eq!((seen.best, seen.top), (best, [3.0, 2.5]));
            assert_eq!(seen.chosen, [logits[1]; 2]);
        }
    }

    #[test]
    fn the_sum_is_relative_to_the_largest() {
        let seen = survey(&[1f32, 2., 5.].map(f32::ln), &[]);
        assert!((seen.log_sum - (8f64 / 5.0).ln()).abs() < 1e-7);
        assert!(survey(&[1e4, 0.0, -1e4], &[]).log_sum.abs() < 1e-12);
    }

    #[test]
    fn a_logit_that_is_no_number_leaves_no_sum() {
        for logits in [
            [f32::NAN, 1.0],
            [1.0, f32::NAN],
            [f32::INFINITY, 0.0],
            [f32::NEG_INFINITY; 2],
        ] {
            let seen = survey(&logits, &[]);
            assert!(
                !(seen.log_sum.is_finite() && seen.top[0].is_finite()),
                "{logits:?}"
            );
        }
    }
}
