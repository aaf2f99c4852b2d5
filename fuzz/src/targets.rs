/*!
The targets: each takes bytes for what one parser reads, and holds what comes out against what must be true of it.
*/

use crate::scratch::{Memory, folder};
use shotline::analysis::{Mean, Outcome, Verdict};
use shotline::cli::{parse_shots, read_sequences};
use shotline::encoding::{Alphabet, Template};
use shotline::predictor::onnx::{self, Device};
use shotline::predictor::{Identity, Journal, fuzz_answer};
use shotline::program::{Program, RandomSuite, RandomTables, Suite};
use shotline::provenance::{Chain, Step};
use shotline::record::{
    Contrast, Entry, Extra, Fit, Format, FromRow, Prediction, Prompt, Reader, Record, Score, Trial,
    Writer,
};
use shotline::report::figures::Finding;
use shotline::trial::shard::Shard;
use std::fmt::Debug;
use std::fs;
use std::sync::OnceLock;

pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const ALL: &[(&str, Target)] = &[
    ("jsonl", records),
    ("arrow", records),
    ("parquet", records),
    ("csv", records),
    ("program", program),
    ("template", template),
    ("suite", suite),
    ("provenance", provenance),
    ("model", model),
    ("answer", fuzz_answer),
    ("argument", argument),
    ("sequences", sequences),
    ("journal", journal),
];

/// A file of records: the first byte chooses the kind, the others are the file.
fn records(bytes: &[u8]) {
    let Some((kind, file)) = bytes.split_first() else {
        return;
    };
    match kind % 9 {
        0 => read_and_write::<Trial>(file, true),
        1 => read_and_write::<Prompt>(file, true),
        2 => read_and_write::<Prediction>(file, true),
        3 => read_and_write::<Score>(file, false),
        4 => read_and_write::<Fit>(file, false),
        5 => read_and_write::<Contrast>(file, false),
        6 => _ = read::<Outcome>(file, false),
        7 => _ = (read::<Mean>(file, false), read::<Verdict>(file, false)),
        _ => _ = read::<Finding>(file, false),
    }
}

/// More records than any small file has: a file that claims more is not read to its end.
const MOST: usize = 10_000;

fn read<T: FromRow>(file: &[u8], keep_extra: bool) -> Option<Vec<Entry<T>>> {
    let memory = Memory::new(file);
    let reader = Reader::open(&[memory.path.clone()], keep_extra).ok()?;
    reader.take(MOST).collect::<Result<_, _>>().ok()
}

/// What can be read can be written as JSON lines, and is the same when it is read again; Arrow and Parquet may refuse the
/// unknown columns, but in words. As in the filters, only records with lists keep unknown columns; so CSV keeps none.
fn read_and_write<T: Record + Clone + Debug + PartialEq>(file: &[u8], keep_extra: bool) {
    let Some(entries) = read::<T>(file, keep_extra).filter(|entries| !entries.is_empty()) else {
        return;
    };
    let lines = write(&entries, Format::Jsonl).expect("JSON lines hold everything");
    let again = read::<T>(&lines, true).expect("what was written can be read");
    assert_eq!(entries.len(), again.len());
    for (before, after) in entries.iter().zip(&again) {
        assert_eq!(before.record, after.record);
    }
    for format in [Format::Arrow, Format::Parquet] {
        if let Some(binary) = write(&entries, format) {
            let again = read::<T>(&binary, false).expect("what was written can be read");
            assert_eq!(entries.len(), again.len());
            for (before, after) in entries.iter().zip(&again) {
                assert_eq!(before.record, after.record);
            }
        }
    }
}

fn write<T: Record + Clone>(entries: &[Entry<T>], format: Format) -> Option<Vec<u8>> {
    let mut writer = Writer::new(Vec::new(), "memory", format, &[], &Chain::default()).ok()?;
    for entry in entries {
        writer.write(&entry.record, &entry.extra).ok()?;
    }
    writer.finish().ok()
}

fn program(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(program) = text.parse::<Program>() {
        assert_eq!(program.to_string().parse::<Program>(), Ok(program.clone()));
        for bits in [1, 8, 16] {
            let value = program.apply(0xa5a5 & shotline::program::mask(bits), bits, 1);
            assert!(value <= shotline::program::mask(bits));
        }
    }
}

