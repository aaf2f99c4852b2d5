//! Turns prompts into predictions and writes the output. If the output is a file, predictions go to a journal first.

use super::Args;
use serde_json::{Value, json};
use shotline::cli::{Progress, destination, note, warn, when_interrupted};
use shotline::error::{Error, Result, counted};
use shotline::memory::peak_memory;
use shotline::predictor::{Identity, Jobs, Journal, Predictor, kept_words};
use shotline::provenance::{Chain, Facts, Step};
use shotline::record::{Entry, Extra, Prediction, Prompt, Reader, SLIM};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A run of a predictor.
pub struct Run<'a> {
    pub args: &'a Args,
    pub identity: &'a Identity,
}

/// What this run has answered so far.
#[derive(Default)]
struct Counts {
    prompts: u64,
    answers: u64,
    correct: u64,
    /// Answers that ended early because the model's logits were not finite.
    broken: u64,
    /// Whether the output was already complete before this run.
    is_complete: bool,
    /// Measurements such as time and memory, for the provenance.
    measured: Facts,
}

impl Counts {
    fn add(&mut self, predictions: &[Prediction]) {
        self.prompts += 1;
        self.answers += predictions.len() as u64;
        self.correct += predictions.iter().filter(|p| p.correct).count() as u64;
    }

    /// Sets `measured` at the end of the run: the predictor's own measurements, and those of the whole run.
    fn measure(&mut self, begun: Instant, predictor: &dyn Predictor) {
        self.measured = predictor.measured();
        let own = [
            ("prompts", json!(self.prompts)),
            ("answers", json!(self.answers)),
            ("broken", json!(self.broken)),
            ("seconds", json!(begun.elapsed().as_secs_f64())),
            ("peak_memory_bytes", json!(peak_memory())),
        ];
        (self.measured).extend(own.map(|(name, value)| (name.to_owned(), value)));
    }

    /// One line that sums up the run for the user.
    fn words(&self) -> String {
        let number = |name: &str| self.measured.get(name).and_then(Value::as_f64);
        let seconds = number("seconds").unwrap_or_default();
        let mut words = format!(
            "{}, {} ({} right) in {seconds:.1} s",
            counted(self.prompts, "prompt"),
            counted(self.answers, "answer"),
            self.correct
        );
        // Writing to a `String` cannot fail.
        if let Some(tokens) = number("tokens") {
            let _ = write!(words, "; {tokens} tokens, {:.0} tokens/s", tokens / seconds);
        }
        if let Some(bytes) = number("peak_memory_bytes") {
            let _ = write!(words, "; peak memory {:.0} MB", bytes / 1e6);
        }
        if let Some(device) = self.measured.get("device").and_then(Value::as_str) {
            let _ = write!(words, "; {device}");
        }
        for name in ["threads", "batch_tokens"] {
            if let Some(value) = number(name) {
                let _ = write!(words, "; {} {value}", name.replace('_', " "));
            }
        }
        if let Some(times) = number("batches_halved").filter(|&times| times > 0.0) {
            let _ = write!(words, "; memory did not suffice for a batch {times} times");
        }
        words
    }
}

