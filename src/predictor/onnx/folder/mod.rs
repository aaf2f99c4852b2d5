/*!
The folder of a model: where its files lie, and what they say without the runtime.

In comes a path; out come the graph and its weights, who the model is, how its texts begin and end, and the one token that a symbol
is. The layouts are those that people have: all in one folder; transformers.js', with its graphs in `onnx` under the rest;
onnxruntime-genai's, whose `genai_config.json` names the graph.
*/

mod card;
mod config;
mod vocabulary;
mod weights;

pub use card::{Acceptance, Card, NextBase, Recorded};

pub(crate) use config::Config;
pub(crate) use vocabulary::Vocabulary;
pub(crate) use weights::contents;

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, Result, meant};
use crate::predictor::BUILTINS;
use crate::text;

/// The configurations of a model, Hugging Face's and onnxruntime-genai's.
pub(crate) const CONFIG: &str = "config.json";
pub(crate) const GENAI: &str = "genai_config.json";
/// The tokens of a model.
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// The graph, where there is one only.
const GRAPH: &str = "model.onnx";
/// Where transformers.js keeps graphs.
const INSIDE: &str = "onnx";
/// What files of weights alone end in, and what is said of them.
const WEIGHTS: [&str; 4] = ["bin", "gguf", "pt", "safetensors"];
const NO_GRAPH: &str = "weights without a graph: make a model folder of them with scripts/convert or optimum-cli export onnx";

/// Where a model's files are.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Everything but the graph and its weights.
    pub home: PathBuf,
    pub graph: PathBuf,
    /// What the model is called where its card does not say.
    pub name: String,
}

impl Folder {
    /// The files of a model: of a folder, or of one of its graphs.
    pub(crate) fn find(path: &Path) -> Result<Self> {
        let refuse = |problem: &str| Err(Error::model(format!("{}: {problem}", path.display())));
        let around = (path.parent())
            .filter(|folder| *folder != Path::new(""))
            .unwrap_or(Path::new("."));
        let (graph, folder) = if path.is_dir() {
            (graph_in(path)?, path)
        } else if !path.exists() {
            let name = format!("builtin:{}", path.display());
            return refuse(&format!("no such model folder{}", meant(&name, &BUILTINS)));
        } else if ends(path, &["onnx"]) {
            (path.to_owned(), around)
        } else if graph_in(around).is_ok() {
            return refuse(&format!(
                "not a graph; give its folder, {}",
                around.display()
            ));
        } else if ends(path, &WEIGHTS) {
            return refuse(NO_GRAPH);
        } else {
            return refuse("not a graph, nor has its folder one");
        };
        let homes = [
            folder.to_owned(),
            graph.with_file_name(""),
            graph.with_file_name(".."),
        ];
        // A folder with a part of these lacks the rest: the one above it is of another model.
        let parts = [CONFIG, GENAI, TOKENIZER];
        let is_home = |home: &&PathBuf| parts.iter().any(|file| home.join(file).exists());
        let home = homes.iter().find(is_home).unwrap_or(&homes[0]).clone();
        // `.` and `..` have no name of their own.
        let named = home.canonicalize().unwrap_or_else(|_| home.clone());
        let text = |name: &OsStr| name.to_string_lossy().into_owned();
        let mut name = named.file_name().map_or_else(|| "model".to_owned(), text);
        if !path.is_dir() && path.file_name() != Some(OsStr::new(GRAPH)) {
            // One of several.
            name += &path
                .file_stem()
                .map_or_else(String::new, |stem| format!("/{}", text(stem)));
        }
        Ok(Self { home, graph, name })
    }
}

