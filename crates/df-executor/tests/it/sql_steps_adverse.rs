//! Steps that lose their connection, their server or their leave to run.

use crate::support::proxy::Proxy;
use crate::support::steps::Bench;
use df_executor::sql_step::{ExecutorError, Fenced, StepOutcome};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

const SLOW: &str = "with e as (insert into effects (note) values ('x') returning n) \
    select n, case when (select count(*) from df_test_gate) = 0 then pg_sleep(60) end as s from e";

/// A gate that the slow statement passes at once when it is open.
fn gate(bench: &Bench) {
    bench.database.psql(
        "create table public.df_test_gate (a int); grant select on public.df_test_gate to alice",
    );
}

#[tokio::test]
async fn a_session_killed_under_its_statement_is_tried_again_with_one_effect() {
    let bench = Bench::start().await;
    gate(&bench);
    let killer = async {
        bench.until_running("pg_sleep(60)").await;
        bench.database.psql("insert into df_test_gate values (1)");
        bench.end_sessions();
    };
    let (outcome, ()) = tokio::join!(bench.run("root", SLOW), killer);
    assert!(
        matches!(outcome, StepOutcome::Completed { .. }),
        "{outcome:?}"
    );
    assert_eq!(bench.effects(), "1");
    assert_eq!(bench.connections(), 2);
}

#[tokio::test]
async fn a_stray_cancel_is_tried_again() {
    let bench = Bench::start().await;
    gate(&bench);
    let canceller = async {
        bench.until_running("pg_sleep(60)").await;
        bench.database.psql("insert into df_test_gate values (1)");
        bench.database.psql(
            "select pg_cancel_backend(pid) from pg_stat_activity where usename = 'df_step_alice'",
        );
    };
    let (outcome, ()) = tokio::join!(bench.run("root", SLOW), canceller);
    assert!(
        matches!(outcome, StepOutcome::Completed { .. }),
        "{outcome:?}"
    );
    assert_eq!(bench.effects(), "1");
}

#[tokio::test]
async fn a_statement_that_ends_its_own_session_fails_once_the_limit_is_reached() {
    let bench = Bench::with(|config| config.retry.interrupted_attempts = Some(3)).await;
    bench.database.psql("grant pg_signal_backend to alice");
    let failure = bench
        .failure("root", "select pg_terminate_backend(pg_backend_pid())")
        .await;
    assert_eq!(failure.sqlstate, "57P01");
    assert_eq!(bench.connections(), 4);
}

#[tokio::test]
async fn a_serialization_failure_is_tried_up_to_the_limit() {
    let bench = Bench::start().await;
    let sql = "do $$ begin perform nextval('effects_n_seq'); raise 'again' using errcode = '40001'; end $$";
    let failure = bench.failure("root", sql).await;
    assert_eq!(failure.sqlstate, "40001");
    assert_eq!(
        bench
            .database
            .psql("select last_value from app.effects_n_seq"),
        "3"
    );
}

