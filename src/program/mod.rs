/*!
Bitstring functions. The name of a function or of a suite comes in: primitives in dot notation, a table, a rule, a file.
Functions go out, with their truth tables and complexity, and those that agree with a prompt's demonstrations.
*/

mod bits;
mod custom;
mod groups;
mod hypotheses;
mod measure;
mod primitive;
mod random;
mod suite;
mod tables;

pub use bits::Bits;
pub use hypotheses::{Hypotheses, Rivals, Survivor};
pub use measure::{Measures, bit_diversity, measures};
pub use primitive::{MAX_BITS, Primitive, mask};
pub use random::RandomSuite;
pub use suite::Suite;
pub use tables::RandomTables;

/// The width of the papers' bitstrings.
pub const PAPER_BITS: u32 = 8;

use crate::error::{Error, Result};
use primitive::Context;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Checks the width that a command line gives.
///
/// # Errors
/// It is not in 1..16.
pub fn check_bits(bits: u32) -> Result<()> {
    if (1..=MAX_BITS).contains(&bits) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "--bits {bits}: expected 1..{MAX_BITS}"
    )))
}

/// A bitstring function: primitives, or a user-defined function, which has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    name: Option<Arc<str>>,
    body: Body,
}

/// The definition of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    /// One or more, applied from left to right: `flip_bits.reverse_bits` is
    /// `f(x) = reverse_bits(flip_bits(x))`.
    Primitives(Vec<Primitive>),
    /// Any function of one width, by its outputs in the order of the inputs.
    Table { bits: u32, outputs: Arc<[u16]> },
    /// One step of an elementary cellular automaton on a ring.
    Rule(u8),
}

impl Program {
    /// A program of these primitives, at least one.
    #[must_use]
    pub fn new(primitives: Vec<Primitive>) -> Self {
        Self {
            name: None,
            body: Body::Primitives(primitives),
        }
    }

    /// The output for `input`; `meta_constant` returns `constant`. A table must be used at its own width
    /// ([`Program::width`]).
    #[must_use]
    pub fn apply(&self, input: u16, bits: u32, constant: u16) -> u16 {
        let context = Context {
            bits,
            input,
            constant,
        };
        match &self.body {
            Body::Primitives(primitives) => primitives
                .iter()
                .fold(input, |value, primitive| primitive.apply(value, context)),
            Body::Table { outputs, .. } => outputs[usize::from(input)],
            Body::Rule(number) => custom::step(*number, context),
        }
    }

    /// The outputs for all `2^bits` inputs, in numeric order.
    #[must_use]
    pub fn table(&self, bits: u32, constant: u16) -> Vec<u16> {
        (0..=mask(bits))
            .map(|input| self.apply(input, bits, constant))
            .collect()
    }

    /// Whether the function has a constant, which each trial draws.
    #[must_use]
    pub fn uses_constant(&self) -> bool {
        matches!(&self.body, Body::Primitives(all) if all.contains(&Primitive::MetaConstant))
    }

    /// The width of a table. Other functions have every width.
    #[must_use]
    pub fn width(&self) -> Option<u32> {
        match self.body {
            Body::Table { bits, .. } => Some(bits),
            Body::Primitives(_) | Body::Rule(_) => None,
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => self.body.fmt(f),
        }
    }
}

impl FromStr for Program {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let primitives = text
            .split('.')
            .map(|name| {
                Primitive::named(name).ok_or_else(|| {
                    format!(
                        "{name:?} in {text:?} is not a primitive; \
                         `gen-tasks --suite primitives --list` prints all 30"
                    )
                })
            })
            .collect::<std::result::Result<_, String>>()?;
        Ok(Self::new(primitives))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applied_from_left_to_right() {
        let program: Program = "shift_left_zero.reverse_bits".parse().unwrap();
        assert_eq!(program.apply(0b1000_0001, 8, 0), 0b0100_0000);
        let program: Program = "flip_bits.xor_with_s0".parse().unwrap();
        assert!(program.table(8, 0).iter().all(|&y| y == 255));
        let program: Program = "meta_constant.rotl1".parse().unwrap();
        assert!(program.uses_constant());
        assert!(program.table(4, 0b0010).iter().all(|&y| y == 0b0100));
    }
}
