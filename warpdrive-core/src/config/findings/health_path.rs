//! Routes for the path at which the proxy itself answers.

use http::Method;

use super::Subject;
use crate::config::diagnostic::{Code, Place, Report};
use crate::pattern::PathRule;

/// Warns of routes whose one path is `server.health_path`: the proxy answers GET and HEAD there
/// before any route.
pub(super) fn look(subject: &Subject<'_>, report: &mut Report) {
    let Some(own) = &subject.server.health_path else { return };
    for (position, route) in subject.routes.iter().enumerate() {
        if !matches!(&route.path, PathRule::Exact(path) if path == own) {
            continue;
        }
        let is_read = |method: &Method| *method == Method::GET || *method == Method::HEAD;
        let place = subject
            .route_places
            .get(position)
            .map_or(Place::Whole, |places| Place::File(places.path.clone().unwrap_or_else(|| places.route.clone())));
        let number = route.number;
        let (code, message) = if !route.methods.is_empty() && route.methods.iter().all(is_read) {
            let message = format!("no request reaches route {number}: the proxy itself answers at `{own}`");
            (Code::UnreachableRoute, message)
        } else if route.methods.is_empty() || route.methods.iter().any(is_read) {
            let message = format!("GET and HEAD never reach route {number}: the proxy itself answers them at `{own}`");
            (Code::ShadowedRoute, message)
        } else {
            continue;
        };
        report.add(code, place, message).help("set `server.health_path` to another path, or to false");
    }
}