#[tokio::test]
async fn a_cancelled_step_stops_promptly_and_leaves_no_session_running() {
    let bench = Bench::start().await;
    gate(&bench);
    let step = bench.step("root", SLOW);
    let mut asked = Instant::now();
    let canceller = async {
        bench.until_running("pg_sleep(60)").await;
        asked = Instant::now();
        step.cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(bench.steps.run(&step), canceller);
    assert_eq!(outcome.unwrap(), StepOutcome::Fenced(Fenced::Cancelled));
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
    bench
        .until("not exists (select from pg_stat_activity where usename = 'df_step_alice')")
        .await;
    assert_eq!(bench.effects(), "0");
    bench.run("root", "select 1").await;
    assert_eq!(
        bench.connections(),
        2,
        "a connection is not used after a cancel request"
    );
}

#[tokio::test]
async fn a_connection_cut_after_commit_was_sent_finds_the_step_recorded() {
    let plain = Bench::start().await;
    let proxy = Proxy::start(
        plain.database.cluster.port,
        b"SET CONSTRAINTS ALL IMMEDIATE",
    )
    .await;
    let bench = plain.behind(proxy.port);
    proxy.arm();
    let outcome = bench
        .run("root", "insert into effects (note) values ('x')")
        .await;
    assert!(proxy.has_cut());
    assert_eq!(outcome, StepOutcome::AlreadyRecorded);
    assert_eq!(bench.effects(), "1");
    assert_eq!(bench.recorded("root", "status"), "completed");
}

#[tokio::test]
async fn a_connection_cut_before_the_record_was_sent_runs_the_step_once() {
    let plain = Bench::start().await;
    let proxy = Proxy::start(plain.database.cluster.port, b"insert into effects").await;
    let bench = plain.behind(proxy.port);
    proxy.arm();
    let outcome = bench
        .run("root", "insert into effects (note) values ('x')")
        .await;
    assert!(
        matches!(outcome, StepOutcome::Completed { .. }),
        "{outcome:?}"
    );
    assert!(proxy.has_cut());
    assert_eq!(bench.effects(), "1");
}

/// Their oids change: nothing is recorded, and they are asked for again.
#[tokio::test]
async fn functions_that_are_made_anew_are_found_again() {
    let bench = Bench::start().await;
    let sql = "insert into effects (note) values ('x')";
    for (index, function) in ["step_begin", "step_record"].into_iter().enumerate() {
        let paths = [
            format!("root[{index}].left"),
            format!("root[{index}].right"),
        ];
        bench.run(&paths[0], "select 1").await;
        let psql = |sql: &str| bench.database.psql(sql);
        let made = psql(&format!(
            "select pg_get_functiondef('df.{function}'::regproc)"
        ));
        psql(&format!(
            "drop function df.{function}; {made}; grant execute on function df.{function} to alice"
        ));
        if function == "step_begin" {
            // Called once by each session.
            bench.end_sessions();
        }
        let gone = bench.steps.run(&bench.step(&paths[1], sql)).await;
        assert!(matches!(gone, Err(ExecutorError::Schema(_))), "{gone:?}");
        assert_eq!(bench.effects(), index.to_string());
        bench.run(&paths[1], sql).await;
    }
    assert_eq!(bench.effects(), "2");
}

/// Before its first step, and by the first that is found well: a session of which nothing is known is not kept.
#[tokio::test]
async fn each_session_is_checked_once() {
    let bench = Bench::start().await;
    bench.database.psql(
        "alter function df.step_begin rename to checks; create sequence df.checks; grant usage on sequence df.checks to alice;
         grant execute on function df.checks to alice;
         create function df.step_begin(p_instance text, p_epoch bigint, p_incarnation uuid) returns text
         language plpgsql as $$ begin
             if nextval('df.checks') = 1 then raise 'no memory' using errcode = '53200'; end if;
             return df.checks(p_instance, p_epoch, p_incarnation);
         end $$;
         grant execute on function df.step_begin to alice",
    );
    let checks = || bench.database.psql("select last_value from df.checks");
    let sql = "insert into effects (note) values ('x')";
    bench.run("root[0]", sql).await;
    assert_eq!((checks(), bench.connections()), ("2".into(), 2));
    bench.run("root[1]", sql).await;
    bench.run("root[2]", sql).await;
    assert_eq!((checks(), bench.connections()), ("2".into(), 2));
    bench.end_sessions();
    bench.run("root[3]", sql).await;
    assert_eq!((checks(), bench.connections()), ("3".into(), 3));
    assert_eq!(bench.effects(), "4");
}

/// A session whose cleaning failed serves nobody, and the login is asked for again.
#[tokio::test]
async fn a_cleaning_that_is_made_anew_is_found_again() {
    let bench = Bench::start().await;
    bench.run("root[0]", "select 1").await;
    bench.database.psql(
        "alter function df.step_clean rename to gone; alter function df.gone() volatile;
         create function df.step_clean() returns void language plpgsql as
            'begin perform df.gone(); perform set_config(''my.cleaned'', ''anew'', false); end';
         grant execute on function df.step_clean to alice; revoke execute on function df.gone from alice",
    );
    bench.run("root[1]", "set my.left_over = 'x'").await;
    let left = "select current_setting('my.left_over', true) as left";
    let StepOutcome::Completed { result } = bench.run("root[2]", left).await else {
        panic!("it reads a setting");
    };
    assert!(result.contains(r#""left":null"#), "{result}");
    assert_eq!(bench.connections(), 2);
    bench
        .database
        .psql("grant execute on function df.gone to alice");
    for path in ["root[3]", "root[4]", "root[5]"] {
        bench.run(path, "select 1").await;
    }
    let cleaned = "select current_setting('my.cleaned', true) as cleaned";
    let StepOutcome::Completed { result } = bench.run("root[6]", cleaned).await else {
        panic!("it reads a setting");
    };
    assert!(result.contains(r#""cleaned":"anew""#), "{result}");
    assert_eq!(bench.connections(), 3);
}

#[tokio::test]
async fn a_server_that_crashes_is_waited_for() {
    let bench = Bench::start().await;
    bench
        .run("root[0]", "insert into effects (note) values ('x')")
        .await;
    // A backend killed outright makes the postmaster restart every session.
    let pid = bench
        .database
        .psql("select pid from pg_stat_activity where backend_type = 'checkpointer'");
    let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
    nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
    // Steps go on, one after another, until one has lived through the restart.
    let mut steps = 1;
    while bench.connections() == 1 {
        let path = format!("root[{steps}]");
        let outcome = bench
            .run(&path, "insert into effects (note) values ('x')")
            .await;
        // The restart may come between a commit and its answer.
        assert!(
            matches!(
                outcome,
                StepOutcome::Completed { .. } | StepOutcome::AlreadyRecorded
            ),
            "{outcome:?}"
        );
        steps += 1;
    }
    assert_eq!(bench.effects(), steps.to_string());
}

#[tokio::test]
async fn one_step_run_twice_at_once_has_one_effect() {
    let bench = Bench::start().await;
    let sql = "insert into effects (note) values ('x')";
    for n in 0..20 {
        let path = format!("root[{n}]");
        let (one, other) = tokio::join!(bench.run(&path, sql), bench.run(&path, sql));
        let done = |outcome: &StepOutcome| matches!(outcome, StepOutcome::Completed { .. });
        assert!(done(&one) != done(&other), "{one:?} {other:?}");
        let adopts = |outcome: &StepOutcome| *outcome == StepOutcome::AlreadyRecorded;
        assert!(adopts(&one) || adopts(&other), "{one:?} {other:?}");
    }
    assert_eq!(bench.effects(), "20");
}
