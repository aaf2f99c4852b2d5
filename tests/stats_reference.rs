//! The numbers against independent implementations: `tests/oracle/make_stats_fixtures.py` computed them with numpy,
//! scipy, statsmodels and mpmath, and with functions written again on strings.
//!
//! Tolerances: sums of a few hundred terms lose a few units in the 16th digit, and least squares some more if residuals
//! are small (at worst 1e-3 of the values here). So 1e-10 relative is far above rounding and far below any mistake. A
//! number that may cancel to about 0 has an absolute tolerance by the numbers it comes from. Bootstraps were repeated
//! with another generator: they agree within five standard errors of many replicates.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shotline::error::counted;
use shotline::program::{Bits, Program, measures};
use shotline::stats::{
    Attenuation, Beta, Group, Halves, Line, benjamini_hochberg, clustered_line, holm, line,
    one_sided_p, paired, quantile, sign_flip_test, spearman, standard_deviation, z_difference,
};
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

const RELATIVE: f64 = 1e-10;
/// Enough to show a tie that is counted on the wrong side. 5000 have too large errors for that.
const REPLICATES: &str = "200000";
/// One over the replicates here plus one over those of the fixture, because their variances add.
const INVERSE: f64 = 1.0 / 200_000.0 + 1.0 / 100_000.0;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn fixture(name: &str) -> Value {
    let path = fixtures().join("stats").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    let list = value[key]
        .as_array()
        .unwrap_or_else(|| panic!("no list {key}"));
    assert!(!list.is_empty(), "{key} is empty");
    list
}

fn number(value: &Value, key: &str) -> f64 {
    value[key]
        .as_f64()
        .unwrap_or_else(|| panic!("no number {key} in {value}"))
}

fn numbers(value: &Value, key: &str) -> Vec<f64> {
    list(value, key)
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

/// Close relatively, or absolutely within `absolute`.
#[track_caller]
fn assert_close(got: f64, expected: f64, absolute: f64, what: &str) {
    let tolerance = absolute.max(RELATIVE * expected.abs());
    assert!(
        (got - expected).abs() <= tolerance,
        "{what}: {got:e}, but {expected:e} was expected"
    );
}

#[track_caller]
fn assert_within(got: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (got - expected).abs() <= tolerance,
        "{what}: {got}, but {expected} +- {tolerance} was expected"
    );
}

/// Numbers with the names of the fixture's, each with an absolute tolerance.
#[track_caller]
fn assert_all(got: &[(&str, f64, f64)], expected: &Value, what: &str) {
    for &(name, got, absolute) in got {
        let what = format!("{what}, {name}");
        assert_close(got, number(expected, name), absolute, &what);
    }
}

/// The rows that one of our programs writes as JSON lines, and its stderr.
fn run_aloud(program: &str, args: &[&str]) -> (Vec<Value>, String) {
    let output = Command::new(program)
        .args(["--to", "jsonl"])
        .args(args)
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{program}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (rows.collect(), errors)
}

fn run(program: &str, args: &[&str]) -> Vec<Value> {
    run_aloud(program, args).0
}

const FIT: &str = env!("CARGO_BIN_EXE_fit-loglinear");
const SCORE: &str = env!("CARGO_BIN_EXE_score");
const CONTRAST: &str = env!("CARGO_BIN_EXE_contrast");
const GEN_TASKS: &str = env!("CARGO_BIN_EXE_gen-tasks");

#[track_caller]
fn assert_line(fit: &Line, expected: &Value, what: &str) {
    let test = fit.test.unwrap();
    // Accuracies are of the order of 0.1, and an intercept or slope may be far smaller; r2 is
    // 1 minus a ratio of sums, so what it keeps is absolute.
    let within = [
        ("a0", fit.a0, 1e-13),
        ("a0_se", test.a0_se, 0.0),
        ("a1", fit.a1, 1e-13),
        ("a1_se", test.a1_se, 0.0),
        ("t", test.t.unwrap(), 1e-11),
        ("df", f64::from(test.df), 0.0),
        ("p", test.p.unwrap(), 0.0),
        ("r2", fit.r2.unwrap(), 1e-13),
    ];
    assert_all(&within, expected, what);
}

#[test]
fn lines_are_those_of_statsmodels() {
    let all = fixture("numbers.json");
    assert_eq!(list(&all, "lines").len(), 20);
    for (i, set) in list(&all, "lines").iter().enumerate() {
        let x: Vec<f64> = numbers(set, "shots").iter().map(|n| n.ln()).collect();
        let fit = line(&x, &numbers(set, "y")).unwrap();
        assert_line(&fit, &set["fit"], &format!("data set {i}"));
    }
}

