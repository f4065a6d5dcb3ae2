//! What can be told of an instance's address before any request needs it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;

use tokio::net::lookup_host;

use super::connect::Endpoint;

/// Why connections to this address will fail as things are now, in whole words; `None` where nothing
/// is known against it. Asks the file system or the resolver, and never the instance.
pub(crate) async fn obstacle(endpoint: &Endpoint) -> Option<String> {
    match endpoint {
        Endpoint::Literal(_) => None,
        Endpoint::Unix(path) => match fs::metadata(path) {
            Ok(file) if file.file_type().is_socket() => None,
            Ok(file) => {
                let kind = if file.is_dir() { "folder" } else { "file" };
                Some(format!("there is a {kind} at that path, and no socket"))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Some("there is no socket at that path yet".to_owned()),
            Err(error) => Some(format!("the socket cannot be reached: {error}")),
        },
        Endpoint::Named(host, port) => match lookup_host((host.as_str(), *port)).await {
            Ok(mut addresses) => addresses.next().is_none().then(|| "the name has no address".to_owned()),
            Err(error) => Some(format!("the name cannot be resolved: {error}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use super::*;

    async fn of(path: &Path) -> Option<String> {
        obstacle(&Endpoint::Unix(path.to_owned())).await
    }

    #[tokio::test]
    async fn a_socket_is_told_from_what_is_none() {
        let folder = testkit::WorkFolder::new();
        assert!(of(folder.path()).await.unwrap().contains("a folder"));
        assert!(of(&folder.write("file", "")).await.unwrap().contains("a file"));
        assert!(of(&folder.join("missing")).await.unwrap().contains("no socket at that path yet"));
        assert!(of(&folder.join("file/below")).await.unwrap().contains("cannot be reached"));
        let _listener = UnixListener::bind(folder.join("socket")).unwrap();
        assert_eq!(of(&folder.join("socket")).await, None);
    }

    #[tokio::test]
    async fn a_name_is_looked_up() {
        assert_eq!(obstacle(&Endpoint::Named("localhost".to_owned(), 80)).await, None);
        let nonsense = Endpoint::Named("no such name".to_owned(), 80);
        assert!(obstacle(&nonsense).await.unwrap().contains("cannot be resolved"));
    }
}
