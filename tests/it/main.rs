//! End-to-end tests: SQL from any client, against a real server and the real binary.

mod dev;
mod escapes;
mod fairness;
mod forgery;
mod inputs;
mod managed;
mod roles;
mod secrets;
mod service;
mod sql_files;
mod support;
mod tls;
