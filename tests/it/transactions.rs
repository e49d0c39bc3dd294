//! What a caller does belongs to the caller's transaction: rolled back, it never was.

use std::collections::BTreeMap;

use crate::support::{TestDb, Workflows};

/// Every table of the schema with a digest of its rows.
async fn contents(db: &TestDb) -> BTreeMap<String, Option<String>> {
    let tables = "select relname from pg_class
                   where relnamespace = 'df'::regnamespace and relkind = 'r'";
    let mut contents = BTreeMap::new();
    for row in db.client.query(tables, &[]).await.unwrap() {
        let table: String = row.get(0);
        let digest =
            format!("select md5(string_agg(t::text, E'\\n' order by t::text)) from df.{table} t");
        let digest = db.text(&digest).await;
        contents.insert(table, digest);
    }
    assert!(contents.len() > 8, "{contents:?}");
    contents
}

/// What a caller can do, given an instance that waits.
fn acts(id: &str) -> Vec<String> {
    vec![
        "select df.start('select 1')".into(),
        "select df.start(df.seq('select 1', df.sleep(5)), 'label')".into(),
        "select df.start_once('key', 'select 2')".into(),
        format!("select df.cancel('{id}', 'why')"),
        format!("select df.signal('{id}', 'go', '{{}}')"),
        format!("select df.signal_once('key', '{id}', 'go')"),
        "select df.setvar('v', 'x')".into(),
    ]
}

#[tokio::test]
async fn what_is_rolled_back_leaves_no_row_and_wakes_nobody() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let id = alice
        .text("select df.start(df.wait_for_signal('go'))")
        .await
        .unwrap();
    let mut listener = db.listen("df_relay").await;
    // As if every relay slept: only then does a commit notify.
    db.text("select df.relay_set_idle(true)").await;
    let before = contents(&db).await;
    for act in acts(&id) {
        for undo in [
            "begin; {}; rollback",
            "begin; savepoint a; {}; rollback to a; commit",
        ] {
            let (open, close) = undo.split_once("{}").unwrap();
            alice
                .client
                .batch_execute(open.trim_end_matches("; "))
                .await
                .unwrap();
            alice.text(&act).await;
            let close = close.trim_start_matches("; ");
            alice.client.batch_execute(close).await.unwrap();
            assert_eq!(contents(&db).await, before, "{act}");
        }
    }
    // What comes first is what was sent after it all.
    db.text("select pg_notify('df_relay', 'mark')").await;
    assert_eq!(listener.next().await, "mark");
}

#[tokio::test]
async fn what_is_committed_wakes_an_idle_relay_once() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let id = alice
        .text("select df.start(df.wait_for_signal('go'))")
        .await
        .unwrap();
    let mut listener = db.listen("df_relay").await;
    db.text("select df.relay_set_idle(true)").await;
    for act in [
        "select df.start('select 1')".to_string(),
        format!("select df.signal('{id}', 'go')"),
        format!("select df.cancel('{id}')"),
    ] {
        alice.client.batch_execute("begin").await.unwrap();
        alice.text(&act).await;
        alice.client.batch_execute("commit").await.unwrap();
        assert_eq!(listener.next().await, "", "{act}");
        db.text("select pg_notify('df_relay', 'mark')").await;
        assert_eq!(listener.next().await, "mark", "{act}");
    }
    alice
        .text("set df.notify = off; select df.start('select 1')")
        .await;
    db.text("select df.relay_set_idle(false)").await;
    alice
        .text("reset df.notify; select df.start('select 1')")
        .await;
    db.text("select pg_notify('df_relay', 'mark')").await;
    assert_eq!(listener.next().await, "mark");
}

#[tokio::test]
async fn signals_sent_with_the_start_before_any_relay_runs_are_received_in_order() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let id = alice
        .text("select df.start(df.wait_for_signal('go'))")
        .await
        .unwrap();
    alice.client.batch_execute("begin").await.unwrap();
    let join = "select df.start(df.seq(df.as(df.wait_for_signal('go'), 'first'), df.wait_for_signal('go')))";
    let both = alice.text(join).await.unwrap();
    alice
        .text(&format!("select df.signal('{both}', 'go', '1')"))
        .await;
    alice
        .text(&format!("select df.signal('{both}', 'other', '0')"))
        .await;
    alice
        .text(&format!("select df.signal('{both}', 'go', '2')"))
        .await;
    alice.client.batch_execute("commit").await.unwrap();
    assert_eq!(
        alice
            .text(&format!("select df.status('{both}')"))
            .await
            .as_deref(),
        Some("pending")
    );

    let relay = db.start_relay();
    let workflows = Workflows { db, alice, relay };
    let ended = workflows.ended(&both).await;
    assert_eq!(ended.result["data"], 2, "{ended:?}");
    let first = workflows
        .db
        .text(&format!("select result::text from df.node_runs where instance_id = '{both}' and run_path = 'root.left'"))
        .await;
    assert_eq!(
        first.as_deref(),
        Some(r#"{"signal_name":"go","timed_out":false,"data":1}"#)
    );
    // The instance that got no signal still waits.
    workflows.db.waits_begun(&id, 1).await;
}

