//! Tests against a real Postgres.

#[path = "../support/mod.rs"]
mod support;

mod rendering;
mod wire_protocol;
