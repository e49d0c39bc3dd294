//! df.retry, df.pause, df.resume and df.release, as an operator uses them.

use std::time::Duration;

use df_postgres::ConnectOptions;

use crate::support::effects::until;
use crate::support::{Role, TestDb};

async fn start(role: &Role, expression: &str) -> String {
    let sql = format!("select df.start({expression})");
    role.text(&sql).await.expect("an instance id")
}

/// A granted role with a log of effects and a switch that makes `fails_while_off` fail.
async fn with_switch(db: &TestDb) -> Role {
    let alice = db.role("alice").await;
    alice
        .client
        .batch_execute(
            "create table public.log (step text);
             create table public.switch (on_ int);
             insert into public.switch values (0)",
        )
        .await
        .unwrap();
    alice
}

const FAILS_WHILE_OFF: &str =
    "$q$insert into public.log select 'late' || (1 / on_) from public.switch$q$";

async fn switch_on(alice: &Role) {
    alice
        .client
        .batch_execute("update public.switch set on_ = 1")
        .await
        .unwrap();
}

async fn retry(role: &Role, id: &str) {
    let retry = format!("select df.retry('{id}')");
    assert_eq!(role.text(&retry).await.as_deref(), Some("OK"));
}

/// Starts what waits, and fails once 100 seconds have passed.
async fn failed_in_time(db: &TestDb, alice: &Role, expression: &str) -> String {
    let id = start(alice, expression).await;
    db.parked(&id).await;
    db.pass("101 seconds").await;
    assert_eq!(db.ended(&id).await, "failed", "{expression}");
    id
}

async fn log_of(alice: &Role) -> String {
    let sql = "select string_agg(step, ' ' order by step) from public.log";
    alice.text(sql).await.unwrap_or_default()
}

/// The SQLSTATE of a refused call.
async fn refusal(role: &Role, sql: &str) -> String {
    let error = role.client.simple_query(sql).await.expect_err(sql);
    error
        .code()
        .map(|code| code.code().to_owned())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_retry_goes_on_from_the_node_that_failed() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let _relay = db.start_relay();
    let log = |step: &str| format!("$q$insert into public.log values ('{step}')$q$");
    let (a, b) = (log("a"), log("b"));
    let fails = FAILS_WHILE_OFF;
    let check = async |node: &str, expected: &str| {
        alice
            .client
            .batch_execute("delete from public.log; update public.switch set on_ = 0")
            .await
            .unwrap();
        let id = start(&alice, node).await;
        assert_eq!(db.ended(&id).await, "failed", "{node}");
        switch_on(&alice).await;
        let retried = alice
            .text(&format!("begin; select df.retry('{id}'); commit"))
            .await;
        assert_eq!(retried.as_deref(), Some("OK"));
        assert_eq!(db.ended(&id).await, "completed", "{node}");
        assert_eq!(log_of(&alice).await, expected, "{node}");
    };
    check(&format!("{a} ~> {fails} ~> {b}"), "a b late1").await;
    check(&format!("df.join({a}, {fails}) ~> {b}"), "a b late1").await;
    check(
        &format!("df.join({fails}, df.join({a}, {fails})) ~> {b}"),
        "a b late1 late1",
    )
    .await;
    check(
        &format!("df.race({fails}, df.sleep(3600)) ~> {b}"),
        "b late1",
    )
    .await;
    check(
        &format!("df.timeout({a} ~> {fails} ~> {b}, 600)"),
        "a b late1",
    )
    .await;
    check(
        &format!("{a} |=> 'x' ~> df.if_rows('x', {fails}, {fails}) ~> {b}"),
        "a b late1",
    )
    .await;
    check(
        &format!("df.loop({a} ~> {fails}, 'select count(*) < 4 from public.log')"),
        "a a late1 late1",
    )
    .await;
    // Nothing came of the failure beside a break, and what follows it has run.
    let set_aside = format!("df.loop(df.join(df.break(), {fails})) ~> {a}");
    check(
        &format!("df.join({set_aside}, {fails}) ~> {b}"),
        "a b late1",
    )
    .await;
    check(
        &format!(
            "df.join(df.loop({set_aside}, 'select count(*) < 2 from public.log'), {fails}) ~> {b}"
        ),
        "a a b late1",
    )
    .await;
}

