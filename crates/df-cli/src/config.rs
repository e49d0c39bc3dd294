//! The configuration: flag over `DF_*` variable over file over default. Read once at the start.
//! No option is read from the environment elsewhere. What is read there: OpenTelemetry's own variables
//! (`telemetry`), what says where files are (HOME and XDG_DATA_HOME in `dev`, HOME in df-postgres,
//! PATH in df-local), and DF_FAILPOINT in the builds of tests.

use std::env;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use df_postgres::{ConnectOptions, RELAY_ROLE};
use serde::{Deserialize, Serialize};

use crate::command_line::{Command, CommandLine, DatabaseOptions};
use crate::exit::WrongUsage;
use crate::service::{ReadySignal, ServiceConfig};
use crate::tuning::{Tuning, check_range};

const DEFAULT_LOG_LEVEL: &str = "info";
const DEFAULT_SHUTDOWN_GRACE_SECONDS: u64 = 30;
/// A year: what adds to it and to the clock does not overflow.
const MOST_SHUTDOWN_GRACE_SECONDS: u64 = 31_536_000;
const HIDDEN: &str = "(hidden)";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// A value that neither `Debug` nor `--print-config` shows.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// One layer of configuration: what a file, or the command line with its variables, says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layer {
    database_url: Option<Secret>,
    relay_password: Option<Secret>,
    operator_schema: Option<String>,
    log_format: Option<LogFormat>,
    log_level: Option<String>,
    shutdown_grace_seconds: Option<u64>,
    listen: Option<SocketAddr>,
    data_dir: Option<PathBuf>,
    port: Option<u16>,
    relay: Option<Tuning>,
}

/// What all layers together say.
#[derive(Debug, Clone)]
pub struct Config {
    database_url: Option<Secret>,
    pub relay_password: Option<Secret>,
    pub operator_schema: Option<String>,
    pub log_format: LogFormat,
    pub log_level: String,
    pub shutdown_grace_seconds: u64,
    pub listen: Option<SocketAddr>,
    pub data_dir: Option<PathBuf>,
    pub port: Option<u16>,
    pub tuning: Tuning,
}

impl Config {
    /// Joins the command line, the variables and the file.
    pub fn load(command_line: &CommandLine) -> anyhow::Result<Config> {
        let file = match &command_line.common.config {
            Some(path) => read_file(path).context(WrongUsage)?,
            None => Layer::default(),
        };
        let given = Layer::given(command_line);
        let tuning = given
            .relay
            .unwrap_or_default()
            .or(file.relay.unwrap_or_default());
        tuning.check().context(WrongUsage)?;
        let shutdown_grace_seconds = given
            .shutdown_grace_seconds
            .or(file.shutdown_grace_seconds)
            .unwrap_or(DEFAULT_SHUTDOWN_GRACE_SECONDS);
        check_range(
            "shutdown_grace_seconds",
            Some(shutdown_grace_seconds),
            0,
            MOST_SHUTDOWN_GRACE_SECONDS,
        )
        .context(WrongUsage)?;
        Ok(Config {
            // An empty one, of a variable that nobody filled, would be this machine's own server.
            database_url: given
                .database_url
                .or(file.database_url)
                .filter(|Secret(url)| !url.trim().is_empty()),
            // An empty one would leave df_relay, and every relay of the server, without a password.
            relay_password: given
                .relay_password
                .or(file.relay_password)
                .filter(|Secret(password)| !password.is_empty()),
            operator_schema: given.operator_schema.or(file.operator_schema),
            log_format: given.log_format.or(file.log_format).unwrap_or_default(),
            log_level: given
                .log_level
                .or(file.log_level)
                .unwrap_or_else(|| default_log_level(&command_line.command).to_string()),
            shutdown_grace_seconds,
            listen: given.listen.or(file.listen),
            data_dir: given.data_dir.or(file.data_dir),
            port: given.port.or(file.port),
            tuning,
        })
    }

