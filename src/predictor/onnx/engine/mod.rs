/*!
The engine: a forward pass. It reads tokens that follow those in the cache, answers queries about the logits, and
extends the cache.

A reading graph evaluates the logits itself and returns a few numbers per query. A plain export returns all logits at
all places. They are evaluated where ONNX Runtime put them and never kept: one row of a large vocabulary is a megabyte.
*/

mod cache;
mod graph;
mod limits;
mod readings;
mod slots;

pub(crate) use cache::{Cache, States};
pub(crate) use graph::Graph;
pub(crate) use limits::{Limits, WAITING_PROMPTS};
pub(crate) use readings::{LogitQuery, LogitSummary};
pub(crate) use slots::Port;

use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ort::memory::{Allocator, MemoryInfo};
use ort::session::{IoBinding, RunOptions, Session};
use ort::value::{DynTensor, DynTensorValueType, PrimitiveTensorElementType, Tensor};

use cache::{view, with_numbers};
use graph::{CACHE_BRANCH, LOGITS_TO_KEEP, POSITION_IDS, READING};
use readings::{read, survey_all};
use slots::Slot;

use super::runtime::{Device, cuda_memory, dimension, host_memory};
use crate::error::{Error, Result};

/// ONNX Runtime's option for a call: afterwards its arenas free the memory that they do not use.
const SHRINKAGE: &str = "memory.enable_memory_arena_shrinkage";

/// What one sequence of a batch reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Feed<'a> {
    /// The tokens to read; each sequence of the batch has equally many.
    pub tokens: &'a [u32],
    /// The queries in ascending order, at the same places in each sequence of the batch.
    pub asks: &'a [LogitQuery],
}

/// A session with its graph and its limits.
pub(crate) struct Engine {
    session: Session,
    pub graph: Graph,
    pub limits: Limits,
    /// Allocates caches on the device, so that they are not copied between calls.
    allocator: Allocator,
    /// Where a plain export writes its cache.
    device: MemoryInfo<'static>,
    /// Host memory, where outputs that this process reads are written.
    here: MemoryInfo<'static>,
    /// ONNX Runtime's name for the device's arena.
    arena: String,
    /// Whether the arena frees its unused memory after the next call. Set after an allocation was refused.
    pub gives_back: bool,
    /// Tokens read so far, over all calls.
    pub tokens_read: u64,
    /// Time spent in ONNX Runtime's calls.
    pub time: Duration,
}

/// The part of a batch that one call reads.
struct Share<'a> {
    feeds: &'a [Feed<'a>],
    /// The sequences' indices in the batch.
    sequences: Range<usize>,
    /// Which of their tokens are read, counted from the first one fed.
    tokens: Range<usize>,
    /// Which of their queries belong to these tokens.
    asks: Range<usize>,
    /// How many tokens of each sequence were read before.
    before: usize,
}

impl Engine {
    /// An engine for a session on `taken`.
    pub(crate) fn new(
        session: Session,
        graph: Graph,
        limits: Limits,
        taken: Device,
    ) -> Result<Self> {
        let (allocator, device, arena) = match taken.cuda() {
            Some(number) => {
                let allocator = Allocator::new(&session, cuda_memory(number)?)?;
                (allocator, cuda_memory(number)?, format!("gpu:{number}"))
            }
            None => (Allocator::default(), host_memory()?, "cpu:0".to_owned()),
        };
        Ok(Self {
            session,
            graph,
            limits,
            allocator,
            device,
            here: host_memory()?,
            arena,
            gives_back: false,
            tokens_read: 0,
            time: Duration::ZERO,
        })
    }

    /// An empty cache for some sequences, each with room for `capacity` tokens.
    pub(crate) fn cache(&self, sequences: usize, capacity: usize) -> Result<Cache> {
        Cache::new(&self.graph, sequences, capacity, &self.allocator)
    }

