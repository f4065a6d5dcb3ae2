//! Where the configuration comes from: `--config`, `WARPDRIVE_CONFIG`, `./warpdrive.toml` unless
//! the environment names a target, and else the environment alone.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use warpdrive_core::config::{self, ConfigErrors, Loaded, Source};
use warpdrive_core::limits::MAX_CONFIG_BYTES;
use warpdrive_core::{Model, Router};

use crate::exit;
use crate::programs;
use crate::report::{self, Quoted};

/// The file that is taken where none is named.
const USUAL_FILE: &str = "warpdrive.toml";

/// A configuration that was read, with what it was read from.
pub(crate) struct Configuration {
    pub(crate) loaded: Loaded,
    quoted: Option<Quoted>,
}

/// Why there is no configuration.
pub(crate) enum Failure {
    /// A file that cannot be read: whole words.
    Unreadable(String),
    /// Mistakes in it.
    Mistakes(ConfigErrors),
}

impl Configuration {
    /// Finds and reads the configuration.
    ///
    /// # Errors
    /// A file that cannot be read, or every mistake in it.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, Failure> {
        let env: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let file = find(named, &env);
        let quoted = match file {
            Some(path) => {
                Some(Quoted { name: path.display().to_string(), text: read(&path).map_err(Failure::Unreadable)? })
            }
            None => None,
        };
        let file = quoted.as_ref().map(|quoted| (quoted.name.as_str(), quoted.text.as_str()));
        let source = file.map_or_else(Source::without_file, |(name, text)| Source::file(name, text));
        let source = source.with_env(&env).with_programs(&programs::exists);
        let loaded = config::load(source).map_err(Failure::Mistakes)?;
        Ok(Configuration { loaded, quoted })
    }

    /// The name of the file, where there is one.
    pub(crate) fn file(&self) -> Option<&str> {
        self.quoted.as_ref().map(|quoted| quoted.name.as_str())
    }

    /// How many warnings there are, shown or not.
    pub(crate) fn warnings(&self) -> usize {
        self.loaded.warnings.len() + self.loaded.more_warnings
    }

    /// Writes the warnings to the standard error stream.
    pub(crate) fn print_warnings(&self) {
        report::print(&self.loaded.warnings, self.loaded.more_warnings, self.quoted.as_ref());
    }

    /// Compiles the routes, or tells what is too large.
    pub(crate) fn compile(model: Model) -> Result<Router, ExitCode> {
        Router::compile(model).map_err(|error| {
            report::error(&error.to_string());
            ExitCode::from(exit::CONFIGURATION)
        })
    }
}

impl Failure {
    /// Tells the failure on the standard error stream, and gives its exit code.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Failure::Unreadable(words) => report::error(words),
            Failure::Mistakes(errors) => report::print_errors(errors),
        }
        ExitCode::from(exit::CONFIGURATION)
    }
}

fn find(named: Option<&Path>, env: &[(OsString, OsString)]) -> Option<PathBuf> {
    let variable =
        |name: &str| env.iter().find(|(other, value)| other == name && !value.is_empty()).map(|(_, value)| value);
    if let Some(path) = named {
        return Some(path.to_owned());
    }
    if let Some(path) = variable("WARPDRIVE_CONFIG") {
        return Some(PathBuf::from(path));
    }
    let target = ["WARPDRIVE_TARGET_HOST", "WARPDRIVE_TARGET_PORT", "WARPDRIVE_TARGET_SOCKET"]
        .into_iter()
        .any(|name| variable(name).is_some());
    (!target && Path::new(USUAL_FILE).exists()).then(|| PathBuf::from(USUAL_FILE))
}

fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let refuse = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("there is no configuration file {shown}: name an existing one with --config or WARPDRIVE_CONFIG")
        }
        io::ErrorKind::PermissionDenied => {
            format!("the configuration file {shown} may not be read: check its owner and mode")
        }
        io::ErrorKind::IsADirectory => format!("{shown} is a folder: name the file in it with --config"),
        _ => format!("the configuration file {shown} cannot be read: {error}"),
    };
    let mut bytes = Vec::new();
    // One byte over the limit is enough to know; a device or pipe never ends.
    File::open(path).map_err(refuse)?.take(MAX_CONFIG_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(refuse)?;
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        format!("the configuration file {shown} is not UTF-8 in line {line}: save it as UTF-8 text")
    })
}
