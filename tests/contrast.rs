//! What `contrast` promises.

mod common;

use common::{Workdir, assert_close, csv_rows, float, json_lines, lines, number, text, to_lines};
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Value, json};
use shotline::stats::spearman;
use std::collections::BTreeSet;

/// The answers of a model to `trials` trials of each function, of which so many are right.
fn answers(
    model: &str,
    condition: &str,
    shots: u32,
    trials: u32,
    right: &[(&str, u32)],
) -> Vec<Value> {
    right
        .iter()
        .flat_map(|&(function, right)| {
            (0..trials).map(move |trial| {
                json!({
                    "trial_id": format!("{function}/{condition}/{shots}/{trial}"),
                    "function": function, "bits": 4, "condition": condition, "shots": shots,
                    "trial": trial, "design": "independent", "target": "0110", "model": model,
                    "prediction": if trial < right { "0110" } else { "1" },
                    "correct": trial < right,
                })
            })
        })
        .collect()
}

const FUNCTIONS: [&str; 4] = ["identity", "rotl1", "flip_bits", "majority"];

fn named(right: [u32; 4]) -> Vec<(&'static str, u32)> {
    FUNCTIONS.into_iter().zip(right).collect()
}

/// A model whose gaps are 3, 1, 0 and -1 quarters.
fn worked_example() -> Vec<Value> {
    let clean = answers("m", "clean", 2, 4, &named([4, 3, 2, 0]));
    let deranged = answers("m", "deranged", 2, 4, &named([1, 2, 2, 1]));
    [clean, deranged].concat()
}

fn contrast(predictions: &[Value], arguments: &str) -> Vec<common::Row> {
    csv_rows(
        &Workdir::new()
            .pipe(to_lines(predictions), "contrast", arguments)
            .ok(),
    )
}

#[test]
fn a_contrast_is_as_by_hand() {
    let rows = contrast(&worked_example(), "");
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(
        (
            &*row["model"],
            &*row["shots"],
            &*row["tasks"],
            &*row["trials"]
        ),
        ("m", "2", "4", "16")
    );
    assert_close(number(row, "clean_accuracy"), 9.0 / 16.0, 1e-15);
    assert_close(number(row, "deranged_accuracy"), 6.0 / 16.0, 1e-15);
    assert_close(number(row, "gap"), 3.0 / 16.0, 1e-15);
    assert_eq!(
        (&*row["up"], &*row["equal"], &*row["down"]),
        ("2", "1", "1")
    );
    // Signs of 3, 1 and 1 that sum to 3 or more: all but one of the four with +3.
    assert_close(number(row, "p_swap"), 3.0 / 8.0, 0.0);
    assert_eq!(row["p_holm"], row["p_swap"]);
    // Differences of 3, 1, 0, -1 quarters: variance 35/12 quarters squared.
    let se = (35f64 / 12.0 / 4.0).sqrt() / 4.0;
    assert_close(number(row, "gap_se"), se, 1e-15);
    assert_close(number(row, "t"), 3.0 / 16.0 / se, 1e-14);
    assert_close(
        number(row, "ci_high") - number(row, "ci_low"),
        2.0 * 1.96 * se,
        1e-14,
    );
}

#[test]
fn by_task_the_gaps_are_the_profile() {
    let rows = contrast(&worked_example(), "--by task");
    let found: Vec<(&str, f64)> = rows
        .iter()
        .map(|r| (&*r["function"], number(r, "gap")))
        .collect();
    let expected = [
        ("flip_bits", 0.0),
        ("identity", 0.75),
        ("majority", -0.25),
        ("rotl1", 0.25),
    ];
    assert_eq!(found, expected);
    assert_eq!(
        (
            &*rows[0]["bitload"],
            &*rows[0]["p_swap"],
            &*rows[0]["trials"]
        ),
        ("4", "", "4")
    );
    assert_close(number(&rows[0], "bitdiversity"), 1.25, 1e-15);
}

