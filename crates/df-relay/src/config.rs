//! How a relay behaves. `lease`, `poll_interval`, `listen` and `max_instances` are options of the
//! service; the rest has its value here.

use std::time::Duration;

/// Named limits of one relay.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// How long ownership lasts without a heartbeat.
    pub lease: Duration,
    /// How often the outbox is looked at when nothing wakes the relay.
    pub poll_interval: Duration,
    /// How long, and at least how often, it is looked at right after something was found.
    pub grace: Duration,
    pub grace_interval: Duration,
    /// How soon it looks again after it found something, without being told; twice as late after each look in
    /// vain, up to `grace_interval`.
    pub busy_interval: Duration,
    /// Whether to LISTEN; without it the poll alone finds work.
    pub listen: bool,
    /// The most instances in memory at a time.
    pub max_instances: usize,
    /// The most instances claimed, and events delivered, in one transaction.
    pub batch: usize,
    /// How often owned instances are compared with the engine's.
    pub compare_interval: Duration,
}

impl Default for RelayConfig {
    fn default() -> Self {
        RelayConfig {
            lease: Duration::from_secs(15),
            poll_interval: Duration::from_secs(1),
            grace: Duration::from_millis(100),
            grace_interval: Duration::from_millis(10),
            busy_interval: Duration::from_millis(2),
            listen: true,
            max_instances: 1000,
            batch: 200,
            compare_interval: Duration::from_secs(5),
        }
    }
}
