//! `server.health_path`: how the proxy itself is, for whoever balances between several of it.

use std::borrow::Cow;
use std::rc::Rc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode, request};
use warpdrive_core::forwarding::{RequestHead, is_health_check};

use super::decide::target;
use super::{Exchange, close_after};
use crate::body::Outgoing;
use crate::page::Failure;

const OK: &[u8] = b"ok\n";

impl Exchange {
    /// Whether core says that this request is for the proxy itself.
    pub(super) fn is_health_check(&self, head: &request::Parts) -> bool {
        let target: Cow<'_, str> = target(&head.uri);
        let asked = RequestHead { method: &head.method, version: head.version, target: &target };
        let mut scratch = self.client().worker.scratch.borrow_mut();
        is_health_check(&self.view.snapshot.router, asked, &head.headers, &mut scratch)
    }

    /// 200 while the proxy serves, 503 as soon as it is asked to stop, so that a balancer sends the
    /// next request elsewhere while this one still accepts.
    pub(super) fn answer_health_check(mut self, request_id: &HeaderValue) -> Response<Outgoing> {
        let client = Rc::clone(self.client());
        if client.worker.is_leaving() {
            let sentence = "This proxy is stopping.";
            return self.answer(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "draining", sentence), request_id);
        }
        client.with_record(|record| record.status = StatusCode::OK.as_u16());
        client.worker.count(|traffic| traffic.count_own_answer(StatusCode::OK.as_u16()));
        self.underway.complete();
        let text = if self.is_head { Bytes::new() } else { Bytes::from_static(OK) };
        let mut response = Response::new(Outgoing::Page { text, underway: self.underway });
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(OK.len()));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // What is left of a request body is not waited for, and could not be told from a request.
        if client.wire.is_body_open() {
            close_after(headers);
        }
        response
    }
}
