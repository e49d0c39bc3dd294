//! One instance in memory: what is recorded of it, what its walk has planned, what it waits for.
//!
//! Written by the activities (after each record) and by the engine (load, nudge, unload); read by
//! the walk, which sees only frozen snapshots so that a replayed turn decides as the first one did.
//! Everything here can be lost: it is rebuilt from `df.*`.

use std::collections::BTreeMap;
use std::sync::Arc;

use df_graph::{Graph, Kind, NodeId};
use foldhash::HashMap;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::backend::{Assignment, Failure};
use crate::gate::Gate;
use crate::outcome::{Named, Names};
use crate::scope::Scope;
use crate::walk::{LEAF, plan_key};

/// The most bytes of results kept in memory for one instance; beyond it they are read again.
const MAX_CACHED_RESULT_BYTES: usize = 1 << 20;

/// What is recorded at one run path.
#[derive(Debug, Clone, PartialEq)]
pub enum Run {
    Completed {
        truth: Option<bool>,
    },
    Failed(Failure),
    /// A request, or a statement outside a transaction, that has begun.
    Begun {
        attempt: i32,
    },
    /// A wait that has begun; of a step, the pause after this attempt.
    Waiting {
        attempt: i32,
    },
    /// The branch of a RACE that won, or whether an IF on rows found any.
    Decided(i32),
    /// A LOOP resumes at this iteration with these names bound.
    Checkpoint {
        turn: i32,
        names: Named,
    },
}

/// Everything recorded, by run path.
pub type Runs = BTreeMap<String, Run>;

/// What an activity needs to know of the leaf that it runs; too large for the engine's history.
#[derive(Debug, Clone)]
pub struct Plan {
    pub node: NodeId,
    pub scope: Scope,
    pub names: Arc<Names>,
    /// For a settle: how the construct ended.
    pub end: Option<crate::outcome::End>,
}

/// A branch that runs as an orchestration of its own.
#[derive(Debug)]
pub struct BranchPlan {
    /// The branches it walks, with their run paths and surroundings: one, or a slice of a JOIN's.
    pub branches: Vec<(NodeId, String, Scope)>,
    pub names: Arc<Names>,
}

/// A wait that the engine has to be nudged for.
#[derive(Debug, Clone)]
pub struct PendingWait {
    /// The orchestration, root or branch, that waits.
    pub orchestration: String,
    /// When the clock ends it, if it does.
    pub due: Option<tokio::time::Instant>,
}

/// One loaded instance.
#[derive(Debug)]
pub struct Loaded {
    pub assignment: Assignment,
    pub graph: Arc<Graph>,
    /// Whether any node has a name, so that results may be needed again.
    keeps_results: bool,
    /// Whether any node is a request.
    has_requests: bool,
    runs: Mutex<Runs>,
    walks: Mutex<HashMap<String, WalkMemory>>,
    /// Which orchestration planned a branch, by the branch's. Locked inside `walks`, or alone.
    parents: Mutex<HashMap<String, String>>,
    results: Mutex<Results>,
    waits: Mutex<HashMap<String, PendingWait>>,
    /// Whether the instance has left the engine. Held shared while it is nudged, alone to unload it.
    pub unloaded: tokio::sync::RwLock<bool>,
    /// What every activity passes, unless the instance is paused.
    pub gate: Gate,
    /// Cancelled when the instance is stopped or unloaded.
    pub cancel: CancellationToken,
}

/// What one orchestration keeps for its current execution.
#[derive(Debug)]
struct WalkMemory {
    execution: u64,
    snapshot: Arc<Runs>,
    plans: HashMap<String, Arc<Plan>>,
    branches: HashMap<String, Arc<BranchPlan>>,
}

#[derive(Debug, Default)]
struct Results {
    texts: HashMap<Arc<str>, Arc<str>>,
    bytes: usize,
}

/// Whether a leaf of this kind takes as long as somebody else's server likes.
pub fn is_request(kind: &Kind) -> bool {
    matches!(kind, Kind::Http(_) | Kind::HttpMultipart(_))
}

impl Loaded {
    pub fn new(
        assignment: Assignment,
        graph: Arc<Graph>,
        runs: Runs,
        cancel: CancellationToken,
    ) -> Self {
        let keeps_results = graph.nodes.iter().any(|node| node.result_name.is_some())
            || graph
                .nodes
                .iter()
                .any(|node| matches!(node.kind, df_graph::Kind::Join { .. }));
        let has_requests = graph.nodes.iter().any(|node| is_request(&node.kind));
        Loaded {
            assignment,
            graph,
            keeps_results,
            has_requests,
            runs: Mutex::new(runs),
            walks: Mutex::default(),
            parents: Mutex::default(),
            results: Mutex::default(),
            waits: Mutex::default(),
            unloaded: tokio::sync::RwLock::new(false),
            gate: Gate::default(),
            cancel,
        }
    }

    /// What was recorded when this execution of this orchestration began. The first call freezes
    /// it, and drops what the execution before had planned; a replayed turn gets the same.
    pub fn snapshot(&self, orchestration: &str, execution: u64) -> Arc<Runs> {
        let mut walks = self.walks.lock();
        match walks.get(orchestration) {
            Some(walk) if walk.execution == execution => walk.snapshot.clone(),
            _ => {
                let snapshot = Arc::new(self.runs.lock().clone());
                let walk = WalkMemory {
                    execution,
                    snapshot: snapshot.clone(),
                    plans: HashMap::default(),
                    branches: HashMap::default(),
                };
                walks.insert(orchestration.to_owned(), walk);
                snapshot
            }
        }
    }

