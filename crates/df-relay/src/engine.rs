//! What a relay asks of an engine, and what it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use df_graph::Graph;
use tokio::sync::watch;
use uuid::Uuid;

/// An instance that this relay has just come to own, or will once the claim has committed: the fence waits for that.
#[derive(Debug, Clone)]
pub struct Claim {
    pub instance: String,
    pub epoch: i64,
    pub incarnation: Uuid,
    /// OID of the submitting role.
    pub role: u32,
    pub database: Option<String>,
    pub label: Option<String>,
    pub vars: BTreeMap<String, String>,
    pub graph: Arc<Graph>,
    /// True once the claim has committed; gone where it did not.
    pub committed: watch::Receiver<bool>,
}

/// One row of what is recorded of an instance; see `df.relay_recorded`.
#[derive(Debug, Clone)]
pub struct RecordedRun {
    pub run_path: String,
    pub status: String,
    pub turn: Option<i32>,
    pub attempt: i32,
    pub truth: Option<bool>,
    pub error: Option<String>,
    pub sqlstate: Option<String>,
    /// A checkpoint's names, as JSON.
    pub detail: Option<String>,
}

/// What the engine tells the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The walk is over; `stopped` when it was refused rather than ended: the instance is somebody
    /// else's, or has ended, or is to be rebuilt.
    Ended {
        instance: String,
        epoch: i64,
        stopped: bool,
    },
    /// The instance only waits, for these run paths, and has left memory.
    Idle {
        instance: String,
        epoch: i64,
        waits: Vec<String>,
    },
    /// The engine lost its way: rebuild the instance.
    Broken {
        instance: String,
        epoch: i64,
        why: String,
    },
}

/// An engine, as a relay sees it.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Loads an instance with what is recorded of it and walks it from there. An error is the
    /// engine's own, never the workflow's: the instance is to be rebuilt.
    async fn load(&self, claim: Claim, recorded: Vec<RecordedRun>) -> Result<(), String>;
    /// Asks some waits of an instance whether they are over.
    async fn nudge(&self, instance: &str, run_paths: &[String]);
    /// Starts nothing more of an instance; once its steps in flight have ended it reads as idle.
    async fn pause(&self, instance: &str);
    /// Goes on with a paused instance that has not left memory yet.
    async fn resume(&self, instance: &str);
    /// Drops an instance, ending its statements in flight; under one epoch only, if that is given.
    async fn stop(&self, instance: &str, epoch: Option<i64>);
    /// Drops every instance.
    async fn stop_all(&self);
    /// The instances in memory, with their epochs.
    fn loaded(&self) -> Vec<(String, i64)>;
    fn loaded_count(&self) -> usize;
}
