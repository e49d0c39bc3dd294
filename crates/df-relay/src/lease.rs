//! The lease: what lets a relay own instances, renewed by heartbeats, counted on its own clock from
//! before each heartbeat was sent.

use std::time::Duration;

use df_postgres::{Error, Session};
use tokio::time::Instant;
use tokio_postgres::types::ToSql;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// One incarnation's hold on its instances.
pub struct Lease {
    pub incarnation: Uuid,
    /// Cancelled when the hold is gone: the lease ran out, was taken, or the server is another.
    pub lost: CancellationToken,
}

/// What tells one run of a server from another.
#[derive(PartialEq)]
struct ServerRun {
    started: String,
    timeline: i64,
}

/// Registers a fresh incarnation and keeps its lease alive in the background until `shutdown`.
pub async fn take(
    session: std::sync::Arc<Session>,
    lease: Duration,
    poll_interval: Duration,
    shutdown: &CancellationToken,
) -> Result<Lease, Error> {
    let incarnation = Uuid::new_v4();
    let seconds = lease.as_secs_f64();
    let poll_ms = poll_interval.as_millis() as i32;
    let version = env!("CARGO_PKG_VERSION");
    session
        .insist(
            "select df.relay_register($1, $2, $3, $4)",
            &[&incarnation, &version, &seconds, &poll_ms],
        )
        .await?;
    let lost = shutdown.child_token();
    tokio::spawn(keep(session, incarnation, lease, lost.clone()));
    Ok(Lease { incarnation, lost })
}

async fn keep(
    session: std::sync::Arc<Session>,
    incarnation: Uuid,
    lease: Duration,
    lost: CancellationToken,
) {
    let mut until = Instant::now() + lease;
    let mut server: Option<(ServerRun, i64)> = None;
    loop {
        let sent = Instant::now();
        let seconds = lease.as_secs_f64();
        let parameters: [&(dyn ToSql + Sync); 2] = [&incarnation, &seconds];
        let beat = session.insist(
            "select alive, server_started, timeline, wal_position from df.relay_heartbeat($1, $2)",
            &parameters,
        );
        tokio::select! {
            _ = lost.cancelled() => return,
            _ = tokio::time::sleep_until(until) => {
                tracing::error!(%incarnation, "lease ran out without a heartbeat; starting over");
                break;
            }
            rows = beat => {
                let Ok(rows) = rows else { return };
                let row = &rows[0];
                if !row.get::<_, bool>(0) {
                    tracing::warn!(%incarnation, "lease was taken over; starting over");
                    break;
                }
                let run = ServerRun { started: row.get(1), timeline: row.get(2) };
                let position: i64 = row.get(3);
                if let Some((before, reached)) = &server
                    && (*before != run || position < *reached)
                {
                    tracing::warn!(%incarnation, "postgres restarted or failed over; starting over");
                    break;
                }
                server = Some((run, position));
                until = sent + lease;
            }
        }
        tokio::select! {
            _ = lost.cancelled() => return,
            _ = tokio::time::sleep(lease / 4) => {}
        }
    }
    lost.cancel();
}
