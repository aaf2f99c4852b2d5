/*!
A progress bar on stderr, only where stderr is a terminal and nobody asked for quiet.
*/

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far the work is.
pub struct Progress {
    bar: ProgressBar,
    /// What the pieces so far gave.
    given: Arc<AtomicU64>,
    /// A hidden bar would still read the clock at every step.
    is_hidden: bool,
}

impl Progress {
    /// A bar over `total` pieces of work, or a count where the total is unknown.
    #[must_use]
    pub fn new(what: &'static str, total: Option<u64>, quiet: bool) -> Self {
        Self::giving(what, what, total, quiet)
    }

    /// A bar whose rate is in `units`, of which a piece of work may give several, or none.
    #[must_use]
    pub fn giving(
        units: &'static str,
        what: &'static str,
        total: Option<u64>,
        quiet: bool,
    ) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            // Hidden by itself where stderr is no terminal.
            ProgressDrawTarget::stderr_with_hz(5)
        };
        let bar = ProgressBar::with_draw_target(total, target);
        let given = Arc::new(AtomicU64::new(0));
        let style = if total.is_some() {
            "{prefix} {wide_bar:.cyan/dim} {human_pos}/{human_len} {rate} {eta} left {msg}"
        } else {
            "{prefix} {spinner} {human_pos} in {elapsed}, {rate} {msg}"
        };
        // The two templates above are valid; were they not, the plain bar would do.
        if let Ok(style) = ProgressStyle::with_template(style) {
            let given = given.clone();
            let rate = move |state: &ProgressState, out: &mut dyn Write| {
                let rate = rate(
                    given.load(Ordering::Relaxed),
                    state.elapsed().as_secs_f64(),
                    units,
                );
                // A bar without a rate is a bar.
                let _ = out.write_str(&rate);
            };
            bar.set_style(style.with_key("rate", rate));
        }
        bar.set_prefix(what);
        let is_hidden = bar.is_hidden();
        Self {
            bar,
            given,
            is_hidden,
        }
    }

    /// One piece more is done.
    pub fn step(&self) {
        self.give(1);
    }

    /// One piece more is done, and has given so many units.
    pub fn give(&self, units: u64) {
        if !self.is_hidden {
            self.given.fetch_add(units, Ordering::Relaxed);
            self.bar.inc(1);
        }
    }

    /// A short note at the end of the bar.
    pub fn note(&self, message: String) {
        self.bar.set_message(message);
    }

    /// The work is done: the bar goes away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Units a second, or the seconds that one takes.
fn rate(given: u64, seconds: f64, units: &str) -> String {
    // Below 2^53.
    #[allow(clippy::cast_precision_loss)]
    let rate = given as f64 / seconds;
    if given == 0 {
        String::new()
    } else if rate < 1.0 {
        format!("{:.1} s/{}", 1.0 / rate, units.trim_end_matches('s'))
    } else {
        let digits = usize::from(rate < 10.0);
        format!("{rate:.digits$} {units}/s")
    }
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn a_rate_is_in_the_unit_that_moves() {
        assert_eq!(rate(0, 9.0, "answers"), "");
        assert_eq!(rate(900, 2.0, "answers"), "450 answers/s");
        assert_eq!(rate(3, 2.0, "answers"), "1.5 answers/s");
        assert_eq!(rate(2, 25.0, "answers"), "12.5 s/answer");
    }
}
