//! The harness: one private server for the whole binary, one database per test, and the relay as a
//! child process. A topic's own helpers belong to its topic.

mod binary;
mod database;
mod relay;
mod server;

pub use database::{Role, TestDb};
pub use relay::{Process, spawn};
pub use server::{Server, sql_folder};
