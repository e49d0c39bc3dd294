//! The fence, as the database enforces it: what a stale owner, a late step or a passed iteration tries
//! to record. No relay runs here; the tests are both relays.

use std::time::Duration;

use tokio_postgres::Client;

use crate::support::effects::until;
use crate::support::{Server, TestDb};

const PATIENCE: Duration = Duration::from_secs(30);

/// One relay's hold on one instance.
#[derive(Clone)]
struct Hold {
    incarnation: String,
    instance: String,
    epoch: i64,
}

/// Starts an instance and claims it as a fresh relay.
async fn started_and_claimed(db: &TestDb) -> Hold {
    let role = db.role("worker").await;
    role.text("select df.start('select 1')").await;
    claimed(db).await
}

async fn claimed(db: &TestDb) -> Hold {
    // What these tests record stands at run paths of no graph.
    db.may_be_unsound();
    let register = "select df.relay_register('0', 60, 1000)";
    let incarnation = db.text(register).await.unwrap();
    let claim =
        format!("select instance_id || ' ' || epoch from df.relay_claim('{incarnation}', 1)");
    let claim = db.text(&claim).await.expect("something to claim");
    let (instance, epoch) = claim.split_once(' ').unwrap();
    Hold {
        incarnation,
        instance: instance.to_owned(),
        epoch: epoch.parse().unwrap(),
    }
}

async fn session(db: &TestDb) -> Client {
    let options = Server::shared().superuser(&db.name);
    options.connect().await.unwrap()
}

/// What recording one completed run says. `at` holds path, enclosing constructs, own turns, and the
/// races it decides, as SQL literals.
fn record(hold: &Hold, at: [&str; 4], checkpoints: &str) -> String {
    let Hold {
        incarnation,
        instance,
        epoch,
    } = hold;
    let [path, within, turns, decides] = at;
    format!(
        "select df.record_run('{instance}', {epoch}, '{incarnation}', '{path}', 'completed', '1', null,
            null, 1, null, '{within}', '{turns}', '{decides}', {checkpoints}, null, false)"
    )
}

async fn check(db: &TestDb, hold: &Hold, at: [&str; 4], expected: &str) {
    let said = db.text(&record(hold, at, "null")).await;
    assert_eq!(said.as_deref(), Some(expected), "{at:?}");
}

fn plain(path: &str) -> [&str; 4] {
    [path, "{}", "{}", "{}"]
}

#[tokio::test]
async fn a_stale_owner_records_nothing_and_the_new_one_does() {
    let db = TestDb::new().await;
    let stale = started_and_claimed(&db).await;
    check(&db, &stale, plain("root.left"), "ok").await;
    check(&db, &stale, plain("root.left"), "exists").await;
    db.text("update df.relays set lease_until = now()").await;
    assert_eq!(
        db.text("select df.relay_take_over(10)").await.as_deref(),
        Some("1")
    );
    check(&db, &stale, plain("root.right"), "DF001").await;
    let owner = claimed(&db).await;
    let cases = [
        Hold {
            epoch: stale.epoch,
            ..owner.clone()
        },
        Hold {
            incarnation: stale.incarnation.clone(),
            ..owner.clone()
        },
        stale,
    ];
    for hold in cases {
        check(&db, &hold, plain("root.right"), "DF001").await;
    }
    check(&db, &owner, plain("root.right"), "ok").await;
}