#[tokio::test]
async fn an_instance_cancelled_in_its_own_starts_transaction_never_runs() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    alice
        .client
        .batch_execute("create table effects (n int)")
        .await
        .unwrap();
    alice.client.batch_execute("begin").await.unwrap();
    let id = alice
        .text("select df.start('insert into effects values (1)')")
        .await
        .unwrap();
    let told = alice
        .text(&format!("select df.cancel('{id}', 'changed my mind')"))
        .await;
    assert_eq!(
        told,
        Some(format!("Instance {id} cancelled: changed my mind"))
    );
    for view in [
        "df.status('{}')",
        "(select status from df.instances where id = '{}')",
        "(select status from df.instance_info('{}'))",
        "(select status from df.list_instances() where instance_id = '{}')",
    ] {
        let status = alice
            .text(&format!("select {}", view.replace("{}", &id)))
            .await;
        assert_eq!(status.as_deref(), Some("cancelled"), "{view}");
    }
    alice.client.batch_execute("commit").await.unwrap();
    let relay = db.start_relay();
    let workflows = Workflows { db, alice, relay };
    // Started later, so whatever the relay would do with the first has been done by its end.
    workflows.result("'select 1'").await;
    let delivered =
        format!("select delivered_at is not null from df.outbox where event_id = '{id}/cancel'");
    workflows.db.eventually(&delivered).await;
    let ended = workflows.read(&id).await;
    assert_eq!(
        (ended.status.as_str(), ended.error.as_deref()),
        ("cancelled", Some("changed my mind"))
    );
    assert_eq!(
        workflows
            .db
            .text("select count(*) from effects")
            .await
            .as_deref(),
        Some("0")
    );
}

#[tokio::test]
async fn a_rolled_back_cancel_or_signal_changes_nothing_of_a_running_instance() {
    let workflows = Workflows::new().await;
    let id = workflows
        .start("df.seq(df.wait_for_signal('go'), df.sql('select 5 as n'))")
        .await;
    workflows.db.waits_begun(&id, 1).await;
    for act in [
        format!("select df.cancel('{id}')"),
        format!("select df.signal('{id}', 'go', '1')"),
    ] {
        workflows.alice.client.batch_execute("begin").await.unwrap();
        workflows.alice.text(&act).await;
        workflows
            .alice
            .client
            .batch_execute("rollback")
            .await
            .unwrap();
    }
    let status = workflows
        .alice
        .text(&format!("select df.status('{id}')"))
        .await;
    assert_eq!(status.as_deref(), Some("running"));
    workflows
        .alice
        .text(&format!("select df.signal('{id}', 'go', '2')"))
        .await;
    assert_eq!(workflows.ended(&id).await.result["rows"][0]["n"], 5);
}

#[tokio::test]
async fn an_open_transaction_that_started_a_workflow_stops_nobody_else() {
    let workflows = Workflows::new().await;
    let holder = workflows.alice.session().await;
    holder
        .batch_execute("begin; select df.start('select 3 as n')")
        .await
        .unwrap();
    assert_eq!(workflows.result("'select 3 as n'").await["rows"][0]["n"], 3);
    let id = workflows
        .start("df.seq(df.wait_for_signal('go'), 'select 3 as n')")
        .await;
    let held = format!("begin; select df.signal('{id}', 'go')");
    let other = workflows.alice.session().await;
    other.batch_execute(&held).await.unwrap();
    workflows
        .alice
        .text(&format!("select df.signal('{id}', 'go')"))
        .await;
    assert_eq!(workflows.ended(&id).await.status, "completed");
}

#[tokio::test]
async fn two_open_transactions_never_draw_one_id() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    // Both by the same chance, and at the same time.
    let start = "begin; set local statement_timeout = '5s'; select setseed(0.3); select df.start('select 1')";
    let other = alice.session().await;
    alice.client.batch_execute(start).await.unwrap();
    let waited = other.batch_execute(start).await;
    assert!(waited.is_ok(), "{waited:?}");
    for session in [&alice.client, &other] {
        session.batch_execute("commit").await.unwrap();
    }
    let ids = "select count(distinct id) from df.instances";
    assert_eq!(db.text(ids).await.as_deref(), Some("2"));
}
