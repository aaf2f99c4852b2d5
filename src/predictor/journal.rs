/*!
What is finished stays finished: `OUT.partial` holds the predictions of a run as JSON lines, in the order of the prompts,
each prompt's written and handed to the operating system at once.

Its first line is the provenance, whose last step says what was asked of which model. A run that goes on has to ask the
same; it reads the journal beside the prompts, drops what is torn at the end (half a line, or some of the points of a
nested prompt), adds its own provenance, and appends. At the end the journal becomes the output, in the output's format.
Where there is an output and no journal, the output is read in its place, and has to answer all prompts.
*/

use super::stream::predictions;
use super::{Answer, Identity, points};
use crate::error::{Error, Result, counted};
use crate::provenance::{Chain, Step};
use crate::record::{Entry, Extra, Format, Prediction, Prompt, Reader, Writer, first_difference};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A power cut costs no more than what was finished within this time; a crash of the program costs nothing.
const SYNC: Duration = Duration::from_secs(1);

/// The journal of a run.
pub struct Journal {
    path: PathBuf,
    writer: Writer<BufWriter<File>, Prediction>,
    /// The same file, for what a writer cannot do: sync, lock, cut.
    file: File,
    /// What an earlier run left, as far as it has not been read yet.
    earlier: Option<Earlier>,
    /// The runs that left it; none where this is the first.
    runs: Chain,
    /// What this run adds before its first predictions to those of others.
    own: Option<Chain>,
    /// Predictions in the file, earlier ones included as they are read.
    kept: u64,
    /// Whether what an earlier run left is not what is asked now.
    is_refused: bool,
    synced: Instant,
}

/// The predictions of an earlier run, read beside the prompts.
struct Earlier {
    path: PathBuf,
    records: Reader<Prediction>,
    /// The same lines, for where they end; none of a finished output.
    lines: Option<BufReader<File>>,
}

impl Journal {
    /// The journal of an output.
    #[must_use]
    pub fn path_of(output: &Path) -> PathBuf {
        let mut name = output.as_os_str().to_owned();
        name.push(".partial");
        name.into()
    }

