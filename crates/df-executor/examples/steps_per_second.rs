//! Measures steps per second on 1 and 8 connections, against a database that holds the functions
//! of a step: `STEP_PORT=… STEP_HOST=… cargo run --release --example steps_per_second`.
//!
//! Prints one line per variant. `tests/support/steps.sql` makes stand-ins of the functions.

use df_executor::render::{CatalogError, TypeCatalog, TypeInfo};
use df_executor::sql_step::{
    Fence, Login, LoginError, LoginSource, PoolLimits, RetrySchedule, Sessions, SqlSteps,
    SqlStepsConfig, Step, StepLimits, StepOutcome,
};
use df_executor::wire::{ConnectConfig, Connection, Statement};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

struct Fixed;

#[async_trait::async_trait]
impl LoginSource for Fixed {
    async fn login(&self, _role_oid: u32, _database: Option<&str>) -> Result<Login, LoginError> {
        Ok(Login {
            user: "df_step_alice".into(),
            password: None,
            role_name: "alice".into(),
            database: "postgres".into(),
            settings: vec![],
            functions: None,
        })
    }
}

#[async_trait::async_trait]
impl TypeCatalog for Fixed {
    async fn lookup(&self, _oids: &[u32]) -> Result<Vec<TypeInfo>, CatalogError> {
        Ok(Vec::new())
    }
}

fn server() -> ConnectConfig {
    let given = |name: &str, default: &str| std::env::var(name).unwrap_or(default.into());
    let (host, port) = (given("STEP_HOST", "127.0.0.1"), given("STEP_PORT", "5432"));
    let server = format!("host={host} port={port}");
    ConnectConfig::new(
        server
            .parse()
            .expect("STEP_HOST and STEP_PORT name a server"),
    )
}

async fn measure(
    steps: Arc<SqlSteps>,
    connections: usize,
    per_connection: usize,
    sql: &'static str,
) {
    let started = Instant::now();
    let run = Uuid::new_v4();
    let workers = (0..connections).map(|worker| {
        let steps = steps.clone();
        tokio::spawn(async move {
            let fence = Fence::default();
            for n in 0..per_connection {
                let path = format!("root.{run}[{worker}][{n}]");
                let step = Step {
                    instance: "i",
                    epoch: 1,
                    incarnation: Uuid::from_u128(1),
                    role_oid: 1,
                    database: None,
                    run_path: &path,
                    sql,
                    attempt: 1,
                    fence: &fence,
                    statement_timeout: None,
                    retry_on: None,
                    cancel: CancellationToken::new(),
                };
                let outcome = steps.run(&step).await.expect("a step");
                assert!(
                    matches!(outcome, StepOutcome::Completed { .. }),
                    "{outcome:?}"
                );
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("a worker");
    }
    let total = connections * per_connection;
    let elapsed = started.elapsed();
    let rate = total as f64 / elapsed.as_secs_f64();
    let each = elapsed.as_secs_f64() * 1e6 * connections as f64 / total as f64;
    println!("{connections} connections: {rate:.0} steps/s, {each:.0} us each: {sql}");
}

/// What the parts of a step cost by themselves, on one connection.
async fn parts() {
    let mut config = server();
    config.user = "postgres".into();
    config.database = "postgres".into();
    let mut connection = Connection::connect(Arc::new(config))
        .await
        .expect("connects");
    let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
    for parts in [
        vec!["select 1"],
        vec![begin, "COMMIT"],
        vec![
            begin,
            "insert into app.effects (note) values ('x')",
            "COMMIT",
        ],
        vec![
            begin,
            "set local role alice",
            "set local lock_timeout = 200",
            "COMMIT",
        ],
        vec!["RESET ALL"],
        vec!["CLOSE ALL", "RESET ROLE", "DEALLOCATE ALL", "UNLISTEN *"],
        vec!["SELECT pg_catalog.pg_advisory_unlock_all()"],
        vec!["DISCARD TEMP", "DISCARD SEQUENCES"],
    ] {
        let statements: Vec<_> = parts.iter().map(|sql| Statement::command(sql)).collect();
        let started = Instant::now();
        for _ in 0..2000 {
            connection.pipeline(&statements).await.expect("a batch");
        }
        let each = started.elapsed().as_secs_f64() * 1e6 / 2000.0;
        println!("{each:.0} us: {}", parts.join("; "));
    }
}

#[tokio::main]
async fn main() {
    let config = SqlStepsConfig {
        server: server(),
        sessions: Sessions::Own,
        pool: PoolLimits {
            per_role: 8,
            ..Default::default()
        },
        retry: RetrySchedule::default(),
        stopping: CancellationToken::new(),
        limits: StepLimits {
            per_role: 8,
            transient_attempts: 20,
            max_result_bytes: 16 * 1024 * 1024,
            fence_lock_timeout: Duration::from_secs(5),
        },
    };
    let steps = Arc::new(SqlSteps::new(config, Arc::new(Fixed), Arc::new(Fixed)));
    parts().await;
    for sql in [
        "select 1 as a",
        "insert into app.effects (note) values ('x')",
    ] {
        for connections in [1, 8] {
            measure(steps.clone(), connections, 4000 / connections.min(4), sql).await;
        }
    }
}
