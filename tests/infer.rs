//! Tests of `infer`: baselines with known answers, models in ONNX Runtime, and errors.

mod common;
#[allow(dead_code, reason = "one graph of the many that it can write")]
#[path = "support/onnx_file.rs"]
mod onnx_file;

use common::{
    FORMATS, Ran, Workdir, arrow_rows, assert_close, csv_rows, fixture_model, float, int,
    json_lines, list, number, sha256, smollm2, text, texts, to_lines,
};
use onnx_file::{FLOAT, INT64};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;

/// A trial with the given demonstrations, query and target.
fn trial(id: &str, demonstrations: &[(&str, &str)], query: &str, target: &str) -> Value {
    let (inputs, outputs): (Vec<&str>, Vec<&str>) = demonstrations.iter().copied().unzip();
    json!({
        "trial_id": id, "function": "identity", "bits": query.len(), "condition": "clean",
        "shots": inputs.len(), "trial": 0, "seed": 0, "design": "independent", "constant": null,
        "inputs": inputs, "outputs": outputs, "query": query, "target": target,
        "unchanged": null, "eval_shots": null,
    })
}

/// Encodes trials and lets a baseline answer.
fn answers(trials: &[Value], arguments: &str) -> Vec<Value> {
    let dir = Workdir::new();
    let prompts = dir
        .pipe(to_lines(trials), "encode", "--alphabet genomic")
        .ok();
    json_lines(&dir.pipe(prompts, "infer", arguments).ok())
}

/// The answer to one prompt.
fn answer(trial: &Value, arguments: &str) -> String {
    let found = answers(std::slice::from_ref(trial), arguments);
    assert_eq!(found.len(), 1);
    let prediction = text(&found[0], "prediction");
    assert_eq!(
        found[0]["correct"],
        json!(prediction == text(trial, "target"))
    );
    assert_eq!(found[0]["malformed"], json!(false));
    prediction.to_owned()
}

/// Asks the same question in 400 trials and counts the answers.
fn many(demonstrations: &[(&str, &str)], query: &str, arguments: &str) -> BTreeMap<String, usize> {
    let trials: Vec<Value> = (0..400)
        .map(|i| trial(&format!("t{i}"), demonstrations, query, query))
        .collect();
    let mut counts = BTreeMap::new();
    for found in answers(&trials, arguments) {
        *counts
            .entry(text(&found, "prediction").to_owned())
            .or_default() += 1;
    }
    counts
}

#[test]
fn copy_answers_with_the_query() {
    let asked = trial("a", &[("0000", "1111")], "0110", "1001");
    assert_eq!(answer(&asked, "--model builtin:copy"), "0110");
    let right = answers(&[trial("a", &[], "01", "01")], "--model builtin:copy");
    assert_eq!(right[0]["correct"], json!(true));
}

#[test]
fn mode_answers_with_the_most_frequent_output() {
    let shown = [("0000", "0001"), ("0001", "1000"), ("0010", "0001")];
    assert_eq!(
        answer(&trial("a", &shown, "1111", "0001"), "--model builtin:mode"),
        "0001"
    );
    let shown = [("0000", "1000"), ("0001", "1000"), ("0010", "0001")];
    assert_eq!(
        answer(&trial("a", &shown, "1111", "0001"), "--model builtin:mode"),
        "1000"
    );
}

#[test]
fn nearest_asks_only_the_demonstrations_nearest_to_the_query() {
    // 0000 and 1100 are nearest to 1000. The other two have no vote.
    let shown = [
        ("0111", "1111"),
        ("0000", "0001"),
        ("0011", "1111"),
        ("1100", "0001"),
    ];
    let asked = trial("a", &shown, "1000", "0001");
    assert_eq!(answer(&asked, "--model builtin:nearest"), "0001");
    assert_eq!(many(&shown, "1000", "--model builtin:mode").len(), 2);
    // Three are at the same distance, so their majority decides.
    let shown = [("0001", "1010"), ("0010", "0101"), ("0100", "0101")];
    assert_eq!(
        answer(
            &trial("a", &shown, "0000", "0101"),
            "--model builtin:nearest"
        ),
        "0101"
    );
}

#[test]
fn bayes_answers_as_the_functions_that_agree_do() {
    let dir = Workdir::new();
    dir.write(
        "suite.txt",
        "identity\nflip_bits\nreverse_bits\nmeta_constant\n",
    );
    let suite = dir.path("suite.txt").display().to_string();
    let bayes = format!("--model builtin:bayes --suite {suite}");
    for (shown, query, expected) in [
        (vec![("0011", "1100"), ("0001", "1110")], "0010", "1101"),
        (vec![("0011", "1100"), ("0001", "1000")], "0010", "0100"),
        (vec![("0001", "0001")], "0010", "0010"),
        // Only the constant function gives both inputs the same output.
        (vec![("0000", "0110"), ("1111", "0110")], "0001", "0110"),
        // Without demonstrations: identity and reverse_bits give a palindrome the same output, two against one.
        (vec![], "0110", "0110"),
    ] {
        let asked = trial("a", &shown, query, "0000");
        assert_eq!(answer(&asked, &bayes), expected, "{shown:?}");
    }
    // flip_bits, reverse_bits and the constant 1100 fit the demonstration. The first two are equally probable. The
    // constant has only 1/16 of their prior, because there are 16 constants.
    let counts = many(&[("0011", "1100")], "0010", &bayes);
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["0100", "1101"]);
}

#[test]
fn ties_are_broken_by_an_even_draw_from_the_seed_and_the_trial() {
    let shown = [
        ("0000", "0001"),
        ("1111", "1000"),
        ("0011", "0001"),
        ("0101", "1000"),
        ("1001", "1111"),
    ];
    let counts = many(&shown, "0010", "--model builtin:mode");
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["0001", "1000"]);
    // The count of 400 fair draws has a standard deviation of 10.
    assert!((float(counts["0001"]) - 200.0).abs() < 40.0, "{counts:?}");
    let trials: Vec<Value> = (0..60)
        .map(|i| trial(&format!("t{i}"), &shown, "0010", "0001"))
        .collect();
    let drawn = |trials: &[Value], arguments: &str| -> HashMap<String, String> {
        let found = answers(trials, arguments);
        let pair = |p: &Value| {
            (
                text(p, "trial_id").to_owned(),
                text(p, "prediction").to_owned(),
            )
        };
        found.iter().map(pair).collect()
    };
    let all = drawn(&trials, "--model builtin:mode");
    let backwards: Vec<Value> = trials.iter().rev().take(30).cloned().collect();
    for (id, prediction) in drawn(&backwards, "--model builtin:mode") {
        assert_eq!(all[&id], prediction, "the same trial in another order");
    }
    assert_ne!(drawn(&trials, "--model builtin:mode --seed 1"), all);
}

