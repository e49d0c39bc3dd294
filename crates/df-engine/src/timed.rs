//! Timeouts of nodes that are more than one step: the node races a durable timer.
//!
//! The decision stands at `<run path>.timeout`, as a RACE's does at its own path: 0 when the node
//! ended first, 1 when its time was up. Whatever records the node's end records the decision with
//! it, so that a replay after the due time cannot decide otherwise; the timer's own row stands at
//! `<run path>.timeout.due`. A SQL or HTTP node needs none of this: each of its attempts is bounded.

use std::future::pending;
use std::sync::Arc;

use df_graph::{Kind, NodeId};
use duroxide::Either2;

use crate::backend::Failure;
use crate::loaded::Run;
use crate::outcome::{End, LeafReply, Names, Outcome};
use crate::scope::Scope;
use crate::walk::{self, Walk};

/// The SQLSTATE of a node that timed out.
pub const TIMED_OUT: &str = "57014";

impl Walk {
    /// How long the node may take as a whole, unless it is being timed already.
    pub(crate) fn time_limit(&self, id: NodeId, at: &str, scope: &Scope) -> Option<f64> {
        let node = &self.loaded.graph.nodes[id];
        let bounds_attempts = matches!(
            node.kind,
            Kind::Sql { .. } | Kind::Http(_) | Kind::HttpMultipart(_) | Kind::Break { .. }
        );
        let is_timed = || {
            let innermost = scope.within.last();
            innermost.is_some_and(|(path, _)| *path == decision_path(at))
        };
        node.timeout_seconds
            .filter(|_| !bounds_attempts && !is_timed())
    }

    /// Walks a node against its timer.
    pub(crate) async fn timed(
        &self,
        id: NodeId,
        seconds: f64,
        at: String,
        names: Arc<Names>,
        scope: Scope,
    ) -> Outcome {
        let race = decision_path(&at);
        let failure = timed_out(seconds, &at);
        let node = self.contender(id, at.clone(), names, scope.race_branch(&race, 0));
        match self.snapshot.get(&race) {
            Some(Run::Decided(0)) => return node.await,
            Some(Run::Decided(_)) => return Outcome::of(End::Failed(failure)),
            _ => {}
        }
        let timer = self.timer(id, &at, failure, scope.race_branch(&race, 1));
        match self.ctx.select2(node, timer).await {
            Either2::First(outcome) | Either2::Second(outcome) => outcome,
        }
    }

    /// Ends when the time is up. A timer that finds the node ended never does: the node will.
    async fn timer(&self, id: NodeId, at: &str, failure: Failure, scope: Scope) -> Outcome {
        let scope = Scope {
            on_done: scope.on_failed.clone(),
            ..scope
        };
        let end = Some(End::Failed(failure.clone()));
        loop {
            let names = Arc::default();
            let asked = self.activity(walk::TIMER, id, at, &names, &scope, end.clone());
            match asked.await {
                LeafReply::Waiting => {
                    self.ctx
                        .dequeue_event(walk::wake_queue(&timer_path(at)))
                        .await;
                }
                LeafReply::Completed { .. } => return Outcome::of(End::Failed(failure)),
                LeafReply::Lost => return pending().await,
                other => return self.refusal(other),
            }
        }
    }
}

fn decision_path(at: &str) -> String {
    format!("{at}.timeout")
}

/// Where the timer of the node at `at` is recorded.
pub fn timer_path(at: &str) -> String {
    format!("{at}.timeout.due")
}

/// What a node fails with when its time is up.
pub fn timed_out(seconds: f64, at: &str) -> Failure {
    Failure {
        message: format!("node timed out after {seconds} s"),
        sqlstate: Some(TIMED_OUT.to_owned()),
        path: at.to_owned(),
    }
}
