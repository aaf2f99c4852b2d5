//! What every filter that reads records promises about bad input: one line on stderr that says where and what, the
//! right exit code, no panic, and nothing left behind.

mod common;

use arrow::array::RecordBatch;
use common::{
    Ran, Workdir, arrow_rows, binary, json_lines, onnx_runtime, to_arrow_file, to_arrow_stream,
    to_batch, to_lines, to_parquet,
};
use rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A filter, with good input for it.
struct Reader {
    filter: &'static str,
    arguments: &'static str,
    /// A suffix that the filter's output can have.
    suffix: &'static str,
    records: Vec<Value>,
    /// Columns that every record must have.
    required: &'static str,
    bitstrings: &'static [&'static str],
}

const TRIAL: &str =
    "trial_id function bits condition shots trial seed design inputs outputs query target";
const PROMPT: &str = "trial_id function bits condition shots trial seed design inputs outputs query \
     target encoding template prefix zero one prompt answer";
const OUTCOME: &str =
    "trial_id function bits condition shots trial design query target model prediction correct";
const SCORE: &str = "model shots accuracy";

/// Every filter that reads records. `fit-loglinear` appears twice: it reads two kinds.
fn readers(dir: &Workdir) -> Vec<Reader> {
    let trials = dir
        .run(
            "gen-tasks",
            "--task identity --task rotl1 --shots 1,2,128 --trials 2",
        )
        .ok();
    let prompts = dir
        .pipe(trials.clone(), "encode", "--alphabet genomic")
        .ok();
    let predictions = dir
        .pipe(prompts.clone(), "infer", "--model builtin:copy")
        .ok();
    let scores = dir
        .pipe(predictions.clone(), "score", "--replicates 50 --to jsonl")
        .ok();
    let outcome = |filter, suffix| Reader {
        filter,
        arguments: "--replicates 50",
        suffix,
        records: json_lines(&predictions),
        required: OUTCOME,
        bitstrings: &["query", "target"],
    };
    let score = |filter, arguments, suffix| Reader {
        filter,
        arguments,
        suffix,
        records: json_lines(&scores),
        required: SCORE,
        bitstrings: &[],
    };
    vec![
        Reader {
            filter: "encode",
            arguments: "--alphabet genomic",
            suffix: "jsonl",
            records: json_lines(&trials),
            required: TRIAL,
            bitstrings: &["query", "target"],
        },
        Reader {
            filter: "infer",
            arguments: "--model builtin:copy",
            suffix: "arrow",
            records: json_lines(&prompts),
            required: PROMPT,
            bitstrings: &["query", "target"],
        },
        outcome("score", "csv"),
        outcome("fit-loglinear", "parquet"),
        score("fit-loglinear", "", "csv"),
        score("figure", "curve", "svg"),
    ]
}

impl Reader {
    fn required(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.required.split_whitespace()
    }

    /// Runs the filter with its own arguments and more.
    fn run(&self, dir: &Workdir, more: &str) -> Ran {
        dir.run(self.filter, &format!("{} {more}", self.arguments))
    }

    /// Runs the filter on a file, with its output in another.
    fn run_on(&self, dir: &Workdir, file: &str) -> Ran {
        self.run(dir, &format!("{file} -o out.{}", self.suffix))
    }

    /// Checks that the filter refuses `input` in a pipe.
    #[track_caller]
    fn refuses_pipe(&self, dir: &Workdir, input: &[u8], words: &[&str]) {
        let arguments = format!("{} -o out.{}", self.arguments, self.suffix);
        dir.pipe(input, self.filter, &arguments).refused(1, words);
    }

    /// Writes `contents` to `file`, and checks that the filter refuses it and leaves nothing.
    #[track_caller]
    fn refuses(&self, dir: &Workdir, file: &str, contents: &[u8], words: &[&str]) {
        dir.write(file, contents);
        self.refuses_path(dir, file, 1, words);
    }

    #[track_caller]
    fn refuses_path(&self, dir: &Workdir, path: &str, code: i32, words: &[&str]) {
        let before = dir.names();
        let ran = self.run_on(dir, path);
        ran.refused(code, words);
        assert_eq!(dir.names(), before, "{ran}");
    }

    /// Checks that the filter refuses these records at a row, in every format.
    #[track_caller]
    fn refuses_row(&self, dir: &Workdir, records: &[Value], row: usize, words: &[&str]) {
        let check = |place: String, file: &str, contents: &[u8]| {
            let first = place + words[0];
            self.refuses(dir, file, contents, &[&[&first[..]], &words[1..]].concat());
        };
        check(
            format!("bad.jsonl:{row}: "),
            "bad.jsonl",
            &to_lines(records),
        );
        for (file, bytes) in binary_files(&[to_batch(records)]) {
            check(format!("{file}: row {row}: "), file, &bytes);
        }
    }

    /// Checks that the filter refuses JSON lines with another second record, and names its line.
    #[track_caller]
    fn refuses_second(&self, dir: &Workdir, change: impl FnOnce(&mut Value), words: &str) {
        let lines = to_lines(&self.with_second(change));
        self.refuses(dir, "bad.jsonl", &lines, &["bad.jsonl:2: ", words]);
    }

    /// The records with another second one.
    fn with_second(&self, change: impl FnOnce(&mut Value)) -> Vec<Value> {
        let mut records = self.records.clone();
        change(&mut records[1]);
        records
    }

    /// The good lines with another second one.
    fn with_second_line(&self, line: &[u8]) -> Vec<u8> {
        let records = self.records.iter();
        let mut lines: Vec<Vec<u8>> = records.map(|r| r.to_string().into_bytes()).collect();
        lines[1] = line.to_vec();
        [lines.join(&b'\n'), b"\n".to_vec()].concat()
    }
}

