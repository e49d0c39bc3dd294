//! Cancelling, signalling, awaiting, variables, and who may start: docs/sql-api.md, Control.

use serde_json::json;

use crate::support::{TestDb, Workflows, literal, refused};

#[tokio::test]
async fn a_cancel_ends_a_statement_in_flight_promptly_and_keeps_its_first_reason() {
    let workflows = Workflows::new().await;
    let alice = &workflows.alice;
    alice
        .client
        .batch_execute("create table effects (n int)")
        .await
        .unwrap();
    let id = workflows
        .start("df.seq('insert into effects select 1 from pg_sleep(600)', 'insert into effects values (2)')")
        .await;
    let sleeping = "select count(*) = 1 from pg_stat_activity
                     where datname = current_database() and state = 'active'
                       and query like '%pg_sleep(600)%' and pid <> pg_backend_pid()";
    workflows.db.eventually(sleeping).await;
    let began = std::time::Instant::now();
    let told = alice
        .text(&format!("select df.cancel('{id}', 'first')"))
        .await;
    assert_eq!(told, Some(format!("Instance {id} cancelled: first")));
    assert_eq!(
        alice
            .text(&format!("select df.status('{id}')"))
            .await
            .as_deref(),
        Some("cancelled")
    );
    assert_eq!(
        alice
            .text(&format!("select df.await_instance('{id}')"))
            .await
            .as_deref(),
        Some("cancelled")
    );
    workflows
        .db
        .eventually(&sleeping.replace("= 1", "= 0"))
        .await;
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());

    alice
        .text(&format!("select df.cancel('{id}', 'second')"))
        .await;
    assert_eq!(
        alice
            .text(&format!("select df.signal('{id}', 'go')"))
            .await
            .as_deref(),
        Some("OK")
    );
    let ended = workflows.read(&id).await;
    assert_eq!(
        (ended.status.as_str(), ended.error.as_deref()),
        ("cancelled", Some("first"))
    );
    assert_eq!(
        workflows
            .db
            .text("select count(*) from effects")
            .await
            .as_deref(),
        Some("0")
    );
    // The relay goes on with others.
    assert_eq!(workflows.result("'select 1 as n'").await["rows"][0]["n"], 1);
}

#[tokio::test]
async fn a_terminal_instance_is_left_as_it_is() {
    let workflows = Workflows::new().await;
    let alice = &workflows.alice;
    for (expression, status) in [("'select 1'", "completed"), ("'select 1/0'", "failed")] {
        let before = workflows.run(expression).await;
        let id = &before.id;
        alice
            .text(&format!("select df.cancel('{id}', 'late')"))
            .await;
        assert_eq!(
            alice
                .text(&format!("select df.signal('{id}', 'go')"))
                .await
                .as_deref(),
            Some("OK")
        );
        let after = workflows.read(id).await;
        assert_eq!(after.status, status);
        assert_eq!((after.result, after.error), (before.result, before.error));
    }
    // The signal to the failed one, for its retry.
    let left = workflows
        .db
        .text(
            "select string_agg(o.kind || ' ' || i.status, ', ')
               from df.outbox o join df.instances i on i.id = o.instance_id where o.kind <> 'start'",
        )
        .await;
    assert_eq!(left.as_deref(), Some("signal failed"));
}

#[tokio::test]
async fn a_cancel_made_by_a_steps_own_transaction_commits_with_the_step_and_ends_the_instance() {
    let workflows = Workflows::new().await;
    workflows
        .alice
        .client
        .batch_execute("create table effects (n int)")
        .await
        .unwrap();
    let ended = workflows
        .run(
            "df.seq($$with e as (insert into effects values (1) returning 1)
                      select df.cancel('{sys_instance_id}', 'from within'), count(*) from e$$,
                    'insert into effects values (2)')",
        )
        .await;
    assert_eq!(
        (ended.status.as_str(), ended.error.as_deref()),
        ("cancelled", Some("from within"))
    );
    let step = "select status from df.node_runs where run_path = 'root.left'";
    workflows
        .db
        .eventually(&format!("select ({step}) = 'completed'"))
        .await;
    assert_eq!(
        workflows
            .db
            .text("select sum(n) from effects")
            .await
            .as_deref(),
        Some("1")
    );
    // As the whole workflow, too.
    let ended = workflows
        .run("$$select df.cancel('{sys_instance_id}', 'at once')$$")
        .await;
    assert_eq!(
        (ended.status.as_str(), ended.error.as_deref()),
        ("cancelled", Some("at once"))
    );
}

