//! One request and its response, from the head that hyper parsed to the response body.
//!
//! The pipeline is [`Exchange::serve`]; the modules beside it are its steps, in order.

mod checks;
mod choice;
mod decide;
mod dispatch;
mod health_path;
mod respond;
mod search;
mod underway;

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::SystemTime;

use http::header::{ACCEPT, CONNECTION, EXPECT};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use warpdrive_core::forwarding::{Fresh, kept_request_id};

use crate::access_log::Record;
use crate::body::{Outgoing, Upload, UploadFailure};
use crate::client::Client;
use crate::clock;
use crate::counters::Failed;
use crate::page::{self, Failure};
use crate::upstream::Forwarded;
use crate::view::View;
use crate::wire::BodyLength;
use decide::Decision;
use dispatch::Sent;
pub(crate) use underway::Underway;

/// The client is gone: there is nobody to answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientGone;

impl std::fmt::Display for ClientGone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the client closed its connection")
    }
}

impl std::error::Error for ClientGone {}

/// Why an exchange has no response from an instance.
#[derive(Debug)]
enum Stopped {
    /// The client is told why.
    Failed(Failure),
    /// Nobody is there to be told.
    ClientGone,
    /// The client asks for the health of the proxy itself.
    HealthCheck,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Stopped::Failed(failure)
    }
}

impl From<UploadFailure> for Stopped {
    fn from(failure: UploadFailure) -> Self {
        Stopped::Failed(match failure {
            UploadFailure::ClientGone => return Stopped::ClientGone,
            UploadFailure::Timeout => {
                Failure::new(StatusCode::REQUEST_TIMEOUT, failure.reason(), "The request body did not arrive in time.")
            }
            UploadFailure::TooLarge => checks::body_too_large(),
            UploadFailure::Malformed => {
                Failure::new(StatusCode::BAD_REQUEST, failure.reason(), "The request body is malformed.")
            }
        })
        .closing()
    }
}

impl Stopped {
    fn closing(self) -> Self {
        match self {
            Stopped::Failed(failure) => Stopped::Failed(failure.closing()),
            Stopped::ClientGone | Stopped::HealthCheck => self,
        }
    }
}

