//! The tasks of a worker's client connections, so that a stop can wake them.

use std::cell::{Cell, RefCell};
use std::task::{Context, Waker};

/// Who is to be woken when the worker begins to close. A task enters its waker once; nothing is
/// done here per request.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    slots: RefCell<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// One task's place in the roster.
pub(crate) struct Place<'a> {
    roster: &'a Roster,
    slot: Cell<Option<usize>>,
}

impl Roster {
    pub(crate) fn join(&self) -> Place<'_> {
        Place { roster: self, slot: Cell::new(None) }
    }

    pub(crate) fn wake_all(&self) {
        for waker in self.slots.borrow().wakers.iter().flatten() {
            waker.wake_by_ref();
        }
    }
}

impl Place<'_> {
    /// Enters the waker of the task that polls; a task's waker stays the same.
    pub(crate) fn keep(&self, cx: &Context<'_>) {
        if self.slot.get().is_some() {
            return;
        }
        let mut slots = self.roster.slots.borrow_mut();
        let waker = Some(cx.waker().clone());
        let slot = match slots.free.pop() {
            Some(slot) => slot,
            None => {
                slots.wakers.push(None);
                slots.wakers.len() - 1
            }
        };
        if let Some(place) = slots.wakers.get_mut(slot) {
            *place = waker;
        }
        self.slot.set(Some(slot));
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(slot) = self.slot.get() else {
            return;
        };
        let mut slots = self.roster.slots.borrow_mut();
        if let Some(place) = slots.wakers.get_mut(slot) {
            *place = None;
        }
        slots.free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again() {
        let roster = Roster::default();
        let cx = Context::from_waker(Waker::noop());
        let first = roster.join();
        first.keep(&cx);
        first.keep(&cx);
        drop(first);
        let second = roster.join();
        second.keep(&cx);
        let third = roster.join();
        third.keep(&cx);
        assert_eq!(roster.slots.borrow().wakers.len(), 2);
    }
}
