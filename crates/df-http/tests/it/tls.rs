//! HTTPS: certificates are checked, extra roots are trusted, HTTP/2 is spoken where offered.

use std::sync::Arc;

use df_http::{HttpClient, HttpError, HttpPolicy};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto, pki_types};
use tokio_util::sync::CancellationToken;

use crate::support::{Table, get, permissive};

/// Serves HTTP/2 on TLS under a certificate for `secure.test`; returns port and certificate (PEM).
async fn start() -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(["secure.test".to_owned()]).unwrap();
    let key = pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await.ok()?;
                let mut connection = h2::server::handshake(stream).await.ok()?;
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let key = request.headers()["idempotency-key"].clone();
                    let mut answer = respond.send_response(Default::default(), false).ok()?;
                    let body = Vec::from(key.as_bytes());
                    answer.send_data(body.into(), true).ok()?;
                }
                Some(())
            });
        }
    });
    (port, made.cert.pem())
}

async fn send(policy: &HttpPolicy, url: String) -> Result<String, HttpError> {
    let names = &[
        ("secure.test", &["127.0.0.1"][..]),
        ("other.test", &["127.0.0.1"]),
    ];
    let client = HttpClient::with_lookup(Table::of(names));
    client
        .send(policy, get(url), CancellationToken::new())
        .await
}

#[tokio::test]
async fn a_certificate_from_nobody_known_is_refused() {
    let (port, certificate) = start().await;
    let url = format!("https://secure.test:{port}/?hunter2");
    let why = send(&permissive(), url.clone()).await.unwrap_err();
    assert!(
        why.to_string()
            .contains("cannot connect (invalid peer certificate"),
        "{why}"
    );
    assert!(!format!("{why} {why:?}").contains("hunter2"), "{why:?}");

    let trusting = HttpPolicy {
        extra_root_certificates: certificate,
        ..permissive()
    };
    let text = send(&trusting, url).await.unwrap();
    assert!(
        text.starts_with(r#"{"status":200,"body":"3f0c/abcd1234/root.left","#),
        "{text}"
    );

    let why = send(&trusting, format!("https://other.test:{port}/"))
        .await
        .unwrap_err();
    assert!(
        why.to_string().contains("invalid peer certificate"),
        "{why}"
    );
}

#[tokio::test]
async fn unusable_root_certificates_are_reported_as_the_operators() {
    let broken = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
    for text in ["not a certificate", broken] {
        let policy = HttpPolicy {
            extra_root_certificates: text.into(),
            ..permissive()
        };
        let why = send(&policy, "https://secure.test/".into())
            .await
            .unwrap_err();
        assert!(matches!(why, HttpError::Misconfigured(_)), "{why:?}");
    }
}
