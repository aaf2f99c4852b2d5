/*!
Profiles of models: one number per function, at the largest shot count. How similar are two profiles, and how similar
can they be with finite trials?
*/

use super::cells::{CurveCells, TaskTrials, TrialResult, whole};
use super::compare::{Tally, corrected, gap, tally};
use super::contrast::Contrasts;
use super::versus::{are_models, assert_distinct, pair_key};
use crate::chance::{Below as _, Key};
use crate::error::{Error, Result};
use crate::record::{Condition, ProfileOf, Similarity};
use crate::stats::{Attenuation, Beta, Halves, Truth, rank_correlations, spearman};
use rand_core::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

/// The number of random splits into halves. Averaging over them leaves about a fifth of the spread of a single split.
const SPLITS: u32 = 20;

/// A model's profile.
pub struct Profile<'a> {
    curve: &'a CurveCells,
    shots: u32,
    tasks: Vec<Task<'a>>,
}

/// A function's trials.
struct Task<'a> {
    function: &'a str,
    clean: &'a [TrialResult],
    /// For a profile of gaps.
    deranged: Option<&'a [TrialResult]>,
}

impl<'a> Profile<'a> {
    /// The gaps of the models that have both conditions.
    #[must_use]
    pub fn gaps(contrasts: &Contrasts<'a>) -> Vec<Self> {
        let last = contrasts.points.iter().filter(|point| point.is_last);
        last.map(|point| Self::new(point.clean, Some(point.deranged), point.shots))
            .collect()
    }

    /// The accuracies of all curves except deranged ones.
    #[must_use]
    pub fn accuracies(curves: &'a [CurveCells]) -> Vec<Self> {
        let is_clean = |curve: &&CurveCells| curve.key.condition != Some(Condition::Deranged);
        let profile = |curve: &'a CurveCells| {
            let shots = *curve.cells.keys().next_back()?;
            Some(Self::new(curve, None, shots))
        };
        curves.iter().filter(is_clean).filter_map(profile).collect()
    }

    /// The functions at a shot count. For a profile of gaps, those that `deranged` has, too.
    fn new(curve: &'a CurveCells, deranged: Option<&'a CurveCells>, shots: u32) -> Self {
        let tasks = |curve: &'a CurveCells| Some(&curve.cells.get(&shots)?.tasks);
        let partners = deranged.and_then(tasks);
        let task = |(function, task): (&'a String, &'a TaskTrials)| {
            let deranged = match partners {
                Some(partners) => Some(partners.get(function)?.trials.as_slice()),
                None => None,
            };
            Some(Task {
                function,
                clean: &task.trials,
                deranged,
            })
        };
        Self {
            curve,
            shots,
            tasks: tasks(curve)
                .into_iter()
                .flatten()
                .filter_map(task)
                .collect(),
        }
    }

    fn values(&self) -> Vec<f64> {
        let value = |task: &Task<'_>| value(tally(task.clean), task.deranged.map(tally));
        self.tasks.iter().map(value).collect()
    }

    fn functions(&self) -> impl Iterator<Item = &str> {
        self.tasks.iter().map(|task| task.function)
    }

    /// The number of trials per function, if it is the same for all.
    fn trials(&self) -> Option<u32> {
        let mut trials = self.tasks.iter().map(|task| tally(task.clean).1);
        let first = trials.next()?;
        trials.all(|other| other == first).then_some(first)
    }
}

/// A function's value in a profile: its gap or its accuracy.
fn value(clean: Tally, deranged: Option<Tally>) -> f64 {
    // An accuracy is the gap to 0 of 1.
    gap(clean, deranged.unwrap_or((0, 1)))
}

