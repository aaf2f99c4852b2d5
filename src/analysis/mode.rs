/*!
The mode baseline: the most frequent output among the demonstrations.
*/

use crate::program::Bits;
use crate::stats::count;

/// The most frequent of `outputs`, in the order of their bits. Several if there is a tie.
#[must_use]
pub fn modes(outputs: &[Bits]) -> Vec<Bits> {
    let mut sorted = outputs.to_vec();
    sorted.sort_unstable();
    let runs = || sorted.chunk_by(|a, b| a == b);
    let most = runs().map(<[Bits]>::len).max();
    let modes = runs().filter(|run| Some(run.len()) == most);
    modes.map(|run| run[0]).collect()
}

/// The probability that the mode baseline answers `target`. It breaks ties uniformly. None without demonstrations.
#[must_use]
pub fn mode_accuracy(outputs: &[Bits], target: Bits) -> Option<f64> {
    let modes = modes(outputs);
    if modes.is_empty() {
        return None;
    }
    let share = 1.0 / count(modes.len());
    Some(if modes.contains(&target) { share } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_the_credit() {
        let bits = |text: &str| text.parse::<Bits>().unwrap();
        let outputs: Vec<Bits> = ["01", "10", "10", "01", "00"].map(bits).to_vec();
        assert_eq!(modes(&outputs), [bits("01"), bits("10")]);
        assert_eq!(mode_accuracy(&outputs, bits("10")), Some(0.5));
        assert_eq!(mode_accuracy(&outputs, bits("00")), Some(0.0));
        assert_eq!(mode_accuracy(&[], bits("00")), None);
    }
}
