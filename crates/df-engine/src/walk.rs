//! The walk: one deterministic pass over a graph, replayed by duroxide at every turn.
//!
//! It decides what runs next and nothing else: every effect is an activity, every branch on the
//! outside world is a reply in the history or a row of the frozen snapshot. It reads no clock and no
//! shared state but the snapshot.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use df_graph::{Condition, Kind, NodeId};
use duroxide::OrchestrationContext;
use foldhash::HashMap;
use parking_lot::Mutex;

use crate::backend::Failure;
use crate::loaded::{Loaded, Plan, Run, Runs};
use crate::next::{self, Loop, Part, Second, with};
use crate::outcome::{End, LeafReply, Names, Outcome, ResultRef, Told};
use crate::scope::Scope;

/// Leaves after which an execution continues as new: each turn replays the whole history.
const LEAVES_PER_EXECUTION: usize = 64;

/// The name branches are registered under.
pub const BRANCH: &str = "branch";
/// The activity that runs one leaf; its input is the run path.
pub const LEAF: &str = "leaf";
/// The activity that applies what a construct's end implies; its input is the run path.
pub const SETTLE: &str = "settle";
/// The activity that times a node; its input is the node's run path.
pub const TIMER: &str = "timer";

type Walking<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// One execution of one orchestration over one loaded instance.
pub struct Walk {
    pub(crate) ctx: OrchestrationContext,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) snapshot: Arc<Runs>,
    /// Leaves and other activities that this execution came to so far, whoever ran them.
    spent: AtomicUsize,
    /// Truth of the runs inside conditions, as replies told it.
    pub(crate) truths: Mutex<HashMap<Arc<str>, bool>>,
    /// How leaves ended that an activity ran behind its own, by run path.
    ahead: Mutex<HashMap<String, LeafReply>>,
}

impl Walk {
    pub fn new(ctx: OrchestrationContext, loaded: Arc<Loaded>) -> Self {
        let snapshot = loaded.snapshot(&ctx.instance_id(), ctx.execution_id());
        Walk {
            ctx,
            loaded,
            snapshot,
            spent: AtomicUsize::new(0),
            truths: Mutex::default(),
            ahead: Mutex::default(),
        }
    }

