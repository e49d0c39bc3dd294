//! The engine: walks workflow graphs on duroxide, over a provider of our own that keeps nothing.
//!
//! In goes an instance with its graph and what is recorded of it ([`Engine::load`]); out come calls
//! to a [`Backend`], which acts and records, and [`Event`]s. It must not know the outbox, leases or
//! SQL functions, and it must not keep anything that `df.*` does not have.

mod activity;
mod attempts;
mod backend;
mod bindings;
mod branches;
mod engine;
mod gate;
mod loaded;
mod next;
mod observe;
mod outcome;
pub mod provider;
mod request;
mod scope;
mod timed;
mod walk;

pub use backend::{
    Again, Assignment, Backend, Checkpoint, Effect, Entry, Failure, Fence, HttpBody, HttpLeaf,
    HttpPart, LeafEnd, Limits, Recorded, Refused, SqlLeaf,
};
pub use engine::{Engine, EngineConfig, Error, Event};
pub use loaded::{Run, Runs};
pub use observe::{Observer, STEP_SPAN, StepEnd};
pub use outcome::ResultRef;
