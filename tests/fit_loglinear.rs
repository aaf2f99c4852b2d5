//! What `fit-loglinear` promises.

mod common;

use common::{
    Row, Workdir, arrow_rows, assert_close, csv_rows, float, int, json_lines, number, repository,
    text, to_lines,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn fit(input: impl Into<Vec<u8>>, arguments: &str) -> Vec<Row> {
    csv_rows(&Workdir::new().pipe(input, "fit-loglinear", arguments).ok())
}

/// Accuracies 0.1, 0.2 and 0.25 at 1, 2 and 4 shots. In doublings x = 0, 1, 2 the slope is
/// 0.15 / 2, and the squared residuals sum to 1/2400.
#[test]
fn a_line_is_fitted_as_by_hand() {
    let row = &fit("model,shots,accuracy\na,1,.1\na,2,.2\na,4,.25\n", "")[0];
    let doubling = 2f64.ln();
    assert_close(number(row, "a1"), 0.075 / doubling, 1e-12);
    assert_close(number(row, "a0"), 0.55 / 3.0 - 0.075, 1e-12);
    let variance: f64 = 1.0 / 2400.0;
    assert_close(
        number(row, "a1_se"),
        (variance / 2.0).sqrt() / doubling,
        1e-12,
    );
    assert_close(
        number(row, "a0_se"),
        (variance * (1.0 / 3.0 + 0.5)).sqrt(),
        1e-12,
    );
    let t = 27f64.sqrt();
    assert_close(number(row, "t"), t, 1e-9);
    assert_eq!((&*row["df"], &*row["points"]), ("1", "3"));
    // Student's t with one degree of freedom is Cauchy's.
    assert_close(
        number(row, "p"),
        0.5 - t.atan() / std::f64::consts::PI,
        1e-9,
    );
    assert_close(number(row, "r2"), 1.0 - variance / (0.035 / 3.0), 1e-12);
    assert_eq!((&*row["a1_ci_low"], &*row["a1_ci_high"]), ("", ""));
}

/// Paper 1's Table 4 as printed; PROTOCOL states the figures.
#[test]
fn the_papers_table_4_gives_the_published_slopes() {
    let dir = Workdir::new();
    let table = repository("tests/fixtures/paper/table4.csv")
        .display()
        .to_string();
    let rows = csv_rows(&dir.run("fit-loglinear", [&*table]).ok());
    let models: Vec<&str> = rows.iter().map(|row| &*row["model"]).collect();
    assert_eq!(
        models,
        [
            "Qwen3-0.6B-Base",
            "Qwen3-1.7B-Base",
            "Qwen3-4B-Base",
            "Qwen3-8B-Base",
            "Qwen3-14B-Base",
            "evo2_1b_base",
            "evo2_7b",
            "evo2_40b",
        ]
    );
    for row in &rows {
        let (a0, a1) = (number(row, "a0"), number(row, "a1"));
        assert!((0.1165..0.1345).contains(&a0), "{row:?}");
        assert!((0.01635..0.05435).contains(&a1), "{row:?}");
        assert_eq!((&*row["points"], &*row["df"]), ("8", "6"));
    }
    let a1 = |model: &str| number(rows.iter().find(|r| r["model"] == model).unwrap(), "a1");
    assert_close(a1("Qwen3-0.6B-Base"), 0.0164, 5e-5);
    assert_close(a1("evo2_40b"), 0.0543, 5e-5);
    let rounded = |x: f64| (x * 1000.0).round();
    let a0 = |f: fn(f64, f64) -> f64| rows.iter().map(|r| number(r, "a0")).reduce(f).unwrap();
    assert_eq!(
        (rounded(a0(f64::min)), rounded(a0(f64::max))),
        (117.0, 134.0)
    );
    // Significant in every model but one that hardly learns.
    assert!(rows.iter().all(|row| number(row, "p") < 0.05));
}

#[test]
fn zero_shots_stay_out_of_the_fit() {
    let with = "model,shots,accuracy\na,1,.1\na,0,.9\na,2,.2\na,4,.25\n";
    let without = "model,shots,accuracy\na,1,.1\na,2,.2\na,4,.25\n";
    assert_eq!(fit(with, ""), fit(without, ""));
}

#[test]
fn a_line_needs_two_shot_counts_above_zero() {
    let dir = Workdir::new();
    for (rows, found) in [("a,1,.1\n", 1), ("a,0,.1\na,4,.2\n", 1), ("a,0,.1\n", 0)] {
        let input = format!("model,shots,accuracy\n{rows}");
        let words = format!("model \"a\": a line needs two shot counts above 0, found {found}");
        dir.pipe(input, "fit-loglinear", "").refused(1, &[&words]);
    }
    // Two points have a line and no error.
    let row = &fit("model,shots,accuracy\na,1,.1\na,2,.2\n", "")[0];
    assert_close(number(row, "a1"), 0.1 / 2f64.ln(), 1e-12);
    for column in ["a0_se", "a1_se", "t", "df", "p"] {
        assert_eq!(row[column], "", "{column}");
    }
    assert_eq!(row["points"], "2");
}

#[test]
fn what_does_not_vary_has_a_slope_of_zero_and_no_test() {
    let rows = fit(
        "model,shots,accuracy\na,1,.1\na,2,.1\na,4,.1\nb,1,0\nb,2,0\nb,4,0\n",
        "",
    );
    for row in &rows {
        assert_eq!((&*row["a1"], &*row["points"]), ("0", "3"));
        for column in ["a0_se", "a1_se", "t", "df", "p", "r2"] {
            assert_eq!(row[column], "", "{column}");
        }
    }
    // On a line: errors of zero, against which nothing can be tested.
    let row = &fit("model,shots,accuracy\na,1,.1\na,2,.2\na,4,.3\na,8,.4\n", "")[0];
    for (column, expected) in [
        ("a0_se", "0"),
        ("a1_se", "0"),
        ("t", ""),
        ("df", "2"),
        ("p", ""),
        ("r2", "1"),
    ] {
        assert_eq!(row[column], expected, "{column}");
    }
    assert_close(number(row, "a1"), 0.1 / 2f64.ln(), 1e-15);
}

/// Answers that are all right are no evidence against a slope, nor for one.
#[test]
fn predictions_that_are_all_right_have_no_test() {
    for design in ["independent", "nested"] {
        let dir = Workdir::new();
        // Two functions that are one, of which there is a warning.
        let grid = format!(
            "--task identity --task identity.identity --shots 1,4,16 --trials 5 --design {design}"
        );
        let trials = dir.run("gen-tasks", &grid).loud_ok();
        let prompts = dir.pipe(trials, "encode", "--alphabet genomic").ok();
        let predictions = dir.pipe(prompts, "infer", "--model builtin:copy").ok();
        let row = &fit(predictions, "")[0];
        let zero = ["a1", "a1_ci_low", "a1_ci_high", "trial_a1"];
        for column in zero {
            assert_eq!(row[column], "0", "{column}");
        }
        for column in [
            "a0_se",
            "a1_se",
            "t",
            "p",
            "r2",
            "trial_a0_se",
            "trial_a1_se",
            "trial_t",
            "trial_p",
        ] {
            assert_eq!(row[column], "", "{column}");
        }
    }
}

#[test]
fn one_function_has_no_interval() {
    let dir = Workdir::new();
    for design in ["independent", "nested"] {
        let one: Vec<Value> = json_lines(&predictions(design))
            .into_iter()
            .filter(|p| p["function"] == "left_half")
            .collect();
        let ran = dir.pipe(to_lines(&one), "fit-loglinear", "");
        assert_eq!(
            ran.stderr,
            "fit-loglinear: warning: 1 row of only one function: errors over functions need two, and are null\n"
        );
        let row = &csv_rows(&ran.loud_ok())[0];
        for column in ["a1_ci_low", "a1_ci_high", "trial_a1", "trial_p"] {
            assert_eq!(row[column], "", "{column}");
        }
        // The points' own error is that of the line through them.
        assert_eq!(row["a1_se"].is_empty(), design == "nested");
    }
}

/// A change of these numbers is a change of every published interval.
#[test]
fn a_seed_gives_these_intervals() {
    let path = repository("tests/fixtures/stats/predictions.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let curves: String = text
        .split_inclusive('\n')
        .filter(|line| line.contains("builtin:nearest") || line.contains("builtin:bayes"))
        .collect();
    let rows = fit(curves, "--seed 7");
    let found: Vec<[&str; 4]> = rows
        .iter()
        .map(|r| ["design", "a1_se", "a1_ci_low", "a1_ci_high"].map(|c| &*r[c]))
        .collect();
    let expected = [
        [
            "independent",
            "",
            "-0.22041174235803618",
            "0.12022458674074687",
        ],
        [
            "nested",
            "0.048600922155581656",
            "0.012881205722222885",
            "0.21039302679630714",
        ],
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_shot_count_that_stands_twice_in_a_curve_is_refused() {
    let dir = Workdir::new();
    let input = "model,shots,accuracy\na,1,.1\na,2,.2\nb,1,.1\nb,2,.2\na,2,.3\n";
    dir.pipe(input, "fit-loglinear", "").refused(
        1,
        &["model \"a\", 2 shots appears twice, in stdin:3 and in stdin:6"],
    );
    // In two encodings it is two curves.
    let input = "model,encoding,shots,accuracy\na,x,1,.1\na,x,2,.2\na,y,1,.1\na,y,2,.3\n";
    let rows = fit(input, "");
    assert_eq!((&*rows[0]["encoding"], &*rows[1]["encoding"]), ("x", "y"));
    assert!(number(&rows[1], "a1") > number(&rows[0], "a1"));
}

#[test]
fn scores_of_single_functions_are_refused() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--task identity --shots 1,2 --trials 2",
        "--alphabet genomic",
    );
    let predictions = dir.pipe(prompts, "infer", "--model builtin:mode").ok();
    let scores = dir.pipe(predictions, "score", "--by task").ok();
    dir.pipe(scores, "fit-loglinear", "").refused(
        1,
        &["stdin:2: column \"function\": scores of single functions (--by task)"],
    );
}

/// Predictions of a baseline over the 30 primitives.
fn predictions(design: &str) -> Vec<u8> {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        &format!("--suite primitives --shots 1,4,16 --trials 5 --design {design}"),
        "--alphabet genomic",
    );
    dir.pipe(prompts, "infer", "--model builtin:nearest").ok()
}

/// The weight of each shot count's accuracy in the slope: (x - mean x) / Sxx with x = ln(shots).
fn weights() -> BTreeMap<usize, f64> {
    let x = [1, 4, 16].map(|n: usize| (n, float(n).ln()));
    let mean = x.iter().map(|(_, x)| x).sum::<f64>() / 3.0;
    let sxx: f64 = x.iter().map(|(_, x)| (x - mean).powi(2)).sum();
    x.iter().map(|&(n, x)| (n, (x - mean) / sxx)).collect()
}

/// Mean and variance (ddof 0).
fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / float(values.len());
    let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    (mean, square / float(values.len()))
}

