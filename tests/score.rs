//! What `score` promises.

mod common;

use common::{
    Row, Workdir, assert_close, csv_rows, float, json_lines, lines, number, text, to_lines,
};
use rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A prediction of model `m` at four bits.
fn prediction(
    function: &str,
    trial: usize,
    demonstrations: &[(&str, &str)],
    [query, target, answered]: [&str; 3],
) -> Value {
    let (inputs, outputs): (Vec<&str>, Vec<&str>) = demonstrations.iter().copied().unzip();
    json!({
        "trial_id": format!("{function}/{}/{trial}", inputs.len()), "function": function, "bits": 4,
        "condition": "clean", "shots": inputs.len(), "trial": trial, "design": "independent",
        "inputs": inputs, "outputs": outputs, "query": query, "target": target, "model": "m",
        "prediction": answered, "correct": answered == target,
    })
}

/// Three functions, two trials each, small enough to score by hand.
fn worked_example() -> Vec<Value> {
    let mut predictions = vec![
        // Right.
        prediction(
            "identity",
            0,
            &[("0001", "0001"), ("0010", "0010")],
            ["0011", "0011", "0011"],
        ),
        // Wrong by one bit; no rival says so.
        prediction(
            "identity",
            1,
            &[("0000", "0000"), ("1111", "1111")],
            ["0110", "0110", "0111"],
        ),
        // Right, all ones; the mode says so.
        prediction(
            "parity_fill",
            0,
            &[("0001", "1111"), ("0111", "1111")],
            ["1110", "1111", "1111"],
        ),
        // Right, all zeros; the mode says so half of the time.
        prediction(
            "parity_fill",
            1,
            &[("0001", "1111"), ("0011", "0000")],
            ["0000", "0000", "0000"],
        ),
        // Short by its last bit: malformed.
        prediction(
            "reverse_bits",
            0,
            &[("0001", "1000"), ("1100", "0011")],
            ["0010", "0100", "010"],
        ),
        // Wrong, but what identity says, which agrees with both demonstrations.
        prediction(
            "reverse_bits",
            1,
            &[("0110", "0110"), ("1001", "1001")],
            ["0001", "1000", "0001"],
        ),
    ];
    for (i, p) in predictions.iter_mut().enumerate() {
        p["answer_logprob"] = json!(-1.0 - float(i));
    }
    predictions
}

/// What is said of rows without errors over functions.
const OF_ONE_FUNCTION: &str = "of only one function: errors over functions need two, and are null";

const SUITE: &str = "identity\nparity_fill\nreverse_bits\n";

fn score(predictions: &[Value], arguments: &str) -> Vec<Row> {
    let dir = Workdir::new();
    dir.write("suite.txt", SUITE);
    let arguments = format!("--suite suite.txt {arguments}");
    let ran = dir.pipe(to_lines(predictions), "score", &arguments);
    assert!(
        ran.stderr
            .lines()
            .all(|line| line.ends_with(OF_ONE_FUNCTION)),
        "{ran}"
    );
    csv_rows(&ran.loud_ok())
}

#[test]
fn a_cell_is_scored_as_by_hand() {
    let rows = score(&worked_example(), "");
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(
        (&*row["model"], &*row["shots"], &*row["bits"]),
        ("m", "2", "4")
    );
    assert_eq!((&*row["tasks"], &*row["trials"]), ("3", "6"));
    // Shares of 1/2, 1 and 0: their mean, and sd (ddof 1) 1/2 over the square root of 3.
    assert_close(number(row, "accuracy"), 0.5, 1e-15);
    assert_close(number(row, "task_se"), 0.5 / 3f64.sqrt(), 1e-15);
    // 0, (1 + 1/2) / 2 and 0.
    assert_close(number(row, "mode_accuracy"), 0.25, 1e-15);
    assert_close(number(row, "malformed"), 1.0 / 6.0, 1e-15);
    // 0 + 1 + 0 + 0 + 1 + 2 edits.
    assert_close(number(row, "edit_distance"), 4.0 / 6.0, 1e-15);
    assert_close(number(row, "answer_logprob"), -3.5, 1e-15);
    for (column, expected) in [
        ("zero_bd_targets", "2"),
        ("zero_bd_predictions", "2"),
        ("correct_zero_bd", "2"),
        ("correct_other", "1"),
        ("understandable", "1"),
    ] {
        assert_eq!(row[column], expected, "{column}");
    }
    assert_eq!((&*row["function"], &*row["bitload"]), ("", ""));
}

