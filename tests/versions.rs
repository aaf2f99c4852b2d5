//! Versions of the records' schemas. The fixtures keep tables of every kind and format, and these must stay readable.
//! Tables of another version are refused, with a message that says what to do.

mod common;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use common::{
    Ran, Workdir, arrow_batches, binary, json_lines, lines, metadata, parquet_batches, repository,
    to_arrow_stream, to_parquet,
};
use serde_json::Value;
use shotline::provenance::Chain;
use shotline::record::{
    Contrast, ErrorShare, Fit, Format, Identifiability, Listing, Power, Prediction, Prompt, Reader,
    Record, SCHEMA_KEY, Scaling, Score, Similarity, Trial, VERSIONS, Versus, VersusTask, Writer,
    schema,
};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice::from_ref;
use std::sync::Arc;

/// How the kept tables were made: kind, and command without `-o`. A command may read the tables before it.
const COMMANDS: [(&str, &str); 15] = [
    (
        "trial",
        "gen-tasks --task meta_constant --task rotl1 --shots 1,2 --trials 2 --condition clean,deranged --quiet",
    ),
    ("prompt", "encode --alphabet genomic trial.jsonl"),
    ("prediction", "infer --model builtin:nearest prompt.jsonl"),
    ("score", "score --replicates 20 prediction.jsonl"),
    ("error", "score --errors prediction.jsonl"),
    ("power", "score --power .1 prediction.jsonl"),
    ("fit", "fit-loglinear --replicates 20 prediction.jsonl"),
    ("scaling", "fit-loglinear --families sizes.csv"),
    ("shape", "fit-loglinear --shape curve.jsonl"),
    ("contrast", "contrast prediction.jsonl"),
    (
        "versus",
        "contrast --models --top 2 prediction.jsonl mode.jsonl",
    ),
    (
        "versus-task",
        "contrast --models --by task --top 2 prediction.jsonl mode.jsonl",
    ),
    (
        "similarity",
        "contrast --profiles --permutations 99 prediction.jsonl mode.jsonl",
    ),
    (
        "identifiability",
        "contrast --identifiability --shots 1,2 --suite few.txt",
    ),
    ("listing", "gen-tasks --list --suite few.txt"),
];

/// The kinds that CSV cannot hold.
const DEEP: [&str; 3] = ["trial", "prompt", "prediction"];

fn formats(kind: &str) -> &'static [&'static str] {
    if DEEP.contains(&kind) {
        &["jsonl", "arrow", "parquet"]
    } else {
        &["jsonl", "arrow", "parquet", "csv"]
    }
}

fn kept(kind: &str, format: &str) -> PathBuf {
    let (_, version) = VERSIONS.iter().find(|(name, _)| *name == kind).unwrap();
    repository(&format!("tests/fixtures/records/{kind}.{version}.{format}"))
}

/// Makes the tables anew in `dir`. Programs and files have bare names, so the tables hold no path of a machine.
fn make(dir: &Workdir) {
    dir.write("few.txt", "identity\nrotl1\nmajority\n");
    dir.write(
        "sizes.csv",
        "model,modality,params,shots,accuracy\na,x,1e9,1,.1\na,x,1e9,2,.2\nb,x,2e9,1,.2\nb,x,2e9,2,.25\n",
    );
    let bin = Path::new(binary("encode")).parent().unwrap();
    let run = |command: &str, output: &str| {
        let mut words = command.split_whitespace();
        let done = Command::new(words.next().unwrap())
            .args(words)
            .args(["-o", output])
            .env("PATH", bin)
            .current_dir(dir.path(""))
            .output()
            .unwrap();
        assert!(done.status.success(), "{command}: {done:?}");
    };
    for (kind, command) in COMMANDS {
        if kind == "versus" {
            run("infer --model builtin:mode prompt.jsonl", "mode.jsonl");
        }
        if kind == "shape" {
            run(
                "gen-tasks --task majority --task rotl1 --shots 1,2,4 --trials 2",
                "drawn.jsonl",
            );
            run("encode --alphabet genomic drawn.jsonl", "dressed.jsonl");
            run("infer --model builtin:nearest dressed.jsonl", "curve.jsonl");
        }
        for format in formats(kind) {
            run(command, &format!("{kind}.{format}"));
        }
    }
}

/// `SHOTLINE_BLESS=1 cargo test --release --test versions` makes the kept tables that are missing.
#[test]
fn every_kind_is_kept_in_every_format() {
    let dir = Workdir::new();
    make(&dir);
    let kinds: HashSet<&str> = COMMANDS.iter().map(|(kind, _)| *kind).collect();
    let versioned: HashSet<&str> = VERSIONS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, versioned);
    for (kind, version) in VERSIONS {
        for format in formats(kind) {
            let file = kept(kind, format);
            if std::env::var_os("SHOTLINE_BLESS").is_some() && !file.exists() {
                fs::copy(dir.path(&format!("{kind}.{format}")), &file).unwrap();
            }
            assert!(file.is_file(), "{}", file.display());
            if matches!(*format, "arrow" | "parquet") {
                let mark = format!("{kind}/{version}");
                // The kept table, and the table that the filters write now.
                for bytes in [
                    fs::read(&file).unwrap(),
                    dir.read(&format!("{kind}.{format}")),
                ] {
                    assert_eq!(metadata(&bytes)[SCHEMA_KEY], mark);
                }
            }
        }
    }
}