/// The same batch in every binary format.
fn binary_files(batches: &[RecordBatch]) -> [(&'static str, Vec<u8>); 3] {
    [
        ("bad.arrow", to_arrow_stream(batches)),
        ("bad-file.arrow", to_arrow_file(batches)),
        ("bad.parquet", to_parquet(batches)),
    ]
}

#[test]
fn the_good_input_of_these_tests_is_read_in_every_format() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        let out = format!("out.{}", reader.suffix);
        dir.write("good.jsonl", to_lines(&reader.records));
        let ran = reader.run_on(&dir, "good.jsonl");
        assert_eq!(ran.code, 0, "{ran}");
        let expected = dir.read(&out);
        for (file, bytes) in binary_files(&[to_batch(&reader.records)]) {
            dir.write(file, bytes);
            let ran = reader.run_on(&dir, file);
            assert_eq!(ran.code, 0, "{ran}");
            // The metadata of Arrow and Parquet names the input.
            if matches!(reader.suffix, "jsonl" | "csv" | "svg") {
                assert_eq!(dir.read(&out), expected, "{} {file}", reader.filter);
            } else {
                assert!(!dir.read(&out).is_empty());
            }
        }
    }
}

#[test]
fn what_is_no_json_object_is_refused_by_its_line() {
    let dir = Workdir::new();
    let deep = 100_000;
    for reader in readers(&dir) {
        for (line, words) in [
            (b"{\"trial_id\": }".to_vec(), "not a JSON object: "),
            (
                b"{\"trial_id\": \"a\"} x".to_vec(),
                "not a JSON object: trailing",
            ),
            (b"[1, 2]".to_vec(), "not a JSON object: "),
            (b"nonsense".to_vec(), "not a JSON object: "),
            (b"\"text\"".to_vec(), "not a JSON object: "),
            (b"17".to_vec(), "not a JSON object: "),
            (b"null".to_vec(), "not a JSON object: "),
            (b"{\"trial_id\": \"a".to_vec(), "the JSON object is cut off"),
            (
                b"{\"a\": \"\xff\xfe\"}".to_vec(),
                "not UTF-8 text at byte 8",
            ),
            (b"\x00\x01".to_vec(), "not a JSON object: "),
            (b"[".repeat(deep), "not a JSON object: "),
            (b"{\"a\":".repeat(deep), "the JSON object is cut off"),
            (
                [
                    b"{\"a\":".repeat(deep),
                    b"0".to_vec(),
                    b"}".repeat(deep - 1),
                ]
                .concat(),
                "the JSON object is cut off",
            ),
        ] {
            let contents = reader.with_second_line(&line);
            reader.refuses(&dir, "bad.jsonl", &contents, &["bad.jsonl:2: ", words]);
        }
    }
}

#[test]
fn json_nested_a_hundred_thousand_deep_is_data_like_any_other() {
    let dir = Workdir::new();
    let deep = format!("{}0{}", "[".repeat(100_000), "]".repeat(100_000));
    for reader in readers(&dir) {
        // In a column that the filter reads it is of the wrong type; in any other it passes.
        let column = reader.required().next().unwrap();
        for (name, refused) in [(column, true), ("own", false)] {
            let mut record = reader.records[1].clone();
            record[name] = json!("HERE");
            let line = record.to_string().replace("\"HERE\"", &deep);
            let contents = reader.with_second_line(line.as_bytes());
            if refused {
                let words =
                    format!("bad.jsonl:2: column \"{column}\": expected a string, found [[[[");
                reader.refuses(&dir, "bad.jsonl", &contents, &[&words]);
                continue;
            }
            if !matches!(reader.filter, "encode" | "infer") {
                continue;
            }
            dir.write("deep.jsonl", contents);
            let out = reader.run(&dir, "deep.jsonl --to jsonl").ok();
            assert!(String::from_utf8(out).unwrap().contains(&deep));
            for to in ["arrow", "parquet"] {
                reader
                    .run(&dir, &format!("deep.jsonl --to {to}"))
                    .refused(1, &["write JSONL instead"]);
            }
        }
    }
}

#[test]
fn a_cut_off_last_line_is_refused() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        let whole = to_lines(&reader.records[..3]);
        let last = whole.len() - reader.records[2].to_string().len() - 1;
        for cut in [
            last + 1,
            last + 2,
            last + 30,
            whole.len() - 3,
            whole.len() - 2,
        ] {
            let words = ["bad.jsonl:3: the JSON object is cut off"];
            reader.refuses(&dir, "bad.jsonl", &whole[..cut], &words);
        }
    }
}

#[test]
fn a_missing_column_is_named() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        for column in reader.required() {
            // Without it a row is taken for a score, which lacks its accuracy.
            let named = match (reader.filter, column) {
                ("fit-loglinear", "correct") => "accuracy",
                (_, column) => column,
            };
            let missing = format!("column \"{named}\": is missing");
            let without = |record: &mut Value| {
                record.as_object_mut().unwrap().remove(column);
            };
            reader.refuses_second(&dir, without, &missing);
            let mut records = reader.records.clone();
            records.iter_mut().for_each(without);
            for (file, bytes) in binary_files(&[to_batch(&records)]) {
                let place = format!("{file}: row 1: ");
                reader.refuses(&dir, file, &bytes, &[&place, &missing]);
            }
        }
    }
}

#[test]
fn a_null_in_a_required_column_is_refused_by_its_row() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        for column in reader.required() {
            let records = reader.with_second(|record| record[column] = Value::Null);
            let words = format!("column \"{column}\": expected ");
            reader.refuses_row(&dir, &records, 2, &[&words, "found null"]);
        }
    }
}