/// PROTOCOL's closed form for infinitely many replicates: the variance between functions, 1/6, plus
/// the mean of A (1 - A) / m, 1/24, over three functions. 20,000 replicates know it to 0.5 %.
#[test]
fn the_error_is_that_of_the_two_stage_bootstrap() {
    let row = &score(&worked_example(), "--replicates 20000")[0];
    let (accuracy, se) = (number(row, "accuracy"), number(row, "se"));
    let expected = ((1.0 / 6.0 + 1.0 / 24.0) / 3.0f64).sqrt();
    assert_close(se / expected, 1.0, 0.02);
    // The mode's shares are 0, 3/4 and 0; within parity_fill 1 and 1/2.
    let mode_se = number(row, "mode_se");
    let between = (2.0 * 0.25f64.powi(2) + 0.5f64.powi(2)) / 3.0;
    let within = 0.25f64.powi(2) / 2.0 / 3.0;
    assert_close(mode_se / ((between + within) / 3.0).sqrt(), 1.0, 0.02);
    let z = (accuracy - 0.25) / (se.powi(2) + mode_se.powi(2)).sqrt();
    assert_close(number(row, "z_mode"), z, 1e-12);
    // The normal tail at this z, between 0.15 and 0.3, by its slope between two table entries.
    let p = number(row, "p_mode");
    assert!((0.15..0.3).contains(&p), "{p}");
    assert!((0.6..1.0).contains(&z), "{z}");
    let paired = number(row, "p_mode_paired");
    assert!(paired > 0.0 && paired < 0.5, "{paired}");
    let (low, high) = (number(row, "ci_low"), number(row, "ci_high"));
    assert!(
        0.0 <= low && low < accuracy && accuracy < high && high <= 1.0,
        "{low} {high}"
    );
    let other = &score(&worked_example(), "--replicates 20000 --seed 1")[0];
    assert_ne!(other["se"], row["se"]);
    assert_close(number(other, "se") / se, 1.0, 0.03);
}

#[test]
fn by_task_every_function_has_its_row_and_complexity() {
    let rows = score(&worked_example(), "--by task");
    assert_eq!(rows.len(), 3);
    for (row, function, accuracy, mode, bitload, bitdiversity) in [
        (&rows[0], "identity", 0.5, 0.0, "4", 1.25),
        (&rows[1], "parity_fill", 1.0, 0.75, "4", 0.0),
        (&rows[2], "reverse_bits", 0.0, 0.0, "4", 1.25),
    ] {
        assert_eq!(row["function"], function);
        assert_eq!(
            (&*row["bitload"], &*row["trials"], &*row["tasks"]),
            (bitload, "2", "1")
        );
        assert_close(number(row, "accuracy"), accuracy, 1e-15);
        assert_close(number(row, "mode_accuracy"), mode, 1e-15);
        assert_close(number(row, "bitdiversity"), bitdiversity, 1e-15);
        assert_close(
            number(row, "se"),
            (accuracy * (1.0 - accuracy) / 2.0f64).sqrt(),
            1e-15,
        );
    }
    let foreign = prediction("my_own_function", 0, &[], ["0000", "0000", "0000"]);
    // A foreign function has an accuracy, but no complexity.
    assert_eq!(
        score(std::slice::from_ref(&foreign), "")[0]["accuracy"],
        "1"
    );
    let dir = Workdir::new();
    dir.pipe(to_lines(&[foreign]), "score", "--by task")
        .refused(
            1,
            &[
                "column \"function\": \"my_own_function\"",
                "is not a primitive",
            ],
        );
}

