/*!
From prompts to answers: greedy decoding, and the teacher-forced pass that gives the same answers sooner.

`score` reads prompt and targets in one pass. Where each arg-max over a target is the target's symbol, greedy decoding
would have given the target. Where one is not, the answer goes on from the first wrong symbol with the pass's own cache,
the rest of the target serving as a draft: one call tells how far decoding agrees with it.
*/

use super::cache::{Cache, Mark};
use super::session::{Ask, Engine, Over, Reading};
use crate::error::{Error, Result};

/// A place in a sequence where an answer is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the answer's first token; there is at least one token before it.
    pub start: usize,
    /// The tokens of the target: at least one.
    pub target: Vec<u32>,
}

/// One sequence with its places, in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sequence {
    /// The prompt with its leading special tokens.
    pub tokens: Vec<u32>,
    /// In ascending order and apart from each other. A place at the end of `tokens` is answered behind them; all
    /// others have their target in `tokens`.
    pub places: Vec<Place>,
    /// Which tokens compete.
    pub over: Over,
}

impl Sequence {
    /// The tokens that a teacher-forced pass has to read: a last target's last symbol predicts nothing.
    pub(super) fn fed(&self) -> Vec<u32> {
        let mut tokens = self.tokens.clone();
        if let Some(last) = self
            .places
            .last()
            .filter(|place| place.start == tokens.len())
        {
            tokens.extend(&last.target[..last.target.len() - 1]);
        }
        tokens
    }
}

/// An answer in tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Decoded {
    /// What was answered, without an end-of-sequence token.
    pub tokens: Vec<u32>,
    /// ln p of the target, symbol by symbol given its prefix.
    pub logprob: Option<f64>,
    /// The smallest gap between the best two logits on the way.
    pub margin: f64,
}

impl Decoded {
    fn new() -> Self {
        Self {
            margin: f64::INFINITY,
            ..Self::default()
        }
    }

    /// Takes one more token; `false` where it is the end.
    fn take(&mut self, reading: &Reading, stop: &[u32]) -> bool {
        self.margin = self.margin.min(reading.margin);
        if stop.contains(&reading.best) {
            return false;
        }
        self.tokens.push(reading.best);
        true
    }
}

/// Answers every place of a sequence with one teacher-forced pass. Where `complete`, wrong answers are decoded to their
/// end; otherwise they end with their first wrong symbol.
pub(super) fn score(
    engine: &mut Engine,
    sequence: &Sequence,
    stop: &[u32],
    complete: bool,
) -> Result<Vec<Decoded>> {
    let asks: Vec<Ask> = sequence
        .places
        .iter()
        .flat_map(|place| {
            (place.start - 1..)
                .zip(&place.target)
                .map(|(after, &token)| Ask {
                    after,
                    token: Some(token),
                })
        })
        .collect();
    if asks.is_empty() {
        return Ok(Vec::new());
    }
    let recurrent = engine.is_recurrent();
    let stops: Vec<usize> = (sequence.places.iter().map(|place| place.start))
        .filter(|_| recurrent && complete)
        .collect();
    let (cache, readings, marks) = read(engine, sequence, &asks, &stops)?;
    let mut rest = &readings[..];
    let mut answers = Vec::with_capacity(sequence.places.len());
    for (index, place) in sequence.places.iter().enumerate() {
        let here;
        (here, rest) = rest.split_at(place.target.len());
        let mut answer = Decoded::new();
        answer.logprob = here.iter().map(|reading| reading.logprob).sum();
        let wrong = here
            .iter()
            .zip(&place.target)
            .position(|(reading, &token)| !answer.take(reading, stop) || reading.best != token);
        if let Some(wrong) = wrong.filter(|&wrong| complete && wrong < answer.tokens.len()) {
            let slots = &engine.graph.slots;
            // Without states, what is right of the answer need not be read again.
            let (base, from) = match marks.get(index) {
                Some(mark) => (cache.cut(slots, mark)?, 0),
                None => (cache.cut(slots, &Mark::at(place.start + wrong))?, wrong),
            };
            follow(
                engine,
                &base,
                &place.target,
                sequence.over,
                stop,
                &mut answer,
                from,
            )?;
        }
        answers.push(answer);
    }
    Ok(answers)
}

