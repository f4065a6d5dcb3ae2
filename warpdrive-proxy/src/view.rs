//! A snapshot as one worker uses it: with that worker's own pools.

use std::cell::RefCell;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::Cache;
use hyper::server::conn::http1;
use warpdrive_core::RetryBudget;
use warpdrive_core::balance::Balancer;
use warpdrive_core::model::{LogFormat, Protocol, QueueSettings, StickyCookie, Strategy, WhenAllDown};

use crate::limits::{CLIENT_BUFFER_BYTES, FREE_HEADER_FIELDS, HEAD_BYTES};
use crate::snapshot::{Live, Snapshot};
use crate::upstream::{InstanceState, Lease, Pool, UpstreamState};
use crate::wire::WireTimes;

/// A snapshot and the pools of its instances. An exchange holds it until the response head, never
/// longer: a download of an hour must not keep a retired routing table alive.
pub(crate) struct View {
    /// Differs between any two views of a worker.
    pub(crate) generation: u64,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) upstreams: Vec<ViewUpstream>,
    pub(crate) times: WireTimes,
    /// How hyper serves client connections.
    pub(crate) http: http1::Builder,
    pub(crate) log_requests: bool,
    pub(crate) log_format: LogFormat,
}

/// One upstream of a view.
pub(crate) struct ViewUpstream {
    pub(crate) name: Rc<str>,
    pub(crate) state: Arc<UpstreamState>,
    /// One for each instance, in the model's order.
    pub(crate) pools: Vec<Rc<Pool>>,
    /// This worker's own, told every [`crate::limits::SWEEP`] which instances are available.
    pub(crate) balancer: RefCell<Balancer>,
    /// The `max_connections` of each instance.
    limits: Box<[Option<NonZeroUsize>]>,
    pub(crate) queue: QueueSettings,
    protocol: Protocol,
    pub(crate) keepalive: bool,
    /// Only with `sticky_cookie`.
    pub(crate) cookie: Option<StickyCookie>,
    when_all_down: WhenAllDown,
    /// This worker's own: no other is asked for each request.
    pub(crate) retries: RefCell<RetryBudget>,
}

/// Gives the current [`View`] of a worker, made anew when the snapshot has changed.
pub(crate) struct Views {
    cache: RefCell<Cache<Live, Arc<Snapshot>>>,
    current: RefCell<Rc<View>>,
    worker: usize,
}

impl Views {
    /// For the worker of that index.
    pub(crate) fn new(live: &Live, worker: usize) -> Self {
        let mut cache = Cache::new(Arc::clone(live));
        let view = View::new(Arc::clone(cache.load()), None, worker);
        Views { cache: RefCell::new(cache), current: RefCell::new(Rc::new(view)), worker }
    }

    pub(crate) fn current(&self) -> Rc<View> {
        let mut cache = self.cache.borrow_mut();
        let snapshot = cache.load();
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(snapshot, &current.snapshot) {
            let next = Rc::new(View::new(Arc::clone(snapshot), Some(&current), self.worker));
            *current = next;
        }
        Rc::clone(&current)
    }
}

