//! One question to an instance, on a connection of its own.

use std::time::Duration;

use bytes::BytesMut;
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use warpdrive_core::health::CheckResult;
use warpdrive_core::model::{HealthCheck, Protocol};

use super::connect::{Endpoint, connect};
use super::h2c;
use super::health::Question;
use super::http1::{self, Reader, Start, Watch};
use super::socket::Socket;
use crate::limits::{CHECK_HEAD_BYTES, TRIAL_TIME};

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("warpdrive/", env!("CARGO_PKG_VERSION"), " (health check)"));

/// Asks what the check asks, within its time. The words say what was not as expected.
///
/// The connection is closed after the head of the response: its body says nothing that its status
/// does not.
pub(crate) async fn check(
    endpoint: &Endpoint,
    protocol: Protocol,
    check: &HealthCheck,
    request: Option<request::Parts>,
) -> Outcome {
    let asked = async {
        let io = connect(endpoint, check.timeout).await.map_err(|error| error.to_string())?;
        match request {
            None => Ok(None),
            Some(request) => match protocol {
                Protocol::Http1 => answer(io, request).await.map(Some),
                Protocol::H2c => h2c::ask(io, &request).await.map(Some),
            },
        }
    };
    let status = match timeout(check.timeout, asked).await {
        Ok(Ok(None)) => return (CheckResult::Passed, None),
        Ok(Ok(Some(status))) => status,
        Ok(Err(error)) => return (CheckResult::Failed, Some(error)),
        Err(_) => {
            let error = format!("no answer within {} seconds", check.timeout.as_secs_f64());
            return (CheckResult::Failed, Some(error));
        }
    };
    if check.expect.contains(status) {
        return (CheckResult::Passed, None);
    }
    let result = if status < StatusCode::INTERNAL_SERVER_ERROR { CheckResult::Unexpected } else { CheckResult::Failed };
    (result, Some(format!("the answer was {status}")))
}

/// What a check said, and why.
pub(crate) type Outcome = (CheckResult, Option<String>);

/// The request of a check; `None` for one that asks for nothing but a connection.
pub(crate) fn request(check: &HealthCheck, host: &str, scheme: &'static str) -> Option<request::Parts> {
    let mut request = Request::new(());
    // Both were checked when the configuration was read.
    *request.uri_mut() = check.path.as_ref()?.parse().ok()?;
    let fields = request.headers_mut();
    fields.insert(HOST, HeaderValue::from_str(host).ok()?);
    fields.insert(USER_AGENT, AGENT);
    fields.insert(ACCEPT, HeaderValue::from_static("*/*"));
    fields.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static(scheme));
    for (name, value) in &check.headers {
        fields.insert(name, value.clone());
    }
    fields.insert(CONNECTION, HeaderValue::from_static("close"));
    Some(request.into_parts().0)
}

/// The status of the final response.
async fn answer(mut io: Socket, head: request::Parts) -> Result<StatusCode, String> {
    let mut bytes = Vec::new();
    http1::encode(&head, &mut bytes);
    let broken = |error: std::io::Error| format!("no answer: {error}");
    io.write_all(&bytes).await.map_err(broken)?;
    let (mut reader, mut buffer, mut watch) = (Reader::default(), BytesMut::new(), Watch::default());
    let mut received = 0;
    loop {
        let bytes = io.read_buf(&mut buffer).await.map_err(broken)?;
        received += bytes;
        if bytes == 0 {
            return Err("no answer: the connection was closed inside it".to_owned());
        }
        if received > CHECK_HEAD_BYTES {
            return Err("no answer: its head is too long".to_owned());
        }
        loop {
            match reader.parse(&mut buffer, &mut watch, false, HeaderMap::new) {
                Ok(Start::Final(head)) => return Ok(head.parts.status),
                Ok(Start::Interim(..)) if !buffer.is_empty() => {}
                Ok(Start::Interim(..) | Start::More) => break,
                Err(http1::Malformed) => return Err("no answer: what came is no HTTP response".to_owned()),
            }
        }
    }
}

/// Asks what requests cast doubt on.
///
/// Whoever answers at all, with whatever, is no instance that drops everybody, and neither is one
/// that takes its time. `OPTIONS *` asks for nothing of any application (RFC 9110 section 9.3.7).
pub(crate) async fn ask(endpoint: &Endpoint, protocol: Protocol, question: Question, host: &str) -> Result<(), String> {
    let mut io = connect(endpoint, TRIAL_TIME).await.map_err(|error| error.to_string())?;
    if question == Question::Connects {
        return Ok(());
    }
    if protocol == Protocol::H2c {
        let request = Request::options("*").header(HOST, host).body(());
        let Ok(request) = request.map(|request| request.into_parts().0) else { return Ok(()) };
        let asked = timeout(TRIAL_TIME, h2c::ask(io, &request)).await;
        return asked.unwrap_or(Ok(StatusCode::OK)).map(drop);
    }
    let request = format!("OPTIONS * HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let asked = async {
        io.write_all(request.as_bytes()).await?;
        io.read_u8().await
    };
    match timeout(TRIAL_TIME, asked).await {
        Ok(Ok(_)) | Err(_) => Ok(()),
        Ok(Err(error)) => Err(format!("it closed the connection of a trial without an answer: {error}")),
    }
}

/// The time to the next check: the interval, and by chance up to the jitter more or less.
pub(crate) fn pause(check: &HealthCheck, chance: f64) -> Duration {
    let jitter = check.jitter.min(check.interval);
    (check.interval - jitter) + jitter.mul_f64(2.0 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_stray_by_the_jitter_and_no_more() {
        let mut check = HealthCheck::default();
        check.jitter = Duration::from_secs(1);
        let seconds = |chance, check: &HealthCheck| pause(check, chance).as_secs_f64();
        assert_eq!([0.0, 0.5, 1.0].map(|chance| seconds(chance, &check)), [9.0, 10.0, 11.0]);
        check.jitter = Duration::from_secs(99);
        assert_eq!([0.0, 1.0].map(|chance| seconds(chance, &check)), [0.0, 20.0]);
    }
}
