//! Every byte that arrived on a connection.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::{End, PATIENCE};

/// What a [`crate::Server`] has read from one connection so far, and how the connection ended.
///
/// A clone shows the same recording.
#[derive(Clone, Default)]
pub struct Recording {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    end: Option<End>,
}

impl Recording {
    /// All bytes read so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().bytes.len()
    }

    /// The same as text, with a replacement character for what is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// How the peer ended the connection, if the script has seen that.
    pub fn end(&self) -> Option<End> {
        self.lock().end
    }

    /// Waits until the bytes satisfy `ready` and returns them.
    ///
    /// # Panics
    /// When that has not happened within [`PATIENCE`], or cannot any more: the connection ended.
    pub fn wait_for(&self, mut ready: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
        let state = self.wait(|state| ready(&state.bytes) || state.end.is_some());
        assert!(
            ready(&state.bytes),
            "the awaited bytes did not arrive ({:?}); there are: {:?}",
            state.end,
            String::from_utf8_lossy(&state.bytes)
        );
        state.bytes.clone()
    }

    /// Waits until the script has seen the peer end the connection.
    ///
    /// # Panics
    /// When that has not happened within [`PATIENCE`].
    pub fn wait_end(&self) -> End {
        let state = self.wait(|state| state.end.is_some());
        state.end.unwrap_or_else(|| {
            let text = String::from_utf8_lossy(&state.bytes);
            panic!("the peer did not end the connection; it sent: {text:?}")
        })
    }

    pub(crate) fn push(&self, bytes: &[u8]) {
        self.lock().bytes.extend_from_slice(bytes);
        self.shared.1.notify_all();
    }

    pub(crate) fn finish(&self, end: End) {
        self.lock().end.get_or_insert(end);
        self.shared.1.notify_all();
    }

    fn wait(&self, mut ready: impl FnMut(&State) -> bool) -> MutexGuard<'_, State> {
        let guard = self.lock();
        let (guard, _) = self
            .shared
            .1
            .wait_timeout_while(guard, PATIENCE, |state| !ready(state))
            .unwrap_or_else(PoisonError::into_inner);
        guard
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Recording")
            .field("bytes", &String::from_utf8_lossy(&state.bytes))
            .field("end", &state.end)
            .finish()
    }
}
