//! What surrounds the attempts at one leaf: its retry policy's pauses, and the timer of a timed node.
//!
//! Every failed attempt that another follows is recorded before the pause begins, with the time at
//! which the next is due; so a pause is a wait like any other, which parks the instance and outlives
//! the relay.

use std::time::Duration;

use crate::activity::{Activity, MAX_WAIT_SECONDS};
use crate::backend::{Again, Effect, Entry, Failure, Recorded};
use crate::loaded::{PendingWait, Run};
use crate::outcome::{End, LeafReply};
use crate::timed::timer_path;

impl Activity<'_> {
    /// The number of the attempt to make now, from 1; or what to answer when its time has not come.
    pub(crate) async fn next_attempt(&self) -> Result<i32, LeafReply> {
        let attempt = self.attempt_now();
        if attempt == 1 || !self.is_pausing() {
            return Ok(attempt);
        }
        let entry = Entry {
            attempt: Some(attempt - 1),
            ..self.entry("retry", &Effect::default())
        };
        match self.begin_wait(self.run_path, entry).await {
            Ok(recorded) if recorded.outcome == "exists" => Err(self.take(recorded)),
            Ok(_) => Ok(attempt),
            Err(reply) => Err(reply),
        }
    }

    /// The number of the attempt that is being made or comes next, as far as is recorded.
    pub(crate) fn attempt_now(&self) -> i32 {
        match self.loaded.recorded(self.run_path) {
            Some(Run::Waiting { attempt }) => attempt + 1,
            Some(Run::Begun { attempt }) => attempt,
            _ => 1,
        }
    }

    fn is_pausing(&self) -> bool {
        matches!(
            self.loaded.recorded(self.run_path),
            Some(Run::Waiting { .. })
        )
    }

    /// Which failures of this attempt another one follows.
    pub(crate) fn again(&self, attempt: i32) -> Again<'_> {
        match &self.loaded.graph.nodes[self.plan.node].retry {
            Some(policy) if i64::from(attempt) < i64::from(policy.max_attempts) => {
                match &policy.on_sqlstate {
                    None => Again::Any,
                    Some(states) => Again::Sqlstates(states),
                }
            }
            _ => Again::Never,
        }
    }

    pub(crate) fn retries(&self, attempt: i32, failure: &Failure) -> bool {
        match self.again(attempt) {
            Again::Never => false,
            Again::Any => true,
            Again::Sqlstates(states) => failure
                .sqlstate
                .as_ref()
                .is_some_and(|sqlstate| states.contains(sqlstate)),
        }
    }

    /// Records a failed attempt and when the next is due.
    pub(crate) async fn pause(&self, attempt: i32, failure: Failure) -> LeafReply {
        let policy = &self.loaded.graph.nodes[self.plan.node].retry;
        let seconds = policy
            .as_ref()
            .map_or(0.0, |policy| policy.delay_seconds(attempt.unsigned_abs()));
        tracing::info!(
            instance = %self.loaded.assignment.instance,
            run_path = self.run_path,
            attempt,
            sqlstate = failure.sqlstate,
            seconds,
            "attempt failed; another follows"
        );
        let entry = Entry {
            attempt: Some(attempt),
            seconds: Some(seconds.clamp(0.0, MAX_WAIT_SECONDS)),
            error: Some(failure.message),
            sqlstate: failure.sqlstate,
            checkpoints: self.checkpoints(attempt),
            ..self.entry("retry", &Effect::default())
        };
        self.loaded.record(self.run_path, Run::Waiting { attempt });
        match self.begin_wait(self.run_path, entry).await {
            Ok(recorded) if recorded.outcome == "exists" => self.take(recorded),
            // Due at once: the walk asks again, as after any wait.
            Ok(_) => {
                self.note_checkpoints();
                LeafReply::Again
            }
            Err(LeafReply::Waiting) => {
                self.note_checkpoints();
                LeafReply::Waiting
            }
            Err(reply) => reply,
        }
    }

    /// Begins the timer of a timed node, or asks after it: `Completed` once the time is up.
    pub(crate) async fn timer(&self) -> LeafReply {
        let Some(End::Failed(failure)) = &self.plan.end else {
            return LeafReply::Stopped;
        };
        let seconds = self.loaded.graph.nodes[self.plan.node].timeout_seconds;
        let effect = self.plan.scope.on_done.as_deref();
        let effect = effect.cloned().unwrap_or_default();
        let entry = Entry {
            seconds: seconds.map(|seconds| seconds.clamp(0.0, MAX_WAIT_SECONDS)),
            error: Some(failure.message.clone()),
            ends: effect.ends.then_some("failed"),
            ..self.entry("timer", &effect)
        };
        match self.begin_wait(&timer_path(self.run_path), entry).await {
            Ok(_) => {
                self.loaded
                    .record(self.run_path, Run::Failed(failure.clone()));
                LeafReply::Completed { truth: None }
            }
            Err(reply) => reply,
        }
    }

    /// Records something that may have to be waited for; `Err(Waiting)` while it has, after noting
    /// when it is due.
    async fn begin_wait(&self, path: &str, entry: Entry) -> Result<Recorded, LeafReply> {
        // Registered before it is asked, so that a nudge that overtakes the answer finds it.
        let pending = PendingWait {
            orchestration: self.orchestration.to_owned(),
            due: None,
        };
        self.loaded.begin_wait(path, pending);
        match self.record(entry).await {
            Ok(recorded) if recorded.outcome == "waiting" => {
                let left = recorded.remaining_seconds.unwrap_or(MAX_WAIT_SECONDS);
                let left = Duration::from_secs_f64(left.clamp(0.0, MAX_WAIT_SECONDS));
                let due = tokio::time::Instant::now().checked_add(left);
                self.loaded.time_wait(path, due);
                Err(LeafReply::Waiting)
            }
            other => {
                self.loaded.take_wait(path);
                other
            }
        }
    }
}
