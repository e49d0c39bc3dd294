//! What a relay does while Postgres or its schema is not there: it waits, and costs next to nothing.

use std::time::Duration;

use df_local::StopMode;
use df_postgres::{ConnectOptions, Session};
use nix::sys::signal::Signal;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_not_let_in_for_a_while_goes_on_afterwards() {
    let own = OwnServer::start().await;
    let relay = own.relay();
    relay.wait_for_log("relay ready");
    let (superuser, alice) = (own.superuser().await, own.alice().await);
    // The connection of the lease alone, which the others do not notice; then all of them.
    for whose in [
        "application_name = 'df-relay lease'",
        "usename = 'df_relay'",
    ] {
        let before = said(&relay, "postgres refuses the login");
        let shut = format!(
            "revoke connect on database postgres from public;
             select pg_terminate_backend(pid) from pg_stat_activity where {whose}"
        );
        superuser.batch_execute(&shut).await.unwrap();
        says_again(&relay, "postgres refuses the login", before).await;
        let open = "grant connect on database postgres to public";
        superuser.batch_execute(open).await.unwrap();
        assert_completes(&alice, "df.start('select 1')", &relay).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_read_only_for_a_while_fails_nothing() {
    let own = OwnServer::start().await;
    let relay = own.relay();
    relay.wait_for_log("relay ready");
    let (superuser, alice) = (own.superuser().await, own.alice().await);
    // First those that record, so that the relay goes on owning what it cannot record for.
    for whose in [
        "application_name = 'df-relay record'",
        "usename = 'df_relay'",
    ] {
        assert_completes(&alice, "df.start(df.sleep(0))", &relay).await;
        let id = text(&alice, "select df.start(df.sleep(1))").await.unwrap();
        let before = said(&relay, "25006");
        let shut = format!(
            "alter database postgres set default_transaction_read_only = on;
             select pg_terminate_backend(pid) from pg_stat_activity where {whose}"
        );
        superuser.batch_execute(&shut).await.unwrap();
        says_again(&relay, "25006", before).await;
        let open = "alter database postgres reset default_transaction_read_only";
        superuser.batch_execute(open).await.unwrap();
        assert_ends(&alice, &id, &relay).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_cut_short_fails_nothing() {
    let own = OwnServer::start().await;
    let superuser = own.superuser().await;
    let short =
        "alter database postgres set statement_timeout = '300ms'; set statement_timeout = 0";
    superuser.batch_execute(short).await.unwrap();
    let relay = own.relay();
    relay.wait_for_log("relay ready");
    let alice = own.alice().await;
    alice
        .batch_execute("set statement_timeout = 0")
        .await
        .unwrap();
    assert_completes(&alice, "df.start(df.sleep(0))", &relay).await;
    let id = text(&alice, "select df.start(df.sleep(1) ~> df.sleep(0))")
        .await
        .unwrap();
    // As somebody who rebuilds the table does.
    let hold = "begin; lock table df.node_runs in exclusive mode";
    superuser.batch_execute(hold).await.unwrap();
    let blocked = "select count(*)::text from pg_stat_activity
                    where application_name = 'df-relay record' and wait_event_type = 'Lock'";
    let other = own.superuser().await;
    while text(&other, blocked).await.as_deref() == Some("0") {
        assert!(!relay.has_ended(), "{}", relay.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!relay.log().contains("57014"), "{}", relay.log());
    let cancel = "select count(pg_cancel_backend(pid))::text from pg_stat_activity
                   where application_name = 'df-relay record' and wait_event_type = 'Lock'";
    assert_eq!(text(&other, cancel).await.as_deref(), Some("1"));
    relay.wait_for_log("57014");
    superuser.batch_execute("commit").await.unwrap();
    assert_ends(&alice, &id, &relay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_whose_relay_was_slow_to_record_it_is_run_again() {
    let own = OwnServer::start().await;
    let relay = own.relay();
    relay.wait_for_log("relay ready");
    let alice = own.alice().await;
    alice
        .batch_execute(
            "create table effects (n int); alter role alice set idle_in_transaction_session_timeout = '300ms'",
        )
        .await
        .unwrap();
    let step = "with slept as (select pg_sleep(1)) insert into effects select 1 from slept";
    let start = format!("select df.start('{step}' ~> 'select 1')");
    let id = text(&alice, &start).await.unwrap();
    let superuser = own.superuser().await;
    let sessions = |state: &str| {
        format!(
            "select count(*)::text from pg_stat_activity where application_name = 'df-relay step'
                and query like 'with slept%' and state = '{state}'"
        )
    };
    let running = sessions("active");
    while text(&superuser, &running).await.as_deref() == Some("0") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    relay.signal(Signal::SIGSTOP);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        text(&superuser, &sessions("idle in transaction"))
            .await
            .as_deref(),
        Some("0")
    );
    relay.signal(Signal::SIGCONT);
    assert_ends(&alice, &id, &relay).await;
    let effects = text(&alice, "select count(*)::text from effects").await;
    assert_eq!(effects.as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relays_calls_are_as_they_are_whatever_the_database_says() {
    let own = OwnServer::start().await;
    let defaults = [
        (
            "transaction_isolation",
            "default_transaction_isolation",
            "serializable",
            "read committed",
        ),
        ("statement_timeout", "statement_timeout", "1min", "0"),
        ("lock_timeout", "lock_timeout", "1min", "0"),
        ("idle_session_timeout", "idle_session_timeout", "1min", "0"),
        (
            "idle_in_transaction_session_timeout",
            "idle_in_transaction_session_timeout",
            "1min",
            "0",
        ),
    ];
    let superuser = own.superuser().await;
    for (_, name, value, _) in defaults {
        let set = format!("alter role df_relay in database postgres set {name} = '{value}'");
        superuser.batch_execute(&set).await.unwrap();
    }
    let url = own.cluster.url("df_relay", "relay", "postgres");
    let options = ConnectOptions::parse(&url).unwrap();
    let plain = options.connect().await.unwrap();
    let show = "select current_setting($1)";
    for (name, _, value, pinned) in defaults {
        assert_eq!(
            text(&plain, &format!("show {name}")).await.as_deref(),
            Some(value)
        );
        for is_lent in [false, true] {
            // It acts between transactions only, where a lent session is the pooler's.
            if is_lent && name == "idle_session_timeout" {
                continue;
            }
            let options = options.clone().with_pooler(is_lent);
            let session = Session::new(options, CancellationToken::new());
            let rows = session.query(show, &[&name.to_owned()]).await.unwrap();
            assert_eq!(rows[0].get::<_, String>(0), pinned, "{name}");
            let open = session.insist_open(show, &[&name.to_owned()]).await;
            let (rows, open) = open.unwrap();
            assert_eq!(rows[0].get::<_, String>(0), pinned, "{name}");
            assert!(open.commit().await);
        }
    }
    // What the connection string says is meant.
    let asked = options.with_server_options("-c statement_timeout=7000");
    let session = Session::new(asked, CancellationToken::new());
    let rows = session.query("show statement_timeout", &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, String>(0), "7s");
}

/// How often a relay has said something.
fn said(relay: &Process, what: &str) -> usize {
    relay.log().matches(what).count()
}

/// Waits until it has said so more often than before.
async fn says_again(relay: &Process, what: &str, before: usize) {
    for _ in 0..200 {
        if said(relay, what) > before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{}", relay.log());
}

async fn assert_completes(alice: &Client, start: &str, relay: &Process) {
    let id = text(alice, &format!("select {start}")).await.unwrap();
    assert_ends(alice, &id, relay).await;
}

async fn assert_ends(alice: &Client, id: &str, relay: &Process) {
    let ended = text(alice, &format!("select df.await_instance('{id}', 45)")).await;
    assert_eq!(ended.as_deref(), Some("completed"), "{}", relay.log());
}
