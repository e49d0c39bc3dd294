//! How much a second: starts, one-step workflows, steps of sequences, leaves of joins, laps of a
//! loop, and several relays. Each figure's yardstick is measured right before and right after it,
//! since a shared machine drifts.

use std::time::Duration;

use tokio_postgres::Client;

use super::Bench;
use super::figures::{Figure, Target, flatness, mean};
use super::load::Load;
use super::picture::Point;
use super::place::CROWD;
use super::workload::{self, Relays, STEP, graph, join, rate_at_once, sequence};

const LEAVES: usize = 16;
/// How often at most sixteen roles' workflows are run to warm relays up.
const WARM_UPS: usize = 8;

/// Plain transactions to compare with.
#[derive(Debug, Clone, Copy)]
pub enum Plain {
    /// One transaction of two single-row INSERTs.
    TwoInserts,
    /// One single-row INSERT.
    OneInsert,
}

impl Plain {
    fn statements(self) -> Vec<String> {
        let one = "insert into yard_a (n, t) values (1, 'a row of some length')".to_owned();
        let other = "insert into yard_b (n, t) values (1, 'a row of some length')".to_owned();
        match self {
            Plain::TwoInserts => vec!["begin".to_owned(), one, other, "commit".to_owned()],
            Plain::OneInsert => vec![one],
        }
    }
}

impl Bench {
    /// A yardstick: transactions a second.
    pub async fn plain(&self, plain: Plain, clients: usize) -> anyhow::Result<f64> {
        self.run_statements(
            &plain.statements(),
            clients,
            0.0,
            self.scale.yardstick_seconds,
        )
        .await
    }

    async fn run_statements(
        &self,
        statements: &[String],
        clients: usize,
        warm_up: f64,
        seconds: f64,
    ) -> anyhow::Result<f64> {
        let role = self.place.caller(0);
        let load = Load {
            role: &role,
            password: self.place.password(),
            clients,
            warm_up,
            seconds,
            statements,
        };
        self.driver.run(&load).await
    }

    /// `df.start` calls a second, no relay running, by sessions that have planned them.
    async fn starts(&self, clients: usize, seconds: f64) -> anyhow::Result<f64> {
        self.place.reset().await?;
        let statement = format!("select df.start('{STEP}')");
        self.run_statements(&[statement], clients, self.scale.warm_up_seconds, seconds)
            .await
    }

    /// `df.start` beside plain INSERTs, at 8 and 64 clients.
    pub async fn start_rows(&mut self) -> anyhow::Result<Vec<Figure>> {
        let mut ratios = Vec::new();
        let mut figures = Vec::new();
        for clients in [8, 64] {
            self.say(&format!("df.start, {clients} clients"));
            let before = self.plain(Plain::OneInsert, clients).await?;
            let starts = self.starts(clients, self.scale.start_seconds).await?;
            let after = self.plain(Plain::OneInsert, clients).await?;
            let inserts = mean(&[before, after]);
            ratios.push(starts / inserts);
            let what = format!("df.start of one step, {clients} clients");
            let figure = Figure::told(&format!("start_{clients}"), &what, starts, "/s");
            let figure = spread(figure, before, after);
            figures.push(if clients == 8 {
                figure.at_least(0.40, "INSERTs at 8 clients", inserts)
            } else {
                let mut figure = figure;
                figure.yardstick = Some(("INSERTs at 64 clients".to_owned(), inserts));
                figure
            });
        }
        let grown = Figure::told(
            "start_64_over_8",
            "start cost as callers grow: ratio at 64 over ratio at 8",
            ratios[1] / ratios[0],
            "×",
        );
        figures.push(grown.judged(Target::AtLeast(1.0)).note(format!(
            "df.start is {:.2} of plain INSERTs at 8 clients, {:.2} at 64",
            ratios[0], ratios[1]
        )));
        self.place.reset().await?;
        Ok(figures)
    }

