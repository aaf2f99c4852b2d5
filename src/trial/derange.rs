/*!
Derangements: a trial's outputs permuted so that as few as possible stay in place.
*/

use crate::chance::Below;

/// The most shuffles (Breslow et al., arXiv 2609.14011, and their published code).
const SHUFFLES: usize = 256;

/// Permutes `outputs` across the demonstrations and returns the number of positions with an unchanged output. One list
/// is shuffled repeatedly; the first arrangement with the fewest unchanged positions is kept, and one with none ends
/// the search. If the result equals the original although not all outputs are equal, the outputs are rotated by one. A
/// single output cannot move, and draws nothing.
pub fn derange<T: PartialEq + Copy>(outputs: &mut [T], rng: &mut impl Below) -> u32 {
    let original = outputs.to_vec();
    let unchanged = |list: &[T]| list.iter().zip(&original).filter(|(a, b)| a == b).count();
    if original.len() > 1 {
        let mut working = original.clone();
        let mut best = original.len();
        for _ in 0..SHUFFLES {
            rng.shuffle(&mut working);
            let count = unchanged(&working);
            if count < best {
                best = count;
                outputs.copy_from_slice(&working);
            }
            if best == 0 {
                break;
            }
        }
        if outputs == original.as_slice() && original.iter().any(|y| *y != original[0]) {
            outputs.rotate_left(1);
        }
    }
    // Fewer than 2^16 demonstrations.
    u32::try_from(unchanged(outputs)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::{Key, Purpose};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keeps_the_outputs_and_counts_the_unchanged(
            original in prop::collection::vec(0u8..5, 0..40), seed: u64,
        ) {
            let mut rng = Key::new(&[&seed.to_le_bytes()]).stream(Purpose::Derangement);
            let mut deranged = original.clone();
            let unchanged = derange(&mut deranged, &mut rng);
            let same = deranged.iter().zip(&original).filter(|(a, b)| a == b).count();
            prop_assert_eq!(unchanged as usize, same);
            let (mut a, mut b) = (original.clone(), deranged.clone());
            a.sort_unstable();
            b.sort_unstable();
            prop_assert_eq!(a, b);
            let all_equal = original.iter().all(|y| *y == original[0]);
            prop_assert!(all_equal || original.len() < 2 || deranged != original);
        }
    }

    #[test]
    fn different_outputs_all_move() {
        let mut rng = Key::new(&[b"x"]).stream(Purpose::Derangement);
        let mut outputs: Vec<u32> = (0..64).collect();
        assert_eq!(derange(&mut outputs, &mut rng), 0);
    }
}
