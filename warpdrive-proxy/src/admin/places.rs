//! Where the admin socket is when nobody says where.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::socket::AdminListener;

/// The folders in which the admin socket may be, tried in order; its name has the port that the proxy
/// listens on, so two instances have two.
///
/// The running proxy takes the first in which it can make its socket, and whoever asks it looks at
/// all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPlaces {
    runtime: Vec<PathBuf>,
    temporary: PathBuf,
}

impl AdminPlaces {
    /// The folders that systemd, the session and the system give, by the variables `RUNTIME_DIRECTORY`
    /// and `XDG_RUNTIME_DIR` as `variable` has them; last of all, one of the user's own in
    /// `temporary`, which all users share.
    pub fn new(variable: impl Fn(&str) -> Option<PathBuf>, temporary: impl Into<PathBuf>) -> Self {
        // systemd separates several by colons (systemd.exec(5)).
        let given = variable("RUNTIME_DIRECTORY").and_then(|list| {
            let first = list.as_os_str().to_str()?.split(':').next()?.to_owned();
            Some(PathBuf::from(first))
        });
        let runtime = [given, variable("XDG_RUNTIME_DIR"), Some(PathBuf::from("/run/warpdrive"))];
        AdminPlaces {
            runtime: runtime.into_iter().flatten().filter(|folder| folder.is_absolute()).collect(),
            temporary: temporary.into(),
        }
    }

    /// Every path at which the socket of the proxy on that port may be, for the user of this process.
    pub fn candidates(&self, port: u16) -> Vec<PathBuf> {
        let name = format!("warpdrive-{port}.sock");
        self.runtime.iter().chain([&self.own_folder()]).map(|folder| folder.join(&name)).collect()
    }

    fn own_folder(&self) -> PathBuf {
        self.temporary.join(format!("warpdrive-{}", rustix::process::geteuid().as_raw()))
    }

    /// Binds the first that can be had. A living socket ends the search: its process is another one on
    /// the same port.
    pub(super) fn bind(&self, port: u16) -> io::Result<AdminListener> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for path in self.candidates(port) {
            if path.starts_with(&self.temporary) && path.parent() == Some(&self.own_folder()) {
                make_own(&self.own_folder())?;
            }
            match AdminListener::bind(&path) {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => last = error,
                done => return done,
            }
        }
        Err(last)
    }
}

/// Makes a folder for this user alone, or makes sure that it is one: in a folder that all share,
/// another user could have made it.
fn make_own(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(folder)?;
    if found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    let words = format!("`{}` is no folder of this user alone", folder.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, words))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_folders_come_in_order() {
        let variable = |name: &str| match name {
            "RUNTIME_DIRECTORY" => Some(PathBuf::from("/run/a:/run/b")),
            "XDG_RUNTIME_DIR" => Some(PathBuf::from("/run/user/1000")),
            _ => None,
        };
        let shown: Vec<String> =
            AdminPlaces::new(variable, "/tmp").candidates(8080).iter().map(|path| path.display().to_string()).collect();
        let own = format!("/tmp/warpdrive-{}/warpdrive-8080.sock", rustix::process::geteuid().as_raw());
        let rest =
            ["/run/a/warpdrive-8080.sock", "/run/user/1000/warpdrive-8080.sock", "/run/warpdrive/warpdrive-8080.sock"];
        assert_eq!(shown, [&rest[..], &[own.as_str()]].concat());
        // Relative folders would be others for whoever asks.
        let places = AdminPlaces::new(|_| Some("here".into()), "/tmp");
        assert_eq!(places.candidates(1).len(), 2);
    }

    #[test]
    fn a_folder_of_another_mode_is_not_trusted() {
        let folder = testkit::WorkFolder::new();
        let places = AdminPlaces { runtime: vec![folder.join("missing")], temporary: folder.path().to_owned() };
        let listener = places.bind(1).unwrap();
        assert_eq!(listener.path(), places.candidates(1)[1]);
        let own = places.own_folder();
        assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o700);
        // A second one of the same port goes nowhere else.
        assert_eq!(places.bind(1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        fs::set_permissions(&own, fs::Permissions::from_mode(0o777)).unwrap();
        let error = places.bind(1).unwrap_err();
        assert!(error.to_string().contains("is no folder of this user alone"), "{error}");
    }
}
