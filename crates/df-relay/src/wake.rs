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

/// Whether work comes faster than callers should notify of it: a commit that notifies takes a lock
/// that all such commits share.
#[derive(Debug, Default)]
pub struct Rush {
    since: Option<Instant>,
    rounds: u32,
}

impl Rush {
    const ROUNDS: u32 = 16;
    const WITHIN: Duration = Duration::from_millis(40);

    /// Counts one more round that found something. True when as many as make a rush came in a row
    /// within a short time.
    pub fn has_come(&mut self, now: Instant) -> bool {
        match self.since {
            Some(since) if now - since < Self::WITHIN => self.rounds += 1,
            _ => (self.since, self.rounds) = (Some(now), 1),
        }
        let come = self.rounds >= Self::ROUNDS;
        if come {
            *self = Rush::default();
        }
        come
    }
}

/// Whether so little comes again that callers may notify of each: well below what makes a rush.
#[derive(Debug, Default)]
pub struct Calm {
    since: Option<Instant>,
    found: usize,
}

impl Calm {
    const WITHIN: Duration = Duration::from_millis(200);
    const FEW: usize = 60;

    /// Counts what one more round found. True when that was little for long enough.
    pub fn has_come(&mut self, now: Instant, found: usize) -> bool {
        let since = *self.since.get_or_insert(now);
        self.found += found;
        if now - since < Self::WITHIN {
            return false;
        }
        std::mem::take(self).found < Self::FEW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_many_rounds_in_a_short_time_are_a_rush() {
        let begin = Instant::now();
        let at = |rush: &mut Rush, ms: u64| rush.has_come(begin + Duration::from_millis(ms));
        let mut slow = Rush::default();
        assert!((0..1000).all(|n| !at(&mut slow, n * 10)));
        let mut fast = Rush::default();
        let come: Vec<bool> = (0..40).map(|n| at(&mut fast, n)).collect();
        assert_eq!(come.iter().position(|come| *come), Some(15));
        assert!(!come[16]);
    }

    #[test]
    fn only_few_finds_over_a_long_time_are_a_calm() {
        let begin = Instant::now();
        let at = |calm: &mut Calm, n: u64, found| {
            calm.has_come(begin + Duration::from_millis(10 * n), found)
        };
        let mut many = Calm::default();
        assert!((0..100).all(|n| !at(&mut many, n, 4)));
        let mut few = Calm::default();
        let come: Vec<bool> = (0..30).map(|n| at(&mut few, n, 2)).collect();
        assert_eq!(come.iter().position(|come| *come), Some(20));
        assert!(!come[21]);
    }
}
