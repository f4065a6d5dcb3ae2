//! What changes of an instance's health are logged as: one line each way, in whole words.

/// A change of state and what it follows from, to be logged outside the lock.
pub(crate) enum Told {
    Down { failures: u32, error: String },
    Up { successes: u32 },
    Doubtful { answer: String },
    Ejected { for_secs: f64, error: String },
    Readmitted,
}

impl Told {
    /// Writes the one log line of a change.
    pub(crate) fn log(self, upstream: &str, instance: &str) {
        match self {
            Told::Down { failures, error } => tracing::warn!(
                upstream,
                instance,
                failures,
                error,
                "the instance is down: its health check failed that many times in a row"
            ),
            Told::Up { successes } => tracing::info!(
                upstream,
                instance,
                successes,
                "the instance is up again: its health check passed that many times in a row"
            ),
            Told::Doubtful { answer } => tracing::warn!(
                upstream,
                instance,
                answer,
                "the health check has never passed, though the instance answers it; the instance stays up: set \
                 `expect` of the check to what the instance answers, or drop `path` to check connections only"
            ),
            Told::Ejected { for_secs, error } => tracing::warn!(
                upstream,
                instance,
                for_secs,
                error,
                "the instance is ejected for that many seconds: connections to it failed again and again"
            ),
            Told::Readmitted => {
                tracing::info!(upstream, instance, "the instance is no longer ejected: it stood a trial");
            }
        }
    }
}