#[test]
fn by_complexity_functions_are_grouped() {
    let mut all = worked_example();
    for (function, target) in [("spread_first_bit", "0000"), ("flip_bits", "1100")] {
        for trial in 0..2 {
            all.push(prediction(
                function,
                trial,
                &[("0001", "0000"), ("0010", "0000")],
                ["0011", target, "0000"],
            ));
        }
    }
    // BitLoads: 4 but for spread_first_bit, which reads one bit. BitDiversities: 5/4 of the
    // functions that permute or flip, 0 of the two that fill.
    let rows = score(&all, "--by bitload");
    let found: Vec<[&str; 5]> = rows
        .iter()
        .map(|r| ["bitload", "tasks", "trials", "bitdiversity", "function"].map(|c| &*r[c]))
        .collect();
    assert_eq!(found, [["1", "1", "2", "", ""], ["4", "4", "8", "", ""]]);
    assert_close(number(&rows[0], "accuracy"), 1.0, 0.0);
    // 1/2, 1, 0 and 0.
    assert_close(number(&rows[1], "accuracy"), 0.375, 1e-15);
    assert_close(
        number(&rows[1], "task_se"),
        (11.0 / 48.0 / 4.0f64).sqrt(),
        1e-15,
    );
    let rows = score(&all, "--by bitdiversity");
    let found: Vec<[&str; 3]> = rows
        .iter()
        .map(|r| ["bitdiversity", "tasks", "bitload"].map(|c| &*r[c]))
        .collect();
    assert_eq!(found, [["0", "2", ""], ["1", "3", ""]]);
    assert_close(number(&rows[0], "accuracy"), 1.0, 0.0);
}

#[test]
fn wrong_answers_are_told_apart_as_by_hand() {
    let rows = score(&worked_example(), "--errors");
    // Wrong: 0111 for 0110 after 0000 and 1111; 010; 0001 (the query) for 1000, which identity says.
    let table: Vec<[&str; 4]> = rows
        .iter()
        .map(|r| ["kind", "wrong", "count", "counted_once"].map(|c| &*r[c]))
        .collect();
    let expected = [
        ["malformed", "3", "1", "1"],
        ["rival", "3", "1", "1"],
        ["mode", "3", "0", "0"],
        ["demonstration", "3", "0", "0"],
        ["query", "3", "1", "0"],
        ["one_bit", "3", "1", "1"],
        ["other", "3", "0", "0"],
    ];
    assert_eq!(table, expected);
    let chance = |kind: usize| number(&rows[kind], "chance") * 3.0 * 15.0;
    assert_eq!(rows[0]["chance"], "");
    // Of 15 wrong strings each: identity's answer, which is the target once; two outputs shown, the
    // same two as modes; no query that is the target but 0001; four with one bit wrong.
    assert_close(chance(1), 1.0, 1e-12);
    assert_close(chance(2), 4.0, 1e-12);
    assert_close(chance(3), 4.0, 1e-12);
    assert_close(chance(4), 1.0, 1e-12);
    assert_close(chance(5), 8.0, 1e-12);
    // 0000, 1111 and four; identity's 0001, two shown and four, of which 1001 is among those shown.
    assert_close(chance(6), (15.0 - 6.0) + (15.0 - 6.0), 1e-12);
}

#[test]
fn kinds_of_errors_need_demonstrations_where_they_need_them() {
    let mut slim = worked_example();
    let mut deranged = worked_example();
    for p in &mut slim {
        let p = p.as_object_mut().unwrap();
        p.remove("inputs");
        p.remove("outputs");
    }
    for p in &mut deranged {
        p["condition"] = json!("deranged");
    }
    let counts = |predictions: &[Value]| -> Vec<String> {
        score(predictions, "--errors")
            .iter()
            .map(|r| r["count"].clone())
            .collect()
    };
    assert_eq!(counts(&slim), ["1", "", "", "", "1", "1", ""]);
    assert_eq!(counts(&deranged), ["1", "", "0", "0", "1", "1", "0"]);
    // Nothing wrong: no share of anything.
    let right: Vec<Value> = worked_example()
        .drain(..)
        .filter(|p| p["correct"] == true)
        .collect();
    let rows = score(&right, "--errors --allow-partial");
    assert!(
        rows.iter()
            .all(|r| r["share"].is_empty() && r["chance"].is_empty() && r["count"] == "0")
    );
}

/// The points of nested trials are predictions with demonstrations of their own.
#[test]
fn nested_trials_have_kinds_of_errors_too() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--design nested --shots 1,2,8 --trials 2 --suite primitives",
        "--alphabet genomic",
    );
    let predictions = dir.pipe(prompts, "infer", "--model builtin:mode").ok();
    let rows = csv_rows(&dir.pipe(predictions, "score", "--errors").ok());
    assert_eq!(rows.len(), 3 * 7);
    for cell in rows.chunks(7) {
        let of = |kind: &str, column: &str| {
            let row = cell.iter().find(|r| r["kind"] == kind).unwrap();
            number(row, column)
        };
        // The mode is always a mode and an output that was shown.
        assert_close(of("mode", "share"), 1.0, 0.0);
        assert_close(of("demonstration", "share"), 1.0, 0.0);
        let once: f64 = cell.iter().map(|r| number(r, "counted_once")).sum();
        assert_close(once, of("mode", "wrong"), 0.0);
        let rivals: f64 = of("rival", "counted_once") + of("mode", "counted_once");
        assert_close(rivals, once, 0.0);
    }
}

