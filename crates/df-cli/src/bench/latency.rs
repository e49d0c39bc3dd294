//! How long: one workflow on an idle system, a signal, and workflows under a given load.

use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;
use tokio_postgres::Client;

use super::Bench;
use super::figures::{Figure, Target, median, percentile};
use super::lookout::Lookout;
use super::picture::Point;
use super::report::number;
use super::workload::{
    self, LOOK_INTERVAL, ONE_INSERT, PATIENCE, Relays, STEP, drained, graph, sequence,
};

/// Long enough for a relay to find nothing to do and go to sleep.
pub const UNTIL_IDLE: Duration = Duration::from_millis(250);
/// Long enough for an instance that only waits to leave the relay's memory.
const UNTIL_PARKED: Duration = Duration::from_millis(1500);
const COMMITS: usize = 200;
/// Loads that latency is measured under, as parts of what the relay can drain.
const LOADS: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];

impl Bench {
    /// Start and signal on an idle system, from the caller's commit to where anybody sees the end.
    pub async fn idle_rows(&mut self) -> anyhow::Result<Vec<Figure>> {
        self.place.reset().await?;
        let relays = Relays::start(&self.place, &self.config, 1).await?;
        let caller = self.place.caller(0).connect().await?;
        let commit = commit_seconds(&caller).await?;
        let mut paused =
            insert_seconds(&caller, self.scale.paused_commits, Some(UNTIL_IDLE)).await?;
        self.say("idle latency of a start");
        let (started, commits) = self.idle_starts(&caller).await?;
        self.say("idle latency of a signal");
        let signalled = self.idle_signals(&caller).await?;
        paused.extend(insert_seconds(&caller, self.scale.paused_commits, Some(UNTIL_IDLE)).await?);
        let commit_after = commit_seconds(&caller).await?;
        relays.stop().await?;
        let commit = (commit + commit_after) / 2.0 * 1e3;
        let row = |key: &str, what: &str, samples: &Samples, percent, factor| {
            let value = percentile(&samples.seconds, percent) * 1e3;
            Figure::told(key, what, value, "ms")
                .at_most(factor, "commit, ms", commit)
                .note(format!(
                    "{} samples, of which half of {:.2} ms, the time from look to look, is the bench's own",
                    samples.seconds.len(),
                    median(&samples.gaps) * 1e3
                ))
        };
        let alone = "commits per one-step workflow, alone on an idle system";
        Ok(vec![
            row(
                "idle_p50",
                "idle: start committed to completed, p50",
                &started,
                50.0,
                10.0,
            ),
            row(
                "idle_p99",
                "idle: start committed to completed, p99",
                &started,
                99.0,
                30.0,
            ),
            row(
                "signal_p50",
                "idle: signal committed to completed, p50",
                &signalled,
                50.0,
                10.0,
            ),
            paused_row(&paused, commit),
            Figure::told("commits_1_idle", alone, commits, "")
                .judged(Target::AtMost(4.0))
                .note("transactions that took an id, heartbeats included"),
        ])
    }

    /// Each start, and the transactions that each cost.
    async fn idle_starts(&self, caller: &Client) -> anyhow::Result<(Samples, f64)> {
        let statement = caller.prepare("select df.start($1)").await?;
        let lookout = Lookout::start(self.place.own()).await?;
        // The first one pays for connections and plans that an idle system keeps.
        let mut samples = Samples::default();
        let mut xids = 0;
        for round in 0..=self.scale.latency_samples {
            tokio::time::sleep(UNTIL_IDLE).await;
            if round == 1 {
                xids = self.xids().await?;
            }
            let row = caller.query_one(&statement, &[&STEP]).await?;
            let committed = Instant::now();
            let seen = lookout.until_ended(row.get(0)).await?;
            if round > 0 {
                samples.push(seen.at - committed, seen.gap);
            }
        }
        tokio::time::sleep(UNTIL_IDLE).await;
        let each = (self.xids().await? - xids) as f64 / samples.seconds.len() as f64;
        Ok((samples, each))
    }

