//! The stack of `examples/rails`: Rails in three Pumas, ActionCable, Sidekiq Web, an API and Redis.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, mpsc};
use std::thread;

use testkit::{Endpoint, Process, Program, WorkFolder, free_port};

use crate::warpdrive::{Proxy, warpdrive};

/// What Sidekiq Web's route asks for.
pub(crate) const ADMIN_TOKEN: &str = "s3cret";

/// Where the example lies.
pub(crate) fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/rails")
}

/// The running stack.
pub(crate) struct Stack {
    folder: WorkFolder,
    cable_port: u16,
    sidekiq_port: u16,
    _process: Process,
}

/// The stack of this test binary, started by the first test that asks.
pub(crate) fn stack() -> &'static Stack {
    static STACK: LazyLock<Stack> = LazyLock::new(Stack::start);
    &STACK
}

impl Stack {
    fn start() -> Stack {
        let folder = WorkFolder::new();
        let (cable_port, sidekiq_port) = (free_port(), free_port());
        // A static is never dropped, so the kernel tells the stack when this binary ends.
        let program = Program::new("setpriv")
            .name("examples/rails/start")
            .args(["--pdeathsig", "TERM", "bash", "-c"])
            .arg(r#""$0" "$1/tmp" & trap 'kill $!' TERM; wait; wait; rm -rf "$1""#)
            .args([example().join("start").as_path(), folder.path()])
            .env("CABLE_PORT", cable_port.to_string())
            .env("SIDEKIQ_PORT", sidekiq_port.to_string());
        let process = start_for_good(program);
        for name in ["redis.sock", "web.0.sock", "web.1.sock", "web.2.sock", "api.sock"] {
            process.wait_for_unix_socket(&folder.join("tmp").join(name));
        }
        for port in [cable_port, sidekiq_port] {
            process.wait_for_port(port);
        }
        Stack { folder, cable_port, sidekiq_port, _process: process }
    }

    /// A proxy of the test's own with the example's file, which differs in its ports alone.
    pub(crate) fn proxy(&self) -> Proxy {
        self.proxy_with(|file| file)
    }

    /// The same with a file that the test changes.
    pub(crate) fn proxy_with(&self, change: impl FnOnce(String) -> String) -> Proxy {
        let file = std::fs::read_to_string(example().join("warpdrive.toml")).unwrap();
        let file = replace_once(&file, "port = 3001", &format!("port = {}", self.cable_port));
        let file = replace_once(&file, "port = 7080", &format!("port = {}", self.sidekiq_port));
        let folder = WorkFolder::new();
        let config = folder.write("warpdrive.toml", change(file));
        // The file names the sockets as seen from the folder that the stack runs in.
        let program = warpdrive().arg("serve").arg("--config").arg(config).cwd(self.folder.path());
        Proxy::start(program.env("WARPDRIVE_ADMIN_TOKEN", ADMIN_TOKEN))
    }

    /// The path of a Unix socket of the stack.
    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        self.folder.join("tmp").join(name)
    }

    /// One of the three Pumas, without a proxy.
    pub(crate) fn web(&self, number: usize) -> Endpoint {
        self.socket(&format!("web.{number}.sock")).into()
    }
}

/// A Puma of the test's own, on a socket beside those of the stack.
pub(crate) fn another_puma(name: &str, rackup: &str) -> (Process, PathBuf) {
    let socket = stack().socket(&format!("{name}.sock"));
    let process = Program::new("puma")
        .name(name)
        .args(["--config", "-", "--threads", "5:5", "--bind"])
        .arg(format!("unix://{}", socket.display()))
        .arg(rackup)
        .env("NAME", name)
        .env("RAILS_ENV", "production")
        .env("SECRET_KEY_BASE", "another key")
        .env("REDIS_URL", format!("unix://{}", stack().socket("redis.sock").display()))
        .cwd(example())
        .start();
    process.wait_for_unix_socket(&socket);
    (process, socket)
}

/// Replaces what must be there exactly once.
pub(crate) fn replace_once(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from:?} in {text}");
    text.replace(from, to)
}

/// Starts a program from a thread that lives as long as this binary: the kernel's notice of a
/// parent's death means the thread that forked.
fn start_for_good(program: Program) -> Process {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let _ = sender.send(program.start());
        loop {
            thread::park();
        }
    });
    receiver.recv().unwrap()
}
