//! Hosts, methods and header conditions as sets of requests, like [`super::shape`] does for paths.

use http::Method;

use super::shape::Shape;
use crate::host::HostPattern;
use crate::model::Route;
use crate::pattern::{HeaderCondition, HeaderTest};

/// The conditions of a route, or of one example request.
pub(super) struct Conditions<'m> {
    /// Never empty: `*` stands for no condition.
    pub(super) hosts: Vec<&'m HostPattern>,
    pub(super) shape: Shape<'m>,
    /// Empty is any method.
    pub(super) methods: &'m [Method],
    pub(super) headers: &'m [HeaderCondition],
}

impl<'m> Conditions<'m> {
    pub(super) fn of(route: &'m Route) -> Self {
        let hosts = if route.hosts.is_empty() || route.hosts.contains(&HostPattern::Any) {
            vec![&HostPattern::Any]
        } else {
            route.hosts.iter().collect()
        };
        Conditions { hosts, shape: Shape::of(&route.path), methods: &route.methods, headers: &route.headers }
    }

    /// Whether this takes every request that `other` takes. Costs the product of their hosts.
    pub(super) fn contains(&self, other: &Conditions<'_>) -> bool {
        self.shape.covers(&other.shape)
            && headers_cover(self.headers, other.headers)
            && methods_cover(self.methods, other.methods)
            && other.hosts.iter().all(|theirs| self.hosts.iter().any(|own| host_covers(own, theirs)))
    }
}

/// Whether every host that `later` accepts is accepted by `earlier`.
pub(super) fn host_covers(earlier: &HostPattern, later: &HostPattern) -> bool {
    match (earlier, later) {
        (HostPattern::Any, _) => true,
        (_, HostPattern::Any) => false,
        (earlier, HostPattern::Exact(name)) => earlier.accepts(Some(name)),
        (HostPattern::Wildcard(suffix), HostPattern::Wildcard(later)) => later.ends_with(suffix.as_str()),
        (HostPattern::Exact(_), HostPattern::Wildcard(_)) => false,
    }
}

/// The narrower of two host patterns where a host is accepted by both.
pub(super) fn common_host<'h>(one: &'h HostPattern, other: &'h HostPattern) -> Option<&'h HostPattern> {
    if host_covers(one, other) {
        Some(other)
    } else if host_covers(other, one) {
        Some(one)
    } else {
        None
    }
}

/// Whether a list of methods takes this one: `GET` takes `HEAD` too (RFC 9110 section 9.3.2).
pub(super) fn method_taken(methods: &[Method], method: &Method) -> bool {
    methods.is_empty() || methods.contains(method) || (*method == Method::HEAD && methods.contains(&Method::GET))
}

/// Whether a list of methods takes every method of another one.
pub(super) fn methods_cover(earlier: &[Method], later: &[Method]) -> bool {
    earlier.is_empty() || (!later.is_empty() && later.iter().all(|method| method_taken(earlier, method)))
}

/// The methods that both lists take, GET in front; GET stands for all where neither has a condition.
pub(super) fn common_methods(one: &[Method], other: &[Method]) -> Vec<Method> {
    if one.is_empty() && other.is_empty() {
        return vec![Method::GET];
    }
    let mut common: Vec<Method> = Vec::new();
    let named = one.iter().chain(other).chain(std::iter::once(&Method::GET));
    for method in named.chain(std::iter::once(&Method::HEAD)) {
        if method_taken(one, method) && method_taken(other, method) && !common.contains(method) {
            common.push(method.clone());
        }
    }
    common.sort_by_key(|method| (*method != Method::GET, *method == Method::HEAD));
    common
}

/// Whether every request that passes `later` passes `earlier`: each earlier condition follows
/// from one of the later ones.
pub(super) fn headers_cover(earlier: &[HeaderCondition], later: &[HeaderCondition]) -> bool {
    earlier.iter().all(|wanted| later.iter().any(|given| header_follows(wanted, given)))
}

fn header_follows(wanted: &HeaderCondition, given: &HeaderCondition) -> bool {
    wanted.name == given.name
        && match (&wanted.test, &given.test) {
            (HeaderTest::Present, _) => true,
            (wanted, HeaderTest::Exact(value)) => wanted.accepts(value.as_bytes()),
            (HeaderTest::Regex(wanted), HeaderTest::Regex(given)) => wanted == given,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_what_lies_below_it() {
        let host = |text| HostPattern::parse(text).unwrap();
        for (earlier, later, covers) in [
            ("*", "*", true),
            ("*", "a.test", true),
            ("a.test", "*", false),
            ("*.test", "a.test", true),
            ("*.test", "*.a.test", true),
            ("*.a.test", "*.test", false),
            ("*.a.test", "a.test", false),
            ("a.test", "*.a.test", false),
            ("a.test", "A.test.", true),
            ("b.test", "bb.test", false),
        ] {
            assert_eq!(host_covers(&host(earlier), &host(later)), covers, "{earlier} {later}");
        }
    }

    #[test]
    fn get_brings_head_along() {
        let (get, head, post) = ([Method::GET], [Method::HEAD], [Method::POST]);
        assert!(methods_cover(&get, &head));
        assert!(!methods_cover(&head, &get));
        assert!(!methods_cover(&get, &[]));
        assert_eq!(common_methods(&get, &head), [Method::HEAD]);
        assert_eq!(common_methods(&get, &post), [] as [Method; 0]);
        assert_eq!(common_methods(&[Method::POST, Method::GET], &[]), [Method::GET, Method::POST, Method::HEAD]);
    }
}
