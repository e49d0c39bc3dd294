//! Relays that reach Postgres through a PgBouncer in transaction mode, set up as docs/operating.md
//! says: every feature works, and no session tells one step what another left in it.

use std::time::Duration;

use serde_json::Value;

use crate::support::effects::{
    TABLES, assert_nothing_lost_or_repeated, drive, outcome, role_with_traces, start_all, until,
    until_all_ended,
};
use crate::support::pooler::Pooler;
use crate::support::{Process, Role, Server, TestDb, Web, literal, spawn};

const PATIENCE: Duration = Duration::from_secs(60);
/// Fewer than there are steps at a time, so that steps take turns on them.
const SESSIONS: u32 = 2;

/// A database behind a pooler.
struct Pooled {
    db: TestDb,
    pooler: Pooler,
}

/// A relay whose log a failing test prints.
struct Shown(Process);

impl Drop for Shown {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the relay's log:\n{}", self.0.log());
        }
    }
}

impl Pooled {
    async fn new() -> Pooled {
        let db = TestDb::new().await;
        Pooler::set_up(&db.client).await;
        let pooler = Pooler::start(Server::shared().cluster(), SESSIONS);
        Pooled { db, pooler }
    }

    /// Past every pooler, whether the other tests' relays have one or not.
    fn direct_url(&self) -> String {
        let cluster = Server::shared().cluster();
        cluster.url("df_relay", "relay", &self.db.name)
    }

    fn url(&self) -> String {
        let port = Server::shared().cluster().port();
        self.pooler.through(&self.direct_url(), port)
    }

    fn relay(&self, args: &[&str]) -> Shown {
        let variables = [
            ("DF_DATABASE_URL", self.url()),
            ("DF_LOG_FORMAT", "json".to_owned()),
        ];
        let variables = variables
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let args = [&["run", "--poll-only", "--poll-interval-ms", "100"], args].concat();
        let relay = spawn(&args, &variables);
        relay.wait_for_log("relay ready");
        Shown(relay)
    }

    /// Runs an expression to its end; its status, and its result or error as JSON.
    async fn run(&self, role: &Role, expression: &str) -> (String, Value) {
        let id = role
            .text(&format!("select df.start({expression})"))
            .await
            .unwrap();
        self.end_of(&id).await
    }

    async fn end_of(&self, id: &str) -> (String, Value) {
        let status = self.db.ended(id).await;
        let said =
            format!("select coalesce(result, to_json(error)) from df.instances where id = '{id}'");
        let said = self.db.text(&said).await;
        let said = said.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
        (status, said)
    }

