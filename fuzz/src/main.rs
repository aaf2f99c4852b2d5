/*!
Coverage-guided fuzzing of everything that Shotline parses: libFuzzer on the stable toolchain, as `make fuzz` builds it.

One program holds all targets, since linking takes longer than compiling: `SHOTLINE_FUZZ_TARGET` names the one to run.
A target is given bytes and must come back: with a result or an error, but with no panic and no failed assertion. What
claims more memory than a file of some kilobytes is given here ends the process as it ends a filter, which is no finding.
*/

#![no_main]

mod scratch;
mod targets;

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use targets::Target;

static TARGET: OnceLock<Target> = OnceLock::new();

/// The most memory that a target may take: less than libFuzzer calls a finding (`run.sh`).
const MEMORY: u64 = 1 << 30;

/// Chooses the target. libFuzzer's own panic hook aborts before a panic can be caught, but decoders that panic on damaged
/// files are caught on purpose (`error::catch_panic`): only what comes out of a target is a finding.
fn choose() {
    let name = std::env::var("SHOTLINE_FUZZ_TARGET").unwrap_or_default();
    let Some((_, target)) = targets::ALL.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "SHOTLINE_FUZZ_TARGET={name:?}: expected one of {}",
            names.join(" ")
        );
        std::process::exit(2);
    };
    let _ = TARGET.set(*target);
    shotline::memory::limit(MEMORY, |words| eprintln!("{words}"));
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
}

fuzz_target!(init: choose(), |bytes: &[u8]| {
    if let Some(target) = TARGET.get() {
        target(bytes);
    }
});