#[tokio::test]
async fn a_waiting_instance_that_left_memory_is_cancelled_and_signalled_all_the_same() {
    let workflows = Workflows::new().await;
    let cancelled = workflows.start("df.wait_for_signal('go')").await;
    let signalled = workflows.start("df.wait_for_signal('go')").await;
    let slept = workflows.start("df.sleep(3)").await;
    let parked = "select bool_and(owner is null) and count(*) = 3 from df.instances where status = 'running'";
    workflows.db.eventually(parked).await;
    workflows
        .alice
        .text(&format!("select df.cancel('{cancelled}')"))
        .await;
    workflows
        .alice
        .text(&format!("select df.signal('{signalled}', 'go', '5')"))
        .await;
    assert_eq!(workflows.ended(&signalled).await.result["data"], 5);
    assert_eq!(
        workflows.ended(&slept).await.result,
        json!({"slept": true, "seconds": 3})
    );
    let ended = workflows.ended(&cancelled).await;
    assert_eq!(
        (ended.status.as_str(), ended.error.as_deref()),
        ("cancelled", Some("Cancelled by user"))
    );
}

/// As the last step's record does: nothing comes between the signal and the end.
#[tokio::test]
async fn a_signal_that_was_all_a_workflow_waited_for_ends_it_as_it_is_delivered() {
    let workflows = Workflows::new().await;
    let wait = "df.wait_for_signal('go')";
    // What it is, and where it waits. One in a JOIN or in a LOOP does not end its workflow by itself.
    let shapes = [
        (true, "root", wait.to_owned()),
        (
            true,
            "root.right",
            format!("'select 1' ~> ({wait} |=> 'told')"),
        ),
        (
            true,
            "root.left",
            format!("df.if('select true', {wait}, 'select 1')"),
        ),
        (true, "root.left", format!("df.race({wait}, df.sleep(600))")),
        (
            true,
            "root.left.right",
            format!("df.race('select 1' ~> {wait}, 'select pg_sleep(600)')"),
        ),
        (false, "root.left", format!("df.join({wait}, 'select 1')")),
        (false, "root.left", format!("{wait} ~> 'select 1'")),
        (
            false,
            "root.body[0]",
            format!("df.loop({wait}, 'select false')"),
        ),
    ];
    for left_memory in [false, true] {
        for (ends, at, expression) in &shapes {
            let id = workflows.start(expression).await;
            let waits = format!(
                "select count(*) = 1 from df.node_runs where instance_id = '{id}' and run_path = '{at}' and status = 'waiting'"
            );
            workflows.db.eventually(&waits).await;
            if left_memory && !expression.contains("pg_sleep") {
                workflows.db.parked(&id).await;
            }
            let send = format!("select df.signal('{id}', 'go', '7')");
            workflows.alice.text(&send).await;
            let ended = workflows.ended(&id).await;
            assert_eq!(ended.status, "completed", "{expression}: {ended:?}");
            if *ends {
                assert_eq!(ended.result["data"], 7, "{expression}: {ended:?}");
            }
            let together = format!(
                "select (i.xmin = r.xmin)::text from df.instances i join df.node_runs r on r.instance_id = i.id
                  where i.id = '{id}' and r.run_path = '{at}'"
            );
            let together = workflows.db.text(&together).await;
            assert_eq!(
                together.as_deref(),
                Some(if *ends { "true" } else { "false" }),
                "{expression}"
            );
            workflows.db.assert_sound(&id).await;
        }
    }
    let sleeps = "select count(*) = 0 from pg_stat_activity where datname = current_database() and query like '%pg_sleep(600)%'
                     and pid <> pg_backend_pid() and state = 'active'";
    workflows.db.eventually(sleeps).await;
    assert!(
        !workflows.relay.log().contains("lost its way"),
        "{}",
        workflows.relay.log()
    );
}