    /// The first row of a step that must complete.
    async fn row(&self, role: &Role, sql: &str) -> Value {
        let (status, mut result) = self.run(role, &literal(sql)).await;
        assert_eq!(status, "completed", "{sql}: {result}");
        result["rows"][0].take()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_workflow_ends_as_without_a_pooler_whatever_dies() {
    let undisturbed = TestDb::new().await;
    let role = role_with_traces(&undisturbed).await;
    start_all(&role).await;
    let relay = undisturbed.start_relay();
    until_driven(&role).await;
    until_all_ended(&undisturbed, PATIENCE).await;
    drop(relay);

    let pooled = Pooled::new().await;
    let role = role_with_traces(&pooled.db).await;
    let mut killed = pooled.relay(&["--lease-seconds", "2"]);
    let _lives = pooled.relay(&["--lease-seconds", "2"]);
    start_all(&role).await;
    let some = "select count(*) >= 8 from effects";
    until(&pooled.db, some, PATIENCE).await;
    killed.0.kill();
    let cut = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity
          where datname = '{}' and (usename = 'df_relay' or usename like 'df\\_step\\_%')",
        pooled.db.name
    );
    pooled.db.client.batch_execute(&cut).await.unwrap();
    until_driven(&role).await;
    until_all_ended(&pooled.db, PATIENCE).await;
    assert_eq!(outcome(&pooled.db).await, outcome(&undisturbed).await);
    assert_nothing_lost_or_repeated(&pooled.db).await;
}

async fn until_driven(role: &Role) {
    while !drive(role).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a session can keep that a transaction's end does not undo, and a failure not either.
const LEFT: [&str; 14] = [
    "set work_mem = '99MB'",
    "set search_path = pg_temp",
    "set statement_timeout = '1h'",
    "set timezone = 'Asia/Tokyo'",
    "set datestyle = 'SQL, DMY'",
    "set my.own = 'x'",
    "set session characteristics as transaction read only",
    "create temp table left_over (a int)",
    "create function pg_temp.left_over() returns int language sql as 'select 1'",
    "declare c cursor with hold for select 1",
    "prepare mine as select 1",
    "listen somewhere",
    "select pg_advisory_lock(42)",
    "do $$ begin execute 'prepare mine_too as select 1'; perform pg_advisory_lock(43);
                 perform nextval('numbers'); raise 'no'; end $$",
];

/// What a step sees of all that.
const SEEN: &str =
    "select current_setting('work_mem') as mem, current_setting('search_path') as path,
    current_setting('statement_timeout') as timeout, current_setting('timezone') as zone,
    current_setting('datestyle') as dates, current_setting('client_encoding') as encoding,
    nullif(current_setting('my.own', true), '') as own,
    current_setting('default_transaction_read_only') as read_only,
    to_regclass('pg_temp.left_over') is not null as temp,
    (select count(*) from pg_proc where proname = 'left_over') as functions,
    (select count(*) from pg_cursors where name <> '') as cursors,
    (select count(*) from pg_prepared_statements where name <> '') as prepared,
    (select count(*) from pg_listening_channels()) as channels,
    (select count(*) from pg_locks l join pg_database d on d.oid = l.database
      where d.datname = current_database() and l.locktype = 'advisory' and l.objid in (42, 43)) as locks,
    session_user as login, current_user as role";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_step_finds_what_another_left_in_a_lent_session() {
    let pooled = Pooled::new().await;
    let alice = pooled.db.role("alice").await;
    let bob = pooled.db.role("bob").await;
    alice
        .client
        .batch_execute("create sequence numbers")
        .await
        .unwrap();
    let _relay = pooled.relay(&[]);
    let before = pooled.row(&alice, SEEN).await;
    let bobs = pooled.row(&bob, SEEN).await;
    assert_eq!(before["role"], alice.name.as_str());
    assert_eq!(bobs["role"], bob.name.as_str());
    for left in LEFT {
        let (status, said) = pooled.run(&alice, &literal(left)).await;
        let expected = if left.starts_with("do ") {
            "failed"
        } else {
            "completed"
        };
        assert_eq!(status, expected, "{left}: {said}");
        // Two at a time meet both sessions.
        let slow = format!("{SEEN}, pg_sleep(0.1)");
        let both = format!("df.join({}, {})", literal(&slow), literal(&slow));
        let (status, seen) = pooled.run(&alice, &both).await;
        assert_eq!(status, "completed", "{left}: {seen}");
        for branch in 0..2 {
            let mut seen = seen[branch]["rows"][0].clone();
            seen.as_object_mut().unwrap().remove("pg_sleep");
            assert_eq!(seen, before, "after {left}");
        }
        assert_eq!(pooled.row(&bob, SEEN).await, bobs, "after {left}");
    }
    let (status, said) = pooled.run(&alice, "'select currval(''numbers'')'").await;
    assert_eq!(
        (status.as_str(), said.as_str().unwrap().contains("currval")),
        ("failed", true)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_sees_its_roles_own_settings_and_no_others() {
    let pooled = Pooled::new().await;
    let alice = pooled.db.role("alice").await;
    let bob = pooled.db.role("bob").await;
    let set = format!(
        "create schema app authorization {0};
         alter role {0} set search_path = app, public; alter role {0} set work_mem = '77MB';
         alter role {0} set statement_timeout = '700ms'; alter role {0} set my.quoted = 'it''s \\ \"so\"'",
        alice.name
    );
    pooled.db.client.batch_execute(&set).await.unwrap();
    let _relay = pooled.relay(&[]);
    let look = "select current_setting('search_path') as path, current_setting('work_mem') as mem,
                       current_setting('my.quoted', true) as quoted";
    for _ in 0..3 {
        let seen = pooled.row(&alice, look).await;
        let expected =
            serde_json::json!({"path": "app, public", "mem": "77MB", "quoted": "it's \\ \"so\""});
        assert_eq!(seen, expected);
        let seen = pooled.row(&bob, look).await;
        assert_ne!(seen["mem"], "77MB", "{seen}");
        assert_eq!(seen["quoted"].as_str().unwrap_or_default(), "", "{seen}");
    }
    let (status, said) = pooled.run(&alice, "'select pg_sleep(60)'").await;
    assert_eq!(status, "failed", "{said}");
    assert!(
        said.as_str().unwrap().contains("statement timeout"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_statement_is_cancelled_through_the_pooler_and_leaves_nothing() {
    let pooled = Pooled::new().await;
    let alice = pooled.db.role("alice").await;
    alice
        .client
        .batch_execute("create table effects (n int)")
        .await
        .unwrap();
    let _relay = pooled.relay(&[]);
    let slow = "'with slow as materialized (select pg_sleep(600) as s) insert into effects select 1 from slow'";
    let active = "select count(*) = 1 from pg_stat_activity
                   where datname = current_database() and query like '%pg_sleep(600)%'
                     and state = 'active' and pid <> pg_backend_pid()";
    let none = active.replace("= 1 from", "= 0 from");
    for graph in [
        slow.to_owned(),
        format!("df.race(df.wait_for_signal('go'), {slow})"),
    ] {
        let id = alice
            .text(&format!("select df.start({graph})"))
            .await
            .unwrap();
        until(&pooled.db, active, PATIENCE).await;
        let call = if graph.contains("race") {
            format!("select df.signal('{id}', 'go')")
        } else {
            format!("select df.cancel('{id}', 'enough')")
        };
        alice.text(&call).await;
        until(&pooled.db, &none, Duration::from_secs(10)).await;
        pooled.end_of(&id).await;
        // The session that was cancelled serves on, or another does.
        pooled.row(&alice, "select 1 as one").await;
    }
    let effects = pooled.db.text("select count(*) from effects").await;
    assert_eq!(effects.as_deref(), Some("0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_outside_a_transaction_run_as_their_role_through_the_pooler() {
    let pooled = Pooled::new().await;
    let other = TestDb::empty().await;
    Pooler::set_up(&other.client).await;
    let alice = pooled.db.role("alice").await;
    alice
        .client
        .batch_execute("create table t (n int); insert into t select generate_series(1, 100)")
        .await
        .unwrap();
    let _relay = pooled.relay(&[]);
    for sql in [
        "create index concurrently t_n on public.t (n)",
        "vacuum (analyze) public.t",
    ] {
        let (status, said) = pooled.run(&alice, &literal(sql)).await;
        assert_eq!(status, "completed", "{sql}: {said}");
    }
    let made = "select (select reltuples from pg_class where oid = 't'::regclass) = 100
                   and (select pg_get_userbyid(relowner) from pg_class where oid = 't_n'::regclass)
                       = (select pg_get_userbyid(relowner) from pg_class where oid = 't'::regclass)";
    assert_eq!(pooled.db.text(made).await.as_deref(), Some("t"));
    // Its own clock ends one that would wait for ever.
    let mut holder = alice.session().await;
    let holds = holder.transaction().await.unwrap();
    holds.batch_execute("lock table t").await.unwrap();
    let limited = "df.timeout(df.sql('vacuum full public.t'), 1)";
    let (status, said) = pooled.run(&alice, limited).await;
    assert_eq!(status, "failed", "{said}");
    assert!(said.as_str().unwrap().contains("timeout"), "{said}");
    drop(holds);

    // In another database: as the role, and clean for the next.
    for left in [
        "set work_mem = '99MB'",
        "prepare mine as select 1",
        "select pg_advisory_lock(42)",
        SEEN,
    ] {
        let start = format!(
            "select df.start({}, database => '{}')",
            literal(left),
            other.name
        );
        let id = alice.text(&start).await.unwrap();
        let (status, said) = pooled.end_of(&id).await;
        assert_eq!(status, "completed", "{left}: {said}");
        if left == SEEN {
            let seen = &said["rows"][0];
            assert_eq!(seen["role"], alice.name.as_str());
            assert_ne!(seen["mem"], "99MB");
            assert_eq!(
                (&seen["prepared"], &seen["locks"]),
                (&Value::from(0), &Value::from(0))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_new_passwords_and_dead_sessions_are_nothing_special_behind_a_pooler() {
    let pooled = Pooled::new().await;
    let web = Web::start();
    let alice = pooled.db.role("alice").await;
    let allow = "select df.configure('http_allow_private', 'true')";
    pooled.db.client.batch_execute(allow).await.unwrap();
    let mut relay = pooled.relay(&[]);
    let request = format!("df.http({}, 'GET')", literal(&web.url("/status/200")));
    let (status, said) = pooled.run(&alice, &request).await;
    assert_eq!(
        (status.as_str(), &said["status"]),
        ("completed", &Value::from(200)),
        "{said}"
    );
    for _ in 0..2 {
        // Another password for the step login, and no session left that knew the old one.
        let again = format!(
            "select df.grant_usage('{}', include_http => true)",
            alice.name
        );
        pooled.db.client.batch_execute(&again).await.unwrap();
        let cut = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity
              where datname = '{}' and usename like 'df\\_step\\_%'",
            pooled.db.name
        );
        pooled.db.client.batch_execute(&cut).await.unwrap();
        pooled.row(&alice, "select 1 as one").await;
    }
    // Nobody listens, so nobody is to be notified.
    let flag = pooled.db.text("select last_value from df.relay_idle").await;
    assert_eq!(flag.as_deref(), Some("1"));
    assert_eq!(relay.0.stop(), 0, "{}", relay.0.log());
    let left = "select count(*) from df.relays";
    assert_eq!(pooled.db.text(left).await.as_deref(), Some("0"));
    assert!(
        !relay.0.log().contains("prepared statement"),
        "{}",
        relay.0.log()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_roles_share_a_pooler_and_each_keeps_to_itself() {
    let pooled = Pooled::new().await;
    let roles = [pooled.db.role("ann").await, pooled.db.role("ben").await];
    for role in &roles {
        let own = format!(
            "create schema {0}; set search_path = {0}; {TABLES}",
            role.name
        );
        let own = own.replace("create schema", "create schema if not exists");
        pooled
            .db
            .client
            .batch_execute(&format!(
                "grant create on database {} to {}",
                pooled.db.name, role.name
            ))
            .await
            .unwrap();
        role.client.batch_execute(&own).await.unwrap();
    }
    let _relays = [pooled.relay(&[]), pooled.relay(&[])];
    for role in &roles {
        let step = format!(
            "insert into {0}.effects select session_user::text, current_user::text, pg_sleep(0.01) is null",
            role.name
        )
        .replace(", pg_sleep(0.01) is null", "");
        let start = format!(
            "select count(df.start(df.seq({0}, df.join({0}, df.seq(df.sleep_interval('0.2 s'), {0}))))) from generate_series(1, 20)",
            literal(&step)
        );
        role.text(&start).await;
    }
    until_all_ended(&pooled.db, PATIENCE).await;
    for role in &roles {
        let whose = format!(
            "select count(*) || ' ' || count(distinct instance) || ' ' || string_agg(distinct step, ',')
               from {}.effects",
            role.name
        );
        let expected = format!("60 1 {}", role.name);
        assert_eq!(pooled.db.text(&whose).await, Some(expected));
    }
}

/// Such a pooler lets a relay in and lends it sessions all the same; it went on, and failed workflows for statements that
/// were prepared in another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_was_not_told_of_a_pooler_fails_no_workflow() {
    let mut pooled = Pooled::new().await;
    let lines = "ignore_startup_parameters = options";
    pooled.pooler = Pooler::start_with(Server::shared().cluster(), SESSIONS, lines);
    let alice = pooled.db.role("alice").await;
    let start = "select df.start(df.seq('select 1', 'select 2')) from generate_series(1, 20)";
    alice.session().await.batch_execute(start).await.unwrap();
    let untold = spawn(&["run"], &[("DF_DATABASE_URL", &pooled.url())]);
    untold.wait_for_log("a pooler keeps the session's settings from Postgres");
    let _relay = pooled.relay(&[]);
    let all = "select bool_and(status = 'completed') from df.instances";
    until(&pooled.db, all, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_work_through_a_pooler_and_the_doctor_knows_it() {
    let pooled = Pooled::new().await;
    let alice = pooled.db.role("alice").await;
    let _relay = pooled.relay(&[]);
    pooled.row(&alice, "select 1 as one").await;
    let url = pooled.url();
    let run = |args: &[&str]| {
        let mut process = spawn(args, &[("DF_DATABASE_URL", &url)]);
        let code = process.wait().code();
        (code, process.stdout().join("\n") + &process.log())
    };
    let (_, text) = run(&["doctor"]);
    assert!(text.contains("WRONG  pooler"), "{text}");
    let untold = spawn(&["run"], &[("DF_DATABASE_URL", &url)]);
    untold.wait_for_log(
        "a pooler refuses the session; connect to Postgres itself, or run with --poll-only",
    );
    drop(untold);
    let (_, text) = run(&["doctor", "--poll-only"]);
    assert!(text.contains("ok     pooler"), "{text}");
    assert!(text.contains("ok     step logins"), "{text}");
    for command in ["status", "replay", "adopt"] {
        let (code, text) = run(&[command]);
        assert_eq!(code, Some(0), "{command}: {text}");
    }
    let direct = spawn(&["doctor"], &[("DF_DATABASE_URL", &pooled.direct_url())]);
    direct.wait_for_stdout("no transaction pooler was seen");
}
