/*!
Decides how much goes into one call and one batch. Nothing else decides it.

The CPU's constants were measured with SmolLM2-135M on two cores. A prompt of 2191 tokens: 867 tokens/s in pieces of
256, 840 in pieces of 384, 800 in pieces of 128, 720 in one call. Long pieces cost because attention computes the scores
of later tokens, too, before it masks them; short ones because each call reads the weights. Short prompts in batches: on
two cores 1200 tokens/s, the same from 256 to 2048 tokens per call; on one core 680 at 280 tokens per call, 595 at 2048,
457 at 8192.

On a GPU, products must be large to be fast, and flash attention skips masked scores. So the sizes follow from the
memory that is free once the weights are loaded. These shares and sizes have not been measured.
*/

use crate::predictor::onnx::runtime::{Device, Options};

/// How many prompts are collected before a batch, so that several of them have one shape.
pub(crate) const WAITING_PROMPTS: usize = 128;
/// After so many batches without a refused allocation, sizes twice as large are tried again.
const CALM: u32 = 16;
/// The smallest chunk, in tokens. Such a call takes hardly any memory besides the cache.
const SMALLEST_CHUNK: usize = 64;
/// The free memory, in bytes, that is assumed of a GPU that does not report it.
const UNKNOWN_MEMORY: usize = 8 << 30;

/// The sizes of one call and one batch. If memory is refused, all sizes are halved; they grow again later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    call_tokens: usize,
    /// The most tokens of a batch, if the user sets a limit.
    batch_tokens: usize,
    chunk: usize,
    /// The most bytes of one call's logits.
    pub logits_bytes: usize,
    /// The most bytes of one batch's cache.
    cache_bytes: usize,
    /// Whether a sequence that is read in pieces forms a batch alone.
    is_long_alone: bool,
    /// Whether a call reads one whole sequence and nothing else, at any cost in memory. This is needed if a token's
    /// logits depend on the call, or if the graph cannot read several tokens with a filled cache.
    is_whole: bool,
    /// How often all sizes are halved now.
    halved: u32,
    /// Batches since the sizes last changed.
    calm: u32,
}

impl Limits {
    /// The limits for a device. `free` is its free memory in bytes once the weights are loaded.
    pub(crate) fn of(device: Device, free: Option<usize>) -> Self {
        let common = Self {
            call_tokens: 512,
            batch_tokens: usize::MAX,
            chunk: 256,
            logits_bytes: 256 << 20,
            cache_bytes: 384 << 20,
            is_long_alone: true,
            is_whole: false,
            halved: 0,
            calm: 0,
        };
        if device.cuda().is_none() {
            return common;
        }
        let free = free.unwrap_or(UNKNOWN_MEMORY);
        Self {
            call_tokens: 16384,
            chunk: 8192,
            logits_bytes: free / 20,
            cache_bytes: free / 2,
            is_long_alone: false,
            ..common
        }
    }

    /// Applies the user's sizes. With `is_whole` they are ignored: a call reads one sequence, never in pieces.
    pub(crate) fn with(self, options: &Options, is_whole: bool) -> Self {
        if is_whole {
            return Self {
                chunk: usize::MAX,
                logits_bytes: usize::MAX,
                is_whole,
                ..self
            };
        }
        Self {
            call_tokens: options.batch_tokens.unwrap_or(self.call_tokens),
            batch_tokens: options.batch_tokens.unwrap_or(self.batch_tokens),
            chunk: options.prefill_chunk.unwrap_or(self.chunk).max(1),
            logits_bytes: options.logits_bytes.unwrap_or(self.logits_bytes),
            ..self
        }
    }

    /// Whether a call may read more than greedy decoding of one sequence does: drafts, or several sequences.
    pub(crate) fn may_mix(&self) -> bool {
        !self.is_whole
    }

    /// The most tokens of a call that reads several prompts from their beginning.
    pub(crate) fn call_tokens(&self) -> usize {
        self.call_tokens >> self.halved
    }

    /// The most tokens of one sequence in a call.
    pub(crate) fn chunk(&self) -> usize {
        (self.chunk >> self.halved).max(SMALLEST_CHUNK.min(self.chunk))
    }

    /// How many sequences go into a batch if each has `length` tokens and takes `bytes` bytes.
    pub(crate) fn rows(&self, length: usize, bytes: usize) -> usize {
        if self.is_whole || self.is_long_alone && length > self.chunk() {
            return 1;
        }
        let by_memory = (self.cache_bytes >> self.halved) / bytes.max(1);
        by_memory.min(self.batch_tokens / length.max(1)).max(1)
    }

    /// Halves all sizes, after memory was refused.
    pub(crate) fn halve(&mut self) {
        self.halved += 1;
        self.calm = 0;
    }

    /// Whether one more halving makes the calls of one sequence of `length` tokens smaller.
    pub(crate) fn can_cut(&self, length: usize) -> bool {
        !self.is_whole && self.chunk().min(length) / 2 >= SMALLEST_CHUNK
    }

    /// Counts a batch that succeeded. After enough of them, the sizes grow again.
    pub(crate) fn went_through(&mut self) {
        self.calm += 1;
        if self.calm >= CALM && self.halved > 0 {
            self.halved -= 1;
            self.calm = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_halved_grows_again() {
        let mut limits = Limits::of(Device::Cpu, None);
        let (chunk, rows) = (limits.chunk(), limits.rows(10, 1 << 20));
        limits.halve();
        limits.halve();
        assert_eq!(
            (limits.chunk(), limits.rows(10, 1 << 20)),
            (chunk / 4, rows / 4)
        );
        for batch in 1..=2 * CALM {
            limits.went_through();
            assert_eq!(limits.halved, 2 - batch / CALM, "{batch}");
        }
        assert_eq!((limits.chunk(), limits.rows(10, 1 << 20)), (chunk, rows));
    }

    #[test]
    fn a_call_is_never_cut_to_nothing() {
        let mut limits = Limits::of(Device::Cpu, None);
        while limits.can_cut(1000) {
            limits.halve();
        }
        assert_eq!(
            (limits.chunk(), limits.rows(1000, usize::MAX)),
            (SMALLEST_CHUNK, 1)
        );
        assert!(!Limits::of(Device::Cpu, None).can_cut(100));
    }

    #[test]
    fn a_gpu_is_filled_by_what_it_has_free() {
        let [small, large] = [16usize, 64].map(|gib| Limits::of(Device::Cuda(0), Some(gib << 30)));
        assert_eq!(small.rows(2191, 1 << 30), 8);
        assert_eq!(large.rows(2191, 1 << 30), 32);
    }
}
