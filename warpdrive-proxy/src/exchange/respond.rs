//! From an instance's response to the one that the client gets.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, SET_COOKIE, UPGRADE};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, response};
use hyper::upgrade::OnUpgrade;
use warpdrive_core::forwarding::{Scheme, finish_response};

use super::decide::Decision;
use super::dispatch::Sent;
use super::{Exchange, close_after};
use crate::body::{Download, Outgoing};
use crate::tunnel::{Side, Tunnel};
use crate::upstream::{Lease, Link};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// A request that an instance has answered.
pub(super) struct Answered {
    pub(super) decision: Decision,
    pub(super) sent: Sent,
    pub(super) on_upgrade: Option<OnUpgrade>,
}

impl Exchange {
    /// Finishes the head and hands the body on.
    pub(super) fn respond(self, answered: Answered) -> Response<Outgoing> {
        let Answered { decision, sent, on_upgrade } = answered;
        let client = Rc::clone(self.client());
        let mut head = sent.head;
        client.with_record(|record| record.status = head.status.as_u16());
        sent.lease.responded(head.status.as_u16(), sent.waited);
        let lifetime = keep_alive_time(&head.headers);
        if let Some(route) = self.view.snapshot.router.model().routes().get(decision.route) {
            finish_response(route, &decision.public, &mut head.headers);
        }
        let cookie = self.view.upstreams.get(decision.upstream).and_then(|upstream| upstream.cookie.as_ref());
        if let (Some(pin), Some(cookie)) = (sent.pin, cookie)
            && let Some(field) = cookie.set(pin, decision.public.scheme == Scheme::Https)
        {
            head.headers.append(SET_COOKIE, field);
        }
        // hyper writes what the client understands; an instance's HTTP/1.0 is not the client's.
        head.version = Version::HTTP_11;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return self.switch(head, sent.link, sent.lease, on_upgrade, &decision);
        }
        if client.worker.is_leaving() {
            close_after(&mut head.headers);
        }
        let close_delimited = self.version == Version::HTTP_10 && !head.headers.contains_key(CONTENT_LENGTH);
        let download = Download {
            link: Some(sent.link),
            lease: Some(sent.lease),
            lifetime,
            read_timeout: decision.limits.read_timeout,
            silent_since: None,
            cut: None,
            close_delimited,
            underway: self.underway,
        };
        Response::from_parts(head, Outgoing::Upstream(download))
    }

    /// Answers 101 and leaves the connection to a tunnel.
    fn switch(
        mut self,
        mut head: response::Parts,
        link: Link,
        lease: Lease,
        on_client: Option<OnUpgrade>,
        decision: &Decision,
    ) -> Response<Outgoing> {
        let client = Rc::clone(self.client());
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let (Some(on_client), Some((io, early, opened))) = (on_client, link.into_socket()) {
            // From here on the client's bytes are no request, however they begin.
            client.wire.begin_tunnel();
            let tunnel = Tunnel {
                record: client.take_record(),
                client,
                lease,
                far: Side { io, early },
                opened,
                idle: decision.limits.tunnel_idle_timeout,
            };
            tokio::task::spawn_local(tunnel.run(on_client));
        }
        self.underway.complete();
        let body = Outgoing::Page { text: Bytes::new(), underway: self.underway };
        Response::from_parts(head, body)
    }
}

/// `timeout=` of an instance's `Keep-Alive` field.
fn keep_alive_time(headers: &HeaderMap) -> Option<Duration> {
    let field = headers.get(KEEP_ALIVE)?.to_str().ok()?;
    field.split(',').find_map(|part| {
        let (name, value) = part.trim().split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("timeout") {
            return None;
        }
        let seconds = value.trim().trim_matches('"').parse::<u32>().ok()?;
        Some(Duration::from_secs(u64::from(seconds)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promise_of_keep_alive_is_read() {
        let time = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(KEEP_ALIVE, HeaderValue::from_static(text));
            keep_alive_time(&headers).map(|time| time.as_secs())
        };
        assert_eq!(time("timeout=5"), Some(5));
        assert_eq!(time("max=100, Timeout = 2"), Some(2));
        assert_eq!(time("max=100"), None);
        assert_eq!(time("timeout=soon"), None);
    }
}
