//! What begins while its claim commits: the first step of a new instance. The fence waits for that commit, and
//! refuses what was begun under a claim that came to nothing.

use std::time::{Duration, Instant};

use crate::support::effects::{
    assert_nothing_lost_or_repeated, drive, outcome, role_with_traces, start_all, until_all_ended,
};
use crate::support::{Server, TestDb};

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs PL/pgSQL in every claim's COMMIT.
async fn at_each_claims_commit(db: &TestDb, body: &str) {
    let sql = format!(
        "create sequence public.claims;
         create table public.claimed (at timestamptz not null);
         create function public.at_claims_commit() returns trigger language plpgsql security definer as $$
         begin
             if coalesce(current_setting('test.seen', true), '') <> pg_current_xact_id()::text then
                 perform set_config('test.seen', pg_current_xact_id()::text, true);
                 {body}
             end if;
             return null;
         end $$;
         create constraint trigger at_claims_commit after update on df.instances deferrable initially deferred
             for each row when (old.owner is null and new.owner is not null)
             execute function public.at_claims_commit()"
    );
    let superuser = Server::shared().superuser(&db.name).connect().await;
    superuser.unwrap().batch_execute(&sql).await.unwrap();
}

#[tokio::test]
async fn a_first_step_runs_while_its_claim_commits_and_is_recorded_after_it() {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let _relay = db.start_relay();
    let table = "create table ran (at timestamptz default clock_timestamp())";
    role.client.batch_execute(table).await.unwrap();
    let start = "select df.start('insert into ran default values')";
    // A relay that knows the graph need not ask for it, behind the COMMIT.
    role.text(start).await;
    until_all_ended(&db, PATIENCE).await;
    let slow = "perform pg_sleep(1); insert into public.claimed values (clock_timestamp());";
    at_each_claims_commit(&db, slow).await;
    role.text(start).await;
    until_all_ended(&db, PATIENCE).await;
    let order = "select (select max(at) from ran) < c.at and c.at < (select max(ended_at) from df.node_runs)
                   from public.claimed c";
    assert_eq!(db.text(order).await.as_deref(), Some("t"));
}

/// Every kind of workflow, with claims that go through one time and fail the next; returns the outcome.
async fn run(fails: Option<&str>) -> String {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    if let Some(fails) = fails {
        // Late, so that the steps that have begun wait for it.
        let body = format!(
            "if nextval('public.claims') % 2 = 1 then perform pg_sleep(0.2); {fails} end if;"
        );
        at_each_claims_commit(&db, &body).await;
    }
    let relay = db.start_relay();
    start_all(&role).await;
    let deadline = Instant::now() + PATIENCE;
    while !drive(&role).await {
        assert!(Instant::now() < deadline, "callers never got done");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until_all_ended(&db, PATIENCE).await;
    assert_nothing_lost_or_repeated(&db).await;
    let failed = relay
        .log()
        .contains("whether a transaction committed is not known");
    assert_eq!(failed, fails.is_some(), "{}", relay.log());
    outcome(&db).await
}

#[tokio::test]
async fn a_claim_that_fails_as_it_commits_changes_no_outcome() {
    let undisturbed = run(None).await;
    for fails in [
        "raise exception 'not this time';",
        "perform pg_terminate_backend(pg_backend_pid());",
    ] {
        assert_eq!(run(Some(fails)).await, undisturbed, "{fails}");
    }
}
