//! How much a second: starts, one-step workflows, steps of sequences, leaves of joins, laps of a
//! loop, and several relays. Each figure's yardstick is measured right before and right after it,
//! since a shared machine drifts.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Client;

use super::Bench;
use super::figures::{Figure, Target, Window, kept, mean, median, places, tenths};
use super::load::Load;
use super::picture::Point;
use super::place::CROWD;
use super::report::number;
use super::workload::{self, Relays, STEP, graph, join, rate_at_once, sequence};

const LEAVES: usize = 16;
/// How many callers start workflows at once.
const START_CLIENTS: [usize; 2] = [8, 64];
/// The pause between looks at how far the loop is.
const LAPS_INTERVAL: Duration = Duration::from_millis(250);
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
        let one = workload::ONE_INSERT.to_owned();
        let other = "insert into yard_b (n, t) values (1, 'a row of some length')".to_owned();
        match self {
            Plain::TwoInserts => vec!["begin".to_owned(), one, other, "commit".to_owned()],
            Plain::OneInsert => vec![one],
        }
    }
}

/// Rates of plain INSERTs and of calls that start something, by round, at each of `START_CLIENTS`.
#[derive(Debug, Default)]
pub struct Rounds {
    pub inserts: [Vec<f64>; 2],
    pub calls: [Vec<f64>; 2],
}

impl Rounds {
    /// Calls as parts of INSERTs.
    fn parts(&self, crowd: usize) -> Vec<f64> {
        let pairs = self.calls[crowd].iter().zip(&self.inserts[crowd]);
        pairs.map(|(calls, inserts)| calls / inserts).collect()
    }

    /// That part at 64 clients over that at 8.
    pub fn grown(&self) -> Vec<f64> {
        let (few, many) = (self.parts(0), self.parts(1));
        many.iter()
            .zip(&few)
            .map(|(many, few)| many / few)
            .collect()
    }
}

fn start_of_step() -> String {
    format!("select df.start('{STEP}')")
}

impl Bench {
    /// A yardstick: transactions a second.
    pub async fn plain(&self, plain: Plain, clients: usize) -> anyhow::Result<f64> {
        self.plain_for(plain, clients, self.scale.yardstick_seconds)
            .await
    }

