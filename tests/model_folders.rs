//! Model folders as people have them: wherever graph and configuration lie and whatever they call their numbers, the model
//! answers as in the layout of the fixtures, or what is in the way is named.

mod common;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "support/onnx_file.rs"]
mod onnx_file;

use common::{Ran, Workdir, fixture_model, json_lines};
use serde_json::{Value, json};
use std::fs;

const FILES: [&str; 3] = ["model.onnx", "config.json", "tokenizer.json"];

fn prompts(dir: &Workdir) -> Vec<u8> {
    dir.prompts(
        "--task identity --task flip_bits --bits 4 --shots 1,3 --trials 2 --seed 3",
        "--alphabet linguistic",
    )
}

/// A copy of the export of the fixtures, each of its files under the name given.
fn laid_out(dir: &Workdir, names: [&str; 3]) {
    for (file, name) in FILES.iter().zip(names) {
        fs::create_dir_all(dir.path(name).parent().unwrap()).unwrap();
        fs::copy(
            format!("{}/{file}", fixture_model("tiny-hf")),
            dir.path(name),
        )
        .unwrap();
    }
}

fn answers(dir: &Workdir, model: &str, arguments: &str) -> Vec<Value> {
    json_lines(
        &dir.infer(
            prompts(dir),
            &format!("--model {model} --quiet {arguments}"),
        )
        .ok(),
    )
}

/// That a model answers as that of the fixtures, and under which name.
fn answers_as(dir: &Workdir, model: &str, name: &str) {
    let found = answers(dir, model, "");
    assert!(found.iter().all(|row| row["model"] == name), "{}", found[0]);
    let expected = answers(dir, &fixture_model("tiny-hf"), "");
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        for column in ["output", "answer_logprob", "margin"] {
            assert_eq!(found[column], expected[column], "{model}");
        }
    }
}

#[test]
fn a_graph_may_lie_in_a_folder_under_the_rest() {
    let dir = Workdir::new();
    laid_out(
        &dir,
        ["js/onnx/model.onnx", "js/config.json", "js/tokenizer.json"],
    );
    for model in ["js", "js/onnx", "js/onnx/model.onnx"] {
        answers_as(&dir, model, "js");
    }
    laid_out(
        &dir,
        [
            "all/onnx/model.onnx",
            "all/onnx/config.json",
            "all/onnx/tokenizer.json",
        ],
    );
    answers_as(&dir, "all", "onnx");
}

#[test]
fn a_configuration_that_is_missing_is_not_looked_for_in_another_models_folder() {
    let dir = Workdir::new();
    laid_out(
        &dir,
        [
            "models/tiny/model.onnx",
            "models/config.json",
            "models/tiny/tokenizer.json",
        ],
    );
    dir.infer(prompts(&dir), "--model models/tiny")
        .refused(3, &["models/tiny/config.json: no such file"]);
}

#[test]
fn weights_that_are_cut_short_are_named_with_their_length() {
    let dir = Workdir::new();
    for model in ["tiny-subset", "tiny-genai"] {
        fs::create_dir(dir.path(model)).unwrap();
        for file in fs::read_dir(fixture_model(model)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), dir.path(model).join(file.file_name())).unwrap();
        }
        let name = format!("{model}/model.onnx.data");
        let whole = dir.read(&name);
        for length in [0, whole.len() / 2, whole.len() - 1] {
            dir.write(&name, &whole[..length]);
            let words = format!(
                "{name}: cut short: {length} bytes, but the graph keeps weights in {}; copy or convert it again",
                whole.len()
            );
            dir.infer(prompts(&dir), &format!("--model {model}"))
                .refused(3, &[&words]);
        }
    }
}

#[test]
fn of_several_graphs_the_one_that_is_named_answers() {
    let dir = Workdir::new();
    laid_out(
        &dir,
        [
            "js/onnx/model_q4.onnx",
            "js/config.json",
            "js/tokenizer.json",
        ],
    );
    // The only one.
    answers_as(&dir, "js", "js");
    dir.write("js/onnx/model_fp16.onnx", "");
    dir.infer(prompts(&dir), "--model js").refused(
        3,
        &["js: several graphs; give the path of one of them: js/onnx/model_fp16.onnx, js/onnx/model_q4.onnx"],
    );
    answers_as(&dir, "js/onnx/model_q4.onnx", "js/model_q4");
    dir.infer(prompts(&dir), "--model js/onnx/model_fp16.onnx")
        .refused(3, &["js/onnx/model_fp16.onnx: "]);
    // Whatever is beside it, that which is called so is the model.
    fs::copy(
        dir.path("js/onnx/model_q4.onnx"),
        dir.path("js/onnx/model.onnx"),
    )
    .unwrap();
    answers_as(&dir, "js", "js");
}

