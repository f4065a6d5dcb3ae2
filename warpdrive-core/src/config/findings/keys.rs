//! The keys of the index: what a route is kept under, and under what a later one looks for those
//! that may be in its way.

use http::HeaderName;

use super::shape::{Shape, ancestors};
use crate::host::HostPattern;
use crate::pattern::{HeaderCondition, HeaderTest};

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum HostKey<'m> {
    Any,
    Exact(&'m str),
    Wildcard(&'m str),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum PathKey<'m> {
    Everything,
    Prefix(&'m str),
    Exact(&'m str),
    /// An expression by its text.
    Expression(&'m str),
    /// Expressions that are a literal and nothing else, by their folder.
    Literals(&'m str),
    /// All other expressions, by their folder.
    Expressions(&'m str),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum HeaderKey<'m> {
    None,
    Exact(&'m HeaderName, &'m [u8]),
    Present(&'m HeaderName),
    Expression(&'m HeaderName),
}

/// The keys that a rule is kept under, each with whether it tells the whole rule.
pub(super) fn path_keys<'m>(shape: &'m Shape<'_>) -> impl Iterator<Item = (PathKey<'m>, bool)> {
    let (first, second) = match shape {
        Shape::Everything => ((PathKey::Everything, true), None),
        Shape::Prefix(prefix) => ((PathKey::Prefix(prefix), true), None),
        Shape::Exact(path) => ((PathKey::Exact(path), true), None),
        Shape::Regex(regex) if regex.is_only_literal() => ((PathKey::Literals(regex.folder()), false), None),
        Shape::Regex(regex) => {
            ((PathKey::Expression(regex.regex.as_str()), true), Some((PathKey::Expressions(regex.folder()), false)))
        }
    };
    std::iter::once(first).chain(second)
}

/// The keys of every rule that may take all paths of this one.
pub(super) fn paths_above<'k>(later: &'k Shape<'_>) -> impl Iterator<Item = PathKey<'k>> {
    let (start, own) = match later {
        Shape::Everything => (None, None),
        Shape::Prefix(prefix) => (Some(*prefix), None),
        Shape::Exact(path) => (Some(path.as_ref()), Some(PathKey::Exact(path))),
        Shape::Regex(regex) => (Some(regex.start.as_str()), Some(PathKey::Expression(regex.regex.as_str()))),
    };
    let is_one_path = matches!(later, Shape::Exact(_));
    let above = start.into_iter().flat_map(ancestors).flat_map(move |path| {
        let expressions = is_one_path.then_some(PathKey::Expressions(path));
        [PathKey::Prefix(path), PathKey::Literals(path)].into_iter().chain(expressions)
    });
    std::iter::once(PathKey::Everything).chain(own).chain(above)
}

/// The key of the condition that the fewest requests pass.
pub(super) fn header_key(conditions: &[HeaderCondition]) -> HeaderKey<'_> {
    let keys = conditions.iter().map(|condition| match &condition.test {
        HeaderTest::Exact(value) => HeaderKey::Exact(&condition.name, value.as_bytes()),
        HeaderTest::Regex(_) => HeaderKey::Expression(&condition.name),
        HeaderTest::Present => HeaderKey::Present(&condition.name),
    });
    keys.min_by_key(|key| match key {
        HeaderKey::Exact(..) => 0,
        HeaderKey::Expression(_) => 1,
        HeaderKey::Present(_) | HeaderKey::None => 2,
    })
    .unwrap_or(HeaderKey::None)
}

/// The keys of every condition that may follow from one of these, and of none.
pub(super) fn headers_above(later: &[HeaderCondition]) -> impl Iterator<Item = HeaderKey<'_>> {
    let above = later.iter().flat_map(|condition| {
        let (expression, exact) = match &condition.test {
            HeaderTest::Exact(value) => (true, Some(HeaderKey::Exact(&condition.name, value.as_bytes()))),
            HeaderTest::Regex(_) => (true, None),
            HeaderTest::Present => (false, None),
        };
        let expression = expression.then_some(HeaderKey::Expression(&condition.name));
        std::iter::once(HeaderKey::Present(&condition.name)).chain(expression).chain(exact)
    });
    std::iter::once(HeaderKey::None).chain(above)
}

/// The keys of every host pattern that accepts all hosts of this one.
pub(super) fn covering_hosts(pattern: &HostPattern) -> impl Iterator<Item = HostKey<'_>> {
    let (own, name) = match pattern {
        HostPattern::Any => (None, ""),
        HostPattern::Exact(name) => (Some(HostKey::Exact(name)), name.as_str()),
        HostPattern::Wildcard(suffix) => (Some(HostKey::Wildcard(suffix)), suffix.as_str()),
    };
    own.into_iter().chain(shorter(name).map(HostKey::Wildcard)).chain(std::iter::once(HostKey::Any))
}

/// `.b.c` and `.c` of `a.b.c`; `.c` of `.b.c`.
fn shorter(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').filter(|(at, _)| *at > 0).filter_map(|(at, _)| name.get(at..))
}