/// A prompt without demonstrations: at first all symbols, the separator included, are equally probable. The test looks
/// at the prediction after one symbol, the query.
#[test]
fn compress_knows_nothing_beforehand() {
    let asked = trial("a", &[], "0", "1");
    let found = &answers(&[asked], "--model builtin:compress")[0];
    // Without context the estimate is (1/2) / (1 + 3/2). The context of one symbol is new, and so are the two longer
    // ones: their estimate is 1/3. The two sides of the mixture have equal weights, since the odds are still 1.
    let p: f64 = 0.5 * (0.5 / 2.5) + 0.5 / 3.0;
    assert_close(found["answer_logprob"].as_f64().unwrap(), p.ln(), 1e-12);
    assert_eq!(
        (text(found, "model"), text(found, "modality")),
        ("builtin:compress", "baseline")
    );
}

/// A nested prompt is read once. Its answers are those to its prefixes as separate prompts.
#[test]
fn compress_answers_every_beginning_as_if_it_were_alone() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--task rotl1 --task parity_fill --design nested --shots 0,1,3,9 --trials 2",
        "--alphabet linguistic --template {x}>{y}\\n",
    );
    let points = json_lines(&dir.pipe(prompts, "infer", "--model builtin:compress").ok());
    assert_eq!(points.len(), 16);
    let alone: Vec<Value> = points
        .iter()
        .map(|p| {
            let mut prompt = p.clone();
            prompt["trial_id"] = p["sequence_id"].clone();
            prompt["design"] = json!("independent");
            prompt["eval_shots"] = Value::Null;
            prompt["answer_starts"] = Value::Null;
            prompt
        })
        .collect();
    let found = json_lines(
        &dir.pipe(to_lines(&alone), "infer", "--model builtin:compress")
            .ok(),
    );
    for (point, alone) in points.iter().zip(&found) {
        for column in [
            "output",
            "prediction",
            "answer_logprob",
            "margin",
            "correct",
        ] {
            assert_eq!(point[column], alone[column], "{column}");
        }
        assert!(point["answer_logprob"].as_f64().unwrap() < 0.0);
        assert!(point["margin"].as_f64().unwrap() >= 0.0);
    }
}

/// builtin:compress learns a constant output from the demonstrations, but not a permutation of the bits of new inputs.
#[test]
fn compress_learns_what_repeats() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--task meta_constant --task reverse_bits --shots 1,64 --trials 12",
        "--alphabet genomic --template {x}>{y}\\n",
    );
    let predictions = dir.pipe(prompts, "infer", "--model builtin:compress").ok();
    let rows = csv_rows(&dir.pipe(predictions, "score", "--by task").ok());
    let accuracy = |function: &str, shots: &str| {
        let row = rows
            .iter()
            .find(|r| r["function"] == function && r["shots"] == shots);
        number(row.unwrap(), "accuracy")
    };
    assert!(accuracy("meta_constant", "64") > 0.9);
    assert!(accuracy("meta_constant", "64") > accuracy("meta_constant", "1"));
    assert!(accuracy("reverse_bits", "64") < 0.2);
}

#[test]
fn without_demonstrations_a_baseline_draws_any_string() {
    for model in ["builtin:mode", "builtin:nearest"] {
        let counts = many(&[], "00", &format!("--model {model}"));
        assert_eq!(counts.len(), 4, "{model}: {counts:?}");
        let counts: Vec<usize> = counts.into_values().collect();
        // The 99.9 % quantile of chi-squared with 3 degrees of freedom.
        assert!(common::chi_squared(&counts) < 16.3, "{model}: {counts:?}");
    }
}

/// A baseline's accuracy and its standard error by shot count, over the paper's functions. The functions count as
/// fixed: the error is that of drawing `trials` trials for each.
fn accuracies(model: &str, trials: usize) -> BTreeMap<usize, (f64, f64)> {
    let dir = Workdir::new();
    dir.run("gen-tasks", &format!("--trials {trials} -o trials.arrow"))
        .ok();
    dir.run("encode", "--alphabet genomic trials.arrow -o prompts.arrow")
        .ok();
    let predictions = dir.run(
        "infer",
        &format!("--model {model} prompts.arrow --slim --to arrow"),
    );
    let mut right: BTreeMap<usize, HashMap<String, usize>> = BTreeMap::new();
    for p in arrow_rows(&predictions.ok()) {
        let cell = right.entry(int(&p, "shots")).or_default();
        *cell.entry(text(&p, "function").to_owned()).or_default() +=
            usize::from(p["correct"] == json!(true));
    }
    right
        .into_iter()
        .map(|(shots, functions)| {
            assert_eq!(functions.len(), 100);
            let shares = functions.values().map(|&r| float(r) / float(trials));
            let mean = shares.clone().sum::<f64>() / 100.0;
            let variance = shares.map(|a| a * (1.0 - a)).sum::<f64>() / float(trials);
            (shots, (mean, variance.sqrt() / 100.0))
        })
        .collect()
}

/// The expected numbers are from PROTOCOL: a run of 400 trials per function.
#[test]
fn mode_is_right_in_18_to_19_percent_at_every_shot_count() {
    let published = [0.191, 0.189, 0.191, 0.189, 0.192, 0.189, 0.189, 0.181];
    let trials = 40;
    let found = accuracies("builtin:mode", trials);
    assert_eq!(found.len(), 8);
    for ((shots, (accuracy, se)), expected) in found.into_iter().zip(published) {
        // Both accuracies have an error. The published one is smaller by the square root of the ratio of trials.
        let error = se * (1.0 + float(trials) / 400.0).sqrt();
        assert!(error < 0.006, "{shots}: the test sees nothing: {error}");
        assert_close(accuracy, expected, 4.0 * error + 0.0005);
    }
}

/// The ideal observer of the paper's functions. The expected numbers are from PROTOCOL (two digits).
#[test]
fn bayes_is_the_ideal_observer_of_the_papers_functions() {
    let found = accuracies("builtin:bayes", 24);
    for (shots, expected) in [(1, 0.67), (2, 0.89), (4, 0.97)] {
        let (accuracy, se) = found[&shots];
        assert!(se < 0.01, "{shots}: the test sees nothing: {se}");
        assert_close(accuracy, expected, 4.0 * se + 0.005);
    }
    for shots in [8, 16, 32, 64, 128] {
        assert!(found[&shots].0 > 0.99, "{shots}: {:?}", found[&shots]);
    }
}

