//! duroxide's `Provider` trait, mapped onto the state.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use duroxide::providers::{
    DispatcherCapabilityFilter, ExecutionMetadata, OrchestrationItem, Provider, ProviderAdmin,
    ProviderError, ScheduledActivityIdentifier, SessionFetchConfig, TagFilter, WorkItem,
};
use duroxide::{Event, EventKind, SystemStats};

use super::MemoryProvider;
use super::history::{Execution, check_delta};
use super::orchestrations::TurnResult;
use super::state::State;

type Result<T> = std::result::Result<T, ProviderError>;

#[async_trait]
impl Provider for MemoryProvider {
    fn name(&self) -> &str {
        "memory"
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    async fn fetch_orchestration_item(
        &self,
        lock_timeout: Duration,
        poll_timeout: Duration,
        filter: Option<&DispatcherCapabilityFilter>,
    ) -> Result<Option<(OrchestrationItem, String, u32)>> {
        let turn = self
            .poll(&self.turns, poll_timeout, State::next_due, |state, now| {
                state.fetch_turn(now, lock_timeout, filter)
            })
            .await;
        Ok(turn.map(|turn| turn.into_parts()))
    }

    async fn ack_orchestration_item(
        &self,
        lock_token: &str,
        execution_id: u64,
        history_delta: Vec<Event>,
        worker_items: Vec<WorkItem>,
        orchestrator_items: Vec<WorkItem>,
        metadata: ExecutionMetadata,
        cancelled_activities: Vec<ScheduledActivityIdentifier>,
    ) -> Result<()> {
        let result = TurnResult {
            execution_id,
            events: history_delta,
            worker_items,
            orchestrator_items,
            metadata,
            cancelled: cancelled_activities,
        };
        self.with(|state, now| state.ack_turn(now, lock_token, result))
    }

    async fn abandon_orchestration_item(
        &self,
        lock_token: &str,
        delay: Option<Duration>,
        ignore_attempt: bool,
    ) -> Result<()> {
        self.with(|state, now| state.abandon_turn(now, lock_token, delay, ignore_attempt))
    }

    async fn read(&self, instance: &str) -> Result<Vec<Event>> {
        self.read_latest(instance)
    }

    async fn read_with_execution(&self, instance: &str, execution_id: u64) -> Result<Vec<Event>> {
        self.read_execution(instance, execution_id)
    }

    async fn append_with_execution(
        &self,
        instance: &str,
        execution_id: u64,
        new_events: Vec<Event>,
    ) -> Result<()> {
        self.with(|state, _| {
            let existing = state
                .find(instance)
                .and_then(|instance| instance.execution(execution_id));
            check_delta("append_with_execution", existing, &new_events)?;
            let key = state.intern(instance);
            state
                .instance(key)
                .execution_mut(execution_id)
                .append(new_events);
            state.settle_ready(key);
            Ok(())
        })
    }

    async fn enqueue_for_worker(&self, item: WorkItem) -> Result<()> {
        self.with(|state, _| state.enqueue_work(item))
    }

    async fn fetch_work_item(
        &self,
        lock_timeout: Duration,
        poll_timeout: Duration,
        session: Option<&SessionFetchConfig>,
        tag_filter: &TagFilter,
    ) -> Result<Option<(WorkItem, String, u32)>> {
        let holds = lock_timeout * self.config.work_lock_factor.max(1);
        let fetch = |state: &mut State, now| state.fetch_work(now, holds, session, tag_filter);
        Ok(self.poll(&self.work, poll_timeout, |_| None, fetch).await)
    }

    async fn ack_work_item(&self, token: &str, completion: Option<WorkItem>) -> Result<()> {
        self.with(|state, now| state.ack_work(now, token, completion))
    }

    async fn renew_work_item_lock(&self, token: &str, extend_for: Duration) -> Result<()> {
        let holds = extend_for * self.config.work_lock_factor.max(1);
        self.with(|state, now| state.renew_work(now, token, holds))
    }

    async fn renew_session_lock(
        &self,
        owner_ids: &[&str],
        extend_for: Duration,
        idle_timeout: Duration,
    ) -> Result<usize> {
        Ok(self.with(|state, now| state.renew_sessions(now, owner_ids, extend_for, idle_timeout)))
    }

    async fn cleanup_orphaned_sessions(&self, _idle_timeout: Duration) -> Result<usize> {
        Ok(self.with(|state, now| state.drop_sessions(now)))
    }

    async fn abandon_work_item(
        &self,
        token: &str,
        delay: Option<Duration>,
        ignore_attempt: bool,
    ) -> Result<()> {
        self.with(|state, now| state.abandon_work(now, token, delay, ignore_attempt))
    }

    async fn renew_orchestration_item_lock(&self, token: &str, extend_for: Duration) -> Result<()> {
        self.with(|state, now| state.renew_turn(now, token, extend_for))
    }

    async fn enqueue_for_orchestrator(
        &self,
        item: WorkItem,
        delay: Option<Duration>,
    ) -> Result<()> {
        self.with(|state, now| state.enqueue(now, item, delay))
    }

    fn as_management_capability(&self) -> Option<&dyn ProviderAdmin> {
        Some(self)
    }

    async fn get_custom_status(
        &self,
        instance: &str,
        last_seen_version: u64,
    ) -> Result<Option<(Option<String>, u64)>> {
        Ok(self.with(|state, _| {
            let record = state.find(instance)?.record.as_ref()?;
            (record.custom_status_version > last_seen_version)
                .then(|| (record.custom_status.clone(), record.custom_status_version))
        }))
    }

    async fn get_kv_value(&self, instance: &str, key: &str) -> Result<Option<String>> {
        Ok(self.with(|state, _| Some(state.find(instance)?.kv.as_ref()?.get(key)?.to_owned())))
    }

    async fn get_kv_all_values(&self, instance: &str) -> Result<HashMap<String, String>> {
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Ok(self.with(|state, _| {
            let kv = state
                .find(instance)
                .and_then(|instance| instance.kv.as_ref());
            kv.map(|kv| kv.iter().map(owned).collect())
                .unwrap_or_default()
        }))
    }

    async fn get_instance_stats(&self, instance: &str) -> Result<Option<SystemStats>> {
        Ok(self.with(|state, _| state.instance_stats(instance)))
    }
}

impl MemoryProvider {
    /// The latest execution's events, abridged as configured.
    pub(super) fn read_latest(&self, instance: &str) -> Result<Vec<Event>> {
        let events = self.with(|state, _| {
            let latest = state
                .find(instance)
                .and_then(|instance| instance.executions.last());
            latest
                .map(|latest| readable("read", latest).map(|_| latest.events().clone()))
                .transpose()
        })?;
        let events = events.unwrap_or_default();
        if self.config.whole_reads {
            return Ok(events.to_vec());
        }
        Ok(events
            .iter()
            .filter(|event| is_milestone(event))
            .cloned()
            .collect())
    }

