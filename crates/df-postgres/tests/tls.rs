//! Every sslmode against servers with and without TLS, with certificates made for the test.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use df_local::{Cluster, ClusterConfig};
use df_postgres::{ConnectOptions, ErrorClass};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// An authority, and a certificate from it for the name `localhost`, as PEM.
struct Certificates {
    authority: String,
    server: String,
    server_key: String,
}

fn certificates() -> Certificates {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let server = CertificateParams::new(vec!["localhost".to_string()]).unwrap();
    let server_key = KeyPair::generate().unwrap();
    let server = server.signed_by(&server_key, &issuer).unwrap();
    Certificates {
        authority: authority_certificate.pem(),
        server: server.pem(),
        server_key: server_key.serialize_pem(),
    }
}

/// A server with TLS; its key belongs to the account that runs it.
fn cluster_with_tls(certificates: &Certificates) -> Cluster {
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
    for (name, text) in [
        ("server.crt", &certificates.server),
        ("server.key", &certificates.server_key),
    ] {
        let path = pgdata.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    cluster.start().unwrap();
    cluster
}

fn save(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

/// Whether the session is encrypted, or the error.
async fn connect(cluster: &Cluster, host: &str, query: &str) -> Result<bool, df_postgres::Error> {
    let url = cluster.superuser_url("postgres").replace("127.0.0.1", host);
    let options = ConnectOptions::parse(&format!("{url}?{query}")).unwrap();
    let client = options.connect().await?;
    let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    Ok(client.query_one(sql, &[]).await.unwrap().get(0))
}

#[tokio::test]
async fn every_sslmode_checks_what_it_promises() {
    let trusted = certificates();
    let cluster = cluster_with_tls(&trusted);
    let folder = tempfile::tempdir().unwrap();
    let trusted = save(folder.path(), "trusted.crt", &trusted.authority)
        .display()
        .to_string();
    let other = save(folder.path(), "other.crt", &certificates().authority)
        .display()
        .to_string();
    for (host, query, encrypted) in [
        ("localhost", "sslmode=disable", Some(false)),
        ("localhost", "sslmode=prefer", Some(true)),
        ("localhost", "sslmode=require", Some(true)),
        (
            "127.0.0.1",
            &format!("sslmode=verify-ca&sslrootcert={trusted}"),
            Some(true),
        ),
        (
            "localhost",
            &format!("sslmode=verify-ca&sslrootcert={other}"),
            None,
        ),
        (
            "localhost",
            &format!("sslmode=require&sslrootcert={other}"),
            None,
        ),
        (
            "localhost",
            &format!("sslmode=verify-full&sslrootcert={trusted}"),
            Some(true),
        ),
        (
            "127.0.0.1",
            &format!("sslmode=verify-full&sslrootcert={trusted}"),
            None,
        ),
        (
            "localhost",
            &format!("sslmode=verify-full&sslrootcert={other}"),
            None,
        ),
    ] {
        match (connect(&cluster, host, query).await, encrypted) {
            (Ok(actual), Some(expected)) => assert_eq!(actual, expected, "{host} {query}"),
            (Err(error), None) => {
                assert_eq!(
                    error.class(),
                    Some(ErrorClass::Permanent),
                    "{host} {query}: {error}"
                );
                assert!(
                    error.to_string().contains("certificate"),
                    "{host} {query}: {error}"
                );
            }
            (outcome, _) => panic!("{host} {query}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn without_tls_on_the_server_prefer_is_plain_and_require_is_refused() {
    let mut cluster = Cluster::create_or_open(ClusterConfig::for_tests()).unwrap();
    cluster.start().unwrap();
    assert!(
        !connect(&cluster, "localhost", "sslmode=prefer")
            .await
            .unwrap()
    );
    for query in ["sslmode=require", "sslmode=verify-full"] {
        let error = connect(&cluster, "localhost", query).await.unwrap_err();
        assert!(error.to_string().contains("TLS"), "{query}: {error}");
    }
}

#[tokio::test]
async fn a_missing_root_certificate_is_named() {
    let options = "postgres://u@localhost:1/d?sslmode=verify-full&sslrootcert=/nonexistent.crt";
    let error = ConnectOptions::parse(options)
        .unwrap()
        .connect()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("/nonexistent.crt"), "{error}");
}
