//! The numbers against independent implementations: `tests/oracle/make_stats_fixtures.py` asked
//! numpy, scipy, statsmodels and mpmath, and functions written once more on strings.
//!
//! Tolerances: sums over at most a few hundred terms lose a few units in the 16th digit, least
//! squares some more where residuals are small beside the values (at worst 1e-3 of them here), so
//! 1e-10 relative is far above rounding and far below any mistake. Where a number may cancel to
//! about 0, the absolute tolerance beside it is that of the numbers it came from. Bootstraps were
//! repeated with another generator: they agree within five standard errors of many replicates.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use shotline::program::{Bits, Program, measures};
use shotline::stats::{
    Attenuation, Beta, Group, Halves, Line, average_ranks, benjamini_hochberg, clustered_line,
    holm, line, one_sided_p, paired, quantile, sign_flip_test, spearman, standard_deviation,
    z_difference,
};
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

const RELATIVE: f64 = 1e-10;
/// As many that a tie counted on the wrong side shows: 5000 have errors too large for that.
const REPLICATES: &str = "200000";
/// One over the replicates here plus one over those of the fixture: their variances add.
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

/// Standard output of one of our programs.
fn run(program: &str, args: &[&str]) -> Vec<Map<String, Value>> {
    let output = Command::new(program).args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {errors}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
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
    for (name, got, absolute) in within {
        assert_close(
            got,
            number(expected, name),
            absolute,
            &format!("{what}, {name}"),
        );
    }
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
        assert_close(fit.a0, number(set, "a0"), 1e-13, &what);
        assert_close(fit.a1, number(set, "a1"), 1e-13, &what);
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
    let fits = run(FIT, &["--to", "jsonl", table.to_str().unwrap()]);
    let all = fixture("numbers.json");
    let models = all["table4"].as_object().unwrap();
    assert_eq!(fits.len(), models.len());
    assert_eq!(fits.len(), 8);
    for fit in &fits {
        let model = fit["model"].as_str().unwrap();
        let row = Value::Object(fit.clone());
        for name in ["a0", "a0_se", "a1", "a1_se", "t", "df", "p", "r2"] {
            let what = format!("{model}, {name}");
            assert_close(
                number(&row, name),
                number(&models[model], name),
                1e-14,
                &what,
            );
        }
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
        let (t, df) = (number(row, "t"), number(row, "df"));
        let student = StudentsT::new(0.0, 1.0, df).unwrap();
        assert_close(
            student.sf(t),
            number(row, "p"),
            0.0,
            &format!("t = {t}, df = {df}"),
        );
    }
}