/// The slope's error by infinitely many replicates of the two-stage bootstrap: variance between
/// functions plus the mean variance within them, over their number. Nested: sequences are drawn
/// whole; else the trials of every shot count by themselves.
fn slope_error(predictions: &[Value], nested: bool) -> f64 {
    let weights = weights();
    let mut functions: BTreeMap<&str, BTreeMap<(usize, usize), f64>> = BTreeMap::new();
    for p in predictions {
        let right = if p["correct"] == json!(true) {
            1.0
        } else {
            0.0
        };
        let key = (int(p, "trial"), int(p, "shots"));
        functions
            .entry(text(p, "function"))
            .or_default()
            .insert(key, right);
    }
    let (mut slopes, mut within) = (Vec::new(), Vec::new());
    for units in functions.values() {
        assert_eq!(units.len(), 15);
        let of_trial = |t: usize| {
            weights
                .iter()
                .map(|(&n, w)| w * units[&(t, n)])
                .sum::<f64>()
        };
        let of_shots = |n: usize| (0..5).map(|t| units[&(t, n)]).collect::<Vec<f64>>();
        let sequences: Vec<f64> = (0..5).map(of_trial).collect();
        slopes.push(moments(&sequences).0);
        within.push(if nested {
            moments(&sequences).1 / 5.0
        } else {
            weights
                .iter()
                .map(|(&n, w)| w * w * moments(&of_shots(n)).1 / 5.0)
                .sum()
        });
    }
    ((moments(&slopes).1 + moments(&within).0) / 30.0).sqrt()
}

