//! Shared code for the tests of the filters. Each test has a folder in which it runs the real binaries. The readers of
//! their output do not use the library under test.

#![allow(dead_code, reason = "every test file uses a part of it")]

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A filter that runs longer than this is taken to hang.
const PATIENCE: Duration = Duration::from_mins(15);

/// The path of a filter's binary.
pub fn binary(filter: &str) -> &'static str {
    match filter {
        "gen-tasks" => env!("CARGO_BIN_EXE_gen-tasks"),
        "encode" => env!("CARGO_BIN_EXE_encode"),
        "infer" => env!("CARGO_BIN_EXE_infer"),
        "score" => env!("CARGO_BIN_EXE_score"),
        "fit-loglinear" => env!("CARGO_BIN_EXE_fit-loglinear"),
        "contrast" => env!("CARGO_BIN_EXE_contrast"),
        "figure" => env!("CARGO_BIN_EXE_figure"),
        "merge-shards" => env!("CARGO_BIN_EXE_merge-shards"),
        other => panic!("no filter {other}: `binary` in tests/common/mod.rs names them all"),
    }
}

/// The path of a file in the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The path of a model in the fixtures.
pub fn fixture_model(name: &str) -> String {
    repository("tests/fixtures/models")
        .join(name)
        .display()
        .to_string()
}

/// The path of ONNX Runtime: `SHOTLINE_ORT_LIB`, or where `make runtime` puts it.
pub fn onnx_runtime() -> OsString {
    if let Some(set) = std::env::var_os("SHOTLINE_ORT_LIB") {
        return set;
    }
    let folder = repository("runtime");
    let found = fs::read_dir(&folder).is_ok_and(|mut files| {
        files.any(|f| {
            f.is_ok_and(|f| {
                f.file_name()
                    .to_string_lossy()
                    .starts_with("libonnxruntime")
            })
        })
    });
    assert!(
        found,
        "no ONNX Runtime in {}: run `make runtime`",
        folder.display()
    );
    folder.into_os_string()
}

/// Command-line arguments: a list, or a text that is split at white space.
pub trait Args {
    fn list(self) -> Vec<String>;
}

impl Args for &str {
    fn list(self) -> Vec<String> {
        self.split_whitespace().map(String::from).collect()
    }
}

impl Args for &String {
    fn list(self) -> Vec<String> {
        self.as_str().list()
    }
}

impl<const N: usize> Args for [&str; N] {
    fn list(self) -> Vec<String> {
        self.map(String::from).to_vec()
    }
}

impl Args for Vec<String> {
    fn list(self) -> Vec<String> {
        self
    }
}

/// The real model that `make model-smollm2` fetches and converts.
pub fn smollm2() -> String {
    let folder = std::env::var_os("SHOTLINE_SMOLLM2_DIR")
        .map_or_else(|| repository("models/smollm2-135m"), Into::into);
    assert!(
        folder.join("model.onnx").is_file(),
        "no SmolLM2 in {}: run `make model-smollm2`",
        folder.display()
    );
    folder.display().to_string()
}

/// A folder for one test, in which filters run.
pub struct Workdir(TempDir);

impl Workdir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The names of all files in the folder, hidden ones too, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A filter that will run in this folder.
    pub fn command(&self, filter: &str, args: impl Args) -> assert_cmd::Command {
        let mut command = assert_cmd::Command::new(binary(filter));
        command
            .args(args.list())
            .current_dir(self.0.path())
            .timeout(PATIENCE);
        command
    }

    /// Runs a filter without input.
    pub fn run(&self, filter: &str, args: impl Args) -> Ran {
        Ran::of(filter, &mut self.command(filter, args))
    }

    /// Runs a filter on `input`.
    pub fn pipe(&self, input: impl Into<Vec<u8>>, filter: &str, args: impl Args) -> Ran {
        Ran::of(filter, self.command(filter, args).write_stdin(input))
    }

    /// Runs `infer` on `input`, with ONNX Runtime.
    pub fn infer(&self, input: impl Into<Vec<u8>>, args: impl Args) -> Ran {
        let mut command = self.command("infer", args);
        command.env("SHOTLINE_ORT_LIB", onnx_runtime());
        Ran::of("infer", command.write_stdin(input))
    }

    /// Prompts, made by `gen-tasks` and `encode`.
    pub fn prompts(&self, gen_tasks: impl Args, encode: impl Args) -> Vec<u8> {
        let trials = self.run("gen-tasks", gen_tasks).ok();
        self.pipe(trials, "encode", encode).ok()
    }
}

