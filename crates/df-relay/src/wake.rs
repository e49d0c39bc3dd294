//! What wakes a sleeping relay: a notification. A wake-up can be lost at any time; the poll makes
//! up for it. And when a relay should rather poll.

use std::sync::Arc;
use std::time::Duration;

use df_postgres::ConnectOptions;
use df_postgres::retry::RetryPolicy;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Listens until `shutdown`, over a connection of its own that comes back after an outage.
pub async fn listen(options: ConnectOptions, wake: Arc<Notify>, shutdown: CancellationToken) {
    let mut delays = RetryPolicy::default().delays();
    loop {
        let listening = async {
            let (client, mut notifications) = options.connect_listening().await?;
            client
                .batch_execute("listen df_relay")
                .await
                .map_err(|source| df_postgres::Error::Database {
                    doing: "listen df_relay".to_owned(),
                    source,
                })?;
            // Whatever was notified before is found by a look.
            wake.notify_one();
            while notifications.recv().await.is_some() {
                wake.notify_one();
            }
            Ok::<(), df_postgres::Error>(())
        };
        match shutdown.run_until_cancelled(listening).await {
            None => return,
            Some(Ok(())) => delays.reset(),
            Some(Err(error)) => tracing::debug!(%error, "not listening; the poll goes on"),
        }
        let pause = delays.next_delay().unwrap_or(Duration::from_secs(5));
        if shutdown
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// Whether work comes faster than callers should notify of it: commits that notify wait for each other's flush
/// of the log. A round flushes too, so how long it takes says how long theirs do.
#[derive(Debug, Default)]
pub struct Rush {
    since: Option<Instant>,
    rounds: u32,
    spent: Duration,
}

impl Rush {
    const ROUNDS: u32 = 4;
    const WITHIN: Duration = Duration::from_millis(40);

    /// Counts one more round that found something, and how long it took. True when such rounds took half of
    /// the time.
    pub fn has_come(&mut self, now: Instant, took: Duration) -> bool {
        let Some(since) = self.since else {
            self.since = Some(now);
            return false;
        };
        let passed = now - since;
        self.rounds += 1;
        self.spent += took;
        if passed < Self::WITHIN || self.rounds < Self::ROUNDS {
            return false;
        }
        std::mem::take(self).spent * 2 >= passed
    }
}

/// Whether so little comes again that callers may notify of each: a round for each would take well below the
/// time that makes a rush.
#[derive(Debug, Default)]
pub struct Calm {
    since: Option<Instant>,
    found: u32,
    rounds: u32,
    spent: Duration,
}

impl Calm {
    const WITHIN: Duration = Duration::from_millis(200);

    /// Counts what one more round found, and how long it took. True when that was little for long enough.
    pub fn has_come(&mut self, now: Instant, took: Duration, found: usize) -> bool {
        let passed = now - *self.since.get_or_insert(now);
        self.found += found as u32;
        self.rounds += 1;
        self.spent += took;
        if passed < Self::WITHIN {
            return false;
        }
        let Calm {
            found,
            rounds,
            spent,
            ..
        } = std::mem::take(self);
        spent / rounds * found * 3 < passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_millis(2);

    /// After how many rounds of `took`, each `every` after the one before, a rush has come.
    fn rush_after(every: Duration, took: Duration) -> Option<u32> {
        let begin = Instant::now();
        let mut rush = Rush::default();
        (1..1000).find(|n| rush.has_come(begin + every * *n, took))
    }

    #[test]
    fn rounds_that_take_half_of_the_time_are_a_rush_whatever_one_takes() {
        assert_eq!(rush_after(ROUND * 3, ROUND), None);
        assert_eq!(rush_after(ROUND * 20, ROUND * 9), None);
        assert_eq!(rush_after(ROUND * 2, ROUND), Some(11));
        assert_eq!(rush_after(ROUND * 20, ROUND * 20), Some(5));
        // One long round is none, nor a few after a long rest.
        assert_eq!(rush_after(Duration::from_secs(10), ROUND * 100), None);
    }

    /// After how many rounds, 10 ms apart, that find so many each, a calm has come.
    fn calm_after(found: usize, took: Duration) -> Option<u32> {
        let begin = Instant::now();
        let mut calm = Calm::default();
        (0..100).find(|n| calm.has_come(begin + Duration::from_millis(10) * *n, took, found))
    }

    #[test]
    fn only_what_takes_a_third_of_the_time_a_round_each_is_a_calm() {
        assert_eq!(calm_after(4, ROUND), None);
        assert_eq!(calm_after(1, ROUND), Some(20));
        assert_eq!(calm_after(1, ROUND * 2), None);
        assert_eq!(calm_after(2, ROUND / 2), Some(20));
    }
}