/// Of these very floats in 40 digits: whether the line explains something, and whether it leaves something.
#[test]
fn flat_points_have_no_error_and_perfect_fits_have_none_but_zero() {
    let all = fixture("numbers.json");
    let mut kinds = [0; 3];
    for (i, set) in list(&all, "zeros").iter().enumerate() {
        let x: Vec<f64> = numbers(set, "shots").iter().map(|n| n.ln()).collect();
        let fit = line(&x, &numbers(set, "y")).unwrap();
        let what = format!("set {i}, {}", set["kind"]);
        assert_all(&[("a0", fit.a0, 1e-13), ("a1", fit.a1, 1e-13)], set, &what);
        let test = fit.test.map(|t| (t.a0_se, t.a1_se, t.t.zip(t.p)));
        match set["kind"].as_str().unwrap() {
            "flat" => {
                assert_eq!((test, fit.r2), (None, None), "{what}");
                assert_eq!(fit.a1.to_bits(), 0.0f64.to_bits(), "{what}");
                kinds[0] += 1;
            }
            "perfect" => {
                assert_eq!(
                    (test, fit.r2),
                    (Some((0.0, 0.0, None)), Some(1.0)),
                    "{what}"
                );
                kinds[1] += 1;
            }
            _ => {
                let (_, a1_se, tested) = test.unwrap();
                assert!(
                    a1_se > 0.0 && tested.is_some() && fit.r2.unwrap() < 1.0,
                    "{what}"
                );
                kinds[2] += 1;
            }
        }
    }
    assert!(kinds.iter().all(|&n| n > 10), "{kinds:?}");
}

#[test]
fn table_4_is_fitted_as_by_statsmodels() {
    let table = fixtures().join("paper/table4.csv");
    let fits = run(FIT, &[table.to_str().unwrap()]);
    let all = fixture("numbers.json");
    let models = all["table4"].as_object().unwrap();
    assert_eq!(fits.len(), models.len());
    assert_eq!(fits.len(), 8);
    for fit in &fits {
        let model = fit["model"].as_str().unwrap();
        let columns = ["a0", "a0_se", "a1", "a1_se", "t", "df", "p", "r2"];
        let got = columns.map(|name| (name, number(fit, name), 1e-14));
        assert_all(&got, &models[model], model);
        assert_eq!(fit["points"], json!(8), "{model}");
    }
}

#[test]
fn normal_tails_are_right_to_the_end() {
    let all = fixture("numbers.json");
    let mut smallest = 1.0f64;
    for row in list(&all, "normal") {
        let (z, p) = (number(row, "z"), number(row, "p"));
        assert_close(one_sided_p(z), p, 0.0, &format!("z = {z}"));
        smallest = smallest.min(p);
    }
    assert!(smallest < 1e-300, "the far tail is among the fixtures");
}

/// The tail that `line` takes its p from.
#[test]
fn student_tails_are_right_to_the_end() {
    for row in list(&fixture("numbers.json"), "student") {
        let student = StudentsT::new(0.0, 1.0, number(row, "df")).unwrap();
        let p = student.sf(number(row, "t"));
        assert_all(&[("p", p, 0.0)], row, &row.to_string());
    }
}

#[test]
fn quantiles_and_deviations_are_numpys() {
    for (i, set) in list(&fixture("numbers.json"), "spreads").iter().enumerate() {
        let values = numbers(set, "values");
        let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        // An interpolation between values of both signs may be near 0. The mean is known to 1e-16 of the largest value,
        // and so is a deviation from it.
        let absolute = 1e-15 * largest;
        for row in list(set, "quantiles") {
            let got = quantile(&values, number(row, "q")).unwrap();
            assert_all(&[("value", got, absolute)], row, &format!("set {i}, {row}"));
        }
        for (ddof, name) in ["sd0", "sd1"].into_iter().enumerate() {
            match standard_deviation(&values, ddof) {
                Some(sd) => assert_all(&[(name, sd, absolute)], set, &format!("set {i}")),
                None => assert!(ddof == 1 && set[name].is_null(), "set {i}"),
            }
        }
    }
}

#[test]
fn differences_of_estimates_are_numpys() {
    for row in list(&fixture("numbers.json"), "differences") {
        let [a, a_se, b, b_se] = ["a", "a_se", "b", "b_se"].map(|name| number(row, name));
        let z = z_difference(a, a_se, b, b_se).unwrap();
        assert_close(z, number(row, "z"), 1e-13, "z");
    }
}

