//! Turns: fetching an instance with its messages and history, and acknowledging what a turn did.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use duroxide::providers::{
    DispatcherCapabilityFilter, ExecutionMetadata, OrchestrationItem, ProviderError,
    ScheduledActivityIdentifier, WorkItem,
};
use duroxide::{Event, EventKind, INITIAL_EXECUTION_ID};

use super::clock::{Tick, ticks, until_wall_ms, wall_ms};
use super::history::{COMPLETED, CONTINUED_AS_NEW, Execution, FAILED, check_delta};
use super::instance::{Instance, Key, Message, Record};
use super::kv::Kv;
use super::state::{Due, Lease, State};
use super::tokens::{self, Lock};

const ACK: &str = "ack_orchestration_item";

/// A fetched turn, but for the history, which is cloned outside the lock.
pub(super) struct Turn {
    item: OrchestrationItem,
    events: Arc<Vec<Event>>,
    token: String,
    attempts: u32,
}

impl Turn {
    /// What `Provider::fetch_orchestration_item` returns.
    pub(super) fn into_parts(self) -> (OrchestrationItem, String, u32) {
        let mut item = self.item;
        item.history = Arc::unwrap_or_clone(self.events);
        (item, self.token, self.attempts)
    }
}

/// What a turn did, as the runtime acknowledges it.
pub(super) struct TurnResult {
    pub(super) execution_id: u64,
    pub(super) events: Vec<Event>,
    pub(super) worker_items: Vec<WorkItem>,
    pub(super) orchestrator_items: Vec<WorkItem>,
    pub(super) metadata: ExecutionMetadata,
    pub(super) cancelled: Vec<ScheduledActivityIdentifier>,
}

impl State {
    /// Locks the next instance that the fetcher can run, with all its visible messages.
    pub(super) fn fetch_turn(
        &mut self,
        now: Tick,
        lock_for: Duration,
        filter: Option<&DispatcherCapabilityFilter>,
    ) -> Option<Turn> {
        loop {
            let key = self.pick_ready(filter)?;
            if self.has_only_orphans(key) {
                let dropped = std::mem::take(&mut self.instance(key).queue).len();
                self.settle_ready(key);
                self.settle(key, dropped);
                continue;
            }
            let lock = Lock {
                serial: self.serial(),
                until: now + ticks(lock_for),
            };
            self.leases.insert((lock.until, Lease::Turn(key)));
            let instance = self.instance(key);
            instance.lock = Some(lock);
            instance.locked = instance.queue.len();
            instance
                .queue
                .iter_mut()
                .for_each(|message| message.attempts += 1);
            let turn = load(instance, tokens::format(key, lock.serial));
            self.settle_ready(key);
            return Some(turn);
        }
    }

    /// The first ready instance within the filter.
    fn pick_ready(&mut self, filter: Option<&DispatcherCapabilityFilter>) -> Option<Key> {
        let Some(filter) = filter else {
            return self.ready.values().next().copied();
        };
        let range = filter.supported_duroxide_versions.first()?;
        let fits = |key: &Key| {
            self.instances[key]
                .current()
                .is_none_or(|current| current.fits(range))
        };
        let picked = self.ready.values().copied().find(fits);
        if !self.choosy_turns && picked != self.ready.values().next().copied() {
            self.choosy_turns = true;
            self.wakes.all_turns = true;
        }
        picked
    }

    /// Whether the visible messages are buffered events for an orchestration that never began.
    fn has_only_orphans(&self, key: Key) -> bool {
        let instance = &self.instances[&key];
        !instance.has_begun() && !instance.queue.iter().any(Message::starts)
    }

    /// The instance behind a token that is still good.
    fn locked_instance(&self, operation: &str, token: &str) -> Result<Key, ProviderError> {
        tokens::parse(token)
            .filter(|(key, serial)| {
                let lock = self.instances.get(key).and_then(|instance| instance.lock);
                lock.is_some_and(|lock| lock.serial == *serial)
            })
            .map(|(key, _)| key)
            .ok_or_else(|| {
                ProviderError::permanent(
                    operation,
                    "Invalid lock token: unknown, removed or lapsed",
                )
            })
    }

