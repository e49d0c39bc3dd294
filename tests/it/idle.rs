//! What a relay with nothing to do costs.

use std::time::{Duration, Instant};

use crate::support::{OwnServer, Server, TestDb, Workflows};

const WATCHED: Duration = Duration::from_secs(6);
const MOST_COMMITS_PER_SECOND: f64 = 4.0;
/// Of one core; a debug build on a loaded machine is given twice what is promised.
const MOST_CPU: f64 = 0.02;

#[tokio::test]
async fn an_idle_relay_costs_a_few_statements_a_second_and_next_to_no_processor() {
    let workflows = Workflows::new().await;
    let waits: Vec<String> = {
        let mut ids = Vec::new();
        for expression in [
            "df.wait_for_signal('go')",
            "df.sleep(3600)",
            "df.wait_for_schedule('0 0 1 1 *')",
        ] {
            ids.push(workflows.start(expression).await);
        }
        ids
    };
    workflows.result("'select 1'").await;
    for id in &waits {
        workflows.db.parked(id).await;
    }
    // From another database, so that looking is not counted.
    let outside = Server::shared()
        .superuser("postgres")
        .connect()
        .await
        .unwrap();
    let commits = || async {
        let sql = "select xact_commit + xact_rollback from pg_stat_database where datname = $1";
        outside
            .query_one(sql, &[&workflows.db.name])
            .await
            .unwrap()
            .get::<_, i64>(0)
    };
    // A session tells its counts some time after its last statement, or when it ends.
    let end = "select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity
                where datname = $1 and application_name not like 'df-relay%'";
    outside.query_one(end, &[&workflows.db.name]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The quietest of three: autovacuum's transactions are counted, too.
    let (mut fewest, mut least) = (f64::MAX, f64::MAX);
    for _ in 0..3 {
        let (before, cpu) = (commits().await, workflows.relay.cpu_seconds());
        tokio::time::sleep(WATCHED).await;
        fewest = fewest.min((commits().await - before) as f64 / WATCHED.as_secs_f64());
        least = least.min((workflows.relay.cpu_seconds() - cpu) / WATCHED.as_secs_f64());
        if fewest <= MOST_COMMITS_PER_SECOND && least <= MOST_CPU {
            break;
        }
    }
    let (commits, cpu) = (fewest, least);
    println!(
        "{commits:.1} commits a second, {:.2} % of a core",
        cpu * 100.0
    );
    assert!(
        commits <= MOST_COMMITS_PER_SECOND,
        "{commits} commits a second"
    );
    assert!(cpu <= MOST_CPU, "{cpu} of a core");
    let alice = workflows.alice.session().await;
    let id = &waits[0];
    alice
        .query("select df.signal($1, 'go')", &[id])
        .await
        .unwrap();
    let ended = alice
        .query_one("select df.await_instance($1)", &[id])
        .await
        .unwrap();
    assert_eq!(ended.get::<_, &str>(0), "completed");
}

const PATIENCE: Duration = Duration::from_secs(30);
/// 2 while some relay sleeps and callers notify it; commits that do share a lock.
const FLAG: &str = "select last_value from df.relay_idle";

#[tokio::test]
async fn callers_notify_nobody_once_the_last_relay_has_gone() {
    let db = TestDb::new().await;
    let mut one = db.start_relay();
    let mut other = db.start_relay();
    db.until(FLAG, "2").await;
    assert_eq!(one.stop(), 0);
    // The other sleeps yet, or will: were it asleep and the flag cleared, nobody would set it again.
    db.until(FLAG, "2").await;
    assert_eq!(other.stop(), 0);
    assert_eq!(db.text(FLAG).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_relay_that_begins_has_nobody_notify_it_while_it_works() {
    let db = TestDb::new().await;
    let mut killed = db.start_relay();
    db.until(FLAG, "2").await;
    killed.kill();
    assert_eq!(db.text(FLAG).await.as_deref(), Some("2"));
    let works = db.spawn_relay(&[]);
    // For a tenth of a second, after which it sleeps: so without a pause between looks.
    let begun = Instant::now();
    while db.text(FLAG).await.as_deref() != Some("1") {
        assert!(begun.elapsed() < PATIENCE, "{}", works.log());
    }
}

#[tokio::test]
async fn while_callers_that_notify_nobody_keep_coming_the_relay_looks_often() {
    let count_calls = "do $$ begin
        execute format('alter database %I set track_functions = %L', current_database(), 'all'); end $$";
    let args = ["--poll-interval-ms", "3000"];
    let workflows = Workflows::with_relay(count_calls, &args).await;
    let start = "set df.notify = off; select df.start('select 1')";
    // So slowly that the relay has callers notify it, which these do not.
    for _ in 0..150 {
        workflows.alice.client.batch_execute(start).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A session tells its counts once a second.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let looks = "select coalesce(sum(calls), 0)::text from pg_stat_user_functions where funcname = 'relay_look'";
    let looks: u32 = workflows.db.text(looks).await.unwrap().parse().unwrap();
    // Every 10 ms while some keep coming; every three seconds it would be a handful.
    assert!(looks > 30, "{looks} looks");
}

#[tokio::test]
async fn callers_notify_nobody_where_every_commit_is_slow() {
    let slow_flush = [
        ("fsync", "on"),
        ("commit_delay", "20000"),
        ("commit_siblings", "0"),
    ];
    let own = OwnServer::start_with(&slow_flush).await;
    let admin = own.superuser().await;
    let relay = own.relay();
    let until_flag = async |expected: i64| {
        let begun = Instant::now();
        while admin.query_one(FLAG, &[]).await.unwrap().get::<_, i64>(0) != expected {
            assert!(begun.elapsed() < PATIENCE, "{}", relay.log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    until_flag(2).await;
    // Those that notify commit one after the other here, so no more than fifty come in a second.
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let caller = own.alice().await;
        let start = "select df.start('select 1')";
        callers.spawn(async move { while caller.batch_execute(start).await.is_ok() {} });
    }
    until_flag(1).await;
    callers.shutdown().await;
}
