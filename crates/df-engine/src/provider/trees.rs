//! Instance trees: rest, end and removal.
//!
//! The root of a tree counts the messages and worker items of all its instances. Every operation
//! that takes some away ends with `settle`, once, so that a turn which consumes one message and
//! leaves another never looks like rest.

use duroxide::providers::ScheduledActivityIdentifier;
use tokio::sync::mpsc::UnboundedSender;

use super::history::{COMPLETED, FAILED};
use super::instance::{Instance, Key, Message};
use super::state::{Due, Lease, State, root_of};

/// A root orchestration's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// The root's instance id.
    pub root: String,
    pub status: TerminalStatus,
    /// The orchestration's output, or the text of the error it failed with.
    pub output: String,
}

/// How a root orchestration ended, in duroxide's eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminalStatus {
    Completed,
    Failed,
}

/// Where to tell of rest, end and dropped activities. A sender whose receiver is gone is forgotten.
#[derive(Default)]
pub(super) struct Hooks {
    pub(super) quiet: Option<UnboundedSender<String>>,
    pub(super) terminal: Option<UnboundedSender<Terminal>>,
    pub(super) child_ended: Option<UnboundedSender<String>>,
    pub(super) dropped: Option<UnboundedSender<ScheduledActivityIdentifier>>,
}

/// What `clear` took from an instance.
#[derive(Default)]
pub(super) struct Cleared {
    pub(super) executions: u64,
    pub(super) events: u64,
    pub(super) queued: u64,
}

impl State {
    /// Takes `done` messages and worker items off the tree's count; tells if the tree came to rest,
    /// and drops the instance if nothing is left of it.
    pub(super) fn settle(&mut self, key: Key, done: usize) {
        let root_key = self.instance(key).root;
        let root = self.instance(root_key);
        root.pending -= done;
        if done > 0 && root.pending == 0 && root.has_begun() && !root.is_terminal() {
            let name = root.name.to_string();
            if self
                .hooks
                .quiet
                .as_ref()
                .is_some_and(|hook| hook.send(name).is_err())
            {
                self.hooks.quiet = None;
            }
        }
        self.drop_if_empty(key);
    }

    /// Tells that an execution of a root completed or failed, or that a child has ended.
    pub(super) fn announce_end(&mut self, key: Key, execution_id: u64) {
        let of_child = &self.instances[&key];
        if of_child.root != key {
            let name = of_child.name.to_string();
            let gone = |hook: &UnboundedSender<String>| hook.send(name).is_err();
            if of_child.is_terminal() && self.hooks.child_ended.as_ref().is_some_and(gone) {
                self.hooks.child_ended = None;
            }
            return;
        }
        let instance = &self.instances[&key];
        let Some(execution) = instance.execution(execution_id) else {
            return;
        };
        let status = match &*execution.status {
            COMPLETED => TerminalStatus::Completed,
            FAILED => TerminalStatus::Failed,
            _ => return,
        };
        let root = instance.name.to_string();
        let output = execution.output.clone().unwrap_or_default();
        self.tell_end(root, status, output);
    }

    fn tell_end(&mut self, root: String, status: TerminalStatus, output: String) {
        let terminal = Terminal {
            root,
            status,
            output,
        };
        let gone = |hook: &UnboundedSender<Terminal>| hook.send(terminal).is_err();
        if self.hooks.terminal.as_ref().is_some_and(gone) {
            self.hooks.terminal = None;
        }
    }

    /// Removes a tree that has ended with what one of its activities returned.
    pub(super) fn end_tree(&mut self, key: Key, output: &str) {
        let root = self.instances[&key].root;
        let name = self.instances[&root].name.to_string();
        self.remove_tree(&name);
        self.tell_end(name, TerminalStatus::Completed, output.to_owned());
    }

    pub(super) fn is_quiet(&self, root: &str) -> bool {
        self.find(root)
            .is_some_and(|root| root.pending == 0 && root.has_begun())
    }

    pub(super) fn live_roots(&self) -> Vec<String> {
        let is_live = |key: Key, root: &Instance| {
            root.root == key && !root.is_terminal() && (root.has_begun() || self.has_start(root))
        };
        let live = self
            .instances
            .iter()
            .filter(|(key, root)| is_live(**key, root));
        live.map(|(_, root)| root.name.to_string()).collect()
    }

    fn has_start(&self, instance: &Instance) -> bool {
        let delayed = |place| matches!(self.due.get(place), Some(Due::Message(_, m)) if m.starts());
        instance.queue.iter().any(Message::starts) || instance.delayed.iter().any(delayed)
    }

    pub(super) fn remove_tree(&mut self, root: &str) -> bool {
        if root_of(root) != root {
            return false;
        }
        let Some(&key) = self.names.get(root) else {
            return false;
        };
        let members = std::mem::take(&mut self.instance(key).members);
        for member in members {
            self.clear(member);
            self.forget(member);
        }
        self.clear(key);
        self.forget(key);
        true
    }

    pub(super) fn remove_ended_child(&mut self, child: &str) -> bool {
        let Some(&key) = self.names.get(child) else {
            return false;
        };
        let instance = &self.instances[&key];
        let root = instance.root;
        if root == key || !instance.is_terminal() {
            return false;
        }
        let queued = self.clear(key).queued as usize;
        self.forget(key);
        self.instance(root).members.remove(&key);
        // Its leftover messages may have been all that kept the tree from rest.
        self.instance(root).pending += queued;
        self.settle(root, queued);
        true
    }

    /// Empties an instance: record, histories, messages, worker items, lock. The tree's count
    /// follows, without telling anybody.
    pub(super) fn clear(&mut self, key: Key) -> Cleared {
        let work = self.remove_work_of(key);
        let instance = self.instance(key);
        let mut emptied = Instance::new(instance.name.clone(), instance.root);
        emptied.members = std::mem::take(&mut instance.members);
        emptied.pending = instance.pending;
        let old = std::mem::replace(instance, emptied);
        if let Some(place) = old.ready {
            self.ready.remove(&place);
        }
        if let Some(lock) = old.lock {
            self.leases.remove(&(lock.until, Lease::Turn(key)));
        }
        for place in &old.delayed {
            self.due.remove(place);
        }
        if let Some(parent) = old
            .record
            .as_ref()
            .and_then(|record| record.parent.as_ref())
            && let Some(siblings) = self.children.get_mut(parent)
        {
            siblings.remove(&key);
            if siblings.is_empty() {
                self.children.remove(parent);
            }
        }
        let queued = work + old.queue.len() + old.delayed.len();
        self.instance(old.root).pending -= queued;
        let cleared = Cleared {
            executions: old.executions.len() as u64,
            events: old
                .executions
                .iter()
                .map(|execution| execution.events().len() as u64)
                .sum(),
            queued: queued as u64,
        };
        self.removed.instances.push(old);
        cleared
    }

    /// Drops an instance of which nothing is left, and then its root if that was all it was kept
    /// for.
    pub(super) fn drop_if_empty(&mut self, key: Key) {
        let Some(instance) = self.instances.get(&key) else {
            return;
        };
        let root = instance.root;
        if !instance.is_empty() || self.work.concerns(key) {
            return;
        }
        self.forget(key);
        if root != key {
            self.instance(root).members.remove(&key);
            self.drop_if_empty(root);
        }
    }

    fn forget(&mut self, key: Key) {
        if let Some(instance) = self.instances.remove(&key) {
            self.names.remove(&instance.name);
        }
    }
}