#[test]
fn the_files_of_schemas_have_the_versions_of_the_code() {
    for (kind, version) in VERSIONS {
        let file = repository(&format!("schemas/{kind}.schema.json"));
        let schema: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!(schema["x-version"], version, "{kind}");
    }
    let files = fs::read_dir(repository("schemas")).unwrap();
    let names = files.map(|f| f.unwrap().file_name().into_string().unwrap());
    let kinds = names.filter(|name| name.ends_with(".schema.json")).count();
    // There is one more schema: that of provenance.
    assert_eq!(kinds, VERSIONS.len() + 1);
}

/// The records of a kept table, read and written as JSON lines by this version.
fn read_back<T: Record + Clone + 'static>(file: &Path) -> Vec<Value> {
    let none = Chain::default();
    let mut reader = Reader::<T>::open(&[file.to_owned()], true).unwrap();
    let mut writer = Writer::<_, T>::new(Vec::new(), "memory", Format::Jsonl, &[], &none).unwrap();
    while let Some(entry) = reader.read().unwrap() {
        writer.write(&entry.record, &entry.extra).unwrap();
    }
    json_lines(&writer.finish().unwrap())
}

fn assert_kept<T: Record + Clone + 'static>() {
    let kind = T::KIND;
    let expected = json_lines(&fs::read(kept(kind, "jsonl")).unwrap());
    assert!(!expected.is_empty());
    for format in formats(kind) {
        let file = kept(kind, format);
        let found = read_back::<T>(&file);
        assert_eq!(found.len(), expected.len(), "{}", file.display());
        for (found, expected) in found.iter().zip(&expected) {
            // There may be columns that were added later. They are null.
            for (name, value) in found.as_object().unwrap() {
                let then = expected.get(name).unwrap_or(&Value::Null);
                assert_eq!(value, then, "{}: {name}", file.display());
            }
            let names = expected.as_object().unwrap().keys();
            assert!(names.into_iter().all(|name| found.get(name).is_some()));
        }
    }
    // A schema needs a new version if a column is renamed, removed, gets another type or becomes required.
    let now = schema::<T>();
    let then = arrow_batches(&fs::read(kept(kind, "arrow")).unwrap())[0].schema();
    for field in then.fields() {
        let same = now.field_with_name(field.name()).unwrap();
        assert_eq!(**field, *same, "{kind}");
    }
    for field in now.fields() {
        let is_old = then.field_with_name(field.name()).is_ok();
        assert!(is_old || field.is_nullable(), "{kind}: {field}");
    }
}

#[test]
fn what_was_written_in_this_version_of_a_schema_is_read_in_every_format() {
    assert_kept::<Trial>();
    assert_kept::<Prompt>();
    assert_kept::<Prediction>();
    assert_kept::<Score>();
    assert_kept::<ErrorShare>();
    assert_kept::<Power>();
    assert_kept::<Fit>();
    assert_kept::<Scaling>();
    assert_kept::<Contrast>();
    assert_kept::<Versus>();
    assert_kept::<VersusTask>();
    assert_kept::<Similarity>();
    assert_kept::<Identifiability>();
    assert_kept::<Listing>();
}

/// The filters that read records: filter, arguments, kind.
const READERS: [(&str, &str, &str); 9] = [
    ("merge-shards", "--allow-unchecked", "trial"),
    ("encode", "--alphabet genomic", "trial"),
    ("infer", "--model builtin:copy", "prompt"),
    ("score", "--replicates 20", "prediction"),
    ("contrast", "", "prediction"),
    ("fit-loglinear", "--replicates 20", "prediction"),
    ("fit-loglinear", "", "score"),
    ("figure", "curve -o drawn.svg", "score"),
    ("figure", "contrast -o drawn.svg", "contrast"),
];