    /// Commits a turn as a whole, or refuses it as a whole and leaves the lock.
    pub(super) fn ack_turn(
        &mut self,
        now: Tick,
        token: &str,
        result: TurnResult,
    ) -> Result<(), ProviderError> {
        let key = self.locked_instance(ACK, token)?;
        let TurnResult {
            execution_id,
            events,
            worker_items,
            orchestrator_items,
            metadata,
            cancelled,
        } = result;
        check_delta(ACK, self.instances[&key].execution(execution_id), &events)?;
        if !worker_items
            .iter()
            .all(|item| matches!(item, WorkItem::ActivityExecute { .. }))
        {
            return Err(ProviderError::permanent(
                ACK,
                "a worker item is not an activity",
            ));
        }
        if orchestrator_items
            .iter()
            .any(|item| matches!(item, WorkItem::ActivityExecute { .. }))
        {
            return Err(ProviderError::permanent(
                ACK,
                "an orchestrator item is an activity",
            ));
        }

        self.record_instance(key, execution_id, &metadata);
        let ended = self.record_execution(key, execution_id, events, metadata);
        for item in worker_items {
            self.enqueue_work(item)?;
        }
        for item in orchestrator_items {
            let delay = match &item {
                WorkItem::TimerFired { fire_at_ms, .. } => Some(until_wall_ms(*fire_at_ms)),
                _ => None,
            };
            self.enqueue(now, item, delay)?;
        }
        for activity in &cancelled {
            self.cancel_work(activity);
        }
        let dead = if ended {
            self.drop_dead_timers(key, execution_id)
        } else {
            0
        };
        let done = dead + self.take_locked(key);
        self.settle(key, done);
        Ok(())
    }

    /// Removes the locked messages and the lock; answers how many messages there were.
    fn take_locked(&mut self, key: Key) -> usize {
        let lock = self.instance(key).lock.take();
        if let Some(lock) = lock {
            self.leases.remove(&(lock.until, Lease::Turn(key)));
        }
        let instance = self.instance(key);
        let locked = std::mem::take(&mut instance.locked);
        instance.queue.drain(..locked);
        if instance.queue.is_empty() {
            // A waiting instance keeps no room for messages.
            instance.queue = VecDeque::new();
        }
        // A turn can drop the activities that others wait for.
        self.release(key);
        locked
    }

    fn record_instance(&mut self, key: Key, execution_id: u64, metadata: &ExecutionMetadata) {
        let (Some(orchestration), Some(version)) = (
            &metadata.orchestration_name,
            &metadata.orchestration_version,
        ) else {
            if let Some(record) = &mut self.instance(key).record {
                record.current_execution = record.current_execution.max(execution_id);
            }
            return;
        };
        if let Some(record) = &mut self.instance(key).record {
            record.orchestration.clone_from(orchestration);
            record.version.clone_from(version);
            record.current_execution = record.current_execution.max(execution_id);
            return;
        }
        let parent: Option<Arc<str>> = metadata.parent_instance_id.as_deref().map(Arc::from);
        if let Some(parent) = &parent {
            self.children.entry(parent.clone()).or_default().insert(key);
        }
        let serial = self.serial();
        self.instance(key).record = Some(Box::new(Record {
            orchestration: orchestration.clone(),
            version: version.clone(),
            current_execution: execution_id,
            parent,
            serial,
            created_at_ms: wall_ms(),
            updated_at_ms: wall_ms(),
            custom_status: None,
            custom_status_version: 0,
        }));
    }

    /// Appends a turn's events and what follows from them and from its status. Answers whether the
    /// execution ended.
    fn record_execution(
        &mut self,
        key: Key,
        execution_id: u64,
        events: Vec<Event>,
        metadata: ExecutionMetadata,
    ) -> bool {
        let status = metadata.status;
        let ended = matches!(
            status.as_deref(),
            Some(COMPLETED | FAILED | CONTINUED_AS_NEW)
        );
        let kept = self.kept_executions;
        let instance = self.instance(key);
        instance.touch();
        record_custom_status(instance, &events);
        record_kv(instance, &events, ended);
        let begins = instance
            .executions
            .last()
            .is_none_or(|last| last.id < execution_id);
        let execution = instance.execution_mut(execution_id);
        execution.append(events);
        if let Some(version) = metadata.pinned_duroxide_version {
            execution.pinned = Some((version.major, version.minor, version.patch));
        }
        if let Some(status) = status {
            execution.finish(status, metadata.output);
        }
        if begins && instance.executions.len() > kept {
            let excess = instance.executions.len() - kept;
            let old: Vec<Execution> = instance.executions.drain(..excess).collect();
            self.removed.executions.extend(old);
        }
        if ended {
            self.announce_end(key, execution_id);
        }
        ended
    }

    /// Drops the timers of an execution that has ended, and of earlier ones: nobody waits for them,
    /// and they would keep the tree from coming to rest. Answers how many.
    fn drop_dead_timers(&mut self, key: Key, execution_id: u64) -> usize {
        let is_dead = |due: &Due| match due {
            Due::Message(_, message) => match message.item {
                WorkItem::TimerFired {
                    execution_id: of, ..
                } => of <= execution_id,
                _ => false,
            },
            _ => false,
        };
        let delayed = &self.instances[&key].delayed;
        let dead: Vec<_> = delayed
            .iter()
            .filter(|place| is_dead(&self.due[place]))
            .copied()
            .collect();
        for place in &dead {
            self.due.remove(place);
            self.instance(key).delayed.remove(place);
        }
        dead.len()
    }

