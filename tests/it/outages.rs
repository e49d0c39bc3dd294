//! What a relay does while Postgres or its schema is not there: it waits, and costs next to nothing.

use std::time::Duration;

use df_local::StopMode;
use tokio_postgres::Client;

use crate::support::{OwnServer, Process, TestDb};

/// How long a relay is watched while it can do nothing.
const WATCHED: Duration = Duration::from_secs(5);
/// Log lines it may write meanwhile: one for each of a few tries of each connection.
const MOST_LINES: usize = 40;
/// Processor time it may take meanwhile, in seconds: 4 % of a core.
const MOST_CPU_SECONDS: f64 = 0.2;

/// Watches a relay that can do nothing for a while.
async fn assert_patient(relay: &Process) {
    let (lines, cpu) = (relay.log().lines().count(), relay.cpu_seconds());
    tokio::time::sleep(WATCHED).await;
    let lines = relay.log().lines().count() - lines;
    let cpu = relay.cpu_seconds() - cpu;
    assert!(lines <= MOST_LINES, "{lines} lines:\n{}", relay.log());
    assert!(
        cpu <= MOST_CPU_SECONDS,
        "{cpu} s of processor:\n{}",
        relay.log()
    );
}

async fn text(client: &Client, sql: &str) -> Option<String> {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_waits_patiently_for_postgres_to_come_and_to_come_back() {
    let mut own = OwnServer::start().await;
    own.cluster.stop(StopMode::Fast).unwrap();
    let relay = own.relay();
    relay.wait_for_log("postgres is not reachable");
    assert_patient(&relay).await;
    own.cluster.start().unwrap();
    relay.wait_for_log("relay ready");

    let alice = own.alice().await;
    alice
        .batch_execute("create table effects (n int)")
        .await
        .unwrap();
    let start = "select df.start(df.seq(
        df.loop('insert into effects select count(*) + 1 from effects', 'select count(*) < 400 from effects'),
        df.join('insert into effects values (1001)', 'insert into effects values (1002)')))";
    let id = text(&alice, start).await.unwrap();
    let sleeps = text(&alice, "select df.start('select pg_sleep(3)')")
        .await
        .unwrap();
    let waits = text(&alice, "select df.start(df.wait_for_signal('go'))")
        .await
        .unwrap();
    while text(&alice, "select count(*)::text from effects")
        .await
        .unwrap()
        == "0"
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // As a crash: nothing is told to anybody, and nothing in flight is finished.
    own.cluster.stop(StopMode::Immediate).unwrap();
    assert_patient(&relay).await;
    own.cluster.start().unwrap();
    let alice = own.alice().await;
    text(&alice, &format!("select df.signal('{waits}', 'go')")).await;
    for instance in [&id, &sleeps, &waits] {
        let ended = text(
            &alice,
            &format!("select df.await_instance('{instance}', 60)"),
        )
        .await;
        assert_eq!(ended.as_deref(), Some("completed"), "{}", relay.log());
        let broken =
            format!("select count(*)::text from df.assert_structural_invariants('{instance}')");
        assert_eq!(text(&alice, &broken).await.as_deref(), Some("0"));
    }
    let effects = "select count(*) || ' ' || count(distinct n) || ' ' || max(n) from effects";
    assert_eq!(text(&alice, effects).await.as_deref(), Some("402 402 1002"));
}

#[tokio::test]
async fn a_relay_waits_patiently_for_a_schema() {
    let db = TestDb::empty().await;
    let relay = db.spawn_relay(&[]);
    relay.wait_for_log("df-relay install");
    assert_patient(&relay).await;
}
