/*!
Turns prompts into answers by greedy decoding, or by a teacher-forced pass that gives the same answers faster.

[`answer`] answers sequences of one shape together. One pass reads each sequence to its end. With `score` the pass also
reads the targets: if the arg-max at every token of a target is that token, greedy decoding would have given the target.
Answers that are still open continue from the pass's own cache, the last place first: the cache is cut back to where the
answer begins, so earlier places lose nothing. All sequences step together, one token each per call. A sequence that is
alone drafts: it feeds a guess at the whole rest of the answer, and one call tells how far decoding agrees.
*/

use std::rc::Rc;

use super::engine::{Cache, Engine, Feed, LogitQuery, LogitSummary, States};
use crate::error::Result;

/// A place in a sequence where an answer is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AnswerSpan {
    /// Index of the answer's first token; there is at least one token before it.
    pub start: usize,
    /// The tokens of the target: at least one.
    pub target: Vec<u32>,
}

/// Which tokens compete to be the next token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Candidates {
    /// The whole vocabulary.
    Vocabulary,
    /// Only these two, the lower id first.
    Pair([u32; 2]),
}

/// One sequence of tokens with the places to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sequence {
    /// The prompt with its leading special tokens.
    pub tokens: Vec<u32>,
    /// In ascending order, without overlap. A place at the end of `tokens` is answered after them. At any other place,
    /// `tokens` already holds the target.
    pub places: Vec<AnswerSpan>,
    /// Which tokens compete.
    pub over: Candidates,
}

/// An answer in tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Decoded {
    /// The answer's tokens, without an end-of-sequence token.
    pub tokens: Vec<u32>,
    /// ln p of the target: the sum over its symbols, each given all before it.
    pub logprob: Option<f64>,
    /// The smallest gap between the two largest logits over all decoding steps.
    pub margin: f64,
    /// Whether it ended because the logits were unusable (see [`NextToken::logprob`]).
    pub is_broken: bool,
}

/// What the model predicts for the next token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NextToken {
    /// The likeliest token; among equals, the lowest id.
    pub best: u32,
    /// The gap between the two largest logits.
    pub margin: f64,
    /// ln p of the queried token, normalised over the tokens that compete. `None` if the logits are unusable: the
    /// largest is not finite, or one is NaN. Then there is no arg-max, and the fields above mean nothing.
    pub logprob: Option<f64>,
}

impl Candidates {
    /// The tokens whose logits [`judge`](Self::judge) needs at a place; `token` is the target's there.
    fn choices(self, token: u32) -> Vec<u32> {
        match self {
            Self::Vocabulary => vec![token],
            Self::Pair(pair) => pair.to_vec(),
        }
    }

    /// The model's prediction at a place, from the logits of its [`choices`](Self::choices).
    pub(super) fn judge(self, seen: &LogitSummary, token: u32) -> NextToken {
        let (best, [top, second], log_sum, chosen) = match self {
            Self::Vocabulary => (seen.best, seen.top, seen.log_sum, seen.chosen[0]),
            Self::Pair(pair) => {
                let (low, high) = (seen.chosen[0], seen.chosen[1]);
                let (best, top) = if high > low {
                    (pair[1], [high, low])
                } else {
                    (pair[0], [low, high])
                };
                let gap = f64::from(top[0]) - f64::from(top[1]);
                let at = usize::from(token == pair[1]);
                (best, top, (-gap).exp().ln_1p(), seen.chosen[at])
            }
        };
        let is_sound = top.is_finite() && log_sum.is_finite() && !second.is_nan();
        NextToken {
            best,
            margin: f64::from(top) - f64::from(second),
            logprob: is_sound.then(|| f64::from(chosen) - f64::from(top) - log_sum),
        }
    }
}

impl Decoded {
    fn new() -> Self {
        Self {
            margin: f64::INFINITY,
            ..Self::default()
        }
    }

    /// Appends the predicted token. Returns `false` if the answer ends instead: at an end-of-sequence token, or because
    /// the logits are unusable.
    fn take(&mut self, reading: &NextToken, stop: &[u32]) -> bool {
        if reading.logprob.is_none() {
            self.is_broken = true;
            self.logprob = None;
            return false;
        }
        self.margin = self.margin.min(reading.margin);
        if stop.contains(&reading.best) {
            return false;
        }
        self.tokens.push(reading.best);
        true
    }
}

/// How much of each sequence a pass reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadMode {
    /// All tokens before the last answer. Decoding continues from there.
    Prompt,
    /// The targets, too. Only answers that differ from their target are decoded, and only if `complete` is set.
    TeacherForced {
        /// Whether wrong answers are decoded to their end; otherwise they end with their first wrong symbol.
        complete: bool,
    },
}

