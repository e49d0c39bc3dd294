//! The maps and indexes of the provider, and how messages enter, wait and become visible.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use duroxide::providers::{ProviderError, WorkItem};
use foldhash::HashMap;
use tokio::sync::Notify;

use super::activities::{Work, WorkId, WorkQueue};
use super::clock::{Tick, ticks};
use super::history::Execution;
use super::instance::{Instance, Key, Message};
use super::trees::Hooks;

/// Messages for an instance that nobody starts are dropped after this long, or a cancel sent to an
/// unknown id would stay for ever.
const ORPHAN_SECONDS: u64 = 60;

/// What becomes due at a time.
pub(super) enum Due {
    /// A delayed message becomes visible.
    Message(Key, Box<Message>),
    /// An abandoned worker item becomes visible again.
    Work(WorkId),
    /// Messages without a start have waited long enough.
    Orphan(Key),
}

/// Whose lock lapses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lease {
    Turn(Key),
    Work(WorkId),
}

/// Fetchers to wake once the lock is released.
#[derive(Default)]
pub(super) struct Wakes {
    pub(super) turns: usize,
    pub(super) work: usize,
    pub(super) all_turns: bool,
    pub(super) all_work: bool,
}

impl Wakes {
    pub(super) fn deliver(self, turns: &Notify, work: &Notify) {
        ring(turns, self.turns, self.all_turns);
        ring(work, self.work, self.all_work);
    }
}

fn ring(bell: &Notify, count: usize, all: bool) {
    if all {
        bell.notify_waiters();
    }
    for _ in 0..count {
        bell.notify_one();
    }
}

/// Removed data, freed by whoever made it garbage after the lock is released.
#[derive(Default)]
pub(super) struct Removed {
    pub(super) instances: Vec<Instance>,
    pub(super) executions: Vec<Execution>,
    pub(super) work: Vec<Work>,
}

pub(super) struct State {
    pub(super) kept_executions: usize,
    pub(super) names: HashMap<Arc<str>, Key>,
    pub(super) instances: HashMap<Key, Instance>,
    /// Instances by parent id, for `ProviderAdmin`.
    pub(super) children: HashMap<Arc<str>, BTreeSet<Key>>,
    /// Instances with something to deliver, in the order in which they became so.
    pub(super) ready: BTreeMap<u64, Key>,
    pub(super) due: BTreeMap<(Tick, u64), Due>,
    pub(super) leases: BTreeSet<(Tick, Lease)>,
    pub(super) work: WorkQueue,
    pub(super) hooks: Hooks,
    /// Whether an activity that has this result may wait for the others of its orchestration to end.
    pub(super) may_wait: Option<fn(&str) -> bool>,
    /// Whether an activity that has this result is the end of its tree.
    pub(super) is_end: Option<fn(&str) -> bool>,
    pub(super) wakes: Wakes,
    pub(super) removed: Removed,
    /// Set once a fetcher has passed over a ready instance: waking one fetcher is then not enough.
    pub(super) choosy_turns: bool,
    last_serial: u64,
}

impl State {
    pub(super) fn new(kept_executions: usize) -> Self {
        Self {
            kept_executions,
            names: HashMap::default(),
            instances: HashMap::default(),
            children: HashMap::default(),
            ready: BTreeMap::new(),
            due: BTreeMap::new(),
            leases: BTreeSet::new(),
            work: WorkQueue::default(),
            hooks: Hooks::default(),
            may_wait: None,
            is_end: None,
            wakes: Wakes::default(),
            removed: Removed::default(),
            choosy_turns: false,
            last_serial: 0,
        }
    }

    /// A number above every one given before.
    pub(super) fn serial(&mut self) -> u64 {
        self.last_serial += 1;
        self.last_serial
    }

    pub(super) fn find(&self, name: &str) -> Option<&Instance> {
        self.instances.get(self.names.get(name)?)
    }

    /// The instance behind a key that state still refers to.
    pub(super) fn instance(&mut self, key: Key) -> &mut Instance {
        self.instances
            .get_mut(&key)
            .expect("state refers to instances it holds")
    }

    /// The key of `name`; an empty instance, and an empty root for it, is made if there is none.
    pub(super) fn intern(&mut self, name: &str) -> Key {
        if let Some(&key) = self.names.get(name) {
            return key;
        }
        let root_name = root_of(name);
        let root = (root_name != name).then(|| self.intern(root_name));
        let key = self.serial();
        let name: Arc<str> = name.into();
        self.names.insert(name.clone(), key);
        self.instances
            .insert(key, Instance::new(name, root.unwrap_or(key)));
        if let Some(root) = root {
            self.instance(root).members.insert(key);
        }
        key
    }

    /// Queues an orchestrator message; with a delay it stays invisible that long.
    pub(super) fn enqueue(
        &mut self,
        now: Tick,
        item: WorkItem,
        delay: Option<Duration>,
    ) -> Result<(), ProviderError> {
        let Some(name) = addressee(&item) else {
            let message = "not a message for an orchestration";
            return Err(ProviderError::permanent(
                "enqueue_for_orchestrator",
                message,
            ));
        };
        let key = self.intern(name);
        self.add_pending(key);
        let message = Message {
            item,
            attempts: 0,
            held: false,
        };
        match delay.filter(|delay| !delay.is_zero()) {
            Some(delay) => self.delay_message(key, message, now + ticks(delay)),
            None => self.show_message(key, message),
        }
        let instance = self.instance(key);
        if instance.ready.is_none() && instance.lock.is_none() && !instance.has_begun() {
            self.schedule(
                now + ticks(Duration::from_secs(ORPHAN_SECONDS)),
                Due::Orphan(key),
            );
        }
        Ok(())
    }

