//! What is removed, when, and what stays.

use std::time::Duration;

use crate::support::effects::{
    assert_nothing_lost_or_repeated, role_with_traces, trace, until, until_all_ended,
};
use crate::support::{Server, TestDb};

const PATIENCE: Duration = Duration::from_secs(60);
const TABLES: &[&str] = &["instances", "outbox", "signals", "node_runs", "graphs"];

async fn count(db: &TestDb, table: &str) -> i64 {
    let text = db.text(&format!("select count(*) from df.{table}")).await;
    text.unwrap().parse().unwrap()
}

async fn configure(db: &TestDb, name: &str, value: &str) {
    db.text(&format!("select df.configure('{name}', '{value}')"))
        .await;
}

/// Shifts the clock that retention reads.
async fn shift_clock(db: &TestDb, by: &str) {
    let shift = format!(
        "insert into df.clock_override (shift) values ('{by}')
         on conflict (singleton) do update set shift = excluded.shift"
    );
    db.client.batch_execute(&shift).await.unwrap();
}

#[tokio::test]
async fn an_ended_instance_goes_with_all_its_rows_once_its_time_has_come() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let mut relay = db.relay_with(&["--linger-ms", "50"], &[]);
    let start = format!(
        "select df.start(df.seq({}, df.wait_for_signal('go')))",
        trace("a")
    );
    let ended = role.text(&start).await.unwrap();
    role.text(&format!("select df.signal('{ended}', 'go')"))
        .await;
    until_all_ended(&db, PATIENCE).await;
    let living = role.text(&start).await.unwrap();
    let waits = format!(
        "select exists (select from df.node_runs where instance_id = '{living}' and status = 'waiting')"
    );
    until(&db, &waits, PATIENCE).await;
    assert_eq!(relay.stop(), 0);
    shift_clock(&db, "29 days").await;
    db.text("select count(*) from df.reconcile()").await;
    assert_eq!(count(&db, "instances").await, 2, "its time has not come");
    shift_clock(&db, "31 days").await;
    let removed = "select affected from df.reconcile() where action = 'removed expired instances'";
    assert_eq!(db.text(removed).await.as_deref(), Some("1"));
    let left = "select string_agg(distinct id, ',') from (
        select id from df.instances union all select instance_id from df.outbox
        union all select instance_id from df.signals union all select instance_id from df.node_runs) as x";
    assert_eq!(db.text(left).await, Some(living));
    assert_eq!(
        count(&db, "graphs").await,
        1,
        "the living one's graph stays"
    );
}

#[tokio::test]
async fn retention_zero_removes_in_the_background_and_interval_zero_disables() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    configure(&db, "retention_days", "0").await;
    configure(&db, "reconcile_interval_seconds", "0").await;
    let mut relay = db.relay_with(&[], &[]);
    role.text("select df.start('select 1')").await;
    until_all_ended(&db, PATIENCE).await;
    assert_eq!(relay.stop(), 0);
    assert_eq!(count(&db, "instances").await, 1);
    configure(&db, "reconcile_interval_seconds", "0.2").await;
    let _relay = db.relay_with(&[], &[]);
    for n in 0..20 {
        role.text(&format!("select df.start('select {n}')")).await;
    }
    let empty: Vec<_> = TABLES
        .iter()
        .map(|table| format!("not exists (select from df.{table})"))
        .collect();
    until(&db, &format!("select {}", empty.join(" and ")), PATIENCE).await;
}

#[tokio::test]
async fn a_graph_that_an_open_start_has_read_outlives_its_last_instance() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    configure(&db, "retention_days", "0").await;
    configure(&db, "reconcile_interval_seconds", "0").await;
    let _relay = db.relay_with(&[], &[]);
    role.text("select df.start('select 1')").await;
    until_all_ended(&db, PATIENCE).await;
    // A snapshot from before the graph is doomed; it starts the same graph much later.
    let old = role.session().await;
    old.batch_execute("begin isolation level repeatable read; select 1 from df.instances")
        .await
        .unwrap();
    for _ in 0..6 {
        db.text("select count(*) from df.reconcile()").await;
    }
    assert_eq!(
        (count(&db, "instances").await, count(&db, "graphs").await),
        (0, 1)
    );
    old.batch_execute("select df.start('select 1'); commit")
        .await
        .unwrap();
    assert_eq!(count(&db, "graphs").await, 1, "it took up the graph it saw");
    db.text("select count(*) from df.reconcile()").await;
    until_all_ended(&db, PATIENCE).await;
    let failed = "select count(*) from df.instances where status <> 'completed'";
    assert_eq!(db.text(failed).await.as_deref(), Some("0"));
    // Transactions of other tests hold it up, too.
    let gone = "select count(*) >= 0 and not exists (select from df.graphs) from df.reconcile()";
    until(&db, gone, PATIENCE).await;
}