/// Other functions at every shot count: they are drawn by name, once for all.
#[test]
fn bootstraps_of_partial_curves_are_those_of_numpy() {
    let all = fixture("partial.json");
    let path = fixtures().join("stats/partial.jsonl");
    let arguments = [
        "--allow-partial",
        "--replicates",
        REPLICATES,
        path.to_str().unwrap(),
    ];
    let replicates: f64 = REPLICATES.parse().unwrap();
    // The share that stderr says is left out at a place.
    let left_out = |said: &str, place: &str| -> f64 {
        let line = said.lines().find(|line| line.contains(place)).unwrap();
        let (_, rest) = line.split_once(place).unwrap();
        let count: f64 = rest
            .split_whitespace()
            .find_map(|word| word.parse().ok())
            .unwrap();
        count / replicates
    };
    let (rows, said) = run_aloud(SCORE, &arguments);
    assert_eq!(rows.len(), 3);
    for (row, expected) in rows.iter().zip(list(&all, "cells")) {
        let shots = counted(&expected["shots"], "shot");
        let place = format!("model \"partial\", {shots}: ");
        let (accuracy, se) = (number(expected, "accuracy"), number(expected, "se"));
        assert_eq!(row["shots"], expected["shots"]);
        assert_close(number(row, "accuracy"), accuracy, 0.0, &place);
        assert_within(number(row, "se"), se, sd_tolerance(se), &place);
        let missing = number(expected, "missing");
        let found = left_out(&said, &place);
        assert_within(found, missing, share_tolerance(missing), &place);
        // Means of few trials lie apart.
        assert_interval(row, "ci", expected, quantile_tolerance(se, 0.01));
    }
    let (fits, said) = run_aloud(FIT, &arguments);
    let (fit, expected) = (&fits[0], &all["fit"]);
    let missing = number(expected, "missing");
    let found = left_out(&said, "model \"partial\": ");
    assert_within(found, missing, share_tolerance(missing), "left out");
    let sd = number(expected, "a1_sd");
    assert_interval(fit, "a1_ci", expected, quantile_tolerance(sd, 0.0));
}

/// The ends of an interval, in the columns `NAME_low` and `NAME_high`, against those of the fixture.
#[track_caller]
fn assert_interval(row: &Value, name: &str, expected: &Value, tolerance: f64) {
    for (end, bound) in ["low", "high"].into_iter().zip(numbers(expected, name)) {
        let got = number(row, &format!("{name}_{end}"));
        assert_within(got, bound, tolerance, &format!("{name}_{end} of {row}"));
    }
}

fn bits(text: &str) -> Bits {
    text.parse().unwrap()
}

/// Every output of a program, as text.
fn table_text(program: &Program, width: u32, constant: u16) -> String {
    program
        .table(width, constant)
        .into_iter()
        .fold(String::new(), |mut text, y| {
            writeln!(text, "{}", Bits::new(y, width)).unwrap();
            text
        })
}

#[test]
fn functions_are_those_written_on_strings() {
    let all = fixture("functions.json");
    let rows = list(&all, "rows");
    assert_eq!(rows.len(), 200);
    for row in rows {
        let name = row["function"].as_str().unwrap();
        let width = u32::try_from(row["bits"].as_u64().unwrap()).unwrap();
        let program: Program = name.parse().unwrap();
        let alternating = bits(&"10".repeat(8)[..width as usize]).value();
        let mut digest = Sha256::new();
        for constant in [1, alternating] {
            digest.update(table_text(&program, width, constant));
        }
        let digest = digest.finalize();
        let digest = digest
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let what = format!("{name} at {width} bits");
        assert_eq!(row["text_sha256"], json!(digest), "{what}");
        let bitload = measures(&program, width).bitload;
        assert_eq!(row["bitload"], json!(bitload), "{what}");
    }
}

#[test]
fn listings_are_those_of_the_functions_on_strings() {
    let all = fixture("functions.json");
    for width in [8, 5] {
        let listed = run(GEN_TASKS, &["--list", "--bits", &width.to_string()]);
        let expected: Vec<&Value> = list(&all, "rows")
            .iter()
            .filter(|row| row["bits"] == json!(width))
            .collect();
        assert_eq!(listed.len(), expected.len());
        for (got, row) in listed.iter().zip(expected) {
            let what = format!("{} at {width} bits", row["function"]);
            for name in ["function", "bitload", "table_hash"] {
                assert_eq!(got[name], row[name], "{what}");
            }
            let numbers = ["bitdiversity", "zero_bd"].map(|name| (name, number(got, name), 0.0));
            assert_all(&numbers, row, &what);
        }
    }
}

/// The columns that tell a cell (and a function in it) from any other.
const CELL: [&str; 11] = [
    "model",
    "modality",
    "encoding",
    "template",
    "bits",
    "condition",
    "design",
    "method",
    "constrained",
    "bos",
    "shots",
];

fn score(arguments: &[&str]) -> Vec<Value> {
    let predictions = fixtures().join("stats/predictions.jsonl");
    run(
        SCORE,
        &[&[predictions.to_str().unwrap()], arguments].concat(),
    )
}

