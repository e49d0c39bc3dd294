//! Reaching Postgres: connection options, TLS, error classes, retry with backoff; and the schema:
//! which version is installed, and installing it.
//!
//! It must not know what df-relay does with a connection.

mod class;
mod connect;
mod endpoint;
mod error;
pub mod install;
mod options;
mod parameter;
pub mod retry;
pub mod schema;
mod session;
mod tls;

pub use class::{ErrorClass, class, describe};
pub use connect::{Notifications, connect_when_up};
pub use endpoint::Endpoint;
pub use error::Error;
pub use options::{ConnectOptions, TlsMode};
pub use parameter::{Parameter, Typed, query_unnamed};
pub use session::{Open, Session};

/// The role that owns every object of the schema; it cannot log in.
pub const OWNER_ROLE: &str = "df_owner";
/// The role that the relay logs in as.
pub const RELAY_ROLE: &str = "df_relay";
/// The role whose members see and steer every instance; it cannot log in.
pub const ADMIN_ROLE: &str = "df_admin";

/// Quotes an SQL identifier.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes an SQL literal; a backslash is safe whatever `standard_conforming_strings` says.
pub fn quote_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}