    /// How the service over one database is set up.
    pub fn service(&self, database: ConnectOptions, ready: ReadySignal) -> ServiceConfig {
        ServiceConfig {
            database: database.with_pooler(self.tuning.is_poll_only()),
            relay: self.tuning.relay(),
            engine: self.tuning.engine(),
            executor: self.tuning.executor(),
            grace: Duration::from_secs(self.shutdown_grace_seconds),
            listen: self.listen,
            ready,
        }
    }

    /// Whether anything names a database.
    pub fn has_database(&self) -> bool {
        self.database_url.is_some()
    }

    /// The database as an administrator sees it: PGPASSWORD fills in for a missing password.
    pub fn admin_database(&self) -> anyhow::Result<ConnectOptions> {
        Ok(with_password(self.named_database()?, &[pgpassword()]))
    }

    /// The database as the relay sees it: the role is df_relay unless the URL names another, and
    /// DF_RELAY_PASSWORD is df_relay's password before PGPASSWORD is.
    pub fn relay_database(&self) -> anyhow::Result<ConnectOptions> {
        let mut database = self.named_database()?;
        if database.user().is_none() {
            database = database.with_user(RELAY_ROLE);
        }
        let mut passwords = [self.relay_password.clone(), pgpassword()];
        if database.user() != Some(RELAY_ROLE) {
            passwords.reverse();
        }
        Ok(with_password(database, &passwords))
    }

    fn named_database(&self) -> anyhow::Result<ConnectOptions> {
        let Some(Secret(url)) = &self.database_url else {
            return Err(anyhow::anyhow!(
                "no database given; use --database-url, DF_DATABASE_URL, or database_url in a file"
            )
            .context(WrongUsage));
        };
        let database = ConnectOptions::parse(url).context(WrongUsage)?;
        Ok(database.with_application_name("df-relay"))
    }

    /// The configuration as a file that would lead to it, but for its secrets.
    pub fn to_toml(&self) -> String {
        let url = self
            .database_url
            .as_ref()
            .map(|Secret(url)| match ConnectOptions::parse(url) {
                Ok(database) => database.shown(),
                Err(error) => format!("({error})"),
            });
        let mut table = toml::Table::new();
        let mut put = |key: &str, value: Option<toml::Value>| {
            table.extend(value.map(|value| (key.to_string(), value)));
        };
        put("database_url", url.map(toml::Value::from));
        put(
            "relay_password",
            self.relay_password
                .as_ref()
                .map(|_| toml::Value::from(HIDDEN)),
        );
        put(
            "operator_schema",
            self.operator_schema.clone().map(toml::Value::from),
        );
        put("log_format", toml::Value::try_from(self.log_format).ok());
        put("log_level", Some(toml::Value::from(self.log_level.clone())));
        put(
            "shutdown_grace_seconds",
            toml::Value::try_from(self.shutdown_grace_seconds).ok(),
        );
        let data_dir = self.data_dir.as_ref().map(|dir| dir.display().to_string());
        put("data_dir", data_dir.map(toml::Value::from));
        put(
            "port",
            self.port.map(|port| toml::Value::from(i64::from(port))),
        );
        let listen = self.listen.map(|address| address.to_string());
        put("listen", listen.map(toml::Value::from));
        put("relay", toml::Value::try_from(self.tuning.whole()).ok());
        table.to_string()
    }
}

