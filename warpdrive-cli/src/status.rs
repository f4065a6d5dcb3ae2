//! `warpdrive status`: asks the running proxy what it is doing.

mod ask;
mod table;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use warpdrive_core::model::AdminSocket;
use warpdrive_proxy::AdminPlaces;
use warpdrive_proxy::status::Status;

use crate::exit;
use crate::report;
use crate::source::Configuration;

/// The arguments of `warpdrive status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The configuration file of the running proxy [default: WARPDRIVE_CONFIG, then ./warpdrive.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The admin socket of the running proxy [default: the one that the configuration means]
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    socket: Option<PathBuf>,
    /// Writes the answer as one JSON object
    #[arg(long)]
    json: bool,
}

/// Exits with 0 where all is well, with 1 where some instance gets no requests, with 2 where nobody
/// could be asked.
pub(crate) fn run(args: &StatusArgs) -> ExitCode {
    let paths = match &args.socket {
        Some(path) => vec![path.clone()],
        None => match configured(args.config.as_deref()) {
            Ok(paths) => paths,
            Err(code) => return code,
        },
    };
    let answer = ask::status(&paths).and_then(|text| match serde_json::from_str::<Status>(&text) {
        Ok(status) => Ok((text, status)),
        Err(error) => Err(format!("the running proxy gave an answer that this version cannot read: {error}")),
    });
    let (text, status) = match answer {
        Ok(answer) => answer,
        Err(words) => {
            report::error(&words);
            return ExitCode::from(exit::NOT_ASKED);
        }
    };
    let mut stdout = std::io::stdout();
    let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let shown = if args.json { text } else { table::text(&status, colour) };
    // Whoever closed the standard output still gets the exit code.
    let _ = stdout.write_all(shown.as_bytes());
    let all_well = status.upstreams.iter().flat_map(|upstream| &upstream.instances).all(|one| one.health.is_well());
    if all_well { ExitCode::SUCCESS } else { ExitCode::from(exit::NO) }
}

/// Where the proxy of this configuration has its socket, by the rule that it followed itself.
fn configured(file: Option<&Path>) -> Result<Vec<PathBuf>, ExitCode> {
    let configuration = Configuration::load(file).map_err(|failure| failure.report())?;
    let server = &configuration.loaded.model.settings().server;
    match &server.admin_socket {
        AdminSocket::At(path) => Ok(vec![path.clone()]),
        AdminSocket::Usual => Ok(places().candidates(server.http_port)),
        _ => {
            report::error("the configuration has no admin socket (`server.admin_socket` is false), so nobody can ask");
            Err(ExitCode::from(exit::NOT_ASKED))
        }
    }
}

/// Where the admin socket is unless the configuration says where.
pub(crate) fn places() -> AdminPlaces {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    AdminPlaces::new(variable, std::env::temp_dir())
}
