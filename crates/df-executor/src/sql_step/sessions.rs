//! What a step may assume of the session under its connection, and how it leaves it clean.
//!
//! Behind a transaction pooler the session is lent for one transaction: everything is set in it,
//! and undone in it, before it ends. What is sent after it could meet another transaction's session.

use super::Login;
use super::seam::call;
use crate::wire::{Connection, PipelineError, Statement};
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

/// What every step's session begins with, over the role's own settings, and goes back to: what results are rendered by.
/// `row_security` is pinned since the record itself stands under policies.
pub(super) const PINNED: [(&str, &str); 7] = [
    ("row_security", "on"),
    ("standard_conforming_strings", "on"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
    ("xmlbinary", "base64"),
];

/// Brings a session of one's own back to how it was after login.
const CLEAN: &str = "SELECT df.step_clean()";

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
        let own = login.settings.iter();
        let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
        let set: Vec<_> = std::iter::once(("role", login.role_name.as_str()))
            .chain(own)
            .chain(PINNED)
            .map(|(name, value)| {
                let (name, value) = (quote_literal(name), quote_literal(value));
                format!("pg_catalog.set_config({name}, {value}, true)")
            })
            .collect();
        format!("SELECT {}", set.join(", "))
    }

    /// What goes out behind a batch that ends its transaction.
    pub(super) fn trailing(self, login: &Login) -> Option<Statement<'static>> {
        (self == Sessions::Own).then(|| clean(login))
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

    /// Ends an open transaction and leaves the session clean. Where it is lent, as one simple query: a pooler
    /// lends it until that is answered, so what a failed statement leaves (prepared statements,
    /// advisory locks) is cleaned where it is.
    pub(super) async fn abandon(
        self,
        connection: &mut Connection,
        login: &Login,
    ) -> Result<(), PipelineError> {
        let rollback = Statement::command("ROLLBACK");
        match self {
            Sessions::Own => connection.send_trailing(&[rollback, clean(login)]).await,
            Sessions::Lent => {
                let inside = format!("ROLLBACK; {}", CLEAN_INSIDE.join("; "));
                let inside = Statement::command(&inside);
                connection.send_trailing(&[inside]).await
            }
        }
    }
}

fn clean(login: &Login) -> Statement<'static> {
    call(login.functions.map(|known| known.clean), CLEAN, &[])
}
