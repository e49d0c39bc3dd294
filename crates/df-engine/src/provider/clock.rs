//! Time inside the provider: microseconds on tokio's monotonic clock.
//!
//! Locks and delays must not move with the wall clock, so a wall-clock due time is turned into a
//! delay when it arrives. Going through tokio lets a test with paused time skip waits.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Microseconds since the provider was made.
pub(super) type Tick = u64;

pub(super) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> Tick {
        ticks(self.origin.elapsed())
    }

    pub(super) fn instant(&self, tick: Tick) -> Instant {
        self.origin + Duration::from_micros(tick)
    }
}

/// A duration in ticks; at most a century, so that sums cannot overflow and `Instant` can hold
/// them.
pub(super) fn ticks(duration: Duration) -> Tick {
    const CENTURY_SECONDS: u64 = 100 * 365 * 24 * 3600;
    duration
        .min(Duration::from_secs(CENTURY_SECONDS))
        .as_micros() as Tick
}

/// Milliseconds since the Unix epoch, as duroxide stamps its events and timers.
pub(super) fn wall_ms() -> u64 {
    wall().as_millis() as u64
}

/// How long it is until the wall clock shows `at_ms`; zero if it has passed.
pub(super) fn until_wall_ms(at_ms: u64) -> Duration {
    Duration::from_millis(at_ms).saturating_sub(wall())
}

fn wall() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
