//! End-to-end tests: SQL from any client, against a real server and the real binary.

mod crashes;
mod dev;
mod nesting;
mod parking;
mod replay;
mod retention;
mod service;
mod sql_files;
mod support;
mod takeover;
