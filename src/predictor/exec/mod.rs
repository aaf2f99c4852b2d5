/*!
Runs any engine as a child process. It reads requests as JSON lines on its standard input and writes answers on its
standard output, in any order. `docs/engines.md` describes the protocol; `scripts/engines/` holds engines.

There is a window of requests. Counted from the oldest unanswered request, at most `in_flight` requests are sent. So an
engine can form batches, and at most `in_flight` answers wait in memory for an earlier one.
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
use protocol::{Reply, Request};
use std::collections::hash_map::{Entry, HashMap};
use std::collections::{BTreeMap, VecDeque};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// How long to wait for the exit status of an engine that closed its output while answers are missing. Python closes
/// the output first, and torch takes seconds to end after that.
const EXIT_STATUS_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an engine may take to end after its last answer: unloading a model takes time.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// Settings of the exchange with an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Size of the window: the number of requests sent before the oldest of them is answered.
    pub in_flight: usize,
    /// How long an engine may be silent while requests are unanswered; none means for ever.
    pub timeout: Option<Duration>,
    /// Whether the engine may answer only with the two bit symbols.
    pub constrained: bool,
}

/// An engine that is started by a command line.
pub struct Exec {
    command: Vec<String>,
    settings: Settings,
    /// Whether the engine did not end at the end of its input and had to be stopped.
    pub ignored_end: bool,
}

impl Exec {
    /// An engine that is started by a command line. The line is split as a shell would split it, but no shell runs it.
    ///
    /// # Errors
    /// The command is empty, or a quote is not closed.
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

    /// The part of the command that can change answers: the words that the engine does not declare neutral, and the
    /// SHA-256 of those that name files.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn decisive(&self) -> Result<Facts> {
        command::decisive(&self.command)
    }
}

impl Predictor for Exec {
    fn answer_all(&mut self, jobs: &mut Jobs<'_>) -> Result<()> {
        // Without prompts, do not start the engine: it would load its model for nothing.
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
            answered: 0,
            heard: Instant::now(),
        };
        exchange.open(first)?;
        self.ignored_end = exchange.run(jobs)?;
        Ok(())
    }
}

/// Checks a fuzzed line of an engine. An odd first byte means constrained, an even one unconstrained.
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
    let asked = Request::new(0, &point, symbols, first % 2 == 1);
    if let Ok(Ok(answer)) = Reply::parse(line).map(|reply| asked.check(&reply)) {
        assert!(answer.output.chars().count() <= 4);
        assert!(answer.logprob.is_none_or(|p| p <= 0.0));
        assert!(answer.margin.is_none_or(|m| m >= 0.0));
    }
}

/// A prompt with unanswered requests.
struct OpenPrompt {
    job: Job,
    answers: Vec<Option<Answer>>,
}

/// An unanswered request, its prompt and its evaluation point.
struct Pending {
    prompt: u64,
    point: usize,
    request: Request,
}

/// One run of an engine.
struct Exchange<'a> {
    settings: &'a Settings,
    child: Child,
    /// Prompts with unanswered requests, by their number.
    open: HashMap<u64, OpenPrompt>,
    /// Number of prompts taken so far.
    taken: u64,
    /// Requests of the last prompt that did not fit into the window yet.
    unsent: VecDeque<Pending>,
    /// Requests sent but not answered, by id.
    asked: BTreeMap<u64, Pending>,
    /// Number of requests sent, which is also the id of the next one.
    sent: u64,
    /// Number of requests answered, which is also the number of right lines read.
    answered: u64,
    /// When the engine's silence began: at its last line, or when it got a request while it had none.
    heard: Instant,
}

impl Exchange<'_> {
    /// Answers all prompts. Returns whether the engine had to be stopped at the end.
    fn run(&mut self, jobs: &mut Jobs<'_>) -> Result<bool> {
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

    /// Sends one request. Returns `false` if there are no more.
    fn ask(&mut self, jobs: &mut Jobs<'_>) -> Result<bool> {
        if self.unsent.is_empty() {
            let Some(job) = jobs.next()? else {
                return Ok(false);
            };
            self.open(job)?;
        }
        let Some(pending) = self.unsent.pop_front() else {
            return Ok(true);
        };
        if self.asked.is_empty() {
            self.heard = Instant::now();
        }
        self.child.send(pending.request.line());
        self.asked.insert(self.sent, pending);
        self.sent += 1;
        Ok(true)
    }

    /// Turns a prompt into requests, one for each evaluation point.
    fn open(&mut self, job: Job) -> Result<()> {
        let prompt = &job.entry.record;
        let at = |e: Error| e.at(&job.entry.place);
        let points = points(prompt).map_err(at)?;
        let symbols = prompt.symbols();
        for (index, point) in points.iter().enumerate() {
            let id = self.sent + self.unsent.len() as u64;
            self.unsent.push_back(Pending {
                prompt: self.taken,
                point: index,
                request: Request::new(id, point, symbols, self.settings.constrained),
            });
        }
        let answers = vec![None; points.len()];
        self.open.insert(self.taken, OpenPrompt { job, answers });
        self.taken += 1;
        Ok(())
    }

    fn take_answer(&mut self, jobs: &mut Jobs<'_>) -> Result<()> {
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

    /// Processes a line from the engine.
    fn answer(&mut self, line: &[u8], jobs: &mut Jobs<'_>) -> Result<()> {
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
        let answer = (pending.request.check(&reply)).map_err(|e| self.wrong_line(e))?;
        self.answered += 1;
        if let Entry::Occupied(mut open) = self.open.entry(pending.prompt) {
            open.get_mut().answers[pending.point] = Some(answer);
            if open.get().answers.iter().all(Option::is_some) {
                let OpenPrompt { job, answers } = open.remove();
                jobs.done(job, answers.into_iter().flatten().collect())?;
            }
        }
        Ok(())
    }

    /// Waits until an engine that has answered everything ends. Returns whether it has to be stopped.
    fn finish(&mut self, jobs: &mut Jobs<'_>) -> Result<bool> {
        let deadline = self.deadline(SHUTDOWN_TIMEOUT);
        loop {
            match self.child.next(Some(deadline)) {
                // All requests are answered, so any further line is an error.
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

    /// The deadline: now plus `patience`, or plus the timeout of the settings if that is shorter.
    fn deadline(&self, patience: Duration) -> Instant {
        Instant::now() + self.settings.timeout.map_or(patience, |t| t.min(patience))
    }

    /// The error of an engine whose output ended while requests were unanswered.
    fn ended_early(&mut self) -> Error {
        let how = match self.child.ended(self.deadline(EXIT_STATUS_TIMEOUT)) {
            Some(status) => ended_with(status),
            None => "closed its output and went on".to_owned(),
        };
        self.failure(how)
    }

    fn wrong_line(&self, what: impl std::fmt::Display) -> Error {
        self.failure(format!("line {} of its output: {what}", self.answered + 1))
    }

    /// The error of a failed engine: what went wrong, and how many requests were answered.
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
