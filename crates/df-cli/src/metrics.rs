//! The relay's metrics: what the engine tells of steps, and what the database tells of the queue,
//! asked at each scrape. It must not hold anything that work depends on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::{Duration, Instant};

use df_engine::{Engine, Observer, StepEnd};
use df_postgres::{Error, Session};
use parking_lot::{Mutex, RwLock};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use uuid::Uuid;

/// Upper bounds of the step latency histogram, in seconds.
const STEP_SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    node_type: &'static str,
    end: EndLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types)]
enum EndLabel {
    completed,
    failed,
    retried,
    dropped,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NodeLabel {
    node_type: &'static str,
}

type Reading = Gauge<f64, AtomicU64>;

/// Everything that `/metrics` shows.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    steps: Family<StepLabels, Counter>,
    seconds: Family<NodeLabel, Histogram>,
    undelivered: Gauge<i64, AtomicI64>,
    oldest_undelivered: Reading,
    parked: Gauge,
    due: Gauge<i64, AtomicI64>,
    oldest_due: Reading,
    claimed: Gauge,
    loaded: Gauge,
    relays: Gauge,
    lease_left: Reading,
    heartbeat_age: Reading,
    reachable: Gauge,
    /// The last heartbeat that a scrape found, by this process's clock, and what was left of the lease then.
    last: Mutex<Option<(Instant, Health)>>,
}

/// What the database says of the queue and of this relay.
#[derive(Debug, Clone)]
pub struct Health {
    undelivered: i64,
    oldest_undelivered_seconds: f64,
    parked: i64,
    due: i64,
    oldest_due_seconds: f64,
    claimed: i64,
    relays: i64,
    pub lease_left_seconds: f64,
    heartbeat_age_seconds: f64,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("df_relay");
        let metrics = Metrics {
            steps: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(STEP_SECONDS)),
            undelivered: Gauge::default(),
            oldest_undelivered: Reading::default(),
            parked: Gauge::default(),
            due: Gauge::default(),
            oldest_due: Reading::default(),
            claimed: Gauge::default(),
            loaded: Gauge::default(),
            relays: Gauge::default(),
            lease_left: Reading::default(),
            heartbeat_age: Reading::default(),
            reachable: Gauge::default(),
            last: Mutex::default(),
            registry: Registry::default(),
        };
        registry.register(
            "steps",
            "Attempts at SQL and HTTP nodes, by how they ended",
            metrics.steps.clone(),
        );
        registry.register(
            "step_seconds",
            "How long attempts took",
            metrics.seconds.clone(),
        );
        registry.register(
            "outbox_undelivered",
            "Events that no relay has taken yet",
            metrics.undelivered.clone(),
        );
        registry.register(
            "outbox_oldest_undelivered_seconds",
            "Age of the oldest of them",
            metrics.oldest_undelivered.clone(),
        );
        registry.register(
            "outbox_parked",
            "Events that wait for df.release",
            metrics.parked.clone(),
        );
        registry.register(
            "instances_due",
            "Instances that might run and that no relay has claimed",
            metrics.due.clone(),
        );
        registry.register(
            "instances_oldest_due_seconds",
            "For how long the first of them might have run",
            metrics.oldest_due.clone(),
        );
        registry.register(
            "instances_claimed",
            "Instances that this relay owns",
            metrics.claimed.clone(),
        );
        registry.register(
            "instances_loaded",
            "Instances in its memory",
            metrics.loaded.clone(),
        );
        registry.register("relays", "Relays whose lease holds", metrics.relays.clone());
        registry.register(
            "lease_left_seconds",
            "What is left of this relay's lease",
            metrics.lease_left.clone(),
        );
        registry.register(
            "heartbeat_age_seconds",
            "Since its last heartbeat",
            metrics.heartbeat_age.clone(),
        );
        registry.register(
            "database_reachable",
            "1 if the last scrape reached it",
            metrics.reachable.clone(),
        );
        Metrics {
            registry,
            ..metrics
        }
    }
}

