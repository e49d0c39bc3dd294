//! Credentials stay where they belong: not in logs, errors, the printed configuration, the server's
//! log, the activity view or any row that a role can read.

use std::fs;

use df_local::{Cluster, ClusterConfig};
use df_postgres::ConnectOptions;

use crate::support::spawn;

const RELAY_PASSWORD: &str = "relay-pass-4711";
const WRONG_PASSWORD: &str = "wrong-pass-0815";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_is_written_anywhere_but_where_it_is_kept() {
    let mut config = ClusterConfig::for_tests();
    let settings = [
        ("log_statement", "all"),
        ("log_min_duration_statement", "0"),
        ("log_min_messages", "debug1"),
    ];
    config
        .settings
        .extend(settings.map(|(name, value)| (name.to_string(), value.to_string())));
    let mut cluster = Cluster::create_or_open(config).unwrap();
    cluster.start().unwrap();
    let admin_url = cluster.superuser_url("postgres");
    let variables = [
        ("DF_DATABASE_URL", admin_url.as_str()),
        ("DF_RELAY_PASSWORD", RELAY_PASSWORD),
    ];
    let mut install = spawn(&["install"], &variables);
    assert!(install.wait().success(), "{}", install.log());

    let url = cluster.url("df_relay", RELAY_PASSWORD, "postgres");
    let verbose = [
        ("DF_DATABASE_URL", url.as_str()),
        ("DF_LOG", "trace"),
        ("DF_LOG_LEVEL", "trace"),
        ("RUST_LOG", "trace"),
    ];
    let mut relay = spawn(&["run"], &verbose);
    relay.wait_for_log("ready");
    let admin = ConnectOptions::parse(&admin_url)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let make = "create role alice login; select df.grant_usage('alice')";
    admin.batch_execute(make).await.unwrap();
    let alice = ConnectOptions::parse(&admin_url)
        .unwrap()
        .connect()
        .await
        .unwrap();
    alice
        .batch_execute("set session authorization alice")
        .await
        .unwrap();
    for sql in ["select 1", "select 1/0", "set role none", "not sql"] {
        let id: String = alice
            .query_one("select df.start($1)", &[&sql])
            .await
            .unwrap()
            .get(0);
        alice
            .query("select df.await_instance($1, 60)", &[&id])
            .await
            .unwrap();
    }
    let password = "select password from df.granted_roles";
    let step_password: String = admin.query_one(password, &[]).await.unwrap().get(0);
    let secrets = [RELAY_PASSWORD, WRONG_PASSWORD, &step_password];

    let activity = "select string_agg(row_to_json(a)::text, '') from pg_stat_activity a";
    let activity: String = admin.query_one(activity, &[]).await.unwrap().get(0);
    let readable =
        "select c.relname::text from pg_class c where c.relnamespace = 'df'::regnamespace
                     and c.relkind in ('r', 'v') and has_table_privilege('alice', c.oid, 'select')";
    let mut rows = String::new();
    for table in admin.query(readable, &[]).await.unwrap() {
        let sql = format!(
            "select coalesce(string_agg(row_to_json(t)::text, ''), '') from df.{} t",
            table.get::<_, String>(0)
        );
        rows += &admin
            .query_one(&sql, &[])
            .await
            .unwrap()
            .get::<_, String>(0);
    }
    assert_eq!(relay.stop(), 0);

    let printed = spawn_and_wait(&["run", "--print-config"], &url);
    let wrong = cluster.url("df_relay", WRONG_PASSWORD, "postgres");
    let mut stranger = spawn(
        &["run"],
        &[
            ("DF_DATABASE_URL", &wrong),
            ("DF_LOG", "trace"),
            ("RUST_LOG", "trace"),
        ],
    );
    stranger.wait_for_log("password authentication failed");
    stranger.kill();
    let malformed = spawn_and_wait(&["run"], &format!("{url}?sslmode=nonsense"));
    // With the parameters of its calls the log would hold results, and what it takes to record by oneself.
    let parameters = relay.log().contains("with parameters");
    assert!(!parameters, "the log holds the parameters of calls");
    let server_log = fs::read_to_string(cluster.log_path()).unwrap();
    for (place, text) in [
        ("the relay's log", relay.log()),
        (
            "the installer's output",
            install.log() + &install.stdout().join("\n"),
        ),
        ("the printed configuration", printed),
        ("the log of a refused relay", stranger.log()),
        ("the error of a malformed string", malformed),
        ("pg_stat_activity", activity),
        ("what a role can read in df", rows),
        ("the server's log", server_log),
    ] {
        for secret in secrets {
            let at = text
                .find(secret)
                .map(|at| text[at.saturating_sub(200)..at].to_owned());
            assert!(at.is_none(), "{place} holds a password, after: {at:?}");
        }
    }
}

fn spawn_and_wait(args: &[&str], url: &str) -> String {
    let mut process = spawn(args, &[("DF_DATABASE_URL", url)]);
    process.wait();
    process.log() + &process.stdout().join("\n")
}