#[test]
fn holm_runs_over_the_models_at_their_largest_shot_counts() {
    let model = |name: &str, shots: u32, right: [u32; 4]| {
        let clean = answers(name, "clean", shots, 4, &named(right));
        [clean, answers(name, "deranged", shots, 4, &named([0; 4]))].concat()
    };
    let all = [
        model("a", 2, [4, 4, 4, 4]),
        model("a", 8, [4, 4, 4, 0]),
        model("b", 2, [1, 2, 3, 4]),
    ]
    .concat();
    let rows = contrast(&all, "");
    let found: Vec<[&str; 4]> = rows
        .iter()
        .map(|r| ["model", "shots", "p_swap", "p_holm"].map(|c| &*r[c]))
        .collect();
    // 1/2^r, and at the largest counts the smaller of two is doubled; the larger stays.
    let expected = [
        ["a", "2", "0.0625", ""],
        ["a", "8", "0.125", "0.125"],
        ["b", "2", "0.0625", "0.125"],
    ];
    assert_eq!(found, expected);
    let only = contrast(&all, "--shots 2");
    assert_eq!(only.len(), 2);
    assert_eq!(
        (&*only[0]["p_holm"], &*only[1]["p_holm"]),
        ("0.125", "0.125")
    );
}

#[test]
fn unequal_trials_have_no_swap_test_and_are_refused_unless_partial() {
    let mut predictions = worked_example();
    predictions.pop();
    let dir = Workdir::new();
    dir.pipe(to_lines(&predictions), "contrast", "").refused(
        1,
        &[
            "model \"m\", 2 shots: 3 trials of majority, but 4 of",
            "--allow-partial",
        ],
    );
    let row = &contrast(&predictions, "--allow-partial")[0];
    assert_eq!((&*row["p_swap"], &*row["p_holm"]), ("", ""));
    // Majority deranged is right at 1 of 3 now.
    assert_close(number(row, "gap"), (0.75 + 0.25 - 1.0 / 3.0) / 4.0, 1e-15);
    // A function that one condition lacks.
    predictions.retain(|p| !(p["condition"] == "deranged" && p["function"] == "majority"));
    dir.pipe(to_lines(&predictions), "contrast", "").refused(
        1,
        &["model \"m\", 2 shots, clean and deranged: only one side has majority"],
    );
    let row = &contrast(&predictions, "--allow-partial")[0];
    assert_eq!((&*row["tasks"], &*row["p_swap"]), ("3", "0.25"));
}

#[test]
fn models_with_unequal_trials_are_refused_unless_partial() {
    let all = [
        answers("a", "clean", 2, 4, &named([4, 3, 2, 1])),
        answers("b", "clean", 2, 2, &named([1, 2, 0, 2])),
    ]
    .concat();
    Workdir::new().pipe(to_lines(&all), "contrast", "--models").refused(
        1,
        &["models \"a\" and \"b\", 2 shots: 4 trials of flip_bits on one side, 2 on the other", "--allow-partial"],
    );
    let row = &contrast(&all, "--models --allow-partial")[0];
    assert_eq!(
        (&*row["p_swap"], &*row["p_holm"], &*row["p_bh"]),
        ("", "", "")
    );
    assert!(number(row, "gap_se") > 0.0);
    // The same in two conditions.
    let conditions = [
        answers("a", "clean", 2, 4, &named([4, 3, 2, 1])),
        answers("a", "deranged", 2, 2, &named([1, 2, 0, 2])),
    ]
    .concat();
    Workdir::new()
        .pipe(to_lines(&conditions), "contrast", "")
        .refused(
            1,
            &["model \"a\", 2 shots, clean and deranged: 4 trials of flip_bits"],
        );
}

#[test]
fn equal_gaps_have_an_error_of_zero_and_no_test() {
    let all = [
        answers("m", "clean", 2, 10, &named([1, 3, 9, 10])),
        answers("m", "deranged", 2, 10, &named([0, 2, 8, 9])),
    ]
    .concat();
    let row = &contrast(&all, "")[0];
    let found = ["gap", "gap_se", "ci_low", "ci_high", "t", "p_t", "p_swap"].map(|c| &*row[c]);
    assert_eq!(found, ["0.1", "0", "0.1", "0.1", "", "", "0.0625"]);
}

