/*!
Seeded random draws. Every draw is a pure function of its `Key`, so no result depends on order, shards or threads.

The key says what the draw is for. Its SHA-256 seeds ChaCha8, with one stream per `Purpose`. Bounded integers are
drawn here and not by a library, because a library's algorithm may change between versions.
*/

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// A source of unbiased bounded integers.
pub trait Below {
    /// A uniform integer in 0..n. n must be at least 1.
    fn below(&mut self, n: u32) -> u32;

    /// Permutes `items` uniformly (Fisher-Yates from the end, as CPython's `random.shuffle`).
    fn shuffle<T>(&mut self, items: &mut [T])
    where
        Self: Sized,
    {
        for i in (1..items.len()).rev() {
            // Lists here are shorter than 2^16.
            let j = self.below(u32::try_from(i + 1).unwrap_or(u32::MAX)) as usize;
            items.swap(i, j);
        }
    }
}

impl<R: Rng> Below for R {
    /// Lemire's method: the high half of a product. It draws again where the result would be biased.
    fn below(&mut self, n: u32) -> u32 {
        loop {
            let product = u64::from(self.next_u32()) * u64::from(n);
            // The low 32 bits.
            #[allow(clippy::cast_possible_truncation)]
            let low = product as u32;
            // The remainder is below n, so most draws need no division.
            if low >= n || low >= n.wrapping_neg() % n {
                return (product >> 32) as u32;
            }
        }
    }
}

/// What a random stream is for; its value is the number of the stream.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// A trial's inputs and query.
    Inputs = 0,
    /// A trial's constant.
    Constant = 1,
    /// A trial's symbols.
    Symbols = 2,
    /// A trial's derangement.
    Derangement = 3,
    /// A baseline's choice between equally good answers.
    Ties = 4,
    /// The programs of a random suite.
    Programs = 5,
}

/// What is drawn, as the digest of its parts: seed, function and trial, for example.
#[derive(Debug, Clone, Copy)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of these parts. The digest includes their lengths, so different lists of parts have different keys.
    #[must_use]
    pub fn new(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        absorb(&mut hash, parts);
        Self(hash.finalize().into())
    }

    /// The generator for one purpose.
    #[must_use]
    pub fn stream(&self, purpose: Purpose) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::from_seed(self.0);
        rng.set_stream(purpose as u64);
        rng
    }

    /// The digest, as a part of another key.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A 64-bit seed, for generators that take one.
    #[must_use]
    pub fn seed(&self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|i| self.0[i]))
    }
}

/// The keys of one function's trials. Their common beginning is hashed once.
#[derive(Debug, Clone)]
pub struct TrialKeys(Sha256);

impl TrialKeys {
    /// The keys of this function's trials at this seed and width.
    #[must_use]
    pub fn new(seed: i64, bits: u32, function: &str) -> Self {
        let mut hash = Sha256::new();
        absorb(
            &mut hash,
            &[
                b"shotline trial 1",
                &seed.to_le_bytes(),
                &bits.to_le_bytes(),
                function.as_bytes(),
            ],
        );
        Self(hash)
    }

    /// The key of one trial. `shots` is None for a nested trial, so that a longer sequence extends a shorter one.
    #[must_use]
    pub fn key(&self, shots: Option<u32>, trial: u32) -> Key {
        // -1 is no shot count.
        let shots = shots.map_or(-1, i64::from);
        let mut hash = self.0.clone();
        absorb(&mut hash, &[&shots.to_le_bytes(), &trial.to_le_bytes()]);
        Key(hash.finalize().into())
    }
}

fn absorb(hash: &mut Sha256, parts: &[&[u8]]) {
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial_key(seed: i64, bits: u32, function: &str, shots: Option<u32>, trial: u32) -> Key {
        TrialKeys::new(seed, bits, function).key(shots, trial)
    }

    #[test]
    fn streams_are_apart() {
        let key = trial_key(0, 8, "identity", Some(4), 0);
        let draws = |key: Key, purpose| {
            let mut rng = key.stream(purpose);
            (0..8).map(|_| rng.below(1 << 16)).collect::<Vec<_>>()
        };
        let inputs = draws(key, Purpose::Inputs);
        assert_ne!(inputs, draws(key, Purpose::Symbols));
        for other in [
            trial_key(1, 8, "identity", Some(4), 0),
            trial_key(0, 7, "identity", Some(4), 0),
            trial_key(0, 8, "identity.identity", Some(4), 0),
            trial_key(0, 8, "identity", Some(5), 0),
            trial_key(0, 8, "identity", None, 0),
            trial_key(0, 8, "identity", Some(4), 1),
        ] {
            assert_ne!(inputs, draws(other, Purpose::Inputs));
        }
    }

    /// If these numbers change, every trial and every baseline's answers change.
    #[test]
    fn the_streams_are_these() {
        let key = trial_key(7, 8, "identity", Some(4), 0);
        let first = [
            Purpose::Inputs,
            Purpose::Constant,
            Purpose::Symbols,
            Purpose::Derangement,
            Purpose::Ties,
            Purpose::Programs,
        ]
        .map(|purpose| key.stream(purpose).below(1_000_000));
        assert_eq!(
            first,
            [214_827, 764_944, 804_920, 624_575, 856_937, 846_075]
        );
    }

    #[test]
    fn below_is_uniform() {
        let mut rng = Key::new(&[b"test"]).stream(Purpose::Ties);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7) as usize] += 1;
        }
        // Chi-squared with 6 degrees of freedom: 22.5 is its 99.9 % point.
        let chi2: f64 = counts
            .iter()
            .map(|&c| (f64::from(c) - 10_000.0).powi(2) / 10_000.0)
            .sum();
        assert!(chi2 < 22.5, "{chi2}");
        assert_eq!(rng.below(1), 0);
    }
}