#[test]
fn bayes_falls_back_on_the_mode_where_no_function_agrees_and_counts_it() {
    let dir = Workdir::new();
    let prompts = |grid: &str| dir.prompts(grid, "--alphabet genomic");
    let foreign = prompts("--suite random:20,depth=3,seed=1 --shots 16 --trials 4");
    let bayes = dir.pipe(foreign, "infer", "--model builtin:bayes");
    let warning = bayes.stderr.clone();
    let bayes = json_lines(&bayes.loud_ok());
    let mut fallbacks = 0;
    for p in &bayes {
        let outputs = texts(p, "outputs");
        let frequency = |y: &str| outputs.iter().filter(|o| **o == y).count();
        let most = outputs.iter().map(|y| frequency(y)).max().unwrap();
        fallbacks += usize::from(frequency(text(p, "prediction")) == most);
    }
    let counted = warning
        .strip_prefix("infer: warning: ")
        .and_then(|rest| rest.split_once(" answers to clean prompts fell back on the mode"))
        .and_then(|(count, _)| count.parse::<usize>().ok())
        .unwrap_or_else(|| panic!("{warning}"));
    // Nearly all answers fall back. A few trials happen to fit one of the paper's functions.
    assert!(
        counted > 60 && counted <= fallbacks,
        "{counted} of {fallbacks}"
    );
    // No warning for deranged demonstrations: no function is expected to fit them.
    for silent in [
        "--suite primitives --shots 4 --trials 1",
        "--suite primitives --shots 16 --trials 1 --condition deranged",
    ] {
        dir.pipe(prompts(silent), "infer", "--model builtin:bayes")
            .ok();
    }
}

#[test]
fn records_name_the_model_as_asked() {
    let asked = trial("a", &[("00", "11")], "01", "10");
    let found = &answers(std::slice::from_ref(&asked), "--model builtin:mode")[0];
    assert_eq!(text(found, "model"), "builtin:mode");
    assert_eq!(text(found, "modality"), "baseline");
    assert_eq!(text(found, "method"), "builtin");
    assert!(found["params"].is_null() && found["answer_logprob"].is_null());
    let named = "--model builtin:mode --name mine --modality protein --params 6.5e9";
    let found = &answers(&[asked], named)[0];
    assert_eq!(text(found, "model"), "mine");
    assert_eq!(text(found, "modality"), "protein");
    assert_eq!(found["params"], json!(6.5e9));
}

#[test]
fn slim_leaves_prompt_inputs_and_outputs_out_in_every_format() {
    let dir = Workdir::new();
    let prompts = dir.prompts("--task identity --shots 2 --trials 2", "--alphabet genomic");
    let whole = json_lines(
        &dir.pipe(prompts.clone(), "infer", "--model builtin:mode")
            .ok(),
    );
    for (to, read) in FORMATS {
        let slim = dir.pipe(
            prompts.clone(),
            "infer",
            &format!("--model builtin:mode --slim --to {to}"),
        );
        for (slim, whole) in read(&slim.ok()).iter().zip(&whole) {
            let mut expected = whole.as_object().unwrap().clone();
            for column in ["prompt", "inputs", "outputs"] {
                assert!(expected.remove(column).is_some_and(|v| !v.is_null()));
            }
            assert_eq!(slim.as_object().unwrap(), &expected, "{to}");
        }
    }
}

#[test]
fn a_nested_trial_becomes_one_ordinary_prediction_a_shot_count() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--task flip_bits --task meta_constant --design nested --shots 0,1,2,5 --trials 3",
        "--alphabet genomic",
    );
    let sequences = json_lines(&prompts);
    let predictions = json_lines(&dir.pipe(prompts, "infer", "--model builtin:copy").ok());
    assert_eq!(predictions.len(), 4 * sequences.len());
    for (points, sequence) in predictions.chunks(4).zip(&sequences) {
        let id = text(sequence, "trial_id");
        let inputs = [texts(sequence, "inputs"), vec![text(sequence, "query")]].concat();
        let outputs = [texts(sequence, "outputs"), vec![text(sequence, "target")]].concat();
        for ((p, shots), start) in points
            .iter()
            .zip([0, 1, 2, 5])
            .zip(list(sequence, "answer_starts"))
        {
            assert_eq!(text(p, "trial_id"), format!("{id}@{shots}"));
            assert_eq!(text(p, "sequence_id"), id);
            assert_eq!(text(p, "design"), "nested");
            assert_eq!(int(p, "shots"), shots);
            assert_eq!(texts(p, "inputs"), inputs[..shots]);
            assert_eq!(texts(p, "outputs"), outputs[..shots]);
            assert_eq!(text(p, "query"), inputs[shots]);
            assert_eq!(text(p, "target"), outputs[shots]);
            assert_eq!(text(p, "prediction"), inputs[shots]);
            let start: usize = start.as_u64().unwrap().try_into().unwrap();
            assert_eq!(text(p, "prompt"), &text(sequence, "prompt")[..start]);
            let dressed: String = outputs[shots]
                .chars()
                .map(|bit| text(sequence, if bit == '0' { "zero" } else { "one" }))
                .collect();
            assert_eq!(text(p, "answer"), dressed);
        }
    }
}

/// Prompts short enough for the tiny models, in two alphabets.
fn tiny_prompts(dir: &Workdir) -> Vec<(&'static str, Vec<u8>)> {
    let grid = "--task identity --task flip_bits --bits 4 --trials 4";
    let independent = dir.run("gen-tasks", &format!("{grid} --shots 1,5")).ok();
    let nested = dir
        .run(
            "gen-tasks",
            &format!("{grid} --design nested --shots 1,2,6"),
        )
        .ok();
    let encode = |trials: &[u8], arguments: &str| dir.pipe(trials, "encode", arguments).ok();
    vec![
        ("linguistic", encode(&independent, "--alphabet linguistic")),
        (
            "genomic",
            encode(&independent, "--alphabet genomic --template {x}>{y};"),
        ),
        ("nested", encode(&nested, "--alphabet linguistic")),
    ]
}

