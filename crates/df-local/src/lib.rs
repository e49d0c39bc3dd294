//! A private Postgres from the system's own binaries: for `df-relay dev`, the demo and the tests.
//!
//! Everything here blocks and nothing here speaks the Postgres protocol: a cluster is a data
//! directory, a child process and a connection string. It must not know df-relay's schema.

mod account;
mod binaries;
mod cluster;
mod config;
mod error;
mod guard;
mod pid_file;

pub use account::is_root;
pub use binaries::Binaries;
pub use cluster::Cluster;
pub use config::{ClusterConfig, Listen, StopMode};
pub use error::Error;
