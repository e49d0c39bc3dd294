//! End-to-end tests: SQL from any client, against a real server and the real binary.

mod control;
mod dev;
mod errors;
mod http_nodes;
mod idle;
mod explore;
mod matrix;
mod nesting;
mod node_timeout;
mod node_types;
mod outages;
mod parking;
mod results;
mod programs;
mod retry_policy;
mod operator_control;
mod service;
mod sql_files;
mod support;
mod takeover;
mod transactions;
