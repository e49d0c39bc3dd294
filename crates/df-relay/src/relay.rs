//! The relay's loops: claim, deliver, park, take over, compare. One path serves start, restart,
//! takeover and the loss of the engine: an instance is claimed, loaded with what is recorded of it,
//! and walked from there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use df_failpoints::reached;
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
use crate::lease::{self, Lease};
use crate::retain;
use crate::turns::by_turns;
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
    /// Instances that have ended since the last claim.
    ended: usize,
    /// How often instances were rebuilt since they last went well.
    rebuilt: HashMap<String, u32>,
    /// Ends what must outlive the request to stop: the lease is kept while steps in flight end.
    parts: CancellationToken,
}

#[derive(Debug, Serialize)]
struct Parked {
    instance: String,
    epoch: i64,
    waits: Vec<String>,
    /// Seconds until the instance is to be rebuilt from what is recorded; null for one that waits.
    delay: Option<f64>,
}

/// What wakes a relay before its time, besides a notification.
#[derive(Debug, Clone, Copy, Default)]
struct WakeAt {
    /// There is room for a batch.
    room: bool,
    /// So many instances have ended since the last claim.
    ended: Option<usize>,
}

/// The longest pause before an instance is rebuilt once more, in seconds.
const MAX_REBUILD_DELAY_SECONDS: f64 = 60.0;
/// How long the relay waits before it gives back again what somebody had locked.
const LOCKED_PAUSE: Duration = Duration::from_millis(50);

