//! Passive checks: what requests tell of an instance, without believing clients.

use std::time::Duration;

use crate::model::PassiveCheck;

/// What went wrong with a request at an instance.
///
/// Only what no client brings about alone is evidence. A response of any status, an answer that
/// was too slow or was cut, and a body that the instance would not take are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// No connection could be made: refused, reset, or not in time. No client has a part in that.
    NoConnection,
    /// A connection that was made for this request ended before the first byte of a response.
    /// Such a request may be the cause, so this alone never ejects. A connection that was used
    /// before is no evidence: instances close those when they like.
    Closed,
}

/// What follows from evidence or from a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Ask the instance something of your own, and say by [`PassiveHealth::tried`] whether it
    /// answered anything. It stays available until then.
    Ask,
    /// It is ejected; at that time a trial is due.
    Ejected {
        /// When, as the time that the caller gives.
        until: Duration,
    },
    /// It is no longer ejected.
    Readmitted,
}

/// Passive health of one instance.
///
/// So many connections in a row that cannot be made eject it; so many connections in a row that
/// end without an answer give cause to ask. A success of any request begins both anew. An ejection
/// takes [`PassiveCheck::first_ejection`] and then twice as long as the one before, up to
/// [`PassiveCheck::max_ejection`]; after that time without one it begins anew. It ends by a trial alone.
#[derive(Clone, Debug, Default)]
pub struct PassiveHealth {
    refusals: u32,
    closures: u32,
    asking: bool,
    /// While ejected.
    until: Option<Duration>,
    /// How long the latest ejection took or takes.
    latest: Option<Duration>,
    readmitted: Duration,
}

impl PassiveHealth {
    /// Whether the instance is ejected.
    pub fn is_ejected(&self) -> bool {
        self.until.is_some()
    }

    /// Failures in a row up to now, of either kind.
    pub fn failures(&self) -> u32 {
        self.refusals.saturating_add(self.closures)
    }

    /// A request failed. Counts for nothing while the instance is ejected.
    pub fn failed(&mut self, evidence: Evidence, now: Duration, settings: &PassiveCheck) -> Option<Verdict> {
        if settings.threshold == 0 || self.is_ejected() {
            return None;
        }
        match evidence {
            Evidence::NoConnection => {
                self.refusals = self.refusals.saturating_add(1);
                (self.refusals >= settings.threshold).then(|| self.eject(now, settings))
            }
            Evidence::Closed => {
                self.closures = self.closures.saturating_add(1);
                if self.asking || self.closures < settings.threshold {
                    return None;
                }
                self.asking = true;
                Some(Verdict::Ask)
            }
        }
    }

    /// A request got a response, whatever it was.
    pub fn succeeded(&mut self) {
        self.refusals = 0;
        self.closures = 0;
    }

    /// Whether an ejection has lasted long enough for a trial.
    pub fn trial_is_due(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    /// When a trial is due; `None` while it is not ejected.
    pub fn trial_at(&self) -> Option<Duration> {
        self.until
    }

    /// How a trial went, or the answer to [`Verdict::Ask`].
    pub fn tried(&mut self, answered: bool, now: Duration, settings: &PassiveCheck) -> Option<Verdict> {
        let was_asking = std::mem::take(&mut self.asking);
        match (self.is_ejected(), answered) {
            (true, true) => {
                self.until = None;
                self.readmitted = now;
                self.succeeded();
                Some(Verdict::Readmitted)
            }
            (true, false) => Some(self.eject(now, settings)),
            (false, true) => {
                self.succeeded();
                None
            }
            (false, false) => (was_asking && settings.threshold > 0).then(|| self.eject(now, settings)),
        }
    }

    /// Ends an ejection without a trial, as where passive checks are turned off.
    pub fn readmit(&mut self, now: Duration) -> Option<Verdict> {
        self.is_ejected().then(|| {
            *self = PassiveHealth { readmitted: now, ..PassiveHealth::default() };
            Verdict::Readmitted
        })
    }

    fn eject(&mut self, now: Duration, settings: &PassiveCheck) -> Verdict {
        let quiet = !self.is_ejected() && now.saturating_sub(self.readmitted) >= settings.max_ejection;
        let time = match self.latest.filter(|_| !quiet) {
            Some(latest) => latest.saturating_mul(2),
            None => settings.first_ejection,
        };
        let time = time.min(settings.max_ejection);
        let until = now.saturating_add(time);
        *self = PassiveHealth { until: Some(until), latest: Some(time), ..PassiveHealth::default() };
        Verdict::Ejected { until }
    }
}
