//! Files that claim more than they hold: whatever a size says, memory stays within a limit and the word is clear.
//!
//! Every filter here runs under a limit on its address space, which a single belief would break.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "sizes here are some megabytes, or lies"
)]

mod common;

use arrow::array::{
    ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray, StringViewArray,
};
use arrow::datatypes::{Field, Int32Type, Schema};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use common::{Workdir, binary, json_lines, to_arrow_file, to_arrow_stream, to_batch, to_parquet};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::Value;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

const MIB: u64 = 1 << 20;

/// The longest record, as docs/robustness.md has it.
const RECORD: usize = 64 << 20;

/// Runs a filter with so much address space; its exit code and what it said.
fn within(mebibytes: u64, dir: &Workdir, filter: &str, arguments: &str) -> (Option<i32>, String) {
    let mut command = Command::new(binary(filter));
    command
        .args(arguments.split_whitespace())
        .current_dir(dir.path(""))
        // An allocator keeps an arena of 64 MiB a thread.
        .env("MALLOC_ARENA_MAX", "2")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let limit = Rlimit {
        current: Some(mebibytes * MIB),
        maximum: Some(mebibytes * MIB),
    };
    // SAFETY: between fork and exec, setrlimit is one system call that allocates nothing.
    unsafe {
        command.pre_exec(move || setrlimit(Resource::As, limit).map_err(Into::into));
    }
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

/// Checks that `encode` refuses a file of trials in one line that holds `words`.
#[track_caller]
fn refused(dir: &Workdir, file: &str, words: &[&str]) {
    let (code, said) = within(
        768,
        dir,
        "encode",
        &format!("--alphabet genomic {file} -o out.jsonl"),
    );
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with(&format!("encode: {file}")), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    assert!(!dir.path("out.jsonl").exists());
}

fn trials(n: u32) -> Vec<Value> {
    let arguments = format!("--task identity --shots 2 --trials {n}");
    json_lines(&Workdir::new().run("gen-tasks", &arguments).ok())
}

/// Trials with one column more.
fn with_column(rows: u32, column: ArrayRef) -> RecordBatch {
    let batch = to_batch(&trials(rows));
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(
        "note",
        column.data_type().clone(),
        true,
    )));
    let columns = [batch.columns(), &[column]].concat();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// A column that says one long text in every row, and the same as views.
fn one_text(rows: u32, bytes: usize) -> [ArrayRef; 2] {
    let text = "a".repeat(bytes);
    let keys = Int32Array::from(vec![0; rows as usize]);
    let values: ArrayRef = Arc::new(StringArray::from(vec![text.as_str()]));
    let dictionary = DictionaryArray::<Int32Type>::try_new(keys, values).unwrap();
    let one = StringViewArray::from(vec![text.as_str()]);
    let views = vec![one.views()[0]; rows as usize];
    let views = StringViewArray::try_new(views.into(), one.data_buffers().to_vec(), None).unwrap();
    [Arc::new(dictionary), Arc::new(views)]
}

