//! Tests of the ONNX engine, on tiny models and on graphs built here.
//!
//! The runtime is searched as `infer` does it. Without a runtime these tests fail and say what to run.

#[path = "support/onnx_file.rs"]
mod onnx_file;

use std::fs;
use std::path::{Path, PathBuf};

use onnx_file::{FLOAT, INT64, bytes, external, floats, integers, node, number, value};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shotline::error::{Error, Result};
use shotline::predictor::Answer;
use shotline::predictor::onnx::runtime::Runtime;
use shotline::predictor::onnx::{
    Bos, Device, EvalPoint, Method, OnnxModel, Options, Request, Settings, doctor, sha256,
};
use shotline::symbols::Symbols;

const TINY: [&str; 2] = ["tiny-hf", "tiny-subset"];
/// The same model in every folder layout.
const ALL: [&str; 3] = ["tiny-hf", "tiny-subset", "tiny-genai"];
/// On the tiny models, our logits differ from those of transformers by less than 1e-4 (tiny.json), and sums of eight by
/// less than this.
const CLOSE: f64 = 1e-3;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models")
}

/// Bits as `0` and `1`.
const BITS: Symbols<'_> = Symbols {
    zero: "0",
    one: "1",
    separator: None,
};

fn options() -> Options {
    Options {
        threads: 1,
        ..Options::default()
    }
}

fn load(name: &str) -> OnnxModel {
    OnnxModel::load(&models().join(name), &options()).unwrap()
}

fn load_on(folder: &Path, device: Device) -> Result<OnnxModel> {
    let options = Options {
        device,
        ..options()
    };
    OnnxModel::load(folder, &options)
}

fn score() -> Settings {
    Settings {
        method: Method::Score,
        ..Settings::default()
    }
}

fn generate() -> Settings {
    Settings::default()
}

fn constrained() -> Settings {
    Settings {
        constrained: true,
        ..score()
    }
}

fn with_bos(bos: Bos) -> Settings {
    Settings { bos, ..score() }
}

/// Checks the exit code of an error, and that its message contains `words`.
#[track_caller]
fn assert_error(error: &Error, code: u8, words: &str) {
    assert_eq!(error.exit_code(), code, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

/// Asks one independent prompt.
fn ask(model: &mut OnnxModel, prompt: &str, target: &str, settings: Settings) -> Result<Answer> {
    let points = [EvalPoint {
        start: prompt.chars().count(),
        target,
    }];
    let request = Request {
        prompt,
        points: &points,
        symbols: BITS,
    };
    let mut answers = model.answer(&request, &settings)?;
    assert_eq!(answers.len(), 1);
    Ok(answers.remove(0))
}

/// A random string over the given symbols.
fn random(rng: &mut Xoshiro256PlusPlus, symbols: &str, length: usize) -> String {
    let symbols: Vec<char> = symbols.chars().collect();
    (0..length)
        .map(|_| symbols[rng.next_u32() as usize % symbols.len()])
        .collect()
}

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

fn near(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < CLOSE,
        (a, b) => a == b,
    }
}

/// The greedy continuations of transformers, for those prompts that it tokenises into one token per symbol.
fn continuations() -> Vec<Value> {
    let table: Value =
        serde_json::from_slice(&fs::read(models().join("tiny.json")).unwrap()).unwrap();
    let mut prompts = table["prompts"].as_array().unwrap().clone();
    prompts.retain(|row| {
        row["ids"].as_array().unwrap().len() == row["prompt"].as_str().unwrap().chars().count()
    });
    assert!(prompts.len() > 10);
    prompts
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap())
        .collect()
}

