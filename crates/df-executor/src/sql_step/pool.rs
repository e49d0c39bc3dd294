//! Step connections, kept per role and database and lent to one step at a time.
//!
//! A connection comes back only when its session is in step and its cleaning is on the way;
//! everything else is dropped. It never hands a session of one role to another.

use super::classify::{self, Verdict};
use super::{Login, LoginError, LoginSource, Sessions};
use crate::shares::{Place, Shares};
use crate::wire::{ConnectConfig, ConnectError, Connection, TransactionStatus};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many connections there may be.
#[derive(Clone, Debug)]
pub struct PoolLimits {
    /// In use at once by one role, in all databases.
    pub per_role: usize,
    /// In use at once by all roles.
    pub in_use: usize,
    /// In use at once beyond those, each by a role that uses no other: whoever holds all the rest
    /// cannot keep them from it.
    pub reserve: usize,
    /// Kept open by all roles together while nobody uses them.
    pub idle: usize,
    pub idle_seconds: u64,
}

impl Default for PoolLimits {
    fn default() -> Self {
        PoolLimits {
            per_role: 16,
            in_use: 64,
            reserve: 16,
            idle: 64,
            idle_seconds: 60,
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

pub(super) type Key = (u32, Option<String>);

pub(super) struct Pools {
    pub server: ConnectConfig,
    sessions: Sessions,
    logins: Arc<dyn LoginSource>,
    limits: PoolLimits,
    in_use: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
    shares: Shares,
    idle: AtomicUsize,
    roles: Mutex<HashMap<Key, Arc<RolePool>>>,
    pub statistics: StepStatistics,
}

struct RolePool {
    key: Key,
    state: Mutex<RoleState>,
}

#[derive(Default)]
struct RoleState {
    login: Option<Arc<Login>>,
    /// The latest used is last, and is taken first.
    idle: Vec<(Instant, Connection)>,
}

impl RolePool {
    fn state(&self) -> MutexGuard<'_, RoleState> {
        self.state.lock().expect("no panic under this lock")
    }
}

/// A connection lent to one step.
pub(super) struct Lease {
    pub connection: Connection,
    pub login: Arc<Login>,
    /// Whether it served another step before: then its death may be older than this step.
    pub reused: bool,
    flushes_before: u64,
    role: Arc<RolePool>,
    _permits: (Place, OwnedSemaphorePermit),
}

impl Pools {
    pub fn new(
        server: ConnectConfig,
        sessions: Sessions,
        logins: Arc<dyn LoginSource>,
        limits: PoolLimits,
    ) -> Arc<Self> {
        let pools = Arc::new(Pools {
            server,
            sessions,
            logins,
            in_use: Arc::new(Semaphore::new(limits.in_use)),
            reserve: Arc::new(Semaphore::new(limits.reserve)),
            shares: Shares::new(limits.per_role),
            limits,
            idle: AtomicUsize::new(0),
            roles: Mutex::default(),
            statistics: StepStatistics::default(),
        });
        let weak = Arc::downgrade(&pools);
        let pause = Duration::from_secs((pools.limits.idle_seconds / 2).max(1));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(pools) = weak.upgrade() else { return };
                pools.drop_expired();
            }
        });
        pools
    }

    /// Waits for a free place, then takes an idle connection or opens one.
    pub async fn acquire(&self, role_oid: u32, database: Option<&str>) -> Result<Lease, Verdict> {
        let role = self.role((role_oid, database.map(str::to_owned)));
        let closed = "the semaphores are never closed";
        let own = self.shares.take(role_oid).await;
        let shared = match self.in_use.clone().try_acquire_owned() {
            Ok(shared) => shared,
            Err(_) if own.is_first() => tokio::select! {
                biased;
                shared = self.in_use.clone().acquire_owned() => shared.expect(closed),
                reserved = self.reserve.clone().acquire_owned() => reserved.expect(closed),
            },
            Err(_) => self.in_use.clone().acquire_owned().await.expect(closed),
        };
        let kept = self.take_idle(&role).await;
        let reused = kept.is_some();
        let (connection, login) = match kept {
            Some(kept) => kept,
            None => self.open(&role).await?,
        };
        let flushes_before = connection.flushes();
        let _permits = (own, shared);
        Ok(Lease {
            connection,
            login,
            reused,
            flushes_before,
            role,
            _permits,
        })
    }

    /// How many connections one role may use from now on.
    pub fn set_per_role(&self, limit: usize) {
        self.shares.set_limit(limit.min(self.limits.per_role));
    }

    fn role(&self, key: Key) -> Arc<RolePool> {
        let mut roles = self.roles.lock().expect("no panic under this lock");
        let made = || {
            Arc::new(RolePool {
                key: key.clone(),
                state: Mutex::default(),
            })
        };
        roles.entry(key.clone()).or_insert_with(made).clone()
    }

    /// An idle connection whose cleaning went well.
    async fn take_idle(&self, role: &RolePool) -> Option<(Connection, Arc<Login>)> {
        loop {
            let (mut connection, login) = {
                let mut state = role.state();
                let (_, connection) = state.idle.pop()?;
                self.idle.fetch_sub(1, Ordering::Relaxed);
                (connection, state.login.clone())
            };
            let clean = connection.settle().await.is_ok()
                && connection.is_reusable()
                && connection.encoding_is_utf8()
                && connection.status() == TransactionStatus::Idle;
            match login {
                Some(login) if clean => return Some((connection, login)),
                _ => tracing::debug!(role_oid = role.key.0, "dropping a step connection"),
            }
        }
    }

    /// Opens a connection; a login that the server refuses is asked for once more.
    async fn open(&self, role: &RolePool) -> Result<(Connection, Arc<Login>), Verdict> {
        let cached = role.state().login.clone();
        if let Some(login) = cached {
            match self.connect(&login).await {
                Ok(connection) => return Ok((connection, login)),
                Err(error) if !is_refused(&error) => {
                    return Err(classify::connect(error, &login));
                }
                Err(_) => self.forget(role),
            }
        }
        let login = match self.logins.login(role.key.0, role.key.1.as_deref()).await {
            Ok(login) => Arc::new(login),
            Err(LoginError::Unavailable(why)) => return Err(Verdict::Outage(why)),
            Err(error) => return Err(Verdict::Stop(error.into())),
        };
        match self.connect(&login).await {
            Ok(connection) => {
                role.state().login = Some(login.clone());
                Ok((connection, login))
            }
            Err(error) => Err(classify::connect(error, &login)),
        }
    }

    /// Opens a connection that no pool will hold.
    pub async fn connect(&self, login: &Login) -> Result<Connection, ConnectError> {
        let mut config = self.server.clone();
        config.user.clone_from(&login.user);
        config.password.clone_from(&login.password);
        config.database.clone_from(&login.database);
        if self.sessions == Sessions::Own {
            config.settings.clone_from(&login.settings);
            // What the rendering relies on comes after the role's own settings.
            for (name, value) in [
                ("DateStyle", "ISO"),
                ("extra_float_digits", "1"),
                ("standard_conforming_strings", "on"),
            ] {
                config.settings.push((name.into(), value.into()));
            }
        }
        self.statistics
            .connections_opened
            .fetch_add(1, Ordering::Relaxed);
        Connection::connect(Arc::new(config)).await
    }

    /// A login asked for afresh, for a connection that no pool will hold.
    pub async fn fresh_login(
        &self,
        role_oid: u32,
        database: Option<&str>,
    ) -> Result<Login, LoginError> {
        self.logins.login(role_oid, database).await
    }

    fn forget(&self, role: &RolePool) {
        let mut state = role.state();
        state.login = None;
        self.idle.fetch_sub(state.idle.len(), Ordering::Relaxed);
        state.idle.clear();
    }

    /// The login no longer does what it should: the next step asks for it again.
    pub fn invalidate(&self, lease: &Lease) {
        self.forget(&lease.role);
    }

    /// Takes a connection back whose cleaning has been sent; drops one that is not fit for it.
    pub fn give_back(&self, lease: Lease) {
        let trips = lease.connection.flushes() - lease.flushes_before;
        self.statistics
            .round_trips
            .fetch_add(trips, Ordering::Relaxed);
        let room = self.idle.load(Ordering::Relaxed) < self.limits.idle;
        let mut state = lease.role.state();
        if lease.connection.is_reusable() && room && state.login.is_some() {
            self.idle.fetch_add(1, Ordering::Relaxed);
            state.idle.push((Instant::now(), lease.connection));
        }
    }

    /// Gives a connection up. The idle ones of its role share the fate of one that was found dead.
    pub fn give_up(&self, lease: Lease) {
        if lease.connection.status() != TransactionStatus::Lost {
            tokio::spawn(lease.connection.close());
            return;
        }
        let mut state = lease.role.state();
        self.idle.fetch_sub(state.idle.len(), Ordering::Relaxed);
        state.idle.clear();
    }

    fn drop_expired(&self) {
        let limit = Duration::from_secs(self.limits.idle_seconds);
        let mut expired = Vec::new();
        let mut roles = self.roles.lock().expect("no panic under this lock");
        roles.retain(|_, role| {
            let mut state = role.state();
            let kept = state
                .idle
                .iter()
                .position(|(since, _)| since.elapsed() < limit);
            let count = kept.unwrap_or(state.idle.len());
            expired.extend(state.idle.drain(..count));
            !state.idle.is_empty() || Arc::strong_count(role) > 1
        });
        drop(roles);
        self.idle.fetch_sub(expired.len(), Ordering::Relaxed);
        for (_, connection) in expired {
            tokio::spawn(connection.close());
        }
    }
}

/// Whether the server may have known the login and not wanted it, as after a changed password:
/// PgBouncer says so as a protocol violation (08P01).
fn is_refused(error: &ConnectError) -> bool {
    match error {
        ConnectError::Refused(error) => !matches!(error.class(), "53" | "57" | "40"),
        ConnectError::Authentication(_) => true,
        ConnectError::Io(_) | ConnectError::TimedOut => false,
    }
}
