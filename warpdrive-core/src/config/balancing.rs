//! How an upstream's requests find an instance: strategy, cookie, queue, kept connections.

use super::diagnostic::{Code, Report};
use super::reader::{Keys, Raw};
use super::rules;
use crate::model::{Protocol, QueueSettings, SameSite, StickyCookie, Strategy};

/// Reads `strategy`, and `sticky_cookie` that goes with one of them.
pub(super) fn strategy(upstream: &str, keys: &mut Keys<'_>, report: &mut Report) -> Option<Strategy> {
    let named = keys.take("strategy");
    let cookie = keys.take("sticky_cookie");
    let strategy = match &named {
        Some(raw) => by_name(raw, StickyCookie::of(upstream), report)?,
        None => Strategy::default(),
    };
    match (cookie, strategy) {
        (Some(raw), Strategy::StickyCookie(default)) => {
            sticky_cookie(&raw, default, report).map(Strategy::StickyCookie)
        }
        (Some(raw), _) => {
            let problem = format!("`{}` has no effect with another strategy", raw.name);
            let diagnostic = report.add(Code::ConflictingKeys, raw.place(), problem);
            if let Some(span) = named.and_then(|raw| raw.span()) {
                diagnostic.related(span, "the strategy");
            }
            diagnostic.help("write `strategy = \"sticky_cookie\"`, or leave the cookie out");
            None
        }
        (None, strategy) => Some(strategy),
    }
}

fn by_name(raw: &Raw<'_>, cookie: StickyCookie, report: &mut Report) -> Option<Strategy> {
    let text = raw.text(report)?;
    match text.as_str() {
        "round_robin" => Some(Strategy::RoundRobin),
        "least_conn" => Some(Strategy::LeastConn),
        "random" => Some(Strategy::Random),
        "power_of_two" => Some(Strategy::PowerOfTwo),
        "ip_hash" => Some(Strategy::IpHash),
        "sticky_cookie" => Some(Strategy::StickyCookie(cookie)),
        other => raw.bad(
            &format!("there is no strategy `{other}`"),
            "choose round_robin, least_conn, random, power_of_two, ip_hash or sticky_cookie",
            report,
        ),
    }
}

fn sticky_cookie(raw: &Raw<'_>, default: StickyCookie, report: &mut Report) -> Option<StickyCookie> {
    let mut keys = raw.table(report)?;
    let name = match keys.take("name") {
        Some(raw) => raw.text(report).and_then(|name| raw.checked(rules::cookie_name(&name), report).map(|()| name)),
        None => Some(default.name),
    };
    let same_site = match keys.take("same_site") {
        Some(raw) => raw.text(report).and_then(|text| match text.as_str() {
            "lax" => Some(SameSite::Lax),
            "strict" => Some(SameSite::Strict),
            "none" => Some(SameSite::None),
            other => raw.bad(&format!("there is no `{other}`"), "choose lax, strict or none", report),
        }),
        None => Some(default.same_site),
    };
    keys.finish(report);
    Some(StickyCookie { name: name?, same_site: same_site? })
}

/// Reads `protocol`.
pub(super) fn protocol(keys: &mut Keys<'_>, report: &mut Report) -> Option<Protocol> {
    let Some(raw) = keys.take("protocol") else { return Some(Protocol::default()) };
    match raw.text(report)?.as_str() {
        "http1" => Some(Protocol::Http1),
        "h2c" => Some(Protocol::H2c),
        other => {
            raw.bad(&format!("there is no protocol `{other}`"), "choose http1, or h2c for HTTP/2 without TLS", report)
        }
    }
}

/// Reads `keepalive`.
pub(super) fn keepalive(keys: &mut Keys<'_>, report: &mut Report) -> Option<bool> {
    keys.take("keepalive").map_or(Some(true), |raw| raw.boolean(report))
}

/// Reads `queue` and `queue_timeout_secs`.
pub(super) fn queue(keys: &mut Keys<'_>, report: &mut Report) -> Option<QueueSettings> {
    let default = QueueSettings::default();
    let size = keys.take("queue").map_or(Some(default.size as u64), |raw| raw.integer(rules::QUEUE, report));
    let timeout = keys.take("queue_timeout_secs").map_or(Some(default.timeout), |raw| raw.seconds(report));
    Some(QueueSettings { size: size? as usize, timeout: timeout? })
}
