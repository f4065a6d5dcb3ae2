//! Errors by their number.

use std::io;

use rustix::io::Errno;

/// Whether the kernel gave one of these numbers.
pub(crate) fn is_one_of(error: &io::Error, numbers: &[Errno]) -> bool {
    error.raw_os_error().is_some_and(|code| numbers.contains(&Errno::from_raw_os_error(code)))
}
