//! Files that claim more than they hold: whatever a size says, memory stays within the limit and the word is clear.
//!
//! Every filter here runs with `--max-memory 640M`. A record that is too large by itself ends it with 1 and the record's
//! place, a file that wants more than the limit with 4 and its name.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "sizes here are some megabytes, or lies"
)]

mod common;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, FixedSizeListArray, Int32Array, Int64Array, ListArray,
    ListViewArray, NullArray, RecordBatch, RunArray, StringArray, StringViewArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use common::{Workdir, binary, json_lines, to_arrow_file, to_arrow_stream, to_batch, to_parquet};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// The longest record, as docs/robustness.md has it.
const RECORD: usize = 64 << 20;

/// What a filter takes beside its limit: its program, its stacks, what the allocator keeps, and the library of zstd.
const BESIDE: u64 = 200 * MIB;

/// Runs a filter with 640 MiB on `file`, which is standard input where the arguments do not name it; its exit code and what
/// it said. Whatever the file holds, the filter does not panic, is not killed, takes no more memory than it may, says
/// nothing or one line that names the file, and leaves no half output.
#[track_caller]
fn run(dir: &Workdir, filter: &str, arguments: &str, file: &str) -> (i32, String) {
    let before = dir.names();
    let (name, input) = if arguments.contains(file) {
        (file, Stdio::null())
    } else {
        ("stdin", File::open(dir.path(file)).unwrap().into())
    };
    let mut filter_process = Command::new(binary(filter))
        .args(arguments.split_whitespace())
        .args(["--max-memory", "640M"])
        .current_dir(dir.path(""))
        .stdin(input)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", filter_process.id());
    let mut peak = 0;
    while filter_process.try_wait().unwrap().is_none() {
        peak = bytes_of("VmHWM:", &status).unwrap_or(peak);
        sleep(Duration::from_millis(1));
    }
    let output = filter_process.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let code = output.status.code();
    assert!(peak <= 640 * MIB + BESIDE, "{} MiB: {said}", peak / MIB);
    match code {
        Some(0) => assert_eq!(said, ""),
        Some(1 | 4) => {
            assert!(said.starts_with(&format!("{filter}: {name}:")), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            let is_limit = said.contains(&format!(": {name}: out of memory: "))
                && said.ends_with(" more bytes would exceed the limit of 640 MiB (--max-memory)\n");
            assert_eq!(is_limit, code == Some(4), "{code:?}: {said}");
            assert_eq!(dir.names(), before, "{said}");
        }
        _ => panic!("{code:?}: {said}"),
    }
    (code.unwrap(), said)
}

/// A number of bytes in one of the system's files.
fn bytes_of(name: &str, file: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let kilobytes = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = kilobytes.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes << 10)
}

/// Runs `encode` on a file of trials.
#[track_caller]
fn encode(dir: &Workdir, file: &str) -> (i32, String) {
    let arguments = format!("--alphabet genomic {file} -o out.jsonl");
    let ended = run(dir, "encode", &arguments, file);
    // What is written now must not be there next time.
    for output in ["out.jsonl", "out.jsonl.provenance.json"] {
        let _ = fs::remove_file(dir.path(output));
    }
    ended
}

