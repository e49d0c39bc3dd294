//! The relay's life: an incarnation after the other, and within one the loop of rounds and sleep.

mod pace;
mod round;

use std::sync::Arc;
use std::time::Duration;

use df_failpoints::reached;
use df_postgres::{ConnectOptions, Error as PostgresError, Session, query_unnamed};
use foldhash::{HashMap, HashSet};
use rand::Rng;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::bounds::Bounds;
use crate::graphs::Graphs;
use crate::lease::{self, Lease};
use crate::retain;
use crate::{Engine, Event, RelayConfig, wake};
use pace::{Pace, Round, WakeAt};

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
    bounds: Bounds,
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

/// When what comes by the clock is due.
struct Due {
    take_over: Instant,
    compare: Instant,
    /// How often the session had connected when last compared.
    connections: u64,
}

impl Due {
    fn new(config: &RelayConfig, connections: u64) -> Self {
        let now = Instant::now();
        Due {
            take_over: now,
            compare: now + config.compare_interval,
            connections,
        }
    }
}

/// Why a relay no longer sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// A caller has notified it of something.
    Told,
    /// There may be something to do.
    Due,
    /// The incarnation is over.
    Over,
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
            bounds: Bounds::default(),
            wake: Arc::new(Notify::new()),
            parking: Vec::new(),
            missing: HashSet::default(),
            ended: 0,
            rebuilt: HashMap::default(),
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
        // What survived a failover or a restore may number its graphs from before the last that were read.
        self.graphs = Graphs::default();
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
        let sql = "select df.relay_release($1)";
        let rows = query_unnamed(&client, sql, &[&incarnation])
            .await
            .map_err(|source| PostgresError::Database {
                doing: "hand over".to_owned(),
                source,
            })?;
        reached("release.committed");
        Ok(rows[0].get(0))
    }

    /// Rounds and sleep, until the incarnation is over.
    async fn drain(
        &mut self,
        lease: &Lease,
        shutdown: &CancellationToken,
    ) -> Result<(), PostgresError> {
        let incarnation = lease.incarnation;
        let mut due = Due::new(&self.config, self.session.connections());
        let mut pace = Pace::new(&self.config, Instant::now());
        // One that slept when it was killed has left callers notifying it.
        self.set_idle(false).await?;
        loop {
            let until = self.keep_up(lease, &mut due).await?;
            if pace.looks_first() {
                let pause = match pace.rest() {
                    Some(rest) => Some(rest),
                    None => self.nothing_to_do(incarnation).await?,
                };
                if let Some(pause) = pause {
                    let now = Instant::now();
                    let until = until.min(now + self.at_most_locked(pace.nap(pause, now)));
                    let wake = WakeAt::default();
                    match self.sleep(until, wake, &lease.lost, shutdown).await {
                        Woken::Over => return Ok(()),
                        woken => pace.slept(woken == Woken::Told),
                    }
                    continue;
                }
            }
            let room = self.room();
            // Without room too: a role that has next to nothing here gets its share all the same.
            let began = Instant::now();
            let (delivered, claimed) = self.deliver_and_claim(incarnation, room).await?;
            let ended = Instant::now();
            let round = Round {
                room,
                has_room: self.room() > 0,
                delivered,
                claimed,
                ended,
                took: ended - began,
            };
            let next = pace.after(&round, || self.bounds.doubt());
            if lease.lost.is_cancelled() || shutdown.is_cancelled() {
                return Ok(());
            }
            if let Some(idle) = next.idle {
                self.set_idle(idle).await?;
            }
            if let Some((pause, wake)) = next.sleep {
                let until = until.min(ended + self.at_most_locked(pause));
                if self.sleep(until, wake, &lease.lost, shutdown).await == Woken::Over {
                    return Ok(());
                }
            }
        }
    }

    /// What is due besides rounds: takes over from relays that are gone, compares what it owns with what the engine
    /// holds, gives back what only waits. Returns when the next of the first two is due.
    async fn keep_up(&mut self, lease: &Lease, due: &mut Due) -> Result<Instant, PostgresError> {
        if Instant::now() >= due.take_over {
            self.take_over().await?;
            let jitter = rand::rng().random_range(0.75..1.25);
            due.take_over = Instant::now() + (self.config.lease / 3).mul_f64(jitter);
        }
        let reconnected = due.connections != self.session.connections();
        if reconnected {
            due.connections = self.session.connections();
            lease.beat.notify_one();
        }
        if reconnected || Instant::now() >= due.compare {
            self.compare(lease.incarnation, reconnected).await?;
            due.compare = Instant::now() + self.config.compare_interval;
        }
        self.park(lease.incarnation).await?;
        self.bounds
            .refresh(&self.session, lease.incarnation)
            .await?;
        Ok(due.take_over.min(due.compare))
    }

    /// Sleeps until there may be something to do.
    async fn sleep(
        &mut self,
        until: Instant,
        wake: WakeAt,
        lost: &CancellationToken,
        shutdown: &CancellationToken,
    ) -> Woken {
        let locked = self.parking.len();
        loop {
            tokio::select! {
                _ = shutdown.cancelled() => return Woken::Over,
                _ = lost.cancelled() => return Woken::Over,
                _ = self.wake.notified() => return Woken::Told,
                _ = tokio::time::sleep_until(until) => return Woken::Due,
                event = self.events.recv() => {
                    let Some(event) = event else { return Woken::Over };
                    self.note(event);
                    while let Ok(event) = self.events.try_recv() {
                        self.note(event);
                    }
                    let is_due = (wake.room && self.room() > 0)
                        || wake.ended.is_some_and(|ended| self.ended >= ended);
                    if self.parking.len() > locked || is_due {
                        return Woken::Due;
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
        if !self.config.listen {
            // Callers would notify nobody.
            return Ok(());
        }
        self.session
            .insist("select df.relay_set_idle($1)", &[&idle])
            .await
            .map(drop)
    }

    /// An idle relay's one question: `None` when there is something to claim or deliver, else how
    /// long it may sleep.
    async fn nothing_to_do(
        &mut self,
        incarnation: Uuid,
    ) -> Result<Option<Duration>, PostgresError> {
        let sql = "select work, next_wake from df.relay_look($1, $2::text::json)";
        let began = Instant::now();
        let bounds = self.bounds.held();
        let rows = self.session.insist(sql, &[&incarnation, &bounds]).await?;
        self.bounds.took(began.elapsed());
        Ok((!rows[0].get::<_, bool>(0)).then(|| self.until_wake(rows[0].get(1))))
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
}
