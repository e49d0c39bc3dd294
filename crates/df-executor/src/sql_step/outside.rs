//! A statement that cannot share a transaction with its record: run alone, on a connection of its
//! own.
//!
//! At-least-once: the caller records an intent before, and the result after.

use super::attempt::{controls_transaction, watched};
use super::classify::{self, Verdict};
use super::run::SqlSteps;
use super::seam::{self, Step, quote_identifier};
use super::{ExecutorError, Login, LoginError, OutsideOutcome, Sessions, StepFailure};
use crate::render::{CatalogError, TYPE_QUERY, TypeCache, TypeCatalog, TypeInfo, render};
use crate::wire::{Connection, Param, PipelineError, Reply, Statement, TransactionStatus};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

const IDENTITY: &str = "SELECT session_user, current_user";
const CATALOG_BYTES: usize = 4 * 1024 * 1024;
const OID_ARRAY: u32 = 1028;

impl SqlSteps {
    /// Runs the step's statement without a record of it, as its role: in autocommit where it must be
    /// `alone` or the session is its own. Checks no fence.
    ///
    /// At least once: a database that is away is waited for, and where the connection is lost while the
    /// statement runs it is run again, as it is when a relay dies.
    pub async fn run_outside(
        &self,
        step: &Step<'_>,
        alone: bool,
    ) -> Result<OutsideOutcome, ExecutorError> {
        if step.sql.contains('\0') {
            return Err(ExecutorError::NulInStatement);
        }
        let retry = &self.config.retry;
        let mut tries = 0;
        loop {
            let lost = match self.run_outside_once(step, alone).await? {
                OutsideOutcome::Unknown(failure) => failure,
                outcome => return Ok(outcome),
            };
            tries += 1;
            if retry.interrupted_attempts.is_some_and(|most| tries >= most) {
                return Ok(OutsideOutcome::Unknown(lost));
            }
            tracing::debug!(why = lost.message, tries, "statement is run again");
            if !self.pause(step, retry.delay(tries)).await {
                return Ok(OutsideOutcome::Cancelled);
            }
        }
    }

    async fn run_outside_once(
        &self,
        step: &Step<'_>,
        alone: bool,
    ) -> Result<OutsideOutcome, ExecutorError> {
        let lent = self.config.sessions == Sessions::Lent;
        let mut tries = 0;
        let place = step
            .cancel
            .run_until_cancelled(self.pools.place(step.role_oid));
        let Some(_place) = place.await else {
            return Ok(OutsideOutcome::Cancelled);
        };
        let (mut connection, login) = loop {
            let opened = match lent {
                true => self.open_lent(step, alone).await,
                false => self.open_outside(step).await,
            };
            match opened {
                Ok(opened) => break opened,
                Err(Verdict::Stop(error)) => return Err(error),
                Err(_) => tries += 1,
            }
            tokio::select! {
                () = step.cancel.cancelled() => return Ok(OutsideOutcome::Cancelled),
                () = tokio::time::sleep(self.config.retry.delay(tries)) => {}
            }
        };
        let statement = [Statement::query(step.sql, self.limits().max_result_bytes)];
        let timeout = step.statement_timeout.filter(|_| lent && alone);
        let stop = StopAfter::new(step, timeout);
        let (answer, stopped) = watched(&mut connection, &statement, None, &stop.token).await;
        let outcome = match answer {
            Ok(_) if lent && !alone => match close_lent(&mut connection, answer).await {
                Ok(reply) => self.render_outside(step, &reply, &login).await,
                Err(outcome) => outcome,
            },
            Ok(mut replies) => {
                let reply = replies.pop().unwrap_or_default();
                self.render_outside(step, &reply, &login).await
            }
            Err(_) if stopped && !step.cancel.is_cancelled() => {
                OutsideOutcome::Failed(classify::timed_out())
            }
            Err(_) if stopped => OutsideOutcome::Cancelled,
            Err(error) => outside_error(error),
        };
        if lent && connection.is_reusable() && connection.status() != TransactionStatus::Idle {
            // A pooler drops a session that is left in a transaction; this one can serve on.
            let _ = Sessions::Lent.abandon(&mut connection, &login).await;
            let _ = connection.settle().await;
        }
        // The role, and whatever the statement left, end with the session.
        connection.close().await;
        Ok(outcome)
    }

