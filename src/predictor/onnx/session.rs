/*!
A forward pass: tokens behind what the cache holds go in, what was asked of the logits and the longer cache come out.

Logits are read where ONNX Runtime put them and never kept: a row of a large vocabulary is a megabyte.
*/

use std::time::{Duration, Instant};

use ort::memory::MemoryInfo;
use ort::session::{Session, SessionOutputs};
use ort::value::{Shape, Tensor, TensorValueType};

use super::cache::Cache;
use super::graph::{Graph, Signature, Slot};
use super::runtime::{dimension, failure};
use crate::error::{Error, Result};

/// What one call may take at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// The tokens that it reads of each sequence.
    pub chunk: usize,
    /// The bytes of its logits.
    pub logits_bytes: usize,
    /// Whether it reads all of a sequence, and of one only, whatever that takes: a token's logits depend on the call.
    pub is_whole: bool,
}

/// Where a call's outputs stay.
#[derive(Debug)]
pub(super) struct Memories {
    /// The cache's: on the device that runs the graph, so that it is not copied between calls.
    pub cache: MemoryInfo<'static>,
    /// Of the logits, which are read here.
    pub logits: MemoryInfo<'static>,
}

/// Which tokens compete for the next place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The whole vocabulary.
    Vocabulary,
    /// These two only, the lower id first.
    Pair([u32; 2]),
}

impl Over {
    fn pair(self) -> Option<[u32; 2]> {
        match self {
            Self::Vocabulary => None,
            Self::Pair(pair) => Some(pair),
        }
    }
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
    /// Whether the logits are numbers, one of them finite: else there is no arg-max, and nothing above means anything.
    pub is_sound: bool,
}

/// What one sequence of a batch reads in a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Feed<'a> {
    /// As many tokens as the others of the batch.
    pub tokens: &'a [u32],
    /// In ascending order, and as many as the others have.
    pub asks: &'a [Ask],
    /// Which tokens compete.
    pub over: Over,
}

/// What takes a call's logits: the sequence's number, a question, and the logits of the tokens that compete there.
type Each<'a> = dyn FnMut(usize, &Ask, &[f32]) -> Result<()> + 'a;

/// A session and what is known of its graph.
pub(super) struct Engine {
    session: Session,
    pub graph: Graph,
    limits: Limits,
    memories: Memories,
    /// Whether the graph may write the rows of new tokens into the tensors that hold those before them.
    is_in_place: bool,
    /// Tokens read so far, in any call.
    pub tokens_read: u64,
    /// Time spent within ONNX Runtime's calls.
    pub time: Duration,
}

impl Engine {
    /// `is_in_place`: the graph can take a cache with room for the call's tokens, and give it back as the same tensors.
    pub(super) fn new(
        session: Session,
        graph: Graph,
        limits: Limits,
        memories: Memories,
        is_in_place: bool,
    ) -> Self {
        // Room is made here, on the processor.
        let is_in_place = is_in_place && memories.cache.is_cpu_accessible();
        Self {
            session,
            graph,
            limits,
            memories,
            is_in_place,
            tokens_read: 0,
            time: Duration::ZERO,
        }
    }

    /// Whether a cache holds recurrent states, so that it can be cut back only where there is a mark.
    pub(super) fn is_recurrent(&self) -> bool {
        !self.graph.slots.iter().all(Slot::is_rows)
    }

    /// Whether a call may read several sequences, or tokens that are guessed.
    pub(super) fn may_mix(&self) -> bool {
        !self.limits.is_whole
    }

    /// The room for `tokens` more tokens that a cache should have where it is made.
    pub(super) fn room(&self, tokens: usize) -> usize {
        if self.is_in_place { tokens } else { 0 }
    }

    /// Whether a cache can be brought back to where it was before a call, by [forgetting](Cache::forget) that call's tokens:
    /// where the rows before them stay where they are, and nothing but rows is kept.
    pub(super) fn can_forget(&self) -> bool {
        self.is_in_place && !self.is_recurrent()
    }