#[test]
fn designs_reach_the_error_wanted() {
    let rows = score(&worked_example(), "--power 0.1");
    assert_eq!(rows.len(), 8);
    // PROTOCOL's closed form, as in the test of the bootstrap above.
    let now = ((1.0 / 6.0 + 1.0 / 24.0) / 3.0f64).sqrt();
    for row in &rows {
        assert_close(number(row, "se"), now, 1e-15);
        assert!(number(row, "design_se") <= 0.1);
        let product = number(row, "design_tasks") * number(row, "design_trials");
        assert_close(number(row, "design_predictions"), product, 0.0);
        // Three functions are too few, whatever the trials.
        assert_eq!(row["trials_enough"], "");
    }
    let tasks: Vec<f64> = rows.iter().map(|r| number(r, "design_tasks")).collect();
    assert!(tasks.is_sorted_by(|a, b| a >= b), "{tasks:?}");
    assert_eq!(
        score(&worked_example(), "--power 0.4")[0]["trials_enough"],
        "1"
    );
    let dir = Workdir::new();
    let single: Vec<Value> = worked_example()
        .drain(..)
        .filter(|p| p["trial"] == 0)
        .collect();
    // Within the reach of eight trials, and not of one.
    let power = |wanted: &str| {
        let arguments = format!("--suite paper --power {wanted}");
        let ran = dir.pipe(to_lines(&worked_example()), "score", &arguments);
        (ran.stderr.clone(), csv_rows(&ran.loud_ok()))
    };
    let columns = ["design_tasks", "design_predictions", "design_se"];
    let (said, rows) = power("1e-6");
    assert_eq!(
        said,
        "score: warning: --power 0.000001: 8 of 8 designs would need more than 2147483648 functions, and are null\n"
    );
    for row in &rows {
        assert!(columns.iter().all(|c| row[*c].is_empty()), "{row:?}");
        assert_eq!(row["trials_enough"], "");
    }
    let (said, rows) = power("1e-4");
    assert_eq!(said, "");
    assert!(rows.iter().all(|r| number(r, "design_se") <= 1e-4));
    dir.pipe(to_lines(&single), "score", "--power 0.1").refused(
        1,
        &["model \"m\", 2 shots: --power needs two functions, and two trials"],
    );
    for arguments in [
        "--power 0",
        "--power x",
        "--power 0.1 --errors",
        "--errors --by task",
    ] {
        dir.pipe(to_lines(&single), "score", arguments)
            .refused(2, &["--"]);
    }
}

#[test]
fn what_needs_demonstrations_is_empty_where_the_input_has_none() {
    let mut slim = worked_example();
    for p in &mut slim {
        let p = p.as_object_mut().unwrap();
        p.remove("inputs");
        p.remove("outputs");
    }
    let (whole, slim) = (&score(&worked_example(), "")[0], &score(&slim, "")[0]);
    let needing = [
        "mode_accuracy",
        "mode_se",
        "z_mode",
        "p_mode",
        "p_mode_paired",
        "understandable",
    ];
    for (column, value) in whole {
        assert!(!value.is_empty() || slim[column].is_empty());
        let expected = if needing.contains(&&**column) {
            ""
        } else {
            &**value
        };
        assert_eq!(slim[column], expected, "{column}");
    }
}

#[test]
fn deranged_answers_are_never_called_understandable() {
    let mut deranged = worked_example();
    for p in &mut deranged {
        p["condition"] = json!("deranged");
    }
    assert_eq!(score(&deranged, "")[0]["understandable"], "");
}

#[test]
fn a_log_probability_that_one_trial_lacks_is_no_mean() {
    let mut some = worked_example();
    some[3]["answer_logprob"] = json!(null);
    assert_eq!(score(&some, "")[0]["answer_logprob"], "");
}

#[test]
fn zero_shots_have_an_accuracy_and_no_mode() {
    let zero = [
        prediction("identity", 0, &[], ["0011", "0011", "0011"]),
        prediction("identity", 1, &[], ["0101", "0101", ""]),
    ];
    let row = &score(&zero, "")[0];
    assert_close(number(row, "accuracy"), 0.5, 1e-15);
    assert_close(number(row, "malformed"), 0.5, 1e-15);
    assert_close(number(row, "edit_distance"), 2.0, 1e-15);
    assert_eq!((&*row["mode_accuracy"], &*row["shots"]), ("", "0"));
}

