//! The health thread: asks every instance what its upstream's check says, and makes the trials that
//! failed requests call for.
//!
//! It is a thread beside the control thread, which blocks on its inbox. Workers never ask anything:
//! they read one atomic number an instance. Each instance has one task here, which a reload leaves
//! alone unless its settings changed. A task that is dropped drops its question with it, so a
//! cancelled check counts for nothing.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::LocalRuntime;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use warpdrive_core::model::{HealthSettings, Protocol};

use crate::limits::CHECKS_AT_ONCE;
use crate::snapshot::Snapshot;
use crate::upstream::{Endpoint, InstanceState, outlook, probe};
use crate::worker::Stage;

/// Every instance of a snapshot with how it is to be watched.
pub(crate) type Plan = Vec<Watched>;

/// One instance to watch.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    instance: Arc<InstanceState>,
    how: Arc<How>,
}

/// How the instances of one upstream are watched.
#[derive(Debug, PartialEq, Eq)]
struct How {
    settings: Arc<HealthSettings>,
    /// What questions name as `Host`.
    host: String,
    /// The scheme that the public uses.
    scheme: &'static str,
    protocol: Protocol,
    /// The servers that are asked for names; the system's where there is none.
    resolver: Arc<[SocketAddr]>,
}

/// The running thread. It ends when the proxy stops accepting, or when this is dropped.
#[derive(Debug)]
pub(crate) struct HealthThread {
    plan: watch::Sender<Plan>,
}

impl HealthThread {
    /// Starts the thread, which asks every instance at once for the first time.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn start(
        snapshot: &Snapshot,
        runtime: LocalRuntimeMaker,
        stage: watch::Receiver<Stage>,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (plan, plans) = watch::channel(plan(snapshot));
        let thread = thread::Builder::new().name("warpdrive-health".to_owned()).spawn(move || {
            let runtime = match runtime() {
                Ok(runtime) => runtime,
                Err(error) => {
                    tracing::error!(%error, "no health check runs: their runtime could not be made");
                    return;
                }
            };
            runtime.block_on(run(plans, stage));
        })?;
        Ok((HealthThread { plan }, thread))
    }

    /// Watches the instances of another snapshot from now on.
    pub(crate) fn watch(&self, snapshot: &Snapshot) {
        self.plan.send_replace(plan(snapshot));
    }
}

/// Makes the runtime, on the thread where it will run.
pub(crate) type LocalRuntimeMaker = fn() -> io::Result<LocalRuntime>;

fn plan(snapshot: &Snapshot) -> Plan {
    let model = snapshot.router.model();
    let scheme = if model.settings().tls.enabled { "https" } else { "http" };
    let resolver: Arc<[SocketAddr]> = model.settings().server.resolver.as_slice().into();
    let mut plan = Vec::new();
    for (place, (upstream, model_upstream)) in snapshot.upstreams.iter().zip(model.upstreams()).enumerate() {
        let host = match &model_upstream.health.check {
            Some(check) => check.host.as_deref().unwrap_or_else(|| model.check_host(place)).to_owned(),
            None => "localhost".to_owned(),
        };
        let settings = Arc::new(model_upstream.health.clone());
        let how = Arc::new(How {
            settings,
            host,
            scheme,
            protocol: model_upstream.protocol,
            resolver: Arc::clone(&resolver),
        });
        for instance in &upstream.instances {
            instance.health.configure(&how.settings);
            plan.push(Watched { instance: Arc::clone(instance), how: Arc::clone(&how) });
        }
    }
    plan
}

async fn run(mut plans: watch::Receiver<Plan>, mut stage: watch::Receiver<Stage>) {
    let mut watches = Watches::default();
    while *stage.borrow() < Stage::Closing {
        watches.follow(&plans.borrow_and_update());
        tokio::select! {
            changed = plans.changed() => if changed.is_err() { break },
            changed = stage.changed() => if changed.is_err() { break },
        }
    }
    watches.follow(&Vec::new());
}

/// The task of each instance.
struct Watches {
    tasks: HashMap<*const InstanceState, (Arc<How>, AbortHandle)>,
    room: Rc<Semaphore>,
}

impl Default for Watches {
    fn default() -> Self {
        Watches { tasks: HashMap::new(), room: Rc::new(Semaphore::new(CHECKS_AT_ONCE)) }
    }
}

impl Watches {
    fn follow(&mut self, plan: &Plan) {
        let mut before = std::mem::take(&mut self.tasks);
        for watched in plan {
            let key = Arc::as_ptr(&watched.instance);
            let same = |(how, _): &(Arc<How>, AbortHandle)| **how == *watched.how;
            let kept = before.remove(&key).filter(|old| {
                let keeps = same(old);
                if !keeps {
                    old.1.abort();
                }
                keeps
            });
            let task = kept.unwrap_or_else(|| {
                let task = tokio::task::spawn_local(watch_one(watched.clone(), Rc::clone(&self.room)));
                (Arc::clone(&watched.how), task.abort_handle())
            });
            self.tasks.insert(key, task);
        }
        for (_, task) in before.into_values() {
            task.abort();
        }
    }
}

async fn watch_one(watched: Watched, room: Rc<Semaphore>) {
    let endpoint = Endpoint::of(&watched.instance);
    let label = watched.instance.address.to_string();
    if let Some(obstacle) = outlook::obstacle(&endpoint) {
        let upstream = &*watched.instance.upstream;
        tracing::warn!(upstream, instance = label, "{obstacle}; requests to the instance fail until that changes");
    }
    tokio::join!(
        follow_name(&watched, &label),
        check_again_and_again(&watched, &endpoint, &label, &room),
        try_when_due(&watched, &endpoint, &label, &room),
        rise(&watched),
    );
}

/// What the instance's name stands for.
async fn follow_name(watched: &Watched, label: &str) {
    if let Some(name) = &watched.instance.name {
        name.follow(&watched.how.resolver, &watched.instance.upstream, label).await;
    }
}

/// The active checks.
async fn check_again_and_again(watched: &Watched, endpoint: &Endpoint, label: &str, room: &Semaphore) {
    let How { settings, host, scheme, protocol, .. } = &*watched.how;
    let Some(check) = &settings.check else { return };
    loop {
        let begun = Instant::now();
        let permit = room.acquire().await;
        let (result, error) = probe::check(endpoint, *protocol, check, probe::request(check, host, scheme)).await;
        drop(permit);
        if let Some(told) = watched.instance.health.checked(result, error) {
            told.log(&watched.instance.upstream, label);
        }
        sleep_until(begun + probe::pause(check, rand::random())).await;
    }
}

/// The trials and questions of passive checks.
async fn try_when_due(watched: &Watched, endpoint: &Endpoint, label: &str, room: &Semaphore) {
    let health = &watched.instance.health;
    loop {
        let question = match health.question() {
            Ok(question) => question,
            Err(wait) => {
                match wait {
                    // It ends also where there is nothing new, and then looks again.
                    Some(wait) => drop(timeout(wait, health.evidence.notified()).await),
                    None => health.evidence.notified().await,
                }
                continue;
            }
        };
        let permit = room.acquire().await;
        let answer = probe::ask(endpoint, watched.how.protocol, question, &watched.how.host).await;
        drop(permit);
        if let Some(told) = health.tried(answer) {
            told.log(&watched.instance.upstream, label);
        }
    }
}

/// The slow start.
async fn rise(watched: &Watched) {
    let health = &watched.instance.health;
    loop {
        match health.rise() {
            Some(wait) => sleep(wait).await,
            None => health.opened.notified().await,
        }
    }
}
