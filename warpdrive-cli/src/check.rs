//! `warpdrive check`: every mistake and warning of a configuration, and nothing served.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::exit;
use crate::report;
use crate::source::{Configuration, Failure};

/// The arguments of `warpdrive check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The configuration file [default: WARPDRIVE_CONFIG, then ./warpdrive.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Exits with 1 where there are warnings
    #[arg(long)]
    strict: bool,
    /// Writes the diagnostics as one JSON object to the standard output
    #[arg(long)]
    json: bool,
}

/// Exits with 0, with 1 for warnings under `--strict`, with 2 for mistakes.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    let configuration = match Configuration::load(args.config.as_deref()) {
        Ok(configuration) => configuration,
        Err(failure) if args.json => return print_failure_json(&failure),
        Err(failure) => return failure.report(),
    };
    let warnings = configuration.warnings();
    let code = if args.strict && warnings > 0 { exit::NO } else { 0 };
    let model = configuration.loaded.model.clone();
    let (routes, upstreams) = (model.routes().len(), model.upstreams().len());
    if let Err(code) = Configuration::compile(model) {
        return code;
    }
    if args.json {
        let file = configuration.file();
        let list = configuration.loaded.warnings.iter().map(|warning| report::as_json(warning, file)).collect();
        return print_json(&list, configuration.loaded.more_warnings, code);
    }
    configuration.print_warnings();
    let mut stdout = std::io::stdout();
    let noun = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    // Whoever closed the standard output still gets the exit code.
    let _ = writeln!(
        stdout,
        "{}: {}, {}, {}",
        configuration.file().unwrap_or("the environment"),
        noun(routes, "route"),
        noun(upstreams, "upstream"),
        noun(warnings, "warning"),
    );
    ExitCode::from(code)
}

fn print_failure_json(failure: &Failure) -> ExitCode {
    let (list, more) = match failure {
        Failure::Unreadable(words) => (vec![json!({ "code": "unreadable", "severity": "error", "message": words })], 0),
        Failure::Mistakes(errors) => {
            (errors.iter().map(|error| report::as_json(error, errors.file())).collect(), errors.more())
        }
    };
    print_json(&list, more, exit::CONFIGURATION)
}

/// `more` is how many further ones there are.
fn print_json(diagnostics: &Vec<Value>, more: usize, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stdout(), "{}", json!({ "diagnostics": diagnostics, "more": more }));
    ExitCode::from(code)
}