/// It is handed over, and the rest waits for the resume.
#[tokio::test]
async fn a_signal_to_a_paused_workflow_does_not_end_it_before_its_resume() {
    let workflows = Workflows::new().await;
    let alice = &workflows.alice;
    let id = workflows.start("df.wait_for_signal('go')").await;
    workflows.db.parked(&id).await;
    alice.text(&format!("select df.pause('{id}')")).await;
    alice
        .text(&format!("select df.signal('{id}', 'go', '7')"))
        .await;
    let handed = format!(
        "select count(*) = 1 from df.node_runs where instance_id = '{id}' and status = 'completed'"
    );
    workflows.db.eventually(&handed).await;
    let other = workflows.run("'select 1'").await;
    assert_eq!(other.status, "completed");
    assert_eq!(workflows.read(&id).await.status, "running");
    alice.text(&format!("select df.resume('{id}')")).await;
    let ended = workflows.ended(&id).await;
    assert_eq!(
        (ended.status.as_str(), &ended.result["data"]),
        ("completed", &json!(7))
    );
}

#[tokio::test]
async fn awaiting_is_refused_where_it_could_never_see_the_end() {
    let workflows = Workflows::new().await;
    let alice = &workflows.alice;
    let id = workflows.start("df.wait_for_signal('go')").await;
    for (sql, sqlstate, message) in [
        (
            format!("select df.await_instance('{id}', 0)"),
            "22023",
            "timeout",
        ),
        (
            format!("select df.await_instance('{id}', -1)"),
            "22023",
            "timeout",
        ),
        (
            format!("select df.await_instance('{id}', null)"),
            "22023",
            "timeout",
        ),
        (
            format!("select df.await_instance('{id}', 1)"),
            "57014",
            "after 1 second",
        ),
        (
            format!("select df.wait_for_completion('{id}', 1)"),
            "57014",
            "after 1 second",
        ),
        (
            format!("begin isolation level repeatable read; select df.await_instance('{id}', 5)"),
            "55000",
            "READ COMMITTED",
        ),
        (
            format!("begin isolation level serializable; select df.await_instance('{id}', 5)"),
            "55000",
            "READ COMMITTED",
        ),
        (
            "begin; select df.await_instance(df.start('select 1'), 5)".to_string(),
            "55000",
            "this transaction",
        ),
        (
            "begin; savepoint a; select df.await_instance(df.start('select 1'), 5)".to_string(),
            "55000",
            "this transaction",
        ),
    ] {
        let error = refused(&alice.client, &sql).await;
        alice.client.batch_execute("rollback").await.unwrap();
        assert_eq!(error.sqlstate, sqlstate, "{sql}: {error:?}");
        assert!(error.message.contains(message), "{sql}: {error:?}");
    }
    let inside = workflows
        .failure(&format!("'select df.await_instance(''{id}'', 0)'"))
        .await;
    assert_eq!(inside.sqlstate.as_deref(), Some("55000"));
    assert!(inside.error.unwrap().contains("inside a workflow"));
    let mallory = workflows.db.role("mallory").await;
    let hidden = refused(
        &mallory.client,
        &format!("select df.await_instance('{id}')"),
    )
    .await;
    assert_eq!(
        hidden.message,
        format!("Instance not found or access denied: {id}")
    );
    for (function, refused_sqlstate) in [
        ("df.cancel('{}')", "P0002"),
        ("df.signal('{}', 'go')", "P0002"),
    ] {
        let error = refused(
            &mallory.client,
            &format!("select {}", function.replace("{}", &id)),
        )
        .await;
        assert_eq!(error.sqlstate, refused_sqlstate);
        assert_eq!(
            error.message,
            format!("Instance not found or access denied: {id}")
        );
    }
}

