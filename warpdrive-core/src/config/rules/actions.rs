//! What a route does with a request: where it goes, what becomes of its path, what is set on it.

use http::{HeaderName, HeaderValue};

use super::Mistake;
use super::conditions::pattern as bad_pattern;
use crate::config::{Code, suggest};
use crate::fields;
use crate::model::PathAction;
use crate::pattern::{self, PathRule};

/// A route to an upstream that does not exist. Has no help where there is no upstream at all.
pub(crate) fn unknown_upstream(number: u32, name: &str, known: &[&str]) -> Mistake {
    let problem = format!("route {number}: unknown upstream `{name}`");
    let help = match suggest::nearest(name, known) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => Some(format!("there are {}", known.join(", "))),
    };
    Mistake { help, ..Mistake::new(Code::UnknownUpstream, problem, "") }
}

/// What `strip_prefix` and `rewrite` make of the path that the condition accepts.
///
/// The culprit is `rewrite` where it is given, else `strip_prefix`. `owner` is such as `route 2`,
/// `path` is `None` where it has a mistake of its own, and `merge` is `server.merge_slashes`.
/// `Ok(None)` is what nobody can judge without the path.
pub(crate) fn cuts_or_replaces(
    owner: &str,
    strip: bool,
    rewrite: Option<&str>,
    path: Option<&PathRule>,
    merge: bool,
) -> Result<Option<PathAction>, Mistake> {
    let fits = match (strip, rewrite) {
        (false, None) => return Ok(Some(PathAction::Keep)),
        (true, Some(_)) => {
            return Err(Mistake::new(
                Code::ConflictingKeys,
                format!("`{owner}` has `strip_prefix` and `rewrite`"),
                "`rewrite = \"\"` cuts the prefix as well: keep one of them",
            ));
        }
        _ => match path {
            None => return Ok(None),
            Some(PathRule::Prefix(_)) => true,
            Some(PathRule::Exact(_)) => !strip,
            Some(PathRule::Any | PathRule::Regex(_)) => false,
        },
    };
    if !fits {
        return Err(Mistake::new(
            Code::ConflictingKeys,
            format!("`{owner}` has no prefix that could be cut or replaced"),
            "use it with `path_prefix` (`rewrite` also with `path_exact`)",
        ));
    }
    match rewrite {
        None => Ok(Some(PathAction::StripPrefix)),
        Some("") => Ok(Some(PathAction::Replace(String::new()))),
        Some(text) => match pattern::normal_pattern(text, merge) {
            Ok(normal) => Ok(Some(PathAction::Replace(normal))),
            Err(error) => Err(bad_pattern(Code::BadPath, &error)),
        },
    }
}

/// A field that a route sets: one that it may set, and once only.
pub(crate) fn may_set(name: &HeaderName, earlier: &[(HeaderName, HeaderValue)]) -> Result<(), Mistake> {
    if !fields::may_be_set(name) {
        return Err(Mistake::new(
            Code::BadHeader,
            format!("`{name}` belongs to one connection or frames the message"),
            "the proxy sets it itself: leave it out",
        ));
    }
    if earlier.iter().any(|(other, _)| other == name) {
        return Err(Mistake::new(
            Code::ConflictingKeys,
            format!("`{name}` is set twice in one list"),
            "each entry replaces the field: keep one",
        ));
    }
    Ok(())
}

/// A route that requires a token where none is configured.
pub(crate) fn admin_token_missing(number: u32) -> Mistake {
    Mistake::new(
        Code::NoAdminToken,
        format!("route {number} requires a token, and none is configured"),
        "set WARPDRIVE_ADMIN_TOKEN, or `server.admin_token`",
    )
}