    /// One-step workflows, sequences and joins, drained by one warm relay.
    pub async fn drain_rows(&mut self) -> anyhow::Result<Vec<Figure>> {
        self.place.reset().await?;
        let relays = Relays::start(&self.place, &self.config, 1).await?;
        let caller = self.place.caller(0).connect().await?;
        let warm_up = graph(&caller, &join(LEAVES)).await?;
        rate_at_once(&self.place, &caller, &warm_up, 10).await?;
        let rows = [
            (
                "one_step",
                "one-step workflows, submitted beforehand",
                sequence(1),
                self.scale.one_step,
                1,
                0.30,
            ),
            (
                "ten_step",
                "steps of ten-step sequences, 200 at once",
                sequence(10),
                self.scale.at_once,
                10,
                0.50,
            ),
            (
                "join",
                "leaves of 16-leaf joins, 200 at once",
                join(LEAVES),
                self.scale.at_once,
                LEAVES,
                0.50,
            ),
        ];
        let mut figures = Vec::new();
        for (key, what, expression, count, steps, factor) in rows {
            self.say(what);
            let text = graph(&caller, &expression).await?;
            let before = self.plain(Plain::TwoInserts, 16).await?;
            let cpu = self.cpu().await?;
            let rate = rate_at_once(&self.place, &caller, &text, count).await?;
            let used = self.cpu().await?.since(&cpu);
            let after = self.plain(Plain::TwoInserts, 16).await?;
            let figure = Figure::told(key, what, rate * steps as f64, "/s");
            let figure = spread(figure, before, after);
            figures.push(used.note(figure, count * steps).at_least(
                factor,
                "Y16",
                mean(&[before, after]),
            ));
        }
        relays.stop().await?;
        Ok(figures)
    }

    /// One loop whose body is one INSERT.
    pub async fn loop_rows(&mut self) -> anyhow::Result<Vec<Figure>> {
        self.say("one loop");
        self.place.reset().await?;
        let relays = Relays::start(&self.place, &self.config, 1).await?;
        let caller = self.place.caller(0).connect().await?;
        let before = self.plain(Plain::TwoInserts, 1).await?;
        let text = graph(&caller, "df.loop('insert into laps default values')").await?;
        let id: String = caller
            .query_one("select df.start($1)", &[&text])
            .await?
            .get(0);
        tokio::time::sleep(Duration::from_secs_f64(self.scale.loop_seconds)).await;
        caller.query_one("select df.cancel($1)", &[&id]).await?;
        let ends = lap_ends(&self.place.client).await?;
        let after = self.plain(Plain::TwoInserts, 1).await?;
        relays.stop().await?;
        let rate = match (ends.get(9), ends.last()) {
            (Some(tenth), Some(last)) => (ends.len() - 10) as f64 / (last - tenth),
            _ => 0.0,
        };
        let rate = Figure::told("loop", "iterations of one loop of INSERTs", rate, "/s");
        let rate = spread(rate, before, after).at_least(0.40, "Y1", mean(&[before, after]));
        let flat = Figure::told(
            "loop_flatness",
            "the loop's last tenth over its first",
            flatness(&ends),
            "×",
        );
        let flat = flat
            .judged(Target::AtLeast(0.9))
            .note(format!("from the 10th to the {}th iteration", ends.len()));
        Ok(vec![rate, flat])
    }

