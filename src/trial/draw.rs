/*!
Draws trials: inputs without replacement, outputs by the function, deranged if asked for.
*/

use super::derange::derange;
use crate::chance::{Below, Key, Purpose};
use crate::error::{Error, Result};
use crate::program::{Bits, MAX_BITS, Program, Suite, mask};
use crate::record::{Condition, Design, Trial};

/// What to draw: the grid of an experiment.
#[derive(Debug, Clone)]
pub struct Grid {
    /// The functions, in order.
    pub suite: Suite,
    /// Width of the bitstrings, 1..=16.
    pub bits: u32,
    /// Shot counts. Nested trials are sequences of the largest, read at each.
    pub shots: Vec<u32>,
    /// Trials per function, shot count and condition.
    pub trials: u32,
    /// Clean, deranged or both.
    pub conditions: Vec<Condition>,
    /// Independent or nested shot counts.
    pub design: Design,
    /// The seed.
    pub seed: i64,
}

impl Grid {
    /// Checks that everything in the grid can be drawn.
    ///
    /// # Errors
    /// What cannot, as a usage error.
    pub fn check(&self) -> Result<()> {
        check_shots(&self.shots, self.bits)?;
        if self.trials == 0 {
            return Err(Error::usage("--trials 0: expected at least one"));
        }
        if self.design == Design::Nested && self.conditions.contains(&Condition::Deranged) {
            return Err(Error::usage(
                "--design nested --condition deranged: a derangement that keeps the outputs of \
                 every prefix inside that prefix is the identity; use --design independent",
            ));
        }
        Ok(())
    }

    /// Number of trials.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.suite.programs().len() as u64 * u64::from(self.trials) * self.per_trial()
    }

    /// Whether there is nothing to draw.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Trials that share a function and a number: one a shot count and condition.
    fn per_trial(&self) -> u64 {
        let points = match self.design {
            Design::Independent => self.shots.len(),
            Design::Nested => 1,
        };
        (points * self.conditions.len()) as u64
    }

    /// The trials numbered `range`, in order: by function, number, shots, condition. Shot counts
    /// stand innermost, so that shards of the same length have the same work.
    pub fn trials(&self, range: std::ops::Range<u64>) -> impl Iterator<Item = Trial> + '_ {
        let mut drawer = Drawer::new(self.bits);
        let conditions = self.conditions.len() as u64;
        let mut current: Option<(usize, Function)> = None;
        range.map(move |index| {
            let (rest, within) = (index / self.per_trial(), index % self.per_trial());
            let at = position(rest / u64::from(self.trials));
            let function = match current.take() {
                Some((same, function)) if same == at => function,
                _ => Function::new(&self.suite.programs()[at], self.bits),
            };
            let (_, function) = current.insert((at, function));
            let number = rest % u64::from(self.trials);
            let condition = self.conditions[position(within % conditions)];
            drawer.draw(
                self,
                function,
                // Less than `self.trials`, a u32.
                u32::try_from(number).unwrap_or(u32::MAX),
                position(within / conditions),
                condition,
            )
        })
    }
}

/// An index into a list that is in memory.
fn position(index: u64) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// Checks that trials of these shot counts can be drawn at this width.
pub(super) fn check_shots(shots: &[u32], bits: u32) -> Result<()> {
    if !(1..=MAX_BITS).contains(&bits) {
        return Err(Error::usage(format!(
            "--bits {bits}: expected 1..{MAX_BITS}"
        )));
    }
    if shots.is_empty() {
        return Err(Error::usage("--shots: expected at least one shot count"));
    }
    let inputs = 1u32 << bits;
    if let Some(n) = shots.iter().find(|&&n| n >= inputs) {
        return Err(Error::usage(format!(
            "--shots {n}: {n} demonstrations and a query need {} different inputs, but {bits} bits \
             have only {inputs}",
            u64::from(*n) + 1
        )));
    }
    if let Some(n) = shots
        .iter()
        .enumerate()
        .find(|(i, n)| shots[..*i].contains(n))
    {
        return Err(Error::usage(format!("--shots: {} is given twice", n.1)));
    }
    Ok(())
}