/// A kept table with a version mark. In JSON lines the mark is in a first line or in a record. In the other formats it
/// is in the metadata or in a column.
fn marked(kind: &str, mark: &str) -> Vec<(&'static str, Vec<u8>)> {
    let text = fs::read(kept(kind, "jsonl")).unwrap();
    let key = serde_json::to_string(SCHEMA_KEY).unwrap();
    let value = serde_json::to_string(mark).unwrap();
    let head = format!("{{{key}:{value}}}\n").into_bytes();
    let line = format!("{{\"provenance\":[],{key}:{value}}}\n").into_bytes();
    let mut in_record: Vec<String> = lines(&text).into_iter().map(String::from).collect();
    let at = 1.min(in_record.len() - 1);
    in_record[at].replace_range(..1, &format!("{{{key}:{value},"));
    let batches = arrow_batches(&fs::read(kept(kind, "arrow")).unwrap());
    let in_metadata = with_mark(&batches[0], mark, false);
    let in_column = with_mark(&batches[0], mark, true);
    let mut all = vec![
        ("a first line", [head, text.clone()].concat()),
        ("the line of provenance", [line, text].concat()),
        ("a record", (in_record.join("\n") + "\n").into_bytes()),
        ("Arrow's metadata", to_arrow_stream(from_ref(&in_metadata))),
        ("Parquet's metadata", to_parquet(&[in_metadata])),
        ("Arrow's columns", to_arrow_stream(from_ref(&in_column))),
        ("Parquet's columns", to_parquet(&[in_column])),
    ];
    if !DEEP.contains(&kind) {
        let csv = fs::read(kept(kind, "csv")).unwrap();
        let rows = lines(&csv);
        let table = std::iter::once(format!("{SCHEMA_KEY},{}\n", rows[0]))
            .chain(rows[1..].iter().map(|row| format!("{mark},{row}\n")));
        all.push(("a column of CSV", table.collect::<String>().into_bytes()));
    }
    all
}

fn with_mark(batch: &RecordBatch, mark: &str, in_column: bool) -> RecordBatch {
    let schema = batch.schema();
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    let mut metadata = schema.metadata().clone();
    metadata.remove(SCHEMA_KEY);
    if in_column {
        let marks = StringArray::from(vec![mark; batch.num_rows()]);
        fields.push(Arc::new(Field::new(SCHEMA_KEY, DataType::Utf8, true)));
        columns.push(Arc::new(marks));
    } else {
        metadata.insert(SCHEMA_KEY.to_owned(), mark.to_owned());
    }
    let schema = Schema::new_with_metadata(fields, metadata);
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn run_on(dir: &Workdir, filter: &str, arguments: &str, table: &[u8]) -> Ran {
    dir.write("table", table);
    dir.run(filter, &format!("{arguments} table"))
}

#[test]
fn a_mark_of_this_version_is_read_wherever_it_stands_and_goes_no_further() {
    let dir = Workdir::new();
    for (filter, arguments, kind) in READERS {
        let bare = fs::read(kept(kind, "jsonl")).unwrap();
        let expected = run_on(&dir, filter, arguments, &bare);
        assert_eq!(expected.code, 0, "{expected}");
        for (place, table) in marked(kind, &format!("{kind}/1")) {
            let ran = run_on(&dir, filter, arguments, &table);
            assert_eq!(ran.code, 0, "{place}: {ran}");
            assert_eq!(ran.stdout, expected.stdout, "{filter}: {place}");
        }
    }
}

#[test]
fn a_table_without_a_mark_is_taken_by_its_columns() {
    let dir = Workdir::new();
    let batches = parquet_batches(&fs::read(kept("prediction", "parquet")).unwrap());
    let bare = Schema::new(batches[0].schema().fields().clone());
    let batch = RecordBatch::try_new(Arc::new(bare), batches[0].columns().to_vec()).unwrap();
    let marked = run_on(&dir, "score", "", &to_parquet(&batches)).ok();
    assert_eq!(
        run_on(&dir, "score", "", &to_parquet(&[batch])).ok(),
        marked
    );
}

#[test]
fn another_version_is_refused_with_what_was_found_what_is_understood_and_what_to_do() {
    let dir = Workdir::new();
    for (filter, arguments, kind) in READERS {
        let understood = format!("understands {kind}/1");
        let this = format!("this one ({})", env!("CARGO_PKG_VERSION"));
        for (mark, understood) in [
            (format!("{kind}/2"), understood.as_str()),
            (format!("{kind}/0"), &understood),
            ("dream/1".to_owned(), "knows no dream records"),
        ] {
            let found = format!("{SCHEMA_KEY} {mark}: written by another Shotline");
            let advice = "make the records anew, or read them with the Shotline that wrote them";
            for (place, table) in marked(kind, &mark) {
                let ran = run_on(&dir, filter, arguments, &table);
                let expected = ["table:", &found, &this, understood, advice];
                assert_eq!(ran.code, 1, "{place}: {ran}");
                ran.refused(1, &expected);
            }
        }
        for mark in [
            "prediction/1.0",
            "prediction",
            "prediction/",
            "prediction/-1",
            "prediction/one",
        ] {
            for (_, table) in marked(kind, mark) {
                run_on(&dir, filter, arguments, &table).refused(
                    1,
                    &["expected a kind of records and a number, as prediction/1"],
                );
            }
        }
        let number = format!("{{\"{SCHEMA_KEY}\":2}}\n");
        run_on(&dir, filter, arguments, number.as_bytes()).refused(
            1,
            &["table:1: column \"shotline.schema\": expected a string, found 2"],
        );
    }
    assert!(!dir.path("drawn.svg").exists());
}
