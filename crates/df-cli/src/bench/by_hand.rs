//! What the targets leave: the same work by the least that keeps its promises, a queue of jobs of one
//! statement each that somebody has written by hand (sql/by_hand.sql), its steps over the relay's own
//! wire. Told and never judged. Of `df` it uses nothing but what cleans a session between steps.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use df_executor::wire::{ConnectConfig, Connection, Param, Statement, oid};
use futures_util::future::try_join_all;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement as PreparedStatement};

use super::Bench;
use super::figures::{Figure, mean, median, percentile};
use super::latency::{UNTIL_IDLE, commit_seconds};
use super::report::number;
use super::throughput::{Plain, listed, spread};
use super::workload::STEP;
use crate::wiring;

/// As many steps at a time as a relay runs.
const SESSIONS: usize = 16;
/// How many jobs are claimed at a time.
const CLAIMED: i32 = 200;
/// Who claims.
const OWNER: &str = "00000000-0000-0000-0000-000000000001";
const CLAIM: &str = "select by_hand.claim($1::text::uuid, $2)";
const DELIVER: &str = "select by_hand.deliver()";
const RESULT: &str = "{\"rows\":[],\"row_count\":1}";
/// The most bytes of a statement's result.
const RESULT_BYTES: usize = 1 << 20;

impl Bench {
    /// The figures that df is held to, by hand; after them, in each note, the part of its yardstick.
    pub async fn by_hand_rows(&mut self) -> anyhow::Result<Vec<Figure>> {
        let mut figures = self.starts_by_hand().await?;
        let mut crew = self.crew().await?;
        for (key, what, jobs, steps) in [
            (
                "by_hand_one_step",
                "by hand: jobs of one step, submitted beforehand",
                self.scale.one_step,
                1,
            ),
            (
                "by_hand_ten_step",
                "by hand: steps of jobs of ten, 200 at once",
                self.scale.at_once,
                10,
            ),
        ] {
            self.say(what);
            let warm_up = jobs.min(self.scale.at_once);
            self.drain_by_hand(&mut crew, warm_up, steps).await?;
            let mut rates = Vec::new();
            let mut yardsticks = vec![self.plain(Plain::TwoInserts, 16).await?];
            for _ in 0..self.scale.drain_rounds {
                rates.push(self.drain_by_hand(&mut crew, jobs, steps).await?);
                yardsticks.push(self.plain(Plain::TwoInserts, 16).await?);
            }
            let figure = Figure::told(key, what, mean(&rates), "/s");
            let figure = beside(figure, "Y16", mean(&yardsticks))
                .note(format!("by rounds: {}", listed(&rates)));
            figures.push(spread(figure, &yardsticks));
        }
        figures.extend(self.idle_by_hand().await?);
        Ok(figures)
    }

    async fn starts_by_hand(&self) -> anyhow::Result<Vec<Figure>> {
        let statement = format!("select by_hand.start('{STEP}')");
        let rounds = self.beside_inserts("starts by hand", &statement).await?;
        let what = "by hand: starts, 8 clients";
        let few = Figure::told("by_hand_start_8", what, mean(&rounds.calls[0]), "/s");
        let few = beside(few, "INSERTs at 8 clients", mean(&rounds.inserts[0]))
            .note(format!("by rounds: {}", listed(&rounds.calls[0])));
        let what = "by hand: the ratio at 64 over the ratio at 8";
        let grown = rounds.grown();
        let grown = Figure::told("by_hand_64_over_8", what, median(&grown), "×")
            .note(format!("the median of rounds: {}", listed(&grown)));
        Ok(vec![spread(few, &rounds.inserts[0]), grown])
    }