fn score_by(by: &str) -> Vec<Value> {
    score(&["--by", by, "--replicates", REPLICATES])
}

/// The only row of `rows` with the same values in `columns`.
#[track_caller]
fn row_of<'a>(rows: &'a [Value], like: &Value, columns: &[&str]) -> &'a Value {
    let mut found = rows
        .iter()
        .filter(|row| columns.iter().all(|c| row[*c] == like[*c]));
    let first = found.next().unwrap_or_else(|| panic!("no row for {like}"));
    assert!(found.next().is_none(), "two rows for {like}");
    first
}

/// Counts and means, which do not depend on random draws.
#[track_caller]
fn assert_exact(row: &Value, expected: &Value) {
    for (name, expected) in expected.as_object().unwrap() {
        let what = format!("{name} of {row:?}");
        match expected.as_f64() {
            Some(expected) => {
                let got = row[name].as_f64().unwrap_or_else(|| panic!("{what}: none"));
                assert_close(got, expected, 1e-14, &what);
            }
            None => assert_eq!(&row[name], expected, "{what}"),
        }
    }
}

#[test]
fn scores_of_cells_and_of_functions_are_those_of_numpy() {
    let all = fixture("scores.json");
    let cells = score_by("cell");
    assert_eq!(cells.len(), list(&all, "cells").len());
    for expected in list(&all, "cells") {
        assert_exact(row_of(&cells, expected, &CELL), &expected["exact"]);
    }
    let tasks = score_by("task");
    assert_eq!(tasks.len(), list(&all, "tasks").len());
    let columns: Vec<&str> = CELL.into_iter().chain(["function"]).collect();
    for expected in list(&all, "tasks") {
        assert_exact(row_of(&tasks, expected, &columns), &expected["exact"]);
    }
    // The fixture has what it is for.
    let some = |name: &str| {
        let sum = |row: &Value| row["exact"][name].as_f64().unwrap_or_default();
        assert!(list(&all, "cells").iter().any(|r| sum(r) != 0.0), "{name}");
    };
    for name in [
        "malformed",
        "edit_distance",
        "answer_logprob",
        "zero_bd_targets",
        "zero_bd_predictions",
        "correct_zero_bd",
        "correct_other",
        "understandable",
    ] {
        some(name);
    }
}

/// Five standard errors of a difference of two standard deviations of nearly normal values, whose
/// relative variance is `1 / (2 replicates)`.
fn sd_tolerance(sd: f64) -> f64 {
    5.0 * sd * (INVERSE / 2.0).sqrt()
}

/// Five standard errors of a difference of two 2.5 % quantiles, `sqrt(q (1 - q) / replicates)` over
/// the density there, 0.0584 / sd for a normal one; and `step`, the distance of neighbouring values.
fn quantile_tolerance(sd: f64, step: f64) -> f64 {
    5.0 * (0.025 * 0.975 * INVERSE).sqrt() / 0.0584 * sd + step
}

/// Five standard errors of a difference of two shares, and the one that `(b + 1) / (B + 1)` adds.
fn share_tolerance(p: f64) -> f64 {
    5.0 * (p * (1.0 - p) * INVERSE).sqrt() + INVERSE
}

#[test]
fn bootstraps_of_cells_are_those_of_numpy() {
    let all = fixture("scores.json");
    let cells = score_by("cell");
    for expected in list(&all, "cells") {
        let row = row_of(&cells, expected, &CELL);
        let drawn = &expected["bootstrap"];
        let se = number(drawn, "se");
        let what = format!("{} at {}", expected["model"], expected["shots"]);
        let (accuracy, own) = (number(row, "accuracy"), number(row, "se"));
        assert_within(own, se, sd_tolerance(se), &what);
        for (name, errors) in [("normal_low", -1.96), ("normal_high", 1.96)] {
            let bound = accuracy + errors * own;
            assert_close(number(row, name), bound, 1e-15, &what);
        }
        if let Some(logprob) = row["answer_logprob"].as_f64() {
            let perplexity = (-logprob / number(row, "bits")).exp();
            assert_close(number(row, "perplexity"), perplexity, 0.0, &what);
        }
        let step = 1.0 / number(row, "trials");
        assert_interval(row, "ci", drawn, quantile_tolerance(se, step));
        if drawn["mode_se"].is_null() {
            for name in ["mode_se", "z_mode", "p_mode", "p_mode_paired"] {
                assert!(row[name].is_null(), "{what}: {name}");
            }
            continue;
        }
        let (mode_se, own_mode_se) = (number(drawn, "mode_se"), number(row, "mode_se"));
        assert_within(own_mode_se, mode_se, sd_tolerance(mode_se), &what);
        let p = number(drawn, "p_mode_paired");
        assert_within(number(row, "p_mode_paired"), p, share_tolerance(p), &what);
        // From the row's own columns, by the formula.
        let z = (accuracy - number(row, "mode_accuracy")) / own.hypot(own_mode_se);
        assert_close(number(row, "z_mode"), z, 1e-13, &what);
        assert_close(number(row, "p_mode"), one_sided_p(z), 1e-13, &what);
    }
}

