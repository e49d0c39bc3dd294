//! Connection options: a URL or a libpq key=value string, with libpq's TLS options, which
//! tokio-postgres does not know. Neither `Debug` nor `Display` ever shows a password.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use rustls::ClientConfig;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::Error;

pub(crate) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Options of libpq that change nothing here.
const IGNORED: [&str; 8] = [
    "client_encoding",
    "fallback_application_name",
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "requiressl",
    "sslcompression",
    "sslsni",
];

/// libpq's `sslmode`. `allow` is taken for `prefer`, which is safer and works wherever it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsMode {
    Disable,
    #[default]
    Prefer,
    Require,
    /// The server's certificate must come from a trusted authority.
    VerifyCa,
    /// And it must be made out to the host's name.
    VerifyFull,
}

impl TlsMode {
    /// As libpq spells it.
    pub fn name(self) -> &'static str {
        match self {
            TlsMode::Disable => "disable",
            TlsMode::Prefer => "prefer",
            TlsMode::Require => "require",
            TlsMode::VerifyCa => "verify-ca",
            TlsMode::VerifyFull => "verify-full",
        }
    }
}

/// Which authorities a server's certificate may come from: libpq's `sslrootcert`.
#[derive(Debug, Clone, Default)]
pub(crate) enum RootCertificates {
    /// Those of ~/.postgresql/root.crt if it exists, else the system's.
    #[default]
    Usual,
    System,
    /// A PEM file.
    File(PathBuf),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct TlsFiles {
    pub(crate) roots: RootCertificates,
    pub(crate) client_cert: Option<PathBuf>,
    pub(crate) client_key: Option<PathBuf>,
}

/// Where and how to connect. Cheap to clone; clones share the loaded certificates.
#[derive(Clone)]
pub struct ConnectOptions {
    pub(crate) config: tokio_postgres::Config,
    pub(crate) tls_mode: TlsMode,
    pub(crate) tls_files: TlsFiles,
    pooled: bool,
    /// Built at the first connection; certificates are read once per process.
    pub(crate) tls: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl ConnectOptions {
    /// Reads `postgres://user:password@host:port,host2/db?sslmode=…` or `host=… dbname=…`.
    /// The error names the option, never its value.
    pub fn parse(text: &str) -> Result<ConnectOptions, Error> {
        let is_url = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.starts_with(scheme));
        let (rest, pairs) = if is_url {
            split_url(text)?
        } else {
            split_pairs(text)?
        };
        let mut tls_mode = TlsMode::default();
        let mut tls_files = TlsFiles::default();
        for (key, value) in pairs {
            match key.as_ref() {
                "sslmode" => tls_mode = tls_mode_named(&value)?,
                "sslrootcert" if value == "system" => {
                    tls_mode = TlsMode::VerifyFull;
                    tls_files.roots = RootCertificates::System;
                }
                "sslrootcert" => tls_files.roots = RootCertificates::File(value.into()),
                "sslcert" => tls_files.client_cert = Some(value.into()),
                "sslkey" => tls_files.client_key = Some(value.into()),
                _ => {}
            }
        }
        // As in libpq: a root certificate is not given to be left unused.
        if tls_mode == TlsMode::Require && matches!(tls_files.roots, RootCertificates::File(_)) {
            tls_mode = TlsMode::VerifyCa;
        }
        let config = tokio_postgres::Config::from_str(&rest).map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            Error::Options(cause.unwrap_or_else(|| "cannot be read".to_string()))
        })?;
        let mut options = ConnectOptions {
            config,
            tls_mode,
            tls_files,
            pooled: false,
            tls: Arc::default(),
        };
        options.fill_defaults();
        Ok(options)
    }

    fn fill_defaults(&mut self) {
        if self.config.get_connect_timeout().is_none() {
            self.config.connect_timeout(DEFAULT_CONNECT_TIMEOUT);
        }
        if self.config.get_hosts().is_empty() && self.config.get_hostaddrs().is_empty() {
            let port = self.config.get_ports().first().copied().unwrap_or(5432);
            let holds_socket =
                |folder: &&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
            self.config.host(
                SOCKET_FOLDERS
                    .into_iter()
                    .find(holds_socket)
                    .unwrap_or("localhost"),
            );
        }
        let all_sockets = self
            .config
            .get_hosts()
            .iter()
            .all(|host| matches!(host, Host::Unix(_)));
        if all_sockets && !self.config.get_hosts().is_empty() {
            self.tls_mode = TlsMode::Disable;
        }
        // Of several servers the one that takes writes is wanted, whichever that is after a failover.
        if self.config.get_hosts().len() > 1
            && self.config.get_target_session_attrs() == TargetSessionAttrs::Any
        {
            self.config
                .target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        self.config.ssl_mode(match self.tls_mode {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
    }

    pub fn with_user(mut self, user: &str) -> Self {
        self.config.user(user);
        self
    }

    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    pub fn with_database(mut self, database: &str) -> Self {
        self.config.dbname(database);
        self
    }

    /// What `pg_stat_activity` shows.
    pub fn with_application_name(mut self, name: &str) -> Self {
        self.config.application_name(name);
        self
    }

    /// Server settings for the session, as in libpq's `options`: `-c name=value …`.
    pub fn with_server_options(mut self, options: &str) -> Self {
        self.config.options(options);
        self
    }

    /// The same where no pooler is in between, which takes none; what the connection string says comes after them.
    pub(crate) fn with_defaults(mut self, options: &str) -> Self {
        if !self.pooled {
            let own = self.config.get_options().unwrap_or_default();
            let all = format!("{options} {own}");
            self.config.options(all.trim_end());
        }
        self
    }

    /// Says that a transaction pooler may be in between: each transaction can meet another session.
    pub fn with_pooler(mut self, pooled: bool) -> Self {
        self.pooled = pooled;
        self
    }

    /// Whether nothing may be kept in a session from one transaction to the next.
    pub fn is_pooled(&self) -> bool {
        self.pooled
    }

    pub fn user(&self) -> Option<&str> {
        self.config.get_user()
    }

    pub fn database(&self) -> Option<&str> {
        self.config.get_dbname()
    }

    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    pub fn tls_mode(&self) -> TlsMode {
        self.tls_mode
    }
}

impl FromStr for ConnectOptions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        ConnectOptions::parse(text)
    }
}

