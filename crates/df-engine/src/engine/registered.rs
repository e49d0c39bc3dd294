//! What duroxide is given to run: the activities, and the orchestrations of a root and of a branch.

use std::sync::Arc;
use std::time::Duration;

use duroxide::runtime::registry::ActivityRegistry;
use duroxide::{ActivityContext, OrchestrationContext, OrchestrationRegistry};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Shared, WORKFLOW, root_of};
use crate::activity::Activity;
use crate::loaded::{Loaded, Plan};
use crate::observe;
use crate::outcome::{End, LeafReply, Outcome, Told};
use crate::scope::Scope;
use crate::timed;
use crate::walk::{self, Walk};

/// How long an activity goes on with one leaf after another before the walk has its turn, and with it whatever else
/// waits for a worker: some six steps of a role that has all of its workers busy.
const GOES_ON_FOR: Duration = Duration::from_millis(100);

pub(super) fn activities(shared: &Arc<Shared>) -> ActivityRegistry {
    let mut registry = ActivityRegistry::builder();
    for name in [walk::LEAF, walk::SETTLE, walk::TIMER] {
        let shared = shared.clone();
        registry = registry.register(name, move |ctx: ActivityContext, run_path: String| {
            run_activity(shared.clone(), ctx, run_path, name)
        });
    }
    registry.build()
}

async fn run_activity(
    shared: Arc<Shared>,
    ctx: ActivityContext,
    run_path: String,
    name: &'static str,
) -> Result<String, String> {
    let orchestration = ctx.instance_id();
    let stopped = || Ok(Told::from(LeafReply::Stopped).encode());
    let Some(loaded) = shared.get(root_of(orchestration)) else {
        return stopped();
    };
    let Some(plan) = loaded.planned(orchestration, &walk::plan_key(name, &run_path)) else {
        return stopped();
    };
    let begun = Instant::now();
    let call = Call {
        shared: &shared,
        loaded: &loaded,
        ctx: &ctx,
        name,
    };
    let mut told = Told::from(call.through_gate(&run_path, &plan).await);
    let mut next;
    (next, told.waits) = call.after(&run_path, &plan, &told.reply);
    told.ends = ends(&plan, &told.reply);
    while let Some((path, plan)) = next.filter(|_| begun.elapsed() < GOES_ON_FOR) {
        if cfg!(debug_assertions) {
            // The walk compares it with its own once it comes there.
            let key = walk::plan_key(name, &path);
            loaded.plan(orchestration, &key, || plan.clone());
        }
        let reply = call.through_gate(&path, &plan).await;
        (next, told.waits) = call.after(&path, &plan, &reply);
        told.ends = ends(&plan, &reply);
        told.then.push((path, reply));
    }
    Ok(told.encode())
}

/// Whether the record behind a reply has ended the instance. (A failure may still be tried again, and a break has its own
/// way out: the walk knows.)
fn ends(plan: &Plan, reply: &LeafReply) -> bool {
    matches!(reply, LeafReply::Completed { .. })
        && plan
            .scope
            .on_done
            .as_ref()
            .is_some_and(|effect| effect.ends)
}

/// An activity call: of which instance, and what for.
struct Call<'a> {
    shared: &'a Arc<Shared>,
    loaded: &'a Arc<Loaded>,
    ctx: &'a ActivityContext,
    name: &'static str,
}

