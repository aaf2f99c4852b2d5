/*!
Replays the published prompts of Breslow et al. (arXiv 2609.14011) byte for byte.

Their generator is CPython's `random`, seeded again for every cell. In a cell it draws for each function, in the
published order: the symbols of all trials; then for each trial its inputs, a constant (always) and, if deranged, the
shuffles.
*/

use super::derange::derange;
use super::draw::{Function, check_counts};
use crate::chance::Below;
use crate::encoding::Alphabet;
use crate::error::{Error, Result};
use crate::program::{Program, Suite};
use crate::record::{Condition, Design, Trial};
use crate::symbols::Symbols;
use rand_mt::Mt;

/// The published width.
const BITS: u32 = 8;

/// CPython's `random.Random(seed)`.
struct PythonRandom(Mt);

impl PythonRandom {
    /// `random.seed(seed)`: `init_by_array` over the 32-bit digits of the seed, lowest first.
    fn new(seed: u64) -> Self {
        // The two halves are meant.
        #[allow(clippy::cast_possible_truncation)]
        let (low, high) = (seed as u32, (seed >> 32) as u32);
        let digits = [low, high].into_iter().take(1 + usize::from(high > 0));
        Self(Mt::new_with_key(digits))
    }

    /// `random.sample(range(n), count)`, with the pool that CPython uses for up to 21 items.
    fn sample(&mut self, n: u32, count: u32) -> Vec<u32> {
        let mut pool: Vec<u32> = (0..n).collect();
        (0..count)
            .map(|i| {
                let left = n - i;
                let j = self.below(left) as usize;
                let drawn = pool[j];
                pool[j] = pool[left as usize - 1];
                drawn
            })
            .collect()
    }

    /// `"".join(choice("01") for _ in range(8))`.
    fn bits(&mut self) -> u16 {
        (0..BITS).fold(0, |value, _| value << 1 | u16::from(self.below(2) == 1))
    }
}

impl Below for PythonRandom {
    /// `_randbelow`: `getrandbits(n.bit_length())`, repeated until it is below n.
    fn below(&mut self, n: u32) -> u32 {
        let unused = n.leading_zeros();
        loop {
            let drawn = self.0.next_u32() >> unused;
            if drawn < n {
                return drawn;
            }
        }
    }
}

/// The cells of a published campaign to replay.
pub struct Replay {
    /// The alphabet of the model.
    pub alphabet: Alphabet,
    /// The seed of every cell.
    pub seed: i64,
    /// Shot counts, one cell each.
    pub shots: Vec<u32>,
    /// Trials per function.
    pub trials: u32,
    /// Conditions, one cell each.
    pub conditions: Vec<Condition>,
}

impl Replay {
    /// Checks that the published generator could draw this.
    ///
    /// # Errors
    /// A usage error that says what it could not.
    pub fn check(&self) -> Result<()> {
        check_counts(&self.shots, self.trials, BITS)?;
        if !Alphabet::NAMES.contains(&&*self.alphabet.name) {
            return Err(Error::usage(format!(
                "--alphabet {}: the published prompts are genomic, linguistic, integer or protein",
                self.alphabet.name
            )));
        }
        if self.seed < 0 {
            return Err(Error::usage("--seed: expected a seed of 0 or more"));
        }
        Ok(())
    }

    /// The number of trials.
    #[must_use]
    pub fn len(&self, suite: &Suite) -> u64 {
        (self.shots.len() * self.conditions.len() * suite.programs().len()) as u64
            * u64::from(self.trials)
    }

    /// Calls `each` with every trial and its symbols, in the published order.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn trials(
        &self,
        suite: &Suite,
        mut each: impl FnMut(Trial, Symbols<'_>) -> Result<()>,
    ) -> Result<()> {
        for &condition in &self.conditions {
            for &shots in &self.shots {
                let mut rng = PythonRandom::new(self.seed.unsigned_abs());
                for program in suite.programs() {
                    self.function(program, condition, shots, &mut rng, &mut each)?;
                }
            }
        }
        Ok(())
    }

    fn function(
        &self,
        program: &Program,
        condition: Condition,
        shots: u32,
        rng: &mut PythonRandom,
        each: &mut impl FnMut(Trial, Symbols<'_>) -> Result<()>,
    ) -> Result<()> {
        let function = Function::new(program, BITS);
        let symbols: Vec<Symbols<'_>> = (0..self.trials).map(|_| self.symbols(rng)).collect();
        for (number, symbols) in (0..self.trials).zip(symbols) {
            let mut inputs = Vec::with_capacity(shots as usize + 1);
            while inputs.len() <= shots as usize {
                let input = rng.bits();
                if !inputs.contains(&input) {
                    inputs.push(input);
                }
            }
            let constant = rng.bits();
            let constant = function.uses_constant.then_some(constant);
            let mut trial = function.blank(Design::Independent, self.seed);
            function.fill(&mut trial, &inputs, constant);
            trial.trial_id = format!(
                "breslow2026-{}/{program}/{condition}/n{shots}/t{number}of{}/s{}",
                self.alphabet.name, self.trials, self.seed
            );
            trial.condition = condition;
            trial.shots = shots;
            trial.trial = number;
            if condition == Condition::Deranged {
                trial.unchanged = Some(derange(&mut trial.outputs, rng));
            }
            each(trial, symbols)?;
        }
        Ok(())
    }

    fn symbols(&self, rng: &mut PythonRandom) -> Symbols<'_> {
        let alphabet = &self.alphabet.symbols;
        let fixed = self.alphabet.separator;
        // A published alphabet has at most 20 symbols.
        let n = u32::try_from(alphabet.len()).unwrap_or(u32::MAX);
        let drawn = rng.sample(n, if fixed.is_some() { 2 } else { 3 });
        let symbol = |i: usize| alphabet[drawn[i] as usize].as_str();
        Symbols {
            zero: symbol(0),
            one: symbol(1),
            separator: fixed.or_else(|| Some(symbol(2))),
        }
    }
}
