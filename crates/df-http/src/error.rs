//! What can go wrong with a request, in words for whoever wrote the workflow.
//!
//! A message never holds a header value, a body, credentials or a query: a target is always shown
//! as `scheme://host[:port]/path`. Header and part names appear only once they are known to be
//! names.

use std::error::Error as StdError;

/// Why a request gave no result. 4xx answers are results and never end here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The operator's policy, or this crate's own rules, forbid the target.
    #[error("HTTP request refused: {0}")]
    Refused(String),
    /// The request is malformed: the URL, a header, the method, a part.
    #[error("invalid HTTP request: {0}")]
    Invalid(String),
    /// More bytes than the policy allows, in the direction and place that `what` names.
    #[error("{what} of the HTTP request to {target} exceeds the limit of {limit_bytes} bytes")]
    TooLarge {
        what: TooLarge,
        target: String,
        limit_bytes: u64,
    },
    /// The server answered 5xx.
    #[error("HTTP {status}{reason} from {target}")]
    Status {
        status: u16,
        /// The standard phrase after a space, or nothing.
        reason: String,
        target: String,
    },
    /// The whole exchange, DNS and body included, took too long.
    #[error("HTTP request to {target} timed out after {seconds} s while {doing}")]
    TimedOut {
        target: String,
        seconds: f64,
        doing: &'static str,
    },
    /// DNS, connection, TLS or protocol failure.
    #[error("HTTP request to {target} failed: {detail}")]
    Network {
        target: String,
        detail: String,
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The caller's token was cancelled; whether the server saw the request is unknown.
    #[error("HTTP request cancelled")]
    Cancelled,
    /// The operator's settings cannot be used, for example a root certificate that is no PEM.
    #[error("HTTP is misconfigured: {0}")]
    Misconfigured(String),
}

/// The part of an exchange that was too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooLarge {
    RequestBody,
    RequestHeaders,
    ResponseBody,
    ResponseHeaders,
}

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::RequestBody => "the body",
            Self::RequestHeaders => "the URL and headers",
            Self::ResponseBody => "the response body",
            Self::ResponseHeaders => "the response headers",
        })
    }
}

impl HttpError {
    /// Whether the same request may succeed later, so that a retry policy should spend an attempt
    /// on it: 5xx, timeouts and network failures. What the policy forbids stays forbidden.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Status { .. } | Self::TimedOut { .. } | Self::Network { .. } => true,
            Self::Refused(_)
            | Self::Invalid(_)
            | Self::TooLarge { .. }
            | Self::Cancelled
            | Self::Misconfigured(_) => false,
        }
    }
}
