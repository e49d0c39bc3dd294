//! The one error that a graph can be refused with.

/// Why a graph was refused. It is never retryable: the same text is refused again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid durable function graph: {path}: {why}")]
pub struct GraphError {
    /// Static path of the node at fault, `root` for the graph as a whole.
    pub path: String,
    /// The reason, one sentence without a full stop.
    pub why: String,
}

impl GraphError {
    pub(crate) fn new(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            why: why.into(),
        }
    }
}
