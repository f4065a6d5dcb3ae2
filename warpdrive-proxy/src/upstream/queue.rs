//! Requests that wait for a place at an instance, across all workers, first come, first served.
//!
//! A request that finds every instance full joins the queue, and is woken when a lease ends, on
//! whatever worker. Only the first of those that want the same tries again, so nobody is overtaken
//! and one lease that ends wakes one or two requests, not all.
//!
//! The line is behind a lock. It is touched only while somebody waits: a request that finds room
//! looks at one atomic counter, when it comes and when it ends.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use warpdrive_core::balance::Slots;

/// What a waiting request can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// A place at any instance.
    Any,
    /// A place at the instance of this number, to which its client is pinned.
    Only(u64),
}

/// The queue of one upstream.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// How many wait. Raised before a request looks for room and read after room was made; the
    /// request settles the instances' counters in between, so that the two cannot miss each other:
    /// see [`Slots`].
    waiting: Slots,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    next_ticket: u64,
    /// In the order of their tickets.
    requests: VecDeque<Waiting>,
    /// How many of them want one instance alone.
    choosy: usize,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    wants: Wants,
    waker: Option<Waker>,
}

impl Queue {
    /// Whether anybody waits: then a new request has to queue too.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting.taken() > 0
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.taken()
    }

    /// Joins the end of the line; `None` where `limit` requests wait already.
    pub(crate) fn join(&self, limit: usize, wants: Wants) -> Option<Place<'_>> {
        if !self.waiting.try_take(limit) {
            return None;
        }
        let mut line = self.line();
        let ticket = line.next_ticket;
        line.next_ticket += 1;
        line.choosy += usize::from(wants != Wants::Any);
        line.requests.push_back(Waiting { ticket, wants, waker: None });
        Some(Place { queue: self, ticket, wants })
    }

    /// A lease on the instance of this number has ended.
    pub(super) fn room_at(&self, instance: u64) {
        if !self.is_waited_for() {
            return;
        }
        let wakers = {
            let mut line = self.line();
            [line.first(Wants::Any), line.first(Wants::Only(instance))]
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// An instance may have come or gone: whoever can use that looks again.
    pub(crate) fn look_again(&self) {
        if !self.is_waited_for() {
            return;
        }
        let wakers: Vec<Waker> = {
            let mut line = self.line();
            let any = line.first(Wants::Any);
            let choosy = line.requests.iter_mut().filter(|waiting| waiting.wants != Wants::Any);
            choosy.filter_map(|waiting| waiting.waker.take()).chain(any).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Nothing in here is left half done by a panic.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// The waker of the first that wants this.
    fn first(&mut self, wants: Wants) -> Option<Waker> {
        if wants != Wants::Any && self.choosy == 0 {
            return None;
        }
        self.requests.iter_mut().find(|waiting| waiting.wants == wants)?.waker.take()
    }
}

/// A request's place in the line. Dropped, it is given up, whether the request goes on or its client
/// has left, and the next one that wants the same looks for room.
pub(crate) struct Place<'q> {
    queue: &'q Queue,
    ticket: u64,
    wants: Wants,
}

impl Place<'_> {
    /// Whether this is the first of those that want the same, and so may look for room now. It is
    /// woken when it may look, or look again.
    pub(crate) fn is_first(&self, cx: &Context<'_>) -> bool {
        let mut line = self.queue.line();
        let Ok(at) = line.requests.binary_search_by_key(&self.ticket, |waiting| waiting.ticket) else { return true };
        if let Some(waiting) = line.requests.get_mut(at) {
            waiting.waker = Some(cx.waker().clone());
        }
        !line.requests.iter().take(at).any(|waiting| waiting.wants == self.wants)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let next = {
            let mut line = self.queue.line();
            if let Ok(at) = line.requests.binary_search_by_key(&self.ticket, |waiting| waiting.ticket) {
                line.requests.remove(at);
            }
            line.choosy -= usize::from(self.wants != Wants::Any);
            line.first(self.wants)
        };
        self.queue.waiting.release();
        if let Some(next) = next {
            next.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::{Poll, Wake};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// Asks whether a place is first, with a new waker.
    fn ask(place: &Place<'_>) -> (bool, Arc<Woken>) {
        let woken = Arc::new(Woken::default());
        let is_first = place.is_first(&Context::from_waker(&Waker::from(Arc::clone(&woken))));
        (is_first, woken)
    }

    fn times(woken: &Woken) -> usize {
        woken.0.load(SeqCst)
    }

    #[test]
    fn the_first_alone_is_woken_and_the_next_when_it_has_gone() {
        let queue = Queue::default();
        let places: Vec<Place<'_>> = (0..3).map(|_| queue.join(3, Wants::Any).unwrap()).collect();
        assert!(queue.join(3, Wants::Any).is_none());
        let asked: Vec<(bool, Arc<Woken>)> = places.iter().map(ask).collect();
        assert_eq!(asked.iter().map(|(first, _)| *first).collect::<Vec<_>>(), [true, false, false]);
        queue.room_at(1);
        assert_eq!(asked.iter().map(|(_, woken)| times(woken)).collect::<Vec<_>>(), [1, 0, 0]);
        let mut places = places.into_iter();
        drop(places.next());
        assert_eq!(asked.iter().map(|(_, woken)| times(woken)).collect::<Vec<_>>(), [1, 1, 0]);
        // One that leaves from the middle wakes nobody in vain.
        let (second, third) = (places.next().unwrap(), places.next().unwrap());
        assert!(ask(&second).0 && !ask(&third).0);
        drop(third);
        assert!(queue.is_waited_for() && queue.join(2, Wants::Any).is_some());
        drop(second);
        assert!(!queue.is_waited_for());
    }

    #[test]
    fn who_wants_one_instance_neither_holds_up_the_others_nor_is_held_up() {
        let queue = Queue::default();
        let (one, any) = (queue.join(9, Wants::Only(1)).unwrap(), queue.join(9, Wants::Any).unwrap());
        let (two, one_more) = (queue.join(9, Wants::Only(2)).unwrap(), queue.join(9, Wants::Only(1)).unwrap());
        let asked = [ask(&one), ask(&any), ask(&two), ask(&one_more)];
        assert_eq!([asked[0].0, asked[1].0, asked[2].0, asked[3].0], [true, true, true, false]);
        queue.room_at(2);
        let woken = || asked.iter().map(|(_, woken)| times(woken)).collect::<Vec<_>>();
        assert_eq!(woken(), [0, 1, 1, 0]);
        queue.room_at(1);
        assert_eq!(woken(), [1, 1, 1, 0]);
        drop(one);
        assert_eq!(woken(), [1, 1, 1, 1]);
        drop((any, two, one_more));
        assert!(!queue.is_waited_for());
    }

    /// Leases and waits on several threads: nobody is forgotten, the limit holds, and nothing is
    /// left over.
    #[test]
    fn many_threads_share_two_places() {
        let (queue, instance, most) = (Queue::default(), Slots::new(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                    runtime.block_on(async {
                        for _ in 0..300 {
                            if queue.is_waited_for() || !instance.try_take(2) {
                                let place = queue.join(9, Wants::Any).unwrap();
                                let room = std::future::poll_fn(|cx| {
                                    let is_first = place.is_first(cx);
                                    instance.settle();
                                    if is_first && instance.try_take(2) { Poll::Ready(()) } else { Poll::Pending }
                                });
                                let time = std::time::Duration::from_secs(20);
                                tokio::time::timeout(time, room).await.expect("woken");
                            }
                            most.fetch_max(instance.taken(), SeqCst);
                            tokio::task::yield_now().await;
                            instance.release();
                            queue.room_at(0);
                        }
                    });
                });
            }
        });
        assert_eq!((instance.taken(), queue.is_waited_for()), (0, false));
        assert!(most.into_inner() <= 2);
    }
}
