//! Models from strangers: a folder reads nothing outside itself and runs nothing but ONNX's own operators.

mod common;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "support/onnx_file.rs"]
mod onnx_file;

use common::{Ran, Workdir, repository};
use onnx_file::{FLOAT, INT64, bytes, number, value};
use std::fs;
use std::os::unix::fs::symlink;

fn prompts(dir: &Workdir) -> Vec<u8> {
    dir.prompts(
        "--task identity --shots 1 --trials 1",
        "--alphabet linguistic",
    )
}

/// Copies a model of the fixtures into a folder of the test's own.
fn copied(dir: &Workdir, model: &str, name: &str) {
    fs::create_dir_all(dir.path(name)).unwrap();
    for file in fs::read_dir(repository("tests/fixtures/models").join(model)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), dir.path(name).join(file.file_name())).unwrap();
    }
}

/// Lets a folder's model answer.
fn ask(dir: &Workdir, name: &str) -> Ran {
    dir.infer(prompts(dir), &format!("--model {name} --quiet"))
}

/// A whole model with these nodes and constants, in a folder of its own.
fn folder_with(dir: &Workdir, nodes: &[Vec<u8>], constants: &[Vec<u8>], more: &[u8]) {
    copied(dir, "tiny-hf", "model");
    let graph = onnx_file::model(
        nodes,
        constants,
        &[
            value("input_ids", INT64, &["B", "T"]),
            value("attention_mask", INT64, &["B", "S"]),
        ],
        &[value("logits", FLOAT, &["B", "T"])],
    );
    dir.write("model/model.onnx", [&graph, more].concat());
}

fn cast() -> Vec<u8> {
    onnx_file::node("Cast", &["input_ids"], "logits", &[("to", FLOAT)])
}

/// A tensor kept at some place of some file.
fn kept(name: &str, entries: &[(&str, &str)]) -> Vec<u8> {
    let entries: Vec<u8> = entries
        .iter()
        .flat_map(|(key, value)| bytes(13, [bytes(1, key), bytes(2, value)].concat()))
        .collect();
    [
        number(1, 4),
        number(2, FLOAT),
        bytes(8, name),
        entries,
        number(14, 1),
    ]
    .concat()
}

#[test]
fn operators_of_a_custom_library_are_not_there() {
    let dir = Workdir::new();
    let node = [
        onnx_file::node("Steal", &["input_ids"], "logits", &[]),
        bytes(7, "com.example.custom"),
    ]
    .concat();
    let opset = bytes(8, [bytes(1, "com.example.custom"), number(2, 1)].concat());
    folder_with(&dir, &[node], &[], &opset);
    // A library beside the model is no more than a file.
    fs::copy(common::binary("score"), dir.path("model/libcustom_ops.so")).unwrap();
    ask(&dir, "model").refused(3, &["model/model.onnx: ", "com.example.custom"]);
}

#[test]
fn external_data_outside_the_folder_is_refused_wherever_it_is_named() {
    let dir = Workdir::new();
    dir.write("secret", [0; 64]);
    let tensor = |location| kept("w", &[("location", location)]);
    let constant = |location| {
        // A Constant node's value: an attribute of type TENSOR.
        let attribute = [bytes(1, "value"), bytes(5, tensor(location)), number(20, 4)].concat();
        [
            onnx_file::node("Constant", &[], "w", &[]),
            bytes(5, attribute),
        ]
        .concat()
    };
    // If, whose branches are graphs in attributes.
    let branch = |location| {
        let graph = [bytes(1, constant(location)), bytes(2, "branch")].concat();
        let attribute = [bytes(1, "then_branch"), bytes(6, graph), number(20, 5)].concat();
        [onnx_file::node("If", &["c"], "w", &[]), bytes(5, attribute)].concat()
    };
    let secret = dir.path("secret").display().to_string();
    for location in [
        "../secret",
        &secret,
        "./../secret",
        "a/../../secret",
        "*/_ORT_MEM_ADDR_/*",
    ] {
        let function = bytes(
            25,
            [bytes(1, "f"), bytes(7, constant(location)), bytes(10, "d")].concat(),
        );
        let default = {
            let attribute = [bytes(1, "value"), bytes(5, tensor(location)), number(20, 4)].concat();
            bytes(
                25,
                [bytes(1, "f"), bytes(11, attribute), bytes(10, "d")].concat(),
            )
        };
        let training = bytes(20, bytes(2, bytes(5, tensor(location))));
        for (what, nodes, constants, more) in [
            ("initialiser", vec![cast()], vec![tensor(location)], vec![]),
            ("constant", vec![cast(), constant(location)], vec![], vec![]),
            ("subgraph", vec![cast(), branch(location)], vec![], vec![]),
            ("function", vec![cast()], vec![], function),
            ("function's default", vec![cast()], vec![], default),
            ("training", vec![cast()], vec![], training),
        ] {
            folder_with(&dir, &nodes, &constants, &more);
            // The memory of the process is no file, whatever is called so.
            fs::create_dir_all(dir.path("model/*/_ORT_MEM_ADDR_")).unwrap();
            dir.write("model/*/_ORT_MEM_ADDR_/*", [0; 64]);
            let ran = ask(&dir, "model");
            assert_eq!(ran.code, 3, "{what}: {ran}");
            assert!(
                ran.stderr.contains("outside the model's folder"),
                "{what}: {ran}"
            );
        }
    }
}

