//! Without notifications: the poll alone finds everything, whatever the order of commits.

use std::time::Duration;

use crate::support::TestDb;
use crate::support::effects::{
    assert_nothing_lost_or_repeated, drive, role_with_traces, start_all, until, until_all_ended,
};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_relay_that_only_polls_runs_every_kind_of_node() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let _relay = db.relay_with(&["--poll-only", "--poll-interval-ms", "100"], &[]);
    start_all(&role).await;
    while !drive(&role).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until_all_ended(&db, PATIENCE).await;
    assert_nothing_lost_or_repeated(&db).await;
    let listening = "select count(*) from pg_stat_activity
                      where datname = current_database() and application_name = 'df-relay listen'";
    assert_eq!(db.text(listening).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn what_notified_nobody_is_found_within_the_poll_interval() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let _relay = db.relay_with(&["--poll-interval-ms", "500", "--linger-ms", "50"], &[]);
    until(&db, "select last_value = 2 from df.relay_idle", PATIENCE).await;
    role.client
        .batch_execute("set df.notify = off")
        .await
        .unwrap();
    role.text("select df.start(df.wait_for_signal('go'))").await;
    let parked = "select bool_and(owner is null and wake_at = 'infinity') from df.instances";
    until(&db, parked, Duration::from_secs(5)).await;
    until(&db, "select last_value = 2 from df.relay_idle", PATIENCE).await;
    role.text("select df.signal(id, 'go') from df.instances")
        .await;
    until_all_ended(&db, Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_a_prepared_transaction_did_is_found_once_it_commits() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let _relay = db.relay_with(&[], &[]);
    until(&db, "select last_value = 2 from df.relay_idle", PATIENCE).await;
    let gid = &db.name;
    let prepared = format!(
        "begin; set local df.notify = off; select df.start('select 1'); prepare transaction '{gid}'"
    );
    let refused = prepared.replace("set local df.notify = off;", "");
    let error = role.client.batch_execute(&refused).await.unwrap_err();
    assert_eq!(error.code().map(|code| code.code()), Some("0A000"));
    role.client.batch_execute(&prepared).await.unwrap();
    // Longer than a scan of the queue begins before the present.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let commit = format!("commit prepared '{gid}'");
    role.client.batch_execute(&commit).await.unwrap();
    until_all_ended(&db, Duration::from_secs(5)).await;
    let started = db.text("select count(*) from df.instances").await;
    assert_eq!(started.as_deref(), Some("1"));
}

#[tokio::test]
async fn what_commits_late_is_not_passed_by() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let _relay = db.relay_with(&[], &[]);
    let waiting = role
        .text("select df.start(df.wait_for_signal('go'))")
        .await
        .unwrap();
    let late = role.session().await;
    let open = format!("begin; select df.start('select 1'), df.signal('{waiting}', 'go')");
    late.batch_execute(&open).await.unwrap();
    // Later numbers and times, committed and done before.
    let early = role
        .text("select df.start(df.wait_for_signal('go'))")
        .await
        .unwrap();
    role.text(&format!("select df.signal('{early}', 'go')"))
        .await;
    let ended = format!("select ended_at is not null from df.instances where id = '{early}'");
    until(&db, &ended, PATIENCE).await;
    late.batch_execute("commit").await.unwrap();
    until_all_ended(&db, Duration::from_secs(10)).await;
}