#[tokio::test]
async fn an_incarnation_of_an_earlier_run_of_the_server_records_and_claims_nothing() {
    let db = TestDb::new().await;
    let hold = started_and_claimed(&db).await;
    let earlier = format!("{}{}", &hold.incarnation[..24], "000000000000");
    // What that run called it.
    let name = format!("(left(df.relay_name('{earlier}')::text, 24) || '000000000000')::uuid");
    let as_if = format!(
        "update df.instances set owner = {name}; update df.relays set incarnation = {name}"
    );
    db.client.batch_execute(&as_if).await.unwrap();
    let hold = Hold {
        incarnation: earlier.clone(),
        ..hold
    };
    check(&db, &hold, plain("root"), "DF001").await;
    let alive = format!("select alive from df.relay_heartbeat('{earlier}', 60)");
    assert_eq!(db.text(&alive).await.as_deref(), Some("f"));
    assert_eq!(
        db.text("select df.relay_take_over(10)").await.as_deref(),
        Some("1")
    );
    let claim = format!("select count(*) from df.relay_claim('{earlier}', 1)");
    assert_eq!(db.text(&claim).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_step_that_comes_after_the_cancel_records_nothing() {
    let db = TestDb::new().await;
    let hold = started_and_claimed(&db).await;
    let role = db.role("worker").await;
    role.text(&format!("select df.cancel('{}')", hold.instance))
        .await;
    check(&db, &hold, plain("root"), "DF002").await;
}

#[tokio::test]
async fn a_step_of_a_branch_that_was_decided_against_records_nothing() {
    let db = TestDb::new().await;
    let hold = started_and_claimed(&db).await;
    check(&db, &hold, ["root.left", "{root}", "{0}", "{root}"], "ok").await;
    check(
        &db,
        &hold,
        ["root.right", "{root}", "{1}", "{root}"],
        "DF003",
    )
    .await;
    check(&db, &hold, ["root.left.left", "{root}", "{0}", "{}"], "ok").await;
}

#[tokio::test]
async fn a_step_that_waited_for_the_deciding_one_sees_the_decision() {
    let db = TestDb::new().await;
    let hold = started_and_claimed(&db).await;
    let superuser = || Server::shared().superuser(&db.name);
    let winner: Client = superuser().connect().await.unwrap();
    let wins = record(&hold, ["root.left", "{root}", "{0}", "{root}"], "null");
    winner
        .batch_execute(&format!("begin; {wins}"))
        .await
        .unwrap();
    let loser = superuser().connect().await.unwrap();
    let loses = record(&hold, ["root.right", "{root}", "{1}", "{}"], "null");
    let late = tokio::spawn(async move {
        let row = loser.query_one(&loses, &[]).await.unwrap();
        row.get::<_, String>(0)
    });
    let waits = "select exists (select from pg_stat_activity
                                 where datname = current_database() and wait_event_type = 'Lock')";
    until(&db, waits, PATIENCE).await;
    winner.batch_execute("commit").await.unwrap();
    assert_eq!(late.await.unwrap(), "DF003");
}

#[tokio::test]
async fn a_late_batch_cannot_reopen_an_iteration_that_was_pruned() {
    let db = TestDb::new().await;
    let hold = started_and_claimed(&db).await;
    let inside = |turn: &'static str, path: &'static str| [path, "{root}", turn, "{}"];
    check(&db, &hold, inside("{3}", "root.body[3]"), "ok").await;
    let passed = r#"'[{"path":"root","turn":5,"names":[],"keep":[]}]'"#;
    let fifth = record(&hold, inside("{5}", "root.body[5]"), passed);
    assert_eq!(db.text(&fifth).await.as_deref(), Some("ok"));
    let left = "select string_agg(run_path, ',' order by run_path) from df.node_runs";
    assert_eq!(db.text(left).await.as_deref(), Some("root,root.body[5]"));
    check(&db, &hold, inside("{3}", "root.body[3]"), "DF003").await;
    check(&db, &hold, inside("{5}", "root.body[5]"), "exists").await;
}

#[tokio::test]
async fn a_signal_that_was_sent_beats_the_timeout_even_before_its_delivery() {
    let db = TestDb::new().await;
    let hold = started_and_claimed(&db).await;
    let Hold {
        incarnation,
        instance,
        epoch,
    } = &hold;
    let wait = format!(
        r#"select outcome || ' ' || coalesce(result, '') from df.relay_record('[{{"op":"wait",
            "incarnation":"{incarnation}","instance":"{instance}","epoch":{epoch},"path":"root",
            "within":[],"turns":[],"decides":[],"signal":"go","seconds":0.1,
            "result":{{"timed_out":true}}}}]')"#
    );
    let said = db.text(&wait).await.unwrap();
    assert!(said.starts_with("waiting"), "{said}");
    let role = db.role("worker").await;
    role.text(&format!("select df.signal('{instance}', 'go', '7')"))
        .await;
    let due = "select bool_and(due_at < clock_timestamp()) from df.node_runs";
    until(&db, due, PATIENCE).await;
    let said = db.text(&wait).await.unwrap();
    assert!(
        said.contains(r#""timed_out":false,"data":7"#),
        "the timeout won: {said}"
    );
}

