//! The background pass that removes what has expired and mends what is stuck, in small batches. Any
//! number of relays may do it at once: they skip each other's rows.

use std::ops::RangeInclusive;
use std::time::Duration;

use df_postgres::{Error, Session};
use rand::Rng;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The most rows of one part that one transaction acts on.
const BATCH: i32 = 500;
/// How often the interval is read again while it is 0, which disables the pass.
const DISABLED_PAUSE: Duration = Duration::from_secs(15);
/// Between passes, whatever the setting says: it is read once per pass.
const INTERVAL_SECONDS: RangeInclusive<f64> = 0.1..=86_400.0;
const DEFAULT_INTERVAL_SECONDS: f64 = 60.0;

/// Reconciles every `reconcile_interval_seconds` until `end`.
pub async fn keep_reconciled(session: Session, end: CancellationToken) {
    let mut look_at_graphs = true;
    loop {
        let interval = match interval(&session).await {
            Ok(interval) => interval,
            Err(Error::Cancelled) => return,
            Err(error) => {
                tracing::error!(%error, "nothing is reconciled; trying again");
                None
            }
        };
        let pause = interval.map_or(DISABLED_PAUSE, |interval| {
            interval.mul_f64(rand::rng().random_range(0.75..1.25))
        });
        if end.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
        if interval.is_some()
            && let Err(error) = pass(&session, &mut look_at_graphs).await
        {
            tracing::debug!(%error, "a pass was cut short");
        }
    }
}

async fn interval(session: &Session) -> Result<Option<Duration>, Error> {
    let sql = "select df.setting('reconcile_interval_seconds')";
    let rows = session.insist(sql, &[]).await?;
    let setting: Option<String> = rows[0].get(0);
    let seconds = setting
        .and_then(|text| text.parse().ok())
        .unwrap_or(DEFAULT_INTERVAL_SECONDS);
    let (least, most) = INTERVAL_SECONDS.into_inner();
    Ok((seconds > 0.0).then(|| Duration::from_secs_f64(seconds.clamp(least, most))))
}

/// One pass. Graphs are looked at once something was removed, and until none is on its way out: that
/// takes three passes, and longer while old transactions run.
async fn pass(session: &Session, look_at_graphs: &mut bool) -> Result<(), Error> {
    let parts = [
        "expired instances",
        "orphaned events",
        "taken signals",
        "instances of dropped roles",
    ];
    for part in parts {
        let done = whole(session, part).await?;
        if done > 0 {
            *look_at_graphs = true;
            tracing::info!(part, done, "reconciled");
        }
    }
    if *look_at_graphs {
        let done = whole(session, "graphs").await?;
        if done > 0 {
            tracing::info!(part = "graphs", done, "reconciled");
        }
        let sql = "select df.relay_has_doomed_graphs()";
        *look_at_graphs = session.insist(sql, &[]).await?[0].get(0);
    }
    Ok(())
}

/// Does one part in batches until there is less than a batch of it.
async fn whole(session: &Session, part: &str) -> Result<i64, Error> {
    let mut all = 0;
    loop {
        let rows = session
            .insist("select df.relay_reconcile($1, $2)", &[&part, &BATCH])
            .await?;
        df_failpoints::reached("reconcile.committed");
        let done: i64 = rows[0].get(0);
        all += done;
        if done < i64::from(BATCH) {
            return Ok(all);
        }
    }
}
