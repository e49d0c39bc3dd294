//! The relay's loops: claim, deliver, park, take over, compare. One path serves start, restart,
//! takeover and the loss of the engine: an instance is claimed, loaded with what is recorded of it,
//! and walked from there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use df_postgres::{ConnectOptions, Error as PostgresError, Session};
use rand::Rng;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::graphs::Graphs;
use crate::lease;
use crate::{Claim, Engine, Event, RecordedRun, RelayConfig, wake};

/// Why a relay ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Postgres(#[from] PostgresError),
}

impl Error {
    /// Whether running again may go better.
    pub fn is_retryable(&self) -> bool {
        let Error::Postgres(error) = self;
        error.is_retryable()
    }
}

/// One relay process, ready to run.
pub struct Relay {
    config: RelayConfig,
    options: ConnectOptions,
    engine: Arc<dyn Engine>,
    events: UnboundedReceiver<Event>,
    incarnation: Arc<parking_lot::RwLock<Uuid>>,
    session: Arc<Session>,
    graphs: Graphs,
    wake: Arc<Notify>,
    /// Instances to give back, by epoch.
    parking: Vec<Parked>,
    /// Owned instances that the engine did not hold when last compared.
    missing: HashSet<(String, i64)>,
}

#[derive(Debug, Serialize)]
struct Parked {
    instance: String,
    epoch: i64,
    waits: Vec<String>,
}

impl Relay {
    /// A relay over an engine. `incarnation` is where it publishes which incarnation it runs as.
    pub fn new(
        config: RelayConfig,
        options: ConnectOptions,
        engine: Arc<dyn Engine>,
        events: UnboundedReceiver<Event>,
        shutdown: &CancellationToken,
    ) -> Self {
        let session = Arc::new(Session::new(
            options.clone().with_application_name("df-relay"),
            shutdown.child_token(),
        ));
        Relay {
            config,
            options,
            engine,
            events,
            incarnation: Arc::default(),
            session,
            graphs: Graphs::default(),
            wake: Arc::new(Notify::new()),
            parking: Vec::new(),
            missing: HashSet::new(),
        }
    }

    /// Which incarnation the relay runs as, at any moment.
    pub fn incarnation(&self) -> Arc<parking_lot::RwLock<Uuid>> {
        self.incarnation.clone()
    }

