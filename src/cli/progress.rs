/*!
A progress bar on stderr, only where stderr is a terminal and nobody asked for quiet.
*/

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far the work is.
pub struct Progress {
    bar: ProgressBar,
    /// A hidden bar would still read the clock at every step.
    is_hidden: bool,
}

impl Progress {
    /// A bar over `total` pieces of work, or a count where the total is unknown.
    #[must_use]
    pub fn new(what: &'static str, total: Option<u64>, quiet: bool) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            // Hidden by itself where stderr is no terminal.
            ProgressDrawTarget::stderr_with_hz(5)
        };
        let bar = ProgressBar::with_draw_target(total, target);
        let style = if total.is_some() {
            "{prefix} {wide_bar:.cyan/dim} {human_pos}/{human_len} {per_sec} {eta} left {msg}"
        } else {
            "{prefix} {spinner} {human_pos} in {elapsed}, {per_sec} {msg}"
        };
        // The two templates above are valid; were they not, the plain bar would do.
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        let is_hidden = bar.is_hidden();
        Self { bar, is_hidden }
    }

    /// One piece more is done.
    pub fn step(&self) {
        if !self.is_hidden {
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