    async fn open_outside(&self, step: &Step<'_>) -> Result<(Connection, Login), Verdict> {
        let (mut connection, login) = self.open_for(step).await?;
        let timeout = step.statement_timeout.map(seam::millis);
        let bound = seam::bound(timeout.as_deref(), false);
        let statements = [
            Statement::command(IDENTITY),
            Statement::call(seam::BOUND_TIMEOUT, &bound),
        ];
        let replies = opened(connection.pipeline(&statements).await, &login)?;
        is_itself(&replies[0], &login)?;
        Ok((connection, login))
    }

    /// Behind a transaction pooler: what can be in a transaction gets one, with the role and the
    /// settings for its time; what must be alone relies on the login's own role setting.
    async fn open_lent(
        &self,
        step: &Step<'_>,
        alone: bool,
    ) -> Result<(Connection, Login), Verdict> {
        let (mut connection, login) = self.open_for(step).await?;
        if alone {
            let replies = connection.pipeline(&[Statement::command(IDENTITY)]).await;
            is_itself(&opened(replies, &login)?[0], &login)?;
            return Ok((connection, login));
        }
        let take_role = Sessions::take_role_inside(&login);
        let timeout = step.statement_timeout.map(seam::millis);
        let bound = seam::bound(timeout.as_deref(), true);
        let statements = [
            Statement::command(seam::BEGIN),
            Statement::command(&take_role),
            Statement::command(IDENTITY),
            Statement::call(seam::BOUND_TIMEOUT, &bound),
        ];
        let replies = opened(connection.pipeline(&statements).await, &login)?;
        is_itself(&replies[2], &login)?;
        Ok((connection, login))
    }

    async fn open_for(&self, step: &Step<'_>) -> Result<(Connection, Login), Verdict> {
        let login = match self.pools.fresh_login(step.role_oid, step.database).await {
            Ok(login) => login,
            Err(LoginError::Unavailable(why)) => return Err(Verdict::Outage(why)),
            Err(error) => return Err(Verdict::Stop(error.into())),
        };
        let connected = self.pools.connect(&login).await;
        let connection = connected.map_err(|error| classify::connect(error, &login))?;
        Ok((connection, login))
    }

    /// Types of another database are looked up there, on a second connection that runs no user SQL.
    async fn render_outside(
        &self,
        step: &Step<'_>,
        reply: &Reply,
        login: &Login,
    ) -> OutsideOutcome {
        let limit = self.limits().max_result_bytes;
        let rendered = match step.database {
            None => render(reply, &self.types, limit).await,
            Some(_) => {
                let there = Elsewhere {
                    pools: self.pools.clone(),
                    login: login.clone(),
                };
                render(reply, &TypeCache::new(Arc::new(there)), limit).await
            }
        };
        match rendered {
            Ok(result) => OutsideOutcome::Completed { result },
            Err(error) => {
                let failure = StepFailure::new(error.sqlstate(), error.to_string());
                OutsideOutcome::Failed(failure)
            }
        }
    }
}

fn opened(answer: Result<Vec<Reply>, PipelineError>, login: &Login) -> Result<Vec<Reply>, Verdict> {
    answer.map_err(|error| match error {
        PipelineError::Server { error, .. } => {
            classify::opening(*error, true, false, &login.role_name)
        }
        lost => Verdict::Outage(lost.to_string()),
    })
}

