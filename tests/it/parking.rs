//! Instances that only wait: given back, woken, and never forgotten in between.

use std::time::Duration;

use crate::support::effects::{role_with_traces, until, until_all_ended};
use crate::support::{Process, TestDb};

const PATIENCE: Duration = Duration::from_secs(30);
const PARKED: &str = "select bool_and(owner is null and status = 'running') from df.instances";

fn relay(db: &TestDb) -> Process {
    let relay = db.spawn_relay(&["--linger-ms", "50"]);
    relay.wait_for_log("relay ready");
    relay
}

async fn result(db: &TestDb) -> Option<String> {
    db.text("select coalesce(result::text, error) from df.instances")
        .await
}

#[tokio::test]
async fn an_instance_that_somebody_has_locked_is_given_back_once_it_is_free() {
    let db = TestDb::new().await;
    let role = db.role("worker").await;
    let _relay = relay(&db);
    role.text("select df.start(df.seq('select pg_sleep(1)', df.wait_for_signal('go')))")
        .await;
    until(
        &db,
        "select bool_and(owner is not null) from df.instances",
        PATIENCE,
    )
    .await;
    let locker = crate::support::Server::shared()
        .superuser(&db.name)
        .connect()
        .await
        .unwrap();
    // Once the wait is recorded, a transaction holds the row past the moment of parking.
    until(
        &db,
        "select exists (select from df.node_runs where status = 'waiting')",
        PATIENCE,
    )
    .await;
    locker
        .batch_execute("begin; select from df.instances for update")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    locker.batch_execute("commit").await.unwrap();
    until(&db, PARKED, Duration::from_secs(3)).await;
    role.text("select df.signal(id, 'go') from df.instances")
        .await;
    until_all_ended(&db, PATIENCE).await;
}

#[tokio::test]
async fn a_signal_sent_while_no_relay_ran_beats_the_timeout_it_preceded() {
    let db = TestDb::new().await;
    let role = db.role("worker").await;
    let mut first = relay(&db);
    role.text("select df.start(df.wait_for_signal('go', 2))")
        .await;
    until(&db, PARKED, PATIENCE).await;
    first.kill();
    role.text("select df.signal(id, 'go', '7') from df.instances")
        .await;
    until(
        &db,
        "select bool_and(due_at < clock_timestamp()) from df.node_runs",
        PATIENCE,
    )
    .await;
    let _second = relay(&db);
    until_all_ended(&db, PATIENCE).await;
    let expected = r#"{"signal_name":"go","timed_out":false,"data":7}"#;
    assert_eq!(result(&db).await.as_deref(), Some(expected));
}

#[tokio::test]
async fn signals_of_one_transaction_are_served_in_the_order_they_were_sent() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    // Numbers whose texts sort the other way round.
    db.text("select setval('df.signal_numbers', 8)").await;
    let wait = "df.wait_for_signal('go')";
    let all = format!("df.seq({wait} |=> 'a', df.seq({wait} |=> 'b', 'select $a.data, $b.data'))");
    let _relay = relay(&db);
    role.text(&format!("select df.start({all})")).await;
    until(&db, PARKED, PATIENCE).await;
    role.text("select df.signal(id, 'go', '1') || df.signal(id, 'go', '2') from df.instances")
        .await;
    until_all_ended(&db, PATIENCE).await;
    let first = "select result ->> 'data' from df.node_runs where run_path = 'root.left'";
    assert_eq!(db.text(first).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_cancel_before_any_relay_ran_leaves_no_event_undelivered() {
    let db = TestDb::new().await;
    let role = db.role("worker").await;
    role.text("select df.cancel(df.start('select 1'))").await;
    let _relay = relay(&db);
    until_all_ended(&db, PATIENCE).await;
    let never = "select epoch = 0 and status = 'cancelled' from df.instances";
    assert_eq!(db.text(never).await.as_deref(), Some("t"));
}

#[tokio::test]
async fn a_timer_that_came_due_while_no_relay_ran_fires_at_the_next_start() {
    let db = TestDb::new().await;
    let role = db.role("worker").await;
    let mut first = relay(&db);
    role.text("select df.start(df.seq(df.sleep(2), 'select 1'))")
        .await;
    until(&db, PARKED, PATIENCE).await;
    let due = db.text("select due_at from df.node_runs").await;
    first.kill();
    until(
        &db,
        "select bool_and(due_at < clock_timestamp()) from df.node_runs",
        PATIENCE,
    )
    .await;
    let _second = relay(&db);
    until_all_ended(&db, Duration::from_secs(5)).await;
    let still = "select due_at from df.node_runs where due_at is not null";
    assert_eq!(db.text(still).await, due, "the recorded due time stands");
}
