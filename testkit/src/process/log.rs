//! What a process printed, and how it ended.

use std::fmt;
use std::io::Read;
use std::process::ExitStatus;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most that is kept of each output; beyond it the older half goes.
const KEPT: usize = 16 << 20;

/// How long an output may stay open after the end of the process: a child can hold it.
const LINGER: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Out,
    Err,
}

#[derive(Default)]
pub(super) struct Log {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    out: Output,
    err: Output,
    exit: Option<ExitStatus>,
    changes: u64,
}

#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    closed: bool,
}

impl Output {
    /// The complete lines, and the last one too once nothing can be added to it.
    fn lines(&self) -> impl Iterator<Item = String> {
        let complete = if self.closed {
            self.bytes.len()
        } else {
            self.bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1)
        };
        let bytes = self.bytes.get(..complete).unwrap_or_default();
        bytes.split(|&byte| byte == b'\n').map(|line| String::from_utf8_lossy(line).trim_end_matches('\r').to_owned())
    }
}

impl State {
    fn output(&mut self, side: Side) -> &mut Output {
        match side {
            Side::Out => &mut self.out,
            Side::Err => &mut self.err,
        }
    }

    fn all_closed(&self) -> bool {
        self.out.closed && self.err.closed
    }
}

impl Log {
    /// Copies from a pipe until its end.
    pub(super) fn copy(&self, side: Side, mut pipe: impl Read) {
        let mut piece = [0; 16 * 1024];
        loop {
            let read = match pipe.read(&mut piece) {
                Ok(length) => piece.get(..length).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => &[],
            };
            self.change(|state| {
                let output = state.output(side);
                output.closed = read.is_empty();
                output.bytes.extend_from_slice(read);
                if output.bytes.len() > KEPT {
                    output.bytes.drain(..KEPT / 2);
                }
            });
            if read.is_empty() {
                return;
            }
        }
    }

    pub(super) fn ended(&self, status: ExitStatus) {
        self.change(|state| state.exit = Some(status));
    }

    pub(super) fn exit(&self) -> Option<ExitStatus> {
        self.lock().exit
    }

    pub(super) fn text(&self, side: Side) -> String {
        String::from_utf8_lossy(&self.lock().output(side).bytes).into_owned()
    }

    /// The last lines of both outputs.
    pub(super) fn tail(&self) -> String {
        let state = self.lock();
        let mut text = String::new();
        for output in [&state.out, &state.err] {
            let from = output.bytes.len().saturating_sub(4096);
            let end = output.bytes.get(from..).unwrap_or_default();
            text.push_str(&String::from_utf8_lossy(end));
        }
        text
    }

    /// Waits for a line in which `find` finds something; `None` when that cannot happen any more.
    pub(super) fn find_line<T>(&self, mut find: impl FnMut(&str) -> Option<T>, deadline: Instant) -> Option<T> {
        let mut state = self.lock();
        loop {
            let lines = state.out.lines().chain(state.err.lines());
            if let Some(found) = lines.map(|line| find(&line)).find(Option::is_some) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.all_closed() || left.is_zero() {
                return None;
            }
            state = self.wait(state, left);
        }
    }

    /// Waits for the end of the process and then of its outputs.
    pub(super) fn wait_exit(&self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        while state.exit.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.wait(state, left);
        }
        let deadline = Instant::now() + LINGER;
        while !state.all_closed() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.wait(state, left);
        }
        state.exit
    }

    /// Waits for any change, or for so long.
    pub(super) fn wait_change(&self, patience: Duration) {
        let state = self.lock();
        let seen = state.changes;
        let (state, _) = self
            .changed
            .wait_timeout_while(state, patience, |state| state.changes == seen)
            .unwrap_or_else(PoisonError::into_inner);
        drop(state);
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, left: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        state.changes += 1;
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("tail", &self.tail()).field("exit", &self.exit()).finish()
    }
}
