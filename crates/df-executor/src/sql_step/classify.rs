//! Whose fault an error is, and so what follows from it. Pure.

use super::seam::quote_identifier;
use super::{ExecutorError, Fenced, Login, LoginError, StepFailure};
use crate::wire::{ConnectError, DbError, Severity};

/// What to do about an error of a step.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The node fails for its own reason.
    Fail(StepFailure),
    Fenced(Fenced),
    AlreadyRecorded,
    /// The server is away or short of something; try again for as long as it takes.
    Outage(String),
    /// The session died under the user's statement.
    Interrupted(StepFailure),
    /// Try again up to the limit, then fail with this.
    Transient(StepFailure),
    /// Try again without counting: the fence waited for somebody else's lock.
    Busy,
    /// Cancelled by a timeout or by a stray signal; time tells which.
    Cancelled(StepFailure),
    /// Nobody's own fault that a retry could mend.
    Stop(ExecutorError),
}

/// An error of the user's statement, or of what it left to be checked.
pub(super) fn statement(error: DbError) -> Verdict {
    if error.severity != Severity::Error {
        return match error.sqlstate.as_str() {
            // A step's transaction is idle while its relay is slow; it cannot have committed.
            "25P03" => Verdict::Transient(error.into()),
            // The timeout of a whole transaction belongs to the role that set it.
            "25P04" => Verdict::Fail(error.into()),
            _ => Verdict::Interrupted(error.into()),
        };
    }
    match (error.class(), error.sqlstate.as_str()) {
        (_, "57014") => Verdict::Cancelled(error.into()),
        // The disk is full, for everybody.
        (_, "53100") => Verdict::Outage(error.to_string()),
        // A bind without parameters, or a limit on the role's own temporary files.
        (_, "08P01" | "53400") => Verdict::Fail(error.into()),
        // The session lives, so these come from a foreign server or of the statement's own
        // appetite: a server that is itself away ends the session, or refuses the next one.
        ("08" | "40" | "53", _) | (_, "57P01" | "57P02" | "57P03") => {
            Verdict::Transient(error.into())
        }
        _ => Verdict::Fail(error.into()),
    }
}

/// An error of the relay's own statements before the user's; the flags say of which. Neither is
/// BEGIN.
pub(super) fn opening(error: DbError, set_role: bool, step_begin: bool, role: &str) -> Verdict {
    if let Some(fenced) = Fenced::from_sqlstate(&error.sqlstate) {
        return Verdict::Fenced(fenced);
    }
    if let Some(verdict) = passing(&error) {
        return verdict;
    }
    if set_role {
        let why = format!("cannot act as the role \"{role}\": {error}");
        return Verdict::Stop(LoginError::NotSetUp(why).into());
    }
    if step_begin && error.sqlstate == "DF006" {
        return Verdict::Stop(LoginError::NotSetUp(error.message).into());
    }
    if step_begin {
        return Verdict::Stop(ExecutorError::Schema(Box::new(error)));
    }
    // BEGIN itself fails only on a server that is no primary now.
    Verdict::Outage(error.to_string())
}

/// An error of the record call. What else it says may come of what the statement left behind, so
/// it is the node's failure until recording that fails as well.
pub(super) fn record(error: DbError) -> Verdict {
    if let Some(fenced) = Fenced::from_sqlstate(&error.sqlstate) {
        return Verdict::Fenced(fenced);
    }
    match error.sqlstate.as_str() {
        "23505" => return Verdict::AlreadyRecorded,
        "55P03" => return Verdict::Busy,
        // Made anew since its oid was asked for: it is asked for again.
        "42883" => return Verdict::Stop(ExecutorError::Schema(Box::new(error))),
        "DF004" => return Verdict::Fail(transaction_control()),
        _ => {}
    }
    passing(&error).unwrap_or_else(|| Verdict::Fail(error.into()))
}

/// What passes by itself, in the relay's own statements.
fn passing(error: &DbError) -> Option<Verdict> {
    let lost = error.severity != Severity::Error;
    Some(match (error.class(), error.sqlstate.as_str()) {
        _ if lost => Verdict::Outage(error.to_string()),
        ("08" | "53" | "57", _) => Verdict::Outage(error.to_string()),
        ("40", _) => Verdict::Transient(error.clone().into()),
        (_, "55P03") => Verdict::Busy,
        _ => return None,
    })
}