/// `postgres://user@host:port/database`: enough to know which server is meant.
impl fmt::Display for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        let endpoints: Vec<_> = self.endpoints().iter().map(ToString::to_string).collect();
        write!(f, "{}", endpoints.join(","))?;
        write!(
            f,
            "/{}",
            self.config
                .get_dbname()
                .or(self.config.get_user())
                .unwrap_or_default()
        )
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectOptions({self}, {:?})", self.tls_mode)
    }
}

type Pairs<'a> = Vec<(Cow<'a, str>, String)>;

fn is_ours(key: &str) -> bool {
    matches!(key, "sslmode" | "sslrootcert" | "sslcert" | "sslkey")
}

fn is_passed_on(key: &str) -> bool {
    !is_ours(key) && !IGNORED.contains(&key)
}

fn tls_mode_named(name: &str) -> Result<TlsMode, Error> {
    Ok(match name {
        "disable" => TlsMode::Disable,
        "allow" | "prefer" => TlsMode::Prefer,
        "require" => TlsMode::Require,
        "verify-ca" => TlsMode::VerifyCa,
        "verify-full" => TlsMode::VerifyFull,
        _ => {
            let known = "disable, allow, prefer, require, verify-ca or verify-full";
            return Err(Error::Options(format!("sslmode must be {known}")));
        }
    })
}

/// The URL without the parameters that tokio-postgres does not know, and those that are ours.
fn split_url(url: &str) -> Result<(String, Pairs<'_>), Error> {
    let Some((base, query)) = url.split_once('?') else {
        return Ok((url.to_string(), vec![]));
    };
    let (mut kept, mut ours) = (Vec::new(), Vec::new());
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if is_ours(key) {
            let value = percent_decode_str(value).decode_utf8();
            let value = value.map_err(|_| Error::Options(format!("{key} is not UTF-8")))?;
            ours.push((Cow::Borrowed(key), value.into_owned()));
        } else if is_passed_on(key) {
            kept.push(parameter);
        }
    }
    let question_mark = if kept.is_empty() { "" } else { "?" };
    Ok((format!("{base}{question_mark}{}", kept.join("&")), ours))
}

