/*!
What is finished stays finished: `OUT.partial` holds the predictions of a run as JSON lines, in the order of the prompts,
each prompt's written and handed to the operating system at once.

Its first line is the provenance, whose last step says what was asked of which model. A run that goes on has to ask the
same; it reads the journal beside the prompts, drops what is torn at the end (half a line, or some of the points of a
nested prompt), and appends. At the end the journal becomes the output, in the output's format.
*/

use super::{Point, points};
use crate::error::{Error, Result};
use crate::record::provenance::{Chain, Step};
use crate::record::{Entry, Extra, Format, Prediction, Prompt, Reader, Writer};
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
    /// Predictions in the file, earlier ones included as they are read.
    kept: u64,
    synced: Instant,
}

/// The predictions of an earlier run, read beside the prompts.
struct Earlier {
    records: Reader<Prediction>,
    /// The same lines, for their lengths.
    lines: BufReader<File>,
    /// Where the lines read so far end.
    end: u64,
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
            Earlier::open(&path, step)?
        } else {
            None
        };
        let chain = Chain::default().with(step.clone());
        let again = file.try_clone().map_err(wrong)?;
        let place = path.display().to_string();
        let mut writer = Writer::new(BufWriter::new(again), &place, Format::Jsonl, skip, &chain)?;
        if whole == 0 {
            writer.write_provenance(&chain)?;
            writer.flush()?;
        }
        Ok(Self {
            path,
            writer,
            file,
            earlier,
            kept: 0,
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
        self.kept == 0 && self.earlier.is_none()
    }

    /// The predictions of this prompt, if an earlier run finished it. Prompts have to come in that run's order.
    ///
    /// # Errors
    /// The journal answers other prompts, or is damaged.
    pub fn finished(&mut self, prompt: &Entry<Prompt>) -> Result<Option<Vec<Prediction>>> {
        let Some(earlier) = &mut self.earlier else {
            return Ok(None);
        };
        let begin = earlier.end;
        let points = points(&prompt.record).map_err(|e| e.at(&prompt.place))?;
        let mut predictions = Vec::with_capacity(points.len());
        for point in &points {
            let Some(entry) = earlier.next(&self.path)? else {
                // Some of its points are not a finished prompt.
                self.file
                    .set_len(begin)
                    .map_err(|e| Error::file(&self.path, e))?;
                self.earlier = None;
                return Ok(None);
            };
            if !answers(&entry.record, &prompt.record, point) {
                return Err(Error::data(format!(
                    "{}: answers {:?}, but the prompt at {} is {:?}: these are not the prompts of the interrupted run, \
                     or not in its order",
                    entry.place, entry.record.trial_id, prompt.place, prompt.record.trial.trial_id
                )));
            }
            predictions.push(entry.record);
        }
        self.kept += predictions.len() as u64;
        Ok(Some(predictions))
    }

    /// Adds the predictions of one prompt. When this returns, the operating system has them.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append(&mut self, predictions: &[Prediction], extra: &Extra) -> Result<()> {
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
    /// Prompts that the earlier run finished have not come; those of `each`.
    pub fn read_back(
        &mut self,
        types: Option<&Extra>,
        mut each: impl FnMut(&Prediction, &Extra) -> Result<()>,
    ) -> Result<()> {
        if let Some(earlier) = &mut self.earlier
            && let Some(entry) = earlier.next(&self.path)?
        {
            return Err(Error::data(format!(
                "{}: answers {:?}, for which there is no prompt any more",
                entry.place, entry.record.trial_id
            )));
        }
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
    fn open(path: &Path, step: &Step) -> Result<Option<Self>> {
        let wrong = |e| Error::file(path, e);
        let mut lines = BufReader::new(File::open(path).map_err(wrong)?);
        let mut first = String::new();
        let end = lines.read_line(&mut first).map_err(wrong)? as u64;
        check_settings(path, &first, step)?;
        if end == lines.get_ref().metadata().map_err(wrong)?.len() {
            return Ok(None);
        }
        Ok(Some(Self {
            records: Reader::open(std::slice::from_ref(&path.to_owned()), true)?,
            lines,
            end,
        }))
    }

    fn next(&mut self, path: &Path) -> Result<Option<Entry<Prediction>>> {
        let entry = self.records.read()?;
        if entry.is_some() {
            let length = self
                .lines
                .skip_until(b'\n')
                .map_err(|e| Error::file(path, e))?;
            self.end += length as u64;
        }
        Ok(entry)
    }
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

/// Whether a journal's first line says that the same was asked of the same model.
fn check_settings(path: &Path, first: &str, step: &Step) -> Result<()> {
    #[derive(serde::Deserialize)]
    struct First {
        provenance: Vec<Step>,
    }
    let earlier = serde_json::from_str::<First>(first)
        .ok()
        .and_then(|line| line.provenance.into_iter().next_back())
        .ok_or_else(|| {
            Error::data(format!(
                "{}:1: not the journal of an infer run",
                path.display()
            ))
        })?;
    let differs = |name: &str, then: &str, now: &str| {
        Error::usage(format!(
            "--resume: {} was begun with {name} {then}, this is {now}; ask the same, or remove it",
            path.display()
        ))
    };
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    for (name, then, now) in [
        ("version", Some(earlier.version), Some(step.version.clone())),
        (
            "model SHA-256",
            earlier.model_sha256,
            step.model_sha256.clone(),
        ),
    ] {
        if then != now {
            return Err(differs(name, &or_none(&then), &or_none(&now)));
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

/// Whether a prediction is the answer to this point of this prompt.
fn answers(prediction: &Prediction, prompt: &Prompt, point: &Point<'_>) -> bool {
    let id = prediction
        .sequence_id
        .as_ref()
        .unwrap_or(&prediction.trial_id);
    *id == prompt.trial.trial_id
        && prediction.shots == point.shots
        && prediction.query == point.query
        && prediction.target == point.target
        && prediction.zero == prompt.zero
        && prediction.one == prompt.one
        && prediction.template == prompt.template
        && prediction
            .prompt
            .as_ref()
            .is_none_or(|text| text == point.prompt)
}
