/*!
Any engine as a child process: requests as JSON lines on its standard input, answers on its standard output, in any
order. `docs/engines.md` is the protocol, `scripts/engines/` holds engines.

The window: a request is sent only while fewer than `in_flight` requests have been sent since the oldest one that is not
answered. Engines that batch have something to choose from, and no more answers than that ever wait for their turn.
*/

mod child;
mod command;
mod protocol;

pub use child::stop_engines;

use super::stream::{Job, Jobs};
use super::{Answer, Predictor, points};
use crate::error::{Error, Result, counted};
use crate::provenance::Facts;
use child::{Child, Event};
use protocol::{Expectation, Reply, Text};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// How long an engine that has closed its output may take to end, where answers are missing: for its status. Python
/// closes it first, and torch takes seconds after that.
const EXIT_STATUS_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an engine may take to end once it has answered everything: models take a while to unload.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// How an engine is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Requests that are sent before the first of them is answered.
    pub in_flight: usize,
    /// How long an engine may be silent while requests are unanswered; none: for ever.
    pub timeout: Option<Duration>,
    /// Whether only the two bit symbols are to compete.
    pub constrained: bool,
}

/// An engine behind a command line.
pub struct Exec {
    command: Vec<String>,
    settings: Settings,
    ignored_end: bool,
}

impl Exec {
    /// An engine behind a command line, which is split as a shell would split it and run without one.
    ///
    /// # Errors
    /// There is no command, or a quote is open.
    pub fn new(command: &str, settings: Settings) -> Result<Self> {
        let words = shell_words::split(command)
            .map_err(|e| Error::usage(format!("--model exec:{command}: {e}")))?;
        if words.is_empty() {
            return Err(Error::usage(
                "--model exec: expected a command, as 'exec:COMMAND ARGS'",
            ));
        }
        Ok(Self {
            command: words,
            settings,
            ignored_end: false,
        })
    }

    /// What decides its answers, as far as the command says it: its words, but for those that the engine declares neutral,
    /// and the SHA-256 of those that are files.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn decisive(&self) -> Result<Facts> {
        command::decisive(&self.command)
    }

    /// Whether the engine went on when its input was at its end, and had to be stopped.
    #[must_use]
    pub fn ignored_end(&self) -> bool {
        self.ignored_end
    }
}

impl Predictor for Exec {
    fn answer_all(&mut self, jobs: &mut dyn Jobs) -> Result<()> {
        // Where nothing is to be asked, no engine has to load its model.
        let Some(first) = jobs.next()? else {
            return Ok(());
        };
        let child = Child::start(&self.command)?;
        let mut exchange = Exchange {
            settings: &self.settings,
            child,
            open: HashMap::new(),
            taken: 0,
            unsent: VecDeque::new(),
            asked: BTreeMap::new(),
            sent: 0,
            lines: 0,
            answered: 0,
            heard: Instant::now(),
        };
        exchange.open(first)?;
        self.ignored_end = exchange.run(jobs)?;
        Ok(())
    }
}

/// What an engine's line, fuzzed, is held against: unconstrained (first byte even) or constrained.
#[cfg(fuzzing)]
pub fn fuzz_answer(bytes: &[u8]) {
    let Some((first, line)) = bytes.split_first() else {
        return;
    };
    let Ok(bits) = "0110".parse() else { return };
    let point = super::Point {
        shots: 0,
        inputs: &[],
        outputs: &[],
        query: bits,
        target: bits,
        prompt: "",
        start: 0,
        answer: "ACCA".to_owned(),
    };
    let symbols = crate::symbols::Symbols {
        zero: "A",
        one: "C",
        separator: None,
    };
    let asked = Expectation::new(&point, symbols, first % 2 == 1);
    if let Ok(Ok(answer)) = Reply::parse(line).map(|reply| asked.check(&reply)) {
        assert!(answer.output.chars().count() <= 4);
        assert!(answer.logprob.is_none_or(|p| p <= 0.0));
        assert!(answer.margin.is_none_or(|m| m >= 0.0));
    }
}

/// A prompt with requests that are not answered.
struct OpenPrompt {
    job: Job,
    answers: Vec<Option<Answer>>,
}

/// A request that is not answered: the prompt and the point that it asks about.
struct Pending {
    prompt: u64,
    point: usize,
    asked: Expectation,
}

/// One run of an engine.
struct Exchange<'a> {
    settings: &'a Settings,
    child: Child,
    /// Prompts with unanswered requests, by their number.
    open: HashMap<u64, OpenPrompt>,
    /// Prompts taken so far.
    taken: u64,
    /// Requests of the last prompt that the window has no room for.
    unsent: VecDeque<(Pending, Text)>,
    /// Requests sent and not answered, by id.
    asked: BTreeMap<u64, Pending>,
    /// Requests sent; the next one's id.
    sent: u64,
    /// Lines read.
    lines: u64,
    /// Requests answered.
    answered: u64,
    /// When the engine last said something, or had nothing to say something about.
    heard: Instant,
}

