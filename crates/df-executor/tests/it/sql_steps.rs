//! Steps that go their way: what is sent, recorded, refused and left behind.

use crate::support::steps::{Bench, any_failure_again};
use df_engine::Effect;
use df_executor::sql_step::{ExecutorError, Fence, Fenced, OutsideOutcome, StepOutcome};
use std::time::Duration;

#[tokio::test]
async fn a_step_is_two_round_trips_on_a_connection_that_is_kept() {
    let mut bench = Bench::start().await;
    bench.fence = Fence {
        within: vec![("root.\"a\\".into(), 1), ("root.b".into(), 7)],
        on_completed: Effect {
            decides: vec!["root.left".into()],
            ends: true,
        },
        checkpoints: Some("{\"root\":3}".into()),
        ..Fence::default()
    };
    let sql = "insert into effects (note) values ('x') returning note";
    for n in 1..=5 {
        let outcome = bench.run(&format!("root[{n}]"), sql).await;
        let result = r#"{"rows":[{"note":"x"}],"row_count":1}"#.to_owned();
        assert_eq!(outcome, StepOutcome::Completed { result });
        assert_eq!(bench.round_trips(), 2 * n);
    }
    assert_eq!(bench.connections(), 1);
    assert_eq!(bench.effects(), "5");
    let row = bench.recorded(
        "root[1]",
        "(result, attempt, within, turns, decides, checkpoints, ends)",
    );
    let expected = r#"("{""rows"":[{""note"":""x""}],""row_count"":1}",1,"{""root.\\""a\\\\"",root.b}","{1,7}",{root.left},"{""root"":3}",completed)"#;
    assert_eq!(row, expected);
}

#[tokio::test]
async fn a_failure_is_recorded_without_the_steps_effects() {
    let bench = Bench::start().await;
    let sql = "with e as (insert into effects (note) values ('x') returning n) select n/0 from e";
    let failure = bench.failure("root", sql).await;
    assert_eq!(
        (failure.sqlstate.as_str(), failure.message.as_str()),
        ("22012", "division by zero")
    );
    assert_eq!(bench.effects(), "0");
    assert_eq!(bench.round_trips(), 2);
    assert_eq!(bench.connections(), 1);
}

#[tokio::test]
async fn a_failure_that_will_be_tried_again_is_not_recorded() {
    let bench = Bench::start().await;
    let mut step = bench.step("root", "select 1/0");
    step.retry_on = any_failure_again();
    let outcome = bench.steps.run(&step).await.unwrap();
    let StepOutcome::Unrecorded { failure } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(failure.sqlstate, "22012");
    assert_eq!(bench.recorded("root", "status"), "");
    bench.run("root", "select 1").await;
    assert_eq!(bench.connections(), 1);
}

#[tokio::test]
async fn a_statement_that_no_step_may_hold_fails_its_node() {
    let bench = Bench::with(|config| config.limits.max_result_bytes = 100_000).await;
    bench
        .database
        .psql("create procedure app.p() language plpgsql as 'begin commit; end'");
    for (index, (sql, sqlstate)) in [
        ("commit", "DF004"),
        ("rollback", "DF004"),
        ("commit and chain", "DF004"),
        ("rollback and chain", "DF004"),
        ("begin", "DF004"),
        ("savepoint s", "DF004"),
        ("prepare transaction 'p'", "DF004"),
        ("do 'begin commit; end'", "2D000"),
        ("call p()", "2D000"),
        ("do $$ begin execute 'commit; begin'; end $$", "0A000"),
        ("select 1; select 2", "42601"),
        ("select $1::int", "42P02"),
        ("select $1::int;", "08P01"),
        ("copy effects from stdin", "0A000"),
        ("copy effects to stdout", "0A000"),
        ("select repeat('x', 200000)", "54000"),
        ("select repeat('x', 1000), generate_series(1, 100000000)", "54000"),
        ("select set_config('client_encoding', 'LATIN1', false), 'é'", "22021"),
        ("set transaction read only", "25006"),
        ("vacuum", "25001"),
        ("select df.step_record('i',1,'00000000-0000-0000-0000-000000000001','0','x','completed',\
          '1',null,null,1,'{}','{}','{}',null,null)", "DF004"),
        ("do $$ begin raise 'no' using errcode = 'DF001'; end $$", "DF001"),
        ("do $$ begin raise 'no' using errcode = '23505'; end $$", "23505"),
        ("lock table effects nowait; select 1", "42601"),
    ]
    .into_iter()
    .enumerate()
    {
        let failure = bench.failure(&format!("root[{index}]"), sql).await;
        assert_eq!(failure.sqlstate, sqlstate, "{sql}: {failure:?}");
    }
    assert_eq!(
        bench
            .database
            .psql("select count(*) from df.recorded where status <> 'failed'"),
        "0"
    );
}

