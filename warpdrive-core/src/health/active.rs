//! Active checks: results of questions, counted in a row.

/// What one check said. A check that was cancelled said nothing and is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// The instance answered as expected, or took a connection where nothing else was asked.
    Passed,
    /// It gave an answer that was not expected and is no confession of a fault: any status under
    /// 500.
    Unexpected,
    /// It refused, failed, answered 500 or more, or was too slow.
    Failed,
}

/// How many results in a row change the state, each at least 1; 0 counts as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Failures that take an instance down.
    pub unhealthy: u32,
    /// Successes that bring it back.
    pub healthy: u32,
}

/// What a result changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The instance is down from now on.
    Down,
    /// It is up again.
    Up,
    /// The check never passed since the start, and it got as many unexpected answers in a row as
    /// would have taken the instance down: the check is at fault, not the instance. Told once.
    Doubtful,
}

/// Active health of one instance. It starts up.
///
/// Failures and successes are counted in a row: the opposite result begins anew. While the check
/// has never passed, [`CheckResult::Unexpected`] counts as a success, since `ActionCable` answers
/// 404 to all that is no WebSocket and works; after that it counts as a failure. 16 bytes.
#[derive(Clone, Debug, Default)]
pub struct ActiveHealth {
    is_down: bool,
    has_passed: bool,
    is_doubted: bool,
    failures: u32,
    successes: u32,
    unexpected: u32,
}

impl ActiveHealth {
    /// Whether the instance is down.
    pub fn is_down(&self) -> bool {
        self.is_down
    }

    /// Failures in a row up to now.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Successes in a row up to now.
    pub fn successes(&self) -> u32 {
        self.successes
    }

    /// Takes the result of one check.
    pub fn record(&mut self, result: CheckResult, thresholds: Thresholds) -> Option<Change> {
        let lenient = result == CheckResult::Unexpected && !self.has_passed;
        self.has_passed |= result == CheckResult::Passed;
        self.unexpected = if lenient { self.unexpected.saturating_add(1) } else { 0 };
        if result == CheckResult::Passed || lenient {
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
            if self.is_down && self.successes >= thresholds.healthy {
                self.is_down = false;
                return Some(Change::Up);
            }
            if !self.is_doubted && self.unexpected >= thresholds.unhealthy.max(1) {
                self.is_doubted = true;
                return Some(Change::Doubtful);
            }
            return None;
        }
        self.successes = 0;
        self.failures = self.failures.saturating_add(1);
        if !self.is_down && self.failures >= thresholds.unhealthy {
            self.is_down = true;
            return Some(Change::Down);
        }
        None
    }

    /// The check asks another question from now on. The instance stays what it is, and everything
    /// else begins anew.
    pub fn ask_anew(&mut self) {
        *self = ActiveHealth { is_down: self.is_down, ..ActiveHealth::default() };
    }
}