    /// Reads what each sequence feeds behind what `cache` holds, and adds it there. One sequence alone is read in as many
    /// calls as bounded memory takes; several, which have read equally much or feed one token each, in one. On an error the
    /// cache is that of some of these calls.
    pub(super) fn forward(
        &mut self,
        cache: &mut Cache,
        feeds: &[Feed<'_>],
    ) -> Result<Vec<Vec<Reading>>> {
        let mut readings: Vec<Vec<Reading>> = vec![Vec::new(); feeds.len()];
        let mut judge = |sequence: usize, ask: &Ask, line: &[f32]| {
            let reading = judge(line, feeds[sequence].over.pair(), ask.token)?;
            readings[sequence].push(reading);
            Ok(())
        };
        let more = feeds.first().map_or(0, |feed| feed.tokens.len());
        self.reserve(cache, more)?;
        match feeds {
            &[feed] => self.in_pieces(cache, feed, &mut judge)?,
            _ => self.call(cache, feeds, &mut judge)?,
        }
        Ok(readings)
    }

    /// Makes room for so many tokens of each sequence, if they go into the cache's own tensors.
    fn reserve(&self, cache: &mut Cache, tokens: usize) -> Result<()> {
        if self.is_in_place {
            cache.reserve(&self.graph.slots, cache.longest() + tokens)?;
        }
        Ok(())
    }

    fn in_pieces(&mut self, cache: &mut Cache, feed: Feed<'_>, each: &mut Each<'_>) -> Result<()> {
        let Feed { tokens, asks, over } = feed;
        debug_assert!(!tokens.is_empty() && asks.is_sorted_by(|a, b| a.after < b.after));
        let (mut start, mut asked) = (0, 0);
        while start < tokens.len() {
            let pending = &asks[asked..];
            let end = self.call_end(start, tokens.len(), pending, over);
            let here: Vec<Ask> = pending
                .iter()
                .take_while(|ask| ask.after < end)
                .map(|ask| Ask {
                    after: ask.after - start,
                    ..*ask
                })
                .collect();
            asked += here.len();
            let piece = Feed {
                tokens: &tokens[start..end],
                asks: &here,
                over,
            };
            self.call(cache, &[piece], each)?;
            start = end;
        }
        Ok(())
    }

    /// All logits behind some tokens of a text, in ascending `positions`: one row of the vocabulary's width for each.
    pub(super) fn logits(&mut self, tokens: &[u32], positions: &[usize]) -> Result<Vec<Vec<f32>>> {
        let mut lines = Vec::with_capacity(positions.len());
        let asks: Vec<Ask> = positions
            .iter()
            .map(|&after| Ask { after, token: None })
            .collect();
        let needed = positions.last().map_or(0, |last| last + 1);
        let feed = Feed {
            tokens: &tokens[..needed],
            asks: &asks,
            over: Over::Vocabulary,
        };
        let mut cache = Cache::empty(&self.graph.slots, 1)?;
        self.reserve(&mut cache, needed)?;
        self.in_pieces(&mut cache, feed, &mut |_, _, line| {
            lines.push(line.to_vec());
            Ok(())
        })?;
        Ok(lines)
    }

    /// How many sequences that each read `length` tokens from the beginning and ask `asks` times go into one call of at
    /// most `tokens` tokens: one, where that call does not read them to the end, because `GroupQueryAttention` takes several
    /// tokens behind a cache for one sequence only.
    pub(super) fn rows(&self, tokens: usize, length: usize, asks: usize, over: Over) -> usize {
        if length > self.limits.chunk || self.limits.is_whole {
            return 1;
        }
        let logits = match self.graph.signature {
            Signature::Subset => asks * self.width(over),
            Signature::Plain { .. } => length * self.graph.vocab,
        };
        let by_logits = self.limits.logits_bytes / (logits.max(1) * size_of::<f32>());
        (tokens / length.max(1)).min(by_logits).max(1)
    }

    /// Reads half as many tokens of a sequence in a call from now on, if that helps where one reads `length`.
    pub(super) fn halve_chunk(&mut self, length: usize) -> bool {
        /// Calls this small take hardly any memory beside the cache.
        const SMALLEST: usize = 64;

        let half = self.limits.chunk.min(length) / 2;
        let helps = half >= SMALLEST && !self.limits.is_whole;
        if helps {
            self.limits.chunk = half;
        }
        helps
    }

    /// How many logits there are at a place.
    fn width(&self, over: Over) -> usize {
        match (self.graph.signature, over) {
            (Signature::Subset, Over::Pair(pair)) => pair.len(),
            _ => self.graph.vocab,
        }
    }

    /// Where a call that begins at `start` has to end to stay within the limits.
    fn call_end(&self, start: usize, length: usize, pending: &[Ask], over: Over) -> usize {
        if self.limits.is_whole {
            return length;
        }
        // Equal pieces: fewer scores to be masked than with a short one at the end.
        let left = length - start;
        let end = start + left.div_ceil(left.div_ceil(self.limits.chunk).max(1));
        let rows = (self.limits.logits_bytes / (self.width(over) * size_of::<f32>())).max(1);
        match self.graph.signature {
            Signature::Subset => pending.get(rows).map_or(end, |ask| end.min(ask.after)),
            Signature::Plain { .. } => end.min(start + rows),
        }
    }

    /// One call of the graph. On an error the cache is what it was.
    fn call(&mut self, cache: &mut Cache, feeds: &[Feed<'_>], each: &mut Each<'_>) -> Result<()> {
        let [first, ..] = feeds else {
            return Err(Error::model("a call without a sequence"));
        };
        let (rows, length, asks) = (feeds.len(), first.tokens.len(), first.asks.len());
        debug_assert!(
            feeds
                .iter()
                .all(|feed| feed.tokens.len() == length && feed.asks.len() == asks),
            "one tensor holds them"
        );
        let total = length
            + if self.is_in_place {
                cache.longest()
            } else {
                cache.capacity()
            };
        let ids: Vec<i64> = (feeds.iter().flat_map(|feed| feed.tokens))
            .copied()
            .map(i64::from)
            .collect();
        let mask: Vec<i64> = (cache.lengths().iter())
            .flat_map(|read| (0..total).map(move |place| i64::from(place < read + length)))
            .collect();
        let positions: Vec<i64> = match self.graph.signature {
            // A graph need not cope with no position at all.
            Signature::Subset if asks == 0 => vec![0; rows],
            Signature::Subset => (feeds.iter().flat_map(|feed| feed.asks))
                .map(|ask| dimension(ask.after))
                .collect(),
            Signature::Plain { .. } => (cache.lengths().iter())
                .flat_map(|&read| (read..read + length).map(dimension))
                .collect(),
        };
        let vocabulary = vocabulary(feeds);
        let mut binding = self.session.create_binding().map_err(failure)?;
        let mut input = |name: &str, values: Vec<i64>, shape: &[usize]| {
            let tensor = Tensor::from_array((shape, values)).map_err(failure)?;
            binding.bind_input(name, &tensor).map_err(failure)
        };
        input("input_ids", ids, &[rows, length])?;
        input("attention_mask", mask, &[rows, total])?;
        let places = match self.graph.signature {
            Signature::Subset => {
                let wanted: Vec<i64> = vocabulary.iter().copied().map(i64::from).collect();
                let count = wanted.len();
                input("positions", positions, &[rows, asks.max(1)])?;
                input("vocab_ids", wanted, &[count])?;
                asks.max(1)
            }
            Signature::Plain { position_ids } => {
                if position_ids {
                    input("position_ids", positions, &[rows, length])?;
                }
                length
            }
        };
        for (slot, value) in self.graph.slots.iter().zip(cache.values()) {
            binding.bind_input(&slot.past, value).map_err(failure)?;
            if self.is_in_place && slot.is_rows() {
                binding.bind_output(&slot.present, value)
            } else {
                binding.bind_output_to_device(&slot.present, &self.memories.cache)
            }
            .map_err(failure)?;
        }
        binding
            .bind_output_to_device("logits", &self.memories.logits)
            .map_err(failure)?;
        let begun = Instant::now();
        let mut outputs = self.session.run_binding(&binding).map_err(failure)?;
        self.time += begun.elapsed();
        let given = Given {
            graph: &self.graph,
            places,
            vocabulary: &vocabulary,
        };
        given.read(&outputs, feeds, each)?;
        let slots = &self.graph.slots;
        let given = (slots.iter())
            .filter(|slot| !(self.is_in_place && slot.is_rows()))
            .map(|slot| {
                let value = outputs
                    .remove(&slot.present)
                    .ok_or_else(|| Error::model(format!("no {}", slot.present)))?;
                value.downcast::<TensorValueType<f32>>().map_err(failure)
            })
            .collect::<Result<_>>()?;
        self.tokens_read += (rows * length) as u64;
        if self.is_in_place {
            cache.grown(slots, length, given);
        } else {
            let lengths = cache.lengths().iter().map(|read| read + length).collect();
            *cache = Cache::of(slots, given, lengths, total)?;
        }
        Ok(())
    }
}

/// The tokens that compete anywhere in a batch, ascending; none where the whole vocabulary does.
fn vocabulary(feeds: &[Feed<'_>]) -> Vec<u32> {
    let mut ids: Vec<u32> = (feeds.iter().filter_map(|feed| feed.over.pair()))
        .flatten()
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// How a call's logits lie.
struct Given<'a> {
    graph: &'a Graph,
    /// Places at which each sequence has logits.
    places: usize,
    /// What they are over; empty for the whole vocabulary.
    vocabulary: &'a [u32],
}

impl Given<'_> {
    /// Gives the logits that were asked for to `each`, after a check of their shape.
    fn read(
        &self,
        outputs: &SessionOutputs<'_>,
        feeds: &[Feed<'_>],
        each: &mut Each<'_>,
    ) -> Result<()> {
        let logits = outputs
            .get("logits")
            .ok_or_else(|| Error::model("no logits"))?;
        let (found, data) = logits.try_extract_tensor::<f32>().map_err(failure)?;
        let is_subset = self.graph.signature == Signature::Subset;
        let width = match self.vocabulary {
            [_, ..] if is_subset => self.vocabulary.len(),
            _ => self.graph.vocab,
        };
        let expected = Shape::new([feeds.len(), self.places, width].map(dimension));
        if *found != expected {
            return Err(Error::model(format!(
                "model.onnx gives logits of shape {found}, expected {expected}"
            )));
        }
        for (sequence, feed) in feeds.iter().enumerate() {
            for (index, ask) in feed.asks.iter().enumerate() {
                let place = if is_subset { index } else { ask.after };
                let begin = (sequence * self.places + place) * width;
                let line = &data[begin..begin + width];
                match feed.over {
                    Over::Vocabulary => each(sequence, ask, line)?,
                    Over::Pair(pair) => {
                        let column = |id: u32| {
                            if is_subset {
                                // It is among them: they were collected from all pairs.
                                self.vocabulary.binary_search(&id).unwrap_or_default()
                            } else {
                                // Below the vocabulary's size: the symbol table checks it.
                                id as usize
                            }
                        };
                        each(sequence, ask, &pair.map(|id| line[column(id)]))?;
                    }
                }
            }
        }
        Ok(())
    }
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
        return Ok(Reading {
            best: 0,
            margin: f64::NAN,
            logprob: None,
            is_sound: false,
        });
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
        is_sound: true,
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
    fn logits_that_are_no_numbers_have_no_arg_max() {
        for logits in [
            [f32::NAN, 1.0],
            [1.0, f32::NAN],
            [f32::NEG_INFINITY; 2],
            [f32::INFINITY, 0.0],
        ] {
            assert!(!judge(&logits, None, Some(0)).unwrap().is_sound);
        }
        assert!(
            judge(&[f32::NEG_INFINITY, 0.0], None, None)
                .unwrap()
                .margin
                .is_infinite()
        );
    }
}