#[test]
fn quantiles_and_deviations_are_numpys() {
    for (i, set) in list(&fixture("numbers.json"), "spreads").iter().enumerate() {
        let values = numbers(set, "values");
        let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        for row in list(set, "quantiles") {
            let q = number(row, "q");
            let got = quantile(&values, q).unwrap();
            // An interpolation between values of either sign may be near 0.
            assert_close(
                got,
                number(row, "value"),
                1e-15 * largest,
                &format!("set {i}, q {q}"),
            );
        }
        // The mean is known to 1e-16 of the largest value, and so is a deviation from it.
        let absolute = 1e-15 * largest;
        let sd0 = standard_deviation(&values, 0).unwrap();
        assert_close(
            sd0,
            number(set, "sd0"),
            absolute,
            &format!("set {i}, ddof 0"),
        );
        match standard_deviation(&values, 1) {
            Some(sd1) => {
                assert_close(
                    sd1,
                    number(set, "sd1"),
                    absolute,
                    &format!("set {i}, ddof 1"),
                );
            }
            None => assert!(set["sd1"].is_null(), "set {i}"),
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
    let answer = |filter: &str| {
        let arguments = [
            "--to",
            "jsonl",
            "--allow-partial",
            "--replicates",
            REPLICATES,
        ];
        let output = Command::new(filter).args(arguments).arg(&path).output();
        let output = output.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let rows: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        (rows, String::from_utf8(output.stderr).unwrap())
    };
    let replicates: f64 = REPLICATES.parse().unwrap();
    // What is said to be left out at a place, as a share; nothing is said of none.
    let left_out = |said: &str, place: &str| -> f64 {
        let line = said.lines().find(|line| line.contains(place)).unwrap();
        let (_, rest) = line.split_once(place).unwrap();
        let count: f64 = rest.split_whitespace().next().unwrap().parse().unwrap();
        count / replicates
    };
    let (rows, said) = answer(SCORE);
    assert_eq!(rows.len(), 3);
    for (row, expected) in rows.iter().zip(list(&all, "cells")) {
        let place = format!("model \"partial\", {} shots: ", expected["shots"]);
        let (accuracy, se) = (number(expected, "accuracy"), number(expected, "se"));
        assert_eq!(row["shots"], expected["shots"]);
        assert_close(number(row, "accuracy"), accuracy, 0.0, &place);
        assert_within(number(row, "se"), se, sd_tolerance(se), &place);
        let missing = number(expected, "missing");
        assert_within(
            left_out(&said, &place),
            missing,
            share_tolerance(missing),
            &place,
        );
        for (name, bound) in ["ci_low", "ci_high"]
            .into_iter()
            .zip(numbers(expected, "ci"))
        {
            // Means of few trials lie apart.
            assert_within(
                number(row, name),
                bound,
                quantile_tolerance(se, 0.01),
                &place,
            );
        }
    }
    let (fits, said) = answer(FIT);
    let (fit, expected) = (&fits[0], &all["fit"]);
    let missing = number(expected, "missing");
    let found = left_out(&said, "model \"partial\": ");
    assert_within(found, missing, share_tolerance(missing), "left out");
    let sd = number(expected, "a1_sd");
    for (name, bound) in ["a1_ci_low", "a1_ci_high"]
        .into_iter()
        .zip(numbers(expected, "a1_ci"))
    {
        assert_within(number(fit, name), bound, quantile_tolerance(sd, 0.0), name);
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
        let digest = digest
            .finalize()
            .iter()
            .fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            });
        assert_eq!(row["text_sha256"], json!(digest), "{name} at {width} bits");
        let measures = measures(&program, width);
        assert_eq!(
            row["bitload"],
            json!(measures.bitload),
            "{name} at {width} bits"
        );
    }
}

#[test]
fn listings_are_those_of_the_functions_on_strings() {
    let all = fixture("functions.json");
    for width in [8, 5] {
        let listed = run(
            GEN_TASKS,
            &["--list", "--to", "jsonl", "--bits", &width.to_string()],
        );
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
            for name in ["bitdiversity", "zero_bd"] {
                let got = got[name].as_f64().unwrap();
                assert_close(got, number(row, name), 0.0, &what);
            }
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

fn score(arguments: &[&str]) -> Vec<Map<String, Value>> {
    let predictions = fixtures().join("stats/predictions.jsonl");
    let arguments = [&["--to", "jsonl", predictions.to_str().unwrap()], arguments].concat();
    run(SCORE, &arguments)
}

fn score_by(by: &str) -> Vec<Map<String, Value>> {
    score(&["--by", by, "--replicates", REPLICATES])
}

/// The row of `rows` with the same values in `columns`, which there must be once.
#[track_caller]
fn row_of<'a>(
    rows: &'a [Map<String, Value>],
    like: &Value,
    columns: &[&str],
) -> &'a Map<String, Value> {
    let mut found = rows
        .iter()
        .filter(|row| columns.iter().all(|c| row[*c] == like[*c]));
    let first = found.next().unwrap_or_else(|| panic!("no row for {like}"));
    assert!(found.next().is_none(), "two rows for {like}");
    first
}

