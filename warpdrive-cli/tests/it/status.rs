//! `warpdrive status`: asking a process that runs.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use testkit::{Client, Finished, Program, Server, Signal, Step, WorkFolder, answer_each, steps};

use crate::warpdrive::{Proxy, warpdrive};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn write_config(folder: &WorkFolder, name: &str, server: &str, app: u16) -> PathBuf {
    folder.write(name, format!("[server]\n{server}\n[upstreams.app]\nport = {app}\n"))
}

/// A program whose admin socket is in a folder of the test.
fn in_folder(program: Program, runtime: &Path) -> Program {
    program.env("RUNTIME_DIRECTORY", "").env("XDG_RUNTIME_DIR", runtime)
}

fn serve(folder: &WorkFolder, config: &Path) -> Proxy {
    let program = in_folder(warpdrive().cwd(folder.path()), folder.path());
    Proxy::start(program.arg("serve").arg("--config").arg(config))
}

fn status(folder: &WorkFolder, arguments: &[&str]) -> Finished {
    in_folder(warpdrive().cwd(folder.path()), folder.path()).arg("status").args(arguments).run()
}

#[test]
fn two_instances_side_by_side_answer_for_themselves() {
    let folder = WorkFolder::new();
    let app = Server::tcp(answer_each(OK));
    let config = write_config(&folder, "warpdrive.toml", "", app.port());
    let (one, other) = (serve(&folder, &config), serve(&folder, &config));
    let mut client = Client::connect(one.port).unwrap();
    client.get(&one.host(), "/").unwrap();
    assert_eq!(client.response().unwrap().text(), "ok");
    for (proxy, requests) in [(&one, 1), (&other, 0)] {
        let socket = folder.join(format!("warpdrive-{}.sock", proxy.port));
        assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o7777, 0o600);
        let finished = status(&folder, &["--json", "--socket", &socket.display().to_string()]);
        assert_eq!(finished.code(), Some(0), "{finished:?}");
        let object: testkit::Json = finished.stdout.parse().unwrap();
        assert_eq!(object["pid"], proxy.process.pid());
        assert_eq!(object["upstreams"][0]["instances"][0]["requests"], requests, "{object}");
        // The port in the configuration leads to the same socket.
        let text = write_config(&folder, "named.toml", &format!("http_port = {}", proxy.port), app.port());
        let finished = status(&folder, &["--config", &text.display().to_string()]);
        assert_eq!(finished.code(), Some(0), "{finished:?}");
        assert!(finished.stdout.contains(&format!("process {}", proxy.process.pid())), "{finished:?}");
        assert!(finished.stdout.contains(" up ") && !finished.stdout.contains('\x1b'), "{finished:?}");
    }
    let socket = folder.join(format!("warpdrive-{}.sock", one.port));
    assert_eq!(one.process.terminate().code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn an_instance_that_is_down_is_told_with_its_error() {
    let folder = WorkFolder::new();
    let app = Server::tcp(answer_each("HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n"));
    let check = "path = \"/up\"\ninterval_secs = 0.1\nunhealthy_threshold = 1";
    let text = format!("[upstreams.app]\nport = {}\n[upstreams.app.health]\n{check}\n", app.port());
    let proxy = serve(&folder, &folder.write("warpdrive.toml", text));
    proxy.process.wait_for_line("the instance is down");
    let socket = folder.join(format!("warpdrive-{}.sock", proxy.port)).display().to_string();
    let finished = status(&folder, &["--socket", &socket]);
    assert_eq!(finished.code(), Some(1), "{finished:?}");
    assert!(finished.stdout.contains(" down ") && finished.stdout.contains("500"), "{finished:?}");
}

#[test]
fn nobody_to_ask_is_2_with_the_way_out() {
    let folder = WorkFolder::new();
    let missing = status(&folder, &["--socket", "missing.sock"]);
    assert_eq!(missing.code(), Some(2));
    assert!(missing.stderr.contains("`missing.sock`") && missing.stderr.contains("warpdrive serve"), "{missing:?}");
    let config = write_config(&folder, "off.toml", "admin_socket = false", 1);
    let off = status(&folder, &["--config", &config.display().to_string()]);
    assert_eq!(off.code(), Some(2));
    assert!(off.stderr.contains("server.admin_socket"), "{off:?}");
    let mistaken = folder.write("mistaken.toml", "[server]\nadmin_sokket = 1\n");
    let mistaken = status(&folder, &["--config", &mistaken.display().to_string()]);
    assert_eq!(mistaken.code(), Some(2));
    assert!(mistaken.stderr.contains("admin_socket"), "{mistaken:?}");
    assert_eq!(status(&folder, &["--sockt"]).code(), Some(64));
    let other = Server::unix(
        &folder.join("other.sock"),
        steps([Step::ReadHead, Step::send("HTTP/1.1 204 No Content\r\n\r\n")]),
    );
    let other_program = status(&folder, &["--socket", "other.sock"]);
    assert_eq!(other_program.code(), Some(2));
    assert!(other_program.stderr.contains("204"), "{other_program:?}");
    drop(other);
}

#[test]
fn what_a_killed_process_leaves_is_told_and_replaced() {
    let folder = WorkFolder::new();
    let config = write_config(&folder, "warpdrive.toml", "admin_socket = \"admin.sock\"", 1);
    let killed = serve(&folder, &config);
    killed.process.signal(Signal::KILL);
    killed.process.wait_exit();
    assert!(folder.join("admin.sock").exists());
    let finished = status(&folder, &[]);
    assert_eq!(finished.code(), Some(2));
    assert!(finished.stderr.contains("does not run any more"), "{finished:?}");
    let next = serve(&folder, &config);
    let finished = status(&folder, &[]);
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    assert!(finished.stdout.contains(&format!("process {}", next.process.pid())));
    // A third one leaves it alone, says why, and serves.
    let third = serve(&folder, &config);
    third.process.wait_for_line("another process listens there");
    assert!(Client::connect(third.port).is_ok());
    assert!(status(&folder, &[]).stdout.contains(&format!("process {}", next.process.pid())));
}

#[test]
fn the_temporary_folder_is_the_last_resort() {
    let folder = WorkFolder::new();
    let config = write_config(&folder, "warpdrive.toml", "", 1);
    let last = |program: Program| {
        let program = in_folder(program.cwd(folder.path()), &folder.join("missing"));
        program.env("TMPDIR", folder.path())
    };
    let proxy = Proxy::start(last(warpdrive().arg("serve").arg("--config").arg(&config)));
    let found = std::fs::read_dir(folder.path()).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("warpdrive-") && path.join(format!("warpdrive-{}.sock", proxy.port)).exists()
    });
    // A machine that has a writable `/run/warpdrive` never comes so far.
    assert!(found || Path::new("/run/warpdrive").exists());
    let config = write_config(&folder, "named.toml", &format!("http_port = {}", proxy.port), 1);
    let finished = last(warpdrive()).arg("status").arg("--config").arg(config).run();
    assert!(finished.stdout.contains(&format!("process {}", proxy.process.pid())), "{finished:?}");
}

