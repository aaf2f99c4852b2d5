//! `fit-loglinear --shape` against scipy (`tests/oracle/make_shape_fixtures.py`), and its tests under a true line.
//!
//! Tolerances: scipy's searches end within 1e-6 of the greatest likelihood, so that ours may be above theirs by that, and
//! never below; what functions left out are worth hangs on where each search ends, which where probabilities are clipped is
//! 2e-5 nats apart: 1e-4, a hundredth of the errors. Lack of fit and
//! curvature are sums: 1e-9 relative.

mod common;

use common::Workdir;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use shotline::stats::lack_of_fit;
use std::fmt::Write as _;

fn fixture() -> Value {
    let path = common::repository("tests/fixtures/stats/shapes.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Predictions of which as many are right as a set says.
fn predictions(set: &Value) -> String {
    let mut lines = String::new();
    for (function, hits) in set["hits"].as_array().unwrap().iter().enumerate() {
        for (shots, hits) in set["shots"]
            .as_array()
            .unwrap()
            .iter()
            .zip(hits.as_array().unwrap())
        {
            for trial in 0..set["trials"].as_u64().unwrap() {
                let correct = trial < hits.as_u64().unwrap();
                let line = json!({
                    "trial_id": format!("f{function}/n{shots}/t{trial}"), "function": format!("f{function}"),
                    "bits": 8, "condition": "clean", "shots": shots, "trial": trial, "design": "independent",
                    "query": "00000000", "target": "01010101", "model": "m", "correct": correct,
                    "prediction": if correct { "01010101" } else { "01010100" },
                });
                writeln!(lines, "{line}").unwrap();
            }
        }
    }
    lines
}

fn assert_close(got: &Value, expected: &Value, tolerance: f64, what: &str) {
    match (got.as_f64(), expected.as_f64()) {
        (Some(got), Some(expected)) => {
            let within = (got - expected).abs() <= tolerance * expected.abs().max(1.0);
            assert!(within, "{what}: {got}, but {expected}");
        }
        _ => assert_eq!(got, expected, "{what}"),
    }
}

#[test]
fn shapes_are_those_of_scipy() {
    let dir = Workdir::new();
    for set in fixture()["sets"].as_array().unwrap() {
        let ran = dir.pipe(predictions(set), "fit-loglinear", "--shape --to jsonl");
        let rows: Vec<Value> = common::json_lines(&ran.loud_ok());
        let expected = set["rows"].as_array().unwrap();
        assert_eq!(rows.len(), expected.len(), "{}", set["name"]);
        for (row, expected) in rows.iter().zip(expected) {
            let what = format!("{}: {}", set["name"], expected["shape"]);
            assert_eq!(row["shape"], expected["shape"], "{what}");
            let [ours, theirs] = [row, expected].map(|row| row["log_likelihood"].as_f64().unwrap());
            assert!(
                (-1e-9..1e-6).contains(&(ours - theirs)),
                "{what}: {ours}, but {theirs}"
            );
            assert_close(&row["log_score"], &expected["log_score"], 1e-4, &what);
            assert_close(&row["gain"], &expected["gain"], 1e-4, &what);
            assert_close(&row["gain_se"], &expected["gain_se"], 1e-4, &what);
            for (at, name) in ["a", "b", "d"].into_iter().enumerate() {
                // What a saturating curve's likelihood hardly tells is left open.
                if expected["shape"] != "saturating" {
                    assert_close(&row[name], &expected["coefficients"][at], 1e-4, &what);
                }
            }
            for name in ["f", "df1", "df2", "p"] {
                assert_close(
                    &row[name],
                    &expected["test"][name],
                    1e-9,
                    &format!("{what}: {name}"),
                );
            }
            for name in ["curvature", "curvature_se", "p_curvature"] {
                assert_close(
                    &row[name],
                    &expected[name],
                    1e-9,
                    &format!("{what}: {name}"),
                );
            }
        }
    }
}

#[test]
fn shapes_with_as_many_parameters_as_shot_counts_are_left_out_by_name() {
    let dir = Workdir::new();
    let sets = fixture()["sets"].clone();
    let three = predictions(&sets[4]);
    let ran = dir.pipe(three.as_str(), "fit-loglinear", "--shape");
    assert!(
        ran.stderr.contains(
            "model \"m\": too few shot counts for the shapes saturating, break, left out"
        ),
        "{ran}"
    );
    let of_two = |line: &&str| !line.contains("/n4/");
    let two: String = three.split_inclusive('\n').filter(of_two).collect();
    dir.pipe(two, "fit-loglinear", "--shape").refused(
        1,
        &["model \"m\": a shape needs three shot counts above 0, found 2"],
    );
    dir.pipe(
        "model,shots,accuracy\na,1,.1\na,2,.2\na,4,.3\n",
        "fit-loglinear",
        "--shape",
    )
    .refused(2, &["--shape: these are scores; give the predictions"]);
}

/// A number in [0, 1).
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.next_u32()) / 4_294_967_296.0
}

