//! The target for the upstream: the client's own bytes, or the normal path with its prefix cut
//! or replaced. The query is never touched.

use super::path_of;
use crate::model::{PathAction, Route};
use crate::path::Findings;
use crate::pattern::PathRule;
use crate::target::Target;

/// Where the upstream's target is to be found.
pub(super) enum Choice<'q> {
    /// In the request, as the client wrote it.
    Own(&'q str),
    /// In the buffer; `path` is how much of it is the path.
    Composed {
        /// Length of the path in bytes; the query follows.
        path: usize,
    },
}

/// Chooses the target and, where it is not the client's own, composes it in `out`.
pub(super) fn upstream_target<'q>(
    route: &Route,
    target: &Target<'q>,
    normal: Option<&str>,
    findings: Findings,
    out: &mut String,
) -> Choice<'q> {
    let Some(path) = normal else { return Choice::Own("*") };
    out.clear();
    match &route.action {
        PathAction::Keep => match target.own {
            Some(own) if !findings.dots => return Choice::Own(own),
            _ => out.push_str(path),
        },
        PathAction::StripPrefix => replace_prefix(path, &route.path, "", out),
        PathAction::Replace(replacement) => match &route.path {
            PathRule::Exact(_) => out.push_str(path_of(replacement)),
            rule => replace_prefix(path, rule, replacement, out),
        },
    }
    let length = out.len();
    out.push_str(target.query);
    Choice::Composed { path: length }
}

/// The rules of ReplacePrefixMatch in the Kubernetes Gateway API: the rest of the path follows
/// the replacement with one slash between, and a replacement ending in a slash keeps it when
/// nothing follows.
fn replace_prefix(path: &str, rule: &PathRule, replacement: &str, out: &mut String) {
    let prefix = match rule {
        // The root is the one prefix that is itself a slash: for `/` alone nothing follows it, and
        // before any other path it counts as nothing.
        PathRule::Prefix(prefix) if prefix == "/" && path != "/" => "",
        PathRule::Prefix(prefix) => prefix.as_str(),
        _ => "",
    };
    let rest = path.strip_prefix(prefix).unwrap_or(path);
    if rest.is_empty() {
        out.push_str(path_of(replacement));
    } else {
        out.push_str(replacement.strip_suffix('/').unwrap_or(replacement));
        out.push_str(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(path: &str, prefix: &str, replacement: &str) -> String {
        let mut out = String::new();
        replace_prefix(path, &PathRule::prefix(prefix, true).unwrap(), replacement, &mut out);
        out
    }

    #[test]
    fn the_gateway_api_table() {
        for (path, prefix, replacement, want) in [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "", "/bar"),
            ("/foo/", "/foo", "", "/"),
            ("/foo", "/foo", "", "/"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
            ("/foo", "/foo", "/xyz/", "/xyz/"),
            ("/users", "/", "/v1", "/v1/users"),
            ("/", "/", "/v1", "/v1"),
            ("/", "/", "", "/"),
        ] {
            assert_eq!(replaced(path, prefix, replacement), want, "({path}, {prefix}, {replacement:?})");
        }
    }
}