#[test]
fn a_column_of_another_type_is_refused_with_what_was_expected() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        for column in reader.required() {
            let (wrong, expected) = match &reader.records[1][column] {
                Value::String(_) => (json!(17), "a string"),
                Value::Array(_) => (json!("0110"), "a list of strings"),
                Value::Bool(_) => (json!("yes"), "true or false"),
                Value::Number(n) if n.is_f64() => (json!("much"), "a number"),
                Value::Number(_) => (json!("many"), "an integer"),
                other => panic!("{column}: {other}"),
            };
            let words = format!("column \"{column}\": expected {expected}, found ");
            let found = format!("{words}{wrong}");
            reader.refuses_second(&dir, |record| record[column] = wrong.clone(), &found);
            let mut records = reader.records.clone();
            for record in &mut records {
                record[column] = wrong.clone();
            }
            for (file, bytes) in binary_files(&[to_batch(&records)]) {
                let place = format!("{file}: ");
                reader.refuses(&dir, file, &bytes, &[&place, &words]);
            }
        }
    }
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        for (wrong, found) in [
            ("-1", "expected 0..4294967295, found -1"),
            ("1.5", "expected an integer, found 1.5"),
            ("4294967296", "expected 0..4294967295, found 4294967296"),
            ("1e400", "expected an integer, found 1e400"),
            (
                "99999999999999999999",
                "expected an integer, found 99999999999999999999",
            ),
        ] {
            let mut record = reader.records[1].clone();
            record["shots"] = json!("HERE");
            let line = record.to_string().replace("\"HERE\"", wrong);
            let contents = reader.with_second_line(line.as_bytes());
            let words = format!("column \"shots\": {found}");
            reader.refuses(&dir, "bad.jsonl", &contents, &["bad.jsonl:2: ", &words]);
        }
        if reader.required().any(|column| column == "bits") {
            for wrong in [0, 17] {
                let words = format!("column \"bits\": expected 1..16, found {wrong}");
                reader.refuses_second(&dir, |r| r["bits"] = json!(wrong), &words);
            }
        }
    }
}

/// A probability above 1, a share that is none, an error that no count can have.
#[test]
fn numbers_that_no_count_gives_are_refused() {
    let dir = Workdir::new();
    let mut checked = 0;
    for reader in readers(&dir) {
        let of_scores = [
            ("accuracy", 1.01, "expected 0..1"),
            ("se", -0.1, "expected 0..0.5"),
            ("se", 0.51, "expected 0..0.5"),
        ];
        let of_predictions = [("answer_logprob", 0.1, "expected at most 0")];
        let wrong = match reader.required {
            SCORE => &of_scores[..],
            OUTCOME => &of_predictions,
            _ => continue,
        };
        for (column, found, expected) in wrong {
            let records = reader.with_second(|r| r[*column] = json!(found));
            let words = format!("column \"{column}\": {expected}, found {found}");
            reader.refuses_row(&dir, &records, 2, &[&words]);
            checked += 1;
        }
    }
    assert_eq!(checked, 2 + 2 * 3);
    let predictions = readers(&dir)
        .remove(2)
        .with_second(|r| r["margin"] = json!(-1));
    dir.write("bad.jsonl", to_lines(&predictions));
    dir.run("merge-shards", "--allow-unchecked bad.jsonl")
        .refused(
            1,
            &["bad.jsonl:2: column \"margin\": expected at least 0, found -1"],
        );
}

#[test]
fn words_that_are_none_of_a_columns_are_refused() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        for (column, expected) in [
            ("condition", "expected clean or deranged, found \"odd\""),
            ("design", "expected independent or nested, found \"odd\""),
        ] {
            let words = format!("column \"{column}\": {expected}");
            reader.refuses_second(&dir, |r| r[column] = json!("odd"), &words);
        }
    }
}

