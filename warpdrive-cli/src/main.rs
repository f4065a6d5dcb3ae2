//! The `warpdrive` command: asks the library and the proxy, and reports in words and exit codes.

mod check;
mod demo;
mod echo;
mod programs;
mod report;
mod route_test;
mod serve;
mod source;
mod status;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

/// The exit codes, as `--help` lists them.
pub(crate) mod exit {
    /// No route or a refusal (`route-test`), warnings (`check --strict`), an instance without requests
    /// (`status`), or a failure to serve.
    pub(crate) const NO: u8 = 1;
    /// A mistake in the configuration.
    pub(crate) const CONFIGURATION: u8 = 2;
    /// No running proxy could be asked (`status`).
    pub(crate) const NOT_ASKED: u8 = 2;
    /// A mistake in the arguments (EX_USAGE of sysexits.h).
    pub(crate) const USAGE: u8 = 64;
}

/// An HTTP reverse proxy that can say why a request goes where it goes
///
/// With one application, no file is needed:
///
///   WARPDRIVE_TARGET_PORT=3000 warpdrive
///
/// With several, routes stand in a file, warpdrive.toml in this folder or named by --config:
///
///   warpdrive serve --config warpdrive.toml
///   warpdrive check
///   warpdrive route-test GET /cable
///   warpdrive status
#[derive(Debug, Parser)]
#[command(name = "warpdrive", version, verbatim_doc_comment, args_conflicts_with_subcommands = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArgs,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 no route, a refused request, warnings under --strict, an instance \
that is down, or a failure to serve;\n2 a mistake in the configuration, or no running proxy to ask; 64 a mistake in the arguments.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves; the same as no command at all
    Serve(serve::ServeArgs),
    /// Finds every mistake in a configuration, without serving
    Check(check::CheckArgs),
    /// Tells which route a request would take, without opening a socket
    RouteTest(route_test::RouteTestArgs),
    /// Tells what the running proxy and its instances are doing
    Status(status::StatusArgs),
    /// Runs an upstream that answers with what it received
    Echo(echo::EchoArgs),
    /// Serves an example with three echo upstreams
    Demo(demo::DemoArgs),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed terminal is no reason to fail twice.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(exit::USAGE),
            };
        }
    };
    match cli.command {
        None => serve::run(&cli.serve),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::RouteTest(args)) => route_test::run(&args),
        Some(Command::Status(args)) => status::run(&args),
        Some(Command::Echo(args)) => echo::run(args),
        Some(Command::Demo(args)) => demo::run(&args, serve::run_model),
    }
}
