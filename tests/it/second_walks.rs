//! What a second walk of an instance may repeat, and what it may not.

use std::time::{Duration, Instant};

use crate::support::{Process, TestDb, Web, literal};

fn relay(db: &TestDb) -> Process {
    let relay = db.spawn_relay(&["--lease-seconds", "2"]);
    relay.wait_for_log("relay ready");
    relay
}

/// Returns once so many requests have come.
async fn asked(web: &Web, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while web.requests().len() < count {
        assert!(
            Instant::now() < deadline,
            "{} requests came",
            web.requests().len()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// S5: the relay that goes on finds the instant recorded.
#[tokio::test]
async fn a_restart_does_not_move_a_timer() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let mut first = relay(&db);
    let id = alice.text("select df.start(df.sleep(3))").await.unwrap();
    db.until(
        "select count(*) from df.node_runs where status = 'waiting'",
        "1",
    )
    .await;
    let due = "select due_at from df.node_runs";
    let before = db.text(due).await;
    first.kill();
    let _second = relay(&db);
    assert_eq!(db.ended(&id).await, "completed");
    assert_eq!(db.text(due).await, before);
}

/// S31: a request whose relay died before its record is sent again, and says that it is the same.
#[tokio::test]
async fn a_request_in_flight_is_repeated_under_its_run_path() {
    let (db, web) = (TestDb::new().await, Web::start());
    let allow = "select df.configure('http_allow_private', 'true')";
    db.client.batch_execute(allow).await.unwrap();
    let alice = db.role("alice").await;
    let mut first = relay(&db);
    let slow = literal(&web.url("/slow"));
    let start = format!("select df.start(df.http({slow}, 'GET', timeout_seconds => 600))");
    alice.text(&start).await.unwrap();
    asked(&web, 1).await;
    first.kill();
    let _second = relay(&db);
    asked(&web, 2).await;
    let keys: Vec<_> = web
        .requests()
        .iter()
        .map(|request| request.header("idempotency-key").map(str::to_owned))
        .collect();
    assert!(keys[0].is_some(), "{keys:?}");
    assert_eq!(keys[0], keys[1]);
}