    /// Walks the node at run path `at` with `names` in scope.
    pub fn node<'a>(
        &'a self,
        id: NodeId,
        at: String,
        names: Arc<Names>,
        scope: Scope,
    ) -> Walking<'a> {
        match self.time_limit(id, &at, &scope) {
            Some(seconds) => Box::pin(self.timed(id, seconds, at, names, scope)),
            None => self.untimed(id, at, names, scope),
        }
    }

    /// The node itself, its timeout aside.
    fn untimed<'a>(
        &'a self,
        id: NodeId,
        at: String,
        names: Arc<Names>,
        scope: Scope,
    ) -> Walking<'a> {
        Box::pin(async move {
            let node = &self.loaded.graph.nodes[id];
            let scope = next::named(&self.loaded.graph, id, scope);
            let mut outcome = match &node.kind {
                Kind::Then { left, right } => self.then(*left, *right, &at, names, scope).await,
                Kind::Join { branches } => self.join(id, branches, &at, names, scope).await,
                Kind::Race { branches } => self.race(*branches, &at, names, scope).await,
                Kind::If {
                    condition,
                    then_branch,
                    else_branch,
                } => {
                    let arms = (*then_branch, *else_branch);
                    self.branch_on(id, condition, arms, &at, names, scope).await
                }
                Kind::Loop { body, condition } => {
                    self.repeat(id, *body, *condition, &at, names, scope).await
                }
                Kind::Break { .. } => self.break_loop(id, &at, names, scope).await,
                _ => self.leaf(id, &at, &names, &scope).await,
            };
            if let (End::Done(result), Some(name)) = (&outcome.end, &node.result_name) {
                outcome.bound.push((name.as_str().into(), result.clone()));
            }
            outcome
        })
    }

    async fn then(
        &self,
        left: NodeId,
        right: NodeId,
        at: &str,
        names: Arc<Names>,
        scope: Scope,
    ) -> Outcome {
        let behind = Second::new(&self.loaded.graph, right, at, &names, &scope);
        let inside = scope.before(behind.clone().into());
        let first = self.node(left, self.below(at, left), names, inside).await;
        if !matches!(first.end, End::Done(_)) {
            return first;
        }
        if self.is_long(&scope) {
            return Outcome::of(End::Continue);
        }
        let (right, at, names, scope) = behind.place(&first.bound);
        let second = self.node(right, at, names, scope).await;
        let mut bound = first.bound;
        bound.extend(second.bound);
        Outcome {
            end: second.end,
            bound,
        }
    }

    async fn branch_on(
        &self,
        id: NodeId,
        condition: &Condition,
        arms: (NodeId, NodeId),
        at: &str,
        names: Arc<Names>,
        scope: Scope,
    ) -> Outcome {
        let (truth, mut bound) = match condition {
            Condition::HasRows { .. } => {
                match self.leaf_reply(id, at, &names, &scope.first()).await {
                    LeafReply::Completed { truth } => (truth.unwrap_or(false), Vec::new()),
                    other => return self.refusal(other),
                }
            }
            Condition::Node(node) => {
                let asked = self
                    .node(*node, self.below(at, *node), names.clone(), scope.first())
                    .await;
                match &asked.end {
                    End::Done(result) => (self.truth(result), asked.bound),
                    _ => return asked,
                }
            }
        };
        if self.is_long(&scope) {
            return Outcome::of(End::Continue);
        }
        let arm = if truth { arms.0 } else { arms.1 };
        let names = with(names, &bound);
        let scope = next::knowing(scope.then(), &bound);
        let taken = self.node(arm, self.below(at, arm), names, scope).await;
        bound.extend(taken.bound);
        Outcome {
            end: taken.end,
            bound,
        }
    }

    async fn repeat(
        &self,
        id: NodeId,
        body: NodeId,
        condition: Option<NodeId>,
        at: &str,
        names: Arc<Names>,
        scope: Scope,
    ) -> Outcome {
        let (first, bound) = match self.snapshot.get(at) {
            Some(Run::Checkpoint { turn, names }) => (*turn, names.clone()),
            _ => (0, Vec::new()),
        };
        let of = Loop {
            body,
            condition,
            at: at.to_owned(),
            names,
            scope: scope.clone(),
            first,
        };
        let mut part = Part::first(of, bound);
        let mut last = None;
        loop {
            if !part.is_first() && self.is_long(&scope) {
                return Outcome::of(End::Continue);
            }
            if part.is_beyond() {
                let outcome = Outcome {
                    end: End::Failed(next::too_many_iterations(at)),
                    bound: part.bound,
                };
                return self.settle(id, at, outcome, &scope).await;
            }
            let (node, path, names, inside) = part.place();
            let round = self.node(node, path, names, inside).await;
            let asked = part.asks;
            part = part.following(round.bound);
            match round.end {
                End::Done(result) if !asked => last = Some(result),
                End::Done(result) if self.truth(&result) => {}
                End::Done(_) => {
                    let outcome = Outcome {
                        end: End::Done(last.expect("a body comes before its condition")),
                        bound: part.bound,
                    };
                    return self.settle(id, at, outcome, &scope).await;
                }
                End::Break(value) => {
                    return Outcome {
                        end: End::Done(value),
                        bound: part.bound,
                    };
                }
                end => {
                    return Outcome {
                        end,
                        bound: part.bound,
                    };
                }
            }
        }
    }

    async fn break_loop(&self, id: NodeId, at: &str, names: Arc<Names>, scope: Scope) -> Outcome {
        if !scope.in_loop {
            return self.leaf(id, at, &names, &scope).await;
        }
        let scope = Scope {
            on_done: scope.on_break.clone(),
            next: None,
            ..scope
        };
        let mut outcome = self.leaf(id, at, &names, &scope).await;
        if let End::Done(value) = outcome.end {
            outcome.end = End::Break(value);
        }
        outcome
    }

    /// Applies what the end of a JOIN, or of a LOOP by its condition, implies for what surrounds it.
    pub(crate) async fn settle(
        &self,
        id: NodeId,
        at: &str,
        outcome: Outcome,
        scope: &Scope,
    ) -> Outcome {
        let effect = match &outcome.end {
            End::Done(_) => &scope.on_done,
            End::Failed(_) => &scope.on_failed,
            End::Break(_) => &scope.on_break,
            _ => &None,
        };
        let Some(effect) = effect else { return outcome };
        let scope = Scope {
            on_done: Some(effect.clone()),
            ..scope.clone()
        };
        let end = Some(outcome.end.clone());
        match self
            .activity(SETTLE, id, at, &Arc::default(), &scope, end)
            .await
        {
            LeafReply::Completed { .. } => outcome,
            other => self.refusal(other),
        }
    }

    async fn leaf(&self, id: NodeId, at: &str, names: &Arc<Names>, scope: &Scope) -> Outcome {
        match self.leaf_reply(id, at, names, scope).await {
            LeafReply::Completed { truth } => {
                if let Some(truth) = truth {
                    self.truths.lock().insert(at.into(), truth);
                }
                Outcome::run(at)
            }
            other => self.refusal(other),
        }
    }

    /// A recorded leaf answers from the snapshot; any other is an activity. A wait that a signal
    /// ended is asked once more where its end implies something: the signal's delivery could not
    /// know all of it.
    async fn leaf_reply(
        &self,
        id: NodeId,
        at: &str,
        names: &Arc<Names>,
        scope: &Scope,
    ) -> LeafReply {
        let is_wait = matches!(self.loaded.graph.nodes[id].kind, Kind::Signal { .. });
        match self.snapshot.get(at) {
            Some(Run::Completed { truth }) if !(is_wait && scope.on_done.is_some()) => {
                return LeafReply::Completed { truth: *truth };
            }
            Some(Run::Failed(failure)) => return LeafReply::Failed(failure.clone()),
            Some(Run::Decided(turn)) => {
                return LeafReply::Completed {
                    truth: Some(*turn != 0),
                };
            }
            _ => {}
        }
        loop {
            match self.activity(LEAF, id, at, names, scope, None).await {
                LeafReply::Waiting => {
                    self.ctx.dequeue_event(wake_queue(at)).await;
                }
                LeafReply::Again => {}
                reply => return reply,
            }
        }
    }

    pub(crate) async fn activity(
        &self,
        name: &str,
        id: NodeId,
        at: &str,
        names: &Arc<Names>,
        scope: &Scope,
        end: Option<End>,
    ) -> LeafReply {
        self.spent.fetch_add(1, Ordering::Relaxed);
        if name == LEAF
            && let Some(reply) = self.ahead.lock().remove(at)
        {
            if cfg!(debug_assertions) {
                let key = plan_key(name, at);
                let ran = self.loaded.planned(&self.ctx.instance_id(), &key);
                let ran = ran.expect("what ran ahead was planned");
                let of = |id, names: &Names, scope: &Scope| {
                    format!("{id} {names:?} {:?}", scope.fence())
                };
                let (ran, walked) = (of(ran.node, &ran.names, &ran.scope), of(id, names, scope));
                assert_eq!(
                    ran, walked,
                    "{at} ran ahead as another leaf than the walk comes to"
                );
            }
            return reply;
        }
        self.loaded
            .plan(&self.ctx.instance_id(), &plan_key(name, at), || Plan {
                node: id,
                scope: scope.clone(),
                names: names.clone(),
                end,
            });
        match self.ctx.schedule_activity(name, at).await {
            Ok(text) => {
                let told = Told::decode(&text);
                self.ahead.lock().extend(told.then);
                told.reply
            }
            Err(_) => LeafReply::Stopped,
        }
    }

    pub(crate) fn refusal(&self, reply: LeafReply) -> Outcome {
        Outcome::of(match reply {
            LeafReply::Failed(failure) => End::Failed(failure),
            LeafReply::Lost => End::Lost,
            _ => End::Stopped,
        })
    }

    pub(crate) fn truth(&self, result: &ResultRef) -> bool {
        match result {
            ResultRef::All(all) => !all.is_empty(),
            ResultRef::Run(path) => {
                let told = self.truths.lock().get(path).copied();
                told.or_else(|| match self.snapshot.get(&**path) {
                    Some(Run::Completed { truth }) => *truth,
                    _ => None,
                })
                .unwrap_or(false)
            }
        }
    }

    fn is_long(&self, scope: &Scope) -> bool {
        !scope.inline && self.spent.load(Ordering::Relaxed) >= LEAVES_PER_EXECUTION
    }

    pub(crate) fn below(&self, at: &str, child: NodeId) -> String {
        next::below(&self.loaded.graph, at, child)
    }
}

/// The queue on which a wait is nudged.
pub fn wake_queue(run_path: &str) -> String {
    format!("wake:{run_path}")
}

/// The key of a plan: a JOIN's settle shares its run path with nothing else of the same name.
pub fn plan_key(activity: &str, run_path: &str) -> String {
    format!("{activity}:{run_path}")
}

/// The failure of a BREAK that no LOOP encloses.
pub fn break_outside_loop(run_path: &str) -> Failure {
    Failure {
        message: "BREAK outside of a LOOP".to_owned(),
        sqlstate: Some("22023".to_owned()),
        path: run_path.to_owned(),
    }
}
