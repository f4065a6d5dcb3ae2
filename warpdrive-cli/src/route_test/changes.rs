//! What `forward` does to the header fields of a request, seen from outside: the fields before it
//! and after it are compared, so that no rule is told twice.

use http::{HeaderMap, HeaderName, HeaderValue};
use warpdrive_core::forwarding::{Fresh, kept_request_id};

/// Stands for what live traffic makes anew for each request. No other field has this value: a
/// configuration and an argument lose the white space around theirs.
static NEW: HeaderValue = HeaderValue::from_static(" ");

/// A field that reaches the upstream otherwise than it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SetField {
    pub(super) name: HeaderName,
    /// `None` is made anew for each request.
    pub(super) value: Option<String>,
}

/// The difference between the fields that came and those that go out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// New or changed ones; a field of several lines stands here once for each.
    pub(super) set: Vec<SetField>,
    pub(super) removed: Vec<HeaderName>,
}

/// The id and time of a request that is never sent.
pub(super) fn fresh(headers: &HeaderMap) -> Fresh<'_> {
    Fresh { request_id: kept_request_id(headers).unwrap_or(&NEW), request_start: &NEW }
}

/// Compares field by field, sorted by name.
pub(super) fn between(before: &HeaderMap, after: &HeaderMap) -> Changes {
    let mut changes = Changes::default();
    for name in sorted_names(after) {
        if before.get_all(name).iter().eq(after.get_all(name)) {
            continue;
        }
        for value in after.get_all(name) {
            let value = (*value != NEW).then(|| shown(value));
            changes.set.push(SetField { name: name.clone(), value });
        }
    }
    let gone = sorted_names(before).into_iter().filter(|name| !after.contains_key(*name));
    changes.removed.extend(gone.cloned());
    changes
}

fn sorted_names(headers: &HeaderMap) -> Vec<&HeaderName> {
    let mut names: Vec<&HeaderName> = headers.keys().collect();
    names.sort_unstable_by_key(|name| name.as_str());
    names
}

/// A value as text: bytes that are none are shown as escapes.
fn shown(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().escape_ascii().to_string(),
    }
}
