/*!
Provenance: where records come from. Every filter appends one step to a chain, like the @PG lines of samtools.
*/

use crate::error::{Error, Result};
use crate::program::Suite;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The key of the chain in the schema metadata of Arrow and Parquet.
pub const METADATA_KEY: &str = "shotline.provenance";

/// Settings or measurements by name.
pub type Facts = BTreeMap<String, serde_json::Value>;

/// The path of the provenance file beside the file at `path`: `FILE.provenance.json`.
#[must_use]
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".provenance.json");
    name.into()
}

/// The filter that draws trials.
const DRAWING: &str = "gen-tasks";

/// The setting with the SHA-256 of the list of functions that a step drew from or uses as its prior.
pub const FUNCTIONS_SHA256: &str = "functions_sha256";

/// The setting with the list itself, for a suite with user-defined functions or groups.
const SUITE: &str = "suite";

/// The settings about functions that the step which draws trials records.
#[must_use]
pub fn of_functions(suite: &Suite) -> Facts {
    let mut facts = Facts::from([(FUNCTIONS_SHA256.to_owned(), suite.sha256().into())]);
    if suite.is_own() {
        facts.insert(SUITE.to_owned(), suite.lines().into());
    }
    facts
}

/// One run of one filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The filter's name.
    pub program: String,
    /// The filter's version.
    pub version: String,
    /// The command line, one item for each argument.
    pub command: Vec<String>,
    /// The seed, if the filter uses random numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// SHA-256 of the model's graph and weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<String>,
    /// The inference runtime and its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The device that ran the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The settings that decide the records, besides the input. A resumed run must have the same.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub settings: Facts,
    /// Measurements of this run, such as its time and memory. They may differ from run to run.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub measured: Facts,
    /// The start time in UTC, as RFC 3339.
    pub time: String,
}

impl Step {
    /// A step of this process: program name, version, arguments and the current time.
    #[must_use]
    pub fn here(program: &str) -> Self {
        Self {
            program: program.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: std::env::args_os()
                .map(|a| a.to_string_lossy().into_owned())
                .collect(),
            time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            ..Self::default()
        }
    }
}

/// The steps that made some records, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Chain(Vec<Step>);

impl Chain {
    /// The chain with one more step.
    #[must_use]
    pub fn with(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    /// Adds the steps of another input that are not in the chain yet.
    pub fn merge(&mut self, other: Self) {
        for step in other.0 {
            if !self.0.contains(&step) {
                self.0.push(step);
            }
        }
    }

    /// The chain as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Cannot fail: strings and numbers always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A chain from JSON.
    ///
    /// # Errors
    /// The text is not a list of steps.
    pub fn from_json(text: &str) -> std::result::Result<Self, String> {
        serde_json::from_str(text).map_err(|e| format!("not a provenance chain: {e}"))
    }

    /// The chain in the provenance file beside the file at `path`; empty if there is no such file.
    ///
    /// # Errors
    /// The provenance file cannot be read, or is not a chain.
    pub fn read_beside(path: &Path) -> Result<Self> {
        let file = beside(path);
        if !file.is_file() {
            return Ok(Self::default());
        }
        let text = std::fs::File::open(&file)
            .and_then(crate::text::read)
            .map_err(|e| Error::file(&file, e))?;
        Self::from_json(&text).map_err(|e| Error::data(format!("{}: {e}", file.display())))
    }

    /// The suite that the records were drawn from, if it has user-defined functions or groups; none otherwise.
    ///
    /// # Errors
    /// The records are of several suites, or the stored list does not fit its SHA-256.
    pub fn suite(&self) -> Result<Option<Suite>> {
        let drawn = || {
            let steps = self.0.iter().filter(|step| step.program == DRAWING);
            let settings = steps.map(|step| &step.settings);
            settings.filter_map(|own| Some((own.get(FUNCTIONS_SHA256)?, own.get(SUITE))))
        };
        let Some(lines) = drawn().find_map(|(_, suite)| suite) else {
            return Ok(None);
        };
        let lines = lines.as_array().into_iter().flatten();
        let lines: Vec<&str> = lines.filter_map(|line| line.as_str()).collect();
        let suite = Suite::parse(&lines.join("\n"), "provenance: suite", None)?;
        let sha256 = suite.sha256();
        match drawn().find(|(other, _)| *other != &sha256) {
            Some((other, _)) => Err(Error::data(format!(
                "provenance: records of several suites, of SHA-256 {sha256} and {other}: give one after the other"
            ))),
            None => Ok(Some(suite)),
        }
    }

    /// The steps, the oldest first.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}