/// A killed client's batch can still commit: the retry learns of it from the key, which waits for the
/// other transaction. Looking first would find nothing.
#[tokio::test]
async fn a_retry_beside_a_killed_clients_open_batch_waits_for_it_and_adopts_its_run() {
    let db = TestDb::new().await;
    let hold = started_and_claimed(&db).await;
    db.client
        .batch_execute("create table effects (n int)")
        .await
        .unwrap();
    let mut killed = session(&db).await;
    let late = killed.transaction().await.unwrap();
    late.batch_execute("insert into effects values (1)")
        .await
        .unwrap();
    let run = record(&hold, plain("root"), "null");
    let said: String = late.query_one(&run, &[]).await.unwrap().get(0);
    assert_eq!(said, "ok");

    let retry = tokio::spawn({
        let mut again = session(&db).await;
        async move {
            let tried = again.transaction().await.unwrap();
            tried
                .batch_execute("insert into effects values (2)")
                .await
                .unwrap();
            let said: String = tried.query_one(&run, &[]).await.unwrap().get(0);
            if said == "ok" {
                tried.commit().await.unwrap();
            }
            said
        }
    });
    let waits = "select exists (select from pg_stat_activity
                  where datname = current_database() and wait_event_type = 'Lock'
                    and query like '%df.record_run%' and pid <> pg_backend_pid())";
    until(&db, waits, PATIENCE).await;
    late.commit().await.unwrap();
    assert_eq!(retry.await.unwrap(), "exists");
    let effects = "select string_agg(n::text, ',') from effects";
    assert_eq!(db.text(effects).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_step_is_refused_where_the_pause_came_first_and_recorded_where_it_came_later() {
    let db = TestDb::new().await;
    let hold = started_and_claimed(&db).await;
    let Hold {
        incarnation,
        instance,
        epoch,
    } = &hold;
    let login = format!(
        "select df.step_login_name(submitted_by) from df.instances where id = '{instance}'"
    );
    let login = db.text(&login).await.unwrap();
    let step = |path: &str, status: &str, login: &str| {
        format!(
            "select df.record_run('{instance}', {epoch}, '{incarnation}', '{path}', '{status}', '1', null,
                null, 1, null, '{{}}', '{{}}', '{{}}', null, null, false, {login})"
        )
    };
    let as_step = format!("'{login}'");
    let earlier = Server::shared()
        .superuser(&db.name)
        .connect()
        .await
        .unwrap();
    earlier.batch_execute("begin; select now()").await.unwrap();
    db.text(&format!(
        "insert into df.outbox (instance_id, kind, key) values ('{instance}', 'pause', '1')"
    ))
    .await;
    assert_eq!(
        db.text(&step("root.left", "completed", &as_step))
            .await
            .as_deref(),
        Some("DF007")
    );
    assert_eq!(
        db.text(&step("root.left", "failed", &as_step))
            .await
            .as_deref(),
        Some("DF007")
    );
    // What is done at least once says so before it begins, and may finish.
    assert_eq!(
        db.text(&step("root.right", "intent", "null"))
            .await
            .as_deref(),
        Some("DF007")
    );
    assert_eq!(
        db.text(&step("root.right", "completed", "null"))
            .await
            .as_deref(),
        Some("ok")
    );
    let said = earlier
        .query_one(&step("root.left", "completed", &as_step), &[])
        .await
        .unwrap();
    assert_eq!(said.get::<_, String>(0), "ok");
    earlier.batch_execute("commit").await.unwrap();
}

/// A role can lock a row of its own for as long as it likes; what serves everybody does not wait for it.
#[tokio::test]
async fn a_relay_that_fails_an_instance_does_not_wait_for_who_has_it_locked() {
    let db = TestDb::new().await;
    let hold = started_and_claimed(&db).await;
    let locker = session(&db).await;
    let lock = format!(
        "begin; select from df.instances where id = '{}' for no key update",
        hold.instance
    );
    locker.batch_execute(&lock).await.unwrap();
    let fail = format!(
        "select coalesce(df.relay_fail('{}', '{}', {}, 'no', '22023')::text, 'locked')",
        hold.incarnation, hold.instance, hold.epoch
    );
    db.text("set lock_timeout = '2s'").await;
    assert_eq!(db.text(&fail).await.as_deref(), Some("locked"));
    locker.batch_execute("rollback").await.unwrap();
    assert_eq!(db.text(&fail).await.as_deref(), Some("true"));
    assert_eq!(db.text(&fail).await.as_deref(), Some("false"));
}
