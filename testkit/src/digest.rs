//! Fingerprints of bodies too long to compare by eye.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha1::{Digest, Sha1};

/// The SHA-1 of these bytes, in lower-case hex.
pub fn sha1_hex(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha1::digest(bytes.as_ref()))
}

/// The SHA-1 of a file, in lower-case hex.
///
/// # Panics
/// If it cannot be read.
pub fn sha1_hex_of_file(path: &Path) -> String {
    let mut file = File::open(path).unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()));
    let mut digest = Sha1::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let length = file.read(&mut piece).expect("an open file can be read");
        match piece.get(..length) {
            None | Some([]) => return hex(&digest.finalize()),
            Some(read) => digest.update(read),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_files_have_the_published_digest() {
        let folder = crate::WorkFolder::new();
        let path = folder.write("abc", "abc");
        assert_eq!(sha1_hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(sha1_hex_of_file(&path), sha1_hex("abc"));
    }
}
