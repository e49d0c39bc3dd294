//! One try at a step: two pipelines on one connection, and the verdict on what went wrong.

use super::classify::{self, Verdict};
use super::pool::Lease;
use super::run::SqlSteps;
use super::seam::{self, Record, Step, Texts};
use super::{ExecutorError, Fenced, StepFailure, StepOutcome};
use crate::render::render;
use crate::wire::{Connection, PipelineError, Reply, Statement, TransactionStatus};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// One cancel request may come before its statement has begun, so it is repeated.
const CANCEL_REQUESTS: u32 = 3;
const CANCEL_LIMIT: Duration = Duration::from_secs(5);
const CANCEL_PATIENCE: Duration = Duration::from_millis(500);

/// How a try ended, with the connection where it may still serve to record the failure.
pub(super) enum Tried {
    Done(StepOutcome),
    Not(Verdict, Option<Box<Lease>>),
}

/// What the first pipeline left for the second.
struct Ran {
    xid: String,
    result: String,
}

impl SqlSteps {
    pub(super) async fn attempt(&self, step: &Step<'_>) -> Tried {
        let lease = tokio::select! {
            biased;
            () = step.cancel.cancelled() => return cancelled(),
            lease = self.pools.acquire(step.role_oid, step.database) => lease,
        };
        let mut lease = match lease {
            Ok(lease) => Box::new(lease),
            Err(verdict) => return Tried::Not(verdict, None),
        };
        let login = lease.login.clone();
        let texts = Texts::new(
            step,
            &login,
            self.config.sessions,
            self.limits().fence_lock_timeout,
        );
        let started = Instant::now();
        let ran = match self.open_and_run(step, &texts, &mut lease).await {
            Ok(ran) => {
                df_failpoints::reached("step.ran");
                ran
            }
            Err(verdict) => return self.judged(step, &texts, verdict, started, lease).await,
        };
        let started = Instant::now();
        match self.record_and_commit(step, &texts, &ran, &mut lease).await {
            Ok(()) => {
                df_failpoints::reached("step.committed");
                self.pools.give_back(*lease);
                Tried::Done(StepOutcome::Completed { result: ran.result })
            }
            Err(verdict) => self.judged(step, &texts, verdict, started, lease).await,
        }
    }

    /// The first pipeline: BEGIN, the role, the checks, the user's statement.
    async fn open_and_run(
        &self,
        step: &Step<'_>,
        texts: &Texts,
        lease: &mut Lease,
    ) -> Result<Ran, Verdict> {
        let (key, bound) = (texts.key(step), texts.bound());
        let mut statements = texts.opening(&key, &bound, lease.checked);
        let user_at = statements.len();
        statements.push(texts.users(step.sql, self.limits().max_result_bytes));
        let (answer, stopped) =
            watched(&mut lease.connection, &statements, None, &step.cancel).await;
        if stopped {
            return Err(Verdict::Fenced(Fenced::Cancelled));
        }
        let refused = |error: &PipelineError| matches!(error, PipelineError::Server { statement, .. } if *statement < user_at);
        lease.checked |= !answer.as_ref().is_err_and(refused);
        let mut replies = answer.map_err(|error| match error {
            PipelineError::Server {
                statement, error, ..
            } if statement < user_at => {
                let set_role = texts.takes_role() && statement == 1;
                classify::opening(*error, set_role, statement > 0, &lease.login.role_name)
            }
            PipelineError::Server { error, .. } => classify::statement(*error),
            PipelineError::ResultTooLarge { limit, .. } => {
                Verdict::Fail(classify::too_large(limit))
            }
            PipelineError::Copy { .. } => Verdict::Fail(classify::copy_without_client()),
            lost if lease.reused => Verdict::Outage(lost.to_string()),
            lost => Verdict::Interrupted(StepFailure::new("08006", lost.to_string())),
        })?;
        let reply = replies.pop().unwrap_or_default();
        let xid = replies[texts.xid_at()]
            .rows
            .first_value()
            .unwrap_or_default();
        let xid = String::from_utf8_lossy(xid).into_owned();
        let result = self.rendered(&lease.connection, &reply).await?;
        Ok(Ran { xid, result })
    }

    /// The result, once it is sure that the statement left its transaction alone.
    async fn rendered(&self, connection: &Connection, reply: &Reply) -> Result<String, Verdict> {
        if connection.status() != TransactionStatus::InTransaction || controls_transaction(reply) {
            return Err(Verdict::Fail(classify::transaction_control()));
        }
        if !connection.encoding_is_utf8() {
            let why = "the statement changed client_encoding, which a step relies on";
            return Err(Verdict::Fail(StepFailure::new("22021", why)));
        }
        render(reply, &self.types, self.limits().max_result_bytes)
            .await
            .map_err(|error| {
                if error.is_retryable() {
                    Verdict::Outage(error.to_string())
                } else {
                    Verdict::Fail(StepFailure::new(error.sqlstate(), error.to_string()))
                }
            })
    }

