//! A transaction somewhere that stays open for hours keeps every dead row: the queue's scans start
//! behind them, and what retention removes is read once.

use std::time::Duration;

use serde_json::Value;
use tokio_postgres::Client;

use crate::support::effects::until;
use crate::support::{Process, Role, Server, TestDb};

const PATIENCE: Duration = Duration::from_secs(60);

/// Instances that were claimed and ended, with a signal each that was delivered: as many dead rows at
/// the head of both queues.
const DEAD: &str = "
    insert into df.instances (id, submitted_by, status, graph_id, wake_at)
        select lpad(n::text, 8, '0'), submitted_by, 'pending', graph_id, now() - interval '1 hour'
          from generate_series(1, $1) n, df.instances i where i.label = 'original';
    insert into df.outbox (instance_id, kind, key, submitted_by, created_at)
        select lpad(n::text, 8, '0'), 'signal', 'n/' || n, submitted_by, now() - interval '1 hour'
          from generate_series(1, $1) n, df.instances i where i.label = 'original';
    update df.outbox set delivered_at = now() where instance_id ~ '^[0-9]{8}$';
    update df.instances set status = 'completed', completed_at = now(), ended_at = now()
     where id ~ '^[0-9]{8}$';
    analyze df.instances; analyze df.outbox";

async fn superuser(db: &TestDb) -> Client {
    let options = Server::shared().superuser(&db.name);
    options.connect().await.unwrap()
}

/// A role with one instance that waits for its signal, and dead rows that the returned session keeps.
async fn with_dead_rows(db: &TestDb, count: u32) -> (Role, Client) {
    db.may_be_unsound();
    let role = db.role("worker").await;
    role.text("select df.start(df.wait_for_signal('go'), 'original')")
        .await;
    let holder = superuser(db).await;
    let hold = "begin isolation level repeatable read; select 1";
    holder.batch_execute(hold).await.unwrap();
    let dead = DEAD.replace("$1", &count.to_string());
    for statement in dead.split_inclusive(';') {
        db.client.batch_execute(statement).await.unwrap();
    }
    (role, holder)
}

