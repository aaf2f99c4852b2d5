/*!
Where records come from, as samtools' @PG lines: every filter appends one step to a chain.
*/

use crate::error::{Error, Result};
use crate::program::Suite;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The key of the chain in Arrow and Parquet schema metadata.
pub const METADATA_KEY: &str = "shotline.provenance";

/// Settings or measurements by name.
pub type Facts = BTreeMap<String, serde_json::Value>;

/// Where the provenance of the file at `path` is written: `FILE.provenance.json`.
#[must_use]
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".provenance.json");
    name.into()
}

/// The filter that draws trials of functions.
const DRAWING: &str = "gen-tasks";

/// The setting of a step that says which functions it drew, or believes in: SHA-256 of their list.
pub const FUNCTIONS_SHA256: &str = "functions_sha256";

/// The setting that has the list itself, where names do not say what the functions are.
const SUITE: &str = "suite";

/// What the step that draws trials says of their functions.
#[must_use]
pub fn of_functions(suite: &Suite) -> Facts {
    let mut facts = Facts::from([(FUNCTIONS_SHA256.to_owned(), suite.sha256().into())]);
    if suite.is_own() {
        facts.insert(SUITE.to_owned(), suite.lines().into());
    }
    facts
}

/// What one filter did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The filter.
    pub program: String,
    /// Its version.
    pub version: String,
    /// Its command line, one argument an item.
    pub command: Vec<String>,
    /// The seed, where there is chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// SHA-256 of the model's graph and weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<String>,
    /// The inference runtime and its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The device that did the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What decides its records, beside its input: what a resumed run must ask again.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub settings: Facts,
    /// What the work cost, on this machine this time.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub measured: Facts,
    /// When it began, RFC 3339, UTC.
    pub time: String,
}

impl Step {
    /// This process: its name, arguments and time.
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

/// The steps behind some records, the oldest first.
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
        // Strings and numbers only: they always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A chain from JSON.
    ///
    /// # Errors
    /// It isn't a list of steps.
    pub fn from_json(text: &str) -> std::result::Result<Self, String> {
        serde_json::from_str(text).map_err(|e| format!("not a provenance chain: {e}"))
    }

    /// The chain written beside the file at `path`; empty where none is.
    ///
    /// # Errors
    /// It cannot be read, or is no chain.
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

    /// The functions of one's own of which the records are, if they are of any.
    ///
    /// # Errors
    /// They are of several suites, or the list is not the one that was drawn from.
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

    /// The steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_grows_and_merges() {
        let a = Chain::default().with(Step::here("gen-tasks"));
        let b = a.clone().with(Step::here("encode"));
        let mut merged = a.clone();
        merged.merge(b.clone());
        assert_eq!(merged, b);
        assert_eq!(Chain::from_json(&b.to_json()).unwrap(), b);
        assert!(Chain::from_json("{}").is_err());
    }
}