#[test]
fn bitstrings_of_another_length_or_other_characters_are_refused() {
    let dir = Workdir::new();
    let mut checked = 0;
    for reader in readers(&dir) {
        for column in reader.bitstrings {
            for (wrong, expected) in [
                ("0101010", "expected 8 bits, found \"0101010\""),
                ("010101010", "expected 8 bits, found \"010101010\""),
                ("", "expected 8 bits, found \"\""),
                ("0101012x", "'2' in a bitstring, which holds only 0 and 1"),
                ("01 10101", "' ' in a bitstring"),
                ("٠١٠١٠١٠", "'٠' in a bitstring"),
                ("00000000000000000", "at most 16 bits, not 17"),
            ] {
                let records = reader.with_second(|r| r[*column] = json!(wrong));
                let words = format!("column \"{column}\": ");
                reader.refuses_row(&dir, &records, 2, &[&words, expected]);
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 4 * 2 * 7, "filters, columns, values");
}

/// The record of a reader that has 128 demonstrations, if it reads any.
fn longest(reader: &Reader) -> Option<usize> {
    reader.records.iter().position(|r| {
        r["inputs"]
            .as_array()
            .is_some_and(|inputs| inputs.len() == 128)
    })
}

#[test]
fn demonstrations_that_do_not_fit_each_other_are_refused() {
    let dir = Workdir::new();
    let mut checked = 0;
    for reader in readers(&dir) {
        let Some(at) = longest(&reader) else { continue };
        let mut refuse = |words: &str, change: &dyn Fn(&mut Value)| {
            let mut records = reader.records.clone();
            change(&mut records[at]);
            reader.refuses_row(&dir, &records, at + 1, &[words]);
            checked += 1;
        };
        let pop = |record: &mut Value, column: &str| {
            record[column].as_array_mut().unwrap().pop();
        };
        refuse("column \"outputs\": 127 outputs for 128 inputs", &|r| {
            pop(r, "outputs");
        });
        refuse("column \"inputs\": 127 inputs for 128 shots", &|r| {
            pop(r, "inputs");
        });
        refuse("column \"inputs\": 128 inputs for 127 shots", &|r| {
            r["shots"] = json!(127);
        });
        refuse("column \"outputs\": expected 8 bits, found \"011\"", &|r| {
            r["outputs"][100] = json!("011");
        });
        refuse("column \"inputs\": expected 8 bits, found \"011\"", &|r| {
            r["inputs"][127] = json!("011");
        });
    }
    assert_eq!(checked, 4 * 5, "filters, faults");
}

#[test]
fn a_row_is_counted_across_batches() {
    let dir = Workdir::new();
    let trials = dir
        .run("gen-tasks", "--task identity --shots 1 --trials 2500")
        .ok();
    let mut records = json_lines(&trials);
    records[2100]["query"] = json!("2");
    let batches: Vec<RecordBatch> = records.chunks(1000).map(to_batch).collect();
    let [encode, ..] = &readers(&dir)[..] else {
        panic!()
    };
    for (file, bytes) in binary_files(&batches) {
        let place = format!("{file}: row 2101: column \"query\"");
        encode.refuses(&dir, file, &bytes, &[&place]);
    }
    encode.refuses(
        &dir,
        "bad.jsonl",
        &to_lines(&records),
        &["bad.jsonl:2101: column \"query\""],
    );
}

#[test]
fn what_a_prompt_says_of_itself_must_agree() {
    let dir = Workdir::new();
    let [_, infer, ..] = &readers(&dir)[..] else {
        panic!()
    };
    for (column, wrong, words) in [
        (
            "zero",
            json!("AC"),
            "column \"one\": expected a word, like the symbol of zero, found \"",
        ),
        (
            "zero",
            json!(""),
            "column \"zero\": expected one character, or a word, found \"\"",
        ),
        (
            "one",
            infer.records[1]["zero"].clone(),
            "is also the symbol of zero",
        ),
        (
            "separator",
            json!("--"),
            "column \"separator\": expected one character, like the symbol of zero, found \"--\"",
        ),
        (
            "answer",
            json!("ACAC"),
            "column \"answer\": 4 symbols for 8 bits",
        ),
        (
            "eval_shots",
            json!([1]),
            "column \"eval_shots\": expected null where design is independent",
        ),
        (
            "answer_starts",
            json!([1]),
            "column \"answer_starts\": expected one offset for every one of eval_shots",
        ),
        (
            "design",
            json!("nested"),
            "column \"eval_shots\": is missing, but design is nested",
        ),
    ] {
        infer.refuses_second(&dir, |r| r[column] = wrong, words);
    }
}

#[test]
fn what_a_nested_prompt_says_of_itself_must_agree() {
    let dir = Workdir::new();
    let nested = dir.prompts(
        "--task identity --design nested --shots 1,2,4 --trials 3",
        "--alphabet genomic",
    );
    let infer = Reader {
        records: json_lines(&nested),
        ..readers(&dir).remove(1)
    };
    for (column, wrong, words) in [
        (
            "eval_shots",
            json!([1, 2, 5]),
            "column \"eval_shots\": 5 is more than the sequence's 4 shots",
        ),
        (
            "eval_shots",
            json!([2, 1, 4]),
            "column \"eval_shots\": expected increasing shot counts",
        ),
        (
            "eval_shots",
            json!([]),
            "column \"eval_shots\": expected increasing shot counts",
        ),
        (
            "answer_starts",
            json!([25, 42]),
            "column \"answer_starts\": expected one offset for every one of eval_shots",
        ),
        (
            "answer_starts",
            json!([42, 25, 76]),
            "column \"answer_starts\": expected increasing offsets up to 76",
        ),
        (
            "answer_starts",
            json!([25, 42, 77]),
            "column \"answer_starts\": expected increasing offsets up to 76",
        ),
        (
            "answer_starts",
            json!([25, 43, 76]),
            "column \"prompt\": at symbol 43 it does not go on with the output of example 3",
        ),
        (
            "design",
            json!("independent"),
            "column \"eval_shots\": expected null where design is independent",
        ),
        (
            "answer_starts",
            json!([25, "x", 76]),
            "column \"answer_starts\": expected an integer, found \"x\"",
        ),
    ] {
        infer.refuses_second(&dir, |r| r[column] = wrong, words);
    }
}

#[test]
fn a_prediction_that_contradicts_itself_is_refused() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        if reader.required != OUTCOME {
            continue;
        }
        for (change, words) in [
            (
                json!({"correct": false}),
                "column \"correct\": false, but prediction is \"01010001\" and target \"01010001\"",
            ),
            (
                json!({"prediction": "0101"}),
                "column \"correct\": true, but prediction is \"0101\"",
            ),
            (
                json!({"inputs": null}),
                "columns \"inputs\", \"outputs\": one is there without the other",
            ),
        ] {
            let contradict = |r: &mut Value| {
                r["prediction"] = json!("01010001");
                r["target"] = json!("01010001");
                r["correct"] = json!(true);
                let change = change.as_object().unwrap().clone();
                r.as_object_mut().unwrap().extend(change);
            };
            reader.refuses_second(&dir, contradict, words);
        }
    }
}

#[test]
fn an_arrow_stream_that_is_cut_off_anywhere_is_refused() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        let (records, half) = (to_batch(&reader.records), reader.records.len() / 2);
        let rest = records.num_rows() - half;
        let batches = [records.slice(0, half), records.slice(half, rest)];
        let whole = to_arrow_stream(&batches);
        // Before the marker of the end, 8 bytes; within it; in the batches; in the schema.
        let n = whole.len();
        let mut cuts = [9, 8, 7, 4, 1].map(|left| n - left).to_vec();
        cuts.extend([n / 2, n / 4, n * 3 / 4, 4, 8, 9, 100]);
        let mut rng = rng(1);
        cuts.extend((0..30).map(|_| 4 + rng.next_u32() as usize % (n - 5)));
        for cut in cuts {
            let words = ["bad.arrow: ", "cut-off Arrow stream"];
            reader.refuses(&dir, "bad.arrow", &whole[..cut], &words);
        }
        for cut in [1, 2, 3] {
            reader.refuses(&dir, "bad.arrow", &whole[..cut], &["bad.arrow: "]);
        }
    }
}

#[test]
fn an_arrow_stream_cut_off_in_a_pipe_is_refused_by_name_of_stdin() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        let whole = to_arrow_stream(&[to_batch(&reader.records)]);
        for cut in [whole.len() - 8, whole.len() / 2] {
            reader.refuses_pipe(&dir, &whole[..cut], &["stdin: ", "cut-off Arrow stream"]);
        }
        assert!(dir.names().is_empty());
    }
}

