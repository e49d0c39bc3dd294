//! Upgrades: what an older version recorded finishes under this one, relays and callers go on while the
//! schema changes under them, and an upgraded schema is the one that a fresh install makes.

mod workload;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use df_postgres::ConnectOptions;
use df_postgres::install::{InstallOptions, InstallReport, Outcome, install};
use df_postgres::schema::SchemaFiles;
use tokio_util::sync::CancellationToken;

use crate::support::{Role, Server, TestDb, spawn, sql_folder};

const WRONG_SCHEMA: i32 = 4;

fn data_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

/// Every dump of an older version, in the order of its name.
fn recorded_versions() -> Vec<PathBuf> {
    let entries = fs::read_dir(data_folder()).expect("tests/data");
    let paths = entries.flatten().map(|entry| entry.path());
    let is_version = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("version_") && name.ends_with(".sql")
    };
    let mut versions: Vec<PathBuf> = paths.filter(is_version).collect();
    versions.sort();
    assert!(!versions.is_empty(), "`make upgrade-data` makes the dump");
    versions
}

/// The current files with the version of tests/data/next on top.
fn next_version() -> SchemaFiles {
    let mut files = SchemaFiles::read(&sql_folder()).unwrap();
    let next = SchemaFiles::read(&data_folder().join("next")).unwrap();
    files.tables.extend(next.tables);
    files.migrations.extend(next.migrations);
    files.functions.extend(next.functions);
    files.functions.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

async fn install_files(db: &TestDb, files: &SchemaFiles) -> InstallReport {
    let target = ConnectOptions::parse(&db.superuser_url()).unwrap();
    let (options, cancel) = (InstallOptions::default(), CancellationToken::new());
    install(&target, files, &options, &cancel).await.unwrap()
}

/// Restores a dump as docs/operating.md says: roles first, then the grant, since its login is new.
async fn restored(dump: &Path) -> (TestDb, Role) {
    let db = TestDb::empty().await;
    let alice = db.login("alice", "pw").await;
    let dump = fs::read_to_string(dump).unwrap();
    let dump = dump.replace("@alice@", &alice.name);
    let restoring = db.client.batch_execute(&dump).await;
    restoring.unwrap_or_else(|error| panic!("{}", df_postgres::describe(&error)));
    db.client.batch_execute("reset all").await.unwrap();
    let grant = format!(
        "select df.grant_usage('{}', include_http => true)",
        alice.name
    );
    db.text(&grant).await;
    (db, alice)
}

/// What a release before this one says of itself.
const OLDER_RELEASE: &str = "
    update df.meta set value = '0.0.1' where key = 'installed_by_version';
    update df.meta set value = 'of another text' where key = 'content_hash'";

#[tokio::test]
async fn instances_of_an_older_version_finish_as_if_nobody_had_disturbed_them() {
    let undisturbed = TestDb::new().await;
    let alice = undisturbed.role("alice").await;
    let _relay = undisturbed.spawn_relay(&["--linger-ms", "10"]);
    let gate = workload::begin(&undisturbed, &alice).await;
    workload::late(&undisturbed, &alice).await;
    drop(gate);
    workload::finish(&undisturbed, &alice).await;
    let expected = workload::outcome(&undisturbed).await;
    assert!(
        expected.contains(&"effect seq b × 1".to_string()),
        "{expected:#?}"
    );

    for dump in recorded_versions() {
        let (db, alice) = restored(&dump).await;
        db.client.batch_execute(OLDER_RELEASE).await.unwrap();
        let relay = db.spawn_relay(&["--linger-ms", "10"]);
        relay.wait_for_log("the schema df is older than this relay");
        for (command, url) in [("adopt", db.relay_url()), ("install", db.superuser_url())] {
            let mut ran = spawn(&[command], &[("DF_DATABASE_URL", &url)]);
            assert!(ran.wait().success(), "{command}: {}", ran.log());
        }
        relay.wait_for_log("relay ready");
        workload::finish(&db, &alice).await;
        assert_eq!(workload::outcome(&db).await, expected, "{}", dump.display());
        let ids = "select string_agg(id, ' ') from df.instances";
        for id in db.text(ids).await.unwrap().split(' ') {
            db.assert_sound(id).await;
        }
    }
}

#[tokio::test]
async fn upgrades_of_recorded_schemas_and_fresh_installs_pg_dump_alike() {
    let fresh = TestDb::new().await;
    let fresh_alice = fresh.role("alice").await;
    for dump in recorded_versions() {
        let (db, alice) = restored(&dump).await;
        db.client.batch_execute(OLDER_RELEASE).await.unwrap();
        install_files(&db, &SchemaFiles::read(&sql_folder()).unwrap()).await;
        assert_same(&schema_of(&db, &alice), &schema_of(&fresh, &fresh_alice));
    }
}

#[tokio::test]
async fn a_migrated_schema_and_a_fresh_install_pg_dump_alike() {
    let (migrated, fresh) = (TestDb::new().await, TestDb::empty().await);
    let migrated_alice = migrated.role("alice").await;
    let report = install_files(&migrated, &next_version()).await;
    assert_eq!(report.outcome, Outcome::Upgraded { from: 1, to: 2 });
    let report = install_files(&fresh, &next_version()).await;
    assert_eq!(report.outcome, Outcome::Installed { version: 2 });
    let fresh_alice = fresh.role("alice").await;
    assert_same(
        &schema_of(&migrated, &migrated_alice),
        &schema_of(&fresh, &fresh_alice),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_and_callers_go_on_while_the_schema_is_upgraded_under_them() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let tables = format!(
        "create schema app; create table app.effects (label text); create table app.gate (n int);
         insert into app.gate values (1);
         grant usage on schema app to {0}; grant all on all tables in schema app to {0}",
        alice.name
    );
    db.client.batch_execute(&tables).await.unwrap();
    let _relays = [db.start_relay(), db.start_relay()];
    db.client
        .batch_execute("begin; select n from app.gate for update")
        .await
        .unwrap();
    let held = alice.session().await;
    let step =
        "select df.start('insert into app.effects select ''held'' from app.gate for update')";
    held.simple_query(step).await.unwrap();
    let session = ConnectOptions::parse(&db.superuser_url()).unwrap();
    let session = session.connect().await.unwrap();
    // A statement that runs for longer than the upgrade does not hold it up.
    let in_flight = "select count(*) = 1 from pg_stat_activity where query like '%held%'
                        and wait_event_type = 'Lock' and datname = current_database()";
    while !session
        .query_one(in_flight, &[])
        .await
        .unwrap()
        .get::<_, bool>(0)
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let upgraded = AtomicBool::new(false);
    let upgrading = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let report = install_files(&db, &next_version()).await;
        upgraded.store(true, Ordering::Relaxed);
        report
    };
    let (started, report) = tokio::join!(keep_calling(&alice, &upgraded), upgrading);
    assert_eq!(report.outcome, Outcome::Upgraded { from: 1, to: 2 });
    db.client.batch_execute("commit").await.unwrap();
    let completed = "select count(*) from df.instances where status = 'completed'";
    db.until(completed, &(started + 1).to_string()).await;
    let effects = "select count(*) || ' ' || count(distinct label) from app.effects";
    let expected = 3 * started + 1;
    assert_eq!(
        db.text(effects).await,
        Some(format!("{expected} {expected}"))
    );

    // A relay that starts now does not know this schema, and says which one does.
    let mut older = db.spawn_relay(&[]);
    assert_eq!(older.wait().code(), Some(WRONG_SCHEMA));
    let log = older.log();
    assert!(
        log.contains("the schema is at version 2") && log.contains("Use df-relay"),
        "{log}"
    );
}

/// Starts workflows until the upgrade is done, sixty at least; returns how many. Each must start.
async fn keep_calling(alice: &Role, upgraded: &AtomicBool) -> usize {
    let mut started = 0;
    while !upgraded.load(Ordering::Relaxed) || started < 60 {
        started += 1;
        let log =
            |step: &str| format!("'insert into app.effects values (''{step} of {started}'')'");
        let start = format!(
            "select df.start({} ~> df.sleep_interval('200 ms') ~> {} ~> df.wait_for_signal('s', 1) ~> {})",
            log("a"),
            log("b"),
            log("c")
        );
        let call = alice.client.simple_query(&start).await;
        call.unwrap_or_else(|error| panic!("{}", df_postgres::describe(&error)));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    started
}

/// The schema as pg_dump writes it, without what differs from run to run.
fn schema_of(db: &TestDb, alice: &Role) -> Vec<String> {
    let dump = pg_dump(db, &["--schema-only", "--schema=df", "--schema=public"]);
    assert!(dump.contains("CREATE TABLE df.instances"), "{dump}");
    let dump = dump.replace(&alice.name, "@alice@");
    let mut lines: Vec<String> = dump
        .lines()
        // What was recorded on PostgreSQL 15 needed it; up to 14 an install does not.
        .filter(|line| *line != "GRANT ALL ON SCHEMA public TO df_owner;")
        .map(String::from)
        .collect();
    // In which order an object's grants were made means nothing.
    let grants = |line: &String| line.starts_with("GRANT ");
    for run in lines.chunk_by_mut(|a, b| grants(a) && grants(b)) {
        run.sort();
    }
    lines
}

/// Fails with the first lines that differ.
fn assert_same(upgraded: &[String], fresh: &[String]) {
    let at = (0..upgraded.len().max(fresh.len())).find(|at| upgraded.get(*at) != fresh.get(*at));
    if let Some(at) = at {
        let around = |lines: &[String]| {
            let from = at.saturating_sub(5).min(lines.len());
            lines[from..(at + 5).min(lines.len())].join("\n")
        };
        panic!(
            "upgraded:\n{}\n\nfresh:\n{}",
            around(upgraded),
            around(fresh)
        );
    }
}

fn pg_dump(db: &TestDb, args: &[&str]) -> String {
    let beside = Server::shared().cluster().binaries().program("pg_dump");
    let program = if beside.exists() {
        beside
    } else {
        "pg_dump".into()
    };
    let mut command = Command::new(program);
    let output = command.args(args).arg(db.superuser_url()).output();
    let output = output.expect("pg_dump is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let dump = String::from_utf8(output.stdout).expect("UTF-8");
    // Commands of psql, settings that older servers lack, and headings.
    let left_out = [
        "\\",
        "SET transaction_timeout",
        "-- Dumped ",
        "-- Name: ",
        "-- Data for Name: ",
    ];
    let kept = dump.lines().filter(|line| {
        !line.is_empty() && *line != "--" && !left_out.iter().any(|start| line.starts_with(start))
    });
    kept.map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
#[ignore = "writes tests/data: make upgrade-data"]
async fn the_dump_of_this_version_is_written_anew() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let mut relay = db.spawn_relay(&["--linger-ms", "10"]);
    let gate = workload::begin(&db, &alice).await;
    relay.kill();
    workload::late(&db, &alice).await;
    let dump = pg_dump(&db, &["--inserts"]).replace(&alice.name, "@alice@");
    drop(gate);
    let version = SchemaFiles::read(&sql_folder()).unwrap().version();
    let path = data_folder().join(format!("version_{version}.sql"));
    fs::write(path, dump).unwrap();
}