/// Gaps of 1/2 - 2/5, 3/5 - 1/2, 1/10 - 0 and 9/10 - 4/5, which differences of floats tell apart.
#[test]
fn ties_are_decided_by_counts() {
    let all: Vec<Value> = [
        ("a", "identity", 1, 2),
        ("b", "identity", 2, 5),
        ("a", "rotl1", 3, 5),
        ("b", "rotl1", 1, 2),
        ("a", "flip_bits", 1, 10),
        ("b", "flip_bits", 0, 3),
        ("a", "majority", 9, 10),
        ("b", "majority", 4, 5),
    ]
    .into_iter()
    .flat_map(|(model, function, right, trials)| {
        answers(model, "clean", 2, trials, &[(function, right)])
    })
    .collect();
    let rows = contrast(&all, "--models --by task --top 2 --allow-partial");
    let favouring: Vec<[&str; 2]> = rows
        .iter()
        .map(|r| ["function", "favours"].map(|c| &*r[c]))
        .collect();
    // Equal ones by name: flip_bits and identity are the first two; majority and rotl1 are among the best.
    assert_eq!(
        favouring,
        [
            ["flip_bits", "a"],
            ["identity", "a"],
            ["majority", ""],
            ["rotl1", ""]
        ]
    );
    let row = &contrast(&all, "--models --allow-partial")[0];
    assert_eq!((&*row["gap_se"], &*row["t"]), ("0", ""));
}

#[test]
fn controls_are_none_of_the_models_compared() {
    let model = |name: &str, method: &str, right: [u32; 4]| {
        let clean = answers(name, "clean", 8, 4, &named(right));
        let mut both = [clean, answers(name, "deranged", 8, 4, &named([0; 4]))].concat();
        for p in &mut both {
            p["method"] = json!(method);
        }
        both
    };
    let all = [
        model("a", "generate", [4, 4, 4, 0]),
        model("builtin:nearest", "builtin", [4, 4, 4, 3]),
        model("b", "score", [1, 2, 3, 4]),
    ]
    .concat();
    let table = |arguments: &str, columns: [&str; 4]| -> Vec<[String; 4]> {
        let rows = contrast(&all, arguments);
        rows.iter().map(|r| columns.map(|c| r[c].clone())).collect()
    };
    // 1/2^3 and 1/2^4: two models, so that the smaller is doubled.
    assert_eq!(
        table("", ["model", "p_swap", "p_holm", "p_bh"]),
        [
            ["a", "0.125", "0.125", "0.125"],
            ["builtin:nearest", "0.0625", "", ""],
            ["b", "0.0625", "0.125", "0.125"],
        ]
    );
    // Of the pairs only those of a and b are of models.
    for (arguments, p) in [
        ("--models", "p_swap"),
        ("--profiles --permutations 99", "p"),
    ] {
        for row in contrast(&all, arguments) {
            let of_models = (&*row["model_a"], &*row["model_b"]) == ("a", "b");
            assert!(!row[p].is_empty(), "{row:?}");
            for column in ["p_holm", "p_bh"] {
                assert_eq!(row[column].is_empty(), !of_models, "{row:?}");
            }
        }
    }
}

#[test]
fn what_cannot_be_contrasted_is_refused() {
    let dir = Workdir::new();
    let clean = answers("m", "clean", 2, 4, &named([1; 4]));
    let lone = to_lines(&clean);
    dir.pipe(lone.clone(), "contrast", "")
        .refused(1, &["no model has clean and deranged predictions"]);
    dir.pipe(lone.clone(), "contrast", "--models")
        .refused(1, &["needs two models"]);
    dir.pipe(to_lines(&worked_example()), "contrast", "--profiles")
        .refused(1, &["--profiles: needs two models"]);
    let twice = [worked_example(), worked_example()].concat();
    dir.pipe(to_lines(&twice), "contrast", "")
        .refused(1, &["appears twice, in stdin and in stdin"]);
    for (arguments, word) in [
        ("--models --profiles", "cannot be used with"),
        ("--profiles --by task", "--by task alone"),
        ("--top 0", "--top"),
        ("--identifiability --bits 17", "1..16"),
        ("--identifiability --bits 3 --shots 8", "8 different inputs"),
        ("--identifiability --suite no/such", "--suite no/such"),
    ] {
        dir.pipe(lone.clone(), "contrast", arguments)
            .refused(2, &[word]);
    }
    dir.write("p.jsonl", lone);
    dir.run("contrast", "--identifiability p.jsonl")
        .refused(2, &["reads no predictions"]);
}

#[test]
fn a_model_with_one_condition_is_left_out_aloud() {
    let mut all = worked_example();
    all.extend(answers("n", "clean", 2, 4, &named([1; 4])));
    let ran = Workdir::new().pipe(to_lines(&all), "contrast", "");
    assert_eq!(
        ran.stderr,
        "contrast: warning: model \"n\": one condition only, left out\n"
    );
    assert_eq!(csv_rows(&ran.loud_ok()).len(), 1);
}

