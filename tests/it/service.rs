//! The relay as a process: what it waits for, what it refuses, how it stops.

use df_local::StopMode;
use df_postgres::ConnectOptions;
use nix::sys::signal::Signal;

use crate::support::{TestDb, own_server, spawn, spawn_through};

const WRONG_SCHEMA: i32 = 4;

#[tokio::test]
async fn sigterm_stops_a_relay_with_success() {
    let db = TestDb::new().await;
    let mut relay = db.start_relay();
    assert_eq!(relay.stop(), 0, "{}", relay.log());
}

#[tokio::test]
async fn a_closed_terminal_stops_a_relay_cleanly_and_nohup_lets_it_go_on() {
    let db = TestDb::new().await;
    let url = db.relay_url();
    let variables = [("DF_DATABASE_URL", url.as_str())];
    // These tests may themselves run under nohup.
    let usual = ["env", "--default-signal=HUP"];
    let mut relay = spawn_through(&usual, &["run"], &variables);
    let mut outliving = spawn_through(&["nohup"], &["run"], &variables);
    for started in [&relay, &outliving] {
        started.wait_for_log("relay ready");
        started.signal(Signal::SIGHUP);
    }
    assert_eq!(relay.wait().code(), Some(0), "{}", relay.log());
    assert!(relay.log().contains("handed over"), "{}", relay.log());
    assert_eq!(outliving.stop(), 0, "{}", outliving.log());
    assert!(!outliving.log().contains("SIGHUP"), "{}", outliving.log());
}

/// Nothing of such a step is in flight, so that nothing waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_cannot_run_does_not_hold_up_a_stop() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let login = db.step_login(&alice).await;
    db.text(&format!("alter role {login} nologin")).await;
    alice.text("select df.start('select 1')").await;
    let mut relay = db.spawn_relay(&["--shutdown-grace-seconds", "3600"]);
    relay.wait_for_log("waits for its set-up");
    assert_eq!(relay.stop(), 0, "{}", relay.log());
    assert!(relay.log().contains("handed over"), "{}", relay.log());
}

#[tokio::test]
async fn a_missing_schema_is_waited_for_with_the_command_that_mends_it() {
    let db = TestDb::empty().await;
    let relay = db.spawn_relay(&[]);
    relay.wait_for_log("df-relay install");
    let mut install = spawn(&["install"], &[("DF_DATABASE_URL", &db.superuser_url())]);
    assert!(install.wait().success(), "{}", install.log());
    relay.wait_for_log("relay ready");
}

#[tokio::test]
async fn a_newer_schema_ends_the_relay_naming_the_version_to_use() {
    let db = TestDb::new().await;
    let newer = "update df.meta set value = '99' where key = 'schema_version';
                 update df.meta set value = '7.8.9' where key = 'installed_by_version'";
    db.client.batch_execute(newer).await.unwrap();
    let mut relay = db.spawn_relay(&[]);
    assert_eq!(relay.wait().code(), Some(WRONG_SCHEMA));
    assert!(
        relay.log().contains("Use df-relay 7.8.9 or newer"),
        "{}",
        relay.log()
    );
}

#[tokio::test]
async fn another_df_schema_ends_the_relay() {
    let db = TestDb::empty().await;
    db.client
        .batch_execute("create schema df create table t (n int)")
        .await
        .unwrap();
    let mut relay = db.spawn_relay(&[]);
    assert_eq!(relay.wait().code(), Some(WRONG_SCHEMA));
    assert!(
        relay.log().contains("already holds a schema `df`"),
        "{}",
        relay.log()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_started_before_postgres_waits_for_it() {
    let mut cluster = own_server();
    let admin_url = cluster.superuser_url("postgres");
    cluster.stop(StopMode::Fast).unwrap();

    let url = cluster.url("df_relay", "relay", "postgres");
    let mut relay = spawn(&["run"], &[("DF_DATABASE_URL", &url)]);
    relay.wait_for_log("postgres is not reachable");
    cluster.start().unwrap();
    relay.wait_for_log("relay ready");
    assert_eq!(relay.stop(), 0, "{}", relay.log());
    assert!(
        ConnectOptions::parse(&admin_url)
            .unwrap()
            .connect()
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_killed_relay_leaves_nothing_that_stops_the_next() {
    let db = TestDb::new().await;
    let mut killed = db.start_relay();
    killed.kill();
    let mut next = db.start_relay();
    assert_eq!(next.stop(), 0, "{}", next.log());
}

#[tokio::test]
async fn without_a_relay_a_granted_role_starts_and_others_may_not() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let id = alice
        .text("select df.start('select 1')")
        .await
        .expect("an instance id");
    let other_session = alice.session().await;
    let status = other_session
        .query_one("select df.status($1)", &[&id])
        .await
        .unwrap();
    assert_eq!(status.get::<_, Option<&str>>(0), Some("pending"));
    let mallory = db.login("mallory", "pw").await;
    assert!(
        mallory
            .client
            .simple_query("select df.start('select 1')")
            .await
            .is_err()
    );
    let count = db.text("select count(*) from df.instances").await;
    assert_eq!(count.as_deref(), Some("1"));
}
