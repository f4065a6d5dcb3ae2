//! The rules of a configuration, whether a file or code says it.
//!
//! Each function takes a plain value and gives the parsed one, or a [`Mistake`] that says what is
//! wrong and how to mend it. Where it stands only the caller knows: in a file, or in a builder.

mod actions;
mod addresses;
mod conditions;
mod health;
mod settings;

use std::ops::RangeInclusive;
use std::time::Duration;

pub(crate) use actions::{admin_token_missing, cuts_or_replaces, may_set, unknown_upstream};
pub(crate) use addresses::{
    PORTS, QUEUE, WEIGHTS, cookie_name, host_name, listens_twice, named_twice, no_instance, only_backups, socket_path,
    upstream_name,
};
pub(crate) use conditions::{
    PathKey, field_name, field_regex, field_value, host, method, none_listed, path, two_paths,
};
pub(crate) use health::{FINAL_STATUS, check_host, no_host_among, statuses, threshold};
pub(crate) use settings::{
    CACHE_SCHEMES, DATABASE_SCHEMES, MAX_CONNECTIONS, MAX_HEADER_FIELDS, NO_ROUTE_STATUS, WORKER_THREADS, health_path,
    listed_twice, settings, url,
};

use super::Code;
use crate::limits::MAX_SECONDS;

/// What is wrong with a value, in words that hold wherever it stands.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) code: Code,
    /// A fragment without full stop.
    pub(crate) problem: String,
    /// Whether the problem speaks of the key, whose name has to be put in front of it.
    of_key: bool,
    pub(crate) help: Option<String>,
}

impl Mistake {
    /// A problem that names its culprit itself.
    fn new(code: Code, problem: impl Into<String>, help: impl Into<String>) -> Self {
        Mistake { code, problem: problem.into(), of_key: false, help: Some(help.into()) }
    }

    /// A problem of the key that the value stands under.
    fn of_key(code: Code, problem: impl Into<String>, help: impl Into<String>) -> Self {
        Mistake { of_key: true, ..Mistake::new(code, problem, help) }
    }

    /// The same with another way out, where it depends on who asks.
    pub(crate) fn with_help(self, help: impl Into<String>) -> Self {
        Mistake { help: Some(help.into()), ..self }
    }

    /// The whole message for a value under that key.
    pub(crate) fn message(&self, key: &str) -> String {
        match (self.of_key, self.problem.starts_with("is ")) {
            (false, _) => self.problem.clone(),
            (true, true) => format!("`{key}` {}", self.problem),
            (true, false) => format!("`{key}`: {}", self.problem),
        }
    }
}

/// Not more than the limit of things of one kind.
pub(crate) fn count(found: usize, limit: usize, things: &str) -> Result<(), Mistake> {
    if found <= limit {
        return Ok(());
    }
    Err(Mistake { help: None, ..Mistake::new(Code::TooMany, format!("{found} {things} are more than {limit}"), "") })
}

/// A text that is not empty.
pub(crate) fn not_empty(text: &str) -> Result<(), Mistake> {
    if text.is_empty() {
        return Err(Mistake::of_key(Code::BadValue, "is empty", "leave the key out, or give a value"));
    }
    Ok(())
}

/// A name: a text on one line that is not empty.
pub(crate) fn name(text: &str) -> Result<(), Mistake> {
    not_empty(text)?;
    if text.contains(char::is_control) {
        return Err(Mistake::of_key(Code::BadValue, "the name has a control character", "leave it out"));
    }
    Ok(())
}

/// A whole number of the range; `None` is one that no `u64` holds.
pub(crate) fn whole_number(number: Option<u64>, range: &RangeInclusive<u64>) -> Result<u64, Mistake> {
    number.filter(|number| range.contains(number)).ok_or_else(|| {
        let limits = if *range.end() == u64::MAX {
            format!("{} or more", range.start())
        } else {
            format!("from {} to {}", range.start(), range.end())
        };
        Mistake::of_key(Code::BadValue, "is out of range", format!("give a whole number {limits}"))
    })
}

/// Seconds, with a fraction if need be; more than nothing and at most a year.
pub(crate) fn seconds(seconds: Option<f64>) -> Result<Duration, Mistake> {
    seconds_from(0.001, seconds, "give seconds, more than 0 and at most a year")
}

/// The same, where 0 has a meaning too.
pub(crate) fn seconds_or_zero(seconds: Option<f64>) -> Result<Duration, Mistake> {
    seconds_from(0.0, seconds, "give seconds, from 0 to a year")
}

fn seconds_from(least: f64, seconds: Option<f64>, help: &str) -> Result<Duration, Mistake> {
    match seconds.filter(|seconds| (least..=MAX_SECONDS).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
        None => Err(Mistake::of_key(Code::BadValue, "is out of range", help)),
    }
}