/// Checks that `encode` refuses a file of trials as bad data, in one line that holds `words`.
#[track_caller]
fn refused(dir: &Workdir, file: &str, words: &[&str]) {
    let (code, said) = encode(dir, file);
    assert_eq!(code, 1, "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

/// Checks that `encode` ends because a file of trials wants more memory than there may be.
#[track_caller]
fn over(dir: &Workdir, file: &str, contents: impl AsRef<[u8]>) {
    dir.write(file, contents);
    let (code, said) = encode(dir, file);
    assert_eq!(code, 4, "{said}");
}

fn trials(n: u32) -> Vec<Value> {
    let arguments = format!("--task identity --shots 2 --trials {n}");
    json_lines(&Workdir::new().run("gen-tasks", &arguments).ok())
}

/// Trials with one column more.
fn with_column(column: ArrayRef) -> RecordBatch {
    let batch = to_batch(&trials(column.len() as u32));
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    let kind = column.data_type().clone();
    fields.push(Arc::new(Field::new("note", kind, true)));
    let columns = [batch.columns(), &[column]].concat();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// Columns that say one long text in every row, and take hardly more than that text: a dictionary, views, a run.
fn one_text(rows: usize, bytes: usize) -> [ArrayRef; 3] {
    let text = "a".repeat(bytes);
    let values: ArrayRef = Arc::new(StringArray::from(vec![text.as_str()]));
    let keys = Int32Array::from(vec![0; rows]);
    let dictionary = DictionaryArray::<Int32Type>::try_new(keys, values.clone()).unwrap();
    let one = StringViewArray::from(vec![text.as_str()]);
    let views = vec![one.views()[0]; rows];
    let views = StringViewArray::try_new(views.into(), one.data_buffers().to_vec(), None).unwrap();
    let run = RunArray::try_new(&Int32Array::from(vec![rows as i32]), &values).unwrap();
    [Arc::new(dictionary), Arc::new(views), Arc::new(run)]
}

/// So many bytes of a kind behind a beginning, as a file that a tool packed.
fn packed(tool: &str, begin: &[u8], byte: u8, bytes: u64) -> Vec<u8> {
    let mut all = begin.chain(io::repeat(byte).take(bytes));
    if tool == "gz" {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        io::copy(&mut all, &mut encoder).unwrap();
        encoder.finish().unwrap()
    } else {
        zstd::encode_all(all, 1).unwrap()
    }
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
        encode(&dir, "lie.arrow");
        tried += 1;
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn an_arrow_files_footer_is_inside_the_file() {
    let dir = Workdir::new();
    let file = to_arrow_file(&[to_batch(&trials(3))]);
    let at = file.len() - 10;
    let lie = |length: i32| {
        let mut bytes = file.clone();
        bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        bytes
    };
    over(&dir, "lie.arrow", lie(i32::MAX));
    over(&dir, "lie.arrow", lie(1 << 30));
    dir.write("lie.arrow", lie(file.len() as i32 + 1));
    refused(&dir, "lie.arrow", &["Arrow file"]);
    // Every length in it, one at a time.
    let mut ended = 0;
    for at in (file.len() / 4 * 4 - 800..file.len() - 16).step_by(4) {
        let mut bytes = file.clone();
        bytes[at..at + 8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        dir.write("lie.arrow", bytes);
        if encode(&dir, "lie.arrow").0 != 4 {
            continue;
        }
        ended += 1;
        // Without a limit of the user's own there is what the machine has left.
        let ran = dir.run("encode", "--alphabet genomic lie.arrow");
        ran.refused(
            4,
            &["lie.arrow: out of memory: 10995116", " MiB (--max-memory)"],
        );
        let limit = ran.stderr.split("the limit of ").nth(1).unwrap();
        let limit: u64 = limit.split(' ').next().unwrap().parse().unwrap();
        assert!(
            limit * MIB < bytes_of("MemTotal:", "/proc/meminfo").unwrap(),
            "{ran}"
        );
    }
    assert!(ended > 0);
}

#[test]
fn a_compressed_arrow_batch_that_swells_is_refused() {
    let dir = Workdir::new();
    let long = "a".repeat(1 << 20);
    let batch = with_column(Arc::new(StringArray::from(vec![long.as_str(); 700])));
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
            over(&dir, name, bytes);
            // A claim without the bytes behind it.
            let claim = (700_u64 << 20).to_le_bytes();
            let at = bytes
                .windows(8)
                .rposition(|window| window == claim)
                .unwrap();
            for lie in [1 << 40, 1 << 60, i64::MAX, i64::MIN] {
                let mut bytes = bytes.clone();
                bytes[at..at + 8].copy_from_slice(&lie.to_le_bytes());
                dir.write(name, bytes);
                assert_ne!(encode(&dir, name).0, 0, "{lie}");
            }
        }
    }
}

#[test]
fn rows_of_arrow_that_share_a_long_text_are_within_the_limit() {
    let dir = Workdir::new();
    // 1.2 GiB where they are written out.
    for column in one_text(300, 4 << 20) {
        let batch = with_column(column);
        over(
            &dir,
            "shared.arrow",
            to_arrow_stream(std::slice::from_ref(&batch)),
        );
        over(&dir, "shared.arrow", to_arrow_file(&[batch]));
    }
    // A column that is known.
    let batch = to_batch(&trials(300));
    let at = batch.schema().index_of("function").unwrap();
    for column in one_text(300, 4 << 20).into_iter().take(2) {
        let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
        fields[at] = Arc::new(Field::new("function", column.data_type().clone(), false));
        let mut columns = batch.columns().to_vec();
        columns[at] = column;
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        over(&dir, "shared.arrow", to_arrow_stream(&[batch]));
    }
}

#[test]
fn lists_of_arrow_that_count_what_is_not_there_are_within_the_limit() {
    let dir = Workdir::new();
    let item = |kind| Arc::new(Field::new("item", kind, true));
    // A list of nothing, 2^30 times.
    let nothing = FixedSizeListArray::new(
        item(DataType::Null),
        1 << 30,
        Arc::new(NullArray::new(1 << 30)),
        None,
    );
    over(
        &dir,
        "nothing.arrow",
        to_arrow_stream(&[with_column(Arc::new(nothing))]),
    );
    // A thousand lists, each of all the same numbers.
    let numbers = Arc::new(Int64Array::from_value(7, 1 << 20));
    let overlapping = ListViewArray::new(
        item(DataType::Int64),
        vec![0; 1000].into(),
        vec![1 << 20; 1000].into(),
        numbers,
        None,
    );
    over(
        &dir,
        "views.arrow",
        to_arrow_stream(&[with_column(Arc::new(overlapping))]),
    );
}

#[test]
fn a_row_with_a_text_longer_than_a_record_is_refused_by_its_place() {
    let dir = Workdir::new();
    let long = "a".repeat(RECORD + 1);
    let plain: ArrayRef = Arc::new(StringArray::from(vec!["", "", long.as_str()]));
    for column in one_text(3, RECORD + 1).into_iter().chain([plain]) {
        let row = if column.data_type() == &DataType::Utf8 {
            3
        } else {
            1
        };
        let words = &[
            &format!(": row {row}: "),
            "longer than a record may be (64 MiB)",
        ];
        let batch = with_column(column.clone());
        dir.write("long.arrow", to_arrow_stream(std::slice::from_ref(&batch)));
        refused(&dir, "long.arrow", words);
        if !matches!(column.data_type(), DataType::RunEndEncoded(..)) {
            dir.write("long.parquet", to_parquet(&[batch]));
            refused(&dir, "long.parquet", words);
        }
    }
}

/// A Parquet file in pages without end, compressed tightly, but for what `more` sets.
fn tight_parquet(
    batch: &RecordBatch,
    more: fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder,
) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap()))
        .set_dictionary_page_size_limit(1 << 30)
        .set_data_page_size_limit(1 << 30)
        .set_statistics_enabled(EnabledStatistics::None);
    let mut out = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut out, batch.schema(), Some(more(properties).build())).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    assert!(out.len() < 1 << 20, "{}", out.len());
    out
}