#[test]
fn fits_of_predictions_are_those_of_numpy() {
    let all = fixture("scores.json");
    let path = fixtures().join("stats/predictions.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    for expected in list(&all, "fits") {
        let lines: String = text
            .lines()
            .filter(|text| {
                let record: Value = serde_json::from_str(text).unwrap();
                CELL[..10].iter().all(|c| record[*c] == expected[*c])
            })
            .flat_map(|text| [text, "\n"])
            .collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, lines.as_bytes()).unwrap();
        let path = file.path().to_str().unwrap();
        let fits = run(FIT, &["--replicates", REPLICATES, path]);
        let [fit] = fits.as_slice() else {
            panic!("{fits:?}")
        };
        let what = format!("{}", expected["model"]);
        let columns = ["a0", "a1", "points"].map(|name| (name, number(fit, name), 1e-13));
        assert_all(&columns, expected, &what);
        let of_trials = |name| (name, number(fit, &format!("trial_{name}")), 1e-13);
        // Every shot count has as many trials, so the line over single trials is the same.
        assert_all(&["a0", "a1"].map(of_trials), expected, &what);
        let all = fixture("tests.json");
        let trials = list(&all, "trial_fits");
        let same = |row: &&Value| CELL[..10].iter().all(|c| row[*c] == expected[*c]);
        let trials = trials.iter().find(same).unwrap();
        let errors = ["a0_se", "a1_se", "t", "df", "p"].map(of_trials);
        assert_all(&errors, trials, &what);
        let sd = number(expected, "a1_sd");
        let tolerance = quantile_tolerance(sd, number(expected, "a1_step"));
        assert_interval(fit, "a1_ci", expected, tolerance);
        if expected["design"] == "nested" {
            assert_within(number(fit, "a1_se"), sd, sd_tolerance(sd), &what);
            let sd = number(expected, "a0_sd");
            assert_within(number(fit, "a0_se"), sd, sd_tolerance(sd), &what);
            let p = number(expected, "p");
            assert_within(number(fit, "p"), p, share_tolerance(p), &what);
        }
    }
}

#[test]
fn rank_correlations_are_scipys() {
    let all = fixture("tests.json");
    assert_eq!(list(&all, "spearman").len(), 8);
    for (i, row) in list(&all, "spearman").iter().enumerate() {
        let (a, b) = (numbers(row, "a"), numbers(row, "b"));
        match spearman(&a, &b) {
            Some(rho) => assert_close(rho, number(row, "rho"), 1e-15, &format!("set {i}")),
            None => assert!(row["rho"].is_null(), "set {i}"),
        }
    }
}

#[test]
fn reliabilities_and_what_noise_leaves_are_scipys() {
    let all = fixture("tests.json");
    let mut nulls = 0;
    for (i, row) in list(&all, "attenuation").iter().enumerate() {
        let halves = |split: &Value, model: &str| {
            let half = |half: usize| list(split, model)[half].as_array().unwrap().clone();
            [half(0), half(1)].map(|half| half.iter().map(|v| v.as_f64().unwrap()).collect())
        };
        let splits: Vec<Halves> = list(row, "splits")
            .iter()
            .map(|split| Halves {
                a: halves(split, "a"),
                b: halves(split, "b"),
            })
            .collect();
        let found = Attenuation::of(&splits);
        let mut equal = |found: Option<f64>, expected: &Value, what: &str| {
            assert_eq!(found.is_none(), expected.is_null(), "set {i}, {what}");
            nulls += u32::from(found.is_none());
            if let (Some(found), Some(expected)) = (found, expected.as_f64()) {
                assert_close(found, expected, RELATIVE, &format!("set {i}, {what}"));
            }
        };
        equal(found.rho, &row["rho"], "rho");
        equal(found.reliability[0], &row["reliability"][0], "a");
        equal(found.reliability[1], &row["reliability"][1], "b");
        equal(found.interval.map(|i| i.0), &row["interval"][0], "low");
        equal(found.interval.map(|i| i.1), &row["interval"][1], "high");
    }
    // A model whose halves disagree has its reliability, correlation and interval missing; a constant half everything.
    assert_eq!(nulls, 4 + 5);
}