#[test]
fn route_test_says_that_the_proxy_answers_itself() {
    let folder = WorkFolder::new();
    let text = "[upstreams.app]\nport = 1\n[[routes]]\nhost = \"a.example\"\npath_prefix = \"/\"\nupstream = \"app\"\n";
    let config = folder.write("warpdrive.toml", text).display().to_string();
    let ask = |arguments: &[&str]| {
        let finished = warpdrive().args(["route-test", "--config", &config]).args(arguments).run();
        (finished.code(), finished.stdout)
    };
    for explain in [&[][..], &["--explain"]] {
        let (code, text) = ask(&[explain, &["GET", "//.warpdrive/health"]].concat());
        assert_eq!(code, Some(0));
        assert!(text.contains("answered by the proxy itself (server.health_path), before any route"), "{text}");
        assert!(!text.contains("route 1"), "{text}");
    }
    let (code, text) = ask(&["--json", "--explain", "HEAD", "/.warpdrive/health"]);
    let object: testkit::Json = text.parse().unwrap();
    assert_eq!(
        (code, object["outcome"].as_str(), object["status"].as_u64()),
        (Some(0), Some("health_check"), Some(200))
    );
    assert_eq!(object["considered"].as_array().map(Vec::len), Some(0));
    let (code, text) = ask(&["--json", "POST", "/.warpdrive/health"]);
    assert_eq!((code, text.parse::<testkit::Json>().unwrap()["outcome"].as_str()), (Some(1), Some("no_route")));
}
