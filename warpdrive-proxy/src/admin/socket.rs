//! The Unix socket of the admin endpoint: for its owner alone from its first moment, in the place of a
//! dead one, never in the place of a living one.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::limits::ADMIN_QUEUE;

/// A bound socket. Dropped, its file is removed, unless another one has taken its place.
#[derive(Debug)]
pub(crate) struct AdminListener {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file.
    file: (u64, u64),
}

impl AdminListener {
    /// Binds the socket.
    ///
    /// # Errors
    ///
    /// In whole words, with the path: where a process listens there, where the file is no socket, and
    /// whatever the system says.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let said = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display()));
        // Of two processes that find one dead socket, the second would remove that of the first.
        let lock = lock_folder(path);
        let bound = remove_dead(path).and_then(|()| bind(path)).map_err(said);
        drop(lock);
        bound
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The socket, to accept from.
    pub(super) fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for AdminListener {
    fn drop(&mut self) {
        let _lock = lock_folder(&self.path);
        if fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn bind(path: &Path) -> io::Result<AdminListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Linux makes the file with the mode of the socket: there is no moment in which others could connect.
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(ADMIN_QUEUE)?;
    socket.set_nonblocking(true)?;
    let file = fs::symlink_metadata(path)?;
    let listener = UnixListener::from(OwnedFd::from(socket));
    Ok(AdminListener { listener, path: path.to_owned(), file: (file.dev(), file.ino()) })
}

/// Removes a socket on which nobody listens.
fn remove_dead(path: &Path) -> io::Result<()> {
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !file.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of that name that is no socket"));
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        // A full queue is a sign of life too.
        Ok(()) | Err(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
    }
}

/// Keeps other processes of this kind from changing the folder. Leaves no file behind; where the folder
/// cannot be locked, nothing is lost but that.
fn lock_folder(path: &Path) -> Option<OwnedFd> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    rustix::fs::flock(&folder, FlockOperation::LockExclusive).ok()?;
    Some(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn folder() -> testkit::WorkFolder {
        testkit::WorkFolder::new()
    }

    #[test]
    fn it_is_the_owners_alone_and_goes_with_its_listener() {
        let folder = folder();
        let path = folder.join("a.sock");
        let listener = AdminListener::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
        let folder = folder();
        let path = folder.join("a.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let first = AdminListener::bind(&path).unwrap();
        let error = AdminListener::bind(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(error.to_string(), format!("`{}`: another process listens there", path.display()));
        UnixStream::connect(&path).unwrap();
        drop(first);
    }

    #[test]
    fn a_full_queue_is_a_sign_of_life() {
        let folder = folder();
        let path = folder.join("a.sock");
        let _first = AdminListener::bind(&path).unwrap();
        let mut waiting = Vec::new();
        loop {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            match socket.connect(&SockAddr::unix(&path).unwrap()) {
                Ok(()) => waiting.push(socket),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    break;
                }
            }
            assert!(waiting.len() <= ADMIN_QUEUE as usize + 1, "the queue has no end");
        }
        assert_eq!(AdminListener::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = folder();
        let path = folder.write("precious", "text");
        let error = AdminListener::bind(&path).unwrap_err();
        assert!(error.to_string().ends_with("there is a file of that name that is no socket"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
    }

    #[test]
    fn a_file_that_has_taken_its_place_stays() {
        let folder = folder();
        let path = folder.join("a.sock");
        let first = AdminListener::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another").unwrap();
        drop(first);
        assert!(path.exists());
    }
}