#[tokio::test]
async fn leaving_the_role_fails_the_node_and_gains_nothing() {
    let bench = Bench::start().await;
    bench.failure("root[0]", "set role none").await;
    bench.failure("root[1]", "set local role none").await;
    bench.failure("root[2]", "set role postgres").await;
    bench
        .failure("root[3]", "set session authorization postgres")
        .await;
    // RESET ROLE goes back to the login's own default, which is the role.
    let outcome = bench.run("root[4]", "reset role").await;
    assert!(
        matches!(outcome, StepOutcome::Completed { .. }),
        "{outcome:?}"
    );
    let who = bench
        .run("root[5]", "select current_user as u, session_user as s")
        .await;
    let result = r#"{"rows":[{"u":"alice","s":"df_step_alice"}],"row_count":1}"#.to_owned();
    assert_eq!(who, StepOutcome::Completed { result });
}

/// A step may end as another role that its own is a member of, where that one may record as well.
#[tokio::test]
async fn the_next_step_begins_as_the_role_again_on_the_same_session() {
    let bench = Bench::with(|config| config.pool.per_role = 1).await;
    bench.database.psql(
        "create role team; grant team to alice; grant usage on schema df to team;
         grant execute on function df.step_begin, df.step_record, df.step_clean to team",
    );
    let outcome = bench.run("root[0]", "set role team").await;
    assert!(
        matches!(outcome, StepOutcome::Completed { .. }),
        "{outcome:?}"
    );
    let who = bench.run("root[1]", "select current_user as u").await;
    let result = r#"{"rows":[{"u":"alice"}],"row_count":1}"#.to_owned();
    assert_eq!(who, StepOutcome::Completed { result });
    assert_eq!(bench.connections(), 1);
}

#[tokio::test]
async fn what_a_step_leaves_is_gone_before_the_next() {
    let bench = Bench::with(|config| config.pool.per_role = 1).await;
    for (index, sql) in [
        "set work_mem = '99MB'",
        "set search_path = pg_temp",
        "set statement_timeout = '1h'",
        "create temp table left_over (a int)",
        "create function pg_temp.left_over() returns int language sql as 'select 1'",
        "declare c cursor with hold for select 1",
        "prepare mine as select 1",
        "listen somewhere",
        "select pg_advisory_lock(42)",
        "select nextval('effects_n_seq')",
        "set session characteristics as transaction read only",
        "set my.own = 'x'",
        "do $$ begin perform set_config('client_encoding', 'UTF8', false); end $$",
    ]
    .into_iter()
    .enumerate()
    {
        let outcome = bench.run(&format!("root[{index}]"), sql).await;
        assert!(
            matches!(outcome, StepOutcome::Completed { .. }),
            "{sql}: {outcome:?}"
        );
    }
    let left = "select current_setting('work_mem') as mem, current_setting('search_path') as path,
        current_setting('statement_timeout') as timeout, to_regclass('left_over') as temp,
        (select count(*) from pg_proc where proname = 'left_over') as functions,
        (select count(*) from pg_cursors where name <> '') as cursors,
        (select count(*) from pg_prepared_statements where name <> '') as prepared,
        (select count(*) from pg_listening_channels()) as channels,
        (select count(*) from pg_locks where locktype = 'advisory') as locks,
        current_setting('default_transaction_read_only') as read_only,
        nullif(current_setting('my.own', true), '') as own";
    let result = r#"{"rows":[{"mem":"4MB","path":"app, public","timeout":"0","temp":null,"functions":0,"cursors":0,"prepared":0,"channels":0,"locks":0,"read_only":"off","own":null}],"row_count":1}"#;
    assert_eq!(
        bench.run("root", left).await,
        StepOutcome::Completed {
            result: result.into()
        }
    );
    assert_eq!(bench.connections(), 1);
}

