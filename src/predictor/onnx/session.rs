/*!
A forward pass: tokens behind what the cache holds go in, what was asked of the logits and the longer cache come out.

Logits are read where ONNX Runtime put them and never kept: a row of a large vocabulary is a megabyte.
*/

use std::borrow::Cow;

use ort::session::{Session, SessionInputValue, SessionOutputs};
use ort::value::{Shape, TensorRef, TensorValueType};

use super::cache::Cache;
use super::graph::{Content, Graph, Signature, Slot};
use super::runtime::{dimension, failure};
use crate::error::{Error, Result};

/// The most tokens of one call. Attention may keep heads x tokens x sequence scores; at 16 heads, 4096 tokens and a
/// sequence as long these are 1 GiB.
const CALL_TOKENS: usize = 4096;

/// Which tokens compete for the next place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The whole vocabulary.
    Vocabulary,
    /// These two only, the lower id first.
    Pair([u32; 2]),
}

/// A question about the token that follows one of the tokens that are fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    /// Index of the token fed.
    pub after: usize,
    /// The token whose log-probability is wanted.
    pub token: Option<u32>,
}

/// The answer to an [`Ask`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    /// The likeliest token, the lowest id among equals.
    pub best: u32,
    /// The gap between the best two logits.
    pub margin: f64,
    /// ln p of the token asked for, over the tokens that compete.
    pub logprob: Option<f64>,
}

/// A session and what is known of its graph.
pub(super) struct Engine {
    session: Session,
    pub graph: Graph,
    /// The bytes that the logits of one call may take.
    logits_bytes: usize,
}

impl Engine {
    pub(super) fn new(session: Session, graph: Graph, logits_bytes: usize) -> Self {
        Self {
            session,
            graph,
            logits_bytes,
        }
    }

    /// Whether a cache holds recurrent states, so that it can be cut back only where there is a mark.
    pub(super) fn is_recurrent(&self) -> bool {
        let state = |slot: &Slot| matches!(slot.content, Content::State { .. });
        self.graph.slots.iter().any(state)
    }

    /// Reads `tokens` behind `past`, in as many calls as bounded memory takes. `asks` ascend.
    pub(super) fn forward(
        &mut self,
        past: &Cache,
        tokens: &[u32],
        asks: &[Ask],
        over: Over,
    ) -> Result<(Cache, Vec<Reading>)> {
        debug_assert!(!tokens.is_empty() && asks.is_sorted_by(|a, b| a.after < b.after));
        let mut readings = Vec::with_capacity(asks.len());
        let mut own: Option<Cache> = None;
        let mut start = 0;
        loop {
            let pending = &asks[readings.len()..];
            let end = self.call_end(start, tokens.len(), pending, over);
            let here: Vec<Ask> = pending
                .iter()
                .take_while(|ask| ask.after < end)
                .map(|ask| Ask {
                    after: ask.after - start,
                    ..*ask
                })
                .collect();
            let past = own.as_ref().unwrap_or(past);
            let cache = self.call(past, &tokens[start..end], &here, over, &mut readings)?;
            if end == tokens.len() {
                return Ok((cache, readings));
            }
            own = Some(cache);
            start = end;
        }
    }

    /// Where a call that begins at `start` has to end for its logits to stay within their bytes.
    fn call_end(&self, start: usize, length: usize, pending: &[Ask], over: Over) -> usize {
        let end = length.min(start + CALL_TOKENS);
        let width = match (self.graph.signature, over) {
            (Signature::Subset, Over::Pair(pair)) => pair.len(),
            _ => self.graph.vocab,
        };
        let rows = (self.logits_bytes / (width * size_of::<f32>())).max(1);
        match self.graph.signature {
            Signature::Subset => pending.get(rows).map_or(end, |ask| end.min(ask.after)),
            Signature::Plain { .. } => end.min(start + rows),
        }
    }

