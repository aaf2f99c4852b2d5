//! Drawing trials, encoding them, and reading their records back: `cargo bench --bench draw`.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use shotline::encoding::{Alphabet, Encoder};
use shotline::program::Suite;
use shotline::provenance::Chain;
use shotline::record::{Condition, Design, Extra, Format, Prompt, Reader, Record, Trial, Writer};
use shotline::trial::Grid;
use std::io::Write as _;
use tempfile::NamedTempFile;

fn main() {
    divan::main();
}

const SHOTS: [u32; 3] = [1, 16, 128];

/// Two trials of each of the paper's functions at one shot count.
fn grid(shots: u32, condition: Condition) -> Grid {
    Grid {
        suite: Suite::paper().expect("the paper's suite is part of the program"),
        bits: 8,
        shots: vec![shots],
        trials: 2,
        conditions: vec![condition],
        design: Design::Independent,
        seed: 0,
    }
}

fn trials(shots: u32) -> Vec<Trial> {
    let grid = grid(shots, Condition::Clean);
    grid.trials(0..grid.total()).collect()
}

fn prompts(shots: u32) -> Vec<Prompt> {
    let encoder = encoder();
    trials(shots)
        .into_iter()
        .map(|trial| {
            encoder
                .encode(trial, None)
                .expect("drawn symbols suit their template")
        })
        .collect()
}

fn encoder() -> Encoder {
    let alphabet = Alphabet::parse("genomic").expect("a known alphabet");
    Encoder::new(alphabet, None, None).expect("the alphabet's own template")
}

#[divan::bench(args = SHOTS)]
fn draw(bencher: Bencher<'_, '_>, shots: u32) {
    let grid = grid(shots, Condition::Clean);
    bencher
        .counter(ItemsCount::new(grid.total()))
        .bench_local(|| {
            grid.trials(0..grid.total())
                .map(divan::black_box_drop)
                .count()
        });
}

/// The paper's grid at 128 trials, drawn and encoded: what `benches/whole.py` holds against Python.
#[divan::bench(sample_count = 10)]
fn grid_of_102400_prompts(bencher: Bencher<'_, '_>) {
    let grid = Grid {
        shots: vec![1, 2, 4, 8, 16, 32, 64, 128],
        trials: 128,
        ..grid(1, Condition::Clean)
    };
    let encoder = encoder();
    bencher
        .counter(ItemsCount::new(grid.total()))
        .bench_local(|| {
            for trial in grid.trials(0..grid.total()) {
                let dressed = encoder.encode(trial, None);
                divan::black_box(dressed.expect("drawn symbols suit their template"));
            }
        });
}

/// Up to 256 shuffles a trial.
#[divan::bench(args = [16, 128])]
fn draw_deranged(bencher: Bencher<'_, '_>, shots: u32) {
    let grid = grid(shots, Condition::Deranged);
    bencher
        .counter(ItemsCount::new(grid.total()))
        .bench_local(|| {
            grid.trials(0..grid.total())
                .map(divan::black_box_drop)
                .count()
        });
}

#[divan::bench(args = SHOTS)]
fn encode(bencher: Bencher<'_, '_>, shots: u32) {
    let encoder = encoder();
    let trials = trials(shots);
    bencher
        .counter(ItemsCount::new(trials.len()))
        .with_inputs(|| trials.clone())
        .bench_local_values(|trials| {
            for trial in trials {
                divan::black_box_drop(encoder.encode(trial, None));
            }
        });
}

/// The records as a file of this format would hold them.
fn written<T: Record>(records: &[T], format: Format) -> Vec<u8> {
    let chain = Chain::default();
    let mut writer = Writer::new(Vec::new(), "memory", format, &[], &chain)
        .expect("every format here holds lists");
    for record in records {
        writer
            .write(record, &Extra::default())
            .expect("memory takes what is written");
    }
    writer.finish().expect("memory takes what is written")
}

const FORMATS: [Format; 3] = [Format::Jsonl, Format::Arrow, Format::Parquet];

/// Prompts of 16 shots.
#[divan::bench(args = FORMATS)]
fn write(bencher: Bencher<'_, '_>, format: Format) {
    let prompts = prompts(16);
    bencher
        .counter(ItemsCount::new(prompts.len()))
        .counter(BytesCount::new(written(&prompts, format).len()))
        .bench_local(|| written(&prompts, format));
}

#[divan::bench(args = FORMATS)]
fn read(bencher: Bencher<'_, '_>, format: Format) {
    let prompts = prompts(16);
    let bytes = written(&prompts, format);
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(&bytes).expect("a temporary file");
    let paths = [file.path().to_owned()];
    bencher
        .counter(ItemsCount::new(prompts.len()))
        .counter(BytesCount::new(bytes.len()))
        .bench_local(|| {
            let mut reader = Reader::<Prompt>::open(&paths, true).expect("what was written");
            while let Some(entry) = reader.read().expect("what was written") {
                divan::black_box_drop(entry);
            }
        });
}
