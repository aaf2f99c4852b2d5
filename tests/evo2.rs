//! A tiny Evo 2 with random weights, all four kinds of layer in it, through `infer`: the same answers as vortex, its reference
//! implementation, whichever way they are found.

mod common;

use common::{Workdir, fixture_model, json_lines, repository, text, to_lines};
use serde_json::{Value, json};
use std::fs;

/// Where vortex's own best two logits are nearer than this, rounding may decide.
const NOISE: f64 = 1e-3;

fn fixture() -> Value {
    let bytes = fs::read(repository("tests/fixtures/models/tiny-evo2.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn answers(dir: &Workdir, prompts: &[u8], more: &str) -> Vec<Value> {
    let model = fixture_model("tiny-evo2");
    let arguments = format!("--model {model} --quiet {more}");
    json_lines(&dir.infer(prompts, &arguments).ok())
}

/// What must not depend on how an answer is found.
fn essence(predictions: &[Value]) -> Vec<[&Value; 5]> {
    let columns = ["trial_id", "output", "prediction", "correct", "malformed"];
    predictions.iter().map(|p| columns.map(|c| &p[c])).collect()
}

/// A prompt record whose text is this, whatever it means.
fn record(number: usize, prompt: &str) -> Value {
    json!({
        "trial_id": format!("p{number}"), "function": "identity", "bits": 8, "condition": "clean", "shots": 1, "trial": 0,
        "seed": 0, "design": "independent", "constant": null, "inputs": ["00000001"], "outputs": ["00000001"],
        "query": "00000000", "target": "00000000", "unchanged": null, "eval_shots": null, "encoding": "genomic",
        "template": "{x}{y}{sep}", "prefix": "", "zero": "A", "one": "C", "separator": "G", "prompt": prompt,
        "answer": "AAAAAAAA", "answer_starts": null
    })
}

#[test]
fn it_goes_on_as_vortex_does() {
    let dir = Workdir::new();
    let fixture = fixture();
    let rows = fixture["prompts"].as_array().unwrap();
    let records: Vec<Value> = (rows.iter().enumerate())
        .map(|(number, row)| record(number, text(row, "prompt")))
        .collect();
    let records = to_lines(&records);
    for more in [
        "--method generate",
        "--method score",
        "--method generate --batch-tokens 1",
        "--method score --batch-tokens 100000",
    ] {
        let found = answers(&dir, &records, more);
        assert_eq!(found.len(), rows.len());
        for (answer, row) in found.iter().zip(rows) {
            let margins: Vec<f64> = serde_json::from_value(row["margins"].clone()).unwrap();
            let sure = margins.iter().take_while(|&&margin| margin > NOISE).count();
            assert!(sure >= 6, "{margins:?}");
            let (output, expected) = (text(answer, "output"), text(row, "text"));
            assert_eq!(output[..sure], expected[..sure], "{more} {}", row["prompt"]);
            let least = margins.iter().copied().fold(f64::INFINITY, f64::min);
            let margin = answer["margin"].as_f64().unwrap();
            assert!((margin - least).abs() < NOISE, "{margin} {least}");
        }
    }
}

#[test]
fn methods_batches_and_nested_passes_agree() {
    let dir = Workdir::new();
    let grid = "--task identity --task flip_bits --bits 4 --trials 4";
    let prompts = dir.prompts(&format!("{grid} --shots 1,2,6"), "--alphabet genomic");
    let nested = dir.prompts(
        &format!("{grid} --design nested --shots 1,2,6,12"),
        "--alphabet genomic",
    );
    for prompts in [prompts, nested] {
        let alone = answers(&dir, &prompts, "--batch-tokens 1");
        // A random model is hardly ever right, so that decoding has something to do.
        let wrong = alone
            .iter()
            .filter(|p| p["correct"] == json!(false))
            .count();
        assert!(wrong * 2 > alone.len());
        for more in [
            "--method generate --batch-tokens 1",
            "--method generate",
            "--method score",
            "--method score --batch-tokens 150",
        ] {
            let found = answers(&dir, &prompts, more);
            assert_eq!(essence(&found), essence(&alone), "{more}");
        }
        let short = answers(&dir, &prompts, "--complete none");
        for (short, whole) in short.iter().zip(&alone) {
            assert_eq!(short["correct"], whole["correct"]);
            assert!(text(whole, "output").starts_with(text(short, "output")));
        }
    }
}

#[test]
fn a_nested_pass_gives_what_separate_prompts_give() {
    let dir = Workdir::new();
    let nested = dir.prompts(
        "--task reverse_bits --design nested --shots 1,3,9 --trials 3",
        "--alphabet genomic",
    );
    let together = answers(&dir, &nested, "");
    assert_eq!(together.len(), 9);
    // Each prediction holds the prompt that it answers: asked alone, it gets the same answer.
    let separate: Vec<Value> = (together.iter().enumerate())
        .map(|(number, point)| {
            let mut prompt = record(number, text(point, "prompt"));
            for column in [
                "zero",
                "one",
                "separator",
                "query",
                "target",
                "answer",
                "inputs",
                "outputs",
                "shots",
            ] {
                prompt[column] = point[column].clone();
            }
            prompt
        })
        .collect();
    let separate = answers(&dir, &to_lines(&separate), "");
    for (one, other) in together.iter().zip(&separate) {
        for column in ["output", "correct", "prediction"] {
            assert_eq!(one[column], other[column], "{}", one["trial_id"]);
        }
        let logprob = |record: &Value| record["answer_logprob"].as_f64().unwrap();
        assert!((logprob(one) - logprob(other)).abs() < NOISE);
    }
}
