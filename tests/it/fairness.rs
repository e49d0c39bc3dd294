//! No role can keep another from its share, and the limits that say so.

use std::time::{Duration, Instant};

use df_postgres::quote_literal;

use crate::support::{Role, TestDb, Web, Workflows, literal};

/// Longer than a fair share takes, far shorter than what the hog has queued.
const SOON: Duration = Duration::from_secs(90);

async fn one_step_ends_soon(role: &Role, log: impl Fn() -> String) {
    let begun = Instant::now();
    let id = role
        .text("select df.start(df.seq('select 1', 'select 2'))")
        .await
        .unwrap();
    let wait = format!("select df.await_instance('{id}', {})", SOON.as_secs());
    let ended = role.client.simple_query(&wait).await;
    assert!(
        ended.is_ok(),
        "starved for {:?}: {ended:?}\n{}",
        begun.elapsed(),
        log()
    );
}

#[tokio::test]
async fn thousands_of_slow_instances_do_not_starve_another_role() {
    let db = TestDb::new().await;
    let (hog, bob) = (db.role("hog").await, db.role("bob").await);
    hog.text("select count(df.start('select pg_sleep(900)')) from generate_series(1, 1500)")
        .await;
    let relay = db.start_relay();
    let busy = "select count(*) >= 12 from pg_stat_activity where query like '%pg_sleep(900)%' and usename like 'df\\_step%'";
    while db.text(busy).await.as_deref() != Some("t") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    one_step_ends_soon(&bob, || relay.log()).await;
}

#[tokio::test]
async fn thousands_of_slow_branches_do_not_starve_another_role() {
    let db = TestDb::new().await;
    let (hog, bob) = (db.role("hog").await, db.role("bob").await);
    let wide = "select count(df.start(df.join(variadic array(select 'select pg_sleep(900)' from generate_series(1, 500))))) from generate_series(1, 4)";
    hog.text(wide).await;
    let relay = db.start_relay();
    let busy = "select count(*) >= 12 from pg_stat_activity where query like '%pg_sleep(900)%' and usename like 'df\\_step%'";
    while db.text(busy).await.as_deref() != Some("t") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    one_step_ends_soon(&bob, || relay.log()).await;
}

/// The workflows of a role take turns, and a wide one's branches are as many turns.
#[tokio::test]
async fn a_wide_join_keeps_no_other_workflow_of_its_role_waiting() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let wide = "select df.start(df.join(variadic array(select 'select pg_sleep(0.1)' from generate_series(1, 400))))";
    let wide = alice.text(wide).await.unwrap();
    let relay = db.start_relay();
    let begun = format!("select count(*) > 0 from df.node_runs where instance_id = '{wide}'");
    db.until(&begun, "t").await;
    one_step_ends_soon(&alice, || relay.log()).await;
    // Those that the workers had taken when it came, and a few for each of its two steps.
    let before = format!(
        "select count(*) < 250 from df.node_runs where instance_id = '{wide}'
            and created_at < (select max(ended_at) from df.instances where id <> '{wide}')"
    );
    assert_eq!(db.text(&before).await.as_deref(), Some("t"));
    let left = "select count(*) from df.instances where ended_at is null";
    db.until(left, "0").await;
}

/// An activity goes on with its sequence, but not for long.
#[tokio::test]
async fn long_sequences_keep_no_other_workflow_of_their_role_waiting() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    // More of them than a role has workers.
    let steps = vec!["'select 1'"; 60].join(" ~> ");
    let long = format!("select count(df.start({steps})) from generate_series(1, 100)");
    alice.text(&long).await;
    let relay = db.start_relay();
    db.until("select count(*) > 100 from df.node_runs", "t")
        .await;
    one_step_ends_soon(&alice, || relay.log()).await;
    // Else it would wait for the first of sixty-four to end, which all get on alike.
    let meanwhile = "select count(*) < 2000 from df.node_runs r, df.instances i
          where i.created_at = (select max(created_at) from df.instances) and r.instance_id <> i.id
            and r.created_at between i.created_at and i.ended_at";
    assert_eq!(db.text(meanwhile).await.as_deref(), Some("t"));
    let left = "select count(*) from df.instances where ended_at is null";
    db.until(left, "0").await;
}