    fn call(
        &mut self,
        past: &Cache,
        tokens: &[u32],
        asks: &[Ask],
        over: Over,
        readings: &mut Vec<Reading>,
    ) -> Result<Cache> {
        let length = past.length() + tokens.len();
        let ids: Vec<i64> = tokens.iter().copied().map(i64::from).collect();
        let mask = vec![1i64; length];
        let positions: Vec<i64> = match self.graph.signature {
            // A graph need not cope with no position at all.
            Signature::Subset if asks.is_empty() => vec![0],
            Signature::Subset => asks.iter().map(|ask| dimension(ask.after)).collect(),
            Signature::Plain { .. } => (past.length()..length).map(dimension).collect(),
        };
        let vocabulary: Vec<i64> = match over {
            Over::Vocabulary => Vec::new(),
            Over::Pair(pair) => pair.map(i64::from).to_vec(),
        };
        let (ids, mask, positions) = (row(&ids)?, row(&mask)?, row(&positions)?);
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = vec![
            ("input_ids".into(), ids.into()),
            ("attention_mask".into(), mask.into()),
        ];
        let rows = match self.graph.signature {
            Signature::Subset => {
                inputs.push(("positions".into(), positions.into()));
                let vocabulary = TensorRef::from_array_view(([vocabulary.len()], &vocabulary[..]))
                    .map_err(failure)?;
                inputs.push(("vocab_ids".into(), vocabulary.into()));
                asks.len().max(1)
            }
            Signature::Plain { position_ids } => {
                if position_ids {
                    inputs.push(("position_ids".into(), positions.into()));
                }
                tokens.len()
            }
        };
        for (slot, value) in self.graph.slots.iter().zip(past.values()) {
            inputs.push((Cow::Borrowed(&slot.past), value.into()));
        }
        let mut outputs = self.session.run(inputs).map_err(failure)?;
        read(&outputs, &self.graph, rows, asks, over, readings)?;
        let values = self
            .graph
            .slots
            .iter()
            .map(|slot| {
                let value = outputs
                    .remove(&slot.present)
                    .ok_or_else(|| Error::model(format!("no {}", slot.present)))?;
                value.downcast::<TensorValueType<f32>>().map_err(failure)
            })
            .collect::<Result<_>>()?;
        Cache::of(&self.graph.slots, values, length)
    }
}

fn row(values: &[i64]) -> Result<TensorRef<'_, i64>> {
    TensorRef::from_array_view(([1, values.len()], values)).map_err(failure)
}

/// Reads what was asked from a call's logits, after a check of their shape.
fn read(
    outputs: &SessionOutputs<'_>,
    graph: &Graph,
    rows: usize,
    asks: &[Ask],
    over: Over,
    readings: &mut Vec<Reading>,
) -> Result<()> {
    let logits = outputs
        .get("logits")
        .ok_or_else(|| Error::model("no logits"))?;
    let (found, data) = logits.try_extract_tensor::<f32>().map_err(failure)?;
    let width = match (graph.signature, over) {
        (Signature::Subset, Over::Pair(pair)) => pair.len(),
        _ => graph.vocab,
    };
    let expected = Shape::new([1, rows, width].map(dimension));
    if *found != expected {
        return Err(Error::model(format!(
            "model.onnx gives logits of shape {found}, expected {expected}"
        )));
    }
    for (index, ask) in asks.iter().enumerate() {
        let line = match graph.signature {
            Signature::Subset => index,
            Signature::Plain { .. } => ask.after,
        };
        let line = &data[line * width..(line + 1) * width];
        readings.push(match (graph.signature, over) {
            (_, Over::Vocabulary) => judge(line, None, ask.token)?,
            (Signature::Subset, Over::Pair(pair)) => judge(line, Some(pair), ask.token)?,
            (Signature::Plain { .. }, Over::Pair(pair)) => {
                // Both ids are below the vocabulary's size: the symbol table checks it.
                judge(&pair.map(|id| line[id as usize]), Some(pair), ask.token)?
            }
        });
    }
    Ok(())
}

