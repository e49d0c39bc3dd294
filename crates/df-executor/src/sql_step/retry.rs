//! How long to wait before a step is tried again.

use std::time::Duration;

/// Exponential with full jitter on the upper half.
#[derive(Clone, Debug)]
pub struct RetrySchedule {
    pub first: Duration,
    pub longest: Duration,
    /// Attempts of one step whose connection dies while the user's statement runs, before its node
    /// fails; `None` goes on for ever. A statement that ends its own session would do so too.
    pub interrupted_attempts: Option<u32>,
}

impl Default for RetrySchedule {
    fn default() -> Self {
        RetrySchedule {
            first: Duration::from_millis(50),
            longest: Duration::from_secs(10),
            interrupted_attempts: None,
        }
    }
}

impl RetrySchedule {
    /// The wait before try number `tries` (from 1) of those in a row that failed alike.
    pub fn delay(&self, tries: u32) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1 << tries.saturating_sub(1).min(20));
        doubled
            .min(self.longest)
            .mul_f64(rand::random_range(0.5..=1.0))
    }
}