#[tokio::test]
async fn a_retry_gives_a_timed_node_its_time_anew() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let _relay = db.spawn_relay(&["--linger-ms", "10"]);
    // Forty rounds first, so that the loop has a checkpoint when its time is up.
    let node = "df.timeout(df.loop('insert into public.log values (''a'')' ~> df.if(
                    'select count(*) < 40 from public.log', 'select 1',
                    df.if('select on_ = 1 from public.switch', df.break(), df.sleep(3600)))), 100)";
    let id = failed_in_time(&db, &alice, node).await;
    switch_on(&alice).await;
    retry(&alice, &id).await;
    // The sleep is recorded, and its time has not come; the node's own time has begun anew.
    db.parked(&id).await;
    db.pass("99 seconds").await;
    let status = format!("select df.status('{id}')");
    assert_eq!(alice.text(&status).await.as_deref(), Some("running"));
    db.pass("2 seconds").await;
    assert_eq!(db.ended(&id).await, "failed");
    let rounds = alice.text("select count(*) from public.log").await;
    assert_eq!(rounds.as_deref(), Some("40"));
}

#[tokio::test]
async fn a_retry_tries_again_what_had_failed_in_a_node_whose_time_was_up() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let _relay = db.spawn_relay(&["--linger-ms", "10"]);
    let node = format!("df.timeout(df.join({FAILS_WHILE_OFF}, df.sleep(150)), 100)");
    let id = failed_in_time(&db, &alice, &node).await;
    switch_on(&alice).await;
    retry(&alice, &id).await;
    db.until("select count(*) from public.log", "1").await;
    db.parked(&id).await;
    db.pass("50 seconds").await;
    assert_eq!(db.ended(&id).await, "completed");
}

#[tokio::test]
async fn a_signal_that_came_after_the_failure_is_taken_at_the_retry() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let _relay = db.spawn_relay(&["--linger-ms", "10"]);
    let wait = "df.wait_for_signal('go')";
    for node in [
        format!("df.timeout({wait} ~> 'select 1', 100)"),
        format!("df.race({wait}, df.sleep(100) ~> {FAILS_WHILE_OFF} ~> df.sleep(3600))"),
    ] {
        let off = "update public.switch set on_ = 0";
        alice.client.batch_execute(off).await.unwrap();
        let id = failed_in_time(&db, &alice, &node).await;
        for data in 1..=2 {
            let sent = format!("select df.signal('{id}', 'go', '{data}')");
            alice.text(&sent).await.unwrap();
        }
        db.until(
            "select count(*) from df.outbox where delivered_at is null",
            "0",
        )
        .await;
        switch_on(&alice).await;
        retry(&alice, &id).await;
        assert_eq!(db.ended(&id).await, "completed", "{node}");
        let taken =
            "select string_agg(data::text, ' ') from df.signals where consumed_at is not null";
        assert_eq!(
            alice
                .text(&format!("{taken} and instance_id = '{id}'"))
                .await
                .as_deref(),
            Some("1")
        );
    }
}

#[tokio::test]
async fn a_set_of_failed_instances_is_retried_in_one_statement() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let _relay = db.start_relay();
    let many = format!("select df.start({FAILS_WHILE_OFF}) from generate_series(1, 20)");
    alice.text(&many).await.unwrap();
    let failed = "select count(*) from df.instances where status = 'failed'";
    db.until(failed, "20").await;
    switch_on(&alice).await;
    alice
        .text("select df.retry(id) from df.instances where status = 'failed'")
        .await
        .unwrap();
    db.until(
        "select count(*) from df.instances where status = 'completed'",
        "20",
    )
    .await;
    assert_eq!(
        alice
            .text("select count(*) from public.log")
            .await
            .as_deref(),
        Some("20")
    );
}

