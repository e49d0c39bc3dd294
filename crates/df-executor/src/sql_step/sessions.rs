//! What a step may assume of the session under its connection, and how it leaves it clean.
//!
//! Behind a transaction pooler the session is lent for one transaction: everything is set in it,
//! and undone in it, before it ends. What is sent after it could meet another transaction's session.

use super::Login;
use super::seam::CLEAN;
use crate::wire::Statement;
use df_postgres::quote_literal;

/// What `pg_stat_activity` shows of a step's connection.
pub const STEP_APPLICATION: &str = "df-relay step";

/// Whose the sessions of step connections are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sessions {
    /// Each connection has one of its own, for as long as it lasts.
    #[default]
    Own,
    /// A pooler lends one for each transaction.
    Lent,
}

/// Undoes, inside a transaction, what a step may leave in its session. Not the role: it goes with
/// the transaction. The encoding is set again since the pooler's own default may be another.
const CLEAN_INSIDE: [&str; 9] = [
    "RESET ALL",
    "SET client_encoding = 'UTF8'",
    "SET application_name = 'df-relay step'",
    "CLOSE ALL",
    "DEALLOCATE ALL",
    "UNLISTEN *",
    "SELECT pg_catalog.pg_advisory_unlock_all()",
    "DISCARD TEMP",
    "DISCARD SEQUENCES",
];

impl Sessions {
    /// What takes the role on for a transaction, and its settings with it, where the session is lent. One of
    /// one's own begins as the role and goes back to it.
    pub(super) fn take_role(self, login: &Login) -> Option<String> {
        (self == Sessions::Lent).then(|| Self::take_role_inside(login))
    }

    /// What takes the role on for the transaction, and its settings with it.
    pub(super) fn take_role_inside(login: &Login) -> String {
        let role = ("role".to_owned(), login.role_name.clone());
        let set: Vec<_> = std::iter::once(&role)
            .chain(&login.settings)
            .map(|(name, value)| {
                let (name, value) = (quote_literal(name), quote_literal(value));
                format!("pg_catalog.set_config({name}, {value}, true)")
            })
            .collect();
        format!("SELECT {}", set.join(", "))
    }

    /// What goes out behind a batch that ends its transaction.
    pub(super) fn trailing(self) -> Option<&'static str> {
        (self == Sessions::Own).then_some(CLEAN)
    }

    /// What cleans inside a transaction, where that is the place for it.
    pub(super) fn cleaning<'a>(self) -> impl Iterator<Item = Statement<'a>> {
        let some = if self == Sessions::Own {
            &[][..]
        } else {
            &CLEAN_INSIDE[..]
        };
        some.iter().map(|sql| Statement::command(sql))
    }

    /// Ends an open transaction and leaves the session clean, as one simple query: a pooler lends the
    /// session until that is answered, so what a failed statement leaves (prepared statements,
    /// advisory locks) is cleaned where it is.
    pub(super) fn abandon(self) -> String {
        match self {
            Sessions::Own => format!("ROLLBACK; {CLEAN}"),
            Sessions::Lent => format!("ROLLBACK; {}", CLEAN_INSIDE.join("; ")),
        }
    }
}
