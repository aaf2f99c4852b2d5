/*!
Which prompts are read together, and which answers step together.

Prompts wait until there are enough of them to choose from; those of one shape are read in one pass, without padding. Answers
that are open after it wait, too, each with its cache, until there are enough of them to step together. A prompt is done
when all its answers are. No answer depends on what it is batched with, but for the rounding of the arithmetic.
*/

use super::decode::{self, Decoded, Open, Outcome, Reads, Sequence};
use super::session::{Engine, Over};
use crate::error::{Error, Result};

/// Prompts that wait, so that there are several of a shape among them.
const WAITING: usize = 128;
/// The memory of open answers' caches that lets them wait for more to step with.
const OPEN_BYTES: usize = 384 << 20;
/// Open answers that make a full step: more would make a step hardly cheaper, and let finished prompts wait for longer.
const OPEN_ANSWERS: usize = 64;

/// The batches of one run; `T` is what a prompt is known by.
pub(super) struct Batches<T> {
    reads: Reads,
    /// The most tokens that are read in one call, but for a prompt alone.
    tokens: usize,
    /// The most answers that step together, where memory has not sufficed for more.
    together: usize,
    /// How often memory did not suffice for a batch.
    halvings: u32,
    waiting: Vec<(T, Sequence)>,
    read: Vec<Pending<T>>,
    /// Answers to go on with: the prompt's place in `read`, the answer's among the prompt's.
    open: Vec<(usize, usize, Open)>,
}

/// A prompt that has been read, with the answers known so far.
struct Pending<T> {
    key: T,
    answers: Vec<Option<Decoded>>,
}

impl<T> Batches<T> {
    /// No batch yet. Calls read at most `tokens` tokens where they read several prompts.
    pub(super) fn new(reads: Reads, tokens: usize) -> Self {
        Self {
            reads,
            tokens,
            together: usize::MAX,
            halvings: 0,
            waiting: Vec::new(),
            read: Vec::new(),
            open: Vec::new(),
        }
    }

    /// The most tokens of a call by now.
    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }

    /// How often a batch was halved because memory did not suffice for it.
    pub(super) fn halvings(&self) -> u32 {
        self.halvings
    }

    /// One more prompt.
    pub(super) fn push(&mut self, key: T, sequence: Sequence) {
        self.waiting.push((key, sequence));
    }

    /// Whether enough prompts wait for [`work`](Self::work).
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING
    }

    /// Whether every prompt is done.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.read.is_empty()
    }

    /// Reads one batch, or, with nothing waiting or enough answers open, ends these. Gives the prompts that are done.
    ///
    /// Where memory does not suffice for a batch, it and all later ones are halved; for one prompt, what a call reads of it.
    pub(super) fn work(
        &mut self,
        engine: &mut Engine,
        stop: &[u32],
    ) -> Result<Vec<(T, Vec<Decoded>)>> {
        let bytes: usize = self.open.iter().map(|(_, _, open)| open.bytes()).sum();
        let is_enough = self.open.len() >= OPEN_ANSWERS || bytes >= OPEN_BYTES;
        if self.waiting.is_empty() || is_enough {
            self.complete(engine, stop)?;
        } else {
            self.read(engine, stop)?;
        }
        let done = if self.open.is_empty() {
            std::mem::take(&mut self.read)
        } else {
            Vec::new()
        };
        Ok(done
            .into_iter()
            .map(|pending| (pending.key, pending.answers.into_iter().flatten().collect()))
            .collect())
    }

    /// Reads the prompts that have the shape of the first.
    fn read(&mut self, engine: &mut Engine, stop: &[u32]) -> Result<()> {
        let Some((_, first)) = self.waiting.first() else {
            return Ok(());
        };
        let shape = shape(first);
        let rows = engine.rows(
            self.tokens,
            first.fed(self.reads).len(),
            first.questions(self.reads),
            first.over,
        );
        let (mut batch, mut rest) = (Vec::new(), Vec::new());
        for (key, sequence) in std::mem::take(&mut self.waiting) {
            if batch.len() < rows && self::shape(&sequence) == shape {
                batch.push((key, sequence));
            } else {
                rest.push((key, sequence));
            }
        }
        self.waiting = rest;
        let (keys, sequences): (Vec<T>, Vec<Sequence>) = batch.into_iter().unzip();
        match decode::read(engine, &sequences, self.reads, stop) {
            Ok(outcomes) => {
                for (key, outcomes) in keys.into_iter().zip(outcomes) {
                    self.take(key, outcomes);
                }
                Ok(())
            }
            Err(Error::OutOfMemory(message)) => {
                self.halvings += 1;
                let length = sequences[0].fed(self.reads).len();
                let rows = keys.len();
                // In front, in their order: they are the oldest.
                self.waiting.splice(0..0, keys.into_iter().zip(sequences));
                if rows > 1 {
                    self.tokens = length * (rows / 2);
                } else if self.open.is_empty() && !engine.halve_chunk(length) {
                    return Err(Error::OutOfMemory(message));
                }
                // The caches of open answers are memory that can be had.
                self.complete(engine, stop)
            }
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, key: T, outcomes: Vec<Outcome>) {
        let prompt = self.read.len();
        let answers = (outcomes.into_iter().enumerate())
            .map(|(index, outcome)| match outcome {
                Outcome::Done(answer) => Some(answer),
                Outcome::Open(open) => {
                    self.open.push((prompt, index, open));
                    None
                }
            })
            .collect();
        self.read.push(Pending { key, answers });
    }

    /// Ends all open answers.
    fn complete(&mut self, engine: &mut Engine, stop: &[u32]) -> Result<()> {
        let (places, open): (Vec<(usize, usize)>, Vec<Open>) = std::mem::take(&mut self.open)
            .into_iter()
            .map(|(prompt, index, open)| ((prompt, index), open))
            .unzip();
        let before = self.together;
        let answers = decode::complete(engine, open, stop, &mut self.together)?;
        self.halvings += u32::from(self.together < before);
        for ((prompt, index), answer) in places.into_iter().zip(answers) {
            self.read[prompt].answers[index] = Some(answer);
        }
        Ok(())
    }
}

/// What has to be equal for sequences to be read together: length, places, kind of vocabulary.
fn shape(sequence: &Sequence) -> (usize, Vec<(usize, usize)>, bool) {
    let places = sequence.places.iter();
    (
        sequence.tokens.len(),
        places
            .map(|place| (place.start, place.target.len()))
            .collect(),
        sequence.over == Over::Vocabulary,
    )
}
