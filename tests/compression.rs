//! gzip and zstd around records: whatever made them, every filter reads them; a suffix writes them; and what is cut off
//! or damaged is never taken for a shorter file.

mod common;

use common::{
    FORMATS, PACKERS, Ran, Workdir, arrow_rows, gunzip, gzip, json_lines, repository,
    to_arrow_file, to_batch, to_parquet, zstd,
};
use flate2::{Compression, GzBuilder};
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

fn unpack(suffix: &str, bytes: &[u8]) -> Vec<u8> {
    match suffix {
        "gz" => gunzip(bytes),
        _ => zstd::decode_all(bytes).unwrap(),
    }
}

/// Blocks as `bgzip` writes them (SAM specification, 4.1): members with their length in an extra field.
fn bgzf(blocks: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for block in blocks {
        let begin = all.len();
        let extra = b"BC\x02\0\0\0".to_vec();
        let mut encoder = GzBuilder::new()
            .extra(extra)
            .write(Vec::new(), Compression::default());
        encoder.write_all(block).unwrap();
        all.extend(encoder.finish().unwrap());
        let length = u16::try_from(all.len() - begin - 1).unwrap();
        all[begin + 16..begin + 18].copy_from_slice(&length.to_le_bytes());
    }
    all
}

/// What every filter reads: its arguments, and the input as JSON lines.
fn inputs(dir: &Workdir) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let draw = "--task identity --task rotl1 --shots 1,2,4 --trials 2 --condition clean,deranged";
    let trials = dir.run("gen-tasks", draw).loud_ok();
    let prompts = dir
        .pipe(trials.clone(), "encode", "--alphabet genomic")
        .ok();
    let predictions = dir
        .pipe(prompts.clone(), "infer", "--model builtin:nearest")
        .ok();
    let scores = dir
        .pipe(predictions.clone(), "score", "--replicates 20 --to jsonl")
        .ok();
    vec![
        ("encode", "--alphabet genomic", trials),
        ("infer", "--model builtin:nearest", prompts),
        ("score", "--replicates 20 --to jsonl", predictions.clone()),
        ("contrast", "--to jsonl", predictions.clone()),
        (
            "fit-loglinear",
            "--replicates 20 --to jsonl",
            predictions.clone(),
        ),
        ("fit-loglinear", "--to jsonl", scores.clone()),
        ("figure", "curve -o drawn.svg", scores),
    ]
}

/// Runs a filter on a file; a figure into a file, whose contents are then the output.
fn run_on(dir: &Workdir, filter: &str, arguments: &str, file: &str) -> Ran {
    let Some(arguments) = arguments.strip_suffix(" -o drawn.svg") else {
        return dir.run(filter, &format!("{arguments} {file}"));
    };
    let mut ran = dir.run(filter, &format!("{arguments} {file} -o drawn.svg"));
    if ran.code == 0 {
        ran.stdout = dir.read("drawn.svg");
        fs::remove_file(dir.path("drawn.svg")).unwrap();
    }
    ran
}

#[test]
fn every_filter_reads_what_is_packed_by_either_tool_in_every_format_under_any_name() {
    let dir = Workdir::new();
    for (filter, arguments, input) in inputs(&dir) {
        dir.write("bare.jsonl", &input);
        let expected = run_on(&dir, filter, arguments, "bare.jsonl").loud_ok();
        assert!(!expected.is_empty());
        let rows = json_lines(&input);
        let batch = to_batch(&rows);
        for (tool, _, pack) in PACKERS {
            for (form, bytes) in [
                ("lines", input.clone()),
                (
                    "stream",
                    common::to_arrow_stream(std::slice::from_ref(&batch)),
                ),
                ("file", to_arrow_file(std::slice::from_ref(&batch))),
            ] {
                dir.write("packed", pack(&bytes));
                let found = run_on(&dir, filter, arguments, "packed").loud_ok();
                assert_eq!(found, expected, "{filter}: {form} in {tool}");
            }
        }
    }
}

