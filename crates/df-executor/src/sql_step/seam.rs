//! The SQL seam of a step: which statements go out, with which parameters.

use super::{Login, Sessions, StepFailure, StepFunctions};
use crate::wire::{Param, Statement, oid};
use df_engine::Effect;
use std::borrow::Cow;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What the fence checks and what travels in the step's transaction.
#[derive(Clone, Debug, Default)]
pub struct Fence {
    /// Enclosing races with the step's own branch, enclosing loops with its own iteration.
    pub within: Vec<(String, i32)>,
    /// What the step's completion implies besides itself.
    pub on_completed: Effect,
    /// What its failure implies.
    pub on_failed: Effect,
    /// JSON text of the loop checkpoints that travel along.
    pub checkpoints: Option<String>,
}

/// Which failures the caller will try again, so that they are not recorded.
#[derive(Clone, Copy, Debug)]
pub enum RetryOn<'a> {
    Any,
    Sqlstates(&'a [String]),
}

impl RetryOn<'_> {
    pub(super) fn covers(self, failure: &StepFailure) -> bool {
        match self {
            RetryOn::Any => true,
            RetryOn::Sqlstates(states) => states.contains(&failure.sqlstate),
        }
    }
}

/// One execution of one SQL node.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    pub instance: &'a str,
    pub epoch: i64,
    pub incarnation: Uuid,
    pub role_oid: u32,
    /// `None` is the database of the schema.
    pub database: Option<&'a str>,
    pub run_path: &'a str,
    /// One statement, without parameters.
    pub sql: &'a str,
    pub attempt: i32,
    pub fence: &'a Fence,
    /// An upper bound; the role's own statement_timeout holds where it is lower.
    pub statement_timeout: Option<Duration>,
    /// `None` records every failure.
    pub retry_on: Option<RetryOn<'a>>,
    pub cancel: CancellationToken,
}

pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
const STEP_BEGIN: &str = "SELECT df.step_begin($1, $2, $3)";
const STEP_RECORD: &str =
    "SELECT df.step_record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
/// The same, for a transaction in which nothing runs in between.
const STEP_RECORD_ALONE: &str = "SELECT df.step_record($1, $2, $3, df.step_begin($1, $2, $3)::pg_catalog.xid8, \
     $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
/// Lowers statement_timeout to $1 milliseconds, for the transaction if $2; answers the timeout
/// then in force, 0 for none.
pub(super) const BOUND_TIMEOUT: &str = include_str!("bound_timeout.sql");

/// Runs what is deferred, closes cursors, and lets the record take its time.
const SETTLE: &str = "SET CONSTRAINTS ALL IMMEDIATE; CLOSE ALL; SET LOCAL statement_timeout = 0";

/// The texts of a step's own statements, made once per attempt.
pub(super) struct Texts {
    sessions: Sessions,
    functions: Option<StepFunctions>,
    set_role: Option<String>,
    lock_timeout: String,
    epoch: String,
    incarnation: String,
    attempt: String,
    within: Option<String>,
    turns: Option<String>,
    decides_completed: Option<String>,
    decides_failed: Option<String>,
    timeout: Option<String>,
    /// Where the step has a timeout: what sets it again, since the statement may have turned it off for what is
    /// deferred, and the same with `SETTLE` behind it.
    rebound: Option<String>,
    settle: Option<String>,
}

