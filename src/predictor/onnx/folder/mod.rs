/*!
A model's folder: where its files are, and what they say without the runtime.

From a path, this module finds the graph and its weights, who the model is, the tokens that begin and end its texts, and
the one token of each symbol. It supports the usual layouts: all files in one folder; that of transformers.js, with the
graphs in a subfolder `onnx`; that of onnxruntime-genai, whose `genai_config.json` names the graph.
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

/// A model's configuration files, Hugging Face's and onnxruntime-genai's.
pub(crate) const CONFIG: &str = "config.json";
pub(crate) const GENAI: &str = "genai_config.json";
/// A model's tokenizer.
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// The usual name of the graph.
const GRAPH: &str = "model.onnx";
/// The subfolder in which transformers.js keeps graphs.
const INSIDE: &str = "onnx";
/// Extensions of files that hold only weights, and the message about such files.
const WEIGHTS: [&str; 4] = ["bin", "gguf", "pt", "safetensors"];
const NO_GRAPH: &str = "weights without a graph: make a model folder of them with scripts/convert or optimum-cli export onnx";

/// Where a model's files are.
#[derive(Debug)]
pub(crate) struct Folder {
    /// The folder that holds everything but the graph and its weights.
    pub home: PathBuf,
    pub graph: PathBuf,
    /// The model's name if its card gives none.
    pub name: String,
}

impl Folder {
    /// Finds the files of a model, given its folder or one of its graphs.
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
        // One of these files is enough: if another is missing, the folder above does not supply it, being another
        // model's.
        let parts = [CONFIG, GENAI, TOKENIZER];
        let is_home = |home: &&PathBuf| parts.iter().any(|file| home.join(file).exists());
        let home = homes.iter().find(is_home).unwrap_or(&homes[0]).clone();
        // `.` and `..` must be resolved to get a name.
        let named = home.canonicalize().unwrap_or_else(|_| home.clone());
        let text = |name: &OsStr| name.to_string_lossy().into_owned();
        let mut name = named.file_name().map_or_else(|| "model".to_owned(), text);
        if !path.is_dir() && path.file_name() != Some(OsStr::new(GRAPH)) {
            // One of several graphs.
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

/// The other graphs beside one, as the end of a sentence.
pub(crate) fn others(graph: &Path) -> String {
    let folder = graph.parent().unwrap_or(Path::new(""));
    let mut others = files(folder, &["onnx"]);
    others.retain(|other| other != graph);
    if others.is_empty() {
        return String::new();
    }
    format!("; its folder also has {}", listing(&others, folder))
}

/// Lists graphs by their names within a folder. Dynamically quantised ones are marked.
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

/// The files of a folder, and of `onnx` in it, that have one of these extensions.
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

/// Reads the JSON in a file; `None` if there is no such file.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let json = read_text(path)?.map(|json| serde_json::from_slice(&json));
    (json.transpose()).map_err(|error| Error::model(error).at(path.display()))
}

/// Reads a text beside a model; `None` if there is no such file.
///
/// # Errors
/// [`Error::Model`] if it is a device or a pipe, or larger than any model's, or cannot be read.
pub(crate) fn read_text(path: &Path) -> Result<Option<Vec<u8>>> {
    /// In bytes. Gemma's vocabulary of 262,144 tokens takes 33 MB.
    const LARGEST: u64 = 256 << 20;
    let wrong = |what: &dyn Display| Error::model(what).at(path.display());
    let meta = match path.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        meta => meta.map_err(|e| wrong(&e))?,
    };
    if !meta.is_file() {
        return Err(wrong(&"not a file"));
    }
    if meta.len() > LARGEST {
        let what = format!("{} bytes, more than {} MiB", meta.len(), LARGEST >> 20);
        return Err(wrong(&what));
    }
    let text = File::open(path).and_then(text::bytes);
    text.map(Some).map_err(|e| wrong(&e))
}

/// Reads everything in a model's folder that needs no runtime.
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
