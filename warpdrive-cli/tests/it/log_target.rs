//! The access log's reader is slow, or its disk is full: the proxy goes on, and says so.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::{Client, Program, Server, Signal, WorkFolder, answer_each};

use crate::warpdrive::Proxy;

/// The longest target that a line holds whole.
const TARGET: usize = 4_000;

/// A proxy that writes its log lines to this file or pipe.
fn logging_to(target: &Path, app: &Server) -> Proxy {
    let program = Program::new("sh")
        .args(["-c", r#"exec "$0" serve >"$1""#, env!("CARGO_BIN_EXE_warpdrive")])
        .arg(target)
        .env("WARPDRIVE_DRAIN_GRACE_SECS", "0")
        .env("WARPDRIVE_TARGET_PORT", app.port().to_string());
    Proxy::start(program)
}

fn app() -> Server {
    Server::tcp(answer_each("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
}

fn ask(proxy: &Proxy, client: &mut Client, target: &str) {
    client.get(&proxy.host(), target).unwrap();
    assert_eq!(client.response().unwrap().text(), "ok");
}

/// A named pipe with somebody at its other end who may read or not.
fn pipe(folder: &WorkFolder) -> (PathBuf, BufReader<File>) {
    let path = folder.join("log");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    // For reading alone this would wait for the writer.
    let reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    (path, BufReader::new(reader))
}

/// Fills the pipe, the log thread's queue and the worker's buffer, and goes on.
fn overflow(proxy: &Proxy) {
    let mut client = Client::connect(proxy.port).unwrap();
    let target = format!("/{}", "x".repeat(TARGET));
    // The queue alone holds 64 units of 64 KiB, which is a thousand such lines.
    for _ in 0..2_000 {
        ask(proxy, &mut client, &target);
    }
    proxy.process.wait_for_line("access-log lines were lost: whoever reads them is slow");
}

#[test]
fn a_slow_reader_loses_lines_and_holds_nobody_up() {
    let folder = WorkFolder::new();
    let (path, mut reader) = pipe(&folder);
    let app = app();
    let proxy = logging_to(&path, &app);
    overflow(&proxy);
    let mut client = Client::connect(proxy.port).unwrap();
    ask(&proxy, &mut client, "/still-there");
    // Once per ten seconds, not once a line.
    let said = proxy.process.stderr().matches("lines were lost").count();
    assert!(said <= 3, "{}", proxy.process.stderr());
    let memory = proxy.process.usage().memory;
    assert!(memory < 40 << 20, "{memory} bytes");
    // Once somebody reads, lines come again, and every one of them is whole.
    let mut line = String::new();
    loop {
        ask(&proxy, &mut client, "/later");
        line.clear();
        reader.read_line(&mut line).unwrap();
        assert!(line.starts_with("time=") && line.contains(" id=") && line.ends_with('\n'), "{line}");
        if line.contains(" target=/later ") {
            break;
        }
    }
}

#[test]
fn a_stop_does_not_wait_for_a_reader_that_never_reads() {
    let folder = WorkFolder::new();
    let (path, reader) = pipe(&folder);
    let app = app();
    let proxy = logging_to(&path, &app);
    overflow(&proxy);
    proxy.process.signal(Signal::TERM);
    assert_eq!(proxy.process.wait_exit().code(), Some(0));
    drop(reader);
}

#[test]
fn a_full_disk_is_told_once_and_requests_are_served() {
    let app = app();
    let proxy = logging_to(Path::new("/dev/full"), &app);
    let mut client = Client::connect(proxy.port).unwrap();
    ask(&proxy, &mut client, "/first");
    let text = "cannot write the access log; its lines are lost";
    proxy.process.wait_for_line(text);
    // Many units more, each of which fails as well.
    let target = format!("/{}", "x".repeat(TARGET));
    for _ in 0..100 {
        ask(&proxy, &mut client, &target);
    }
    proxy.process.signal(Signal::TERM);
    assert_eq!(proxy.process.wait_exit().code(), Some(0));
    let said = proxy.process.stderr();
    assert_eq!(said.matches(text).count(), 1, "{said}");
    assert!(said.contains("No space left on device"), "{said}");
}