    /// Reads each sequence's feed after the tokens in `cache` and adds it there. Returns the replies to its queries.
    ///
    /// With an empty cache, a call reads several sequences together, as many as the limits allow. With a filled one,
    /// `GroupQueryAttention` takes one token of several sequences, or several tokens of one. After an error the cache
    /// holds what it held before.
    pub(crate) fn forward(
        &mut self,
        cache: &mut Cache,
        feeds: &[Feed<'_>],
    ) -> Result<Vec<Vec<LogitSummary>>> {
        let mut seen: Vec<Vec<LogitSummary>> = vec![Vec::new(); feeds.len()];
        let Some(&first) = feeds.first() else {
            return Ok(seen);
        };
        let places = |feed: &Feed<'_>| feed.asks.iter().map(|ask| ask.after).collect::<Vec<_>>();
        debug_assert!(
            (feeds.len() == cache.sequences)
                && feeds
                    .iter()
                    .all(|feed| feed.tokens.len() == first.tokens.len())
                && feeds.iter().all(|feed| places(feed) == places(&first)),
            "one tensor holds them"
        );
        let pieces = self.pieces(first, feeds.len(), cache.length);
        let together = self.together(first, feeds.len(), cache.length);
        // Two buffers for the states: each piece reads one and writes the other. The cache's own states stay unchanged.
        let mut states: Vec<Vec<DynTensor>> = Vec::with_capacity(2);
        for _ in 0..pieces.len().min(2) {
            let new = |slot: &Slot| slot.state(feeds.len(), &self.allocator);
            states.push(self.graph.states().map(new).collect::<Result<_>>()?);
        }
        let (before, past) = (cache.length, Rc::clone(&cache.states));
        let mut begin = 0;
        while begin < feeds.len() {
            let sequences = begin..feeds.len().min(begin + together);
            for (number, (tokens, asks)) in pieces.iter().enumerate() {
                let share = Share {
                    feeds: &feeds[sequences.clone()],
                    sequences: sequences.clone(),
                    tokens: tokens.clone(),
                    asks: asks.clone(),
                    before: before + tokens.start,
                };
                let old = if number == 0 {
                    &past
                } else {
                    &states[(number - 1) % 2]
                };
                let given = self.call(cache, &share, [old, &states[number % 2]])?;
                for (all, more) in seen[sequences.clone()].iter_mut().zip(given) {
                    all.extend(more);
                }
            }
            begin = sequences.end;
        }
        cache.length = before + first.tokens.len();
        if !past.is_empty() {
            cache.states = Rc::new(states.swap_remove((pieces.len() - 1) % 2));
        }
        Ok(seen)
    }

    /// The pieces in which sequences with a feed like `feed` are read: ranges of tokens and of their queries.
    fn pieces(
        &self,
        feed: Feed<'_>,
        sequences: usize,
        before: usize,
    ) -> Vec<(Range<usize>, Range<usize>)> {
        let length = feed.tokens.len();
        // With a filled cache a call reads one token of all sequences, or one sequence: whichever takes fewer calls.
        let is_stepwise = before > 0 && sequences > length && !self.graph.is_plain;
        let longest = if is_stepwise { 1 } else { self.limits.chunk() };
        let places = (self.limits.logits_bytes / (self.graph.vocab * size_of::<f32>())).max(1);
        let (mut start, mut asked, mut pieces) = (0, 0, Vec::new());
        while start < length {
            // Equal pieces mask fewer scores than long ones with a short one at the end.
            let left = length - start;
            let end = start + left.div_ceil(left.div_ceil(longest));
            let end = if self.graph.is_plain {
                end.min(start + places)
            } else {
                let first_too_many = feed.asks.get(asked + places);
                first_too_many.map_or(end, |ask| end.min(ask.after))
            };
            let asks = asked + feed.asks[asked..].partition_point(|ask| ask.after < end);
            pieces.push((start..end, asked..asks));
            (start, asked) = (end, asks);
        }
        pieces
    }

    /// How many sequences of a batch with a feed like `feed` go into one call.
    fn together(&self, feed: Feed<'_>, sequences: usize, before: usize) -> usize {
        let length = feed.tokens.len();
        if self.graph.is_plain {
            // The batch's size was chosen for one call.
            return sequences;
        }
        let tokens = if before > 0 && (length == 1 || sequences > length) {
            sequences
        } else if before > 0 || length > self.limits.chunk() {
            1
        } else {
            self.limits.call_tokens() / length.max(1)
        };
        let logits = feed.asks.len().max(1) * self.graph.vocab * size_of::<f32>();
        tokens.min(self.limits.logits_bytes / logits).max(1)
    }

    /// How many sequences go into a batch if each reads `length` tokens and keeps its states at `marks` places.
    pub(crate) fn rows(&self, length: usize, marks: usize) -> usize {
        let limits = &self.limits;
        if self.graph.is_plain {
            if length > limits.chunk() || !limits.may_mix() {
                return 1;
            }
            let logits = length * self.graph.vocab * size_of::<f32>();
            return (limits.call_tokens() / length.max(1))
                .min(limits.logits_bytes / logits.max(1))
                .max(1);
        }
        // Three more copies: the states that a call reads, those that it writes, and those of the piece before.
        limits.rows(length, self.graph.bytes(length, marks + 3))
    }

    /// One call of the graph. `states` holds the states that it reads and the buffers for those that it writes.
    fn call(
        &mut self,
        cache: &mut Cache,
        share: &Share<'_>,
        states: [&Vec<DynTensor>; 2],
    ) -> Result<Vec<Vec<LogitSummary>>> {
        let (rows, length) = (share.feeds.len(), share.tokens.len());
        let mut binding = self.session.create_binding()?;
        let ids: Vec<i64> = (share.feeds.iter())
            .flat_map(|feed| &feed.tokens[share.tokens.clone()])
            .copied()
            .map(i64::from)
            .collect();
        bind(&mut binding, "input_ids", ids, &[rows, length])?;
        let asks: Vec<&[LogitQuery]> = (share.feeds.iter())
            .map(|feed| &feed.asks[share.asks.clone()])
            .collect();
        let choices = asks.iter().copied().flatten();
        let choices = choices.map(|ask| ask.choices.len()).max().unwrap_or(1);
        self.bind_questions(&mut binding, share, &asks, choices)?;
        let allocator = &self.allocator;
        let mut values = cache.rows(&share.sequences, allocator)?;
        for (slot, value) in self.graph.rows().zip(&mut values) {
            binding.bind_input(&slot.past, value)?;
            if self.graph.is_plain {
                binding.bind_output_to_device(&slot.present, &self.device)
            } else {
                binding.bind_output(&slot.present, value)
            }?;
        }
        for (index, slot) in self.graph.states().enumerate() {
            let [old, new] = states.map(|all| view(&all[index], &share.sequences, allocator));
            binding.bind_input(&slot.past, &old?)?;
            binding.bind_output(&slot.present, new?)?;
        }
        let mut options = RunOptions::new()?;
        if std::mem::take(&mut self.gives_back) {
            options.set(SHRINKAGE, &self.arena)?;
        }
        let started = Instant::now();
        let mut outputs = (self.session).run_binding_with_options(&binding, &options)?;
        self.time += started.elapsed();
        self.tokens_read += (rows * length) as u64;
        if !self.graph.is_plain {
            return read(&outputs, &asks, choices);
        }
        let begin = share.tokens.start;
        let seen = with_numbers!(self.graph.logits, T, {
            survey_all::<T>(&outputs, &asks, &self.graph, [rows, length], begin)?
        });
        let given = (self.graph.rows())
            .map(|slot| {
                let value = outputs
                    .remove(&slot.present)
                    .ok_or_else(|| Error::model(format!("no {}", slot.present)))?;
                Ok(value.downcast::<DynTensorValueType>()?)
            })
            .collect::<Result<_>>()?;
        cache.replace(&self.graph, given, share.before + length)?;
        Ok(seen)
    }

    /// Binds the inputs for queries, positions and lengths, and the outputs that reply to the queries.
    fn bind_questions(
        &self,
        binding: &mut IoBinding,
        share: &Share<'_>,
        asks: &[&[LogitQuery]],
        choices: usize,
    ) -> Result<()> {
        let (rows, length) = (share.feeds.len(), share.tokens.len());
        let total = share.before + length;
        if self.graph.is_plain {
            bind(
                binding,
                "attention_mask",
                vec![1i64; rows * total],
                &[rows, total],
            )?;
            if self.graph.takes(POSITION_IDS) {
                let places: Vec<i64> = (share.before..total).map(dimension).collect();
                bind(binding, POSITION_IDS, places.repeat(rows), &[rows, length])?;
            }
            if self.graph.takes(LOGITS_TO_KEEP) {
                bind(binding, LOGITS_TO_KEEP, vec![0i64], &[])?;
            }
            if self.graph.takes(CACHE_BRANCH) {
                bind(binding, CACHE_BRANCH, vec![share.before > 0], &[1])?;
            }
            binding.bind_output_to_device("logits", &self.here)?;
            return Ok(());
        }
        let last = i32::try_from(total - 1).unwrap_or(i32::MAX);
        bind(binding, "seqlens_k", vec![last; rows], &[rows])?;
        bind(binding, "total_sequence_length", vec![last + 1], &[1])?;
        // At least one, since a graph may not support an empty list of queries.
        let places = share.asks.len().max(1);
        let mut positions = vec![0; rows * places];
        let mut wanted = vec![0; rows * places * choices];
        for (at, ask) in asks.iter().copied().flatten().enumerate() {
            positions[at] = dimension(ask.after - share.tokens.start);
            for (place, &id) in wanted[at * choices..].iter_mut().zip(&ask.choices) {
                *place = i64::from(id);
            }
        }
        bind(binding, "positions", positions, &[rows, places])?;
        bind(binding, "choices", wanted, &[rows, places, choices])?;
        for (name, _) in READING {
            binding.bind_output_to_device(name, &self.here)?;
        }
        Ok(())
    }
}

/// Binds an input to values in host memory.
fn bind<T>(binding: &mut IoBinding, name: &str, values: Vec<T>, shape: &[usize]) -> Result<()>
where
    T: PrimitiveTensorElementType + std::fmt::Debug + Clone + 'static,
{
    let tensor = Tensor::from_array((shape, values))?;
    Ok(binding.bind_input(name, &tensor)?)
}
