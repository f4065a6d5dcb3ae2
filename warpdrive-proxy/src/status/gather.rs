//! Reads and adds up what the workers have counted.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use warpdrive_core::model::Instance;

use super::{HealthStatus, InstanceStatus, LastFailure, Latency, Stage, Status, UpstreamStatus};
use crate::counters::{CLASSES, Count, Failed, InstanceCounters, Times};
use crate::snapshot::SnapshotUpstream;
use crate::upstream::{HealthState, InstanceState};
use crate::worker::{self, Shared};

/// The words for the classes of statuses, from 1xx.
pub(super) const CLASS_NAMES: [&str; CLASSES] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The proxy now. Costs a look at every count of every worker: about two kilobytes an instance and
/// worker.
pub(crate) fn gather(shared: &Shared) -> Status {
    let snapshot = shared.live.load();
    let model = snapshot.router.model();
    let upstreams = snapshot.upstreams.iter().zip(model.upstreams());
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        stage: match *shared.stage.borrow() {
            worker::Stage::Running => Stage::Running,
            worker::Stage::Leaving | worker::Stage::Closing | worker::Stage::Cut => Stage::Draining,
        },
        uptime_secs: rounded(shared.started.elapsed()),
        addresses: shared.addresses.iter().map(ToString::to_string).collect(),
        workers: shared.traffic.len(),
        connections: shared.capacity.open(),
        connections_limit: shared.capacity.most(),
        requests: shared.traffic.iter().map(|traffic| traffic.requests.get()).sum(),
        own_answers: by_class(|class| {
            shared.traffic.iter().filter_map(|traffic| traffic.own_answers.get(class)).map(Count::get).sum()
        }),
        upstreams: upstreams.map(|(upstream, settings)| one_upstream(upstream, &settings.instances)).collect(),
    }
}

fn one_upstream(upstream: &SnapshotUpstream, settings: &[Instance]) -> UpstreamStatus {
    let refused = &upstream.state.refused;
    let refused = [
        ("no_instance", &refused.no_instance),
        ("queue_full", &refused.queue_full),
        ("queue_timeout", &refused.queue_timeout),
    ];
    let word = |(reason, count): (&str, &AtomicU64)| (reason.to_owned(), count.load(Relaxed));
    UpstreamStatus {
        name: upstream.name.to_string(),
        waiting: upstream.state.queue.waiting(),
        refused: refused.into_iter().map(word).collect(),
        instances: upstream.instances.iter().zip(settings).map(|(state, one)| one_instance(state, one)).collect(),
    }
}

fn one_instance(state: &InstanceState, settings: &Instance) -> InstanceStatus {
    let sum = |count: fn(&InstanceCounters) -> &Count| state.counted().map(|counters| count(counters).get()).sum();
    let failures = Failed::ALL.into_iter().enumerate().map(|(place, failed)| {
        let count = state.counted().filter_map(|counters| counters.failures.get(place)).map(Count::get).sum();
        (failed.as_str().to_owned(), count)
    });
    let (mut first_byte, mut total) = (Times::default(), Times::default());
    for counters in state.counted() {
        first_byte.add(&counters.first_byte);
        total.add(&counters.total);
    }
    InstanceStatus {
        address: state.address.to_string(),
        weight: settings.weight,
        backup: settings.backup,
        health: health_of(state),
        in_flight: state.in_flight(),
        connections: sum(|counters| &counters.open),
        idle_connections: sum(|counters| &counters.idle),
        connections_opened: sum(|counters| &counters.opened),
        requests: sum(|counters| &counters.requests),
        responses: by_class(|class| {
            state.counted().filter_map(|counters| counters.responses.get(class)).map(Count::get).sum()
        }),
        failures: failures.collect(),
        cancelled: sum(|counters| &counters.cancelled),
        stale: sum(|counters| &counters.stale),
        retries: sum(|counters| &counters.retries),
        bytes_sent: sum(|counters| &counters.sent),
        bytes_received: sum(|counters| &counters.received),
        last_failure: last_failure(state),
        first_byte: latency(&first_byte),
        total: latency(&total),
    }
}

fn health_of(instance: &InstanceState) -> HealthStatus {
    let report = instance.health.report();
    let state = match report.state {
        HealthState::Up => "up",
        HealthState::Down => "down",
        HealthState::Ejected => "ejected",
    };
    HealthStatus { state: state.to_owned(), since_secs: Some(rounded(report.since)), last_error: report.last_error }
}

fn last_failure(state: &InstanceState) -> Option<LastFailure> {
    let (at, failed) = state.counted().filter_map(InstanceCounters::last_failure).max_by_key(|(at, _)| *at)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ago = now.saturating_sub(Duration::from_millis(at));
    Some(LastFailure { reason: failed.as_str().to_owned(), ago_secs: rounded(ago) })
}

fn latency(times: &Times) -> Latency {
    let quantile = |share| times.quantile(share).map(|time| time.as_secs_f64());
    Latency {
        count: times.count(),
        sum_secs: Duration::from_micros(times.sum).as_secs_f64(),
        p50_secs: quantile(0.5),
        p90_secs: quantile(0.9),
        p99_secs: quantile(0.99),
    }
}

fn by_class(count: impl Fn(usize) -> u64) -> BTreeMap<String, u64> {
    CLASS_NAMES.into_iter().enumerate().map(|(class, name)| (name.to_owned(), count(class))).collect()
}

/// Seconds, to the millisecond.
fn rounded(time: Duration) -> f64 {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).as_secs_f64()
}
