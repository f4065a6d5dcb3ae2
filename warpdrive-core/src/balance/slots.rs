//! A counter with a limit that no two threads can pass together.

use std::fmt;

#[cfg(loom)]
use loom::sync::atomic::AtomicUsize;
#[cfg(not(loom))]
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

/// Counts what is taken of something limited, such as the requests in flight at an instance.
///
/// Two of these stand for both sides of a promise that a queue needs. Who waits raises one, calls
/// [`Slots::settle`] on the other and looks for room there; who makes room releases that other, and
/// then looks whether anybody waits. Of the two at least one sees the other.
pub struct Slots {
    taken: AtomicUsize,
}

impl Slots {
    /// Nothing is taken.
    pub fn new() -> Self {
        Slots { taken: AtomicUsize::new(0) }
    }

    /// How many are taken now.
    pub fn taken(&self) -> usize {
        self.taken.load(Acquire)
    }

    /// Takes one, whatever is taken already.
    pub fn take(&self) {
        self.taken.fetch_add(1, AcqRel);
    }

    /// Takes one unless `limit` or more are taken. Of any number of threads that try at once, no
    /// more succeed than there is room for.
    pub fn try_take(&self, limit: usize) -> bool {
        let mut taken = self.taken.load(Acquire);
        while taken < limit {
            match self.taken.compare_exchange_weak(taken, taken + 1, AcqRel, Acquire) {
                Ok(_) => return true,
                Err(now) => taken = now,
            }
        }
        false
    }

    /// Gives one back. Each that was taken is to be given back exactly once.
    pub fn release(&self) {
        self.taken.fetch_sub(1, AcqRel);
    }

    /// Puts all that this thread did before into sight of whoever releases after this; what was
    /// released before is in sight of this thread. Costs as much as a change does.
    pub fn settle(&self) {
        self.taken.fetch_add(0, AcqRel);
    }
}

impl Default for Slots {
    fn default() -> Self {
        Slots::new()
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slots").field(&self.taken()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_full_one_takes_no_more_until_one_is_released() {
        let slots = Slots::new();
        assert!(slots.try_take(2) && slots.try_take(2) && !slots.try_take(2));
        slots.release();
        assert!(slots.try_take(2));
        // A limit that was lowered meanwhile holds for the next one.
        slots.release();
        assert!(!slots.try_take(1));
        assert_eq!(slots.taken(), 1);
    }
}

/// Every interleaving: `RUSTFLAGS="--cfg loom" cargo test -p warpdrive-core --lib loom_`.
#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use loom::thread;

    use super::*;

    #[test]
    fn loom_a_limit_is_never_passed() {
        loom::model(|| {
            let slots = Arc::new(Slots::new());
            let inside = Arc::new(AtomicUsize::new(0));
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let (slots, inside) = (Arc::clone(&slots), Arc::clone(&inside));
                    thread::spawn(move || {
                        if slots.try_take(1) {
                            assert_eq!(inside.fetch_add(1, SeqCst), 0, "two took the only one");
                            inside.fetch_sub(1, SeqCst);
                            slots.release();
                        }
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(slots.taken(), 0);
        });
    }

    #[test]
    fn loom_of_two_who_wait_for_room_for_one_exactly_one_gets_it() {
        loom::model(|| {
            let slots = Arc::new(Slots::new());
            slots.take();
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let slots = Arc::clone(&slots);
                    thread::spawn(move || usize::from(slots.try_take(2)))
                })
                .collect();
            let taken: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            assert_eq!((taken, slots.taken()), (1, 2));
        });
    }

    /// A request says that it waits, then looks for room; a lease is given back, then looks for who
    /// waits. One of the two must see the other, or the request waits for ever.
    #[test]
    fn loom_room_and_who_waits_for_it_do_not_miss_each_other() {
        loom::model(|| {
            let (instance, waiting) = (Arc::new(Slots::new()), Arc::new(Slots::new()));
            let woken = Arc::new(AtomicBool::new(false));
            instance.take();
            let (room, line, wake) = (Arc::clone(&instance), Arc::clone(&waiting), Arc::clone(&woken));
            let leaves = thread::spawn(move || {
                room.release();
                if line.taken() > 0 {
                    wake.store(true, SeqCst);
                }
            });
            assert!(waiting.try_take(1));
            instance.settle();
            let found_room = instance.try_take(1);
            leaves.join().unwrap();
            assert!(found_room || woken.load(SeqCst), "the request waits for ever");
        });
    }
}
