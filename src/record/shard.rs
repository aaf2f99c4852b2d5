/*!
Shards: contiguous parts of the trials of one run. How a shard is known by its provenance, when several are one whole, and
what their records can say where there is no provenance.
*/

use super::column::{Column, Value};
use super::provenance::{Chain, Facts, Step};
use super::table::{Record, Row};
use crate::error::{Error, Result};
use serde_json::{Value as Json, json};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Settings of the step that cut a run into shards: which one this is, the trials of all of them, and the predictions that
/// one trial becomes.
const SHARD: &str = "shard";
const TOTAL: &str = "total";
const POINTS: &str = "points";

/// One of several parts of the work: `I/N`, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// The shard's part of `total` records: contiguous, so that shards concatenate to the whole.
    #[must_use]
    pub fn range(self, total: u64) -> Range<u64> {
        let bound = |i: u64| {
            let at = u128::from(i) * u128::from(total) / u128::from(self.count);
            // At most `total`.
            u64::try_from(at).unwrap_or(total)
        };
        bound(self.index)..bound(self.index + 1)
    }

    /// What the step that draws trials says of them: how many there are in all, the predictions that each becomes, and
    /// which part of them this is.
    #[must_use]
    pub fn settings(shard: Option<Self>, total: u64, points: usize) -> Facts {
        let mut facts = Facts::from([
            (TOTAL.to_owned(), json!(total)),
            (POINTS.to_owned(), json!(points)),
        ]);
        if let Some(shard) = shard {
            facts.insert(SHARD.to_owned(), json!(shard.to_string()));
        }
        facts
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(i, n)| {
            let (index, count) = (i.parse().ok()?, n.parse().ok()?);
            (index < count).then_some(Self { index, count })
        });
        numbers.ok_or_else(|| format!("expected I/N with I in 0..N, as 0/4; found {text:?}"))
    }
}

/// A file of records, and where they come from.
#[derive(Debug, Clone)]
pub struct Part {
    /// The file's name.
    pub name: String,
    /// Its provenance; empty where it has none.
    pub chain: Chain,
}

impl Part {
    /// Whether its provenance says that it is a shard.
    #[must_use]
    pub fn is_shard(&self) -> bool {
        let mut steps = self.chain.steps().iter();
        steps.any(|step| step.settings.contains_key(SHARD))
    }
}

/// Shards that are one whole.
#[derive(Debug)]
pub struct Whole {
    /// The parts' positions, in the order of their trials.
    pub order: Vec<usize>,
    /// Trials of each part, in that order.
    pub trials: Vec<u64>,
    /// Predictions that one trial becomes.
    pub points: u64,
    /// The provenance of all together: step by step what they share, with what differs as a list.
    pub chain: Chain,
    /// What may be surprising about the whole.
    pub warnings: Vec<String>,
}

/// What the provenance of a part says of its place.
struct Cut {
    shard: Shard,
    total: u64,
    points: u64,
}

