//! Closed-loop clients that run plain transactions as fast as the server lets them: pgbench where it
//! is there, as everybody's yardstick, else loops of this process.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use df_postgres::ConnectOptions;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::Barrier;
use tokio::time::Instant;
use tokio_postgres::{Client, Statement};

/// What runs the transactions.
#[derive(Debug, Clone)]
pub enum Driver {
    Pgbench(PathBuf),
    /// Loops of this process, with prepared statements.
    Own,
}

/// One kind of transaction, run by a number of clients for a time.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    pub role: &'a ConnectOptions,
    pub password: &'a str,
    pub clients: usize,
    /// Seconds that are not counted: what a session does first, it plans. pgbench takes whole ones.
    pub warm_up: f64,
    /// pgbench takes whole seconds, at least one.
    pub seconds: f64,
    /// The statements of one transaction; several begin with BEGIN and end with COMMIT.
    pub statements: &'a [String],
}

impl Driver {
    /// pgbench, if it is there and gets through to the database; else our own loops.
    pub async fn choose(programs: Option<&Path>, role: &ConnectOptions, password: &str) -> Driver {
        let beside = programs.map(|folder| folder.join("pgbench"));
        let program = beside
            .filter(|path| path.exists())
            .unwrap_or_else(|| "pgbench".into());
        let statements = ["select 1".to_owned()];
        let trial = Load {
            role,
            password,
            clients: 1,
            warm_up: 0.0,
            seconds: 1.0,
            statements: &statements,
        };
        match pgbench(&program, &trial).await {
            Ok(_) => Driver::Pgbench(program),
            Err(error) => {
                tracing::info!(error = format!("{error:#}"), "not using pgbench");
                Driver::Own
            }
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Driver::Pgbench(_) => "pgbench -M prepared",
            Driver::Own => "this process's own loops with prepared statements",
        }
    }

    /// Transactions a second.
    pub async fn run(&self, load: &Load<'_>) -> anyhow::Result<f64> {
        match self {
            Driver::Pgbench(program) => {
                // Where connecting took all the time, pgbench tells no rate.
                for seconds in [load.seconds, 4.0 * load.seconds] {
                    if let Ok(rate) = pgbench(program, &Load { seconds, ..*load }).await {
                        return Ok(rate);
                    }
                }
                let seconds = 16.0 * load.seconds;
                pgbench(program, &Load { seconds, ..*load }).await
            }
            Driver::Own => own_loops(load).await,
        }
    }
}

async fn pgbench(program: &Path, load: &Load<'_>) -> anyhow::Result<f64> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut command = Command::new(program);
    command.args(["--no-vacuum", "--protocol=prepared", "--file=-"]);
    command.arg(format!("--client={}", load.clients));
    command.arg(format!("--jobs={}", load.clients.min(threads)));
    let (warm_up, seconds) = (load.warm_up.ceil(), load.seconds.ceil().max(1.0));
    command.arg(format!("--time={}", warm_up + seconds));
    if warm_up > 0.0 {
        command.arg("--progress=1");
    }
    command
        .envs(load.role.libpq_environment())
        .env("PGPASSWORD", load.password);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .kill_on_drop(true)
        .spawn()
        .context("running pgbench")?;
    let script: String = load
        .statements
        .iter()
        .map(|sql| format!("{sql};\n"))
        .collect();
    let mut stdin = child.stdin.take().context("pgbench has a stdin")?;
    stdin.write_all(script.as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!("pgbench: {}", String::from_utf8_lossy(&output.stderr));
    }
    let (told, progress) = (&output.stdout, &output.stderr);
    let rate = if warm_up > 0.0 {
        rate_after(&String::from_utf8_lossy(progress), warm_up)
    } else {
        transactions_a_second(&String::from_utf8_lossy(told))
    };
    rate.context("pgbench told no tps")
}

/// The mean of the `progress: 3.0 s, 1234.5 tps, …` that pgbench tells after so many seconds.
fn rate_after(progress: &str, warm_up: f64) -> Option<f64> {
    let rates: Vec<f64> = progress
        .lines()
        .filter_map(|line| {
            let (at, rest) = line.strip_prefix("progress: ")?.split_once(" s, ")?;
            let rate = rest.split_once(" tps")?.0.parse().ok()?;
            (at.parse::<f64>().ok()? > warm_up + 0.5).then_some(rate)
        })
        .collect();
    (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64)
}

/// The last `tps = …` of pgbench's output, connecting apart.
fn transactions_a_second(output: &str) -> Option<f64> {
    let line = output
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("tps = "))?;
    line.split_whitespace().next()?.parse().ok()
}

async fn own_loops(load: &Load<'_>) -> anyhow::Result<f64> {
    let ready = Arc::new(Barrier::new(load.clients));
    let mut clients = Vec::new();
    for _ in 0..load.clients {
        let client = load.role.connect().await?;
        let statements = load.statements.to_vec();
        let ready = ready.clone();
        let (warm_up, seconds) = (load.warm_up, load.seconds);
        clients.push(tokio::spawn(async move {
            let mut prepared = Vec::new();
            for sql in &statements {
                prepared.push(client.prepare(sql).await?);
            }
            ready.wait().await;
            one_loop(&client, &prepared, warm_up).await?;
            one_loop(&client, &prepared, seconds).await
        }));
    }
    let mut per_second = 0.0;
    for client in clients {
        per_second += client.await.context("a client ended early")??;
    }
    Ok(per_second)
}

/// One client's transactions a second.
async fn one_loop(client: &Client, statements: &[Statement], seconds: f64) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(seconds);
    let mut done = 0u64;
    while Instant::now() < end {
        for statement in statements {
            client.execute(statement, &[]).await?;
        }
        done += 1;
    }
    Ok(done as f64 / begin.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_while_warming_up_does_not_count() {
        let told = "progress: 1.0 s, 10.0 tps, lat 1 ms stddev 2\nprogress: 2.0 s, 100.0 tps, lat 1\n\
                    progress: 3.0 s, 200.5 tps, lat 1 ms stddev 0.4, 0 failed\nother\n";
        assert_eq!(rate_after(told, 1.0), Some(150.25));
        assert_eq!(rate_after(told, 3.0), None);
    }

    #[test]
    fn the_rate_without_connecting_is_read() {
        let old = "tps = 10.5 (including connections establishing)\n\
                   tps = 11.25 (excluding connections establishing)\n";
        let new = "latency average = 1.0 ms\ntps = 3900.1 (without initial connection time)\n";
        let cases = [(old, Some(11.25)), (new, Some(3900.1)), ("", None)];
        for (output, expected) in cases {
            assert_eq!(transactions_a_second(output), expected);
        }
    }
}