/// What is recorded of a step.
pub(super) enum Record<'a> {
    Completed { result: &'a str },
    Failed(&'a StepFailure),
}

impl Texts {
    pub fn new(
        step: &Step<'_>,
        login: &Login,
        sessions: Sessions,
        fence_lock_timeout: Duration,
    ) -> Self {
        let within = &step.fence.within;
        let timeout = step.statement_timeout.map(millis);
        let rebound = timeout
            .as_deref()
            .map(|millis| format!("SET LOCAL statement_timeout = {millis}"));
        Texts {
            sessions,
            // PgBouncer loses count where the server skips one after an error.
            functions: login.functions.filter(|_| sessions == Sessions::Own),
            set_role: sessions.take_role(login),
            lock_timeout: millis(fence_lock_timeout),
            epoch: step.epoch.to_string(),
            incarnation: step.incarnation.to_string(),
            attempt: step.attempt.to_string(),
            within: text_array(within.iter().map(|(path, _)| path.as_str())),
            turns: text_array(within.iter().map(|(_, turn)| turn.to_string())),
            decides_completed: text_array(step.fence.on_completed.decides.iter()),
            decides_failed: text_array(step.fence.on_failed.decides.iter()),
            timeout,
            settle: rebound.as_deref().map(|sql| format!("{sql}; {SETTLE}")),
            rebound,
        }
    }

    /// The name of the transaction: instance, epoch, incarnation.
    pub fn key<'a>(&'a self, step: &Step<'a>) -> [Param<'a>; 3] {
        [
            Param {
                type_oid: oid::TEXT,
                value: Some(step.instance),
            },
            Param {
                type_oid: oid::INT8,
                value: Some(&self.epoch),
            },
            Param {
                type_oid: oid::UUID,
                value: Some(&self.incarnation),
            },
        ]
    }

    /// The parameter of `BOUND_TIMEOUT`.
    pub fn bound(&self) -> [Param<'_>; 2] {
        bound(self.timeout.as_deref(), true)
    }

    /// Whether the transaction takes the role on, right after BEGIN and before the session is checked.
    pub fn takes_role(&self) -> bool {
        self.set_role.is_some()
    }

    /// Where in `opening` the transaction's id is answered.
    pub fn xid_at(&self) -> usize {
        1 + usize::from(self.takes_role())
    }

    /// Opens the transaction, as the role; ends where the user's statement goes. A session of one's own is
    /// checked once: who it logged in as never changes, and its cleaning makes it the role again. Then only the
    /// transaction's id is asked for.
    pub fn opening<'a>(
        &'a self,
        key: &'a [Param<'a>],
        bound: &'a [Param<'a>],
        checked: bool,
    ) -> Vec<Statement<'a>> {
        let mut statements = vec![Statement::command(BEGIN)];
        statements.extend(self.set_role.as_deref().map(Statement::command));
        statements.push(match self.functions.filter(|_| checked) {
            Some(known) => Statement::function(known.transaction, &[]),
            None => call(self.functions.map(|known| known.begin), STEP_BEGIN, key),
        });
        if self.timeout.is_some() {
            statements.push(Statement::call(BOUND_TIMEOUT, bound));
        }
        statements
    }

    /// The user's statement, behind `opening`, whose BEGIN is an extended one: where that fails, what stands behind it is
    /// skipped and does not run outside of its transaction.
    pub fn users<'a>(&self, sql: &'a str, max_result_bytes: usize) -> Statement<'a> {
        match self.sessions {
            Sessions::Own => Statement::single(sql, max_result_bytes),
            Sessions::Lent => Statement::query(sql, max_result_bytes),
        }
    }

    /// As `opening`, always answering the statement_timeout in force, as its last reply.
    pub fn probing<'a>(
        &'a self,
        key: &'a [Param<'a>],
        bound: &'a [Param<'a>],
    ) -> Vec<Statement<'a>> {
        let mut statements = self.opening(key, bound, false);
        statements.truncate(self.xid_at() + 1);
        statements.push(Statement::call(BOUND_TIMEOUT, bound));
        statements
    }

    /// The parameters of the record call; `xid` is absent where the call finds it itself.
    pub fn record<'a>(
        &'a self,
        step: &Step<'a>,
        xid: Option<&'a str>,
        record: &Record<'a>,
    ) -> Vec<Param<'a>> {
        let fence = step.fence;
        let (status, result, failure, effect, decides) = match *record {
            Record::Completed { result } => {
                let decides = &self.decides_completed;
                (
                    "completed",
                    Some(result),
                    None,
                    &fence.on_completed,
                    decides,
                )
            }
            Record::Failed(failure) => {
                let decides = &self.decides_failed;
                ("failed", None, Some(failure), &fence.on_failed, decides)
            }
        };
        let text = |value| Param {
            type_oid: oid::TEXT,
            value,
        };
        let mut params = self.key(step).to_vec();
        params.extend(xid.map(|xid| Param {
            type_oid: oid::XID8,
            value: Some(xid),
        }));
        params.extend([
            text(Some(step.run_path)),
            text(Some(status)),
            text(result),
            text(failure.map(|failure| failure.message.as_str())),
            text(failure.map(|failure| failure.sqlstate.as_str())),
            Param {
                type_oid: oid::INT4,
                value: Some(&self.attempt),
            },
            Param {
                type_oid: oid::TEXT_ARRAY,
                value: self.within.as_deref(),
            },
            Param {
                type_oid: oid::INT4_ARRAY,
                value: self.turns.as_deref(),
            },
            Param {
                type_oid: oid::TEXT_ARRAY,
                value: decides.as_deref(),
            },
            text(fence.checkpoints.as_deref()),
            text(effect.ends.then_some(status)),
            text(Some(&self.lock_timeout)),
        ]);
        params
    }

    /// Checks what is deferred, closes what the statement left open, records and commits. The transaction is open, so that
    /// whatever fails makes the COMMIT a ROLLBACK. No code of the user's runs behind the record: a cursor WITH HOLD would
    /// be read by the COMMIT, while the instance's row is locked.
    pub fn closing<'a>(&'a self, params: &'a [Param<'a>]) -> Vec<Statement<'a>> {
        let record = call(
            self.functions.map(|known| known.record),
            STEP_RECORD,
            params,
        );
        match self.sessions {
            Sessions::Own => vec![
                Statement::simple(self.settle.as_deref().unwrap_or(SETTLE)),
                record,
                Statement::simple("COMMIT"),
            ],
            Sessions::Lent => {
                let mut statements: Vec<_> = self
                    .rebound
                    .iter()
                    .map(|sql| Statement::command(sql))
                    .collect();
                statements.push(Statement::command("SET CONSTRAINTS ALL IMMEDIATE"));
                statements.extend(self.sessions.cleaning());
                statements.extend([
                    Statement::command("SET LOCAL statement_timeout = 0"),
                    record,
                    Statement::command("COMMIT"),
                ]);
                statements
            }
        }
    }

    /// A whole transaction that records a failure; `ROLLBACK` first where one is open.
    pub fn failing<'a>(&'a self, params: &'a [Param<'a>], rollback: bool) -> Vec<Statement<'a>> {
        let mut statements = Vec::with_capacity(16);
        if rollback {
            statements.push(Statement::command("ROLLBACK"));
        }
        statements.push(Statement::command(BEGIN));
        statements.extend(self.sessions.cleaning());
        statements.extend(self.set_role.as_deref().map(Statement::command));
        statements.extend([
            Statement::command("SET LOCAL statement_timeout = 0"),
            Statement::call(STEP_RECORD_ALONE, params),
            Statement::command("COMMIT"),
        ]);
        statements
    }
}