impl Observer for Metrics {
    fn step(&self, node_type: &'static str, end: StepEnd, took: Duration) {
        let end = match end {
            StepEnd::Completed => EndLabel::completed,
            StepEnd::Failed => EndLabel::failed,
            StepEnd::Retried => EndLabel::retried,
            StepEnd::Dropped => EndLabel::dropped,
        };
        self.steps
            .get_or_create(&StepLabels { node_type, end })
            .inc();
        self.seconds
            .get_or_create(&NodeLabel { node_type })
            .observe(took.as_secs_f64());
    }
}

impl Metrics {
    /// The text of `/metrics`. While the database does not answer, the queue is as it was told last, and the lease and
    /// the heartbeat go on ageing.
    pub fn text(&self, health: Option<Health>, loaded: usize, now: Instant) -> String {
        self.reachable.set(i64::from(health.is_some()));
        self.loaded.set(loaded as i64);
        let mut last = self.last.lock();
        if let Some(health) = health {
            *last = Some((now, health));
        }
        if let Some((told, health)) = &*last {
            let since = now.duration_since(*told).as_secs_f64();
            self.undelivered.set(health.undelivered);
            self.oldest_undelivered
                .set(health.oldest_undelivered_seconds);
            self.parked.set(health.parked);
            self.due.set(health.due);
            self.oldest_due.set(health.oldest_due_seconds);
            self.claimed.set(health.claimed);
            self.relays.set(health.relays);
            self.lease_left.set(health.lease_left_seconds - since);
            self.heartbeat_age.set(health.heartbeat_age_seconds + since);
        }
        drop(last);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes every write");
        text
    }
}

/// Asks the database.
pub async fn health(session: &Session, incarnation: Uuid) -> Result<Health, Error> {
    let rows = session
        .insist(
            "select undelivered, oldest_undelivered_seconds, parked, due, oldest_due_seconds, claimed,
                    relays, lease_left_seconds, heartbeat_age_seconds from df.relay_health($1)",
            &[&incarnation],
        )
        .await?;
    let row = &rows[0];
    Ok(Health {
        undelivered: row.get(0),
        oldest_undelivered_seconds: row.get(1),
        parked: row.get(2),
        due: row.get(3),
        oldest_due_seconds: row.get(4),
        claimed: row.get(5),
        relays: row.get(6),
        lease_left_seconds: row.get(7),
        heartbeat_age_seconds: row.get(8),
    })
}

/// What the listener answers from.
#[derive(Clone)]
pub struct Sources {
    pub metrics: Arc<Metrics>,
    pub session: Arc<Session>,
    /// Absent until the relay runs.
    pub running: Arc<RwLock<Option<Running>>>,
}

/// The parts of a running relay that are watched.
#[derive(Clone)]
pub struct Running {
    pub engine: Engine,
    pub incarnation: Arc<RwLock<Uuid>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_out_while_the_database_does_not_answer() {
        let metrics = Metrics::default();
        let health = Health {
            undelivered: 3,
            oldest_undelivered_seconds: 1.0,
            parked: 0,
            due: 0,
            oldest_due_seconds: 0.0,
            claimed: 2,
            relays: 1,
            lease_left_seconds: 12.5,
            heartbeat_age_seconds: 2.5,
        };
        let then = Instant::now();
        let check = |health, seconds, expected: [&str; 4]| {
            let text = metrics.text(health, 0, then + Duration::from_secs(seconds));
            for line in expected {
                let line = format!("df_relay_{line}\n");
                assert!(text.contains(&line), "{line}: {text}");
            }
        };
        let lines = |reachable, left, age| [reachable, left, age, "outbox_undelivered 3"];
        let well = lines(
            "database_reachable 1",
            "lease_left_seconds 12.5",
            "heartbeat_age_seconds 2.5",
        );
        check(Some(health.clone()), 0, well);
        let away = lines(
            "database_reachable 0",
            "lease_left_seconds -7.5",
            "heartbeat_age_seconds 22.5",
        );
        check(None, 20, away);
        check(Some(health), 30, well);
    }
}
