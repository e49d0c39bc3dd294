//! End-to-end tests: SQL from any client, against a real server and the real binary.

mod dev;
mod explore;
mod golden;
mod laws;
mod matrix;
mod nesting;
mod node_timeout;
mod parking;
mod programs;
mod retry_policy;
mod rules;
mod service;
mod sql_files;
mod support;
mod takeover;