/// Predictions of a model in the fixtures.
fn model_answers(dir: &Workdir, prompts: &[u8], model: &str, arguments: &str) -> Vec<Value> {
    let arguments = format!("--model {} --quiet {arguments}", fixture_model(model));
    json_lines(&dir.infer(prompts, &arguments).ok())
}

/// The columns that must not depend on how an answer is found.
fn essence(predictions: &[Value]) -> Vec<[&Value; 5]> {
    let columns = ["trial_id", "output", "prediction", "correct", "malformed"];
    predictions.iter().map(|p| columns.map(|c| &p[c])).collect()
}

#[test]
fn both_methods_and_both_graph_signatures_give_the_same_answers() {
    let dir = Workdir::new();
    for (name, prompts) in tiny_prompts(&dir) {
        for constrain in ["", "--constrain"] {
            let scored = model_answers(
                &dir,
                &prompts,
                "tiny-hf",
                &format!("--method score {constrain}"),
            );
            assert!(scored.len() >= 16);
            for (model, method) in [
                ("tiny-hf", "generate"),
                ("tiny-subset", "score"),
                ("tiny-subset", "generate"),
            ] {
                let other = model_answers(
                    &dir,
                    &prompts,
                    model,
                    &format!("--method {method} {constrain}"),
                );
                assert_eq!(
                    essence(&other),
                    essence(&scored),
                    "{name} {model} {method} {constrain}"
                );
                for (a, b) in other.iter().zip(&scored) {
                    assert_eq!(text(a, "method"), method);
                    // The logits differ from those of transformers by less than 1e-4, sums of a few by less than 1e-3.
                    let (Some(b), a) = (b["answer_logprob"].as_f64(), a["answer_logprob"].as_f64())
                    else {
                        panic!("score knows every log-probability");
                    };
                    assert!(b < 0.0);
                    if let Some(a) = a {
                        assert_close(a, b, 1e-3);
                    } else {
                        assert_eq!(method, "generate");
                    }
                }
            }
        }
    }
}

#[test]
fn constrained_answers_are_bits_and_more_probable() {
    let dir = Workdir::new();
    for (name, prompts) in tiny_prompts(&dir) {
        let free = model_answers(&dir, &prompts, "tiny-subset", "");
        let bound = model_answers(&dir, &prompts, "tiny-subset", "--constrain");
        assert!(free.iter().any(|p| p["malformed"] == json!(true)), "{name}");
        for (free, bound) in free.iter().zip(&bound) {
            assert_eq!(
                (&free["constrained"], &bound["constrained"]),
                (&json!(false), &json!(true))
            );
            assert_eq!(bound["malformed"], json!(false));
            assert_eq!(text(bound, "prediction").len(), 4);
            let symbols = [text(bound, "zero"), text(bound, "one")].concat();
            assert!(text(bound, "output").chars().all(|c| symbols.contains(c)));
            let logprob = |p: &Value| p["answer_logprob"].as_f64().unwrap();
            assert!(logprob(bound) > logprob(free));
        }
    }
}

#[test]
fn a_nested_pass_answers_as_separate_prompts_would() {
    let dir = Workdir::new();
    let (_, prompts) = tiny_prompts(&dir).pop().unwrap();
    for model in ["tiny-hf", "tiny-subset"] {
        let nested = model_answers(&dir, &prompts, model, "");
        check_against_separate(&nested, |prompts| model_answers(&dir, prompts, model, ""));
    }
}

/// Asks each point of nested predictions as a separate prompt, and compares the answers.
fn check_against_separate(nested: &[Value], ask: impl Fn(&[u8]) -> Vec<Value>) {
    let alone: Vec<Value> = nested
        .iter()
        .map(|p| {
            let mut prompt = p.clone();
            prompt["design"] = json!("independent");
            prompt
        })
        .collect();
    let separate = ask(&to_lines(&alone));
    assert_eq!(essence(&separate), essence(nested));
    for (a, b) in separate.iter().zip(nested) {
        assert!(a["sequence_id"].is_null());
        assert_close(
            a["answer_logprob"].as_f64().unwrap(),
            b["answer_logprob"].as_f64().unwrap(),
            1e-2,
        );
    }
}

#[test]
fn an_answer_that_need_not_be_complete_ends_with_its_first_wrong_symbol() {
    let dir = Workdir::new();
    let (_, prompts) = tiny_prompts(&dir).remove(0);
    let whole = model_answers(&dir, &prompts, "tiny-hf", "--constrain");
    let cut = model_answers(&dir, &prompts, "tiny-hf", "--constrain --complete none");
    let mut shorter = 0;
    for (whole, cut) in whole.iter().zip(&cut) {
        let (full, output) = (text(whole, "output"), text(cut, "output"));
        let right = full
            .chars()
            .zip(text(whole, "answer").chars())
            .take_while(|(a, b)| a == b)
            .count();
        assert_eq!(output, &full[..(right + 1).min(full.len())]);
        assert_eq!(whole["correct"], cut["correct"]);
        assert_eq!(whole["answer_logprob"], cut["answer_logprob"]);
        shorter += usize::from(output.len() < full.len());
    }
    assert!(shorter > 0);
    let model = fixture_model("tiny-hf");
    dir.infer(
        prompts,
        &format!("--model {model} --complete none --method generate"),
    )
    .refused(2, &["--complete none", "--method score"]);
}

