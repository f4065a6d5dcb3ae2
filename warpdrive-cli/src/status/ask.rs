//! One question to the admin socket of a running proxy.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long each step of the question may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer in bytes: some ten thousand instances.
const ANSWER_BYTES: u64 = 32 * 1024 * 1024;

/// The JSON of the first proxy that answers at one of the paths.
///
/// # Errors
///
/// Whole words on what was tried, and what to do.
pub(super) fn status(paths: &[PathBuf]) -> Result<String, String> {
    let mut silent = None;
    for path in paths {
        match ask(path) {
            Ok(text) => return Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // A socket that is there says more than those that are not.
            Err(error) => drop(silent.get_or_insert(refusal(path, &error))),
        }
    }
    Err(silent.unwrap_or_else(|| {
        let looked_at: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
        format!(
            "no running proxy was found at {}: start one with `warpdrive serve`, or name its socket with --socket",
            looked_at.join(", ")
        )
    }))
}

fn refusal(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("the proxy at `{path}` does not run any more: start it again with `warpdrive serve`")
        }
        io::ErrorKind::PermissionDenied => {
            format!("`{path}` belongs to another user: ask as the user whom the proxy runs as")
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("the process at `{path}` gave no whole answer within {} seconds", PATIENCE.as_secs())
        }
        _ => format!("the process at `{path}` could not be asked: {error}"),
    }
}

fn ask(path: &Path) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /status HTTP/1.1\r\nHost: warpdrive\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES).read_to_string(&mut answer)?;
    body(&answer).map(str::to_owned).ok_or_else(|| {
        let first = answer.lines().next().unwrap_or("nothing");
        io::Error::new(io::ErrorKind::InvalidData, format!("it answered `{}`", first.escape_debug()))
    })
}

/// The body of a whole answer of 200.
fn body(answer: &str) -> Option<&str> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    lines.next()?.starts_with("HTTP/1.1 200 ").then_some(())?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    (body.len() == length).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_answer_counts() {
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), Some("{}"));
        assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}"), None);
        assert_eq!(body("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}"), None);
        assert_eq!(body("SSH-2.0\r\n"), None);
    }
}