#[test]
fn ragged_cells_are_refused_unless_partial_ones_are_allowed() {
    let dir = Workdir::new();
    let grid = "--task identity --task rotl1 --shots 1,2 --trials 3";
    let prompts = dir.prompts(grid, "--alphabet genomic");
    let whole = json_lines(&dir.pipe(prompts, "infer", "--model builtin:copy").ok());
    let without = |gone: &dyn Fn(&Value) -> bool| -> Vec<u8> {
        let left: Vec<Value> = whole.iter().filter(|p| !gone(p)).cloned().collect();
        assert!(left.len() < whole.len());
        to_lines(&left)
    };
    let is = |p: &Value, function: &str, shots: u64, trial: u64| {
        p["function"] == function && p["shots"] == shots && p["trial"] == trial
    };
    for (input, words) in [
        (
            without(&|p| is(p, "rotl1", 2, 1)),
            "model \"builtin:copy\", 2 shots: 2 trials of rotl1, but 3 of identity; some predictions are missing",
        ),
        (
            without(&|p| p["function"] == "rotl1" && p["shots"] == 1),
            "model \"builtin:copy\", 1 shot: no trial of rotl1, which another shot count has",
        ),
        // As many functions at either, and not the same ones.
        (
            without(&|p| p["function"] == if p["shots"] == 1 { "rotl1" } else { "identity" }),
            "model \"builtin:copy\", 1 shot: no trial of rotl1, which another shot count has",
        ),
    ] {
        dir.pipe(input.clone(), "score", "")
            .refused(1, &[words, "--allow-partial"]);
        dir.pipe(input.clone(), "fit-loglinear", "")
            .refused(1, &[words]);
        let rows = csv_rows(&dir.pipe(input, "score", "--allow-partial").loud_ok());
        assert_eq!(rows.len(), 2);
    }
    // Fewer trials at one shot count than at another are no ragged cell.
    let fewer = without(&|p| p["shots"] == 2 && p["trial"] == 2);
    let rows = csv_rows(&dir.pipe(fewer, "score", "").ok());
    assert_eq!([&*rows[0]["trials"], &*rows[1]["trials"]], ["6", "4"]);
}

/// One function knows nothing of others: its trials alone would pretend to certainty.
#[test]
fn one_function_has_no_error_over_functions() {
    let dir = Workdir::new();
    let all = worked_example();
    let of = |function: &str| -> Vec<u8> {
        let own = all.iter().filter(|p| p["function"] == function);
        to_lines(&own.cloned().collect::<Vec<_>>())
    };
    let said = format!("score: warning: 1 row {OF_ONE_FUNCTION}\n");
    let over_functions = [
        "se",
        "ci_low",
        "ci_high",
        "normal_low",
        "normal_high",
        "task_se",
        "mode_se",
        "z_mode",
        "p_mode",
        "p_mode_paired",
    ];
    for arguments in ["", "--by bitload", "--by bitdiversity"] {
        let ran = dir.pipe(of("parity_fill"), "score", arguments);
        assert_eq!(ran.stderr, said, "{arguments}");
        let row = &csv_rows(&ran.loud_ok())[0];
        assert_eq!((&*row["accuracy"], &*row["mode_accuracy"]), ("1", "0.75"));
        for column in over_functions {
            assert_eq!(row[column], "", "{column}");
        }
    }
    // Of its trials it has one.
    let row = &csv_rows(&dir.pipe(of("identity"), "score", "--by task").ok())[0];
    assert_close(number(row, "se"), 0.125f64.sqrt(), 1e-15);
    // In a table with others, the one row.
    let ran = dir.pipe(to_lines(&all), "score", "--by bitdiversity");
    assert_eq!(ran.stderr, said);
    let rows = csv_rows(&ran.loud_ok());
    assert_eq!((&*rows[0]["tasks"], &*rows[0]["se"]), ("1", ""));
    assert_eq!(rows[1]["tasks"], "2");
    assert!(number(&rows[1], "se") > 0.0);
}

