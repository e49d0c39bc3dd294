//! Replaying the outbox, and restored copies of a database.

use std::time::Duration;

use crate::support::effects::{
    assert_nothing_lost_or_repeated, drive, outcome, role_with_traces, start_all, until,
    until_all_ended,
};
use crate::support::{TestDb, spawn};

const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that a replay could change, as one text. Heartbeats go on.
async fn everything(db: &TestDb) -> String {
    let all = "select jsonb_build_array(
        (select jsonb_agg(to_jsonb(i) order by i.id) from df.instances i),
        (select jsonb_agg(to_jsonb(r) order by r.instance_id, r.run_path) from df.node_runs r),
        (select jsonb_agg(to_jsonb(o) order by o.event_id) from df.outbox o),
        (select jsonb_agg(to_jsonb(s) order by s.instance_id, s.key) from df.signals s),
        (select jsonb_agg(to_jsonb(e)) from effects e))::text";
    db.text(all).await.unwrap()
}

fn replay(db: &TestDb, args: &[&str]) -> Vec<String> {
    let all = [&["replay"], args].concat();
    let mut replay = spawn(&all, &[("DF_DATABASE_URL", &db.relay_url())]);
    assert!(replay.wait().success(), "{}", replay.log());
    replay.stdout()
}

#[tokio::test]
async fn replaying_everything_again_and_again_changes_nothing() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let _relay = db.relay_with(&["--linger-ms", "100"], &[]);
    start_all(&role).await;
    // While it runs, too.
    while !drive(&role).await {
        replay(&db, &[]);
    }
    until_all_ended(&db, PATIENCE).await;
    assert_nothing_lost_or_repeated(&db).await;
    let before = everything(&db).await;
    for _ in 0..2 {
        let told = replay(&db, &[]);
        assert!(told.last().unwrap().contains("0 delivered"), "{told:?}");
        assert!(
            told.iter()
                .any(|line| line.ends_with(" × start: started already")),
            "{told:?}"
        );
        assert!(
            told.iter()
                .any(|line| line.ends_with(" × cancel: ended already as cancelled")),
            "{told:?}"
        );
        // A line for what was done, which is nothing, and not one for each event.
        assert!(!told.iter().any(|line| line.contains('/')), "{told:?}");
    }
    assert_eq!(everything(&db).await, before);
    assert!(!outcome(&db).await.is_empty());
}

#[tokio::test]
async fn a_signal_that_was_marked_delivered_but_lost_is_handed_over_by_a_replay() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let _relay = db.relay_with(&["--linger-ms", "50"], &[]);
    let id = role
        .text("select df.start(df.wait_for_signal('go'))")
        .await
        .unwrap();
    let parked = "select bool_and(owner is null and wake_at = 'infinity') from df.instances";
    until(&db, parked, PATIENCE).await;
    // What nothing here leaves by itself.
    let lost =
        "insert into df.signals (instance_id, key, name) select id, 'k/x', 'go' from df.instances;
                insert into df.outbox (instance_id, kind, key, delivered_at)
                select id, 'signal', 'k/x', now() from df.instances";
    db.client.batch_execute(lost).await.unwrap();
    let none = replay(&db, &["--instance", "00000000"]);
    assert_eq!(
        none[..],
        [
            "0 events compared, 0 delivered, 0 locked by somebody",
            "no such instance, or retention has removed it",
        ]
    );
    let told = replay(&db, &[]);
    assert_eq!(told[0], format!("{id}/signal/k/x: handed over at root"));
    let told = replay(&db, &["--instance", &id, "--json"]);
    assert!(told[0].contains(&format!("{id}/signal/k/x")), "{told:?}");
    assert!(told[1].contains("started already"), "{told:?}");
    assert_eq!(told.len(), 2, "{told:?}");
    until_all_ended(&db, PATIENCE).await;
}

#[tokio::test]
async fn a_restored_copy_waits_until_it_is_adopted() {
    let db = TestDb::new().await;
    let mut first = db.start_relay();
    assert_eq!(first.stop(), 0);
    let elsewhere = "update df.meta set value = '1/1' where key = 'place'";
    db.client.batch_execute(elsewhere).await.unwrap();
    let mut refused = db.spawn_relay(&[]);
    assert_eq!(refused.wait().code(), Some(1), "{}", refused.log());
    assert!(
        refused.log().contains("df-relay adopt"),
        "{}",
        refused.log()
    );
    let adopt = || {
        let mut adopt = spawn(&["adopt"], &[("DF_DATABASE_URL", &db.relay_url())]);
        assert!(adopt.wait().success(), "{}", adopt.log());
        adopt.stdout()
    };
    assert!(adopt()[0].starts_with("adopted"));
    assert!(adopt()[0].contains("nothing to adopt"));
    let mut second = db.start_relay();
    assert_eq!(second.stop(), 0, "{}", second.log());
}
