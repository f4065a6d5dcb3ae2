//! The binary under test.

use testkit::{Process, Program};

/// The binary, still without arguments.
pub(crate) fn warpdrive() -> Program {
    Program::new(env!("CARGO_BIN_EXE_warpdrive"))
        // A stop goes on accepting for a while, for balancers that do not know of it yet.
        .env("WARPDRIVE_DRAIN_GRACE_SECS", "0")
}

/// A proxy that serves on a port of 127.0.0.1.
pub(crate) struct Proxy {
    pub(crate) process: Process,
    pub(crate) port: u16,
}

impl Proxy {
    /// Starts it on a port of the kernel's choice, with one worker, so that what is pooled is
    /// pooled once.
    pub(crate) fn start(program: Program) -> Proxy {
        let process = program
            .env("WARPDRIVE_BIND", "127.0.0.1")
            .env("WARPDRIVE_HTTP_PORT", "0")
            .env("WARPDRIVE_WORKER_THREADS", "1")
            .start();
        let port = listening_port(&process);
        Proxy { process, port }
    }

    /// Starts it with this configuration file.
    pub(crate) fn with_config(folder: &testkit::WorkFolder, text: &str) -> Proxy {
        let path = folder.write("warpdrive.toml", text);
        Proxy::start(warpdrive().arg("serve").arg("--config").arg(path).cwd(folder.path()))
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.port)
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// The port in the line by which a server says that it accepts connections.
pub(crate) fn listening_port(process: &Process) -> u16 {
    process.wait_for_match(|line| {
        let (_, rest) = line.split_once("http://127.0.0.1:")?;
        let digits = rest.split(|character: char| !character.is_ascii_digit()).next()?;
        digits.parse().ok().filter(|_| line.to_lowercase().contains("listen"))
    })
}