#[tokio::test]
async fn starting_once_by_key_is_one_start() {
    let workflows = Workflows::new().await;
    let alice = &workflows.alice;
    let first = alice
        .text("select df.start_once('k', 'select 1', 'a label')")
        .await
        .unwrap();
    let again = alice
        .text("select df.start_once('k', 'select 1', 'another label')")
        .await
        .unwrap();
    assert_eq!(again, first);
    let other = refused(&alice.client, "select df.start_once('k', 'select 2')").await;
    assert_eq!(other.sqlstate, "DF005", "{other:?}");
    assert_ne!(
        alice
            .text("select df.start_once('k2', 'select 1')")
            .await
            .unwrap(),
        first
    );
    let bob = workflows.db.role("bob").await;
    assert_ne!(
        bob.text("select df.start_once('k', 'select 2')")
            .await
            .unwrap(),
        first
    );
    assert_eq!(workflows.ended(&first).await.status, "completed");
    assert_eq!(
        alice
            .text("select df.start_once('k', 'select 1')")
            .await
            .unwrap(),
        first
    );
}

#[tokio::test]
async fn a_signal_sent_twice_with_one_key_is_one_signal() {
    let workflows = Workflows::new().await;
    let alice = &workflows.alice;
    let id = workflows
        .start("df.seq(df.wait_for_signal('go'), df.wait_for_signal('go'))")
        .await;
    for _ in 0..3 {
        let sent = format!("select df.signal_once('k', '{id}', 'go', '1')");
        assert_eq!(alice.text(&sent).await.as_deref(), Some("OK"));
    }
    let conflict = refused(
        &alice.client,
        &format!("select df.signal_once('k', '{id}', 'go', '2')"),
    )
    .await;
    assert_eq!(conflict.sqlstate, "DF005", "{conflict:?}");
    // The first wait has ended and the second begun, and nothing is left to take.
    workflows.db.eventually("select count(*) = 1 from df.node_runs where run_path = 'root.right' and status = 'waiting'").await;
    assert_eq!(
        alice
            .text(&format!("select df.status('{id}')"))
            .await
            .as_deref(),
        Some("running")
    );
    alice
        .text(&format!("select df.signal_once('k2', '{id}', 'go', '2')"))
        .await;
    assert_eq!(workflows.ended(&id).await.result["data"], 2);
}

#[tokio::test]
async fn variables_belong_to_their_role_and_are_refused_inside_a_workflow() {
    let workflows = Workflows::new().await;
    let (alice, bob) = (&workflows.alice, workflows.db.role("bob").await);
    assert_eq!(alice.text("select df.getvar('v')").await, None);
    assert_eq!(
        alice
            .text("select df.setvar('v', 'of alice')")
            .await
            .as_deref(),
        Some("OK")
    );
    assert_eq!(
        bob.text("select df.setvar('v', 'of bob')").await.as_deref(),
        Some("OK")
    );
    assert_eq!(
        alice.text("select df.getvar('v')").await.as_deref(),
        Some("of alice")
    );
    assert_eq!(
        alice
            .text("select df.setvar('v', 'newer')")
            .await
            .as_deref(),
        Some("OK")
    );
    assert_eq!(
        alice
            .text("select string_agg(value, ',') from df.vars")
            .await
            .as_deref(),
        Some("newer")
    );
    assert_eq!(
        alice.text("select df.unsetvar('v')").await.as_deref(),
        Some("OK")
    );
    assert_eq!(alice.text("select df.getvar('v')").await, None);
    assert_eq!(
        bob.text("select df.clearvars()").await.as_deref(),
        Some("OK")
    );
    assert_eq!(bob.text("select df.getvar('v')").await, None);
    for call in [
        "df.setvar('a', 'b')",
        "df.unsetvar('a')",
        "df.clearvars()",
        "df.start('select 1', transaction_mode => 'new')",
    ] {
        let failed = workflows.failure(&literal(&format!("select {call}"))).await;
        assert!(
            failed
                .error
                .clone()
                .unwrap()
                .contains("cannot be called inside a workflow"),
            "{failed:?}"
        );
        assert_eq!(failed.sqlstate.as_deref(), Some("55000"));
    }
}

#[tokio::test]
async fn a_workflow_may_start_and_signal_others() {
    let workflows = Workflows::new().await;
    let waits = workflows.start("df.wait_for_signal('go')").await;
    let started = workflows
        .result(&format!("df.seq('select df.signal(''{waits}'', ''go'', ''9'')', 'select df.start(''select 4 as n'') as id')"))
        .await;
    assert_eq!(workflows.ended(&waits).await.result["data"], 9);
    let child = started["rows"][0]["id"].as_str().unwrap().to_string();
    assert_eq!(workflows.ended(&child).await.result["rows"][0]["n"], 4);
}

