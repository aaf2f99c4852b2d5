//! The bootstrap, fits and tails, and the rivals of understandable mistakes:
//! `cargo bench --bench stats`.

use divan::Bencher;
use divan::counter::ItemsCount;
use shotline::chance::Key;
use shotline::program::{Bits, Hypotheses, Suite, measures};
use shotline::stats::{Bootstrap, line, one_sided_p, quantile, standard_deviation};

fn main() {
    divan::main();
}

/// 100 functions, as the paper has.
const FUNCTIONS: usize = 100;

/// Accuracies from 0 to 1 over the functions; some channels of which are equal.
fn tasks(trials: usize, channels: usize) -> Vec<Vec<f64>> {
    (0..FUNCTIONS)
        .map(|function| {
            (0..trials * channels)
                .map(|i| f64::from(u8::from(i / channels * FUNCTIONS < function * trials)))
                .collect()
        })
        .collect()
}

/// 1000 replicates of a cell (accuracy and baseline), on all threads.
#[divan::bench(args = [8, 64, 128])]
fn bootstrap_cell(bencher: Bencher<'_, '_>, trials: usize) {
    let tasks = tasks(trials, 2);
    let bootstrap = Bootstrap {
        replicates: 1000,
        seed: 0,
    };
    bencher
        .counter(ItemsCount::new(1000 * FUNCTIONS * trials))
        .bench_local(|| bootstrap.means(&tasks, 2, &Key::new(&[b"cell"])));
}

/// 1000 replicates of a nested curve of eight shot counts.
#[divan::bench(args = [8, 64])]
fn bootstrap_nested_curve(bencher: Bencher<'_, '_>, sequences: usize) {
    let tasks = tasks(sequences, 16);
    let bootstrap = Bootstrap {
        replicates: 1000,
        seed: 0,
    };
    bencher
        .counter(ItemsCount::new(1000 * FUNCTIONS * sequences))
        .bench_local(|| bootstrap.means(&tasks, 16, &Key::new(&[b"curve"])));
}

/// What a cell's replicates are reduced to.
#[divan::bench]
fn reduce_replicates(bencher: Bencher<'_, '_>) {
    let values: Vec<f64> = (0..5000)
        .map(|i| f64::from(i * 7919 % 5000) / 5000.0)
        .collect();
    bencher.bench_local(|| {
        (
            standard_deviation(&values, 0),
            quantile(&values, 0.025),
            quantile(&values, 0.975),
        )
    });
}

#[divan::bench]
fn fit_line(bencher: Bencher<'_, '_>) {
    let x: Vec<f64> = (0..8).map(|i| f64::from(1 << i).ln()).collect();
    let y = [0.134, 0.141, 0.160, 0.195, 0.161, 0.168, 0.191, 0.236];
    bencher.bench_local(|| line(divan::black_box(&x), divan::black_box(&y)));
}

#[divan::bench(args = [1.0, 30.0])]
fn normal_tail(z: f64) -> f64 {
    one_sided_p(divan::black_box(z))
}

fn suite() -> Suite {
    Suite::paper().expect("the paper's suite is part of the program")
}

/// Which of the 100 functions agree with what a prompt shows.
#[divan::bench(args = [1, 16, 128])]
fn survivors(bencher: Bencher<'_, '_>, shots: u16) {
    let hypotheses = Hypotheses::new(&suite(), 8);
    let inputs: Vec<Bits> = (0..shots).map(|x| Bits::new(x, 8)).collect();
    let query = Bits::new(shots, 8);
    // The identity is shown: it, and few others, survive.
    bencher.bench_local(|| {
        hypotheses
            .survivors(&inputs, &inputs, query)
            .map(|s| s.prior)
            .sum::<f64>()
    });
}

/// BitLoad, BitDiversity and the rest of all 100 functions.
#[divan::bench(args = [5, 8])]
fn measure_suite(bencher: Bencher<'_, '_>, bits: u32) {
    let suite = suite();
    bencher.counter(ItemsCount::new(FUNCTIONS)).bench_local(|| {
        suite
            .programs()
            .iter()
            .map(|program| measures(program, bits).bitload)
            .sum::<u32>()
    });
}
