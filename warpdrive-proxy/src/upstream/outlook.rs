//! What can be told of an instance's address before any request needs it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;

use super::connect::Endpoint;

/// Why connections to this address will fail as things are now, in whole words; `None` where nothing
/// is known against it. Asks the file system, and never the instance; of names their own follower tells.
pub(crate) fn obstacle(endpoint: &Endpoint) -> Option<String> {
    match endpoint {
        Endpoint::Literal(_) | Endpoint::Named(..) => None,
        Endpoint::Unix(path) => match fs::metadata(path) {
            Ok(file) if file.file_type().is_socket() => None,
            Ok(file) => {
                let kind = if file.is_dir() { "folder" } else { "file" };
                Some(format!("there is a {kind} at that path, and no socket"))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Some("there is no socket at that path yet".to_owned()),
            Err(error) => Some(format!("the socket cannot be reached: {error}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use super::*;

    fn of(path: &Path) -> Option<String> {
        obstacle(&Endpoint::Unix(path.to_owned()))
    }

    #[test]
    fn a_socket_is_told_from_what_is_none() {
        let folder = testkit::WorkFolder::new();
        assert!(of(folder.path()).unwrap().contains("a folder"));
        assert!(of(&folder.write("file", "")).unwrap().contains("a file"));
        assert!(of(&folder.join("missing")).unwrap().contains("no socket at that path yet"));
        assert!(of(&folder.join("file/below")).unwrap().contains("cannot be reached"));
        let _listener = UnixListener::bind(folder.join("socket")).unwrap();
        assert_eq!(of(&folder.join("socket")), None);
    }
}