/// Begins the exchange of a request whose head hyper has just parsed.
///
/// The wire must know of it before hyper reads on, so this part is done at once and not when the
/// future is polled.
pub(crate) fn begin(
    client: &Rc<Client>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Outgoing>, ClientGone>> + use<> {
    let view = client.worker.views.current();
    let body = body_length(request.body());
    let has_body = body != BodyLength::None;
    client.wire.begin_exchange(body, view.snapshot.server().timeouts.client_body);
    client.upload.reset(has_body);
    let (exchange, request_id) = Exchange::new(client, view, &request);
    let (head, incoming) = request.into_parts();
    let mut request = Forwarded::new(head);
    let fresh = Fresh { request_id: &request_id, request_start: &client.worker.request_start() };
    let prepared = exchange.prepare(fresh, &mut request, incoming);
    exchange.serve(request_id, prepared, request)
}

/// What is needed to answer, also when the request itself is on its way to an instance.
struct Exchange {
    view: Rc<View>,
    underway: Underway,
    prefers_json: bool,
    version: Version,
    is_head: bool,
}

/// A request that is ready to go out.
struct Prepared {
    decision: Decision,
    on_upgrade: Option<OnUpgrade>,
    /// Its body is looked at first.
    begins: bool,
}

impl Exchange {
    /// With the request's id.
    fn new(client: &Rc<Client>, view: Rc<View>, request: &Request<Incoming>) -> (Self, HeaderValue) {
        let worker = &client.worker;
        let headers = request.headers();
        let began = SystemTime::now();
        worker.note_start(began);
        let request_id =
            kept_request_id(headers).map_or_else(|| worker.new_request_id(), |id| worker.copy_request_id(id));
        let started = clock::now();
        client.begin_record(view.log_requests.then(|| {
            Box::new(Record {
                started,
                began,
                client: client.address(),
                method: request.method().clone(),
                target: request.uri().path_and_query().map_or_else(Box::default, |target| target.as_str().into()),
                version: request.version(),
                status: 0,
                sent: 0,
                received: 0,
                wire_in: 0,
                wire_out: 0,
                upstream: None,
                instance: None,
                route: None,
                format: view.log_format,
                connected_in: None,
                first_byte_in: None,
                attempts: 0,
                reason: None,
                request_id: Some(request_id.clone()),
            })
        }));
        let exchange = Exchange {
            view,
            underway: Underway::new(client, started),
            prefers_json: page::prefers_json(headers.get(ACCEPT)),
            version: request.version(),
            is_head: request.method() == Method::HEAD,
        };
        (exchange, request_id)
    }

    fn client(&self) -> &Rc<Client> {
        self.underway.client()
    }

    /// The pipeline: everything between a request and its response.
    #[expect(clippy::manual_async_fn, reason = "an asynchronous function keeps what it is given twice while it waits")]
    fn serve(
        self,
        request_id: HeaderValue,
        mut prepared: Result<Prepared, Stopped>,
        request: Box<Forwarded>,
    ) -> impl Future<Output = Result<Response<Outgoing>, ClientGone>> {
        async move {
            match prepared {
                // By reference: what is moved is kept twice, too.
                Ok(ref mut prepared) => match self.ask(prepared, request).await {
                    Ok(sent) => Ok(self.respond(prepared, sent)),
                    Err(stopped) => self.stop(stopped, &request_id),
                },
                Err(stopped) => self.stop(stopped, &request_id),
            }
        }
    }

    /// From a request that is ready to go out to the head of its response.
    #[expect(clippy::manual_async_fn, reason = "an asynchronous function keeps what it is given twice while it waits")]
    fn ask(&self, prepared: &Prepared, mut request: Box<Forwarded>) -> impl Future<Output = Result<Sent, Stopped>> {
        async move {
            if prepared.begins {
                poll_fn(|cx| Poll::Ready(request.body.begin(cx))).await?;
            }
            let sent = self.dispatch(&prepared.decision, request).await?;
            let interim = &self.client().wire.interim;
            if interim.is_pending() {
                poll_fn(|cx| interim.poll_drained(cx)).await;
            }
            checks::response(&sent.head, prepared.decision.upgrade)
                .inspect_err(|_| sent.lease.failed(Failed::InvalidResponse))?;
            Ok(sent)
        }
    }

    fn stop(self, stopped: Stopped, request_id: &HeaderValue) -> Result<Response<Outgoing>, ClientGone> {
        match stopped {
            Stopped::Failed(failure) => Ok(self.answer(failure, request_id)),
            Stopped::ClientGone => Err(ClientGone),
            Stopped::HealthCheck => Ok(self.answer_health_check(request_id)),
        }
    }

    /// The first steps: those that wait for nothing.
    fn prepare(&self, fresh: Fresh<'_>, request: &mut Forwarded, incoming: Incoming) -> Result<Prepared, Stopped> {
        let head = &mut request.head;
        let on_upgrade = head.extensions.remove::<OnUpgrade>();
        let seen = checks::request(head)?;
        if seen.forwarded {
            self.warn_of_balancer();
        }
        if self.is_health_check(head) {
            return Err(Stopped::HealthCheck);
        }
        let decision = self.decide(head, fresh)?;
        let limits = self.limits(&decision);
        self.client().wire.set_body_timeout(limits.client_body_timeout);
        let max_body_bytes = limits.max_body_bytes;
        let has_body = !incoming.is_end_stream();
        checks::frame_body(head, seen, has_body, max_body_bytes)?;
        request.body = Upload::new(incoming, self.client(), max_body_bytes);
        // An instance should not see the head of a request whose body is malformed from the start.
        // Asking for a body that is expected would be an answer to the client.
        let begins = has_body && !request.headers().contains_key(EXPECT);
        Ok(Prepared { decision, on_upgrade, begins })
    }

    /// The answer of the proxy itself.
    fn answer(mut self, mut failure: Failure, request_id: &HeaderValue) -> Response<Outgoing> {
        let client = Rc::clone(self.client());
        // What is left of a request body is not waited for, and could not be told from a request.
        failure.close |= client.wire.is_body_open() || client.worker.is_leaving();
        client.with_record(|record| {
            record.status = failure.status.as_u16();
            record.reason = Some(failure.reason);
        });
        client.worker.count(|traffic| traffic.count_own_answer(failure.status.as_u16()));
        self.underway.complete();
        let page = page::answer(&failure, Some(request_id), self.prefers_json, self.is_head);
        page.map(|text| Outgoing::Page { text, underway: self.underway })
    }

    /// Tells once that a balancer on a private address, which sends `X-Forwarded-Proto`, is not trusted: its
    /// clients all look like plain HTTP from one address, and nothing else says why.
    fn warn_of_balancer(&self) {
        let client = self.client();
        let warned = &client.worker.shared.warned_of_balancer;
        if client.is_private_stranger()
            && !warned.load(std::sync::atomic::Ordering::Relaxed)
            && !warned.swap(true, std::sync::atomic::Ordering::Relaxed)
        {
            tracing::warn!(
                peer = %client.address(),
                "a peer on a private address sends X-Forwarded-Proto and is not believed; \
                 if it is your own balancer, name it in server.trusted_proxies \
                 (WARPDRIVE_TRUSTED_PROXIES)"
            );
        }
    }
}

fn body_length(body: &Incoming) -> BodyLength {
    match body.size_hint().exact() {
        _ if body.is_end_stream() => BodyLength::None,
        Some(bytes) => BodyLength::Bytes(bytes),
        None => BodyLength::Chunked,
    }
}

/// Ends the connection after this response.
fn close_after(headers: &mut http::HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}