#[test]
fn a_link_out_of_the_folder_is_no_way_around() {
    let dir = Workdir::new();
    fs::create_dir(dir.path("elsewhere")).unwrap();
    copied(&dir, "tiny-subset", "model");
    let answers = ask(&dir, "model").ok();
    fs::rename(
        dir.path("model/model.onnx.data"),
        dir.path("elsewhere/data"),
    )
    .unwrap();
    symlink("../elsewhere/data", dir.path("model/model.onnx.data")).unwrap();
    ask(&dir, "model").refused(3, &["\"model.onnx.data\" lies outside the model's folder"]);
    // A link within the folder is one.
    fs::remove_file(dir.path("model/model.onnx.data")).unwrap();
    fs::rename(dir.path("elsewhere/data"), dir.path("model/data")).unwrap();
    symlink("data", dir.path("model/model.onnx.data")).unwrap();
    assert_eq!(ask(&dir, "model").ok(), answers);
}

#[test]
fn a_snapshot_in_hugging_faces_cache_is_a_folder_of_links() {
    let dir = Workdir::new();
    copied(&dir, "tiny-subset", "plain");
    let answers = ask(&dir, "plain --name m").ok();
    fs::create_dir_all(dir.path("cache/blobs")).unwrap();
    fs::create_dir_all(dir.path("cache/snapshots/1")).unwrap();
    for (number, file) in fs::read_dir(dir.path("plain")).unwrap().enumerate() {
        let name = file.unwrap().file_name();
        let blob = format!("{number:064}");
        fs::copy(
            dir.path("plain").join(&name),
            dir.path("cache/blobs").join(&blob),
        )
        .unwrap();
        let link = dir.path("cache/snapshots/1").join(&name);
        symlink(format!("../../blobs/{blob}"), link).unwrap();
    }
    assert_eq!(ask(&dir, "cache/snapshots/1 --name m").ok(), answers);
}

#[test]
fn external_data_that_lies_about_its_size_is_refused() {
    let dir = Workdir::new();
    for (offset, length) in [
        ("0", "1099511627776"),
        ("4611686018427387904", "16"),
        ("60", "16"),
        ("-8", "16"),
    ] {
        let entries = [("location", "data"), ("offset", offset), ("length", length)];
        folder_with(&dir, &[cast()], &[kept("w", &entries)], &[]);
        dir.write("model/data", [0; 64]);
        let ran = ask(&dir, "model");
        assert_eq!(ran.code, 3, "{offset} {length}: {ran}");
    }
}

#[test]
fn what_lies_beside_a_model_is_a_file_of_some_size() {
    let dir = Workdir::new();
    for name in [
        "card.json",
        "config.json",
        "generation_config.json",
        "genai_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        copied(&dir, "tiny-subset", "model");
        let file = dir.path("model").join(name);
        let _ = fs::remove_file(&file);
        symlink("/dev/zero", &file).unwrap();
        ask(&dir, "model").refused(3, &[name]);
        fs::remove_file(&file).unwrap();
        fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
        ask(&dir, "model").refused(3, &[name, "more than 256 MiB"]);
        fs::remove_dir_all(dir.path("model")).unwrap();
    }
}

#[test]
fn a_tokenizer_that_breaks_its_library_is_refused_by_its_name() {
    let dir = Workdir::new();
    copied(&dir, "tiny-hf", "model");
    let text = fs::read(dir.path("model/tokenizer.json")).unwrap();
    let mut tokenizer: serde_json::Value = serde_json::from_slice(&text).unwrap();
    tokenizer["decoder"] = 5.into();
    dir.write("model/tokenizer.json", tokenizer.to_string());
    ask(&dir, "model").refused(3, &["tokenizer.json: "]);
}