#[test]
fn models_meet_at_the_largest_count_that_both_have() {
    let all = [
        answers("a", "clean", 2, 4, &named([4, 3, 2, 1])),
        answers("a", "clean", 8, 4, &named([4, 4, 4, 4])),
        answers("b", "clean", 2, 4, &named([1, 3, 0, 4])),
        answers("b", "deranged", 2, 4, &named([1, 3, 0, 4])),
    ]
    .concat();
    let rows = contrast(&all, "--models --top 2");
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(
        (
            &*row["model_a"],
            &*row["model_b"],
            &*row["shots"],
            &*row["condition"]
        ),
        ("a", "b", "2", "clean")
    );
    assert_eq!(
        (&*row["up"], &*row["equal"], &*row["down"]),
        ("2", "1", "1")
    );
    // Best of a: identity, rotl1; of b: majority, rotl1.
    assert_eq!((&*row["top"], &*row["shared"]), ("2", "1"));
    assert_close(number(row, "iou"), 1.0 / 3.0, 1e-15);
    let tasks = contrast(&all, "--models --by task --top 2");
    let found: Vec<[&str; 5]> = tasks
        .iter()
        .map(|r| ["function", "rank_a", "rank_b", "best", "favours"].map(|c| &*r[c]))
        .collect();
    let expected = [
        ["identity", "1", "3", "a", "a"],
        ["flip_bits", "3", "4", "", "a"],
        ["rotl1", "2", "2", "both", ""],
        ["majority", "4", "1", "b", "b"],
    ];
    assert_eq!(found, expected);
}

#[test]
fn lists_say_what_a_tie_has_left_out() {
    let all = [
        answers("a", "clean", 2, 4, &named([2, 2, 2, 1])),
        answers("b", "clean", 2, 4, &named([4, 3, 2, 1])),
    ]
    .concat();
    let row = &contrast(&all, "--models --top 1")[0];
    assert_eq!(
        (&*row["tied_a"], &*row["tied_b"], &*row["shared"]),
        ("2", "0", "0")
    );
}

#[test]
fn models_of_one_name_are_told_apart_or_refused() {
    let mut other = answers("a", "clean", 2, 4, &named([1; 4]));
    for p in &mut other {
        p["template"] = json!("{x}>{y}");
    }
    let all = [answers("a", "clean", 2, 4, &named([2; 4])), other.clone()].concat();
    let dir = Workdir::new();
    dir.pipe(to_lines(&all), "contrast", "--models")
        .refused(1, &["model \"a\" has two curves", "infer --name"]);
    // Another encoding is a name of its own; another width is another matter.
    let mut apart = all.clone();
    for p in &mut apart[16..] {
        p["encoding"] = json!("genomic");
    }
    assert_eq!(contrast(&apart, "--models").len(), 1);
    let key = |p: &Value| [text(p, "function"), text(p, "trial_id")].map(str::to_owned);
    assert_eq!(other.iter().map(key).collect::<BTreeSet<_>>().len(), 16);
}

/// Real answers of baselines in both conditions.
fn baselines() -> Vec<u8> {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--suite primitives --condition clean,deranged --shots 2,8 --trials 3",
        "--alphabet genomic",
    );
    ["nearest", "bayes", "copy"]
        .iter()
        .flat_map(|name| {
            let arguments = format!("--model builtin:{name}");
            dir.pipe(prompts.clone(), "infer", &arguments).loud_ok()
        })
        .collect()
}

