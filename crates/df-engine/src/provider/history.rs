//! Executions of an instance and their event histories. Events are opaque here but for what
//! duroxide's contract makes a provider derive from them (see `kv` and `orchestrations`).

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use duroxide::providers::{ProviderError, SemverRange};
use duroxide::{Event, EventKind};

use super::clock::wall_ms;

pub(super) const RUNNING: &str = "Running";
pub(super) const COMPLETED: &str = "Completed";
pub(super) const FAILED: &str = "Failed";
pub(super) const CONTINUED_AS_NEW: &str = "ContinuedAsNew";

/// One execution (continue-as-new generation).
pub(super) struct Execution {
    pub(super) id: u64,
    pub(super) status: Cow<'static, str>,
    pub(super) output: Option<String>,
    pub(super) started_at_ms: u64,
    pub(super) completed_at_ms: Option<u64>,
    /// The duroxide version it is pinned to, packed as major, minor, patch.
    pub(super) pinned: Option<(u64, u64, u64)>,
    pub(super) unreadable: bool,
    /// In order of event id. Shared, so that a reader clones the events outside the lock; appending
    /// copies only if a reader is just then doing so.
    events: Arc<Vec<Event>>,
}

impl Execution {
    pub(super) fn new(id: u64) -> Self {
        Self {
            id,
            status: Cow::Borrowed(RUNNING),
            output: None,
            started_at_ms: wall_ms(),
            completed_at_ms: None,
            pinned: None,
            unreadable: false,
            events: Arc::default(),
        }
    }

    pub(super) fn events(&self) -> &Arc<Vec<Event>> {
        &self.events
    }

    /// Adds events that `check_delta` has accepted.
    pub(super) fn append(&mut self, delta: Vec<Event>) {
        if delta.is_empty() {
            return;
        }
        let events = Arc::make_mut(&mut self.events);
        let in_order = delta.is_sorted_by_key(Event::event_id)
            && events
                .last()
                .is_none_or(|last| last.event_id() < delta[0].event_id());
        if events.is_empty() {
            *events = delta;
            events.shrink_to_fit();
        } else if events.len() + delta.len() <= SMALL_HISTORY {
            // Most instances wait with a handful of events: no room to spare for them.
            events.reserve_exact(delta.len());
            events.extend(delta);
        } else {
            events.extend(delta);
        }
        if !in_order {
            events.sort_by_key(Event::event_id);
        }
    }

    pub(super) fn finish(&mut self, status: String, output: Option<String>) {
        self.status = match status.as_str() {
            RUNNING => Cow::Borrowed(RUNNING),
            COMPLETED => Cow::Borrowed(COMPLETED),
            FAILED => Cow::Borrowed(FAILED),
            CONTINUED_AS_NEW => Cow::Borrowed(CONTINUED_AS_NEW),
            _ => Cow::Owned(status),
        };
        self.output = output;
        self.completed_at_ms = Some(wall_ms());
    }

    /// The orchestration's name and version, from its first event.
    pub(super) fn started(&self) -> Option<(&str, &str)> {
        self.events.iter().find_map(|event| match &event.kind {
            EventKind::OrchestrationStarted { name, version, .. } => {
                Some((name.as_str(), version.as_str()))
            }
            _ => None,
        })
    }

    /// duroxide uses the first range only, and takes an execution without a pin as compatible.
    pub(super) fn fits(&self, range: &SemverRange) -> bool {
        let SemverRange { min, max } = range;
        self.pinned.is_none_or(|pinned| {
            (min.major, min.minor, min.patch) <= pinned
                && pinned <= (max.major, max.minor, max.patch)
        })
    }
}

/// Up to this many events a history is stored without spare room.
const SMALL_HISTORY: usize = 8;

/// Whether `delta` can follow `existing`: every id set, none twice.
pub(super) fn check_delta(
    operation: &str,
    existing: Option<&Execution>,
    delta: &[Event],
) -> Result<(), ProviderError> {
    if delta.iter().any(|event| event.event_id() == 0) {
        return Err(ProviderError::permanent(
            operation,
            "event_id must be set by the runtime",
        ));
    }
    let events = existing.map_or(&[][..], |execution| &execution.events);
    let last = events.last().map_or(0, Event::event_id);
    let rising = delta.iter().try_fold(last, |last, event| {
        (event.event_id() > last).then(|| event.event_id())
    });
    if rising.is_some() {
        return Ok(());
    }
    let mut seen: HashSet<u64> = events.iter().map(Event::event_id).collect();
    match delta.iter().find(|event| !seen.insert(event.event_id())) {
        Some(event) => {
            let message = format!("duplicate event_id {}", event.event_id());
            Err(ProviderError::permanent(operation, message))
        }
        None => Ok(()),
    }
}
