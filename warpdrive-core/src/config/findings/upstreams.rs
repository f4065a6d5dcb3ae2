//! Upstreams that no route uses, and upstreams that a token guards on one way in only.

use super::Subject;
use crate::config::diagnostic::{Code, Place, Report};
use crate::model::Route;

/// Warns of upstreams that no route uses.
pub(super) fn unused(subject: &Subject<'_>, report: &mut Report) {
    let mut is_used = vec![false; subject.upstreams.len()];
    for route in subject.routes {
        if let Some(used) = is_used.get_mut(route.upstream.index()) {
            *used = true;
        }
    }
    for ((upstream, places), is_used) in subject.upstreams.iter().zip(subject.upstream_places).zip(is_used) {
        if !is_used {
            report
                .add(
                    Code::UnusedUpstream,
                    Place::File(places.name.clone()),
                    format!("no route uses the upstream `{}`", upstream.name),
                )
                .help("name it in a route, or delete it");
        }
    }
}

/// Warns of upstreams that one route guards and another one does not.
pub(super) fn unguarded(subject: &Subject<'_>, report: &mut Report) {
    #[derive(Clone, Default)]
    struct Ways<'m> {
        guarded: Option<(usize, &'m Route)>,
        open: Option<(usize, &'m Route)>,
        more: usize,
    }
    let mut ways = vec![Ways::default(); subject.upstreams.len()];
    for (position, route) in subject.routes.iter().enumerate() {
        let Some(ways) = ways.get_mut(route.upstream.index()) else { continue };
        match (route.require_auth, ways.open) {
            (true, _) => drop(ways.guarded.get_or_insert((position, route))),
            (false, None) => ways.open = Some((position, route)),
            (false, Some(_)) => ways.more += 1,
        }
    }
    for (ways, upstream) in ways.into_iter().zip(subject.upstreams) {
        let (Some((guarded_at, guarded)), Some((open_at, open))) = (ways.guarded, ways.open) else { continue };
        let place = |position: usize| subject.route_places.get(position);
        let more = match ways.more {
            0 => String::new(),
            1 => " (and so does 1 more route)".to_owned(),
            more => format!(" (and so do {more} more routes)"),
        };
        let diagnostic = report.add(
            Code::GuardedAndUnguarded,
            place(open_at).map_or(Place::Whole, |places| Place::File(places.upstream.clone())),
            format!(
                "route {} reaches the upstream `{}` without the token that route {} requires{more}",
                open.number, upstream.name, guarded.number
            ),
        );
        if let Some(span) = place(guarded_at).and_then(|places| places.require_auth.clone()) {
            diagnostic.related(span, "a token is required here");
        }
        diagnostic.help("set `require_auth` there too, or give the guarded part an upstream of its own");
    }
}