#[test]
fn groups_are_the_contrasts_of_their_functions_alone() {
    let dir = Workdir::new();
    let predictions = worked_example();
    dir.write(
        "groups.csv",
        "function,group\nidentity,easy\nrotl1,easy\nflip_bits,hard\nmajority,hard\nrotl1,hard\nrotr1,hard\n",
    );
    dir.write("all.jsonl", to_lines(&predictions));
    let ran = dir.run(
        "contrast",
        "--by group --groups groups.csv all.jsonl --to csv",
    );
    assert!(
        ran.stderr
            .contains("groups.csv: 1 function without predictions, rotr1 first"),
        "{ran}"
    );
    let rows = csv_rows(&ran.loud_ok());
    let columns = ["group", "tasks", "gap", "gap_se", "p_swap"];
    assert_eq!(
        rows.iter().map(|r| &*r["group"]).collect::<Vec<_>>(),
        ["easy", "hard"]
    );
    for (row, members) in rows.iter().zip([
        ["identity", "rotl1", ""],
        ["flip_bits", "majority", "rotl1"],
    ]) {
        let alone: Vec<Value> = predictions
            .iter()
            .filter(|p| members.contains(&p["function"].as_str().unwrap()))
            .cloned()
            .collect();
        let alone = contrast(&alone, "");
        for column in &columns[1..] {
            assert_eq!(row[*column], alone[0][*column], "{members:?} {column}");
        }
    }
    // Two tests, corrected together.
    assert_close(
        number(&rows[0], "p_holm"),
        2.0 * number(&rows[0], "p_swap"),
        1e-15,
    );
    // Those of the primitives, a function in the groups of each of its own.
    let rows = contrast(&predictions, "--by group");
    assert_eq!(
        rows.iter()
            .map(|r| (&*r["group"], &*r["tasks"]))
            .collect::<Vec<_>>(),
        [
            ("rotations", "1"),
            ("inversions", "1"),
            ("global_readouts", "1"),
        ]
    );
    for (arguments, code, words) in [
        (
            "--groups groups.csv all.jsonl",
            2,
            "--groups groups.csv: needs --by group",
        ),
        (
            "--by group --groups none.csv all.jsonl",
            2,
            "--groups none.csv: neither `primitives` nor a file",
        ),
        (
            "--by group --groups groups.csv -o groups.csv all.jsonl",
            2,
            "is the input",
        ),
        (
            "--by group --models all.jsonl",
            2,
            "--by group: only clean against deranged has groups",
        ),
    ] {
        dir.run("contrast", arguments).refused(code, &[words]);
    }
    dir.write("other.csv", "function,group\na,b\nc,b\n");
    dir.run("contrast", "--by group --groups other.csv all.jsonl")
        .refused(
            1,
            &["--by group: no function of the predictions is in a group"],
        );
}

#[test]
fn neither_order_nor_threads_change_a_number() {
    let dir = Workdir::new();
    let predictions = baselines();
    let mut reversed: Vec<&str> = lines(&predictions);
    reversed.reverse();
    let reversed = reversed.join("\n");
    for arguments in [
        "",
        "--by task",
        "--profiles --permutations 500",
        "--profiles --of accuracy --permutations 500",
        "--by group",
        "--models",
    ] {
        let table = |input: Vec<u8>, threads: u32| -> Vec<Value> {
            let arguments = format!("{arguments} --threads {threads} --to jsonl");
            json_lines(&dir.pipe(input, "contrast", &arguments).ok())
        };
        let expected = table(predictions.clone(), 1);
        assert_eq!(table(predictions.clone(), 2), expected, "{arguments}");
        // Pairs turn round with the order of the models.
        if !arguments.contains("--models") && !arguments.contains("--profiles") {
            let sorted =
                |rows: Vec<Value>| rows.iter().map(Value::to_string).collect::<BTreeSet<_>>();
            assert_eq!(
                sorted(table(reversed.clone().into_bytes(), 2)),
                sorted(expected)
            );
        }
    }
}

/// Answers of models to the same trials of 60 functions, each right in a trial where its accuracy is above the trial's
/// number between 0 and 1: models err at the same trials, as those do that find the same trials hard.
fn on_the_same_trials(models: &[(&str, &[f64])], trials: u32) -> Vec<Value> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut records = Vec::new();
    for function in 0..60 {
        for trial in 0..trials {
            let hard = uniform(&mut rng);
            for (model, accuracies) in models {
                let correct = hard < accuracies[function];
                records.push(json!({
                    "trial_id": format!("{function}/{trial}"), "function": format!("f{function:02}"),
                    "bits": 4, "condition": "clean", "shots": 2, "trial": trial,
                    "design": "independent", "target": "0110", "model": model,
                    "prediction": if correct { "0110" } else { "1" }, "correct": correct,
                }));
            }
        }
    }
    records
}

fn uniform(rng: &mut Xoshiro256PlusPlus) -> f64 {
    f64::from(rng.next_u32()) / f64::from(u32::MAX)
}

