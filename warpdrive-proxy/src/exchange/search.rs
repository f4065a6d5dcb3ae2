//! The search for an instance that has room, with a wait where none has.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Poll, ready};

use http::header::COOKIE;
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;
use warpdrive_core::balance::{Asked, Pin};

use super::Exchange;
use super::choice::Round;
use super::decide::Decision;
use crate::alarm::Alarm;
use crate::clock;
use crate::page::Failure;
use crate::upstream::{Lease, Wants};
use crate::view::ViewUpstream;
use crate::worker::Worker;

/// How far the search for an instance has come.
pub(super) struct Search<'a> {
    pub(super) upstream: &'a ViewUpstream,
    asked: Asked,
    /// Decides whether an instance that starts slowly gets this request; drawn when one does.
    chance: OnceCell<u64>,
    worker: &'a Worker,
    /// The place of the instance that is being tried.
    current: usize,
    /// Boxed, since nearly no search has one.
    past: Option<Box<Past>>,
    /// An idle connection has failed: its neighbours are as old, so only a new one will do.
    pub(super) fresh: bool,
    /// The request was sent a second time.
    pub(super) resent: bool,
}

/// What a search that did not find its instance at once has behind it.
#[derive(Default)]
struct Past {
    /// The places of instances that were given up.
    given_up: Vec<usize>,
    last_failure: Option<Failure>,
    /// When the wait for room ends, counted from its begin.
    queue_deadline: Option<Instant>,
}

/// What a look for room has found.
pub(super) enum Look {
    /// An instance, and room at it.
    Room(Lease),
    /// Instances that could be tried, and none with room.
    Full(Wants),
    /// No instance that could be tried.
    Nothing,
}

impl<'a> Search<'a> {
    /// Whether an instance is left that was not tried and may be.
    pub(super) fn has_another(&self) -> bool {
        self.untried().any(|place| place != self.current && self.upstream.may_have(place))
    }

    fn untried(&self) -> impl Iterator<Item = usize> {
        (0..self.upstream.pools.len()).filter(|place| !self.is_given_up(*place))
    }

    fn is_given_up(&self, place: usize) -> bool {
        self.past.as_ref().is_some_and(|past| past.given_up.contains(&place))
    }

    pub(super) fn give_up(&mut self, failure: Failure) {
        let past = self.past.get_or_insert_default();
        past.given_up.push(self.current);
        past.last_failure = Some(failure);
    }

    /// Why the instance that was tried last was given up, if one was tried.
    pub(super) fn into_last_failure(self) -> Option<Failure> {
        self.past.and_then(|past| past.last_failure)
    }

    /// What the client's cookie has to say from now on, where it does not say so already.
    pub(super) fn new_pin(&self) -> Option<Pin> {
        let pin = self.upstream.balancer.borrow().pin(self.current);
        pin.filter(|pin| self.asked.pin != Some(*pin))
    }

    /// Looks for room, but takes none where others wait for it already.
    pub(super) fn look_in_turn(&mut self) -> Look {
        if self.upstream.state.queue.is_waited_for() {
            return self.wants().map_or(Look::Nothing, Look::Full);
        }
        self.look()
    }

    /// Waits in the queue for room at an instance; `None` where none is left to try.
    ///
    /// # Errors
    ///
    /// The queue is full, or the time in it passed.
    pub(super) async fn wait(&mut self, wants: Wants) -> Result<Option<Lease>, Failure> {
        let upstream = self.upstream;
        let Some(place) = upstream.state.queue.join(upstream.queue.size, wants) else {
            upstream.state.refused.queue_full.fetch_add(1, Relaxed);
            return Err(queue_full());
        };
        let past = self.past.get_or_insert_default();
        let deadline = *past.queue_deadline.get_or_insert_with(|| clock::now() + upstream.queue.timeout);
        let mut alarm = Alarm::new();
        poll_fn(|cx| {
            if place.is_first(cx) {
                upstream.settle();
                match self.look() {
                    Look::Room(lease) => return Poll::Ready(Ok(Some(lease))),
                    Look::Full(_) => {}
                    Look::Nothing => return Poll::Ready(Ok(None)),
                }
            }
            ready!(alarm.poll(cx, deadline));
            upstream.state.refused.queue_timeout.fetch_add(1, Relaxed);
            Poll::Ready(Err(queue_timeout()))
        })
        .await
    }

