//! duroxide's `ProviderAdmin`: inspection, deletion and pruning. Not on any hot path; the relay
//! removes whole trees through `MemoryProvider::remove_tree` instead.

use std::cmp::Reverse;
use std::collections::HashSet;

use async_trait::async_trait;
use duroxide::Event;
use duroxide::providers::{
    DeleteInstanceResult, ExecutionInfo, InstanceFilter, InstanceInfo, ProviderAdmin,
    ProviderError, PruneOptions, PruneResult, QueueDepths, SystemMetrics,
};

use super::MemoryProvider;
use super::history::{COMPLETED, CONTINUED_AS_NEW, Execution, FAILED, RUNNING};
use super::instance::{Instance, Key, Record};
use super::state::State;

/// How many instances a bulk operation takes without a limit of its own.
const DEFAULT_BULK_LIMIT: u32 = 1000;

type Result<T> = std::result::Result<T, ProviderError>;

#[async_trait]
impl ProviderAdmin for MemoryProvider {
    async fn list_instances(&self) -> Result<Vec<String>> {
        Ok(self.with(|state, _| state.names_where(|_| true)))
    }

    async fn list_instances_by_status(&self, status: &str) -> Result<Vec<String>> {
        Ok(self.with(|state, _| state.names_where(|instance| status_of(instance) == Some(status))))
    }

    async fn list_executions(&self, instance: &str) -> Result<Vec<u64>> {
        Ok(self.with(|state, _| {
            let executions = state
                .find(instance)
                .map(|instance| instance.executions.as_slice());
            executions
                .unwrap_or_default()
                .iter()
                .map(|execution| execution.id)
                .collect()
        }))
    }

    async fn read_history_with_execution_id(
        &self,
        instance: &str,
        execution_id: u64,
    ) -> Result<Vec<Event>> {
        self.read_execution(instance, execution_id)
    }

    async fn read_history(&self, instance: &str) -> Result<Vec<Event>> {
        self.read_execution(instance, self.latest_execution_id(instance).await?)
    }

    async fn latest_execution_id(&self, instance: &str) -> Result<u64> {
        Ok(self.with(|state, _| {
            let latest = state
                .find(instance)
                .and_then(|instance| instance.executions.last());
            latest.map_or(duroxide::INITIAL_EXECUTION_ID, |latest| latest.id)
        }))
    }

    async fn get_instance_info(&self, instance: &str) -> Result<InstanceInfo> {
        self.with(|state, _| {
            let (instance, record) = state.recorded("get_instance_info", instance)?;
            let current = instance.current();
            Ok(InstanceInfo {
                instance_id: instance.name.to_string(),
                orchestration_name: record.orchestration.clone(),
                orchestration_version: record.version.clone(),
                current_execution_id: record.current_execution,
                status: current
                    .map_or("Unknown", |current| &current.status)
                    .to_owned(),
                output: current.and_then(|current| current.output.clone()),
                created_at: record.created_at_ms,
                updated_at: record.updated_at_ms,
                parent_instance_id: record.parent.as_deref().map(str::to_owned),
            })
        })
    }

    async fn get_execution_info(&self, instance: &str, execution_id: u64) -> Result<ExecutionInfo> {
        self.with(|state, _| {
            let execution = state
                .find(instance)
                .and_then(|instance| instance.execution(execution_id));
            let Some(execution) = execution else {
                let message = format!("execution {execution_id} of {instance} not found");
                return Err(ProviderError::permanent("get_execution_info", message));
            };
            Ok(ExecutionInfo {
                execution_id,
                status: execution.status.to_string(),
                output: execution.output.clone(),
                started_at: execution.started_at_ms,
                completed_at: execution.completed_at_ms,
                event_count: execution.events().len(),
            })
        })
    }

