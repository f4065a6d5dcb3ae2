//! How many connections the process may have.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::limits::{MAX_DERIVED_CONNECTIONS, RESERVED_DESCRIPTORS};

/// Raises the soft descriptor limit to the hard one and gives what it is then.
///
/// Where that is not permitted the old limit stands, and the connections derived from it are fewer.
pub(crate) fn raise_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let mut wanted = limit;
        wanted.current = wanted.maximum;
        match setrlimit(Resource::Nofile, wanted) {
            Ok(()) => limit = wanted,
            Err(error) => tracing::warn!(%error, "the descriptor limit could not be raised"),
        }
    }
    // None is no limit at all.
    limit.current.unwrap_or(u64::MAX)
}

/// Client connections that a descriptor limit allows: each may need one descriptor of its own and
/// one towards an instance.
pub(crate) fn connections_within(limit: u64) -> usize {
    let half = limit.saturating_sub(RESERVED_DESCRIPTORS) / 2;
    usize::try_from(half).unwrap_or(usize::MAX).clamp(1, MAX_DERIVED_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_follow_from_the_limit() {
        assert_eq!(connections_within(1024), 480);
        assert_eq!(connections_within(10), 1);
        assert_eq!(connections_within(u64::MAX), MAX_DERIVED_CONNECTIONS);
    }
}
