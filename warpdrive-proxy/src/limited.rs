//! Warnings that a client can cause come once in a while, with the number of those left out.

use std::cell::Cell;

use tokio::time::Instant;

use crate::limits::WARNING_INTERVAL;

/// Lets one event through per [`WARNING_INTERVAL`] and counts the rest.
#[derive(Debug, Default)]
pub(crate) struct Limited {
    last: Cell<Option<Instant>>,
    left_out: Cell<u64>,
}

impl Limited {
    /// How many events were left out since the last one that passed, when this one passes.
    pub(crate) fn pass(&self) -> Option<u64> {
        let now = Instant::now();
        if let Some(last) = self.last.get()
            && now.duration_since(last) < WARNING_INTERVAL
        {
            self.left_out.set(self.left_out.get() + 1);
            return None;
        }
        self.last.set(Some(now));
        Some(self.left_out.take())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_second_event_waits_for_the_interval_and_is_counted() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let limited = Limited::default();
            assert_eq!(limited.pass(), Some(0));
            assert_eq!(limited.pass(), None);
            assert_eq!(limited.pass(), None);
            tokio::time::advance(WARNING_INTERVAL + Duration::from_millis(1)).await;
            assert_eq!(limited.pass(), Some(2));
        });
    }
}
