//! The control thread: the steps of a stop, in order, and the freeing of retired snapshots.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::access_log::LogThread;
use crate::limits::RETIRE_CHECK;
use crate::snapshot::Snapshot;
use crate::worker::{Shared, Stage};

/// How a stop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drained {
    /// Every request under way was answered.
    Whole,
    /// The drain time passed first; that many connections were cut.
    Cut {
        /// Connections that still were open.
        connections: usize,
    },
}

/// What the control thread is told.
#[derive(Debug)]
pub(crate) enum Event {
    Stop,
    Cut,
    Retired(Arc<Snapshot>),
    /// A worker thread has ended.
    WorkerEnded,
}

/// The control thread.
pub(crate) struct Control {
    shared: Arc<Shared>,
    inbox: Receiver<Event>,
    /// Snapshots that were replaced and that a worker may still be using.
    retired: Vec<Arc<Snapshot>>,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>, inbox: Receiver<Event>) -> Self {
        Control { shared, inbox, retired: Vec::new() }
    }

    /// Runs until every worker has ended.
    pub(crate) fn run(mut self, threads: Vec<JoinHandle<()>>, log: LogThread) -> Drained {
        let drained = self.drain(threads.len());
        for thread in threads {
            // A worker's tasks catch their panics; a worker that panicked all the same is over.
            let _ = thread.join();
        }
        log.finish();
        drained
    }

    /// Serves until a stop is complete: the steps of it, in order.
    fn drain(&mut self, workers: usize) -> Drained {
        let mut running = workers;
        // The stage is Running, and stays so until somebody stops the proxy.
        if !self.wait_until(None, &mut running, true) {
            return self.cut();
        }
        let times = self.shared.live.load().server().timeouts;
        let began = Instant::now();
        self.shared.stage.send_replace(Stage::Leaving);
        if !self.wait_until(Some(began + times.drain_grace), &mut running, false) {
            return self.cut();
        }
        self.shared.stage.send_replace(Stage::Closing);
        let end = began + times.drain_grace + times.drain;
        if !self.wait_until(Some(end), &mut running, false) || running > 0 {
            return self.cut();
        }
        Drained::Whole
    }

    fn cut(&self) -> Drained {
        let connections = self.shared.capacity.open();
        self.shared.stage.send_replace(Stage::Cut);
        Drained::Cut { connections }
    }

    /// Handles events until the deadline, until no worker runs, or, when `stop_ends` it, until a
    /// stop. False when everything is to be cut at once.
    fn wait_until(&mut self, deadline: Option<Instant>, running: &mut usize, stop_ends: bool) -> bool {
        while *running > 0 {
            let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            let event = match (left, self.retired.is_empty()) {
                (None, true) => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                (left, _) => self.inbox.recv_timeout(left.unwrap_or(RETIRE_CHECK).min(RETIRE_CHECK)),
            };
            match event {
                Ok(Event::Stop) if stop_ends => return true,
                Ok(Event::Stop) => {}
                Ok(Event::Cut) | Err(RecvTimeoutError::Disconnected) => return false,
                Ok(Event::Retired(snapshot)) => self.retired.push(snapshot),
                Ok(Event::WorkerEnded) => *running -= 1,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
        }
        true
    }
}
