//! The lease: what lets a relay own instances, renewed by heartbeats, counted on its own clock from
//! before each heartbeat was sent.

use std::sync::Arc;
use std::time::Duration;

use df_postgres::{Error, Parameter, Session};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The newest kind of instance that this relay can run (`instances.min_version`).
const RUNS_VERSION: i32 = 1;

/// One incarnation's hold on its instances.
pub struct Lease {
    /// A secret: whoever knows it may record for every instance that it owns. Never logged.
    pub incarnation: Uuid,
    /// What stands for it in `df` and in logs.
    pub name: Uuid,
    /// Cancelled when the hold is gone: the lease ran out, was taken, or the server is another.
    pub lost: CancellationToken,
    /// Asks for a heartbeat at once: a connection broke, and the server may be another.
    pub beat: Arc<Notify>,
}

/// What tells one run of a server from another.
#[derive(PartialEq)]
struct ServerRun {
    started: String,
    timeline: i64,
}

/// Registers a fresh incarnation and keeps its lease alive in the background until `end`.
pub async fn take(
    session: Arc<Session>,
    lease: Duration,
    poll_interval: Duration,
    end: &CancellationToken,
) -> Result<Lease, Error> {
    let seconds = lease.as_secs_f64();
    let poll_ms = poll_interval.as_millis() as i32;
    let version = env!("CARGO_PKG_VERSION");
    let asked = Instant::now();
    let rows = session
        .insist(
            "select i.incarnation, df.relay_name(i.incarnation)
               from df.relay_register($1, $2, $3, $4) as i(incarnation)",
            &[&version, &seconds, &poll_ms, &RUNS_VERSION],
        )
        .await?;
    let (incarnation, name) = (rows[0].get(0), rows[0].get(1));
    let (lost, beat) = (end.child_token(), Arc::new(Notify::new()));
    let keeper = Keeper {
        session,
        incarnation,
        name,
        lease,
        lost: lost.clone(),
        beat: beat.clone(),
    };
    tokio::spawn(keeper.keep(asked + lease));
    Ok(Lease {
        incarnation,
        name,
        lost,
        beat,
    })
}

struct Keeper {
    session: Arc<Session>,
    incarnation: Uuid,
    name: Uuid,
    lease: Duration,
    lost: CancellationToken,
    beat: Arc<Notify>,
}

impl Keeper {
    /// Renews the lease until it is lost; `until` is when it runs out.
    async fn keep(self, mut until: Instant) {
        let Keeper {
            session,
            incarnation,
            name,
            lease,
            lost,
            beat,
        } = self;
        let mut server: Option<(ServerRun, i64)> = None;
        loop {
            let sent = Instant::now();
            let seconds = lease.as_secs_f64();
            let parameters: [&dyn Parameter; 2] = [&incarnation, &seconds];
            let renewed = session.insist(
                "select alive, server_started, timeline, wal_position from df.relay_heartbeat($1, $2)",
                &parameters,
            );
            tokio::select! {
                _ = lost.cancelled() => return,
                _ = tokio::time::sleep_until(until) => {
                    tracing::error!(relay = %name, "lease ran out without a heartbeat; starting over");
                    break;
                }
                rows = renewed => {
                    let rows = match rows {
                        Ok(rows) => rows,
                        Err(Error::Cancelled) => return,
                        // Nobody renews the lease any more: whoever registers next is told the same.
                        Err(error) => {
                            tracing::error!(relay = %name, %error, "the lease cannot be renewed; starting over");
                            break;
                        }
                    };
                    let row = &rows[0];
                    if !row.get::<_, bool>(0) {
                        tracing::warn!(relay = %name, "lease was taken over; starting over");
                        break;
                    }
                    let run = ServerRun { started: row.get(1), timeline: row.get(2) };
                    let position: i64 = row.get(3);
                    if let Some((before, reached)) = &server
                        && (*before != run || position < *reached)
                    {
                        tracing::warn!(relay = %name, "postgres restarted or failed over; starting over");
                        break;
                    }
                    server = Some((run, position));
                    until = sent + lease;
                }
            }
            tokio::select! {
                _ = lost.cancelled() => return,
                _ = beat.notified() => {}
                _ = tokio::time::sleep(lease / 4) => {}
            }
        }
        lost.cancel();
    }
}
