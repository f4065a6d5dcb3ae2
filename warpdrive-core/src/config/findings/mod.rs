//! What a configuration says without mistake, and probably does not mean: warnings about routes
//! in each other's way, upstreams and processes.
//!
//! A finding is a claim, so each is proved from the conditions themselves; where that cannot be
//! done in a bounded number of comparisons, nothing is claimed.

mod conditions;
mod example;
mod expressions;
mod health_path;
mod index;
mod keys;
mod order;
mod process;
mod shape;
#[cfg(test)]
mod tests;
mod upstreams;

use std::fmt;
use std::ops::Range;

use index::Budget;

use super::diagnostic::{Place, Report};
use crate::limits::MAX_FINDING_COMPARISONS;
use crate::model::{Route, ServerSettings, Upstream};

/// Where the parts of a route stand in the file.
#[derive(Debug)]
pub(super) struct RoutePlaces {
    pub(super) route: Range<usize>,
    /// The path condition.
    pub(super) path: Option<Range<usize>>,
    pub(super) upstream: Range<usize>,
    pub(super) require_auth: Option<Range<usize>>,
}

/// Where the parts of an upstream stand.
#[derive(Debug)]
pub(super) struct UpstreamPlaces {
    pub(super) name: Range<usize>,
    /// One for each instance.
    pub(super) addresses: Vec<Place>,
    pub(super) process: Option<ProcessPlaces>,
}

/// Where the words of a process stand.
#[derive(Debug, Default)]
pub(super) struct ProcessPlaces {
    pub(super) command: Range<usize>,
    pub(super) args: Vec<Range<usize>>,
}

/// A question about a program's name; see [`super::Source::with_programs`].
#[derive(Clone, Copy)]
pub(super) struct Programs<'a>(pub(super) &'a dyn Fn(&str) -> bool);

impl fmt::Debug for Programs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Programs(..)")
    }
}

/// What is looked at: a configuration without mistakes.
pub(super) struct Subject<'a> {
    pub(super) server: &'a ServerSettings,
    pub(super) upstreams: &'a [Upstream],
    pub(super) upstream_places: &'a [UpstreamPlaces],
    pub(super) routes: &'a [Route],
    /// Empty for routes that do not stand in the file.
    pub(super) route_places: &'a [RoutePlaces],
    pub(super) programs: Option<Programs<'a>>,
}

/// Adds every finding to the report. Costs at most about [`MAX_FINDING_COMPARISONS`] comparisons,
/// and a few dozen steps a route otherwise.
pub(super) fn look(subject: &Subject<'_>, report: &mut Report) {
    order::look(subject, &mut Budget::new(MAX_FINDING_COMPARISONS), report);
    expressions::look(subject, report);
    health_path::look(subject, report);
    // Without any route, that is the warning.
    if !subject.routes.is_empty() {
        upstreams::unused(subject, report);
    }
    upstreams::unguarded(subject, report);
    process::look(subject, report);
}

/// `a, b and c`; of a long list the first three, and how many more.
fn some_of(names: &[String], noun: &str) -> String {
    const SHOWN: usize = 3;
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [front @ .., last] if names.len() <= SHOWN + 1 => format!("{} and {last}", front.join(", ")),
        names => {
            let front: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
            format!("{} and {} more {noun}", front.join(", "), names.len() - SHOWN)
        }
    }
}