    async fn get_system_metrics(&self) -> Result<SystemMetrics> {
        Ok(self.with(|state, _| {
            let mut metrics = SystemMetrics::default();
            for instance in state.instances.values() {
                let events = instance
                    .executions
                    .iter()
                    .map(|execution| execution.events().len() as u64);
                metrics.total_events += events.sum::<u64>();
                metrics.total_executions += instance.executions.len() as u64;
                metrics.total_instances += u64::from(instance.record.is_some());
                match status_of(instance) {
                    Some(RUNNING) => metrics.running_instances += 1,
                    Some(COMPLETED) => metrics.completed_instances += 1,
                    Some(FAILED) => metrics.failed_instances += 1,
                    _ => {}
                }
            }
            metrics
        }))
    }

    async fn get_queue_depths(&self) -> Result<QueueDepths> {
        Ok(self.with(|state, _| {
            let unlocked = |instance: &Instance| {
                instance.queue.len() - instance.locked + instance.delayed.len()
            };
            QueueDepths {
                orchestrator_queue: state.instances.values().map(unlocked).sum(),
                worker_queue: state.work.unlocked(),
                timer_queue: 0,
            }
        }))
    }

    async fn list_children(&self, instance_id: &str) -> Result<Vec<String>> {
        Ok(self.with(|state, _| {
            let children = state.children.get(instance_id).into_iter().flatten();
            children
                .map(|key| state.instances[key].name.to_string())
                .collect()
        }))
    }

    async fn get_parent_id(&self, instance_id: &str) -> Result<Option<String>> {
        self.with(|state, _| {
            let (_, record) = state.recorded("get_parent_id", instance_id)?;
            Ok(record.parent.as_deref().map(str::to_owned))
        })
    }

    async fn delete_instances_atomic(
        &self,
        ids: &[String],
        force: bool,
    ) -> Result<DeleteInstanceResult> {
        self.with(|state, _| state.delete(ids, force))
    }

    async fn delete_instance_bulk(&self, filter: InstanceFilter) -> Result<DeleteInstanceResult> {
        let ended = |instance: &Instance| {
            let is_root = instance
                .record
                .as_ref()
                .is_some_and(|record| record.parent.is_none());
            is_root
                && matches!(
                    status_of(instance),
                    Some(COMPLETED | FAILED | CONTINUED_AS_NEW)
                )
        };
        let mut total = DeleteInstanceResult::default();
        for root in self.with(|state, _| state.matching(&filter, ended)) {
            let tree = self.get_instance_tree(&root).await?;
            let deleted = self.delete_instances_atomic(&tree.all_ids, true).await?;
            total.instances_deleted += deleted.instances_deleted;
            total.executions_deleted += deleted.executions_deleted;
            total.events_deleted += deleted.events_deleted;
            total.queue_messages_deleted += deleted.queue_messages_deleted;
        }
        Ok(total)
    }

    async fn prune_executions(
        &self,
        instance_id: &str,
        options: PruneOptions,
    ) -> Result<PruneResult> {
        self.with(|state, _| state.prune(instance_id, &options))
    }

    async fn prune_executions_bulk(
        &self,
        filter: InstanceFilter,
        options: PruneOptions,
    ) -> Result<PruneResult> {
        self.with(|state, _| {
            let mut total = PruneResult::default();
            for instance in state.matching(&filter, |instance| instance.record.is_some()) {
                let pruned = state.prune(&instance, &options)?;
                total.instances_processed += pruned.instances_processed;
                total.executions_deleted += pruned.executions_deleted;
                total.events_deleted += pruned.events_deleted;
            }
            Ok(total)
        })
    }
}

/// The status of an instance's current execution, if it has a record.
fn status_of(instance: &Instance) -> Option<&str> {
    let record = instance.record.as_ref()?;
    instance
        .execution(record.current_execution)
        .map(|execution| &*execution.status)
}

impl State {
    /// An instance that has metadata.
    fn recorded(&self, operation: &str, name: &str) -> Result<(&Instance, &Record)> {
        self.find(name)
            .and_then(|instance| Some((instance, instance.record.as_deref()?)))
            .ok_or_else(|| {
                ProviderError::permanent(operation, format!("instance {name} not found"))
            })
    }

