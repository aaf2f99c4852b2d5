/*!
Chooses which prompts are answered together.

Prompts wait until there are enough to choose from. Those of one shape form a batch, without padding. A batch that does
not fit into memory is started again as smaller ones. Apart from rounding, no answer depends on its batch.
*/

use super::decode::{self, Candidates, Decoded, ReadMode, Sequence};
use super::engine::{Engine, WAITING_PROMPTS};
use crate::error::{Error, Result};

/// The batches of one run. `T` is the key that identifies a prompt.
pub(super) struct Batches<T> {
    reads: ReadMode,
    /// How often a batch was halved because it did not fit into memory.
    pub halvings: u32,
    waiting: Vec<(T, Sequence)>,
}

impl<T> Batches<T> {
    pub(super) fn new(reads: ReadMode) -> Self {
        Self {
            reads,
            halvings: 0,
            waiting: Vec::new(),
        }
    }

    /// Adds a prompt to those that wait.
    pub(super) fn push(&mut self, key: T, sequence: Sequence) {
        self.waiting.push((key, sequence));
    }

    /// Whether enough prompts wait for [`work`](Self::work).
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_PROMPTS
    }

    /// Whether every prompt is done.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Answers the first prompt and others of its shape, as many as go into one batch. Returns the prompts that are
    /// done; none if memory did not suffice.
    pub(super) fn work(
        &mut self,
        engine: &mut Engine,
        stop: &[u32],
    ) -> Result<Vec<(T, Vec<Decoded>)>> {
        let Some((_, first)) = self.waiting.first() else {
            return Ok(Vec::new());
        };
        let shape = shape(first);
        let length = first.longest();
        let marks = if self.reads.goes_on() {
            first.places.len()
        } else {
            0
        };
        let rows = engine.rows(length, marks);
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
        match decode::answer(engine, &sequences, self.reads, stop) {
            Ok(answers) => {
                engine.limits.went_through();
                Ok(keys.into_iter().zip(answers).collect())
            }
            Err(Error::OutOfMemory(message)) => {
                self.halvings += 1;
                let rows = keys.len();
                // Back to the front, in their order: they are the oldest.
                self.waiting.splice(0..0, keys.into_iter().zip(sequences));
                if rows == 1 && !engine.limits.can_cut(length) {
                    return Err(Error::OutOfMemory(message));
                }
                engine.gives_back = true;
                engine.limits.halve();
                while rows > 1 && engine.rows(length, marks) > rows / 2 {
                    engine.limits.halve();
                }
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }
}

/// What sequences of one batch must have in common: length, places, kind of candidates.
fn shape(sequence: &Sequence) -> (usize, Vec<(usize, usize)>, bool) {
    let places = sequence.places.iter();
    (
        sequence.tokens.len(),
        places
            .map(|place| (place.start, place.target.len()))
            .collect(),
        sequence.over == Candidates::Vocabulary,
    )
}
