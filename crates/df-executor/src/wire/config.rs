//! Where and how to connect. Holds a password, so its `Debug` hides it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The sslmode values of libpq, with libpq's meaning (`allow` is left out).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    Disable,
    /// TLS when the server offers it; no certificate check.
    #[default]
    Prefer,
    /// TLS or nothing; the certificate is checked only when a root file is given, as in libpq.
    Require,
    /// The certificate must chain to a trusted root.
    VerifyCa,
    /// The certificate must also name the host.
    VerifyFull,
}

impl std::str::FromStr for SslMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            other => return Err(format!("unknown sslmode \"{other}\"")),
        })
    }
}

/// Which roots a server certificate may chain to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RootCertificates {
    /// The system's trust store, and the Mozilla roots where the system has none.
    #[default]
    System,
    /// A PEM file of one or more certificates (`sslrootcert`).
    File(PathBuf),
}

/// Everything needed to open a connection.
#[derive(Clone, Default)]
pub struct ConnectConfig {
    /// A host name, an address, or the directory of a Unix socket (starting with `/`).
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Option<String>,
    pub database: String,
    pub ssl_mode: SslMode,
    pub roots: RootCertificates,
    pub application_name: String,
    /// Run-time settings sent in the startup packet, in order; the session's defaults, so that
    /// RESET ALL returns to them.
    pub settings: Vec<(String, String)>,
    /// Limit for the whole of connecting, authentication included; zero is no limit.
    pub connect_timeout: Duration,
}

impl ConnectConfig {
    /// The directory of the Unix socket, when the host names one.
    pub fn is_unix(&self) -> bool {
        self.host.starts_with('/')
    }
}

impl fmt::Debug for ConnectConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("ssl_mode", &self.ssl_mode)
            .finish_non_exhaustive()
    }
}
