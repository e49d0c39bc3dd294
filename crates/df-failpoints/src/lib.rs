//! Named places around the relay's commits and engine calls, at which a test lets the process die.
//!
//! Armed by the feature `armed` and by `DF_FAILPOINT=name` or `DF_FAILPOINT=name:n`: the process
//! aborts when it reaches that place, or reaches it for the n-th time. Without the feature nothing of
//! this is in the binary.

/// Every place, in the order in which an instance meets them.
pub const PLACES: &[&str] = &[
    "claim.sending",
    "claim.committed",
    "engine.loaded",
    "step.ran",
    "step.committed",
    "record.sending",
    "record.committed",
    "deliver.sending",
    "deliver.committed",
    "engine.nudged",
    "park.sending",
    "park.committed",
    "engine.stopped",
    "take_over.committed",
    "reconcile.committed",
    "release.sending",
    "release.committed",
];

/// Dies here if this is the armed place.
#[cfg(feature = "armed")]
pub fn reached(place: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static ARMED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static TIMES: AtomicU32 = AtomicU32::new(0);
    let armed = ARMED.get_or_init(|| {
        let text = std::env::var("DF_FAILPOINT").ok()?;
        let (name, times) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), times.parse().unwrap_or(1)))
    });
    debug_assert!(PLACES.contains(&place), "{place} is not listed");
    if let Some((name, times)) = armed
        && name == place
        && TIMES.fetch_add(1, Ordering::SeqCst) + 1 == *times
    {
        eprintln!("died at {place}");
        std::process::abort();
    }
}

/// Nothing: the feature is off.
#[cfg(not(feature = "armed"))]
#[inline(always)]
pub fn reached(_place: &str) {}