#[test]
fn a_parquet_page_that_swells_is_refused() {
    let dir = Workdir::new();
    let text = "a".repeat(1 << 20);
    let column: ArrayRef = Arc::new(StringArray::from(vec![text.as_str(); 700]));
    let plain = |p: WriterPropertiesBuilder| p.set_dictionary_enabled(false);
    over(
        &dir,
        "bomb.parquet",
        tight_parquet(&with_column(column), plain),
    );
    let text = "a".repeat(130 << 20);
    let column: ArrayRef = Arc::new(StringArray::from(vec![text.as_str()]));
    dir.write("bomb.parquet", tight_parquet(&with_column(column), plain));
    refused(
        &dir,
        "bomb.parquet",
        &["row 1: longer than a record may be"],
    );
}

#[test]
fn rows_of_parquet_that_share_a_long_text_are_within_the_limit() {
    let dir = Workdir::new();
    let text = "a".repeat(4 << 20);
    // 1.2 GiB where they are written out.
    let batch = with_column(Arc::new(StringArray::from(vec![text.as_str(); 300])));
    over(&dir, "dictionary.parquet", tight_parquet(&batch, |p| p));
    let prefixes = |p: WriterPropertiesBuilder| {
        p.set_dictionary_enabled(false)
            .set_column_encoding("note".into(), Encoding::DELTA_BYTE_ARRAY)
    };
    over(&dir, "prefixes.parquet", tight_parquet(&batch, prefixes));
}

