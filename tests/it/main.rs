//! End-to-end tests: SQL from any client, against a real server and the real binary.

mod dev;
mod escapes;
mod fairness;
mod forgery;
mod roles;
mod service;
mod sql_files;
mod support;
