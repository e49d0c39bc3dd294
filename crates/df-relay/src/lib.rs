//! The relay: claims instances, delivers events, holds a lease, hands over, retains.
//!
//! It reaches the engine through the [`Engine`] trait and Postgres through the functions of `df`; it
//! must know neither duroxide nor a table's name. It keeps nothing that a restart could miss.

pub mod adopt;
mod bounds;
mod config;
mod engine;
mod graphs;
mod lease;
mod relay;
mod replay;
mod retain;
mod wake;

pub use config::RelayConfig;
pub use engine::{Claim, Engine, Event, RecordedRun};
pub use relay::{Error, Relay};
pub use replay::{Replayed, replay};
