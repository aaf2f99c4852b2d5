/*!
Shards: contiguous parts of the trials of a run, as they appear in provenance.
*/

use crate::provenance::Facts;
use serde_json::json;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The setting for the shard.
pub const SHARD: &str = "shard";
/// The setting for the number of trials of all shards together.
pub const TOTAL: &str = "total";
/// The setting for the number of predictions per trial.
pub const POINTS: &str = "points";

/// One shard of a run, written `I/N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Its number, from 0.
    pub index: u64,
    /// The number of shards.
    pub count: u64,
}

impl Shard {
    /// The shard's part of `total` records. Parts are contiguous, so that concatenated shards are the whole.
    #[must_use]
    pub fn range(self, total: u64) -> Range<u64> {
        let bound = |i: u64| {
            let at = u128::from(i) * u128::from(total) / u128::from(self.count);
            // At most `total`.
            u64::try_from(at).unwrap_or(total)
        };
        bound(self.index)..bound(self.index + 1)
    }

    /// The settings in the provenance of drawn trials: their total number, the predictions per trial, and the shard.
    #[must_use]
    pub fn settings(shard: Option<Self>, total: u64, points: usize) -> Facts {
        let mut facts = Facts::from([
            (TOTAL.to_owned(), json!(total)),
            (POINTS.to_owned(), json!(points)),
        ]);
        if let Some(shard) = shard {
            facts.insert(SHARD.to_owned(), json!(shard.to_string()));
        }
        facts
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(i, n)| {
            let (index, count) = (i.parse().ok()?, n.parse().ok()?);
            (index < count).then_some(Self { index, count })
        });
        numbers
            .ok_or_else(|| format!("expected I/N with I in 0..N, for example 0/4; found {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_a_partition() {
        for (total, count) in [(10, 3), (2, 5), (0, 4), (102_400, 7)] {
            let mut next = 0;
            for index in 0..count {
                let shard: Shard = format!("{index}/{count}").parse().unwrap();
                let range = shard.range(total);
                assert_eq!(range.start, next);
                next = range.end;
            }
            assert_eq!(next, total);
        }
        for text in ["4/4", "1", "a/b", "-1/2", "1/0"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