#[test]
fn both_signatures_go_on_as_transformers_does() {
    for name in ALL {
        let mut model = load(name);
        for row in continuations() {
            let (prompt, text) = (
                row["prompt"].as_str().unwrap(),
                row["text"].as_str().unwrap(),
            );
            let expected = text.replace("<|endoftext|>", "");
            let margin = numbers(&row["margins"]).into_iter().reduce(f64::min);
            for settings in [generate(), score()] {
                let answer = ask(&mut model, prompt, "01100110", settings).unwrap();
                assert_eq!(answer.output, expected, "{name} {settings:?} {prompt:?}");
                assert!(
                    near(answer.margin, margin),
                    "{name} {settings:?} {prompt:?}: {:?} {margin:?}",
                    answer.margin
                );
            }
        }
    }
}

#[test]
fn log_probabilities_are_those_of_transformers() {
    for name in ALL {
        let mut model = load(name);
        let mut checked = 0;
        for row in continuations() {
            let (prompt, text) = (
                row["prompt"].as_str().unwrap(),
                row["text"].as_str().unwrap(),
            );
            if text.chars().count() != 8 || row["tokens"].as_array().unwrap().len() != 8 {
                continue;
            }
            let expected = numbers(&row["logprobs"]).iter().sum();
            for settings in [generate(), score()] {
                let answer = ask(&mut model, prompt, text, settings).unwrap();
                assert_eq!(answer.output, text);
                assert!(
                    near(answer.logprob, Some(expected)),
                    "{name} {prompt:?} {answer:?} {expected}"
                );
            }
            checked += 1;
        }
        assert!(checked > 5);
    }
}

#[test]
fn an_end_of_sequence_token_ends_the_answer() {
    for name in TINY {
        let mut model = load(name);
        for settings in [generate(), score()] {
            let answer = ask(&mut model, "A,C\nG,T\n", "0101", settings).unwrap();
            assert_eq!(answer.output, "");
            assert!(near(answer.margin, Some(0.409_219)), "{answer:?}");
        }
    }
}

#[test]
fn score_gives_what_generate_gives() {
    let (mut one, mut other) = (load(TINY[0]), load(TINY[1]));
    let mut rng = rng(1);
    for trial in 0..60 {
        let prompt = random(&mut rng, "01,A", 1 + trial);
        let target = random(&mut rng, "01", 1 + trial % 9);
        for constrained in [false, true] {
            let [generated, scored] = [generate(), score()].map(|settings| Settings {
                constrained,
                ..settings
            });
            let generated = ask(&mut one, &prompt, &target, generated).unwrap();
            for model in [&mut one, &mut other] {
                let scored = ask(model, &prompt, &target, scored).unwrap();
                assert_eq!(
                    scored.output, generated.output,
                    "{prompt} {target} {constrained}"
                );
                assert!(
                    near(scored.margin, generated.margin),
                    "{scored:?} {generated:?}"
                );
                assert!(scored.logprob.is_some());
                assert_eq!(generated.logprob.is_some(), generated.output == target);
                if generated.logprob.is_some() {
                    assert!(near(scored.logprob, generated.logprob));
                }
            }
        }
    }
}

#[test]
fn an_answer_that_is_not_completed_ends_with_its_first_wrong_symbol() {
    let mut model = load("tiny-subset");
    let mut rng = rng(2);
    for _ in 0..20 {
        let (prompt, target) = (random(&mut rng, "01,", 20), random(&mut rng, "01", 8));
        let cut = Settings {
            complete: false,
            ..constrained()
        };
        let [whole, short] = [constrained(), cut]
            .map(|settings| ask(&mut model, &prompt, &target, settings).unwrap().output);
        let right = whole
            .chars()
            .zip(target.chars())
            .take_while(|(a, b)| a == b)
            .count();
        assert_eq!(short, whole[..(right + 1).min(8)]);
    }
}

/// A nested prompt of demonstrations `x>y`, and its evaluation points: position and target.
fn nested(rng: &mut Xoshiro256PlusPlus, shots: usize) -> (String, Vec<(usize, String)>) {
    let (mut prompt, mut points) = (String::new(), Vec::new());
    for shot in 0..=shots {
        prompt += &random(rng, "01", 4);
        prompt.push('>');
        let target = random(rng, "01", 4);
        if shot % 2 == 1 || shot == shots {
            points.push((prompt.len(), target.clone()));
        }
        if shot < shots {
            prompt += &target;
            prompt.push('\n');
        }
    }
    (prompt, points)
}