impl ReadMode {
    /// How many tokens of an answer the pass queries.
    fn asks(self, place: &AnswerSpan) -> usize {
        match self {
            Self::Prompt => 1,
            Self::TeacherForced { .. } => place.target.len(),
        }
    }

    /// Whether answers may be decoded further after the pass.
    pub(super) fn goes_on(self) -> bool {
        self != Self::TeacherForced { complete: false }
    }
}

impl Sequence {
    /// The tokens that a pass has to read. The last target's last token is left out: no query follows it.
    pub(super) fn fed(&self, reads: ReadMode) -> Vec<u32> {
        let mut tokens = self.tokens.clone();
        if let Some(last) = self.places.last() {
            if last.start == tokens.len() {
                tokens.extend(&last.target);
            }
            tokens.truncate(last.start + reads.asks(last) - 1);
        }
        tokens
    }

    /// The most tokens that are ever read: all up to the second-to-last token of the last answer.
    pub(super) fn longest(&self) -> usize {
        (self.places.last()).map_or(0, |last| last.start + last.target.len() - 1)
    }

    fn asks(&self, reads: ReadMode) -> Vec<LogitQuery> {
        (self.places.iter())
            .flat_map(|place| {
                (place.start - 1..)
                    .zip(&place.target)
                    .take(reads.asks(place))
                    .map(|(after, &token)| LogitQuery {
                        after,
                        choices: self.over.choices(token),
                    })
            })
            .collect()
    }
}

/// An answer that is being decoded.
struct OpenAnswer<'a> {
    answer: Decoded,
    /// The target that the answer is compared with. The answer has at most as many tokens.
    target: &'a [u32],
    over: Candidates,
    /// The known part of the answer, then a guess at the rest (Jacobi decoding): at first the target, then what the
    /// model last predicted at each index, after whatever it had read before it.
    guess: Vec<u32>,
    /// With [`ReadMode::Prompt`]: ln p of the answer so far; `None` once it differs from the target.
    agreed: Option<f64>,
    /// Whether the answer is complete.
    is_done: bool,
}

impl<'a> OpenAnswer<'a> {
    /// Starts an answer from what the pass read at its place.
    fn begin(
        place: &'a AnswerSpan,
        over: Candidates,
        seen: &[LogitSummary],
        reads: ReadMode,
        stop: &[u32],
    ) -> Self {
        let target = &place.target[..];
        let readings: Vec<NextToken> = (seen.iter().zip(target))
            .map(|(seen, &token)| over.judge(seen, token))
            .collect();
        let mut open = Self {
            answer: Decoded::new(),
            target,
            over,
            guess: target.to_vec(),
            agreed: Some(0.0),
            is_done: false,
        };
        for (guess, reading) in open.guess.iter_mut().zip(&readings) {
            *guess = reading.best;
        }
        if reads == ReadMode::Prompt {
            for reading in &readings {
                open.advance(reading, stop);
            }
            return open;
        }
        open.agreed = None;
        open.answer.logprob = readings.iter().map(|reading| reading.logprob).sum();
        // Up to the first symbol that differs from the target. `goes_on` tells whether the answer continues after it.
        let leaves = (readings.iter().zip(target)).find_map(|(reading, &token)| {
            let goes_on = open.answer.take(reading, stop);
            (!goes_on || reading.best != token).then_some(goes_on)
        });
        let goes_on = leaves == Some(true) && reads.goes_on();
        open.is_done = !goes_on || open.answer.tokens.len() == target.len();
        open
    }

    /// Adds the model's prediction after the answer's last token.
    fn advance(&mut self, reading: &NextToken, stop: &[u32]) {
        let expected = self.target[self.answer.tokens.len()];
        self.agreed = (self.agreed.zip(reading.logprob))
            .map(|(sum, symbol)| sum + symbol)
            .filter(|_| reading.best == expected);
        self.is_done =
            !self.answer.take(reading, stop) || self.answer.tokens.len() == self.target.len();
        if self.is_done && self.agreed.is_some() {
            self.answer.logprob = self.agreed;
        }
    }

    /// The query about the answer's token `index`, which follows token `after` of a feed.
    fn ask(&self, after: usize, index: usize) -> LogitQuery {
        LogitQuery {
            after,
            choices: self.over.choices(self.target[index]),
        }
    }
}