/// Why a connection could not be had.
pub(super) fn connect(error: ConnectError, login: &Login) -> Verdict {
    match error {
        ConnectError::Refused(error) => match (error.class(), error.sqlstate.as_str()) {
            ("08" | "53" | "57" | "40" | "XX" | "58", _) => Verdict::Outage(error.to_string()),
            (_, "3D000") => Verdict::Stop(LoginError::DatabaseGone(login.database.clone()).into()),
            (_, "42501") => {
                let database = quote_identifier(&login.database);
                let role = quote_identifier(&login.user);
                let mend = format!("{error}; GRANT CONNECT ON DATABASE {database} TO {role}");
                Verdict::Stop(LoginError::NotSetUp(mend).into())
            }
            _ => Verdict::Stop(LoginError::NotSetUp(error.to_string()).into()),
        },
        ConnectError::Authentication(why) => Verdict::Stop(LoginError::NotSetUp(why).into()),
        other => Verdict::Outage(other.to_string()),
    }
}

pub(super) fn transaction_control() -> StepFailure {
    StepFailure::new(
        "DF004",
        "transaction control is not allowed in a step: the statement began, ended or divided its \
         own transaction",
    )
}

pub(super) fn copy_without_client() -> StepFailure {
    StepFailure::new(
        "0A000",
        "COPY from stdin or to stdout has no client in a step",
    )
}

/// As Postgres says it, where the relay has to watch the clock.
pub(super) fn timed_out() -> StepFailure {
    StepFailure::new("57014", "canceling statement due to statement timeout")
}

pub(super) fn too_large(limit: usize) -> StepFailure {
    StepFailure::new(
        "54000",
        format!("the result is larger than {limit} bytes (max_result_bytes)"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(sqlstate: &str, severity: Severity) -> DbError {
        DbError {
            sqlstate: sqlstate.into(),
            severity,
            ..Default::default()
        }
    }

    fn name(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Fail(_) => "fail",
            Verdict::Fenced(_) => "fenced",
            Verdict::AlreadyRecorded => "recorded",
            Verdict::Outage(_) => "outage",
            Verdict::Interrupted(_) => "interrupted",
            Verdict::Transient(_) => "transient",
            Verdict::Busy => "busy",
            Verdict::Cancelled(_) => "cancelled",
            Verdict::Stop(_) => "stop",
        }
    }

    #[test]
    fn an_error_of_the_users_statement_is_an_outage_only_if_everybody_has_it() {
        let check = |sqlstate, severity, expected| {
            assert_eq!(
                name(&statement(error(sqlstate, severity))),
                expected,
                "{sqlstate}"
            );
        };
        use Severity::{Error, Fatal};
        check("22012", Error, "fail");
        check("42501", Error, "fail");
        check("25006", Error, "fail");
        check("55P03", Error, "fail");
        check("23505", Error, "fail");
        check("DF001", Error, "fail");
        check("08P01", Error, "fail");
        check("53400", Error, "fail");
        check("25P03", Fatal, "transient");
        check("25P04", Fatal, "fail");
        check("08006", Error, "transient");
        check("40001", Error, "transient");
        check("40P01", Error, "transient");
        check("53200", Error, "transient");
        check("53100", Error, "outage");
        check("57P03", Error, "transient");
        check("57014", Error, "cancelled");
        check("57P01", Fatal, "interrupted");
        check("XX000", Fatal, "interrupted");
    }

    #[test]
    fn an_error_of_the_record_call_settles_the_step() {
        let check = |sqlstate, expected| {
            assert_eq!(
                name(&record(error(sqlstate, Severity::Error))),
                expected,
                "{sqlstate}"
            );
        };
        check("23505", "recorded");
        check("55P03", "busy");
        check("DF001", "fenced");
        check("DF002", "fenced");
        check("DF003", "fenced");
        check("DF007", "fenced");
        check("DF004", "fail");
        check("DF006", "fail");
        check("42501", "fail");
        check("25006", "fail");
        check("40001", "transient");
        check("57014", "outage");
    }
}