fn points_of(places: &[(usize, String)]) -> Vec<EvalPoint<'_>> {
    let places = places.iter();
    places
        .map(|(start, target)| EvalPoint {
            start: *start,
            target,
        })
        .collect()
}

#[test]
fn a_nested_prompt_gives_what_separate_prompts_give() {
    for name in ALL {
        let mut model = load(name);
        let mut rng = rng(3);
        for shots in 0..9 {
            let (prompt, places) = nested(&mut rng, shots);
            let points = points_of(&places);
            let request = Request {
                prompt: &prompt,
                points: &points,
                symbols: BITS,
            };
            for settings in [generate(), score(), constrained()] {
                let together = model.answer(&request, &settings).unwrap();
                assert_eq!(together.len(), points.len());
                for (answer, point) in together.iter().zip(&points) {
                    let alone =
                        ask(&mut model, &prompt[..point.start], point.target, settings).unwrap();
                    assert_eq!(
                        answer.output, alone.output,
                        "{name} {prompt:?} {point:?} {settings:?}"
                    );
                    assert!(near(answer.logprob, alone.logprob), "{answer:?} {alone:?}");
                    assert!(near(answer.margin, alone.margin), "{answer:?} {alone:?}");
                }
            }
        }
    }
}

#[test]
fn a_prompt_read_in_pieces_gives_the_same_answers() {
    for name in ALL {
        let mut whole = load(name);
        let limit = |prefill_chunk, logits_bytes| Options {
            prefill_chunk,
            logits_bytes,
            ..options()
        };
        // A row of logits has 99 tokens of 4 bytes. The limits allow 1 or 7 rows per call, or 1 or 13 tokens per call.
        for options in [
            limit(None, Some(1)),
            limit(None, Some(7 * 99 * 4)),
            limit(Some(1), None),
            limit(Some(13), None),
        ] {
            let mut pieces = OnnxModel::load(&models().join(name), &options).unwrap();
            let (prompt, places) = nested(&mut rng(4), 8);
            let request = Request {
                prompt: &prompt,
                points: &points_of(&places),
                symbols: BITS,
            };
            for settings in [generate(), score()] {
                let expected = whole.answer(&request, &settings).unwrap();
                let answers = pieces.answer(&request, &settings).unwrap();
                for (answer, expected) in answers.iter().zip(&expected) {
                    assert_eq!(answer.output, expected.output, "{name} {options:?}");
                    assert!(near(answer.logprob, expected.logprob));
                }
            }
        }
    }
}

#[test]
fn constrained_answers_are_bits_and_their_probabilities_sum_to_one() {
    for name in TINY {
        let mut model = load(name);
        for prompt in ["0110", "ACGT", "\n"] {
            let mut total = 0.0;
            for target in ["00", "01", "10", "11"] {
                let answer = ask(&mut model, prompt, target, constrained()).unwrap();
                assert!(
                    answer.output.len() == 2 && answer.output.chars().all(|c| "01".contains(c)),
                    "{answer:?}"
                );
                total += answer.logprob.unwrap().exp();
            }
            assert!((total - 1.0).abs() < 1e-6, "{name} {prompt:?} {total}");
        }
    }
}

#[test]
fn a_constrained_target_of_other_symbols_is_refused() {
    let error = ask(&mut load(TINY[0]), "01", "0A", constrained()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "target \"0A\": \"A\" is neither the symbol of 0 (\"0\") nor of 1 (\"1\")"
    );
}

