//! One line a request: who asked, what came of it, and how long it took.

mod line;
mod secrets;
mod timestamp;
mod writer;

use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, Version};
use tokio::time::Instant;

use crate::clock;
use line::{Line, key};
use warpdrive_core::model::LogFormat;
pub use writer::AccessLog;
pub(crate) use writer::{LogBuffer, LogThread, LogUnits};

/// What an access-log line will say. Filled while the exchange goes on.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) format: LogFormat,
    pub(crate) started: Instant,
    /// The same moment by the calendar.
    pub(crate) began: SystemTime,
    pub(crate) client: IpAddr,
    pub(crate) method: Method,
    /// As the client sent it.
    pub(crate) target: Box<str>,
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
    /// How long the last connect to an instance took; `None` where an idle connection was used.
    pub(crate) connected_in: Option<Duration>,
    /// From sending the request to an instance to the head of its response.
    pub(crate) first_byte_in: Option<Duration>,
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
        let took = clock::now() - self.started;
        let mut line = Line::begin(out, self.format);
        line.time(key!("time"), self.began);
        line.address(key!("client"), self.client);
        line.text(key!("method"), Some(self.method.as_str().as_bytes()));
        line.target(key!("target"), Some(&*self.target).filter(|target| !target.is_empty()));
        line.word(key!("protocol"), Some(protocol(self.version)));
        line.number(key!("status"), Some(self.status));
        line.number(key!("sent"), Some(self.sent));
        line.number(key!("received"), Some(self.received));
        line.number(key!("wire_in"), Some(self.wire_in));
        line.number(key!("wire_out"), Some(self.wire_out));
        line.milliseconds(key!("ms"), Some(took));
        line.milliseconds(key!("connect_ms"), self.connected_in);
        line.milliseconds(key!("first_byte_ms"), self.first_byte_in);
        line.text(key!("upstream"), self.upstream.as_deref().map(str::as_bytes));
        line.text(key!("instance"), self.instance.as_deref().map(str::as_bytes));
        line.number(key!("route"), self.route);
        line.number(key!("attempts"), Some(self.attempts));
        line.word(key!("reason"), self.reason);
        line.text(key!("id"), self.request_id.as_ref().map(HeaderValue::as_bytes));
        line.end();
    }
}

fn protocol(version: Version) -> &'static str {
    if version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn record() -> Record {
        Record {
            started: Instant::now(),
            began: SystemTime::now(),
            client: IpAddr::from([203, 0, 113, 9]),
            method: Method::GET,
            target: "/a?token=1&x=2".into(),
            version: Version::HTTP_11,
            status: 200,
            sent: 128,
            received: 0,
            wire_in: 0,
            wire_out: 0,
            upstream: Some("app".into()),
            instance: Some("127.0.0.1:3000".into()),
            route: Some(2),
            format: LogFormat::Text,
            connected_in: None,
            first_byte_in: Some(Duration::from_micros(1_500)),
            attempts: 1,
            reason: None,
            request_id: Some(HeaderValue::from_static("abc")),
        }
    }

    #[tokio::test]
    async fn a_line_has_every_key_once() {
        let record = record();
        let mut out = Vec::new();
        record.write(&mut out);
        let text = String::from_utf8(out).unwrap();
        let keys: Vec<&str> = text.trim_end().split(' ').map(|pair| pair.split('=').next().unwrap()).collect();
        assert_eq!(
            keys,
            [
                "time",
                "client",
                "method",
                "target",
                "protocol",
                "status",
                "sent",
                "received",
                "wire_in",
                "wire_out",
                "ms",
                "connect_ms",
                "first_byte_ms",
                "upstream",
                "instance",
                "route",
                "attempts",
                "reason",
                "id"
            ]
        );
        assert!(text.contains(" connect_ms=- first_byte_ms=1.500 upstream=app "));
        assert!(text.contains(" target=\"/a?token=[FILTERED]&x=2\" "));
        assert!(text.contains(" instance=127.0.0.1:3000 route=2 attempts=1 reason=- id=abc\n"));
    }
}