/// The profiles of 100 functions whose mean accuracies are on a line in ln(shots). A function's level is off by an amount
/// of its own; nested, one number decides a trial at every shot count.
fn profiles(rng: &mut ChaCha8Rng, shots: &[f64], trials: u32, is_nested: bool) -> Vec<Vec<f64>> {
    let function = |rng: &mut ChaCha8Rng| {
        let level = 0.2 * (uniform(rng) - 0.5);
        let p: Vec<f64> = shots.iter().map(|n| 0.2 + 0.08 * n.ln() + level).collect();
        let mut hits = vec![0.0; shots.len()];
        for _ in 0..trials {
            let one = uniform(rng);
            for (hits, p) in hits.iter_mut().zip(&p) {
                let drawn = if is_nested { one } else { uniform(rng) };
                *hits += f64::from(u8::from(drawn < *p));
            }
        }
        hits.iter().map(|hits| hits / f64::from(trials)).collect()
    };
    (0..100).map(|_| function(rng)).collect()
}

/// Under a true line p is uniform: its greatest distance from that, after Kolmogorov and Smirnov, stays below the value
/// that one of ten thousand such tests exceeds, 2.23 / sqrt(simulations). The seed is fixed.
#[test]
fn under_a_true_line_every_p_is_as_likely() {
    const SIMULATIONS: u32 = 1000;
    let shots = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0_f64];
    let terms: Vec<Vec<f64>> = shots.iter().map(|n| vec![1.0, n.ln()]).collect();
    let bent: Vec<Vec<f64>> = shots.iter().map(|n| vec![1.0, n.ln()]).take(3).collect();
    for (seed, (trials, is_nested)) in [(8, false), (8, true), (128, false), (128, true)]
        .into_iter()
        .enumerate()
    {
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let (mut p_all, mut p_one) = (Vec::new(), Vec::new());
        for _ in 0..SIMULATIONS {
            let drawn = profiles(&mut rng, &shots, trials, is_nested);
            p_all.push(lack_of_fit(&drawn, &terms).unwrap().p);
            // Three points, one degree of freedom: curvature.
            let first: Vec<Vec<f64>> = drawn.iter().map(|profile| profile[..3].to_vec()).collect();
            p_one.push(lack_of_fit(&first, &bent).unwrap().p);
        }
        for mut p in [p_all, p_one] {
            p.sort_by(f64::total_cmp);
            let n = f64::from(SIMULATIONS);
            let distance = (0u32..).zip(&p).fold(0.0, |most: f64, (at, p)| {
                let (low, high) = (f64::from(at) / n, f64::from(at + 1) / n);
                most.max(p - low).max(high - p)
            });
            assert!(
                distance < 2.23 / n.sqrt(),
                "{trials} {is_nested}: {distance}"
            );
        }
    }
}