    /// Recorded instances that satisfy a predicate, newest first.
    fn names_where(&self, predicate: impl Fn(&Instance) -> bool) -> Vec<String> {
        let chosen = self
            .instances
            .values()
            .filter(|instance| predicate(instance));
        let mut chosen: Vec<(Reverse<u64>, String)> = chosen
            .filter_map(|instance| {
                Some((
                    Reverse(instance.record.as_ref()?.serial),
                    instance.name.to_string(),
                ))
            })
            .collect();
        chosen.sort();
        chosen.into_iter().map(|(_, name)| name).collect()
    }

    fn matching(
        &self,
        filter: &InstanceFilter,
        predicate: impl Fn(&Instance) -> bool,
    ) -> Vec<String> {
        let in_time = |instance: &Instance| {
            filter.completed_before.is_none_or(|before| {
                let completed = instance
                    .current()
                    .and_then(|current| current.completed_at_ms);
                completed.is_some_and(|at| at < before)
            })
        };
        let allowed: Option<HashSet<&str>> = filter
            .instance_ids
            .as_ref()
            .map(|ids| ids.iter().map(String::as_str).collect());
        let named = |instance: &Instance| {
            allowed
                .as_ref()
                .is_none_or(|ids| ids.contains(&*instance.name))
        };
        let mut names = self
            .names_where(|instance| named(instance) && predicate(instance) && in_time(instance));
        names.truncate(filter.limit.unwrap_or(DEFAULT_BULK_LIMIT) as usize);
        names
    }

    fn delete(&mut self, ids: &[String], force: bool) -> Result<DeleteInstanceResult> {
        let refuse = |message| Err(ProviderError::permanent("delete_instances_atomic", message));
        let chosen: HashSet<&str> = ids.iter().map(String::as_str).collect();
        for id in &chosen {
            let running = self
                .find(id)
                .is_some_and(|instance| status_of(instance) == Some(RUNNING));
            if running && !force {
                return refuse(format!("instance {id} is still running"));
            }
            let children = self.children.get(*id).into_iter().flatten();
            let names = children.map(|child| &*self.instances[child].name);
            if let Some(orphan) = names.into_iter().find(|name| !chosen.contains(name)) {
                return refuse(format!(
                    "instance {id} has a child {orphan} that would be left"
                ));
            }
        }
        let mut result = DeleteInstanceResult {
            instances_deleted: ids.len() as u64,
            ..Default::default()
        };
        let keys: Vec<Key> = chosen
            .iter()
            .filter_map(|id| self.names.get(*id).copied())
            .collect();
        for key in keys {
            let cleared = self.clear(key);
            result.executions_deleted += cleared.executions;
            result.events_deleted += cleared.events;
            result.queue_messages_deleted += cleared.queued;
            self.drop_if_empty(key);
        }
        Ok(result)
    }

    fn prune(&mut self, name: &str, options: &PruneOptions) -> Result<PruneResult> {
        let current = self.recorded("prune_executions", name)?.1.current_execution;
        let key = self.names[name];
        let instance = self.instance(key);
        let keep = options.keep_last.unwrap_or(0) as usize;
        let newest_first = instance.executions.iter().rev();
        let oldest_kept = newest_first.take(keep).map(|execution| execution.id).min();
        let goes = |execution: &Execution| {
            execution.id != current
                && execution.status != RUNNING
                && oldest_kept.is_none_or(|oldest| execution.id < oldest)
                && options
                    .completed_before
                    .is_none_or(|before| execution.completed_at_ms.is_some_and(|at| at < before))
        };
        let (gone, kept) = std::mem::take(&mut instance.executions)
            .into_iter()
            .partition::<Vec<_>, _>(goes);
        instance.executions = kept;
        let result = PruneResult {
            instances_processed: 1,
            executions_deleted: gone.len() as u64,
            events_deleted: gone
                .iter()
                .map(|execution| execution.events().len() as u64)
                .sum(),
        };
        self.removed.executions.extend(gone);
        Ok(result)
    }
}
