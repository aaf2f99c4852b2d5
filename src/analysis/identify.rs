/*!
Identifiability: how likely it is that all functions that agree with the demonstrations agree on the query.
*/

use super::cells::whole;
use crate::program::Suite;

/// The distances between the functions of a suite.
pub struct SuiteDistances {
    /// The width of the bitstrings.
    bits: u32,
    /// The number of inputs at which two functions differ, row by row.
    distances: Vec<Vec<u32>>,
}

impl SuiteDistances {
    /// The distances of the functions of `suite` at one width, with the constant 0...01.
    #[must_use]
    pub fn new(suite: &Suite, bits: u32) -> Self {
        let tables: Vec<Vec<u16>> = suite.programs().iter().map(|p| p.table(bits, 1)).collect();
        let distance =
            |f: &[u16], g: &[u16]| whole(f.iter().zip(g).filter(|(a, b)| a != b).count());
        let distances = tables
            .iter()
            .map(|f| tables.iter().map(|g| distance(f, g)).collect())
            .collect();
        Self { bits, distances }
    }

    /// For every function, a lower bound of the probability that all functions that agree with `shots` demonstrations
    /// agree with it at the query, too: 1 minus the sum over rivals of `d/m C(m-d, n) / C(m-1, n)`, at least 0. Here n
    /// is the number of shots (less than m), m the number of inputs, and d the number of inputs at which the rival
    /// differs (Breslow et al., arXiv 2609.14011).
    #[must_use]
    pub fn identified(&self, shots: u32) -> Vec<f64> {
        let inputs = 1u32 << self.bits;
        let mistaken = |d: u32| -> f64 {
            // The query is one of the d differing inputs. Demonstration i is drawn from the m - 1 - i inputs left, of
            // which m - d - i do not differ.
            let agreeing = (0..shots)
                .map(|i| f64::from(inputs.saturating_sub(d + i)) / f64::from(inputs - 1 - i));
            f64::from(d) / f64::from(inputs) * agreeing.product::<f64>()
        };
        self.distances
            .iter()
            .map(|row| (1.0 - row.iter().map(|&d| mistaken(d)).sum::<f64>()).max(0.0))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two functions of one bit: identity and `flip_bits` differ everywhere, so one demonstration distinguishes them.
    /// Without one the bound is 0.
    #[test]
    fn by_hand() {
        let suite = Suite::of(["identity", "flip_bits"].map(String::from)).unwrap();
        let distances = SuiteDistances::new(&suite, 1);
        assert_eq!(distances.identified(1), [1.0, 1.0]);
        assert_eq!(distances.identified(0), [0.0, 0.0]);
        // left_half of two bits differs at two of four inputs. With one shot it is mistaken with probability 2/4 (the
        // query is one of them) times 2/3 (the demonstration is none).
        let suite = Suite::of(["identity", "left_half"].map(String::from)).unwrap();
        let third = SuiteDistances::new(&suite, 2).identified(1);
        assert!(
            third.iter().all(|p| (p - 2.0 / 3.0).abs() < 1e-15),
            "{third:?}"
        );
    }
}
