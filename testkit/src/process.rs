//! Real programs, started for one test and ended with it.

mod log;

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use self::log::Log;
use crate::{Endpoint, PATIENCE, Usage};

/// Between SIGTERM and SIGKILL.
const FAREWELL: Duration = Duration::from_secs(10);

/// A program to start, with its arguments, variables and folder.
///
/// It inherits the test's environment without what would change the thing under test:
/// `WARPDRIVE_*`, `PORT` and the proxy variables that curl reads.
#[derive(Debug)]
pub struct Program {
    name: String,
    command: Command,
}

impl Program {
    /// A program by path, or by name from `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref();
        let name = Path::new(program).file_name().unwrap_or(program);
        let mut command = Command::new(program);
        for (variable, _) in std::env::vars_os() {
            let lower = variable.to_string_lossy().to_lowercase();
            if lower.starts_with("warpdrive_") || lower.ends_with("_proxy") || lower == "port" {
                command.env_remove(variable);
            }
        }
        Program { name: name.to_string_lossy().into_owned(), command }
    }

    /// The name in messages; the file name of the program otherwise.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// The folder to start in.
    pub fn cwd(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it cannot be started, most likely because it is not installed.
    pub fn start(mut self) -> Process {
        let held = hold_spawns();
        let spawned = self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        drop(held);
        match spawned {
            Ok(child) => Process::guard(self.name, child),
            Err(error) => panic!("cannot start {:?}: {error}", self.command.get_program()),
        }
    }

    /// Starts it, waits for its end and returns what it said.
    ///
    /// # Panics
    /// If it cannot be started or does not end within [`PATIENCE`].
    pub fn run(self) -> Finished {
        let process = self.start();
        let status = process.wait_exit();
        Finished { status, stdout: process.stdout(), stderr: process.stderr() }
    }
}

/// Keeps [`Program::start`] waiting while the guard lives. Between fork and exec a child has every
/// descriptor of this process: a listener closed in that moment goes on listening.
pub(crate) fn hold_spawns() -> MutexGuard<'static, ()> {
    static SPAWNING: Mutex<()> = Mutex::new(());
    SPAWNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a program that has ended said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, with a replacement character for what is not UTF-8.
    pub stdout: String,
    /// Its standard error, likewise.
    pub stderr: String,
}

impl Finished {
    /// Its exit code; `None` when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// A running program. Dropping it sends SIGTERM to its own pid and, if that does not end it in
/// time, SIGKILL. When the test is failing, the end of its output is printed.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: Pid,
    /// Locked while a signal is sent and while it is reaped, so that no signal can go to another
    /// process that was given the same pid.
    child: Arc<Mutex<Child>>,
    log: Arc<Log>,
}

impl Process {
    fn guard(name: String, mut child: Child) -> Self {
        let pid = Pid::from_child(&child);
        let log = Arc::new(Log::default());
        let stdout = child.stdout.take().expect("the standard output is a pipe");
        let stderr = child.stderr.take().expect("the standard error is a pipe");
        thread::spawn({
            let log = Arc::clone(&log);
            move || log.copy(log::Side::Out, stdout)
        });
        thread::spawn({
            let log = Arc::clone(&log);
            move || log.copy(log::Side::Err, stderr)
        });
        let child = Arc::new(Mutex::new(child));
        thread::spawn({
            let (child, log) = (Arc::clone(&child), Arc::clone(&log));
            move || {
                // Wakes at the end but leaves the zombie, which keeps the pid from being reused.
                let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                while matches!(waitid(WaitId::Pid(pid), ended), Err(Errno::INTR)) {}
                let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
                let status = child.wait().unwrap_or(ExitStatus::from_raw(-1));
                log.ended(status);
            }
        });
        Process { name, pid, child, log }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// All of its standard output so far.
    pub fn stdout(&self) -> String {
        self.log.text(log::Side::Out)
    }

    /// All of its standard error so far.
    pub fn stderr(&self) -> String {
        self.log.text(log::Side::Err)
    }

    /// Waits for a line that contains `text`, on either output, and returns the line.
    ///
    /// # Panics
    /// When it does not come within [`PATIENCE`], or the process ended without it.
    pub fn wait_for_line(&self, text: &str) -> String {
        self.find_line(|line| line.contains(text).then(|| line.to_owned()))
            .unwrap_or_else(|| self.fail(&format!("never printed a line with {text:?}")))
    }

    /// Waits for a line in which `find` finds something, and returns that.
    ///
    /// # Panics
    /// As [`Process::wait_for_line`].
    pub fn wait_for_match<T>(&self, find: impl FnMut(&str) -> Option<T>) -> T {
        self.find_line(find).unwrap_or_else(|| self.fail("never printed the awaited line"))
    }

    /// Waits until a connection to this place is accepted.
    ///
    /// # Panics
    /// When that has not happened within [`PATIENCE`], or the process ended.
    pub fn wait_for(&self, endpoint: impl Into<Endpoint>) {
        let endpoint = endpoint.into();
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = endpoint.connect() {
            if self.log.exit().is_some() || Instant::now() > deadline {
                self.fail(&format!("does not listen on {endpoint}: {error}"));
            }
            // Nothing tells when a stranger begins to listen; most print something at that time.
            self.log.wait_change(Duration::from_millis(20));
        }
    }

    /// Waits until something accepts connections on this port of 127.0.0.1.
    ///
    /// # Panics
    /// As [`Process::wait_for`].
    pub fn wait_for_port(&self, port: u16) {
        self.wait_for(port);
    }

    /// Waits until something accepts connections on this Unix socket.
    ///
    /// # Panics
    /// As [`Process::wait_for`].
    pub fn wait_for_unix_socket(&self, path: &Path) {
        self.wait_for(path);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it has not ended within [`PATIENCE`].
    pub fn wait_exit(&self) -> ExitStatus {
        self.log.wait_exit(PATIENCE).unwrap_or_else(|| self.fail("did not end"))
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<ExitStatus> {
        self.log.exit()
    }

    /// Sends a signal; nothing happens if it has ended.
    pub fn signal(&self, signal: Signal) {
        let child = self.lock();
        if self.log.exit().is_none() {
            // The zombie of one that has just ended takes it without effect.
            let _ = kill_process(self.pid, signal);
        }
        drop(child);
    }

    /// Ends it: SIGTERM, and SIGKILL if that does not help in time.
    pub fn terminate(&self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.log.wait_exit(FAREWELL).unwrap_or_else(|| {
            self.signal(Signal::KILL);
            self.wait_exit()
        })
    }

    /// The processor time and memory that it has used so far.
    ///
    /// # Panics
    /// If it has ended.
    pub fn usage(&self) -> Usage {
        Usage::of(self.pid()).unwrap_or_else(|error| self.fail(&format!("has no usage: {error}")))
    }

    fn find_line<T>(&self, find: impl FnMut(&str) -> Option<T>) -> Option<T> {
        self.log.find_line(find, Instant::now() + PATIENCE)
    }

    fn lock(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, what: &str) -> ! {
        panic!("{} (pid {}, {:?}) {what}", self.name, self.pid(), self.log.exit())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- {} (pid {}), last output:\n{}", self.name, self.pid(), self.log.tail());
        }
        if self.log.exit().is_none() {
            self.signal(Signal::TERM);
            if self.log.wait_exit(FAREWELL).is_none() {
                self.signal(Signal::KILL);
                let _ = self.log.wait_exit(FAREWELL);
            }
        }
    }
}

#[cfg(test)]
mod tests;