#[tokio::test]
async fn an_event_sent_while_its_instance_was_removed_is_removed_too() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    configure(&db, "retention_days", "0").await;
    let relay = db.relay_with(&["--linger-ms", "50"], &[]);
    let id = role
        .text("select df.start(df.wait_for_signal('go'))")
        .await
        .unwrap();
    let late = role.session().await;
    late.batch_execute(&format!("begin; select df.signal('{id}', 'go')"))
        .await
        .unwrap();
    role.text(&format!("select df.cancel('{id}')")).await;
    let settled = "select bool_and(delivered_at is not null) from df.outbox";
    until(&db, settled, PATIENCE).await;
    drop(relay);
    db.text("select count(*) from df.reconcile()").await;
    assert_eq!(count(&db, "instances").await, 0);
    late.batch_execute("commit").await.unwrap();
    assert_eq!(
        (count(&db, "outbox").await, count(&db, "signals").await),
        (1, 1)
    );
    db.text("select count(*) from df.reconcile()").await;
    assert_eq!(
        (count(&db, "outbox").await, count(&db, "signals").await),
        (0, 0)
    );
}

#[tokio::test]
async fn an_instance_whose_role_was_dropped_fails_with_the_reason() {
    let db = TestDb::new().await;
    let gone = db.role("gone").await;
    let _relay = db.relay_with(&["--linger-ms", "50"], &[]);
    gone.text("select df.start(df.wait_for_signal('go'))").await;
    let parked = "select bool_and(owner is null and wake_at = 'infinity') from df.instances";
    until(&db, parked, PATIENCE).await;
    let drop = format!("drop owned by {0}; drop role {0}", gone.name);
    db.client.batch_execute(&drop).await.unwrap();
    db.text("select count(*) from df.reconcile()").await;
    let why = "select status || ' ' || error from df.instances";
    assert!(db.text(why).await.unwrap().contains("was dropped"));
}

#[tokio::test]
async fn old_transactions_elsewhere_slow_neither_claims_nor_grow_idle_tables() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    configure(&db, "retention_days", "0").await;
    configure(&db, "reconcile_interval_seconds", "0.5").await;
    let old = Server::shared()
        .superuser(&db.name)
        .connect()
        .await
        .unwrap();
    old.batch_execute("begin isolation level repeatable read; select 1 from df.instances")
        .await
        .unwrap();
    let _relay = db.relay_with(&[], &[]);
    let start = "select count(df.start('select 1')) from generate_series(1, 1500)";
    role.text(start).await;
    until(
        &db,
        "select not exists (select from df.instances)",
        PATIENCE,
    )
    .await;
    let size = "select sum(pg_total_relation_size(c.oid))::bigint / 1500 from pg_class c
                 where c.relnamespace = 'df'::regnamespace and c.relkind = 'r'";
    // A bound on dead rows per workflow that nothing can vacuum now: each is written a few times.
    let per_workflow: i64 = db.text(size).await.unwrap().parse().unwrap();
    assert!(per_workflow < 6000, "{per_workflow} bytes per workflow");
    let pages = "select sum(pg_relation_size(c.oid))::bigint from pg_class c
                  where c.relnamespace = 'df'::regnamespace and c.relkind in ('r', 'i')";
    let before: i64 = db.text(pages).await.unwrap().parse().unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after: i64 = db.text(pages).await.unwrap().parse().unwrap();
    assert!(
        after <= before + 16 * 8192,
        "an idle relay wrote {} bytes",
        after - before
    );
    let id = role.text("select df.start('select 2')").await.unwrap();
    let began = std::time::Instant::now();
    until(
        &db,
        &format!("select not exists (select from df.instances where id = '{id}')"),
        PATIENCE,
    )
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    old.batch_execute("commit").await.unwrap();
    assert_nothing_lost_or_repeated(&db).await;
}