impl Call<'_> {
    /// What comes after a reply: the next leaf of a sequence or a loop, with which an activity goes on by itself; and whether
    /// nothing follows before all else that runs in the orchestration has ended.
    fn after(
        &self,
        run_path: &str,
        plan: &Plan,
        reply: &LeafReply,
    ) -> (Option<(String, Plan)>, bool) {
        let &LeafReply::Completed { truth } = reply else {
            return (None, false);
        };
        match &plan.scope.next {
            _ if self.name != walk::LEAF => (None, false),
            Some(next) => {
                let truth = truth.unwrap_or(false);
                (next.leaf(&self.loaded.graph, run_path, truth), false)
            }
            None => (None, plan.scope.may_wait),
        }
    }

    /// One call of what an activity does, once the instance is not paused.
    async fn through_gate(&self, run_path: &str, plan: &Plan) -> LeafReply {
        let (loaded, ctx) = (self.loaded, self.ctx);
        loop {
            let inside = tokio::select! {
                inside = loaded.gate.pass() => inside,
                _ = loaded.cancel.cancelled() => return LeafReply::Stopped,
                _ = ctx.cancelled() => return LeafReply::Stopped,
            };
            let reply = self.inside_gate(run_path, plan).await;
            if reply == LeafReply::Paused {
                // The database knew of the pause before this relay was told. Should it have been resumed
                // since, the instance is claimed again as soon as it is given back.
                loaded.gate.close();
            }
            drop(inside);
            self.shared
                .set_aside(root_of(ctx.instance_id()), loaded)
                .await;
            if reply != LeafReply::Paused {
                return reply;
            }
        }
    }

    /// One activity call, observed and in its span.
    async fn inside_gate(&self, run_path: &str, plan: &Plan) -> LeafReply {
        let &Call {
            shared,
            loaded,
            ctx,
            name,
        } = self;
        let orchestration = ctx.instance_id();
        let cancel = loaded.cancel.child_token();
        let activity = Activity {
            backend: &*shared.backend,
            loaded,
            orchestration,
            run_path,
            plan,
            cancel: &cancel,
        };
        let work = async {
            match name {
                walk::LEAF => activity.leaf().await,
                walk::TIMER => activity.timer().await,
                _ => activity.settle().await,
            }
        };
        let kind = &loaded.graph.nodes[plan.node].kind;
        let is_leaf = name == walk::LEAF;
        let attempt = activity.attempt_now();
        let span = observe::span(&loaded.assignment, kind, is_leaf, run_path, attempt);
        let started = Instant::now();
        let work = work.instrument(span.clone());
        tokio::pin!(work);
        // A race's loser is cancelled by the engine: its statement should end soon, too.
        let reply = tokio::select! {
            reply = &mut work => reply,
            _ = ctx.cancelled() => {
                cancel.cancel();
                work.await
            }
        };
        if is_leaf && observe::is_step(kind) {
            let (end, took) = (observe::step_end(&reply), started.elapsed());
            observe::note_end(&span, end, &reply);
            if let Some(observer) = &shared.observer {
                observer.step(kind.node_type(), end, took);
            }
            span.in_scope(|| tracing::debug!(?end, millis = took.as_millis() as u64, "step ended"));
        }
        if reply == LeafReply::Waiting {
            match name {
                walk::TIMER => shared.time(loaded, &timed::timer_path(run_path)),
                _ => shared.time(loaded, run_path),
            }
        }
        reply
    }
}

pub(super) fn orchestrations(shared: &Arc<Shared>) -> OrchestrationRegistry {
    let (for_root, for_branch) = (shared.clone(), shared.clone());
    OrchestrationRegistry::builder()
        .register(
            WORKFLOW,
            move |ctx: OrchestrationContext, _input: String| {
                let shared = for_root.clone();
                async move {
                    let Some(loaded) = shared.get(root_of(&ctx.instance_id())) else {
                        return Ok("stopped".to_owned());
                    };
                    let walk = Walk::new(ctx.clone(), loaded);
                    let names = Arc::default();
                    let outcome = walk.node(0, "root".to_owned(), names, Scope::root()).await;
                    match outcome.end {
                        End::Continue => ctx.continue_as_new("").await,
                        End::Stopped | End::Lost => Ok("stopped".to_owned()),
                        End::Done(_) | End::Failed(_) | End::Break(_) => Ok("ended".to_owned()),
                    }
                }
            },
        )
        .register(
            walk::BRANCH,
            move |ctx: OrchestrationContext, _input: String| {
                let shared = for_branch.clone();
                async move {
                    let id = ctx.instance_id();
                    let Some(loaded) = shared.get(root_of(&id)) else {
                        return Err("stopped".to_owned());
                    };
                    let Some(branch) = loaded.branch(&id) else {
                        return Err("stopped".to_owned());
                    };
                    let walk = Walk::new(ctx.clone(), loaded.clone());
                    let walks = branch.branches.iter().map(|(node, at, scope)| {
                        walk.node(*node, at.clone(), branch.names.clone(), scope.clone())
                    });
                    let outcomes: Vec<Outcome> = ctx.join(walks.collect()).await;
                    if outcomes.iter().any(|outcome| outcome.end == End::Continue) {
                        return ctx.continue_as_new("").await;
                    }
                    let told: Vec<_> = outcomes
                        .into_iter()
                        .map(|outcome| walk.tell(outcome))
                        .collect();
                    serde_json::to_string(&told).map_err(|error| error.to_string())
                }
            },
        )
        .build()
}
