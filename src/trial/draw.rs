/*!
Draws trials: inputs without replacement, outputs by the function, deranged in that condition.
*/

use super::derange::derange;
use crate::chance::{Below, Purpose, TrialKeys};
use crate::error::{Error, Result, counted};
use crate::program::{Bits, Program, Suite, check_bits, mask};
use crate::record::{Condition, Design, Trial};

/// The grid of an experiment.
#[derive(Debug, Clone)]
pub struct Grid {
    /// The functions, in order.
    pub suite: Suite,
    /// The width of the bitstrings, 1..=16.
    pub bits: u32,
    /// Shot counts. A nested trial has the largest, and is evaluated at each.
    pub shots: Vec<u32>,
    /// Trials per function, shot count and condition.
    pub trials: u32,
    /// Clean, deranged or both.
    pub conditions: Vec<Condition>,
    /// Independent or nested.
    pub design: Design,
    /// The seed.
    pub seed: i64,
}

impl Grid {
    /// Checks that the grid can be drawn.
    ///
    /// # Errors
    /// A usage error that says what cannot.
    pub fn check(&self) -> Result<()> {
        check_counts(&self.shots, self.trials, self.bits)?;
        if self.design == Design::Nested && self.conditions.contains(&Condition::Deranged) {
            return Err(Error::usage(
                "--design nested --condition deranged: a derangement that keeps the outputs of \
                 every prefix inside that prefix is the identity; use --design independent",
            ));
        }
        Ok(())
    }

    /// The number of trials.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.suite.programs().len() as u64 * u64::from(self.trials) * self.per_trial()
    }

    /// The number of trials that share a function and a trial number: one per shot count and condition.
    fn per_trial(&self) -> u64 {
        let points = match self.design {
            Design::Independent => self.shots.len(),
            Design::Nested => 1,
        };
        (points * self.conditions.len()) as u64
    }

    /// The trials with the indices of `range`, ordered by function, number, shots and condition. Shot counts vary fast,
    /// so that shards of the same length have the same work.
    #[must_use]
    pub fn trials(&self, range: std::ops::Range<u64>) -> Trials<'_> {
        Trials {
            grid: self,
            range,
            current: None,
        }
    }
}

/// The trials of a grid, drawn one by one.
pub struct Trials<'a> {
    grid: &'a Grid,
    range: std::ops::Range<u64>,
    /// The function of the last trial.
    current: Option<Current<'a>>,
}

/// A function whose trials are being drawn.
struct Current<'a> {
    /// Its index in the suite.
    at: usize,
    function: Function<'a>,
    keys: TrialKeys,
    /// The last trial. The next one reuses its memory, and what all trials of the function share.
    trial: Trial,
}

impl<'a> Current<'a> {
    fn new(grid: &'a Grid, at: usize) -> Self {
        let function = Function::new(&grid.suite.programs()[at], grid.bits);
        let mut trial = function.blank(grid.design, grid.seed);
        trial.eval_shots = (grid.design == Design::Nested).then(|| {
            let mut points = grid.shots.clone();
            points.sort_unstable();
            points
        });
        Self {
            at,
            keys: TrialKeys::new(grid.seed, grid.bits, &trial.function),
            function,
            trial,
        }
    }
}

impl Trials<'_> {
    /// Draws the next trial, in the memory of the last. None at the end.
    pub fn draw(&mut self) -> Option<&Trial> {
        let grid = self.grid;
        let index = self.range.next()?;
        let (rest, within) = (index / grid.per_trial(), index % grid.per_trial());
        let at = position(rest / u64::from(grid.trials));
        let current = match self.current.take() {
            Some(current) if current.at == at => current,
            _ => Current::new(grid, at),
        };
        let Current {
            function,
            keys,
            trial,
            ..
        } = self.current.insert(current);
        let conditions = grid.conditions.len() as u64;
        // Below `grid.trials`, a u32.
        trial.trial = u32::try_from(rest % u64::from(grid.trials)).unwrap_or(u32::MAX);
        trial.condition = grid.conditions[position(within % conditions)];
        let nested = grid.design == Design::Nested;
        trial.shots = if nested {
            grid.shots.iter().copied().max().unwrap_or_default()
        } else {
            grid.shots[position(within / conditions)]
        };
        let key = keys.key((!nested).then_some(trial.shots), trial.trial);
        let count = trial.shots as usize + 1;
        let inputs = distinct(grid.bits, count, &mut key.stream(Purpose::Inputs));
        let constant = function.uses_constant.then(|| {
            let drawn = key.stream(Purpose::Constant).below(1 << grid.bits);
            // Below 2^16.
            u16::try_from(drawn).unwrap_or(u16::MAX)
        });
        function.fill(trial, &inputs, constant);
        trial.trial_id.clear();
        let mut digits = [itoa::Buffer::new(); 4];
        let [bits, shots, number, seed] = &mut digits;
        for part in [
            &*trial.function,
            "/b",
            bits.format(grid.bits),
            "/",
            trial.condition.word(),
            if nested { "/nested" } else { "/n" },
            shots.format(trial.shots),
            "/t",
            number.format(trial.trial),
            "/s",
            seed.format(grid.seed),
        ] {
            trial.trial_id.push_str(part);
        }
        trial.unchanged = (trial.condition == Condition::Deranged)
            .then(|| derange(&mut trial.outputs, &mut key.stream(Purpose::Derangement)));
        Some(trial)
    }
}