impl Layer {
    /// What the flags and variables of this run say.
    fn given(command_line: &CommandLine) -> Layer {
        let mut layer = Layer {
            // Never a flag: the list of processes is everybody's to read.
            relay_password: env::var("DF_RELAY_PASSWORD").ok().map(Secret),
            log_format: command_line.common.log_format,
            log_level: command_line.common.log_level.clone(),
            ..Layer::default()
        };
        let url = |options: &DatabaseOptions| options.database_url.clone().map(Secret);
        match &command_line.command {
            Command::Dev(options) => {
                layer.data_dir.clone_from(&options.data_dir);
                layer.port = options.port;
                layer.listen = options.service.listen;
                layer.shutdown_grace_seconds = options.service.shutdown_grace_seconds;
                layer.relay = Some(options.tuning.clone());
            }
            Command::Install(options) => {
                layer.database_url = url(&options.database);
                layer.operator_schema.clone_from(&options.operator_schema);
            }
            Command::Status(options) => layer.database_url = url(&options.database),
            Command::Doctor(options) => {
                layer.database_url = url(&options.report.database);
                layer.relay = Some(Tuning {
                    poll_only: options.poll_only,
                    ..Tuning::default()
                });
            }
            Command::Completions(_) => {}
            Command::Uninstall(options) => layer.database_url = url(&options.database),
            Command::Replay(options) => layer.database_url = url(&options.database),
            Command::Adopt(options) => layer.database_url = url(&options.database),
            Command::Run(options) => {
                layer.database_url = url(&options.database);
                layer.listen = options.service.listen;
                layer.shutdown_grace_seconds = options.service.shutdown_grace_seconds;
                layer.relay = Some(options.tuning.clone());
            }
            Command::Bench(options) => {
                layer.database_url = url(&options.database);
                layer.relay = Some(options.tuning.clone());
            }
        }
        layer
    }
}

fn pgpassword() -> Option<Secret> {
    env::var("PGPASSWORD").ok().map(Secret)
}

/// With the first of the passwords, where the connection string holds none.
fn with_password(database: ConnectOptions, passwords: &[Option<Secret>]) -> ConnectOptions {
    match passwords.iter().flatten().next() {
        Some(Secret(password)) if !database.has_password() => database.with_password(password),
        _ => database,
    }
}

/// A benchmark's relays keep still, since its table is what matters.
fn default_log_level(command: &Command) -> &'static str {
    match command {
        Command::Bench(_) => "warn",
        _ => DEFAULT_LOG_LEVEL,
    }
}

fn read_file(path: &Path) -> anyhow::Result<Layer> {
    let reading = || format!("reading the configuration file {}", path.display());
    let text = fs::read_to_string(path).with_context(reading)?;
    // The error of a TOML parser quotes the line, which may hold a password.
    match toml::from_str(&text) {
        Ok(layer) => Ok(layer),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let line = 1 + text[..at.min(text.len())].matches('\n').count();
            bail!("{} line {line}: {}", path.display(), error.message())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// What one call does, which no file should say; and where the file itself is.
    const OF_ONE_CALL: &[&str] = &["psql", "dry_run", "yes", "json", "config"];
    /// These have no variable either: a variable that printed instead of acting would be a trap, and
    /// a benchmark is started by hand.
    const FLAGS_ALONE: &[&str] = &[
        "print_config",
        "instances",
        "quick",
        "smoke",
        "svg",
        "large",
        "by_hand",
        "commit_delay",
    ];

    #[test]
    fn every_option_has_its_variable_and_its_place_in_the_file() {
        let mut seen = 0;
        let command_line = CommandLine::command();
        for command in std::iter::once(&command_line).chain(command_line.get_subcommands()) {
            let of_bench = command.get_name() == "bench";
            for arg in command
                .get_arguments()
                .filter(|arg| arg.get_long().is_some())
            {
                let key = arg.get_id().as_str();
                if FLAGS_ALONE.contains(&key) || (of_bench && key == "json") {
                    continue;
                }
                let variable = arg
                    .get_env()
                    .map(|name| name.to_string_lossy().into_owned());
                let expected = format!("DF_{}", key.to_uppercase());
                assert_eq!(variable, Some(expected), "{}", command.get_name());
                seen += 1;
                if OF_ONE_CALL.contains(&key) {
                    continue;
                }
                // A list suits no option, so that a known one is refused for its type.
                let refused =
                    |text: String| toml::from_str::<Layer>(&text).unwrap_err().to_string();
                let plain = refused(format!("{key} = []"));
                let tuning = refused(format!("[relay]\n{key} = []"));
                assert!(
                    !plain.contains("unknown field") || !tuning.contains("unknown field"),
                    "{key}: {plain} {tuning}"
                );
            }
        }
        assert!(seen > 20, "{seen}");
    }
}