/// The same for `key=value` strings, quoted as libpq documents: `key = 'it\'s'`.
fn split_pairs(text: &str) -> Result<(String, Pairs<'_>), Error> {
    let (mut kept, mut ours) = (String::new(), Vec::new());
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let mut key = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=' && !c.is_whitespace()) {
            key.push(c);
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if key.is_empty() && chars.peek().is_none() {
            return Ok((kept, ours));
        }
        if key.is_empty() || chars.next() != Some('=') {
            let why = "expected postgres://… or key=value pairs (a `=` is missing)";
            return Err(Error::Options(why.to_string()));
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let value = read_value(&mut chars)
            .ok_or_else(|| Error::Options(format!("the quoted value of {key} has no end")))?;
        if is_ours(&key) {
            ours.push((Cow::Owned(key), value));
        } else if is_passed_on(&key) {
            let escaped = value.replace('\\', "\\\\").replace('\'', "\\'");
            kept.push_str(&format!("{key}='{escaped}' "));
        }
    }
}

fn read_value(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let quoted = chars.next_if_eq(&'\'').is_some();
    let mut value = String::new();
    loop {
        match chars.peek() {
            None if quoted => return None,
            None => return Some(value),
            Some('\'') if quoted => {
                chars.next();
                return Some(value);
            }
            Some(c) if c.is_whitespace() && !quoted => return Some(value),
            Some('\\') => {
                chars.next();
                value.extend(chars.next());
            }
            Some(_) => value.extend(chars.next()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str, mode: TlsMode) {
        let options = ConnectOptions::parse(text).unwrap();
        assert_eq!(options.to_string(), shown, "{text}");
        assert_eq!(options.tls_mode(), mode, "{text}");
    }

    #[test]
    fn urls_and_key_value_strings_mean_the_same() {
        use TlsMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
        for (text, shown, mode) in [
            (
                "postgres://ann:pw@db.example/shop",
                "postgres://ann@db.example:5432/shop",
                Prefer,
            ),
            (
                "postgresql://ann:p%40w@h:5433/shop?sslmode=require",
                "postgres://ann@h:5433/shop",
                Require,
            ),
            (
                "postgres://ann@h1:1,h2:2/shop?sslmode=verify-full",
                "postgres://ann@h1:1,h2:2/shop",
                VerifyFull,
            ),
            (
                "postgres://ann@h/shop?sslmode=require&sslrootcert=/ca.pem",
                "postgres://ann@h:5432/shop",
                VerifyCa,
            ),
            (
                "postgres://ann@h/shop?sslrootcert=system",
                "postgres://ann@h:5432/shop",
                VerifyFull,
            ),
            (
                "postgres://ann@%2Frun%2Fpg:5432/shop?sslmode=require",
                "postgres://ann@/run/pg:5432/shop",
                Disable,
            ),
            (
                "postgres://ann@h/shop?gssencmode=disable&connect_timeout=3",
                "postgres://ann@h:5432/shop",
                Prefer,
            ),
            (
                "host=h user=ann dbname=shop sslmode=verify-ca",
                "postgres://ann@h:5432/shop",
                VerifyCa,
            ),
            (
                "host = h user='a\\'n n' dbname=shop password='x y'",
                "postgres://a'n n@h:5432/shop",
                Prefer,
            ),
            (
                "host=/run/pg user=ann dbname=shop",
                "postgres://ann@/run/pg:5432/shop",
                Disable,
            ),
            (
                "host=h1,h2 port=1,2 user=ann dbname=shop",
                "postgres://ann@h1:1,h2:2/shop",
                Prefer,
            ),
        ] {
            check(text, shown, mode);
        }
    }

    #[test]
    fn neither_debug_nor_display_nor_errors_show_a_password() {
        for text in [
            "postgres://ann:s3cret@h/shop",
            "host=h user=ann password=s3cret dbname=shop",
            "postgres://ann:s3cret@h/shop?sslmode=s3cret",
            "postgres://ann:s3cret@h:port/shop",
            "postgres://ann:s3cret@h/shop?nonsense=s3cret",
            "host=h password='s3cret",
            "ann:s3cret@h",
        ] {
            let shown = match ConnectOptions::parse(text) {
                Ok(options) => format!("{options} {options:?} {:?}", options.config),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }

    #[test]
    fn wrong_options_are_named() {
        for (text, named) in [
            ("postgres://h/shop?sslmode=maybe", "sslmode"),
            ("host=h nonsense=1", "nonsense"),
            ("just words", "key=value"),
        ] {
            let error = ConnectOptions::parse(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
