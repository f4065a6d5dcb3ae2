//! Why a request is refused before it reaches an upstream.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderValue, StatusCode};

use crate::host::HostError;
use crate::limits::MAX_TARGET_BYTES;
use crate::path::PathError;

/// A request that is answered without an upstream: status, a stable word, and whole words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reject {
    /// The status of the answer: 400, 401, 405 or 414.
    pub status: StatusCode,
    /// The reason as one of a closed set.
    pub reason: Reason,
    /// What was wrong, for the log and for people. Never holds a credential.
    pub detail: Cow<'static, str>,
    /// The value of `Allow`, with 405 where some route accepts other methods.
    pub allow: Option<HeaderValue>,
}

impl Reject {
    pub(crate) fn new(status: StatusCode, reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Reject { status, reason, detail: detail.into(), allow: None }
    }

    pub(crate) fn bad(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Reject::new(StatusCode::BAD_REQUEST, reason, detail)
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status.as_u16(), self.detail)
    }
}

impl std::error::Error for Reject {}

/// The closed set of reasons. [`Reason::as_str`] gives the word used in logs, in
/// `X-WarpDrive-Error` and in `--json`; words are never reused for another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No host, two hosts, or one that is none.
    BadHost,
    /// A request target in no form that the method allows.
    BadTarget,
    /// A path that is none, or climbs above the root.
    BadPath,
    /// A query with bytes that no query has.
    BadQuery,
    /// A method that is no token.
    BadMethod,
    /// A path that a more lenient reader would route elsewhere.
    AmbiguousPath,
    /// CONNECT or TRACE, or no route accepts this method.
    MethodNotAllowed,
    /// A target over [`crate::limits::MAX_TARGET_BYTES`].
    TargetTooLong,
    /// The route requires credentials and none came.
    CredentialsMissing,
    /// The credentials are wrong.
    CredentialsWrong,
}

impl Reason {
    /// Every reason, for documentation and tests.
    pub const ALL: &[Reason] = &[
        Reason::BadHost,
        Reason::BadTarget,
        Reason::BadPath,
        Reason::BadQuery,
        Reason::BadMethod,
        Reason::AmbiguousPath,
        Reason::MethodNotAllowed,
        Reason::TargetTooLong,
        Reason::CredentialsMissing,
        Reason::CredentialsWrong,
    ];

    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::BadHost => "bad_host",
            Reason::BadTarget => "bad_target",
            Reason::BadPath => "bad_path",
            Reason::BadQuery => "bad_query",
            Reason::BadMethod => "bad_method",
            Reason::AmbiguousPath => "ambiguous_path",
            Reason::MethodNotAllowed => "method_not_allowed",
            Reason::TargetTooLong => "target_too_long",
            Reason::CredentialsMissing => "credentials_missing",
            Reason::CredentialsWrong => "credentials_wrong",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<PathError> for Reject {
    fn from(error: PathError) -> Self {
        match error {
            PathError::TooLong(_) => Reject::new(StatusCode::URI_TOO_LONG, Reason::TargetTooLong, error.to_string()),
            _ => Reject::bad(Reason::BadPath, error.to_string()),
        }
    }
}

impl From<HostError> for Reject {
    fn from(error: HostError) -> Self {
        Reject::bad(Reason::BadHost, error.to_string())
    }
}

pub(crate) fn target_too_long(bytes: usize) -> Reject {
    Reject::new(
        StatusCode::URI_TOO_LONG,
        Reason::TargetTooLong,
        format!("the request target has {bytes} bytes, more than {MAX_TARGET_BYTES}"),
    )
}