#[test]
fn predictions_give_the_line_of_their_scores_and_an_interval_of_the_slope() {
    let dir = Workdir::new();
    let predictions = predictions("independent");
    let scores = dir.pipe(predictions.clone(), "score", "").ok();
    let (from_scores, from_predictions) = (
        &fit(scores, "")[0],
        &fit(predictions.clone(), "--replicates 20000")[0],
    );
    for (column, value) in from_scores {
        if column.starts_with("a1_ci") || column.starts_with("trial_") {
            assert_eq!(value, "");
        } else {
            assert_eq!(&from_predictions[column], value, "{column}");
        }
    }
    let (low, high) = (
        number(from_predictions, "a1_ci_low"),
        number(from_predictions, "a1_ci_high"),
    );
    let a1 = number(from_predictions, "a1");
    assert!(low < a1 && a1 < high);
    // The bootstrap of a mean of 30 functions is near normal: its interval is 1.96 errors each way.
    let error = slope_error(&json_lines(&predictions), false);
    assert_close((high - low) / (2.0 * 1.96 * error), 1.0, 0.05);
    assert_eq!(from_predictions["df"], "1");
}

#[test]
fn a_nested_fit_has_its_error_from_the_bootstrap_and_no_t() {
    let dir = Workdir::new();
    let predictions = predictions("nested");
    let row = &fit(predictions.clone(), "--replicates 20000")[0];
    assert_eq!(
        (&*row["t"], &*row["df"], &*row["design"]),
        ("", "", "nested")
    );
    let error = slope_error(&json_lines(&predictions), true);
    assert_close(number(row, "a1_se") / error, 1.0, 0.02);
    let (low, high) = (number(row, "a1_ci_low"), number(row, "a1_ci_high"));
    assert_close((high - low) / (2.0 * 1.96 * error), 1.0, 0.05);
    assert!(number(row, "a0_se") > 0.0);
    // All replicates slope upwards: p is one of 20,001.
    assert!(number(row, "p") < 0.01, "{row:?}");

    let scores = dir.pipe(predictions, "score", "").ok();
    let ran = dir.pipe(scores, "fit-loglinear", "");
    assert!(
        ran.stderr
            .starts_with("fit-loglinear: warning: scores of nested curves have no errors"),
        "{ran}"
    );
    let from_scores = &csv_rows(&ran.loud_ok())[0];
    for column in ["a0_se", "a1_se", "t", "df", "p"] {
        assert_eq!(from_scores[column], "", "{column}");
    }
    for column in ["a0", "a1", "r2", "points"] {
        assert_eq!(from_scores[column], row[column], "{column}");
    }
}