impl Iterator for Trials<'_> {
    type Item = Trial;

    fn next(&mut self) -> Option<Trial> {
        self.draw().cloned()
    }
}

/// `count` different inputs, uniformly without replacement. A larger count extends a smaller one.
fn distinct(bits: u32, count: usize, rng: &mut impl Below) -> Vec<u16> {
    let mut pool: Vec<u16> = (0..=mask(bits)).collect();
    for i in 0..count {
        // At most 2^16 inputs.
        let left = u32::try_from(pool.len() - i).unwrap_or(u32::MAX);
        pool.swap(i, i + rng.below(left) as usize);
    }
    pool.truncate(count);
    pool
}

/// An index into a list that is in memory.
fn position(index: u64) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// Checks that this many trials with these shot counts can be drawn at this width.
pub(super) fn check_counts(shots: &[u32], trials: u32, bits: u32) -> Result<()> {
    check_bits(bits)?;
    if shots.is_empty() {
        return Err(Error::usage("--shots: expected at least one shot count"));
    }
    let inputs = 1u32 << bits;
    if let Some(n) = shots.iter().find(|&&n| n >= inputs) {
        return Err(Error::usage(format!(
            "--shots {n}: {n} demonstrations and a query need {} different inputs, but there are only \
             {inputs} of {}",
            u64::from(*n) + 1,
            counted(bits, "bit")
        )));
    }
    if let Some(i) = (1..shots.len()).find(|&i| shots[..i].contains(&shots[i])) {
        return Err(Error::usage(format!(
            "--shots: {} is given twice",
            shots[i]
        )));
    }
    if trials == 0 {
        return Err(Error::usage("--trials 0: expected at least one"));
    }
    Ok(())
}

/// A program at one width, prepared for many trials.
pub(super) struct Function<'a> {
    program: &'a Program,
    bits: u32,
    pub(super) uses_constant: bool,
    /// The truth table. Empty for a program with a constant, which has another table for each trial.
    table: Vec<u16>,
}

impl<'a> Function<'a> {
    pub(super) fn new(program: &'a Program, bits: u32) -> Self {
        let uses_constant = program.uses_constant();
        Self {
            program,
            bits,
            uses_constant,
            table: if uses_constant {
                Vec::new()
            } else {
                program.table(bits, 0)
            },
        }
    }

    fn output(&self, input: u16, constant: Option<u16>) -> Bits {
        let value = match self.table.get(usize::from(input)) {
            Some(&value) => value,
            None => self
                .program
                .apply(input, self.bits, constant.unwrap_or_default()),
        };
        Bits::new(value, self.bits)
    }

    /// A trial with only the fields that all its function's trials share.
    pub(super) fn blank(&self, design: Design, seed: i64) -> Trial {
        Trial {
            function: self.program.to_string(),
            bits: self.bits,
            seed,
            design,
            ..Trial::default()
        }
    }

    /// Fills in demonstrations and query, with clean outputs. The last of `inputs` is the query.
    pub(super) fn fill(&self, trial: &mut Trial, inputs: &[u16], constant: Option<u16>) {
        // There is always a query.
        let (&query, inputs) = inputs.split_last().unwrap_or((&0, &[]));
        trial.constant = constant.map(|c| Bits::new(c, self.bits));
        trial.inputs.clear();
        trial
            .inputs
            .extend(inputs.iter().map(|&x| Bits::new(x, self.bits)));
        trial.outputs.clear();
        trial
            .outputs
            .extend(inputs.iter().map(|&x| self.output(x, constant)));
        trial.query = Bits::new(query, self.bits);
        trial.target = self.output(query, constant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trial reuses the memory of the one before. Nothing of that one may remain.
    #[test]
    fn a_trial_is_the_same_whatever_was_drawn_before_it() {
        let independent = Grid {
            suite: Suite::of(["meta_constant.rotl1", "identity"].map(String::from)).unwrap(),
            bits: 9,
            shots: vec![40, 0, 3],
            trials: 3,
            conditions: vec![Condition::Clean, Condition::Deranged],
            design: Design::Independent,
            seed: 7,
        };
        let nested = Grid {
            conditions: vec![Condition::Clean],
            design: Design::Nested,
            ..independent.clone()
        };
        for grid in [independent, nested] {
            let mut trials = grid.trials(0..grid.total());
            for i in 0..grid.total() {
                let alone = grid.trials(i..i + 1).next().unwrap();
                assert_eq!(trials.draw(), Some(&alone));
                let is_deranged = alone.trial_id.contains("deranged");
                assert_eq!(is_deranged, alone.unchanged.is_some());
            }
            assert!(trials.draw().is_none());
        }
    }
}