    async fn plain_for(&self, plain: Plain, clients: usize, seconds: f64) -> anyhow::Result<f64> {
        self.run_statements(&plain.statements(), clients, 0.0, seconds)
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

    /// Calls a second of a statement that starts something, no relay running, by sessions that have planned it.
    async fn starts(&self, statement: &str, clients: usize, seconds: f64) -> anyhow::Result<f64> {
        self.place.reset().await?;
        let statements = [statement.to_owned()];
        self.run_statements(&statements, clients, self.scale.warm_up_seconds, seconds)
            .await
    }

    /// A statement beside plain INSERTs, at 8 and 64 clients, in rounds of all four: what a machine
    /// gives more or less meanwhile, it then gives to each of them.
    pub async fn beside_inserts(&self, what: &str, statement: &str) -> anyhow::Result<Rounds> {
        let mut rounds = Rounds::default();
        for round in 0..self.scale.start_rounds {
            self.say(&format!("{what} at 8 and 64 clients, round {}", round + 1));
            for place in places(round, 4) {
                let (crowd, is_call) = (place / 2, place % 2 == 1);
                let clients = START_CLIENTS[crowd];
                match is_call {
                    true => {
                        let seconds = self.scale.start_slice_seconds;
                        rounds.calls[crowd].push(self.starts(statement, clients, seconds).await?);
                    }
                    false => {
                        let seconds = self.scale.insert_slice_seconds;
                        let rate = self.plain_for(Plain::OneInsert, clients, seconds).await?;
                        rounds.inserts[crowd].push(rate);
                    }
                }
            }
        }
        self.place.reset().await?;
        Ok(rounds)
    }

    /// `df.start` beside plain INSERTs.
    pub async fn start_rows(&mut self) -> anyhow::Result<Vec<Figure>> {
        let statement = start_of_step();
        let rounds = self.beside_inserts("df.start", &statement).await?;
        let (few, many, grown) = (rounds.parts(0), rounds.parts(1), rounds.grown());
        let (inserts, starts) = (rounds.inserts, rounds.calls);
        let row = |crowd: usize| {
            let clients = START_CLIENTS[crowd];
            let what = format!("df.start of one step, {clients} clients");
            let rate = mean(&starts[crowd]);
            let figure = Figure::told(&format!("start_{clients}"), &what, rate, "/s")
                .note(format!("by rounds: {}", listed(&starts[crowd])));
            spread(figure, &inserts[crowd])
        };
        let mut of_many = row(1);
        of_many.yardstick = Some(("INSERTs at 64 clients".to_owned(), mean(&inserts[1])));
        let ratio = Figure::told(
            "start_64_over_8",
            "start cost as callers grow: ratio at 64 over ratio at 8",
            median(&grown),
            "×",
        );
        Ok(vec![
            row(0).at_least(0.40, "INSERTs at 8 clients", mean(&inserts[0])),
            of_many,
            ratio.judged(Target::AtLeast(1.0)).note(format!(
                "the median of rounds: {}; df.start is {} of plain INSERTs at 8 clients, {} at 64",
                listed(&grown),
                listed(&few),
                listed(&many)
            )),
        ])
    }

    /// One-step workflows, sequences and joins, drained by one warm relay, the yardstick before and after each
    /// round of each.
    pub async fn drain_rows(&mut self) -> anyhow::Result<Vec<Figure>> {
        self.place.reset().await?;
        let relays = Relays::start(&self.place, &self.config, 1).await?;
        let caller = self.place.caller(0).connect().await?;
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
            // A session plans what it does first, and each kind of workflow does something of its own.
            let warm_up = count.min(self.scale.at_once);
            rate_at_once(&self.place, &caller, &text, warm_up).await?;
            let mut rates = Vec::new();
            let mut used = Vec::new();
            let mut yardsticks = vec![self.plain(Plain::TwoInserts, 16).await?];
            for _ in 0..self.scale.drain_rounds {
                let cpu = self.cpu().await?;
                let rate = rate_at_once(&self.place, &caller, &text, count).await?;
                used.push(self.cpu().await?.since(&cpu));
                rates.push(rate * steps as f64);
                yardsticks.push(self.plain(Plain::TwoInserts, 16).await?);
            }
            let figure = Figure::told(key, what, mean(&rates), "/s")
                .note(format!("by rounds: {}", listed(&rates)));
            let figure = spread(figure, &yardsticks);
            let used = used.into_iter().reduce(|sum, more| sum.plus(&more));
            let used = used.unwrap_or_default();
            let steps_in_all = count * steps * self.scale.drain_rounds;
            figures.push(used.note(figure, steps_in_all).at_least(
                factor,
                "Y16",
                mean(&yardsticks),
            ));
        }
        relays.stop().await?;
        Ok(figures)
    }

    /// One loop whose body is one INSERT, as far as `loop_laps` or for `loop_seconds`; then a fresh one
    /// beside it.
    pub async fn loop_rows(&mut self) -> anyhow::Result<Vec<Figure>> {
        self.say("one loop");
        self.place.reset().await?;
        let relays = Relays::start(&self.place, &self.config, 1).await?;
        let caller = self.place.caller(0).connect().await?;
        let before = self.plain(Plain::TwoInserts, 1).await?;
        let text = graph(&caller, "df.loop('insert into laps default values')").await?;
        let laps_before = self.laps_added().await?;
        let end = Instant::now() + Duration::from_secs_f64(self.scale.loop_seconds);
        let id: String = caller
            .query_one("select df.start($1)", &[&text])
            .await?
            .get(0);
        while Instant::now() < end && self.laps_added().await? < laps_before + self.scale.loop_laps
        {
            tokio::time::sleep_until(end.min(Instant::now() + LAPS_INTERVAL)).await;
        }
        let fresh = "df.loop('insert into laps (is_fresh) values (true)')";
        let text = graph(&caller, fresh).await?;
        let start = "select df.start($1)";
        let fresh: String = caller.query_one(start, &[&text]).await?.get(0);
        tokio::time::sleep(Duration::from_secs_f64(self.scale.beside_seconds)).await;
        for id in [&id, &fresh] {
            caller.query_one("select df.cancel($1)", &[id]).await?;
        }
        let (mut ends, fresh) = (self.lap_ends(false).await?, self.lap_ends(true).await?);
        let after = self.plain(Plain::TwoInserts, 1).await?;
        relays.stop().await?;
        let flat = flat_row(&ends, &fresh);
        ends.retain(|end| fresh.first().is_none_or(|first| end < first));
        let seconds = match (ends.get(9), ends.last()) {
            (Some(tenth), Some(last)) => last - tenth,
            _ => f64::NAN,
        };
        let rate = ends.len().saturating_sub(10) as f64 / seconds;
        let rate = Figure::told("loop", "iterations of one loop of INSERTs", rate, "/s").note(
            format!("{} iterations in {} s", ends.len(), number(seconds)),
        );
        let rate = spread(rate, &[before, after]).at_least(0.40, "Y1", mean(&[before, after]));
        let what = "the loop's last tenth over its first, as the clock has it";
        let windows = tenths(&ends);
        let raw = Figure::told("loop_tenths", what, kept(windows, &ends), "×");
        let raw = raw.note(tenths_note(windows, &ends, "Y1", before, after));
        Ok(vec![rate, flat, raw])
    }

