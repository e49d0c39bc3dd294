//! End-to-end tests: SQL from any client, against a real server and the real binary.

mod dev;
mod matrix;
mod programs;
mod service;
mod sql_files;
mod support;
