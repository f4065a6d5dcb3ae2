//! Path expressions that hardly mean what they say: without `^`, or with a character that no
//! path in normal form holds.

use std::fmt::Write as _;

use regex_syntax::ast::{Ast, parse::Parser};
use regex_syntax::hir::{Hir, HirKind, Look};

use super::Subject;
use crate::config::diagnostic::{Code, Place, Report};
use crate::path;
use crate::pattern::PathRule;

pub(super) fn look(subject: &Subject<'_>, report: &mut Report) {
    for (route, places) in subject.routes.iter().zip(subject.route_places) {
        let PathRule::Regex(regex) = &route.path else { continue };
        let Some(tree) = regex.tree() else { continue };
        let place = places.path.clone().map_or(Place::Whole, Place::File);
        let number = route.number;
        if !is_anchored(&tree) {
            let every =
                if matches!(tree.kind(), HirKind::Alternation(_)) { "in front of every branch" } else { "in front" };
            report
                .add(
                    Code::UnanchoredRegex,
                    place.clone(),
                    format!("route {number}: `{regex}` has no leading `^`, so it is searched anywhere in the path"),
                )
                .help(format!("write `^` {every}, or `^.*` where anywhere is meant"));
        }
        if let Some(character) = foreign(regex.as_str()) {
            report
                .add(
                    Code::RegexLiteral,
                    place,
                    format!("route {number}: the literal `{character}` in `{regex}` never matches: paths are in escaped form"),
                )
                .help(format!("write `{}`", escaped(character)));
        }
    }
}

/// Whether every match begins at the start of the path, which has one line.
fn is_anchored(tree: &Hir) -> bool {
    let first = tree.properties().look_set_prefix();
    [Look::Start, Look::StartLF, Look::StartCRLF].into_iter().any(|look| first.contains(look))
}

/// The first literal character outside brackets that no path in normal form holds. Read off the
/// text as written: compiled, `(é|e)` is a class like `[ée]`.
fn foreign(text: &str) -> Option<char> {
    first_foreign(&Parser::new().parse(text).ok()?)
}

fn first_foreign(part: &Ast) -> Option<char> {
    match part {
        Ast::Literal(literal) => Some(literal.c).filter(|&c| !u8::try_from(c).is_ok_and(path::may_stand_raw)),
        Ast::Repetition(repetition) => first_foreign(&repetition.ast),
        Ast::Group(group) => first_foreign(&group.ast),
        Ast::Concat(concat) => concat.asts.iter().find_map(first_foreign),
        Ast::Alternation(alternation) => alternation.asts.iter().find_map(first_foreign),
        _ => None,
    }
}

fn escaped(character: char) -> String {
    let mut bytes = [0; 4];
    character.encode_utf8(&mut bytes).bytes().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "%{byte:02X}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::PathRegex;

    fn tree(text: &str) -> Hir {
        PathRegex::new(text).unwrap().tree().unwrap()
    }

    #[test]
    fn every_branch_needs_its_anchor() {
        for text in ["^/a", "^", "^/a|^/b", "^(/a|/b)", "(?i)^/a", "(^/a)", "(?m)^/a", "^.*b"] {
            assert!(is_anchored(&tree(text)), "{text}");
        }
        for text in ["/a", "", "^/a|/b", "/a|^/b", "(^)?/a", r"\.png$", "a^"] {
            assert!(!is_anchored(&tree(text)), "{text}");
        }
    }

    #[test]
    fn what_no_path_holds_raw_is_found() {
        for (text, want) in [
            ("^/a b", Some(' ')),
            ("^/é$", Some('é')),
            ("^/(x|y\"z)", Some('"')),
            (r"^/\{id\}", Some('{')),
            ("^/x( y)?", Some(' ')),
            ("^/caf(é|e)", Some('é')),
            ("^/a%20b", None),
            ("(?x) ^/a b", None),
            ("^/[^ ]+;v=1", None),
        ] {
            assert_eq!(foreign(text), want, "{text}");
        }
        assert_eq!(escaped('é'), "%C3%A9");
    }
}