#[test]
fn an_arrow_message_is_believed_as_far_as_its_bytes_come() {
    let dir = Workdir::new();
    let stream = to_arrow_stream(&[to_batch(&trials(3))]);
    for (at, lie) in [(4, i32::MAX), (4, i32::MAX - 7), (4, -8)] {
        let mut bytes = stream.clone();
        bytes[at..at + 4].copy_from_slice(&lie.to_le_bytes());
        dir.write("lie.arrow", bytes);
        refused(&dir, "lie.arrow", &["Arrow stream"]);
    }
    // Every length in the headers of the messages, one at a time, says 2^40.
    let words = stream.len() / 8 - 1;
    let mut tried = 0;
    for word in 1..words {
        let at = word * 8;
        let value = u64::from_le_bytes(stream[at..at + 8].try_into().unwrap());
        if value == 0 || value > 100_000 {
            continue;
        }
        let mut bytes = stream.clone();
        bytes[at..at + 8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        dir.write("lie.arrow", bytes);
        let (code, said) = within(
            768,
            &dir,
            "encode",
            "--alphabet genomic lie.arrow -o /dev/null --to jsonl",
        );
        assert!(
            code == Some(1) || code == Some(0),
            "at {at}: {code:?} {said}"
        );
        assert!(!said.contains("panicked"), "{said}");
        tried += 1;
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn an_arrow_files_footer_is_inside_the_file() {
    let dir = Workdir::new();
    let file = to_arrow_file(&[to_batch(&trials(3))]);
    let at = file.len() - 10;
    for lie in [i32::MAX, 1 << 30, file.len() as i32 + 1] {
        let mut bytes = file.clone();
        bytes[at..at + 4].copy_from_slice(&lie.to_le_bytes());
        dir.write("lie.arrow", bytes);
        refused(&dir, "lie.arrow", &["Arrow file", "a footer of"]);
    }
}

#[test]
fn a_compressed_arrow_batch_that_swells_is_refused() {
    let dir = Workdir::new();
    let long = "a".repeat(1 << 20);
    let column: ArrayRef = Arc::new(StringArray::from(vec![long.as_str(); 1100]));
    let batch = with_column(1100, column);
    for compression in [CompressionType::ZSTD, CompressionType::LZ4_FRAME] {
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(compression))
            .unwrap();
        let (mut stream, mut file) = (Vec::new(), Vec::new());
        let mut writer =
            StreamWriter::try_new_with_options(&mut stream, &batch.schema(), options.clone())
                .unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        drop(writer);
        let mut writer =
            FileWriter::try_new_with_options(&mut file, &batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        drop(writer);
        for (name, bytes) in [("bomb.arrows", &stream), ("bomb.arrow", &file)] {
            assert!(bytes.len() < 8 << 20, "{}", bytes.len());
            dir.write(name, bytes);
            refused(&dir, name, &["decompressed; at most 1024 MiB"]);
            // A claim without the bytes behind it.
            let mut lie = bytes.clone();
            let claim = (1_100_u64 << 20).to_le_bytes();
            let at = lie.windows(8).position(|window| window == claim).unwrap();
            lie[at..at + 8].copy_from_slice(&(1_i64 << 60).to_le_bytes());
            dir.write(name, lie);
            refused(&dir, name, &["decompressed; at most 1024 MiB"]);
        }
    }
}

#[test]
fn rows_that_share_a_long_text_are_not_written_out_together() {
    let dir = Workdir::new();
    // 1.2 GiB, were they.
    for column in one_text(300, 4 << 20) {
        let batch = with_column(300, column);
        for bytes in [
            to_arrow_stream(std::slice::from_ref(&batch)),
            to_arrow_file(&[batch]),
        ] {
            dir.write("shared.arrow", bytes);
            let (code, said) = within(
                1024,
                &dir,
                "encode",
                "--alphabet genomic shared.arrow -o /dev/null --to jsonl",
            );
            assert_eq!((code, said.as_str()), (Some(0), ""));
        }
    }
    for column in one_text(2, RECORD + 1) {
        dir.write("long.arrow", to_arrow_stream(&[with_column(2, column)]));
        refused(
            &dir,
            "long.arrow",
            &["longer than a record may be (64 MiB)"],
        );
    }
}

/// A Parquet file, compressed as tightly as can be.
fn zstd_parquet(batch: &RecordBatch, dictionary: bool) -> Vec<u8> {
    let level = ZstdLevel::try_new(19).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_dictionary_enabled(dictionary)
        .set_dictionary_page_size_limit(1 << 30)
        .set_data_page_size_limit(1 << 30)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .build();
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    out
}

#[test]
fn a_parquet_page_that_swells_is_refused() {
    let dir = Workdir::new();
    let long = "a".repeat(130 << 20);
    let column: ArrayRef = Arc::new(StringArray::from(vec![long.as_str()]));
    let bomb = zstd_parquet(&with_column(1, column), false);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    dir.write("bomb.parquet", bomb);
    refused(
        &dir,
        "bomb.parquet",
        &["Parquet", "note", "a page of", "more than 128 MiB"],
    );
}

#[test]
fn a_parquet_dictionary_is_not_written_out_in_every_row() {
    let dir = Workdir::new();
    let text = "a".repeat(4 << 20);
    let column: ArrayRef = Arc::new(StringArray::from(vec![text.as_str(); 200]));
    let file = zstd_parquet(&with_column(200, column), true);
    assert!(file.len() < 1 << 20, "{}", file.len());
    dir.write("shared.parquet", file);
    // 800 MiB, were they.
    let (code, said) = within(
        640,
        &dir,
        "encode",
        "--alphabet genomic shared.parquet -o /dev/null --to jsonl",
    );
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

#[test]
fn a_parquet_file_that_lies_anywhere_is_read_or_refused() {
    let dir = Workdir::new();
    let file = to_parquet(&[to_batch(&trials(3))]);
    let mut refusals = 0;
    // A number in seven bits a byte, as long as it can be, in place of every eleventh.
    for at in (4..file.len() - 13).step_by(11) {
        let mut bytes = file.clone();
        bytes[at..at + 5].copy_from_slice(&[0xfe, 0xff, 0xff, 0xff, 0x0f]);
        dir.write("lie.parquet", bytes);
        let (code, said) = within(
            768,
            &dir,
            "encode",
            "--alphabet genomic lie.parquet -o /dev/null --to jsonl",
        );
        assert!(
            code == Some(1) || code == Some(0),
            "at {at}: {code:?} {said}"
        );
        assert!(!said.contains("panicked"), "{said}");
        refusals += usize::from(code == Some(1));
    }
    assert!(refusals > 50, "{refusals}");
    let length = file.len() - 8;
    for lie in [u32::MAX, i32::MAX as u32, file.len() as u32] {
        let mut bytes = file.clone();
        bytes[length..length + 4].copy_from_slice(&lie.to_le_bytes());
        dir.write("lie.parquet", bytes);
        refused(&dir, "lie.parquet", &["Parquet"]);
    }
}

#[test]
fn a_line_or_row_without_an_end_is_refused_by_its_place() {
    let dir = Workdir::new();
    let good = trials(1)[0].to_string();
    for (name, begin) in [
        ("line.jsonl", format!("{good}\n{{\"a\":\"")),
        ("list.jsonl", format!("{good}\n[")),
    ] {
        let mut file = File::create(dir.path(name)).unwrap();
        file.write_all(begin.as_bytes()).unwrap();
        // A hole of a terabyte, on no disk.
        file.set_len(1 << 40).unwrap();
        refused(
            &dir,
            name,
            &[
                &format!("{name}:2: "),
                "longer than a record may be (64 MiB)",
            ],
        );
    }
    let mut file = File::create(dir.path("open.csv")).unwrap();
    file.write_all(b"model,shots,accuracy\na,1,0.5\n\"b,2,0.5\n")
        .unwrap();
    file.set_len(1 << 40).unwrap();
    for (filter, arguments) in [
        ("fit-loglinear", "open.csv"),
        ("figure", "curve open.csv -o out.svg"),
    ] {
        let (code, said) = within(768, &dir, filter, arguments);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("open.csv:3: longer than a record may be (64 MiB)"),
            "{said}"
        );
    }
}

#[test]
fn a_record_of_many_megabytes_is_read() {
    let dir = Workdir::new();
    let mut trial = trials(1).remove(0);
    trial["note"] = Value::from("a".repeat(60 << 20));
    dir.write("long.jsonl", format!("{trial}\n"));
    dir.run("encode", "--alphabet genomic long.jsonl -o out.jsonl")
        .ok();
    assert_eq!(json_lines(&dir.read("out.jsonl"))[0]["note"], trial["note"]);
}
