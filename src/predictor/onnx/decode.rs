/*!
From prompts to answers: greedy decoding, and the teacher-forced pass that gives the same answers sooner.

Sequences of one shape are read together ([`read`]), each up to its end, in one pass. The pass decides what it can: with
`score` it reads the targets, too, and where each arg-max over a target is the target's symbol, greedy decoding would have
given the target. Every answer that is still open then goes on from the pass's own cache, a token a step, and many of them
step together ([`complete`]), whichever sequence or place they come from: what a step costs is reading the weights. An
open answer that is alone drafts: the rest of the target goes in at once, and one call tells how far decoding agrees.
*/

use super::cache::{Cache, Line, Mark};
use super::graph::Signature;
use super::session::{Ask, Engine, Feed, Over, Reading};
use crate::error::{Error, Result};

/// The most memory, padding included, of the caches that step together. Every step reads them, and copies those that are not
/// written in place.
const STEP_BYTES: usize = 256 << 20;

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

/// An answer in tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Decoded {
    /// What was answered, without an end-of-sequence token.
    pub tokens: Vec<u32>,
    /// ln p of the target, symbol by symbol given its prefix.
    pub logprob: Option<f64>,
    /// The smallest gap between the best two logits on the way.
    pub margin: f64,
    /// Whether it ended because the logits were no numbers.
    pub is_broken: bool,
}

impl Decoded {
    fn new() -> Self {
        Self {
            margin: f64::INFINITY,
            ..Self::default()
        }
    }

