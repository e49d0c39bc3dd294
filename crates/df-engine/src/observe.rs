//! What the engine lets be watched: each attempt at a step, and how it ended.

use std::fmt::Debug;
use std::time::Duration;

use df_graph::Kind;
use tracing::Span;
use tracing::field::Empty;

use crate::backend::Assignment;
use crate::outcome::LeafReply;

/// The name of the span that surrounds each attempt at a SQL or HTTP node. Its fields: instance, epoch,
/// run_path, attempt, node_type; and at its end `end` and, after a failure, `sqlstate`.
pub const STEP_SPAN: &str = "step";

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

impl StepEnd {
    pub fn as_str(self) -> &'static str {
        match self {
            StepEnd::Completed => "completed",
            StepEnd::Failed => "failed",
            StepEnd::Retried => "retried",
            StepEnd::Dropped => "dropped",
        }
    }
}

/// The span that an activity runs in. Only a step's has the name that is exported: a wait that is begun
/// or asked after, and the end of a construct, take next to no time and mean nothing by themselves.
pub(crate) fn span(on: &Assignment, kind: &Kind, leaf: bool, run_path: &str, attempt: i32) -> Span {
    let (instance, epoch, node_type) = (on.instance.as_str(), on.epoch, kind.node_type());
    if !leaf || !is_step(kind) {
        return tracing::info_span!("turn", instance, epoch, run_path, node_type);
    }
    tracing::info_span!(
        STEP_SPAN,
        instance,
        epoch,
        run_path,
        attempt,
        node_type,
        end = Empty,
        sqlstate = Empty,
        otel.status_code = Empty,
    )
}

/// Whether a leaf of this kind acts, so that each attempt at it is a step.
pub(crate) fn is_step(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Sql { .. } | Kind::Http(_) | Kind::HttpMultipart(_)
    )
}

/// How the reply to a step reads to an observer.
pub(crate) fn step_end(reply: &LeafReply) -> StepEnd {
    match reply {
        LeafReply::Completed { .. } => StepEnd::Completed,
        LeafReply::Failed(_) => StepEnd::Failed,
        LeafReply::Waiting | LeafReply::Again => StepEnd::Retried,
        LeafReply::Paused | LeafReply::Stopped | LeafReply::Lost => StepEnd::Dropped,
    }
}

/// Notes in the step's span how it ended; OpenTelemetry reads the status from a field of this name.
pub(crate) fn note_end(span: &Span, end: StepEnd, reply: &LeafReply) {
    span.record("end", end.as_str());
    if matches!(end, StepEnd::Failed | StepEnd::Retried) {
        span.record("otel.status_code", "ERROR");
    }
    if let LeafReply::Failed(failure) = reply {
        span.record("sqlstate", failure.sqlstate.as_deref());
    }
}
