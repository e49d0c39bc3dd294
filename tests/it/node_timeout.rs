//! df.timeout: any node fails when its time is up, and only then.

use crate::support::{Role, TestDb};

async fn start(role: &Role, expression: &str) -> String {
    let sql = format!("select df.start({expression})");
    role.text(&sql).await.expect("an instance id")
}

async fn error_of(db: &TestDb, id: &str) -> String {
    let sql = format!(
        "select concat_ws('|', error_sqlstate, error_path, error) from df.instances where id = '{id}'"
    );
    db.text(&sql).await.unwrap_or_default()
}

#[tokio::test]
async fn a_node_of_any_kind_fails_when_its_time_is_up() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let _relay = db.spawn_relay(&["--linger-ms", "10"]);
    let check = async |node: &str, path: &str| {
        let id = start(&alice, node).await;
        assert_eq!(db.ended(&id).await, "failed", "{node}");
        let expected = format!("57014|{path}|node timed out after 0.3 s");
        assert_eq!(error_of(&db, &id).await, expected, "{node}");
        let run = format!(
            "select concat_ws('|', status, error) from df.nodes where instance_id = '{id}'
                and id = '{id}:{path}'"
        );
        assert_eq!(
            db.text(&run).await.as_deref(),
            Some("failed|node timed out after 0.3 s"),
            "{node}"
        );
    };
    check("df.timeout(df.sleep(3600), 0.3)", "root").await;
    check("df.timeout(df.wait_for_signal('never'), 0.3)", "root").await;
    check("df.timeout('select 1' ~> df.sleep(3600), 0.3)", "root").await;
    check(
        "df.timeout('select 1' ~> 'select pg_sleep(60)', 0.3)",
        "root",
    )
    .await;
    check("df.timeout(df.loop('select 1'), 0.3)", "root").await;
    check(
        "df.timeout(df.loop(df.sleep_interval('10 ms')), 0.3) ~> 'select 1'",
        "root.left",
    )
    .await;
    check(
        "df.timeout(df.sleep(60) & df.sleep(70), 0.3) | df.sleep(90)",
        "root.left",
    )
    .await;
    check(
        "df.timeout(df.if('select true', df.sleep(60), 'select 1'), 0.3)",
        "root",
    )
    .await;
    check(
        "df.timeout(df.timeout(df.sleep(60), 0.3) ~> 'select 1', 50)",
        "root.left",
    )
    .await;
    check(
        "df.timeout(df.timeout(df.sleep(60), 50) ~> 'select 1', 0.3)",
        "root",
    )
    .await;
    let running = "select count(*) from pg_stat_activity where query like '%pg_sleep(60)%'
                      and state = 'active' and pid <> pg_backend_pid() and datname = current_database()";
    db.until(running, "0").await;
}

#[tokio::test]
async fn a_single_statement_is_bounded_by_its_timeout() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let _relay = db.start_relay();
    let id = start(&alice, "df.timeout('select pg_sleep(60)', 0.2)").await;
    assert_eq!(db.ended(&id).await, "failed");
    assert!(error_of(&db, &id).await.starts_with("57014|root|"));
    // Each attempt has its own time.
    let id = start(
        &alice,
        "df.retry_policy(df.timeout('select pg_sleep(60)', 0.1), 2, 0)",
    )
    .await;
    assert_eq!(db.ended(&id).await, "failed");
    let attempt = format!("select attempt from df.node_runs where instance_id = '{id}'");
    assert_eq!(db.text(&attempt).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_timer_outlives_its_relay() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let mut relay = db.spawn_relay(&["--linger-ms", "10"]);
    let id = start(
        &alice,
        "df.timeout('select 1' ~> df.wait_for_signal('x'), 3600)",
    )
    .await;
    db.parked(&id).await;
    relay.kill();
    let _next = db.start_relay();
    db.pass("2 hours").await;
    assert_eq!(db.ended(&id).await, "failed");
    assert_eq!(
        error_of(&db, &id).await,
        "57014|root|node timed out after 3600 s"
    );
}

#[tokio::test]
async fn a_node_that_ended_in_time_stays_ended_after_a_replay() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let mut relay = db.spawn_relay(&["--linger-ms", "10"]);
    let node = "df.timeout('select 1' ~> 'select 2' |=> 'two', 60) ~> df.timeout(df.wait_for_signal('x'), 60000)
                ~> 'select $two + 1 as n'";
    let id = start(&alice, node).await;
    db.parked(&id).await;
    relay.kill();
    db.pass("2 hours").await;
    let _next = db.start_relay();
    alice
        .text(&format!("select df.signal('{id}', 'x')"))
        .await
        .unwrap();
    assert_eq!(db.ended(&id).await, "completed");
    let result = format!("select df.result('{id}')::json #>> '{{rows,0,n}}'");
    assert_eq!(alice.text(&result).await.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_loop_within_its_time_ends_as_without() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let _relay = db.start_relay();
    alice
        .client
        .batch_execute("create table public.done (n serial)")
        .await
        .unwrap();
    let node = "df.timeout(df.loop(df.timeout('insert into public.done default values' ~> 'select 1', 60),
                    'select count(*) < 100 from public.done'), 60) ~> 'select count(*) as n from public.done'";
    let id = start(&alice, node).await;
    assert_eq!(db.ended(&id).await, "completed");
    let result = format!("select df.result('{id}')::json #>> '{{rows,0,n}}'");
    assert_eq!(alice.text(&result).await.as_deref(), Some("100"));
}

#[tokio::test]
async fn a_limit_longer_than_the_server_can_count_is_no_obstacle() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let _relay = db.start_relay();
    alice.text("create table public.kept (x int)").await;
    for node in [
        "df.timeout('select 1', 2592000)",
        "df.timeout('select 1', 100000000000)",
        "df.timeout('vacuum public.kept', 2592000)",
    ] {
        let id = start(&alice, node).await;
        assert_eq!(db.ended(&id).await, "completed", "{node}");
    }
}
