//! One line a request: who asked, what came of it, and how long it took.

mod line;
mod writer;

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::SystemTime;

use http::{HeaderValue, Method, Uri, Version};
use tokio::time::Instant;

use line::{Line, Timestamp};
pub use writer::AccessLog;
pub(crate) use writer::{LogBuffer, LogThread, LogUnits};

/// What an access-log line will say. Filled while the exchange goes on.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) started: Instant,
    pub(crate) client: IpAddr,
    pub(crate) method: Method,
    /// As the client sent it.
    pub(crate) target: Uri,
    pub(crate) version: Version,
    /// 0 while there is no response.
    pub(crate) status: u16,
    /// Body bytes sent to the client; both ways for a tunnel, with `received`.
    pub(crate) sent: u64,
    /// Body bytes received from the client.
    pub(crate) received: u64,
    /// Bytes on the client's connection since its last line, heads and framing included; unlike
    /// `sent` this counts what the kernel took. Filled when the line is written.
    pub(crate) wire_in: u64,
    /// See `wire_in`.
    pub(crate) wire_out: u64,
    pub(crate) upstream: Option<Rc<str>>,
    pub(crate) instance: Option<Rc<str>>,
    /// The number of the route, from 1.
    pub(crate) route: Option<u32>,
    /// Connections tried or used.
    pub(crate) attempts: u32,
    /// Why it did not go well.
    pub(crate) reason: Option<&'static str>,
    pub(crate) request_id: Option<HeaderValue>,
}

impl Record {
    /// Appends the line of this record. Fields that could hold secrets are not among its keys:
    /// no header field but the request id, and the query filtered.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let took = self.started.elapsed();
        let mut line = Line::begin(out);
        let began = SystemTime::now().checked_sub(took);
        line.plain("time", Timestamp(began.unwrap_or(SystemTime::UNIX_EPOCH)));
        line.plain("client", self.client);
        line.text("method", self.method.as_str().as_bytes());
        match self.target.path_and_query() {
            Some(target) => line.target("target", target.as_str()),
            None => line.text("target", b"-"),
        }
        line.plain("protocol", protocol(self.version));
        line.plain("status", self.status);
        line.plain("sent", self.sent);
        line.plain("received", self.received);
        line.plain("wire_in", self.wire_in);
        line.plain("wire_out", self.wire_out);
        line.milliseconds("ms", took);
        line.text("upstream", dash(self.upstream.as_deref()));
        line.text("instance", dash(self.instance.as_deref()));
        line.plain("route", OrDash(self.route));
        line.plain("attempts", self.attempts);
        line.plain("reason", self.reason.unwrap_or("-"));
        line.text("id", self.request_id.as_ref().map_or(b"-", |id| id.as_bytes()));
        line.end();
    }
}

fn protocol(version: Version) -> &'static str {
    if version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" }
}

fn dash(text: Option<&str>) -> &[u8] {
    text.unwrap_or("-").as_bytes()
}

struct OrDash<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for OrDash<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_has_every_key_once() {
        let record = Record {
            started: Instant::now(),
            client: IpAddr::from([203, 0, 113, 9]),
            method: Method::GET,
            target: Uri::from_static("http://shop.example/a?token=1&x=2"),
            version: Version::HTTP_11,
            status: 200,
            sent: 128,
            received: 0,
            wire_in: 0,
            wire_out: 0,
            upstream: Some("app".into()),
            instance: Some("127.0.0.1:3000".into()),
            route: Some(2),
            attempts: 1,
            reason: None,
            request_id: Some(HeaderValue::from_static("abc")),
        };
        let mut out = Vec::new();
        record.write(&mut out);
        let text = String::from_utf8(out).unwrap();
        let keys: Vec<&str> = text.trim_end().split(' ').map(|pair| pair.split('=').next().unwrap()).collect();
        assert_eq!(
            keys,
            [
                "time", "client", "method", "target", "protocol", "status", "sent", "received", "wire_in", "wire_out",
                "ms", "upstream", "instance", "route", "attempts", "reason", "id"
            ]
        );
        assert!(text.contains(" target=\"/a?token=[FILTERED]&x=2\" "));
        assert!(text.contains(" instance=127.0.0.1:3000 route=2 attempts=1 reason=- id=abc\n"));
    }
}
