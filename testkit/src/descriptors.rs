//! Descriptors of the test's own process.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit of open files as far as it goes without rights, and returns it. Without a limit
/// that is `u64::MAX`.
pub fn raise_descriptor_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused only where it is that high already, or the kernel's own bound is lower.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
