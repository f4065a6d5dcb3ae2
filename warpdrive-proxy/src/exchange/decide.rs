//! Where a request goes, as core decides it, turned into what outlives the look-up.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use http::{StatusCode, Uri, request};
use warpdrive_core::Reject;
use warpdrive_core::forwarding::{Credentials, Fresh, PublicOrigin, RequestHead, forward};
use warpdrive_core::model::{PathAction, RouteLimits};

use super::Exchange;
use crate::page::Failure;

/// What core decided, owned: no look-up is borrowed across an await.
pub(super) struct Decision {
    /// The place of the route in the model.
    pub(super) route: usize,
    /// The place of the upstream in the model.
    pub(super) upstream: usize,
    /// Who asks, as trusted proxies name them.
    pub(super) client: IpAddr,
    /// How long the instance may be silent.
    pub(super) read_timeout: Duration,
    pub(super) public: PublicOrigin,
    pub(super) upgrade: bool,
}

impl Exchange {
    /// Finds the route, checks its credentials and turns the head into the one for the instance.
    pub(super) fn decide(&self, head: &mut request::Parts, fresh: Fresh<'_>) -> Result<Decision, Failure> {
        let client = self.client();
        let identity = client.identity(&self.view);
        let mut scratch = client.worker.scratch.borrow_mut();
        let target = target(&head.uri);
        let request = RequestHead { method: &head.method, version: head.version, target: &target };
        let forward = forward(
            &self.view.snapshot.router,
            request,
            &mut head.headers,
            &identity,
            fresh,
            Credentials::Check,
            &mut scratch,
        )
        .map_err(refusal)?
        .ok_or_else(|| self.no_route())?;
        let route = forward.matched.route();
        let upstream = route.upstream.index();
        client.with_record(|record| {
            record.client = forward.client;
            record.route = Some(route.number);
            record.upstream = self.view.upstreams.get(upstream).map(|upstream| upstream.name.clone());
        });
        let upstream_target = forward.matched.upstream_target();
        let unchanged =
            head.uri.scheme().is_none() && head.uri.path_and_query().map(|it| it.as_str()) == Some(upstream_target);
        let uri = if unchanged { None } else { Some(Uri::try_from(upstream_target).map_err(|_| bad_target())?) };
        let mut public = forward.public;
        if !matches!(route.action, PathAction::StripPrefix) {
            // Nothing else asks for it, and it would hold on to the buffer that the head was read into.
            public.host = None;
        }
        let decision = Decision {
            route: (route.number as usize).saturating_sub(1),
            upstream,
            client: forward.client,
            read_timeout: route.limits.read_timeout,
            upgrade: forward.upgrade,
            public,
        };
        drop(target);
        if let Some(uri) = uri {
            head.uri = uri;
        }
        head.version = http::Version::HTTP_11;
        Ok(decision)
    }

    /// The limits of the route: there, since they are seldom asked for, and not in each exchange's memory.
    #[expect(clippy::indexing_slicing, reason = "the route was chosen from this very model")]
    pub(super) fn limits(&self, decision: &Decision) -> &RouteLimits {
        &self.view.snapshot.router.model().routes()[decision.route].limits
    }

    fn no_route(&self) -> Failure {
        Failure::new(self.view.snapshot.server().no_route_status, "no_route", "No route leads to this address.")
    }
}

/// The request target as the client wrote it, as far as hyper keeps it.
pub(super) fn target(uri: &Uri) -> Cow<'_, str> {
    match uri.path_and_query() {
        Some(target) if uri.authority().is_none() => Cow::Borrowed(target.as_str()),
        _ => Cow::Owned(uri.to_string()),
    }
}

fn refusal(reject: Reject) -> Failure {
    let mut failure = Failure::new(reject.status, reject.reason.as_str(), reject.detail);
    failure.allow = reject.allow;
    // Whoever sends what is malformed may have meant the bytes that follow otherwise as well.
    failure.close = matches!(reject.status, StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED);
    failure
}

fn bad_target() -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, "malformed_target", "The request target is malformed.").closing()
}