#[test]
fn betas_have_numpys_moments() {
    for row in list(&fixture("tests.json"), "moments") {
        let counts = |key: &str| -> Vec<u32> {
            let counts = list(row, key).iter();
            counts
                .map(|n| u32::try_from(n.as_u64().unwrap()).unwrap())
                .collect()
        };
        let tallies: Vec<(u32, u32)> = counts("right").into_iter().zip(counts("trials")).collect();
        let Beta { alpha, beta } = Beta::by_moments(&tallies).unwrap();
        let found = [("alpha", alpha, RELATIVE), ("beta", beta, RELATIVE)];
        assert_all(&found, row, "moments");
    }
}

#[test]
fn corrections_are_those_of_statsmodels() {
    let all = fixture("tests.json");
    for row in list(&all, "multiple") {
        let p = numbers(row, "p");
        for (name, adjusted) in [("holm", holm(&p)), ("bh", benjamini_hochberg(&p))] {
            for (got, expected) in adjusted.iter().zip(numbers(row, name)) {
                assert_close(*got, expected, 0.0, name);
            }
        }
    }
}

/// To 12 digits, also where there are more tasks than an f64 has exponents for.
#[test]
fn exact_swap_tests_are_those_of_pythons_integers() {
    let all = fixture("tests.json");
    let mut smallest = 1.0f64;
    for row in list(&all, "swap") {
        let differences: Vec<i64> = list(row, "differences")
            .iter()
            .map(|d| d.as_i64().unwrap())
            .collect();
        let test = sign_flip_test(&differences);
        for (name, got) in [("greater", test.greater), ("less", test.less)] {
            let expected: f64 = row[name].as_str().unwrap().parse().unwrap();
            let tolerance = 1e-12 * expected;
            assert!(
                (got - expected).abs() <= tolerance,
                "{name}: {got:e} {expected:e}"
            );
            smallest = smallest.min(expected);
        }
    }
    assert!(
        smallest < 1e-100,
        "the far tail is among the fixtures: {smallest:e}"
    );
}

#[test]
fn paired_tests_are_scipys() {
    for row in list(&fixture("tests.json"), "paired") {
        let found = paired(&numbers(row, "differences")).unwrap();
        let test = found.test.unwrap();
        let found = [
            ("mean", found.mean, 1e-15),
            ("se", found.se.unwrap(), 1e-15),
            ("t", test.t, 1e-15),
            ("greater", test.greater, 1e-15),
            ("two_sided", test.two_sided(), 1e-15),
        ];
        assert_all(&found, row, "paired");
    }
}

#[test]
fn equal_gaps_have_no_error_whatever_their_rounding() {
    for row in list(&fixture("tests.json"), "equal_gaps") {
        let found = paired(&numbers(row, "differences")).unwrap();
        assert_close(found.mean, number(row, "mean"), 0.0, "mean");
        assert_eq!((found.se, found.test), (Some(0.0), None), "{row}");
    }
}

fn contrast(arguments: &[&str]) -> Vec<Value> {
    let path = fixtures().join("stats/contrast.jsonl");
    run(CONTRAST, &[&[path.to_str().unwrap()], arguments].concat())
}

#[track_caller]
fn assert_compared(row: &Value, expected: &Value, one_sided: bool) {
    let what = format!("{row}");
    for name in ["up", "equal", "down"] {
        assert_eq!(row[name], expected[name], "{what}");
    }
    let (greater, less) = (
        number(expected, "swap_greater"),
        number(expected, "swap_less"),
    );
    let (p_swap, p_t) = if one_sided {
        (greater, number(expected, "greater"))
    } else {
        let twice = 2.0 * greater.min(less);
        (twice.min(1.0), number(expected, "two_sided"))
    };
    let (gap, se) = (number(expected, "mean"), number(expected, "se"));
    for (name, expected) in [
        ("gap", gap),
        ("gap_se", se),
        ("ci_low", gap - 1.96 * se),
        ("ci_high", gap + 1.96 * se),
        ("p_swap", p_swap),
        ("t", number(expected, "t")),
        ("p_t", p_t),
    ] {
        let what = format!("{name} of {what}");
        assert_close(number(row, name), expected, 1e-14, &what);
    }
}

#[test]
fn contrasts_are_those_of_scipy() {
    let all = fixture("contrast.json");
    let rows = contrast(&[]);
    assert_eq!(rows.len(), list(&all, "cells").len());
    for (row, expected) in rows.iter().zip(list(&all, "cells")) {
        assert_eq!(
            (&row["model"], &row["shots"]),
            (&expected["model"], &expected["shots"])
        );
        assert_compared(row, expected, true);
        let accuracies =
            ["clean_accuracy", "deranged_accuracy"].map(|name| (name, number(row, name), 0.0));
        assert_all(&accuracies, expected, "accuracies");
        for (name, column) in [("holm", "p_holm"), ("bh", "p_bh")] {
            match expected[name].as_f64() {
                Some(p) => assert_close(number(row, column), p, 0.0, column),
                None => assert!(row[column].is_null()),
            }
        }
    }
    assert_eq!(rows.iter().filter(|r| !r["p_holm"].is_null()).count(), 3);
}