/// The rank correlations of every two profiles of the same width. All are of gaps, or all of accuracies.
///
/// # Errors
/// No width has two models; models have the same name; models have different functions.
pub fn similarities(
    of: ProfileOf,
    profiles: &[Profile<'_>],
    permutations: u32,
    seed: i64,
) -> Result<Vec<Similarity>> {
    let mut rows = Vec::new();
    let mut widths: Vec<_> = profiles.iter().map(|p| p.curve.key.bits).collect();
    widths.sort_unstable();
    widths.dedup();
    for bits in widths {
        let of_width = |p: &&Profile<'_>| p.curve.key.bits == bits;
        let profiles: Vec<&Profile<'_>> = profiles.iter().filter(of_width).collect();
        assert_distinct(profiles.iter().map(|p| &p.curve.key))?;
        rows.extend(correlate(of, &profiles, permutations, seed)?);
    }
    if rows.is_empty() {
        return Err(Error::data(match of {
            ProfileOf::Gap => {
                "--profiles: needs two models of one width with clean and deranged predictions"
            }
            ProfileOf::Accuracy => "--profiles --of accuracy: needs two models of one width",
        }));
    }
    Ok(corrected(rows, |row: &mut Similarity| {
        (row.p, [&mut row.p_holm, &mut row.p_bh])
    }))
}

fn correlate(
    of: ProfileOf,
    profiles: &[&Profile<'_>],
    permutations: u32,
    seed: i64,
) -> Result<Vec<(bool, Similarity)>> {
    let Some((first, others)) = profiles.split_first() else {
        return Ok(Vec::new());
    };
    let differs = |other: &&&Profile<'_>| !other.functions().eq(first.functions());
    if let Some(other) = others.iter().find(differs) {
        return Err(Error::data(format!(
            "--profiles: models {:?} and {:?} have answered different functions",
            first.curve.key.model, other.curve.key.model
        )));
    }
    let values: Vec<Vec<f64>> = profiles.iter().map(|profile| profile.values()).collect();
    let rows = rank_correlations(&values, permutations, seed)
        .into_par_iter()
        .map(|found| {
            let (a, b) = (profiles[found.a], profiles[found.b]);
            let noise = Attenuation::of(&halves(a, b, seed));
            let [equal, independent] = [Truth::Equal, Truth::Independent].map(|truth| {
                let tasks = a.tasks.iter().chain(&b.tasks);
                let tallies: Vec<_> = tasks.map(|task| tally(task.clean)).collect();
                let beta = match of {
                    ProfileOf::Gap => None,
                    ProfileOf::Accuracy => Beta::by_moments(&tallies),
                };
                let trials = [a.trials()?, b.trials()?];
                beta?.expected(spearman, truth, trials, a.tasks.len(), seed)
            });
            let row = Similarity {
                pair: pair_key(&a.curve.key, &b.curve.key),
                profile: Some(of),
                shots_a: a.shots,
                shots_b: b.shots,
                tasks: whole(a.tasks.len()),
                rho: found.rho,
                permutations,
                p: found.p,
                p_holm: None,
                p_bh: None,
                reliability_a: noise.reliability[0],
                reliability_b: noise.reliability[1],
                ceiling: noise.ceiling(),
                disattenuated: noise.rho,
                disattenuated_low: noise.interval.map(|i| i.0),
                disattenuated_high: noise.interval.map(|i| i.1),
                rho_if_equal: equal.map(|e| e.rho),
                rho_if_equal_low: equal.map(|e| e.low),
                rho_if_equal_high: equal.map(|e| e.high),
                rho_if_independent: independent.map(|e| e.rho),
                rho_if_independent_low: independent.map(|e| e.low),
                rho_if_independent_high: independent.map(|e| e.high),
            };
            (are_models(&a.curve.key, &b.curve.key), row)
        })
        .collect();
    Ok(rows)
}

/// Two profiles from halves of their trials. Trials are split by their numbers, for both models alike, but clean and
/// deranged ones independently. Empty if a function has an empty half.
fn halves(a: &Profile<'_>, b: &Profile<'_>, seed: i64) -> Vec<Halves> {
    let split = |number: u32| {
        let key = Key::new(&[b"split", &seed.to_le_bytes(), &number.to_le_bytes()]);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(key.seed());
        let mut halves = Halves {
            a: Default::default(),
            b: Default::default(),
        };
        for (a, b) in a.tasks.iter().zip(&b.tasks) {
            let clean = Split::new([a.clean, b.clean], &mut rng);
            let deranged = a.deranged.zip(b.deranged);
            let deranged = deranged.map(|(a, b)| (Split::new([a, b], &mut rng), [a, b]));
            for half in 0..2 {
                let value = |model: usize, trials: &[TrialResult]| {
                    let clean = clean.tally(trials, half)?;
                    let deranged = match &deranged {
                        Some((split, trials)) => Some(split.tally(trials[model], half)?),
                        None => None,
                    };
                    Some(value(clean, deranged))
                };
                halves.a[half].push(value(0, a.clean)?);
                halves.b[half].push(value(1, b.clean)?);
            }
        }
        Some(halves)
    };
    let splits: Option<Vec<Halves>> = (0..SPLITS).map(split).collect();
    splits.unwrap_or_default()
}

/// The trials of one function in halves. With an odd number, one trial is in neither.
struct Split {
    /// The trials' numbers, in order.
    numbers: Vec<u32>,
    /// The half of each.
    halves: Vec<usize>,
}

impl Split {
    fn new(models: [&[TrialResult]; 2], rng: &mut Xoshiro256PlusPlus) -> Self {
        let mut numbers: Vec<u32> = models.concat().iter().map(|result| result.trial).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let half = (numbers.len() / 2).max(1);
        let mut halves: Vec<usize> = (0..numbers.len()).map(|i| i / half).collect();
        rng.shuffle(&mut halves);
        Self { numbers, halves }
    }

    /// The numbers of right answers and trials in a half, if it has trials.
    fn tally(&self, trials: &[TrialResult], half: usize) -> Option<Tally> {
        let is_in = |result: &&TrialResult| {
            let place = self.numbers.binary_search(&result.trial);
            place.is_ok_and(|place| self.halves[place] == half)
        };
        Some(tally(trials.iter().filter(is_in))).filter(|(_, trials)| *trials > 0)
    }
}
