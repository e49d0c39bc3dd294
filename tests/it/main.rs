//! End-to-end tests: SQL from any client, against a real server and the real binary.

mod control;
mod crashes;
mod dev;
mod errors;
mod explore;
mod http_nodes;
mod idle;
mod matrix;
mod nesting;
mod node_timeout;
mod node_types;
mod operator_control;
mod outages;
mod parking;
mod programs;
mod replay;
mod results;
mod retention;
mod retry_policy;
mod service;
mod sql_files;
mod support;
mod takeover;
mod torture;
mod transactions;