/// A call by oid where that is known, else by name.
pub(super) fn call<'a>(oid: Option<u32>, sql: &'a str, params: &'a [Param<'a>]) -> Statement<'a> {
    oid.map_or_else(
        || Statement::call(sql, params),
        |oid| Statement::function(oid, params),
    )
}

/// Where in `closing` and `failing` the record stands, counted from the end: COMMIT is the last, and before the record
/// come, in `closing`, what is deferred and the cleaning, which are the statement's own doing.
pub(super) const RECORD_FROM_END: usize = 2;
/// The same of `failing`, where it takes the role on.
pub(super) const SET_ROLE_FROM_END: usize = 4;

/// The parameters of [`BOUND_TIMEOUT`].
pub(super) fn bound(millis: Option<&str>, local: bool) -> [Param<'_>; 2] {
    [
        Param {
            type_oid: oid::INT8,
            value: millis,
        },
        Param {
            type_oid: oid::BOOL,
            value: Some(if local { "true" } else { "false" }),
        },
    ]
}

/// The longest timeout that the server takes, in milliseconds: 24.8 days.
const MAX_MILLIS: u128 = i32::MAX as u128;

/// A timeout in milliseconds, at least one, since zero would be none, and at most what the server takes: it
/// refuses a longer one.
pub(super) fn millis(limit: Duration) -> String {
    limit.as_millis().clamp(1, MAX_MILLIS).to_string()
}

pub(super) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An array literal in which every element is quoted; none where there are no elements.
fn text_array<T: AsRef<str>>(elements: impl Iterator<Item = T>) -> Option<String> {
    let quoted = elements.map(|element| {
        let element: Cow<'_, str> = element.as_ref().into();
        format!("\"{}\"", element.replace('\\', "\\\\").replace('"', "\\\""))
    });
    let quoted: Vec<_> = quoted.collect();
    (!quoted.is_empty()).then(|| format!("{{{}}}", quoted.join(",")))
}
