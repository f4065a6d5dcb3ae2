//! Path rules as sets of paths: which rule takes every path that another one takes.
//!
//! The answers err on one side only: `covers` may miss a containment between two expressions, and
//! never claims one that is not there.

use std::borrow::Cow;

use regex_syntax::hir::{Hir, HirKind, Look};

use crate::path;
use crate::pattern::{PathRegex, PathRule};

/// A path rule, with what can be read off an expression.
#[derive(Debug)]
pub(super) enum Shape<'m> {
    /// No condition, or the prefix `/`: also the target `*`.
    Everything,
    /// Whole segments.
    Prefix(&'m str),
    /// One path; also an expression that is `^`, a literal and `$`.
    Exact(Cow<'m, str>),
    /// Any other expression.
    Regex(Expression<'m>),
}

/// An expression and what its syntax tells of the paths that it takes.
#[derive(Debug)]
pub(super) struct Expression<'m> {
    pub(super) regex: &'m PathRegex,
    /// What every path that it takes begins with; empty where that is not known.
    pub(super) start: String,
    /// Where the expression asks for this literal and for nothing else.
    only: Option<Literal>,
}

#[derive(Debug)]
enum Literal {
    /// `^/api`
    Begins(Vec<u8>),
    /// `/api`
    Contains(Vec<u8>),
}

impl Literal {
    /// Whether every path that begins with these bytes passes.
    fn holds_after(&self, start: &[u8]) -> bool {
        match self {
            Literal::Begins(literal) => start.starts_with(literal),
            Literal::Contains(literal) => memchr::memmem::find(start, literal).is_some(),
        }
    }
}

impl<'m> Shape<'m> {
    pub(super) fn of(rule: &'m PathRule) -> Self {
        match rule {
            PathRule::Any => Shape::Everything,
            PathRule::Prefix(prefix) if prefix == "/" => Shape::Everything,
            PathRule::Prefix(prefix) => Shape::Prefix(prefix),
            PathRule::Exact(path) => Shape::Exact(Cow::Borrowed(path)),
            PathRule::Regex(regex) => expression(regex),
        }
    }

    /// Whether every path that `later` takes is taken by this rule as well.
    pub(super) fn covers(&self, later: &Shape<'_>) -> bool {
        match (self, later) {
            (Shape::Everything, _) => true,
            // Of the other rules none takes the target `*`.
            (_, Shape::Everything) => false,
            (Shape::Prefix(prefix), Shape::Prefix(path)) => is_at_or_under(path, prefix),
            (Shape::Prefix(prefix), Shape::Exact(path)) => is_at_or_under(path, prefix),
            (Shape::Prefix(prefix), Shape::Regex(later)) => {
                later.start.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
            }
            (Shape::Exact(path), Shape::Exact(later)) => path == later,
            (Shape::Exact(_), _) => false,
            (Shape::Regex(earlier), Shape::Exact(path)) => earlier.regex.is_match(path.as_bytes()),
            (Shape::Regex(earlier), Shape::Prefix(path)) => earlier.takes_all_from(path),
            (Shape::Regex(earlier), Shape::Regex(later)) => {
                earlier.regex == later.regex || earlier.takes_all_from(&later.start)
            }
        }
    }
}

impl Expression<'_> {
    fn takes_all_from(&self, start: &str) -> bool {
        self.only.as_ref().is_some_and(|literal| literal.holds_after(start.as_bytes()))
    }

    /// Whether the expression asks for one literal and for nothing else.
    pub(super) fn is_only_literal(&self) -> bool {
        self.only.is_some()
    }

    /// The folder that every path of the expression lies in: `/a` for `^/a/x`, empty for the root
    /// or where it is not known.
    pub(super) fn folder(&self) -> &str {
        self.start.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

fn is_at_or_under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The paths whose prefix rules take this path, from the root (written as nothing) to itself.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter_map(|(at, _)| path.get(..at)).chain(std::iter::once(path))
}

fn expression(regex: &PathRegex) -> Shape<'_> {
    let mut found = Expression { regex, start: String::new(), only: None };
    let Some(tree) = regex.tree() else { return Shape::Regex(found) };
    let parts = match tree.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(&tree),
    };
    let (anchored, parts) = match parts.split_first() {
        Some((first, rest)) if matches!(first.kind(), HirKind::Look(Look::Start)) => (true, rest),
        _ => (false, parts),
    };
    let (literal, rest) = match parts.split_first().map(|(first, rest)| (first.kind(), rest)) {
        Some((HirKind::Literal(literal), rest)) => (literal.0.as_ref(), rest),
        _ => (&[][..], parts),
    };
    if anchored && let Ok(text) = std::str::from_utf8(literal) {
        if matches!(rest, [end] if matches!(end.kind(), HirKind::Look(Look::End))) && is_normal(text) {
            return Shape::Exact(Cow::Owned(text.to_owned()));
        }
        text.clone_into(&mut found.start);
    }
    if rest.iter().all(may_be_absent) {
        let literal = literal.to_vec();
        found.only = Some(if anchored { Literal::Begins(literal) } else { Literal::Contains(literal) });
    }
    Shape::Regex(found)
}

/// Whether a part at the end asks for nothing, such as `.*`: nobody asks how far a match goes.
fn may_be_absent(part: &Hir) -> bool {
    match part.kind() {
        HirKind::Empty => true,
        HirKind::Repetition(repetition) => repetition.min == 0,
        _ => false,
    }
}

fn is_normal(text: &str) -> bool {
    let mut normal = String::new();
    path::normalise(text, false, &mut normal).is_ok() && normal == text
}
