//! What the engine lets be watched: each attempt at a step, and how it ended.

use std::fmt::Debug;
use std::time::Duration;

use df_graph::Kind;

use crate::outcome::LeafReply;

/// How one attempt at a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepEnd {
    Completed,
    Failed,
    /// It failed, and another attempt follows.
    Retried,
    /// It was refused or stopped: nothing of it is recorded.
    Dropped,
}

/// Told of every attempt at a SQL or HTTP node. Called on the way, so it must not block.
pub trait Observer: Debug + Send + Sync {
    fn step(&self, node_type: &'static str, end: StepEnd, took: Duration);
}

/// How the reply to a step reads to an observer; `None` for what is no step.
pub(crate) fn step_end(kind: &Kind, reply: &LeafReply) -> Option<StepEnd> {
    if !matches!(
        kind,
        Kind::Sql { .. } | Kind::Http(_) | Kind::HttpMultipart(_)
    ) {
        return None;
    }
    Some(match reply {
        LeafReply::Completed { .. } => StepEnd::Completed,
        LeafReply::Failed(_) => StepEnd::Failed,
        LeafReply::Waiting | LeafReply::Again => StepEnd::Retried,
        LeafReply::Paused | LeafReply::Stopped | LeafReply::Lost => StepEnd::Dropped,
    })
}
