//! The workflow model: graphs, substitution, truth, cron and statement classes.
//!
//! Everything here is a pure function of its arguments. There is no I/O, no async and no clock, and
//! every text that reaches this crate is untrusted: nothing may panic, overflow the stack, or take
//! more than about linear time, whatever the bytes.

mod config;
mod cron;
mod error;
mod json;
mod lexer;
mod model;
mod parse;
mod paths;
mod results;
mod statement;
mod substitute;
mod truth;

pub use config::{HttpConfig, HttpMethod, MultipartConfig, Part, RetryPolicy, decode_base64};
pub use cron::{Cron, CronError, next_match};
pub use error::GraphError;
pub use model::{Condition, Graph, Kind, Node, NodeId};
pub use parse::{MAX_DEPTH, MAX_NODES, is_identifier};
pub use paths::static_path;
pub use results::{
    MAX_RESULT_DEPTH, break_value, empty_row_set, has_rows, read_result, rows, schedule_result,
    signal_result, signal_timeout_result, sleep_result,
};
pub use statement::{Class, statement_count, transaction_class};
pub use substitute::{
    Bindings, MAX_EXPANDED_ROWS, MAX_SUBSTITUTED_BYTES, Place, SubstituteError, names_in,
    substitute_json_text, substitute_plain, substitute_sql, whole_value,
};
pub use truth::truth;
