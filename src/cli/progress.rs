/*!
A progress bar on stderr, only if stderr is a terminal and --quiet is not given.
*/

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The progress of the work.
pub struct Progress {
    bar: ProgressBar,
    /// The units done so far.
    given: Arc<AtomicU64>,
    /// Skips a hidden bar, which would still read the clock at every step.
    is_hidden: bool,
}

impl Progress {
    /// A bar over `total` pieces of work, or a count if the total is unknown.
    #[must_use]
    pub fn new(what: &'static str, total: Option<u64>, quiet: bool) -> Self {
        Self::giving(what, what, total, quiet)
    }

    /// A bar whose rate is in `units`. A piece of work may give several units, or none.
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
            // It hides itself if stderr is not a terminal.
            ProgressDrawTarget::stderr_with_hz(5)
        };
        let bar = ProgressBar::with_draw_target(total, target);
        let given = Arc::new(AtomicU64::new(0));
        let style = if total.is_some() {
            "{prefix} {wide_bar:.cyan/dim} {human_pos}/{human_len} {rate} {eta} left {msg}"
        } else {
            "{prefix} {spinner} {human_pos} in {elapsed}, {rate} {msg}"
        };
        // The two templates above are valid. Otherwise the plain bar would be shown.
        if let Ok(style) = ProgressStyle::with_template(style) {
            let given = given.clone();
            let rate = move |state: &ProgressState, out: &mut dyn Write| {
                let rate = rate(
                    given.load(Ordering::Relaxed),
                    state.elapsed().as_secs_f64(),
                    units,
                );
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

    /// One more piece is done.
    pub fn step(&self) {
        self.give(1);
    }

    /// One more piece is done, which gave this many units.
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

    /// The work is done. The bar disappears.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Units per second, or seconds per unit.
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
    fn slow_rates_are_in_seconds_per_unit() {
        assert_eq!(rate(0, 9.0, "answers"), "");
        assert_eq!(rate(900, 2.0, "answers"), "450 answers/s");
        assert_eq!(rate(3, 2.0, "answers"), "1.5 answers/s");
        assert_eq!(rate(2, 25.0, "answers"), "12.5 s/answer");
    }
}
