//! The installer against real servers: races, privileges, refusals.

use std::path::Path;

use df_local::{Cluster, ClusterConfig};
use df_postgres::install::{InstallOptions, InstallReport, Outcome, RelayPassword, dry_run};
use df_postgres::install::{install, uninstall};
use df_postgres::retry::RetryPolicy;
use df_postgres::schema::{Fit, Installed, SchemaFiles, inspect};
use df_postgres::{ConnectOptions, Error, connect_when_up};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

/// A server with nothing in it: roles belong to the whole cluster, so each test has its own.
fn fresh_cluster() -> Cluster {
    let mut cluster = Cluster::create_or_open(ClusterConfig::for_tests()).unwrap();
    cluster.start().unwrap();
    cluster
}

fn files() -> SchemaFiles {
    SchemaFiles::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema")).unwrap()
}

fn superuser(cluster: &Cluster, database: &str) -> ConnectOptions {
    ConnectOptions::parse(&cluster.superuser_url(database)).unwrap()
}

async fn execute(target: &ConnectOptions, sql: &str) {
    target
        .connect()
        .await
        .unwrap()
        .batch_execute(sql)
        .await
        .unwrap();
}

async fn text(client: &Client, sql: &str) -> String {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn try_install(target: &ConnectOptions) -> Result<InstallReport, Error> {
    let cancel = CancellationToken::new();
    install(target, &files(), &InstallOptions::default(), &cancel).await
}

/// A fingerprint of everything in the schema, its owners and its privileges.
async fn contents(target: &ConnectOptions) -> String {
    let sql = "select string_agg(t, E'\n' order by t) from (
        select c.relname || ' ' || c.relowner::regrole || ' ' || coalesce(c.relacl::text, '') as t
        from pg_class c where c.relnamespace = 'df'::regnamespace
        union all
        select p.oid::regprocedure || ' ' || p.proowner::regrole || ' ' || md5(p.prosrc)
        from pg_proc p where p.pronamespace = 'df'::regnamespace
        union all
        select o.oid::regoperator || ' ' || o.oprowner::regrole from pg_operator o
        where o.oprname = '~>') s";
    text(&target.connect().await.unwrap(), sql).await
}

#[tokio::test]
async fn a_second_install_changes_nothing() {
    let cluster = fresh_cluster();
    let target = superuser(&cluster, "postgres");
    let first = try_install(&target).await.unwrap();
    assert_eq!(first.outcome, Outcome::Installed { version: 1 });
    assert!(
        first.notes[0].contains("ALTER ROLE df_relay PASSWORD"),
        "{:?}",
        first.notes
    );
    let before = contents(&target).await;
    assert!(before.contains("df_owner"), "{before}");

    let second = try_install(&target).await.unwrap();
    assert_eq!(second.outcome, Outcome::AlreadyUpToDate { version: 1 });
    assert_eq!(
        second.outcome.to_string(),
        "already up to date (schema version 1)"
    );
    assert!(second.notes.is_empty(), "{:?}", second.notes);
    assert_eq!(contents(&target).await, before);

    let roles = "select string_agg(concat_ws(' ', rolname, rolcanlogin, rolsuper), ', '
                 order by rolname) from pg_roles where rolname like 'df%'";
    let roles = text(&target.connect().await.unwrap(), roles).await;
    assert_eq!(roles, "df_admin f f, df_owner f f, df_relay t f");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_installs_at_once_in_two_databases_all_succeed() {
    let cluster = fresh_cluster();
    execute(&superuser(&cluster, "postgres"), "create database second").await;
    let mut installs = tokio::task::JoinSet::new();
    for at in 0..20 {
        let target = superuser(&cluster, if at % 2 == 0 { "postgres" } else { "second" });
        installs.spawn(async move {
            let password = Some(RelayPassword(format!("password {at}")));
            let options = InstallOptions {
                relay_password: password,
                ..Default::default()
            };
            install(&target, &files(), &options, &CancellationToken::new()).await
        });
    }
    let reports = installs.join_all().await;
    let outcomes: Vec<Outcome> = reports
        .into_iter()
        .map(|report| report.unwrap().outcome)
        .collect();
    let count = |wanted: Outcome| {
        outcomes
            .iter()
            .filter(|outcome| **outcome == wanted)
            .count()
    };
    assert_eq!(count(Outcome::Installed { version: 1 }), 2);
    assert_eq!(count(Outcome::AlreadyUpToDate { version: 1 }), 18);
}