/// Pages that a statement reads.
async fn pages(db: &TestDb, sql: &str) -> i64 {
    let explain = format!("explain (analyze, buffers, format json) {sql}");
    let plan: Value = serde_json::from_str(&db.text(&explain).await.unwrap()).unwrap();
    let plan = &plan[0]["Plan"];
    plan["Shared Hit Blocks"].as_i64().unwrap() + plan["Shared Read Blocks"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scans_of_the_queue_start_behind_dead_rows_that_somebody_keeps() {
    let db = TestDb::new().await;
    let (role, _holder) = with_dead_rows(&db, 20_000).await;
    let register = "select df.relay_register('0', 60, 1000)";
    let relay = db.text(register).await.unwrap();
    let bounds = format!("select bounds from df.relay_bounds('{relay}')");
    let claim = format!("select count(*) from df.relay_claim('{relay}', 10)");
    assert_eq!(db.text(&claim).await.as_deref(), Some("1"));
    let bounds = db.text(&bounds).await.unwrap();
    let scans = |bounds: &str| {
        [
            format!("select * from df.relay_look('{relay}', {bounds})"),
            format!("select * from df.relay_claim('{relay}', 10, {bounds})"),
            format!("select * from df.relay_deliver('{relay}', 10, {bounds})"),
        ]
    };
    for (bounded, head) in scans(&format!("'{bounds}'")).iter().zip(scans("null")) {
        // Once for the catalog.
        pages(&db, bounded).await;
        let (bounded_pages, head_pages) = (pages(&db, bounded).await, pages(&db, &head).await);
        println!("{bounded_pages} pages, {head_pages} from the head: {head}");
        assert!(bounded_pages <= 40, "{bounded_pages} pages: {bounded}");
        assert!(head_pages >= 200, "{head_pages} pages show nothing: {head}");
    }
    // What comes is found at those bounds.
    role.text("select df.start('select 1', 'fresh')").await;
    role.text("select df.signal(id, 'go') from df.instances where label = 'original'")
        .await;
    let [look, claim, deliver] = scans(&format!("'{bounds}'"));
    let worked = format!("select work from ({look}) l");
    assert_eq!(db.text(&worked).await.as_deref(), Some("t"));
    let claimed = format!("select label from ({claim}) c");
    assert_eq!(db.text(&claimed).await.as_deref(), Some("fresh"));
    let delivered = format!("select kind from ({deliver}) d");
    assert_eq!(db.text(&delivered).await.as_deref(), Some("signal"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_behind_dead_rows_serves_promptly_and_finds_what_commits_late() {
    let db = TestDb::new().await;
    let (role, _holder) = with_dead_rows(&db, 150_000).await;
    // Begun long ago, committed once the bounds have passed it.
    let late = superuser(&db).await;
    let begin = format!(
        "begin; set local role {}; select df.start('select 1', 'late');
         select df.signal(id, 'go') from df.instances where label = 'original'; reset role;
         update df.instances set wake_at = now() - interval '10 minutes' where label = 'late';
         update df.outbox set created_at = now() - interval '10 minutes'
          where kind = 'signal' and delivered_at is null",
        role.name
    );
    late.batch_execute(&begin).await.unwrap();
    let relay = db.start_relay();
    relay.wait_for_log("dead rows at the head of the queue");
    for _ in 0..3 {
        let id = role
            .text("select df.start(df.seq(df.wait_for_signal('x'), 'select 1'))")
            .await
            .unwrap();
        role.text(&format!("select df.signal('{id}', 'x')")).await;
        assert_eq!(db.ended(&id).await, "completed");
    }
    late.batch_execute("commit").await.unwrap();
    let all = "select count(*) = 2 from df.instances
                where label in ('late', 'original') and status = 'completed'";
    until(&db, all, PATIENCE).await;
}

/// Not when the bounds are next taken anew, since the relay was told of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_was_told_of_what_commits_late_looks_before_its_bounds() {
    let db = TestDb::new().await;
    let (role, _holder) = with_dead_rows(&db, 150_000).await;
    let relay = db.spawn_relay(&["--log-level", "info,df_relay=debug"]);
    relay.wait_for_log("dead rows at the head of the queue");
    let looked = |relay: &Process| {
        relay
            .log()
            .contains("nothing behind the bounds of what was told of")
    };
    let late = superuser(&db).await;
    let begin = format!(
        "begin; set local role {}; select df.start('select 1', 'late'); reset role;
         update df.instances set wake_at = now() - interval '10 minutes' where label = 'late' and ended_at is null",
        role.name
    );
    // Right after they were taken, by how long that took, it finds it as they are next: so a little later each time.
    for attempt in 0..20 {
        tokio::time::sleep(Duration::from_millis(100) * attempt).await;
        until(&db, "select last_value = 2 from df.relay_idle", PATIENCE).await;
        late.batch_execute(&begin).await.unwrap();
        assert!(!looked(&relay));
        late.batch_execute("commit").await.unwrap();
        let ended =
            "select count(*) = 0 from df.instances where label = 'late' and ended_at is null";
        until(&db, ended, PATIENCE).await;
        if looked(&relay) {
            return;
        }
    }
    panic!("{}", relay.log());
}

/// What one transaction has started, and signalled, has times of its own: the bounds pass by what is served of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scans_start_behind_what_is_served_of_one_transaction() {
    let db = TestDb::new().await;
    db.may_be_unsound();
    let role = db.role("worker").await;
    let holder = superuser(&db).await;
    let hold = "begin isolation level repeatable read; select 1";
    holder.batch_execute(hold).await.unwrap();
    role.text("select count(df.start('select 1')) from generate_series(1, 4000)")
        .await;
    role.text("select count(df.signal(id, 'go')) from df.instances")
        .await;
    // No bound is later than five seconds ago.
    tokio::time::sleep(Duration::from_millis(5500)).await;
    let register = "select df.relay_register('0', 60, 1000)";
    let relay = db.text(register).await.unwrap();
    for served in ["claim", "deliver"] {
        let serve = format!("select count(*) from df.relay_{served}('{relay}', 3980)");
        assert_eq!(db.text(&serve).await.as_deref(), Some("3980"));
    }
    let bounds = format!("select bounds from df.relay_bounds('{relay}')");
    let bounds = db.text(&bounds).await.unwrap();
    for next in ["claim", "deliver"] {
        let from = |bounds: &str| format!("select * from df.relay_{next}('{relay}', 1, {bounds})");
        let (bounded, head) = (from(&format!("'{bounds}'")), from("null"));
        // Once for the catalog.
        pages(&db, &bounded).await;
        let (bounded, head) = (pages(&db, &bounded).await, pages(&db, &head).await);
        println!("{next}: {bounded} pages, {head} from the head");
        assert!(bounded <= 80, "{next}: {bounded} pages");
        assert!(head >= 2 * bounded, "{next}: {head} pages show nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_reads_no_more_for_what_it_has_removed_while_somebody_keeps_it() {
    let db = TestDb::new().await;
    let (_role, _holder) = with_dead_rows(&db, 20_000).await;
    db.text("select df.configure('retention_days', '0')").await;
    let sizes = "select sum(pg_relation_size(c.oid))::bigint from pg_class c
                  where c.relnamespace = 'df'::regnamespace and c.relkind in ('r', 'i')";
    let before: i64 = db.text(sizes).await.unwrap().parse().unwrap();
    let batch = "select df.relay_reconcile('expired instances', 500)";
    let mut batches = Vec::new();
    loop {
        batches.push(pages(&db, batch).await);
        let left = "select count(*) from df.instances where ended_at is not null";
        if db.text(left).await.as_deref() == Some("0") {
            break;
        }
    }
    let after: i64 = db.text(sizes).await.unwrap().parse().unwrap();
    println!("pages that batches of 500 read: {batches:?}; {before} bytes before, {after} after");
    let [first, .., last, _] = batches[..] else {
        panic!("{batches:?}")
    };
    assert!(last <= 2 * first, "{batches:?}");
    // Deleting writes nothing new.
    assert!(after <= before + before / 20, "{before} {after}");
}
