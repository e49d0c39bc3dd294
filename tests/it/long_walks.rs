//! Walks longer than one execution of the engine.

use std::time::Duration;

use crate::support::TestDb;
use crate::support::effects::{role_with_traces, until_all_ended};

/// Fifty steps, then a race whose first branch crosses the length at which an execution continues as
/// new, while the second one's step runs: continuing there would run that step again.
#[tokio::test]
async fn a_walk_does_not_continue_as_new_beside_a_running_step() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let _relay = db.relay_with(&[], &[]);
    let steps = |count: usize, then: &str| {
        (0..count).fold(then.to_owned(), |rest, _| {
            format!("df.seq('select 1', {rest})")
        })
    };
    let slow = "'select nextval(''tries''), pg_sleep(3)'";
    let race = format!("df.race({}, {slow})", steps(30, "df.sleep(600)"));
    role.text(&format!("select df.start({})", steps(50, &race)))
        .await;
    until_all_ended(&db, Duration::from_secs(60)).await;
    assert_eq!(
        db.text("select status from df.instances").await.as_deref(),
        Some("completed")
    );
    assert_eq!(
        db.text("select last_value from tries").await.as_deref(),
        Some("1")
    );
}
