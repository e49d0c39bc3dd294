//! Retry policies around requests, against a server that fails in every way that is tried again.

use serde_json::json;

use crate::support::{ClosedPort, Request, Web, Workflows, literal};

/// Waits park at once, so that the clock of workflows can be moved meanwhile.
async fn allowed() -> Workflows {
    let allow = "select df.configure('http_allow_private', 'true')";
    Workflows::with_relay(allow, &["--linger-ms", "10"]).await
}

impl Workflows {
    /// attempt, status and SQLSTATE of the run at a path.
    async fn run_at(&self, id: &str, path: &str) -> String {
        let sql = format!(
            "select concat_ws(' ', attempt, status, sqlstate) from df.node_runs
              where instance_id = '{id}' and run_path = '{path}'"
        );
        self.db.text(&sql).await.unwrap_or_default()
    }

    async fn retry(&self, id: &str) {
        let retried = self.alice.text(&format!("select df.retry('{id}')")).await;
        assert_eq!(retried.as_deref(), Some("OK"));
    }

    /// The key that every request of one run carries.
    async fn key(&self, id: &str, path: &str) -> String {
        let installation = "select value from df.meta where key = 'installation'";
        let installation = self.db.text(installation).await.unwrap();
        format!("{installation}/{id}/{path}")
    }
}

/// The idempotency keys of the requests so far, in order.
fn keys(web: &Web) -> Vec<String> {
    let key = |request: &Request| request.header("idempotency-key").unwrap().to_string();
    web.requests().iter().map(key).collect()
}

#[tokio::test]
async fn every_attempt_at_one_run_carries_the_same_key() {
    let (workflows, web) = (allowed().await, Web::start());
    let flaky = literal(&web.url("/turns/503,cut,slow,500,200"));
    let next = literal(&web.url("/next"));
    let ended = workflows
        .run(&format!(
            "df.seq(df.retry_policy(df.http({flaky}, 'POST', 'charge', timeout_seconds => 1), 6, 0.02),
                    df.http({next}, 'POST', 'next'))"
        ))
        .await;
    assert_eq!(ended.status, "completed", "{ended:?}");
    assert_eq!(ended.result["body"], "next");
    assert_eq!(
        workflows.run_at(&ended.id, "root.left").await,
        "5 completed"
    );
    let first = workflows.key(&ended.id, "root.left").await;
    let second = workflows.key(&ended.id, "root.right").await;
    let mut expected = vec![first; 5];
    expected.push(second);
    assert_eq!(keys(&web), expected);
    let bodies = web.requests();
    assert!(bodies[..5].iter().all(|request| request.body == "charge"));
}

#[tokio::test]
async fn the_last_answer_of_a_server_that_keeps_failing_is_the_nodes_error() {
    let (workflows, web) = (allowed().await, Web::start());
    for (turns, sqlstate, said) in [
        ("503,cut,502", "08000", "HTTP 502"),
        ("500,503,slow", "57014", "timed out after 1 s"),
    ] {
        let url = literal(&web.url(&format!("/turns/{turns}")));
        let node = format!("df.retry_policy(df.http({url}, 'GET', timeout_seconds => 1), 3, 0)");
        let failed = workflows.failure(&node).await;
        assert_eq!(failed.sqlstate.as_deref(), Some(sqlstate), "{failed:?}");
        assert!(
            failed.error.as_deref().unwrap().contains(said),
            "{failed:?}"
        );
        let expected = format!("3 failed {sqlstate}");
        assert_eq!(
            workflows.run_at(&failed.id, "root").await,
            expected,
            "{turns}"
        );
    }
    assert_eq!(web.requests().len(), 6);
}

