//! What can go wrong between here and Postgres, in words that say what to do. Never a password.

use std::path::PathBuf;

use crate::class::{ErrorClass, class, describe};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("connection string: {0}")]
    Options(String),

    #[error("cannot use the certificate file {}: {why}", path.display())]
    Certificate { path: PathBuf, why: String },

    #[error("cannot set up TLS: {0}")]
    Tls(String),

    #[error("cannot connect to {target}: {}", describe(source))]
    Connect {
        target: String,
        source: tokio_postgres::Error,
    },

    #[error("{doing}: {}", describe(source))]
    Database {
        doing: String,
        source: tokio_postgres::Error,
    },

    #[error("{place}: {}", describe(source))]
    SchemaFile {
        place: String,
        source: tokio_postgres::Error,
    },

    #[error("the schema files are wrong: {0}")]
    SchemaFiles(String),

    #[error(
        "database \"{database}\" already holds a schema `df` that is not df-relay's ({whose}); \
         nothing was changed. df-relay takes another database, or this one once nobody needs that \
         schema and it is dropped"
    )]
    ForeignSchema { database: String, whose: String },

    #[error(
        "database \"{database}\" has the encoding {encoding}, and df-relay needs UTF8; nothing was changed. \
         CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8' makes one that will do"
    )]
    OtherEncoding { database: String, encoding: String },

    #[error("database \"{0}\" holds no df-relay schema; `df-relay install` makes it")]
    MissingSchema(String),

    #[error(
        "the schema is at version {found} and was installed by df-relay {installed_by}; this is \
         df-relay {} and knows version {known}. Use df-relay {installed_by} or newer",
        env!("CARGO_PKG_VERSION")
    )]
    NewerSchema {
        found: u32,
        known: u32,
        installed_by: String,
    },

    #[error(
        "the operators are installed in schema \"{installed}\", not \"{asked}\"; to move them, \
         uninstall first, or leave the option out"
    )]
    OperatorSchemaDiffers { installed: String, asked: String },

    #[error("what is not df's depends on it, and nothing was changed; drop it first, or have it do without: {}", .0.join("; "))]
    HasDependents(Vec<String>),

    #[error("{why}; an administrator must run:\n{}", statements.join("\n"))]
    NeedsAdministrator {
        why: String,
        statements: Vec<String>,
    },

    #[error(
        "others held the tables of df for {seconds} s, so nothing was changed; end their transactions \
         (SELECT pg_terminate_backend(pid)) or wait for them, then install again: {}",
        if holders.is_empty() { "nobody holds them any more".to_string() } else { holders.join("; ") }
    )]
    TablesInUse { seconds: u64, holders: Vec<String> },

    #[error("stopped while waiting for Postgres")]
    Cancelled,
}

impl Error {
    /// Whether the same call may succeed later without anybody's help.
    pub fn is_retryable(&self) -> bool {
        self.class().is_some_and(ErrorClass::is_retryable)
    }

    /// The class of the Postgres error inside, if there is one.
    pub fn class(&self) -> Option<ErrorClass> {
        match self {
            // Whatever a server says to who connects is its set-up, which somebody may mend: CONNECT was revoked, or
            // the database takes no connections for now.
            Error::Connect { source, .. } => Some(match class(source) {
                ErrorClass::Permanent if source.as_db_error().is_some() => ErrorClass::Login,
                class => class,
            }),
            Error::Database { source, .. } | Error::SchemaFile { source, .. } => {
                Some(class(source))
            }
            _ => None,
        }
    }

    /// For `map_err`: a database error with what was being done.
    pub(crate) fn doing(doing: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Error {
        let doing = doing.into();
        move |source| Error::Database { doing, source }
    }
}