fn template(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (first, second) = text.split_once('\0').unwrap_or((text, "genomic"));
    let alphabet = Alphabet::parse(second);
    if let Ok(template) = Template::parse(first) {
        let again = Template::parse(&template.to_string()).expect("what is shown can be parsed");
        assert_eq!(again, template);
        if let Ok(alphabet) = alphabet {
            let _ = template.check(&alphabet);
        }
    }
}

fn suite(bytes: &[u8]) {
    if let Some(request) = bytes.strip_prefix(b"random:") {
        if let Ok(request) = std::str::from_utf8(request) {
            let _ = RandomSuite::parse(request, 8);
            let _ = RandomTables::parse(request, None);
        }
        return;
    }
    let memory = Memory::new(bytes);
    if let Ok(suite) = Suite::load(&memory.path.to_string_lossy(), None) {
        let lines = suite.lines().join("\n");
        let again = Suite::parse(&lines, "memory", None).expect("a suite's lines are a suite");
        assert_eq!(suite.programs(), again.programs());
        assert_eq!(suite.groups(), again.groups());
    }
}

fn provenance(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(chain) = Chain::from_json(text) {
        let mut again = Chain::from_json(&chain.to_json()).expect("what was written can be read");
        assert_eq!(chain, again);
        again.merge(chain);
    }
}

/// A model's folder: the first byte says which of its files the others are.
fn model(bytes: &[u8]) {
    let Some((which, file)) = bytes.split_first() else {
        return;
    };
    let names = ["card.json", "config.json", "model.onnx", "tokenizer.json"];
    let name = names[usize::from(*which) % names.len()];
    let path = folder().join(name);
    fs::write(&path, file).expect("a file in memory");
    onnx::fuzz_folder(folder());
    fs::remove_file(&path).expect("the file just written");
}

fn argument(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _ = parse_shots(text);
    let _ = Alphabet::parse(text);
    if let Ok(device) = text.parse::<Device>() {
        assert_eq!(device.to_string().parse::<Device>().ok(), Some(device));
    }
    if let Ok(shard) = text.parse::<Shard>() {
        for total in [0, 1, 1000, u64::MAX] {
            let range = shard.range(total);
            assert!(range.start <= range.end && range.end <= total);
        }
    }
}

fn sequences(bytes: &[u8]) {
    let memory = Memory::new(bytes);
    let _ = read_sequences(&[memory.path.clone()]);
}

/// The journal of an interrupted run: the file as it is, or (first byte odd) behind a first line that fits the run.
fn journal(bytes: &[u8]) {
    static PROMPTS: OnceLock<Vec<Entry<Prompt>>> = OnceLock::new();
    let prompts = PROMPTS.get_or_init(|| {
        let prompts = include_bytes!("../prompts.jsonl");
        read::<Prompt>(prompts, true).expect("the prompts of the journal")
    });
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    let step = Step {
        program: "infer".to_owned(),
        version: "1".to_owned(),
        command: Vec::new(),
        seed: None,
        model_sha256: None,
        runtime: None,
        device: None,
        settings: Default::default(),
        measured: Default::default(),
        time: "2026-01-01T00:00:00Z".to_owned(),
    };
    let mut file = Vec::new();
    if kind % 2 == 1 {
        let chain = Chain::default().with(step.clone()).to_json();
        file.extend_from_slice(format!("{{\"provenance\":{chain}}}\n").as_bytes());
    }
    file.extend_from_slice(rest);
    let output = folder().join("out.jsonl");
    let path = Journal::path_of(&output);
    fs::write(&path, &file).expect("a file in memory");
    let identity = Identity {
        model: "builtin:copy".to_owned(),
        modality: Some("baseline".to_owned()),
        params: None,
        method: "builtin",
        constrained: false,
        bos: false,
    };
    if let Ok(mut journal) = Journal::open(&output, true, &step, &[]) {
        let mut answered = 0;
        let finished = prompts.iter().try_for_each(|prompt| {
            let is_finished = journal.finished(prompt, &identity).map_err(drop)?;
            answered += u64::from(is_finished);
            if is_finished { Ok(()) } else { Err(()) }
        });
        let kept = journal.kept();
        assert!(kept >= answered);
        let mut read = 0;
        let back = journal.read_back(None, |_, _: &Extra| {
            read += 1;
            Ok(())
        });
        if finished.is_ok() && back.is_ok() {
            assert_eq!(read, kept);
        }
    }
    let _ = fs::remove_file(&path);
}
