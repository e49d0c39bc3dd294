//! The engine.

pub mod provider;