impl View {
    /// Pools of instances that the view before had are taken over with their idle connections; the
    /// others close theirs when their last exchange ends.
    fn new(snapshot: Arc<Snapshot>, before: Option<&View>, worker: usize) -> Self {
        let mut known: HashMap<*const InstanceState, Rc<Pool>> = before
            .iter()
            .flat_map(|view| &view.upstreams)
            .flat_map(|upstream| &upstream.pools)
            .map(|pool| (Arc::as_ptr(pool.instance()), Rc::clone(pool)))
            .collect();
        let upstreams = snapshot
            .upstreams
            .iter()
            .zip(snapshot.router.model().upstreams())
            .map(|(upstream, model)| ViewUpstream {
                name: upstream.name.as_ref().into(),
                state: Arc::clone(&upstream.state),
                pools: upstream
                    .instances
                    .iter()
                    .map(|instance| {
                        known
                            .entry(Arc::as_ptr(instance))
                            .or_insert_with(|| Rc::new(Pool::new(Arc::clone(instance), worker)))
                            .clone()
                    })
                    .collect(),
                balancer: RefCell::new(upstream.balancer.clone()),
                limits: model.instances.iter().map(|instance| instance.max_connections).collect(),
                queue: model.queue,
                protocol: model.protocol,
                keepalive: model.keepalive,
                cookie: match &model.strategy {
                    Strategy::StickyCookie(cookie) => Some(cookie.clone()),
                    _ => None,
                },
                when_all_down: model.health.when_all_down,
                retries: RefCell::default(),
            })
            .collect::<Vec<ViewUpstream>>();
        for upstream in &upstreams {
            upstream.pools.iter().for_each(|pool| pool.configure(upstream.protocol, upstream.keepalive));
            upstream.see_who_is_available();
        }
        let server = snapshot.server();
        View {
            generation: before.map_or(0, |view| view.generation + 1),
            upstreams,
            times: WireTimes {
                header: server.timeouts.client_header,
                keepalive: server.timeouts.keepalive,
                write: server.timeouts.client_write,
            },
            http: http_settings(server.max_header_fields),
            log_requests: snapshot.router.model().settings().middleware.log_requests,
            log_format: snapshot.router.model().settings().middleware.log_format,
            snapshot,
        }
    }

    /// Closes idle upstream connections that are too old, and finds out which instances have come
    /// and gone.
    pub(crate) fn sweep(&self) {
        for upstream in &self.upstreams {
            upstream.see_who_is_available();
            upstream.state.queue.look_again();
            for pool in &upstream.pools {
                pool.sweep();
            }
        }
    }
}

impl ViewUpstream {
    /// Whether an instance may get requests at all.
    pub(crate) fn is_available(&self, place: usize) -> bool {
        self.pools.get(place).is_some_and(|pool| pool.instance().is_available())
    }

    /// Whether the instance may get requests that no better one can take: it is not down, or all
    /// are and `when_all_down` allows it.
    pub(crate) fn may_have(&self, place: usize) -> bool {
        let is_down = |pool: &Rc<Pool>| pool.instance().health.is_down();
        let Some(pool) = self.pools.get(place) else { return false };
        !is_down(pool) || (self.when_all_down == WhenAllDown::UseAll && self.pools.iter().all(is_down))
    }

    /// Requests and tunnels that an instance is working on, for all workers.
    pub(crate) fn in_flight(&self, place: usize) -> usize {
        self.pools.get(place).map_or(0, |pool| pool.instance().in_flight())
    }

    /// Whether an instance may have one more now. Only [`ViewUpstream::lease`] makes sure of it.
    pub(crate) fn has_room(&self, place: usize) -> bool {
        self.limit(place).is_none_or(|limit| self.in_flight(place) < limit.get())
    }

    /// Makes sure that a lease that ends unseen from here on wakes whoever has joined the queue.
    pub(crate) fn settle(&self) {
        self.pools.iter().for_each(|pool| pool.instance().settle());
    }

    /// A lease on an instance, unless it has all that it may have.
    pub(crate) fn lease(&self, place: usize) -> Option<Lease> {
        Lease::take(self.pools.get(place)?, self.limit(place))
    }

    fn limit(&self, place: usize) -> Option<NonZeroUsize> {
        self.limits.get(place).copied().flatten()
    }

    fn see_who_is_available(&self) {
        self.balancer.borrow_mut().set_available(|place| self.is_available(place));
    }
}

fn http_settings(max_header_fields: usize) -> http1::Builder {
    let mut http = http1::Builder::new();
    // The wire looks for the client's end itself.
    http.half_close(true)
        .keep_alive(true)
        .pipeline_flush(false)
        .header_read_timeout(None)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(CLIENT_BUFFER_BYTES);
    if max_header_fields != FREE_HEADER_FIELDS {
        http.max_headers(max_header_fields);
    }
    http
}
