//! The engine: instances go in with what is recorded of them, and events come out.
//!
//! It hosts one orchestration per instance, `<instance>@<epoch>`, on the in-process provider, and
//! keeps nothing that `df.*` does not. It knows no outbox, no lease and no SQL.

mod registered;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use df_graph::Graph;
use duroxide::Client;
use duroxide::runtime::Runtime;
use foldhash::HashMap;
use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backend::{Assignment, Backend};
use crate::loaded::{Loaded, Runs};
use crate::observe::Observer;
use crate::outcome::Told;
use crate::provider::{Class, MemoryProvider, runtime_options};
use crate::walk;
use registered::{activities, orchestrations};
use watch::{watch_children, watch_quiet, watch_terminal};

/// How the engine is sized.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Threads that walk graphs at a time.
    pub walkers: usize,
    /// Leaves that run at a time; a parked slot costs nothing.
    pub concurrent_leaves: usize,
    /// How long an instance that only waits stays in memory, in case its wait is short.
    pub linger: Duration,
    /// Told of every attempt at a step.
    pub observer: Option<Arc<dyn Observer>>,
}

/// How many roles may have all the leaves running that one role may have.
const ROLES_AT_FULL_SHARE: usize = 4;

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            walkers: 2,
            concurrent_leaves: 256,
            linger: Duration::from_secs(1),
            observer: None,
        }
    }
}

/// What the engine tells its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The walk is over: the instance has ended, or may no longer be walked here.
    Ended {
        instance: String,
        epoch: i64,
        stopped: bool,
    },
    /// The instance only waits and has left memory; these waits are pending.
    Idle {
        instance: String,
        epoch: i64,
        waits: Vec<String>,
    },
    /// The engine lost its way (not the workflow's failure): rebuild the instance from what is
    /// recorded.
    Broken {
        instance: String,
        epoch: i64,
        why: String,
    },
}

/// Why the engine refused a call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the engine did not start: {0}")]
    Start(String),
    #[error("the engine refused {instance}: {why}")]
    Refused { instance: String, why: String },
}

impl Error {
    /// An engine that refuses is rebuilt, never asked again.
    pub fn is_retryable(&self) -> bool {
        false
    }
}

struct Shared {
    backend: Arc<dyn Backend>,
    provider: Arc<MemoryProvider>,
    client: Client,
    loaded: Mutex<HashMap<String, Arc<Loaded>>>,
    events: UnboundedSender<Event>,
    linger: Duration,
    observer: Option<Arc<dyn Observer>>,
    timers: TaskTracker,
    closed: CancellationToken,
}

/// A running engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    runtime: Arc<Runtime>,
}

impl Engine {
    /// Starts an engine; its events come out of the receiver until it is shut down.
    pub async fn start(
        config: EngineConfig,
        backend: Arc<dyn Backend>,
    ) -> Result<(Engine, UnboundedReceiver<Event>), Error> {
        let provider = Arc::new(MemoryProvider::new());
        let (events, out) = unbounded_channel();
        let (quiet, quiets) = unbounded_channel();
        let (terminal, terminals) = unbounded_channel();
        provider.on_quiet(quiet);
        provider.on_terminal(terminal);
        let (child_ended, ended_children) = unbounded_channel();
        provider.on_child_ended(child_ended);
        let shared = Arc::new(Shared {
            backend,
            client: Client::new(provider.clone()),
            provider: provider.clone(),
            loaded: Mutex::default(),
            events,
            linger: config.linger,
            observer: config.observer,
            timers: TaskTracker::new(),
            closed: CancellationToken::new(),
        });
        let by_role = Arc::downgrade(&shared);
        let class_of = move |orchestration: &str, activity: &str, run_path: &str| {
            let loaded = by_role
                .upgrade()
                .and_then(|shared| shared.get(root_of(orchestration)));
            loaded.map_or(Class::default(), |loaded| Class {
                lane: loaded.assignment.role,
                slow: activity == walk::LEAF && loaded.plans_request(orchestration, run_path),
            })
        };
        provider.hold_back(Told::may_wait);
        provider.end_with(Told::is_end);
        provider.divide(
            Box::new(class_of),
            config.concurrent_leaves / ROLES_AT_FULL_SHARE,
        );
        let runtime = Runtime::start_with_options(
            provider,
            activities(&shared),
            orchestrations(&shared),
            runtime_options(config.walkers, config.concurrent_leaves),
        )
        .await;
        tokio::spawn(watch_quiet(shared.clone(), quiets));
        tokio::spawn(watch_terminal(shared.clone(), terminals));
        tokio::spawn(watch_children(shared.clone(), ended_children));
        Ok((Engine { shared, runtime }, out))
    }

    /// Loads an instance with what is recorded of it, and walks it from there. Loading one that is
    /// loaded already under the same epoch changes nothing.
    pub async fn load(
        &self,
        assignment: Assignment,
        graph: Arc<Graph>,
        runs: Runs,
    ) -> Result<(), Error> {
        let root = root_id(&assignment.instance, assignment.epoch);
        let instance = assignment.instance.clone();
        let cancel = self.shared.closed.child_token();
        let loaded = Arc::new(Loaded::new(assignment, graph, runs, cancel));
        {
            let mut all = self.shared.loaded.lock();
            if all.contains_key(&root) {
                return Ok(());
            }
            all.insert(root.clone(), loaded);
        }
        let started = self
            .shared
            .client
            .start_orchestration(&root, WORKFLOW, "")
            .await;
        started.map_err(|error| {
            self.shared.loaded.lock().remove(&root);
            Error::Refused {
                instance,
                why: error.to_string(),
            }
        })
    }

