//! The relay's life: an incarnation after the other, and within one the loop of rounds and sleep.

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
use crate::wake::{Calm, Rush};
use crate::{Engine, Event, RelayConfig, wake};

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

/// What wakes a relay before its time, besides a notification.
#[derive(Debug, Clone, Copy, Default)]
struct WakeAt {
    /// There is room for a batch.
    room: bool,
    /// So many instances have ended since the last claim.
    ended: Option<usize>,
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
        let (mut rush, mut calm) = (Rush::default(), Calm::default());
        // One that slept when it was killed has left callers notifying it.
        self.set_idle(false).await?;
        let (mut told, mut rests) = (false, false);
        let mut look = self.config.grace_interval;
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
            self.bounds.refresh(&self.session, incarnation).await?;
            let until = next_take_over.min(next_compare);
            if idle && !told {
                // After a round what it took comes first; and what is due and was not to be had is locked, and no
                // reason to spin.
                let pause = if rests {
                    Some(self.config.grace_interval)
                } else {
                    self.nothing_to_do(incarnation).await?
                };
                if let Some(pause) = pause {
                    let now = Instant::now();
                    // While what comes comes untold.
                    let pause = if now < busy_until {
                        pause.min(self.config.grace_interval)
                    } else {
                        pause
                    };
                    let until = until.min(now + self.at_most_locked(pause));
                    match self
                        .sleep(until, WakeAt::default(), &lease.lost, shutdown)
                        .await
                    {
                        Woken::Over => return Ok(()),
                        woken => told = woken == Woken::Told,
                    }
                    rests = false;
                    continue;
                }
            }
            let is_told = std::mem::take(&mut told);
            let room = self.room();
            // Without room too: a role that has next to nothing here gets its share all the same.
            let began = Instant::now();
            let (delivered, claimed) = self.deliver_and_claim(incarnation, room).await?;
            backlog = if room > 0 { claimed >= room } else { backlog };
            let now = Instant::now();
            let took = now - began;
            let fruitful = claimed + delivered > 0;
            told = is_told && !fruitful && self.bounds.doubt();
            rests = true;
            look = if fruitful {
                self.config.busy_interval
            } else {
                (look * 2).min(self.config.grace_interval)
            };
            if fruitful && (!idle || !is_told) {
                busy_until = now + self.config.grace;
            }
            // What comes now and then is best told of each time, a rush is best polled for.
            if idle && (backlog || (fruitful && rush.has_come(now, took))) {
                self.set_idle(false).await?;
                (idle, calm) = (false, Calm::default());
            }
            if lease.lost.is_cancelled() || shutdown.is_cancelled() {
                return Ok(());
            }
            if idle || (backlog && self.room() > 0) {
                continue;
            }
            let pause = if backlog {
                self.config.poll_interval
            } else if now < busy_until && !calm.has_come(now, took, delivered + claimed) {
                look
            } else {
                // One more look follows: a caller that read the flag before it was set did not
                // notify.
                self.set_idle(true).await?;
                (idle, rests) = (true, false);
                continue;
            };
            let until = until.min(now + self.at_most_locked(pause));
            let wake = WakeAt {
                room: backlog,
                // A full relay took a role's share: the next is due once half of it is done.
                ended: (room == 0 && claimed > 0).then(|| claimed.div_ceil(2)),
            };
            if self.sleep(until, wake, &lease.lost, shutdown).await == Woken::Over {
                return Ok(());
            }
        }
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