/// A copy of a model in the fixtures, so that a test can change its files.
fn copied(dir: &Workdir, model: &str, name: &str) -> String {
    let folder = dir.path(name);
    fs::create_dir(&folder).unwrap();
    for file in fs::read_dir(fixture_model(model)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    folder.display().to_string()
}

#[test]
fn a_beginning_of_sequence_token_is_put_as_asked_and_recorded() {
    let dir = Workdir::new();
    let (_, prompts) = tiny_prompts(&dir).remove(0);
    let plain = fixture_model("tiny-hf");
    dir.infer(prompts.clone(), &format!("--model {plain} --bos always"))
        .refused(2, &["--bos always", "no \"bos_token_id\""]);
    let with = copied(&dir, "tiny-hf", "with-bos");
    let config = fs::read_to_string(dir.path("with-bos/config.json")).unwrap();
    dir.write(
        "with-bos/config.json",
        config.replace("\"bos_token_id\": null", "\"bos_token_id\": 0"),
    );
    let ask = |bos: &str| {
        let arguments = format!("--model {with} --quiet --bos {bos}");
        json_lines(&dir.infer(prompts.clone(), &arguments).ok())
    };
    let (auto, always, never) = (ask("auto"), ask("always"), ask("never"));
    for (p, expected) in [(&auto, false), (&always, true), (&never, false)] {
        assert!(p.iter().all(|p| p["bos"] == json!(expected)));
    }
    assert_eq!(auto, never, "this tokenizer puts none by itself");
    let logprobs = |p: &[Value]| -> Vec<f64> {
        p.iter()
            .map(|p| p["answer_logprob"].as_f64().unwrap())
            .collect()
    };
    assert_ne!(logprobs(&always), logprobs(&never));
}

#[test]
fn a_model_is_named_by_its_card_or_else_its_folder() {
    let dir = Workdir::new();
    let (_, prompts) = tiny_prompts(&dir).remove(0);
    let first =
        |model: &str, arguments: &str| model_answers(&dir, &prompts, model, arguments).remove(0);
    let subset = first("tiny-subset", "");
    assert_eq!(
        (text(&subset, "model"), text(&subset, "modality")),
        ("tiny-subset", "linguistic")
    );
    assert_eq!(subset["params"], json!(12936.0));
    let plain = first("tiny-hf", "");
    assert_eq!(text(&plain, "model"), "tiny-hf");
    assert!(plain["modality"].is_null() && plain["params"].is_null());
    let named = first("tiny-subset", "--name x --modality genomic --params 7e9");
    assert_eq!(
        (text(&named, "model"), text(&named, "modality")),
        ("x", "genomic")
    );
    assert_eq!(named["params"], json!(7e9));
}

#[test]
fn threads_change_no_answer() {
    let dir = Workdir::new();
    let (_, prompts) = tiny_prompts(&dir).remove(1);
    let one = model_answers(&dir, &prompts, "tiny-subset", "--threads 1");
    let two = model_answers(&dir, &prompts, "tiny-subset", "--threads 2");
    assert_eq!(essence(&one), essence(&two));
}

#[test]
fn the_provenance_names_model_runtime_and_device() {
    let dir = Workdir::new();
    let (_, prompts) = tiny_prompts(&dir).remove(0);
    let model = fixture_model("tiny-subset");
    let ran = dir.infer(prompts, &format!("--model {model} -o out.jsonl"));
    // A run with a model reports its speed.
    assert!(
        ran.stderr.starts_with("infer: 16 prompts, 16 answers ("),
        "{ran}"
    );
    ran.loud_ok();
    let chain: Value = serde_json::from_slice(&dir.read("out.jsonl.provenance.json")).unwrap();
    let step = chain.as_array().unwrap().last().unwrap();
    let file = |name: &str| fs::read(format!("{model}/{name}")).unwrap();
    let weights = [file("model.onnx"), file("model.onnx.data")].concat();
    assert_eq!(text(step, "model_sha256"), sha256(&weights));
    assert_eq!(text(step, "device"), "cpu");
    assert!(
        text(step, "runtime").starts_with("ONNX Runtime 1."),
        "{step}"
    );
    assert_eq!(text(step, "program"), "infer");
}

#[test]
fn answers_stream_prompt_by_prompt_in_their_order() {
    let dir = Workdir::new();
    let (_, prompts) = tiny_prompts(&dir).remove(0);
    let ids: Vec<Value> = json_lines(&prompts)
        .iter()
        .map(|p| p["trial_id"].clone())
        .collect();
    let found = model_answers(&dir, &prompts, "tiny-hf", "");
    assert!(found.iter().map(|p| &p["trial_id"]).eq(ids.iter()));
}

/// An alphabet whose symbols are words: each base six times.
const WORDS: &str = "words:AAAAAA,CCCCCC,GGGGGG,TTTTTT";

/// A text in which each base becomes a word of six. `between` is put between all symbols. Other characters stay.
fn in_words(text: &str, between: &str) -> String {
    let words: Vec<String> = text
        .chars()
        .map(|c| match c {
            'A' | 'C' | 'G' | 'T' => c.to_string().repeat(6),
            // A blank would look like a separator of words.
            _ if between == " " && c.is_whitespace() => "\u{2423}".to_owned(),
            _ => c.to_string(),
        })
        .collect();
    words.join(between)
}

/// A copy of tiny-subset. If `words`, its tokens for the bases are words of six. Other tokens are single characters.
fn model_of_words(dir: &Workdir, words: bool) -> String {
    let name = if words { "words" } else { "characters" };
    fs::create_dir(dir.path(name)).unwrap();
    for file in ["card.json", "config.json", "model.onnx", "model.onnx.data"] {
        let from = format!("{}/{file}", fixture_model("tiny-subset"));
        fs::copy(from, dir.path(&format!("{name}/{file}"))).unwrap();
    }
    let path = format!("{}/tokenizer.json", fixture_model("tiny-subset"));
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    tokenizer["model"]["merges"] = json!([]);
    let vocabulary = tokenizer["model"]["vocab"].as_object_mut().unwrap();
    for (pair, byte) in [("AT", "\u{100}"), ("GC", "\u{101}")] {
        let id = vocabulary.remove(pair).unwrap();
        vocabulary.insert(byte.to_owned(), id);
    }
    for base in ["A", "C", "G", "T"].into_iter().filter(|_| words) {
        let id = vocabulary.remove(base).unwrap();
        vocabulary.insert(base.repeat(6), id);
    }
    dir.write(&format!("{name}/tokenizer.json"), tokenizer.to_string());
    dir.path(name).display().to_string()
}

/// A prediction over characters, rewritten as it must be if each base is a word of six.
fn dressed_in_words(mut record: Value, model: &str) -> Value {
    for (column, between) in [
        ("zero", ""),
        ("one", ""),
        ("separator", ""),
        ("prompt", ""),
        ("answer", ""),
        ("output", " "),
    ] {
        if record[column].is_string() {
            record[column] = json!(in_words(text(&record, column), between));
        }
    }
    record["encoding"] = json!(WORDS);
    record["model"] = json!(model);
    record
}

#[test]
fn words_are_answered_as_the_characters_of_the_same_tokens_are() {
    let dir = Workdir::new();
    let models = [false, true].map(|words| model_of_words(&dir, words));
    for (trials, template) in [
        ("--suite primitives --shots 0,2,5 --trials 1", "{x}{y}{sep}"),
        (
            "--suite primitives --bits 6 --design nested --shots 0,1,4 --trials 1",
            "{x}>{y}\\n",
        ),
    ] {
        let [characters, words] = ["ACGT", WORDS]
            .map(|alphabet| dir.prompts(trials, ["--alphabet", alphabet, "--template", template]));
        let compare = |one: &str, other: &str| {
            let ask = |prompts: &Vec<u8>, options: &str| {
                json_lines(
                    &dir.infer(
                        prompts.clone(),
                        format!("{options} --name x --quiet").as_str(),
                    )
                    .ok(),
                )
            };
            let expected: Vec<Value> = (ask(&characters, one).into_iter())
                .map(|record| dressed_in_words(record, "x"))
                .collect();
            assert!(expected.len() > 30);
            assert_eq!(ask(&words, other), expected, "{one}");
        };
        for options in ["--method generate", "--method score", "--constrain"] {
            let [one, other] =
                (models.each_ref()).map(|model| format!("--model {model} {options}"));
            compare(&one, &other);
        }
        for builtin in ["nearest", "compress"] {
            let options = format!("--model builtin:{builtin}");
            compare(&options, &options);
        }
    }
}

#[test]
fn what_was_answered_in_words_is_known_again() {
    let dir = Workdir::new();
    let model = model_of_words(&dir, true);
    let prompts = dir.prompts(
        "--suite primitives --shots 1 --trials 2",
        ["--alphabet", WORDS],
    );
    dir.write("prompts.jsonl", &prompts);
    let run = format!("--model {model} prompts.jsonl -o out.jsonl");
    dir.infer("", format!("{run} --quiet").as_str()).ok();
    let again = dir.infer("", format!("{run} --resume").as_str());
    assert!(again.stderr.contains("complete"), "{again}");
    again.loud_ok();
}

#[test]
fn a_symbol_that_is_not_one_token_is_refused_by_its_line() {
    let dir = Workdir::new();
    let trials = dir
        .run("gen-tasks", "--task identity --bits 4 --shots 1 --trials 2")
        .ok();
    let good = dir
        .pipe(trials.clone(), "encode", "--alphabet genomic")
        .ok();
    let bad = dir.pipe(trials, "encode", "--alphabet αβγ").ok();
    let two = [&good[..], &bad].concat();
    dir.write("prompts.jsonl", two);
    let model = fixture_model("tiny-hf");
    let ran = dir.infer("", &format!("--model {model} prompts.jsonl -o out.jsonl"));
    ran.refused(
        1,
        &["prompts.jsonl:3: symbol ", "is not one token of this model"],
    );
    // There is no output, but the two answers before the error are kept.
    assert!(!dir.path("out.jsonl").exists());
    assert!(ran.stderr.contains("2 answers are kept"), "{ran}");
}

#[test]
fn a_prompt_longer_than_the_model_reads_is_refused_with_both_numbers() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--task identity --shots 32 --trials 1",
        "--alphabet linguistic",
    );
    let model = fixture_model("tiny-subset");
    dir.infer(prompts, &format!("--model {model}")).refused(
        1,
        &["stdin:1: prompt and answer are 559 tokens, tiny-subset reads at most 512"],
    );
}