    /// Begins the journal of `output`, or with `resume` goes on with the one that is there. `step` says what is asked.
    ///
    /// # Errors
    /// Another process writes it; without `resume`, there is one; with it, one that answers something else.
    pub fn open(
        output: &Path,
        resume: bool,
        step: &Step,
        skip: &'static [&'static str],
    ) -> Result<Self> {
        let path = Self::path_of(output);
        let wrong = |e| Error::file(&path, e);
        let file = open_locked(&path)?;
        let whole = whole_lines(&file).map_err(wrong)?;
        if whole > 0 && !resume {
            return Err(Error::usage(format!(
                "{}: holds what an interrupted run finished; go on with --resume, or remove it",
                path.display()
            )));
        }
        // What follows the last line break is half a line.
        file.set_len(whole).map_err(wrong)?;
        let earlier = if whole > 0 {
            Earlier::journal(&path, step)?
        } else if resume && fs::metadata(output).is_ok_and(|output| output.len() > 0) {
            let finished = Earlier::finished(output, step);
            if finished.is_err() {
                fs::remove_file(&path).map_err(wrong)?;
            }
            Some(finished?)
        } else {
            None
        };
        let chain = Chain::default().with(step.clone());
        let again = file.try_clone().map_err(wrong)?;
        let place = path.display().to_string();
        let mut writer = Writer::new(BufWriter::new(again), &place, Format::Jsonl, skip, &chain)?;
        if whole == 0 && earlier.is_none() {
            writer.write_provenance(&chain)?;
            writer.flush()?;
        }
        Ok(Self {
            path,
            writer,
            file,
            own: earlier.is_some().then_some(chain),
            earlier,
            runs: Chain::default(),
            kept: 0,
            is_refused: false,
            synced: Instant::now(),
        })
    }

    /// Predictions that are safe.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// Whether nothing would be lost with it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.earlier {
            Some(earlier) => earlier.is_output(),
            None => self.kept == 0,
        }
    }

    /// The answers of an earlier run, where they are not to what is asked now: how many they are, and where.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        let earlier = self.earlier.as_ref().filter(|_| self.is_refused)?;
        Some(kept_in(&earlier.path))
    }

    /// The runs whose answers this one goes on with, as far as they have been read.
    #[must_use]
    pub fn runs(&self) -> &[Step] {
        self.runs.steps()
    }

    /// Whether an earlier run finished this prompt. Prompts have to come in that run's order.
    ///
    /// # Errors
    /// It answers other prompts, or is damaged.
    pub fn finished(&mut self, prompt: &Entry<Prompt>, identity: &Identity) -> Result<bool> {
        let Some(earlier) = &mut self.earlier else {
            return Ok(false);
        };
        let begin = earlier.position()?;
        let finished = earlier.answers(prompt, identity);
        self.is_refused = finished.is_err();
        if let Some(answers) = finished? {
            // What is in the output is safe anyway.
            self.kept += if earlier.is_output() { 0 } else { answers };
            return Ok(true);
        }
        // Some of its points are not a finished prompt.
        self.file
            .set_len(begin)
            .map_err(|e| Error::file(&self.path, e))?;
        self.runs = earlier.records.provenance();
        self.earlier = None;
        Ok(false)
    }

    /// Whether the output was there, and answers all prompts, which have come.
    ///
    /// # Errors
    /// It answers more.
    pub fn is_complete(&mut self) -> Result<bool> {
        self.end_earlier()?;
        Ok(self.earlier.as_ref().is_some_and(Earlier::is_output))
    }

    /// There are no more prompts: nor should there be answers.
    fn end_earlier(&mut self) -> Result<()> {
        if let Some(earlier) = &mut self.earlier {
            let next = earlier.next();
            self.is_refused = !matches!(next, Ok(None));
            if let Some(entry) = next? {
                return Err(Error::data(format!(
                    "{}: answers {:?}, for which there is no prompt any more",
                    entry.place, entry.record.trial_id
                )));
            }
            self.runs = earlier.records.provenance();
        }
        Ok(())
    }

    /// Adds the predictions of one prompt. When this returns, the operating system has them.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append(&mut self, predictions: &[Prediction], extra: &Extra) -> Result<()> {
        if let Some(own) = self.own.take() {
            self.writer.write_provenance(&own)?;
        }
        for prediction in predictions {
            self.writer.write(prediction, extra)?;
        }
        self.writer.flush()?;
        self.kept += predictions.len() as u64;
        if self.synced.elapsed() > SYNC {
            self.file
                .sync_data()
                .map_err(|e| Error::file(&self.path, e))?;
            self.synced = Instant::now();
        }
        Ok(())
    }

    /// Hands everything in the journal to `each`, in order. `types` are the Arrow types of the columns that nobody here
    /// knows, which JSON lines have not.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn read_back(
        &mut self,
        types: Option<&Extra>,
        mut each: impl FnMut(&Prediction, &Extra) -> Result<()>,
    ) -> Result<()> {
        if self.kept == 0 {
            return Ok(());
        }
        let mut reader = Reader::<Prediction>::open(std::slice::from_ref(&self.path), true)?;
        while let Some(mut entry) = reader.read()? {
            if let Some(typed) = types {
                entry.extra.take_types(typed);
            }
            each(&entry.record, &entry.extra)?;
        }
        Ok(())
    }

    /// Removes the journal: its output is there.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|e| Error::file(&self.path, e))
    }
}

impl Earlier {
    /// What is in a journal; none where it is the first line only.
    fn journal(path: &Path, step: &Step) -> Result<Option<Self>> {
        let wrong = |e| Error::file(path, e);
        let mut records = Reader::open(&[path.to_owned()], true)?;
        let mut lines = BufReader::new(File::open(path).map_err(wrong)?);
        let end = lines.skip_until(b'\n').map_err(wrong)? as u64;
        let Some(then) = records.provenance().steps().last().cloned() else {
            return Err(Error::data(format!(
                "{}:1: not the journal of an infer run",
                path.display()
            )));
        };
        check_settings(path, &then, step)?;
        let is_empty = end == lines.get_ref().metadata().map_err(wrong)?.len();
        Ok((!is_empty).then(|| Self {
            path: path.to_owned(),
            records,
            lines: Some(lines),
        }))
    }

    /// A finished output.
    fn finished(path: &Path, step: &Step) -> Result<Self> {
        let mut records = Reader::open(&[path.to_owned()], false)?;
        let chain = records.provenance();
        let mut runs = chain.steps().iter().filter(|s| s.program == step.program);
        let Some(then) = runs.next_back() else {
            return Err(Error::usage(format!(
                "--resume: {} is there, and nothing says which run made it; remove it, or leave out --resume",
                path.display()
            )));
        };
        check_settings(path, then, step)?;
        Ok(Self {
            path: path.to_owned(),
            records,
            lines: None,
        })
    }

    fn is_output(&self) -> bool {
        self.lines.is_none()
    }

    /// Where the lines read so far end.
    fn position(&mut self) -> Result<u64> {
        let lines = self.lines.as_mut().map(BufReader::stream_position);
        let position = lines.transpose().map_err(|e| Error::file(&self.path, e))?;
        Ok(position.unwrap_or_default())
    }