#[test]
fn arrow_streams_glued_together_are_refused() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        let whole = to_arrow_stream(&[to_batch(&reader.records)]);
        let words = [
            "bad.arrow: ",
            "bytes after the end of the Arrow stream",
            "several files",
        ];
        reader.refuses(&dir, "bad.arrow", &[whole.clone(), whole].concat(), &words);
    }
}

#[test]
fn a_cut_off_parquet_or_arrow_file_is_refused() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        let batches = [to_batch(&reader.records)];
        for (file, whole, words) in [
            (
                "bad.parquet",
                to_parquet(&batches),
                "damaged or cut-off Parquet file",
            ),
            (
                "bad.arrow",
                to_arrow_file(&batches),
                "damaged or cut-off Arrow file",
            ),
        ] {
            let n = whole.len();
            let mut cuts = vec![6, 8, 12, n / 4, n / 2, n - 8, n - 4, n - 1];
            let mut rng = rng(2);
            cuts.extend((0..10).map(|_| 6 + rng.next_u32() as usize % (n - 7)));
            for cut in cuts {
                let place = format!("{file}: ");
                reader.refuses(&dir, file, &whole[..cut], &[&place, words]);
            }
            // Through a pipe, too, where the file cannot be sought in.
            reader.refuses_pipe(&dir, &whole[..n - 1], &["stdin: ", words]);
        }
    }
}

/// A generator that draws the same in every run.
fn rng(seed: u64) -> impl Rng {
    rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed)
}

#[test]
fn garbage_is_refused_whatever_it_begins_with() {
    let dir = Workdir::new();
    let mut rng = rng(3);
    let heads: [&[u8]; 7] = [
        b"",
        b"{",
        b"PAR1",
        b"ARROW1\0\0",
        b"\xff\xff\xff\xff",
        b"\x7fELF",
        b"\0",
    ];
    for reader in readers(&dir) {
        for head in heads {
            for length in [0, 1, 16, 5000] {
                let mut bytes = head.to_vec();
                bytes.extend((0..length).map(|_| rng.next_u32().to_le_bytes()[0]));
                reader.refuses(&dir, "bad", &bytes, &["bad"]);
            }
        }
    }
}

#[test]
fn flipped_bytes_are_read_or_refused_but_never_a_panic() {
    let dir = Workdir::new();
    let mut rng = rng(4);
    for reader in readers(&dir) {
        for (file, whole) in binary_files(&[to_batch(&reader.records)]) {
            for _ in 0..25 {
                let mut bytes = whole.clone();
                for _ in 0..=rng.next_u32() % 3 {
                    let at = rng.next_u32() as usize % bytes.len();
                    bytes[at] ^= 1 << (rng.next_u32() % 8);
                }
                dir.write(file, bytes);
                let ran = reader.run_on(&dir, file);
                match ran.code {
                    0 => {}
                    code => ran.refused(code, &[]),
                }
            }
        }
    }
}

#[test]
fn what_only_begins_like_a_compressed_file_is_refused() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        let gzip = b"\x1f\x8b\x08\0more";
        reader.refuses(&dir, "bad.gz", gzip, &["bad.gz: ", "gzip stream: "]);
        let zstd = b"\x28\xb5\x2f\xfdmore";
        reader.refuses(&dir, "bad.zst", zstd, &["bad.zst: ", "zstd stream: "]);
    }
}

#[test]
fn empty_input_is_refused() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        for empty in ["", "\n", "\n \n\n"] {
            let words = ["bad.jsonl: empty input"];
            reader.refuses(&dir, "bad.jsonl", empty.as_bytes(), &words);
            reader.refuses_pipe(&dir, empty.as_bytes(), &["stdin: empty input"]);
        }
        // One of several files is empty: its part of the experiment is missing.
        dir.write("good.jsonl", to_lines(&reader.records));
        dir.write("bad.jsonl", "");
        reader.refuses_path(&dir, "good.jsonl bad.jsonl", 1, &["bad.jsonl: empty input"]);
    }
}

#[test]
fn an_empty_shard_of_arrow_or_parquet_is_no_error() {
    let dir = Workdir::new();
    for to in ["arrow", "parquet"] {
        let grid = format!("--task identity --task rotl1 --shots 1,2 --trials 1 --to {to}");
        let empty = dir.run("gen-tasks", &format!("{grid} --shard 0/8")).ok();
        let full = dir.run("gen-tasks", &grid).ok();
        dir.write("empty", &empty);
        dir.write("full", &full);
        let mut counts = Vec::new();
        for files in ["empty", "empty full empty"] {
            let encoded = dir
                .run("encode", &format!("--alphabet genomic {files} --to {to}"))
                .ok();
            dir.write("prompts", encoded);
            let inferred = dir
                .run("infer", "--model builtin:copy prompts --to arrow")
                .ok();
            counts.push(arrow_rows(&inferred).len());
            dir.write("predictions", inferred);
            let scores = dir.run("score", "predictions --to csv").ok();
            assert!(scores.starts_with(b"model,"));
            dir.run("fit-loglinear", "predictions --to csv").ok();
        }
        assert_eq!(counts, [0, 4], "{to}");
    }
}

#[test]
fn a_missing_file_and_a_folder_are_no_input() {
    let dir = Workdir::new();
    fs::create_dir(dir.path("folder")).unwrap();
    for reader in readers(&dir) {
        dir.write("good.jsonl", to_lines(&reader.records));
        for (path, words) in [
            ("gone.jsonl", "gone.jsonl: No such file"),
            ("folder", "folder: a folder, not a file of records"),
            ("good.jsonl gone.jsonl", "gone.jsonl: No such file"),
            ("good.jsonl good.jsonl/x", "good.jsonl/x: "),
        ] {
            reader.refuses_path(&dir, path, 1, &[words]);
        }
    }
    // A later file's name is looked at before the first file's records are.
    dir.write("good.jsonl", to_lines(&readers(&dir)[0].records));
    let ran = dir.run("encode", "--alphabet genomic good.jsonl gone.jsonl");
    ran.refused(1, &["gone.jsonl: No such file"]);
    assert!(ran.stdout.is_empty(), "{ran}");
}