/// The result of running a filter.
#[derive(Debug)]
pub struct Ran {
    filter: String,
    command: String,
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ran {
    /// Runs the command. It must end with an exit code of 0 to 4 and must not panic.
    pub fn of(filter: &str, command: &mut assert_cmd::Command) -> Self {
        let output = command.output().unwrap();
        let ran = Self {
            filter: filter.to_owned(),
            command: format!("{command:?}"),
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!ran.stderr.contains("panicked"), "{ran}");
        assert!((0..=4).contains(&ran.code), "{ran}");
        ran
    }

    /// The standard output. The filter must have succeeded and written nothing to stderr.
    #[track_caller]
    pub fn ok(self) -> Vec<u8> {
        assert_eq!(self.stderr, "", "{self}");
        self.loud_ok()
    }

    /// The standard output. The filter must have succeeded. Notes on stderr are allowed.
    #[track_caller]
    pub fn loud_ok(self) -> Vec<u8> {
        assert_eq!(self.code, 0, "{self}");
        self.stdout
    }

    /// Checks that the filter failed with this exit code and one line on stderr, which contains all `words`.
    #[track_caller]
    pub fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in: {self}");
        }
        let ours = format!("{}: ", self.filter);
        let last = self.stderr.lines().last().unwrap_or_default();
        // An error of the argument parser has more lines: the usage follows.
        let parser = code == 2 && self.stderr.starts_with("error: ");
        assert!(parser || last.starts_with(&ours), "{self}");
        let warning = format!("{ours}warning: ");
        let errors = self.stderr.lines().filter(|l| !l.starts_with(&warning));
        assert!(parser || errors.count() == 1, "{self}");
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.stdout[..self.stdout.len().min(400)];
        write!(
            f,
            "{}\nexit code {}\nstdout ({} bytes): {}\nstderr: {}",
            self.command,
            self.code,
            self.stdout.len(),
            String::from_utf8_lossy(shown),
            self.stderr
        )
    }
}

/// The lines of some text.
pub fn lines(bytes: &[u8]) -> Vec<&str> {
    std::str::from_utf8(bytes).unwrap().lines().collect()
}

/// A reader of all records in one format.
pub type ReadAll = fn(&[u8]) -> Vec<Value>;

/// The formats that hold every kind of record.
pub const FORMATS: [(&str, ReadAll); 3] = [
    ("jsonl", json_lines),
    ("arrow", arrow_rows),
    ("parquet", parquet_rows),
];

