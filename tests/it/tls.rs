//! A server that takes nothing but TLS: the relay and its steps verify it, and say so when they
//! cannot.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use df_local::{Cluster, ClusterConfig};
use df_postgres::ConnectOptions;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::support::spawn;

/// An authority, a certificate from it for `localhost`, and its key, as PEM.
fn certificates() -> [String; 3] {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let server_key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_string()]).unwrap();
    let server = server.signed_by(&server_key, &issuer).unwrap();
    [pem, server.pem(), server_key.serialize_pem()]
}

/// A server that refuses every connection over TCP without TLS.
fn cluster_that_demands_tls(certificate: &str, key: &str) -> Cluster {
    let mut config = ClusterConfig::for_tests();
    let settings = [
        ("ssl", "on"),
        ("ssl_cert_file", "server.crt"),
        ("ssl_key_file", "server.key"),
    ];
    config
        .settings
        .extend(settings.map(|(name, value)| (name.to_string(), value.to_string())));
    let mut cluster = Cluster::create_or_open(config).unwrap();
    let pgdata = cluster.folder().join("pgdata");
    let owner = fs::metadata(&pgdata).unwrap();
    let hba = "hostssl all all all scram-sha-256\nlocal all all scram-sha-256\n";
    for (name, text) in [
        ("server.crt", certificate),
        ("server.key", key),
        ("pg_hba.conf", hba),
    ] {
        let path = pgdata.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    cluster.start().unwrap();
    cluster
}

fn save(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relay_and_steps_run_verified_where_the_server_demands_tls() {
    let [authority, certificate, key] = certificates();
    let cluster = cluster_that_demands_tls(&certificate, &key);
    let folder = tempfile::tempdir().unwrap();
    let trusted = save(folder.path(), "trusted.crt", &authority);
    let other = save(folder.path(), "other.crt", &certificates()[0]);
    let verified = |url: &str, roots: &str| {
        format!(
            "{}?sslmode=verify-full&sslrootcert={roots}",
            url.replace("127.0.0.1", "localhost")
        )
    };
    let admin_url = verified(&cluster.superuser_url("postgres"), &trusted);
    let variables = [
        ("DF_DATABASE_URL", admin_url.as_str()),
        ("DF_RELAY_PASSWORD", "relay"),
    ];
    let mut install = spawn(&["install"], &variables);
    assert!(install.wait().success(), "{}", install.log());

    let relay_url = cluster.url("df_relay", "relay", "postgres");
    let relay = spawn(
        &["run"],
        &[("DF_DATABASE_URL", &verified(&relay_url, &trusted))],
    );
    relay.wait_for_log("ready");
    let admin = ConnectOptions::parse(&admin_url)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let make = "create role alice login password 'pw'; select df.grant_usage('alice')";
    admin.batch_execute(make).await.unwrap();
    let alice_url = verified(&cluster.url("alice", "pw", "postgres"), &trusted);
    let alice = ConnectOptions::parse(&alice_url)
        .unwrap()
        .connect()
        .await
        .unwrap();
    // Over TCP pg_hba.conf lets nobody in without TLS.
    let step = "select df.start('select inet_server_addr() is not null as over_tcp')";
    let id: String = alice.query_one(step, &[]).await.unwrap().get(0);
    alice
        .query("select df.await_instance($1, 60)", &[&id])
        .await
        .unwrap();
    let result = alice
        .query_one("select df.result($1)", &[&id])
        .await
        .unwrap();
    let result: String = result.get(0);
    assert!(
        result.contains("true"),
        "the step went around TLS: {result}"
    );

    let stranger = spawn(
        &["run"],
        &[("DF_DATABASE_URL", &verified(&relay_url, &other))],
    );
    let why = stranger.wait_for_log("ertificate");
    assert!(!why.contains("relay:relay"), "{why}");
}