impl Exchange<'_> {
    /// Answers all prompts. Says whether the engine had to be stopped at the end.
    fn run(&mut self, jobs: &mut dyn Jobs) -> Result<bool> {
        let mut more = true;
        loop {
            while more && self.has_room() {
                more = self.ask(jobs)?;
            }
            if !more {
                self.child.close();
            }
            if self.asked.is_empty() {
                return self.finish(jobs);
            }
            self.take_answer(jobs)?;
        }
    }

    fn has_room(&self) -> bool {
        let oldest = self.asked.keys().next().copied().unwrap_or(self.sent);
        self.sent - oldest < self.settings.in_flight as u64
    }

    /// Sends one request; `false` where there are no more.
    fn ask(&mut self, jobs: &mut dyn Jobs) -> Result<bool> {
        if self.unsent.is_empty() {
            let Some(job) = jobs.next()? else {
                return Ok(false);
            };
            self.open(job)?;
        }
        let Some((pending, prompt)) = self.unsent.pop_front() else {
            return Ok(true);
        };
        if self.asked.is_empty() {
            self.heard = Instant::now();
        }
        self.child.send(pending.asked.line(self.sent, &prompt));
        self.asked.insert(self.sent, pending);
        self.sent += 1;
        Ok(true)
    }

    /// Turns a prompt into requests, one a point.
    fn open(&mut self, job: Job) -> Result<()> {
        let prompt = &job.entry.record;
        let at = |e: Error| e.at(&job.entry.place);
        let points = points(prompt).map_err(at)?;
        let symbols = prompt.symbols();
        for (index, point) in points.iter().enumerate() {
            let pending = Pending {
                prompt: self.taken,
                point: index,
                asked: Expectation::new(point, symbols, self.settings.constrained),
            };
            let text = Text::of(point.prompt, symbols);
            self.unsent.push_back((pending, text));
        }
        let answers = vec![None; points.len()];
        self.open.insert(self.taken, OpenPrompt { job, answers });
        self.taken += 1;
        Ok(())
    }

    fn take_answer(&mut self, jobs: &mut dyn Jobs) -> Result<()> {
        let deadline = self.settings.timeout.map(|t| self.heard + t);
        match self.child.next(deadline) {
            Event::Line(line) => self.answer(&line, jobs),
            Event::Unreadable(what) => Err(self.failure(what)),
            Event::End => Err(self.ended_early()),
            Event::Silence => {
                let seconds = self.settings.timeout.unwrap_or_default().as_secs_f64();
                Err(self.failure(format!(
                    "silent for {seconds} s with {} unanswered (--timeout); an engine that waits for more \
                     before it answers needs a larger --in-flight, one that does not flush its output never gets there",
                    counted(self.asked.len(), "request")
                )))
            }
        }
    }

    /// Takes a line from the engine.
    fn answer(&mut self, line: &[u8], jobs: &mut dyn Jobs) -> Result<()> {
        self.lines += 1;
        self.heard = Instant::now();
        let reply = Reply::parse(line).map_err(|e| self.wrong_line(e))?;
        let id = reply.id;
        let Some(pending) = self.asked.remove(&id) else {
            let what = if id < self.sent {
                "is answered twice"
            } else {
                "was never asked for"
            };
            return Err(self.wrong_line(format!("id {id} {what}")));
        };
        let answer = pending
            .asked
            .check(&reply)
            .map_err(|e| self.wrong_line(e))?;
        self.answered += 1;
        let Some(open) = self.open.get_mut(&pending.prompt) else {
            return Ok(());
        };
        open.answers[pending.point] = Some(answer);
        if open.answers.iter().all(Option::is_some)
            && let Some(OpenPrompt { job, answers }) = self.open.remove(&pending.prompt)
        {
            jobs.done(job, answers.into_iter().flatten().collect())?;
        }
        Ok(())
    }

    /// Waits for the end of an engine that has answered everything. Says whether it had to be stopped.
    fn finish(&mut self, jobs: &mut dyn Jobs) -> Result<bool> {
        let deadline = self.deadline(SHUTDOWN_TIMEOUT);
        loop {
            match self.child.next(Some(deadline)) {
                // Nothing is unanswered: an error, one way or another.
                Event::Line(line) => self.answer(&line, jobs)?,
                Event::Unreadable(what) => return Err(self.failure(what)),
                Event::Silence => return Ok(true),
                Event::End => {
                    return match self.child.ended(deadline) {
                        Some(status) if status.success() => Ok(false),
                        Some(status) => Err(self.failure(ended_with(status))),
                        None => Ok(true),
                    };
                }
            }
        }
    }

    /// When it is given up: after this long, or the time that it may be silent, if that is less.
    fn deadline(&self, patience: Duration) -> Instant {
        Instant::now() + self.settings.timeout.map_or(patience, |t| t.min(patience))
    }

    /// Its output ended with requests unanswered: why?
    fn ended_early(&mut self) -> Error {
        let how = match self.child.ended(self.deadline(EXIT_STATUS_TIMEOUT)) {
            Some(status) => ended_with(status),
            None => "closed its output and went on".to_owned(),
        };
        self.failure(how)
    }

    fn wrong_line(&self, what: impl std::fmt::Display) -> Error {
        self.failure(format!("line {} of its output: {what}", self.lines))
    }

    /// The engine failed: what it did, and how far it was.
    fn failure(&self, what: impl std::fmt::Display) -> Error {
        Error::model(format!(
            "the engine: {what} ({} of {} requests were answered)",
            self.answered, self.sent
        ))
    }
}

fn ended_with(status: ExitStatus) -> String {
    format!("it ended with {status}")
}