#[test]
fn threads_change_nothing_and_the_seed_only_the_bootstrap() {
    let dir = Workdir::new();
    let predictions = predictions("nested");
    let ask = |arguments: &str| {
        dir.pipe(predictions.clone(), "fit-loglinear", arguments)
            .ok()
    };
    let one = ask("--threads 1");
    assert_eq!(ask("--threads 2"), one);
    let (zero, other) = (&csv_rows(&one)[0], &csv_rows(&ask("--seed 1"))[0]);
    assert_eq!((&zero["a0"], &zero["a1"]), (&other["a0"], &other["a1"]));
    assert_ne!(zero["a1_ci_low"], other["a1_ci_low"]);
}

#[test]
fn scores_and_predictions_of_several_models_are_fitted_in_one_go() {
    let dir = Workdir::new();
    let copied = {
        let mut other = json_lines(&predictions("independent"));
        for p in &mut other {
            p["model"] = json!("other");
        }
        to_lines(&other)
    };
    dir.write("p.jsonl", &copied);
    dir.write(
        "s.csv",
        "model,shots,accuracy,params\nmine,1,.1,7e9\nmine,2,.2,7e9\n",
    );
    let rows = csv_rows(&dir.run("fit-loglinear", "p.jsonl s.csv").ok());
    let models: Vec<&str> = rows.iter().map(|r| &*r["model"]).collect();
    assert_eq!(models, ["mine", "other"]);
    assert_close(number(&rows[0], "params"), 7e9, 0.0);
    let alone = csv_rows(&dir.run("fit-loglinear", "p.jsonl").ok());
    assert_eq!(rows[1], alone[0]);
}

#[test]
fn every_format_holds_the_same_fits() {
    let dir = Workdir::new();
    let input = "model,shots,accuracy\na,1,.1\na,2,.2\na,4,.25\n";
    let fitted = |to: &str| dir.pipe(input, "fit-loglinear", &format!("--to {to}")).ok();
    let expected = json_lines(&fitted("jsonl"));
    assert_eq!(arrow_rows(&fitted("arrow")), expected);
    assert_eq!(common::parquet_rows(&fitted("parquet")), expected);
    let table = String::from_utf8(fitted("table")).unwrap();
    assert!(table.contains("a1") && table.contains("0.1082"), "{table}");
}

