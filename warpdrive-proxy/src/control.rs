//! Starting, reloading and stopping: what happens beside the requests.
//!
//! One control thread orders the steps of a stop and drops retired snapshots, so that the freeing
//! of a big routing table never delays a request. Workers run connections and nothing else.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::watch;
use warpdrive_core::Model;
use warpdrive_core::model::{Address, ServerSettings};

use crate::access_log::{AccessLog, LogThread};
use crate::admin::{AdminListeners, AdminPlaces, AdminThread};
use crate::capacity::Capacity;
use crate::counters::Traffic;
use crate::descriptors::{connections, pipes, raise_limit};
use crate::drain::{Control, Drained, Event};
use crate::health::HealthThread;
use crate::limits::{CONTROL_QUEUE, EVENT_INTERVAL};
use crate::listen::{self, Bound};
use crate::snapshot::Snapshot;
use crate::start::{ReplaceError, StartError};
use crate::status::{self, Status};
use crate::upstream::{HealthReport, Registry};
use crate::user::User;
use crate::worker::{self, Shared, Stage, WorkerParts};

/// What a program that embeds the proxy decides, beside the model.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Where access-log lines go; standard output by default.
    pub access_log: AccessLog,
    /// Where the admin socket is made unless `server.admin_socket` names a path; without, it is made
    /// nowhere else.
    pub admin_places: Option<AdminPlaces>,
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Options::default()
    }

    /// Sends access-log lines elsewhere.
    #[must_use]
    pub fn with_access_log(mut self, access_log: AccessLog) -> Self {
        self.access_log = access_log;
        self
    }

    /// Makes the admin socket in one of these places, unless `server.admin_socket` says otherwise.
    #[must_use]
    pub fn with_admin_places(mut self, places: AdminPlaces) -> Self {
        self.admin_places = Some(places);
        self
    }
}

/// One instance and what it is doing, for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceReport {
    /// The name of the upstream.
    pub upstream: String,
    /// Where the instance listens.
    pub address: Address,
    /// Requests and tunnels that it is working on.
    pub in_flight: usize,
    /// Whether it gets requests, and why not.
    pub health: HealthReport,
}

/// A running proxy. Its methods may be called from any thread; dropping it cuts whatever it is
/// still doing.
#[derive(Debug)]
pub struct Proxy {
    addresses: Vec<SocketAddr>,
    admin_address: Option<SocketAddr>,
    admin_socket: Option<PathBuf>,
    shared: Arc<Shared>,
    registry: Mutex<Registry>,
    health: HealthThread,
    stop: StopHandle,
    control: Mutex<Option<JoinHandle<Drained>>>,
    outcome: Mutex<Option<Drained>>,
    /// The limit of the process.
    descriptors: u64,
}

/// Begins a stop from anywhere, as from a task that waits for signals.
#[derive(Clone, Debug)]
pub struct StopHandle {
    events: SyncSender<Event>,
}

impl StopHandle {
    /// Begins the drain: the proxy goes on accepting for `drain_grace`, ends each connection after
    /// its response, then closes its listeners and waits for what is under way, at most for the
    /// drain time. Calling it again changes nothing.
    pub fn stop(&self) {
        // A full queue holds a stop already, or a dozen reloads after which it can be asked again;
        // a closed one has stopped.
        let _ = self.events.send(Event::Stop);
    }
}

impl Proxy {
    /// Starts a proxy and returns when it listens.
    ///
    /// All addresses are bound before anything is served. Worker threads are started here, one
    /// control thread and one that checks health; no signal is caught, no logger is set, no panic hook is installed.
    ///
    /// With `server.user` this must be called while the process has no other thread.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; nothing of the proxy is left then.
    pub fn start(model: Model, options: Options) -> Result<Proxy, StartError> {
        let workers = worker_count(&model.settings().server);
        let mut registry = Registry::new(workers);
        let snapshot = Snapshot::compile(model, &mut registry)?;
        let server = snapshot.server().clone();
        let user = server.user.as_deref().map(|name| User::find(name).map(|user| (user, name))).transpose()?;
        let descriptors = raise_limit();
        let Bound { by_worker, addresses } = listen::bind(&server, workers)?;
        listen::refuse_own_listener(snapshot.router.model(), &addresses)?;
        if let Some((user, name)) = user {
            user.become_it(name)?;
        }
        let port = addresses.first().map_or(0, SocketAddr::port);
        let admin = AdminListeners::bind(&server, options.admin_places.as_ref(), port);
        let (admin_address, admin_socket) = (admin.address(), admin.path().map(Path::to_owned));
        let shared = Arc::new(Shared {
            live: Arc::new(ArcSwap::from_pointee(snapshot)),
            stage: watch::Sender::new(Stage::Running),
            counts: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            capacity: Capacity::new(connections(server.max_connections, descriptors)),
            traffic: (0..workers).map(|_| Traffic::default()).collect(),
            addresses: addresses.clone(),
            started: Instant::now(),
            warned_of_balancer: AtomicBool::new(false),
        });
        let log = LogThread::start(options.access_log).map_err(StartError::Thread)?;
        let (events, inbox) = sync_channel(CONTROL_QUEUE);
        let Workers { threads, gates } =
            start_workers(&shared, by_worker, &log, &events, pipes(descriptors) / workers)?;
        let (health, health_thread) = HealthThread::start(&shared.live.load(), new_runtime, shared.stage.subscribe())
            .map_err(StartError::Thread)?;
        let admin = AdminThread::start(admin, Arc::clone(&shared)).map_err(StartError::Thread)?;
        let control = Control::new(Arc::clone(&shared), inbox);
        let control = thread::Builder::new()
            .name("warpdrive-control".to_owned())
            .spawn(move || {
                for gate in gates {
                    let _ = gate.send(());
                }
                let drained = control.run(threads, log);
                // The stage that ends it is reached.
                let _ = health_thread.join();
                // It answers until the last request has ended.
                drop(admin);
                drained
            })
            .map_err(StartError::Thread)?;
        Ok(Proxy {
            addresses,
            admin_address,
            admin_socket,
            shared,
            registry: Mutex::new(registry),
            health,
            stop: StopHandle { events },
            control: Mutex::new(Some(control)),
            outcome: Mutex::new(None),
            descriptors,
        })
    }

