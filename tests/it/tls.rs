//! A server that takes nothing but TLS, and asks for a certificate: the relay and its steps verify it and show
//! theirs, and say so when they cannot. So do requests, which trust whom the system trusts.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::sync::Arc;

use df_local::{Cluster, ClusterConfig};
use df_postgres::ConnectOptions;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::{TestDb, spawn};

/// An authority, a certificate from it for `localhost`, and its key, as PEM.
fn certificates() -> [String; 3] {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let server_key = KeyPair::generate().unwrap();
    let mut server = CertificateParams::new(vec!["localhost".to_string()]).unwrap();
    // OpenSSL takes one that is named as its authority is for self-signed.
    server.distinguished_name.push(DnType::CommonName, "server");
    let server = server.signed_by(&server_key, &issuer).unwrap();
    [pem, server.pem(), server_key.serialize_pem()]
}

/// A server that refuses every connection over TCP without TLS, or without a certificate from the authority.
fn cluster_that_demands_tls(authority: &str, certificate: &str, key: &str) -> Cluster {
    let mut config = ClusterConfig::for_tests();
    let settings = [
        ("ssl", "on"),
        ("ssl_ca_file", "authority.crt"),
        ("ssl_cert_file", "server.crt"),
        ("ssl_key_file", "server.key"),
    ];
    config
        .settings
        .extend(settings.map(|(name, value)| (name.to_string(), value.to_string())));
    let mut cluster = Cluster::create_or_open(config).unwrap();
    let pgdata = cluster.folder().join("pgdata");
    let owner = fs::metadata(&pgdata).unwrap();
    let hba =
        "hostssl all all all scram-sha-256 clientcert=verify-ca\nlocal all all scram-sha-256\n";
    for (name, text) in [
        ("authority.crt", authority),
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
    let cluster = cluster_that_demands_tls(&authority, &certificate, &key);
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().display().to_string();
    fs::create_dir(folder.path().join(".postgresql")).unwrap();
    let trusted = save(folder.path(), ".postgresql/root.crt", &authority);
    let certificate = save(folder.path(), "own.crt", &certificate);
    let key = save(folder.path(), "own.key", &key);
    let other = save(folder.path(), "other.crt", &certificates()[0]);
    let shown = |url: &str| {
        let url = url.replace("127.0.0.1", "localhost");
        format!("{url}?sslmode=verify-full&sslcert={certificate}&sslkey={key}")
    };
    let verified = |url: &str, roots: &str| format!("{}&sslrootcert={roots}", shown(url));
    let admin_url = verified(&cluster.superuser_url("postgres"), &trusted);
    let variables = [
        ("DF_DATABASE_URL", admin_url.as_str()),
        ("DF_RELAY_PASSWORD", "relay"),
    ];
    let mut install = spawn(&["install"], &variables);
    assert!(install.wait().success(), "{}", install.log());

    let relay_url = cluster.url("df_relay", "relay", "postgres");
    // The authority is found where libpq finds it.
    let variables = [("DF_DATABASE_URL", shown(&relay_url)), ("HOME", home)];
    let variables = variables
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let relay = spawn(&["run"], &variables);
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

/// Answers every request over TLS with an empty 200; returns the port.
async fn https_server(certificate: &str, key: &str) -> u16 {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust this certificate goes away here.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_trusts_the_authorities_that_the_system_trusts_and_no_other() {
    let [authority, certificate, key] = certificates();
    let port = https_server(&certificate, &key).await;
    let folder = tempfile::tempdir().unwrap();
    let of_it = save(folder.path(), "of_it.crt", &authority);
    let of_another = save(folder.path(), "of_another.crt", &certificates()[0]);

    let db = TestDb::new().await;
    let allow = "select df.configure('http_allow_private', 'true')";
    db.client.batch_execute(allow).await.unwrap();
    let alice = db.role("alice").await;
    let request = format!("select df.start(df.http('https://localhost:{port}/', 'GET'))");
    for (system, ends) in [(of_another, "failed"), (of_it, "completed")] {
        let mut relay = db.relay_with(&[], &[("SSL_CERT_FILE", &system)]);
        let id = alice.text(&request).await.expect("an instance id");
        let ended = format!("select df.await_instance('{id}', 60)");
        let ended = alice.text(&ended).await;
        assert_eq!(ended.as_deref(), Some(ends), "{}", relay.log());
        let error = format!("select coalesce(error, '') from df.instances where id = '{id}'");
        let error = db.text(&error).await.expect("an instance");
        assert_eq!(
            error.contains("peer certificate"),
            ends == "failed",
            "{error}"
        );
        assert_eq!(relay.stop(), 0, "{}", relay.log());
    }
}
