//! What surrounds a node while it is walked: the races and loops it stands in, what its end implies
//! for them, and the checkpoints that its first record is to carry.
//!
//! A leaf whose end also decides a race or ends the instance carries that in its own record, so the
//! last step of a workflow completes it in the same commit.

use std::sync::Arc;

use crate::backend::{Checkpoint, Effect, Fence};
use crate::next::Next;

/// The surroundings of one node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Enclosing races (own branch) and loops (own iteration), outermost first.
    pub within: Arc<Vec<(String, i32)>>,
    /// What follows at once when this node completes, if anything does.
    pub on_done: Option<Arc<Effect>>,
    /// What follows at once when it fails.
    pub on_failed: Option<Arc<Effect>>,
    /// What follows at once when a break leaves it.
    pub on_break: Option<Arc<Effect>>,
    /// Whether a LOOP encloses the node, so that a break has somewhere to go.
    pub in_loop: bool,
    /// Whether other branches run beside this one in the same orchestration, so that it may not
    /// continue as new.
    pub inline: bool,
    /// Checkpoints that the first record at or below this node carries.
    pub checkpoints: Arc<Vec<Checkpoint>>,
    /// Whether this node's end can wait for all else that runs in the same orchestration: nothing follows before.
    pub may_wait: bool,
    /// What the walk goes on with at once when this node completes, where that is known beforehand.
    pub next: Option<Arc<Next>>,
}

impl Scope {
    /// The root's surroundings: its end is the instance's.
    pub fn root() -> Self {
        let ends = Some(Arc::new(Effect {
            decides: Vec::new(),
            ends: true,
        }));
        Scope {
            within: Arc::default(),
            on_done: ends.clone(),
            on_failed: ends.clone(),
            on_break: ends,
            in_loop: false,
            inline: false,
            checkpoints: Arc::default(),
            may_wait: false,
            next: None,
        }
    }

    /// The first of two in a sequence, or an IF's condition: only its failure or break is final.
    pub fn first(&self) -> Self {
        Scope {
            on_done: None,
            may_wait: false,
            next: None,
            ..self.clone()
        }
    }

    /// The first of two in a sequence, or a part of a loop, with what follows it.
    pub fn before(&self, next: Next) -> Self {
        Scope {
            may_wait: self.may_wait,
            next: Some(Arc::new(next)),
            ..self.first()
        }
    }

    /// What comes after a first: the checkpoints have gone.
    pub fn then(&self) -> Self {
        Scope {
            checkpoints: Arc::default(),
            ..self.clone()
        }
    }

    /// A JOIN's branch: nothing follows before all have ended.
    pub fn join_branch(&self, index: usize) -> Self {
        Scope {
            on_done: None,
            on_failed: None,
            on_break: None,
            inline: true,
            checkpoints: self.first_only(index),
            may_wait: !self.inline || (self.may_wait && self.next.is_none()),
            next: None,
            ..self.clone()
        }
    }

    /// A RACE's branch: its end, however it ends, decides the race.
    pub fn race_branch(&self, race: &str, index: usize) -> Self {
        let also = |outer: &Option<Arc<Effect>>| {
            let mut effect = outer.as_deref().cloned().unwrap_or_default();
            effect.decides.push(race.to_owned());
            Some(Arc::new(effect))
        };
        let mut within = (*self.within).clone();
        within.push((race.to_owned(), index as i32));
        Scope {
            within: Arc::new(within),
            on_done: also(&self.on_done),
            on_failed: also(&self.on_failed),
            on_break: also(&self.on_break),
            in_loop: self.in_loop,
            inline: true,
            checkpoints: self.first_only(index),
            may_wait: false,
            next: None,
        }
    }

    /// A LOOP's body (or condition) in one iteration: a break ends the loop as completion would.
    pub fn iteration(&self, path: &str, turn: i32, checkpoints: Vec<Checkpoint>) -> Self {
        let mut within = (*self.within).clone();
        within.push((path.to_owned(), turn));
        let mut all = (*self.checkpoints).clone();
        all.extend(checkpoints);
        Scope {
            within: Arc::new(within),
            on_done: None,
            on_failed: self.on_failed.clone(),
            on_break: self.on_done.clone(),
            in_loop: true,
            inline: self.inline,
            checkpoints: Arc::new(all),
            may_wait: false,
            next: None,
        }
    }

    /// A branch that runs as an orchestration of its own.
    pub fn own_orchestration(&self) -> Self {
        Scope {
            inline: false,
            ..self.clone()
        }
    }

    /// The fence of a leaf that stands here.
    pub fn fence(&self) -> Fence {
        let effect = |one: &Option<Arc<Effect>>| one.as_deref().cloned().unwrap_or_default();
        Fence {
            within: (*self.within).clone(),
            on_completed: effect(&self.on_done),
            on_failed: effect(&self.on_failed),
            checkpoints: (*self.checkpoints).clone(),
        }
    }

    fn first_only(&self, index: usize) -> Arc<Vec<Checkpoint>> {
        if index == 0 {
            self.checkpoints.clone()
        } else {
            Arc::default()
        }
    }
}
