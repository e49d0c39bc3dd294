//! Plays duroxide's part towards the provider, one call at a time.

use std::sync::Arc;
use std::time::Duration;

use df_engine::provider::{MemoryProvider, Terminal};
use duroxide::providers::{ExecutionMetadata, Provider, TagFilter, WorkItem};
use duroxide::{Event, EventKind};
use tokio::sync::mpsc;

pub const LOCK: Duration = Duration::from_secs(30);
pub const ROOT: &str = "abcd1234@7";
pub const CHILD: &str = "abcd1234@7/root.left";

/// A provider with both hooks connected.
pub struct Fixture {
    pub provider: Arc<MemoryProvider>,
    pub quiet: mpsc::UnboundedReceiver<String>,
    pub ended: mpsc::UnboundedReceiver<Terminal>,
}

impl Fixture {
    pub fn new() -> Self {
        let provider = Arc::new(MemoryProvider::new());
        let (quiet_sender, quiet) = mpsc::unbounded_channel();
        let (ended_sender, ended) = mpsc::unbounded_channel();
        provider.on_quiet(quiet_sender);
        provider.on_terminal(ended_sender);
        Self {
            provider,
            quiet,
            ended,
        }
    }

    pub async fn send(&self, item: WorkItem) {
        self.provider
            .enqueue_for_orchestrator(item, None)
            .await
            .expect("a message is taken");
    }

    pub async fn fetch(&self) -> Option<(String, String)> {
        let fetched = self
            .provider
            .fetch_orchestration_item(LOCK, Duration::ZERO, None)
            .await;
        fetched
            .expect("fetching works")
            .map(|(item, token, _)| (item.instance, token))
    }

    pub async fn fetch_work(&self) -> Option<String> {
        let tags = TagFilter::default();
        let fetched = self
            .provider
            .fetch_work_item(LOCK, Duration::ZERO, None, &tags)
            .await;
        fetched.expect("fetching works").map(|(_, token, _)| token)
    }

    /// Fetches and acknowledges the next turn, which is to be `instance`'s.
    pub async fn turn(&self, instance: &str, turn: Turn) {
        let (fetched, token) = self.fetch().await.expect("a turn is due");
        assert_eq!(fetched, instance);
        self.ack(&token, instance, turn)
            .await
            .expect("the ack is taken");
    }

    pub async fn ack(&self, token: &str, instance: &str, turn: Turn) -> Result<(), bool> {
        let event = |(offset, kind)| {
            Event::with_event_id(
                turn.first_event + offset,
                instance,
                turn.execution,
                None,
                kind,
            )
        };
        let events = (0..).zip(turn.events).map(event).collect();
        let metadata = ExecutionMetadata {
            status: turn.status.map(str::to_owned),
            output: turn.status.map(|_| "the output".to_owned()),
            orchestration_name: Some("walk".to_owned()),
            orchestration_version: Some("1.0.0".to_owned()),
            ..ExecutionMetadata::default()
        };
        let (work, sent) = (turn.work, turn.sent);
        let acked = self
            .provider
            .ack_orchestration_item(
                token,
                turn.execution,
                events,
                work,
                sent,
                metadata,
                Vec::new(),
            )
            .await;
        acked.map_err(|error| error.is_retryable())
    }

    /// Starts `ROOT` and lets its first turn schedule one activity.
    pub async fn start_with_activity(&self) {
        self.send(start(ROOT)).await;
        self.turn(
            ROOT,
            Turn {
                work: vec![activity(ROOT, 2)],
                ..Turn::first()
            },
        )
        .await;
    }

    /// Starts `ROOT` and lets its first turn start `CHILD`.
    pub async fn start_with_child(&self) {
        self.send(start(ROOT)).await;
        self.turn(
            ROOT,
            Turn {
                sent: vec![start(CHILD)],
                ..Turn::first()
            },
        )
        .await;
    }

    /// Starts `id` and lets it wait for something.
    pub async fn start_waiting(&self, id: &str) {
        self.send(start(id)).await;
        self.turn(id, Turn::first()).await;
    }
}

/// What a turn acknowledges.
pub struct Turn {
    pub execution: u64,
    pub first_event: u64,
    pub events: Vec<EventKind>,
    pub work: Vec<WorkItem>,
    pub sent: Vec<WorkItem>,
    pub status: Option<&'static str>,
}

impl Turn {
    pub fn first() -> Self {
        Self {
            first_event: 1,
            events: vec![started()],
            ..Self::later()
        }
    }

    pub fn later() -> Self {
        let (events, work, sent) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            execution: 1,
            first_event: 100,
            events,
            work,
            sent,
            status: None,
        }
    }
}

pub fn started() -> EventKind {
    EventKind::OrchestrationStarted {
        name: "walk".to_owned(),
        version: "1.0.0".to_owned(),
        input: String::new(),
        parent_instance: None,
        parent_id: None,
        parent_execution_id: None,
        carry_forward_events: None,
        initial_custom_status: None,
    }
}

pub fn start(id: &str) -> WorkItem {
    WorkItem::StartOrchestration {
        instance: id.to_owned(),
        orchestration: "walk".to_owned(),
        input: String::new(),
        version: Some("1.0.0".to_owned()),
        parent_instance: None,
        parent_id: None,
        parent_execution_id: None,
        execution_id: 1,
    }
}

pub fn activity(instance: &str, id: u64) -> WorkItem {
    WorkItem::ActivityExecute {
        instance: instance.to_owned(),
        execution_id: 1,
        id,
        name: "step".to_owned(),
        input: String::new(),
        session_id: None,
        tag: None,
    }
}

pub fn completed(instance: &str, id: u64) -> WorkItem {
    let instance = instance.to_owned();
    WorkItem::ActivityCompleted {
        instance,
        execution_id: 1,
        id,
        result: String::new(),
    }
}

pub fn timer(instance: &str, fire_at_ms: u64) -> WorkItem {
    WorkItem::TimerFired {
        instance: instance.to_owned(),
        execution_id: 1,
        id: 9,
        fire_at_ms,
    }
}

pub fn cancel(instance: &str) -> WorkItem {
    WorkItem::CancelInstance {
        instance: instance.to_owned(),
        reason: "asked".to_owned(),
    }
}
