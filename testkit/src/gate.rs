//! A signal from a test to its scripts.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::PATIENCE;

/// Closed at first; who waits at it goes on once it is opened, and it stays open.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    open: Arc<(Mutex<bool>, Condvar)>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Gate::default()
    }

    /// Lets everyone through, now and later.
    pub fn open(&self) {
        let (open, changed) = &*self.open;
        *open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Waits until the gate is open.
    ///
    /// # Errors
    /// `TimedOut` when nobody opened it within [`PATIENCE`].
    pub fn wait(&self) -> io::Result<()> {
        let (open, changed) = &*self.open;
        let guard = open.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, _) =
            changed.wait_timeout_while(guard, PATIENCE, |open| !*open).unwrap_or_else(PoisonError::into_inner);
        if *guard { Ok(()) } else { Err(io::Error::new(io::ErrorKind::TimedOut, "nobody opened the gate")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opened_gate_lets_those_pass_who_wait_and_who_come_later() {
        let gate = Gate::new();
        let waiting = std::thread::spawn({
            let gate = gate.clone();
            move || gate.wait().is_ok()
        });
        gate.open();
        assert!(waiting.join().unwrap());
        assert!(gate.wait().is_ok());
    }
}
