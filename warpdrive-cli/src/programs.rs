//! Whether a program is there, as a shell in the current folder would find it.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Whether `name` is an executable file: one with a slash is taken as it is, another one is
/// looked for in `PATH` and in `bin/` of the current folder.
pub(crate) fn exists(name: &str) -> bool {
    if name.contains('/') {
        return is_executable(Path::new(name));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    // An empty entry of PATH is the current folder, which joining a name to nothing gives as well.
    env::split_paths(&path).any(|folder| is_executable(&folder.join(name)))
        || is_executable(&Path::new("bin").join(name))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_or_a_plain_file_is_no_program() {
        assert!(exists("sh"));
        assert!(exists("/bin/sh"));
        assert!(!exists("/bin"));
        assert!(!exists("/etc/passwd"));
        assert!(!exists("no-program-has-this-name"));
        assert!(!exists(""));
    }
}
