//! Where a running proxy may be asked how it is.

use std::path::PathBuf;

/// `server.admin_socket`: the Unix socket at which a running proxy tells its state.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AdminSocket {
    /// In the runtime directory of the service or the user, with a port of the listener in its name.
    #[default]
    Usual,
    /// Nowhere.
    Off,
    /// At this path, at most [`crate::limits::MAX_SOCKET_PATH_BYTES`] long.
    At(PathBuf),
}

/// The `server.health_path` of a configuration that gives none.
pub(crate) const USUAL_HEALTH_PATH: &str = "/.warpdrive/health";