/// The one graph of a folder.
fn graph_in(folder: &Path) -> Result<PathBuf> {
    let genai: Value = read_json(&folder.join(GENAI))?.unwrap_or_default();
    let named = (genai
        .pointer("/model/decoder/filename")
        .and_then(Value::as_str))
    .filter(|name| Path::new(name).file_name() == Some(OsStr::new(name)));
    let usual = folder.join(GRAPH);
    let places = [
        named.map(|name| folder.join(name)),
        Some(usual.clone()),
        Some(folder.join(INSIDE).join(GRAPH)),
    ];
    if let Some(graph) = places.into_iter().flatten().find(|graph| graph.exists()) {
        return Ok(graph);
    }
    let mut graphs = files(folder, &["onnx"]);
    if graphs.len() > 1 {
        return Err(Error::model(format!(
            "{}: several graphs; give the path of one of them: {}",
            folder.display(),
            listing(&graphs, Path::new(""))
        )));
    }
    if let Some(graph) = graphs.pop() {
        return Ok(graph);
    }
    Err(Error::model(match files(folder, &WEIGHTS).first() {
        Some(weights) => format!("{}: {NO_GRAPH}", weights.display()),
        None => format!("{}: no such file", usual.display()),
    }))
}

/// The other graphs beside one, as a sentence's end.
pub(crate) fn others(graph: &Path) -> String {
    let folder = graph.parent().unwrap_or(Path::new(""));
    let mut others = files(folder, &["onnx"]);
    others.retain(|other| other != graph);
    if others.is_empty() {
        return String::new();
    }
    format!("; its folder also has {}", listing(&others, folder))
}

/// Graphs by their names within a folder; dynamically quantised ones are marked.
fn listing(graphs: &[PathBuf], folder: &Path) -> String {
    let name = |graph: &PathBuf| {
        let name = graph.strip_prefix(folder).unwrap_or(graph).display();
        match contents(graph) {
            Ok(contents) if !contents.quantising.is_empty() => {
                format!("{name} (dynamically quantised)")
            }
            _ => name.to_string(),
        }
    };
    graphs.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The files of a folder, and of `onnx` in it, whose names end in one of these.
fn files(folder: &Path, kinds: &[&str]) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = [folder.to_owned(), folder.join(INSIDE)]
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())))
        .filter(|path| ends(path, kinds))
        .collect();
    files.sort_unstable();
    files
}

fn ends(path: &Path, kinds: &[&str]) -> bool {
    path.extension()
        .is_some_and(|end| kinds.iter().any(|kind| end == *kind))
}

/// The JSON in a file, or `None` where there is no such file.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let wrong = |error: &dyn Display| Error::model(format!("{}: {error}", path.display()));
    match File::open(path) {
        Ok(file) => check_size(path)
            .and_then(|()| text::bytes(file).map_err(|e| wrong(&e)))
            .and_then(|json| serde_json::from_slice(&json).map_err(|e| wrong(&e)))
            .map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(&error)),
    }
}

/// Checks that a text beside a model is a file of a size that can be.
///
/// # Errors
/// [`Error::Model`] if it is a device or a pipe, or larger than any model has.
pub(crate) fn check_size(path: &Path) -> Result<()> {
    /// The vocabulary of Gemma, of 262,144 tokens, takes 33 MB.
    const LARGEST: u64 = 256 << 20;
    let wrong = |what: &dyn Display| Error::model(format!("{}: {what}", path.display()));
    let meta = path.metadata().map_err(|e| wrong(&e))?;
    if !meta.is_file() {
        return Err(wrong(&"not a file"));
    }
    if meta.len() > LARGEST {
        let what = format!("{} bytes, more than {} MiB", meta.len(), LARGEST >> 20);
        return Err(wrong(&what));
    }
    Ok(())
}

/// Reads whatever of a model's folder can be read without a runtime.
#[cfg(fuzzing)]
pub fn fuzz_folder(folder: &Path) {
    let config = Config::read(folder).unwrap_or_default();
    if let Ok(folder) = Folder::find(folder) {
        if let Ok(card) = Card::read(&folder) {
            let _ = Vocabulary::read(&folder.home, &card, &config, 1 << 16)
                .and_then(|mut vocabulary| vocabulary.id("A"));
        }
        let _ = contents(&folder.graph);
    }
}
