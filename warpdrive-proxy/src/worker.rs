//! A worker: one thread, one single-threaded runtime, its own listeners and its own pools.
//!
//! Workers share the live snapshot, the counters and the stage of a stop. Everything of a
//! connection stays on its worker, so nothing on a request's way takes a lock.

use std::cell::{Cell, Ref, RefCell};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderValue;
use rand::RngExt;
use rand::rngs::SmallRng;
use std::net::IpAddr;
use tokio::sync::{Notify, mpsc, watch};
use warpdrive_core::Scratch;

use crate::accept;
use crate::access_log::{LogBuffer, LogUnits};
use crate::block::Block;
use crate::capacity::{Capacity, Reservation};
use crate::counters::Traffic;
use crate::limited::Limited;
use crate::limits::{PLACED_CONNECTIONS, SWEEP, TUNNEL_READ_BYTES};
use crate::read_share::ReadShare;
use crate::roster::Roster;
use crate::snapshot::Live;
use crate::splice;
use crate::upstream::{HeadSpace, ReadSpace};
use crate::view::Views;

/// Request ids made at once.
const REQUEST_IDS: usize = 64;

/// The length of one.
const REQUEST_ID_BYTES: usize = 32;

/// Memory for clients' own request ids, in bytes: dozens.
const KEPT_IDS_BYTES: usize = 1024;

/// How far a stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Serving.
    Running,
    /// Serving and still accepting, but every response ends its connection.
    Leaving,
    /// Listeners are closed once their queues are empty; idle connections are closed.
    Closing,
    /// Whatever is still under way is cut.
    Cut,
}

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) live: Live,
    pub(crate) stage: watch::Sender<Stage>,
    /// Open client connections, by worker.
    pub(crate) counts: Vec<AtomicUsize>,
    pub(crate) capacity: Capacity,
    /// What each worker counts of its clients, by worker.
    pub(crate) traffic: Box<[Traffic]>,
    /// Where the proxy listens.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) started: Instant,
    /// The warning about an untrusted balancer was given.
    pub(crate) warned_of_balancer: AtomicBool,
}

/// A connection that one worker gives to another.
pub(crate) type Placed = (TcpStream, SocketAddr, Reservation);

/// One worker, as its own tasks see it.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) views: Views,
    pub(crate) scratch: RefCell<Scratch>,
    pub(crate) log: LogBuffer,
    pub(crate) roster: Roster,
    /// Woken when one of this worker's connections ends.
    pub(crate) connection_ended: Notify,
    /// What tunnels read into.
    pub(crate) tunnel_space: RefCell<Box<[u8]>>,
    pub(crate) head_space: HeadSpace,
    pub(crate) warnings: Warnings,
    pub(crate) reads: Arc<ReadShare>,
    pub(crate) read_space: Rc<ReadSpace>,
    stage: Cell<Stage>,
    random: RefCell<SmallRng>,
    request_start: RefCell<(u128, HeaderValue)>,
    /// Made and not used yet.
    request_ids: RefCell<Bytes>,
    kept_ids: Block<KEPT_IDS_BYTES>,
}

/// One limit for each kind of warning that a client or an instance can cause.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    bare_answer: Limited,
    pub(crate) accept: Limited,
    pub(crate) upstream: Limited,
}

/// What a worker thread is started with.
pub(crate) struct WorkerParts {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) inbox: mpsc::Receiver<Placed>,
    /// The inboxes of all workers, by index.
    pub(crate) outboxes: Vec<mpsc::Sender<Placed>>,
    pub(crate) log: Option<SyncSender<LogUnits>>,
    /// How many pipes this worker may have.
    pub(crate) pipes: usize,
}

/// The inboxes of `count` workers.
pub(crate) fn inboxes(count: usize) -> (Vec<mpsc::Sender<Placed>>, Vec<mpsc::Receiver<Placed>>) {
    (0..count).map(|_| mpsc::channel(PLACED_CONNECTIONS)).unzip()
}

/// Runs a worker until a stop is complete.
pub(crate) async fn run(parts: WorkerParts) {
    let mut stage = parts.shared.stage.subscribe();
    splice::allow(parts.pipes);
    let worker = Rc::new(Worker::new(parts.index, parts.shared, parts.log));
    let listeners = accept::Listeners { sockets: parts.listeners, inbox: parts.inbox, outboxes: parts.outboxes };
    let accepting = tokio::task::spawn_local(accept::accept(Rc::clone(&worker), listeners));
    let tending = tokio::task::spawn_local(tend(Rc::clone(&worker)));
    loop {
        // The sender lives in `shared`, which this worker holds.
        let now = *stage.borrow_and_update();
        worker.stage.set(now);
        match now {
            Stage::Running | Stage::Leaving => {
                let _ = stage.changed().await;
            }
            Stage::Closing => {
                worker.roster.wake_all();
                tokio::select! {
                    () = worker.is_empty(&accepting) => break,
                    _ = stage.changed() => {}
                }
            }
            Stage::Cut => break,
        }
    }
    tending.abort();
}

