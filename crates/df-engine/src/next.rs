//! What a sequence goes on with: known before its first has run, since names stand for run paths and not
//! for results. So the activity that ran a leaf may run the next one as well, without a turn of the walk in
//! between. The walk goes on by the same [`Next`], and so comes to the same leaf with the same plan.

use std::sync::Arc;

use df_graph::{Graph, Kind, NodeId};

use crate::loaded::Plan;
use crate::outcome::{Names, ResultRef};
use crate::scope::Scope;

/// The second of a sequence, as its first sees it.
#[derive(Debug, Clone)]
pub struct Next {
    node: NodeId,
    at: String,
    /// Those in scope where the sequence stands, and those that its first has bound so far.
    names: Arc<Names>,
    /// What is bound to the result of the leaf that ends the first.
    named: Vec<Arc<str>>,
    scope: Scope,
}

impl Next {
    /// What follows the first of a sequence that stands at `at`.
    pub fn new(graph: &Graph, second: NodeId, at: &str, names: &Arc<Names>, scope: &Scope) -> Self {
        Next {
            node: second,
            at: below(graph, at, second),
            names: names.clone(),
            named: Vec::new(),
            scope: scope.then(),
        }
    }

    /// Where the walk goes on, once the first has bound these names: node, run path, names in scope, surroundings.
    pub fn after(&self, bound: &[(Arc<str>, ResultRef)]) -> (NodeId, String, Arc<Names>, Scope) {
        let names = with(self.names.clone(), bound);
        let scope = knowing(self.scope.clone(), bound);
        (self.node, self.at.clone(), names, scope)
    }

    /// The leaf that follows the completed one at run path `completed`, with its own run path; none where the walk
    /// has to decide.
    pub fn leaf(&self, graph: &Graph, completed: &str) -> Option<(String, Plan)> {
        let result = ResultRef::Run(completed.into());
        let bound = self.named.iter().map(|name| (name.clone(), result.clone()));
        let bound: Vec<_> = bound.collect();
        let (mut node, mut at, names, mut scope) = self.after(&bound);
        loop {
            scope = named(graph, node, scope);
            match &graph.nodes[node].kind {
                Kind::Sql { .. } => break,
                Kind::Then { left, right } if graph.nodes[node].timeout_seconds.is_none() => {
                    let next = Next::new(graph, *right, &at, &names, &scope);
                    scope = scope.before(Arc::new(next));
                    at = below(graph, &at, *left);
                    node = *left;
                }
                _ => return None,
            }
        }
        let plan = Plan {
            node,
            scope,
            names,
            end: None,
        };
        Some((at, plan))
    }
}

/// The same surroundings where all that follows finds these names bound, too.
pub fn knowing(scope: Scope, bound: &[(Arc<str>, ResultRef)]) -> Scope {
    on_next(scope, !bound.is_empty(), |next| {
        next.names = with(next.names.clone(), bound);
        next.scope = knowing(next.scope.clone(), bound);
    })
}

/// The surroundings inside of a node, whose name what follows finds bound to its result.
pub fn named(graph: &Graph, node: NodeId, scope: Scope) -> Scope {
    match &graph.nodes[node].result_name {
        Some(name) => on_next(scope, true, |next| next.named.push(name.as_str().into())),
        None => scope,
    }
}

/// The run path of a child that is no loop's: its last static segment below `at`.
pub fn below(graph: &Graph, at: &str, child: NodeId) -> String {
    let path = &graph.nodes[child].path;
    let segment = path.rsplit('.').next().unwrap_or(path);
    format!("{at}.{segment}")
}

/// The names with more of them bound.
pub fn with(names: Arc<Names>, bound: &[(Arc<str>, ResultRef)]) -> Arc<Names> {
    if bound.is_empty() {
        return names;
    }
    let mut all = (*names).clone();
    all.extend(bound.iter().cloned());
    Arc::new(all)
}

fn on_next(mut scope: Scope, changes: bool, change: impl FnOnce(&mut Next)) -> Scope {
    if let Some(next) = scope.next.as_mut().filter(|_| changes) {
        change(Arc::make_mut(next));
    }
    scope
}