#[test]
fn profiles_correlate_as_in_scipy() {
    let all = fixture("contrast.json");
    let rows = contrast(&["--profiles", "--permutations", "200000"]);
    assert_eq!(rows.len(), 3);
    for (row, expected) in rows.iter().zip(list(&all, "similarities")) {
        for name in ["model_a", "model_b"] {
            assert_eq!(row[name], expected[name]);
        }
        assert_close(number(row, "rho"), number(expected, "rho"), 1e-15, "rho");
        // Scipy's p is of 20,000 permutations.
        let p = number(expected, "p");
        let error = (p * (1.0 - p) * (1.0 / 20_000.0 + 1.0 / 200_000.0)).sqrt();
        assert_within(number(row, "p"), p, 5.0 * error, "p");
    }
    let p: Vec<f64> = rows.iter().map(|r| number(r, "p")).collect();
    for (column, corrected) in [("p_holm", holm(&p)), ("p_bh", benjamini_hochberg(&p))] {
        for (row, expected) in rows.iter().zip(corrected) {
            assert_close(number(row, column), expected, 0.0, column);
        }
    }
}

#[test]
fn pairs_of_models_are_those_of_scipy() {
    let all = fixture("contrast.json");
    let rows = contrast(&["--models", "--top", "3"]);
    let tasks = contrast(&["--models", "--by", "task", "--top", "3"]);
    assert_eq!(rows.len(), list(&all, "pairs").len());
    let same = |row: &Value, expected: &Value| {
        let names = ["model_a", "model_b", "condition", "shots"];
        names.iter().all(|name| row[*name] == expected[*name])
    };
    for expected in list(&all, "pairs") {
        let row = rows.iter().find(|row| same(row, expected)).unwrap();
        assert_compared(row, expected, false);
        assert_close(number(row, "iou"), number(expected, "iou"), 0.0, "iou");
        for side in ["a", "b"] {
            let mut best: Vec<&str> = tasks
                .iter()
                .filter(|t| same(t, expected) && (t["best"] == side || t["best"] == "both"))
                .map(|t| t["function"].as_str().unwrap())
                .collect();
            best.sort_unstable();
            assert_eq!(json!(best), expected[format!("best_{side}")]);
        }
    }
}

#[test]
fn kinds_of_wrong_answers_are_those_counted_on_strings() {
    let rows = score(&["--errors"]);
    let all = fixture("errors.json");
    assert_eq!(rows.len(), 7 * list(&all, "cells").len());
    let columns: Vec<&str> = CELL.into_iter().chain(["kind"]).collect();
    for expected in list(&all, "cells") {
        let deranged = expected["condition"] == "deranged";
        for (kind, numbers) in expected["kinds"].as_object().unwrap() {
            let mut like = expected.clone();
            like["kind"] = json!(kind);
            let row = row_of(&rows, &like, &columns);
            assert_eq!(row["wrong"], expected["wrong"]);
            let with_demonstrations = expected["method"] == "builtin";
            let bare = ["malformed", "query", "one_bit"].contains(&kind.as_str());
            if !(bare || with_demonstrations) || (deranged && kind == "rival") {
                for name in ["count", "share", "chance", "counted_once"] {
                    assert!(row[name].is_null(), "{row}");
                }
                continue;
            }
            assert_eq!(row["count"], numbers[0], "{row}");
            if with_demonstrations {
                assert_eq!(row["counted_once"], numbers[1], "{row}");
            }
            match numbers[2].as_f64() {
                Some(chance) if kind != "malformed" => {
                    assert_close(number(row, "chance"), chance, 0.0, kind);
                    let share = number(row, "count") / number(row, "wrong");
                    assert_close(number(row, "share"), share, 0.0, kind);
                }
                _ => assert!(row["chance"].is_null(), "{row}"),
            }
        }
    }
}

#[test]
fn components_of_variance_are_those_of_an_analysis_of_variance() {
    let all = fixture("errors.json");
    for rows in score(&["--power", "0.05"]).chunks(8) {
        let row = &rows[0];
        let expected = row_of(list(&all, "power"), row, &CELL);
        // The root of a difference that may cancel.
        let columns = ["tasks", "trials", "se", "between", "within"];
        let found = columns.map(|name| (name, number(row, name), 1e-8));
        assert_all(&found, expected, "components");
    }
}