/// The records in JSON lines.
pub fn json_lines(bytes: &[u8]) -> Vec<Value> {
    lines(bytes)
        .into_iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Records as JSON lines.
pub fn to_lines(records: &[Value]) -> Vec<u8> {
    records
        .iter()
        .flat_map(|record| format!("{record}\n").into_bytes())
        .collect()
}

/// The records of an Arrow stream.
pub fn arrow_rows(bytes: &[u8]) -> Vec<Value> {
    let batches = arrow_batches(bytes);
    rows_of(&batches)
}

/// The batches of an Arrow stream.
pub fn arrow_batches(bytes: &[u8]) -> Vec<RecordBatch> {
    let reader = StreamReader::try_new(Cursor::new(bytes), None).unwrap();
    reader.map(Result::unwrap).collect()
}

/// The records of a Parquet file.
pub fn parquet_rows(bytes: &[u8]) -> Vec<Value> {
    rows_of(&parquet_batches(bytes))
}

/// The batches of a Parquet file.
pub fn parquet_batches(bytes: &[u8]) -> Vec<RecordBatch> {
    let bytes = bytes::Bytes::copy_from_slice(bytes);
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .unwrap()
        .build()
        .unwrap();
    reader.map(Result::unwrap).collect()
}

/// The metadata in the schema of an Arrow stream or a Parquet file.
pub fn metadata(bytes: &[u8]) -> HashMap<String, String> {
    let schema = if bytes.starts_with(b"PAR1") {
        let bytes = bytes::Bytes::copy_from_slice(bytes);
        let file = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        file.schema().clone()
    } else {
        StreamReader::try_new(Cursor::new(bytes), None)
            .unwrap()
            .schema()
    };
    schema
        .metadata()
        .iter()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// The records in Arrow batches, nulls included.
fn rows_of(batches: &[RecordBatch]) -> Vec<Value> {
    let mut text = Vec::new();
    let mut writer = arrow::json::writer::WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, arrow::json::writer::LineDelimited>(&mut text);
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    json_lines(&text)
}

/// Records as one Arrow batch with inferred types.
pub fn to_batch(records: &[Value]) -> RecordBatch {
    let text = to_lines(records);
    let (schema, _) = arrow::json::reader::infer_json_schema(text.as_slice(), None).unwrap();
    let mut decoder = arrow::json::ReaderBuilder::new(Arc::new(schema))
        .with_batch_size(records.len())
        .build_decoder()
        .unwrap();
    decoder.decode(&text).unwrap();
    decoder.flush().unwrap().unwrap()
}

/// Batches as an Arrow stream.
pub fn to_arrow_stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = StreamWriter::try_new(&mut out, &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    out
}

/// Batches as an Arrow file.
pub fn to_arrow_file(batches: &[RecordBatch]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = FileWriter::try_new(&mut out, &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    out
}

/// Batches as a Parquet file.
pub fn to_parquet(batches: &[RecordBatch]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batches[0].schema(), None).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.close().unwrap();
    out
}

/// Compresses `bytes` into one gzip member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Decompresses one gzip member.
pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut member = flate2::read::GzDecoder::new(bytes);
    member.read_to_end(&mut all).unwrap();
    all
}

/// Compresses `bytes` into one zstd frame with a checksum, as the tool `zstd` does.
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Compresses the contents of a file.
pub type Pack = fn(&[u8]) -> Vec<u8>;

/// The tools that compress files: name, file suffix, function.
pub const PACKERS: [(&str, &str, Pack); 2] = [("gzip", "gz", gzip), ("zstd", "zst", zstd)];

/// A row of CSV: column to text.
pub type Row = HashMap<String, String>;

/// The rows of a CSV table with a header.
pub fn csv_rows(bytes: &[u8]) -> Vec<Row> {
    csv::Reader::from_reader(bytes)
        .deserialize()
        .map(Result::unwrap)
        .collect()
}

/// A number in a CSV row.
#[track_caller]
pub fn number(row: &Row, column: &str) -> f64 {
    row[column]
        .parse()
        .unwrap_or_else(|e| panic!("{column} {:?}: {e}", row[column]))
}

/// A text in a record.
#[track_caller]
pub fn text<'a>(record: &'a Value, column: &str) -> &'a str {
    record[column]
        .as_str()
        .unwrap_or_else(|| panic!("{column}: {record}"))
}

/// An integer in a record.
#[track_caller]
pub fn int(record: &Value, column: &str) -> usize {
    let found = record[column].as_u64().and_then(|n| n.try_into().ok());
    found.unwrap_or_else(|| panic!("{column}: {record}"))
}

/// A list of texts in a record.
#[track_caller]
pub fn texts<'a>(record: &'a Value, column: &str) -> Vec<&'a str> {
    list(record, column)
        .iter()
        .map(|item| item.as_str().unwrap())
        .collect()
}

/// A list in a record.
#[track_caller]
pub fn list<'a>(record: &'a Value, column: &str) -> &'a [Value] {
    record[column]
        .as_array()
        .unwrap_or_else(|| panic!("{column}: {record}"))
}

/// A count as a float.
#[allow(clippy::cast_precision_loss, reason = "counts here are small")]
pub fn float(n: usize) -> f64 {
    n as f64
}

/// Checks that two numbers differ by at most `tolerance`.
#[track_caller]
pub fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{found}, expected {expected} within {tolerance}"
    );
}

/// Pearson's chi-squared statistic of counts against a uniform distribution.
pub fn chi_squared(counts: &[usize]) -> f64 {
    let expected = float(counts.iter().sum()) / float(counts.len());
    counts
        .iter()
        .map(|&n| (float(n) - expected).powi(2) / expected)
        .sum()
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    use std::fmt::Write;
    let mut digits = String::new();
    for byte in Sha256::digest(bytes) {
        write!(digits, "{byte:02x}").unwrap();
    }
    digits
}
