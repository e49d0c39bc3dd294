//! What holds up many at once is one line in the log, and not one for each of them.

use std::hash::Hash;
use std::time::{Duration, Instant};

use foldhash::{HashMap, HashMapExt as _};
use parking_lot::Mutex;

/// How often one thing is told of at the most.
const PAUSE: Duration = Duration::from_secs(10);
/// Beyond so many things, those of which the pause is over are forgotten.
const MOST_KEPT: usize = 1_000;

/// When each thing was last told of.
pub(crate) struct Throttle<K>(Mutex<HashMap<K, Told>>);

struct Told {
    at: Instant,
    /// What was not told since.
    others: u64,
}

impl<K> Default for Throttle<K> {
    fn default() -> Self {
        Throttle(Mutex::new(HashMap::new()))
    }
}

impl<K: Eq + Hash> Throttle<K> {
    /// Whether this one is to be told of, and how many others of its kind were not since the last that was.
    pub fn line(&self, what: K, now: Instant) -> Option<u64> {
        let mut all = self.0.lock();
        if all.len() > MOST_KEPT {
            all.retain(|_, told| now.duration_since(told.at) < PAUSE);
        }
        let others = match all.get_mut(&what) {
            Some(told) if now.duration_since(told.at) < PAUSE => {
                told.others += 1;
                return None;
            }
            Some(told) => told.others,
            None => 0,
        };
        all.insert(what, Told { at: now, others: 0 });
        Some(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_one_line_and_not_one_for_each_step_that_waits() {
        let throttle = Throttle::default();
        let now = Instant::now();
        assert_eq!(throttle.line("a", now), Some(0));
        for millis in 1..100 {
            assert_eq!(
                throttle.line("a", now + Duration::from_millis(millis)),
                None
            );
        }
        assert_eq!(throttle.line("b", now), Some(0));
        assert_eq!(throttle.line("a", now + PAUSE), Some(99));
    }
}
