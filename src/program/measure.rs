/*!
Complexity measures of a function: `BitLoad`, `BitDiversity`, share of 0-BD outputs; and a hash of its truth table.
*/

use super::{Program, mask};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

/// Complexity measures of a program at one width (Breslow et al., arXiv 2511.12797, section 3).
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// The number of input bits that the output depends on, for some input and constant.
    pub bitload: u32,
    /// The output's minority bits, averaged over all inputs and constants, 0..=k/2.
    pub bitdiversity: f64,
    /// The share of outputs that are all zeros or all ones.
    pub zero_bd: f64,
    /// The first 16 hexadecimal digits of the SHA-256 of the truth table: outputs as little-endian 16-bit numbers in
    /// the order of the inputs, with the constant 0...01.
    pub table_hash: String,
}

/// The number of minority bits of an output of this width: min(ones, zeros).
#[must_use]
pub fn bit_diversity(output: u16, bits: u32) -> u32 {
    let ones = output.count_ones();
    ones.min(bits - ones)
}

/// Sums over truth tables.
#[derive(Default)]
struct Sums {
    /// Bit i set: input bit i matters.
    load: u16,
    diversity: u64,
    zero: u64,
}

impl Sums {
    fn of(table: &[u16], bits: u32) -> Self {
        let mut sums = Self::default();
        for (input, &output) in table.iter().enumerate() {
            let diversity = bit_diversity(output, bits);
            sums.diversity += u64::from(diversity);
            sums.zero += u64::from(diversity == 0);
            for i in 0..bits {
                if table[input ^ 1 << i] != output {
                    sums.load |= 1 << i;
                }
            }
        }
        sums
    }

    fn add(self, other: &Self) -> Self {
        Self {
            load: self.load | other.load,
            diversity: self.diversity + other.diversity,
            zero: self.zero + other.zero,
        }
    }
}

/// The measures of `program` at width `bits`. With a constant they are averaged over all 2^bits constants, in parallel,
/// in time 2^bits each.
#[must_use]
pub fn measures(program: &Program, bits: u32) -> Measures {
    let constants = if program.uses_constant() {
        0..=mask(bits)
    } else {
        1..=1
    };
    let tables = constants.len();
    let sums = constants
        .into_par_iter()
        .map(|constant| Sums::of(&program.table(bits, constant), bits))
        .reduce(Sums::default, |a, b| a.add(&b));
    // At most 2^32 outputs: exact in an f64.
    #[allow(clippy::cast_precision_loss)]
    let mean = |sum: u64| sum as f64 / (tables as f64 * f64::from(u32::from(mask(bits)) + 1));
    let digest = digest(&program.table(bits, 1));
    let head = u64::from_be_bytes(std::array::from_fn(|i| digest[i]));
    Measures {
        bitload: sums.load.count_ones(),
        bitdiversity: mean(sums.diversity),
        zero_bd: mean(sums.zero),
        table_hash: format!("{head:016x}"),
    }
}

/// SHA-256 of a truth table: its outputs as little-endian 16-bit numbers in the order of the inputs.
pub(super) fn digest(table: &[u16]) -> [u8; 32] {
    let bytes: Vec<u8> = table.iter().flat_map(|y| y.to_le_bytes()).collect();
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// BitLoad from its definition.
        #[test]
        fn bitload_is_the_number_of_bits_that_matter(
            first in 0..30usize, second in 0..30usize, bits in 1u32..=9,
        ) {
            let all = crate::program::Primitive::ALL;
            let program = Program::new(vec![all[first], all[second]]);
            let constants = if program.uses_constant() { 0..=mask(bits) } else { 0..=0 };
            let matters = |i: u32| {
                constants.clone().any(|c| {
                    (0..=mask(bits)).any(|x| {
                        program.apply(x, bits, c) != program.apply(x ^ 1 << i, bits, c)
                    })
                })
            };
            let expected = (0..bits).filter(|&i| matters(i)).count();
            prop_assert_eq!(measures(&program, bits).bitload as usize, expected);
        }
    }
}
