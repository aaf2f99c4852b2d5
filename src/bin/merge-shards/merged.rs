//! Checks from their provenance that the shards together are one whole run, and sorts them.

use serde_json::{Value as Json, json};
use shotline::error::{Error, Result};
use shotline::provenance::{Chain, Step};
use shotline::trial::shard::{POINTS, SHARD, Shard, TOTAL};
use std::collections::BTreeSet;
use std::ops::Range;

/// A file of records and its provenance.
#[derive(Debug, Clone)]
pub struct ShardFile {
    /// The file's name.
    pub name: String,
    /// The provenance; empty if the file has none.
    pub chain: Chain,
}

impl ShardFile {
    /// Whether the provenance says that the file is a shard.
    #[must_use]
    pub fn is_shard(&self) -> bool {
        self.cuts().next().is_some()
    }

    /// The steps that drew a shard.
    fn cuts(&self) -> impl Iterator<Item = &Step> {
        let steps = self.chain.steps().iter();
        steps.filter(|step| step.settings.contains_key(SHARD))
    }
}

/// The shards of one whole run.
#[derive(Debug)]
pub struct Merged {
    /// The indices of the parts in the order of their trials, each with its number of trials, if that is known.
    pub shards: Vec<(usize, Option<u64>)>,
    /// The number of predictions for one trial.
    pub points: u64,
    /// The provenance of the whole: for each step, what the shards share, and a list of values where they differ.
    pub chain: Chain,
    /// Warnings for the user about differences between the shards.
    pub warnings: Vec<String>,
}

/// The place of a part in the whole run, from its provenance.
struct ShardPlace {
    shard: Shard,
    total: u64,
    points: u64,
}

impl Merged {
    /// Puts the parts together, of which there is at least one.
    ///
    /// # Errors
    /// A part is not a shard, or not of the first part's run; a shard is missing or given twice.
    pub fn of(parts: &[ShardFile]) -> Result<Self> {
        let cuts: Vec<ShardPlace> = parts.iter().map(ShardPlace::of).collect::<Result<_>>()?;
        let (first, cut) = (&parts[0], &cuts[0]);
        let count = cut.shard.count;
        for (part, other) in parts.iter().zip(&cuts).skip(1) {
            if other.shard.count != count {
                return Err(Error::data(format!(
                    "{}: shard {}, but {} is shard {}: not cut into the same number",
                    part.name, other.shard, first.name, cut.shard
                )));
            }
            if let Some((there, here)) = difference(&first.chain, &part.chain) {
                return Err(Error::data(format!(
                    "{}: {here}, but {}: {there}: shards of different runs",
                    part.name, first.name
                )));
            }
        }
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|&at| cuts[at].shard.index);
        for pair in order.windows(2) {
            let shard = cuts[pair[0]].shard;
            if shard == cuts[pair[1]].shard {
                return Err(Error::data(format!(
                    "{} and {} are both shard {shard}",
                    parts[pair[0]].name, parts[pair[1]].name
                )));
            }
        }
        check_missing(order.iter().map(|&at| cuts[at].shard.index), count)?;
        let chains: Vec<&Chain> = order.iter().map(|&at| &parts[at].chain).collect();
        let (chain, warnings) = fold(&chains, count);
        let trials = |at: usize| {
            let range = cuts[at].shard.range(cut.total);
            (at, Some(range.end - range.start))
        };
        Ok(Self {
            shards: order.into_iter().map(trials).collect(),
            points: cut.points,
            chain,
            warnings,
        })
    }

    /// Parts of which nothing is known, in the order given.
    pub fn unchecked(parts: &[ShardFile]) -> Self {
        let mut chain = Chain::default();
        for part in parts {
            chain.merge(part.chain.clone());
        }
        Self {
            shards: (0..parts.len()).map(|at| (at, None)).collect(),
            points: 1,
            chain,
            warnings: Vec::new(),
        }
    }
}

impl ShardPlace {
    fn of(part: &ShardFile) -> Result<Self> {
        let wrong = |message: &str| Error::data(format!("{}: no shard: {message}", part.name));
        let mut cuts = part.cuts();
        let Some(step) = cuts.next() else {
            return Err(wrong(
                "its provenance has no `gen-tasks --shard I/N` (between filters JSON lines carry provenance only with \
                 --provenance, Arrow always)",
            ));
        };
        if cuts.next().is_some() {
            return Err(wrong("it was made from several shards"));
        }
        let number = |name: &str| step.settings.get(name).and_then(Json::as_u64);
        let shard = step.settings[SHARD].as_str().map(str::parse);
        match (shard, number(TOTAL), number(POINTS)) {
            (Some(Ok(shard)), Some(total), Some(points)) => Ok(Self {
                shard,
                total,
                points,
            }),
            _ => Err(wrong(
                "its provenance does not say which shard of how many trials it is",
            )),
        }
    }
}

