//! `[upstreams.NAME]`: addresses, and what later behaviour hangs on them.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

use super::diagnostic::{Code, Place, Report};
use super::findings::UpstreamPlaces;
use super::reader::{Environment, Keys, Raw};
use super::{balancing, health, instances, process, rules};
use crate::limits::MAX_UPSTREAMS;
use crate::model::{Address, Instance, Upstream, UpstreamId};

/// The upstreams of the file, by name.
#[derive(Default)]
pub(super) struct Upstreams {
    pub(super) list: Vec<Upstream>,
    by_name: HashMap<String, UpstreamId>,
    /// Where each is defined.
    pub(super) places: Vec<UpstreamPlaces>,
    /// Upstreams whose own mistakes are reported already: routes to them are no further mistake.
    broken: Vec<String>,
}

impl Upstreams {
    pub(super) fn find(&self, name: &str) -> Option<UpstreamId> {
        self.by_name.get(name).copied()
    }

    pub(super) fn is_broken(&self, name: &str) -> bool {
        self.broken.iter().any(|broken| broken == name)
    }

    /// Every name, also of upstreams with mistakes.
    pub(super) fn names(&self) -> Vec<&str> {
        let sound = self.list.iter().map(|upstream| upstream.name.as_str());
        sound.chain(self.broken.iter().map(String::as_str)).collect()
    }

    pub(super) fn add(&mut self, upstream: Upstream, places: UpstreamPlaces) -> UpstreamId {
        let id = UpstreamId(self.list.len() as u32);
        self.by_name.insert(upstream.name.clone(), id);
        self.list.push(upstream);
        self.places.push(places);
        id
    }
}

/// Reads every upstream. `target` is the address that the environment gives to `default`.
pub(super) fn read(root: Option<Keys<'_>>, target: Option<&(Address, String)>, report: &mut Report) -> Upstreams {
    let mut upstreams = Upstreams::default();
    let Some(root) = root else { return upstreams };
    let entries = root.entries();
    if let Err(mistake) = rules::count(entries.len(), MAX_UPSTREAMS, "upstreams") {
        report.add(mistake.code, Place::File(root.span), mistake.problem);
        return upstreams;
    }
    for (name, span, raw) in entries {
        let before = report.errors();
        let Some(keys) = raw.table(report) else { continue };
        if let Err(mistake) = rules::upstream_name(name) {
            report.add(mistake.code, Place::File(span), mistake.problem).help = mistake.help;
            upstreams.broken.push(name.to_owned());
            continue;
        }
        let given = target.filter(|_| name == "default");
        match upstream(name, span, keys, given, report) {
            Some((upstream, places)) if report.errors() == before => drop(upstreams.add(upstream, places)),
            _ => upstreams.broken.push(name.to_owned()),
        }
    }
    upstreams
}

fn upstream(
    name: &str,
    span: Range<usize>,
    mut keys: Keys<'_>,
    given: Option<&(Address, String)>,
    report: &mut Report,
) -> Option<(Upstream, UpstreamPlaces)> {
    let own = address(&mut keys, report);
    let strategy = balancing::strategy(name, &mut keys, report);
    let protocol = balancing::protocol(&mut keys, report);
    let keepalive = balancing::keepalive(&mut keys, report);
    let queue = balancing::queue(&mut keys, report);
    let limit = keys.take("max_connections");
    let max_connections = limit.as_ref().and_then(|raw| instances::max_connections(raw, report));
    let alone = |address: Address| Instance { max_connections, ..address.into() };
    let listed = keys.take("instances");
    let health = health::read(&mut keys, report);
    let (process, process_places) = keys.take("process").and_then(|raw| process::read(&raw, report)).unzip();
    let mistaken = matches!(own, Own::Mistaken);
    let instances = match (own, &listed) {
        (Own::Mistaken, _) => None,
        (Own::Address(address, at), Some(raw)) => {
            let diagnostic = report.add(
                Code::ConflictingKeys,
                raw.place(),
                format!("`upstreams.{name}` has an address of its own and `instances`"),
            );
            diagnostic.related(at, "the address").help("move the address into `[[upstreams.NAME.instances]]`");
            drop(address);
            None
        }
        (Own::Address(address, at), None) => Some((vec![alone(address)], vec![Place::File(at)])),
        (Own::Absent, Some(raw)) => {
            if let Some(limit) = &limit {
                report
                    .add(Code::ConflictingKeys, limit.place(), format!("`{}` stands beside `instances`", limit.name))
                    .help("give each of `[[upstreams.NAME.instances]]` its own `max_connections`");
            }
            instances::read(raw, report)
        }
        (Own::Absent, None) => None,
    };
    let instances = match (given, instances) {
        (Some((address, variable)), _) => Some((vec![alone(address.clone())], vec![Place::Variable(variable.clone())])),
        (None, Some(instances)) => Some(instances),
        (None, None) => {
            if listed.is_none() && !mistaken {
                report
                    .add(Code::MissingKey, Place::File(span.clone()), format!("upstream `{name}` has no address"))
                    .help("give it `host` and `port`, or `socket`, or `[[upstreams.NAME.instances]]`");
            }
            None
        }
    };
    keys.finish(report);
    let (instances, addresses) = instances?;
    let places = UpstreamPlaces { name: span, addresses, process: process_places };
    let (strategy, protocol, keepalive, queue, health) = (strategy?, protocol?, keepalive?, queue?, health?);
    let upstream = Upstream::new(name.to_owned(), instances);
    Some((Upstream { strategy, protocol, health, process, keepalive, queue, ..upstream }, places))
}

