//! Branches: JOIN and RACE, and what is walked in an orchestration of its own.

use std::future::pending;
use std::sync::Arc;

use df_graph::NodeId;
use duroxide::Either2;

use crate::loaded::{BranchPlan, Run};
use crate::outcome::{End, Names, Outcome, ResultRef};
use crate::scope::Scope;
use crate::walk::{BRANCH, Walk};

/// Leaves that a JOIN or RACE may hold and still be walked in its parent's orchestration.
const INLINE_LEAVES: usize = 50;

/// A branch's outcome, and the truth of its result where it may be a condition's.
type Told = (Outcome, Option<bool>);

impl Walk {
    pub(crate) async fn join(
        &self,
        id: NodeId,
        branches: &[NodeId],
        at: &str,
        names: Arc<Names>,
        scope: Scope,
    ) -> Outcome {
        let all: Vec<(NodeId, String, Scope)> = branches
            .iter()
            .enumerate()
            .map(|(index, branch)| (*branch, self.below(at, *branch), scope.join_branch(index)))
            .collect();
        let graph = &self.loaded.graph;
        let inline = graph.nodes[id].leaves <= INLINE_LEAVES && !graph.nodes[id].has_loop;
        let outcomes = if inline {
            let walks = all
                .into_iter()
                .map(|(node, path, scope)| self.node(node, path, names.clone(), scope));
            self.ctx.join(walks.collect()).await
        } else {
            let groups = group(all, |node| {
                (graph.nodes[node].leaves, graph.nodes[node].has_loop)
            });
            let walks = groups
                .into_iter()
                .map(|group| self.own_orchestration(group, names.clone()));
            self.ctx.join(walks.collect()).await.concat()
        };
        let mut bound = Vec::new();
        let mut results = Vec::new();
        let mut verdict = None;
        for outcome in outcomes {
            match outcome.end {
                End::Stopped | End::Lost | End::Continue => return Outcome::of(outcome.end),
                End::Done(result) => results.push(result),
                end => verdict = verdict.or(Some(end)),
            }
            bound.extend(outcome.bound);
        }
        let end = verdict.unwrap_or(End::Done(ResultRef::All(results)));
        self.settle(id, at, Outcome { end, bound }, &scope).await
    }

    pub(crate) async fn race(
        &self,
        branches: [NodeId; 2],
        at: &str,
        names: Arc<Names>,
        scope: Scope,
    ) -> Outcome {
        let one = |index: usize| {
            let branch = branches[index];
            let scope = scope.race_branch(at, index);
            self.contender(branch, self.below(at, branch), names.clone(), scope)
        };
        if let Some(Run::Decided(winner)) = self.snapshot.get(at) {
            return one(usize::from(*winner != 0)).await;
        }
        match self.ctx.select2(one(0), one(1)).await {
            Either2::First(outcome) | Either2::Second(outcome) => outcome,
        }
    }

    /// A race's branch. One that finds itself decided against never ends: the other one will.
    pub(crate) async fn contender(
        &self,
        id: NodeId,
        at: String,
        names: Arc<Names>,
        scope: Scope,
    ) -> Outcome {
        let node = &self.loaded.graph.nodes[id];
        let outcome = if node.has_loop || node.leaves > INLINE_LEAVES {
            let group = vec![(id, at, scope)];
            self.own_orchestration(group, names)
                .await
                .pop()
                .unwrap_or(Outcome::of(End::Stopped))
        } else {
            self.node(id, at, names, scope).await
        };
        match outcome.end {
            End::Lost => pending().await,
            _ => outcome,
        }
    }

    /// Walks branches in an orchestration of their own, which may continue as new by itself.
    async fn own_orchestration(
        &self,
        group: Vec<(NodeId, String, Scope)>,
        names: Arc<Names>,
    ) -> Vec<Outcome> {
        let expected = group.len();
        let parent = self.ctx.instance_id();
        let id = branch_id(&parent, self.ctx.execution_id(), &group[0].1);
        self.loaded.plan_branch(&parent, &id, || BranchPlan {
            branches: group
                .into_iter()
                .map(|(node, path, scope)| {
                    let scope = if expected == 1 {
                        scope.own_orchestration()
                    } else {
                        scope
                    };
                    (node, path, scope)
                })
                .collect(),
            names,
        });
        let reply = self
            .ctx
            .schedule_sub_orchestration_with_id(BRANCH, id.clone(), "")
            .await;
        self.loaded.forget_walk(&id);
        let told: Vec<Told> = reply
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        if told.len() != expected {
            return vec![Outcome::of(End::Stopped); expected];
        }
        told.into_iter()
            .map(|(outcome, truth)| self.hear(outcome, truth))
            .collect()
    }

    /// What an orchestration of its own tells its parent: the parent's snapshot may be older than
    /// the run that a condition of its own comes to stand on.
    pub fn tell(&self, outcome: Outcome) -> Told {
        let truth = match &outcome.end {
            End::Done(result @ ResultRef::Run(_)) | End::Break(result @ ResultRef::Run(_)) => {
                Some(self.truth(result))
            }
            _ => None,
        };
        (outcome, truth)
    }

    fn hear(&self, outcome: Outcome, truth: Option<bool>) -> Outcome {
        if let (End::Done(ResultRef::Run(path)) | End::Break(ResultRef::Run(path)), Some(truth)) =
            (&outcome.end, truth)
        {
            self.truths.lock().insert(path.clone(), truth);
        }
        outcome
    }
}

/// The id of a branch's orchestration: the root's, the executions it descends from, its run path. It
/// holds no other path, so that branches in branches in branches keep ids of a bearable length.
fn branch_id(parent: &str, execution: u64, run_path: &str) -> String {
    let (root, rest) = parent.split_once('/').unwrap_or((parent, ""));
    let executions = rest
        .split_once(':')
        .map_or("", |(executions, _)| executions);
    format!("{root}/{executions}.{execution}:{run_path}")
}

/// Groups neighbouring branches so that each group is small enough for one orchestration; one that
/// holds a loop stands alone.
fn group(
    branches: Vec<(NodeId, String, Scope)>,
    size: impl Fn(NodeId) -> (usize, bool),
) -> Vec<Vec<(NodeId, String, Scope)>> {
    let mut groups: Vec<Vec<(NodeId, String, Scope)>> = Vec::new();
    let mut room = 0;
    for branch in branches {
        let (leaves, has_loop) = size(branch.0);
        if has_loop || leaves > room || groups.is_empty() {
            groups.push(Vec::new());
            room = INLINE_LEAVES;
        }
        room = if has_loop {
            0
        } else {
            room.saturating_sub(leaves)
        };
        groups.last_mut().expect("one was pushed").push(branch);
    }
    groups
}
