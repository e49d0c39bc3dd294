//! Walks longer than one execution of the engine.

use std::time::Duration;

use crate::support::TestDb;
use crate::support::effects::{role_with_traces, trace, until_all_ended};

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

/// At some thousand a second an endless loop gets there within weeks.
#[tokio::test]
async fn a_loop_that_can_count_no_further_fails_and_says_so() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let mut relay = db.start_relay();
    let start = format!("select df.start(df.loop({}))", trace("turn"));
    let id = role.text(&start).await.unwrap();
    let passed = "select exists (select from df.node_runs where status = 'checkpoint')";
    db.until(passed, "t").await;
    assert_eq!(relay.stop(), 0);
    let nearly = "with gone as (delete from df.node_runs where status <> 'checkpoint')
        update df.node_runs set turn = 2147483600 where status = 'checkpoint' returning ''";
    db.text(nearly).await;
    let before = db.text("select count(*) from effects").await.unwrap();
    let _relay = db.start_relay();
    let ended = format!("select status from df.instances where id = '{id}'");
    db.until(&ended, "failed").await;
    let why = "select concat_ws(' ', error_sqlstate, error_path, error) from df.instances";
    assert_eq!(
        db.text(why).await.as_deref(),
        Some("54000 root a LOOP can take 2147483647 iterations at the most")
    );
    let more = format!("select count(*) - {before} from effects");
    assert_eq!(db.text(&more).await.as_deref(), Some("47"));
}
