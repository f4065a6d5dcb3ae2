//! The library seen from outside: data suites, the property against the plain scan, allocations.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "in tests, a panic is the report")]

mod allocations;
mod builder;
mod cases;
mod config;
mod findings;
mod fixtures;
mod health_path;
mod hosts;
mod limits;
mod oracle;
mod robustness;
mod sizes;
mod spellings;
mod surface;