    pub(super) fn delay_message(&mut self, key: Key, message: Message, at: Tick) {
        let place = self.schedule(at, Due::Message(key, Box::new(message)));
        self.instance(key).delayed.insert(place);
    }

    /// Keeps a message back until another comes for the same instance, or `release`.
    pub(super) fn hold(&mut self, key: Key, item: WorkItem) {
        self.add_pending(key);
        let message = Message {
            item,
            attempts: 0,
            held: true,
        };
        self.instance(key).queue.push_back(message);
    }

    /// Lets go of what is held, since what it waits for may be gone.
    pub(super) fn release(&mut self, key: Key) {
        let held = self.instance(key).queue.iter_mut();
        held.for_each(|message| message.held = false);
        self.settle_ready(key);
    }

    fn show_message(&mut self, key: Key, message: Message) {
        self.instance(key).queue.push_back(message);
        self.settle_ready(key);
    }

    /// Puts something on the clock; wakes a fetcher to watch for it if nothing is due earlier.
    pub(super) fn schedule(&mut self, at: Tick, due: Due) -> (Tick, u64) {
        let place = (at, self.serial());
        if self
            .due
            .first_key_value()
            .is_none_or(|(first, _)| place < *first)
        {
            self.wakes.turns += 1;
        }
        self.due.insert(place, due);
        place
    }

    /// Makes `ready` agree with the instance; to be called whenever its queue or lock has changed.
    pub(super) fn settle_ready(&mut self, key: Key) {
        let instance = self.instance(key);
        match (instance.ready, instance.is_deliverable()) {
            (None, true) => {
                let place = self.serial();
                self.instance(key).ready = Some(place);
                self.ready.insert(place, key);
                self.wakes.turns += 1;
                self.wakes.all_turns |= self.choosy_turns;
            }
            (Some(place), false) => {
                instance.ready = None;
                self.ready.remove(&place);
            }
            _ => {}
        }
    }

    /// Makes visible what is due and releases lapsed locks.
    pub(super) fn advance(&mut self, now: Tick) {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let (place, due) = entry.remove_entry();
            match due {
                Due::Message(key, message) => {
                    self.instance(key).delayed.remove(&place);
                    self.show_message(key, *message);
                }
                Due::Work(id) => self.show_work(id),
                Due::Orphan(key) => self.drop_orphans(key),
            }
        }
        while let Some(&(until, lease)) = self.leases.first().filter(|(until, _)| *until <= now) {
            self.leases.remove(&(until, lease));
            match lease {
                Lease::Turn(key) => {
                    let instance = self.instance(key);
                    instance.lock = None;
                    instance.locked = 0;
                    self.settle_ready(key);
                }
                Lease::Work(id) => self.show_work(id),
            }
        }
    }

    /// When `advance` next has something to do.
    pub(super) fn next_due(&self) -> Option<Tick> {
        let due = self.due.first_key_value().map(|(place, _)| place.0);
        let lapse = self.leases.first().map(|lease| lease.0);
        [due, lapse].into_iter().flatten().min()
    }

    fn drop_orphans(&mut self, key: Key) {
        let Some(instance) = self.instances.get(&key) else {
            return;
        };
        let waits_for_start = !instance.delayed.is_empty() || instance.is_deliverable();
        if waits_for_start || instance.has_begun() || instance.lock.is_some() {
            return;
        }
        let instance = self.instance(key);
        let dropped = std::mem::take(&mut instance.queue).len();
        tracing::debug!(instance = %instance.name, dropped, "dropped messages nobody awaits");
        self.settle(key, dropped);
    }

    /// Counts one more message or worker item of the tree.
    pub(super) fn add_pending(&mut self, key: Key) {
        let root = self.instance(key).root;
        self.instance(root).pending += 1;
    }
}

/// The id of the root: what stands before the first `/`.
pub(super) fn root_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(root, _)| root)
}

/// The instance a message is for, or `None` for a worker item.
fn addressee(item: &WorkItem) -> Option<&str> {
    match item {
        WorkItem::StartOrchestration { instance, .. }
        | WorkItem::ActivityCompleted { instance, .. }
        | WorkItem::ActivityFailed { instance, .. }
        | WorkItem::TimerFired { instance, .. }
        | WorkItem::ExternalRaised { instance, .. }
        | WorkItem::QueueMessage { instance, .. }
        | WorkItem::CancelInstance { instance, .. }
        | WorkItem::ContinueAsNew { instance, .. } => Some(instance),
        WorkItem::SubOrchCompleted {
            parent_instance, ..
        }
        | WorkItem::SubOrchFailed {
            parent_instance, ..
        } => Some(parent_instance),
        WorkItem::ActivityExecute { .. } => None,
    }
}
