/*!
The journal `OUT.partial` keeps finished predictions when a run is interrupted. It holds the run's predictions as JSON
lines, in the order of the prompts. As soon as a prompt is answered, its predictions go to the operating system.

The first line is the provenance; its last step holds the model and the settings. A resumed run must have the same model
and settings. It reads the journal in parallel with the prompts, and drops an incomplete end (half a line, or only some
points of a nested prompt). Then it adds its own provenance and appends. At the end, the journal becomes the output, in
the output's format. If there is an output but no journal, the output is read instead and must answer all prompts.
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

/// The time between syncs to disk. A power cut loses at most the answers of this time; a crash of the program, none.
const SYNC: Duration = Duration::from_secs(1);

/// The journal of a run.
pub struct Journal {
    path: PathBuf,
    writer: Writer<BufWriter<File>, Prediction>,
    /// The same file, to sync, lock and truncate it, which the writer cannot do.
    file: File,
    /// The predictions of an earlier run that are still to be read.
    earlier: Option<Earlier>,
    /// The earlier runs whose predictions are in the file; empty if this is the first run.
    runs: Chain,
    /// The provenance line that this run writes before its first predictions, if it appends to those of earlier runs.
    own: Option<Chain>,
    /// Number of predictions in the file. Those of earlier runs count once they are read.
    kept: u64,
    /// Whether the predictions of an earlier run do not fit this run's prompts.
    is_refused: bool,
    synced: Instant,
}

/// The predictions of an earlier run, read in parallel with the prompts.
struct Earlier {
    path: PathBuf,
    records: Reader<Prediction>,
    /// The same lines, read again to know their byte offsets; none if a finished output is read.
    lines: Option<BufReader<File>>,
}

impl Journal {
    /// The path of an output's journal: `OUT.partial`.
    #[must_use]
    pub fn path_of(output: &Path) -> PathBuf {
        let mut name = output.as_os_str().to_owned();
        name.push(".partial");
        name.into()
    }

    /// Begins the journal of `output`, or continues an existing one with `resume`. `step` holds the model and settings.
    ///
    /// # Errors
    /// Another process writes the journal; without `resume`, it exists already; with it, its model or settings differ.
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
        // Half a line may follow the last line break: cut it off.
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

    /// Number of predictions in the journal.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// Whether no prediction is lost if the journal is removed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.earlier {
            Some(earlier) => earlier.is_output(),
            None => self.kept == 0,
        }
    }

    /// If an earlier run's answers do not fit this run's prompts: how many answers it has, and which file has them.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        let earlier = self.earlier.as_ref().filter(|_| self.is_refused)?;
        Some(kept_in(&earlier.path))
    }

    /// The earlier runs whose answers this run keeps. Empty until all earlier answers are read.
    #[must_use]
    pub fn runs(&self) -> &[Step] {
        self.runs.steps()
    }

    /// Whether an earlier run answered this prompt completely. Prompts must come in that run's order.
    ///
    /// # Errors
    /// The earlier run answers other prompts, or its file is damaged.
    pub fn finished(&mut self, prompt: &Entry<Prompt>, identity: &Identity) -> Result<bool> {
        let Some(earlier) = &mut self.earlier else {
            return Ok(false);
        };
        let begin = earlier.position()?;
        let finished = earlier.answers(prompt, identity);
        self.is_refused = finished.is_err();
        if let Some(answers) = finished? {
            // Answers in a finished output are not in the journal: do not count them.
            self.kept += if earlier.is_output() { 0 } else { answers };
            return Ok(true);
        }
        // The end of the journal may hold some points of this prompt, but not all: cut them off.
        self.file
            .set_len(begin)
            .map_err(|e| Error::file(&self.path, e))?;
        self.runs = earlier.records.provenance();
        self.earlier = None;
        Ok(false)
    }

    /// Whether a finished output existed and answers all prompts. Call it after the last prompt.
    ///
    /// # Errors
    /// The output answers more prompts than there are.
    pub fn is_complete(&mut self) -> Result<bool> {
        self.end_earlier()?;
        Ok(self.earlier.as_ref().is_some_and(Earlier::is_output))
    }

    /// Checks after the last prompt that no earlier answers are left.
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

    /// Appends the predictions of one prompt and hands them to the operating system before it returns.
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

    /// Passes every prediction of the journal to `each`, in order. `types` gives the Arrow types of the unknown
    /// columns, because JSON lines do not store types.
    ///
    /// # Errors
    /// Those of `each`; a damaged journal.
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

    /// Removes the journal, once it is not needed any more.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|e| Error::file(&self.path, e))
    }
}

impl Earlier {
    /// The predictions in a journal; none if it holds only the provenance line.
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

    /// The predictions in a finished output.
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

    /// The byte offset where the lines read so far end.
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
            // Each run's provenance line stands before the predictions that it added: skip it.
            while line.starts_with(b"{\"provenance\"") {
                line.clear();
                lines
                    .read_until(b'\n', &mut line)
                    .map_err(|e| Error::file(&self.path, e))?;
            }
        }
        Ok(entry)
    }

    /// The number of answers to a prompt, one for each of its points; none if some are missing.
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
        // Predictions of this prompt with the stored answers: they must equal the stored predictions.
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

/// The message "N answers are kept in PATH".
#[must_use]
pub fn kept_words(kept: u64, path: &Path) -> String {
    let are = if kept == 1 { "is" } else { "are" };
    let answers = counted(kept, "answer");
    format!("{answers} {are} kept in {}", path.display())
}

/// Counts the answers in a file, and says so as [`kept_words`] does.
fn kept_in(path: &Path) -> String {
    let records = Reader::<Prediction>::open(&[path.to_owned()], false);
    let kept = records.map_or(0, |records| records.take_while(Result::is_ok).count());
    kept_words(kept as u64, path)
}

/// Opens and locks a journal; creates it if it does not exist.
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
        // Between opening and locking, another process may have removed the file. Data written into a removed file is
        // lost, so check that the path still names this file.
        let held = file.metadata().map_err(wrong)?;
        match fs::metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => return Ok(file),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(wrong(e)),
        }
    }
}

/// The length of a file up to and including its last line break, in bytes.
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

/// Checks that an earlier run had the same version, model and settings.
fn check_settings(path: &Path, earlier: &Step, step: &Step) -> Result<()> {
    let value = |step: &Step, name: &str| match name {
        "version" => Some(step.version.clone()),
        "model SHA-256" => step.model_sha256.clone(),
        setting => step.settings.get(setting).map(ToString::to_string),
    };
    let settings = earlier.settings.keys().chain(step.settings.keys());
    for name in (["version", "model SHA-256"].into_iter()).chain(settings.map(String::as_str)) {
        let [then, now] =
            [earlier, step].map(|step| value(step, name).unwrap_or_else(|| "none".to_owned()));
        if then != now {
            return Err(Error::usage(format!(
                "--resume: {}, of a run with {name} {then}, this is {now}; ask the same, or remove that file",
                kept_in(path)
            )));
        }
    }
    Ok(())
}