/// Hands log lines on, closes old upstream connections and lets go of retired snapshots.
async fn tend(worker: Rc<Worker>) {
    let mut tick = tokio::time::interval(SWEEP);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let sweeping = async {
        loop {
            tick.tick().await;
            worker.views.current().sweep();
        }
    };
    tokio::join!(sweeping, worker.log.hand_on_in_time());
}

impl Worker {
    fn new(index: usize, shared: Arc<Shared>, log: Option<SyncSender<LogUnits>>) -> Self {
        Worker {
            index,
            views: Views::new(&shared.live, index),
            shared,
            scratch: RefCell::default(),
            log: LogBuffer::new(log),
            roster: Roster::default(),
            connection_ended: Notify::new(),
            tunnel_space: RefCell::new(vec![0; TUNNEL_READ_BYTES].into_boxed_slice()),
            head_space: HeadSpace::default(),
            read_space: Rc::default(),
            warnings: Warnings::default(),
            reads: Arc::default(),
            stage: Cell::new(Stage::Running),
            random: RefCell::new(rand::make_rng()),
            request_start: RefCell::new((0, HeaderValue::from_static("t=0"))),
            request_ids: RefCell::default(),
            kept_ids: Block::default(),
        }
    }

    /// Whether responses should end their connections.
    pub(crate) fn is_leaving(&self) -> bool {
        self.stage.get() >= Stage::Leaving
    }

    /// Whether idle connections should end.
    pub(crate) fn is_closing(&self) -> bool {
        self.stage.get() >= Stage::Closing
    }

    /// Whether whatever is under way is being cut.
    pub(crate) fn is_cut(&self) -> bool {
        self.stage.get() == Stage::Cut
    }

    /// Waits until this worker accepts nothing more and has no connection left.
    async fn is_empty(&self, accepting: &tokio::task::JoinHandle<()>) {
        loop {
            let ended = self.connection_ended.notified();
            if accepting.is_finished() && self.connections() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Open client connections of this worker.
    pub(crate) fn connections(&self) -> usize {
        self.shared.counts.get(self.index).map_or(0, |count| count.load(Relaxed))
    }

    /// Counts something of this worker's clients.
    pub(crate) fn count(&self, count: impl FnOnce(&Traffic)) {
        if let Some(traffic) = self.shared.traffic.get(self.index) {
            count(traffic);
        }
    }

    /// A number by chance.
    pub(crate) fn random(&self) -> u64 {
        self.random.borrow_mut().random()
    }

    /// A request id of 128 random bits in hexadecimal. Many are made at once, in memory that they share.
    pub(crate) fn new_request_id(&self) -> HeaderValue {
        let mut ids = self.request_ids.borrow_mut();
        if ids.is_empty() {
            let mut random = self.random.borrow_mut();
            let digits = (0..REQUEST_IDS).flat_map(|_| random.random::<u128>().to_ne_bytes());
            *ids = digits.flat_map(|byte| [hexadecimal(byte >> 4), hexadecimal(byte & 15)]).collect();
        }
        HeaderValue::from_maybe_shared(ids.split_to(REQUEST_ID_BYTES)).unwrap_or(HeaderValue::from_static("-"))
    }

    /// A copy of a client's own id: the value itself would hold on to the buffer that its head was read into.
    pub(crate) fn copy_request_id(&self, id: &HeaderValue) -> HeaderValue {
        HeaderValue::from_maybe_shared(self.kept_ids.copy(id.as_bytes()).freeze()).unwrap_or_else(|_| id.clone())
    }

    /// A request began.
    pub(crate) fn note_start(&self, began: SystemTime) {
        let now = began.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut kept = self.request_start.borrow_mut();
        if kept.0 != now
            && let Ok(value) = HeaderValue::try_from(format!("t={now}"))
        {
            *kept = (now, value);
        }
    }

    /// `t=` and the milliseconds since 1970 of the request that began last. Not to be held across one.
    pub(crate) fn request_start(&self) -> Ref<'_, HeaderValue> {
        Ref::map(self.request_start.borrow(), |kept| &kept.1)
    }

    /// The second of the last request, since 1970: a clock that costs nothing.
    pub(crate) fn second(&self) -> u64 {
        u64::try_from(self.request_start.borrow().0 / 1000).unwrap_or(u64::MAX)
    }

    /// hyper or the wire refused what was no request; there is no access-log line for it.
    pub(crate) fn note_bare_answer(&self, client: IpAddr, status: u16) {
        if let Some(left_out) = self.warnings.bare_answer.pass() {
            tracing::warn!(
                %client,
                status,
                left_out,
                "refused bytes that are no acceptable request"
            );
        }
    }
}

fn hexadecimal(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}
