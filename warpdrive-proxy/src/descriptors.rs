//! How many connections the process may have.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::limits::{MAX_DERIVED_CONNECTIONS, PIPES, RESERVED_DESCRIPTORS};

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

/// The pipes that all workers may have together under a descriptor limit, of two descriptors each.
pub(crate) fn pipes(limit: u64) -> usize {
    usize::try_from(limit / 64).unwrap_or(usize::MAX).min(PIPES)
}

/// The client connections that are accepted at once under a descriptor limit: each may need one
/// descriptor of its own and one towards an instance. More may be configured, since few are busy at
/// once, but never more than there are descriptors.
pub(crate) fn connections(configured: Option<usize>, limit: u64) -> usize {
    let reserved = RESERVED_DESCRIPTORS + 2 * pipes(limit) as u64;
    let free = usize::try_from(limit.saturating_sub(reserved)).unwrap_or(usize::MAX);
    let derived = (free / 2).clamp(1, MAX_DERIVED_CONNECTIONS);
    let Some(configured) = configured else { return derived };
    let possible = configured.clamp(1, free.max(1));
    if possible < configured {
        tracing::warn!(
            configured,
            accepted = possible,
            limit,
            "server.max_connections is more than the descriptor limit allows; raise it (`ulimit -n`, `LimitNOFILE`)"
        );
    }
    possible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_follow_from_the_limit() {
        assert_eq!((pipes(10), pipes(1024), pipes(20_000)), (0, 16, 312));
        assert_eq!((pipes(1 << 20), pipes(u64::MAX)), (PIPES, PIPES));
    }

    #[test]
    fn connections_follow_from_the_limit() {
        assert_eq!(connections(None, 1024), 464);
        assert_eq!(connections(None, 10), 1);
        assert_eq!(connections(None, u64::MAX), MAX_DERIVED_CONNECTIONS);
        assert_eq!(connections(Some(900), 1024), 900);
        assert_eq!(connections(Some(5000), 1024), 928);
        assert_eq!(connections(Some(5000), 10), 1);
    }
}