    /// The next prediction.
    fn next(&mut self) -> Result<Option<Entry<Prediction>>> {
        let entry = self.records.read()?;
        if let (Some(_), Some(lines)) = (&entry, &mut self.lines) {
            let mut line = b"{\"provenance\"".to_vec();
            // That of each run stands before what it added.
            while line.starts_with(b"{\"provenance\"") {
                line.clear();
                lines
                    .read_until(b'\n', &mut line)
                    .map_err(|e| Error::file(&self.path, e))?;
            }
        }
        Ok(entry)
    }

    /// The number of answers to a prompt, which is that of its points; none where they are not all there.
    fn answers(&mut self, prompt: &Entry<Prompt>, identity: &Identity) -> Result<Option<u64>> {
        let points = points(&prompt.record)
            .map_err(|e| e.at(&prompt.place))?
            .len();
        let mut found = Vec::with_capacity(points);
        while found.len() < points {
            match self.next()? {
                Some(entry) => found.push(entry),
                None if self.is_output() => {
                    return Err(Error::data(format!(
                        "{}: answers all prompts before {}, and no more: not the output of these prompts",
                        self.path.display(),
                        prompt.place
                    )));
                }
                None => return Ok(None),
            }
        }
        // What this prompt's predictions are with the answers that are there.
        let answers = found.iter().map(|entry| Answer {
            output: entry.record.output.clone(),
            logprob: entry.record.answer_logprob,
            margin: entry.record.margin,
            is_broken: false,
        });
        let expected = predictions(identity, &prompt.record, answers.collect())?;
        for (entry, mut expected) in found.iter().zip(expected) {
            if entry.record.prompt.is_none() {
                (expected.prompt, expected.inputs, expected.outputs) = (None, None, None);
            }
            if let Some(column) = first_difference(&entry.record, &expected) {
                return Err(Error::data(format!(
                    "{}: column {column:?} is not that of {}: these are not the prompts of the {} run, or not in its order",
                    entry.place,
                    prompt.place,
                    if self.is_output() {
                        "finished"
                    } else {
                        "interrupted"
                    },
                )));
            }
        }
        Ok(Some(points as u64))
    }
}

/// So many answers are kept in a file, for the user.
#[must_use]
pub fn kept_words(kept: u64, path: &Path) -> String {
    let (answers, are) = (
        counted(kept, "answer"),
        if kept == 1 { "is" } else { "are" },
    );
    format!("{answers} {are} kept in {}", path.display())
}

/// How many answers are kept in a file, for the user.
fn kept_in(path: &Path) -> String {
    let records = Reader::<Prediction>::open(&[path.to_owned()], false);
    let kept = records.map_or(0, |records| records.take_while(Result::is_ok).count());
    kept_words(kept as u64, path)
}

/// Opens a journal that nobody else writes, made where there is none.
fn open_locked(path: &Path) -> Result<File> {
    let wrong = |e| Error::file(path, e);
    loop {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::data(format!(
                    "{}: another process is writing it",
                    path.display()
                )));
            }
            Err(TryLockError::Error(e)) => return Err(wrong(e)),
        }
        // Between opening and locking, a process that was done may have removed it: what is written into a file without a
        // name is lost.
        let held = file.metadata().map_err(wrong)?;
        match fs::metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => return Ok(file),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(wrong(e)),
        }
    }
}

/// The length of a file up to its last line break.
fn whole_lines(mut file: &File) -> std::io::Result<u64> {
    const BLOCK: u64 = 1 << 16;
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(begin))?;
        block.clear();
        file.take(end - begin).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

/// Whether an earlier run asked the same of the same model.
fn check_settings(path: &Path, earlier: &Step, step: &Step) -> Result<()> {
    let differs = |name: &str, then: &str, now: &str| {
        Error::usage(format!(
            "--resume: {}, of a run with {name} {then}, this is {now}; ask the same, or remove that file",
            kept_in(path)
        ))
    };
    let models = [&earlier.model_sha256, &step.model_sha256].map(Option::as_ref);
    for (name, [then, now]) in [
        ("version", [Some(&earlier.version), Some(&step.version)]),
        ("model SHA-256", models),
    ] {
        if then != now {
            let text = |value: Option<&String>| value.map_or("none", String::as_str).to_owned();
            return Err(differs(name, &text(then), &text(now)));
        }
    }
    let names = earlier.settings.keys().chain(step.settings.keys());
    for name in names {
        let (then, now) = (earlier.settings.get(name), step.settings.get(name));
        if then != now {
            let text = |value: Option<&serde_json::Value>| {
                value.map_or_else(|| "none".to_owned(), ToString::to_string)
            };
            return Err(differs(name, &text(then), &text(now)));
        }
    }
    Ok(())
}
