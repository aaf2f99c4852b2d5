/*!
An engine's process and its pipes. Each pipe has its own thread, so that the engine and `infer` never block each other.

The process leads a process group, so that its own child processes end with it.
*/

use super::protocol::shortened;
use crate::error::{Error, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{self, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The longest accepted line, in bytes. Real answers are shorter.
const LONGEST_LINE: u64 = 1 << 20;

/// Number of unread lines after which the engine has to wait.
const WAITING_LINES: usize = 1024;

/// How long an engine may take to end after a signal.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a waiting thread checks whether the process still runs.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The running engines, which the signal handler ends. A process is reaped only under this lock, so that each number
/// in the list always means our engine and never a new process that got the same number.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<Pid>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends all engines of this process. Call it only right before the process exits: it keeps the lock of the list, so
/// that threads which wait for an engine never continue.
pub fn stop_engines() {
    let engines = running();
    for &pid in engines.iter() {
        let _ = kill_process_group(pid, Signal::TERM);
    }
    let patience = Instant::now() + KILL_TIMEOUT;
    while engines.iter().any(|&pid| !has_ended(pid)) && Instant::now() < patience {
        thread::sleep(POLL_INTERVAL);
    }
    for &pid in engines.iter() {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    // Keep the lock for ever: otherwise another thread would report the end of an engine as an error.
    std::mem::forget(engines);
}

/// Whether a child has ended. Does not reap it.
fn has_ended(pid: Pid) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // An error means that there is no such child: it has ended, too.
    !matches!(waitid(WaitId::Pid(pid), look), Ok(None))
}

/// An event from an engine's output.
#[derive(Debug)]
pub(super) enum Event {
    /// A line, without its line break.
    Line(Vec<u8>),
    /// The output has no line breaks or cannot be read; the text says why.
    Unreadable(String),
    /// The output is closed.
    End,
    /// Nothing came before the deadline.
    Silence,
}

/// A running engine.
pub(super) struct Child {
    process: process::Child,
    pid: Pid,
    /// Lines for the engine's standard input, which closes when this is dropped.
    requests: Option<Sender<Vec<u8>>>,
    events: Receiver<Event>,
    /// The exit status, once the process has ended.
    status: Option<ExitStatus>,
}

impl Child {
    /// Starts a program with its arguments. `command` must not be empty.
    pub(super) fn start(command: &[String]) -> Result<Self> {
        let (program, arguments) = (&command[0], &command[1..]);
        let cannot = |e: io::Error| Error::model(format!("cannot start {program:?}: {e}"));
        let mut engines = running();
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        let pid = Pid::from_child(&process);
        engines.push(pid);
        drop(engines);
        let (requests, lines) = channel::<Vec<u8>>();
        let (sender, events) = sync_channel(WAITING_LINES);
        if let (Some(mut input), Some(output)) = (process.stdin.take(), process.stdout.take()) {
            // Until there are no more, or until the engine stops reading.
            thread::spawn(move || lines.iter().try_for_each(|line| input.write_all(&line)));
            thread::spawn(move || read(output, &sender));
        }
        Ok(Self {
            process,
            pid,
            requests: Some(requests),
            events,
            status: None,
        })
    }

    /// Queues a line to be written. Reports no error: an engine that stops reading will be noticed by missing answers.
    pub(super) fn send(&self, line: Vec<u8>) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(line);
        }
    }

    /// Closes the engine's standard input, once everything is written.
    pub(super) fn close(&mut self) {
        self.requests = None;
    }

    /// Waits for the next event. Returns [`Event::Silence`] if none comes before `deadline`.
    pub(super) fn next(&mut self, deadline: Option<Instant>) -> Event {
        loop {
            let left = deadline.map_or(POLL_INTERVAL, |d| {
                d.saturating_duration_since(Instant::now())
            });
            match self.events.recv_timeout(left.min(POLL_INTERVAL)) {
                Ok(event) => return event,
                Err(RecvTimeoutError::Disconnected) => return Event::End,
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Event::Silence,
                // If the engine has ended, this also ends its children, which may still hold its output open.
                Err(RecvTimeoutError::Timeout) => {
                    self.reap();
                }
            }
        }
    }

    /// The exit status; none if the process does not end by itself before `deadline`.
    pub(super) fn ended(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            let status = self.reap();
            if status.is_some() || Instant::now() >= deadline {
                return status;
            }
            thread::sleep(POLL_INTERVAL.min(deadline.saturating_duration_since(Instant::now())));
        }
    }

    /// Ends the process: first with SIGTERM, then with SIGKILL.
    pub(super) fn stop(&mut self) {
        if self.status.is_some() {
            return;
        }
        let _ = kill_process_group(self.pid, Signal::TERM);
        if self.ended(Instant::now() + KILL_TIMEOUT).is_none() {
            let _ = kill_process_group(self.pid, Signal::KILL);
            self.ended(Instant::now() + KILL_TIMEOUT);
        }
    }

    /// If the process has ended: ends its process group, reaps it and returns its status.
    fn reap(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            let mut engines = running();
            if has_ended(self.pid) {
                let _ = kill_process_group(self.pid, Signal::KILL);
                self.status = self.process.wait().ok();
                engines.retain(|&pid| pid != self.pid);
            }
        }
        self.status
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads lines until the end of the output, or until the receiver is gone.
fn read(output: ChildStdout, events: &SyncSender<Event>) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        let event = match output
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
        {
            Ok(0) => Event::End,
            Ok(_) if line.ends_with(b"\n") => {
                line.pop();
                Event::Line(line)
            }
            Ok(n) if n as u64 == LONGEST_LINE => Event::Unreadable(format!(
                "a line of its output does not end: {}",
                shortened(&String::from_utf8_lossy(&line))
            )),
            Ok(_) => Event::Line(line),
            Err(e) => Event::Unreadable(format!("its output cannot be read: {e}")),
        };
        let last = !matches!(event, Event::Line(_));
        if events.send(event).is_err() || last {
            return;
        }
    }
}
