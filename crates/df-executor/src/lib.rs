//! Runs one leaf of a workflow, and records what is not a SQL step.
//!
//! It must not know graphs, orchestrations or the outbox: it is told what to run and for whom, and
//! answers what became of it.

mod backend;
mod logins;
mod places;
mod recorder;
pub mod render;
pub mod sql_step;
mod throttle;
pub mod wire;

pub use backend::Executor;
pub use logins::Directory;
pub use recorder::Recorder;
