//! Workflows started and watched from outside, as users do: submitted, drained, timed. It must not
//! judge what it measures.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use tokio::time::Instant;
use tokio_postgres::{Client, Statement};

use crate::config::Config;
use crate::run::until_stopped;
use crate::service::ReadySignal;
use df_postgres::ConnectOptions;
use tokio_util::sync::CancellationToken;

use super::place::Place;

/// How long any measurement may take before the run gives up.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// The pause between looks at many workflows.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// The next look waits so many times as long as the last one took, so that counting thousands of
/// ended workflows takes no processor from those that run.
const LOOK_SHARE: u32 = 20;

/// The transaction that single-row yardsticks are made of.
pub const ONE_INSERT: &str = "insert into yard_a (n, t) values (1, 'a row of some length')";
/// The step of every measured workflow: one row, the half of what the yardstick's transaction does.
pub const STEP: &str = "insert into effects (n) values (1)";

/// Relays in this process, stopped together.
pub struct Relays {
    shutdown: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<anyhow::Result<()>>>,
}

impl Relays {
    /// Starts some, and returns once each is ready.
    pub async fn start(place: &Place, config: &Config, count: usize) -> anyhow::Result<Relays> {
        let shutdown = CancellationToken::new();
        let mut tasks = Vec::new();
        let mut signals = Vec::new();
        for _ in 0..count {
            let ready = ReadySignal::default();
            let service = config.service(place.relay(), ready.clone());
            let grace_seconds = config.shutdown_grace_seconds;
            tasks.push(tokio::spawn(until_stopped(
                service,
                shutdown.clone(),
                grace_seconds,
            )));
            signals.push(ready);
        }
        for ready in signals {
            tokio::time::timeout(PATIENCE, ready.wait())
                .await
                .context("a relay did not get ready")?;
        }
        Ok(Relays { shutdown, tasks })
    }

    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        for task in std::mem::take(&mut self.tasks) {
            task.await.context("a relay ended early")??;
        }
        Ok(())
    }
}

impl Drop for Relays {
    /// A measurement that failed leaves none behind.
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A graph as JSON, made by a DSL expression.
pub async fn graph(client: &Client, expression: &str) -> anyhow::Result<String> {
    let row = client.query_one(&format!("select {expression}"), &[]).await;
    Ok(row
        .with_context(|| format!("building {expression}"))?
        .get(0))
}

/// A sequence of steps, nested as `a ~> b ~> c` is.
pub fn sequence(steps: usize) -> String {
    let first = format!("df.sql('{STEP}')");
    (1..steps).fold(first, |before, _| format!("df.seq({before}, '{STEP}')"))
}

/// A join of so many leaves.
pub fn join(leaves: usize) -> String {
    format!(
        "df.join({})",
        vec![format!("'{STEP}'::text"); leaves].join(", ")
    )
}

/// The server's clock, to tell what ended later from what ended before.
pub async fn now(client: &Client) -> anyhow::Result<SystemTime> {
    Ok(client
        .query_one("select clock_timestamp()", &[])
        .await?
        .get(0))
}

/// Starts `count` workflows in one transaction, so that a relay sees them all at once.
pub async fn submit(client: &Client, graph: &str, count: usize) -> anyhow::Result<()> {
    let sql = "select count(df.start($1)) from generate_series(1, $2)";
    client.query_one(sql, &[&graph, &(count as i32)]).await?;
    Ok(())
}

/// Starts `count` workflows in a transaction each, from eight clients.
pub async fn submit_each(caller: &ConnectOptions, graph: &str, count: usize) -> anyhow::Result<()> {
    let mut clients = Vec::new();
    for number in 0..8 {
        let client = caller.connect().await?;
        let graph = graph.to_owned();
        let share = count / 8 + usize::from(number < count % 8);
        clients.push(tokio::spawn(async move {
            let statement = client.prepare("select df.start($1)").await?;
            for _ in 0..share {
                client.query_one(&statement, &[&graph]).await?;
            }
            Ok::<_, tokio_postgres::Error>(())
        }));
    }
    for client in clients {
        client.await.context("a client ended early")??;
    }
    Ok(())
}

/// Looks at how many workflows have ended since a moment, now and then.
pub struct Watch<'a> {
    client: &'a Client,
    count_ended: Statement,
    since: SystemTime,
    next_look: Instant,
    deadline: Instant,
    ended: usize,
}

impl<'a> Watch<'a> {
    pub async fn since(client: &'a Client, since: SystemTime) -> anyhow::Result<Watch<'a>> {
        Ok(Watch {
            client,
            count_ended: client.prepare(include_str!("sql/drained.sql")).await?,
            since,
            next_look: Instant::now(),
            deadline: Instant::now() + PATIENCE,
            ended: 0,
        })
    }

    /// Pauses for `LOOK_INTERVAL`, then tells how many have ended by the latest look, made just now
    /// unless looks have become dear; an error when one did not complete, or none ended any more.
    pub async fn ended(&mut self) -> anyhow::Result<usize> {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let begin = Instant::now();
        if begin < self.next_look {
            return Ok(self.ended);
        }
        let row = self
            .client
            .query_one(&self.count_ended, &[&self.since])
            .await?;
        let (ended, badly): (i64, i64) = (row.get(0), row.get(1));
        if badly > 0 {
            bail!("{badly} workflows did not complete, so nothing was measured");
        }
        if ended as usize > self.ended {
            self.ended = ended as usize;
            self.deadline = begin + PATIENCE;
        }
        if begin > self.deadline {
            bail!("after {ended} workflows no other ended within {PATIENCE:?}");
        }
        self.next_look = Instant::now() + begin.elapsed() * LOOK_SHARE;
        Ok(self.ended)
    }
}

/// Waits until `count` workflows have ended since a moment; an error when one did not complete.
pub async fn drained(client: &Client, since: SystemTime, count: usize) -> anyhow::Result<()> {
    let mut watch = Watch::since(client, since).await?;
    while watch.ended().await? < count {}
    Ok(())
}

/// Seconds at which workflows ended that ended since a moment, ascending, by the server's clock.
pub async fn ends(client: &Client, since: SystemTime) -> anyhow::Result<Vec<f64>> {
    let rows = client
        .query(include_str!("sql/ends.sql"), &[&since])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Seconds from the first claim to the last end of what ended since a moment.
pub async fn drain_seconds(client: &Client, since: SystemTime) -> anyhow::Result<f64> {
    let sql = include_str!("sql/drain_seconds.sql");
    let row = client.query_one(sql, &[&since]).await?;
    let seconds: Option<f64> = row.get(0);
    seconds.context("nothing ended")
}

/// Starts `count` workflows at once under running relays; workflows a second until the last ended.
pub async fn rate_at_once(
    place: &Place,
    caller: &Client,
    graph: &str,
    count: usize,
) -> anyhow::Result<f64> {
    let since = now(&place.client).await?;
    submit(caller, graph, count).await?;
    drained(&place.client, since, count).await?;
    Ok(count as f64 / drain_seconds(&place.client, since).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_have_as_many_steps_as_asked() {
        for steps in [1, 2, 10] {
            assert_eq!(sequence(steps).matches(STEP).count(), steps);
        }
        assert_eq!(join(16).matches(STEP).count(), 16);
    }
}
