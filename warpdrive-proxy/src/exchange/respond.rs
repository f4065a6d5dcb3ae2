//! From an instance's response to the one that the client gets.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, SET_COOKIE, UPGRADE};
use http::{HeaderValue, Response, StatusCode, Version, response};
use hyper::upgrade::OnUpgrade;
use warpdrive_core::forwarding::{Scheme, finish_response};

use super::decide::Decision;
use super::dispatch::Sent;
use super::{Exchange, Prepared, close_after};
use crate::body::{Download, Outgoing};
use crate::tunnel::{Side, Tunnel};
use crate::upstream::{Lease, Link};

impl Exchange {
    /// Finishes the head and hands the body on.
    pub(super) fn respond(self, prepared: &mut Prepared, sent: Sent) -> Response<Outgoing> {
        let Prepared { decision, on_upgrade, .. } = prepared;
        let client = Rc::clone(self.client());
        let mut head = sent.head;
        client.with_record(|record| record.status = head.status.as_u16());
        sent.lease.responded(head.status.as_u16(), sent.waited);
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
            return self.switch(head, sent.link, sent.lease, on_upgrade.take(), decision);
        }
        if client.worker.is_leaving() {
            close_after(&mut head.headers);
        }
        let close_delimited = self.version == Version::HTTP_10 && !head.headers.contains_key(CONTENT_LENGTH);
        let download = Download {
            link: Some(sent.link),
            lease: Some(sent.lease),
            read_timeout: decision.read_timeout,
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
                idle: self.limits(decision).tunnel_idle_timeout,
            };
            tokio::task::spawn_local(tunnel.run(on_client));
        }
        self.underway.complete();
        let body = Outgoing::Page { text: Bytes::new(), underway: self.underway };
        Response::from_parts(head, body)
    }
}