/// What is equal in every replicate is so exactly, thirds included.
#[test]
fn replicates_that_do_not_differ_have_an_error_of_zero() {
    let shown = [("0001", "1111"), ("0010", "0000"), ("0100", "1010")];
    let functions = "identity flip_bits rotl1 rotr1 majority minority left_half".split(' ');
    let all: Vec<Value> = functions
        .map(|function| prediction(function, 0, &shown, ["0011", "0000", "0001"]))
        .collect();
    let row = &score(&all, "")[0];
    assert_close(number(row, "mode_accuracy"), 1.0 / 3.0, 1e-15);
    for (column, expected) in [
        ("se", "0"),
        ("task_se", "0"),
        ("mode_se", "0"),
        ("z_mode", ""),
        ("p_mode", ""),
    ] {
        assert_eq!(row[column], expected, "{column}");
    }
}

/// A change of these numbers is a change of every published error: of the streams' keys, or of how they are drawn from.
#[test]
fn a_seed_gives_these_errors() {
    let path = common::repository("tests/fixtures/stats/predictions.jsonl");
    let rows = csv_rows(
        &Workdir::new()
            .run("score", ["--seed", "7", &path.display().to_string()])
            .ok(),
    );
    let found: Vec<[&str; 5]> = rows
        .iter()
        .map(|r| ["design", "shots", "se", "ci_high", "p_mode_paired"].map(|c| &*r[c]))
        .collect();
    let expected = [
        [
            "independent",
            "1",
            "0.12623428101630654",
            "0.7222222222222222",
            "1",
        ],
        [
            "independent",
            "4",
            "0.13467390702941526",
            "0.6666666666666666",
            "0.6634673065386922",
        ],
        [
            "independent",
            "2",
            "0.12199426671409906",
            "0.5416666666666666",
            "0.9112177564487103",
        ],
        [
            "nested",
            "0",
            "0.13833296159588843",
            "0.6666666666666666",
            "",
        ],
        [
            "nested",
            "1",
            "0.11404830573781628",
            "1",
            "0.01839632073585283",
        ],
        [
            "nested",
            "2",
            "0.09970516222844189",
            "1",
            "0.0013997200559888023",
        ],
        ["nested", "8", "0", "1", "0.0001999600079984003"],
        [
            "independent",
            "2",
            "0.10101164639947846",
            "0.4583333333333333",
            "",
        ],
        ["independent", "2", "0", "0", ""],
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_trial_given_twice_is_refused_even_among_partial_cells() {
    let dir = Workdir::new();
    dir.write("p.jsonl", to_lines(&worked_example()));
    for arguments in [
        "p.jsonl p.jsonl",
        "p.jsonl p.jsonl --allow-partial",
        "p.jsonl p.jsonl --by task",
    ] {
        dir.run("score", arguments).refused(
            1,
            &["model \"m\", 2 shots: trial 0 of identity appears twice, in p.jsonl and in p.jsonl"],
        );
    }
    dir.run("fit-loglinear", "p.jsonl p.jsonl")
        .refused(1, &["appears twice"]);
}

#[test]
fn two_models_of_one_name_are_refused_with_both_files() {
    let dir = Workdir::new();
    dir.write("a.jsonl", to_lines(&worked_example()));
    dir.write("b.jsonl", to_lines(&worked_example()[1..2]));
    for filter in ["score", "fit-loglinear", "contrast"] {
        let refused = dir.run(filter, "a.jsonl b.jsonl");
        let both = ["in a.jsonl and in b.jsonl", "two models with the same name"];
        refused.refused(1, &both);
    }
    let scores = "model,shots,accuracy\nm,1,.1\nm,2,.2\n";
    dir.write("a.csv", scores);
    dir.write("b.csv", scores);
    for line in [
        "fit-loglinear a.csv b.csv",
        "figure curve a.csv b.csv -o out.svg",
        "figure report a.csv b.csv -o out.html",
    ] {
        let (filter, arguments) = line.split_once(' ').unwrap();
        dir.run(filter, arguments).refused(
            1,
            &["in a.csv:2 and in b.csv:2", "two models with the same name"],
        );
    }
    assert!(!dir.path("out.svg").exists() && !dir.path("out.html").exists());
}

#[test]
fn nothing_is_pooled_across_cells() {
    let changes = [
        json!({}),
        json!({"model": "n"}),
        json!({"modality": "genomic"}),
        json!({"encoding": "protein"}),
        json!({"template": "{x}>{y}"}),
        json!({"condition": "deranged"}),
        json!({"method": "generate"}),
        json!({"constrained": true}),
        json!({"bos": true}),
    ];
    let mut all = Vec::new();
    for change in &changes {
        for mut p in worked_example() {
            p.as_object_mut()
                .unwrap()
                .extend(change.as_object().unwrap().clone());
            all.push(p);
        }
    }
    let rows = score(&all, "");
    assert_eq!(rows.len(), changes.len());
    for (row, change) in rows.iter().zip(&changes) {
        assert_close(number(row, "accuracy"), 0.5, 1e-15);
        for (column, value) in change.as_object().unwrap() {
            let expected = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(row[column], expected);
        }
    }
}

#[test]
fn a_nested_curve_resamples_whole_sequences() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--suite primitives --design nested --shots 1,2,8 --trials 3",
        "--alphabet genomic",
    );
    let predictions = dir.pipe(prompts, "infer", "--model builtin:nearest").ok();
    let rows = csv_rows(&dir.pipe(predictions.clone(), "score", "").ok());
    assert_eq!(rows.len(), 3);
    let records = json_lines(&predictions);
    for (row, shots) in rows.iter().zip([1, 2, 8]) {
        assert_eq!(row["shots"], shots.to_string());
        assert_eq!(
            (&*row["design"], &*row["trials"], &*row["tasks"]),
            ("nested", "90", "30")
        );
        let right = records
            .iter()
            .filter(|p| p["shots"] == shots && p["correct"] == true)
            .count();
        assert_close(number(row, "accuracy"), float(right) / 90.0, 1e-12);
        assert!(number(row, "se") > 0.0);
    }
    // One point of one sequence is missing.
    let mut holes = records.clone();
    holes.retain(|p| !(p["function"] == "rotl1" && p["shots"] == 2 && p["trial"] == 1));
    assert_eq!(holes.len(), 269);
    dir.pipe(to_lines(&holes), "score", "")
        .refused(1, &["--allow-partial"]);
    dir.pipe(to_lines(&holes), "score", "--allow-partial")
        .refused(
            1,
            &[
                "the sequences of rotl1 differ between shot counts",
                "needs all its points",
            ],
        );
    // A sequence given twice.
    let twice = [predictions.clone(), predictions].concat();
    dir.pipe(twice, "score", "").refused(1, &["appears twice"]);
}

