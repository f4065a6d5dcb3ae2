//! From a request to its answer.

use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use sha1::{Digest, Sha1};

use super::body::{EchoBody, Pieces};
use super::report::{BodyDigest, report};
use super::websocket;

const STATUSES: RangeInclusive<u64> = 200..=599;
const MAX_BYTES: u64 = 1 << 30;
const MAX_PIECES: u64 = 1_000;
const MAX_GAP_MS: u64 = 10_000;

/// Answers one request. Where it becomes a WebSocket, the promise of the upgraded connection is
/// left in `tunnel`.
pub(super) async fn answer(
    mut request: Request<Incoming>,
    name: &str,
    tunnel: &Mutex<Option<OnUpgrade>>,
) -> Result<Response<EchoBody>, hyper::Error> {
    if websocket::is_wanted(&request) {
        return Ok(match websocket::shake_hands(&request) {
            Ok(response) => {
                let upgrade = hyper::upgrade::on(&mut request);
                *tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
                response.map(|()| EchoBody::empty())
            }
            Err(refusal) => refusal.response().map(|message| text(message.to_owned())),
        });
    }
    let (head, body) = request.into_parts();
    let wish = match Wish::of(&head.uri) {
        Ok(wish) => wish,
        Err(message) => {
            let mut response = Response::new(text(message));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(response);
        }
    };
    // Also where the answer does not show it: what is not read would cut the connection.
    let digest = read(body).await?;
    let (kind, body) = match wish.content {
        Content::Report => ("application/json", text(report(name, &head, &digest))),
        Content::Bytes(length) => ("application/octet-stream", EchoBody::Filler(length)),
        Content::Pieces { count, gap } => ("text/plain; charset=utf-8", EchoBody::Pieces(Pieces::new(count, gap))),
    };
    let bodiless = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED];
    let mut response = if bodiless.contains(&wish.status) {
        Response::new(EchoBody::empty())
    } else {
        let mut response = Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    };
    *response.status_mut() = wish.status;
    Ok(response)
}

/// What the target asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    status: StatusCode,
    content: Content,
}

#[derive(Debug, PartialEq, Eq)]
enum Content {
    Report,
    Bytes(u64),
    Pieces { count: u64, gap: Duration },
}

impl Wish {
    fn of(target: &Uri) -> Result<Wish, String> {
        let query = target.query().unwrap_or_default();
        let status = number(query, "status", STATUSES)?.unwrap_or(200);
        let status = u16::try_from(status).ok().and_then(|code| StatusCode::from_u16(code).ok());
        let content = if target.path().ends_with("/stream") {
            let count = number(query, "n", 0..=MAX_PIECES)?.unwrap_or(5);
            let gap = number(query, "ms", 0..=MAX_GAP_MS)?.unwrap_or(200);
            Content::Pieces { count, gap: Duration::from_millis(gap) }
        } else {
            match number(query, "bytes", 0..=MAX_BYTES)? {
                Some(length) => Content::Bytes(length),
                None => Content::Report,
            }
        };
        Ok(Wish { status: status.unwrap_or_default(), content })
    }
}

/// The first parameter of that name. Parameters of other names are none of our business.
fn number(query: &str, name: &str, within: RangeInclusive<u64>) -> Result<Option<u64>, String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, value)) = pairs.find(|(key, _)| *key == name) else {
        return Ok(None);
    };
    match value.parse() {
        Ok(number) if within.contains(&number) => Ok(Some(number)),
        _ => Err(format!("`{name}` must be a number from {} to {}, not `{value}`\n", within.start(), within.end())),
    }
}

async fn read(mut body: Incoming) -> Result<BodyDigest, hyper::Error> {
    let mut length = 0;
    let mut digest = Sha1::new();
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame?.into_data() {
            length += piece.len() as u64;
            digest.update(&piece);
        }
    }
    Ok(BodyDigest { length, sha1: digest.finalize().into() })
}

fn text(text: String) -> EchoBody {
    EchoBody::Full(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(target: &'static str) -> Result<Wish, String> {
        Wish::of(&Uri::from_static(target))
    }

    #[test]
    fn a_plain_target_wants_a_report() {
        let report = Wish { status: StatusCode::OK, content: Content::Report };
        assert_eq!(wish("/a?n=3&ms=1&other=x"), Ok(report));
    }

    #[test]
    fn parameters_choose_status_size_and_pieces() {
        let short = Wish { status: StatusCode::NOT_FOUND, content: Content::Bytes(7) };
        assert_eq!(wish("/?status=404&bytes=7"), Ok(short));
        let gap = Duration::from_millis(200);
        let pieces = Content::Pieces { count: 2, gap };
        assert_eq!(wish("/cable/stream?n=2&bytes=1"), Ok(Wish { status: StatusCode::OK, content: pieces }));
    }

    #[test]
    fn numbers_beyond_their_limits_are_refused_by_name() {
        for target in ["/?status=199", "/?status=600", "/?bytes=1073741825", "/?bytes=-1"] {
            assert!(wish(target).is_err(), "{target}");
        }
        assert!(wish("/?bytes=1073741824").is_ok());
        let message = wish("/stream?n=1001").unwrap_err();
        assert!(message.contains("`n`") && message.contains("1000"), "{message}");
        assert!(wish("/stream?ms=10001").is_err());
    }
}
