//! Getting a request to an instance: choice, connection, fail-over and the one retry.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http::{StatusCode, Version, response};
use warpdrive_core::balance::Pin;

use super::decide::Decision;
use super::search::{Look, Search};
use super::{Exchange, Stopped, checks, close_after};
use crate::clock;
use crate::counters::Failed;
use crate::page::Failure;
use crate::upstream::{ConnectError, Forwarded, Lease, Link, Loss, Lost, Misframed, Request};

/// A response head, with the connection that its body will come from.
pub(super) struct Sent {
    pub(super) head: response::Parts,
    pub(super) link: Link,
    pub(super) lease: Lease,
    /// From the request to the head of its response.
    pub(super) waited: Duration,
    /// What the client's sticky cookie has to say from now on.
    pub(super) pin: Option<Pin>,
}

impl Exchange {
    /// Sends the request to the instance that the upstream's strategy chooses, or to the next that
    /// takes it.
    ///
    /// What decides is evidence. Where no connection could be made, or one was closed before it
    /// took a byte, any request goes on to the next. Where a used connection died without an
    /// answer, a request that may be repeated goes out once more. After that never.
    #[expect(clippy::manual_async_fn, reason = "an asynchronous function keeps what it is given twice while it waits")]
    pub(super) fn dispatch(
        &self,
        decision: &Decision,
        mut request: Box<Forwarded>,
    ) -> impl Future<Output = Result<Sent, Stopped>> {
        async move {
            let client = self.client();
            let Some(upstream) = self.view.upstreams.get(decision.upstream) else {
                return Err(no_instance().into());
            };
            let second = client.worker.second();
            upstream.retries.borrow_mut().count_request(second);
            let mut search = self.search(upstream, decision, request.headers());
            if !upstream.keepalive && !decision.upgrade {
                close_after(&mut request.head.headers);
            }
            let mut request = Request::Fields(request);
            loop {
                // What is seldom needed is boxed here and below: else every exchange has a place for it.
                let lease = match search.look_in_turn() {
                    Look::Room(lease) => lease,
                    Look::Full(wants) => match Box::pin(search.wait(wants)).await? {
                        Some(lease) => lease,
                        None => break,
                    },
                    Look::Nothing => break,
                };
                let pool = lease.pool();
                client.with_record(|record| {
                    record.attempts += 1;
                    record.instance = Some(Rc::clone(pool.label()));
                    record.connected_in = None;
                });
                let mut link = match if search.fresh { None } else { pool.check_out() } {
                    Some(link) => link,
                    None => match Box::pin(self.open(decision, &lease)).await {
                        Ok(link) => link,
                        Err(failure) => {
                            search.give_up(failure);
                            continue;
                        }
                    },
                };
                // RFC 9110 section 15.2: a client of HTTP/1.0 gets no interim response.
                client.wire.interim.expect(request.kind().holds_body, self.version != Version::HTTP_10);
                match link.send(request, client, decision.read_timeout).await {
                    Ok(head) => {
                        pool.instance().health.request_succeeded();
                        let waited = link.waited();
                        client.with_record(|record| record.first_byte_in = Some(waited));
                        return Ok(Sent { head, link, lease, waited, pin: search.new_pin() });
                    }
                    Err(Loss { lost, request: whole }) => {
                        if let Some(failure) = client.upload.failure() {
                            return Err(failure.into());
                        }
                        count_loss(&lease, lost, &link);
                        if matches!(lost, Lost::Unsent | Lost::Unanswered) && !link.is_reused() {
                            pool.report(pool.instance().health.request_closed());
                        }
                        request = self.recover(lost, &mut search, &link, whole, decision)?;
                        lease.pool().count(|counters| counters.retries.add(1));
                    }
                }
            }
            let failure = search.into_last_failure().unwrap_or_else(|| {
                upstream.state.refused.no_instance.fetch_add(1, Relaxed);
                no_instance()
            });
            Err(failure.into())
        }
    }