/// Predictions with log-probabilities that no sum in another order gives again to the last digit.
fn awkward(model: &str) -> Vec<Value> {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--suite primitives --shots 1,2,8 --trials 4",
        "--alphabet genomic",
    );
    let arguments = format!("--model builtin:nearest --name {model}");
    let mut predictions = json_lines(&dir.pipe(prompts, "infer", &arguments).ok());
    for (i, p) in predictions.iter_mut().enumerate() {
        p["answer_logprob"] =
            json!(-(float(i) * 0.37).sin().abs() * 10f64.powi(i32::try_from(i % 7).unwrap()));
    }
    predictions
}

#[test]
fn the_order_of_rows_and_the_number_of_threads_change_nothing() {
    let dir = Workdir::new();
    let mut predictions = awkward("m");
    for by in ["--by cell", "--by task"] {
        let expected = dir
            .pipe(
                to_lines(&predictions),
                "score",
                &format!("{by} --threads 1"),
            )
            .ok();
        let mut rng = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(7);
        for threads in [1, 2] {
            for i in (1..predictions.len()).rev() {
                predictions.swap(i, rng.next_u32() as usize % (i + 1));
            }
            let arguments = format!("{by} --threads {threads}");
            let found = dir.pipe(to_lines(&predictions), "score", &arguments).ok();
            assert_eq!(lines(&found), lines(&expected), "{by}, {threads} threads");
        }
    }
}

#[test]
fn another_models_file_changes_no_number_of_the_first() {
    let dir = Workdir::new();
    let (a, b) = (awkward("a"), awkward("b"));
    dir.write("a.jsonl", to_lines(&a));
    dir.write("b.jsonl", to_lines(&b[..]));
    for by in ["cell", "task"] {
        let scored = |files: &str| dir.run("score", &format!("--by {by} {files}")).ok();
        let rows_of = |table: &[u8], model: &str| -> Vec<String> {
            let start = format!("{model},");
            lines(table)
                .iter()
                .filter(|l| l.starts_with(&start))
                .map(|l| (*l).to_owned())
                .collect()
        };
        let (alone, together) = (scored("a.jsonl"), scored("b.jsonl a.jsonl"));
        let rows = rows_of(&alone, "a");
        assert_eq!(rows.len(), if by == "cell" { 3 } else { 90 });
        assert_eq!(rows_of(&together, "a"), rows);
        assert_eq!(rows_of(&together, "b").len(), rows.len());
    }
}

