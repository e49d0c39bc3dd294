//! TLS after libpq's `sslmode`: encryption alone (prefer, require), the authority too (verify-ca),
//! or the host's name as well (verify-full). Every connection of a process is checked by this.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Error;
use crate::options::{ConnectOptions, RootCertificates, TlsFiles, TlsMode};

impl ConnectOptions {
    /// What a TLS client of these options checks and shows. Reads certificates the first time.
    pub fn tls_client(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(client) = self.tls.get() {
            return Ok(client.clone());
        }
        let client = Arc::new(client_config(self.tls_mode, &self.tls_files)?);
        Ok(self.tls.get_or_init(|| client).clone())
    }

    /// The same for tokio-postgres, for cancel requests too.
    pub(crate) fn tls_connector(&self) -> Result<MakeRustlsConnect, Error> {
        Ok(MakeRustlsConnect::new((*self.tls_client()?).clone()))
    }
}

fn client_config(mode: TlsMode, files: &TlsFiles) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(verifier(mode, files, &provider)?);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let (Some(cert), Some(key)) = (&files.client_cert, &files.client_key) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = read_certificates(cert)?;
    let private_key = PrivateKeyDer::from_pem_file(key).map_err(|error| Error::Certificate {
        path: key.clone(),
        why: error.to_string(),
    })?;
    builder
        .with_client_auth_cert(chain, private_key)
        .map_err(|error| Error::Tls(error.to_string()))
}

fn verifier(
    mode: TlsMode,
    files: &TlsFiles,
    provider: &Arc<CryptoProvider>,
) -> Result<Verifier, Error> {
    let (chain, pinned) = match mode {
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => (None, Vec::new()),
        TlsMode::VerifyCa | TlsMode::VerifyFull => {
            let (roots, pinned) = trusted(&files.roots)?;
            let chain = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
                .build()
                .map_err(|error| {
                    Error::Tls(format!(
                        "no trusted authorities ({error}); give one with sslrootcert=…"
                    ))
                })?;
            (Some(chain), pinned)
        }
    };
    Ok(Verifier {
        chain,
        pinned,
        names: mode == TlsMode::VerifyFull,
        provider: Arc::clone(provider),
    })
}

/// The authorities, and the certificates of their file where they come from one.
fn trusted(
    roots: &RootCertificates,
) -> Result<(Arc<RootCertStore>, Vec<CertificateDer<'static>>), Error> {
    let file = match roots {
        RootCertificates::File(path) => Some(path.clone()),
        RootCertificates::Usual => users_root_cert(),
        RootCertificates::System => None,
    };
    let Some(path) = file else {
        return Ok((system_roots(), Vec::new()));
    };
    let certificates = read_certificates(&path)?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store
            .add(certificate.clone())
            .map_err(|error| Error::Certificate {
                path: path.clone(),
                why: error.to_string(),
            })?;
    }
    Ok((Arc::new(store), certificates))
}

/// Where libpq looks by default.
fn users_root_cert() -> Option<PathBuf> {
    let path = Path::new(&std::env::var_os("HOME")?).join(".postgresql/root.crt");
    path.exists().then_some(path)
}

/// The system's authorities, and Mozilla's where the system has none. Read once: they are many.
fn system_roots() -> Arc<RootCertStore> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Arc::new(store)
    };
    SYSTEM.get_or_init(read).clone()
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unusable = |why: String| Error::Certificate {
        path: path.to_path_buf(),
        why,
    };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| unusable(error.to_string()))?;
    if certificates.is_empty() {
        return Err(unusable("it holds no certificate".to_string()));
    }
    Ok(certificates)
}

#[derive(Debug)]
struct Verifier {
    /// `None` trusts any certificate, as `prefer` and a bare `require` do. The handshake's
    /// signatures are checked all the same, so that the channel is sound.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// The certificates of the root file. A self-signed server certificate is often named there
    /// itself; webpki takes no authority for a server, so such a one is compared instead.
    pinned: Vec<CertificateDer<'static>>,
    names: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        if self.pinned.iter().any(|pinned| pinned == end_entity) {
            if self.names {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        let checked =
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match checked {
            // The name is looked at only once the chain has been accepted.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.names => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