#[test]
fn a_folder_that_is_no_model_is_refused_by_what_it_lacks() {
    let dir = Workdir::new();
    let (_, prompts) = tiny_prompts(&dir).remove(0);
    let refuse = |folder: &str, words: &[&str]| {
        let before = dir.names();
        let ran = dir.infer(prompts.clone(), &format!("--model {folder} -o out.jsonl"));
        ran.refused(3, words);
        assert_eq!(dir.names(), before, "{ran}");
    };
    refuse("gone", &["gone: no such model folder"]);
    for file in [
        "model.onnx",
        "config.json",
        "tokenizer.json",
        "model.onnx.data",
    ] {
        let name = format!("without-{file}");
        let folder = copied(&dir, "tiny-subset", &name);
        fs::remove_file(dir.path(&name).join(file)).unwrap();
        refuse(&folder, &[&name, file]);
    }
    for (file, contents) in [
        ("config.json", "{"),
        ("config.json", "{\"vocab_size\": \"many\"}"),
        ("tokenizer.json", "{}"),
        ("card.json", "{\"params\": \"many\"}"),
        ("model.onnx", "not a graph"),
        ("model.onnx", ""),
    ] {
        let name = format!("bad-{file}-{}", contents.len());
        let folder = copied(&dir, "tiny-hf", &name);
        dir.write(&format!("{name}/{file}"), contents);
        refuse(&folder, &[&name]);
    }
}

#[test]
fn a_graph_of_another_signature_is_refused_with_what_was_found() {
    let dir = Workdir::new();
    let (_, prompts) = tiny_prompts(&dir).remove(0);
    let tokens = [
        onnx_file::value("input_ids", INT64, &["B", "T"]),
        onnx_file::value("attention_mask", INT64, &["B", "S"]),
    ];
    let pixels = onnx_file::model(
        &[onnx_file::node("Identity", &["pixels"], "classes", &[])],
        &[],
        &[onnx_file::value("pixels", FLOAT, &["N"])],
        &[onnx_file::value("classes", FLOAT, &["N"])],
    );
    let no_cache = onnx_file::model(
        &[onnx_file::node(
            "Cast",
            &["input_ids"],
            "logits",
            &[("to", FLOAT)],
        )],
        &[],
        &tokens,
        &[onnx_file::value("logits", FLOAT, &["B", "T"])],
    );
    for (name, graph, words) in [
        (
            "pixels",
            pixels,
            "found inputs pixels, outputs classes; expected input_ids",
        ),
        ("no-cache", no_cache, "has no key/value cache"),
    ] {
        let folder = copied(&dir, "tiny-hf", name);
        dir.write(&format!("{name}/model.onnx"), graph);
        dir.infer(prompts.clone(), &format!("--model {folder}"))
            .refused(3, &[name, words]);
    }
}

/// Runs `infer` with ONNX Runtime searched only at `library`.
fn with_library(dir: &Workdir, library: &str, arguments: &str) -> Ran {
    let mut command = dir.command("infer", arguments);
    command.env("SHOTLINE_ORT_LIB", library);
    Ran::of("infer", command.write_stdin("{}"))
}