    /// Runs until `shutdown`, then hands everything over. The engine's leaves in flight are its
    /// owner's to finish, before or after.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), Error> {
        if self.config.listen {
            let options = self
                .options
                .clone()
                .with_application_name("df-relay listen");
            tokio::spawn(wake::listen(options, self.wake.clone(), shutdown.clone()));
        }
        while !shutdown.is_cancelled() {
            match self.incarnate(&shutdown).await {
                Ok(()) | Err(PostgresError::Cancelled) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// One incarnation: from taking a lease to losing it, or to the end.
    async fn incarnate(&mut self, shutdown: &CancellationToken) -> Result<(), PostgresError> {
        let beats = Arc::new(Session::new(
            self.options.clone().with_application_name("df-relay lease"),
            shutdown.clone(),
        ));
        let lease = lease::take(
            beats,
            self.config.lease,
            self.config.poll_interval,
            shutdown,
        )
        .await?;
        *self.incarnation.write() = lease.incarnation;
        tracing::info!(incarnation = %lease.incarnation, "relay ready");
        let drained = self.drain(lease.incarnation, &lease.lost).await;
        lease.lost.cancel();
        if !shutdown.is_cancelled() {
            self.engine.stop_all().await;
            self.parking.clear();
            self.missing.clear();
            // What the old incarnation owned is claimed again, by whoever is first.
            self.session
                .insist("select df.relay_release($1)", &[&lease.incarnation])
                .await?;
        }
        drained
    }

    /// Hands every instance over at once. Call it once the engine has ended.
    pub async fn release(
        options: &ConnectOptions,
        incarnation: Uuid,
    ) -> Result<i32, PostgresError> {
        let client = options.connect().await?;
        let row = client
            .query_one("select df.relay_release($1)", &[&incarnation])
            .await
            .map_err(|source| PostgresError::Database {
                doing: "hand over".to_owned(),
                source,
            })?;
        Ok(row.get(0))
    }

    async fn drain(
        &mut self,
        incarnation: Uuid,
        lost: &CancellationToken,
    ) -> Result<(), PostgresError> {
        let mut next_take_over = Instant::now();
        let mut next_compare = Instant::now() + self.config.compare_interval;
        let mut busy_until = Instant::now() + self.config.grace;
        let mut idle = false;
        let mut backlog = true;
        loop {
            if Instant::now() >= next_take_over {
                self.take_over().await?;
                let jitter = rand::rng().random_range(0.75..1.25);
                next_take_over = Instant::now() + (self.config.lease / 3).mul_f64(jitter);
            }
            if Instant::now() >= next_compare {
                self.compare(incarnation).await?;
                next_compare = Instant::now() + self.config.compare_interval;
            }
            self.park(incarnation).await?;
            let room = self.room();
            // Without room too: a role that has next to nothing here gets its share all the same.
            let claimed = self.claim(incarnation, room).await?;
            let delivered = self.deliver(incarnation).await?;
            backlog = if room > 0 { claimed >= room } else { backlog };
            let now = Instant::now();
            if claimed + delivered > 0 {
                busy_until = now + self.config.grace;
                if idle {
                    self.set_idle(false).await?;
                    idle = false;
                }
            }
            if backlog && self.room() > 0 {
                if lost.is_cancelled() {
                    return Ok(());
                }
                continue;
            }
            let pause = if backlog {
                self.config.poll_interval
            } else if now < busy_until {
                self.config.grace_interval
            } else {
                if !idle {
                    // One more look follows: a caller that read the flag before it was set did not
                    // notify.
                    self.set_idle(true).await?;
                    idle = true;
                    continue;
                }
                self.until_next_wake().await?
            };
            let until = (now + pause).min(next_take_over).min(next_compare);
            if !self.sleep(until, lost, backlog).await {
                return Ok(());
            }
        }
    }

    /// Sleeps until there may be something to do. False once the incarnation is over.
    async fn sleep(&mut self, until: Instant, lost: &CancellationToken, backlog: bool) -> bool {
        loop {
            tokio::select! {
                _ = lost.cancelled() => return false,
                _ = self.wake.notified() => return true,
                _ = tokio::time::sleep_until(until) => return true,
                event = self.events.recv() => {
                    let Some(event) = event else { return false };
                    self.note(event);
                    while let Ok(event) = self.events.try_recv() {
                        self.note(event);
                    }
                    if !self.parking.is_empty() || (backlog && self.room() > 0) {
                        return true;
                    }
                }
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Ended { stopped: false, .. } => {}
            Event::Ended {
                instance, epoch, ..
            } => {
                tracing::debug!(instance, epoch, "walk was stopped");
            }
            Event::Idle {
                instance,
                epoch,
                waits,
            } => {
                self.parking.push(Parked {
                    instance,
                    epoch,
                    waits,
                });
            }
            Event::Broken {
                instance,
                epoch,
                why,
            } => {
                tracing::warn!(instance, epoch, why, "engine lost its way; rebuilding");
                // Giving it back with a wait that is not there makes it claimable at once.
                self.parking.push(Parked {
                    instance,
                    epoch,
                    waits: vec!["rebuild".to_owned()],
                });
            }
        }
    }

    /// How many instances may be claimed now: whole batches, so that a full relay does not claim
    /// one by one.
    fn room(&self) -> usize {
        let room = self
            .config
            .max_instances
            .saturating_sub(self.engine.loaded_count());
        if room < self.config.batch.min(self.config.max_instances) / 2 {
            0
        } else {
            room.min(self.config.batch)
        }
    }

    async fn set_idle(&self, idle: bool) -> Result<(), PostgresError> {
        self.session
            .insist("select df.relay_set_idle($1)", &[&idle])
            .await
            .map(drop)
    }

    async fn until_next_wake(&self) -> Result<Duration, PostgresError> {
        let rows = self
            .session
            .insist("select df.relay_next_wake()", &[])
            .await?;
        let seconds: Option<f64> = rows[0].get(0);
        let next = seconds.map_or(Duration::MAX, |left| {
            Duration::from_secs_f64(left.clamp(0.0, 1e6))
        });
        Ok(next.min(self.config.poll_interval))
    }

    async fn claim(&mut self, incarnation: Uuid, room: usize) -> Result<usize, PostgresError> {
        let rows = self
            .session
            .insist(
                "select instance_id, epoch, graph_id, submitted_by, database, label, vars, fresh
                   from df.relay_claim($1, $2)",
                &[&incarnation, &(room as i32)],
            )
            .await?;
        let seen: Vec<String> = rows
            .iter()
            .filter(|row| !row.get::<_, bool>("fresh"))
            .map(|row| row.get("instance_id"))
            .collect();
        let mut recorded = self.recorded(incarnation, &seen).await?;
        for row in &rows {
            let instance: String = row.get("instance_id");
            let runs = recorded.remove(&instance).unwrap_or_default();
            self.load(incarnation, row, runs).await?;
        }
        Ok(rows.len())
    }

    async fn recorded(
        &self,
        incarnation: Uuid,
        instances: &[String],
    ) -> Result<HashMap<String, Vec<RecordedRun>>, PostgresError> {
        let mut recorded: HashMap<String, Vec<RecordedRun>> = HashMap::new();
        if instances.is_empty() {
            return Ok(recorded);
        }
        let rows = self
            .session
            .insist(
                "select instance_id, run_path, status, turn, attempt, truth, error, sqlstate, detail
                   from df.relay_load($1, $2)",
                &[&incarnation, &instances],
            )
            .await?;
        for row in rows {
            recorded
                .entry(row.get("instance_id"))
                .or_default()
                .push(RecordedRun {
                    run_path: row.get("run_path"),
                    status: row.get("status"),
                    turn: row.get("turn"),
                    attempt: row.get("attempt"),
                    truth: row.get("truth"),
                    error: row.get("error"),
                    sqlstate: row.get("sqlstate"),
                    detail: row.get("detail"),
                });
        }
        Ok(recorded)
    }

    async fn load(
        &self,
        incarnation: Uuid,
        row: &Row,
        recorded: Vec<RecordedRun>,
    ) -> Result<(), PostgresError> {
        let instance: String = row.get("instance_id");
        let epoch: i64 = row.get("epoch");
        let role: u32 = row.get("submitted_by");
        let graph = self
            .graphs
            .get(&self.session, row.get("graph_id"), role)
            .await?;
        let vars: Option<String> = row.get("vars");
        let vars = vars.map_or(Ok(BTreeMap::new()), |text| {
            serde_json::from_str(&text)
                .map_err(|error| format!("its variables are no object of texts: {error}"))
        });
        let refused = match (graph, vars) {
            (Ok(graph), Ok(vars)) => {
                let claim = Claim {
                    instance: instance.clone(),
                    epoch,
                    incarnation,
                    role,
                    database: row.get("database"),
                    label: row.get("label"),
                    vars,
                    graph,
                };
                match self.engine.load(claim, recorded).await {
                    Ok(()) => return Ok(()),
                    Err(why) => why,
                }
            }
            (Err(why), _) | (_, Err(why)) => why,
        };
        tracing::warn!(
            instance,
            epoch,
            why = refused,
            "instance can never run; failing it"
        );
        self.session
            .insist(
                "select df.relay_fail($1, $2, $3, $4, $5)",
                &[&incarnation, &instance, &epoch, &refused, &"22023"],
            )
            .await
            .map(drop)
    }

    async fn deliver(&mut self, incarnation: Uuid) -> Result<usize, PostgresError> {
        let rows = self
            .session
            .insist(
                "select kind, instance_id, woken from df.relay_deliver($1, $2)",
                &[&incarnation, &(self.config.batch as i32)],
            )
            .await?;
        for row in &rows {
            let (kind, instance): (String, String) = (row.get(0), row.get(1));
            match kind.as_str() {
                "cancel" => self.engine.stop(&instance).await,
                _ => {
                    let woken: Option<Vec<String>> = row.get(2);
                    self.engine
                        .nudge(&instance, &woken.unwrap_or_default())
                        .await;
                }
            }
        }
        Ok(rows.len())
    }

    async fn park(&mut self, incarnation: Uuid) -> Result<(), PostgresError> {
        while let Ok(event) = self.events.try_recv() {
            self.note(event);
        }
        if self.parking.is_empty() {
            return Ok(());
        }
        let entries = serde_json::value::to_raw_value(&self.parking).expect("entries are JSON");
        let rows = self
            .session
            .insist(
                "select instance_id from df.relay_park($1, $2::text::json)",
                &[&incarnation, &entries.get()],
            )
            .await?;
        let parked: HashSet<String> = rows.iter().map(|row| row.get(0)).collect();
        // One that somebody had locked is compared, and rebuilt, later.
        let left = self.parking.len() - parked.len();
        tracing::debug!(
            parked = parked.len(),
            left,
            "gave back instances that only wait"
        );
        self.parking.clear();
        Ok(())
    }

    async fn take_over(&self) -> Result<(), PostgresError> {
        loop {
            let limit = self.config.batch as i32;
            let rows = self
                .session
                .insist("select df.relay_take_over($1)", &[&limit])
                .await?;
            let freed: i32 = rows[0].get(0);
            if freed > 0 {
                tracing::info!(freed, "took over instances of relays that are gone");
            }
            if freed < limit {
                return Ok(());
            }
        }
    }

    /// Compares what this relay owns with what the engine holds. What is missing twice in a row is
    /// rebuilt; what the engine holds and nobody owns is dropped.
    async fn compare(&mut self, incarnation: Uuid) -> Result<(), PostgresError> {
        let held: HashSet<(String, i64)> = self.engine.loaded().into_iter().collect();
        let rows = self
            .session
            .insist(
                "select instance_id, epoch from df.relay_owned($1)",
                &[&incarnation],
            )
            .await?;
        let owned: HashSet<(String, i64)> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let missing: HashSet<_> = owned.difference(&held).cloned().collect();
        for (instance, epoch) in missing.intersection(&self.missing) {
            tracing::info!(instance, epoch, "owned but not in the engine; rebuilding");
            self.session
                .insist(
                    "select df.relay_rebuild($1, $2, $3)",
                    &[&incarnation, instance, epoch],
                )
                .await?;
        }
        for (instance, epoch) in held.difference(&owned) {
            // It may have been claimed since the look: only one with another epoch is stale.
            if owned.iter().any(|(id, of)| id == instance && of != epoch) {
                self.engine.stop(instance).await;
            }
        }
        self.missing = missing;
        Ok(())
    }
}