/// Counts and means, which have no chance in them.
#[track_caller]
fn assert_exact(row: &Map<String, Value>, expected: &Value) {
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
        let row = Value::Object(row_of(&cells, expected, &CELL).clone());
        let drawn = &expected["bootstrap"];
        let se = number(drawn, "se");
        let what = format!("{} at {}", expected["model"], expected["shots"]);
        assert_within(number(&row, "se"), se, sd_tolerance(se), &what);
        let (accuracy, own) = (number(&row, "accuracy"), number(&row, "se"));
        assert_close(
            number(&row, "normal_low"),
            accuracy - 1.96 * own,
            1e-15,
            &what,
        );
        assert_close(
            number(&row, "normal_high"),
            accuracy + 1.96 * own,
            1e-15,
            &what,
        );
        if let Some(logprob) = row["answer_logprob"].as_f64() {
            let perplexity = (-logprob / number(&row, "bits")).exp();
            assert_close(number(&row, "perplexity"), perplexity, 0.0, &what);
        }
        let step = 1.0 / number(&row, "trials");
        for (name, bound) in ["ci_low", "ci_high"].into_iter().zip(numbers(drawn, "ci")) {
            assert_within(
                number(&row, name),
                bound,
                quantile_tolerance(se, step),
                &what,
            );
        }
        if drawn["mode_se"].is_null() {
            for name in ["mode_se", "z_mode", "p_mode", "p_mode_paired"] {
                assert!(row[name].is_null(), "{what}: {name}");
            }
            continue;
        }
        let mode_se = number(drawn, "mode_se");
        assert_within(
            number(&row, "mode_se"),
            mode_se,
            sd_tolerance(mode_se),
            &what,
        );
        let p = number(drawn, "p_mode_paired");
        assert_within(number(&row, "p_mode_paired"), p, share_tolerance(p), &what);
        // From the row's own columns, by the formula.
        let errors = number(&row, "se").hypot(number(&row, "mode_se"));
        let z = (number(&row, "accuracy") - number(&row, "mode_accuracy")) / errors;
        assert_close(number(&row, "z_mode"), z, 1e-13, &what);
        assert_close(number(&row, "p_mode"), one_sided_p(z), 1e-13, &what);
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
        let fits = run(
            FIT,
            &[
                "--to",
                "jsonl",
                "--replicates",
                REPLICATES,
                file.path().to_str().unwrap(),
            ],
        );
        assert_eq!(fits.len(), 1);
        let fit = Value::Object(fits[0].clone());
        let what = format!("{}", expected["model"]);
        for name in ["a0", "a1", "points"] {
            assert_close(number(&fit, name), number(expected, name), 1e-13, &what);
        }
        // Every shot count has as many trials, so the line over single trials is the same.
        for name in ["a0", "a1"] {
            let trial = number(&fit, &format!("trial_{name}"));
            assert_close(trial, number(expected, name), 1e-13, &what);
        }
        let all = fixture("tests.json");
        let trials = list(&all, "trial_fits");
        let same = |row: &&Value| CELL[..10].iter().all(|c| row[*c] == expected[*c]);
        let trials = trials.iter().find(same).unwrap();
        for name in ["a0_se", "a1_se", "t", "df", "p"] {
            let trial = number(&fit, &format!("trial_{name}"));
            assert_close(trial, number(trials, name), 1e-13, &what);
        }
        let sd = number(expected, "a1_sd");
        for (name, bound) in ["a1_ci_low", "a1_ci_high"]
            .into_iter()
            .zip(numbers(expected, "a1_ci"))
        {
            assert_within(
                number(&fit, name),
                bound,
                quantile_tolerance(sd, number(expected, "a1_step")),
                &what,
            );
        }
        if expected["design"] == "nested" {
            assert_within(number(&fit, "a1_se"), sd, sd_tolerance(sd), &what);
            let sd = number(expected, "a0_sd");
            assert_within(number(&fit, "a0_se"), sd, sd_tolerance(sd), &what);
            let p = number(expected, "p");
            assert_within(number(&fit, "p"), p, share_tolerance(p), &what);
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
        // Ranks from 1, whatever the ties, have this sum.
        let n = u32::try_from(a.len()).unwrap();
        let sum: f64 = average_ranks(&a).iter().sum();
        assert_close(sum, f64::from(n * (n + 1) / 2), 0.0, "sum of ranks");
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
        let beta = Beta::by_moments(&tallies).unwrap();
        assert_close(beta.alpha, number(row, "alpha"), RELATIVE, "alpha");
        assert_close(beta.beta, number(row, "beta"), RELATIVE, "beta");
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
        for (name, got) in [
            ("mean", found.mean),
            ("se", found.se.unwrap()),
            ("t", test.t),
            ("greater", test.greater),
            ("two_sided", test.two_sided()),
        ] {
            assert_close(got, number(row, name), 1e-15, name);
        }
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
    let arguments = [&["--to", "jsonl", path.to_str().unwrap()], arguments].concat();
    let rows = run(CONTRAST, &arguments);
    rows.into_iter().map(Value::Object).collect()
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
        assert_close(
            number(row, name),
            expected,
            1e-14,
            &format!("{name} of {what}"),
        );
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
        for name in ["clean_accuracy", "deranged_accuracy"] {
            assert_close(number(row, name), number(expected, name), 0.0, name);
        }
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
    for (row, expected) in rows.iter().zip(holm(&p)) {
        assert_close(number(row, "p_holm"), expected, 0.0, "p_holm");
    }
    for (row, expected) in rows.iter().zip(benjamini_hochberg(&p)) {
        assert_close(number(row, "p_bh"), expected, 0.0, "p_bh");
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
            let row = Value::Object(row_of(&rows, &like, &columns).clone());
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
                    assert_close(number(&row, "chance"), chance, 0.0, kind);
                    let share = number(&row, "count") / number(&row, "wrong");
                    assert_close(number(&row, "share"), share, 0.0, kind);
                }
                _ => assert!(row["chance"].is_null(), "{row}"),
            }
        }
    }
}

