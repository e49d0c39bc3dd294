//! Relays and Postgres killed, stopped, paused and cut off at random, under workflows of every kind of
//! node. Afterwards everything must be as if nothing had happened. `SEED` repeats the choices;
//! `make torture` runs it for `DURATION` seconds, the tests for a few.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use df_local::{Cluster, StopMode};
use df_postgres::ConnectOptions;
use nix::sys::signal::Signal;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::effects::{OUTCOME, TABLES, VIOLATIONS, workflows};
use crate::support::proxy::Proxy;
use crate::support::{Process, own_server, spawn};

const RELAYS: usize = 3;
const SHORT_SECONDS: u64 = 20;
const LONG_SECONDS: u64 = 180;
/// The structural invariants that instances violate.
const UNSOUND: &str = "
    select concat_ws(' ', i.label, v.invariant, v.node_id, v.detail)
      from df.instances i, df.assert_structural_invariants(i.id) v";
/// How long everything may take to end once the faults have.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_time_of_faults_loses_and_repeats_nothing() {
    torture(SHORT_SECONDS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long; make torture runs it"]
async fn torture_loses_and_repeats_nothing() {
    torture(number("DURATION").unwrap_or(LONG_SECONDS)).await;
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.trim().parse().ok()
}

/// The SplitMix64 generator, from Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// The server, its proxy, and the relays that reach it through that.
struct World {
    cluster: Cluster,
    proxy: Proxy,
    relays: Vec<Process>,
    paused: Vec<Process>,
    /// Relays that were asked to stop, and may still be at it.
    leaving: Vec<Process>,
    faults: u32,
}

async fn torture(seconds: u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("SEED").unwrap_or(now.as_nanos() as u64 % 1_000_000);
    println!("torture: SEED={seed} DURATION={seconds}");
    let mut dice = Dice(seed);
    let mut world = World::new().await;
    for _ in 0..RELAYS {
        world.add_relay();
    }
    // An undisturbed round first: what every other round must come to.
    start_round(&world, 0).await;
    world.until_ended(seed).await;
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut round = 0;
    while Instant::now() < end {
        if dice.roll(3) == 0 || round == 0 {
            round += 1;
            start_round(&world, round).await;
        }
        drive(&world).await;
        world.fault(&mut dice).await;
        let pause = Instant::now() + Duration::from_millis(100 + dice.roll(1200));
        while Instant::now() < pause {
            drive(&world).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    world.calm();
    world.until_ended(seed).await;
    let faults = world.faults;
    println!(
        "torture: {faults} faults over {} workflows",
        round * workflows().len() as u32
    );
    let violations = world.text(VIOLATIONS).await;
    assert!(violations.is_empty(), "SEED={seed}: {violations:?}");
    let unsound = world.text(UNSOUND).await;
    assert!(unsound.is_empty(), "SEED={seed}: {unsound:#?}");
    let expected = outcome(&world, 0).await;
    for round in 1..=round {
        let found = outcome(&world, round).await;
        let missing: Vec<_> = expected
            .iter()
            .filter(|line| !found.contains(line))
            .collect();
        let unexpected: Vec<_> = found
            .iter()
            .filter(|line| !expected.contains(line))
            .collect();
        assert!(
            missing.is_empty() && unexpected.is_empty(),
            "SEED={seed}, round {round}\nmissing: {missing:#?}\nunexpected: {unexpected:#?}"
        );
    }
}

/// The outcome of one round, its number taken off the labels.
async fn outcome(world: &World, round: u32) -> Vec<String> {
    let mark = format!(" #{round}");
    let lines = world.text(OUTCOME).await;
    let mut lines: Vec<_> = lines
        .iter()
        .filter(|line| line.contains(&format!("{mark} ")))
        .map(|line| line.replacen(&mark, "", 1))
        .collect();
    lines.sort();
    lines
}

/// Starts every workflow under its own key, until that is known to have been committed.
async fn start_round(world: &World, round: u32) {
    for (label, graph) in workflows() {
        let label = format!("{label} #{round}");
        let start = format!("select df.start_once('{label}', {graph}, '{label}')");
        while world.as_worker(&start).await.is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// What callers do all the time: signal what waits, cancel what is doomed. Failing is no harm.
async fn drive(world: &World) {
    let signal = "select df.signal_once('once', i.id, 'go', '1') from df.instances i
                   where (i.label like 'signalled%' or i.label like 'woken twice%') and i.ended_at is null
                     and (select count(*) from df.node_runs r
                           where r.instance_id = i.id and r.status = 'waiting' and r.signal_name = 'go')
                         = case when i.label like 'signalled%' then 1 else 2 end";
    let cancel = "select df.cancel(i.id, 'enough') from df.instances i
                   where i.label like 'doomed%' and i.ended_at is null
                     and exists (select from df.node_runs r
                                  where r.instance_id = i.id and r.status = 'waiting')";
    let _ = world.as_worker(signal).await;
    let _ = world.as_worker(cancel).await;
}

impl World {
    async fn new() -> World {
        let cluster = own_server();
        let proxy = Proxy::start(cluster.port()).await;
        let world = World {
            cluster,
            proxy,
            relays: Vec::new(),
            paused: Vec::new(),
            leaving: Vec::new(),
            faults: 0,
        };
        let superuser = world.superuser().await.unwrap();
        let make = "create role worker login password 'pw'; select df.grant_usage('worker');
                    grant create on schema public to worker;
                    select df.configure('reconcile_interval_seconds', '2')";
        superuser.batch_execute(make).await.unwrap();
        assert!(world.as_worker(TABLES).await.is_some());
        world
    }

    fn add_relay(&mut self) {
        let url = self.cluster.url("df_relay", "relay", "postgres");
        let port = |port: u16| format!(":{port}/");
        let url = url.replace(&port(self.cluster.port()), &port(self.proxy.port));
        let args = ["run", "--lease-seconds", "2", "--linger-ms", "200"];
        self.relays.push(spawn(
            &args,
            &[("DF_DATABASE_URL", &url), ("DF_LOG_FORMAT", "json")],
        ));
    }

    /// One fault. Whatever it takes away is there again soon.
    async fn fault(&mut self, dice: &mut Dice) {
        self.faults += 1;
        for relay in &self.relays {
            assert!(
                !relay.has_ended(),
                "a relay ended by itself:\n{}",
                relay.log()
            );
        }
        let which = dice.roll(self.relays.len() as u64) as usize;
        match dice.roll(16) {
            0..=3 => {
                self.relays.swap_remove(which).kill();
                self.add_relay();
            }
            4 => {
                let stopped = self.relays.swap_remove(which);
                stopped.signal(Signal::SIGTERM);
                self.add_relay();
                self.leaving.push(stopped);
            }
            5..=7 => {
                let relay = self.relays.swap_remove(which);
                relay.signal(Signal::SIGSTOP);
                self.paused.push(relay);
                self.add_relay();
            }
            8..=9 if !self.paused.is_empty() => {
                // It wakes up long after its lease was taken.
                let woken = self.paused.swap_remove(0);
                woken.signal(Signal::SIGCONT);
                if self.relays.len() < 2 * RELAYS {
                    self.relays.push(woken);
                }
            }
            8..=10 => self.proxy.cut_all(),
            11..=12 => self.proxy.cut_a_commit(),
            13 => {
                let terminate = "select pg_terminate_backend(pid) from pg_stat_activity
                                  where backend_type = 'client backend' and pid <> pg_backend_pid()";
                if let Some(superuser) = self.superuser().await {
                    let _ = superuser.batch_execute(terminate).await;
                }
            }
            14 => {
                self.cluster.stop(StopMode::Immediate).unwrap();
                self.start_server().await;
            }
            _ => {
                self.cluster.kill().unwrap();
                self.start_server().await;
            }
        }
    }

    /// The backends of a killed postmaster take a moment to leave.
    async fn start_server(&mut self) {
        for _ in 0..50 {
            if self.cluster.start().is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!(
            "postgres does not start again: {}",
            self.cluster.log_path().display()
        );
    }

    /// Ends the faults: whoever was paused goes on, and nobody dies any more.
    fn calm(&mut self) {
        for relay in self.paused.drain(..) {
            if !relay.has_ended() {
                relay.signal(Signal::SIGCONT);
                self.relays.push(relay);
            }
        }
    }

    async fn until_ended(&self, seed: u64) {
        let deadline = Instant::now() + PATIENCE;
        let left =
            "select coalesce(label, id) || ' ' || status || ' ' || coalesce(owner::text, 'unowned')
                      from df.instances where ended_at is null or owner is not null
                    union all select event_id from df.outbox where delivered_at is null";
        loop {
            drive(self).await;
            let unfinished = self.text(left).await;
            if unfinished.is_empty() {
                return;
            }
            if Instant::now() > deadline {
                let logs: Vec<_> = self.relays.iter().map(Process::log).collect();
                let tails = logs
                    .iter()
                    .map(|log| &log[log.len().saturating_sub(3000)..]);
                let tails: Vec<_> = tails.collect();
                panic!(
                    "SEED={seed}: not ended: {unfinished:#?}\n{}",
                    tails.join("\n---\n")
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn superuser(&self) -> Option<Client> {
        let options = ConnectOptions::parse(&self.cluster.superuser_url("postgres")).unwrap();
        options.connect().await.ok()
    }

    /// The first column of all rows, as the superuser, who sees everything.
    async fn text(&self, sql: &str) -> Vec<String> {
        let client = self.superuser().await.expect("postgres is up");
        let messages = client.simple_query(sql).await.unwrap();
        first_column(messages)
    }

    /// Runs SQL as the granted role, over a new connection; `None` when that failed.
    async fn as_worker(&self, sql: &str) -> Option<Vec<String>> {
        let options = ConnectOptions::parse(&self.cluster.url("worker", "pw", "postgres")).unwrap();
        let client = options.connect().await.ok()?;
        client.simple_query(sql).await.ok().map(first_column)
    }
}

fn first_column(messages: Vec<SimpleQueryMessage>) -> Vec<String> {
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    rows.collect()
}
