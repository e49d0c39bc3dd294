//! End-to-end tests: SQL from any client, against a real server and the real binary.

mod control;
mod cookbook;
mod dev;
mod doctor;
mod errors;
mod explore;
mod http_nodes;
mod idle;
mod matrix;
mod nesting;
mod node_timeout;
mod node_types;
mod observability;
mod operator_control;
mod outages;
mod parking;
mod programs;
mod results;
mod retry_policy;
mod service;
mod sql_files;
mod support;
mod takeover;
mod transactions;
