//! Step connections, kept per role and database and lent to one step at a time.
//!
//! A connection comes back only when its session was checked, is in step and its cleaning is on the way;
//! everything else is dropped. It never hands a session of one role to another.

use super::classify::{self, Verdict};
use super::idle::{Idle, Kept};
use super::sessions::PINNED;
use super::{Login, LoginError, LoginSource, Sessions};
use crate::places::{Place, PlaceLimits, Places};
use crate::wire::{ConnectConfig, ConnectError, Connection, PipelineError, TransactionStatus};
use foldhash::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How many connections there may be.
#[derive(Clone, Debug)]
pub struct PoolLimits {
    /// In use at once by one role, in all databases.
    pub per_role: usize,
    /// In use at once by all roles.
    pub in_use: usize,
    /// In use at once beyond those, by roles that use few (see [`PlaceLimits::reserve`]).
    pub reserve: usize,
    /// Open at once, in use or kept for their role's next step; never fewer than may be in use.
    pub open: usize,
    pub idle_seconds: u64,
    /// How long a login is known before it is asked for again: its role may have been given other settings.
    pub login_life: Duration,
    /// How long a role may go on using a connection while more roles wait than may run, and how long a
    /// step waits for another of its role's before a new one replaces another role's.
    pub turn: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        PoolLimits {
            per_role: 16,
            in_use: 64,
            reserve: 16,
            open: 128,
            idle_seconds: 60,
            login_life: Duration::from_secs(5),
            // Some fifty times what a login costs.
            turn: Duration::from_millis(250),
        }
    }
}

/// Counters since the start; read by the operator's views and by tests.
#[derive(Debug, Default)]
pub struct StepStatistics {
    pub connections_opened: AtomicU64,
    /// Batches sent by steps, each at most one round trip; connecting is not counted.
    pub round_trips: AtomicU64,
    pub steps_tried_again: AtomicU64,
}

/// A role, and its database where that is not the one of the schema.
pub(super) type Key = (u32, Option<String>);

pub(super) struct Pools {
    pub server: ConnectConfig,
    sessions: Sessions,
    source: Arc<dyn LoginSource>,
    limits: PoolLimits,
    places: Places,
    kept: Mutex<AtRest>,
    /// Told whenever a connection comes to rest.
    returned: Notify,
    pub statistics: StepStatistics,
}

/// What is kept while no step needs it. A connection is kept only while its login is the known one.
#[derive(Default)]
struct AtRest {
    idle: Idle,
    /// For whom a connection is being opened.
    opening: HashSet<Key>,
    logins: HashMap<Key, Known>,
}

/// A login, and when it was last asked for.
struct Known {
    login: Arc<Login>,
    asked: Instant,
}

impl AtRest {
    /// Makes a login the known one of its key; the one that is known already where both say the
    /// same, as when several steps asked at once. Connections of another one serve nobody any more.
    fn know(&mut self, key: &Key, login: Arc<Login>) -> Arc<Login> {
        let asked = Instant::now();
        if let Some(known) = self.logins.get_mut(key)
            && *known.login == *login
        {
            known.asked = asked;
            return known.login.clone();
        }
        drop(self.idle.take_all(key));
        let known = Known {
            login: login.clone(),
            asked,
        };
        self.logins.insert(key.clone(), known);
        login
    }

    /// Whether a login has been known for so long that it may have changed; then whoever asks is the one to look.
    fn is_old(&mut self, key: &Key, life: Duration) -> bool {
        let now = Instant::now();
        let Some(known) = self.logins.get_mut(key) else {
            return false;
        };
        let is_old = now.duration_since(known.asked) >= life;
        if is_old {
            known.asked = now;
        }
        is_old
    }
}

/// A connection lent to one step.
pub(super) struct Lease {
    pub connection: Connection,
    pub login: Arc<Login>,
    /// Whether it served another step before: then its death may be older than this step.
    pub reused: bool,
    /// Whether `df.step_begin` has found it to be the step login's; no other is kept.
    pub checked: bool,
    flushes_before: u64,
    key: Key,
    _place: Place,
}

/// A role's turn to open a connection; over when dropped.
struct Turn<'a>(&'a Pools, Key);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.kept().opening.remove(&self.1);
        self.0.returned.notify_waiters();
    }
}

