//! A service without superusers: a role with CREATEROLE and CREATEDB installs, grants and runs, with
//! the statements that docs/security.md lists and no others.

use std::process::Command;

use df_local::{Cluster, ClusterConfig};
use df_postgres::ConnectOptions;

use crate::support::spawn;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_with_createrole_installs_grants_and_runs() {
    let mut cluster = Cluster::create_or_open(ClusterConfig::for_tests()).unwrap();
    cluster.start().unwrap();
    let connect = async |url: &str| ConnectOptions::parse(url).unwrap().connect().await.unwrap();
    // The provider's part: the only statement of a superuser here.
    let provider = connect(&cluster.superuser_url("postgres")).await;
    let make = "create role customer login createrole createdb password 'pw'";
    provider.batch_execute(make).await.unwrap();

    let customer = connect(&cluster.url("customer", "pw", "postgres")).await;
    customer.batch_execute("create database app").await.unwrap();
    let url = cluster.url("customer", "pw", "app");
    let customer = connect(&url).await;
    customer
        .batch_execute("create schema operators")
        .await
        .unwrap();
    let variables = [
        ("DF_DATABASE_URL", url.as_str()),
        ("DF_RELAY_PASSWORD", "relay"),
    ];
    let mut install = spawn(&["install", "--operator-schema", "operators"], &variables);
    assert!(install.wait().success(), "{}", install.log());
    customer
        .batch_execute("grant df_admin to customer")
        .await
        .unwrap();
    let make = "create role alice login password 'pw'; grant usage on schema operators to alice;
                select df.grant_usage('alice', include_http => true);
                select df.configure('retention_days', '7')";
    customer.batch_execute(make).await.unwrap();

    let relay = spawn(
        &["run"],
        &[("DF_DATABASE_URL", &cluster.url("df_relay", "relay", "app"))],
    );
    relay.wait_for_log("ready");
    let alice = connect(&cluster.url("alice", "pw", "app")).await;
    let start = "select df.start('select current_user::text as me')";
    let id: String = alice.query_one(start, &[]).await.unwrap().get(0);
    alice
        .query("select df.await_instance($1, 60)", &[&id])
        .await
        .unwrap();
    let result = alice
        .query_one("select df.result($1)", &[&id])
        .await
        .unwrap();
    assert!(
        result.get::<_, String>(0).contains("alice"),
        "{}",
        relay.log()
    );
    let seen = customer
        .query_one("select status from df.instances where id = $1", &[&id])
        .await;
    assert_eq!(seen.unwrap().get::<_, String>(0), "completed");
    let repeat = spawn(&["install", "--operator-schema", "operators"], &variables).wait();
    assert!(repeat.success());
    // The customer drops what it granted, and so does the provider.
    let grant = "create role bob login; select df.grant_usage('bob')";
    let mut psql = Command::new(cluster.binaries().psql());
    let granted = psql.args(["-X", "-q", "-c", grant, &url]).output().unwrap();
    // Nor anything that would worry somebody: that the customer is no member of bob, for one.
    assert_eq!(String::from_utf8_lossy(&granted.stderr), "");
    assert!(granted.status.success());
    let drop = "grant alice to customer; drop owned by alice; drop role alice";
    customer.batch_execute(drop).await.unwrap();
    let provider_here = connect(&cluster.superuser_url("app")).await;
    let drop = "drop owned by bob; drop role bob";
    provider_here.batch_execute(drop).await.unwrap();
    let supers = "select string_agg(rolname, ' ') from pg_roles where rolname ~ '^df_' and (rolsuper or rolcreaterole or rolbypassrls)";
    assert_eq!(
        provider
            .query_one(supers, &[])
            .await
            .unwrap()
            .get::<_, Option<String>>(0),
        None
    );
}
