//! The servers that a connection string names, for clients that connect by other means than
//! tokio-postgres and must get to the same ones.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use tokio_postgres::config::{ChannelBinding, Host};

use crate::options::{ConnectOptions, DEFAULT_CONNECT_TIMEOUT, RootCertificates};

/// One server of a connection string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name, an address, or the folder of a Unix socket (starting with `/`). A certificate is made out to it.
    pub host: String,
    /// `hostaddr`: connected to instead of looking the name up.
    pub address: Option<IpAddr>,
    pub port: u16,
}

impl Endpoint {
    /// Whether `host` is the folder of a Unix socket.
    pub fn is_unix(&self) -> bool {
        self.host.starts_with('/')
    }
}

/// `host:port`
impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl ConnectOptions {
    /// The servers in the order in which they are to be tried; at least one.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let config = &self.config;
        let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
        let ports = config.get_ports();
        (0..hosts.len().max(addresses.len()))
            .map(|at| {
                let address = addresses.get(at).copied();
                Endpoint {
                    host: match hosts.get(at) {
                        Some(Host::Tcp(name)) => name.clone(),
                        Some(Host::Unix(folder)) => folder.display().to_string(),
                        None => address.map(|one| one.to_string()).unwrap_or_default(),
                    },
                    address,
                    port: *ports.get(at).or(ports.first()).unwrap_or(&5432),
                }
            })
            .collect()
    }

    /// The limit for connecting to one of them, authentication included.
    pub fn connect_timeout(&self) -> Duration {
        let given = self.config.get_connect_timeout();
        given.copied().unwrap_or(DEFAULT_CONNECT_TIMEOUT)
    }

    /// Whether authentication must be bound to the TLS session.
    pub fn requires_channel_binding(&self) -> bool {
        self.config.get_channel_binding() == ChannelBinding::Require
    }

    /// A connection string that leads to the same servers in the same way, without its password and what else
    /// tokio-postgres reads of it.
    pub fn shown(&self) -> String {
        let parameters = self.tls_parameters();
        let parameters: Vec<_> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("{self}?{}", parameters.join("&"))
    }

    /// libpq's parameters of TLS, those that are given and the mode.
    fn tls_parameters(&self) -> Vec<(&'static str, String)> {
        let files = &self.tls_files;
        let shown = |path: &Path| path.display().to_string();
        let roots = match &files.roots {
            RootCertificates::Usual => None,
            RootCertificates::System => Some("system".to_owned()),
            RootCertificates::File(path) => Some(shown(path)),
        };
        let given = [
            ("sslmode", Some(self.tls_mode.name().to_owned())),
            ("sslrootcert", roots),
            ("sslcert", files.client_cert.as_deref().map(shown)),
            ("sslkey", files.client_key.as_deref().map(shown)),
        ];
        let given = given.into_iter();
        given
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    /// The same servers, and TLS to them, as environment variables of libpq. No password is among them.
    pub fn libpq_environment(&self) -> Vec<(String, String)> {
        let endpoints = self.endpoints();
        let list = |part: fn(&Endpoint) -> String| {
            let parts: Vec<_> = endpoints.iter().map(part).collect();
            parts.join(",")
        };
        let mut variables = vec![
            ("PGHOST", list(|one| one.host.clone())),
            ("PGPORT", list(|one| one.port.to_string())),
            ("PGUSER", self.user().unwrap_or_default().to_owned()),
            ("PGDATABASE", self.database().unwrap_or_default().to_owned()),
        ];
        if endpoints.iter().any(|one| one.address.is_some()) {
            let text = |one: &Endpoint| one.address.map_or_else(String::new, |ip| ip.to_string());
            variables.push(("PGHOSTADDR", list(text)));
        }
        let tls = self.tls_parameters().into_iter();
        let names = variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        names
            .chain(tls.map(|(name, value)| (format!("PG{}", name.to_uppercase()), value)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(text: &str) -> Vec<(String, Option<String>, u16)> {
        let options = ConnectOptions::parse(text).unwrap();
        let parts = |one: Endpoint| (one.host, one.address.map(|ip| ip.to_string()), one.port);
        options.endpoints().into_iter().map(parts).collect()
    }

    #[test]
    fn every_server_of_the_connection_string_is_an_endpoint() {
        let host = |name: &str, port| (name.to_owned(), None, port);
        for (text, expected) in [
            ("postgres://h/d", vec![host("h", 5432)]),
            ("postgres://h1:1,h2:2/d", vec![host("h1", 1), host("h2", 2)]),
            (
                "host=h1,h2 port=7 dbname=d",
                vec![host("h1", 7), host("h2", 7)],
            ),
            ("host=/run/pg dbname=d", vec![host("/run/pg", 5432)]),
            (
                "host=h hostaddr=10.0.0.1 dbname=d",
                vec![("h".to_owned(), Some("10.0.0.1".to_owned()), 5432)],
            ),
            (
                "hostaddr=10.0.0.1 dbname=d",
                vec![("10.0.0.1".to_owned(), Some("10.0.0.1".to_owned()), 5432)],
            ),
        ] {
            assert_eq!(endpoints(text), expected, "{text}");
        }
    }

    #[test]
    fn libpq_is_told_the_same_servers_and_certificates() {
        let text = "postgres://ann:pw@h1:1,h2:2/d?sslmode=verify-full&sslrootcert=/ca&sslcert=/c&sslkey=/k";
        let variables = ConnectOptions::parse(text).unwrap().libpq_environment();
        let expected = [
            ("PGHOST", "h1,h2"),
            ("PGPORT", "1,2"),
            ("PGUSER", "ann"),
            ("PGDATABASE", "d"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/ca"),
            ("PGSSLCERT", "/c"),
            ("PGSSLKEY", "/k"),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(variables, expected);
        let shown = ConnectOptions::parse(text).unwrap().shown();
        assert_eq!(shown, text.replace(":pw", ""));
    }
}
