//! A step from its first try to its outcome: what is tried again, and how a failure is recorded.

use super::attempt::Tried;
use super::classify::{self, Verdict};
use super::pool::{Lease, Pools};
use super::seam::{self, Record, Step, Texts};
use super::{
    ExecutorError, Fenced, LoginSource, PoolLimits, RetrySchedule, Sessions, StepFailure,
    StepOutcome, StepStatistics,
};
use crate::render::{TypeCache, TypeCatalog};
use crate::throttle::Throttle;
use crate::wire::{ConnectConfig, PipelineError, TransactionStatus};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The fence's lock is waited for in short turns, so a step waits little between them.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// What an operator may change while steps run.
#[derive(Clone, Debug)]
pub struct StepLimits {
    /// Steps of one role at a time, within what its pool allows.
    pub per_role: usize,
    /// Attempts of one step at serialization failures, deadlocks and the like before its node
    /// fails.
    pub transient_attempts: u32,
    pub max_result_bytes: usize,
    /// How long one record call waits for the instance's lock.
    pub fence_lock_timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct SqlStepsConfig {
    /// Where the server is and how to reach it; user, password, database and settings come from
    /// logins.
    pub server: ConnectConfig,
    pub sessions: Sessions,
    pub pool: PoolLimits,
    pub retry: RetrySchedule,
    /// Those that hold until others are set; `per_role` only from then on.
    pub limits: StepLimits,
    /// Ends the waits of steps that cannot run at the moment, once the service is asked to stop: nothing of them is in
    /// flight, and whoever comes next tries them.
    pub stopping: CancellationToken,
}

/// Runs SQL steps. Shared by all of them.
pub struct SqlSteps {
    pub(super) config: SqlStepsConfig,
    limits: Mutex<StepLimits>,
    pub(super) pools: Arc<Pools>,
    pub(super) types: TypeCache,
    outages: Throttle<()>,
}

/// How often a step was tried, by the reason that it was not the last time.
#[derive(Default)]
struct Tries {
    in_a_row: u32,
    transient: u32,
    interrupted: u32,
    asked_again: bool,
}

impl SqlSteps {
    /// Must be called within a runtime: a task of it drops idle connections.
    pub fn new(
        config: SqlStepsConfig,
        logins: Arc<dyn LoginSource>,
        catalog: Arc<dyn TypeCatalog>,
    ) -> Self {
        let pools = Pools::new(
            config.server.clone(),
            config.sessions,
            logins,
            config.pool.clone(),
        );
        SqlSteps {
            limits: Mutex::new(config.limits.clone()),
            config,
            pools,
            types: TypeCache::new(catalog),
            outages: Throttle::default(),
        }
    }

    /// Changes the limits for steps that begin from here on.
    pub fn set_limits(&self, limits: StepLimits) {
        self.pools.set_per_role(limits.per_role);
        *self.limits.lock() = limits;
    }

    pub(crate) fn limits(&self) -> StepLimits {
        self.limits.lock().clone()
    }

    pub fn statistics(&self) -> &StepStatistics {
        &self.pools.statistics
    }

    /// Runs the step to an outcome, waiting out outages for as long as its token lets it.
    ///
    /// Errors: nothing is recorded, and no retry of the executor's own would help.
    pub async fn run(&self, step: &Step<'_>) -> Result<StepOutcome, ExecutorError> {
        if step.sql.contains('\0') {
            return Err(ExecutorError::NulInStatement);
        }
        let mut tries = Tries::default();
        loop {
            let (verdict, lease) = match self.attempt(step).await {
                Tried::Done(outcome) => return Ok(outcome),
                Tried::Not(verdict, lease) => (verdict, lease),
            };
            let pause = match self.decide(verdict, &mut tries) {
                Next::Wait(pause) => pause,
                Next::Fail(failure) => return self.failed(step, failure, lease).await,
                Next::Settled(outcome) => {
                    self.abandon(lease).await;
                    return outcome;
                }
            };
            self.abandon(lease).await;
            if !self.pause(step, pause).await {
                return Ok(StepOutcome::Fenced(Fenced::Cancelled));
            }
        }
    }

    fn decide(&self, verdict: Verdict, tries: &mut Tries) -> Next {
        let retry = &self.config.retry;
        tries.in_a_row = tries.in_a_row.saturating_add(1);
        let pause = retry.delay(tries.in_a_row);
        match verdict {
            Verdict::Fail(failure) => Next::Fail(failure),
            Verdict::Fenced(fenced) => Next::Settled(Ok(StepOutcome::Fenced(fenced))),
            Verdict::AlreadyRecorded => Next::Settled(Ok(StepOutcome::AlreadyRecorded)),
            // The login may be an old one, from before the role was renamed or made again.
            Verdict::Stop(ExecutorError::Login(_)) if !tries.asked_again => {
                tries.asked_again = true;
                Next::Wait(Duration::ZERO)
            }
            Verdict::Stop(error) => Next::Settled(Err(error)),
            Verdict::Busy => Next::Wait(BUSY_PAUSE),
            Verdict::Outage(why) => {
                let tries = tries.in_a_row;
                match self.outages.line((), Instant::now()) {
                    Some(others) => {
                        tracing::warn!(%why, tries, others, "step waits for the database");
                    }
                    None => tracing::debug!(%why, tries, "step waits for the database"),
                }
                Next::Wait(pause)
            }
            Verdict::Transient(failure) => {
                tries.transient += 1;
                limited(
                    tries.transient,
                    Some(self.limits().transient_attempts),
                    failure,
                    pause,
                )
            }
            Verdict::Interrupted(failure) | Verdict::Cancelled(failure) => {
                tries.interrupted += 1;
                limited(
                    tries.interrupted,
                    retry.interrupted_attempts,
                    failure,
                    pause,
                )
            }
        }
    }

