//! The health of one instance, as requests read it and as checks and requests change it.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU16};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::sync::Notify;
use warpdrive_core::health::{ActiveHealth, Change, CheckResult, Evidence, PassiveHealth, Thresholds, Verdict, share};
use warpdrive_core::model::{HealthCheck, HealthSettings};

use super::connect::ConnectError;
use super::told::Told;
use crate::errno::is_one_of;

/// Values of the gate. From `OPEN` on an instance is available, with `gate - OPEN` thousandths of
/// its requests.
const DOWN: u16 = 0;
const EJECTED: u16 = 1;
const OPEN: u16 = 2;
const THOUSAND: u16 = 1000;

/// Whether an instance gets requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HealthState {
    /// It gets requests.
    Up,
    /// Its health check failed so often in a row that it gets none.
    Down,
    /// So many connections in a row could not be made that it gets requests only where no other
    /// instance can, until it answers a trial.
    Ejected,
}

/// The health of one instance, for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthReport {
    /// Whether it gets requests.
    pub state: HealthState,
    /// How long it has been in that state.
    pub since: Duration,
    /// Thousandths of its requests that it gets: less than 1000 while it starts slowly, 0 while it
    /// is not up.
    pub share: u16,
    /// Checks in a row that failed.
    pub failures: u32,
    /// Checks in a row that passed.
    pub successes: u32,
    /// Requests in a row that failed without a response.
    pub request_failures: u32,
    /// What the last failed check, connection or trial said, also when all is well since.
    pub last_error: Option<String>,
}

/// The health of one instance, shared by all workers and the health thread.
#[derive(Debug)]
pub(crate) struct Health {
    /// All that a request reads.
    gate: AtomicU16,
    /// Requests have failed since the last one that did not.
    is_suspect: AtomicBool,
    record: Mutex<Record>,
    /// A trial or a question may be due.
    pub(crate) evidence: Notify,
    /// The instance has become available.
    pub(crate) opened: Notify,
}

/// Taken for a moment at a check, a failure, or the first success after one; never by a request
/// that goes well.
#[derive(Debug)]
struct Record {
    active: ActiveHealth,
    passive: PassiveHealth,
    settings: Arc<HealthSettings>,
    /// What the latest failure of a request was.
    cause: Evidence,
    /// A question is to be asked.
    is_asked: bool,
    /// The beginning of the time that the state machines count.
    origin: Instant,
    state: HealthState,
    since: Instant,
    /// When it became available; `None` while it has been so from the start.
    opened: Option<Instant>,
    last_error: Option<String>,
}

/// What to ask an instance that requests have failed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Whether it takes connections.
    Connects,
    /// Whether it answers anything.
    Answers,
}

impl Default for Health {
    fn default() -> Self {
        let now = Instant::now();
        Health {
            gate: AtomicU16::new(OPEN + THOUSAND),
            is_suspect: AtomicBool::new(false),
            record: Mutex::new(Record {
                active: ActiveHealth::default(),
                passive: PassiveHealth::default(),
                settings: Arc::default(),
                cause: Evidence::NoConnection,
                is_asked: false,
                origin: now,
                state: HealthState::Up,
                since: now,
                opened: None,
                last_error: None,
            }),
            evidence: Notify::new(),
            opened: Notify::new(),
        }
    }
}

impl Health {
    /// Whether it gets requests. One relaxed load.
    pub(crate) fn is_available(&self) -> bool {
        self.gate.load(Relaxed) >= OPEN
    }

    /// Whether checks have taken it out. One relaxed load.
    pub(crate) fn is_down(&self) -> bool {
        self.gate.load(Relaxed) == DOWN
    }

    /// Whether a request may go to it that draws this number for it. One relaxed load, and a number
    /// only while it starts slowly.
    pub(crate) fn takes(&self, chance: impl FnOnce() -> u64) -> bool {
        match self.gate.load(Relaxed).checked_sub(OPEN) {
            Some(THOUSAND..) => true,
            Some(share) => chance() % u64::from(THOUSAND) < u64::from(share),
            None => false,
        }
    }

    /// A request got a response. One relaxed load, unless requests have failed before.
    pub(crate) fn request_succeeded(&self) {
        if self.is_suspect.load(Relaxed) {
            self.is_suspect.store(false, Relaxed);
            self.lock().passive.succeeded();
        }
    }

    /// No connection could be made for a request. What this machine has run out of is no fault of
    /// the instance.
    pub(crate) fn request_refused(&self, error: &ConnectError) -> Option<Told> {
        if let ConnectError::Refused(error) = error
            && is_own_want(error)
        {
            return None;
        }
        self.request_failed(Evidence::NoConnection, error.to_string())
    }

    /// A connection made for a request ended before the first byte of a response.
    pub(crate) fn request_closed(&self) -> Option<Told> {
        self.request_failed(Evidence::Closed, "the connection was closed without a response".to_owned())
    }

    fn request_failed(&self, evidence: Evidence, error: String) -> Option<Told> {
        self.is_suspect.store(true, Relaxed);
        let mut record = self.lock();
        record.cause = evidence;
        let (now, passive) = (record.origin.elapsed(), record.settings.passive);
        let told = match record.passive.failed(evidence, now, &passive) {
            Some(Verdict::Ask) => {
                record.is_asked = true;
                self.evidence.notify_one();
                None
            }
            Some(Verdict::Ejected { until }) => {
                self.evidence.notify_one();
                Some(Told::Ejected { for_secs: (until - now).as_secs_f64(), error: error.clone() })
            }
            Some(Verdict::Readmitted) | None => None,
        };
        record.last_error = Some(error);
        self.settle(&mut record);
        told
    }

