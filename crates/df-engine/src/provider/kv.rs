//! The key-value store of an instance. Writes of the current execution are a delta beside the state
//! that ended executions left; the delta is merged when the execution ends.

use std::collections::HashMap;

use duroxide::providers::KvEntry;
use duroxide::{Event, EventKind};

#[derive(Default)]
pub(super) struct Kv {
    store: HashMap<String, KvEntry>,
    /// `None` marks a key that the current execution cleared.
    delta: HashMap<String, Option<KvEntry>>,
}

impl Kv {
    /// Whether an event writes to the store, so that most instances never get one.
    pub(super) fn concerns(event: &Event) -> bool {
        matches!(
            event.kind,
            EventKind::KeyValueSet { .. }
                | EventKind::KeyValueCleared { .. }
                | EventKind::KeyValuesCleared
        )
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::KeyValueSet {
                key,
                value,
                last_updated_at_ms,
            } => {
                let entry = KvEntry {
                    value: value.clone(),
                    last_updated_at_ms: *last_updated_at_ms,
                };
                self.delta.insert(key.clone(), Some(entry));
            }
            EventKind::KeyValueCleared { key } => {
                self.delta.insert(key.clone(), None);
            }
            EventKind::KeyValuesCleared => {
                self.delta.values_mut().for_each(|value| *value = None);
                for key in self.store.keys() {
                    self.delta.entry(key.clone()).or_insert(None);
                }
            }
            _ => {}
        }
    }

    pub(super) fn merge(&mut self) {
        for (key, value) in self.delta.drain() {
            match value {
                Some(entry) => self.store.insert(key, entry),
                None => self.store.remove(&key),
            };
        }
    }

    /// What ended executions left; the current one's own writes are in its history.
    pub(super) fn snapshot(&self) -> HashMap<String, KvEntry> {
        self.store.clone()
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        match self.delta.get(key) {
            Some(value) => value.as_ref(),
            None => self.store.get(key),
        }
        .map(|entry| entry.value.as_str())
    }

    /// Every live key with its value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let written = self
            .delta
            .iter()
            .filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let kept = self
            .store
            .iter()
            .filter(|(key, _)| !self.delta.contains_key(*key));
        kept.chain(written)
            .map(|(key, entry)| (key.as_str(), entry.value.as_str()))
    }
}