    /// Steps a second, from before the first claim to after the last step's commit.
    async fn drain_by_hand(
        &self,
        crew: &mut Crew,
        jobs: usize,
        steps: usize,
    ) -> anyhow::Result<f64> {
        self.place.reset().await?;
        let submit = "select count(by_hand.start($1)) from generate_series(1, $2)";
        let submitted: [&(dyn ToSql + Sync); 2] = [&STEP, &(jobs as i32)];
        crew.caller.query_one(submit, &submitted).await?;
        let (queue, claimed) = mpsc::channel::<i64>(CLAIMED as usize);
        let claimed = Arc::new(Mutex::new(claimed));
        let begin = Instant::now();
        let hands = std::mem::take(&mut crew.hands);
        let work = hands.into_iter().map(|mut hand| {
            let claimed = claimed.clone();
            tokio::spawn(async move {
                let mut done = 0;
                while let Some(job) = next(&claimed).await {
                    for step in 1..=steps {
                        hand.step(job, step, step == steps).await?;
                        done += 1;
                    }
                }
                anyhow::Ok((hand, done))
            })
        });
        let work: Vec<_> = work.collect();
        loop {
            let rows = crew.claimer.query(&crew.claim, &[&OWNER, &CLAIMED]).await?;
            for row in &rows {
                queue.send(row.get(0)).await?;
            }
            if rows.is_empty() {
                break;
            }
        }
        drop(queue);
        let mut done = 0;
        for worked in try_join_all(work).await? {
            let (hand, ran) = worked?;
            crew.hands.push(hand);
            done += ran;
        }
        let seconds = begin.elapsed().as_secs_f64();
        if done != jobs * steps {
            bail!("{done} steps of {} ran", jobs * steps);
        }
        Ok(done as f64 / seconds)
    }

    /// From the caller's commit to the worker's, which hears of it by a notice.
    async fn idle_by_hand(&self) -> anyhow::Result<Vec<Figure>> {
        self.say("idle latency by hand");
        self.place.reset().await?;
        let caller = self.place.caller(0).connect().await?;
        let commit = commit_seconds(&caller).await?;
        let (listener, mut notices) = self.place.own().connect_listening().await?;
        listener.batch_execute("listen by_hand").await?;
        let worker = self.place.own().connect().await?;
        let (claim, deliver) = (worker.prepare(CLAIM).await?, worker.prepare(DELIVER).await?);
        let start = caller.prepare("select by_hand.start_told($1)").await?;
        let signal = caller.prepare("select by_hand.signal($1)").await?;
        let mut hand = self.hand().await?;
        let (mut started, mut signalled) = (Vec::new(), Vec::new());
        // The first one of each pays for plans that an idle system keeps.
        for _ in 0..=self.scale.latency_samples {
            tokio::time::sleep(UNTIL_IDLE).await;
            caller.query_one(&start, &[&STEP]).await?;
            let committed = Instant::now();
            notices.recv().await.context("the notices have ended")?;
            let job: i64 = worker.query_one(&claim, &[&OWNER, &CLAIMED]).await?.get(0);
            hand.step(job, 1, true).await?;
            started.push(committed.elapsed().as_secs_f64());
        }
        let waiting = self.waiting_by_hand(&caller).await?;
        for job in waiting {
            tokio::time::sleep(UNTIL_IDLE).await;
            caller.query_one(&signal, &[&job]).await?;
            let committed = Instant::now();
            notices.recv().await.context("the notices have ended")?;
            worker.query_one(&deliver, &[]).await?;
            signalled.push(committed.elapsed().as_secs_f64());
        }
        let commit = (commit + commit_seconds(&caller).await?) / 2.0 * 1e3;
        let row = |key: &str, what: &str, samples: &[f64], percent| {
            let value = percentile(&samples[1..], percent) * 1e3;
            beside(Figure::told(key, what, value, "ms"), "commit, ms", commit)
        };
        Ok(vec![
            row(
                "by_hand_idle_p50",
                "by hand, idle: start to its step's commit, p50",
                &started,
                50.0,
            ),
            row(
                "by_hand_idle_p99",
                "by hand, idle: start to its step's commit, p99",
                &started,
                99.0,
            ),
            row(
                "by_hand_signal_p50",
                "by hand, idle: signal to its delivery's commit, p50",
                &signalled,
                50.0,
            ),
        ])
    }

