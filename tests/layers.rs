//! The modules of the library have an order. Each may use only those before it. The layers of the ONNX predictor, too.

mod common;

use common::repository;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers of `src/predictor/onnx`, from the lowest up.
const LAYERS: [&str; 8] = [
    "runtime", "folder", "engine", "decode", "batch", "verify", "probe", "doctor",
];

/// The code of a module without its tests. The module is a file or a folder.
fn sources(parent: &Path, module: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![
        parent.join(module).with_extension("rs"),
        parent.join(module),
    ];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.extension().is_some_and(|suffix| suffix == "rs") && path.exists() {
            let code = fs::read_to_string(&path).unwrap();
            let code = code.split("#[cfg(test)]").next().unwrap().to_owned();
            found.push((path, code));
        }
    }
    assert!(!found.is_empty(), "no module {module}");
    found
}

/// All names that follow `prefix` in `code`.
fn named<'a>(code: &'a str, prefix: &str) -> Vec<&'a str> {
    let behind = code.split(prefix).skip(1);
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    behind
        .map(|rest| rest.split(|c| !is_name(c)).next().unwrap())
        .collect()
}

#[test]
fn a_room_of_the_library_knows_only_those_before_it() {
    let library = fs::read_to_string(repository("src/lib.rs")).unwrap();
    let rooms = named(&library, "\npub mod ");
    assert!(rooms.len() > 10, "{rooms:?}");
    for (place, room) in rooms.iter().enumerate() {
        for (path, code) in sources(&repository("src"), room) {
            for other in named(&code, "crate::") {
                let before = rooms.iter().position(|room| *room == other);
                assert!(
                    before.is_none_or(|before| before <= place),
                    "{}: {other} comes later",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn a_layer_of_the_onnx_predictor_knows_only_those_before_it() {
    let parent = repository("src/predictor/onnx");
    for (place, layer) in LAYERS.iter().enumerate() {
        for (path, code) in sources(&parent, layer) {
            let mut others = named(&code, "predictor::onnx::");
            // In the mod.rs of a layer, or if the layer is one file, `super` is the parent of all layers.
            if path.ends_with("mod.rs") || path.parent() == Some(&parent) {
                others.extend(named(&code, "use super::"));
            }
            for other in others {
                let before = LAYERS.iter().position(|layer| *layer == other);
                assert!(
                    before.is_none_or(|before| before <= place),
                    "{}: {other} comes later",
                    path.display()
                );
            }
        }
    }
}
