//! `warpdrive serve`: starts the proxy, and stops it when a signal asks for it.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;
use warpdrive_core::Model;
use warpdrive_proxy::{AccessLog, Drained, Options, Proxy, StopHandle};

use crate::exit;
use crate::report;
use crate::source::Configuration;
use crate::status;

/// The arguments of `warpdrive serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The configuration file [default: WARPDRIVE_CONFIG, then ./warpdrive.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Serves until a signal stops it. Exits with 1 where it cannot start, with 2 for mistakes in the
/// configuration.
pub(crate) fn run(args: &ServeArgs) -> ExitCode {
    let configuration = match Configuration::load(args.config.as_deref()) {
        Ok(configuration) => configuration,
        Err(failure) => return failure.report(),
    };
    configuration.print_warnings();
    run_model(configuration.loaded.model)
}

/// Serves a model until SIGTERM or SIGINT; a second signal stops at once.
pub(crate) fn run_model(model: Model) -> ExitCode {
    log_to_stderr();
    let log = if model.settings().middleware.log_requests { AccessLog::Stdout } else { AccessLog::Off };
    let signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot catch signals: {error}")),
    };
    let proxy = match Proxy::start(model, Options::new().with_access_log(log).with_admin_places(status::places())) {
        Ok(proxy) => proxy,
        Err(error) => return fail(&with_sources(&error)),
    };
    for address in proxy.addresses() {
        // A supervisor that reads no errors is no reason not to serve.
        let _ = writeln!(std::io::stderr(), "listening on http://{address}");
    }
    signals.stop_with(proxy.stop_handle());
    match proxy.wait() {
        Drained::Cut { connections } => {
            report::error(&format!(
                "{connections} connections were cut: they were busy beyond server.drain_timeout_secs"
            ));
            ExitCode::SUCCESS
        }
        _ => ExitCode::SUCCESS,
    }
}

fn fail(words: &str) -> ExitCode {
    report::error(words);
    ExitCode::from(exit::NO)
}

/// An error and what caused it, in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        // Some messages tell their cause already.
        if !words.contains(&cause_words) {
            words.push_str(": ");
            words.push_str(&cause_words);
        }
        source = cause.source();
    }
    words
}

/// Warnings and errors of the running proxy go to the standard error stream; `RUST_LOG` says which.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false);
    // Fails only where a logger is set already, which then serves as well.
    let _ = logger.try_init();
}

/// The signals that stop, caught before anything listens so that none is missed.
struct Signals {
    runtime: tokio::runtime::Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let guard = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        drop(guard);
        Ok(Signals { runtime, terminate, interrupt })
    }

    /// Waits on a thread of its own: the first signal drains, the second ends the process.
    fn stop_with(mut self, handle: StopHandle) {
        std::thread::spawn(move || {
            self.runtime.block_on(async {
                tokio::select! {
                    _ = self.terminate.recv() => {}
                    _ = self.interrupt.recv() => {}
                }
                handle.stop();
                tokio::select! {
                    _ = self.terminate.recv() => {}
                    _ = self.interrupt.recv() => {}
                }
                // 128 and the number of SIGINT, as shells tell it.
                std::process::exit(130);
            });
        });
    }
}
