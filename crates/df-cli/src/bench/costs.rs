//! What a workflow costs: commits, log, disk, processor time, and where it goes.

use std::time::SystemTime;

use super::Bench;
use super::figures::{Figure, Target};
use super::machine::cpu_seconds;
use super::report::FunctionCost;
use super::workload::{self, Relays, graph, sequence};

/// Workflows that run before anything is counted, so that no page is written for the first time.
const WARM_UP: usize = 50;

const VACUUM: &str = "vacuum df.instances, df.outbox, df.node_runs, df.graphs";

/// The server's counters at one moment.
#[derive(Debug, Clone, Copy)]
struct Counters {
    wal_position: i64,
    xids: i64,
    commits: i64,
    table_bytes: i64,
}

/// Processor seconds used so far: by this process, which is the relay while workflows drain, and by
/// the server's, where it runs on this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    own: Option<f64>,
    server: Option<f64>,
}

impl Cpu {
    pub fn since(&self, earlier: &Cpu) -> Cpu {
        let less = |now: Option<f64>, then: Option<f64>| Some(now? - then?);
        Cpu {
            own: less(self.own, earlier.own),
            server: less(self.server, earlier.server),
        }
    }

    /// What was used here and there.
    pub fn plus(&self, other: &Cpu) -> Cpu {
        let sum = |one: Option<f64>, other: Option<f64>| Some(one? + other?);
        Cpu {
            own: sum(self.own, other.own),
            server: sum(self.server, other.server),
        }
    }

    /// Tells what each of `steps` steps used.
    pub fn note(&self, figure: Figure, steps: usize) -> Figure {
        let micros = |seconds: f64| seconds * 1e6 / steps as f64;
        match (self.own.map(micros), self.server.map(micros)) {
            (Some(own), Some(server)) => figure.note(format!(
                "processor time a step: {own:.0} µs in the relay, {server:.0} µs in the server"
            )),
            (Some(own), None) => {
                figure.note(format!("processor time a step: {own:.0} µs in the relay"))
            }
            _ => figure,
        }
    }
}

impl Bench {
    /// What has been used until now.
    pub async fn cpu(&self) -> anyhow::Result<Cpu> {
        let own = cpu_seconds(std::process::id() as i32, "");
        let sql = "select pid from pg_stat_activity";
        let rows = self.place.client.query(sql, &[]).await?;
        let parts = rows.iter().map(|row| cpu_seconds(row.get(0), "(postgres"));
        let server: Option<f64> = parts
            .collect::<Vec<_>>()
            .into_iter()
            .flatten()
            .reduce(|a, b| a + b);
        Ok(Cpu {
            own,
            server: server.filter(|seconds| *seconds > 0.0),
        })
    }

    async fn counters(&self) -> anyhow::Result<Counters> {
        let sql = include_str!("sql/counters.sql");
        let row = self.place.client.query_one(sql, &[]).await?;
        Ok(Counters {
            wal_position: row.get(0),
            xids: row.get(1),
            commits: row.get(2),
            table_bytes: row.get(3),
        })
    }

    /// Commits, log and disk of one-step and ten-step workflows, the start included. Each workflow
    /// is started in a transaction of its own while no relay runs; one relay then drains them and is
    /// stopped, so that the server has counted all of its sessions' commits.
    pub async fn cost_rows(&mut self) -> anyhow::Result<Vec<Figure>> {
        let mut figures = Vec::new();
        for (steps, most) in [(1, 2.2), (10, 11.5)] {
            self.say(&format!("commits and log of {steps}-step workflows"));
            let count = self.scale.counted;
            let (before, after) = self.counted(steps, count).await?;
            let each = |total: i64| total as f64 / count as f64;
            let (xids, commits) = (after.xids - before.xids, after.commits - before.commits);
            let what = format!("commits per {steps}-step workflow, start included");
            let figure = Figure::told(&format!("commits_{steps}"), &what, each(xids), "");
            figures.push(figure.judged(Target::AtMost(most)).note(format!(
                "transactions that took an id, subtransactions included; with those that only read, \
                 pg_stat_database counts {:.2}",
                each(commits)
            )));
            if steps == 10 {
                figures.push(self.wal_row(&before, &after, count).await?);
                let dead_too = each(after.table_bytes - before.table_bytes) / 1024.0;
                figures.push(self.bytes_row(dead_too).await?);
            }
        }
        Ok(figures)
    }

