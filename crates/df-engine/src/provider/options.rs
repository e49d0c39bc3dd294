//! The duroxide options that suit a provider which long-polls inside the process.

use std::time::Duration;

use duroxide::runtime::RuntimeOptions;

const LONG_POLL_SECONDS: u64 = 30;
const TURN_LOCK_SECONDS: u64 = 60;
/// Half of it is how long a cancelled activity may not notice; the engine's own token map is
/// prompter.
const WORK_LOCK_SECONDS: u64 = 2;
const CANCELLATION_GRACE_SECONDS: u64 = 1;

/// Runtime options for `MemoryProvider`: one orchestration fetcher per core, and
/// `worker_concurrency` activities at a time (a parked fetcher costs no CPU, so it may exceed the
/// concurrent steps).
///
/// Delivery attempts are unlimited: nothing crashes between fetch and ack without taking the
/// process, and so the provider, with it.
pub fn runtime_options(cores: usize, worker_concurrency: usize) -> RuntimeOptions {
    RuntimeOptions {
        dispatcher_long_poll_timeout: Duration::from_secs(LONG_POLL_SECONDS),
        orchestration_concurrency: cores.max(1),
        worker_concurrency: worker_concurrency.max(1),
        orchestrator_lock_timeout: Duration::from_secs(TURN_LOCK_SECONDS),
        worker_lock_timeout: Duration::from_secs(WORK_LOCK_SECONDS),
        activity_cancellation_grace_period: Duration::from_secs(CANCELLATION_GRACE_SECONDS),
        max_attempts: u32::MAX,
        ..RuntimeOptions::default()
    }
}
