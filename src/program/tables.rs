/*!
Suites of random truth tables with given `BitLoads`.
*/

use super::custom::MAX_TABLE_BITS;
use super::random::SuiteRequest;
use super::{Program, Suite};
use crate::chance::{Below, Key, Purpose};
use crate::error::{Error, Result, counted};
use std::collections::{HashSet, VecDeque};
use std::ops::RangeInclusive;

/// The request for a suite of random tables.
///
/// **How it is drawn.** In rounds. In each round every `BitLoad` in range, from the lowest to the highest, gives one
/// new function. To draw a function of `BitLoad` B on k bits, B of the k input bits are drawn uniformly, then an output
/// of k bits for each of the 2^B values of these bits. The outputs are drawn again until each of the B bits matters for
/// some value of the others. A function has exactly one set of bits that matter, and all sets of one size have equally
/// many functions, so all functions of that `BitLoad` are equally probable. A `BitLoad` is left out of later rounds
/// after 10,000 draws in a row without a new function. A shorter suite is the beginning of a longer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RandomTables {
    count: usize,
    bits: u32,
    seed: i64,
    bitload: RangeInclusive<u32>,
}

impl RandomTables {
    /// Parses `COUNT,k=K,seed=S[,bitload=LO-HI]`. If `bits` is given, K must be equal to it.
    ///
    /// # Errors
    /// A usage error for anything else.
    pub fn parse(text: &str, bits: Option<u32>) -> Result<Self> {
        let request = SuiteRequest::parse(
            text,
            "random-tables:COUNT,k=K,seed=S[,bitload=LO-HI]",
            &["k", "seed", "bitload"],
        )?;
        let width = request.number("k", MAX_TABLE_BITS)?;
        if let Some(bits) = bits.filter(|&bits| bits != width) {
            return Err(request.wrong(&format!(
                "tables of {}, but --bits is {bits}",
                counted(width, "bit")
            )));
        }
        Ok(Self {
            count: request.count,
            bits: width,
            seed: request.seed()?,
            bitload: request.bitload(width)?,
        })
    }

    /// Draws the suite; its functions are called `table_0001` and so on. The same request gives the same suite on every
    /// machine.
    ///
    /// # Errors
    /// A usage error if too few functions were found; it says how many.
    pub fn draw(&self) -> Result<Suite> {
        const DRAWS: usize = 10_000;
        let parts: [&[u8]; 3] = [
            b"shotline tables 1",
            &self.seed.to_le_bytes(),
            &self.bits.to_le_bytes(),
        ];
        let mut chance = Key::new(&parts).stream(Purpose::Programs);
        let mut seen = HashSet::new();
        let mut programs = Vec::new();
        let mut loads: VecDeque<u32> = self.bitload.clone().collect();
        while programs.len() < self.count {
            let Some(load) = loads.pop_front() else {
                return Err(Error::usage(format!(
                    "--suite random-tables:{}: found only {} of BitLoad {}-{} on {}; ask for fewer",
                    self.count,
                    counted(programs.len(), "function"),
                    self.bitload.start(),
                    self.bitload.end(),
                    counted(self.bits, "bit")
                )));
            };
            let new = (0..DRAWS)
                .map(|_| self.table(load, &mut chance))
                .find(|table| seen.insert(table.clone()));
            if let Some(table) = new {
                let name = format!("table_{:04}", programs.len() + 1);
                programs.push(Program::of_table(&name, self.bits, table));
                loads.push_back(load);
            }
        }
        Ok(Suite::of_programs(programs))
    }

    /// The table of a function that depends on exactly `load` input bits.
    fn table(&self, load: u32, chance: &mut impl Below) -> Vec<u16> {
        let mut places: Vec<u32> = (0..self.bits).collect();
        chance.shuffle(&mut places);
        places.truncate(load as usize);
        let inputs = 1usize << load;
        let outputs = loop {
            let drawn: Vec<u16> = (0..inputs)
                // Below 2^12.
                .map(|_| u16::try_from(chance.below(1 << self.bits)).unwrap_or(u16::MAX))
                .collect();
            let matters = |i: u32| (0..inputs).any(|x| drawn[x] != drawn[x ^ 1 << i]);
            if (0..load).all(matters) {
                break drawn;
            }
        };
        (0..1usize << self.bits)
            .map(|input| {
                let bits = places.iter().enumerate();
                let value = bits.fold(0, |value, (i, place)| value | (input >> place & 1) << i);
                outputs[value]
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::measures;
    use std::collections::BTreeMap;

    fn draw(text: &str) -> Result<Suite> {
        RandomTables::parse(text, None)?.draw()
    }

    #[test]
    fn every_function_has_its_bitload_and_none_appears_twice() {
        for (text, bits, loads) in [
            ("40,k=8,seed=1", 8, 1..=8),
            ("12,k=12,seed=2,bitload=10-12", 12, 10..=12),
            ("30,k=5,seed=3,bitload=0-2", 5, 0..=2),
        ] {
            let suite = draw(text).unwrap();
            let mut tables = HashSet::new();
            for (i, program) in suite.programs().iter().enumerate() {
                let expected = loads.clone().nth(i % loads.clone().count()).unwrap();
                assert_eq!(
                    measures(program, bits).bitload,
                    expected,
                    "{text} {program}"
                );
                assert!(tables.insert(program.table(bits, 0)));
                assert_eq!(program.to_string(), format!("table_{:04}", i + 1));
            }
        }
    }

    #[test]
    fn the_same_request_gives_the_same_suite_and_a_longer_one_goes_on() {
        let lines = |text| draw(text).unwrap().lines();
        let long = lines("30,k=6,seed=5");
        assert_eq!(long, lines("30,seed=5,bitload=1-6,k=6"));
        assert_eq!(long[..20], lines("20,k=6,seed=5"));
        assert_ne!(long, lines("30,k=6,seed=6"));
    }

    /// There are 24 functions of BitLoad 1 on 2 bits: 2 bits that may matter, 4 * 3 pairs of different outputs.
    #[test]
    fn all_functions_of_a_bitload_are_equally_probable() {
        let mut drawn: BTreeMap<Vec<u16>, u32> = BTreeMap::new();
        for seed in 0..4800 {
            let suite = draw(&format!("1,k=2,seed={seed},bitload=1-1")).unwrap();
            *drawn.entry(suite.programs()[0].table(2, 0)).or_default() += 1;
        }
        assert_eq!(drawn.len(), 24);
        // 200 each are expected; 23 degrees of freedom, p = .001.
        let chi2: f64 = drawn
            .values()
            .map(|&n| (f64::from(n) - 200.0).powi(2) / 200.0)
            .sum();
        assert!(chi2 < 49.7, "{chi2}");
    }

    #[test]
    fn impossible_requests_are_refused() {
        assert_eq!(
            draw("24,k=2,seed=1,bitload=1-1").unwrap().programs().len(),
            24
        );
        for (text, words) in [
            (
                "25,k=2,seed=1,bitload=1-1",
                "only 24 functions of BitLoad 1-1 on 2 bits",
            ),
            (
                "0,k=2,seed=1",
                "random-tables:0,k=2,seed=1: COUNT is a number from 1",
            ),
            ("5,k=13,seed=1", "k is a number from 1 to 12"),
            ("5,k=4", "seed is a number"),
            ("5,k=4,seed=1,bitload=3-5", "LO <= HI <= 4"),
            ("5,k=4,seed=1,depth=2", "unknown name \"depth\""),
        ] {
            let error = draw(text).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