#[test]
fn components_of_variance_are_those_of_an_analysis_of_variance() {
    let all = fixture("errors.json");
    for row in score(&["--power", "0.05"]).chunks(8) {
        let row = Value::Object(row[0].clone());
        let expected = list(&all, "power")
            .iter()
            .find(|expected| CELL.iter().all(|c| expected[*c] == row[*c]))
            .unwrap();
        for name in ["tasks", "trials", "se", "between", "within"] {
            // The root of a difference that may cancel.
            assert_close(number(&row, name), number(expected, name), 1e-8, name);
        }
    }
}

#[test]
fn cluster_robust_errors_are_those_of_statsmodels() {
    let all = fixture("tests.json");
    assert_eq!(list(&all, "clusters").len(), 3);
    for (i, set) in list(&all, "clusters").iter().enumerate() {
        let mut clusters: Vec<Vec<Group>> = Vec::new();
        let labels = numbers(set, "clusters");
        let mut last = None;
        for ((x, y), label) in numbers(set, "x")
            .into_iter()
            .zip(numbers(set, "y"))
            .zip(labels)
        {
            if last != Some(label) {
                clusters.push(Vec::new());
                last = Some(label);
            }
            // One observation a group: groups need not be the largest possible.
            clusters
                .last_mut()
                .unwrap()
                .push(Group { x, n: 1.0, sum: y });
        }
        let fit = clustered_line(&clusters).unwrap();
        for (name, got) in [
            ("a0", fit.a0),
            ("a1", fit.a1),
            ("a0_se", fit.a0_se.unwrap()),
            ("a1_se", fit.a1_se.unwrap()),
            ("t", fit.t.unwrap()),
            ("df", f64::from(fit.df)),
            ("p", fit.p.unwrap()),
        ] {
            assert_close(
                got,
                number(&set["fit"], name),
                1e-14,
                &format!("set {i}, {name}"),
            );
        }
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
    let rows = run(
        FIT,
        &["--families", "--to", "jsonl", table.to_str().unwrap()],
    );
    let all = fixture("tests.json");
    assert_eq!(rows.len(), list(&all, "families").len());
    assert_eq!(rows.len(), 20);
    for expected in list(&all, "families") {
        let row = Value::Object(row_of(&rows, expected, &["family", "quantity", "shots"]).clone());
        let what = format!("{row}");
        for (ours, theirs, absolute) in [
            ("intercept", "a0", 1e-12),
            ("slope", "a1", 1e-14),
            ("slope_se", "a1_se", 0.0),
            ("t", "t", 1e-10),
            ("df", "df", 0.0),
            ("p", "p", 1e-10),
            ("r2", "r2", 1e-12),
        ] {
            assert_close(
                number(&row, ours),
                number(expected, theirs),
                absolute,
                &what,
            );
        }
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