    /// Forgets an orchestration that has ended.
    pub fn forget_walk(&self, orchestration: &str) {
        self.parents.lock().remove(orchestration);
        self.walks.lock().remove(orchestration);
    }

    pub fn record(&self, path: &str, run: Run) {
        self.runs.lock().insert(path.to_owned(), run);
    }

    pub fn recorded(&self, path: &str) -> Option<Run> {
        self.runs.lock().get(path).cloned()
    }

    /// Notes a checkpoint that has been recorded, and forgets what it has passed, as `df.checkpoint`
    /// does in the database.
    pub fn pass_checkpoint(&self, path: &str, turn: i32, names: Named, keep: &[String]) {
        let mut runs = self.runs.lock();
        let mut passed = Vec::new();
        for part in ["body[", "condition_node["] {
            let prefix = format!("{path}.{part}");
            for (run_path, _) in runs.range(prefix.clone()..) {
                let Some(rest) = run_path.strip_prefix(&prefix) else {
                    break;
                };
                let of: Option<i32> = rest.split(']').next().and_then(|n| n.parse().ok());
                if of.is_some_and(|of| of < turn) && !keep.contains(run_path) {
                    passed.push(run_path.clone());
                }
            }
        }
        let mut results = self.results.lock();
        for run_path in passed {
            runs.remove(&run_path);
            if let Some(text) = results.texts.remove(run_path.as_str()) {
                results.bytes -= text.len();
            }
        }
        runs.insert(path.to_owned(), Run::Checkpoint { turn, names });
    }

    /// Remembers what an activity of this orchestration needs, once.
    pub fn plan(&self, orchestration: &str, key: &str, make: impl FnOnce() -> Plan) {
        if let Some(walk) = self.walks.lock().get_mut(orchestration)
            && !walk.plans.contains_key(key)
        {
            walk.plans.insert(key.to_owned(), Arc::new(make()));
        }
    }

    pub fn planned(&self, orchestration: &str, key: &str) -> Option<Arc<Plan>> {
        self.walks
            .lock()
            .get(orchestration)?
            .plans
            .get(key)
            .cloned()
    }

    /// Whether what is planned as the leaf at a run path is a request.
    pub fn plans_request(&self, orchestration: &str, run_path: &str) -> bool {
        self.has_requests
            && self
                .planned(orchestration, &plan_key(LEAF, run_path))
                .is_some_and(|plan| is_request(&self.graph.nodes[plan.node].kind))
    }

    /// Remembers what a branch of this orchestration walks, once.
    pub fn plan_branch(&self, orchestration: &str, id: &str, make: impl FnOnce() -> BranchPlan) {
        if let Some(walk) = self.walks.lock().get_mut(orchestration)
            && !walk.branches.contains_key(id)
        {
            walk.branches.insert(id.to_owned(), Arc::new(make()));
            let parent = orchestration.to_owned();
            self.parents.lock().insert(id.to_owned(), parent);
        }
    }

    /// What the branch with this orchestration id walks; its parent planned it.
    pub fn branch(&self, id: &str) -> Option<Arc<BranchPlan>> {
        let parent = self.parents.lock().get(id).cloned()?;
        self.walks.lock().get(&parent)?.branches.get(id).cloned()
    }

    /// Keeps a result in memory where it may be asked for again.
    pub fn keep_result(&self, path: &str, text: &str) {
        if !self.keeps_results {
            return;
        }
        let mut results = self.results.lock();
        if results.bytes + text.len() <= MAX_CACHED_RESULT_BYTES {
            results.bytes += text.len();
            if let Some(old) = results.texts.insert(path.into(), text.into()) {
                results.bytes -= old.len();
            }
        }
    }

    pub fn kept_result(&self, path: &str) -> Option<Arc<str>> {
        self.results.lock().texts.get(path).cloned()
    }

    pub fn begin_wait(&self, path: &str, wait: PendingWait) {
        self.waits.lock().insert(path.to_owned(), wait);
    }

    /// Takes the wait at a run path, for the one nudge that it gets.
    pub fn take_wait(&self, path: &str) -> Option<PendingWait> {
        self.waits.lock().remove(path)
    }

    /// Notes when a wait that is still in progress is due.
    pub fn time_wait(&self, path: &str, due: Option<tokio::time::Instant>) {
        if let Some(wait) = self.waits.lock().get_mut(path) {
            wait.due = due;
        }
    }

    /// When the wait at a run path is due, if it is still in progress and the clock ends it.
    pub fn wait_due(&self, path: &str) -> Option<tokio::time::Instant> {
        self.waits.lock().get(path)?.due
    }

    /// The waits in progress, and when the first of them is due.
    pub fn pending_waits(&self) -> (Vec<String>, Option<tokio::time::Instant>) {
        let waits = self.waits.lock();
        let due = waits.values().filter_map(|wait| wait.due).min();
        (waits.keys().cloned().collect(), due)
    }
}
