//! The harness: one private server for the whole binary, one database per test, and the relay as a
//! child process. A topic's own helpers belong to its topic.

mod binary;
mod database;
pub mod effects;
mod own_server;
pub mod pooler;
pub mod proxy;
mod relay;
mod server;
mod until;
mod web;
mod workflows;

pub use database::{Role, TestDb};
pub use own_server::OwnServer;
pub use relay::{Process, spawn, spawn_through};
pub use server::{Server, own_server, sql_folder};
pub use web::{ClosedPort, Request, Web};
pub use workflows::{Ended, Workflows, literal, refused};