    /// Where the proxy listens; a port of 0 stands here as the one that the kernel chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the admin endpoint listens over TCP, if it does.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// The path of the admin socket, if there is one.
    pub fn admin_socket(&self) -> Option<&Path> {
        self.admin_socket.as_deref()
    }

    /// What the proxy and every instance of the current model are doing.
    pub fn status(&self) -> Status {
        status::gather(&self.shared)
    }

    /// Puts another model in the place of the one in use.
    ///
    /// Requests that are under way end by the old one; the next request of any connection is
    /// decided by the new one. Counters, health and idle connections of instances that both have are kept.
    /// Listeners, those of the admin endpoint among them, worker threads and the user stay as they were started.
    ///
    /// # Errors
    ///
    /// See [`ReplaceError`]; the old model goes on then.
    pub fn replace(&self, model: Model) -> Result<(), ReplaceError> {
        // One reload at a time. A panic of another thread in here leaves nothing half changed.
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(StartError::OwnListener { upstream, address }) = listen::refuse_own_listener(&model, &self.addresses)
        {
            return Err(ReplaceError::OwnListener { upstream, address });
        }
        let snapshot = Snapshot::compile(model, &mut registry)?;
        let connections = connections(snapshot.server().max_connections, self.descriptors);
        if *self.shared.stage.borrow() != Stage::Running {
            return Err(ReplaceError::Stopping);
        }
        self.health.watch(&snapshot);
        let old = self.shared.live.swap(Arc::new(snapshot));
        self.shared.capacity.set_most(connections);
        // A control thread that has ended drops nothing any more; then this thread does.
        let _ = self.stop.events.send(Event::Retired(old));
        Ok(())
    }

    /// A handle that can begin the stop from elsewhere.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Begins the stop, see [`StopHandle::stop`].
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// Waits until a stop is complete. It does not begin one.
    pub fn wait(&self) -> Drained {
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = control.take() {
            *outcome = thread.join().ok();
        }
        outcome.unwrap_or(Drained::Cut { connections: 0 })
    }

    /// What every instance of the current model is doing, and how it is. Takes a lock of each instance
    /// for a moment, which no request that goes well ever takes.
    pub fn instances(&self) -> Vec<InstanceReport> {
        let snapshot = self.shared.live.load();
        snapshot
            .upstreams
            .iter()
            .flat_map(|upstream| &upstream.instances)
            .map(|instance| InstanceReport {
                upstream: instance.upstream.to_string(),
                address: instance.address.clone(),
                in_flight: instance.in_flight(),
                health: instance.health.report(),
            })
            .collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.stop.events.send(Event::Cut);
        self.wait();
    }
}

fn worker_count(server: &ServerSettings) -> usize {
    server.worker_threads.or_else(|| thread::available_parallelism().ok()).map_or(1, std::num::NonZeroUsize::get)
}

/// Worker threads that wait behind their gates. Dropped gates let the threads end.
struct Workers {
    threads: Vec<JoinHandle<()>>,
    gates: Vec<SyncSender<()>>,
}

/// Tells the control thread that a worker has ended, also when it ends by a panic.
struct Ending(SyncSender<Event>);

impl Drop for Ending {
    fn drop(&mut self) {
        // The control thread does not wait when this fails: it has ended.
        let _ = self.0.send(Event::WorkerEnded);
    }
}

/// Starts all worker threads; none serves before its gate is opened.
fn start_workers(
    shared: &Arc<Shared>,
    by_worker: Vec<Vec<std::net::TcpListener>>,
    log: &LogThread,
    events: &SyncSender<Event>,
    pipes: usize,
) -> Result<Workers, StartError> {
    let (outboxes, inboxes) = worker::inboxes(by_worker.len());
    let mut threads = Vec::with_capacity(by_worker.len());
    let mut gates = Vec::with_capacity(by_worker.len());
    let (ready, readiness) = sync_channel::<io::Result<()>>(by_worker.len());
    for (index, (listeners, inbox)) in by_worker.into_iter().zip(inboxes).enumerate() {
        let (open, gate) = sync_channel::<()>(1);
        gates.push(open);
        let parts = WorkerParts {
            index,
            shared: Arc::clone(shared),
            listeners,
            inbox,
            outboxes: outboxes.clone(),
            log: log.sender(),
            pipes,
        };
        let ready = ready.clone();
        let ending = Ending(events.clone());
        let thread = thread::Builder::new()
            .name(format!("warpdrive-{index}"))
            .spawn(move || {
                let _ending = ending;
                run_worker(parts, ready, &gate);
            })
            .map_err(StartError::Thread)?;
        threads.push(thread);
    }
    drop(ready);
    for result in readiness {
        result.map_err(StartError::Thread)?;
    }
    Ok(Workers { threads, gates })
}

fn run_worker(parts: WorkerParts, ready: SyncSender<io::Result<()>>, gate: &Receiver<()>) {
    let runtime = match new_runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    // The starter waits until nobody can say anything any more.
    drop(ready);
    if gate.recv().is_err() {
        return;
    }
    runtime.block_on(worker::run(parts));
}

fn new_runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .event_interval(EVENT_INTERVAL)
        .build_local(LocalOptions::default())
}