#[tokio::test]
async fn a_retry_rolled_back_never_was() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let relay = db.start_relay();
    let id = start(&alice, FAILS_WHILE_OFF).await;
    assert_eq!(db.ended(&id).await, "failed");
    let status = format!("select df.status('{id}')");
    alice
        .client
        .batch_execute(&format!("begin; select df.retry('{id}')"))
        .await
        .unwrap();
    assert_eq!(alice.text(&status).await.as_deref(), Some("running"));
    alice.client.batch_execute("rollback").await.unwrap();
    assert_eq!(alice.text(&status).await.as_deref(), Some("failed"));
    drop(relay);
}

#[tokio::test]
async fn a_cancel_that_came_too_late_leaves_a_later_one_its_effect() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let id = start(&alice, FAILS_WHILE_OFF).await;
    // No relay: the workflow fails here, while a cancel that has seen it run waits for its row.
    let fails =
        format!("begin; select df.end_instance('{id}', 'failed', null, 'failed', 'P0001', 'root')");
    let options = ConnectOptions::parse(&db.superuser_url()).unwrap();
    let failing = options.connect().await.unwrap();
    failing.batch_execute(&fails).await.unwrap();
    let cancel = format!("select df.cancel('{id}')");
    let waits = "select exists (select from pg_stat_activity
                  where datname = current_database() and wait_event_type = 'Lock' and query like '%df.cancel%')";
    let ((), said) = tokio::join!(
        async {
            until(&db, waits, Duration::from_secs(30)).await;
            failing.batch_execute("commit").await.unwrap();
        },
        alice.text(&cancel)
    );
    assert!(said.is_some());
    let status = format!("select df.status('{id}')");
    assert_eq!(alice.text(&status).await.as_deref(), Some("failed"));
    retry(&alice, &id).await;
    alice.text(&cancel).await;
    assert_eq!(alice.text(&status).await.as_deref(), Some("cancelled"));
}

#[tokio::test]
async fn a_cancel_written_by_hand_to_a_failed_workflow_keeps_nobody_from_cancelling_its_retry() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let relay = db.start_relay();
    let id = start(&alice, &format!("{FAILS_WHILE_OFF} ~> df.sleep(600)")).await;
    assert_eq!(db.ended(&id).await, "failed");
    let by_hand = format!("insert into df.outbox (instance_id, kind) values ('{id}', 'cancel')");
    alice.client.batch_execute(&by_hand).await.unwrap();
    switch_on(&alice).await;
    retry(&alice, &id).await;
    let cancel = format!("select df.cancel('{id}')");
    db.client.batch_execute(&cancel).await.unwrap();
    assert_eq!(db.ended(&id).await, "cancelled");
    drop(relay);
}

#[tokio::test]
async fn a_member_of_df_owner_controls_every_instance() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let installer = db.role("installer").await;
    let member = format!("grant df_owner to {}", installer.name);
    db.client.batch_execute(&member).await.unwrap();
    let id = start(&alice, "'select 1'").await;
    let paused =
        format!("select (paused_at is not null)::text from df.instances where id = '{id}'");
    for (call, expected) in [("pause", "true"), ("resume", "false")] {
        let call = format!("select df.{call}('{id}')");
        assert_eq!(installer.text(&call).await.as_deref(), Some("OK"));
        assert_eq!(
            alice.text(&paused).await.as_deref(),
            Some(expected),
            "{call}"
        );
    }
    installer.text(&format!("select df.cancel('{id}')")).await;
    let status = format!("select df.status('{id}')");
    assert_eq!(alice.text(&status).await.as_deref(), Some("cancelled"));
}

