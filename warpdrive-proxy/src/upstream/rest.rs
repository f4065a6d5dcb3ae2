//! The rest of a request, on its way while the response is.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Waker};

use tokio::task::AbortHandle;

/// Why no more of a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// The client's body ended too early; its meter knows why.
    Client,
    /// The instance takes nothing more.
    Instance,
}

/// The rest of a request body, sent in a task of its own: the client may take nothing of the response
/// before the instance has all of the request. Dropped, it is no longer sent.
pub(super) struct Rest {
    state: Rc<State>,
    task: AbortHandle,
}

#[derive(Default)]
struct State {
    failed: Cell<bool>,
    /// Whoever reads the response.
    waker: RefCell<Option<Waker>>,
}

impl Rest {
    /// Goes on with what sends it.
    pub(super) fn send(sending: impl Future<Output = Result<(), Stopped>> + 'static) -> Self {
        let state = Rc::new(State::default());
        let told = Rc::clone(&state);
        let task = tokio::task::spawn_local(async move {
            // Where the instance takes no more, its response may be whole all the same.
            if sending.await == Err(Stopped::Client) {
                told.failed.set(true);
                if let Some(waker) = told.waker.take() {
                    waker.wake();
                }
            }
        });
        Rest { state, task: task.abort_handle() }
    }

    /// Whether the client has failed to send it; the task is woken when that changes.
    pub(super) fn has_failed(&self, cx: &Context<'_>) -> bool {
        let mut waker = self.state.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        self.state.failed.get()
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.task.abort();
    }
}
