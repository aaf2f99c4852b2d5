//! The JSON Schemas of `schemas/` against the columns in the code and against what the real
//! programs write: every kind, and what must not pass.

use arrow::datatypes::{DataType, Schema};
use arrow::ipc::reader::StreamReader;
use serde_json::{Value, json};
use shotline::record::{
    Contrast, ErrorShare, Fit, Identifiability, Listing, Power, Prediction, Prompt, Record,
    Scaling, Score, ShapeFit, Similarity, Trial, Versus, VersusTask, schema,
};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const GEN_TASKS: &str = env!("CARGO_BIN_EXE_gen-tasks");
const ENCODE: &str = env!("CARGO_BIN_EXE_encode");
const INFER: &str = env!("CARGO_BIN_EXE_infer");
const SCORE: &str = env!("CARGO_BIN_EXE_score");
const FIT: &str = env!("CARGO_BIN_EXE_fit-loglinear");
const CONTRAST: &str = env!("CARGO_BIN_EXE_contrast");

/// What `infer --slim` leaves out.
const SLIM: [&str; 3] = ["inputs", "outputs", "prompt"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read_schema(kind: &str) -> Value {
    let path = root().join(format!("schemas/{kind}.schema.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn validator(kind: &str) -> jsonschema::Validator {
    let schema = read_schema(kind);
    jsonschema::draft202012::meta::validate(&schema)
        .unwrap_or_else(|e| panic!("{kind}: not a schema of draft 2020-12: {e}"));
    jsonschema::draft202012::new(&schema).unwrap()
}

/// Runs one of our programs and returns its standard output.
#[track_caller]
fn run(program: &str, args: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Read while it is written, or both sides wait when the pipes are full.
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A program that reads nothing closes its standard input.
    let _ = writer.join().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Trials of every sort: independent, deranged, nested, without demonstrations, with a constant,
/// at other widths, replayed.
fn trials() -> Vec<String> {
    [
        "--shots 1,4 --trials 1",
        "--shots 2,3 --trials 1 --condition clean,deranged --task rotl1 --task meta_constant",
        "--shots 0,1,4 --trials 2 --design nested --task majority --task meta_constant.rotl1",
        "--shots 0 --trials 1 --task identity --bits 1",
        "--shots 3 --trials 1 --task swap_pairs --bits 16",
        "--replay breslow2026 --alphabet genomic --shots 2 --trials 1 --condition deranged",
        "--replay breslow2026 --alphabet integer --shots 2 --trials 1",
    ]
    .iter()
    .map(|args| {
        let args: Vec<&str> = args.split(' ').collect();
        run(GEN_TASKS, &args, "")
    })
    .collect()
}

fn prompts() -> Vec<String> {
    let mut prompts: Vec<String> = trials()
        .iter()
        .map(|trials| {
            // Replayed trials carry their alphabet.
            let args: &[&str] = if trials.contains("breslow2026") {
                &[]
            } else {
                &["--alphabet", "genomic"]
            };
            run(ENCODE, args, trials)
        })
        .collect();
    // No separator, and symbols of more than one byte.
    let nested = run(
        GEN_TASKS,
        &[
            "--task", "rotr1", "--shots", "0,2", "--trials", "1", "--design", "nested",
        ],
        "",
    );
    let template = [
        "--template",
        "{x}>{y}\\n",
        "--prefix",
        "\u{e9}",
        "--alphabet",
        "\u{e4}\u{f6}",
    ];
    prompts.push(run(ENCODE, &template, &nested));
    let words = ["--alphabet", "words:AAC,ACA,TTG"];
    prompts.push(run(ENCODE, &words, &nested));
    prompts
}

fn predictions() -> Vec<String> {
    let mut predictions: Vec<String> = prompts()
        .iter()
        .map(|prompts| run(INFER, &["--model", "builtin:nearest", "--quiet"], prompts))
        .collect();
    predictions.push(run(
        INFER,
        &[
            "--model",
            "builtin:mode",
            "--slim",
            "--quiet",
            "--params",
            "7e9",
        ],
        &prompts().concat(),
    ));
    // A model's answers, malformed ones among them, with log-probabilities and margins.
    predictions
        .push(fs::read_to_string(root().join("tests/fixtures/stats/predictions.jsonl")).unwrap());
    predictions
}

fn scores() -> Vec<String> {
    predictions()
        .iter()
        .flat_map(|predictions| {
            ["cell", "task", "bitload", "bitdiversity"].map(|by| {
                run(
                    SCORE,
                    &["--by", by, "--to", "jsonl", "--allow-partial"],
                    predictions,
                )
            })
        })
        .chain([run(
            SCORE,
            &["--by", "group", "--to", "jsonl"],
            &both_conditions(),
        )])
        .collect()
}

/// Kinds of wrong answers of everything, and of answers that are all right.
fn errors() -> Vec<String> {
    let right = run(INFER, &["--model", "builtin:copy"], &{
        let trials = run(GEN_TASKS, &["--task", "identity", "--shots", "2"], "");
        run(ENCODE, &["--alphabet", "genomic"], &trials)
    });
    predictions()
        .iter()
        .chain([&right])
        .map(|predictions| {
            let arguments = ["--errors", "--to", "jsonl", "--allow-partial"];
            run(SCORE, &arguments, predictions)
        })
        .collect()
}

fn powers() -> Vec<String> {
    [
        ("1e-6", both_conditions()),
        ("0.01", both_conditions()),
        ("0.3", foreign()),
    ]
    .map(|(se, predictions)| run(SCORE, &["--power", se, "--to", "jsonl"], &predictions))
    .to_vec()
}

fn fits() -> Vec<String> {
    let table = fs::read_to_string(root().join("tests/fixtures/paper/table4.csv")).unwrap();
    let answered = |draw: &str| {
        let trials = run(GEN_TASKS, &draw.split(' ').collect::<Vec<_>>(), "");
        let prompts = run(ENCODE, &["--alphabet", "linguistic"], &trials);
        run(INFER, &["--model", "builtin:mode", "--quiet"], &prompts)
    };
    let both = answered("--shots 1,2,4 --trials 2 --condition clean,deranged");
    let by_group = run(FIT, &["--by", "group", "--to", "jsonl"], &both);
    [
        table,
        both,
        answered("--shots 0,1,2,4 --trials 2 --design nested"),
        // Two points, and no variation.
        "model,params,shots,accuracy\na,7e9,1,0.5\na,7e9,2,0.5\n".to_owned(),
    ]
    .iter()
    .map(|input| run(FIT, &["--to", "jsonl", "--replicates", "200"], input))
    .chain([by_group])
    .collect()
}

fn scalings() -> Vec<String> {
    let table = fs::read_to_string(root().join("assets/published/table4.csv")).unwrap();
    let of_predictions: Vec<String> = ["independent", "nested"]
        .iter()
        .flat_map(|design| {
            let conditions = if *design == "nested" {
                "clean"
            } else {
                "clean,deranged"
            };
            let draw = format!(
                "--shots 2,4 --trials 1 --design {design} --condition {conditions} --task identity"
            );
            let trials = run(GEN_TASKS, &draw.split(' ').collect::<Vec<_>>(), "");
            let prompts = run(ENCODE, &["--alphabet", "linguistic"], &trials);
            [("1e9", "mode"), ("2e9", "nearest")].map(|(params, name)| {
                let model = format!("builtin:{name}");
                run(
                    INFER,
                    &["--model", &model, "--params", params, "-q"],
                    &prompts,
                )
            })
        })
        .collect();
    let bare = "model,params,shots,accuracy\na,7e9,1,0.5\na,7e9,2,0.5\nb,8e9,1,0.5\nb,8e9,2,0.5\n";
    [table, of_predictions.concat(), bare.to_owned()]
        .iter()
        .map(|input| run(FIT, &["--families", "--to", "jsonl"], input))
        .collect()
}

/// Independent and nested curves, one function, and fewer functions than points left over.
fn shapes() -> Vec<String> {
    [
        "--shots 1,2,4 --trials 2 --condition clean,deranged",
        "--shots 0,1,2,4,8,16 --trials 2 --design nested",
        "--shots 1,2,4 --trials 2 --task majority",
        "--shots 1,2,4,8,16 --trials 2 --task majority --task rotl1",
    ]
    .map(|draw| {
        let trials = run(GEN_TASKS, &draw.split(' ').collect::<Vec<_>>(), "");
        let prompts = run(ENCODE, &["--alphabet", "linguistic"], &trials);
        let answer = ["--model", "builtin:mode", "--params", "7e9", "--quiet"];
        let named = if draw.contains("nested") {
            &answer[..]
        } else {
            &["--model", "builtin:mode", "--quiet"]
        };
        run(
            FIT,
            &["--shape", "--to", "jsonl"],
            &run(INFER, named, &prompts),
        )
    })
    .to_vec()
}

fn listings() -> Vec<String> {
    ["8", "5"]
        .map(|bits| run(GEN_TASKS, &["--list", "--bits", bits, "--to", "jsonl"], ""))
        .to_vec()
}

/// Two models and a control in both conditions; the control gives the same answers in both.
fn both_conditions() -> String {
    let draw = "--shots 2,4 --trials 2 --condition clean,deranged --suite primitives";
    let trials = run(GEN_TASKS, &draw.split(' ').collect::<Vec<_>>(), "");
    let prompts = run(ENCODE, &["--alphabet", "linguistic"], &trials);
    ["nearest", "bayes", "copy"]
        .map(|name| {
            let model = format!("builtin:{name}");
            let params = if name == "bayes" {
                "--params=7e9"
            } else {
                "--seed=0"
            };
            let answers = run(INFER, &["--model", &model, params, "--quiet"], &prompts);
            if name == "copy" {
                return answers;
            }
            answers.replace("\"method\":\"builtin\"", "\"method\":\"score\"")
        })
        .concat()
}

/// The same with a few predictions of one model less, at either shot count.
fn partial() -> String {
    let all = both_conditions();
    all.split_inclusive('\n').skip(3).collect()
}

/// The same as sequences, whose condition only other tools than ours can change.
fn foreign() -> String {
    both_conditions().replace("\"independent\"", "\"nested\"")
}

/// What `contrast` writes of predictions, each table with all and with partial cells.
fn contrasts(arguments: &str) -> Vec<String> {
    let one_function = both_conditions()
        .split_inclusive('\n')
        .filter(|line| line.contains("\"function\":\"majority\""))
        .collect();
    [both_conditions(), partial(), foreign(), one_function]
        .iter()
        .map(|input| {
            let base = "--to jsonl --allow-partial";
            let arguments = format!("{base} {arguments}");
            run(
                CONTRAST,
                &arguments.split_whitespace().collect::<Vec<_>>(),
                input,
            )
        })
        .collect()
}

fn identifiabilities() -> Vec<String> {
    ["cell", "task"]
        .map(|by| {
            run(
                CONTRAST,
                &["--identifiability", "--by", by, "--to", "jsonl"],
                "",
            )
        })
        .to_vec()
}

/// Every kind with what the programs write of it.
fn written() -> Vec<(&'static str, Vec<String>)> {
    vec![
        ("trial", trials()),
        ("prompt", prompts()),
        ("prediction", predictions()),
        ("score", scores()),
        ("error", errors()),
        ("power", powers()),
        ("fit", fits()),
        ("scaling", scalings()),
        ("shape", shapes()),
        ("listing", listings()),
        (
            "contrast",
            [
                contrasts(""),
                contrasts("--by task"),
                contrasts("--by group"),
            ]
            .concat(),
        ),
        ("versus", contrasts("--models")),
        ("versus-task", contrasts("--models --by task --top 3")),
        (
            "similarity",
            [
                contrasts("--profiles --permutations 99"),
                contrasts("--profiles --permutations 0"),
                contrasts("--profiles --of accuracy --permutations 9"),
            ]
            .concat(),
        ),
        ("identifiability", identifiabilities()),
    ]
}

fn lines(outputs: &[String]) -> Vec<Value> {
    outputs
        .iter()
        .flat_map(|output| output.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[track_caller]
fn assert_valid(kind: &str, records: &[Value]) {
    let validator = validator(kind);
    assert!(!records.is_empty());
    for record in records {
        if let Some(error) = validator.iter_errors(record).next() {
            panic!("{kind}: {error} at {}: {record}", error.instance_path());
        }
    }
}

#[test]
fn what_the_programs_write_is_valid() {
    for (kind, outputs) in written() {
        assert_valid(kind, &lines(&outputs));
    }
}

/// A column that is always null, or a word that never comes, would make the test above idle there.
#[test]
fn every_column_is_met_with_a_value_and_every_nullable_one_without() {
    for (kind, outputs) in written() {
        let records = lines(&outputs);
        let schema = read_schema(kind);
        for (name, column) in schema["properties"].as_object().unwrap() {
            let with = |null: bool| {
                records
                    .iter()
                    .any(|r| r.get(name).is_some_and(|v| v.is_null() == null))
            };
            assert!(with(false), "{kind}.{name} never has a value");
            // Null where a table of another origin has no such column, or where it is left out.
            let left_out = records.iter().any(|r| r.get(name).is_none());
            let bare = name.trim_end_matches("_a").trim_end_matches("_b");
            let seldom = kind != "fit" && SELDOM_NULL.contains(&bare);
            if is_nullable(column) && !seldom {
                assert!(with(true) || left_out, "{kind}.{name} is never null");
            }
            for word in column["enum"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|w| !w.is_null())
            {
                assert!(
                    records.iter().any(|r| &r[name] == word),
                    "{kind}.{name} is never {word}"
                );
            }
        }
    }
}

/// Columns that only tables made of foreign predictions, or older ones, lack.
const SELDOM_NULL: [&str; 19] = [
    "profile",
    "modality",
    "encoding",
    "template",
    "bits",
    "condition",
    "design",
    "method",
    "constrained",
    "bos",
    "tasks",
    "trials",
    "se",
    "malformed",
    "edit_distance",
    "zero_bd_targets",
    "zero_bd_predictions",
    "correct_zero_bd",
    "correct_other",
];

#[test]
fn provenance_is_valid_beside_a_file_and_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let trials = folder.path().join("trials.arrow");
    let prompts = folder.path().join("prompts.jsonl");
    let (trials, prompts) = (trials.to_str().unwrap(), prompts.to_str().unwrap());
    run(
        GEN_TASKS,
        &["--shots", "1", "--trials", "1", "-o", trials],
        "",
    );
    run(
        ENCODE,
        &[
            "--alphabet",
            "genomic",
            trials,
            "-o",
            prompts,
            "--provenance",
        ],
        "",
    );
    let read = |path: &str| fs::read_to_string(path).unwrap();
    let json = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let beside = json(&read(&format!("{prompts}.provenance.json")));
    assert_eq!(beside.as_array().unwrap().len(), 2);
    let mut line = json(read(prompts).lines().next().unwrap());
    let first = json(&read(&format!("{trials}.provenance.json")));
    assert_valid(
        "provenance",
        &[beside.clone(), line["provenance"].take(), first],
    );

    // Steps of a model have more columns; of these none may be broken.
    let validator = validator("provenance");
    let with = |key: &str, value: Value| {
        let mut chain = beside.clone();
        chain[0][key] = value;
        chain
    };
    let sha = "0123456789abcdef".repeat(4);
    assert!(validator.is_valid(&with("model_sha256", json!(sha))));
    assert!(validator.is_valid(&with("device", json!("cuda:0"))));
    for (key, value) in [
        ("program", Value::Null),
        ("command", json!("gen-tasks --list")),
        ("seed", json!("0")),
        ("model_sha256", json!(sha[1..])),
        ("time", json!("yesterday")),
    ] {
        assert!(!validator.is_valid(&with(key, value)), "{key}");
    }
    assert!(!validator.is_valid(&json!([])));
    assert!(!validator.is_valid(&beside[0]));
}

fn is_nullable(column: &Value) -> bool {
    column["type"]
        .as_array()
        .is_some_and(|types| types.contains(&json!("null")))
}

/// A column's type in the schema, as Arrow has it.
fn arrow_type(column: &Value) -> DataType {
    let item = |t: DataType| {
        DataType::List(std::sync::Arc::new(arrow::datatypes::Field::new(
            "item", t, true,
        )))
    };
    let name = match &column["type"] {
        Value::Array(types) => types[0].as_str(),
        name => name.as_str(),
    };
    match name {
        Some("string") => DataType::Utf8,
        Some("integer") => DataType::Int64,
        Some("number") => DataType::Float64,
        Some("boolean") => DataType::Boolean,
        Some("array") => item(arrow_type(&column["items"])),
        other => panic!("{other:?} is no column's type"),
    }
}

/// The same names in the same order, with the same types and nulls.
#[track_caller]
fn assert_columns(kind: &str, code: &Schema, skipped: &[&str]) {
    let schema = read_schema(kind);
    let columns: Vec<_> = schema["properties"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| !skipped.contains(&name.as_str()))
        .collect();
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let fields: Vec<&str> = code.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, fields, "{kind}");
    for ((name, column), field) in columns.into_iter().zip(code.fields()) {
        assert_eq!(&arrow_type(column), field.data_type(), "{kind}.{name}");
        assert_eq!(is_nullable(column), field.is_nullable(), "{kind}.{name}");
    }
}

fn held_against_the_code<T: Record>() {
    let kind = T::KIND;
    assert_columns(kind, &schema::<T>(), &[]);
    let schema = read_schema(kind);
    let columns = schema["properties"].as_object().unwrap();
    let left_out: &[&str] = if kind == "prediction" { &SLIM } else { &[] };
    let written: Vec<&str> = columns
        .keys()
        .map(String::as_str)
        .filter(|name| !left_out.contains(name))
        .collect();
    assert_eq!(
        schema["required"],
        json!(written),
        "{kind}: the columns always written"
    );
    assert_eq!(schema["additionalProperties"], json!(true), "{kind}");
    for (name, column) in columns {
        let what = format!("{kind}.{name}");
        let description = column["description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.'), "{what} has no description");
        let number = matches!(arrow_type(column), DataType::Int64 | DataType::Float64);
        assert_eq!(
            column["x-unit"].is_string(),
            number || column["items"]["type"] == "integer",
            "{what}: unit"
        );
    }
}

#[test]
fn the_schemas_are_the_tables_of_the_code() {
    held_against_the_code::<Trial>();
    held_against_the_code::<Prompt>();
    held_against_the_code::<Prediction>();
    held_against_the_code::<Score>();
    held_against_the_code::<Fit>();
    held_against_the_code::<Listing>();
    held_against_the_code::<Scaling>();
    held_against_the_code::<ShapeFit>();
    held_against_the_code::<ErrorShare>();
    held_against_the_code::<Power>();
    held_against_the_code::<Contrast>();
    held_against_the_code::<Versus>();
    held_against_the_code::<VersusTask>();
    held_against_the_code::<Similarity>();
    held_against_the_code::<Identifiability>();
}

#[test]
fn the_schemas_are_the_columns_of_arrow_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let [
        trials,
        prompts,
        full,
        slim,
        scores,
        fits,
        listing,
        contrasts,
    ] = ["t", "p", "full", "slim", "s", "f", "l", "c"].map(|name| text(&format!("{name}.arrow")));
    run(
        GEN_TASKS,
        &["--shots", "1,2", "--trials", "1", "-o", &trials],
        "",
    );
    run(
        ENCODE,
        &["--alphabet", "genomic", &trials, "-o", &prompts],
        "",
    );
    run(
        INFER,
        &["--model", "builtin:mode", &prompts, "-o", &full, "-q"],
        "",
    );
    run(
        INFER,
        &[
            "--model",
            "builtin:mode",
            "--slim",
            &prompts,
            "-o",
            &slim,
            "-q",
        ],
        "",
    );
    run(SCORE, &[&full, "--replicates", "10", "-o", &scores], "");
    run(FIT, &[&scores, "-o", &fits], "");
    run(GEN_TASKS, &["--list", "-o", &listing], "");
    run(CONTRAST, &["-o", &contrasts], &both_conditions());
    for (kind, file, skipped) in [
        ("trial", trials, &[][..]),
        ("prompt", prompts, &[]),
        ("prediction", full, &[]),
        ("prediction", slim, &SLIM),
        ("score", scores, &[]),
        ("fit", fits, &[]),
        ("listing", listing, &[]),
        ("contrast", contrasts, &[]),
    ] {
        let reader = StreamReader::try_new(fs::File::open(&file).unwrap(), None).unwrap();
        assert_columns(kind, &reader.schema(), skipped);
    }
}

/// A value that no column of this type may have.
fn of_wrong_type(column: &Value) -> Value {
    match arrow_type(column) {
        DataType::Utf8 => json!(7),
        DataType::Int64 => json!(1.5),
        DataType::Float64 => json!("0.5"),
        DataType::Boolean => json!("true"),
        _ => json!([[1.5]]),
    }
}

/// Every column of a real record is broken in turn: missing, null, of a wrong type.
#[test]
fn broken_records_are_refused() {
    for (kind, outputs) in written() {
        let schema = read_schema(kind);
        let validator = validator(kind);
        let record = lines(&outputs).swap_remove(0);
        assert!(validator.is_valid(&record));
        let required = schema["required"].as_array().unwrap();
        for (name, column) in schema["properties"].as_object().unwrap() {
            let with = |value: Value| {
                let mut broken = record.clone();
                broken[name] = value;
                validator.is_valid(&broken)
            };
            assert!(
                !with(of_wrong_type(column)),
                "{kind}.{name} of a wrong type"
            );
            // These two follow the design.
            if !["eval_shots", "answer_starts"].contains(&name.as_str()) {
                assert_eq!(with(Value::Null), is_nullable(column), "{kind}.{name} null");
            }
            let mut without = record.clone();
            without.as_object_mut().unwrap().shift_remove(name);
            let may_lack = !required.contains(&json!(name)) && name == "prompt";
            assert_eq!(
                validator.is_valid(&without),
                may_lack,
                "{kind}.{name} missing"
            );
        }
        let mut more = record.clone();
        more["a_column_of_mine"] = json!([1, null, "x"]);
        assert!(
            validator.is_valid(&more),
            "{kind}: columns of other tools pass through"
        );
    }
}

/// The first of some records.
fn first(outputs: &[String]) -> Value {
    lines(outputs).swap_remove(0)
}

/// Columns and values that they may not have.
type Broken = Vec<(&'static str, Value)>;

/// Breaks valid records of a kind, one value at a time.
#[track_caller]
fn assert_out_of_range(kinds: Vec<(&str, Value, Broken)>) {
    for (kind, record, broken) in kinds {
        let validator = validator(kind);
        assert!(validator.is_valid(&record));
        for (name, value) in broken {
            let mut record = record.clone();
            record[name] = value.clone();
            assert!(!validator.is_valid(&record), "{kind}.{name} = {value}");
        }
    }
}

#[test]
fn values_out_of_range_are_refused() {
    assert_out_of_range(vec![
        (
            "trial",
            first(&trials()),
            vec![
                ("bits", json!(0)),
                ("bits", json!(17)),
                ("shots", json!(-1)),
                ("trial", json!(4_294_967_296_u64)),
                ("condition", json!("Clean")),
                ("design", json!("nestled")),
                // A nested trial says where it is read.
                ("design", json!("nested")),
                ("eval_shots", json!([1])),
                ("query", json!("")),
                ("target", json!("0120")),
                ("inputs", json!(["0".repeat(17)])),
                ("outputs", json!([null])),
                ("constant", json!("2")),
            ],
        ),
        (
            "prompt",
            first(&prompts()),
            vec![
                ("zero", json!("")),
                ("one", json!("A C")),
                ("separator", json!("  ")),
                ("answer", json!("")),
                ("answer_starts", json!([0])),
            ],
        ),
        (
            "prediction",
            first(&predictions()),
            vec![
                ("prediction", json!("0101010101010101x")),
                ("params", json!(-1)),
                ("margin", json!(-0.1)),
                ("answer_logprob", json!(0.1)),
            ],
        ),
        (
            "score",
            first(&scores()),
            vec![
                ("accuracy", json!(1.01)),
                ("p_mode", json!(-0.1)),
                ("tasks", json!(0)),
                ("edit_distance", json!(17)),
                ("bitload", json!(17)),
            ],
        ),
        (
            "fit",
            first(&fits()),
            vec![
                ("points", json!(1)),
                ("df", json!(0)),
                ("r2", json!(1.5)),
                ("a1_se", json!(-1e-9)),
            ],
        ),
        (
            "listing",
            first(&listings()),
            vec![
                ("table_hash", json!("d93bf059")),
                ("zero_bd", json!(2)),
                ("bitdiversity", json!(-1)),
            ],
        ),
    ]);
}

#[test]
fn values_of_contrasts_out_of_range_are_refused() {
    assert_out_of_range(vec![
        (
            "contrast",
            first(&contrasts("")),
            vec![
                ("gap", json!(-1.5)),
                ("p_swap", json!(1.5)),
                ("tasks", json!(0)),
                ("gap_se", json!(-0.1)),
            ],
        ),
        (
            "versus-task",
            first(&contrasts("--models --by task")),
            vec![
                ("best", json!("c")),
                ("favours", json!("both")),
                ("rank_a", json!(0)),
            ],
        ),
        (
            "similarity",
            first(&contrasts("--profiles --permutations 9")),
            vec![("rho", json!(1.1)), ("p_holm", json!(-0.1))],
        ),
    ]);
}