#[tokio::test]
async fn the_fence_says_why_it_refuses() {
    let bench = Bench::start().await;
    let sql = "insert into effects (note) values ('x')";
    let mut stale = bench.step("root", sql);
    stale.epoch = 9;
    let outcome = bench.steps.run(&stale).await.unwrap();
    assert_eq!(outcome, StepOutcome::Fenced(Fenced::Stale));
    bench.run("root", sql).await;
    assert_eq!(bench.run("root", sql).await, StepOutcome::AlreadyRecorded);
    assert_eq!(
        bench.run("root", "select 1/0").await,
        StepOutcome::AlreadyRecorded
    );
    bench
        .database
        .psql("update df.instance set status = 'cancelled'");
    assert_eq!(
        bench.run("root[1]", sql).await,
        StepOutcome::Fenced(Fenced::Cancelled)
    );
    assert_eq!(
        bench.run("root[1]", "select 1/0").await,
        StepOutcome::Fenced(Fenced::Cancelled)
    );
    assert_eq!(bench.effects(), "1");
}

#[tokio::test]
async fn a_fence_locked_by_somebody_is_waited_for() {
    let bench = Bench::start().await;
    let mut holder = bench.database.connect("postgres").await;
    crate::support::database::query(&mut holder, "begin").await;
    crate::support::database::query(&mut holder, "select * from df.instance for update").await;
    let release = async {
        while bench
            .steps
            .statistics()
            .steps_tried_again
            .load(std::sync::atomic::Ordering::Relaxed)
            < 2
        {
            tokio::task::yield_now().await;
        }
        crate::support::database::query(&mut holder, "commit").await;
    };
    let (outcome, ()) = tokio::join!(
        bench.run("root", "insert into effects (note) values ('x')"),
        release
    );
    assert!(
        matches!(outcome, StepOutcome::Completed { .. }),
        "{outcome:?}"
    );
    assert_eq!(bench.effects(), "1");
}

#[tokio::test]
async fn a_statement_past_its_timeout_fails_and_the_lower_timeout_holds() {
    let bench = Bench::start().await;
    let mut step = bench.step("root[0]", "select pg_sleep(30)");
    step.statement_timeout = Some(Duration::from_millis(100));
    let StepOutcome::Failed(failure) = bench.steps.run(&step).await.unwrap() else {
        panic!()
    };
    assert_eq!(failure.sqlstate, "57014");
    assert_eq!(bench.recorded("root[0]", "sqlstate"), "57014");
    bench
        .database
        .psql("alter role df_step_alice set statement_timeout = '50ms'");
    bench.end_sessions();
    step.run_path = "root[1]";
    step.sql = "select pg_sleep(30), current_setting('statement_timeout')";
    step.statement_timeout = Some(Duration::from_secs(20));
    let StepOutcome::Failed(failure) = bench.steps.run(&step).await.unwrap() else {
        panic!()
    };
    assert_eq!(failure.sqlstate, "57014");
    step.run_path = "root[2]";
    step.sql = "select current_setting('statement_timeout') as t";
    let StepOutcome::Completed { result } = bench.steps.run(&step).await.unwrap() else {
        panic!()
    };
    assert!(result.contains("50ms"), "{result}");
}

#[tokio::test]
async fn a_deferred_check_fails_the_node_wherever_it_runs() {
    let bench = Bench::start().await;
    bench.database.psql(
        "create table app.once (a int unique deferrable initially deferred);
         create function app.late() returns trigger language plpgsql as
           $$ begin raise 'late refusal' using errcode = 'P0009'; end $$;
         create function app.later() returns trigger language plpgsql as
           $$ begin set constraints all deferred; insert into app.second values (1); return null; end $$;
         create table app.first (a int);
         create table app.second (a int);
         create constraint trigger late after insert on app.second deferrable initially deferred
           for each row execute function app.late();
         create constraint trigger later after insert on app.first deferrable initially deferred
           for each row execute function app.later();
         grant all on all tables in schema app to alice",
    );
    let failure = bench
        .failure("root[0]", "insert into once values (1), (1)")
        .await;
    assert_eq!(failure.sqlstate, "23505");
    // The trigger puts off another check, which so runs at COMMIT, behind the record.
    let failure = bench
        .failure("root[1]", "insert into first values (1)")
        .await;
    assert_eq!(failure.sqlstate, "P0009");
    assert_eq!(bench.database.psql("select count(*) from app.first"), "0");
}

