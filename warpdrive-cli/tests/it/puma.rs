//! Debian's Puma with the applications of `tests/fixtures/rack`.

use std::path::{Path, PathBuf};

use testkit::{Endpoint, Process, Program, Signal, WorkFolder};

/// A running Puma.
pub(crate) struct Puma {
    pub(crate) endpoint: Endpoint,
    process: Process,
}

impl Puma {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) fn tcp(name: &str, rackup: &str, folder: &WorkFolder) -> Puma {
        let process = puma(name, rackup, folder, "tcp://127.0.0.1:0").start();
        let port = crate::warpdrive::listening_port(&process);
        Puma { endpoint: port.into(), process }
    }

    /// Listens on a Unix socket in the folder.
    pub(crate) fn unix(name: &str, rackup: &str, folder: &WorkFolder) -> Puma {
        let path = folder.join(format!("{name}.sock"));
        let process = puma(name, rackup, folder, &format!("unix://{}", path.display())).start();
        process.wait_for_unix_socket(&path);
        Puma { endpoint: path.into(), process }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// The keys of an `[upstreams.NAME]` that leads here.
    pub(crate) fn toml(&self) -> String {
        match &self.endpoint {
            Endpoint::Tcp(address) => {
                format!("host = \"{}\"\nport = {}\n", address.ip(), address.port())
            }
            Endpoint::Unix(path) => format!("socket = \"{}\"\n", path.display()),
        }
    }
}

fn puma(name: &str, rackup: &str, folder: &WorkFolder, bind: &str) -> Program {
    // No configuration file of the machine's owner is read.
    Program::new("puma")
        .name(format!("puma {name}"))
        .args(["--config", "-", "--environment", "production", "--threads", "4:4", "--bind", bind])
        .arg(fixture(rackup))
        .env("APP_NAME", name)
        .cwd(folder.path())
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rack").join(name)
}