impl Run<'_> {
    /// Reads prompts and writes predictions. `step` is appended to the provenance.
    pub fn answer(
        &self,
        reader: Reader<Prompt>,
        predictor: &mut dyn Predictor,
        step: Step,
    ) -> Result<()> {
        let begun = Instant::now();
        let output = &self.args.output;
        // Baselines are fast: they need no journal and no words.
        let is_builtin = self.identity.method == "builtin";
        let counts = match output.file() {
            // Follow links, so that one file has one journal and one lock under all its names.
            Some(path) if !is_builtin && !is_special(path) => {
                self.by_journal(&destination(path), reader, predictor, step, begun)?
            }
            _ => self.directly(reader, predictor, step, begun)?,
        };
        if !output.quiet && !is_builtin {
            match output.file().filter(|_| counts.is_complete) {
                Some(path) => note(format!(
                    "{}: complete, with the answers to these prompts",
                    path.display()
                )),
                None => note(counts.words()),
            }
        }
        if counts.broken > 0 {
            return Err(Error::data(format!(
                "{}: {} of {} answers are malformed because the model's logits were no numbers",
                self.identity.model, counts.broken, counts.answers
            )));
        }
        Ok(())
    }

    fn progress(&self, reader: &Reader<Prompt>) -> Progress {
        Progress::giving("answers", "prompts", reader.total(), self.args.output.quiet)
    }

    fn skip(&self) -> &'static [&'static str] {
        if self.args.slim { SLIM } else { &[] }
    }

    /// Writes predictions directly to the output, without a journal.
    fn directly(
        &self,
        mut reader: Reader<Prompt>,
        predictor: &mut dyn Predictor,
        step: Step,
        begun: Instant,
    ) -> Result<Counts> {
        /// The output is flushed at least this often, for programs that read it while we write.
        const FLUSH: Duration = Duration::from_secs(1);

        let chain: Chain = reader.provenance().with(step.clone());
        let mut writer = self
            .args
            .output
            .records::<Prediction>(self.skip(), &chain)?;
        let progress = self.progress(&reader);
        let mut flushed = Instant::now();
        let mut counts = Counts::default();
        let mut source = || reader.read();
        let mut sink = |entry: &Entry<Prompt>, predictions: &[Prediction]| {
            for prediction in predictions {
                writer.write(prediction, &entry.extra)?;
            }
            if flushed.elapsed() > FLUSH {
                writer.flush()?;
                flushed = Instant::now();
            }
            counts.add(predictions);
            advance(&progress, &counts, predictions.len());
            Ok(())
        };
        let broken = Jobs::new(self.identity, &mut source, &mut sink).run(predictor)?;
        counts.broken = broken;
        progress.finish();
        // The header was written before the measurements were known, so this chain has none.
        counts.measure(begun, predictor);
        let chain = reader.provenance().with(step);
        self.args.output.finish(writer, &chain)?;
        Ok(counts)
    }

    /// Writes predictions to the journal, which becomes the output at the end.
    fn by_journal(
        &self,
        path: &Path,
        mut reader: Reader<Prompt>,
        predictor: &mut dyn Predictor,
        mut step: Step,
        begun: Instant,
    ) -> Result<Counts> {
        // Open the output once now: an error in its name or format must show before the work, not after it.
        let chain: Chain = reader.provenance().with(step.clone());
        drop(
            self.args
                .output
                .records::<Prediction>(self.skip(), &chain)?,
        );
        let journal = RefCell::new(Journal::open(path, self.args.resume, &step, self.skip())?);
        // The number of answers in the journal. The lock is held while the journal is written.
        let kept = Arc::new(Mutex::new(0));
        let place = Journal::path_of(path);
        let hint = move |n: u64| {
            (n > 0).then(|| {
                format!(
                    "{}; the same command with --resume goes on",
                    kept_words(n, &place)
                )
            })
        };
        when_interrupted({
            let (kept, hint) = (kept.clone(), hint.clone());
            move || {
                let n = locked(&kept);
                let words = hint(*n);
                // Keep the lock for ever: then nothing more is written, and the number in the message stays correct.
                std::mem::forget(n);
                words
            }
        });
        let progress = self.progress(&reader);
        let mut types: Option<Extra> = None;
        let mut counts = Counts::default();
        let mut source = || {
            while let Some(entry) = reader.read()? {
                types.get_or_insert_with(|| entry.extra.clone());
                let mut kept = locked(&kept);
                let finished = journal.borrow_mut().finished(&entry, self.identity)?;
                *kept = journal.borrow().kept();
                if !finished {
                    return Ok(Some(entry));
                }
                progress.give(0);
            }
            Ok(None)
        };
        let mut sink = |entry: &Entry<Prompt>, predictions: &[Prediction]| {
            let mut journal = journal.borrow_mut();
            let mut kept = locked(&kept);
            journal.append(predictions, &entry.extra)?;
            *kept = journal.kept();
            counts.add(predictions);
            advance(&progress, &counts, predictions.len());
            Ok(())
        };
        let answered = Jobs::new(self.identity, &mut source, &mut sink).run(predictor);
        let mut journal = journal.into_inner();
        let finished = answered.and_then(|broken| {
            counts.broken = broken;
            counts.is_complete = journal.is_complete()?;
            if counts.is_complete {
                let made = journal.runs().last();
                let count = |name| made.and_then(|run| run.measured.get(name)?.as_u64());
                counts.broken = count("broken").unwrap_or_default();
                counts.answers = count("answers").unwrap_or_default();
                return Ok(());
            }
            counts.measure(begun, predictor);
            step.measured = counts.measured.clone();
            let run = |run: &Step| json!({"command": run.command, "time": run.time});
            if !journal.runs().is_empty() {
                let runs: Vec<Value> = journal.runs().iter().map(run).collect();
                step.measured.insert("earlier_runs".to_owned(), json!(runs));
            }
            let chain = reader.provenance().with(step);
            let mut writer = self
                .args
                .output
                .records::<Prediction>(self.skip(), &chain)?;
            journal.read_back(types.as_ref(), |prediction, extra| {
                writer.write(prediction, extra)
            })?;
            self.args.output.finish(writer, &chain)
        });
        progress.finish();
        match finished {
            Ok(()) => {
                journal.remove()?;
                Ok(counts)
            }
            Err(error) => {
                if let Some(hint) = journal.refused().or_else(|| hint(journal.kept())) {
                    warn(hint);
                }
                if journal.is_empty() {
                    journal.remove()?;
                }
                Err(error)
            }
        }
    }
}

/// Locks a count. A poisoned lock is fine: a panic cannot leave a number half written.
fn locked(count: &Mutex<u64>) -> MutexGuard<'_, u64> {
    count.lock().unwrap_or_else(PoisonError::into_inner)
}

fn advance(progress: &Progress, counts: &Counts, answers: usize) {
    progress.note(format!("{}/{} right", counts.correct, counts.answers));
    progress.give(answers as u64);
}

/// Whether an output is a device or a pipe, which gets no journal.
fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| !meta.is_file())
}