    /// Sixteen roles under one relay, then under four.
    pub async fn relay_rows(&mut self) -> anyhow::Result<Vec<Figure>> {
        let mut rates = Vec::new();
        let mut shares = Vec::new();
        let mut logins = Vec::new();
        for count in [1, 4] {
            self.say(&format!("16 roles under {count} relays"));
            self.place.reset().await?;
            let relays = Relays::start(&self.place, &self.config, count).await?;
            let mut callers = Vec::new();
            for number in 0..CROWD {
                callers.push(self.place.caller(number).connect().await?);
            }
            let text = graph(&callers[0], &sequence(1)).await?;
            // A relay is warm once it has the connections that it wants: what is measured is how it runs, not
            // how it begins.
            let mut before = self.sessions().await?;
            for _ in 0..WARM_UPS {
                self.crowd(&callers, &text, self.scale.per_role / 2).await?;
                // A session is counted with its first report, a second after it began.
                tokio::time::sleep(Duration::from_millis(1500)).await;
                let opened = self.sessions().await? - before;
                before += opened;
                if opened <= count as i64 {
                    break;
                }
            }
            let since = self.crowd(&callers, &text, self.scale.per_role).await?;
            tokio::time::sleep(Duration::from_millis(1500)).await;
            logins.push(self.sessions().await? - before);
            let total = CROWD * self.scale.per_role;
            let seconds = workload::drain_seconds(&self.place.client, since).await?;
            rates.push(total as f64 / seconds);
            let sql = include_str!("sql/fairness.sql");
            let row = self.place.client.query_one(sql, &[&since]).await?;
            shares.push(row.get::<_, Option<f64>>(0).unwrap_or(0.0));
            relays.stop().await?;
        }
        let four = Figure::told(
            "four_relays",
            "one-step workflows of 16 roles, four relays",
            rates[1],
            "/s",
        );
        let fair = Figure::told(
            "fairness",
            "least role's share of the first half, four relays",
            shares[1],
            "of even",
        );
        Ok(vec![
            four.at_least(1.0, "one relay", rates[0]).note(format!(
                "sessions opened meanwhile: {} under one relay, {} under four",
                logins[0], logins[1]
            )),
            fair.judged(Target::AtLeast(0.5))
                .note(format!("{:.2} under one relay", shares[0])),
        ])
    }

    /// Sessions that were opened in this database so far.
    async fn sessions(&self) -> anyhow::Result<i64> {
        let sql = "select s.sessions from pg_stat_database s where s.datname = current_database()";
        Ok(self.place.client.query_one(sql, &[]).await?.get(0))
    }

    /// Every role starts `each` workflows, and all commit at the same time, so that none has a lead
    /// over another; waits for their end. Returns a moment before the first.
    async fn crowd(
        &self,
        callers: &[Client],
        text: &str,
        each: usize,
    ) -> anyhow::Result<std::time::SystemTime> {
        let since = workload::now(&self.place.client).await?;
        for caller in callers {
            caller.batch_execute("begin").await?;
            workload::submit(caller, text, each).await?;
        }
        let commits = callers.iter().map(|caller| caller.batch_execute("commit"));
        futures_util::future::try_join_all(commits).await?;
        workload::drained(&self.place.client, since, callers.len() * each).await?;
        Ok(since)
    }

    /// Throughput by number of clients: the yardsticks and `df.start`.
    pub async fn throughput_lines(&mut self) -> anyhow::Result<Vec<(String, Vec<Point>)>> {
        let counts = [1, 4, 8, 16, 32];
        let mut two = Vec::new();
        let mut one = Vec::new();
        let mut starts = Vec::new();
        for clients in counts {
            self.say(&format!("throughput at {clients} clients"));
            let x = clients as f64;
            let y = self.plain(Plain::TwoInserts, clients).await?;
            two.push(Point { x, y });
            let y = self.plain(Plain::OneInsert, clients).await?;
            one.push(Point { x, y });
            let y = self.starts(clients, self.scale.yardstick_seconds).await?;
            starts.push(Point { x, y });
        }
        self.place.reset().await?;
        Ok(vec![
            ("single-row INSERTs".to_owned(), one),
            ("transactions of two INSERTs".to_owned(), two),
            ("df.start".to_owned(), starts),
        ])
    }
}

/// Tells how far the two measurements of a yardstick lie apart, where that is far.
fn spread(figure: Figure, before: f64, after: f64) -> Figure {
    let apart = (after - before).abs() / mean(&[before, after]);
    if apart < 0.15 {
        return figure;
    }
    figure.note(format!(
        "its yardstick was {before:.0}/s before and {after:.0}/s after"
    ))
}

/// Seconds at which the laps ended, ascending.
async fn lap_ends(client: &Client) -> anyhow::Result<Vec<f64>> {
    let sql = "select extract(epoch from at)::double precision from laps order by at";
    let rows = client.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