#[test]
fn what_is_no_graph_is_told_what_to_give_instead() {
    let dir = Workdir::new();
    laid_out(
        &dir,
        ["tiny/model.onnx", "tiny/config.json", "tiny/tokenizer.json"],
    );
    let refused = |model: &str, words: &str| {
        let ran = dir.infer(prompts(&dir), &format!("--model {model}"));
        ran.refused(3, &[words]);
    };
    for part in [
        "config.json",
        "tokenizer.json",
        "model.onnx.data",
        "model.safetensors",
    ] {
        let file = format!("tiny/{part}");
        if !dir.path(&file).exists() {
            dir.write(&file, "");
        }
        refused(
            &file,
            &format!("{file}: not a graph; give its folder, tiny"),
        );
        let mut inside = dir.command("infer", ["--model", part]);
        inside
            .current_dir(dir.path("tiny"))
            .write_stdin(prompts(&dir));
        let ran = Ran::of("infer", &mut inside);
        ran.refused(3, &[&format!("{part}: not a graph; give its folder, .")]);
    }
    fs::remove_file(dir.path("tiny/model.safetensors")).unwrap();
    fs::remove_file(dir.path("tiny/model.onnx")).unwrap();
    refused(
        "tiny/config.json",
        "tiny/config.json: not a graph, nor has its folder one",
    );
    refused("tiny", "tiny/model.onnx: no such file");
    for file in ["tiny/model-00001-of-00002.safetensors", "tiny/a.Q4_K.gguf"] {
        dir.write(file, "");
        for model in ["tiny", file] {
            refused(
                model,
                &format!(
                    "{file}: weights without a graph: make a model folder of them with scripts/convert"
                ),
            );
        }
    }
}

#[test]
fn a_longer_prompt_is_refused_whatever_configurations_call_the_longest() {
    let dir = Workdir::new();
    laid_out(
        &dir,
        ["tiny/model.onnx", "tiny/config.json", "tiny/tokenizer.json"],
    );
    let config: Value = serde_json::from_slice(&dir.read("tiny/config.json")).unwrap();
    let config = |change: &dyn Fn(&mut Value)| {
        let mut config = config.clone();
        config
            .as_object_mut()
            .unwrap()
            .remove("max_position_embeddings");
        change(&mut config);
        dir.write("tiny/config.json", config.to_string());
    };
    let refused = |file: &str, longest: usize| {
        let ran = dir.infer(prompts(&dir), "--model tiny");
        ran.refused(
            1,
            &[
                &format!("stdin:{file}: prompt and answer are "),
                &format!("tokens, tiny reads at most {longest}"),
            ],
        );
    };
    for name in [
        "max_position_embeddings",
        "n_positions",
        "max_sequence_length",
        "max_seq_length",
        "max_seq_len",
        "seq_length",
        "n_ctx",
        "context_length",
        "model_max_length",
    ] {
        config(&|config| config[name] = json!(8));
        refused("1", 8);
        config(&|config| config["text_config"] = json!({name: 8}));
        refused("1", 8);
    }
    // What the positions are made for goes before what the model was trained with.
    config(&|config| {
        config["seq_length"] = json!(8);
        config["max_position_embeddings"] = json!(512);
    });
    answers_as(&dir, "tiny", "tiny");
    config(&|_| {});
    dir.write("tiny/tokenizer_config.json", "{\"model_max_length\": 8}");
    refused("1", 8);
    dir.write(
        "tiny/tokenizer_config.json",
        "{\"model_max_length\": 1000000000000000019884624838656}",
    );
    answers_as(&dir, "tiny", "tiny");
}

#[test]
fn genai_config_stands_for_config() {
    let dir = Workdir::new();
    laid_out(
        &dir,
        ["genai/cpu-int4.onnx", "config.json", "genai/tokenizer.json"],
    );
    // Beside the one that it names.
    dir.write("genai/other.onnx", "");
    let write = |length: usize, eos: Value| {
        let decoder =
            json!({"filename": "cpu-int4.onnx", "head_size": 16, "num_key_value_heads": 1});
        let model = json!({"vocab_size": 99, "context_length": length, "eos_token_id": eos, "decoder": decoder});
        dir.write(
            "genai/genai_config.json",
            json!({"model": model}).to_string(),
        );
    };
    fs::remove_file(dir.path("config.json")).unwrap();
    write(512, json!([0]));
    answers_as(&dir, "genai", "genai");
    write(8, json!(0));
    dir.infer(prompts(&dir), "--model genai")
        .refused(1, &["stdin:1: ", "genai reads at most 8"]);
    write(512, json!("</s>"));
    dir.infer(prompts(&dir), "--model genai").refused(
        3,
        &["genai/genai_config.json: \"eos_token_id\" is \"</s>\", expected a token id"],
    );
    dir.write(
        "genai/genai_config.json",
        "{\"model\": {\"decoder\": {\"filename\": \"../model.onnx\"}}}",
    );
    dir.infer(prompts(&dir), "--model genai")
        .refused(3, &["several graphs"]);
}

#[test]
fn a_cache_that_slides_is_refused_by_name() {
    let dir = Workdir::new();
    laid_out(
        &dir,
        ["tiny/model.onnx", "tiny/config.json", "tiny/tokenizer.json"],
    );
    for (value, named) in [(1, true), (0, false)] {
        let attention = onnx_file::node(
            "GroupQueryAttention",
            &["x"],
            "y",
            &[("sliding_window_cache", value)],
        );
        dir.write(
            "tiny/model.onnx",
            onnx_file::model(&[attention], &[], &[], &[]),
        );
        let ran = dir.infer(prompts(&dir), "--model tiny");
        ran.refused(3, &["tiny/model.onnx: "]);
        assert_eq!(
            ran.stderr.contains("sliding_window_cache: "),
            named,
            "{ran}"
        );
    }
}
