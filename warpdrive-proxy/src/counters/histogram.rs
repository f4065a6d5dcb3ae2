//! How long things took, in a fixed number of buckets.
//!
//! Log-linear buckets as in HdrHistogram: each power of two of microseconds is cut into four equal
//! parts. A bucket is at most a quarter as wide as its lower end, so its middle is at most an eighth
//! away from any time in it.

use std::array;
use std::time::Duration;

use super::Count;

/// Bits of a time that its bucket keeps beside the leading one.
const BITS: u32 = 2;

/// Buckets of a histogram. The last one ends at 2^33 microseconds, about 2 hours 23 minutes, and
/// takes all that is longer.
pub(crate) const BUCKETS: usize = 128;

/// Times of one kind, counted by one thread. One kilobyte.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [Count; BUCKETS],
    /// In microseconds.
    sum: Count,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { buckets: array::from_fn(|_| Count::default()), sum: Count::default() }
    }
}

impl Histogram {
    pub(crate) fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket(micros)) {
            bucket.add(1);
        }
        self.sum.add(micros);
    }
}

/// Times of one kind of all workers, added up.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    pub(crate) buckets: [u64; BUCKETS],
    /// In microseconds.
    pub(crate) sum: u64,
}

impl Default for Times {
    fn default() -> Self {
        Times { buckets: [0; BUCKETS], sum: 0 }
    }
}

impl Times {
    pub(crate) fn add(&mut self, histogram: &Histogram) {
        for (sum, count) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum += count.get();
        }
        self.sum = self.sum.wrapping_add(histogram.sum.get());
    }

    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The time that a share of the times, from 0 to 1, does not exceed, at most an eighth off;
    /// `None` where nothing was counted.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        let rank = ((count as f64 * share).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        for (place, bucket) in self.buckets.iter().enumerate() {
            seen += bucket;
            if seen >= rank {
                // The middle of the whole numbers from the lower end up to the next bucket.
                let (low, high) = (lower_bound(place), upper_bound(place) - 1);
                return Some(Duration::from_micros(low + (high - low) / 2));
            }
        }
        None
    }
}

/// The bucket of a time in microseconds.
fn bucket(micros: u64) -> usize {
    if micros < 1 << BITS {
        return micros as usize;
    }
    let exponent = micros.ilog2();
    let part = (micros >> (exponent - BITS)) & ((1 << BITS) - 1);
    let place = (u64::from(exponent - BITS + 1) << BITS) | part;
    (place as usize).min(BUCKETS - 1)
}

/// The first microsecond of a bucket.
fn lower_bound(place: usize) -> u64 {
    let place = place as u64;
    if place < 1 << BITS {
        return place;
    }
    let shift = (place >> BITS) - 1;
    ((1 << BITS) + (place & ((1 << BITS) - 1))) << shift
}

/// The first microsecond beyond a bucket.
pub(crate) fn upper_bound(place: usize) -> u64 {
    lower_bound(place + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        let mut expected = 0;
        for place in 0..BUCKETS {
            assert_eq!(lower_bound(place), expected, "{place}");
            let (low, high) = (lower_bound(place), upper_bound(place));
            assert_eq!((bucket(low), bucket(high - 1)), (place, place));
            assert!(4 * (high - low) <= low.max(4), "{place}: {low} to {high}");
            expected = high;
        }
        assert_eq!(expected, 1 << 33);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert!(Times::default().quantile(0.5).is_none());
    }

    proptest! {
        #[test]
        fn a_quantile_is_at_most_an_eighth_off(
            mut times in prop::collection::vec((0u32..33, any::<u64>()), 1..300),
            share in 0.0..=1.0f64,
        ) {
            // Of every order of magnitude.
            let mut times: Vec<u64> = times.drain(..).map(|(bits, any)| any % (1 << bits)).collect();
            let histogram = Histogram::default();
            times.iter().for_each(|&micros| histogram.record(Duration::from_micros(micros)));
            let mut sum = Times::default();
            sum.add(&histogram);
            times.sort_unstable();
            prop_assert_eq!(sum.count(), times.len() as u64);
            prop_assert_eq!(sum.sum, times.iter().sum::<u64>());
            let rank = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len());
            let (told, exact) = (sum.quantile(share).unwrap().as_micros() as u64, times[rank - 1]);
            prop_assert!(8 * told.abs_diff(exact) <= exact, "{told} for {exact}");
        }
    }
}