#[test]
fn profiles_of_accuracies_need_no_deranged_ones_and_say_what_noise_allows() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
    let mut draw = || -> Vec<f64> { (0..60).map(|_| uniform(&mut rng)).collect() };
    let (one, other) = (draw(), draw());
    let predictions = on_the_same_trials(&[("a", &one), ("b", &one), ("c", &other)], 12);
    let rows = contrast(
        &predictions,
        "--profiles --of accuracy --permutations 99 --to csv",
    );
    assert_eq!(rows.len(), 3);
    for row in &rows {
        let is_equal = row["model_b"] == "b";
        assert_eq!(row["profile"], "accuracy");
        // Uniform accuracies have a variance of 1/12, twelve trials leave 1/6 / 12 on top: a reliability of 6/7.
        for model in ["reliability_a", "reliability_b"] {
            assert_close(number(row, model), 6.0 / 7.0, 0.06);
        }
        let ceiling = (number(row, "reliability_a") * number(row, "reliability_b")).sqrt();
        assert_close(number(row, "ceiling"), ceiling, 1e-12);
        let [equal, low, high] =
            ["rho_if_equal", "rho_if_equal_low", "rho_if_equal_high"].map(|c| number(row, c));
        assert_close(equal, ceiling, 0.08);
        assert!(low < ceiling && ceiling < high, "{low} {ceiling} {high}");
        assert_close(number(row, "rho_if_independent"), 0.0, 0.01);
        let (low, high) = (
            number(row, "disattenuated_low"),
            number(row, "disattenuated_high"),
        );
        if is_equal {
            // One model under two names.
            assert_close(number(row, "rho"), 1.0, 1e-12);
            assert_close(number(row, "disattenuated"), 1.0, 1e-12);
        } else {
            // The two lists have a correlation of their own by chance.
            let drawn = spearman(&one, &other).unwrap();
            assert!(low < drawn && drawn < high, "{low} {drawn} {high}");
        }
    }
    // With a trial a function there are no halves, and no variance is left.
    let bare = on_the_same_trials(&[("a", &one), ("b", &other)], 1);
    let rows = contrast(&bare, "--profiles --of accuracy --permutations 9 --to csv");
    for column in ["reliability_a", "ceiling", "disattenuated", "rho_if_equal"] {
        assert_eq!(rows[0][column], "", "{column}");
    }
    assert_ne!(rows[0]["rho"], "");
}

#[test]
fn a_seed_moves_what_is_drawn_only() {
    let predictions = baselines();
    let dir = Workdir::new();
    let with = |seed: u32| {
        let arguments = format!("--profiles --permutations 200 --seed {seed}");
        csv_rows(&dir.pipe(predictions.clone(), "contrast", &arguments).ok())
    };
    let (zero, one) = (with(0), with(1));
    assert_eq!(with(0), zero);
    assert!(zero.iter().zip(&one).any(|(a, b)| a["p"] != b["p"]));
    for (a, b) in zero.iter().zip(&one) {
        assert_eq!(a["rho"], b["rho"]);
    }
    // A model that copies the query has no gap anywhere, and so no correlation.
    assert_eq!(zero.iter().filter(|r| r["rho"].is_empty()).count(), 2);
}

#[test]
fn identifiability_grows_with_the_shots() {
    let dir = Workdir::new();
    let rows = csv_rows(&dir.run("contrast", "--identifiability").ok());
    assert_eq!(rows.len(), 7);
    // The published averages.
    assert_close(number(&rows[2], "identified"), 0.872, 5e-4);
    assert_close(number(&rows[2], "worst"), 0.19, 5e-3);
    assert_close(number(&rows[3], "identified"), 0.991, 5e-4);
    assert!(
        rows.windows(2)
            .all(|w| number(&w[0], "identified") <= number(&w[1], "identified"))
    );
    let tasks = csv_rows(
        &dir.run("contrast", "--identifiability --by task --shots 4")
            .ok(),
    );
    let mean = tasks.iter().map(|r| number(r, "identified")).sum::<f64>() / float(tasks.len());
    assert_close(mean, number(&rows[2], "identified"), 1e-12);
    let worst = tasks
        .iter()
        .find(|r| r["function"] == rows[2]["worst_function"])
        .unwrap();
    assert_eq!(worst["identified"], rows[2]["worst"]);
}

#[test]
fn every_format_holds_the_same_contrasts() {
    let dir = Workdir::new();
    let input = to_lines(&worked_example());
    let to = |to: &str| {
        dir.pipe(input.clone(), "contrast", &format!("--to {to}"))
            .ok()
    };
    let expected = json_lines(&to("jsonl"));
    assert_eq!(common::arrow_rows(&to("arrow")), expected);
    assert_eq!(common::parquet_rows(&to("parquet")), expected);
    let table = String::from_utf8(to("table")).unwrap();
    assert!(
        table.contains("p_swap") && table.contains("0.3750"),
        "{table}"
    );
}
