//! The plain ordered scan: what the index must agree with, for every table and every request.
//!
//! Nobody makes this fast. Tests, fuzz targets and benches compare with it.

use super::view::RequestView;
use crate::host;
use crate::model::{Model, Route};
use crate::path;
use crate::reject::{Reason, Reject};
use crate::target;

/// The number of the first route that accepts the request, trying each in file order.
///
/// # Errors
/// The same refusals as [`super::Router::route`].
pub fn first_match(model: &Model, view: &RequestView<'_>) -> Result<Option<u32>, Reject> {
    let server = &model.settings().server;
    let target = target::parse(view.method, view.target)?;
    let mut host = String::new();
    if let Some(field) = view.host {
        host::canonical(field, &mut host)?;
    }
    if let Some(authority) = target.authority {
        host::canonical(authority.as_bytes(), &mut host)?;
    }
    let host = (view.host.is_some() || target.authority.is_some()).then_some(host.as_str());
    let Some(raw) = target.path else { return Ok(scan(model, view, host, None)) };
    let mut normal = String::new();
    let findings = path::normalise(raw, server.merge_slashes, &mut normal)?;
    let found = scan(model, view, host, Some(&normal));
    if findings.ambiguous && found.is_some() {
        let mut lenient = String::new();
        path::lenient(&normal, &mut lenient).map_err(super::ambiguous)?;
        if scan(model, view, host, Some(&lenient)) != found {
            return Err(Reject::bad(Reason::AmbiguousPath, "another reading of the path reaches another route"));
        }
    }
    Ok(found)
}

fn scan(model: &Model, view: &RequestView<'_>, host: Option<&str>, path: Option<&str>) -> Option<u32> {
    model.routes().iter().find(|route| accepts(route, view, host, path)).map(|route| route.number)
}

fn accepts(route: &Route, view: &RequestView<'_>, host: Option<&str>, path: Option<&str>) -> bool {
    let method_accepted = |method: &http::Method| {
        method.as_str() == view.method || (method == http::Method::GET && view.method == "HEAD")
    };
    (route.hosts.is_empty() || route.hosts.iter().any(|pattern| pattern.accepts(host)))
        && route.path.accepts(path)
        && (route.methods.is_empty() || route.methods.iter().any(method_accepted))
        && route.headers.iter().all(|condition| view.fields.any(&condition.name, |value| condition.test.accepts(value)))
}
