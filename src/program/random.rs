/*!
Random suites of unpublished functions, which no model can have been trained on.
*/

use super::measure::digest;
use super::{Hypotheses, MAX_BITS, Primitive, Program, Suite, measures};
use crate::chance::{Below, Key, Purpose};
use crate::error::{Error, Result, counted};
use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;

/// The longest program that can be asked for.
const MAX_DEPTH: u32 = 16;

/// The request for a random suite.
///
/// **How it is drawn.** A candidate has 1 to `depth` primitives (uniform). Each primitive is uniform among all but
/// `meta_constant`. A candidate is kept if its `BitLoad` is in range and its truth table at this width is new: it
/// differs from all candidates before it and from the paper's functions with any constant. Drawing stops when each
/// `BitLoad` in range has its share of the suite, or after 20,000 + 200 `count` candidates. Then the suite is filled in
/// rounds. In each round every `BitLoad`, from the lowest to the highest, gives its next function in the order drawn,
/// if one is left. So the `BitLoads` are as even as possible, also in a shorter beginning of the suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RandomSuite {
    count: usize,
    depth: u32,
    seed: i64,
    bitload: RangeInclusive<u32>,
    bits: u32,
}

impl RandomSuite {
    /// Parses `COUNT,depth=D,seed=S[,bitload=LO-HI][,bits=K]`. `bits` is the default width.
    ///
    /// # Errors
    /// A usage error for anything else.
    pub fn parse(text: &str, bits: u32) -> Result<Self> {
        let request = SuiteRequest::parse(
            text,
            "random:COUNT,depth=D,seed=S[,bitload=LO-HI]",
            &["depth", "seed", "bitload", "bits"],
        )?;
        let bits = match request.named.get("bits") {
            Some(_) => request.number("bits", MAX_BITS)?,
            None => bits,
        };
        Ok(Self {
            count: request.count,
            depth: request.number("depth", MAX_DEPTH)?,
            seed: request.seed()?,
            bitload: request.bitload(bits)?,
            bits,
        })
    }

    /// Draws the suite. The same request gives the same suite on every machine.
    ///
    /// # Errors
    /// A usage error if too few functions were found; it says how many.
    pub fn draw(&self) -> Result<Suite> {
        let effort = 20_000 + 200 * self.count;
        let levels = self.bitload.clone().count();
        let share = self.count.div_ceil(levels);
        let published = Hypotheses::new(&Suite::paper()?, self.bits);
        let parts: [&[u8]; 4] = [
            b"shotline suite 1",
            &self.seed.to_le_bytes(),
            &self.bits.to_le_bytes(),
            &self.depth.to_le_bytes(),
        ];
        let mut chance = Key::new(&parts).stream(Purpose::Programs);
        let mut seen = HashSet::new();
        let mut by_load: BTreeMap<u32, Vec<Program>> = BTreeMap::new();
        let mut filled = 0;
        for _ in 0..effort {
            if filled == levels {
                break;
            }
            let primitives = 1 + chance.below(self.depth);
            let drawn = (0..primitives).map(|_| draw_primitive(&mut chance));
            let program = Program::new(drawn.collect());
            let table = program.table(self.bits, 0);
            if !seen.insert(digest(&table)) || published.include(&table) {
                continue;
            }
            let load = measures(&program, self.bits).bitload;
            if self.bitload.contains(&load) {
                let level = by_load.entry(load).or_default();
                level.push(program);
                filled += usize::from(level.len() == share);
            }
        }
        let found: usize = by_load.values().map(Vec::len).sum();
        if found < self.count {
            return Err(Error::usage(format!(
                "--suite random:{}: only {} of BitLoad {}-{} on {} among {effort} random programs of \
                 1 to {}; ask for fewer, or for more depth",
                self.count,
                counted(found, "new function"),
                self.bitload.start(),
                self.bitload.end(),
                counted(self.bits, "bit"),
                counted(self.depth, "primitive")
            )));
        }
        let longest = by_load.values().map(Vec::len).max().unwrap_or_default();
        let rounds =
            (0..longest).flat_map(|round| by_load.values().filter_map(move |l| l.get(round)));
        Suite::of(rounds.take(self.count).map(ToString::to_string))
    }
}

/// A parsed request for a random suite: `PREFIX:COUNT,name=value,...`.
pub(super) struct SuiteRequest<'a> {
    text: &'a str,
    /// The expected form, for messages.
    form: &'a str,
    pub(super) count: usize,
    named: BTreeMap<&'a str, &'a str>,
}

