//! What duroxide is given to run: the activities, and the orchestrations of a root and of a branch.

use std::sync::Arc;

use duroxide::runtime::registry::ActivityRegistry;
use duroxide::{ActivityContext, OrchestrationContext, OrchestrationRegistry};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Shared, WORKFLOW, root_of};
use crate::activity::Activity;
use crate::loaded::{Loaded, Plan};
use crate::observe;
use crate::outcome::{End, LeafReply, Outcome};
use crate::scope::Scope;
use crate::timed;
use crate::walk::{self, Walk};

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
    let orchestration = ctx.instance_id().to_owned();
    let Some(loaded) = shared.get(root_of(&orchestration)) else {
        return Ok(LeafReply::Stopped.encode());
    };
    let Some(plan) = loaded.planned(&orchestration, &walk::plan_key(name, &run_path)) else {
        return Ok(LeafReply::Stopped.encode());
    };
    loop {
        let inside = tokio::select! {
            inside = loaded.gate.pass() => inside,
            _ = loaded.cancel.cancelled() => return Ok(LeafReply::Stopped.encode()),
            _ = ctx.cancelled() => return Ok(LeafReply::Stopped.encode()),
        };
        let reply = inside_gate(&shared, &loaded, &ctx, &run_path, name, &plan).await;
        if reply == LeafReply::Paused {
            // The database knew of the pause before this relay was told. Should it have been resumed
            // since, the instance is claimed again as soon as it is given back.
            loaded.gate.close();
        }
        drop(inside);
        shared.set_aside(root_of(&orchestration), &loaded).await;
        if reply != LeafReply::Paused {
            return Ok(reply.encode());
        }
    }
}

/// One activity call, observed and in its span.
async fn inside_gate(
    shared: &Arc<Shared>,
    loaded: &Arc<Loaded>,
    ctx: &ActivityContext,
    run_path: &str,
    name: &'static str,
    plan: &Plan,
) -> LeafReply {
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