#[test]
fn another_kind_of_record_is_refused_by_a_missing_column() {
    let dir = Workdir::new();
    let readers = readers(&dir);
    for reader in &readers {
        for other in &readers {
            let first = &other.records[0];
            let known = reader.required().all(|column| !first[column].is_null());
            // A fit reads scores and predictions.
            let fits =
                reader.filter == "fit-loglinear" && [OUTCOME, SCORE].contains(&other.required);
            if known || fits {
                continue;
            }
            let advice = match (first["query"].is_string(), first["answer"].is_string()) {
                // A figure knows predictions, and says which filter makes something to draw of them.
                _ if reader.filter == "figure" && other.required == OUTCOME => {
                    ["bad.jsonl:1: column ", "make results of predictions"]
                }
                (true, false) if reader.filter == "infer" => {
                    ["bad.jsonl:1: these are trials: ", "run encode first"]
                }
                (true, false) => [
                    "bad.jsonl:1: these are trials: ",
                    "run encode and infer first",
                ],
                (true, true) if other.required != OUTCOME => {
                    ["bad.jsonl:1: these are prompts: ", "run infer first"]
                }
                (true, true) => ["bad.jsonl:1: these are predictions: ", "expected"],
                (false, _) if other.required == SCORE && reader.filter != "figure" => {
                    ["bad.jsonl:1: these are scores: ", "expected"]
                }
                (false, _) => ["bad.jsonl:1: column ", "is missing"],
            };
            reader.refuses(&dir, "bad.jsonl", &to_lines(&other.records), &advice);
        }
    }
}

#[test]
fn text_is_no_input_for_filters_that_read_no_csv() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        let csv = b"model,shots\na,1\n";
        let words: &[&str] = match reader.filter {
            "encode" | "infer" | "score" => &[
                "bad.csv: ",
                "expected JSON lines, Arrow or Parquet",
                "\"model,shots",
            ],
            _ => &["bad.csv:2: column \"accuracy\": is missing"],
        };
        reader.refuses(&dir, "bad.csv", csv, words);
    }
}

#[test]
fn bad_csv_is_refused_by_its_line() {
    let dir = Workdir::new();
    for reader in readers(&dir).into_iter().filter(|r| r.required == SCORE) {
        let refuse = |contents: &[u8], words: &[&str]| {
            reader.refuses(&dir, "bad.csv", contents, words);
        };
        for (accuracy, words) in [
            ("half", "expected a number, found half"),
            ("", "expected a number, found null"),
            ("NaN", "expected a number, found NaN"),
            ("inf", "expected a number, found inf"),
            ("1.01", "expected 0..1, found 1.01"),
            ("-0.1", "expected 0..1, found -0.1"),
        ] {
            let contents = format!("model,shots,accuracy\na,1,{accuracy}\n");
            let words = format!("bad.csv:2: column \"accuracy\": {words}");
            refuse(contents.as_bytes(), &[&words]);
        }
        let header = "model,shots,accuracy\n";
        for (rows, words) in [
            (
                &b"a,1,0.5\na,2\n"[..],
                &["bad.csv", "line: 3", "2 fields", "3 fields"][..],
            ),
            (
                b"a,1,0.5\na,two,0.5\n",
                &["bad.csv:3: column \"shots\": expected an integer, found two"],
            ),
            (b"", &["bad.csv: empty input"]),
            (b"\"a,1,0.5\n", &["bad.csv"]),
            (b"\xff,1,0.5\n", &["bad.csv", "UTF-8"]),
        ] {
            refuse(&[header.as_bytes(), rows].concat(), words);
        }
        let words = ["bad.csv:2: column \"model\": is missing"];
        refuse(b"model|shots|accuracy\na|1|0.5\n", &words);
    }
}

#[test]
fn an_output_that_cannot_be_is_refused_before_any_work() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        dir.write("good.jsonl", to_lines(&reader.records));
        let folder = format!("folder.{}", reader.suffix);
        fs::create_dir_all(dir.path(&folder)).unwrap();
        let before = dir.names();
        let out = format!("gone/out.{}", reader.suffix);
        reader
            .run(&dir, &format!("good.jsonl -o {out}"))
            .refused(1, &[&format!("{out}: the folder gone does not exist")]);
        reader
            .run(&dir, &format!("good.jsonl -o {folder}"))
            .refused(2, &[&folder, "is a folder"]);
        assert_eq!(dir.names(), before);
        assert_eq!(fs::read_dir(dir.path(&folder)).unwrap().count(), 0);
    }
    dir.run("gen-tasks", "--task identity -o gone/x.jsonl")
        .refused(1, &["gone/x.jsonl: the folder gone does not exist"]);
}

#[test]
fn an_output_that_was_there_stays_as_it_was_if_the_filter_fails() {
    let dir = Workdir::new();
    for reader in readers(&dir) {
        let out = format!("out.{}", reader.suffix);
        dir.write(&out, "precious");
        dir.write("bad.jsonl", reader.with_second_line(b"nonsense"));
        let before = dir.names();
        reader
            .run_on(&dir, "bad.jsonl")
            .refused(1, &["bad.jsonl:2: "]);
        assert_eq!(dir.names(), before);
        assert_eq!(dir.read(&out), b"precious");
        dir.write("good.jsonl", to_lines(&reader.records));
        assert_eq!(reader.run_on(&dir, "good.jsonl").code, 0);
        assert_ne!(dir.read(&out), b"precious");
        fs::remove_file(dir.path(&out)).unwrap();
    }
}

/// Runs a filter by a shell, which redirects, and which has `input` as its standard input.
fn by_shell(dir: &Workdir, filter: &str, line: &str) -> Ran {
    let mut shell = assert_cmd::Command::new("bash");
    shell
        .args(["-c", &format!("exec {} {line}", binary(filter))])
        .current_dir(dir.path(""))
        .env("SHOTLINE_ORT_LIB", onnx_runtime());
    Ran::of(filter, &mut shell)
}

