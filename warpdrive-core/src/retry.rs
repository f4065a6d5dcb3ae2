//! How often a request may be sent a second time, as a share of all requests.
//!
//! When every instance is slow, each retry makes it worse. So retries of requests that an instance
//! may have seen are held to a fifth of what the last ten seconds brought.

/// The seconds that count.
const WINDOW_SECS: usize = 10;

/// Retries that are always allowed within the window: with little traffic a fifth is nothing.
const LEAST: u32 = 10;

/// One retry for so many requests.
const REQUESTS_A_RETRY: u32 = 5;

/// Counts requests and retries of one upstream over the last ten seconds.
///
/// A plain state machine: the caller says what time it is, in whole seconds since any start, never
/// falling. 88 bytes; both operations take some ten instructions, and at most ten steps when the
/// second changes.
///
/// ```
/// use warpdrive_core::RetryBudget;
///
/// let mut budget = RetryBudget::default();
/// for _ in 0..100 {
///     budget.count_request(0);
/// }
/// let allowed = (0..100).filter(|_| budget.try_retry(0)).count();
/// assert_eq!(allowed, 20);
/// // Ten seconds later nothing is left of that but the least.
/// let allowed = (0..100).filter(|_| budget.try_retry(10)).count();
/// assert_eq!(allowed, 10);
/// ```
#[derive(Clone, Debug, Default)]
pub struct RetryBudget {
    requests: Window,
    retries: Window,
}

impl RetryBudget {
    /// A request came that is not a retry.
    pub fn count_request(&mut self, second: u64) {
        self.requests.add(second);
    }

    /// Whether a retry is allowed now; if so, it is counted.
    pub fn try_retry(&mut self, second: u64) -> bool {
        self.requests.move_to(second);
        self.retries.move_to(second);
        let allowed = (self.requests.sum / REQUESTS_A_RETRY).max(LEAST);
        let granted = self.retries.sum < allowed;
        if granted {
            self.retries.add(second);
        }
        granted
    }
}

/// A count for each of the last seconds, and their sum.
#[derive(Clone, Debug, Default)]
struct Window {
    counts: [u32; WINDOW_SECS],
    sum: u32,
    second: u64,
}

impl Window {
    fn add(&mut self, second: u64) {
        self.move_to(second);
        if let Some(count) = self.counts.get_mut(place(self.second)) {
            *count = count.saturating_add(1);
            self.sum = self.sum.saturating_add(1);
        }
    }

    /// Forgets the seconds that have left the window.
    fn move_to(&mut self, second: u64) {
        let passed = second.saturating_sub(self.second).min(WINDOW_SECS as u64);
        for step in 1..=passed {
            if let Some(count) = self.counts.get_mut(place(second - passed + step)) {
                self.sum = self.sum.saturating_sub(*count);
                *count = 0;
            }
        }
        self.second = self.second.max(second);
    }
}

fn place(second: u64) -> usize {
    (second % WINDOW_SECS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_leaves_after_ten() {
        let mut window = Window::default();
        for second in 5..25 {
            window.add(second);
            window.add(second);
            assert_eq!(window.sum, 2 * (second as u32 - 4).min(10));
        }
        window.move_to(30);
        assert_eq!(window.sum, 2 * 4);
        window.move_to(1_000_000);
        assert_eq!(window.sum, 0);
        assert_eq!(window.counts, [0; 10]);
    }

    #[test]
    fn a_clock_that_falls_changes_nothing() {
        let mut window = Window::default();
        window.add(100);
        window.add(50);
        assert_eq!(window.sum, 2);
        window.move_to(109);
        assert_eq!(window.sum, 2);
        window.move_to(110);
        assert_eq!(window.sum, 0);
    }

    #[test]
    fn refused_retries_are_not_counted() {
        let mut budget = RetryBudget::default();
        assert_eq!((0..1000).filter(|_| budget.try_retry(7)).count(), 10);
        assert!(!budget.try_retry(16));
        assert!(budget.try_retry(17));
    }
}