/// Returns an error if `there` lacks shards of `0..count`. `there` must be sorted and below `count`.
fn check_missing(there: impl Iterator<Item = u64>, count: u64) -> Result<()> {
    let mut missing: Vec<Range<u64>> = Vec::new();
    let mut next = 0;
    for index in there.chain([count]) {
        if next < index {
            missing.push(next..index);
        }
        next = index + 1;
    }
    if missing.is_empty() {
        return Ok(());
    }
    let words: Vec<String> = missing
        .iter()
        .map(|range| match range.end - range.start {
            1 => range.start.to_string(),
            _ => format!("{} to {}", range.start, range.end - 1),
        })
        .collect();
    Err(Error::data(format!(
        "missing of {count} shards: {}",
        words.join(", ")
    )))
}

/// The first difference between two shards' chains that can change records, as what each has; none if there is none.
fn difference(first: &Chain, other: &Chain) -> Option<(String, String)> {
    let programs = |chain: &Chain| {
        let names: Vec<&str> = chain.steps().iter().map(|s| s.program.as_str()).collect();
        format!("made by {}", names.join(", "))
    };
    let made_by = (programs(first), programs(other));
    if made_by.0 != made_by.1 {
        return Some(made_by);
    }
    let mut steps = first.steps().iter().zip(other.steps());
    steps.find_map(|(a, b)| step_difference(a, b))
}

fn step_difference(a: &Step, b: &Step) -> Option<(String, String)> {
    let names: BTreeSet<&String> = a.settings.keys().chain(b.settings.keys()).collect();
    let settings = names.into_iter().filter(|name| *name != SHARD).map(|name| {
        let own = |step: &Step| step.settings.get(name).map(Json::to_string);
        (name.as_str(), own(a), own(b))
    });
    let version = |step: &Step| Some(step.version.clone());
    let seed = |step: &Step| step.seed.map(|seed| seed.to_string());
    let weights = |step: &Step| step.model_sha256.clone();
    let (name, first, other) = [
        ("version", version(a), version(b)),
        ("seed", seed(a), seed(b)),
        ("model SHA-256", weights(a), weights(b)),
    ]
    .into_iter()
    .chain(settings)
    .find(|(_, a, b)| a != b)?;
    let shown = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let other = format!("{} with {name} {}", b.program, shown(other));
    Some((format!("{name} {}", shown(first)), other))
}

/// Merges the chains of shards that have no [`difference`]. Each step gets the first shard's command, the earliest time
/// and the measurements; a measurement that differs becomes a list over the shards. Also returns warnings.
fn fold(chains: &[&Chain], count: u64) -> (Chain, Vec<String>) {
    let mut folded = Chain::default();
    let mut warnings = Vec::new();
    for at in 0..chains[0].steps().len() {
        let same: Vec<&Step> = chains.iter().map(|chain| &chain.steps()[at]).collect();
        let mut step = same[0].clone();
        if step.settings.remove(SHARD).is_some() {
            step.settings.insert("shards".to_owned(), json!(count));
        }
        if let Some(time) = same.iter().map(|step| &step.time).min() {
            step.time.clone_from(time);
        }
        for name in same.iter().flat_map(|step| step.measured.keys()) {
            let values = same.iter().map(|step| step.measured.get(name));
            let values: Vec<_> = values.collect();
            let is_same = values.iter().all(|value| *value == values[0]);
            let value = if is_same {
                json!(values[0])
            } else {
                json!(values)
            };
            step.measured.insert(name.clone(), value);
        }
        let all = |of: fn(&Step) -> Option<&str>| {
            let all: BTreeSet<&str> = same.iter().filter_map(|step| of(step)).collect();
            Vec::from_iter(all)
        };
        for (what, field, all) in [
            ("runtimes", &mut step.runtime, all(|s| s.runtime.as_deref())),
            ("devices", &mut step.device, all(|s| s.device.as_deref())),
        ] {
            if all.len() > 1 {
                let all = all.join("; ");
                warnings.push(format!(
                    "{} ran on different {what}: {all}; the last digits of margins and log probabilities can differ \
                     between them",
                    step.program
                ));
                *field = Some(all);
            }
        }
        folded = folded.with(step);
    }
    (folded, warnings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(shard: &str, device: &str) -> ShardFile {
        let mut drawn = Step::here("gen-tasks");
        drawn.settings = Shard::settings(Some(shard.parse().unwrap()), 10, 1);
        let mut answered = Step::here("infer");
        answered.device = Some(device.to_owned());
        answered.measured.insert("threads".to_owned(), json!(2));
        answered.measured.insert("seconds".to_owned(), json!(shard));
        ShardFile {
            name: shard.to_owned(),
            chain: Chain::default().with(drawn).with(answered),
        }
    }

    #[test]
    fn one_chain_says_what_differs_and_what_does_not() {
        let whole = Merged::of(&[part("1/3", "b"), part("0/3", "a"), part("2/3", "a")]).unwrap();
        assert_eq!(whole.shards, [(1, Some(3)), (0, Some(3)), (2, Some(4))]);
        let [drawn, answered] = whole.chain.steps() else {
            panic!("{:?}", whole.chain);
        };
        assert_eq!(drawn.settings["shards"], 3);
        assert!(!drawn.settings.contains_key("shard"));
        assert_eq!(answered.measured["threads"], 2);
        assert_eq!(answered.measured["seconds"], json!(["0/3", "1/3", "2/3"]));
        assert_eq!(answered.device.as_deref(), Some("a; b"));
        assert_eq!(whole.warnings.len(), 1);
    }
}