#[test]
fn an_output_that_is_an_input_is_refused_by_whatever_name_and_stays_as_it_was() {
    let dir = Workdir::new();
    let mut filters: Vec<(&str, String, Vec<u8>)> = readers(&dir)
        .iter()
        .map(|r| (r.filter, r.arguments.to_owned(), to_lines(&r.records)))
        .collect();
    let (trials, predictions) = (filters[0].2.clone(), filters[2].2.clone());
    filters.push(("merge-shards", "--allow-unchecked".to_owned(), trials));
    filters.push(("contrast", "--models".to_owned(), predictions));
    for (filter, arguments, contents) in filters {
        // A suffix that every filter can write, whatever the contents are.
        let (file, link, hard) = match filter {
            "figure" => ("in.svg", "link.svg", "hard.svg"),
            _ => ("in.jsonl", "link.jsonl", "hard.jsonl"),
        };
        dir.write(file, &contents);
        symlink(file, dir.path(link)).unwrap();
        fs::hard_link(dir.path(file), dir.path(hard)).unwrap();
        let before = dir.names();
        for output in [file, &format!("./{file}"), link, hard] {
            let refused = |line: &str, input: &str| {
                let ran = by_shell(&dir, filter, &format!("{arguments} {line}"));
                ran.refused(2, &[&format!("{output}: is the input {input}")]);
            };
            refused(&format!("{file} -o {output}"), file);
            refused(&format!("{link} -o {output}"), link);
            match filter {
                // Shards are no pipes.
                "merge-shards" => {}
                "figure" => refused(&format!("-o other.svg -o {output} < {file}"), "/dev/stdin"),
                _ => refused(&format!("- -o {output} < {file}"), "/dev/stdin"),
            }
        }
        if filter != "figure" {
            by_shell(&dir, filter, &format!("{arguments} {file} >> {hard}"))
                .refused(2, &[&format!("/dev/stdout: is the input {file}")]);
        }
        assert_eq!(dir.names(), before);
        assert_eq!(dir.read(file), contents);
        for name in [file, link, hard] {
            fs::remove_file(dir.path(name)).unwrap();
        }
    }
}

#[test]
fn a_suite_a_report_and_a_journal_are_not_written_over_either() {
    let dir = Workdir::new();
    dir.write("mine.txt", "identity\n");
    for (filter, arguments) in [
        ("gen-tasks", "--suite mine.txt --list"),
        ("contrast", "--identifiability --suite mine.txt"),
        // Not read, and kept all the same.
        ("infer", "--model builtin:compress --suite mine.txt"),
    ] {
        let refused = dir.run(filter, &format!("{arguments} -o mine.txt"));
        refused.refused(2, &["mine.txt: is the input mine.txt"]);
    }
    // `paper` is no file, even where one is called so.
    let paper = "--task identity --shots 1 --trials 1 -o paper";
    dir.run("gen-tasks", paper).ok();
    dir.run("gen-tasks", paper).ok();
    // What an interrupted run has finished, taken for its prompts, would be all there is.
    let prompts = dir.prompts("--task identity --shots 1 --trials 2", "--alphabet genomic");
    dir.write("out.jsonl.partial", prompts);
    dir.run(
        "infer",
        "--model exec:cat out.jsonl.partial --resume -o out.jsonl",
    )
    .refused(2, &["is the input out.jsonl.partial"]);
    dir.write("report.html", SCORES);
    dir.run("figure", "report report.html -o report.html")
        .refused(2, &["report.html: is the input report.html"]);
    assert_eq!(dir.read("mine.txt"), b"identity\n");
}

const SCORES: &str = "model,shots,accuracy\na,1,.1\na,2,.2\n";

#[test]
fn a_suffix_of_no_format_is_refused_before_any_work() {
    let dir = Workdir::new();
    for reader in readers(&dir).iter().filter(|r| r.filter != "figure") {
        dir.write("good.jsonl", to_lines(&reader.records));
        for name in "out.xlsx out.feather out.xml out.v2.gz my.table".split(' ') {
            let words = [name, ".jsonl, .arrow, .parquet, .csv, .tsv or .txt", "--to"];
            reader
                .run(&dir, &format!("good.jsonl -o {name}"))
                .refused(2, &words);
        }
        // No suffix says nothing, and --to says more than any.
        for arguments in ["-o out", "-o out.v2 --to jsonl"] {
            let ran = reader.run(&dir, &format!("good.jsonl {arguments}"));
            assert_eq!(ran.code, 0, "{ran}");
        }
    }
    dir.run("gen-tasks", "-o trials.xls")
        .refused(2, &["trials.xls"]);
    dir.run("merge-shards", "a.jsonl -o b.xml")
        .refused(2, &["b.xml"]);
}

#[test]
fn a_closed_standard_output_is_an_error_and_one_that_nobody_reads_is_none() {
    let dir = Workdir::new();
    dir.write("scores.csv", SCORES);
    for reader in readers(&dir).iter().filter(|r| r.filter != "figure") {
        dir.write("good.jsonl", to_lines(&reader.records));
        let line = format!("{} good.jsonl", reader.arguments);
        by_shell(&dir, reader.filter, &format!("{line} >&-"))
            .refused(1, &["stdout: Bad file descriptor"]);
        // As a program does that starts others and wants to hear nothing.
        for elsewhere in ["-o out.jsonl >&-", "1<> /dev/null", "> /dev/null"] {
            let ran = by_shell(&dir, reader.filter, &format!("{line} {elsewhere}"));
            assert_eq!(ran.code, 0, "{ran}");
        }
    }
    by_shell(&dir, "figure", "curve scores.csv -o out.svg >&-").ok();
    let filters = "gen-tasks encode infer score fit-loglinear contrast figure merge-shards";
    for filter in filters.split(' ') {
        for flag in ["--help", "--version"] {
            by_shell(&dir, filter, &format!("{flag} >&-"))
                .refused(1, &["stdout: Bad file descriptor"]);
            by_shell(&dir, filter, &format!("{flag} > /dev/full"))
                .refused(1, &["stdout: No space left on device"]);
        }
    }
    // Nothing comes from a closed standard input.
    by_shell(&dir, "score", "<&-").refused(1, &["stdin: empty input"]);
}