    /// One execution's events; none if it is not kept.
    pub(super) fn read_execution(&self, instance: &str, execution_id: u64) -> Result<Vec<Event>> {
        let events = self.with(|state, _| {
            let execution = state
                .find(instance)
                .and_then(|instance| instance.execution(execution_id));
            let read = |execution| {
                readable("read_with_execution", execution)
                    .map(|execution| execution.events().clone())
            };
            execution.map(read).transpose()
        })?;
        Ok(events.map(|events| events.to_vec()).unwrap_or_default())
    }
}

/// Whether an event begins or ends an execution.
fn is_milestone(event: &Event) -> bool {
    matches!(
        event.kind,
        EventKind::OrchestrationStarted { .. }
            | EventKind::OrchestrationCompleted { .. }
            | EventKind::OrchestrationFailed { .. }
            | EventKind::OrchestrationContinuedAsNew { .. }
    )
}

fn readable<'a>(operation: &str, execution: &'a Execution) -> Result<&'a Execution> {
    match execution.unreadable {
        true => Err(ProviderError::permanent(
            operation,
            "history cannot be decoded",
        )),
        false => Ok(execution),
    }
}

impl State {
    fn instance_stats(&self, instance: &str) -> Option<SystemStats> {
        let instance = self.find(instance)?;
        instance.record.as_ref()?;
        let events = instance
            .current()
            .map(|current| current.events().as_slice())
            .unwrap_or_default();
        let carried = events.first().and_then(|event| match &event.kind {
            EventKind::OrchestrationStarted {
                carry_forward_events,
                ..
            } => carry_forward_events.as_ref(),
            _ => None,
        });
        let values = || instance.kv.iter().flat_map(|kv| kv.iter());
        Some(SystemStats {
            history_event_count: events.len() as u64,
            history_size_bytes: events.iter().map(serialized_bytes).sum(),
            queue_pending_count: carried.map_or(0, |carried| carried.len() as u64),
            kv_user_key_count: values().count() as u64,
            kv_total_value_bytes: values().map(|(_, value)| value.len() as u64).sum(),
        })
    }

    pub(super) fn corrupt_history(&mut self, instance: &str) {
        if let Some(&key) = self.names.get(instance) {
            self.instance(key)
                .executions
                .iter_mut()
                .for_each(|execution| execution.unreadable = true);
        }
    }

    pub(super) fn max_attempts(&self, instance: &str) -> u32 {
        let queue = self.find(instance).map(|instance| instance.queue.iter());
        queue
            .into_iter()
            .flatten()
            .map(|message| message.attempts)
            .max()
            .unwrap_or_default()
    }
}

/// The size of an event as JSON, in bytes.
fn serialized_bytes(event: &Event) -> u64 {
    serde_json::to_vec(event).map_or(0, |json| json.len() as u64)
}
