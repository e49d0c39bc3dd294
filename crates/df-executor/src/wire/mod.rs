//! A small Postgres client: one connection, text format, statements pipelined under one Sync.
//!
//! It speaks protocol 3.0 and knows nothing of workflows. It never decides whether an error is
//! worth another try; it only says what happened, and whether the outcome is known.

mod binding;
mod cancel;
mod config;
mod connection;
mod db_error;
mod frames;
mod startup;
mod statement;
mod stream;

pub use cancel::CancelHandle;
pub use config::ConnectConfig;
pub use connection::{Connection, TransactionStatus};
pub use db_error::{DbError, Severity};
pub use startup::ConnectError;
pub use statement::{Column, Form, Param, PipelineError, Reply, Row, Rows, Statement};

/// Type oids of the parameters that the relay's own statements send.
pub mod oid {
    pub const BOOL: u32 = 16;
    pub const INT8: u32 = 20;
    pub const INT4: u32 = 23;
    pub const TEXT: u32 = 25;
    pub const INT4_ARRAY: u32 = 1007;
    pub const TEXT_ARRAY: u32 = 1009;
    pub const UUID: u32 = 2950;
    pub const XID8: u32 = 5069;
}
