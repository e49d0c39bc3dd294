//! What a session of the relay's asks again and again it plans once: a plan costs more than what it finds.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::support::{OwnServer, Process};

const PATIENCE: Duration = Duration::from_secs(180);
/// Sixteen step connections plan a statement six times each, five of them for its parameters, before they keep a plan, and one statement
/// may stand at two places: that is 192, and some more where a connection was replaced.
const MOST_PLANS: i64 = 300;
/// How often a statement has to be called for that to tell it from one that is planned at each call.
const CALLS: i64 = 400;

/// Some hundreds of each way in which a run is recorded.
async fn run_all_shapes(alice: &Client, relay: &Process) {
    for (workflows, expression) in [
        (20, "df.loop('select 1', 'select random() < 0.99')"),
        (500, "df.seq('select 1', 'select 2')"),
        (
            500,
            "df.join('select 1', df.if('select true', 'select 2', 'select 3'))",
        ),
        (
            500,
            "df.race(df.seq('select 1', 'select 2'), df.sleep(3600))",
        ),
        (500, "df.join(df.sleep(1), df.wait_for_signal('go', 1))"),
    ] {
        let start = format!("select df.start({expression}) from generate_series(1, {workflows})");
        alice.batch_execute(&start).await.unwrap();
    }
    let left = "select count(*) from df.instances where ended_at is null";
    let begun = Instant::now();
    while alice.query_one(left, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(begun.elapsed() < PATIENCE, "{}", relay.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_is_asked_at_each_step_is_not_planned_at_each() {
    let counts = [
        ("shared_preload_libraries", "pg_stat_statements"),
        ("pg_stat_statements.track", "all"),
        ("pg_stat_statements.track_planning", "on"),
        // What a look into an index costs, as in tables far larger than these: then a plan for each call seems to pay
        // wherever it can.
        ("random_page_cost", "40"),
        // ANALYZE makes every plan void.
        ("autovacuum", "off"),
    ];
    let own = OwnServer::start_with(&counts).await;
    let admin = own.superuser().await;
    admin
        .batch_execute("create extension pg_stat_statements")
        .await
        .unwrap();
    let relay = own.relay();
    let alice = own.alice().await;
    // Statistics are what makes the server reckon that a plan for each call pays; they are of the first half.
    run_all_shapes(&alice, &relay).await;
    admin
        .batch_execute("analyze; select pg_stat_statements_reset()")
        .await
        .unwrap();
    run_all_shapes(&alice, &relay).await;
    let planned = "select s.plans, s.calls, s.query from pg_stat_statements s
         join pg_database d on d.oid = s.dbid and d.datname = current_database()
         join pg_roles r on r.oid = s.userid and r.rolname in ('df_owner', 'df_relay')
        where s.calls > $1";
    let rows = admin.query(planned, &[&CALLS]).await.unwrap();
    let read =
        |row: &tokio_postgres::Row| -> (i64, i64, String) { (row.get(0), row.get(1), row.get(2)) };
    let (often, kept): (Vec<_>, Vec<_>) = rows
        .iter()
        .map(read)
        .partition(|(plans, ..)| *plans > MOST_PLANS);
    for (plans, calls, query) in &often {
        println!("{plans} plans of {calls} calls: {query}");
    }
    // The record of a step, of a wait, of a race's end, and what they ask besides.
    assert!(
        kept.len() > 10,
        "only {} statements were called as often",
        kept.len()
    );
    assert!(often.is_empty());
}
