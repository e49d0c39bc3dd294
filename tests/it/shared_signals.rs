//! Several waits for one name, some of them in branches that have lost (S6, S25). The generated
//! programs give every wait a name of its own, so these are written by hand.

use crate::support::Workflows;

/// Sends the signals one after the other, each once the given run path waits; the instance must
/// complete, and the last signal's data must be its result's.
async fn check(expression: &str, signals: &[(&str, &str)]) {
    let workflows = Workflows::new().await;
    let id = workflows.start(expression).await;
    for (number, (waiting, name)) in signals.iter().enumerate() {
        let begun = format!(
            "select count(*) = 1 from df.node_runs
              where run_path = '{waiting}' and status = 'waiting' and instance_id = '{id}'"
        );
        workflows.db.eventually(&begun).await;
        let send = format!("select df.signal('{id}', '{name}', '{number}')");
        workflows.alice.text(&send).await;
    }
    let ended = workflows.ended(&id).await;
    assert_eq!(ended.status, "completed", "{expression}: {ended:?}");
    assert_eq!(
        ended.result["data"],
        signals.len() - 1,
        "{expression}: {ended:?}"
    );
    workflows.db.assert_sound(&id).await;
}

const WAIT: &str = "df.wait_for_signal('a')";

#[tokio::test]
async fn a_losers_wait_takes_no_signal() {
    check(
        &format!("df.race({WAIT}, 'select 1') ~> {WAIT}"),
        &[("root.right", "a")],
    )
    .await;
    let timed = "df.wait_for_signal('a', 3600)";
    check(
        &format!("df.race('select 1', {timed}) ~> {timed}"),
        &[("root.right", "a")],
    )
    .await;
    let nested = format!("df.race(df.join({WAIT}, {WAIT}), 'select 1') ~> {WAIT}");
    check(&nested, &[("root.right", "a")]).await;
}

#[tokio::test]
async fn a_losers_wait_of_an_earlier_iteration_takes_no_signal() {
    let body = format!("df.race({WAIT}, 'select 1')");
    let twice = format!("df.loop({body}, 'select false') ~> {WAIT}");
    check(&twice, &[("root.right", "a")]).await;
    let until_signalled = format!("df.loop({body} ~> {WAIT} ~> df.break('{{\"data\": 0}}'))");
    check(&until_signalled, &[("root.body[0].left.right", "a")]).await;
}

#[tokio::test]
async fn a_wait_reached_after_a_signal_was_taken_needs_another() {
    let expression = format!("df.race({WAIT}, {WAIT}) ~> {WAIT}");
    check(
        &expression,
        &[("root.left.right", "a"), ("root.right", "a")],
    )
    .await;
    let later = format!("df.join({WAIT}, df.wait_for_signal('b') ~> {WAIT}) ~> {WAIT}");
    let signals = [
        ("root.left.left", "a"),
        ("root.left.right.left", "b"),
        ("root.left.right.right", "a"),
        ("root.right", "a"),
    ];
    check(&later, &signals).await;
}

/// The first of two signals that come together decides the race before the second is looked at.
#[tokio::test]
async fn a_signal_that_comes_with_the_winners_is_left_for_a_later_wait() {
    let workflows = Workflows::new().await;
    let other = "df.wait_for_signal('b')";
    let id = workflows
        .start(&format!("df.race({WAIT}, {other}) ~> {other}"))
        .await;
    workflows.db.parked(&id).await;
    let send = format!("select df.signal('{id}', 'a', '1'), df.signal('{id}', 'b', '2')");
    workflows.alice.text(&send).await;
    let ended = workflows.ended(&id).await;
    assert_eq!(ended.status, "completed", "{ended:?}");
    assert_eq!(ended.result["data"], 2, "{ended:?}");
    workflows.db.assert_sound(&id).await;
}

/// The signal is sent by a step, right before a second wait is reached: it is for the wait that was pending, whether
/// the second wait or the delivery comes upon it first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_that_is_pending_has_a_signal_before_one_that_is_reached_later() {
    let workflows = Workflows::new().await;
    let send = "$$select df.signal('{sys_instance_id}', 'a', '1')$$";
    let expression = format!("df.join({WAIT}, df.sleep(1) ~> {send} ~> {WAIT})");
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(workflows.start(&expression).await);
    }
    let counts =
        "select count(*) filter (where run_path = 'root.left' and status = 'completed') || ' ' ||
                         count(*) filter (where run_path like 'root.right%' and status = 'waiting')
                    from df.node_runs where signal_name is not null";
    workflows
        .db
        .eventually(&format!("select ({counts}) = '30 30'"))
        .await;
    for id in &ids {
        let second = format!("select df.signal('{id}', 'a', '2')");
        workflows.alice.text(&second).await;
    }
    for id in &ids {
        let ended = workflows.ended(id).await;
        assert_eq!(ended.status, "completed", "{ended:?}");
        assert_eq!(ended.result[0]["data"], 1, "{ended:?}");
        assert_eq!(ended.result[1]["data"], 2, "{ended:?}");
    }
}
