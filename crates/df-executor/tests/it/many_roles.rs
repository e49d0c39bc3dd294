//! Steps of several roles through one pool: how many sessions are opened for them, and who waits.

use crate::support::steps::Bench;
use df_executor::sql_step::{PoolLimits, StepOutcome};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const ROLES: u32 = 6;
const STEPS: u32 = 15;

/// Runs steps of every role at once; the most sessions that were there, and how many were opened.
async fn sessions(pool: PoolLimits) -> (i64, u64) {
    let bench = Arc::new(Bench::with(|config| config.pool = pool).await);
    let sql = "select count(*) from pg_stat_activity where usename = 'df_step_alice'";
    let runs = (0..ROLES * STEPS).map(|number| {
        let bench = bench.clone();
        tokio::spawn(async move {
            let path = format!("root.{number}");
            let mut step = bench.step(&path, sql);
            step.role_oid = 1 + number % ROLES;
            match bench.steps.run(&step).await {
                Ok(StepOutcome::Completed { result }) => {
                    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
                    result["rows"][0]["count"].as_i64().unwrap()
                }
                other => panic!("{other:?}"),
            }
        })
    });
    let mut most = 0;
    for run in runs.collect::<Vec<_>>() {
        most = most.max(run.await.unwrap());
    }
    let statistics = bench.steps.statistics();
    (most, statistics.connections_opened.load(Ordering::Relaxed))
}

fn limits(in_use: usize, open: usize, turn: Duration) -> PoolLimits {
    PoolLimits {
        in_use,
        reserve: 0,
        open,
        turn,
        ..PoolLimits::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_keep_their_connections_open_beyond_the_steps_that_run() {
    let (_, opened) = sessions(limits(1, 6, Duration::ZERO)).await;
    assert_eq!(opened, u64::from(ROLES));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_roles_than_connections_log_in_once_a_turn_and_not_once_a_step() {
    let (most, opened) = sessions(limits(2, 3, Duration::from_secs(3600))).await;
    assert!(opened <= 2 * u64::from(ROLES), "{opened} logins");
    // A session that was told to end takes a moment to be gone.
    assert!(most <= 3 + 2, "{most} sessions");
}

/// A session is opened with the login that the one before it made known: one that is asked for twice
/// was wanted by two at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_one_role_opens_its_sessions_one_after_the_other() {
    let login_life = Duration::from_secs(3600);
    let bench = Arc::new(Bench::with(|config| config.pool.login_life = login_life).await);
    let runs = (0..16).map(|number| {
        let bench = bench.clone();
        tokio::spawn(async move {
            let path = format!("root.{number}");
            bench.run(&path, "select pg_sleep(0.2)").await
        })
    });
    for run in runs.collect::<Vec<_>>() {
        let end = run.await.unwrap();
        assert!(matches!(end, StepOutcome::Completed { .. }), "{end:?}");
    }
    assert!(bench.connections() > 1, "nothing was to be had at once");
    assert_eq!(bench.logins_asked(), 1);
}