impl Whole {
    /// The whole that `parts` are.
    ///
    /// # Errors
    /// A part that is no shard, or of another run than the first; shards that are missing, or there twice.
    pub fn of(parts: &[Part]) -> Result<Self> {
        let cuts: Vec<Cut> = parts.iter().map(Cut::of).collect::<Result<_>>()?;
        let (Some(first), Some(cut)) = (parts.first(), cuts.first()) else {
            return Err(Error::data("no shards"));
        };
        let count = cut.shard.count;
        for (part, other) in parts.iter().zip(&cuts).skip(1) {
            if other.shard.count != count {
                return Err(Error::data(format!(
                    "{}: shard {}, but {} is shard {}: not cut into the same number",
                    part.name, other.shard, first.name, cut.shard
                )));
            }
            if let Some(difference) = difference(&first.chain, &part.chain) {
                let (here, there) = (difference.other, difference.first);
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
        let trials = order.iter().map(|&at| {
            let range = cuts[at].shard.range(cut.total);
            range.end - range.start
        });
        Ok(Self {
            trials: trials.collect(),
            points: cut.points,
            order,
            chain,
            warnings,
        })
    }
}

impl Cut {
    fn of(part: &Part) -> Result<Self> {
        let wrong = |message: &str| Error::data(format!("{}: no shard: {message}", part.name));
        let mut cuts = part
            .chain
            .steps()
            .iter()
            .filter(|step| step.settings.contains_key(SHARD));
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

/// Refuses the shards of `0..count` that are not among `there`, which is sorted and below `count`.
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

/// What two chains say differently.
struct Difference {
    first: String,
    other: String,
}

/// How the chain of another shard differs from the first's in what decides records; nothing where it does not.
fn difference(first: &Chain, other: &Chain) -> Option<Difference> {
    let programs = |chain: &Chain| {
        let names: Vec<&str> = chain.steps().iter().map(|s| s.program.as_str()).collect();
        format!("made by {}", names.join(", "))
    };
    let (first_programs, other_programs) = (programs(first), programs(other));
    if first_programs != other_programs {
        return Some(Difference {
            first: first_programs,
            other: other_programs,
        });
    }
    let mut steps = first.steps().iter().zip(other.steps());
    steps.find_map(|(a, b)| step_difference(a, b))
}

fn step_difference(a: &Step, b: &Step) -> Option<Difference> {
    let text = |value: Option<&str>| value.unwrap_or("none").to_owned();
    let number = |value: Option<i64>| value.map_or_else(|| "none".to_owned(), |n| n.to_string());
    let json = |value: Option<&Json>| value.map_or_else(|| "none".to_owned(), ToString::to_string);
    let names: BTreeSet<&String> = a.settings.keys().chain(b.settings.keys()).collect();
    let settings = names.into_iter().filter(|name| *name != SHARD).map(|name| {
        let (a, b) = (a.settings.get(name), b.settings.get(name));
        (name.as_str(), json(a), json(b))
    });
    [
        ("version", a.version.clone(), b.version.clone()),
        ("seed", number(a.seed), number(b.seed)),
        (
            "model SHA-256",
            text(a.model_sha256.as_deref()),
            text(b.model_sha256.as_deref()),
        ),
    ]
    .into_iter()
    .chain(settings)
    .find(|(_, a, b)| a != b)
    .map(|(name, first, other)| Difference {
        first: format!("{name} {first}"),
        other: format!("{} with {name} {other}", b.program),
    })
}

/// One chain for shards that differ in nothing that decides records: of every step the first shard's command, the time
/// when the first began, and what was measured, as a list over the shards where it differs.
fn fold(chains: &[&Chain], count: u64) -> (Chain, Vec<String>) {
    let mut folded = Chain::default();
    let mut warnings = Vec::new();
    let steps = chains.first().map_or(0, |chain| chain.steps().len());
    for at in 0..steps {
        let same: Vec<&Step> = chains.iter().map(|chain| &chain.steps()[at]).collect();
        let mut step = same[0].clone();
        if step.settings.remove(SHARD).is_some() {
            step.settings.insert("shards".to_owned(), json!(count));
        }
        if let Some(time) = same.iter().map(|step| &step.time).min() {
            step.time.clone_from(time);
        }
        let names: BTreeSet<&String> = same.iter().flat_map(|step| step.measured.keys()).collect();
        step.measured = names
            .into_iter()
            .map(|name| {
                let values: Vec<&Json> = same
                    .iter()
                    .map(|step| step.measured.get(name).unwrap_or(&Json::Null))
                    .collect();
                let differ = values.windows(2).any(|pair| pair[0] != pair[1]);
                let value = if differ {
                    json!(values)
                } else {
                    json!(values[0])
                };
                (name.clone(), value)
            })
            .collect();
        let program = step.program.clone();
        for (what, field, of) in [
            (
                "runtimes",
                &mut step.runtime,
                (|s| s.runtime.as_deref()) as fn(&Step) -> Option<&str>,
            ),
            ("devices", &mut step.device, |s| s.device.as_deref()),
        ] {
            let different: BTreeSet<&str> = same.iter().filter_map(|step| of(step)).collect();
            if different.len() > 1 {
                let all: Vec<&str> = different.into_iter().collect();
                let all = all.join("; ");
                warnings.push(format!(
                    "{program} ran on different {what}: {all}; the last digits of margins and log probabilities can \
                     differ between them"
                ));
                *field = Some(all);
            }
        }
        folded = folded.with(step);
    }
    (folded, warnings)
}

/// Columns that are the same in all trials of one draw.
const OF_A_DRAW: &[&str] = &["bits", "seed", "design"];

/// Columns that are the same in all records of one cell, but for its shot counts and conditions.
const OF_A_CELL: &[&str] = &[
    "bits",
    "seed",
    "design",
    "encoding",
    "template",
    "prefix",
    "model",
    "modality",
    "params",
    "method",
    "constrained",
    "bos",
];

/// Watches the records of shards go by: what they say themselves.
pub struct Watch {
    /// The columns that have to stay the same.
    fixed: &'static [&'static str],
    /// Their values in the first record of all, and where it stands.
    first: Option<(String, Vec<Kept>)>,
    /// The first record of every file, where no provenance tells the files apart.
    begins: Option<HashMap<String, String>>,
    /// The file being read, and its records so far.
    file: String,
    count: u64,
}

/// A value that was seen.
#[derive(Debug, Clone, PartialEq)]
enum Kept {
    Null,
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl Kept {
    fn of(value: &Value<'_>) -> Self {
        match value {
            Value::Text(text) => Self::Text((*text).to_owned()),
            Value::Int(n) => Self::Int(*n),
            Value::Float(x) => Self::Float(*x),
            Value::Bool(b) => Self::Bool(*b),
            // None of the columns that are watched holds bits or a list.
            _ => Self::Null,
        }
    }

    fn is(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Text(a), Value::Text(b)) => a == b,
            _ => *self == Self::of(value),
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(x) => write!(f, "{x}"),
            Self::Bool(b) => write!(f, "{b}"),
        }
    }
}

impl Watch {
    /// For shards whose provenance fits: it speaks of these very trials.
    #[must_use]
    pub fn beside_provenance() -> Self {
        Self::new(OF_A_DRAW, None)
    }

    /// For shards without provenance: their records alone have to fit.
    #[must_use]
    pub fn alone() -> Self {
        Self::new(OF_A_CELL, Some(HashMap::new()))
    }

    fn new(fixed: &'static [&'static str], begins: Option<HashMap<String, String>>) -> Self {
        Self {
            fixed,
            first: None,
            begins,
            file: String::new(),
            count: 0,
        }
    }

    /// The next file begins.
    pub fn begin(&mut self, file: &str) {
        file.clone_into(&mut self.file);
        self.count = 0;
    }

    /// Records of the current file so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The next record of the file.
    ///
    /// # Errors
    /// The column in which it differs from the first record of all; the file that begins with the same record.
    pub fn see<T: Record>(&mut self, record: &T) -> std::result::Result<(), String> {
        self.count += 1;
        if self.count == 1
            && let Some(begins) = &mut self.begins
            && let Some(id) = text_of(record, "trial_id")
            && let Some(other) = begins.insert(id.clone(), self.file.clone())
        {
            return Err(format!(
                "begins with {id:?}, as {other} does: one shard twice"
            ));
        }
        let Some((file, first)) = &self.first else {
            let mut kept = Vec::with_capacity(self.fixed.len());
            self.each_fixed(record, |_, value| kept.push(Kept::of(value)));
            self.first = Some((self.file.clone(), kept));
            return Ok(());
        };
        let mut expected = first.iter();
        let mut wrong = None;
        self.each_fixed(record, |column, value| {
            if let Some(kept) = expected.next()
                && wrong.is_none()
                && !kept.is(value)
            {
                let found = Kept::of(value);
                wrong = Some(format!(
                    "column {column:?}: {found}, but {kept} in {file}: shards of different runs"
                ));
            }
        });
        wrong.map_or(Ok(()), Err)
    }

    fn each_fixed<T: Record>(&self, record: &T, mut each: impl FnMut(&str, &Value<'_>)) {
        let mut columns = T::COLUMNS.iter();
        record.values(&mut |value| {
            if let Some(column) = columns.next()
                && self.fixed.contains(&column.name)
            {
                each(column.name, &value);
            }
        });
    }
}

/// The text in the column `name`.
fn text_of<T: Record>(record: &T, name: &str) -> Option<String> {
    let mut columns = T::COLUMNS.iter();
    let mut found = None;
    record.values(&mut |value| {
        if columns.next().is_some_and(|column| column.name == name)
            && let Value::Text(text) = value
        {
            found = Some(text.to_owned());
        }
    });
    found
}

/// A record of any kind, for a look at a table's columns and provenance before its kind is known.
pub struct AnyRecord;

impl Record for AnyRecord {
    const KIND: &'static str = "record";
    const COLUMNS: &'static [Column] = &[];

    fn read(_row: &dyn Row, _first: usize) -> std::result::Result<Self, String> {
        Ok(Self)
    }

    fn values<'a>(&'a self, _each: &mut dyn FnMut(Value<'a>)) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_a_partition() {
        for (total, count) in [(10, 3), (2, 5), (0, 4), (102_400, 7)] {
            let mut next = 0;
            for index in 0..count {
                let shard: Shard = format!("{index}/{count}").parse().unwrap();
                let range = shard.range(total);
                assert_eq!(range.start, next);
                next = range.end;
            }
            assert_eq!(next, total);
        }
        for text in ["4/4", "1", "a/b", "-1/2", "1/0"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    fn part(shard: &str, device: &str) -> Part {
        let mut drawn = Step::here("gen-tasks");
        drawn.settings = Shard::settings(Some(shard.parse().unwrap()), 10, 1);
        let mut answered = Step::here("infer");
        answered.device = Some(device.to_owned());
        answered.measured.insert("threads".to_owned(), json!(2));
        answered.measured.insert("seconds".to_owned(), json!(shard));
        Part {
            name: shard.to_owned(),
            chain: Chain::default().with(drawn).with(answered),
        }
    }

    #[test]
    fn one_chain_says_what_differs_and_what_does_not() {
        let whole = Whole::of(&[part("1/3", "b"), part("0/3", "a"), part("2/3", "a")]).unwrap();
        assert_eq!(whole.order, [1, 0, 2]);
        assert_eq!(whole.trials, [3, 3, 4]);
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

    #[test]
    fn many_missing_shards_are_said_shortly() {
        let parts = [part("2/9", "a"), part("3/9", "a"), part("7/9", "a")];
        let error = Whole::of(&parts).unwrap_err().to_string();
        assert_eq!(error, "missing of 9 shards: 0 to 1, 4 to 6, 8");
    }
}
