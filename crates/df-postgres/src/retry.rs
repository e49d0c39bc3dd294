//! Trying again with exponential backoff and jitter. The only user of the `backoff` crate.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use tokio_util::sync::CancellationToken;

/// How long to pause between attempts, and when to give up.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    pub initial_delay_ms: u64,
    pub max_delay_ms: u64,
    pub factor: f64,
    /// Each pause is spread by this share of itself in both directions: 0.3 gives 70 % to 130 %.
    pub jitter: f64,
    /// `None` tries for ever.
    pub max_elapsed_ms: Option<u64>,
}

impl Default for RetryPolicy {
    /// From 100 ms to about 10 s, for ever.
    fn default() -> Self {
        RetryPolicy {
            initial_delay_ms: 100,
            max_delay_ms: 10_000,
            factor: 2.0,
            jitter: 0.3,
            max_elapsed_ms: None,
        }
    }
}

impl RetryPolicy {
    pub fn with_max_elapsed_ms(mut self, max_elapsed_ms: u64) -> Self {
        self.max_elapsed_ms = Some(max_elapsed_ms);
        self
    }

    /// The pauses of one series of attempts.
    pub fn delays(&self) -> Delays {
        let mut inner = ExponentialBackoff {
            initial_interval: Duration::from_millis(self.initial_delay_ms),
            current_interval: Duration::from_millis(self.initial_delay_ms),
            max_interval: Duration::from_millis(self.max_delay_ms),
            multiplier: self.factor,
            randomization_factor: self.jitter,
            max_elapsed_time: self.max_elapsed_ms.map(Duration::from_millis),
            ..ExponentialBackoff::default()
        };
        inner.reset();
        Delays { inner }
    }
}

/// For loops that only need to know how long to pause.
pub struct Delays {
    inner: ExponentialBackoff,
}

impl Delays {
    /// The next pause; `None` when it is time to give up.
    pub fn next_delay(&mut self) -> Option<Duration> {
        self.inner.next_backoff()
    }

    /// After a success: begins from the shortest pause.
    pub fn reset(&mut self) {
        self.inner.reset();
    }
}

/// What one attempt that failed says about the next.
#[derive(Debug)]
pub enum Attempt<E> {
    Again(E),
    Fatal(E),
}

/// How a series of attempts failed.
#[derive(Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// The token was cancelled first.
    Cancelled,
    /// A fatal attempt, or the last one before giving up.
    Failed(E),
}

/// Runs `attempt` until it succeeds, is fatal, takes too long, or `cancel` is cancelled: during an
/// attempt as well as in a pause. `on_retry` sees each failure and the pause that follows it.
pub async fn run<T, E, Running>(
    policy: &RetryPolicy,
    cancel: &CancellationToken,
    mut attempt: impl FnMut() -> Running,
    mut on_retry: impl FnMut(&E, Duration),
) -> Result<T, Error<E>>
where
    Running: Future<Output = Result<T, Attempt<E>>>,
{
    let mut delays = policy.delays();
    loop {
        let Some(ended) = cancel.run_until_cancelled(attempt()).await else {
            return Err(Error::Cancelled);
        };
        let error = match ended {
            Ok(value) => return Ok(value),
            Err(Attempt::Fatal(error)) => return Err(Error::Failed(error)),
            Err(Attempt::Again(error)) => error,
        };
        let Some(pause) = delays.next_delay() else {
            return Err(Error::Failed(error));
        };
        on_retry(&error, pause);
        if cancel
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return Err(Error::Cancelled);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick() -> RetryPolicy {
        RetryPolicy {
            initial_delay_ms: 1,
            max_delay_ms: 4,
            jitter: 0.0,
            ..RetryPolicy::default()
        }
    }

    #[test]
    fn pauses_grow_to_the_cap_and_a_reset_begins_again() {
        let mut delays = quick().delays();
        let mut next = || delays.next_delay().unwrap().as_millis();
        assert_eq!([next(), next(), next(), next()], [1, 2, 4, 4]);
        delays.reset();
        assert_eq!(delays.next_delay().unwrap().as_millis(), 1);
    }

    #[tokio::test]
    async fn attempts_repeat_until_one_succeeds_or_is_fatal() {
        for (outcomes, expected) in [
            (
                vec![Err(Attempt::Again("a")), Err(Attempt::Again("b")), Ok(3)],
                Ok(3),
            ),
            (
                vec![Err(Attempt::Again("a")), Err(Attempt::Fatal("b"))],
                Err(Error::Failed("b")),
            ),
        ] {
            let mut outcomes = outcomes.into_iter();
            let attempt = || std::future::ready(outcomes.next().expect("one attempt too many"));
            let ended = run(&quick(), &CancellationToken::new(), attempt, |_, _| {}).await;
            assert_eq!(ended, expected);
        }
    }

    #[tokio::test]
    async fn cancelling_ends_a_hanging_attempt_and_a_pause() {
        let cancel = CancellationToken::new();
        let hanging = || {
            cancel.cancel();
            std::future::pending::<Result<(), Attempt<()>>>()
        };
        assert_eq!(
            run(&quick(), &cancel, hanging, |_, _| {}).await,
            Err(Error::Cancelled)
        );

        let cancel = CancellationToken::new();
        let slow = RetryPolicy {
            initial_delay_ms: 3_600_000,
            ..quick()
        };
        let failing = || std::future::ready(Err::<(), _>(Attempt::Again(())));
        let ended = run(&slow, &cancel, failing, |(), _| cancel.cancel()).await;
        assert_eq!(ended, Err(Error::Cancelled));
    }

    #[tokio::test]
    async fn it_gives_up_with_the_last_error() {
        let policy = quick().with_max_elapsed_ms(5);
        let failing = || std::future::ready(Err::<(), _>(Attempt::Again("down")));
        let ended = run(&policy, &CancellationToken::new(), failing, |_, _| {}).await;
        assert_eq!(ended, Err(Error::Failed("down")));
    }
}