#[test]
fn what_the_tools_of_the_shell_make_is_read_from_a_pipe() {
    let dir = Workdir::new();
    let trials = dir.run("gen-tasks", "--shots 2 --trials 1").ok();
    dir.write("trials.jsonl", &trials);
    let expected = dir.pipe(trials, "encode", "--alphabet genomic").ok();
    // A part of the file in each of two members, the second at another level.
    let halves = "(head -c 5000 trials.jsonl | gzip -1; tail -c +5001 trials.jsonl | gzip -9)";
    let packed = Command::new("sh")
        .args(["-c", halves])
        .current_dir(dir.path(""))
        .output()
        .unwrap();
    assert_eq!(gunzip(&packed.stdout).len(), 5000);
    let found = dir.pipe(packed.stdout, "encode", "--alphabet genomic").ok();
    assert_eq!(found, expected);
}

#[test]
fn bytes_that_trickle_through_a_pipe_are_told_apart_all_the_same() {
    let dir = Workdir::new();
    let trials = dir
        .run("gen-tasks", "--task identity --shots 1 --trials 1")
        .ok();
    let expected = dir
        .pipe(trials.clone(), "encode", "--alphabet genomic")
        .ok();
    for (_, _, pack) in PACKERS {
        let mut child = Command::new(common::binary("encode"))
            .args(["--alphabet", "genomic"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        for byte in pack(&trials) {
            stdin.write_all(&[byte]).unwrap();
            stdin.flush().unwrap();
        }
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.stdout, expected);
    }
}

#[test]
fn members_and_frames_of_several_files_are_read_to_the_last() {
    let dir = Workdir::new();
    let parts: Vec<Vec<u8>> = (0..3)
        .map(|i| {
            let shard = format!("--shots 1,2 --trials 1 --shard {i}/3");
            dir.run("gen-tasks", &shard).ok()
        })
        .collect();
    let whole = parts.concat();
    let expected = dir.pipe(whole.clone(), "encode", "--alphabet genomic").ok();
    // `pzstd` puts a skippable frame with a length before each of its frames.
    let skippable = b"\x50\x2a\x4d\x18\x04\0\0\0abcd";
    let blocks: Vec<&[u8]> = whole.chunks(1000).chain([&b""[..]]).collect();
    for (name, packed) in [
        ("gzip", parts.iter().flat_map(|p| gzip(p)).collect()),
        ("zstd", parts.iter().flat_map(|p| zstd(p)).collect()),
        (
            "pzstd",
            parts
                .iter()
                .flat_map(|p| [&skippable[..], &zstd(p)].concat())
                .collect(),
        ),
        ("an empty member", [gzip(b""), gzip(&whole)].concat()),
        ("bgzip", bgzf(&blocks)),
        // Two of its files, one behind the other.
        (
            "bgzip twice",
            [bgzf(&[&parts[0], b""]), bgzf(&[&parts[1], &parts[2], b""])].concat(),
        ),
    ] {
        let packed: Vec<u8> = packed;
        let found = dir.pipe(packed, "encode", "--alphabet genomic").ok();
        assert!(found == expected, "{name}");
    }
}

#[test]
fn a_stream_cut_off_at_any_byte_is_refused_and_leaves_no_output() {
    let dir = Workdir::new();
    let trials = dir
        .run("gen-tasks", "--task identity --shots 1,2 --trials 2")
        .ok();
    // Records end where the blocks end: the lines alone look whole.
    let blocks: Vec<&[u8]> = trials.split_inclusive(|&b| b == b'\n').collect();
    for (tool, packed) in [
        ("gzip", gzip(&trials)),
        ("zstd", zstd(&trials)),
        ("gzip", bgzf(&[&blocks[..], &[b""]].concat())),
    ] {
        for length in (4..packed.len()).step_by(7).chain([packed.len() - 1]) {
            dir.write("cut", &packed[..length]);
            let ran = dir.run("encode", "--alphabet genomic cut -o out.jsonl");
            ran.refused(1, &["cut: ", &format!("cut-off {tool} stream: expected")]);
            assert!(!dir.path("out.jsonl").exists());
        }
    }
    // Between two blocks of bgzip: all lines are whole, all members are, and yet some are missing.
    let unmarked = bgzf(&blocks[..2]);
    assert_eq!(gunzip(&unmarked), blocks[0]);
    dir.pipe(unmarked, "encode", "--alphabet genomic")
        .refused(1, &["stdin: cut-off gzip stream"]);
}

#[test]
fn a_flat_table_that_is_cut_off_is_refused_by_every_filter_that_reads_it() {
    let dir = Workdir::new();
    for (filter, arguments, input) in inputs(&dir) {
        let packed = [gzip(&input), zstd(&input)];
        for packed in packed {
            dir.write("cut", &packed[..packed.len() - 3]);
            run_on(&dir, filter, arguments, "cut").refused(1, &["cut: cut-off "]);
        }
    }
    let table = fs::read(repository("assets/published/table4.csv")).unwrap();
    for (tool, _, pack) in PACKERS {
        let packed = pack(&table);
        dir.write("table", &packed);
        let whole = dir.run("fit-loglinear", "--families table").loud_ok();
        let bare = dir.pipe(table.clone(), "fit-loglinear", "--families");
        assert_eq!(whole, bare.loud_ok());
        dir.write("table", &packed[..packed.len() - 3]);
        dir.run("fit-loglinear", "--families table")
            .refused(1, &[&format!("table: cut-off {tool} stream")]);
    }
}

#[test]
fn a_flipped_bit_is_refused_or_changes_nothing() {
    let dir = Workdir::new();
    let trials = dir
        .run("gen-tasks", "--task identity --shots 1,2 --trials 2")
        .ok();
    let expected = dir
        .pipe(trials.clone(), "encode", "--alphabet genomic")
        .ok();
    let mut refused = 0;
    for (tool, _, pack) in PACKERS {
        let packed = pack(&trials);
        for at in (4..packed.len()).step_by(3) {
            let mut flipped = packed.clone();
            flipped[at] ^= 1 << (at % 8);
            let ran = dir.pipe(flipped, "encode", "--alphabet genomic");
            if ran.code == 0 {
                // The time in gzip's header, say, or the bits that fill a last byte.
                assert_eq!(ran.stdout, expected, "{tool}, byte {at}");
            } else {
                // What it damaged may be read before the checksum behind it.
                ran.refused(1, &["stdin:"]);
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn bytes_behind_the_end_are_refused() {
    let dir = Workdir::new();
    let trials = dir
        .run("gen-tasks", "--task identity --shots 1 --trials 1")
        .ok();
    for (tool, _, pack) in PACKERS {
        let packed = [pack(&trials), b"and more than a header".to_vec()].concat();
        dir.pipe(packed, "encode", "--alphabet genomic")
            .refused(1, &["stdin: ", &format!("damaged {tool} stream: ")]);
    }
}

#[test]
fn parquet_inside_and_packing_twice_are_refused_with_what_to_do() {
    let dir = Workdir::new();
    for (filter, arguments, input) in inputs(&dir) {
        let parquet = to_parquet(&[to_batch(&json_lines(&input))]);
        for (tool, _, pack) in PACKERS {
            dir.write("packed", pack(&parquet));
            let unpack = format!("unpack it with `{tool} -dc`");
            run_on(&dir, filter, arguments, "packed")
                .refused(1, &["packed: Parquet inside ", &unpack]);
            dir.write("packed", pack(&gzip(&input)));
            run_on(&dir, filter, arguments, "packed").refused(
                1,
                &[&format!("packed: compressed twice, gzip inside {tool}")],
            );
        }
    }
}

#[test]
fn nothing_inside_is_an_empty_input() {
    let dir = Workdir::new();
    for (_, _, pack) in PACKERS {
        for inside in [&b""[..], b"\n \n"] {
            dir.pipe(pack(inside), "encode", "--alphabet genomic")
                .refused(1, &["stdin: empty input, no trial"]);
        }
    }
}

#[test]
fn a_suffix_packs_the_output_in_every_format() {
    let dir = Workdir::new();
    for (format, read) in FORMATS {
        if format == "parquet" {
            continue;
        }
        let draw = "--shots 1,2 --trials 1";
        dir.run("gen-tasks", &format!("{draw} -o bare.{format}"))
            .ok();
        let expected = read(&dir.read(&format!("bare.{format}")));
        for (tool, suffix, _) in PACKERS {
            let name = format!("trials.{format}.{suffix}");
            dir.run("gen-tasks", &format!("{draw} -o {name}")).ok();
            let packed = dir.read(&name);
            assert_eq!(read(&unpack(suffix, &packed)), expected, "{name}");
            assert!(packed.len() * 3 < dir.read(&format!("bare.{format}")).len());
            // The tool itself finds it whole.
            let test = Command::new(tool).arg("-tq").arg(dir.path(&name)).output();
            assert!(test.is_err() || test.unwrap().status.success(), "{name}");
            assert!(dir.path(&format!("{name}.provenance.json")).is_file());
            let again = dir
                .run("encode", &format!("--alphabet genomic {name}"))
                .ok();
            let bare = format!("--alphabet genomic bare.{format}");
            assert_eq!(again, dir.run("encode", &bare).ok());
        }
    }
    let list = dir.run("gen-tasks", "--list").ok();
    for (_, suffix, _) in PACKERS {
        let name = format!("list.csv.{suffix}");
        dir.run("gen-tasks", &format!("--list -o {name}")).ok();
        assert_eq!(unpack(suffix, &dir.read(&name)), list);
    }
}

#[test]
fn packed_output_is_the_same_bytes_every_time_and_has_its_whole_name_or_none() {
    let dir = Workdir::new();
    for suffix in ["gz", "zst"] {
        let name = format!("t.jsonl.{suffix}");
        let draw = format!("--shots 1 --trials 1 -o {name}");
        dir.run("gen-tasks", &draw).ok();
        let first = dir.read(&name);
        dir.run("gen-tasks", &draw).ok();
        assert_eq!(first, dir.read(&name));
        // A failure leaves the old one, and nothing beside it.
        let names = dir.names();
        dir.write("bad.jsonl", "{\"a\":1}\n");
        dir.run("encode", &format!("--alphabet genomic bad.jsonl -o {name}"))
            .refused(1, &["bad.jsonl:1: "]);
        fs::remove_file(dir.path("bad.jsonl")).unwrap();
        assert_eq!(first, dir.read(&name));
        assert_eq!(names, dir.names());
    }
}

#[test]
fn packed_shards_are_merged_into_what_was_never_cut() {
    let dir = Workdir::new();
    for (_, suffix, _) in PACKERS {
        let draw = "--task rotl1 --shots 1,2 --trials 5";
        dir.run("gen-tasks", &format!("{draw} -o whole.jsonl")).ok();
        for i in 0..3 {
            let shard = format!("{draw} --shard {i}/3 -o part.{i}.jsonl.{suffix}");
            dir.run("gen-tasks", &shard).ok();
        }
        let parts = [2, 0, 1].map(|i| format!("part.{i}.jsonl.{suffix}"));
        let merge = format!("{} -o merged.jsonl.{suffix}", parts.join(" "));
        dir.run("merge-shards", &merge).ok();
        let merged = unpack(suffix, &dir.read(&format!("merged.jsonl.{suffix}")));
        assert!(merged == dir.read("whole.jsonl"), "{suffix}");
        let part = dir.read(&parts[1]);
        dir.write(&parts[1], &part[..part.len() - 2]);
        dir.run("merge-shards", &merge)
            .refused(1, &[&parts[1], "cut-off "]);
    }
}

#[test]
fn a_suffix_alone_packs_what_to_asks_for_and_parquet_is_not_packed_again() {
    let dir = Workdir::new();
    let draw = "--task identity --shots 1 --trials 1";
    dir.run("gen-tasks", &format!("{draw} -o t.gz")).ok();
    assert_eq!(
        json_lines(&gunzip(&dir.read("t.gz"))),
        json_lines(&dir.run("gen-tasks", draw).ok())
    );
    dir.run("gen-tasks", &format!("{draw} --to arrow -o t.zst"))
        .ok();
    assert_eq!(arrow_rows(&unpack("zst", &dir.read("t.zst"))).len(), 1);
    for arguments in ["-o t.parquet.gz", "--to parquet -o t.parquet.gz"] {
        dir.run("gen-tasks", &format!("{draw} {arguments}"))
            .refused(
                2,
                &["-o t.parquet.gz: Parquet compresses itself; name it t.parquet"],
            );
    }
    assert_eq!(
        dir.names(),
        [
            "t.gz",
            "t.gz.provenance.json",
            "t.zst",
            "t.zst.provenance.json"
        ]
    );
}

#[test]
fn a_filter_that_fails_does_not_end_the_stream_that_it_writes_into_a_pipe() {
    let dir = Workdir::new();
    let trials = dir
        .run("gen-tasks", "--task identity --shots 1 --trials 1")
        .ok();
    dir.write("half.jsonl", [&trials[..], b"{\n"].concat());
    for suffix in ["gz", "zst"] {
        let pipe = dir.path(&format!("pipe.jsonl.{suffix}"));
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        dir.run(
            "encode",
            &format!("--alphabet genomic half.jsonl -o pipe.jsonl.{suffix}"),
        )
        .refused(1, &["half.jsonl:2: "]);
        // Whoever reads it sees that it is not whole.
        let received = reader.join().unwrap();
        dir.pipe(received, "infer", "--model builtin:copy")
            .refused(1, &["stdin: "]);
    }
}

#[test]
fn memory_does_not_grow_with_what_is_inside() {
    let dir = Workdir::new();
    // 800 MB of blank lines, then a record.
    let trials = dir
        .run("gen-tasks", "--task identity --shots 1 --trials 1")
        .ok();
    let blank = format!("{:4095}\n", "").repeat(25_600);
    for (_, suffix, pack) in PACKERS {
        let name = format!("long.{suffix}");
        let block = pack(blank.as_bytes());
        dir.write(&name, [block.repeat(8), pack(&trials)].concat());
        let limited = Command::new("sh")
            .args(["-c", "ulimit -v 200000; exec \"$0\" \"$@\""])
            .arg(common::binary("encode"))
            .args(["--alphabet", "genomic", &name])
            .current_dir(dir.path(""))
            .output()
            .unwrap();
        assert!(limited.status.success(), "{limited:?}");
        assert_eq!(json_lines(&limited.stdout).len(), 1);
    }
}

#[test]
fn a_suite_may_be_packed() {
    let dir = Workdir::new();
    for (_, suffix, pack) in PACKERS {
        let name = format!("suite.txt.{suffix}");
        dir.write(&name, pack(b"identity\nrotl1 # one\n"));
        let draw = format!("--suite {name} --shots 1 --trials 1");
        assert_eq!(json_lines(&dir.run("gen-tasks", &draw).ok()).len(), 2);
        let cut = pack(b"identity\nrotl1 # one\n");
        dir.write(&name, &cut[..cut.len() - 2]);
        dir.run("gen-tasks", &draw).refused(1, &[&name, "cut-off "]);
    }
}