    pub(super) fn abandon_turn(
        &mut self,
        now: Tick,
        token: &str,
        delay: Option<Duration>,
        ignore_attempt: bool,
    ) -> Result<(), ProviderError> {
        let key = self.locked_instance("abandon_orchestration_item", token)?;
        let instance = self.instance(key);
        let locked = std::mem::take(&mut instance.locked);
        let lock = instance.lock.take();
        if ignore_attempt {
            let fetched = instance.queue.iter_mut().take(locked);
            fetched.for_each(|message| message.attempts = message.attempts.saturating_sub(1));
        }
        let delay = delay.filter(|delay| !delay.is_zero());
        let hidden: Vec<Message> = match delay {
            Some(_) => instance.queue.drain(..locked).collect(),
            None => Vec::new(),
        };
        if let Some(lock) = lock {
            self.leases.remove(&(lock.until, Lease::Turn(key)));
        }
        let until = now + ticks(delay.unwrap_or_default());
        for message in hidden {
            self.delay_message(key, message, until);
        }
        self.settle_ready(key);
        Ok(())
    }

    pub(super) fn renew_turn(
        &mut self,
        now: Tick,
        token: &str,
        extend_for: Duration,
    ) -> Result<(), ProviderError> {
        let key = self.locked_instance("renew_orchestration_item_lock", token)?;
        let until = now + ticks(extend_for);
        let lock = self
            .instance(key)
            .lock
            .as_mut()
            .expect("its token was found good");
        let lapsed = std::mem::replace(&mut lock.until, until);
        self.leases.remove(&(lapsed, Lease::Turn(key)));
        self.leases.insert((until, Lease::Turn(key)));
        Ok(())
    }
}

/// Puts a fetched turn together.
fn load(instance: &Instance, token: String) -> Turn {
    let current = instance.current();
    let events = current
        .map(|execution| execution.events().clone())
        .unwrap_or_default();
    let unreadable = current.is_some_and(|execution| execution.unreadable);
    let (orchestration_name, version, execution_id) = identity(instance, current);
    let item = OrchestrationItem {
        instance: instance.name.to_string(),
        orchestration_name,
        execution_id,
        version,
        history: Vec::new(),
        messages: instance
            .queue
            .iter()
            .map(|message| message.item.clone())
            .collect(),
        history_error: unreadable.then(|| "history cannot be decoded".to_owned()),
        kv_snapshot: instance
            .kv
            .as_ref()
            .map(|kv| kv.snapshot())
            .unwrap_or_default(),
    };
    let attempts = instance
        .queue
        .iter()
        .map(|message| message.attempts)
        .max()
        .unwrap_or_default();
    Turn {
        item,
        events: if unreadable { Arc::default() } else { events },
        token,
        attempts,
    }
}

/// Name, version and execution of the orchestration: from the metadata, else from its first event,
/// else from the message that starts it.
fn identity(instance: &Instance, current: Option<&Execution>) -> (String, String, u64) {
    if let Some(record) = &instance.record {
        return (
            record.orchestration.clone(),
            record.version.clone(),
            record.current_execution,
        );
    }
    if let Some((name, version)) = current.and_then(Execution::started) {
        return (name.to_owned(), version.to_owned(), INITIAL_EXECUTION_ID);
    }
    let start = instance
        .queue
        .iter()
        .find_map(|message| match &message.item {
            WorkItem::StartOrchestration {
                orchestration,
                version,
                ..
            }
            | WorkItem::ContinueAsNew {
                orchestration,
                version,
                ..
            } => Some((orchestration, version)),
            _ => None,
        });
    let (name, version) = start.expect("only startable instances are fetched");
    (
        name.clone(),
        version.clone().unwrap_or_else(|| "unknown".to_owned()),
        INITIAL_EXECUTION_ID,
    )
}

fn record_custom_status(instance: &mut Instance, events: &[Event]) {
    let Some(record) = &mut instance.record else {
        return;
    };
    let last = events.iter().rev().find_map(|event| match &event.kind {
        EventKind::CustomStatusUpdated { status } => Some(status),
        _ => None,
    });
    if let Some(status) = last {
        record.custom_status.clone_from(status);
        record.custom_status_version += 1;
    }
}

fn record_kv(instance: &mut Instance, events: &[Event], ended: bool) {
    if instance.kv.is_none() && !events.iter().any(Kv::concerns) {
        return;
    }
    let kv = instance.kv.get_or_insert_default();
    events.iter().for_each(|event| kv.apply(event));
    if ended {
        kv.merge();
    }
}