#[test]
fn fewer_cells_change_no_number_of_the_others() {
    let dir = Workdir::new();
    let all = awkward("m");
    let some: Vec<Value> = all.iter().filter(|p| p["shots"] != 2).cloned().collect();
    let table = |p: &[Value]| -> BTreeSet<String> {
        let table = dir.pipe(to_lines(p), "score", "").ok();
        lines(&table).into_iter().map(str::to_owned).collect()
    };
    let (all, some) = (table(&all), table(&some));
    assert_eq!((all.len(), some.len()), (4, 3));
    assert!(some.is_subset(&all), "{some:?} {all:?}");
}

#[test]
fn without_replicates_there_is_no_error() {
    let row = &score(&worked_example(), "--replicates 0")[0];
    assert_close(number(row, "accuracy"), 0.5, 1e-15);
    for column in [
        "se",
        "ci_low",
        "ci_high",
        "mode_se",
        "z_mode",
        "p_mode",
        "p_mode_paired",
    ] {
        assert_eq!(row[column], "", "{column}");
    }
}

#[test]
fn every_format_holds_the_same_scores() {
    let dir = Workdir::new();
    let input = to_lines(&worked_example());
    let scored = |to: &str| {
        dir.pipe(input.clone(), "score", &format!("--suite paper --to {to}"))
            .ok()
    };
    let expected = json_lines(&scored("jsonl"));
    assert_eq!(common::arrow_rows(&scored("arrow")), expected);
    assert_eq!(common::parquet_rows(&scored("parquet")), expected);
    let csv = &csv_rows(&scored("csv"))[0];
    for (column, value) in expected[0].as_object().unwrap() {
        match value {
            Value::Null => assert_eq!(csv[column], ""),
            Value::String(s) => assert_eq!(&csv[column], s),
            // Numbers read back as they were, to the last bit.
            value => assert_eq!(
                csv[column].parse::<f64>().unwrap().to_bits(),
                value.as_f64().unwrap().to_bits(),
                "{column}"
            ),
        }
    }
    let table = String::from_utf8(scored("table")).unwrap();
    assert!(
        table.contains("accuracy") && table.contains("0.5000"),
        "{table}"
    );
    assert_eq!(text(&expected[0], "model"), "m");
}

/// A group's scores, and its fit, are those of its functions alone: draws are by name, and no other function moves them.
#[test]
fn groups_are_scored_and_fitted_as_their_functions_alone() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--suite primitives --shots 1,4,16 --trials 4",
        "--alphabet genomic",
    );
    let predictions = dir.pipe(prompts, "infer", "--model builtin:nearest").ok();
    dir.write("all.jsonl", &predictions);
    dir.write(
        "groups.csv",
        "group,function\nmine,rotl1\nmine,majority\nmine,identity\nyours,rotl1\nyours,edge_mask\n",
    );
    for filter in ["score", "fit-loglinear"] {
        let table = |arguments: &str| {
            let arguments = format!("--replicates 200 --to csv {arguments}");
            csv_rows(&dir.run(filter, &arguments).ok())
        };
        let grouped = table("--by group --groups groups.csv all.jsonl");
        for (group, members) in [
            ("mine", &["rotl1", "majority", "identity"][..]),
            ("yours", &["rotl1", "edge_mask"]),
        ] {
            let own: Vec<Value> = json_lines(&predictions)
                .into_iter()
                .filter(|p| members.contains(&text(p, "function")))
                .collect();
            dir.write("own.jsonl", to_lines(&own));
            let mut expected = table("own.jsonl");
            for row in &mut expected {
                row.insert("group".to_owned(), group.to_owned());
            }
            let found: Vec<Row> = grouped
                .iter()
                .filter(|r| r["group"] == group)
                .cloned()
                .collect();
            assert_eq!(found, expected, "{filter} {group}");
        }
    }
    // Scores of groups are no curve.
    let scores = dir.run("score", "--by group --replicates 9 all.jsonl").ok();
    dir.pipe(scores.clone(), "fit-loglinear", "")
        .refused(1, &["column \"group\": scores of groups"]);
    dir.pipe(scores, "fit-loglinear", "--by group")
        .refused(1, &["column \"group\": scores of groups"]);
}
