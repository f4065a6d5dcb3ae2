//! What is wrong with a table that is written in code.

use std::fmt;

use crate::config::Code;
use crate::config::rules::Mistake;
use crate::limits::MAX_DIAGNOSTICS;

/// One mistake of a [`super::ModelBuilder`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildError {
    /// The kind, the same as for the same mistake in a file.
    pub code: Code,
    /// The number of the route, from 1; `None` where an upstream or a setting is wrong.
    pub route: Option<u32>,
    /// What is wrong, by the name that it has in a file: `route 2.path_prefix`,
    /// `upstreams.api.host`, `server.no_route_status`.
    pub key: String,
    /// What is wrong with it, as a fragment without full stop.
    pub problem: String,
    /// What to do instead.
    pub help: Option<String>,
}

/// Shows one line: key, code, problem and help.
impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: error[{}]: {}", self.key, self.code.as_str(), self.problem)?;
        if let Some(help) = &self.help {
            write!(f, "; help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

/// Every mistake of a [`super::ModelBuilder`]: settings, then upstreams, then routes, each in the order in
/// which they were added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildErrors {
    errors: Vec<BuildError>,
    more: usize,
}

impl BuildErrors {
    /// The mistakes, at least one and at most [`MAX_DIAGNOSTICS`].
    pub fn iter(&self) -> impl Iterator<Item = &BuildError> {
        self.errors.iter()
    }

    /// How many more there were.
    pub fn more(&self) -> usize {
        self.more
    }
}

/// Shows one line a mistake.
impl fmt::Display for BuildErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.errors.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildErrors {}

/// Collects mistakes while a table is built.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    errors: Vec<BuildError>,
    more: usize,
}

impl Mistakes {
    pub(super) fn add(&mut self, route: Option<u32>, key: String, mistake: Mistake) {
        if self.errors.len() == MAX_DIAGNOSTICS {
            self.more += 1;
            return;
        }
        let Mistake { code, problem, help, .. } = mistake;
        self.errors.push(BuildError { code, route, key, problem, help });
    }

    pub(super) fn len(&self) -> usize {
        self.errors.len() + self.more
    }

    /// `Err` where there is any.
    pub(super) fn finish(self) -> Result<(), BuildErrors> {
        if self.errors.is_empty() { Ok(()) } else { Err(BuildErrors { errors: self.errors, more: self.more }) }
    }
}
