//! The activities: what one leaf does, from its plan to its recorded end.
//!
//! An activity substitutes names, asks the [`Backend`] to act and record, notes the record in the
//! loaded instance, and answers the walk with a [`LeafReply`]. It never returns an engine error: a
//! workflow's failure is the node's own.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use df_graph::{Condition, Kind};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::backend::{
    Backend, Effect, Entry, Failure, HttpLeaf, LeafEnd, Limits, Recorded, Refused, SqlLeaf,
};
use crate::bindings::{Bound, NoResults};
use crate::loaded::{Loaded, PendingWait, Plan, Run};
use crate::outcome::{End, LeafReply, ResultRef};
use crate::request::{self, RequestError};
use crate::walk;

/// The longest wait that the database's clock arithmetic takes, in seconds: some three centuries.
pub(crate) const MAX_WAIT_SECONDS: f64 = 1e10;

/// The SQLSTATE of what is larger than it may be: `program_limit_exceeded`.
const TOO_LARGE: &str = "54000";

/// One activity call.
pub struct Activity<'a> {
    pub backend: &'a dyn Backend,
    pub loaded: &'a Arc<Loaded>,
    /// The orchestration that scheduled it.
    pub orchestration: &'a str,
    pub run_path: &'a str,
    pub plan: &'a Plan,
    pub cancel: &'a CancellationToken,
}