#[test]
fn a_parquet_list_that_counts_what_is_not_there_is_within_the_limit() {
    const ITEMS: usize = 1 << 28;
    let dir = Workdir::new();
    let item = Arc::new(Field::new("item", DataType::Boolean, true));
    let nothing = Arc::new(BooleanArray::new_null(ITEMS));
    let list = ListArray::new(item, OffsetBuffer::from_lengths([ITEMS]), nothing, None);
    over(
        &dir,
        "list.parquet",
        tight_parquet(&with_column(Arc::new(list)), |p| p),
    );
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
        let (code, _) = encode(&dir, "lie.parquet");
        refusals += usize::from(code != 0);
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
    let too_long = "longer than a record may be (64 MiB)";
    for (name, begin) in [
        ("line.jsonl", format!("{good}\n{{\"a\":\"")),
        ("list.jsonl", format!("{good}\n[")),
    ] {
        let mut file = File::create(dir.path(name)).unwrap();
        file.write_all(begin.as_bytes()).unwrap();
        // A hole of a terabyte, on no disk.
        file.set_len(1 << 40).unwrap();
        refused(&dir, name, &[&format!("{name}:2: "), too_long]);
        for tool in ["gz", "zst"] {
            let name = format!("{name}.{tool}");
            dir.write(&name, packed(tool, begin.as_bytes(), b'a', 1 << 30));
            refused(&dir, &name, &[&format!("{name}:2: "), too_long]);
        }
    }
    let begin = b"model,shots,accuracy\na,1,0.5\n\"b,2,0.5\n";
    let mut file = File::create(dir.path("open.csv")).unwrap();
    file.write_all(begin).unwrap();
    file.set_len(1 << 40).unwrap();
    dir.write("open.csv.gz", packed("gz", begin, b'a', 1 << 30));
    dir.write("open.csv.zst", packed("zst", begin, b'a', 1 << 30));
    for name in ["open.csv", "open.csv.gz", "open.csv.zst"] {
        for (filter, arguments) in [
            ("fit-loglinear", name.to_owned()),
            ("figure", format!("curve {name} -o out.svg")),
        ] {
            let (code, said) = run(&dir, filter, &arguments, name);
            assert_eq!(code, 1, "{said}");
            assert!(said.contains(&format!("{name}:3: {too_long}")), "{said}");
        }
    }
}

#[test]
fn what_has_to_be_read_whole_is_within_the_limit() {
    let dir = Workdir::new();
    for tool in ["gz", "zst"] {
        over(
            &dir,
            &format!("bomb.arrow.{tool}"),
            packed(tool, b"ARROW1\0\0", 0, 1 << 30),
        );
        let suite = format!("suite.{tool}");
        dir.write(&suite, packed(tool, b"identity\n", b'#', 1 << 30));
        let (code, said) = run(&dir, "gen-tasks", &format!("--suite {suite}"), &suite);
        assert_eq!(code, 4, "{said}");
    }
    for begin in ["PAR1", "ARROW1"] {
        let mut file = File::create(dir.path("endless")).unwrap();
        file.write_all(begin.as_bytes()).unwrap();
        file.set_len(1 << 40).unwrap();
        let (code, said) = run(&dir, "encode", "--alphabet genomic -o out.jsonl", "endless");
        assert_eq!(code, 4, "{said}");
    }
}

#[test]
fn the_file_that_is_read_is_named_and_no_half_output_stays() {
    let dir = Workdir::new();
    let good = trials(1);
    dir.write("good.arrow", to_arrow_stream(&[to_batch(&good)]));
    let lie = with_column(one_text(300, 4 << 20)[0].clone());
    let lies = [lie.slice(0, 1), lie.slice(0, 300)];
    dir.write("lie.arrow", to_arrow_stream(&lies));
    // Records were written before the limit was met.
    let arguments = "--alphabet genomic good.arrow lie.arrow good.arrow -o out.jsonl";
    let (code, said) = run(&dir, "encode", arguments, "lie.arrow");
    assert_eq!(code, 4, "{said}");
}

#[test]
fn a_record_of_many_megabytes_is_read() {
    let dir = Workdir::new();
    let mut trial = trials(1).remove(0);
    trial["note"] = Value::from("a".repeat(60 << 20));
    dir.write("long.jsonl", format!("{trial}\n"));
    dir.run(
        "encode",
        "--alphabet genomic long.jsonl -o out.jsonl --max-memory 640M",
    )
    .ok();
    assert_eq!(json_lines(&dir.read("out.jsonl"))[0]["note"], trial["note"]);
}