#[test]
fn cluster_robust_errors_are_those_of_statsmodels() {
    let all = fixture("tests.json");
    assert_eq!(list(&all, "clusters").len(), 3);
    for (i, set) in list(&all, "clusters").iter().enumerate() {
        let mut clusters: Vec<Vec<Group>> = Vec::new();
        let (x, y) = (numbers(set, "x"), numbers(set, "y"));
        let mut last = None;
        for (at, label) in numbers(set, "clusters").into_iter().enumerate() {
            if last != Some(label) {
                clusters.push(Vec::new());
                last = Some(label);
            }
            // One observation per group: groups need not be the largest possible.
            let (x, sum) = (x[at], y[at]);
            clusters.last_mut().unwrap().push(Group { x, n: 1.0, sum });
        }
        let fit = clustered_line(&clusters).unwrap();
        let found = [
            ("a0", fit.a0, 1e-14),
            ("a1", fit.a1, 1e-14),
            ("a0_se", fit.a0_se.unwrap(), 1e-14),
            ("a1_se", fit.a1_se.unwrap(), 1e-14),
            ("t", fit.t.unwrap(), 1e-14),
            ("df", f64::from(fit.df), 1e-14),
            ("p", fit.p.unwrap(), 1e-14),
        ];
        assert_all(&found, &set["fit"], &format!("set {i}"));
    }
}

/// CR1's formula in 40 digits, where statsmodels finds errors of 1e-17 and tests them.
#[test]
fn clusters_that_do_not_differ_have_no_test() {
    let all = fixture("tests.json");
    for set in list(&all, "clustered_zeros") {
        let clusters: Vec<Vec<Group>> = list(set, "functions")
            .iter()
            .map(|rights| {
                let rights = rights.as_array().unwrap().iter();
                rights
                    .zip([1.0f64, 2.0, 4.0, 8.0])
                    .map(|(right, shots)| Group {
                        x: shots.ln(),
                        n: 4.0,
                        sum: right.as_f64().unwrap(),
                    })
                    .collect()
            })
            .collect();
        let fit = clustered_line(&clusters).unwrap();
        for (name, got) in [
            ("a0", Some(fit.a0)),
            ("a1", Some(fit.a1)),
            ("a0_se", fit.a0_se),
            ("a1_se", fit.a1_se),
            ("t", fit.t),
            ("df", Some(f64::from(fit.df))),
            ("p", fit.p),
        ] {
            let what = format!("{}, {name}: {got:?}", set["name"]);
            match (got, set["fit"][name].as_f64()) {
                // What is zero is so exactly.
                (Some(got), Some(expected)) if name != "a0" => {
                    assert_close(got, expected, 0.0, &what);
                }
                (Some(got), Some(expected)) => assert_close(got, expected, 1e-15, &what),
                (got, expected) => assert_eq!(got, expected, "{what}"),
            }
        }
    }
}

#[test]
fn families_scale_as_in_statsmodels() {
    let table = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets/published/table4.csv");
    let rows = run(FIT, &["--families", table.to_str().unwrap()]);
    let all = fixture("tests.json");
    assert_eq!(rows.len(), list(&all, "families").len());
    assert_eq!(rows.len(), 20);
    for expected in list(&all, "families") {
        let row = row_of(&rows, expected, &["family", "quantity", "shots"]);
        let found = [
            ("a0", "intercept", 1e-12),
            ("a1", "slope", 1e-14),
            ("a1_se", "slope_se", 0.0),
            ("t", "t", 1e-10),
            ("df", "df", 0.0),
            ("p", "p", 1e-10),
            ("r2", "r2", 1e-12),
        ]
        .map(|(theirs, ours, absolute)| (theirs, number(row, ours), absolute));
        assert_all(&found, expected, &row.to_string());
    }
}

/// The table that ships is the paper's, in the columns of a score.
#[test]
fn the_published_table_is_the_papers() {
    let read = |path: &str| -> Vec<HashMap<String, String>> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
        let mut reader = csv::Reader::from_path(path).unwrap();
        reader.deserialize().map(Result::unwrap).collect()
    };
    let (ours, papers) = (
        read("assets/published/table4.csv"),
        read("tests/fixtures/paper/table4.csv"),
    );
    assert_eq!(ours.len(), 64);
    assert_eq!(papers.len(), 64);
    for (a, b) in ours.iter().zip(papers) {
        for (ours, papers) in [
            ("model", "model"),
            ("modality", "modality"),
            ("shots", "shots"),
            ("accuracy", "accuracy"),
            ("se", "standard_error"),
        ] {
            assert_eq!(a[ours], b[papers]);
        }
        let params = b["params_b"].parse::<f64>().unwrap() * 1e9;
        assert_close(a["params"].parse().unwrap(), params, 0.0, "params");
    }
}