#[tokio::test]
async fn nothing_of_the_statements_runs_behind_the_record() {
    let bench = Bench::start().await;
    bench.database.psql(
        "create function app.noted() returns int language plpgsql as
           $$ begin insert into effects (note) values ('read'); return 1; end $$;
         grant execute on function app.noted to alice",
    );
    // COMMIT would read such a cursor to its end.
    let cursor = "declare c cursor with hold for select app.noted()";
    let outcome = bench.run("root", cursor).await;
    assert!(
        matches!(outcome, StepOutcome::Completed { .. }),
        "{outcome:?}"
    );
    assert_eq!(bench.effects(), "0");
}

#[tokio::test]
async fn what_is_deferred_has_the_steps_timeout_whatever_the_statement_sets() {
    let bench = Bench::start().await;
    bench.database.psql(
        "create function app.slow() returns trigger language plpgsql as
           $$ begin perform pg_sleep(3600); return null; end $$;
         create table app.third (a text);
         create constraint trigger slow after insert on app.third deferrable initially deferred
           for each row execute function app.slow();
         grant all on all tables in schema app to alice",
    );
    let mut step = bench.step(
        "root",
        "insert into third select set_config('statement_timeout', '0', true)",
    );
    step.statement_timeout = Some(Duration::from_secs(1));
    let outcome = bench.steps.run(&step).await.unwrap();
    let StepOutcome::Failed(failure) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(failure.sqlstate, "57014");
    assert_eq!(bench.database.psql("select count(*) from app.third"), "0");
}

#[tokio::test]
async fn a_role_that_is_gone_is_no_outage() {
    let bench = Bench::start().await;
    let mut step = bench.step("root", "select 1");
    step.role_oid = 0;
    assert!(matches!(
        bench.steps.run(&step).await,
        Err(ExecutorError::Login(_))
    ));
    step.role_oid = 1;
    step.database = Some("nowhere");
    let error = bench.steps.run(&step).await.unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
}

#[tokio::test]
async fn a_statement_outside_a_transaction_runs_as_the_role() {
    let bench = Bench::start().await;
    bench.database.psql("create database other owner alice");
    let mut step = bench.step("root", "select current_user as u");
    let expect = |result: &str| OutsideOutcome::Completed {
        result: result.into(),
    };
    let who = bench.steps.run_outside(&step, true).await.unwrap();
    assert_eq!(who, expect(r#"{"rows":[{"u":"alice"}],"row_count":1}"#));
    step.sql = "vacuum effects";
    let vacuumed = bench.steps.run_outside(&step, true).await.unwrap();
    assert_eq!(vacuumed, expect(r#"{"rows":[],"row_count":0}"#));
    step.database = Some("other");
    step.sql = "create type pair as (a int, b text)";
    bench.steps.run_outside(&step, true).await.unwrap();
    step.sql = "select row(1, 'x')::public.pair as p";
    let there = bench.steps.run_outside(&step, true).await.unwrap();
    assert_eq!(
        there,
        expect(r#"{"rows":[{"p":{"a":1,"b":"x"}}],"row_count":1}"#)
    );
    step.statement_timeout = Some(Duration::from_millis(50));
    step.sql = "select pg_sleep(30)";
    let late = bench.steps.run_outside(&step, true).await.unwrap();
    assert!(matches!(late, OutsideOutcome::Failed(f) if f.sqlstate == "57014"));
    step.sql = "select 1/0";
    let failed = bench.steps.run_outside(&step, true).await.unwrap();
    assert!(matches!(failed, OutsideOutcome::Failed(f) if f.sqlstate == "22012"));
    // A statement whose connection is lost is run again: twice here, then it goes well.
    bench
        .database
        .psql("grant pg_signal_backend to alice; create sequence app.tries; grant all on app.tries to alice");
    step.sql = "select nextval('app.tries') as n, case when currval('app.tries') < 3
                then pg_terminate_backend(pg_backend_pid()) end as ended";
    step.database = None;
    step.statement_timeout = None;
    let again = bench.steps.run_outside(&step, true).await.unwrap();
    assert_eq!(
        again,
        expect(r#"{"rows":[{"n":3,"ended":null}],"row_count":1}"#)
    );
}