#[test]
fn a_runtime_that_is_not_there_or_is_none_is_named() {
    let dir = Workdir::new();
    let model = fixture_model("tiny-hf");
    let asked = format!("--model {model}");
    with_library(&dir, "/no/such/lib.so", &asked).refused(3, &["SHOTLINE_ORT_LIB=/no/such/lib.so"]);
    dir.write("fake.so", "no library");
    let fake = dir.path("fake.so").display().to_string();
    with_library(&dir, &fake, &asked).refused(
        3,
        &[
            "fake.so",
            "cannot be used as ONNX Runtime",
            "file too short",
        ],
    );
    with_library(&dir, "", &format!("{asked} --ort-lib gone.so"))
        .refused(3, &["--ort-lib gone.so"]);
    // Baselines need no runtime.
    let prompts = dir.prompts("--task identity --shots 1 --trials 1", "--alphabet genomic");
    let mut command = dir.command("infer", "--model builtin:copy");
    command.env("SHOTLINE_ORT_LIB", "/no/such/lib.so");
    Ran::of("infer", command.write_stdin(prompts)).ok();
}

#[test]
fn cuda_works_or_says_what_is_missing_and_is_never_replaced_in_silence() {
    let dir = Workdir::new();
    let (_, prompts) = tiny_prompts(&dir).remove(0);
    let model = fixture_model("tiny-hf");
    let cuda = dir.infer(
        prompts.clone(),
        &format!("--model {model} --device cuda -o cuda.jsonl"),
    );
    let auto = dir.infer(
        prompts.clone(),
        &format!("--model {model} --device auto -o auto.jsonl"),
    );
    let device = |file: &str| -> String {
        let chain: Value = serde_json::from_slice(&dir.read(file)).unwrap();
        text(chain.as_array().unwrap().last().unwrap(), "device").to_owned()
    };
    let taken = device("auto.jsonl.provenance.json");
    assert!(
        auto.stderr.contains(&format!("infer: device: {taken}\n")),
        "{auto}"
    );
    assert_eq!(auto.code, 0, "{auto}");
    if cuda.code == 0 {
        assert_eq!(device("cuda.jsonl.provenance.json"), "cuda:0");
        assert_eq!(taken, "cuda:0");
        let expected = model_answers(&dir, &prompts, "tiny-hf", "");
        assert_eq!(
            essence(&json_lines(&dir.read("cuda.jsonl"))),
            essence(&expected)
        );
    } else {
        cuda.refused(3, &["cuda:0 cannot be used: "]);
        let missing = cuda.stderr.split("cannot be used: ").nth(1).unwrap().trim();
        assert!(missing.len() > 10, "{missing}");
        assert!(taken.starts_with("cpu (cuda:0 cannot be used: "), "{taken}");
        assert!(!dir.path("cuda.jsonl").exists());
        dir.infer("", "--doctor --device cuda")
            .refused(3, &["--doctor"]);
    }
}

#[test]
fn the_doctor_and_the_version_say_which_runtime_there_is() {
    let dir = Workdir::new();
    let report = String::from_utf8(dir.infer("", "--doctor").ok()).unwrap();
    let auto = String::from_utf8(dir.infer("", "--doctor --device auto").ok()).unwrap();
    for part in [
        "ONNX Runtime",
        "CPUExecutionProvider",
        "--device auto takes",
    ] {
        assert!(report.contains(part), "{part}: {report}");
        assert!(auto.contains(part), "{part}: {auto}");
    }
    // The report for the CPU does not list the libraries of a GPU.
    for library in ["libcuda.so.1", "libcudnn.so"] {
        assert!(auto.contains(library), "{library}: {auto}");
        assert!(
            !report.contains(&format!("{library} ")),
            "{library}: {report}"
        );
    }
    assert!(!report.contains("missing ("), "{report}");
    let verdict = report.lines().last().unwrap();
    assert!(verdict.starts_with("CPU: works. CUDA: "), "{report}");
    if !auto.contains("libcuda.so.1                             found") {
        assert_eq!(verdict, "CPU: works. CUDA: not usable: no driver.");
    }
    let version = String::from_utf8(dir.infer("", "--version").ok()).unwrap();
    let (_, runtime) = version.split_once("ONNX Runtime ").unwrap();
    let runtime = runtime.strip_suffix(")\n").unwrap();
    assert!(
        runtime.starts_with("1.") && report.contains(runtime),
        "{version}{report}"
    );
    let without = with_library(&dir, "/no/such/lib.so", "--version");
    assert!(
        without.stdout.ends_with(b"ONNX Runtime none found)\n"),
        "{without}"
    );
    let sick = with_library(&dir, "/no/such/lib.so", "--doctor");
    sick.refused(3, &["--doctor"]);
    let report = String::from_utf8(sick.stdout).unwrap();
    assert!(
        report.contains("not usable: SHOTLINE_ORT_LIB=/no/such/lib.so"),
        "{report}"
    );
    assert!(
        report
            .ends_with("\nCPU: not usable: no ONNX Runtime. CUDA: not usable: no ONNX Runtime.\n"),
        "{report}"
    );
}

#[test]
fn what_infer_cannot_do_is_a_usage_error() {
    let dir = Workdir::new();
    for (arguments, words) in [
        ("", ["--model", "required"]),
        (
            "--model builtin:oracle",
            [
                "builtin:oracle",
                "builtin:mode, nearest, copy, bayes or compress",
            ],
        ),
        (
            "--model builtin:bayes --suite gone.txt",
            ["--suite gone.txt", "neither `paper`"],
        ),
        (
            "--model builtin:mode --params none",
            ["expected a positive number, as 7e9", "none"],
        ),
        (
            "--model builtin:mode --params=-1",
            ["expected a positive number", "-1"],
        ),
        (
            "--model builtin:mode --device gpu",
            ["\"gpu\"", "expected cpu, cuda, cuda:N or auto"],
        ),
        (
            "--model builtin:mode --device cuda",
            ["--device", "a baseline runs on the CPU"],
        ),
        ("--model builtin:mode --method guess", ["guess", "generate"]),
        (
            "--model builtin:mode --to csv",
            ["a prediction has lists", "CSV cannot hold"],
        ),
    ] {
        let prompts = dir.prompts("--task identity --shots 1 --trials 1", "--alphabet genomic");
        dir.pipe(prompts, "infer", arguments).refused(2, &words);
    }
}

