//! A folder of one test.

use std::fs;
use std::path::{Path, PathBuf};

/// A temporary folder that goes when it is dropped.
///
/// Its path is short, since the path of a Unix socket in it may have at most 107 bytes.
#[derive(Debug)]
pub struct WorkFolder {
    folder: tempfile::TempDir,
}

impl WorkFolder {
    /// Makes an empty folder.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("warp-").tempdir().expect("a temporary folder can be made");
        WorkFolder { folder }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The path of `name` inside; nothing is made.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file, and the folders above it, and returns its path.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a folder can be made in the work folder");
        }
        fs::write(&path, content).expect("a file can be written to the work folder");
        path
    }

    /// Reads a file.
    ///
    /// # Panics
    /// If it is not there.
    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.join(name);
        fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }
}

impl Default for WorkFolder {
    fn default() -> Self {
        WorkFolder::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_files_until_it_is_dropped() {
        let folder = WorkFolder::new();
        let path = folder.write("deep/er/file", "text");
        assert_eq!(folder.read("deep/er/file"), b"text");
        assert!(folder.join("a.sock").as_os_str().len() < 80);
        drop(folder);
        assert!(!path.exists());
    }
}
