//! Runs one leaf of a workflow.
//!
//! It must not know graphs, engines or the outbox: it is told what to run and for whom, and
//! answers what became of it.

pub mod render;
pub mod sql_step;
pub mod wire;
