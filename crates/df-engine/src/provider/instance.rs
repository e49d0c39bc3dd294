//! One orchestration instance as stored: metadata, executions, queue and lock.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use duroxide::providers::WorkItem;

use super::clock::{Tick, wall_ms};
use super::history::{COMPLETED, Execution, FAILED};
use super::kv::Kv;
use super::tokens::Lock;

/// Names an instance; never reused, not even for the same id started afresh.
pub(super) type Key = u64;

/// A queued orchestrator message.
pub(super) struct Message {
    pub(super) item: WorkItem,
    pub(super) attempts: u32,
    /// Whether a turn for it alone would be for nothing: it goes with the next that is not so.
    pub(super) held: bool,
}

impl Message {
    /// A message that makes an instance runnable which has no history yet.
    pub(super) fn starts(&self) -> bool {
        matches!(
            self.item,
            WorkItem::StartOrchestration { .. } | WorkItem::ContinueAsNew { .. }
        )
    }

    pub(super) fn is_queue_message(&self) -> bool {
        matches!(self.item, WorkItem::QueueMessage { .. })
    }
}

/// Metadata, made by the first ack that carries it.
pub(super) struct Record {
    pub(super) orchestration: String,
    pub(super) version: String,
    pub(super) current_execution: u64,
    pub(super) parent: Option<Arc<str>>,
    /// Order of creation among all instances.
    pub(super) serial: u64,
    pub(super) created_at_ms: u64,
    pub(super) updated_at_ms: u64,
    pub(super) custom_status: Option<String>,
    pub(super) custom_status_version: u64,
}

pub(super) struct Instance {
    pub(super) name: Arc<str>,
    /// The root of its tree; its own key if it is the root.
    pub(super) root: Key,
    pub(super) record: Option<Box<Record>>,
    /// In order of id; mostly one.
    pub(super) executions: Vec<Execution>,
    /// Visible messages in the order in which they became visible, and those that are held among them. The first
    /// `locked` are with the holder of `lock`.
    pub(super) queue: VecDeque<Message>,
    pub(super) locked: usize,
    pub(super) lock: Option<Lock>,
    /// Its place in `State::ready`, if it is there.
    pub(super) ready: Option<u64>,
    /// Places in `State::due` of its delayed messages.
    pub(super) delayed: BTreeSet<(Tick, u64)>,
    pub(super) kv: Option<Box<Kv>>,
    /// Of a root: the other instances of the tree.
    pub(super) members: BTreeSet<Key>,
    /// Of a root: messages (queued, delayed, locked) and worker items of the whole tree.
    pub(super) pending: usize,
    /// Of a root: the first round of its lane in which its tree has no activity yet.
    pub(super) next_round: u64,
}

impl Instance {
    pub(super) fn new(name: Arc<str>, root: Key) -> Self {
        Self {
            name,
            root,
            record: None,
            executions: Vec::new(),
            queue: VecDeque::new(),
            locked: 0,
            lock: None,
            ready: None,
            delayed: BTreeSet::new(),
            kv: None,
            members: BTreeSet::new(),
            pending: 0,
            next_round: 0,
        }
    }

    pub(super) fn execution(&self, id: u64) -> Option<&Execution> {
        let index = self
            .executions
            .binary_search_by_key(&id, |execution| execution.id)
            .ok()?;
        Some(&self.executions[index])
    }

    /// The execution `id`, made if it is not there.
    pub(super) fn execution_mut(&mut self, id: u64) -> &mut Execution {
        let index = match self
            .executions
            .binary_search_by_key(&id, |execution| execution.id)
        {
            Ok(index) => index,
            Err(index) => {
                if self.executions.is_empty() {
                    self.executions.reserve_exact(1);
                }
                self.executions.insert(index, Execution::new(id));
                index
            }
        };
        &mut self.executions[index]
    }

    /// The execution that a fetch is about: what the metadata point to, else the latest.
    pub(super) fn current(&self) -> Option<&Execution> {
        match &self.record {
            Some(record) => self.execution(record.current_execution),
            None => self.executions.last(),
        }
    }

    /// Whether the orchestration has begun, so that any message can be delivered to it.
    pub(super) fn has_begun(&self) -> bool {
        self.record.is_some()
            || self
                .executions
                .last()
                .is_some_and(|last| last.started().is_some())
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.current()
            .is_some_and(|execution| matches!(&*execution.status, COMPLETED | FAILED))
    }

    /// Whether a fetch may take its visible messages. Before the orchestration has begun only a
    /// start makes it so; queue messages alone count too, as the fetch then drops them.
    pub(super) fn is_deliverable(&self) -> bool {
        self.lock.is_none()
            && !self.queue.iter().all(|message| message.held)
            && (self.has_begun()
                || self.queue.iter().any(Message::starts)
                || self.queue.iter().all(Message::is_queue_message))
    }

    /// Whether nothing is left that would justify keeping it. Worker items are the caller's to
    /// check.
    pub(super) fn is_empty(&self) -> bool {
        self.record.is_none()
            && self.executions.is_empty()
            && self.queue.is_empty()
            && self.delayed.is_empty()
            && self.lock.is_none()
            && self.members.is_empty()
            && self.pending == 0
    }

    pub(super) fn touch(&mut self) {
        if let Some(record) = &mut self.record {
            record.updated_at_ms = wall_ms();
        }
    }
}
