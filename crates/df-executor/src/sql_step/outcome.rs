//! What became of a step.

use super::LoginError;
use crate::wire::DbError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// Committed and recorded; the result as JSON text.
    Completed { result: String },
    /// Failed for its own reason, and recorded as failed.
    Failed(StepFailure),
    /// The run path was recorded before: its stored result is the one to adopt.
    AlreadyRecorded,
    /// Nothing of this step is committed, and nothing of it may be.
    Fenced(Fenced),
    /// Failed, rolled back and not recorded, since the caller's retry policy will try again.
    Unrecorded { failure: StepFailure },
}

/// Why the fence refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fenced {
    /// Another epoch or owner (DF001).
    Stale,
    /// The instance is cancelled or has ended (DF002), or the caller's token asked to stop.
    Cancelled,
    /// The branch is decided against, or the iteration passed (DF003).
    Decided,
    /// The instance was paused before the step began (DF007): the same step may run at the resume.
    Paused,
}

impl Fenced {
    pub(super) fn from_sqlstate(sqlstate: &str) -> Option<Self> {
        Some(match sqlstate {
            "DF001" => Fenced::Stale,
            "DF002" => Fenced::Cancelled,
            "DF003" => Fenced::Decided,
            "DF007" => Fenced::Paused,
            _ => return None,
        })
    }
}

/// The node's own failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepFailure {
    pub message: String,
    pub sqlstate: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    pub context: Option<String>,
}

impl StepFailure {
    pub(super) fn new(sqlstate: &str, message: impl Into<String>) -> Self {
        StepFailure {
            message: message.into(),
            sqlstate: sqlstate.into(),
            ..Default::default()
        }
    }
}

impl From<DbError> for StepFailure {
    fn from(error: DbError) -> Self {
        StepFailure {
            message: error.message,
            sqlstate: error.sqlstate,
            detail: error.detail,
            hint: error.hint,
            context: error.context,
        }
    }
}

/// What became of a statement run outside a transaction; none of it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideOutcome {
    Completed {
        result: String,
    },
    Failed(StepFailure),
    /// Stopped by the caller's token; it may have had effects.
    Cancelled,
    /// The connection was lost while it ran; it may have had effects.
    Unknown(StepFailure),
}

/// Why a step has no outcome. Outages are not among them: they are waited out.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The role, database or login is unusable: park the role's work, or fail the instance.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// A function of the schema refused for a reason that no step has: wrong version or grants.
    #[error("the schema refused the step: {0}")]
    Schema(#[source] Box<DbError>),
    #[error("the statement holds a NUL character")]
    NulInStatement,
}

impl ExecutorError {
    /// Whether the same step may succeed later without anybody mending anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self, ExecutorError::Login(LoginError::Unavailable(_)))
    }
}
