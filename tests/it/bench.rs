//! `df-relay bench` runs, leaves nothing behind, and says what it found.

use std::time::Duration;

use df_postgres::ConnectOptions;
use serde_json::Value;

use crate::support::{TestDb, spawn};

/// A run makes and ends hundreds of connections and a dozen relays, in a build that is not optimised.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a run may leave on a server: nothing of these.
const LEFT_BEHIND: &str = "
    select string_agg(name, ' ') from (
        select datname::text from pg_database where datname like 'df\\_bench\\_%'
        union all select rolname::text from pg_roles where rolname like 'df\\_bench\\_%') as left_behind(name)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bench_judges_every_row_and_leaves_nothing_behind() {
    let db = TestDb::empty().await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (json, svg) = (file("bench.json"), file("bench.svg"));
    let url = db.superuser_url();
    let args = [
        "bench",
        "--smoke",
        "--by-hand",
        "--commit-delay=10",
        "--json",
        &json,
        "--svg",
        &svg,
    ];
    let mut bench = spawn(&args, &[("DF_DATABASE_URL", &url)]);
    assert!(bench.wait_within(PATIENCE).success(), "{}", bench.log());

    let report: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    let figures = report["run"]["figures"].as_array().unwrap();
    for key in [
        "start_8",
        "start_64_over_8",
        "one_step",
        "ten_step",
        "join",
        "loop",
        "idle_p50",
        "commit_idle",
        "commits_10",
        "flood",
        "flood_memory",
        "by_hand_start_8",
        "by_hand_one_step",
        "by_hand_idle_p50",
        "by_hand_signal_p50",
    ] {
        let figure = figures.iter().find(|figure| figure["key"] == key);
        let value = figure.unwrap_or_else(|| panic!("{key} is missing"))["value"].as_f64();
        assert!(value.is_some_and(|value| value > 0.0), "{key}: {figure:?}");
    }
    assert!(std::fs::read_to_string(&svg).unwrap().contains("<polyline"));
    assert!(
        bench
            .stdout()
            .iter()
            .any(|line| line.contains("targets met"))
    );

    let server = ConnectOptions::parse(&url)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let left: Option<String> = server.query_one(LEFT_BEHIND, &[]).await.unwrap().get(0);
    assert_eq!(left, None);
}