    /// Nudges waits of an instance that may be over. Harmless twice, late or early.
    pub async fn nudge(&self, instance: &str, epoch: i64, run_paths: &[String]) {
        if let Some(loaded) = self.shared.get(&root_id(instance, epoch)) {
            for path in run_paths {
                self.shared.nudge(&loaded, path).await;
            }
        }
    }

    /// Drops an instance at once, ending its statements in flight: it was cancelled or taken over.
    pub async fn stop(&self, instance: &str, epoch: i64) {
        let root = root_id(instance, epoch);
        if let Some(loaded) = self.shared.get(&root) {
            self.shared.unload(&root, &loaded).await;
        }
    }

    /// Starts nothing more of an instance. What is in flight ends and is recorded; then the instance
    /// leaves memory as one that only waits.
    pub async fn pause(&self, instance: &str, epoch: i64) {
        let root = root_id(instance, epoch);
        if let Some(loaded) = self.shared.get(&root) {
            loaded.gate.close();
            self.shared.set_aside(&root, &loaded).await;
        }
    }

    /// Goes on with a paused instance whose steps in flight have not ended yet.
    pub fn resume(&self, instance: &str, epoch: i64) {
        if let Some(loaded) = self.shared.get(&root_id(instance, epoch)) {
            loaded.gate.open();
        }
    }

    /// Whether an instance is in memory under this epoch.
    pub fn holds(&self, instance: &str, epoch: i64) -> bool {
        self.shared
            .loaded
            .lock()
            .contains_key(&root_id(instance, epoch))
    }

    /// How many instances are in memory.
    pub fn loaded_count(&self) -> usize {
        self.shared.loaded.lock().len()
    }

    /// The instances in memory, with their epochs.
    pub fn loaded(&self) -> Vec<(String, i64)> {
        let all = self.shared.loaded.lock();
        all.values()
            .map(|l| (l.assignment.instance.clone(), l.assignment.epoch))
            .collect()
    }

    /// Drops every instance, as losing the engine would.
    pub async fn stop_all(&self) {
        let all: Vec<_> = self.shared.loaded.lock().drain().collect();
        for (root, loaded) in all {
            self.shared.unload(&root, &loaded).await;
        }
    }

    /// Stops starting leaves, waits up to `grace` for those in flight, and ends.
    pub async fn shutdown(self, grace: Duration) {
        let millis = grace.as_millis().min(u128::from(u64::MAX)) as u64;
        self.runtime.clone().shutdown(Some(millis)).await;
        self.shared.closed.cancel();
        self.shared.timers.close();
        self.shared.timers.wait().await;
    }
}

const WORKFLOW: &str = "workflow";

fn root_id(instance: &str, epoch: i64) -> String {
    format!("{instance}@{epoch}")
}

fn root_of(orchestration: &str) -> &str {
    orchestration.split('/').next().unwrap_or(orchestration)
}

impl Shared {
    fn get(&self, root: &str) -> Option<Arc<Loaded>> {
        self.loaded.lock().get(root).cloned()
    }

    async fn nudge(&self, loaded: &Loaded, path: &str) {
        let unloaded = loaded.unloaded.read().await;
        if *unloaded {
            return;
        }
        if let Some(wait) = loaded.take_wait(path) {
            let queue = walk::wake_queue(path);
            if let Err(error) = self
                .client
                .enqueue_event(&wait.orchestration, &queue, "")
                .await
            {
                tracing::warn!(instance = %loaded.assignment.instance, %error, "nudge was refused");
            }
        }
    }

    async fn unload(&self, root: &str, loaded: &Loaded) {
        loaded.cancel.cancel();
        let mut unloaded = loaded.unloaded.write().await;
        *unloaded = true;
        self.provider.remove_tree(root);
        self.loaded.lock().remove(root);
    }

    /// Unloads a paused instance once nothing of it is in flight.
    async fn set_aside(&self, root: &str, loaded: &Loaded) {
        if !loaded.gate.is_at_rest() {
            return;
        }
        {
            let mut unloaded = loaded.unloaded.write().await;
            if *unloaded || !loaded.gate.is_at_rest() {
                return;
            }
            *unloaded = true;
            self.provider.remove_tree(root);
            self.loaded.lock().remove(root);
        }
        loaded.cancel.cancel();
        let Assignment {
            instance, epoch, ..
        } = loaded.assignment.clone();
        // A wait that is not there: the instance is claimed as soon as it may be.
        let waits = vec!["paused".to_owned()];
        self.send(Event::Idle {
            instance,
            epoch,
            waits,
        });
    }

    fn send(&self, event: Event) {
        // The receiver is gone only while shutting down.
        let _ = self.events.send(event);
    }

    /// Nudges a wait when the clock says so, for as long as its instance is in memory.
    fn time(self: &Arc<Self>, loaded: &Arc<Loaded>, path: &str) {
        let Some(due) = loaded.wait_due(path) else {
            return;
        };
        let (shared, loaded, path) = (self.clone(), loaded.clone(), path.to_owned());
        self.timers.spawn(async move {
            tokio::select! {
                _ = tokio::time::sleep_until(due) => shared.nudge(&loaded, &path).await,
                _ = loaded.cancel.cancelled() => {}
            }
        });
    }
}
