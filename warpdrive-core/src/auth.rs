//! `require_auth`: the admin token, by its own field or as the password of HTTP Basic.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, StatusCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::reject::{Reason, Reject};

/// The field that carries the token.
pub(crate) const X_ADMIN_TOKEN: HeaderName = HeaderName::from_static("x-admin-token");

/// The digest of the admin token; the token itself is not kept.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken {
    digest: [u8; 32],
}

impl AdminToken {
    /// Takes the digest of a token.
    pub fn new(token: &str) -> Self {
        AdminToken { digest: Sha256::digest(token.as_bytes()).into() }
    }

    /// Compares digests in constant time, so that neither length nor content shows in the time.
    fn accepts(&self, candidate: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(candidate).into();
        self.digest.ct_eq(&digest).into()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

/// Checks the credentials of a request and, where they are right, removes them, so that no
/// upstream sees them.
///
/// # Errors
/// 401 where none came or the token is wrong. Without a configured token nothing is accepted.
pub(crate) fn authorize(token: Option<&AdminToken>, headers: &mut HeaderMap) -> Result<(), Reject> {
    let unauthorized = |reason, detail: &'static str| Err(Reject::new(StatusCode::UNAUTHORIZED, reason, detail));
    let Some(token) = token else {
        return unauthorized(Reason::CredentialsMissing, "the route requires a token and none is configured");
    };
    let by_field = headers.get_all(X_ADMIN_TOKEN).iter().next();
    if let Some(candidate) = by_field {
        if token.accepts(candidate.as_bytes()) {
            headers.remove(X_ADMIN_TOKEN);
            return Ok(());
        }
        return unauthorized(Reason::CredentialsWrong, "the X-Admin-Token field does not hold the token");
    }
    let Some(password) = headers.get(AUTHORIZATION).and_then(|value| basic_password(value.as_bytes())) else {
        return unauthorized(Reason::CredentialsMissing, "the route requires X-Admin-Token or HTTP Basic credentials");
    };
    if token.accepts(&password) {
        headers.remove(AUTHORIZATION);
        return Ok(());
    }
    unauthorized(Reason::CredentialsWrong, "the password is not the token")
}

/// The password of `Basic` credentials (RFC 7617 section 2), any user name.
fn basic_password(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = value.split_at_checked(5)?;
    if !scheme.eq_ignore_ascii_case(b"basic") || rest.first() != Some(&b' ') {
        return None;
    }
    let mut decoded = STANDARD.decode(rest.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    Some(decoded.split_off(colon + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check(fields: &[(&'static str, &str)]) -> (Result<(), Reason>, HeaderMap) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let outcome = authorize(Some(&AdminToken::new("s3cret")), &mut headers).map_err(|reject| reject.reason);
        (outcome, headers)
    }

    #[test]
    fn either_way_in_and_the_credential_stays_here() {
        let basic = format!("Basic {}", STANDARD.encode("anyone:s3cret"));
        for field in [("x-admin-token", "s3cret"), ("authorization", basic.as_str())] {
            let (outcome, headers) = check(&[field, ("x-other", "1")]);
            assert_eq!(outcome, Ok(()));
            assert_eq!(headers.len(), 1, "{field:?}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let wrong = format!("Basic {}", STANDARD.encode("s3cret:nope"));
        for (fields, want) in [
            (vec![], Reason::CredentialsMissing),
            (vec![("authorization", "Bearer s3cret")], Reason::CredentialsMissing),
            (vec![("authorization", "Basic")], Reason::CredentialsMissing),
            (vec![("authorization", "Basic !!!")], Reason::CredentialsMissing),
            (vec![("authorization", wrong.as_str())], Reason::CredentialsWrong),
            (vec![("x-admin-token", "")], Reason::CredentialsWrong),
            (vec![("x-admin-token", "s3cret ")], Reason::CredentialsWrong),
            (vec![("x-admin-token", "s3cre")], Reason::CredentialsWrong),
        ] {
            assert_eq!(check(&fields).0, Err(want), "{fields:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(X_ADMIN_TOKEN, HeaderValue::from_static("s3cret"));
        assert!(authorize(None, &mut headers).is_err());
    }

    #[test]
    fn the_token_is_not_printed() {
        assert_eq!(format!("{:?}", AdminToken::new("s3cret")), "AdminToken(..)");
    }
}