#[tokio::test]
async fn a_held_advisory_lock_does_not_stop_an_install_for_ever() {
    let cluster = fresh_cluster();
    let target = superuser(&cluster, "postgres");
    let holder = target.connect().await.unwrap();
    holder
        .execute("select pg_advisory_lock($1)", &[&0x64665f72656c6179_i64])
        .await
        .unwrap();
    let report = try_install(&target).await.unwrap();
    assert_eq!(report.outcome, Outcome::Installed { version: 1 });
}

#[tokio::test]
async fn another_df_schema_is_refused_and_left_alone() {
    let cluster = fresh_cluster();
    for (database, made_by) in [
        (
            "theirs",
            "create schema df create table df.meta (key text, value text)",
        ),
        ("empty", "create schema df"),
        (
            "durable",
            "create schema df create table df.instances (id text)",
        ),
    ] {
        execute(
            &superuser(&cluster, "postgres"),
            &format!("create database {database}"),
        )
        .await;
        let target = superuser(&cluster, database);
        execute(&target, made_by).await;
        let before = contents_or_nothing(&target).await;
        let error = try_install(&target).await.unwrap_err();
        assert!(matches!(error, Error::ForeignSchema { .. }), "{error}");
        assert!(
            error.to_string().contains("already holds a schema `df`"),
            "{error}"
        );
        let error = uninstall(&target).await.unwrap_err();
        assert!(matches!(error, Error::ForeignSchema { .. }), "{error}");
        assert_eq!(contents_or_nothing(&target).await, before);
    }
    let roles = "select count(*)::text from pg_roles where rolname like 'df%'";
    let client = superuser(&cluster, "postgres").connect().await.unwrap();
    assert_eq!(text(&client, roles).await, "0");
}

#[tokio::test]
async fn a_database_of_another_encoding_is_refused_and_left_alone() {
    let cluster = fresh_cluster();
    for encoding in ["LATIN1", "SQL_ASCII", "EUC_JP"] {
        let name = format!("in_{}", encoding.to_lowercase());
        let make = format!(
            "create database {name} template template0 encoding '{encoding}' lc_collate 'C' lc_ctype 'C'"
        );
        execute(&superuser(&cluster, "postgres"), &make).await;
        let target = superuser(&cluster, &name);
        let tried = try_install(&target).await.unwrap_err();
        let planned = dry_run(&target, &files(), &InstallOptions::default()).await;
        for error in [tried, planned.unwrap_err()] {
            let wanted = format!("database \"{name}\" has the encoding {encoding}, and df-relay");
            assert!(error.to_string().starts_with(&wanted), "{error}");
        }
    }
    let roles = "select count(*)::text from pg_roles where rolname like 'df%'";
    let client = superuser(&cluster, "postgres").connect().await.unwrap();
    assert_eq!(text(&client, roles).await, "0");
}

async fn contents_or_nothing(target: &ConnectOptions) -> String {
    let sql = "select coalesce(string_agg(relname, ' '), '') from pg_class
               where relnamespace = 'df'::regnamespace";
    text(&target.connect().await.unwrap(), sql).await
}

#[tokio::test]
async fn an_administrator_without_superuser_installs_and_uninstalls() {
    let cluster = fresh_cluster();
    let url = |database| ConnectOptions::parse(&cluster.url("Service Admin", "pw", database));
    let make = "create role \"Service Admin\" login createrole createdb password 'pw'";
    execute(&superuser(&cluster, "postgres"), make).await;
    execute(&url("postgres").unwrap(), "create database app").await;
    let target = url("app").unwrap();

    let report = try_install(&target).await.unwrap();
    assert_eq!(report.outcome, Outcome::Installed { version: 1 });
    assert!(contents(&target).await.contains("~>(text,text) df_owner"));
    let again = try_install(&target).await.unwrap();
    assert_eq!(again.outcome, Outcome::AlreadyUpToDate { version: 1 });

    let removed = uninstall(&target).await.unwrap();
    assert_eq!(removed.dropped_roles, ["df_relay", "df_admin", "df_owner"]);
    assert!(matches!(
        uninstall(&target).await,
        Err(Error::MissingSchema(_))
    ));
}

