/*!
How much goes together: the only place where this is decided.

Constants of the processor were measured with SmolLM2-135M on two cores. A prompt of 2191 tokens: 867 tokens/s in pieces of 256,
840 in pieces of 384, 800 of 128, 720 in one call: attention computes the scores of a call's later tokens, too, before it masks
them, and each call reads the weights. Short prompts in batches: on two cores the same 1200 tokens/s from 256 to 2048 tokens a
call; on one 680 at 280 tokens a call, 595 at 2048, 457 at 8192.

On a GPU, where products have to be large to be fast and flash attention skips what it would mask, everything follows the memory
that is free once the weights are there; its shares and sizes have not been measured.
*/

use crate::predictor::onnx::runtime::{Device, Options};

/// Prompts that wait, so that there are several of one shape among them.
pub(crate) const WAITING_PROMPTS: usize = 128;
/// Batches without a refusal of memory after which twice as much is tried again.
const CALM: u32 = 16;
/// Calls of so few tokens take hardly any memory beside the cache.
const SMALLEST_CHUNK: usize = 64;
/// What a GPU is taken to have free where it does not say.
const UNKNOWN_MEMORY: usize = 8 << 30;

/// What goes into one call and one batch. Where memory is refused, everything is halved, and grows again later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    call_tokens: usize,
    /// The most tokens of a batch, where a user wants so few of them together.
    batch_tokens: usize,
    chunk: usize,
    /// The bytes of one call's logits.
    pub logits_bytes: usize,
    /// The bytes of one batch's cache.
    cache_bytes: usize,
    /// Whether a sequence that is read in pieces is a batch of its own.
    is_long_alone: bool,
    /// Whether a call reads all of a sequence, and of one only, whatever that takes: a token's logits depend on the call, or the
    /// graph cannot go on with several tokens.
    is_whole: bool,
    /// How often everything is halved.
    halved: u32,
    /// Batches since memory was last refused.
    calm: u32,
}

impl Limits {
    /// What suits a device. `free` is its memory in bytes, the weights being there.
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

    /// With a user's sizes in the place of these; `is_whole`: one sequence at a time, and never in pieces.
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

    /// Whether a call may read other tokens than greedy decoding's of one sequence.
    pub(crate) fn may_mix(&self) -> bool {
        !self.is_whole
    }

    /// The most tokens of a call that reads several prompts from their beginning.
    pub(crate) fn call_tokens(&self) -> usize {
        self.call_tokens >> self.halved
    }

    /// The most tokens of a sequence in a call.
    pub(crate) fn chunk(&self) -> usize {
        (self.chunk >> self.halved).max(SMALLEST_CHUNK.min(self.chunk))
    }

    /// How many sequences of `length` tokens, each of which takes so many bytes, go into a batch.
    pub(crate) fn rows(&self, length: usize, bytes: usize) -> usize {
        if self.is_whole || self.is_long_alone && length > self.chunk() {
            return 1;
        }
        let by_memory = (self.cache_bytes >> self.halved) / bytes.max(1);
        by_memory.min(self.batch_tokens / length.max(1)).max(1)
    }

    /// Memory was refused.
    pub(crate) fn halve(&mut self) {
        self.halved += 1;
        self.calm = 0;
    }

    /// Whether halving makes the calls of one sequence of `length` tokens smaller still.
    pub(crate) fn can_cut(&self, length: usize) -> bool {
        !self.is_whole && self.chunk().min(length) / 2 >= SMALLEST_CHUNK
    }

    /// A batch went through.
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
