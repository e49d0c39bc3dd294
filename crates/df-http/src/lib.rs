//! Makes one HTTP request for a workflow and returns the node's result as JSON text.
//!
//! Whoever writes the workflow is an adversary here: they choose the URL, the headers, the body,
//! the DNS names behind them and the server that answers. The operator's [`HttpPolicy`] decides
//! what may be reached and how much of it may be read.
//!
//! This crate must not know Postgres, graphs, grants or substitution; it retries nothing, follows
//! no redirect, keeps no cookies and reads no proxy from the environment.

mod address;
mod client;
mod error;
mod multipart;
mod policy;
mod request;
mod resolve;
mod response;

pub use address::refusal_of;
pub use client::HttpClient;
pub use error::{HttpError, TooLarge};
pub use multipart::{Part, decode_base64_lenient};
pub use policy::{CheckedUrl, HttpPolicy};
pub use request::{Body, HttpRequest};
pub use resolve::{Lookup, SystemLookup};
