/*!
The functions of a suite that agree with a prompt's demonstrations.
*/

use super::{Bits, Program, Suite, mask};
use crate::error::Result;
use std::collections::{HashMap, HashSet};

/// A suite's functions at one width, ready to be compared with demonstrations.
pub struct Hypotheses {
    bits: u32,
    /// Truth tables of the functions without a constant.
    tables: Vec<Vec<u16>>,
    /// The functions with a constant. Each constant is compared by itself.
    with_constant: Vec<Program>,
}

/// A function that agrees with all demonstrations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Survivor {
    /// Its prior weight: 1 for a function, 2^-bits for each constant of a function with a constant.
    pub prior: f64,
    /// Its output for the query.
    pub output: u16,
}

impl Hypotheses {
    /// The functions of a suite that exist at this width. Memory: 2^bits numbers per function.
    #[must_use]
    pub fn new(suite: &Suite, bits: u32) -> Self {
        let programs = suite.programs().iter();
        let programs = programs.filter(|p| p.width().is_none_or(|width| width == bits));
        let (with_constant, fixed): (Vec<&Program>, Vec<&Program>) =
            programs.partition(|p| p.uses_constant());
        Self {
            bits,
            tables: fixed.iter().map(|p| p.table(bits, 0)).collect(),
            with_constant: with_constant.into_iter().cloned().collect(),
        }
    }

    /// The width of the bitstrings.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Whether a function of the suite has this truth table, with any constant.
    pub(super) fn include(&self, table: &[u16]) -> bool {
        let has = |program: &Program, constant| {
            let mut values = (0..=mask(self.bits)).zip(table);
            values.all(|(x, &y)| program.apply(x, self.bits, constant) == y)
        };
        let mut drawn = self.with_constant.iter();
        self.tables.iter().any(|known| known == table)
            || drawn.any(|program| (0..=mask(self.bits)).any(|constant| has(program, constant)))
    }

    /// The functions that reproduce all demonstrations, with their output for `query`.
    pub fn survivors<'a>(
        &'a self,
        inputs: &'a [Bits],
        outputs: &'a [Bits],
        query: Bits,
    ) -> impl Iterator<Item = Survivor> + 'a {
        let survivor = move |f: &dyn Fn(u16) -> u16, prior| {
            let mut shown = inputs.iter().zip(outputs);
            let agrees = shown.all(|(x, y)| f(x.value()) == y.value());
            agrees.then(|| Survivor {
                prior,
                output: f(query.value()),
            })
        };
        let tables = self.tables.iter();
        let fixed = tables.filter_map(move |table| survivor(&|x| table[usize::from(x)], 1.0));
        let share = 0.5f64.powi(self.bits.try_into().unwrap_or(i32::MAX));
        let drawn = self.with_constant.iter().flat_map(move |program| {
            (0..=mask(self.bits)).filter_map(move |constant| {
                survivor(&|x| program.apply(x, self.bits, constant), share)
            })
        });
        fixed.chain(drawn)
    }
}

/// A suite's functions at each width that records have.
pub struct Rivals {
    suite: Suite,
    /// By width, with the names that have already been looked up.
    met: HashMap<u32, (Hypotheses, HashSet<String>)>,
}

impl Rivals {
    /// The functions of `suite`.
    #[must_use]
    pub fn new(suite: Suite) -> Self {
        Self {
            suite,
            met: HashMap::new(),
        }
    }

    /// The suite's functions at the width of a record, after a check that the suite knows the record's function.
    ///
    /// # Errors
    /// The function is unknown, so the record does not belong to this suite.
    pub fn of(&mut self, function: &str, bits: u32) -> Result<&Hypotheses> {
        let (hypotheses, known) = self
            .met
            .entry(bits)
            .or_insert_with(|| (Hypotheses::new(&self.suite, bits), HashSet::new()));
        if !known.contains(function) {
            self.suite.function(function, bits)?;
            known.insert(function.to_owned());
        }
        Ok(hypotheses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survivors_reproduce_the_demonstrations() {
        let suite =
            Suite::of(["identity", "flip_bits", "meta_constant"].map(String::from)).unwrap();
        let hypotheses = Hypotheses::new(&suite, 2);
        let bits = |text: &str| text.parse::<Bits>().unwrap();
        let survivors = |x: &[&str], y: &[&str]| -> Vec<(f64, u16)> {
            let list = |texts: &[&str]| texts.iter().map(|t| bits(t)).collect::<Vec<_>>();
            hypotheses
                .survivors(&list(x), &list(y), bits("10"))
                .map(|s| (s.prior, s.output))
                .collect()
        };
        // Nothing shown: both functions and all four constants.
        assert_eq!(survivors(&[], &[]).len(), 6);
        assert_eq!(survivors(&["01"], &["01"]), [(1.0, 0b10), (0.25, 0b01)]);
        assert_eq!(survivors(&["01", "00"], &["01", "00"]), [(1.0, 0b10)]);
        assert_eq!(survivors(&["01", "00"], &["00", "01"]), []);
    }
}