/// The address in a table, if any.
pub(super) enum Own {
    Absent,
    Mistaken,
    Address(Address, Range<usize>),
}

/// Reads `socket`, or `host` and `port`.
pub(super) fn address(keys: &mut Keys<'_>, report: &mut Report) -> Own {
    let socket = keys.take("socket");
    let host = keys.take("host");
    let port = keys.take("port");
    match (socket, host, port) {
        (None, None, None) => Own::Absent,
        (Some(socket), None, None) => match (socket_path(&socket, report), socket.span()) {
            (Some(path), Some(span)) => Own::Address(Address::Unix(path), span),
            _ => Own::Mistaken,
        },
        (Some(socket), host, port) => {
            let other = host.or(port);
            let diagnostic = report.add(
                Code::ConflictingKeys,
                socket.place(),
                format!("`{}` has a socket and a host or port", keys.name),
            );
            if let Some(span) = other.and_then(|raw| raw.span()) {
                diagnostic.related(span, "the other address");
            }
            diagnostic.help("an instance listens in one place: leave one of them out");
            Own::Mistaken
        }
        (None, Some(host), None) => {
            report
                .add(Code::MissingKey, host.place(), format!("`{}` has a host and no port", keys.name))
                .help("add `port = 3000`, or whatever the application listens on");
            Own::Mistaken
        }
        (None, host, Some(port)) => {
            let number = port.integer(rules::PORTS, report);
            let name = match &host {
                Some(raw) => host_name(raw, report),
                None => Some("127.0.0.1".to_owned()),
            };
            match (name, number, port.span()) {
                (Some(host), Some(port), Some(span)) => Own::Address(Address::Tcp { host, port: port as u16 }, span),
                _ => Own::Mistaken,
            }
        }
    }
}

/// A name or address to connect to.
pub(super) fn host_name(raw: &Raw<'_>, report: &mut Report) -> Option<String> {
    let text = raw.text(report)?;
    raw.checked(rules::host_name(&text), report)
}

/// A path of a socket.
pub(super) fn socket_path(raw: &Raw<'_>, report: &mut Report) -> Option<PathBuf> {
    let path = PathBuf::from(raw.text(report)?);
    raw.checked(rules::socket_path(&path), report)?;
    Some(path)
}

/// The address in `WARPDRIVE_TARGET_*`.
pub(super) fn target(environment: &mut Environment, report: &mut Report) -> Option<(Address, String)> {
    let socket = environment.take("WARPDRIVE_TARGET_SOCKET");
    let host = environment.take("WARPDRIVE_TARGET_HOST");
    let port = environment.take("WARPDRIVE_TARGET_PORT");
    match (socket, host, port) {
        (None, None, None) => None,
        (Some(socket), None, None) => Some((Address::Unix(socket_path(&socket, report)?), socket.name)),
        (Some(socket), _, _) => {
            report
                .add(Code::ConflictingKeys, socket.place(), "a socket and a host or port are both given")
                .help("unset WARPDRIVE_TARGET_SOCKET, or the other two");
            None
        }
        (None, Some(host), None) => {
            report
                .add(Code::MissingKey, host.place(), "a host is given, and no port")
                .help("set WARPDRIVE_TARGET_PORT too");
            None
        }
        (None, host, Some(port)) => {
            let name = port.name.clone();
            let number = port.integer(rules::PORTS, report);
            let host = match host {
                Some(raw) => host_name(&raw, report)?,
                None => "127.0.0.1".to_owned(),
            };
            Some((Address::Tcp { host, port: number? as u16 }, name))
        }
    }
}