/// A copy of a model folder in which one file is replaced, or removed if `content` is `None`.
fn altered(name: &str, file: &str, content: Option<&[u8]>) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(models().join(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    match content {
        Some(content) => fs::write(copy.path().join(file), content).unwrap(),
        None => fs::remove_file(copy.path().join(file)).unwrap(),
    }
    copy
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn refusal(folder: &Path) -> Error {
    OnnxModel::load(folder, &options()).err().unwrap()
}

#[test]
fn the_first_token_is_the_tokenizers_choice_or_the_users() {
    let mut plain = load(TINY[1]);
    assert!(!plain.puts_bos(Bos::Auto).unwrap());
    let error = ask(&mut plain, "01", "0", with_bos(Bos::Always)).unwrap_err();
    assert_error(&error, 2, "has no \"bos_token_id\"");

    let mut config = read_json(&models().join(TINY[1]).join("config.json"));
    config["bos_token_id"] = json!(0);
    let folder = altered(TINY[1], "config.json", Some(config.to_string().as_bytes()));
    let mut tokenizer = read_json(&models().join(TINY[1]).join("tokenizer.json"));
    tokenizer["post_processor"] = json!({"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}});
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let mut with = OnnxModel::load(folder.path(), &options()).unwrap();
    assert_eq!(
        [Bos::Auto, Bos::Always, Bos::Never].map(|bos| with.puts_bos(bos).unwrap()),
        [true, true, false]
    );
    let [auto, always, never] = [Bos::Auto, Bos::Always, Bos::Never]
        .map(|bos| ask(&mut with, "0110,", "01", with_bos(bos)).unwrap());
    assert_eq!(auto, always);
    assert!(!near(auto.logprob, never.logprob));
    assert_eq!(never, ask(&mut plain, "0110,", "01", score()).unwrap());
    // With a BOS token, even an empty prompt has an answer. Without it there is none.
    let generate = Settings {
        bos: Bos::Always,
        ..generate()
    };
    let [generated, scored] = [generate, with_bos(Bos::Always)]
        .map(|settings| ask(&mut with, "", "01", settings).unwrap().output);
    assert_eq!(generated, scored);
    let error = ask(&mut with, "", "01", with_bos(Bos::Never)).unwrap_err();
    assert!(
        error.to_string().contains("nothing stands before it"),
        "{error}"
    );
}

#[test]
fn an_answer_ends_where_generation_config_says() {
    let mut tokenizer = read_json(&models().join(TINY[0]).join("tokenizer.json"));
    let vocabulary = tokenizer["model"]["vocab"].take();
    for name in TINY {
        let whole = ask(&mut load(name), "0110", "01010101", score()).unwrap();
        let end = whole.output.chars().nth(1).unwrap();
        let id = &vocabulary[end.to_string()];
        let listed = json!({"eos_token_id": [0, id]}).to_string();
        let folder = altered(name, "generation_config.json", Some(listed.as_bytes()));
        let mut model = OnnxModel::load(folder.path(), &options()).unwrap();
        for settings in [generate(), score()] {
            let answer = ask(&mut model, "0110", "01010101", settings).unwrap();
            let at = whole.output.find(end).unwrap();
            assert_eq!(answer.output, whole.output[..at], "{name} {settings:?}");
        }
        let beyond = br#"{"eos_token_id": 1000}"#;
        let error = refusal(altered(name, "generation_config.json", Some(beyond)).path());
        assert!(
            error.to_string().contains("eos_token_id 1000 is not one"),
            "{error}"
        );
    }
}

#[test]
fn a_window_that_the_graph_lost_bounds_its_prompts() {
    let windowed = |name: &str, file: &str, more: Value| {
        let mut config = read_json(&models().join(name).join("config.json"));
        if file != "config.json" {
            config = more;
        } else if let (Some(config), Value::Object(more)) = (config.as_object_mut(), more) {
            config.extend(more);
        }
        altered(name, file, Some(config.to_string().as_bytes()))
    };
    let config = json!({"model_type": "mistral", "sliding_window": 20});
    let genai =
        json!({"model": {"decoder": {"sliding_window": {"window_size": 20, "layers": []}}}});
    for (file, more) in [
        ("config.json", config.clone()),
        ("genai_config.json", genai),
    ] {
        // The layers use GroupQueryAttention without a window, although the config has one.
        let folder = windowed("tiny-subset", file, more);
        let mut model = OnnxModel::load(folder.path(), &options()).unwrap();
        assert!(ask(&mut model, &"01".repeat(8), "01010", score()).is_ok());
        let error = ask(&mut model, &"01".repeat(8), "010101", score()).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(
            error.to_string().starts_with(
                "prompt and answer are 21 tokens, tiny-subset attends within a window of 20, which its graph has lost"
            ),
            "{error}"
        );
    }
    // No error: tiny-hf may compute the window in its mask, which nobody can check, and Qwen2's window is switched off.
    let unused = json!({"model_type": "qwen2", "sliding_window": 20, "use_sliding_window": false});
    for folder in [
        windowed("tiny-hf", "config.json", config),
        windowed("tiny-subset", "config.json", unused),
    ] {
        let mut model = OnnxModel::load(folder.path(), &options()).unwrap();
        assert!(ask(&mut model, &"01".repeat(20), "01", score()).is_ok());
    }
}

#[test]
fn an_operator_that_quantises_by_the_call_is_found_wherever_it_stands() {
    let quantise = || node("DynamicQuantizeLinear", &["x"], "q", &[]);
    // The branches of If are graphs in attributes.
    let branch = {
        let graph = bytes(1, quantise());
        let attribute = [bytes(1, "then_branch"), bytes(6, graph), number(20, 5)].concat();
        [node("If", &["c"], "w", &[]), bytes(5, attribute)].concat()
    };
    let function = [bytes(1, "f"), bytes(7, quantise()), bytes(10, "d")].concat();
    for (nodes, more) in [
        (vec![quantise()], vec![]),
        (vec![branch], vec![]),
        (vec![], bytes(25, function)),
    ] {
        let graph = onnx_file::model(&nodes, &[], &token_inputs(), &[]);
        let error = refusal(folder_of(&[graph, more].concat()).path());
        assert_error(&error, 3, "dynamically quantised (DynamicQuantizeLinear)");
    }
}

#[test]
fn the_card_names_the_model_and_the_folder_does_where_there_is_none() {
    let subset = load("tiny-subset");
    assert_eq!(
        (subset.card.name.as_str(), subset.card.params),
        ("tiny-subset", Some(12936.0))
    );
    let plain = load("tiny-hf");
    assert_eq!(
        (plain.card.name.as_str(), plain.card.params),
        ("tiny-hf", None)
    );
    assert_eq!(plain.device.to_string(), "cpu");
}

#[test]
fn the_hash_covers_the_graph_and_its_external_data() {
    let folder = models().join("tiny-subset");
    let whole = ["model.onnx", "model.onnx.data"]
        .map(|file| fs::read(folder.join(file)).unwrap())
        .concat();
    let expected = Sha256::digest(whole)
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    assert_eq!(sha256(&folder).unwrap(), expected);
}

#[test]
fn a_symbol_that_is_not_one_token_is_refused() {
    let mut model = load(TINY[0]);
    let error = ask(&mut model, "01é", "0", score()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "symbol \"é\" is not one token of this model"
    );
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn a_prompt_that_is_too_long_is_refused_with_both_numbers() {
    let mut model = load(TINY[1]);
    assert!(ask(&mut model, &"01".repeat(254), "01010", score()).is_ok());
    let error = ask(&mut model, &"01".repeat(254), "010101", score()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "prompt and answer are 513 tokens, tiny-subset reads at most 512"
    );
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn a_folder_without_its_files_is_refused_by_their_names() {
    for file in [
        "model.onnx",
        "config.json",
        "tokenizer.json",
        "model.onnx.data",
    ] {
        let folder = altered("tiny-subset", file, None);
        assert_error(&refusal(folder.path()), 3, file);
    }
    let folder = altered("tiny-subset", "card.json", Some(b"{"));
    assert_error(&refusal(folder.path()), 3, "card.json: EOF");
    assert!(
        refusal(Path::new("no/such/folder"))
            .to_string()
            .contains("no/such/folder")
    );
}

#[test]
fn a_model_that_is_cut_short_is_refused() {
    for name in TINY {
        let whole = fs::read(models().join(name).join("model.onnx")).unwrap();
        for length in [0, 1, 100, whole.len() / 2, whole.len() - 1] {
            let folder = altered(name, "model.onnx", Some(&whole[..length]));
            let error = refusal(folder.path());
            assert_eq!(error.exit_code(), 3, "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
    let folder = altered("tiny-subset", "model.onnx.data", Some(b"short"));
    assert_eq!(refusal(folder.path()).exit_code(), 3);
}

#[test]
fn a_runtime_that_is_not_there_is_an_error_with_a_remedy() {
    let ort_lib = Some(PathBuf::from("no/such/libonnxruntime.so"));
    let error = OnnxModel::load(
        &models().join(TINY[0]),
        &Options {
            ort_lib,
            ..options()
        },
    )
    .err()
    .unwrap();
    assert_error(&error, 3, "--ort-lib no/such/libonnxruntime.so");
}

#[test]
fn cuda_works_or_says_what_is_missing_and_is_never_replaced_in_silence() {
    let folder = models().join(TINY[0]);
    match load_on(&folder, Device::Cuda(0)) {
        Ok(model) => assert_eq!(model.device.device, Device::Cuda(0)),
        Err(error) => {
            assert_error(&error, 3, "cuda:0 cannot be used: ");
            let auto = load_on(&folder, Device::Auto).unwrap();
            assert_eq!(auto.device.device, Device::Cpu);
            assert!(
                auto.device
                    .to_string()
                    .starts_with("cpu (cuda:0 cannot be used: "),
                "{}",
                auto.device
            );
        }
    }
}

#[test]
fn a_model_that_was_converted_for_another_device_is_refused_with_the_way_out() {
    let own = models().join(TINY[1]);
    let error = load_on(&own, Device::Cuda(0)).err().unwrap();
    assert_error(&error, 3, "converted for cpu");
    assert_error(&error, 3, "--device cuda");
    let auto = load_on(&own, Device::Auto).unwrap();
    assert_eq!(auto.device.device, Device::Cpu);
    assert!(
        auto.device.to_string().contains("converted for cpu"),
        "{}",
        auto.device
    );

    let card = fs::read_to_string(own.join("card.json")).unwrap();
    let other = card.replace("\"device\": \"cpu\"", "\"device\": \"cuda\"");
    assert_ne!(other, card);
    let folder = altered(TINY[1], "card.json", Some(other.as_bytes()));
    let error = load_on(folder.path(), Device::Cpu).err().unwrap();
    assert_error(&error, 3, "converted for cuda");
}

#[test]
fn a_graph_of_the_earlier_contract_says_convert_again() {
    let inputs = ["input_ids", "attention_mask", "positions", "vocab_ids"]
        .map(|name| value(name, INT64, &["B", "T"]));
    let graph = onnx_file::model(
        &[node("Cast", &["input_ids"], "logits", &[("to", FLOAT)])],
        &[],
        &inputs,
        &[value("logits", FLOAT, &["B", "T"])],
    );
    let error = refusal(folder_of(&graph).path());
    assert_error(&error, 3, "convert the model again");
}

#[test]
fn the_doctor_names_the_runtime_and_each_cuda_library() {
    let (text, works) = doctor::report(&Options {
        device: Device::Auto,
        ..options()
    });
    assert!(works, "{text}");
    let runtime = Runtime::get(None).unwrap();
    assert!(runtime.version.starts_with("1."), "{}", runtime.version);
    assert!(
        runtime
            .providers
            .iter()
            .any(|name| name == "CPUExecutionProvider")
    );
    for part in [
        &runtime.version,
        "CPUExecutionProvider",
        "libcudart.so",
        "libcudnn.so",
        "libcuda.so.1",
        "auto takes",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (text, works) = doctor::report(&Options {
        ort_lib: Some("no/such/folder".into()),
        ..options()
    });
    assert!(
        !works && text.contains("not usable: --ort-lib no/such/folder"),
        "{text}"
    );
}

/// A model folder with the given graph over bytes.
fn folder_of(model: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.onnx"), model).unwrap();
    fs::write(folder.path().join("config.json"), r#"{"vocab_size": 256}"#).unwrap();
    fs::write(
        folder.path().join("card.json"),
        r#"{"name": "ours", "vocabulary": "bytes"}"#,
    )
    .unwrap();
    folder
}

fn token_inputs() -> [Vec<u8>; 2] {
    [
        value("input_ids", INT64, &["B", "T"]),
        value("attention_mask", INT64, &["B", "S"]),
    ]
}

/// The key and the value of a key-value cache with one layer.
fn cache(prefix: &str, heads: &str, length: &str) -> Vec<Vec<u8>> {
    let part = |part| {
        let name = format!("{prefix}.0.{part}");
        value(&name, FLOAT, &["B", heads, length, "1"])
    };
    vec![part("key"), part("value")]
}

/// A model with a key-value cache of two heads. [`next_symbol`] computes its next token by hand.
fn two_heads() -> Vec<u8> {
    let grow = |part: &str| {
        let (past, present) = (
            format!("past_key_values.0.{part}"),
            format!("present.0.{part}"),
        );
        node("Concat", &[&past, "heads"], &present, &[("axis", 2)])
    };
    let line: Vec<f32> = (0u8..=255)
        .map(|byte| f32::from(byte) - f32::from(b'0'))
        .collect();
    onnx_file::model(
        &[
            node("Cast", &["input_ids"], "floats", &[("to", FLOAT)]),
            node("Reshape", &["floats", "as_head"], "head", &[]),
            node("Mul", &["head", "head"], "square", &[]),
            node("Concat", &["head", "square"], "heads", &[("axis", 1)]),
            grow("key"),
            grow("value"),
            node("CumSum", &["present.0.key", "time"], "sums", &[]),
            node(
                "Shape",
                &["past_key_values.0.key"],
                "read",
                &[("start", 2), ("end", 3)],
            ),
            node("Slice", &["sums", "read", "end", "time"], "new", &[]),
            node("Mul", &["new", "weights"], "weighted", &[]),
            node(
                "ReduceSum",
                &["weighted", "across"],
                "total",
                &[("keepdims", 1)],
            ),
            node("Mod", &["total", "four"], "rest", &[("fmod", 1)]),
            node("Reshape", &["rest", "as_row"], "rows", &[]),
            node("Sub", &["line", "rows"], "distance", &[]),
            node("Mul", &["distance", "distance"], "far", &[]),
            node("Neg", &["far"], "logits", &[]),
        ],
        &[
            integers("as_head", &[1, 1, -1, 1]),
            integers("as_row", &[1, -1, 1]),
            integers("time", &[2]),
            integers("end", &[i64::MAX]),
            integers("across", &[1]),
            floats("weights", &[1, 2, 1, 1], &[3.0, 5.0]),
            floats("four", &[1], &[4.0]),
            floats("line", &[256], &line),
        ],
        &[token_inputs().to_vec(), cache("past_key_values", "2", "P")].concat(),
        &[
            vec![value("logits", FLOAT, &["B", "T", "256"])],
            cache("present", "2", "S"),
        ]
        .concat(),
    )
}

/// The next symbol of [`two_heads`]: (3 * sum of bytes + 5 * sum of their squares) mod 4.
fn next_symbol(text: &str) -> char {
    let sum: u32 = text
        .bytes()
        .map(u32::from)
        .map(|byte| 3 * byte + 5 * byte * byte)
        .sum();
    char::from_digit(sum % 4, 10).unwrap()
}

#[test]
fn a_cache_of_several_heads_is_cut_and_read_head_by_head() {
    let folder = folder_of(&two_heads());
    let mut model = OnnxModel::load(folder.path(), &options()).unwrap();
    let mut rng = rng(5);
    for trial in 0..100 {
        let prompt = random(&mut rng, "0123,A", 1 + trial % 40);
        let target = random(&mut rng, "0123", 8);
        let mut expected = prompt.clone();
        for _ in 0..8 {
            expected.push(next_symbol(&expected));
        }
        for settings in [generate(), score()] {
            let answer = ask(&mut model, &prompt, &target, settings).unwrap();
            assert_eq!(
                answer.output,
                expected[prompt.len()..],
                "{prompt} {target} {settings:?}"
            );
        }
    }
}

#[test]
fn a_graph_of_another_signature_is_refused_with_what_was_found() {
    let graph = onnx_file::model(
        &[node("Identity", &["pixels"], "classes", &[])],
        &[],
        &[value("pixels", FLOAT, &["N"])],
        &[value("classes", FLOAT, &["N"])],
    );
    let error = refusal(folder_of(&graph).path());
    assert_error(
        &error,
        3,
        "found inputs pixels, outputs classes; expected input_ids",
    );

    let no_cache = onnx_file::model(
        &[node("Cast", &["input_ids"], "logits", &[("to", FLOAT)])],
        &[],
        &token_inputs(),
        &[value("logits", FLOAT, &["B", "T"])],
    );
    let error = refusal(folder_of(&no_cache).path());
    assert_error(&error, 3, "has no key/value cache");
}

/// A graph with the usual signature. It always gives these logits, and its key-value cache does not grow.
fn liar(logits: Vec<u8>) -> Vec<u8> {
    onnx_file::model(
        &[
            node("Identity", &["constant"], "logits", &[]),
            node("Identity", &["past_key_values.0.key"], "present.0.key", &[]),
            node(
                "Identity",
                &["past_key_values.0.value"],
                "present.0.value",
                &[],
            ),
        ],
        &[logits],
        &[token_inputs().to_vec(), cache("past_key_values", "1", "P")].concat(),
        &[
            vec![value("logits", FLOAT, &["B", "T", "V"])],
            cache("present", "1", "S"),
        ]
        .concat(),
    )
}

#[test]
fn a_graph_that_does_not_keep_its_promises_is_an_error_and_no_panic() {
    let rows = |logit: f32| floats("constant", &[1, 2, 256], &[logit; 512]);
    for (logits, prompt, problem) in [
        (
            rows(0.0),
            "011",
            "gives logits of shape [1, 2, 256], expected [1, 3, 256]",
        ),
        (
            rows(0.0),
            "01",
            "gives present.0.key of shape [1, 1, 0, 1], expected [1, 1, 2, 1]",
        ),
        (
            floats("constant", &[1, 1, 3], &[0.0; 3]),
            "0",
            "gives logits over 3 tokens",
        ),
        (
            floats("constant", &[0], &[]),
            "0",
            "gives logits that are not of shape",
        ),
    ] {
        let folder = folder_of(&liar(logits));
        for settings in [generate(), score()] {
            let error = OnnxModel::load(folder.path(), &options())
                .and_then(|mut model| ask(&mut model, prompt, "1", settings))
                .unwrap_err();
            assert_error(&error, 3, problem);
        }
    }
}

#[test]
fn a_graph_that_keeps_weights_outside_its_folder_or_nowhere_is_refused() {
    let missing = "gone.data: no such file, but the graph keeps weights in it";
    for (location, problem) in [
        ("../model.onnx.data", "outside the model's folder"),
        ("/etc/passwd", "outside the model's folder"),
        ("a/../../b", "outside the model's folder"),
        ("gone.data", missing),
    ] {
        let folder = folder_of(&liar(external("constant", &[1, 1, 256], location)));
        assert_error(&refusal(folder.path()), 3, problem);
    }
}