/// A relay full of one role's long steps takes another role's share again and again, not once a poll.
#[tokio::test]
async fn a_role_beside_a_thousand_long_steps_drains_faster_than_the_poll() {
    let db = TestDb::new().await;
    let (hog, bob) = (db.role("hog").await, db.role("bob").await);
    hog.text("select count(df.start('select pg_sleep(900)')) from generate_series(1, 1500)")
        .await;
    // What it looks for besides is to be rare: a takeover once a third of the lease.
    let rare = ["--poll-interval-ms", "20000", "--lease-seconds", "3600"];
    let relay = db.spawn_relay(&rare);
    db.until(
        "select count(*) from df.instances where owner is not null",
        "1000",
    )
    .await;
    let begun = Instant::now();
    // Twenty shares. It compares what it owns every five seconds, and looks then too: by these looks
    // alone that takes a hundred seconds.
    bob.text("select count(df.start('select 1')) from generate_series(1, 320)")
        .await;
    let left = "select count(*) from df.instances where ended_at is null";
    while bob.text(left).await.as_deref() != Some("0") {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", relay.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_role_runs_no_more_steps_than_the_setting_says_and_it_counts_at_once() {
    let db = TestDb::new().await;
    let hog = db.role("hog").await;
    db.text("select df.configure('max_steps_per_role', '2')")
        .await;
    let relay = db.start_relay();
    let step = "select pg_advisory_xact_lock_shared(4711), pg_sleep(0.2),
        (select count(*) from pg_locks where locktype = 'advisory' and objid = 4711) as together";
    let started = format!(
        "select array_agg(df.start({})) from generate_series(1, 12)",
        quote_literal(step)
    );
    hog.text(&started).await;
    let left = "select count(*) from df.instances where status in ('pending', 'running')";
    while hog.text(left).await.as_deref() != Some("0") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let most = "select max((result::jsonb #>> '{rows,0,together}')::int) from df.instances";
    let most = hog.text(most).await;
    assert_eq!(most.as_deref(), Some("2"), "{}", relay.log());
}

/// Each limit of a caller, what runs into it, and what the refusal names.
#[tokio::test]
async fn limits_are_settings_that_hold_from_the_next_call() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    for (setting, value, sql) in [
        (
            "max_graph_bytes",
            "200",
            "select df.start('select ''' || repeat('x', 300) || '''')",
        ),
        (
            "max_graph_bytes",
            "200",
            "insert into df.graphs (hash, graph) select sha256('{}'), repeat('x', 300)",
        ),
        (
            "max_signal_bytes",
            "10",
            "select df.signal((select id from df.instances limit 1), 's', repeat('x', 11))",
        ),
        ("max_pending_per_role", "1", "select df.start('select 1')"),
        (
            "max_pending_per_role",
            "1",
            "insert into df.instances (graph_id) select id from df.graphs",
        ),
        (
            "max_vars_bytes",
            "20",
            "select df.start('select 1') where df.setvar('a', repeat('x', 30)) = 'OK'",
        ),
        (
            "max_list_limit",
            "5",
            "select * from df.list_instances(null, 6)",
        ),
    ] {
        alice.text("select df.clearvars()").await;
        alice.text("select df.start('select 1')").await;
        let set = format!("select df.configure('{setting}', '{value}')");
        db.text(&set).await;
        let refused = alice.client.simple_query(sql).await;
        let message = refused
            .err()
            .map_or_else(String::new, |e| df_postgres::describe(&e));
        assert!(
            message.contains(setting) || message.contains(value),
            "{setting}: {sql}: {message:?}"
        );
        db.text(&format!("select df.configure('{setting}', null)"))
            .await;
    }
}

#[tokio::test]
async fn a_result_limit_set_while_the_relay_runs_holds_for_later_steps() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let relay = db.start_relay();
    let big = format!(
        "select df.start({})",
        quote_literal("select repeat('x', 5000) as x")
    );
    let id = alice.text(&big).await.unwrap();
    let ended = alice
        .text(&format!("select df.await_instance('{id}', 60)"))
        .await;
    assert_eq!(ended.as_deref(), Some("completed"), "{}", relay.log());
    db.text("select df.configure('max_result_bytes', '1000')")
        .await;
    let deadline = Instant::now() + SOON;
    loop {
        let id = alice.text(&big).await.unwrap();
        let ended = alice
            .text(&format!("select df.await_instance('{id}', 60)"))
            .await;
        if ended.as_deref() == Some("failed") {
            break;
        }
        assert!(Instant::now() < deadline, "the setting never held");
    }
}

/// A hung server has all the requests of a role waiting, and more of them than one role may have leaves running.
#[tokio::test]
async fn requests_that_hang_keep_no_step_of_their_role_waiting() {
    let workflows = Workflows::prepared("select df.configure('http_allow_private', 'true')").await;
    let web = Web::start();
    let url = literal(&web.url("/slow"));
    let expression = format!("df.seq('select 1', df.http({url}, 'GET', timeout_seconds => 600))");
    let begin = format!("select count(df.start({expression})) from generate_series(1, 100)");
    workflows.alice.text(&begin).await;
    workflows
        .db
        .until(
            "select count(*) = 100 from df.node_runs where run_path = 'root.left' and status = 'completed'",
            "t",
        )
        .await;
    let id = workflows.start("df.seq('select 1', 'select 2')").await;
    let status = workflows
        .alice
        .text(&format!("select df.await_instance('{id}', 20)"))
        .await;
    assert_eq!(status.as_deref(), Some("completed"));
}