impl<'a> SuiteRequest<'a> {
    /// Parses the text after the prefix of `form`. `names` are the allowed names.
    pub(super) fn parse(text: &'a str, form: &'a str, names: &[&str]) -> Result<Self> {
        let mut parts = text.split(',');
        let count = parts.next().and_then(|n| n.parse::<u32>().ok());
        let mut request = Self {
            text,
            form,
            count: count.unwrap_or_default() as usize,
            named: BTreeMap::new(),
        };
        if request.count == 0 {
            return Err(request.wrong("COUNT is a number from 1"));
        }
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if !names.contains(&name) {
                return Err(request.wrong(&format!("unknown name {name:?}")));
            }
            if request.named.insert(name, value).is_some() {
                return Err(request.wrong(&format!("{name} is given twice")));
            }
        }
        Ok(request)
    }

    pub(super) fn wrong(&self, what: &str) -> Error {
        let Self { text, form, .. } = self;
        let prefix = form.split(':').next().unwrap_or_default();
        Error::usage(format!("--suite {prefix}:{text}: {what}; expected {form}"))
    }

    /// A required number from 1 to `most`.
    pub(super) fn number(&self, name: &str, most: u32) -> Result<u32> {
        let value = self.named.get(name).and_then(|n| n.parse().ok());
        value
            .filter(|n| (1..=most).contains(n))
            .ok_or_else(|| self.wrong(&format!("{name} is a number from 1 to {most}")))
    }

    pub(super) fn seed(&self) -> Result<i64> {
        let seed = self.named.get("seed").and_then(|s| s.parse().ok());
        seed.filter(|s| *s >= 0)
            .ok_or_else(|| self.wrong("seed is a number from 0"))
    }

    /// The range of `BitLoad`. By default all but 0, which is that of constants.
    pub(super) fn bitload(&self, bits: u32) -> Result<RangeInclusive<u32>> {
        let Some(text) = self.named.get("bitload") else {
            return Ok(1..=bits);
        };
        text.split_once('-')
            .and_then(|(low, high)| Some(low.parse().ok()?..=high.parse().ok()?))
            .filter(|range| !range.is_empty() && *range.end() <= bits)
            .ok_or_else(|| self.wrong(&format!("bitload is LO-HI with LO <= HI <= {bits}")))
    }
}

/// A primitive that depends on its input only.
fn draw_primitive(chance: &mut impl Below) -> Primitive {
    // 30 of them.
    let all = u32::try_from(Primitive::ALL.len()).unwrap_or(u32::MAX);
    loop {
        let primitive = Primitive::ALL[chance.below(all) as usize];
        if primitive != Primitive::MetaConstant {
            return primitive;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::mask;

    fn draw(text: &str, bits: u32) -> Result<Suite> {
        RandomSuite::parse(text, bits)?.draw()
    }

    fn tables(suite: &Suite, bits: u32) -> HashSet<Vec<u16>> {
        suite.programs().iter().map(|p| p.table(bits, 0)).collect()
    }

    #[test]
    fn functions_are_new_and_differ() {
        for (text, bits) in [("100,depth=3,seed=1", 8), ("30,depth=4,seed=2", 5)] {
            let suite = draw(text, bits).unwrap();
            let found = tables(&suite, bits);
            assert_eq!(found.len(), suite.programs().len(), "{text}");
            let mut published = HashSet::new();
            for program in Suite::paper().unwrap().programs() {
                for constant in 0..=mask(bits) {
                    published.insert(program.table(bits, constant));
                }
            }
            assert!(found.is_disjoint(&published), "{text}");
        }
    }

    #[test]
    fn bitloads_are_as_even_as_can_be() {
        let suite = draw("80,depth=4,seed=7", 8).unwrap();
        let mut loads = BTreeMap::new();
        for program in suite.programs() {
            *loads.entry(measures(program, 8).bitload).or_insert(0) += 1;
        }
        // Rounds over all BitLoads: only those whose functions ran out have fewer by more than one.
        let largest = loads.values().max().unwrap();
        let short = loads.values().filter(|n| **n + 1 < *largest).count();
        assert!(loads.len() >= 6 && short <= 3, "{loads:?}");
        let first: Vec<u32> = suite.programs()[..loads.len()]
            .iter()
            .map(|p| measures(p, 8).bitload)
            .collect();
        assert_eq!(first, loads.keys().copied().collect::<Vec<_>>());
        let narrow = draw("20,depth=3,seed=7,bitload=2-4", 8).unwrap();
        for program in narrow.programs() {
            assert!((2..=4).contains(&measures(program, 8).bitload));
        }
    }

    #[test]
    fn the_same_request_gives_the_same_suite() {
        let names = |text| -> Vec<String> {
            let suite = draw(text, 8).unwrap();
            suite.programs().iter().map(ToString::to_string).collect()
        };
        let first = names("25,depth=3,seed=5");
        assert_eq!(first, names("25,depth=3,seed=5"));
        assert_eq!(first, names("25,seed=5,bits=8,depth=3,bitload=1-8"));
        assert_ne!(first, names("25,depth=3,seed=6"));
    }

    #[test]
    fn impossible_requests_are_refused() {
        let message = |text| {
            let error = draw(text, 8).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        };
        // A function that ignores its input is always the published meta_constant with some constant.
        assert!(message("1,depth=5,seed=0,bitload=0-0").contains("only 0 new functions"));
        for (text, word) in [
            ("0,depth=2,seed=1", "COUNT"),
            ("x", "COUNT"),
            ("5,depth=17,seed=1", "depth is a number"),
            ("5,depth=2", "seed is a number"),
            ("5,depth=2,seed=-1", "seed is a number"),
            ("5,depth=2,seed=1,bitload=3", "LO-HI"),
            ("5,depth=2,seed=1,bitload=5-3", "LO-HI"),
            ("5,depth=2,seed=1,bitload=1-9", "HI <= 8"),
            ("5,depth=2,seed=1,seed=2", "seed is given twice"),
            ("5,depth=2,seed=1,load=3", "unknown name \"load\""),
            ("5,depth=2,seed=1,bits=17", "bits is a number"),
        ] {
            let found = message(text);
            assert!(found.contains(word), "{found}");
        }
    }
}