/// Answers sequences of one shape: equally many tokens, the same places, targets of the same lengths. Returns the
/// answers of each sequence in the order of its places.
pub(super) fn answer(
    engine: &mut Engine,
    sequences: &[Sequence],
    reads: ReadMode,
    stop: &[u32],
) -> Result<Vec<Vec<Decoded>>> {
    let Some(first) = sequences.first().filter(|first| !first.places.is_empty()) else {
        return Ok(sequences.iter().map(|_| Vec::new()).collect());
    };
    let mut pass = Pass::of(engine, sequences, reads)?;
    // For each place, one answer per sequence.
    let mut open: Vec<Vec<OpenAnswer<'_>>> = Vec::with_capacity(first.places.len());
    let mut asked = 0;
    for (index, place) in first.places.iter().enumerate() {
        let here = asked..asked + reads.asks(place);
        asked = here.end;
        let begun = (sequences.iter().zip(&pass.seen)).map(|(sequence, seen)| {
            let place = &sequence.places[index];
            OpenAnswer::begin(place, sequence.over, &seen[here.clone()], reads, stop)
        });
        open.push(begun.collect());
    }
    for (index, answers) in open.iter_mut().enumerate().rev() {
        let start = first.places[index].start;
        let states = pass.states.get(index);
        match &mut answers[..] {
            [alone] if engine.limits.may_mix() => {
                draft(engine, &mut pass.cache, alone, (start, states), stop)?;
            }
            all => step(engine, &mut pass.cache, all, (start, states), stop)?,
        }
    }
    let mut answers: Vec<Vec<Decoded>> = sequences.iter().map(|_| Vec::new()).collect();
    for place in open {
        for (own, open) in answers.iter_mut().zip(place) {
            own.push(open.answer);
        }
    }
    Ok(answers)
}

/// The result of a pass over some sequences.
struct Pass {
    cache: Cache,
    /// The replies to each sequence's queries.
    seen: Vec<Vec<LogitSummary>>,
    /// The recurrent states before each place; empty if the graph has none or no decoding follows.
    states: Vec<States>,
}

impl Pass {
    fn of(engine: &mut Engine, sequences: &[Sequence], reads: ReadMode) -> Result<Self> {
        let fed: Vec<Vec<u32>> = sequences.iter().map(|one| one.fed(reads)).collect();
        let asks: Vec<Vec<LogitQuery>> = sequences.iter().map(|one| one.asks(reads)).collect();
        let (first, length) = (&sequences[0], fed[0].len());
        let keeps_states = engine.graph.is_recurrent() && reads.goes_on();
        let parts = keeps_states || engine.graph.is_last_only;
        let mut stops: Vec<usize> = (first.places.iter().map(|place| place.start))
            .filter(|_| parts)
            .collect();
        let mut pass = Self {
            cache: engine.cache(sequences.len(), first.longest())?,
            seen: vec![Vec::new(); sequences.len()],
            states: Vec::with_capacity(stops.len()),
        };
        if stops.last() != Some(&length) {
            stops.push(length);
        }
        let mut begin = 0;
        for end in stops {
            let here: Vec<Vec<LogitQuery>> = (asks.iter())
                .map(|asks| {
                    (asks.iter().filter(|ask| (begin..end).contains(&ask.after)))
                        .map(|ask| LogitQuery {
                            after: ask.after - begin,
                            choices: ask.choices.clone(),
                        })
                        .collect()
                })
                .collect();
            let feeds: Vec<Feed<'_>> = (fed.iter().zip(&here))
                .map(|(tokens, asks)| Feed {
                    tokens: &tokens[begin..end],
                    asks,
                })
                .collect();
            let seen = engine.forward(&mut pass.cache, &feeds)?;
            for (all, more) in pass.seen.iter_mut().zip(seen) {
                all.extend(more);
            }
            if keeps_states && pass.states.len() < first.places.len() {
                pass.states.push(Rc::clone(&pass.cache.states));
            }
            begin = end;
        }
        Ok(pass)
    }
}

