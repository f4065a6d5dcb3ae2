//! What is counted while requests go through, at no more cost than an addition.
//!
//! Every count has one thread that writes it, a worker, so it needs no locked instruction and no
//! other worker's cache line. Readers add the workers' counts up, at their leisure.

mod histogram;
mod instance;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

#[cfg(test)]
pub(crate) use histogram::BUCKETS;
pub(crate) use histogram::{Histogram, Times, upper_bound};
pub(crate) use instance::{CLASSES, Failed, InstanceCounters};

/// A number that one thread changes and every thread may read.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds. Only the thread that owns the count may call it: two would lose each other's part.
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    /// Takes away, under the same condition.
    pub(crate) fn sub(&self, less: u64) {
        self.0.store(self.0.load(Relaxed).saturating_sub(less), Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What one worker counts of its clients, whatever instance they end up at.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Traffic {
    /// Request heads that hyper has parsed.
    pub(crate) requests: Count,
    /// Answers of the proxy itself, by class of status.
    pub(crate) own_answers: [Count; CLASSES],
}

impl Traffic {
    pub(crate) fn count_own_answer(&self, status: u16) {
        if let Some(count) = instance::class(status).and_then(|class| self.own_answers.get(class)) {
            count.add(1);
        }
    }
}