    async fn laps_added(&self) -> anyhow::Result<i64> {
        let sql = include_str!("sql/laps_added.sql");
        Ok(self.place.client.query_one(sql, &[]).await?.get(0))
    }

    /// Seconds at which laps ended, ascending.
    async fn lap_ends(&self, fresh: bool) -> anyhow::Result<Vec<f64>> {
        let sql = include_str!("sql/lap_ends.sql");
        let rows = self.place.client.query(sql, &[&fresh]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
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
        let start = start_of_step();
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
            let seconds = self.scale.yardstick_seconds;
            let y = self.starts(&start, clients, seconds).await?;
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

/// Tells the measurements of a yardstick where they lie far apart.
pub fn spread(figure: Figure, measured: &[f64]) -> Figure {
    let most = measured.iter().copied().fold(f64::NAN, f64::max);
    let least = measured.iter().copied().fold(f64::NAN, f64::min);
    if most - least < 0.15 * mean(measured) {
        return figure;
    }
    figure.note(format!(
        "its yardstick was, one measurement after the other: {}",
        listed(measured)
    ))
}

/// Numbers in the order in which they were measured.
pub fn listed(measured: &[f64]) -> String {
    let numbers: Vec<String> = measured.iter().map(|value| number(*value)).collect();
    numbers.join(", ")
}

/// What the rates of the first tenth and the last are compared with by a reader.
pub fn tenths_note(
    windows: [Window; 2],
    ends: &[f64],
    yardstick: &str,
    before: f64,
    after: f64,
) -> String {
    let [first, last] = windows.map(|window| number(window.rate(ends)));
    let [before, after] = [before, after].map(number);
    format!(
        "{first} and {last} a second; {yardstick} was {before} right before and {after} right after"
    )
}

/// A loop that has gone far beside one that has just begun, in the same seconds, so that whatever
/// else the machine does meets both. `ends` are those of the old loop's laps, `fresh` the other's.
fn flat_row(ends: &[f64], fresh: &[f64]) -> Figure {
    let last = |ends: &[f64]| ends.last().copied().unwrap_or(f64::NAN);
    let both = Window {
        from: fresh.get(9).copied().unwrap_or(f64::NAN),
        to: last(ends).min(last(fresh)),
    };
    let (old_rate, fresh_rate) = (both.rate(ends), both.rate(fresh));
    let what = "a loop that has gone so far over a fresh one beside it";
    Figure::told("loop_flatness", what, old_rate / fresh_rate, "×")
        .judged(Target::AtLeast(0.9))
        .note(format!(
            "{} and {} iterations a second for {} s, up to the old loop's {}th and the fresh one's {}th",
            number(old_rate),
            number(fresh_rate),
            number(both.to - both.from),
            ends.len(),
            fresh.len()
        ))
}

#[cfg(test)]
mod tests {
    use super::super::figures::Verdict;
    use super::*;

    #[test]
    fn a_loop_is_held_to_a_fresh_one_in_the_same_seconds() {
        let laps = |count: u32, from: f64, gap: f64| -> Vec<f64> {
            (0..count).map(|lap| from + f64::from(lap) * gap).collect()
        };
        // It was fast as long as it was alone, which is not what it is held to.
        let mut old = laps(1000, 0.0, 0.001);
        old.extend(laps(100, 1.0, 0.01));
        assert_eq!(flat_row(&old, &laps(100, 1.0, 0.01)).verdict, Verdict::Met);
        assert_eq!(
            flat_row(&old, &laps(150, 1.0, 0.006)).verdict,
            Verdict::Missed
        );
        assert_eq!(flat_row(&old, &[]).verdict, Verdict::Missed);
    }
}