/// Decodes the open answers of one place, one token of every sequence per step.
///
/// `before` is the index where the answers begin, and the states there if states are kept. All sequences have always
/// read equally many tokens. If an answer already knows its next token, that one is fed, whatever the model predicts.
fn step(
    engine: &mut Engine,
    cache: &mut Cache,
    answers: &mut [OpenAnswer<'_>],
    before: (usize, Option<&States>),
    stop: &[u32],
) -> Result<()> {
    let (start, states) = before;
    let known = (answers.iter().filter(|open| !open.is_done)).map(|open| open.answer.tokens.len());
    let Some(fewest) = known.min() else {
        return Ok(());
    };
    // Without states, tokens that all answers know, except the last of them, need not be read again.
    let mut held = if states.is_some() { 0 } else { fewest - 1 };
    cache.cut(&engine.graph, start + held, states)?;
    while answers.iter().any(|open| !open.is_done) {
        let mut fed: Vec<(u32, Vec<LogitQuery>)> = Vec::with_capacity(answers.len());
        for open in answers.iter() {
            // A complete answer may feed any token.
            let token = open.answer.tokens.get(held).unwrap_or(&open.target[0]);
            // Every answer sends a query, since one tensor holds them all.
            fed.push((*token, vec![open.ask(0, held + 1)]));
        }
        let feeds: Vec<Feed<'_>> = (fed.iter())
            .map(|(token, asks)| Feed {
                tokens: std::slice::from_ref(token),
                asks,
            })
            .collect();
        let seen = engine.forward(cache, &feeds)?;
        held += 1;
        let waiting = (answers.iter_mut().zip(seen))
            .filter(|(open, _)| !open.is_done && open.answer.tokens.len() == held);
        for (open, seen) in waiting {
            let reading = open.over.judge(&seen[0], open.target[held]);
            open.advance(&reading, stop);
        }
    }
    Ok(())
}

/// Decodes one answer with drafts: each call feeds the guess at the whole rest of it.
fn draft(
    engine: &mut Engine,
    cache: &mut Cache,
    open: &mut OpenAnswer<'_>,
    before: (usize, Option<&States>),
    stop: &[u32],
) -> Result<()> {
    let (start, states) = before;
    while !open.is_done {
        let known = open.answer.tokens.len();
        let held = if states.is_some() { 0 } else { known - 1 };
        let tokens = open.guess[held..open.guess.len() - 1].to_vec();
        let asks: Vec<LogitQuery> = (known..open.target.len())
            .map(|index| open.ask(index - held - 1, index))
            .collect();
        cache.cut(&engine.graph, start + held, states)?;
        let feed = Feed {
            tokens: &tokens,
            asks: &asks,
        };
        let seen = engine.forward(cache, &[feed])?;
        let mut agrees = true;
        for (index, seen) in (known..).zip(&seen[0]) {
            let reading = open.over.judge(seen, open.target[index]);
            if agrees && !open.is_done {
                open.advance(&reading, stop);
            }
            agrees &= std::mem::replace(&mut open.guess[index], reading.best) == reading.best;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(best: u32, top: [f32; 2], log_sum: f64, chosen: &[f32]) -> LogitSummary {
        LogitSummary {
            best,
            top,
            log_sum,
            chosen: chosen.to_vec(),
        }
    }

    #[test]
    fn log_probabilities_are_a_log_softmax() {
        // p = (1, 2, 5) / 8
        let logits = [1f32, 2., 5.].map(f32::ln);
        for (logit, p) in logits.into_iter().zip([0.125f64, 0.25, 0.625]) {
            let seen = seen(2, [logits[2], logits[1]], (8f64 / 5.0).ln(), &[logit]);
            let reading = Candidates::Vocabulary.judge(&seen, 0);
            assert_eq!(reading.best, 2);
            assert!((reading.logprob.unwrap() - p.ln()).abs() < 1e-6);
            assert!((reading.margin - 2.5f64.ln()).abs() < 1e-6);
        }
    }

    #[test]
    fn a_pair_is_compared_and_normalised_by_itself() {
        let over = Candidates::Pair([35, 40]);
        let reading =
            |logits: [f32; 2], token| over.judge(&seen(7, [90.0, 80.0], 0.0, &logits), token);
        let found = reading([1f32.ln(), 3f32.ln()], 35);
        assert_eq!(found.best, 40);
        assert!((found.logprob.unwrap() - 0.25f64.ln()).abs() < 1e-6);
        assert!((found.margin - 3f64.ln()).abs() < 1e-6);
        // A tie goes to the lower id.
        assert_eq!(reading([1.0, 1.0], 35).best, 35);
    }

    #[test]
    fn logits_that_are_no_numbers_have_no_arg_max() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        for (top, log_sum) in [
            ([nan, nan], f64::NAN),
            ([1.0, 0.5], f64::NAN),
            ([inf, 0.0], 0.0),
        ] {
            let reading = Candidates::Vocabulary.judge(&seen(0, top, log_sum, &[1.0]), 0);
            assert_eq!(reading.logprob, None, "{top:?}");
        }
        for pair in [[nan, 1.0], [1.0, nan], [-inf, -inf], [inf, 0.0]] {
            let reading = Candidates::Pair([3, 4]).judge(&seen(0, [1.0, 0.0], 0.0, &pair), 3);
            assert_eq!(reading.logprob, None, "{pair:?}");
        }
        let alone = Candidates::Pair([3, 4]).judge(&seen(0, [1.0, 0.0], 0.0, &[-inf, 0.0]), 4);
        assert!(alone.margin.is_infinite());
    }
}
