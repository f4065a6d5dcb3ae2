//! One question to an instance, on a connection of its own.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use warpdrive_core::health::CheckResult;
use warpdrive_core::model::HealthCheck;

use super::connect::{Endpoint, connect};
use super::health::Question;
use super::io::UpstreamIo;
use crate::body::Upload;
use crate::limits::{CHECK_HEAD_BYTES, TRIAL_TIME};

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("warpdrive/", env!("CARGO_PKG_VERSION"), " (health check)"));

/// Asks what the check asks, within its time. The words say what was not as expected.
///
/// The connection is closed after the head of the response: its body says nothing that its status
/// does not.
pub(crate) async fn check(endpoint: &Endpoint, check: &HealthCheck, request: Option<Request<Upload>>) -> Outcome {
    let asked = async {
        let io = connect(endpoint, check.timeout).await.map_err(|error| error.to_string())?;
        match request {
            None => Ok(None),
            Some(request) => answer(io, request).await.map(|response| Some(response.status())),
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
pub(crate) fn request(check: &HealthCheck, host: &str, scheme: &'static str) -> Option<Request<Upload>> {
    let mut request = Request::new(Upload::Empty);
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
    Some(request)
}

async fn answer(io: UpstreamIo, request: Request<Upload>) -> Result<Response<Incoming>, String> {
    let handshake = http1::Builder::new().max_buf_size(CHECK_HEAD_BYTES).handshake(TokioIo::new(io)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let mut connection = pin!(connection);
    let mut response = pin!(sender.send_request(request));
    let mut has_ended = false;
    let answered = poll_fn(|cx| {
        if let Poll::Ready(response) = response.as_mut().poll(cx) {
            return Poll::Ready(response);
        }
        if !has_ended {
            has_ended = connection.as_mut().poll(cx).is_ready();
        }
        response.as_mut().poll(cx)
    });
    answered.await.map_err(|error| format!("no answer: {error}"))
}

/// Asks what requests cast doubt on.
///
/// Whoever answers at all, with whatever, is no instance that drops everybody, and neither is one
/// that takes its time. `OPTIONS *` asks for nothing of any application (RFC 9110 section 9.3.7).
pub(crate) async fn ask(endpoint: &Endpoint, question: Question, host: &str) -> Result<(), String> {
    let mut io = connect(endpoint, TRIAL_TIME).await.map_err(|error| error.to_string())?;
    if question == Question::Connects {
        return Ok(());
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