    /// What finished workflows take once VACUUM has been there, as autovacuum would be: the space of
    /// dead rows is used again, so only a run of several rounds tells.
    async fn bytes_row(&self, dead_too: f64) -> anyhow::Result<Figure> {
        let caller = self.place.caller(0);
        let text = graph(&caller.connect().await?, &sequence(10)).await?;
        let mut before = None;
        for _ in 0..=self.scale.vacuumed_rounds {
            self.drain_each(&text, self.scale.vacuumed).await?;
            self.place.client.batch_execute(VACUUM).await?;
            let bytes = self.counters().await?.table_bytes;
            before.get_or_insert(bytes);
        }
        let grown = self.counters().await?.table_bytes - before.unwrap_or_default();
        let workflows = self.scale.vacuumed * self.scale.vacuumed_rounds;
        let what = "table and index bytes per finished ten-step workflow";
        let figure = Figure::told(
            "bytes_10",
            what,
            grown as f64 / workflows as f64 / 1024.0,
            "KB",
        );
        Ok(figure.judged(Target::AtMost(4.0)).note(format!(
            "growth of df's tables and indexes over {workflows} workflows, vacuumed after each \
             {}; {dead_too:.2} KB before any vacuum",
            self.scale.vacuumed
        )))
    }

    async fn counted(&self, steps: usize, count: usize) -> anyhow::Result<(Counters, Counters)> {
        self.place.reset().await?;
        let caller = self.place.caller(0);
        let text = graph(&caller.connect().await?, &sequence(steps)).await?;
        self.drain_each(&text, WARM_UP).await?;
        let before = self.counters().await?;
        self.drain_each(&text, count).await?;
        Ok((before, self.counters().await?))
    }

    /// Starts workflows one by one, then drains them with a relay that is there for nothing else.
    async fn drain_each(&self, text: &str, count: usize) -> anyhow::Result<SystemTime> {
        let since = workload::now(&self.place.client).await?;
        workload::submit_each(&self.place.caller(0), text, count).await?;
        let relays = Relays::start(&self.place, &self.config, 1).await?;
        workload::drained(&self.place.client, since, count).await?;
        relays.stop().await?;
        Ok(since)
    }

    /// Bytes of log per ten-step workflow, full-page images apart where the server can tell.
    async fn wal_row(
        &self,
        before: &Counters,
        after: &Counters,
        count: usize,
    ) -> anyhow::Result<Figure> {
        let all = (after.wal_position - before.wal_position) as f64;
        let parts = self
            .wal_parts(before.wal_position, after.wal_position)
            .await;
        let kilobytes = |bytes: f64| bytes / count as f64 / 1024.0;
        let what = "log per ten-step workflow, full-page images apart";
        let (value, note) = match parts {
            Some((records, images)) => (
                kilobytes(records),
                format!(
                    "by pg_walinspect; {:.1} KB of full-page images besides",
                    kilobytes(images)
                ),
            ),
            None => (
                kilobytes(all),
                "pg_walinspect is not to be had, so full-page images are included".to_owned(),
            ),
        };
        Ok(Figure::told("wal_10", what, value, "KB")
            .judged(Target::AtMost(16.0))
            .note(note))
    }

    async fn wal_parts(&self, from: i64, to: i64) -> Option<(f64, f64)> {
        let client = &self.place.client;
        let extension = "create extension if not exists pg_walinspect";
        client.batch_execute(extension).await.ok()?;
        let row = client
            .query_one(include_str!("sql/wal_parts.sql"), &[&from, &to])
            .await;
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                tracing::info!(
                    error = df_postgres::describe(&error),
                    "pg_walinspect failed"
                );
                return None;
            }
        };
        Some((row.get::<_, i64>(0) as f64, row.get::<_, i64>(1) as f64))
    }

    /// Which SQL functions ten-step workflows spend their time in. Counting it costs time, so it is
    /// done apart from every other figure; empty where this role may not.
    pub async fn profile(&mut self) -> anyhow::Result<Vec<FunctionCost>> {
        self.say("profile of the SQL functions");
        self.place.reset().await?;
        let name = df_postgres::quote_identifier(&self.place.name);
        let client = &self.place.client;
        let track = format!("alter database {name} set track_functions = 'all'");
        if client.batch_execute(&track).await.is_err() {
            return Ok(Vec::new());
        }
        client.query("select pg_stat_reset()", &[]).await.ok();
        let text = graph(client, &sequence(10)).await?;
        self.drain_each(&text, self.scale.counted).await?;
        let untrack = format!("alter database {name} reset track_functions");
        client.batch_execute(&untrack).await?;
        let rows = client.query(include_str!("sql/profile.sql"), &[]).await?;
        let costs = rows.iter().map(|row| FunctionCost {
            function: row.get(0),
            calls: row.get(1),
            self_ms: row.get(2),
            total_ms: row.get(3),
        });
        Ok(costs.collect())
    }

    /// Transactions with an id that the server has begun so far.
    pub async fn xids(&self) -> anyhow::Result<i64> {
        Ok(self.counters().await?.xids)
    }
}