#[tokio::test]
async fn only_listed_failures_and_no_4xx_are_tried_again() {
    let (workflows, web) = (allowed().await, Web::start());
    let policy = |path: &str| {
        let url = literal(&web.url(path));
        format!(
            "df.retry_policy(df.http({url}, 'GET', timeout_seconds => 1), 3, 0,
                             on_sqlstate => array['57014'])"
        )
    };
    let failed = workflows.failure(&policy("/turns/503,200")).await;
    assert_eq!(workflows.run_at(&failed.id, "root").await, "1 failed 08000");
    let ended = workflows.run(&policy("/turns/slow,429,200")).await;
    assert_eq!(ended.result["status"], json!(429), "{ended:?}");
    assert_eq!(workflows.run_at(&ended.id, "root").await, "2 completed");
    assert_eq!(web.requests().len(), 3);
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_by_the_next_relay_under_the_same_key() {
    let mut workflows = allowed().await;
    let port = ClosedPort::new();
    let url = literal(&port.url("/turns/503,200"));
    let node = format!(
        "df.retry_policy(df.http({url}, 'POST', 'x'), 4, 600, factor => 1, max_seconds => 7200)"
    );
    let id = workflows.start(&node).await;
    workflows.db.parked(&id).await;
    assert_eq!(workflows.run_at(&id, "root").await, "1 waiting 08000");
    let why = format!("select concat_ws('|', state, waiting_for, detail) from df.why('{id}')");
    let why = workflows.alice.text(&why).await.unwrap();
    assert!(why.starts_with("waiting|attempt 2 of step root"), "{why}");
    assert!(why.contains("/turns/503,200 failed"), "{why}");

    workflows.relay.kill();
    let web = port.open();
    let _next = workflows.db.relay_with(&["--linger-ms", "10"], &[]);
    workflows.db.pass("601 seconds").await;
    workflows
        .db
        .until(
            &format!(
                "select attempt from df.node_runs where instance_id = '{id}' and status = 'waiting'"
            ),
            "2",
        )
        .await;
    workflows.db.parked(&id).await;
    workflows.db.pass("601 seconds").await;
    assert_eq!(workflows.ended(&id).await.status, "completed");
    assert_eq!(workflows.run_at(&id, "root").await, "3 completed");
    assert_eq!(keys(&web), vec![workflows.key(&id, "root").await; 2]);
}

#[tokio::test]
async fn a_second_df_retry_after_timeouts_goes_on_from_the_request() {
    let (workflows, web) = (allowed().await, Web::start());
    let slow_four_times = literal(&web.url("/turns/slow,slow,slow,slow,200"));
    let create = "create table public.log (step text)";
    workflows.alice.client.batch_execute(create).await.unwrap();
    let node = format!(
        "df.seq('insert into public.log values (''once'')',
                df.retry_policy(df.http({slow_four_times}, 'GET', timeout_seconds => 1), 2, 0))"
    );
    let id = workflows.start(&node).await;
    for _ in 0..2 {
        let ended = workflows.ended(&id).await;
        assert_eq!(ended.status, "failed", "{ended:?}");
        assert_eq!(ended.sqlstate.as_deref(), Some("57014"), "{ended:?}");
        // Attempts are counted anew after each retry by hand.
        assert_eq!(workflows.run_at(&id, "root.right").await, "2 failed 57014");
        workflows.retry(&id).await;
    }
    let ended = workflows.ended(&id).await;
    assert_eq!(ended.status, "completed", "{ended:?}");
    assert_eq!(workflows.run_at(&id, "root.right").await, "1 completed");
    assert_eq!(keys(&web), vec![workflows.key(&id, "root.right").await; 5]);
    let log = workflows
        .alice
        .text("select count(*) from public.log")
        .await;
    assert_eq!(log.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_second_df_retry_after_a_nodes_timeout_gives_its_time_once_more() {
    let (workflows, web) = (allowed().await, Web::start());
    let create = "create table public.log (step text)";
    workflows.alice.client.batch_execute(create).await.unwrap();
    let url = literal(&web.url("/turns/503,503,200"));
    // A pause between attempts is longer than the time of the node around it.
    let node = format!(
        "df.timeout('insert into public.log values (''once'')'
                    ~> df.retry_policy(df.http({url}), 9, 700, factor => 1, max_seconds => 7200), 600) ~> 'select 1 as n'"
    );
    let id = workflows.start(&node).await;
    for (attempt, seconds_until_the_time_is_up) in [(1, 601), (2, 501)] {
        let run = format!(
            "select concat_ws(' ', attempt, status) from df.node_runs
              where instance_id = '{id}' and run_path = 'root.left.right'"
        );
        let waits = format!("{attempt} waiting");
        workflows.db.until(&run, &waits).await;
        workflows.db.parked(&id).await;
        let until = format!("{seconds_until_the_time_is_up} seconds");
        workflows.db.pass(&until).await;
        let ended = workflows.ended(&id).await;
        let told = (
            ended.status.as_str(),
            ended.path.as_deref(),
            ended.sqlstate.as_deref(),
        );
        assert_eq!(
            told,
            ("failed", Some("root.left"), Some("57014")),
            "{ended:?}"
        );
        workflows.retry(&id).await;
        // The recorded pause goes on: 99 seconds of the first are left, 198 of the second.
        workflows.db.parked(&id).await;
        workflows.db.pass(&format!("{attempt}00 seconds")).await;
    }
    let ended = workflows.ended(&id).await;
    assert_eq!(ended.status, "completed", "{ended:?}");
    assert_eq!(
        workflows.run_at(&id, "root.left.right").await,
        "3 completed"
    );
    assert_eq!(
        keys(&web),
        vec![workflows.key(&id, "root.left.right").await; 3]
    );
    let log = workflows
        .alice
        .text("select count(*) from public.log")
        .await;
    assert_eq!(log.as_deref(), Some("1"));
}