    /// The second pipeline, with the cleaning behind it in the same write.
    async fn record_and_commit(
        &self,
        step: &Step<'_>,
        texts: &Texts,
        ran: &Ran,
        lease: &mut Lease,
    ) -> Result<(), Verdict> {
        let record = Record::Completed {
            result: &ran.result,
        };
        let params = texts.record(step, Some(&ran.xid), &record);
        let statements = texts.closing(&params);
        let clean = self.config.sessions.trailing(&lease.login);
        let (answer, stopped) =
            watched(&mut lease.connection, &statements, clean, &step.cancel).await;
        let verdict = match answer {
            Ok(replies) => match replies.last().map(|reply| reply.tag.as_str()) {
                Some("COMMIT") => return Ok(()),
                tag => Verdict::Outage(format!("COMMIT: {}", tag.unwrap_or_default())),
            },
            Err(PipelineError::Server {
                statement, error, ..
            }) => match statements.len() - statement {
                seam::RECORD_FROM_END => classify::record(*error),
                _ => classify::statement(*error),
            },
            // Whether it committed is unknown: the record call of the next try will tell.
            Err(lost) => Verdict::Outage(lost.to_string()),
        };
        match verdict {
            settled @ (Verdict::Fenced(_) | Verdict::AlreadyRecorded) => Err(settled),
            _ if stopped => Err(Verdict::Fenced(Fenced::Cancelled)),
            other => Err(other),
        }
    }

    /// Prepares the connection for what the verdict asks, and tells a timeout from a stray cancel.
    async fn judged(
        &self,
        step: &Step<'_>,
        texts: &Texts,
        verdict: Verdict,
        started: Instant,
        mut lease: Box<Lease>,
    ) -> Tried {
        let elapsed = started.elapsed();
        // A cleaning sent behind a failed pipeline fails as well; only its end matters.
        let _ = lease.connection.settle().await;
        // A function that is not there, or not as it was, may have been made anew since the login was asked for.
        if let Verdict::Stop(ExecutorError::Login(_) | ExecutorError::Schema(_)) = &verdict {
            self.pools.invalidate(&lease);
        }
        if !lease.connection.is_reusable() {
            self.pools.give_up(*lease);
            return match verdict {
                Verdict::Cancelled(failure) => Tried::Not(Verdict::Interrupted(failure), None),
                other => Tried::Not(other, None),
            };
        }
        let Verdict::Cancelled(failure) = verdict else {
            return Tried::Not(verdict, Some(lease));
        };
        match self
            .effective_timeout(step, texts, &mut lease.connection)
            .await
        {
            Some(limit) if !limit.is_zero() && elapsed >= limit => {
                Tried::Not(Verdict::Fail(failure), Some(lease))
            }
            _ => Tried::Not(Verdict::Interrupted(failure), Some(lease)),
        }
    }

    /// The statement_timeout that the step ran under; zero is none, `None` means it could not be
    /// read.
    async fn effective_timeout(
        &self,
        step: &Step<'_>,
        texts: &Texts,
        connection: &mut Connection,
    ) -> Option<Duration> {
        let (key, bound) = (texts.key(step), texts.bound());
        let mut statements = texts.probing(&key, &bound);
        if connection.status() != TransactionStatus::Idle {
            // In one batch with the rest, for which a pooler keeps the session.
            statements.insert(0, Statement::command("ROLLBACK"));
        }
        let replies = connection.pipeline(&statements).await.ok()?;
        let millis = std::str::from_utf8(replies.last()?.rows.first_value()?).ok()?;
        Some(Duration::from_millis(millis.parse().ok()?))
    }
}

fn cancelled() -> Tried {
    Tried::Not(Verdict::Fenced(Fenced::Cancelled), None)
}

/// Whether the statement was one that begins, ends or divides transactions.
pub(super) fn controls_transaction(reply: &Reply) -> bool {
    let tags = [
        "BEGIN",
        "START TRANSACTION",
        "COMMIT",
        "ROLLBACK",
        "PREPARE TRANSACTION",
    ];
    tags.contains(&reply.tag.as_str()) || matches!(reply.tag.as_str(), "SAVEPOINT" | "RELEASE")
}

/// Runs a pipeline; when the token fires, ends it by cancel requests. The flag tells whether any
/// was sent, after which the connection serves nobody else.
pub(super) async fn watched(
    connection: &mut Connection,
    statements: &[Statement<'_>],
    trailing: Option<Statement<'_>>,
    cancel: &CancellationToken,
) -> (Result<Vec<Reply>, PipelineError>, bool) {
    let handle = connection.cancel_handle();
    let answer = {
        let run = connection.pipeline_then(statements, trailing);
        tokio::pin!(run);
        tokio::select! {
            biased;
            answer = &mut run => return (answer, false),
            () = cancel.cancelled() => {}
        }
        let mut ended = None;
        for _ in 0..CANCEL_REQUESTS {
            // Let to its end even where the statement ends first: PgBouncer 1.18 dies of a request
            // that is broken off.
            let sent = tokio::spawn({
                let handle = handle.clone();
                async move { handle.cancel(CANCEL_LIMIT).await }
            });
            let request = async {
                let _ = sent.await;
                tokio::time::sleep(CANCEL_PATIENCE).await;
            };
            tokio::select! {
                biased;
                answer = &mut run => {
                    ended = Some(answer);
                    break;
                }
                () = request => {}
            }
        }
        ended.unwrap_or_else(|| Err(PipelineError::Io(std::io::ErrorKind::TimedOut.into())))
    };
    connection.mark_cancel_sent();
    (answer, true)
}