    /// A new connection to the instance.
    async fn open(&self, decision: &Decision, lease: &Lease) -> Result<Link, Failure> {
        let pool = lease.pool();
        let begun = clock::now();
        let worker = &self.client().worker;
        let opened = Link::open(pool, self.limits(decision).connect_timeout, &worker.read_space).await;
        self.client().with_record(|record| record.connected_in = Some(clock::now() - begun));
        let error = match opened {
            Ok(link) => return Ok(link),
            Err(error) => error,
        };
        pool.report(pool.instance().health.request_refused(&error));
        lease.failed(match error {
            ConnectError::Timeout => Failed::ConnectTimeout,
            ConnectError::Refused(_) => Failed::Connect,
        });
        let worker = &self.client().worker;
        if let Some(left_out) = worker.warnings.upstream.pass() {
            let upstream = &*pool.instance().upstream;
            let instance = &**pool.label();
            match &error {
                ConnectError::Timeout => tracing::warn!(
                    upstream,
                    instance,
                    left_out,
                    "the instance does not answer: the connect time passed"
                ),
                ConnectError::Refused(error) => tracing::warn!(
                    upstream,
                    instance,
                    left_out,
                    %error,
                    "cannot connect to the instance"
                ),
            }
        }
        Err(match error {
            ConnectError::Timeout => Failure::new(
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_connect_timeout",
                "The application did not accept the connection in time.",
            ),
            ConnectError::Refused(_) => Failure::new(
                StatusCode::BAD_GATEWAY,
                "upstream_connect",
                "The application does not accept connections.",
            ),
        })
    }

    /// The request to send once more, where there is one and the budget allows it: on another instance if
    /// there is any.
    fn resend(&self, search: &mut Search<'_>, request: Option<Request>, failure: Failure) -> Result<Request, Failure> {
        let Some(request) = request.filter(|_| !search.resent) else { return Err(failure) };
        if !search.upstream.retries.borrow_mut().try_retry(self.client().worker.second()) {
            return Err(failure);
        }
        search.fresh = true;
        search.resent = true;
        if search.has_another() {
            search.give_up(failure);
        }
        Ok(request)
    }

    /// What is sent next of the request that came back, or the failure that this loss is.
    fn recover(
        &self,
        lost: Lost,
        search: &mut Search<'_>,
        link: &Link,
        request: Option<Request>,
        decision: &Decision,
    ) -> Result<Request, Failure> {
        match lost {
            Lost::Unsent => {
                // A new connection that is closed before it takes a request is as good as none.
                if !link.is_reused() {
                    search.give_up(closed());
                }
                search.fresh = true;
                request.ok_or_else(closed)
            }
            // Any request may go out again, but not for ever.
            Lost::Refused => self.resend(search, request, closed()),
            // With one instance alone only an old connection is a reason to believe in another try.
            Lost::Unanswered if link.is_reused() || search.has_another() => {
                self.resend(search, request.filter(|it| it.kind().may_repeat), closed())
            }
            Lost::Unanswered => Err(closed()),
            Lost::FirstByteTimeout => {
                let may_retry = self.limits(decision).retry_timeouts && search.has_another();
                self.resend(search, request.filter(|it| may_retry && it.kind().is_plain_read), first_byte_timeout())
            }
            Lost::Broken => Err(closed()),
            Lost::Nonsense => Err(checks::invalid("The application sent something that is no HTTP response.")),
            Lost::Misframed(fault) => Err(checks::invalid(match fault {
                Misframed::Coding => "The upstream used a transfer coding other than chunked.",
                Misframed::TwoLengths => "The upstream gave two lengths for one response.",
                Misframed::Length => "The upstream gave a length that is no number.",
            })),
            Lost::StoppedReading => Err(Failure::new(
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_stopped_reading",
                "The application stopped taking the request body.",
            )),
        }
    }
}

/// Counts how an instance lost a request that its client still waits for.
fn count_loss(lease: &Lease, lost: Lost, link: &Link) {
    match lost {
        Lost::Unsent if link.is_reused() => lease.was_stale(),
        Lost::Unsent | Lost::Refused | Lost::Unanswered | Lost::Broken => lease.failed(Failed::Closed),
        Lost::Nonsense | Lost::Misframed(_) => lease.failed(Failed::InvalidResponse),
        Lost::FirstByteTimeout => lease.failed(Failed::FirstByteTimeout),
        Lost::StoppedReading => lease.failed(Failed::StoppedReading),
    }
}

fn first_byte_timeout() -> Failure {
    Failure::new(StatusCode::GATEWAY_TIMEOUT, "upstream_first_byte_timeout", "The application did not answer in time.")
}

fn closed() -> Failure {
    Failure::new(
        StatusCode::BAD_GATEWAY,
        "upstream_closed",
        "The application closed the connection without a response.",
    )
}

fn no_instance() -> Failure {
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "no_instance", "No instance of the application is available.")
}
