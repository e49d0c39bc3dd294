//! What an error from Postgres means for whoever got it, decided by SQLSTATE and never by message.

use std::error::Error as StdError;
use std::io;

use tokio_postgres::error::{DbError, Severity, SqlState};

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The server or the way to it is gone or full: connect again, after a while.
    Outage,
    /// This transaction lost against another one, or was cut short: run it again.
    Transient,
    /// The server refuses this role or database: somebody must mend it, waiting may help.
    Login,
    /// The same call fails again.
    Permanent,
}

impl ErrorClass {
    pub fn is_retryable(self) -> bool {
        matches!(self, ErrorClass::Outage | ErrorClass::Transient)
    }
}

/// A standby, or a server or database that was set to read only.
const READ_ONLY: &str = "25006";

/// Whether the session is good for nothing more: there is no answer, it ends with this one (whatever its SQLSTATE), or
/// it began read only, which it stays though the others no longer are.
pub(crate) fn ends_session(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_none_or(|db| {
        matches!(
            db.parsed_severity(),
            Some(Severity::Fatal | Severity::Panic)
        ) || db.code().code() == READ_ONLY
    })
}

/// The class of an error of tokio-postgres.
pub fn class(error: &tokio_postgres::Error) -> ErrorClass {
    if let Some(db) = error.as_db_error() {
        return class_of_sqlstate(db.code());
    }
    if error.is_closed() {
        return ErrorClass::Outage;
    }
    class_of_source(error)
}

/// The class of a SQLSTATE alone.
pub fn class_of_sqlstate(code: &SqlState) -> ErrorClass {
    let code = code.code();
    match (&code[..code.len().min(2)], code) {
        (_, "57P01" | "57P02" | "57P03" | "57P05") => ErrorClass::Outage,
        (_, READ_ONLY) => ErrorClass::Outage,
        // A statement_timeout or an administrator cut it short: nothing is wrong with the call.
        (_, "55P03" | "57014") => ErrorClass::Transient,
        (_, "3D000") => ErrorClass::Login,
        ("08" | "53" | "58", _) => ErrorClass::Outage,
        ("40", _) => ErrorClass::Transient,
        ("28", _) => ErrorClass::Login,
        _ => ErrorClass::Permanent,
    }
}

/// An error that is not the server's own: a refused certificate stays refused, other I/O passes.
fn class_of_source(error: &tokio_postgres::Error) -> ErrorClass {
    let mut class = ErrorClass::Permanent;
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<rustls::Error>() {
            return ErrorClass::Permanent;
        }
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            if io
                .get_ref()
                .is_some_and(|wrapped| wrapped.is::<rustls::Error>())
            {
                return ErrorClass::Permanent;
            }
            class = ErrorClass::Outage;
        }
        source = inner.source();
    }
    class
}

/// An error in one line: the server's severity, message, SQLSTATE, detail and hint, or the chain
/// of causes. tokio-postgres itself prints only `db error`.
pub fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => describe_db(db),
        None => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(inner) = source {
                let inner_text = inner.to_string();
                if !text.contains(&inner_text) {
                    text.push_str(": ");
                    text.push_str(&inner_text);
                }
                source = inner.source();
            }
            text
        }
    }
}

fn describe_db(db: &DbError) -> String {
    let mut text = format!("{}: {} ({})", db.severity(), db.message(), db.code().code());
    for (label, part) in [("detail", db.detail()), ("hint", db.hint())] {
        if let Some(part) = part {
            text.push_str(&format!("; {label}: {part}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_fall_into_classes() {
        use ErrorClass::{Login, Outage, Permanent, Transient};
        for (code, expected) in [
            ("08006", Outage),
            ("53300", Outage),
            ("57P01", Outage),
            ("57P02", Outage),
            ("57P03", Outage),
            ("25006", Outage),
            ("40001", Transient),
            ("40P01", Transient),
            ("55P03", Transient),
            ("28P01", Login),
            ("28000", Login),
            ("3D000", Login),
            ("57014", Transient),
            ("58030", Outage),
            ("42501", Permanent),
            ("23505", Permanent),
            ("DF001", Permanent),
        ] {
            assert_eq!(
                class_of_sqlstate(&SqlState::from_code(code)),
                expected,
                "{code}"
            );
        }
    }
}
