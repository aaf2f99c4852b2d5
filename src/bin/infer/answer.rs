//! From prompts to predictions in the output, by way of the journal where the output is a file.

use shotline::cli::{OutputArgs, Progress, warn, when_interrupted};
use shotline::error::{Error, Result};
use shotline::predictor::{Identity, Journal, Predictor, Stream};
use shotline::record::provenance::{Chain, Step};
use shotline::record::{Entry, Extra, Prediction, Prompt, Reader};
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What `--slim` leaves out.
const SLIM: &[&str] = &["inputs", "outputs", "prompt"];

/// How a run's predictions are written.
pub struct Run<'a> {
    pub output: &'a OutputArgs,
    pub slim: bool,
    /// Whether to go on with an interrupted run; none for predictors that keep no journal.
    pub resume: Option<bool>,
    pub identity: &'a Identity,
}

/// What has been answered in this run.
#[derive(Default)]
struct Counts {
    prompts: u64,
    /// Symbols of the prompts.
    symbols: usize,
    answers: u64,
    correct: u64,
    /// Answers that ended because the model's logits were no numbers.
    broken: u64,
}

impl Counts {
    fn add(&mut self, prompt: &Prompt, predictions: &[Prediction]) {
        self.prompts += 1;
        self.symbols += prompt.prompt.chars().count();
        self.answers += predictions.len() as u64;
        self.correct += predictions.iter().filter(|p| p.correct).count() as u64;
    }
}

impl Run<'_> {
    /// Reads prompts, writes predictions. `step` joins the provenance.
    pub fn answer(
        &self,
        reader: Reader<Prompt>,
        predictor: &mut dyn Predictor,
        step: Step,
    ) -> Result<()> {
        let begun = Instant::now();
        let file = self.output.file().filter(|path| !is_special(path));
        let counts = match (self.resume, file) {
            (Some(resume), Some(path)) => self.by_journal(path, resume, reader, predictor, step)?,
            _ => self.directly(reader, predictor, step)?,
        };
        if !self.output.quiet && self.identity.method != "builtin" {
            let seconds = begun.elapsed().as_secs_f64();
            // Far fewer than 2^53 symbols.
            #[allow(clippy::cast_precision_loss)]
            let speed = counts.symbols as f64 / seconds;
            eprintln!(
                "infer: {} prompts, {} answers ({} right) in {seconds:.1} s, {speed:.0} prompt \
                 tokens/s",
                counts.prompts, counts.answers, counts.correct
            );
        }
        if counts.broken > 0 {
            return Err(Error::data(format!(
                "{}: {} of {} answers are malformed because the model's logits were no numbers",
                self.identity.model, counts.broken, counts.answers
            )));
        }
        Ok(())
    }

    fn skip(&self) -> &'static [&'static str] {
        if self.slim { SLIM } else { &[] }
    }

    /// Straight into the output.
    fn directly(
        &self,
        mut reader: Reader<Prompt>,
        predictor: &mut dyn Predictor,
        step: Step,
    ) -> Result<Counts> {
        /// A reader of our output sees predictions at least this often.
        const FLUSH: Duration = Duration::from_secs(1);

        let chain: Chain = reader.provenance().with(step.clone());
        let mut writer = self.output.records::<Prediction>(self.skip(), &chain)?;
        let progress = Progress::new("prompts", reader.total(), self.output.quiet);
        let mut flushed = Instant::now();
        let mut counts = Counts::default();
        let sink = |entry: &Entry<Prompt>, predictions: Vec<Prediction>| {
            for prediction in &predictions {
                writer.write(prediction, &entry.extra)?;
            }
            if flushed.elapsed() > FLUSH {
                writer.flush()?;
                flushed = Instant::now();
            }
            counts.add(&entry.record, &predictions);
            note(&progress, &counts);
            Ok(())
        };
        let broken = Stream::new(self.identity, || reader.read(), sink).run(predictor)?;
        counts.broken = broken;
        progress.finish();
        let chain = reader.provenance().with(step);
        self.output.finish(writer, &chain)?;
        Ok(counts)
    }

    /// Into the journal, which becomes the output at the end.
    fn by_journal(
        &self,
        path: &Path,
        resume: bool,
        mut reader: Reader<Prompt>,
        predictor: &mut dyn Predictor,
        step: Step,
    ) -> Result<Counts> {
        // A mistake in the output's name or format is found before any work, and with no answer lost at the end.
        let chain: Chain = reader.provenance().with(step.clone());
        drop(self.output.records::<Prediction>(self.skip(), &chain)?);
        let journal = RefCell::new(Journal::open(path, resume, &step, self.skip())?);
        let kept = Arc::new(AtomicU64::new(0));
        let hint = {
            let (kept, place) = (kept.clone(), Journal::path_of(path));
            move || match kept.load(Ordering::Relaxed) {
                0 => None,
                n => Some(format!(
                    "{n} answers are kept in {}; the same command with --resume goes on",
                    place.display()
                )),
            }
        };
        when_interrupted("infer", hint.clone());
        let progress = Progress::new("prompts", reader.total(), self.output.quiet);
        let mut types: Option<Extra> = None;
        let mut counts = Counts::default();
        let source = || {
            while let Some(entry) = reader.read()? {
                types.get_or_insert_with(|| entry.extra.clone());
                let finished = journal.borrow_mut().finished(&entry)?;
                kept.store(journal.borrow().kept(), Ordering::Relaxed);
                if finished.is_none() {
                    return Ok(Some(entry));
                }
                progress.step();
            }
            Ok(None)
        };
        let sink = |entry: &Entry<Prompt>, predictions: Vec<Prediction>| {
            let mut journal = journal.borrow_mut();
            journal.append(&predictions, &entry.extra)?;
            kept.store(journal.kept(), Ordering::Relaxed);
            counts.add(&entry.record, &predictions);
            note(&progress, &counts);
            Ok(())
        };
        let answered = Stream::new(self.identity, source, sink).run(predictor);
        let mut journal = journal.into_inner();
        let finished = answered.and_then(|broken| {
            counts.broken = broken;
            let chain = reader.provenance().with(step);
            let mut writer = self.output.records::<Prediction>(self.skip(), &chain)?;
            journal.read_back(types.as_ref(), |prediction, extra| {
                writer.write(prediction, extra)
            })?;
            self.output.finish(writer, &chain)
        });
        progress.finish();
        match finished {
            Ok(()) => {
                journal.remove()?;
                Ok(counts)
            }
            Err(error) => {
                if journal.is_empty() {
                    journal.remove()?;
                } else if let Some(hint) = hint() {
                    warn("infer", hint);
                }
                Err(error)
            }
        }
    }
}

fn note(progress: &Progress, counts: &Counts) {
    progress.note(format!("{}/{} right", counts.correct, counts.answers));
    progress.step();
}

/// Whether an output is a device or a pipe, beside which no journal belongs.
fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| !meta.is_file())
}
