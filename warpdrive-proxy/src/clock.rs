//! The time, read once for each time that the task of a client runs.
//!
//! An exchange asks for it a dozen times, mostly within microseconds; reading the clock each time was a
//! sixteenth of the proxy's own time.

use std::cell::Cell;

use tokio::time::Instant;

thread_local! {
    static HELD: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The time when the task that runs now began to run, where it runs inside [`hold`]; else the time.
pub(crate) fn now() -> Instant {
    HELD.get().unwrap_or_else(Instant::now)
}

/// Runs something for which the time stands still: one poll of a task, which never blocks.
pub(crate) fn hold<T>(run: impl FnOnce() -> T) -> T {
    /// Lets go also where `run` panics.
    struct Held;
    impl Drop for Held {
        fn drop(&mut self) {
            HELD.set(None);
        }
    }
    HELD.set(Some(Instant::now()));
    let _held = Held;
    run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stands_still_inside_and_goes_on_after() {
        let before = Instant::now();
        let (first, later) = hold(|| {
            let first = now();
            while Instant::now() == first {}
            (first, now())
        });
        assert_eq!(first, later);
        assert!(first >= before && now() > first);
        let _ = std::panic::catch_unwind(|| hold(|| panic!("on purpose")));
        assert!(now() >= Instant::now() - std::time::Duration::from_millis(500));
        assert_ne!(now(), {
            while Instant::now() == now() {}
            now()
        });
    }
}
