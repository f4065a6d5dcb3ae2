//! `server.user`: whom the proxy becomes after its ports are bound.

use std::process::Command;

use testkit::{Client, Server, WorkFolder, answer_each};

use crate::warpdrive::{Proxy, warpdrive};

/// Everywhere, and with no rights.
const NOBODY: &str = "nobody";

fn config(port: u16, user: &str) -> String {
    format!("[server]\nuser = {user:?}\n[upstreams.app]\nhost = \"127.0.0.1\"\nport = {port}\n")
}

/// A number of a user or group, as `id` tells it.
fn id(arguments: &[&str]) -> u32 {
    let output = Command::new("id").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// Serves as somebody without rights where the test is the superuser; else the refusal is checked.
#[test]
fn the_superuser_is_left_behind_by_every_thread() {
    let folder = WorkFolder::new();
    let app = Server::tcp(answer_each("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
    if id(&["-u"]) != 0 {
        println!("not started as the superuser: only the refusal is tested");
        let path = folder.write("warpdrive.toml", config(app.port(), NOBODY));
        let finished = warpdrive().args(["serve", "--config"]).arg(path).env("WARPDRIVE_BIND", "127.0.0.1").run();
        assert_eq!(finished.code(), Some(1), "{finished:?}");
        assert!(finished.stderr.contains("only root can become `nobody`"), "{finished:?}");
        return;
    }
    let (user, group) = (id(&["-u", NOBODY]), id(&["-g", NOBODY]));
    let proxy = Proxy::with_config(&folder, &config(app.port(), NOBODY));
    let mut client = Client::connect(proxy.port).unwrap();
    client.get(&proxy.host(), "/").unwrap();
    assert_eq!(client.response().unwrap().text(), "ok");
    let tasks = std::fs::read_dir(format!("/proc/{}/task", proxy.process.pid())).unwrap();
    let mut threads = 0;
    for task in tasks {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let numbers = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.split_whitespace().map(|number| number.parse().unwrap()).collect::<Vec<u32>>()
        };
        // Real, effective, saved and of the file system: none leads back.
        assert_eq!(numbers("Uid:"), [user; 4], "{status}");
        assert_eq!(numbers("Gid:"), [group; 4], "{status}");
        assert_eq!(numbers("Groups:"), [group], "{status}");
        assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
        threads += 1;
    }
    assert!(threads >= 4, "{threads}");
}

#[test]
fn a_user_that_does_not_exist_is_told_before_anything_listens() {
    let folder = WorkFolder::new();
    let path = folder.write("warpdrive.toml", config(testkit::free_port(), "no-such-user-here"));
    let finished = warpdrive().args(["serve", "--config"]).arg(path).env("WARPDRIVE_BIND", "127.0.0.1").run();
    assert_eq!(finished.code(), Some(1), "{finished:?}");
    assert!(finished.stderr.contains("there is no user `no-such-user-here`"), "{finished:?}");
    assert!(!finished.stderr.contains("listening"), "{finished:?}");
}