    /// The instance that the strategy chooses among those that were not given up and have room:
    /// with `least_conn` the least busy one now, else the same as before unless that is no longer
    /// one of them.
    fn look(&mut self) -> Look {
        let upstream = self.upstream;
        loop {
            let Some(place) = self.home().or_else(|| self.choose()) else {
                return self.wants().map_or(Look::Nothing, Look::Full);
            };
            if let Some(lease) = upstream.lease(place) {
                self.current = place;
                return Look::Room(lease);
            }
            // Another worker was faster. A pinned client waits; any other has the rest.
            if let (Some(_), Some(wants)) = (self.home(), self.wants()) {
                return Look::Full(wants);
            }
        }
    }

    /// What the strategy chooses, of those with room in the first round that has one.
    fn choose(&self) -> Option<usize> {
        let upstream = self.upstream;
        let balancer = upstream.balancer.borrow();
        let chance = || *self.chance.get_or_init(|| self.worker.random());
        [Round::ByShare, Round::Up, Round::Last].into_iter().find_map(|round| {
            // An ejected instance gets what no other can take, not what others are too busy for.
            if matches!(round, Round::Last) && self.untried().any(|place| upstream.is_available(place)) {
                return None;
            }
            let usable = |place: usize| {
                round.has(upstream, place, chance) && !self.is_given_up(place) && upstream.has_room(place)
            };
            balancer.pick(&self.asked, usable, |place| upstream.in_flight(place))
        })
    }

    /// What would be of use; `None` where every instance is given up or not available.
    fn wants(&self) -> Option<Wants> {
        let number = |place: usize| self.upstream.pools.get(place).map(|pool| pool.instance().number());
        if let Some(number) = self.home().and_then(number) {
            return Some(Wants::Only(number));
        }
        self.untried().any(|place| self.upstream.may_have(place)).then_some(Wants::Any)
    }

    /// The instance that the client is pinned to, while that can be tried, with or without room.
    fn home(&self) -> Option<usize> {
        let pin = self.asked.pin?;
        self.upstream
            .balancer
            .borrow()
            .pinned(pin)
            .filter(|place| self.upstream.is_available(*place) && !self.is_given_up(*place))
    }
}

impl Exchange {
    /// Begins the search for an instance.
    pub(super) fn search<'a>(
        &'a self,
        upstream: &'a ViewUpstream,
        decision: &Decision,
        headers: &HeaderMap,
    ) -> Search<'a> {
        let balancer = upstream.balancer.borrow();
        let cookie = upstream.cookie.as_ref();
        let worker = &*self.client().worker;
        Search {
            upstream,
            chance: OnceCell::new(),
            worker,
            asked: Asked {
                turn: if balancer.uses_turn() { upstream.state.next_turn() } else { 0 },
                random: if balancer.uses_random() { worker.random() } else { 0 },
                client: decision.client,
                pin: cookie
                    .and_then(|cookie| headers.get_all(COOKIE).iter().find_map(|field| cookie.read(field.as_bytes()))),
            },
            current: 0,
            past: None,
            fresh: false,
            resent: false,
        }
    }
}

fn queue_full() -> Failure {
    let sentence = "The application is busy, and so many requests wait already that this one cannot.";
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "queue_full", sentence)
}

fn queue_timeout() -> Failure {
    let sentence = "The application is busy and did not get to this request in time.";
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "queue_timeout", sentence)
}
