//! Tests against a real Postgres.

#[path = "../support/mod.rs"]
mod support;

mod many_roles;
mod rendering;
mod sql_steps;
mod sql_steps_adverse;
mod wire_protocol;