    /// Claimed jobs that wait for a signal, which is their end.
    async fn waiting_by_hand(&self, caller: &Client) -> anyhow::Result<Vec<i64>> {
        let submit = "select by_hand.start($1) from generate_series(0, $2)";
        let count = self.scale.latency_samples as i32;
        let rows = caller.query(submit, &[&STEP, &count]).await?;
        self.place
            .client
            .query(CLAIM, &[&OWNER, &(count + 1)])
            .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn crew(&self) -> anyhow::Result<Crew> {
        let claimer = self.place.own().connect().await?;
        let mut hands = Vec::new();
        for _ in 0..SESSIONS {
            hands.push(self.hand().await?);
        }
        Ok(Crew {
            caller: self.place.caller(0).connect().await?,
            claim: claimer.prepare(CLAIM).await?,
            claimer,
            hands,
        })
    }

    async fn hand(&self) -> anyhow::Result<Hand> {
        let caller = self.place.caller(0);
        let config = ConnectConfig {
            user: caller.user().unwrap_or_default().to_owned(),
            password: Some(self.place.password().to_owned()),
            database: caller.database().unwrap_or_default().to_owned(),
            application_name: "df-relay bench".to_owned(),
            ..wiring::server(&caller)
        };
        let functions = "select 'by_hand.record'::regproc::oid, 'df.step_clean'::regproc::oid";
        let row = self.place.client.query_one(functions, &[]).await?;
        Ok(Hand {
            session: Connection::connect(Arc::new(config)).await?,
            record: row.get(0),
            clean: row.get(1),
        })
    }
}

/// Who submits, who claims, and who runs steps; their sessions stay from round to round.
struct Crew {
    caller: Client,
    claimer: Client,
    claim: PreparedStatement,
    hands: Vec<Hand>,
}

/// The next claimed job; None once there is none any more.
async fn next(claimed: &Mutex<mpsc::Receiver<i64>>) -> Option<i64> {
    claimed.lock().await.recv().await
}

/// One session that runs steps.
struct Hand {
    session: Connection,
    record: u32,
    clean: u32,
}

impl Hand {
    /// One step and its record in one transaction, in two round trips.
    async fn step(&mut self, job: i64, step: usize, ends: bool) -> anyhow::Result<()> {
        let run = [
            Statement::command("BEGIN"),
            Statement::single(STEP, RESULT_BYTES),
        ];
        self.session.pipeline(&run).await?;
        let (job, path) = (job.to_string(), format!("root.{step}"));
        let params = [
            (oid::INT8, job.as_str()),
            (oid::UUID, OWNER),
            (oid::TEXT, path.as_str()),
            (oid::TEXT, RESULT),
            (oid::BOOL, if ends { "true" } else { "false" }),
        ];
        let params = params.map(|(type_oid, value)| Param {
            type_oid,
            value: Some(value),
        });
        let close = [
            Statement::simple("SET CONSTRAINTS ALL IMMEDIATE"),
            Statement::function(self.record, &params),
            Statement::simple("COMMIT"),
        ];
        let clean = Some(Statement::function(self.clean, &[]));
        let replies = self.session.pipeline_then(&close, clean).await?;
        match replies.last().map(|reply| reply.tag.as_str()) {
            Some("COMMIT") => Ok(()),
            tag => bail!("a step by hand ended with {}", tag.unwrap_or_default()),
        }
    }
}

/// A figure beside its yardstick, which it is not held to.
fn beside(mut figure: Figure, yardstick: &str, measured: f64) -> Figure {
    let part = number(figure.value / measured);
    figure.yardstick = Some((yardstick.to_owned(), measured));
    figure.note(format!("{part} of its yardstick"))
}