#[tokio::test]
async fn only_who_may_see_an_instance_controls_it() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let mallory = db.role("mallory").await;
    let operator = db.role("operator").await;
    db.client
        .batch_execute(&format!("grant df_admin to {}", operator.name))
        .await
        .unwrap();
    let relay = db.start_relay();
    let failed = start(&alice, FAILS_WHILE_OFF).await;
    assert_eq!(db.ended(&failed).await, "failed");
    let completed = start(&alice, "'select 1'").await;
    assert_eq!(db.ended(&completed).await, "completed");
    for function in ["retry", "pause", "resume"] {
        let call = format!("select df.{function}('{failed}')");
        assert_eq!(refusal(&mallory, &call).await, "P0002", "{call}");
        let forged = format!(
            "insert into df.outbox (instance_id, kind, key) values ('{failed}', '{function}', '1')"
        );
        assert_eq!(refusal(&mallory, &forged).await, "42501", "{forged}");
    }
    let call = format!("select df.retry('{completed}')");
    assert_eq!(refusal(&alice, &call).await, "55000");
    for function in ["pause", "resume"] {
        let call = format!("select df.{function}('{completed}')");
        assert_eq!(alice.text(&call).await.as_deref(), Some("OK"), "{call}");
    }
    switch_on(&alice).await;
    let call = format!("select df.retry('{failed}')");
    assert_eq!(operator.text(&call).await.as_deref(), Some("OK"));
    assert_eq!(db.ended(&failed).await, "completed");
    assert_eq!(log_of(&alice).await, "late1");
    drop(relay);
}

#[tokio::test]
async fn nothing_starts_while_paused_and_what_came_due_happens_at_resume() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let relay = db.spawn_relay(&["--linger-ms", "10"]);
    let id = start(
        &alice,
        "df.sleep(600) ~> 'insert into public.log values (''done'')'",
    )
    .await;
    db.parked(&id).await;
    assert_eq!(
        alice
            .text(&format!("select df.pause('{id}')"))
            .await
            .as_deref(),
        Some("OK")
    );
    let status = format!("select df.status('{id}')");
    assert_eq!(alice.text(&status).await.as_deref(), Some("running"));
    let why = format!("select state || '|' || release_by from df.why('{id}')");
    assert_eq!(
        alice.text(&why).await,
        Some(format!("paused|SELECT df.resume('{id}');"))
    );
    db.pass("601 seconds").await;
    // Another instance, started later, runs to its end meanwhile.
    let other = start(&alice, "'select 1'").await;
    assert_eq!(db.ended(&other).await, "completed");
    assert_eq!(log_of(&alice).await, "");
    alice
        .text(&format!("select df.resume('{id}')"))
        .await
        .unwrap();
    assert_eq!(db.ended(&id).await, "completed");
    assert_eq!(log_of(&alice).await, "done");
    drop(relay);
}

/// How many wait for a lock on this database's `log`; the view tells of every database.
const WAITS_FOR_THE_LOG: &str = "select count(*) from pg_locks l join pg_database d on d.oid = l.database
     where d.datname = current_database() and l.relation = 'public.log'::regclass and not l.granted";

#[tokio::test]
async fn a_step_in_flight_finishes_and_the_next_waits_for_the_resume() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let _relay = db.start_relay();
    // The first step waits for a lock that this test holds, so that it is in flight when paused.
    let holder = alice.session().await;
    holder
        .batch_execute("begin; lock table public.log in exclusive mode")
        .await
        .unwrap();
    let node = "'insert into public.log values (''first'')' ~> 'insert into public.log values (''second'')'";
    let id = start(&alice, node).await;
    db.until(WAITS_FOR_THE_LOG, "1").await;
    alice
        .text(&format!("select df.pause('{id}')"))
        .await
        .unwrap();
    let delivered = format!(
        "select count(*) from df.outbox where instance_id = '{id}' and kind = 'pause' and delivered_at is not null"
    );
    db.until(&delivered, "1").await;
    holder.batch_execute("commit").await.unwrap();
    let set_aside = format!(
        "select owner is null and paused_at is not null from df.instances where id = '{id}'"
    );
    db.until(&set_aside, "t").await;
    assert_eq!(log_of(&alice).await, "first");
    alice
        .text(&format!("select df.resume('{id}')"))
        .await
        .unwrap();
    assert_eq!(db.ended(&id).await, "completed");
    assert_eq!(log_of(&alice).await, "first second");
}