    /// Records the failure in a transaction of its own, unless the caller will try again.
    async fn failed(
        &self,
        step: &Step<'_>,
        failure: StepFailure,
        mut lease: Option<Box<Lease>>,
    ) -> Result<StepOutcome, ExecutorError> {
        if step
            .retry_on
            .is_some_and(|retry_on| retry_on.covers(&failure))
        {
            self.abandon(lease).await;
            return Ok(StepOutcome::Unrecorded { failure });
        }
        let mut tries = 0;
        loop {
            let verdict = match self.record_failure(step, &failure, lease.take()).await {
                Ok(()) => return Ok(StepOutcome::Failed(failure)),
                Err(verdict) => verdict,
            };
            match verdict {
                Verdict::Fenced(fenced) => return Ok(StepOutcome::Fenced(fenced)),
                Verdict::AlreadyRecorded => return Ok(StepOutcome::AlreadyRecorded),
                Verdict::Stop(error) => return Err(error),
                _ => {}
            }
            tries += 1;
            if !self.pause(step, self.config.retry.delay(tries)).await {
                return Ok(StepOutcome::Fenced(Fenced::Cancelled));
            }
        }
    }

    async fn record_failure(
        &self,
        step: &Step<'_>,
        failure: &StepFailure,
        lease: Option<Box<Lease>>,
    ) -> Result<(), Verdict> {
        let mut lease = match lease {
            Some(lease) => lease,
            None => Box::new(self.pools.acquire(step.role_oid, step.database).await?),
        };
        let login = lease.login.clone();
        let texts = Texts::new(
            step,
            &login,
            self.config.sessions,
            self.limits().fence_lock_timeout,
        );
        let params = texts.record(step, None, &Record::Failed(failure));
        let rollback = lease.connection.status() != TransactionStatus::Idle;
        let statements = texts.failing(&params, rollback);
        let answer = lease
            .connection
            .pipeline_then(&statements, self.config.sessions.trailing(&login))
            .await;
        let Err(error) = answer else {
            lease.checked = true;
            self.pools.give_back(*lease);
            return Ok(());
        };
        let verdict = match error {
            PipelineError::Server {
                statement, error, ..
            } => {
                // Counted from the end, since the ROLLBACK is not always there.
                match statements.len() - statement {
                    seam::RECORD_FROM_END if error.sqlstate == "DF006" => {
                        classify::opening(*error, false, true, "")
                    }
                    seam::RECORD_FROM_END => match classify::record(error.as_ref().clone()) {
                        Verdict::Fail(_) => Verdict::Stop(ExecutorError::Schema(error)),
                        other => other,
                    },
                    seam::SET_ROLE_FROM_END if texts.takes_role() => {
                        classify::opening(*error, true, false, &login.role_name)
                    }
                    _ => Verdict::Outage(error.to_string()),
                }
            }
            lost => Verdict::Outage(lost.to_string()),
        };
        let _ = lease.connection.settle().await;
        self.abandon(Some(lease)).await;
        Err(verdict)
    }

    /// Ends an open transaction, cleans the session and gives it back, without waiting for the
    /// answers.
    async fn abandon(&self, lease: Option<Box<Lease>>) {
        let Some(mut lease) = lease else { return };
        if !lease.connection.is_reusable() {
            return self.pools.give_up(*lease);
        }
        let sessions = self.config.sessions;
        let open = lease.connection.status() != TransactionStatus::Idle;
        let login = lease.login.clone();
        let sent = match sessions.trailing(&login) {
            _ if open => sessions.abandon(&mut lease.connection, &login).await,
            Some(clean) => lease.connection.send_trailing(&[clean]).await,
            None => Ok(()),
        };
        match sent {
            Ok(()) => self.pools.give_back(*lease),
            Err(_) => self.pools.give_up(*lease),
        }
    }

    /// False when the step's token fired first, or the service stops.
    pub(crate) async fn pause(&self, step: &Step<'_>, pause: Duration) -> bool {
        self.pools
            .statistics
            .steps_tried_again
            .fetch_add(1, Ordering::Relaxed);
        tokio::select! {
            biased;
            () = step.cancel.cancelled() => false,
            () = self.config.stopping.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}

enum Next {
    Wait(Duration),
    Fail(StepFailure),
    Settled(Result<StepOutcome, ExecutorError>),
}

fn limited(tries: u32, limit: Option<u32>, failure: StepFailure, pause: Duration) -> Next {
    if limit.is_some_and(|limit| tries >= limit) {
        Next::Fail(failure)
    } else {
        Next::Wait(pause)
    }
}