impl Relay {
    /// A relay over an engine. `shutdown` asks it to stop; `parts` ends later, once the engine's
    /// leaves in flight have been recorded.
    pub fn new(
        config: RelayConfig,
        options: ConnectOptions,
        engine: Arc<dyn Engine>,
        events: UnboundedReceiver<Event>,
        shutdown: &CancellationToken,
        parts: &CancellationToken,
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
            ended: 0,
            rebuilt: HashMap::new(),
            parts: parts.clone(),
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
            self.parts.clone(),
        ));
        let taken = lease::take(
            beats,
            self.config.lease,
            self.config.poll_interval,
            &self.parts,
        );
        let Some(lease) = shutdown.run_until_cancelled(taken).await else {
            return Ok(());
        };
        let lease = lease?;
        *self.incarnation.write() = lease.incarnation;
        tracing::info!(relay = %lease.name, "relay ready");
        let retention = self
            .options
            .clone()
            .with_application_name("df-relay reconcile");
        let end = lease.lost.child_token();
        let _ends_with_this = end.clone().drop_guard();
        tokio::spawn(retain::keep_reconciled(
            Session::new(retention, end.clone()),
            end,
        ));
        let drained = self.drain(&lease, shutdown).await;
        if !shutdown.is_cancelled() {
            lease.lost.cancel();
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
        reached("release.sending");
        let row = client
            .query_one("select df.relay_release($1)", &[&incarnation])
            .await
            .map_err(|source| PostgresError::Database {
                doing: "hand over".to_owned(),
                source,
            })?;
        reached("release.committed");
        Ok(row.get(0))
    }

    async fn drain(
        &mut self,
        lease: &Lease,
        shutdown: &CancellationToken,
    ) -> Result<(), PostgresError> {
        let incarnation = lease.incarnation;
        let mut connections = self.session.connections();
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
            let reconnected = connections != self.session.connections();
            if reconnected {
                connections = self.session.connections();
                lease.beat.notify_one();
            }
            if reconnected || Instant::now() >= next_compare {
                self.compare(incarnation, reconnected).await?;
                next_compare = Instant::now() + self.config.compare_interval;
            }
            self.park(incarnation).await?;
            if idle && let Some(pause) = self.nothing_to_do(incarnation).await? {
                let until = Instant::now() + self.at_most_locked(pause);
                let until = until.min(next_take_over).min(next_compare);
                let wake = WakeAt::default();
                if !self.sleep(until, wake, &lease.lost, shutdown).await {
                    return Ok(());
                }
                continue;
            }
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
                if lease.lost.is_cancelled() || shutdown.is_cancelled() {
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
                self.until_next_wake(incarnation).await?
            };
            let until = (now + self.at_most_locked(pause))
                .min(next_take_over)
                .min(next_compare);
            let wake = WakeAt {
                room: backlog,
                // A full relay took a role's share: the next is due once half of it is done.
                ended: (room == 0 && claimed > 0).then(|| claimed.div_ceil(2)),
            };
            if !self.sleep(until, wake, &lease.lost, shutdown).await {
                return Ok(());
            }
        }
    }

    /// Sleeps until there may be something to do. False once the incarnation is over.
    async fn sleep(
        &mut self,
        until: Instant,
        wake: WakeAt,
        lost: &CancellationToken,
        shutdown: &CancellationToken,
    ) -> bool {
        let locked = self.parking.len();
        loop {
            tokio::select! {
                _ = shutdown.cancelled() => return false,
                _ = lost.cancelled() => return false,
                _ = self.wake.notified() => return true,
                _ = tokio::time::sleep_until(until) => return true,
                event = self.events.recv() => {
                    let Some(event) = event else { return false };
                    self.note(event);
                    while let Ok(event) = self.events.try_recv() {
                        self.note(event);
                    }
                    let is_due = (wake.room && self.room() > 0)
                        || wake.ended.is_some_and(|ended| self.ended >= ended);
                    if self.parking.len() > locked || is_due {
                        return true;
                    }
                }
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Ended {
                instance,
                stopped: false,
                ..
            } => {
                self.ended += 1;
                self.rebuilt.remove(&instance);
            }
            Event::Ended {
                instance, epoch, ..
            } => {
                // Usually it has ended, or is somebody else's; giving it back then changes nothing.
                tracing::debug!(instance, epoch, "walk was stopped");
                self.rebuild(instance, epoch);
            }
            Event::Idle {
                instance,
                epoch,
                waits,
            } => {
                self.rebuilt.remove(&instance);
                self.parking.push(Parked {
                    instance,
                    epoch,
                    waits,
                    delay: None,
                });
            }
            Event::Broken {
                instance,
                epoch,
                why,
            } => {
                tracing::warn!(instance, epoch, why, "engine lost its way; rebuilding");
                self.rebuild(instance, epoch);
            }
        }
    }

    /// Gives an instance back to be claimed and walked from what is recorded: at once, then after
    /// 1, 2, 4 … seconds, so that what fails again and again costs little.
    fn rebuild(&mut self, instance: String, epoch: i64) {
        if self.rebuilt.len() > 10 * self.config.max_instances {
            self.rebuilt.clear();
        }
        let times = self.rebuilt.entry(instance.clone()).or_default();
        let delay = match *times {
            0 => 0.0,
            n => f64::from(n - 1).exp2().min(MAX_REBUILD_DELAY_SECONDS),
        };
        *times = times.saturating_add(1);
        self.parking.push(Parked {
            instance,
            epoch,
            waits: Vec::new(),
            delay: Some(delay),
        });
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

    /// An idle relay's one question: `None` when there is something to claim or deliver, else how
    /// long it may sleep.
    async fn nothing_to_do(&self, incarnation: Uuid) -> Result<Option<Duration>, PostgresError> {
        let sql = "select work, next_wake from df.relay_look($1)";
        let rows = self.session.insist(sql, &[&incarnation]).await?;
        Ok((!rows[0].get::<_, bool>(0)).then(|| self.until_wake(rows[0].get(1))))
    }

    async fn until_next_wake(&self, incarnation: Uuid) -> Result<Duration, PostgresError> {
        let sql = "select next_wake from df.relay_look($1)";
        let rows = self.session.insist(sql, &[&incarnation]).await?;
        Ok(self.until_wake(rows[0].get(0)))
    }

    fn until_wake(&self, seconds: Option<f64>) -> Duration {
        let next = seconds.map_or(Duration::MAX, |left| {
            // What is due and was not claimed is locked: it is no reason to spin.
            Duration::from_secs_f64(left.clamp(0.0, 1e6)).max(self.config.grace_interval)
        });
        next.min(self.config.poll_interval)
    }

    /// A pause, cut short while an instance that somebody has locked is to be given back.
    fn at_most_locked(&self, pause: Duration) -> Duration {
        if self.parking.is_empty() {
            pause
        } else {
            pause.min(LOCKED_PAUSE)
        }
    }

    async fn claim(&mut self, incarnation: Uuid, room: usize) -> Result<usize, PostgresError> {
        self.ended = 0;
        reached("claim.sending");
        let rows = self
            .session
            .insist(
                "select instance_id, epoch, graph_id, submitted_by, database, label, vars, fresh
                   from df.relay_claim($1, $2)",
                &[&incarnation, &(room as i32)],
            )
            .await?;
        if !rows.is_empty() {
            reached("claim.committed");
        }
        let seen: Vec<String> = rows
            .iter()
            .filter(|row| !row.get::<_, bool>("fresh"))
            .map(|row| row.get("instance_id"))
            .collect();
        let mut recorded = self.recorded(incarnation, &seen).await?;
        for row in by_turns(&rows, |row| row.get("submitted_by")) {
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
        &mut self,
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
                let loaded = self.engine.load(claim, recorded).await;
                reached("engine.loaded");
                if let Err(why) = loaded {
                    self.note(Event::Broken {
                        instance,
                        epoch,
                        why,
                    });
                }
                return Ok(());
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
        reached("deliver.sending");
        let rows = self
            .session
            .insist(
                "select kind, instance_id, woken from df.relay_deliver($1, $2)",
                &[&incarnation, &(self.config.batch as i32)],
            )
            .await?;
        if !rows.is_empty() {
            reached("deliver.committed");
        }
        for row in &rows {
            let (kind, instance): (String, String) = (row.get(0), row.get(1));
            match kind.as_str() {
                "cancel" => {
                    self.engine.stop(&instance, None).await;
                    reached("engine.stopped");
                }
                "pause" => self.engine.pause(&instance).await,
                "resume" => self.engine.resume(&instance).await,
                _ => {
                    let woken: Option<Vec<String>> = row.get(2);
                    if let Some(woken) = woken.filter(|woken| !woken.is_empty()) {
                        self.engine.nudge(&instance, &woken).await;
                        reached("engine.nudged");
                    }
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
        reached("park.sending");
        let entries = serde_json::value::to_raw_value(&self.parking).expect("entries are JSON");
        let rows = self
            .session
            .insist(
                "select instance_id, busy from df.relay_park($1, $2::text::json)",
                &[&incarnation, &entries.get()],
            )
            .await?;
        reached("park.committed");
        let busy: HashSet<String> = rows
            .iter()
            .filter(|row| row.get(1))
            .map(|row| row.get(0))
            .collect();
        tracing::debug!(
            parked = rows.len() - busy.len(),
            busy = busy.len(),
            "gave back instances"
        );
        self.parking
            .retain(|parked| busy.contains(&parked.instance));
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
                reached("take_over.committed");
                tracing::info!(freed, "took over instances of relays that are gone");
            }
            if freed < limit {
                return Ok(());
            }
        }
    }

    /// Compares what this relay owns with what the engine holds. What is missing twice in a row is
    /// rebuilt, and at once after a connection broke, since the answer to a claim may have been
    /// lost with it. What the engine holds and this relay does not own is dropped: no claim is
    /// made meanwhile.
    async fn compare(&mut self, incarnation: Uuid, at_once: bool) -> Result<(), PostgresError> {
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
        for (instance, epoch) in held.difference(&owned) {
            self.engine.stop(instance, Some(*epoch)).await;
        }
        let missing: HashSet<_> = owned.difference(&held).cloned().collect();
        for (instance, epoch) in &missing {
            let given_back = self.parking.iter().any(|p| p.instance == *instance);
            if !given_back && (at_once || self.missing.contains(&(instance.clone(), *epoch))) {
                tracing::info!(instance, epoch, "owned but not in the engine; rebuilding");
                self.rebuild(instance.clone(), *epoch);
            }
        }
        self.missing = missing;
        Ok(())
    }
}