#[test]
fn more_threads_than_cores_are_not_started_and_a_note_says_so() {
    let dir = Workdir::new();
    for reader in readers(&dir)
        .iter()
        .filter(|r| ["score", "fit-loglinear", "infer"].contains(&r.filter))
    {
        dir.write("good.jsonl", to_lines(&reader.records));
        let run = |more: &str| reader.run(&dir, &format!("good.jsonl {more}"));
        let bare = run("--quiet").ok();
        let loud = run("--threads 18446744073709551615");
        assert!(
            loud.stderr.contains("--threads 18446744073709551615: ")
                && loud.stderr.contains("as many as there are cores"),
            "{loud}"
        );
        assert_eq!(loud.loud_ok(), bare);
        assert_eq!(run("--threads 4096 --quiet").ok(), bare);
    }
}

#[test]
fn dev_null_is_written_in_place_and_stays_a_device() {
    let dir = Workdir::new();
    for reader in readers(&dir).iter().filter(|r| r.filter != "figure") {
        dir.write("good.jsonl", to_lines(&reader.records));
        for to in ["jsonl", "arrow", "parquet"] {
            let ran = reader.run(&dir, &format!("good.jsonl --to {to} -o /dev/null"));
            assert_eq!((ran.code, ran.stdout.len()), (0, 0), "{ran}");
        }
        assert_eq!(dir.names(), ["good.jsonl"]);
    }
    let null = fs::metadata("/dev/null").unwrap();
    assert!(null.file_type().is_char_device());
    assert!(!std::path::Path::new("/dev/null.provenance.json").exists());
}

#[test]
fn a_full_device_is_an_error_that_names_it() {
    let dir = Workdir::new();
    dir.run("gen-tasks", "-o /dev/full --to jsonl")
        .refused(1, &["No space left on device"]);
}

#[test]
fn a_link_is_kept_and_its_target_replaced() {
    let dir = Workdir::new();
    fs::create_dir(dir.path("elsewhere")).unwrap();
    for reader in readers(&dir) {
        let (link, target) = (
            format!("out.{}", reader.suffix),
            format!("elsewhere/real.{}", reader.suffix),
        );
        dir.write(&target, "old");
        let _ = fs::remove_file(dir.path(&link));
        symlink(dir.path(&target), dir.path(&link)).unwrap();
        dir.write("good.jsonl", to_lines(&reader.records));
        let ran = reader.run_on(&dir, "good.jsonl");
        assert_eq!(ran.code, 0, "{ran}");
        assert!(fs::symlink_metadata(dir.path(&link)).unwrap().is_symlink());
        assert!(fs::symlink_metadata(dir.path(&target)).unwrap().is_file());
        assert_ne!(dir.read(&target), b"old");
    }
}

#[test]
fn a_reader_that_leaves_ends_the_filter_in_silence_with_success() {
    let dir = Workdir::new();
    let trials = dir
        .run("gen-tasks", "--suite primitives --shots 32 --trials 20")
        .ok();
    let prompts = dir
        .pipe(trials.clone(), "encode", "--alphabet genomic")
        .ok();
    let predictions = dir
        .pipe(prompts.clone(), "infer", "--model builtin:copy")
        .ok();
    let rows: Vec<String> = (0..20_000)
        .map(|i| format!("model-{i},1,0.1\nmodel-{i},2,0.2\n"))
        .collect();
    let many_scores = format!("model,shots,accuracy\n{}", rows.concat());
    for (filter, arguments, input) in [
        ("gen-tasks", "", &b""[..]),
        ("gen-tasks", "--to arrow", b""),
        ("gen-tasks", "--to parquet", b""),
        ("gen-tasks", "--list", b""),
        ("encode", "--alphabet genomic", &trials),
        ("encode", "--alphabet genomic --to arrow", &trials),
        ("infer", "--model builtin:copy", &prompts),
        ("infer", "--model builtin:copy --to parquet", &prompts),
        ("score", "--by task --replicates 10", &predictions),
        (
            "score",
            "--by task --replicates 10 --to arrow",
            &predictions,
        ),
        ("fit-loglinear", "", many_scores.as_bytes()),
        ("fit-loglinear", "--to jsonl", many_scores.as_bytes()),
        ("infer", "--version", b""),
        ("infer", "--doctor", b""),
        ("encode", "--help", b""),
    ] {
        dir.write("input", input);
        let (reading, writing) = std::io::pipe().unwrap();
        drop(reading);
        let child = Command::new(binary(filter))
            .args(arguments.split_whitespace())
            .current_dir(dir.path(""))
            .env("SHOTLINE_ORT_LIB", onnx_runtime())
            .stdin(fs::File::open(dir.path("input")).unwrap())
            .stdout(writing)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, "", "{filter} {arguments}");
        assert_eq!(output.status.code(), Some(0), "{filter} {arguments}");
    }
}

/// Starts `gen-tasks` on an experiment too large to end, and waits until it writes.
fn endless(dir: &Workdir) -> std::process::Child {
    let child = Command::new(binary("gen-tasks"))
        .args(["--trials", "4000000000", "-o", "out.jsonl"])
        .current_dir(dir.path(""))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let written = || {
        let size = |name: &String| fs::metadata(dir.path(name)).map_or(0, |m| m.len());
        dir.names().iter().map(size).sum::<u64>()
    };
    while written() == 0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing written");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

#[test]
fn a_signal_leaves_no_file_and_the_exit_code_of_the_shell() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let dir = Workdir::new();
        let child = endless(&dir);
        assert!(!dir.names().contains(&"out.jsonl".to_owned()));
        let sent = Command::new("kill")
            .args([format!("-{signal}"), child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{signal}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        assert!(dir.names().is_empty(), "{signal}: {:?}", dir.names());
    }
}
