//! A statement that cannot share a transaction with its record: run alone, on a connection of its
//! own.
//!
//! At-least-once: the caller records an intent before, and the result after.

use super::attempt::watched;
use super::classify::{self, Verdict};
use super::run::SqlSteps;
use super::seam::{self, Step, quote_identifier};
use super::{ExecutorError, Login, LoginError, OutsideOutcome, StepFailure};
use crate::render::{CatalogError, TYPE_QUERY, TypeCache, TypeCatalog, TypeInfo, render};
use crate::wire::{Connection, Param, PipelineError, Statement};
use std::sync::Arc;

const IDENTITY: &str = "SELECT session_user, current_user";
const CATALOG_BYTES: usize = 4 * 1024 * 1024;
const OID_ARRAY: u32 = 1028;

impl SqlSteps {
    /// Runs the step's statement in autocommit, as its role. Records nothing, checks no fence.
    ///
    /// A database that is away is waited for until the statement has been sent, never after.
    pub async fn run_outside(&self, step: &Step<'_>) -> Result<OutsideOutcome, ExecutorError> {
        if step.sql.contains('\0') {
            return Err(ExecutorError::NulInStatement);
        }
        let mut tries = 0;
        let place = step
            .cancel
            .run_until_cancelled(self.pools.place(step.role_oid));
        let Some(_place) = place.await else {
            return Ok(OutsideOutcome::Cancelled);
        };
        let (mut connection, login) = loop {
            match self.open_outside(step).await {
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
        let (answer, stopped) = watched(&mut connection, &statement, None, &step.cancel).await;
        // The role, and whatever the statement left, end with the session. A look at the types of
        // another database takes a second one, so the first is closed before.
        connection.close().await;
        Ok(match answer {
            Ok(mut replies) => {
                let reply = replies.pop().unwrap_or_default();
                self.render_outside(step, &reply, &login).await
            }
            Err(_) if stopped => OutsideOutcome::Cancelled,
            Err(error) => outside_error(error),
        })
    }

    async fn open_outside(&self, step: &Step<'_>) -> Result<(Connection, Login), Verdict> {
        let login = match self.pools.fresh_login(step.role_oid, step.database).await {
            Ok(login) => login,
            Err(LoginError::Unavailable(why)) => return Err(Verdict::Outage(why)),
            Err(error) => return Err(Verdict::Stop(error.into())),
        };
        let connected = self.pools.connect(&login).await;
        let mut connection = connected.map_err(|error| classify::connect(error, &login))?;
        let set_role = format!("SET ROLE {}", quote_identifier(&login.role_name));
        let timeout = step.statement_timeout.map(seam::millis);
        let bound = seam::bound(timeout.as_deref(), false);
        let statements = [
            Statement::command(&set_role),
            Statement::command(IDENTITY),
            Statement::call(seam::BOUND_TIMEOUT, &bound),
        ];
        let replies = connection
            .pipeline(&statements)
            .await
            .map_err(|error| match error {
                PipelineError::Server { error, .. } => {
                    classify::opening(*error, true, false, &login.role_name)
                }
                lost => Verdict::Outage(lost.to_string()),
            })?;
        let row = replies[1].rows.iter().next();
        let names: Vec<_> = row.into_iter().flatten().flatten().collect();
        if names != [login.user.as_bytes(), login.role_name.as_bytes()] {
            let why = format!("the step login \"{}\" is not what it should be", login.user);
            return Err(Verdict::Stop(LoginError::NotSetUp(why).into()));
        }
        Ok((connection, login))
    }

    /// Types of another database are looked up there, on a second connection that runs no user SQL.
    async fn render_outside(
        &self,
        step: &Step<'_>,
        reply: &crate::wire::Reply,
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