#[tokio::test]
async fn who_could_never_run_a_step_may_not_start() {
    let db = TestDb::new().await;
    let name = |short: &str| format!("{}_{short}", db.name);
    let (nologin, bare, member) = (name("nologin"), name("bare"), name("member"));
    let make = format!(
        "create role {nologin} nologin; create role {bare} login; create role {member} login in role {nologin};
         select df.grant_usage('{nologin}')"
    );
    db.client.batch_execute(&make).await.unwrap();
    let schema = format!(
        "grant usage on schema df to {bare};
        grant execute on all functions in schema df to {bare};
        grant insert (hash, graph), select on df.graphs to {bare}"
    );
    db.client.batch_execute(&schema).await.unwrap();
    for (role, message) in [
        (nologin.as_str(), "LOGIN"),
        (bare.as_str(), "step login"),
        (member.as_str(), "step login"),
        ("none", "allow_superuser_instances"),
    ] {
        db.client
            .batch_execute(&format!("set role {role}"))
            .await
            .unwrap();
        let error = refused(&db.client, "select df.start('select 1')").await;
        db.client.batch_execute("reset role").await.unwrap();
        assert!(error.message.contains(message), "{role}: {error:?}");
        assert_eq!(error.sqlstate, "42501", "{role}: {error:?}");
    }
    assert_eq!(
        db.text("select count(*) from df.instances")
            .await
            .as_deref(),
        Some("0")
    );
}

#[tokio::test]
async fn a_step_runs_as_its_submitter_in_the_named_database() {
    let workflows = Workflows::new().await;
    let me = workflows
        .result("'select current_user as me, current_database() as db'")
        .await;
    assert_eq!(
        me["rows"][0],
        json!({"me": workflows.alice.name, "db": workflows.db.name})
    );

    let other = TestDb::empty().await;
    let id = workflows
        .alice
        .text(&format!("select df.start('select current_user as me, current_database() as db', database => '{}')", other.name))
        .await
        .unwrap();
    let ended = workflows.ended(&id).await;
    assert_eq!(ended.status, "completed", "{ended:?}");
    assert_eq!(
        ended.result["rows"][0],
        json!({"me": workflows.alice.name, "db": other.name})
    );
}

#[tokio::test]
async fn a_database_dropped_after_the_start_fails_the_instance_within_seconds() {
    let workflows = Workflows::new().await;
    let other = TestDb::empty().await;
    let id = workflows
        .alice
        .text(&format!(
            "select df.start(df.seq(df.wait_for_signal('go'), 'select 1'), database => '{}')",
            other.name
        ))
        .await
        .unwrap();
    workflows.db.waits_begun(&id, 1).await;
    workflows
        .db
        .client
        .batch_execute(&format!("drop database {} with (force)", other.name))
        .await
        .unwrap();
    workflows
        .alice
        .text(&format!("select df.signal('{id}', 'go')"))
        .await;
    let began = std::time::Instant::now();
    let ended = workflows.ended(&id).await;
    assert_eq!(ended.status, "failed", "{ended:?}");
    assert_eq!(ended.sqlstate.as_deref(), Some("3D000"), "{ended:?}");
    assert_eq!(ended.path.as_deref(), Some("root.right"));
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_role_dropped_after_the_start_fails_the_instance_at_the_step_that_needs_it() {
    let workflows = Workflows::new().await;
    let bob = workflows.db.role("bob").await;
    let id = bob
        .text("select df.start(df.seq(df.wait_for_signal('go', 2), 'select 1'))")
        .await
        .unwrap();
    workflows.db.waits_begun(&id, 1).await;
    let name = bob.name.clone();
    drop(bob);
    workflows
        .db
        .client
        .batch_execute(&format!("drop owned by {name}; drop role {name}"))
        .await
        .unwrap();
    workflows
        .db
        .eventually("select status = 'failed' from df.instances")
        .await;
    let ended = workflows.read(&id).await;
    assert_eq!(ended.path.as_deref(), Some("root.right"), "{ended:?}");
    assert_eq!(ended.sqlstate.as_deref(), Some("42704"), "{ended:?}");
}