    /// Takes one more token; `false` where there is none: at an end of sequence, or of all reason.
    fn take(&mut self, reading: &Reading, stop: &[u32]) -> bool {
        if !reading.is_sound {
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

/// How far the answer at a place is.
#[derive(Debug)]
pub(super) enum Outcome {
    /// At its end.
    Done(Decoded),
    /// To be gone on with.
    Open(Open),
}

/// An answer in the middle.
#[derive(Debug)]
pub(super) struct Open {
    answer: Decoded,
    /// What it is compared with; its length is the answer's.
    target: Vec<u32>,
    over: Over,
    /// Everything before the answer's token number `held`.
    line: Line,
    held: usize,
    /// With [`generate`](Reads::Prompt): ln p of the answer, as long as it is the target.
    agreed: Option<f64>,
    /// Whether the answer is at its end.
    is_done: bool,
}

impl Open {
    /// Takes what the model says after the answer's last token.
    fn advance(&mut self, reading: &Reading, stop: &[u32]) {
        let expected = self.target[self.answer.tokens.len()];
        self.agreed = (self.agreed.zip(reading.logprob))
            .map(|(sum, symbol)| sum + symbol)
            .filter(|_| reading.best == expected);
        self.is_done = !self.answer.take(reading, stop) || self.left() == 0;
        if self.is_done && self.agreed.is_some() {
            self.answer.logprob = self.agreed;
        }
    }

    /// Tokens that the answer has still to get.
    fn left(&self) -> usize {
        self.target.len() - self.answer.tokens.len()
    }

    /// Tokens that the model has still to read, so as to give those.
    fn unread(&self) -> usize {
        self.target.len() - self.held
    }

    /// The question about the answer's next token.
    fn ask(&self, after: usize) -> Ask {
        let token = self.agreed.map(|_| self.target[self.answer.tokens.len()]);
        Ask { after, token }
    }

    /// The memory that its cache takes.
    pub(super) fn bytes(&self) -> usize {
        self.line.bytes()
    }
}

/// What a pass reads of each sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// Up to the last answer: decoding goes on from there.
    Prompt,
    /// The targets, too: only what differs from them is decoded, and if not `complete` not even that.
    Targets {
        /// Whether wrong answers are decoded to their end; otherwise they end with their first wrong symbol.
        complete: bool,
    },
}

/// Reads sequences of one shape, which have equally many tokens and their places at the same ones with targets of the same
/// lengths, in one pass. The answers come sequence by sequence, place by place.
pub(super) fn read(
    engine: &mut Engine,
    sequences: &[Sequence],
    reads: Reads,
    stop: &[u32],
) -> Result<Vec<Vec<Outcome>>> {
    let asks: Vec<Vec<Ask>> = (sequences.iter())
        .map(|sequence| sequence.asks(reads))
        .collect();
    if asks.iter().all(Vec::is_empty) {
        return Ok(sequences.iter().map(|_| Vec::new()).collect());
    }
    let pass = Pass::of(engine, sequences, &asks, reads)?;
    let mut outcomes = Vec::with_capacity(sequences.len());
    for (number, sequence) in sequences.iter().enumerate() {
        let mut rest = &pass.readings[number][..];
        let mut own = Vec::with_capacity(sequence.places.len());
        for (index, place) in sequence.places.iter().enumerate() {
            let here;
            (here, rest) = rest.split_at(reads.asks(place));
            own.push(pass.outcome(engine, (number, index), sequence, here, reads, stop)?);
        }
        outcomes.push(own);
    }
    Ok(outcomes)
}

impl Reads {
    /// Tokens of an answer that a pass asks for.
    fn asks(self, place: &Place) -> usize {
        match self {
            Self::Prompt => 1,
            Self::Targets { .. } => place.target.len(),
        }
    }
}

impl Sequence {
    /// The tokens that a pass has to read: the last of a last target predicts nothing.
    pub(super) fn fed(&self, reads: Reads) -> Vec<u32> {
        let mut tokens = self.tokens.clone();
        if let Some(last) = self.places.last() {
            if last.start == tokens.len() {
                tokens.extend(&last.target);
            }
            tokens.truncate(last.start + reads.asks(last) - 1);
        }
        tokens
    }

    /// How many questions a pass has.
    pub(super) fn questions(&self, reads: Reads) -> usize {
        self.places.iter().map(|place| reads.asks(place)).sum()
    }

    fn asks(&self, reads: Reads) -> Vec<Ask> {
        (self.places.iter())
            .flat_map(|place| {
                (place.start - 1..)
                    .zip(&place.target)
                    .take(reads.asks(place))
                    .map(|(after, &token)| Ask {
                        after,
                        token: Some(token),
                    })
            })
            .collect()
    }
}

/// What a pass over some sequences gave.
struct Pass {
    cache: Cache,
    readings: Vec<Vec<Reading>>,
    /// The states before each place, where there are any and they may be wanted.
    marks: Vec<Mark>,
}

impl Pass {
    fn of(
        engine: &mut Engine,
        sequences: &[Sequence],
        asks: &[Vec<Ask>],
        reads: Reads,
    ) -> Result<Self> {
        let fed: Vec<Vec<u32>> = sequences
            .iter()
            .map(|sequence| sequence.fed(reads))
            .collect();
        let length = fed.first().map_or(0, Vec::len);
        let may_go_on = reads != Reads::Targets { complete: false };
        let stops: Vec<usize> = (sequences.iter().take(1).flat_map(|first| &first.places))
            .map(|place| place.start)
            .filter(|_| engine.is_recurrent() && may_go_on)
            .collect();
        let mut pass = Self {
            cache: Cache::empty(&engine.graph.slots, sequences.len())?,
            readings: vec![Vec::new(); sequences.len()],
            marks: Vec::with_capacity(stops.len()),
        };
        let mut begin = 0;
        while begin < length {
            let end = stops.get(pass.marks.len()).copied().unwrap_or(length);
            let here: Vec<Vec<Ask>> = (asks.iter())
                .map(|asks| {
                    (asks.iter().filter(|ask| (begin..end).contains(&ask.after)))
                        .map(|ask| Ask {
                            after: ask.after - begin,
                            ..*ask
                        })
                        .collect()
                })
                .collect();
            let feeds: Vec<Feed<'_>> = (fed.iter().zip(&here).zip(sequences))
                .map(|((tokens, asks), sequence)| Feed {
                    tokens: &tokens[begin..end],
                    asks,
                    over: sequence.over,
                })
                .collect();
            let readings = engine.forward(&mut pass.cache, &feeds)?;
            for (all, more) in pass.readings.iter_mut().zip(readings) {
                all.extend(more);
            }
            if pass.marks.len() < stops.len() {
                pass.marks.push(pass.cache.mark(&engine.graph.slots)?);
            }
            begin = end;
        }
        if may_go_on {
            pass.cache.fetch()?;
        }
        Ok(pass)
    }

    /// The answer at one place of one sequence, as far as the pass read it.
    fn outcome(
        &self,
        engine: &Engine,
        (number, index): (usize, usize),
        sequence: &Sequence,
        readings: &[Reading],
        reads: Reads,
        stop: &[u32],
    ) -> Result<Outcome> {
        let Place { start, target } = &sequence.places[index];
        let mut answer = Decoded::new();
        let teacher = reads != Reads::Prompt;
        if teacher {
            answer.logprob = readings.iter().map(|reading| reading.logprob).sum();
        }
        // The first symbol at which decoding leaves the target, or the pass ends.
        let leaves = (readings.iter().zip(target)).position(|(reading, &token)| {
            !answer.take(reading, stop) || reading.best != token || !teacher
        });
        let goes_on = reads != Reads::Targets { complete: false };
        let left =
            leaves.filter(|&at| at < answer.tokens.len() && answer.tokens.len() < target.len());
        let Some(at) = left.filter(|_| goes_on) else {
            if let (false, [reading], [token]) = (teacher, readings, &target[..]) {
                answer.logprob = reading.logprob.filter(|_| reading.best == *token);
            }
            return Ok(Outcome::Done(answer));
        };
        let agreed = match readings {
            [reading] if !teacher && reading.best == target[0] => reading.logprob,
            _ => None,
        };
        // Without states, what is right of the answer need not be read again.
        let mark = self.marks.get(index);
        let held = if mark.is_some() { 0 } else { at };
        let line = self
            .cache
            .line(&engine.graph.slots, number, start + held, mark)?;
        Ok(Outcome::Open(Open {
            answer,
            target: target.clone(),
            over: sequence.over,
            line,
            held,
            agreed,
            is_done: false,
        }))
    }
}

/// Decodes open answers to their ends, as many together as memory allows; they come back in their order.
///
/// Where memory does not suffice for those that step together, half as many go on from where they are; `most` keeps it.
pub(super) fn complete(
    engine: &mut Engine,
    open: Vec<Open>,
    stop: &[u32],
    most: &mut usize,
) -> Result<Vec<Decoded>> {
    let mut order: Vec<(usize, Open)> = open.into_iter().enumerate().collect();
    order.sort_by_key(|(_, open)| (open.line.length, open.left()));
    let mut done: Vec<(usize, Decoded)> = Vec::with_capacity(order.len());
    while !order.is_empty() {
        let together = together(engine, &order).min(*most).max(1);
        let (numbers, mut group): (Vec<usize>, Vec<Open>) = order.drain(..together).unzip();
        let ended = match &mut group[..] {
            [alone] if engine.may_mix() => draft(engine, alone, stop),
            _ => step(engine, &mut group, stop),
        };
        match ended {
            Err(Error::OutOfMemory(_)) if together > 1 => *most = together / 2,
            ended => ended?,
        }
        let (ended, rest): (Vec<_>, Vec<_>) = numbers
            .into_iter()
            .zip(group)
            .partition(|(_, open)| open.is_done);
        done.extend(
            ended
                .into_iter()
                .map(|(number, open)| (number, open.answer)),
        );
        order.splice(0..0, rest);
    }
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, answer)| answer).collect())
}

