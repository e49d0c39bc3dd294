//! Leases and takeover: relays that die, stop, sleep past their lease, or work side by side.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::effects::{
    assert_nothing_lost_or_repeated, role_with_traces, trace, until, until_all_ended,
};
use crate::support::{Process, Role, TestDb};

const PATIENCE: Duration = Duration::from_secs(60);
/// A lease short enough to wait for, in seconds.
const SHORT_LEASE: &str = "2";

fn relay(db: &TestDb, lease_seconds: &str) -> Process {
    let relay = db.spawn_relay(&["--lease-seconds", lease_seconds]);
    relay.wait_for_log("relay ready");
    relay
}

/// Starts workflows of three traced steps, one in a race, with a short pause in the middle.
async fn start_workflows(role: &Role, count: usize) {
    let [a, b, c] = ["a", "b", "c"].map(trace);
    let graph = format!(
        "df.seq({a}, df.seq('select pg_sleep(0.05)', df.join({b}, df.race({c}, df.sleep(600)))))"
    );
    let start = format!("select count(df.start({graph})) from generate_series(1, {count})");
    assert_eq!(role.text(&start).await, Some(count.to_string()));
}

#[tokio::test]
async fn a_killed_relay_loses_nothing_and_repeats_no_effect() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let mut relays: Vec<_> = (0..3).map(|_| relay(&db, SHORT_LEASE)).collect();
    start_workflows(&role, 120).await;
    for killed in 1..=2 {
        let some = format!("select count(*) >= {} from effects", killed * 40);
        until(&db, &some, PATIENCE).await;
        relays.pop().unwrap().kill();
    }
    until_all_ended(&db, PATIENCE).await;
    let completed = "select count(*) filter (where status = 'completed') from df.instances";
    assert_eq!(db.text(completed).await.as_deref(), Some("120"));
    assert_eq!(
        db.text("select count(*) from effects").await.as_deref(),
        Some("360")
    );
    assert_nothing_lost_or_repeated(&db).await;
}

#[tokio::test]
async fn a_clean_stop_hands_over_at_once() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    // Leases that no test could wait for.
    let mut first = relay(&db, "600");
    let steps = ["a", "b", "c", "d"].map(|step| {
        format!(
            "df.seq({}, 'select nextval(''tries''), pg_sleep(0.3)')",
            trace(step)
        )
    });
    let [a, b, c, d] = steps;
    let start = format!("select df.start(df.seq({a}, df.seq({b}, df.seq({c}, {d}))))");
    for _ in 0..4 {
        role.text(&start).await;
    }
    until(&db, "select count(*) >= 4 from effects", PATIENCE).await;
    assert_eq!(first.stop(), 0, "{}", first.log());
    let owned = "select count(*) from df.instances where owner is not null";
    assert_eq!(db.text(owned).await.as_deref(), Some("0"));
    assert_eq!(
        db.text("select count(*) from df.relays").await.as_deref(),
        Some("0")
    );
    let _second = relay(&db, "600");
    until_all_ended(&db, Duration::from_secs(20)).await;
    assert_eq!(
        db.text("select last_value from tries").await.as_deref(),
        Some("16")
    );
    assert_nothing_lost_or_repeated(&db).await;
}

#[tokio::test]
async fn a_clean_stop_keeps_its_lease_while_a_long_step_ends() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let mut first = relay(&db, SHORT_LEASE);
    role.text("select df.start('select nextval(''tries''), pg_sleep(5)')")
        .await;
    until(&db, "select is_called from tries", PATIENCE).await;
    let _second = relay(&db, SHORT_LEASE);
    assert_eq!(first.stop(), 0, "{}", first.log());
    until_all_ended(&db, PATIENCE).await;
    assert_eq!(
        db.text("select last_value from tries").await.as_deref(),
        Some("1")
    );
    assert_eq!(
        db.text("select status from df.instances").await.as_deref(),
        Some("completed")
    );
}

#[tokio::test]
async fn two_four_and_eight_relays_work_as_one() {
    for count in [2, 4, 8] {
        let db = TestDb::new().await;
        let role = role_with_traces(&db).await;
        let relays: Vec<_> = (0..count).map(|_| relay(&db, "15")).collect();
        start_workflows(&role, 60).await;
        until_all_ended(&db, PATIENCE).await;
        assert_eq!(
            db.text("select count(*) from effects").await.as_deref(),
            Some("180")
        );
        // Nobody took anything over: each instance was claimed once.
        let epochs = "select string_agg(distinct epoch::text, ',') from df.instances";
        assert_eq!(db.text(epochs).await.as_deref(), Some("1"));
        assert_nothing_lost_or_repeated(&db).await;
        drop(relays);
    }
}

#[tokio::test]
async fn a_relay_that_sleeps_past_its_lease_repeats_nothing_when_it_wakes() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let sleeper = relay(&db, SHORT_LEASE);
    start_workflows(&role, 60).await;
    until(&db, "select count(*) >= 20 from effects", PATIENCE).await;
    sleeper.signal(Signal::SIGSTOP);
    let other = relay(&db, SHORT_LEASE);
    until(&db, "select bool_or(epoch > 1) from df.instances", PATIENCE).await;
    sleeper.signal(Signal::SIGCONT);
    until_all_ended(&db, PATIENCE).await;
    assert_eq!(
        db.text("select count(*) from effects").await.as_deref(),
        Some("180")
    );
    assert_nothing_lost_or_repeated(&db).await;
    // It goes on as another incarnation, and works.
    drop(other);
    start_workflows(&role, 5).await;
    until_all_ended(&db, PATIENCE).await;
    assert_nothing_lost_or_repeated(&db).await;
}