#[tokio::test]
async fn an_ordinary_role_is_told_what_an_administrator_must_run() {
    let cluster = fresh_cluster();
    let admin = superuser(&cluster, "postgres");
    execute(&admin, "create role ann login password 'pw'").await;
    let target = ConnectOptions::parse(&cluster.url("ann", "pw", "postgres")).unwrap();
    // Running what each refusal prints leads to an install in the end.
    let mut printed = Vec::new();
    let report = loop {
        match try_install(&target).await {
            Ok(report) => break report,
            Err(Error::NeedsAdministrator { statements, .. }) => {
                assert!(printed.len() < 5, "{printed:?}");
                execute(&admin, &statements.join("\n")).await;
                printed.push(statements);
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(report.outcome, Outcome::Installed { version: 1 });
    assert!(printed.len() >= 2, "{printed:?}");
}

#[tokio::test]
async fn the_relay_logs_in_with_the_password_and_finds_the_schema() {
    let cluster = fresh_cluster();
    let target = superuser(&cluster, "postgres");
    let options = InstallOptions {
        relay_password: Some(RelayPassword("it's a \\ secret".to_string())),
        ..InstallOptions::default()
    };
    let cancel = CancellationToken::new();
    let report = install(&target, &files(), &options, &cancel).await.unwrap();
    assert!(report.notes.is_empty(), "{:?}", report.notes);
    let url = cluster.url("df_relay", "it's a \\ secret", "postgres");
    let relay = ConnectOptions::parse(&url)
        .unwrap()
        .connect()
        .await
        .unwrap();
    match inspect(&relay).await.unwrap() {
        Installed::Ours(meta) => assert_eq!(meta.fit(&files()), Fit::Same),
        other => panic!("{other:?}"),
    }
    let script = dry_run(&target, &files(), &options).await.unwrap();
    assert!(
        !script.contains("secret") && !script.contains("SCRAM-SHA-256$"),
        "{script}"
    );
}

#[tokio::test]
async fn a_dry_run_prints_what_psql_can_run_and_changes_nothing() {
    let cluster = fresh_cluster();
    let target = superuser(&cluster, "postgres");
    let script = dry_run(&target, &files(), &InstallOptions::default())
        .await
        .unwrap();
    assert!(
        script.contains("create schema df authorization \"df_owner\";"),
        "{script}"
    );
    let client = target.connect().await.unwrap();
    assert_eq!(inspect(&client).await.unwrap(), Installed::Missing);
    client.batch_execute(&script).await.unwrap();
    let report = try_install(&target).await.unwrap();
    assert_eq!(report.outcome, Outcome::AlreadyUpToDate { version: 1 });
}

#[tokio::test]
async fn upgrades_go_forward_only() {
    let cluster = fresh_cluster();
    let target = superuser(&cluster, "postgres");
    try_install(&target).await.unwrap();
    let mut named = second_version();
    let newer = SchemaFiles::from_named(named.clone()).unwrap();
    let options = InstallOptions::default();
    let cancel = CancellationToken::new();
    let report = install(&target, &newer, &options, &cancel).await.unwrap();
    assert_eq!(report.outcome, Outcome::Upgraded { from: 1, to: 2 });

    named.push(("functions/20_more.sql".to_string(), "select 1;".to_string()));
    let changed = SchemaFiles::from_named(named).unwrap();
    let report = install(&target, &changed, &options, &cancel).await.unwrap();
    assert_eq!(report.outcome, Outcome::FunctionsReplaced { version: 2 });

    let error = try_install(&target).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::NewerSchema {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("Use df-relay"), "{error}");

    let elsewhere = InstallOptions {
        operator_schema: Some("other".to_string()),
        ..Default::default()
    };
    let error = install(&target, &changed, &elsewhere, &cancel)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::OperatorSchemaDiffers { .. }),
        "{error}"
    );
}

/// The files of the demonstration schema with a second version on top.
fn second_version() -> Vec<(String, String)> {
    let mut named: Vec<(String, String)> = files()
        .tables
        .into_iter()
        .chain(files().functions)
        .map(|f| (f.name, f.text))
        .collect();
    let migration = "alter table df.meta add column noted_at timestamptz;";
    let name = "migrations/0002_note.sql".to_string();
    named.push((name, migration.to_string()));
    named
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_upgrades_at_once_one_migrates() {
    let cluster = fresh_cluster();
    let target = superuser(&cluster, "postgres");
    try_install(&target).await.unwrap();
    let mut upgrades = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let target = target.clone();
        upgrades.spawn(async move {
            let newer = SchemaFiles::from_named(second_version()).unwrap();
            let options = InstallOptions::default();
            install(&target, &newer, &options, &CancellationToken::new()).await
        });
    }
    let reports = upgrades.join_all().await;
    let outcomes: Vec<Outcome> = reports.into_iter().map(|r| r.unwrap().outcome).collect();
    let count = |wanted: Outcome| {
        outcomes
            .iter()
            .filter(|outcome| **outcome == wanted)
            .count()
    };
    assert_eq!(
        count(Outcome::Upgraded { from: 1, to: 2 }),
        1,
        "{outcomes:?}"
    );
    assert_eq!(
        count(Outcome::AlreadyUpToDate { version: 2 }),
        19,
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn an_upgrade_lets_go_of_held_tables_and_names_who_holds_them() {
    let cluster = fresh_cluster();
    let target = superuser(&cluster, "postgres");
    try_install(&target).await.unwrap();
    let before = contents(&target).await;
    let (holder, reader) = (
        target.connect().await.unwrap(),
        target.connect().await.unwrap(),
    );
    holder
        .batch_execute("begin; select * from df.meta")
        .await
        .unwrap();
    let pid = holder
        .query_one("select pg_backend_pid()", &[])
        .await
        .unwrap();
    let session = format!("session {} of ", pid.get::<_, i32>(0));
    let newer = SchemaFiles::from_named(second_version()).unwrap();
    let cancel = CancellationToken::new();
    let options = |wait_limit_seconds| InstallOptions {
        wait_limit_seconds,
        ..InstallOptions::default()
    };
    // Whoever comes behind the waiting upgrade waits no longer than one of its tries.
    let three = options(3);
    let waiting = install(&target, &newer, &three, &cancel);
    let reading = async {
        let mut longest = std::time::Duration::ZERO;
        for _ in 0..20 {
            let began = std::time::Instant::now();
            reader.query("select * from df.meta", &[]).await.unwrap();
            longest = longest.max(began.elapsed());
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        longest
    };
    let (refused, longest) = tokio::join!(waiting, reading);
    let error = refused.unwrap_err();
    assert!(
        matches!(error, Error::TablesInUse { seconds: 3, .. }),
        "{error}"
    );
    assert!(error.to_string().contains(&session), "{error}");
    assert!(longest < std::time::Duration::from_secs(3), "{longest:?}");
    assert_eq!(contents(&target).await, before);

    let (options, release) = (options(60), async {
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        holder.batch_execute("commit").await.unwrap();
    });
    let (report, ()) = tokio::join!(install(&target, &newer, &options, &cancel), release);
    assert_eq!(
        report.unwrap().outcome,
        Outcome::Upgraded { from: 1, to: 2 }
    );
}

#[tokio::test]
async fn a_broken_file_is_named_with_its_line_and_leaves_nothing() {
    let cluster = fresh_cluster();
    let target = superuser(&cluster, "postgres");
    let broken = (
        "functions/30_broken.sql".to_string(),
        "select 1;\nselekt 2;".to_string(),
    );
    let mut named: Vec<(String, String)> = files()
        .tables
        .into_iter()
        .map(|f| (f.name, f.text))
        .collect();
    named.push(broken);
    let broken = SchemaFiles::from_named(named).unwrap();
    let cancel = CancellationToken::new();
    let error = install(&target, &broken, &InstallOptions::default(), &cancel)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("functions/30_broken.sql line 2: ERROR"),
        "{error}"
    );
    let client = target.connect().await.unwrap();
    assert_eq!(inspect(&client).await.unwrap(), Installed::Missing);
}

#[tokio::test]
async fn uninstall_takes_step_logins_and_keeps_roles_that_another_database_uses() {
    let cluster = fresh_cluster();
    let target = superuser(&cluster, "postgres");
    execute(&target, "create database second").await;
    let second = superuser(&cluster, "second");
    try_install(&target).await.unwrap();
    try_install(&second).await.unwrap();
    let step_logins = "do $$ begin
        execute format('create role df_step_%s_11 login noinherit',
                       (select oid from pg_database where datname = 'postgres'));
        execute format('create role df_step_%s_11 login noinherit',
                       (select oid from pg_database where datname = 'second'));
        end $$";
    execute(&target, step_logins).await;
    let first = uninstall(&target).await.unwrap();
    assert_eq!(first.dropped_roles.len(), 1, "{first:?}");
    assert!(first.dropped_roles[0].starts_with("df_step_"), "{first:?}");
    assert_eq!(first.kept_roles.len(), 3, "{first:?}");
    let last = uninstall(&second).await.unwrap();
    assert_eq!(last.dropped_roles.len(), 4, "{last:?}");
    assert!(last.kept_roles.is_empty(), "{last:?}");
}

#[tokio::test]
async fn uninstall_takes_nothing_that_is_not_its_own() {
    let cluster = fresh_cluster();
    let target = superuser(&cluster, "postgres");
    let files = SchemaFiles::embedded().unwrap();
    let (options, token) = (InstallOptions::default(), CancellationToken::new());
    install(&target, &files, &options, &token).await.unwrap();
    let theirs = "create schema app;
        create view app.running as select id from df.instances where status = 'running';
        create view app.above as select * from app.running;
        create table app.orders (workflow text default df.sleep(1));
        create table app.states (state df.instance_status);
        create function app.f() returns bigint begin atomic select count(*) from df.instances; end;
        create table app.apart (id text)";
    execute(&target, theirs).await;
    let error = uninstall(&target).await.unwrap_err();
    let Error::HasDependents(dependents) = &error else {
        panic!("{error}");
    };
    assert_eq!(
        dependents[..],
        [
            "function app.f()",
            "table app.orders",
            "table app.states",
            "view app.running"
        ],
    );
    let client = target.connect().await.unwrap();
    assert!(matches!(
        inspect(&client).await.unwrap(),
        Installed::Ours(_)
    ));
    execute(
        &target,
        "drop function app.f(); drop table app.orders, app.states; drop view app.running cascade",
    )
    .await;
    uninstall(&target).await.unwrap();
    let left =
        "select string_agg(relname, ' ') from pg_class where relnamespace = 'app'::regnamespace";
    assert_eq!(text(&client, left).await, "apart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting_waits_for_postgres_to_come_up_and_for_cancellation() {
    let mut cluster = fresh_cluster();
    cluster.stop(df_local::StopMode::Fast).unwrap();
    let target = superuser(&cluster, "postgres");
    let shutdown = CancellationToken::new();
    let waiting = tokio::spawn({
        let (target, shutdown) = (target.clone(), shutdown.clone());
        let policy = RetryPolicy {
            max_delay_ms: 200,
            ..RetryPolicy::default()
        };
        async move { connect_when_up(&target, &policy, &shutdown).await }
    });
    cluster.start().unwrap();
    let client = waiting.await.unwrap().unwrap();
    assert_eq!(text(&client, "select 'up'").await, "up");

    cluster.stop(df_local::StopMode::Fast).unwrap();
    let waiting = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { connect_when_up(&target, &RetryPolicy::default(), &shutdown).await }
    });
    shutdown.cancel();
    assert!(matches!(waiting.await.unwrap(), Err(Error::Cancelled)));
}

#[tokio::test]
async fn an_install_gives_the_relay_back_what_it_lost() {
    let cluster = fresh_cluster();
    let target = superuser(&cluster, "postgres");
    try_install(&target).await.unwrap();
    let relay_may = "select has_schema_privilege('df_relay', 'df', 'usage')::text";
    for lost in [
        "revoke usage on schema df from df_relay",
        "drop owned by df_relay; drop role df_relay",
    ] {
        execute(&target, lost).await;
        let script = dry_run(&target, &files(), &InstallOptions::default()).await;
        assert!(
            script.unwrap().contains("grant usage on schema df"),
            "{lost}"
        );
        let outcome = try_install(&target).await.unwrap().outcome;
        assert_eq!(outcome, Outcome::FunctionsReplaced { version: 1 }, "{lost}");
        let client = target.connect().await.unwrap();
        assert_eq!(text(&client, relay_may).await, "true", "{lost}");
    }
    let outcome = try_install(&target).await.unwrap().outcome;
    assert_eq!(outcome, Outcome::AlreadyUpToDate { version: 1 });
}
