//! What the engine asks of the outside: run a statement, send a request, record, read a result.
//!
//! The engine decides; a [`Backend`] acts. A backend waits out outages by itself and answers only
//! with what is final for this owner and epoch. It knows nothing of graphs or orchestrations.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// One instance as its owner holds it: who it runs as, and what it was started with.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Eight characters, from `df.instances.id`.
    pub instance: String,
    pub epoch: i64,
    /// The owning relay's incarnation.
    pub incarnation: Uuid,
    /// OID of the submitting role.
    pub role: u32,
    /// Another database of the cluster that SQL steps run in.
    pub database: Option<String>,
    pub label: Option<String>,
    /// Variables captured at `df.start`.
    pub vars: BTreeMap<String, String>,
    /// True once the claim has committed; gone where it did not.
    pub committed: watch::Receiver<bool>,
}

/// What the end of a run implies besides itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Run paths of the races that are won by the branch the run stands in.
    pub decides: Vec<String>,
    /// Whether the instance ends with it.
    pub ends: bool,
}

/// A loop's progress, to travel with the next record.
#[derive(Debug, Clone, Serialize)]
pub struct Checkpoint {
    /// Run path of the LOOP.
    pub path: String,
    /// Iteration to resume at.
    pub turn: i32,
    /// Names bound inside the loop so far.
    pub names: serde_json::Value,
    /// Run paths that those names point at, which pruning keeps.
    pub keep: Vec<String>,
}

/// Where a run stands, and what its end implies: the fence compares all of it with `df.*`.
#[derive(Debug, Clone, Default)]
pub struct Fence {
    /// Enclosing races with the run's own branch, and loops with the run's own iteration.
    pub within: Vec<(String, i32)>,
    pub on_completed: Effect,
    pub on_failed: Effect,
    pub checkpoints: Vec<Checkpoint>,
}

/// Why a node failed: what the user reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
    /// Run path of the node that failed.
    #[serde(default)]
    pub path: String,
}

/// Why a run may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Another relay or epoch owns the instance, or it has ended: stop walking it.
    Stopped,
    /// Another branch won, or the loop has passed the iteration.
    DecidedAgainst,
    /// The instance was paused before the run began: it may begin at the resume.
    Paused,
}

/// How a leaf ended.
#[derive(Debug, Clone)]
pub enum LeafEnd {
    /// Recorded; the result as JSON text.
    Completed(String),
    /// Recorded as failed.
    Failed(Failure),
    /// The run path was recorded before; the caller loads what it says.
    AlreadyRecorded,
    Refused(Refused),
    /// It failed and was not recorded, as asked: a retry will be made.
    Unrecorded(Failure),
}

/// One SQL leaf, its text already substituted.
pub struct SqlLeaf<'a> {
    pub run_path: &'a str,
    pub sql: &'a str,
    pub attempt: i32,
    pub fence: &'a Fence,
    /// How long the statement may run.
    pub timeout: Option<Duration>,
    /// The failures that another attempt follows, so that they are not recorded as the node's.
    pub again: Again<'a>,
}

/// Which failures of an attempt are followed by another one.
#[derive(Debug, Clone, Copy)]
pub enum Again<'a> {
    Never,
    Any,
    Sqlstates(&'a [String]),
}

/// One HTTP leaf, everything already substituted. Part data is decoded.
#[derive(Debug, Clone)]
pub struct HttpLeaf {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: HttpBody,
    pub timeout: Duration,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub enum HttpBody {
    None,
    Text(String),
    Multipart(Vec<HttpPart>),
}

/// One part of a multipart body.
#[derive(Debug, Clone)]
pub struct HttpPart {
    pub name: String,
    pub data: Vec<u8>,
    pub filename: Option<String>,
    pub content_type: Option<String>,
}

/// One entry of a batch that is recorded outside any step; see `df.relay_record`.
#[derive(Debug, Default, Serialize)]
pub struct Entry {
    pub op: &'static str,
    pub incarnation: Uuid,
    pub instance: String,
    pub epoch: i64,
    pub path: String,
    pub within: Vec<String>,
    pub turns: Vec<i32>,
    pub decides: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<Vec<Checkpoint>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Seconds from now until the wait is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// RFC 3339 instant at which the wait is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
}

/// What `df.relay_record` answered to one entry.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// `ok`, `exists`, `waiting`, or the SQLSTATE of the refusal.
    pub outcome: String,
    pub status: Option<String>,
    pub turn: Option<i32>,
    pub remaining_seconds: Option<f64>,
    pub result: Option<String>,
    pub error: Option<String>,
    pub sqlstate: Option<String>,
}

impl Recorded {
    /// The refusal this answer is, if it is one.
    pub fn refused(&self) -> Option<Refused> {
        match self.outcome.as_str() {
            "ok" | "exists" | "waiting" => None,
            "DF003" => Some(Refused::DecidedAgainst),
            "DF007" => Some(Refused::Paused),
            _ => Some(Refused::Stopped),
        }
    }
}

/// How large what a leaf is given may become.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// `max_result_bytes`: of a JOIN's array, and of several results that one node refers to.
    pub result_bytes: usize,
    /// `http_max_request_bytes`.
    pub request_body_bytes: usize,
    /// Of a request's URL and headers together.
    pub request_head_bytes: usize,
}

/// The outside, as the engine sees it. Every method waits until it has a final answer; a cancelled
/// token makes it answer [`Refused::Stopped`] (or nothing, for reads) soon.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Runs a statement and records it in the same transaction.
    async fn run_sql(
        &self,
        on: &Assignment,
        leaf: SqlLeaf<'_>,
        cancel: &CancellationToken,
    ) -> LeafEnd;

    /// Runs a statement that cannot share a transaction with its record, or that runs in another
    /// database: at least once. `alone` says that Postgres refuses it in a transaction block. Records
    /// nothing; an error is a failed attempt.
    async fn run_outside(
        &self,
        on: &Assignment,
        sql: &str,
        alone: bool,
        timeout: Option<Duration>,
        attempt: i32,
        cancel: &CancellationToken,
    ) -> Result<String, Failure>;

    /// Sends a request: at least once. Records nothing; an error is a failed attempt.
    async fn send_http(
        &self,
        on: &Assignment,
        run_path: &str,
        request: HttpLeaf,
        cancel: &CancellationToken,
    ) -> Result<String, Failure>;

    /// Records one entry, in a batch with others. `None` once cancelled.
    async fn record(&self, entry: Entry, cancel: &CancellationToken) -> Option<Recorded>;

    /// The database's clock, in milliseconds since 1970: the one that decides when a wait is due. `None`
    /// once cancelled.
    async fn clock(&self, cancel: &CancellationToken) -> Option<i64>;

    /// The operator's limits as they held a moment ago. `None` once cancelled.
    async fn limits(&self, cancel: &CancellationToken) -> Option<Limits>;

    /// Results of recorded runs as JSON text, in any order; absent ones are left out, and so is what
    /// comes after the one with which they are larger than `enough_bytes`. `None` once cancelled.
    async fn results(
        &self,
        instance: &str,
        paths: &[String],
        enough_bytes: Option<usize>,
        cancel: &CancellationToken,
    ) -> Option<Vec<(String, String)>>;
}