impl Pools {
    pub fn new(
        server: ConnectConfig,
        sessions: Sessions,
        source: Arc<dyn LoginSource>,
        limits: PoolLimits,
    ) -> Arc<Self> {
        let pools = Arc::new(Pools {
            server,
            sessions,
            source,
            places: Places::new(PlaceLimits {
                total: limits.in_use + limits.reserve,
                reserve: limits.reserve,
                per_role: limits.per_role,
                turn: limits.turn,
            }),
            limits,
            kept: Mutex::default(),
            returned: Notify::new(),
            statistics: StepStatistics::default(),
        });
        let weak = Arc::downgrade(&pools);
        let pause = Duration::from_secs((pools.limits.idle_seconds / 2).max(1));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(pools) = weak.upgrade() else { return };
                pools.drop_expired().await;
            }
        });
        pools
    }

    /// Waits for a free place, then takes an idle connection or opens one.
    pub async fn acquire(&self, role_oid: u32, database: Option<&str>) -> Result<Lease, Verdict> {
        let place = self.places.take(role_oid).await;
        let key = (role_oid, database.map(str::to_owned));
        self.look_again(&key).await;
        let (connection, login, reused) = match self.kept_or_turn(&key).await {
            Ok(kept) => (kept.connection, kept.login, true),
            Err(_turn) => {
                let (connection, login) = self.open(&key).await?;
                (connection, login, false)
            }
        };
        Ok(Lease {
            flushes_before: connection.flushes(),
            connection,
            login,
            reused,
            checked: reused,
            key,
            _place: place,
        })
    }

    /// Asks for a login again whose role may have been given other settings meanwhile.
    async fn look_again(&self, key: &Key) {
        if !self.kept().is_old(key, self.limits.login_life) {
            return;
        }
        match self.source.login(key.0, key.1.as_deref()).await {
            Ok(login) => drop(self.kept().know(key, Arc::new(login))),
            Err(LoginError::Unavailable(_)) => {}
            // Whoever opens a connection is told why.
            Err(_) => self.forget(key),
        }
    }

    /// Waits for a place to run in, for a connection that no pool will hold.
    pub async fn place(&self, role_oid: u32) -> Place {
        self.places.take(role_oid).await
    }

    /// How many connections one role may use from now on.
    pub fn set_per_role(&self, limit: usize) {
        self.places.set_per_role(limit.min(self.limits.per_role));
    }

    fn kept(&self) -> MutexGuard<'_, AtRest> {
        self.kept.lock().expect("no panic under this lock")
    }

    /// An idle connection whose cleaning went well. Where the server refused it, its function may have been made
    /// anew, and the login is asked for again.
    async fn take_idle(&self, key: &Key) -> Option<Kept> {
        loop {
            let mut kept = self.kept().idle.take(key)?;
            let connection = &mut kept.connection;
            let settled = connection.settle().await;
            if matches!(settled, Err(PipelineError::Server { .. })) {
                self.forget(key);
            }
            if settled.is_ok()
                && connection.is_reusable()
                && connection.encoding_is_utf8()
                && connection.status() == TransactionStatus::Idle
            {
                return Some(kept);
            }
            tracing::debug!(role_oid = key.0, "dropping a step connection");
        }
    }

    /// An idle connection, or else the role's turn to open one. One is opened at a time: what a burst
    /// of short steps wants is mostly back before a login is done. Where a new one would cost another
    /// role its own, a role that has some in use waits a turn for one of them to come back: on a busy
    /// server a short step takes as long as many a login on an idle one.
    async fn kept_or_turn(&self, key: &Key) -> Result<Kept, Turn<'_>> {
        let patience = tokio::time::sleep(self.limits.turn);
        tokio::pin!(patience);
        let mut patient = true;
        loop {
            // Told of what happens from here on, so that nothing is missed in between.
            let returned = self.returned.notified();
            tokio::pin!(returned);
            returned.as_mut().enable();
            if let Some(kept) = self.take_idle(key).await {
                return Ok(kept);
            }
            let costs_others =
                self.places.taken_by(key.0) > 1 && self.kept().idle.len() >= self.room();
            if !(patient && costs_others)
                && let Some(turn) = self.turn(key)
            {
                return Err(turn);
            }
            tokio::select! {
                () = returned => {}
                () = &mut patience, if patient => patient = false,
            }
        }
    }

    fn turn(&self, key: &Key) -> Option<Turn<'_>> {
        let is_first = self.kept().opening.insert(key.clone());
        is_first.then(|| Turn(self, key.clone()))
    }

    /// How many connections may be idle while those in use are open.
    fn room(&self) -> usize {
        self.limits.open.saturating_sub(self.places.taken())
    }

    /// Opens a connection; a login that the server refuses is asked for once more.
    async fn open(&self, key: &Key) -> Result<(Connection, Arc<Login>), Verdict> {
        let known = self.kept().logins.get(key).map(|known| known.login.clone());
        if let Some(login) = known {
            match self.connect(&login).await {
                Ok(connection) => return Ok((connection, login)),
                Err(error) if !is_refused(&error) => {
                    return Err(classify::connect(error, &login));
                }
                Err(_) => self.forget(key),
            }
        }
        let login = match self.source.login(key.0, key.1.as_deref()).await {
            Ok(login) => Arc::new(login),
            Err(LoginError::Unavailable(why)) => return Err(Verdict::Outage(why)),
            Err(error) => return Err(Verdict::Stop(error.into())),
        };
        match self.connect(&login).await {
            Ok(connection) => Ok((connection, self.kept().know(key, login))),
            Err(error) => Err(classify::connect(error, &login)),
        }
    }

    /// Opens a connection for somebody who has a place. What is idle makes room for it; all of it,
    /// where the server has none left.
    pub async fn connect(&self, login: &Login) -> Result<Connection, ConnectError> {
        let excess = self.kept().idle.take_beyond(self.room());
        close(excess).await;
        let mut config = self.server.clone();
        config.user.clone_from(&login.user);
        config.password.clone_from(&login.password);
        config.database.clone_from(&login.database);
        if self.sessions == Sessions::Own {
            config.settings.clone_from(&login.settings);
            // What the rendering relies on, and who every statement runs as, come after the role's own settings, and
            // over what the login's own say.
            let role = ("role", login.role_name.as_str());
            for (name, value) in PINNED.into_iter().chain([role]) {
                config.settings.push((name.into(), value.into()));
            }
        }
        self.statistics
            .connections_opened
            .fetch_add(1, Ordering::Relaxed);
        let opened = Connection::connect(Arc::new(config)).await;
        if matches!(&opened, Err(ConnectError::Refused(error)) if error.class() == "53") {
            let all = self.kept().idle.take_beyond(0);
            close(all).await;
        }
        opened
    }

    /// A login asked for afresh, for a connection that no pool will hold.
    pub async fn fresh_login(
        &self,
        role_oid: u32,
        database: Option<&str>,
    ) -> Result<Login, LoginError> {
        self.source.login(role_oid, database).await
    }

    fn forget(&self, key: &Key) {
        let mut kept = self.kept();
        kept.logins.remove(key);
        drop(kept.idle.take_all(key));
    }

    /// The login no longer does what it should: the next step asks for it again.
    pub fn invalidate(&self, lease: &Lease) {
        self.forget(&lease.key);
    }

    /// Takes a connection back whose cleaning has been sent; drops one that is not fit for it.
    pub fn give_back(&self, lease: Lease) {
        let trips = lease.connection.flushes() - lease.flushes_before;
        self.statistics
            .round_trips
            .fetch_add(trips, Ordering::Relaxed);
        let mut kept = self.kept();
        let known = kept.logins.get(&lease.key);
        if lease.checked
            && lease.connection.is_reusable()
            && known.is_some_and(|known| Arc::ptr_eq(&known.login, &lease.login))
        {
            kept.idle.push(lease.key, lease.connection, lease.login);
            drop(kept);
            self.returned.notify_waiters();
        }
    }

    /// Gives a connection up. The idle ones of its role share the fate of one that was found dead.
    pub fn give_up(&self, lease: Lease) {
        if lease.connection.status() != TransactionStatus::Lost {
            tokio::spawn(lease.connection.close());
            return;
        }
        drop(self.kept().idle.take_all(&lease.key));
    }

    async fn drop_expired(&self) {
        let limit = Duration::from_secs(self.limits.idle_seconds);
        let expired = {
            let mut kept = self.kept();
            let expired = kept.idle.take_older_than(limit);
            // Neither a step nor a connection at rest uses the others.
            kept.logins
                .retain(|_, known| Arc::strong_count(&known.login) > 1);
            expired
        };
        close(expired).await;
    }
}

/// Ends sessions in good order.
async fn close(connections: Vec<Kept>) {
    for kept in connections {
        kept.connection.close().await;
    }
}

/// Whether the server may have known the login and not wanted it, as after a changed password:
/// PgBouncer says so as a protocol violation (08P01).
fn is_refused(error: &ConnectError) -> bool {
    match error {
        ConnectError::Refused(error) => !matches!(error.class(), "53" | "57" | "40"),
        ConnectError::Authentication(_) => true,
        ConnectError::Io(_) => false,
    }
}
