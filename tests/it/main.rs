//! End-to-end tests: SQL from any client, against a real server and the real binary.

mod dev;
mod nesting;
mod node_timeout;
mod observability;
mod operator_control;
mod parking;
mod retry_policy;
mod service;
mod sql_files;
mod support;
mod takeover;