/// The arg-max, its margin and the log-probability of a token, given the logits of the tokens `of` or of all.
fn judge(logits: &[f32], of: Option<[u32; 2]>, token: Option<u32>) -> Result<Reading> {
    let (mut best, mut top, mut second) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
    let mut broken = false;
    for (index, &logit) in logits.iter().enumerate() {
        broken |= logit.is_nan();
        if logit > top {
            (best, second, top) = (index, top, logit);
        } else if logit > second {
            second = logit;
        }
    }
    if broken || !top.is_finite() {
        return Err(Error::model(
            "model.onnx gives logits that are not numbers, or no finite one",
        ));
    }
    let id = |index: usize| match of {
        Some(ids) => ids[index],
        // Token ids are 32 bits wide everywhere; a vocabulary beyond them has no row to get here.
        None => u32::try_from(index).unwrap_or(u32::MAX),
    };
    let logprob = match token {
        Some(token) => {
            let place = match of {
                Some(ids) => ids.iter().position(|&id| id == token),
                None => usize::try_from(token).ok(),
            };
            let logit = place.and_then(|place| logits.get(place)).ok_or_else(|| {
                Error::data(format!(
                    "token {token} of the target is not among those that are compared"
                ))
            })?;
            let sum: f64 = logits
                .iter()
                .map(|&logit| f64::from(logit - top).exp())
                .sum();
            Some(f64::from(logit - top) - sum.ln())
        }
        None => None,
    };
    Ok(Reading {
        best: id(best),
        margin: f64::from(top) - f64::from(second),
        logprob,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lowest_id() {
        let reading = judge(&[0.5, 2.0, 2.0, 1.0], None, None).unwrap();
        assert_eq!(
            (reading.best, reading.margin, reading.logprob),
            (1, 0.0, None)
        );
    }

    #[test]
    fn the_margin_is_the_gap_of_the_best_two_wherever_they_stand() {
        for logits in [[3.0, 1.0, 2.5], [2.5, 1.0, 3.0], [1.0, 2.5, 3.0]] {
            assert!((judge(&logits, None, None).unwrap().margin - 0.5).abs() < 1e-12);
        }
    }

    #[test]
    fn log_probabilities_are_a_log_softmax() {
        // p = (1, 2, 5) / 8
        let logits = [1f32, 2., 5.].map(f32::ln);
        for (token, p) in [(0, 0.125f64), (1, 0.25), (2, 0.625)] {
            let logprob = judge(&logits, None, Some(token)).unwrap().logprob.unwrap();
            assert!((logprob - p.ln()).abs() < 1e-6, "{token}");
        }
        let far = judge(&[-1e4, 0., 1e4], None, Some(0))
            .unwrap()
            .logprob
            .unwrap();
        assert!((far + 2e4).abs() < 1e-6);
    }

    #[test]
    fn a_pair_is_compared_and_normalised_by_itself() {
        let reading = judge(&[1f32.ln(), 3f32.ln()], Some([35, 40]), Some(35)).unwrap();
        assert_eq!(reading.best, 40);
        assert!((reading.logprob.unwrap() - 0.25f64.ln()).abs() < 1e-6);
        assert_eq!(judge(&[1.0, 1.0], Some([35, 40]), None).unwrap().best, 35);
        assert!(judge(&[1.0, 1.0], Some([35, 40]), Some(7)).is_err());
    }

    #[test]
    fn logits_that_are_no_numbers_are_an_error_of_the_model() {
        for logits in [
            [f32::NAN, 1.0],
            [1.0, f32::NAN],
            [f32::NEG_INFINITY; 2],
            [f32::INFINITY, 0.0],
        ] {
            assert_eq!(judge(&logits, None, Some(0)).unwrap_err().exit_code(), 3);
        }
        assert!(
            judge(&[f32::NEG_INFINITY, 0.0], None, None)
                .unwrap()
                .margin
                .is_infinite()
        );
    }
}