#[test]
fn a_real_model_answers_the_same_by_both_methods_and_in_one_nested_pass() {
    let dir = Workdir::new();
    let model = format!("--quiet --model {}", smollm2());
    let ask = |prompts: &[u8], arguments: &str| {
        json_lines(&dir.infer(prompts, &format!("{model} {arguments}")).ok())
    };
    let prompts = dir.prompts(
        "--task identity --task spread_first_bit --shots 1,4 --trials 2",
        ["--alphabet", "linguistic", "--template", "{x}>{y}\\n"],
    );
    let scored = ask(&prompts, "--method score");
    let generated = ask(&prompts, "--method generate");
    assert_eq!(scored.len(), 8);
    assert_eq!(essence(&scored), essence(&generated));
    for p in &scored {
        assert_eq!(
            (text(p, "model"), text(p, "modality")),
            ("SmolLM2-135M-Instruct", "linguistic")
        );
        assert_eq!(p["params"], json!(134_515_008.0));
        assert!(p["answer_logprob"].as_f64().unwrap() < 0.0);
        assert_eq!(text(p, "output").chars().count(), 8);
    }
    // The model understands the format: most answers are eight of the two symbols.
    assert!(
        scored
            .iter()
            .filter(|p| p["malformed"] == json!(false))
            .count()
            >= 5,
        "{scored:?}"
    );

    let nested = dir.prompts(
        "--task identity --design nested --shots 1,2,4 --trials 2",
        "--alphabet linguistic",
    );
    let nested = ask(&nested, "");
    assert_eq!(nested.len(), 6);
    check_against_separate(&nested, |prompts| ask(prompts, ""));

    let table = dir
        .pipe(to_lines(&scored), "score", "--replicates 200")
        .ok();
    let rows = csv_rows(&table);
    let cells: HashSet<&String> = rows.iter().map(|row| &row["shots"]).collect();
    assert_eq!((rows.len(), cells.len()), (2, 2));
    for row in &rows {
        let shots: usize = row["shots"].parse().unwrap();
        let right = scored
            .iter()
            .filter(|p| int(p, "shots") == shots && p["correct"] == json!(true))
            .count();
        assert_close(number(row, "accuracy"), float(right) / 4.0, 1e-12);
        assert!(number(row, "answer_logprob") < 0.0);
    }
}

/// A model over bytes. After a `3`, its logits are infinite. After other bytes they are finite, and largest for `3`.
fn faulty(dir: &Workdir) -> String {
    use onnx_file::{floats, integers, model, node, value};
    let cache = |prefix: &str, length: &str| {
        ["key", "value"].map(|part| {
            let name = format!("{prefix}.0.{part}");
            value(&name, FLOAT, &["B", "1", length, "1"])
        })
    };
    let mut row = [1.0; 256];
    row[usize::from(b'3')] = 2.0;
    let mut nodes = vec![
        node("Cast", &["input_ids"], "token", &[("to", FLOAT)]),
        node("Unsqueeze", &["token", "head_and_width"], "kept", &[]),
        node("Unsqueeze", &["token", "width"], "column", &[]),
        node("Sub", &["column", "three"], "off", &[]),
        node("Abs", &["off"], "distance", &[]),
        node("Div", &["row", "distance"], "logits", &[]),
    ];
    for part in ["key", "value"] {
        let (past, present) = (
            format!("past_key_values.0.{part}"),
            format!("present.0.{part}"),
        );
        nodes.push(node("Concat", &[&past, "kept"], &present, &[("axis", 2)]));
    }
    let graph = model(
        &nodes,
        &[
            integers("head_and_width", &[1, 3]),
            integers("width", &[2]),
            floats("three", &[1], &[f32::from(b'3')]),
            floats("row", &[1, 1, 256], &row),
        ],
        &[
            vec![
                value("input_ids", INT64, &["B", "T"]),
                value("attention_mask", INT64, &["B", "S"]),
            ],
            cache("past_key_values", "P").to_vec(),
        ]
        .concat(),
        &[
            vec![value("logits", FLOAT, &["B", "T", "V"])],
            cache("present", "S").to_vec(),
        ]
        .concat(),
    );
    fs::create_dir(dir.path("faulty")).unwrap();
    dir.write("faulty/model.onnx", graph);
    dir.write("faulty/config.json", r#"{"vocab_size": 256}"#);
    dir.write("faulty/card.json", r#"{"vocabulary": "bytes"}"#);
    dir.path("faulty").display().to_string()
}

#[test]
fn logits_that_are_no_numbers_make_malformed_records_and_a_failure_at_the_end() {
    let dir = Workdir::new();
    let model = faulty(&dir);
    // One bit is written as 3. After the first 3, from the model or the prompt, there is no next symbol.
    dir.write(
        "prompts.jsonl",
        dir.prompts(
            "--task identity --shots 2 --trials 12",
            "--alphabet 34 --template {x}>{y};",
        ),
    );
    for method in ["score", "generate"] {
        let ran = dir.infer(
            "",
            &format!("--model {model} --method {method} prompts.jsonl -o out.jsonl"),
        );
        assert_eq!(ran.code, 1, "{ran}");
        assert!(
            ran.stderr
                .contains("faulty: 12 of 12 answers are malformed because the model's logits"),
            "{ran}"
        );
        let records = json_lines(&dir.read("out.jsonl"));
        assert_eq!(records.len(), 12);
        for record in &records {
            // > differs from 3 by 11. After it the model answers 3, and then nothing.
            assert_eq!(text(record, "output"), "3", "{method}");
            assert_eq!(
                (&record["malformed"], &record["correct"]),
                (&json!(true), &json!(false))
            );
            assert_eq!(record["answer_logprob"], Value::Null);
        }
    }
    assert!(!dir.path("out.jsonl.partial").exists());
}

/// Predictions must not depend on the batch size, except for margins and log-probabilities, which rounding changes.
#[test]
fn no_batch_changes_an_answer() {
    let dir = Workdir::new();
    for (name, prompts) in tiny_prompts(&dir) {
        for model in ["tiny-hf", "tiny-subset"] {
            for method in ["score", "generate", "score --complete none"] {
                let ask = |tokens: u32| {
                    let arguments = format!("--method {method} --batch-tokens {tokens}");
                    model_answers(&dir, &prompts, model, &arguments)
                };
                let alone = ask(1);
                let in_pieces = |tokens: u32| {
                    let arguments =
                        format!("--method {method} --batch-tokens 200 --prefill-chunk {tokens}");
                    model_answers(&dir, &prompts, model, &arguments)
                };
                for tokens in [1, 7, 40] {
                    assert_eq!(
                        essence(&in_pieces(tokens)),
                        essence(&alone),
                        "{name} {model} {method} in pieces of {tokens}"
                    );
                }
                for tokens in [40, 200, 100_000] {
                    assert_eq!(
                        essence(&ask(tokens)),
                        essence(&alone),
                        "{name} {model} {method} {tokens}"
                    );
                }
            }
        }
    }
}
