//! What one worker counts of one instance.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Count, Histogram};

/// Classes of statuses: 1xx to 5xx.
pub(crate) const CLASSES: usize = 5;

/// The place of a status in a list by class.
pub(super) fn class(status: u16) -> Option<usize> {
    usize::from(status / 100).checked_sub(1).filter(|class| *class < CLASSES)
}

/// How an instance can fail a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// No connection could be made.
    Connect,
    /// No connection was made in time.
    ConnectTimeout,
    /// It closed the connection instead of answering.
    Closed,
    /// It did not answer in time.
    FirstByteTimeout,
    /// It stopped taking the request body.
    StoppedReading,
    /// It sent what is no HTTP response.
    InvalidResponse,
    /// It closed the connection inside a response body.
    BodyCut,
    /// It was silent for too long inside a response body.
    BodyTimeout,
}

impl Failed {
    pub(crate) const ALL: [Failed; 8] = [
        Failed::Connect,
        Failed::ConnectTimeout,
        Failed::Closed,
        Failed::FirstByteTimeout,
        Failed::StoppedReading,
        Failed::InvalidResponse,
        Failed::BodyCut,
        Failed::BodyTimeout,
    ];

    /// The word for it, the same that the access log has.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Failed::Connect => "upstream_connect",
            Failed::ConnectTimeout => "upstream_connect_timeout",
            Failed::Closed => "upstream_closed",
            Failed::FirstByteTimeout => "upstream_first_byte_timeout",
            Failed::StoppedReading => "upstream_stopped_reading",
            Failed::InvalidResponse => "upstream_invalid_response",
            Failed::BodyCut => "upstream_body_cut",
            Failed::BodyTimeout => "upstream_body_timeout",
        }
    }
}

/// The counts of one worker for one instance, on cache lines of their own.
///
/// Each lease is one of `requests`. It ends as a response, as a failure before one, as `stale`, or,
/// where the client did not wait, as `cancelled`.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct InstanceCounters {
    /// Leases taken.
    pub(crate) requests: Count,
    /// By class of status.
    pub(crate) responses: [Count; CLASSES],
    /// In the order of [`Failed::ALL`].
    pub(crate) failures: [Count; Failed::ALL.len()],
    /// The client left, or was at fault, before there was a response.
    pub(crate) cancelled: Count,
    /// A kept connection turned out to be closed before it took the request.
    pub(crate) stale: Count,
    /// Requests that went out once more because this instance, or a connection to it, lost them.
    pub(crate) retries: Count,
    /// Body bytes to the instance.
    pub(crate) sent: Count,
    /// Body bytes from the instance.
    pub(crate) received: Count,
    /// Connections opened so far.
    pub(crate) opened: Count,
    /// Connections open now, in use or not.
    pub(crate) open: Count,
    /// Connections that wait for a request.
    pub(crate) idle: Count,
    /// From the request to the head of the response.
    pub(crate) first_byte: Histogram,
    /// From the head of the client's request to the last byte of the response body.
    pub(crate) total: Histogram,
    /// The last failure: milliseconds since 1970, and its place in [`Failed::ALL`] from 1.
    last_failure: [Count; 2],
}

impl InstanceCounters {
    pub(crate) fn count_response(&self, status: u16, waited: Duration) {
        if let Some(count) = class(status).and_then(|class| self.responses.get(class)) {
            count.add(1);
        }
        self.first_byte.record(waited);
    }

    pub(crate) fn count_failure(&self, failed: Failed) {
        let place = failed as usize;
        if let Some(count) = self.failures.get(place) {
            count.add(1);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let [at, what] = &self.last_failure;
        at.set(u64::try_from(now).unwrap_or(u64::MAX));
        what.set(place as u64 + 1);
    }

    /// When a failure was counted last, in milliseconds since 1970, and which one. The two may be of
    /// two failures of one millisecond.
    pub(crate) fn last_failure(&self) -> Option<(u64, Failed)> {
        let [at, what] = &self.last_failure;
        let place = usize::try_from(what.get()).ok()?.checked_sub(1)?;
        Some((at.get(), *Failed::ALL.get(place)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_at_their_own_place() {
        for (place, failed) in Failed::ALL.into_iter().enumerate() {
            let counters = InstanceCounters::default();
            assert_eq!(counters.last_failure(), None);
            counters.count_failure(failed);
            assert_eq!(counters.failures.iter().position(|count| count.get() == 1), Some(place));
            assert_eq!(counters.last_failure().map(|(_, failed)| failed), Some(failed));
        }
    }

    #[test]
    fn every_status_has_a_class_or_none() {
        assert_eq!([101, 204, 404, 599].map(class), [Some(0), Some(1), Some(3), Some(4)]);
        assert_eq!([0, 99, 600, 999].map(class), [None; 4]);
    }
}
