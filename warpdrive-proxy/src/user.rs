//! Becoming another user after the ports are bound.

use std::fs;
use std::io;

use rustix::process::geteuid;
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use rustix::{process::Gid, process::Uid};
use thiserror::Error;

/// A user of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    uid: u32,
    gid: u32,
}

/// Why the process cannot become another user.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UserError {
    /// There is no such user.
    #[error("there is no user `{0}` in /etc/passwd; set server.user (WARPDRIVE_USER) to one")]
    Unknown(String),
    /// `/etc/passwd` cannot be read.
    #[error("cannot read /etc/passwd to look up server.user")]
    Passwd(#[source] io::Error),
    /// Only root can become another user.
    #[error("only root can become `{0}`; start as root, or leave server.user (WARPDRIVE_USER) out")]
    NotRoot(String),
    /// The change would apply to one thread of several.
    #[error("cannot become `{0}`: the process has other threads already; start the proxy before them")]
    Threads(String),
    /// The system refused.
    #[error("the system refused to become `{0}`")]
    Refused(String, #[source] io::Error),
}

impl User {
    /// Looks a name up.
    ///
    /// # Errors
    ///
    /// [`UserError::Unknown`] or [`UserError::Passwd`].
    pub(crate) fn find(name: &str) -> Result<Self, UserError> {
        let passwd = fs::read("/etc/passwd").map_err(UserError::Passwd)?;
        Self::find_in(name, &passwd).ok_or_else(|| UserError::Unknown(name.to_owned()))
    }

    fn find_in(name: &str, passwd: &[u8]) -> Option<Self> {
        passwd.split(|byte| *byte == b'\n').find_map(|line| {
            let line = std::str::from_utf8(line).ok()?;
            let mut fields = line.split(':');
            if name.is_empty() || fields.next() != Some(name) {
                return None;
            }
            let _password = fields.next()?;
            Some(User { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
        })
    }

    /// Becomes this user for good, with its primary group alone. Nothing is done for a process
    /// that is this user already.
    ///
    /// The kernel changes one thread; threads that are started later inherit the change. So this
    /// must happen while there is only one, and is refused otherwise.
    ///
    /// # Errors
    ///
    /// See [`UserError`].
    pub(crate) fn become_it(self, name: &str) -> Result<(), UserError> {
        if geteuid().as_raw() == self.uid {
            return Ok(());
        }
        if !geteuid().is_root() {
            return Err(UserError::NotRoot(name.to_owned()));
        }
        let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
        if threads > 1 {
            return Err(UserError::Threads(name.to_owned()));
        }
        let refused = |error: rustix::io::Errno| UserError::Refused(name.to_owned(), error.into());
        let gid = Gid::from_raw(self.gid);
        let uid = Uid::from_raw(self.uid);
        // Groups first: without root they could not be changed any more.
        set_thread_groups(&[gid]).map_err(refused)?;
        set_thread_res_gid(gid, gid, gid).map_err(refused)?;
        set_thread_res_uid(uid, uid, uid).map_err(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\xff:x:1:1::/:\n\
        www-data:x:33:34:www:/var/www:/usr/sbin/nologin\nbroken:x:a:b\n";

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let user = User::find_in("www-data", PASSWD);
        assert_eq!(user, Some(User { uid: 33, gid: 34 }));
        assert_eq!(User::find_in("www", PASSWD), None);
        assert_eq!(User::find_in("", PASSWD), None);
        assert_eq!(User::find_in("broken", PASSWD), None);
    }

    #[test]
    fn an_unknown_user_is_named() {
        let error = User::find("no-such-user-here").unwrap_err();
        assert!(error.to_string().contains("`no-such-user-here`"));
    }
}