const SIZES: &str = "model,modality,params,shots,accuracy
x-1,m,1e9,1,.1
x-1,m,1e9,4,.2
x-2,m,2e9,1,.2
x-2,m,2e9,4,.5
y-1,m,4e9,1,.3
y-1,m,4e9,4,.8
";

/// Sizes a doubling apart: in ln(params) the slope is the gain per doubling over ln 2.
#[test]
fn families_are_regressed_on_the_logarithm_of_their_size() {
    let rows = fit(SIZES, "--families");
    let found: Vec<[&str; 4]> = rows
        .iter()
        .map(|r| ["family", "quantity", "shots", "models"].map(|c| &*r[c]))
        .collect();
    let expected = [
        ["m", "accuracy", "1", "3"],
        ["m", "accuracy", "4", "3"],
        ["m", "a0", "", "3"],
        ["m", "a1", "", "3"],
    ];
    assert_eq!(found, expected);
    let doubling = 2f64.ln();
    assert_close(number(&rows[0], "slope"), 0.1 / doubling, 1e-12);
    assert_close(number(&rows[1], "slope"), 0.3 / doubling, 1e-12);
    assert_close(number(&rows[2], "slope"), 0.1 / doubling, 1e-12);
    // a1: gains of .1, .3 and .5 over ln 4.
    assert_close(number(&rows[3], "slope"), 0.2 / 4f64.ln() / doubling, 1e-12);
    assert_close(number(&rows[3], "r2"), 1.0, 1e-12);

    let named = fit(SIZES, "--family first=x-");
    let found: Vec<[&str; 2]> = named
        .iter()
        .map(|r| ["family", "models"].map(|c| &*r[c]))
        .collect();
    assert_eq!(found, [["first", "2"]; 4]);
    assert_close(number(&named[1], "slope"), 0.3 / doubling, 1e-12);
    // A line through two points has no error.
    assert_eq!((&*named[1]["t"], &*named[1]["p"]), ("", ""));
}

#[test]
fn families_need_sizes() {
    let dir = Workdir::new();
    let unsized_ = "model,params,shots,accuracy\na,1e9,1,.1\na,1e9,2,.2\nb,,1,.1\nb,,2,.3\n";
    dir.pipe(unsized_, "fit-loglinear", "--families")
        .refused(1, &["model \"b\": column \"params\": is missing"]);
    let equal = SIZES
        .replace("1e9", "7e9")
        .replace("2e9", "7e9")
        .replace("4e9", "7e9");
    dir.pipe(equal, "fit-loglinear", "--families").refused(
        1,
        &["family \"m\": all 3 models have 7000000000 parameters; a regression on size needs two sizes"],
    );
    dir.pipe(SIZES, "fit-loglinear", "--family lone=y-")
        .refused(1, &["no family has two models of different size"]);
    for wrong in ["--family x", "--family =x", "--family x="] {
        dir.pipe(SIZES, "fit-loglinear", wrong)
            .refused(2, &["NAME=PREFIX"]);
    }
}

/// Predictions give the same family as their scores do.
#[test]
fn families_of_predictions_are_those_of_their_scores() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--shots 1,4 --trials 2 --suite primitives",
        "--alphabet genomic",
    );
    let predictions: Vec<u8> = [("nearest", "2e9"), ("bayes", "7e9"), ("copy", "1e9")]
        .iter()
        .flat_map(|(name, params)| {
            let arguments = format!("--model builtin:{name} --params {params}");
            dir.pipe(prompts.clone(), "infer", &arguments).loud_ok()
        })
        .collect();
    let scores = dir
        .pipe(predictions.clone(), "score", "--replicates 10")
        .ok();
    assert_eq!(fit(predictions, "--families"), fit(scores, "--families"));
}

#[test]
fn a_number_comes_out_of_json_lines_as_it_went_in() {
    // The fuzzer's: serde_json reads it as the number below.
    let number = "0.18033688011112042";
    let dir = Workdir::new();
    let score = |shots, accuracy| {
        format!("{{\"model\":\"m\",\"shots\":{shots},\"accuracy\":{accuracy}}}\n")
    };
    let scores = [score(1, "0.25"), score(2, number), score(4, "0.5")].concat();
    let csv = format!("model,shots,accuracy\nm,1,0.25\nm,2,{number}\nm,4,0.5\n");
    assert_eq!(
        dir.pipe(scores, "fit-loglinear", "").ok(),
        dir.pipe(csv, "fit-loglinear", "").ok()
    );
}