impl Activity<'_> {
    /// Runs the leaf of the plan.
    pub async fn leaf(&self) -> LeafReply {
        if let Some(reply) = self.already() {
            return reply;
        }
        let node = &self.loaded.graph.nodes[self.plan.node];
        let limit = node.timeout_seconds.map(Duration::from_secs_f64);
        match &node.kind {
            Kind::Sql { query } => self.sql(query, limit).await,
            Kind::Sleep { seconds } => {
                let result = df_graph::sleep_result(*seconds).to_string();
                self.wait(None, Some(*seconds), None, result).await
            }
            Kind::WaitSchedule { cron } => self.schedule(cron).await,
            Kind::Signal {
                name,
                timeout_seconds,
            } => {
                let result = df_graph::signal_timeout_result(name).to_string();
                self.wait(Some(name), *timeout_seconds, None, result).await
            }
            Kind::Break { value } => self.break_value(value.as_deref()).await,
            Kind::If {
                condition: Condition::HasRows { result_name },
                ..
            } => self.has_rows(result_name).await,
            Kind::Http(config) => {
                let texts = request::texts_of(config);
                self.http(&texts, limit, |bound, limits| {
                    request::build(config, bound, limits)
                })
                .await
            }
            Kind::HttpMultipart(config) => {
                let texts = request::texts_of_multipart(config);
                self.http(&texts, limit, |bound, limits| {
                    request::build_multipart(config, bound, limits)
                })
                .await
            }
            _ => LeafReply::Stopped,
        }
    }

    /// Applies what the planned end of a construct implies.
    pub async fn settle(&self) -> LeafReply {
        let effect = self
            .plan
            .scope
            .on_done
            .as_deref()
            .cloned()
            .unwrap_or_default();
        let mut entry = self.entry("settle", &effect);
        match &self.plan.end {
            Some(End::Done(result) | End::Break(result)) => {
                entry.ends = effect.ends.then_some("completed");
                if effect.ends {
                    match self.result_text(result).await {
                        Ok(text) => entry.result = raw(text),
                        Err(why) => return self.settle_without_result(why).await,
                    }
                }
            }
            Some(End::Failed(failure)) => {
                entry.ends = effect.ends.then_some("failed");
                entry.error = Some(failure.message.clone());
                entry.sqlstate = failure.sqlstate.clone();
                entry.path = failure.path.clone();
            }
            _ => return LeafReply::Stopped,
        }
        match self.record(entry).await {
            Ok(_) => LeafReply::Completed { truth: None },
            Err(reply) => reply,
        }
    }

    /// What a construct answers whose result is too large to be the instance's: a JOIN has failed, and so has a LOOP,
    /// at whose run path its checkpoint stands.
    async fn settle_without_result(&self, why: NoResults) -> LeafReply {
        let kind = &self.loaded.graph.nodes[self.plan.node].kind;
        if why == NoResults::Cancelled || matches!(kind, Kind::Join { .. }) {
            return self.without_results(why).await;
        }
        let effect = self.plan.scope.on_failed.as_deref();
        let effect = effect.cloned().unwrap_or_default();
        let failure = Failure {
            message: why.to_string(),
            sqlstate: Some(TOO_LARGE.to_owned()),
            path: self.run_path.to_owned(),
        };
        let entry = Entry {
            ends: effect.ends.then_some("failed"),
            error: Some(failure.message.clone()),
            sqlstate: failure.sqlstate.clone(),
            ..self.entry("settle", &effect)
        };
        match self.record(entry).await {
            Ok(_) => LeafReply::Failed(failure),
            Err(reply) => reply,
        }
    }

    /// What this very process has recorded since the walk's snapshot was frozen.
    fn already(&self) -> Option<LeafReply> {
        match self.loaded.recorded(self.run_path)? {
            Run::Failed(failure) => Some(LeafReply::Failed(failure)),
            _ => None,
        }
    }

    /// Waits for the next match after what the database's clock says now.
    async fn schedule(&self, cron: &str) -> LeafReply {
        let Some(millis) = self.backend.clock(self.cancel).await else {
            return LeafReply::Stopped;
        };
        let now = DateTime::from_timestamp_millis(millis).unwrap_or_default();
        match df_graph::next_match(cron, now) {
            Ok(at) => {
                let due = at.map(|at| at.to_rfc3339());
                self.wait(None, None, due, df_graph::schedule_result().to_string())
                    .await
            }
            Err(error) => self.failed(error.to_string(), Some("22023")).await,
        }
    }

    async fn sql(&self, query: &str, timeout: Option<Duration>) -> LeafReply {
        let bound = match self.bound(&[query]).await {
            Ok(bound) => bound,
            Err(reply) => return reply,
        };
        let sql = match df_graph::substitute_sql(query, &bound) {
            Ok(sql) => sql,
            Err(error) => return self.failed(error.to_string(), Some("22023")).await,
        };
        // The step may wait for its turn.
        drop(bound);
        let outside = df_graph::transaction_class(&sql) == df_graph::Class::OutsideTransaction;
        if outside || self.loaded.assignment.database.is_some() {
            return self
                .at_least_once(|attempt| {
                    self.backend.run_outside(
                        &self.loaded.assignment,
                        &sql,
                        outside,
                        timeout,
                        attempt,
                        self.cancel,
                    )
                })
                .await;
        }
        let attempt = match self.next_attempt().await {
            Ok(attempt) => attempt,
            Err(reply) => return reply,
        };
        let mut fence = self.plan.scope.fence();
        if attempt > 1 {
            // The first attempt's record has carried them.
            fence.checkpoints.clear();
        }
        let leaf = SqlLeaf {
            run_path: self.run_path,
            sql: &sql,
            attempt,
            fence: &fence,
            timeout,
            again: self.again(attempt),
        };
        match self
            .backend
            .run_sql(&self.loaded.assignment, leaf, self.cancel)
            .await
        {
            LeafEnd::Completed(result) => self.completed(&result),
            LeafEnd::Failed(failure) => self.noted_failure(Failure {
                path: self.run_path.to_owned(),
                ..failure
            }),
            LeafEnd::Unrecorded(failure) => self.pause(attempt, failure).await,
            LeafEnd::AlreadyRecorded => self.adopt().await,
            LeafEnd::Refused(refused) => refusal(refused),
        }
    }

    /// The run path was recorded by an attempt whose answer was lost: take what it recorded.
    async fn adopt(&self) -> LeafReply {
        match self.record(self.entry("look", &Effect::default())).await {
            Ok(recorded) => self.take(recorded),
            Err(reply) => reply,
        }
    }

    /// Takes what the database says is recorded at this run path.
    pub(crate) fn take(&self, recorded: Recorded) -> LeafReply {
        match recorded.status.as_deref() {
            Some("completed") => self.completed(recorded.result.as_deref().unwrap_or("null")),
            Some("failed") => self.noted_failure(Failure {
                message: recorded.error.unwrap_or_default(),
                sqlstate: recorded.sqlstate,
                path: self.run_path.to_owned(),
            }),
            Some("decided") => LeafReply::Completed {
                truth: recorded.turn.map(|turn| turn != 0),
            },
            _ => LeafReply::Stopped,
        }
    }

    async fn wait(
        &self,
        signal: Option<&str>,
        seconds: Option<f64>,
        due: Option<String>,
        result: String,
    ) -> LeafReply {
        let effect = self
            .plan
            .scope
            .on_done
            .as_deref()
            .cloned()
            .unwrap_or_default();
        let entry = Entry {
            ends: effect.ends.then_some("completed"),
            signal: signal.map(str::to_owned),
            seconds: seconds.map(|seconds| seconds.clamp(0.0, MAX_WAIT_SECONDS)),
            due,
            result: raw(result),
            ..self.entry("wait", &effect)
        };
        // Registered before it is asked, so that a nudge that overtakes the answer finds it.
        let pending = PendingWait {
            orchestration: self.orchestration.to_owned(),
            due: None,
        };
        self.loaded.begin_wait(self.run_path, pending.clone());
        match self.record(entry).await {
            Ok(recorded) if recorded.outcome == "waiting" => {
                let left = recorded
                    .remaining_seconds
                    .map(|left| left.clamp(0.0, MAX_WAIT_SECONDS));
                let due = left.and_then(|left| {
                    tokio::time::Instant::now().checked_add(Duration::from_secs_f64(left))
                });
                self.note_checkpoints();
                self.loaded.record(self.run_path, Run::Begun { attempt: 1 });
                self.loaded.time_wait(self.run_path, due);
                LeafReply::Waiting
            }
            Ok(recorded) => {
                self.loaded.take_wait(self.run_path);
                self.take(recorded)
            }
            Err(reply) => {
                self.loaded.take_wait(self.run_path);
                reply
            }
        }
    }

    async fn break_value(&self, value: Option<&str>) -> LeafReply {
        if !self.plan.scope.in_loop {
            let failure = walk::break_outside_loop(self.run_path);
            return self
                .failed(failure.message, failure.sqlstate.as_deref())
                .await;
        }
        let Some(limits) = self.backend.limits(self.cancel).await else {
            return LeafReply::Stopped;
        };
        let text = value.unwrap_or_default();
        let bound = match self.bound(&[text]).await {
            Ok(bound) => bound,
            Err(reply) => return reply,
        };
        let value = match value
            .map(|text| df_graph::substitute_json_text(text, &bound))
            .transpose()
        {
            Ok(value) => value,
            Err(error) => return self.failed(error.to_string(), Some("22023")).await,
        };
        drop(bound);
        // The text first: what is made of it takes many times its size.
        let result = within(value.unwrap_or_else(|| "null".to_owned()), &limits)
            .map(|text| df_graph::break_value(Some(&text)).to_string())
            .and_then(|result| within(result, &limits));
        match result {
            Ok(result) => self.record_completed(result, None, 1).await,
            Err(too_large) => self.record_failed(too_large, 1).await,
        }
    }

    async fn has_rows(&self, name: &str) -> LeafReply {
        let Some(result) = self.plan.names.get(name) else {
            let message = format!("no result is named {name} where the IF asks for its rows");
            return self.failed(message, Some("22023")).await;
        };
        let text = match self.result_text(result).await {
            Ok(text) => text,
            Err(why) => return self.without_results(why).await,
        };
        let has_rows = match df_graph::read_result(&text) {
            Ok(value) => df_graph::has_rows(&value),
            Err(why) => {
                let message = format!("the result {name} cannot be read: {why}");
                return self.failed(message, Some("22023")).await;
            }
        };
        self.record_completed("null".to_owned(), Some(i32::from(has_rows)), 1)
            .await
    }

    async fn http(
        &self,
        texts: &[&str],
        limit: Option<Duration>,
        build: impl FnOnce(&Bound, &Limits) -> Result<HttpLeaf, RequestError>,
    ) -> LeafReply {
        let Some(limits) = self.backend.limits(self.cancel).await else {
            return LeafReply::Stopped;
        };
        let built = match self.bound(texts).await {
            Ok(bound) => build(&bound, &limits),
            Err(reply) => return reply,
        };
        let mut request = match built {
            Ok(request) => request,
            Err(error) => {
                return self.failed(error.to_string(), Some(error.sqlstate())).await;
            }
        };
        request.timeout = limit.map_or(request.timeout, |limit| limit.min(request.timeout));
        self.at_least_once(|_| async {
            let on = &self.loaded.assignment;
            let answer = self
                .backend
                .send_http(on, self.run_path, request, self.cancel);
            within(answer.await?, &limits)
        })
        .await
    }

    /// What cannot share a transaction with its record: an intent row first, then the act, then its
    /// fenced result. A crash in between acts again, under the same run path.
    async fn at_least_once<F>(&self, act: impl FnOnce(i32) -> F) -> LeafReply
    where
        F: Future<Output = Result<String, Failure>>,
    {
        let attempt = match self.next_attempt().await {
            Ok(attempt) => attempt,
            Err(reply) => return reply,
        };
        let intent = Entry {
            status: Some("intent"),
            attempt: Some(attempt),
            ..self.entry("run", &Effect::default())
        };
        match self.record(intent).await {
            Ok(recorded) if recorded.outcome == "exists" => return self.take(recorded),
            Ok(_) => {}
            Err(reply) => return reply,
        }
        let acted = act(attempt).await;
        if self.cancel.is_cancelled() {
            return LeafReply::Stopped;
        }
        match acted {
            Ok(result) => self.record_completed(result, None, attempt).await,
            Err(failure) if self.retries(attempt, &failure) => self.pause(attempt, failure).await,
            Err(failure) => self.record_failed(failure, attempt).await,
        }
    }

    async fn record_completed(&self, result: String, turn: Option<i32>, attempt: i32) -> LeafReply {
        let effect = self
            .plan
            .scope
            .on_done
            .as_deref()
            .cloned()
            .unwrap_or_default();
        let entry = Entry {
            status: Some(if turn.is_some() {
                "decided"
            } else {
                "completed"
            }),
            result: raw(result.clone()).filter(|_| turn.is_none()),
            turn,
            attempt: Some(attempt),
            ends: effect.ends.then_some("completed"),
            checkpoints: self.checkpoints(attempt),
            ..self.entry("run", &effect)
        };
        match self.record(entry).await {
            Ok(recorded) if recorded.outcome == "exists" => self.take(recorded),
            Ok(_) => match turn {
                Some(turn) => {
                    self.note_checkpoints();
                    self.loaded.record(self.run_path, Run::Decided(turn));
                    LeafReply::Completed {
                        truth: Some(turn != 0),
                    }
                }
                None => self.completed(&result),
            },
            Err(reply) => reply,
        }
    }

    /// Records that the leaf failed before or without a statement of the user's.
    async fn failed(&self, message: String, sqlstate: Option<&str>) -> LeafReply {
        let failure = Failure {
            message,
            sqlstate: sqlstate.map(str::to_owned),
            path: String::new(),
        };
        self.record_failed(failure, self.attempt_now()).await
    }

    async fn record_failed(&self, failure: Failure, attempt: i32) -> LeafReply {
        let effect = self
            .plan
            .scope
            .on_failed
            .as_deref()
            .cloned()
            .unwrap_or_default();
        let failure = Failure {
            path: self.run_path.to_owned(),
            ..failure
        };
        let entry = Entry {
            status: Some("failed"),
            error: Some(failure.message.clone()),
            sqlstate: failure.sqlstate.clone(),
            attempt: Some(attempt),
            ends: effect.ends.then_some("failed"),
            checkpoints: self.checkpoints(attempt),
            ..self.entry("run", &effect)
        };
        match self.record(entry).await {
            Ok(recorded) if recorded.outcome == "exists" => self.take(recorded),
            Ok(_) => self.noted_failure(failure),
            Err(reply) => reply,
        }
    }

    fn completed(&self, result: &str) -> LeafReply {
        let truth = self
            .run_path
            .contains("condition_node")
            .then(|| df_graph::truth(result));
        self.note_checkpoints();
        self.loaded.keep_result(self.run_path, result);
        self.loaded.record(self.run_path, Run::Completed { truth });
        LeafReply::Completed { truth }
    }

    fn noted_failure(&self, failure: Failure) -> LeafReply {
        self.note_checkpoints();
        self.loaded
            .record(self.run_path, Run::Failed(failure.clone()));
        LeafReply::Failed(failure)
    }

    pub(crate) fn note_checkpoints(&self) {
        for checkpoint in self.plan.scope.checkpoints.iter() {
            let names = serde_json::from_value(checkpoint.names.clone()).unwrap_or_default();
            self.loaded
                .pass_checkpoint(&checkpoint.path, checkpoint.turn, names, &checkpoint.keep);
        }
    }

    /// The checkpoints that the record of this attempt carries: those of a later one went with the
    /// first.
    pub(crate) fn checkpoints(&self, attempt: i32) -> Option<Vec<crate::backend::Checkpoint>> {
        let checkpoints = &self.plan.scope.checkpoints;
        (attempt == 1 && !checkpoints.is_empty()).then(|| (**checkpoints).clone())
    }

    pub(crate) fn entry(&self, op: &'static str, effect: &Effect) -> Entry {
        let within = &self.plan.scope.within;
        Entry {
            op,
            incarnation: self.loaded.assignment.incarnation,
            instance: self.loaded.assignment.instance.clone(),
            epoch: self.loaded.assignment.epoch,
            path: self.run_path.to_owned(),
            within: within.iter().map(|(path, _)| path.clone()).collect(),
            turns: within.iter().map(|(_, turn)| *turn).collect(),
            decides: effect.decides.clone(),
            checkpoints: if op == "wait" {
                self.checkpoints(1)
            } else {
                None
            },
            ..Entry::default()
        }
    }

    /// Records an entry once the claim has committed: until then its instance reads as busy. (A step's own record
    /// waits for the instance's row.)
    pub(crate) async fn record(&self, entry: Entry) -> Result<Recorded, LeafReply> {
        let mut committed = self.loaded.assignment.committed.clone();
        let owned = committed.wait_for(|committed| *committed);
        if !matches!(self.cancel.run_until_cancelled(owned).await, Some(Ok(_))) {
            return Err(LeafReply::Stopped);
        }
        match self.backend.record(entry, self.cancel).await {
            None => Err(LeafReply::Stopped),
            Some(recorded) => match recorded.refused() {
                Some(refused) => Err(refusal(refused)),
                None => Ok(recorded),
            },
        }
    }

    /// The bindings that these texts need, their results loaded; or what to answer without them.
    async fn bound(&self, texts: &[&str]) -> Result<Bound, LeafReply> {
        let names = &self.plan.names;
        match Bound::load(self.backend, self.loaded, names, texts, self.cancel).await {
            Ok(bound) => Ok(bound),
            Err(why) => Err(self.without_results(why).await),
        }
    }

    async fn result_text(&self, result: &ResultRef) -> Result<String, NoResults> {
        Bound::text(self.backend, self.loaded, result, self.cancel).await
    }

    /// What a leaf answers that does not get its results.
    async fn without_results(&self, why: NoResults) -> LeafReply {
        match why {
            NoResults::Cancelled => LeafReply::Stopped,
            too_large => self.failed(too_large.to_string(), Some(TOO_LARGE)).await,
        }
    }
}

fn refusal(refused: Refused) -> LeafReply {
    match refused {
        Refused::Stopped => LeafReply::Stopped,
        Refused::DecidedAgainst => LeafReply::Lost,
        Refused::Paused => LeafReply::Paused,
    }
}

/// The result, unless it is larger than one may be. In JSON a body may be six times as long as it came.
fn within(result: String, limits: &Limits) -> Result<String, Failure> {
    let limit_bytes = limits.result_bytes;
    if result.len() <= limit_bytes {
        return Ok(result);
    }
    Err(Failure {
        message: NoResults::TooLarge { limit_bytes }.to_string(),
        sqlstate: Some(TOO_LARGE.to_owned()),
        path: String::new(),
    })
}

fn raw(text: String) -> Option<Box<RawValue>> {
    RawValue::from_string(text).ok()
}
