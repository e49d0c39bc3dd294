//! df.retry_policy: attempts are recorded, pauses outlive relays, and only listed failures count (S8).

use crate::support::{Role, TestDb};

/// Fails until its sequence has been asked `times` times.
fn succeeds_at(times: u32) -> String {
    format!("select 1 / (case when nextval('tries') >= {times} then 1 else 0 end) as n")
}

async fn with_tries(db: &TestDb) -> Role {
    let alice = db.role("alice").await;
    alice
        .client
        .batch_execute("create sequence public.tries")
        .await
        .unwrap();
    alice
}

async fn start(role: &Role, expression: &str) -> String {
    let sql = format!("select df.start({expression})");
    role.text(&sql).await.expect("an instance id")
}

/// attempt, status and SQLSTATE of the run at a path.
async fn run_at(db: &TestDb, id: &str, path: &str) -> String {
    let sql = format!(
        "select concat_ws(' ', attempt, status, sqlstate) from df.node_runs
          where instance_id = '{id}' and run_path = '{path}'"
    );
    db.text(&sql).await.unwrap_or_default()
}

#[tokio::test]
async fn a_step_is_tried_again_until_it_succeeds() {
    let db = TestDb::new().await;
    let alice = with_tries(&db).await;
    let _relay = db.start_relay();
    let node = format!(
        "df.retry_policy($q${}$q$, 5, 0.02) ~> 'select 2'",
        succeeds_at(3)
    );
    let id = start(&alice, &node).await;
    assert_eq!(db.ended(&id).await, "completed");
    assert_eq!(run_at(&db, &id, "root.left").await, "3 completed");
    assert_eq!(run_at(&db, &id, "root.right").await, "1 completed");
}

#[tokio::test]
async fn the_last_failure_is_the_nodes() {
    let db = TestDb::new().await;
    let alice = with_tries(&db).await;
    let _relay = db.start_relay();
    let node = format!("df.retry_policy($q${}$q$, 3, 0)", succeeds_at(100));
    let id = start(&alice, &node).await;
    assert_eq!(db.ended(&id).await, "failed");
    assert_eq!(run_at(&db, &id, "root").await, "3 failed 22012");
    let tries = alice.text("select last_value from tries").await;
    assert_eq!(tries.as_deref(), Some("3"));
    let error = format!("select error from df.instances where id = '{id}'");
    assert_eq!(db.text(&error).await.as_deref(), Some("division by zero"));
}

#[tokio::test]
async fn only_listed_failures_are_tried_again() {
    let db = TestDb::new().await;
    let alice = with_tries(&db).await;
    let _relay = db.start_relay();
    let check = async |states: &str, expected: &str| {
        let node = format!(
            "df.retry_policy($q${}$q$, 3, 0, on_sqlstate => {states})",
            succeeds_at(100)
        );
        let id = start(&alice, &node).await;
        assert_eq!(db.ended(&id).await, "failed", "{states}");
        assert_eq!(run_at(&db, &id, "root").await, expected, "{states}");
    };
    check("array['40001']", "1 failed 22012").await;
    check("array['40001', '22012']", "3 failed 22012").await;
}

#[tokio::test]
async fn a_pause_parks_the_instance_and_outlives_its_relay() {
    let db = TestDb::new().await;
    let alice = with_tries(&db).await;
    let mut relay = db.spawn_relay(&["--linger-ms", "10"]);
    let node = format!(
        "df.retry_policy($q${}$q$, 3, 1800, max_seconds => 7200)",
        succeeds_at(2)
    );
    let id = start(&alice, &node).await;
    db.parked(&id).await;
    assert_eq!(run_at(&db, &id, "root").await, "1 waiting 22012");
    let why = format!("select concat_ws('|', state, waiting_for, detail) from df.why('{id}')");
    let why = alice.text(&why).await.unwrap();
    assert!(why.starts_with("waiting|attempt 2 of step root"), "{why}");
    assert!(why.contains("division by zero"), "{why}");
    relay.kill();
    let _next = db.start_relay();
    db.pass("29 minutes").await;
    assert_eq!(run_at(&db, &id, "root").await, "1 waiting 22012");
    db.pass("2 minutes").await;
    assert_eq!(db.ended(&id).await, "completed");
    assert_eq!(run_at(&db, &id, "root").await, "2 completed");
}

#[tokio::test]
async fn a_statement_outside_a_transaction_is_tried_again() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let _relay = db.spawn_relay(&["--linger-ms", "10"]);
    let id = start(&alice, "df.retry_policy('vacuum public.later', 3, 60)").await;
    db.parked(&id).await;
    assert_eq!(run_at(&db, &id, "root").await, "1 waiting 42P01");
    alice
        .client
        .batch_execute("create table public.later (n int)")
        .await
        .unwrap();
    db.pass("61 seconds").await;
    assert_eq!(db.ended(&id).await, "completed");
    assert_eq!(run_at(&db, &id, "root").await, "2 completed");
}

#[tokio::test]
async fn retries_in_loops_and_branches_keep_to_their_iteration() {
    let db = TestDb::new().await;
    let alice = with_tries(&db).await;
    let _relay = db.start_relay();
    alice
        .client
        .batch_execute("create table public.done (n serial)")
        .await
        .unwrap();
    // Each round fails once: the sequence is odd at its first try.
    let flaky = "df.retry_policy($q$select 1 / (1 - nextval('tries') % 2)$q$, 2, 0)";
    let body = format!("({flaky} ~> 'insert into public.done default values')");
    let condition = "$q$select count(*) < 40 from public.done$q$";
    let node = format!("df.join(df.loop({body}, {condition}), 'select 1')");
    let id = start(&alice, &node).await;
    assert_eq!(db.ended(&id).await, "completed");
    let done = alice.text("select count(*) from public.done").await;
    assert_eq!(done.as_deref(), Some("40"));
    let tries = alice.text("select last_value from tries").await;
    assert_eq!(tries.as_deref(), Some("80"));
}

#[tokio::test]
async fn a_branch_that_loses_while_it_pauses_is_not_tried_again() {
    let db = TestDb::new().await;
    let alice = with_tries(&db).await;
    let _relay = db.spawn_relay(&["--linger-ms", "10"]);
    let node = format!(
        "df.race(df.retry_policy($q${}$q$, 9, 600), df.wait_for_signal('go')) ~> df.sleep(3600)",
        succeeds_at(2)
    );
    let id = start(&alice, &node).await;
    db.parked(&id).await;
    alice
        .text(&format!("select df.signal('{id}', 'go')"))
        .await
        .unwrap();
    db.until(
        &format!(
            "select count(*) from df.node_runs where instance_id = '{id}' and run_path = 'root.right'"
        ),
        "1",
    )
    .await;
    db.parked(&id).await;
    db.pass("2 hours").await;
    assert_eq!(db.ended(&id).await, "completed");
    assert_eq!(
        alice.text("select last_value from tries").await.as_deref(),
        Some("1")
    );
}