/// How many of the first answers, which ascend by length, step together.
fn together(engine: &Engine, order: &[(usize, Open)]) -> usize {
    let kind = |open: &Open| (open.line.length, open.left());
    let fits = |&count: &usize| {
        let (first, last) = (&order[0].1, &order[count - 1].1);
        // Plain graphs may not know padding within a text: only equal lines, which end together, too.
        let alike = engine.graph.signature == Signature::Subset || kind(first) == kind(last);
        alike && count * last.bytes() <= STEP_BYTES && (count == 1 || engine.may_mix())
    };
    (1..=order.len()).take_while(fits).last().unwrap_or(1)
}

/// Decodes several answers, a token of each at a step. On an error they are as they were before the step that failed.
fn step(engine: &mut Engine, group: &mut [Open], stop: &[u32]) -> Result<()> {
    let lines: Vec<Line> = (group.iter_mut())
        .map(|open| std::mem::take(&mut open.line))
        .collect();
    let left = group.iter().map(Open::unread).max().unwrap_or_default();
    let mut cache = match Cache::join(&engine.graph.slots, &lines, engine.room(left)) {
        Ok(cache) => cache,
        Err(error) => {
            for (open, line) in group.iter_mut().zip(lines) {
                open.line = line;
            }
            return Err(error);
        }
    };
    drop(lines);
    let stepped = steps(engine, &mut cache, group, stop);
    if stepped.is_err() {
        cache.fetch()?;
        for (number, open) in group
            .iter_mut()
            .enumerate()
            .filter(|(_, open)| !open.is_done)
        {
            let length = cache.lengths()[number];
            open.line = cache.line(&engine.graph.slots, number, length, None)?;
        }
    }
    stepped
}

