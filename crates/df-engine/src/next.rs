//! What a sequence or a loop goes on with: known before its first has run, since names stand for run paths and
//! not for results. So the activity that ran a leaf may run the next one as well, without a turn of the walk in
//! between. The walk goes on by the same [`Next`], and so comes to the same leaf with the same plan.

use std::sync::Arc;

use df_graph::{Graph, Kind, NodeId};

use crate::backend::{Checkpoint, Failure};
use crate::loaded::Plan;
use crate::outcome::{Named, Names, ResultRef};
use crate::scope::Scope;

/// Iterations of a loop between two checkpoints.
const ITERATIONS_PER_CHECKPOINT: i32 = 32;
/// How many a loop can count, from 0 on: `df.node_runs.turn` is an integer.
const MOST_ITERATIONS: i32 = i32::MAX;

/// Where the walk goes on: node, run path, names in scope, surroundings.
pub type Place = (NodeId, String, Arc<Names>, Scope);

/// What follows a node, as the node sees it.
#[derive(Debug, Clone)]
pub struct Next {
    /// What is bound to the result of the leaf that ends the node.
    named: Vec<Arc<str>>,
    follows: Follows,
}

#[derive(Debug, Clone)]
enum Follows {
    Second(Second),
    /// What comes behind this part of a loop.
    Behind(Part),
}

impl From<Second> for Next {
    fn from(second: Second) -> Self {
        Next {
            named: Vec::new(),
            follows: Follows::Second(second),
        }
    }
}

impl Next {
    /// What follows a part of a loop.
    fn behind(part: Part) -> Self {
        Next {
            named: Vec::new(),
            follows: Follows::Behind(part),
        }
    }

    /// The leaf that follows the completed one at run path `completed`, with its own run path; none where the walk
    /// has to decide. `truth` is that of the completed one's result, where it stands in a condition.
    pub fn leaf(&self, graph: &Graph, completed: &str, truth: bool) -> Option<(String, Plan)> {
        let result = ResultRef::Run(completed.into());
        let bound = self.named.iter().map(|name| (name.clone(), result.clone()));
        let bound: Named = bound.collect();
        let (mut node, mut at, names, mut scope) = match &self.follows {
            Follows::Second(second) => second.place(&bound),
            Follows::Behind(part) if part.asks && !truth => return None,
            Follows::Behind(part) => {
                let part = part.clone().following(bound);
                if part.is_beyond() {
                    return None;
                }
                part.place()
            }
        };
        loop {
            scope = named(graph, node, scope);
            match &graph.nodes[node].kind {
                Kind::Sql { .. } => break,
                Kind::Then { left, right } if graph.nodes[node].timeout_seconds.is_none() => {
                    let second = Second::new(graph, *right, &at, &names, &scope);
                    scope = scope.before(second.into());
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

/// The second of a sequence.
#[derive(Debug, Clone)]
pub struct Second {
    node: NodeId,
    at: String,
    /// Those in scope where the sequence stands, and those that its first has bound so far.
    names: Arc<Names>,
    scope: Scope,
}

impl Second {
    /// That of the sequence at `at`.
    pub fn new(graph: &Graph, second: NodeId, at: &str, names: &Arc<Names>, scope: &Scope) -> Self {
        Second {
            node: second,
            at: below(graph, at, second),
            names: names.clone(),
            scope: scope.then(),
        }
    }

    /// Where it is walked, once the first has bound these names.
    pub fn place(&self, bound: &Named) -> Place {
        let names = with(self.names.clone(), bound);
        let scope = knowing(self.scope.clone(), bound);
        (self.node, self.at.clone(), names, scope)
    }
}

/// A loop where it stands.
#[derive(Debug)]
pub struct Loop {
    pub body: NodeId,
    pub condition: Option<NodeId>,
    pub at: String,
    /// Those in scope around it.
    pub names: Arc<Names>,
    pub scope: Scope,
    /// The iteration that this walk of it begins with.
    pub first: i32,
}

/// The body of one iteration of a loop, or the condition behind it.
#[derive(Debug, Clone)]
pub struct Part {
    of: Arc<Loop>,
    turn: i32,
    /// Whether it is the condition.
    pub asks: bool,
    /// What the loop has bound so far.
    pub bound: Named,
}

impl Part {
    /// What a walk of the loop begins with, where these names are bound.
    pub fn first(of: Loop, bound: Named) -> Self {
        Part {
            turn: of.first,
            of: Arc::new(of),
            asks: false,
            bound,
        }
    }

    /// Whether it is the one that a walk of the loop begins with.
    pub fn is_first(&self) -> bool {
        !self.asks && self.turn == self.of.first
    }

    /// Whether it belongs to one more iteration than can be counted.
    pub fn is_beyond(&self) -> bool {
        self.turn == MOST_ITERATIONS
    }

    /// The part behind this one, once this one has bound these names; behind a condition, if it holds.
    pub fn following(mut self, bound: Named) -> Self {
        rebind(&mut self.bound, bound);
        if self.asks || self.of.condition.is_none() {
            self.turn = self.turn.saturating_add(1);
            self.asks = false;
        } else {
            self.asks = true;
        }
        self
    }

    /// Where it is walked.
    pub fn place(&self) -> Place {
        let Loop {
            body,
            condition,
            at,
            names,
            scope,
            first,
        } = &*self.of;
        let passed = self.turn - first;
        let due = !self.asks && passed > 0 && passed % ITERATIONS_PER_CHECKPOINT == 0;
        let checkpoints = due
            .then(|| checkpoint(at, self.turn, &self.bound))
            .into_iter()
            .collect();
        let outer = if self.is_first() {
            scope.clone()
        } else {
            scope.then()
        };
        let next = Next::behind(self.clone());
        let inside = outer.iteration(at, self.turn, checkpoints).before(next);
        let (node, segment) = match condition.filter(|_| self.asks) {
            Some(condition) => (condition, "condition_node"),
            None => (*body, "body"),
        };
        let path = format!("{at}.{segment}[{}]", self.turn);
        (node, path, with(names.clone(), &self.bound), inside)
    }
}

/// The same surroundings where all that follows finds these names bound, too.
pub fn knowing(scope: Scope, bound: &[(Arc<str>, ResultRef)]) -> Scope {
    on_next(scope, !bound.is_empty(), |next| match &mut next.follows {
        Follows::Second(second) => {
            second.names = with(second.names.clone(), bound);
            second.scope = knowing(second.scope.clone(), bound);
        }
        Follows::Behind(part) => rebind(&mut part.bound, bound.to_vec()),
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

/// Adds names, the later binding of a name replacing the earlier, so that a loop's stay bounded.
fn rebind(bound: &mut Named, new: Named) {
    for (name, result) in new {
        bound.retain(|(earlier, _)| *earlier != name);
        bound.push((name, result));
    }
}

/// What a loop fails with that has taken all the iterations it can count.
pub fn too_many_iterations(at: &str) -> Failure {
    Failure {
        message: format!("a LOOP can take {MOST_ITERATIONS} iterations at the most"),
        sqlstate: Some("54000".to_owned()),
        path: at.to_owned(),
    }
}

fn checkpoint(at: &str, turn: i32, bound: &Named) -> Checkpoint {
    let mut keep = Vec::new();
    for (_, result) in bound {
        result.each_run(&mut |path| keep.push(path.to_string()));
    }
    Checkpoint {
        path: at.to_owned(),
        turn,
        names: serde_json::to_value(bound).expect("names are always JSON"),
        keep,
    }
}