    async fn idle_signals(&self, caller: &Client) -> anyhow::Result<Samples> {
        let text = graph(caller, "df.wait_for_signal('go')").await?;
        let mut waiting: Vec<String> = Vec::new();
        for _ in 0..self.scale.latency_samples {
            let row = caller.query_one("select df.start($1)", &[&text]).await?;
            waiting.push(row.get(0));
        }
        let begun = "select count(*) from df.node_runs r
                      where r.instance_id = any ($1) and r.status = 'waiting'";
        let all = waiting.len() as i64;
        let deadline = Instant::now() + PATIENCE;
        let client = &self.place.client;
        while client.query_one(begun, &[&waiting]).await?.get::<_, i64>(0) < all {
            if Instant::now() > deadline {
                bail!("not all of {all} workflows waited within {PATIENCE:?}");
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        tokio::time::sleep(UNTIL_PARKED).await;
        let lookout = Lookout::start(self.place.own()).await?;
        let signal = caller.prepare("select df.signal($1, 'go')").await?;
        let mut samples = Samples::default();
        for instance in &waiting {
            tokio::time::sleep(UNTIL_IDLE).await;
            caller.query_one(&signal, &[instance]).await?;
            let committed = Instant::now();
            let seen = lookout.until_ended(instance).await?;
            samples.push(seen.at - committed, seen.gap);
        }
        Ok(samples)
    }

    /// p50 and p99 of one-step workflows, by how many are started a second. `rate` is what the relay
    /// drains at most.
    pub async fn latency_lines(&mut self, rate: f64) -> anyhow::Result<Vec<(String, Vec<Point>)>> {
        self.place.reset().await?;
        let relays = Relays::start(&self.place, &self.config, 1).await?;
        let text = graph(&self.place.client, &sequence(1)).await?;
        let mut lines = [50.0, 99.0].map(|percent| (format!("p{percent}"), Vec::new()));
        for load in LOADS {
            let offered = (rate * load).max(1.0);
            self.say(&format!("latency at {offered:.0} starts a second"));
            let since = workload::now(&self.place.client).await?;
            let count = self.offer(&text, offered).await?;
            drained(&self.place.client, since, count).await?;
            let sql = include_str!("sql/load_latency.sql");
            let rows = self.place.client.query(sql, &[&since]).await?;
            let samples: Vec<f64> = rows.iter().map(|row| row.get(0)).collect();
            for ((_, points), percent) in lines.iter_mut().zip([50.0, 99.0]) {
                let y = percentile(&samples, percent) * 1e3;
                points.push(Point { x: offered, y });
            }
        }
        relays.stop().await?;
        Ok(lines.into())
    }

    /// Eight clients start workflows at fixed moments, however long each takes. Returns how many.
    async fn offer(&self, text: &str, per_second: f64) -> anyhow::Result<usize> {
        let gap = Duration::from_secs_f64(8.0 / per_second);
        let each = (per_second * self.scale.load_seconds / 8.0).ceil() as usize;
        let mut clients = Vec::new();
        for number in 0..8u32 {
            let client = self.place.caller(0).connect().await?;
            let text = text.to_owned();
            clients.push(tokio::spawn(async move {
                let statement = client.prepare("select df.start($1)").await?;
                let mut next = Instant::now() + gap / 8 * number;
                for _ in 0..each {
                    tokio::time::sleep_until(next).await;
                    next += gap;
                    client.query_one(&statement, &[&text]).await?;
                }
                Ok::<_, tokio_postgres::Error>(())
            }));
        }
        for client in clients {
            client.await??;
        }
        Ok(8 * each)
    }
}

/// What was timed by looking again and again.
#[derive(Debug, Default)]
struct Samples {
    seconds: Vec<f64>,
    /// How far back before the look that saw it each end may lie, in seconds.
    gaps: Vec<f64>,
}

impl Samples {
    fn push(&mut self, elapsed: Duration, gap: Duration) {
        self.seconds.push(elapsed.as_secs_f64());
        self.gaps.push(gap.as_secs_f64());
    }
}

/// What part of a latency is the machine waking up: told, since it is nobody's to be held to.
fn paused_row(samples: &[f64], commit: f64) -> Figure {
    let value = percentile(samples, 50.0) * 1e3;
    let what = "idle: a commit after the same pause, p50";
    Figure::told("commit_idle", what, value, "ms").note(format!(
        "{} single-row INSERTs, each after {} ms of idleness as every start and signal above; {} of the \
         yardstick's, which follow each other at once",
        samples.len(),
        UNTIL_IDLE.as_millis(),
        number(value / commit)
    ))
}

/// The median of single-row INSERTs by one client of this process, which follow each other at once, in
/// seconds.
pub async fn commit_seconds(client: &Client) -> anyhow::Result<f64> {
    Ok(percentile(
        &insert_seconds(client, COMMITS, None).await?,
        50.0,
    ))
}

/// Seconds of each of so many single-row INSERTs, after a pause each where there is one.
async fn insert_seconds(
    client: &Client,
    count: usize,
    pause: Option<Duration>,
) -> anyhow::Result<Vec<f64>> {
    let statement = client.prepare(ONE_INSERT).await?;
    let mut samples = Vec::new();
    for _ in 0..count {
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        let begin = Instant::now();
        client.execute(&statement, &[]).await?;
        samples.push(begin.elapsed().as_secs_f64());
    }
    Ok(samples)
}