/// Whether the session is the login, acting as its role.
fn is_itself(identity: &Reply, login: &Login) -> Result<(), Verdict> {
    let row = identity.rows.iter().next();
    let names: Vec<_> = row.into_iter().flatten().flatten().collect();
    if names == [login.user.as_bytes(), login.role_name.as_bytes()] {
        return Ok(());
    }
    let (user, role) = (
        quote_identifier(&login.user),
        quote_identifier(&login.role_name),
    );
    let why = format!(
        "the step login {user} does not act as its role; an administrator runs: ALTER ROLE {user} \
         SET role = {role}; behind a pooler, its sessions that are open have to end as well"
    );
    Err(Verdict::Stop(LoginError::NotSetUp(why).into()))
}

/// Ends the transaction of a statement behind a pooler, and undoes what it left in the session.
async fn close_lent(
    connection: &mut Connection,
    answer: Result<Vec<Reply>, PipelineError>,
) -> Result<Reply, OutsideOutcome> {
    let reply = answer.unwrap_or_default().pop().unwrap_or_default();
    if connection.status() != TransactionStatus::InTransaction || controls_transaction(&reply) {
        return Err(OutsideOutcome::Failed(classify::transaction_control()));
    }
    let mut statements = vec![Statement::command("SET CONSTRAINTS ALL IMMEDIATE")];
    statements.extend(Sessions::Lent.cleaning());
    statements.push(Statement::command("COMMIT"));
    match connection.pipeline(&statements).await {
        Ok(_) => Ok(reply),
        Err(error) => Err(outside_error(error)),
    }
}

/// The step's token, fired also when its time is up.
struct StopAfter {
    token: CancellationToken,
    _clock: Option<DropGuard>,
}

impl StopAfter {
    fn new(step: &Step<'_>, timeout: Option<Duration>) -> Self {
        let token = step.cancel.child_token();
        let clock = timeout.map(|timeout| {
            let (token, ended) = (token.clone(), CancellationToken::new());
            let guard = ended.clone().drop_guard();
            tokio::spawn(async move {
                if (ended.run_until_cancelled(tokio::time::sleep(timeout)).await).is_some() {
                    token.cancel();
                }
            });
            guard
        });
        StopAfter {
            token,
            _clock: clock,
        }
    }
}

/// The session may live on after an error; a lost one leaves the outcome open.
fn outside_error(error: PipelineError) -> OutsideOutcome {
    match error {
        PipelineError::Server { error, .. } => match classify::statement(*error) {
            Verdict::Interrupted(failure) => OutsideOutcome::Unknown(failure),
            Verdict::Outage(why) => OutsideOutcome::Unknown(StepFailure::new("08006", why)),
            Verdict::Fail(failure) | Verdict::Transient(failure) | Verdict::Cancelled(failure) => {
                OutsideOutcome::Failed(failure)
            }
            _ => unreachable!("no other verdict on a statement"),
        },
        PipelineError::ResultTooLarge { limit, .. } => {
            OutsideOutcome::Failed(classify::too_large(limit))
        }
        PipelineError::Copy { .. } => OutsideOutcome::Failed(classify::copy_without_client()),
        lost => OutsideOutcome::Unknown(StepFailure::new("08006", lost.to_string())),
    }
}

/// The catalog of a database that the relay itself does not visit.
struct Elsewhere {
    pools: Arc<super::pool::Pools>,
    login: Login,
}

#[async_trait::async_trait]
impl TypeCatalog for Elsewhere {
    async fn lookup(&self, oids: &[u32]) -> Result<Vec<TypeInfo>, CatalogError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| CatalogError(error);
        let connected = self.pools.connect(&self.login).await;
        let mut connection = connected.map_err(|error| failed(error.into()))?;
        let list: Vec<_> = oids.iter().map(u32::to_string).collect();
        let list = format!("{{{}}}", list.join(","));
        let params = [Param {
            type_oid: OID_ARRAY,
            value: Some(&list),
        }];
        let query = Statement {
            params: &params,
            ..Statement::query(TYPE_QUERY, CATALOG_BYTES)
        };
        let replies = connection
            .pipeline(&[query])
            .await
            .map_err(|error| failed(error.into()))?;
        connection.close().await;
        Ok(TypeInfo::from_reply(&replies[0]))
    }
}