/// The event of this pause waits to be delivered, so that only the database knows of it.
#[tokio::test]
async fn no_step_that_begins_after_a_committed_pause_takes_effect_even_if_no_relay_was_told() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let _relay = db.start_relay();
    let holder = alice.session().await;
    holder
        .batch_execute("begin; lock table public.log in exclusive mode")
        .await
        .unwrap();
    let node = "'insert into public.log values (''first'')' ~> 'insert into public.log values (''second'')'";
    let id = start(&alice, node).await;
    db.until(WAITS_FOR_THE_LOG, "1").await;
    let pause = format!(
        "begin; select df.pause('{id}');
         update df.outbox set retry_at = 'infinity' where instance_id = '{id}' and kind = 'pause'; commit"
    );
    db.client.batch_execute(&pause).await.unwrap();
    holder.batch_execute("commit").await.unwrap();
    // Refused, the relay gives the instance back as it does when it is told.
    let set_aside = format!(
        "select owner is null and paused_at is not null from df.instances where id = '{id}'"
    );
    db.until(&set_aside, "t").await;
    assert_eq!(log_of(&alice).await, "first");
    let told = format!(
        "select count(delivered_at) from df.outbox where instance_id = '{id}' and kind = 'pause'"
    );
    assert_eq!(db.text(&told).await.as_deref(), Some("0"));
    alice
        .text(&format!("select df.resume('{id}')"))
        .await
        .unwrap();
    assert_eq!(db.ended(&id).await, "completed");
    assert_eq!(log_of(&alice).await, "first second");
}

#[tokio::test]
async fn pause_and_resume_work_without_a_relay_and_before_the_first_step() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let id = start(&alice, "'insert into public.log values (''done'')'").await;
    alice
        .text(&format!("select df.pause('{id}')"))
        .await
        .unwrap();
    let _relay = db.start_relay();
    let other = start(&alice, "'select 1'").await;
    assert_eq!(db.ended(&other).await, "completed");
    assert_eq!(log_of(&alice).await, "");
    alice
        .text(&format!("select df.resume('{id}')"))
        .await
        .unwrap();
    assert_eq!(db.ended(&id).await, "completed");
}

#[tokio::test]
async fn a_parked_event_is_released_by_its_owner() {
    let db = TestDb::new().await;
    let alice = with_switch(&db).await;
    let mallory = db.role("mallory").await;
    let id = start(&alice, "df.wait_for_signal('go')").await;
    alice
        .text(&format!("select df.signal('{id}', 'go')"))
        .await
        .unwrap();
    db.client
        .batch_execute(
            "update df.outbox set parked_at = now(), attempts = 10, last_error = 'broken' where kind = 'signal'",
        )
        .await
        .unwrap();
    let _relay = db.spawn_relay(&["--linger-ms", "10"]);
    let event = alice
        .text("select event_id from df.parked_events")
        .await
        .unwrap();
    let call = format!("select df.release('{event}')");
    assert_eq!(refusal(&mallory, &call).await, "P0002");
    let release_by = alice
        .text("select release_by from df.parked_events")
        .await
        .unwrap();
    assert_eq!(alice.text(&release_by).await.as_deref(), Some("OK"));
    assert_eq!(db.ended(&id).await, "completed");
    assert_eq!(
        alice
            .text("select count(*) from df.parked_events")
            .await
            .as_deref(),
        Some("0")
    );
}