/// Steps until all answers are at their ends. `cache` holds what they have read.
fn steps(engine: &mut Engine, cache: &mut Cache, group: &mut [Open], stop: &[u32]) -> Result<()> {
    while group.iter().any(|open| !open.is_done) {
        let tokens: Vec<[u32; 1]> = (group.iter())
            // An answer at its end feeds its last token once more, and forgets it.
            .map(|open| [open.answer.tokens[open.held.min(open.answer.tokens.len() - 1)]])
            .collect();
        let asks: Vec<[Ask; 1]> = (group.iter())
            .map(|open| {
                [
                    if !open.is_done && open.held + 1 == open.answer.tokens.len() {
                        open.ask(0)
                    } else {
                        Ask {
                            after: 0,
                            token: None,
                        }
                    },
                ]
            })
            .collect();
        let feeds: Vec<Feed<'_>> = (group.iter().zip(&tokens).zip(&asks))
            .map(|((open, tokens), asks)| Feed {
                tokens,
                asks,
                over: open.over,
            })
            .collect();
        let readings = engine.forward(cache, &feeds)?;
        for (number, open) in group.iter_mut().enumerate() {
            if open.is_done {
                // Plain graphs know no padding within a text; there, all go on to the same length.
                if engine.graph.signature == Signature::Subset {
                    cache.forget(number, 1);
                }
                continue;
            }
            open.held += 1;
            if open.held == open.answer.tokens.len() {
                open.advance(&readings[number][0], stop);
            }
        }
    }
    Ok(())
}

/// Decodes one answer with the rest of its target as a draft. The tokens from `held` on are read again in every call, which
/// spares cutting the cache each time a draft fails.
fn draft(engine: &mut Engine, open: &mut Open, stop: &[u32]) -> Result<()> {
    let line = [std::mem::take(&mut open.line)];
    let room = engine.room(open.unread());
    let mut cache = Cache::join(&engine.graph.slots, &line, room)?;
    loop {
        let known = open.answer.tokens.len();
        let rest = &open.target[known..];
        let tokens = [&open.answer.tokens[open.held..], &rest[..rest.len() - 1]].concat();
        let asks: Vec<Ask> = (known - open.held - 1..)
            .zip(rest)
            .map(|(after, &token)| Ask {
                after,
                token: open.agreed.map(|_| token),
            })
            .collect();
        let feed = Feed {
            tokens: &tokens,
            asks: &asks,
            over: open.over,
        };
        let readings = engine.forward(&mut cache, &[feed])?;
        for (reading, token) in readings[0].iter().zip(rest.to_vec()) {
            open.advance(reading, stop);
            if open.is_done {
                return Ok(());
            }
            if reading.best != token {
                break;
            }
        }
        if engine.can_forget() {
            cache.forget(0, tokens.len());
        } else {
            cache = Cache::join(&engine.graph.slots, &line, room)?;
        }
    }
}
