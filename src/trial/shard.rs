/*!
One contiguous part of the trials of a run, and what its provenance says of it.
*/

use crate::provenance::Facts;
use serde_json::json;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The setting of the step that cuts a run: which shard this is.
pub const SHARD: &str = "shard";
/// The trials of all shards together.
pub const TOTAL: &str = "total";
/// The predictions that one trial becomes.
pub const POINTS: &str = "points";

/// One of several parts of the work: `I/N`, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which it is, from 0.
    pub index: u64,
    /// How many there are.
    pub count: u64,
}

impl Shard {
    /// The shard's part of `total` records: contiguous, so that shards concatenate to the whole.
    #[must_use]
    pub fn range(self, total: u64) -> Range<u64> {
        let bound = |i: u64| {
            let at = u128::from(i) * u128::from(total) / u128::from(self.count);
            // At most `total`.
            u64::try_from(at).unwrap_or(total)
        };
        bound(self.index)..bound(self.index + 1)
    }

    /// What the step that draws trials says of them: how many there are in all, the predictions that each becomes, and
    /// which part of them this is.
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
        numbers.ok_or_else(|| format!("expected I/N with I in 0..N, as 0/4; found {text:?}"))
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
