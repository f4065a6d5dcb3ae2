//! Whether an instance gets requests: state machines without a clock, a thread or a socket.
//!
//! Three of them, each for one instance, each fed by whoever asks and sends:
//!
//! - [`ActiveHealth`] takes the results of questions that were asked for no other purpose. So many
//!   failures in a row take the instance down, so many successes bring it back.
//! - [`PassiveHealth`] takes what requests tell. An instance that lets nobody in is ejected for a
//!   while that grows; what a client could have caused never ejects, it only gives cause to ask.
//! - [`share`] tells how much of its requests an instance gets that has just come back.
//!
//! An instance is *available* while it is neither down nor ejected. Time is an argument: a
//! [`Duration`] since any start, the same for all calls, never falling.
//!
//! ```
//! use std::time::Duration;
//! use warpdrive_core::health::{ActiveHealth, CheckResult, Evidence, PassiveHealth, Thresholds, Verdict};
//! use warpdrive_core::model::PassiveCheck;
//!
//! let thresholds = Thresholds { unhealthy: 3, healthy: 2 };
//! let mut active = ActiveHealth::default();
//! for result in [CheckResult::Failed, CheckResult::Passed, CheckResult::Failed, CheckResult::Failed] {
//!     active.record(result, thresholds);
//! }
//! assert!(!active.is_down());
//! active.record(CheckResult::Failed, thresholds);
//! assert!(active.is_down());
//!
//! let (settings, second) = (PassiveCheck::default(), Duration::from_secs);
//! let mut passive = PassiveHealth::default();
//! passive.failed(Evidence::NoConnection, second(5), &settings);
//! passive.failed(Evidence::NoConnection, second(6), &settings);
//! let verdict = passive.failed(Evidence::NoConnection, second(7), &settings);
//! assert_eq!(verdict, Some(Verdict::Ejected { until: second(8) }));
//! // One trial at that time, which the caller makes, ends it or makes it twice as long.
//! assert!(!passive.trial_is_due(second(7)) && passive.trial_is_due(second(8)));
//! assert_eq!(passive.tried(true, second(8), &settings), Some(Verdict::Readmitted));
//! ```

use std::time::Duration;

mod active;
mod passive;
#[cfg(test)]
mod tests;

pub use active::{ActiveHealth, Change, CheckResult, Thresholds};
pub use passive::{Evidence, PassiveHealth, Verdict};

/// The share that a slow start begins with: with less, nobody would learn whether it works.
const LEAST_SHARE: f32 = 0.05;

/// The share of its requests that an instance gets, from 0.05 to 1, rising evenly over
/// `slow_start`.
///
/// `since` is the time since it became available; `None` for one that was so from the start, which
/// has its whole share: when all instances are new, none of them is behind the others.
pub fn share(since: Option<Duration>, slow_start: Duration) -> f32 {
    match since {
        Some(since) if since < slow_start => (since.as_secs_f32() / slow_start.as_secs_f32()).max(LEAST_SHARE),
        _ => 1.0,
    }
}