/// Draws trials of one width, reusing its memory.
struct Drawer {
    /// All inputs, in numeric order between draws.
    pool: Vec<u16>,
    /// The exchanges of the last draw, to be undone.
    swaps: Vec<usize>,
}

impl Drawer {
    fn new(bits: u32) -> Self {
        Self {
            pool: (0..=mask(bits)).collect(),
            swaps: Vec::new(),
        }
    }

    fn draw(
        &mut self,
        grid: &Grid,
        function: &Function,
        number: u32,
        point: usize,
        condition: Condition,
    ) -> Trial {
        let nested = grid.design == Design::Nested;
        let shots = if nested {
            grid.shots.iter().copied().max().unwrap_or_default()
        } else {
            grid.shots[point]
        };
        let keyed_shots = (!nested).then_some(shots);
        let key = Key::trial(grid.seed, grid.bits, &function.name, keyed_shots, number);
        let inputs = self.distinct(shots as usize + 1, &mut key.stream(Purpose::Inputs));
        let constant = function.uses_constant.then(|| {
            let drawn = key.stream(Purpose::Constant).below(1 << grid.bits);
            // Below 2^16.
            u16::try_from(drawn).unwrap_or(u16::MAX)
        });
        let mut trial = function.trial(inputs, constant);
        trial.trial_id = format!(
            "{}/b{}/{condition}/{}{shots}/t{number}/s{}",
            function.name,
            grid.bits,
            if nested { "nested" } else { "n" },
            grid.seed
        );
        trial.condition = condition;
        trial.trial = number;
        trial.seed = grid.seed;
        trial.design = grid.design;
        if condition == Condition::Deranged {
            trial.unchanged = Some(derange(
                &mut trial.outputs,
                &mut key.stream(Purpose::Derangement),
            ));
        }
        trial.eval_shots = nested.then(|| {
            let mut points = grid.shots.clone();
            points.sort_unstable();
            points
        });
        trial
    }

    /// `count` different inputs, uniformly without replacement; a larger count extends a smaller.
    fn distinct(&mut self, count: usize, rng: &mut impl Below) -> Vec<u16> {
        let all = self.pool.len();
        for i in 0..count {
            // At most 2^16 inputs.
            let left = u32::try_from(all - i).unwrap_or(u32::MAX);
            let j = i + rng.below(left) as usize;
            self.pool.swap(i, j);
            self.swaps.push(j);
        }
        let drawn = self.pool[..count].to_vec();
        for (i, j) in self.swaps.drain(..).enumerate().rev() {
            self.pool.swap(i, j);
        }
        drawn
    }
}

/// A program at one width, ready for many trials.
pub(super) struct Function<'a> {
    program: &'a Program,
    name: String,
    bits: u32,
    pub(super) uses_constant: bool,
    /// The truth table; empty where every trial has a constant, and so a table, of its own.
    table: Vec<u16>,
}

impl<'a> Function<'a> {
    pub(super) fn new(program: &'a Program, bits: u32) -> Self {
        let uses_constant = program.uses_constant();
        Self {
            program,
            name: program.to_string(),
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

    /// A clean independent trial from its inputs, the last of which is the query; names and
    /// numbers are left for the caller.
    pub(super) fn trial(&self, mut inputs: Vec<u16>, constant: Option<u16>) -> Trial {
        // There is always a query; of no inputs at all the query is 0.
        let query = inputs.pop().unwrap_or_default();
        Trial {
            trial_id: String::new(),
            function: self.name.clone(),
            bits: self.bits,
            condition: Condition::Clean,
            // Fewer than 2^16.
            shots: u32::try_from(inputs.len()).unwrap_or(u32::MAX),
            trial: 0,
            seed: 0,
            design: Design::Independent,
            constant: constant.map(|c| Bits::new(c, self.bits)),
            outputs: inputs.iter().map(|&x| self.output(x, constant)).collect(),
            inputs: inputs.iter().map(|&x| Bits::new(x, self.bits)).collect(),
            query: Bits::new(query, self.bits),
            target: self.output(query, constant),
            unchanged: None,
            eval_shots: None,
        }
    }
}