    /// The result of one check, with the words for what was wrong.
    pub(crate) fn checked(&self, result: CheckResult, error: Option<String>) -> Option<Told> {
        let mut record = self.lock();
        let check = record.settings.check.as_ref();
        let thresholds = check.map_or(Thresholds { unhealthy: 1, healthy: 1 }, |check| Thresholds {
            unhealthy: check.unhealthy_threshold,
            healthy: check.healthy_threshold,
        });
        let change = record.active.record(result, thresholds);
        if error.is_some() {
            record.last_error.clone_from(&error);
        }
        self.settle(&mut record);
        let error = error.unwrap_or_default();
        Some(match change? {
            Change::Down => Told::Down { failures: record.active.failures(), error },
            Change::Up => Told::Up { successes: record.active.successes() },
            Change::Doubtful => Told::Doubtful { answer: error },
        })
    }

    /// What is to be asked now, else how long until then; neither while nothing is in doubt.
    pub(crate) fn question(&self) -> Result<Question, Option<Duration>> {
        let mut record = self.lock();
        let question = match record.cause {
            Evidence::NoConnection => Question::Connects,
            Evidence::Closed => Question::Answers,
        };
        if std::mem::take(&mut record.is_asked) {
            return Ok(question);
        }
        let now = record.origin.elapsed();
        match record.passive.trial_at() {
            Some(at) if at <= now => Ok(question),
            at => Err(at.map(|at| at - now)),
        }
    }

    /// How a question was answered.
    pub(crate) fn tried(&self, answer: Result<(), String>) -> Option<Told> {
        let mut record = self.lock();
        let (now, passive) = (record.origin.elapsed(), record.settings.passive);
        let was_ejected = record.passive.is_ejected();
        let verdict = record.passive.tried(answer.is_ok(), now, &passive);
        let told = match (verdict, &answer) {
            (Some(Verdict::Ejected { until }), Err(error)) if !was_ejected => {
                Some(Told::Ejected { for_secs: (until - now).as_secs_f64(), error: error.clone() })
            }
            (Some(Verdict::Readmitted), _) => Some(Told::Readmitted),
            _ => None,
        };
        if let Err(error) = answer {
            record.last_error = Some(error);
        }
        self.settle(&mut record);
        told
    }

    /// Takes other settings. What is known stays as far as the new settings ask for the same.
    pub(crate) fn configure(&self, settings: &Arc<HealthSettings>) {
        let mut record = self.lock();
        let same = |old: &HealthCheck, new: &HealthCheck| old.asks_the_same(new);
        match (&record.settings.check, &settings.check) {
            (Some(old), Some(new)) if same(old, new) => {}
            (_, Some(_)) => record.active.ask_anew(),
            // Nobody would ever bring it back.
            (_, None) => record.active = ActiveHealth::default(),
        }
        if settings.passive.threshold == 0 {
            let now = record.origin.elapsed();
            record.passive.readmit(now);
        }
        record.settings = Arc::clone(settings);
        self.settle(&mut record);
    }

    /// Lets the share rise that a slow start gives, and says how long until it should rise again.
    pub(crate) fn rise(&self) -> Option<Duration> {
        let mut record = self.lock();
        self.settle(&mut record);
        let slow_start = record.settings.slow_start;
        let opened = record.opened.filter(|opened| opened.elapsed() < slow_start)?;
        let left = slow_start.saturating_sub(opened.elapsed());
        let (shortest, longest) = (Duration::from_millis(10), Duration::from_secs(1));
        Some((slow_start / 50).clamp(shortest, longest).min(left.max(shortest)))
    }

    pub(crate) fn report(&self) -> HealthReport {
        let record = self.lock();
        HealthReport {
            state: record.state,
            since: record.since.elapsed(),
            share: self.gate.load(Relaxed).saturating_sub(OPEN),
            failures: record.active.failures(),
            successes: record.active.successes(),
            request_failures: record.passive.failures(),
            last_error: record.last_error.clone(),
        }
    }

    /// Sets the gate by what is known.
    fn settle(&self, record: &mut Record) {
        let state = match (record.active.is_down(), record.passive.is_ejected()) {
            (true, _) => HealthState::Down,
            (false, true) => HealthState::Ejected,
            (false, false) => HealthState::Up,
        };
        if state != record.state {
            record.state = state;
            record.since = Instant::now();
            if state == HealthState::Up {
                record.opened = Some(record.since);
                self.opened.notify_one();
            }
        }
        let gate = match state {
            HealthState::Down => DOWN,
            HealthState::Ejected => EJECTED,
            HealthState::Up => {
                let share = share(record.opened.map(|opened| opened.elapsed()), record.settings.slow_start);
                OPEN + (share * f32::from(THOUSAND)) as u16
            }
        };
        self.gate.store(gate, Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        // Nothing in here panics half way.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_own_want(error: &io::Error) -> bool {
    let wants = [Errno::ADDRNOTAVAIL, Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    is_one_of(error, &wants)
}

#[cfg(test)]
mod tests;