/// Reads a whole sequence from its beginning, and marks the places `stops`, which ascend, on the way.
fn read(
    engine: &mut Engine,
    sequence: &Sequence,
    asks: &[Ask],
    stops: &[usize],
) -> Result<(Cache, Vec<Reading>, Vec<Mark>)> {
    let fed = sequence.fed();
    let mut cache = Cache::empty(&engine.graph.slots)?;
    let mut readings = Vec::with_capacity(asks.len());
    let mut marks = Vec::with_capacity(stops.len());
    while cache.length() < fed.len() {
        let begin = cache.length();
        let end = stops.get(marks.len()).copied().unwrap_or(fed.len());
        let here: Vec<Ask> = (asks[readings.len()..].iter())
            .take_while(|ask| ask.after < end)
            .map(|ask| Ask {
                after: ask.after - begin,
                ..*ask
            })
            .collect();
        let more;
        (cache, more) = engine.forward(&cache, &fed[begin..end], &here, sequence.over)?;
        readings.extend(more);
        if marks.len() < stops.len() {
            marks.push(cache.mark(&engine.graph.slots)?);
        }
    }
    Ok((cache, readings, marks))
}

/// Decodes an answer to its end. `base` holds everything before the answer's token `from`. The few tokens from there on
/// are read again in every call, which spares cutting the cache each time a draft fails.
fn follow(
    engine: &mut Engine,
    base: &Cache,
    target: &[u32],
    over: Over,
    stop: &[u32],
    answer: &mut Decoded,
    from: usize,
) -> Result<()> {
    while answer.tokens.len() < target.len() {
        let known = answer.tokens.len();
        let draft = &target[known..target.len() - 1];
        let tokens = [&answer.tokens[from..], draft].concat();
        let asks: Vec<Ask> = (known - from - 1..tokens.len())
            .map(|after| Ask { after, token: None })
            .collect();
        let (_, readings) = engine.forward(base, &tokens, &asks, over)?;
        for (reading, &token) in readings.iter().zip(&target[known..]) {
            if !answer.take(reading, stop) {
                return Ok(());
            }
            if reading.best != token {
                break;
            }
        }
    }
    Ok(())
}

/// Answers every place by greedy decoding, a token a step. Targets are only compared with: `logprob` is known where the
/// answer is the target.
pub(super) fn generate(
    engine: &mut Engine,
    sequence: &Sequence,
    stop: &[u32],
) -> Result<Vec<Decoded>> {
    let mut read = Cache::empty(&engine.graph.slots)?;
    let mut answers = Vec::with_capacity(sequence.places.len());
    for Place { start, target } in &sequence.places {
        let mut next = &sequence.tokens[read.length()..*start];
        let mut answer = Decoded::new();
        let mut logprob = Some(0.0);
        // What the answer itself adds; the sequence goes on from `read`.
        let mut ahead: Option<Cache> = None;
        let mut last;
        for &token in target {
            let ask = Ask {
                after: next.len() - 1,
                token: logprob.is_some().then_some(token),
            };
            let past = ahead.as_ref().unwrap_or(&read);
            let (cache, readings) = engine.forward(past, next, &[ask], sequence.over)?;
            if answer.tokens.is_empty() {
                read = cache;
            } else {
                ahead = Some(cache);
            }
            let [reading] = readings[..] else {
                return Err(Error::model("model.onnx gives no logits for a step"));
            };
            logprob = logprob
                .zip(reading.logprob)
                .map(|(sum, symbol)| sum + symbol);
            if reading.best != token {
                logprob = None;
            }
            if !answer.take(&reading, stop) {
                break;
            }
            last = [reading.best];
            next = &last;
        }
        answer.logprob = logprob;
        answers.push(answer);
    }
    Ok(answers)
}
