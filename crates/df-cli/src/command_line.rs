//! The command line as clap sees it. A value given here or in a `DF_*` variable is an `Option`; the
//! file and the defaults are joined in `config`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand};

use crate::config::LogFormat;
use crate::tuning::Tuning;

const AFTER_HELP: &str = "\
Options can be given as flags, as DF_* variables or in a TOML file (--config); a flag wins over a
variable, a variable over the file, the file over the default. --print-config shows the outcome.
What one call does (--psql, --dry-run, --yes, --json, --instance, bench's own) is never in the file.

Exit codes:
  0  done, or stopped when asked to
  1  failed; the message says why (doctor: something is wrong)
  2  wrong command line or configuration, or a question was not answered with yes
  3  the database cannot be reached, or refuses the login
  4  the schema in the database is missing, newer than this binary, or not df-relay's";

/// Durable workflows written in SQL, for any PostgreSQL, without an extension.
#[derive(Debug, Parser)]
#[command(name = "df-relay", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct CommandLine {
    #[command(flatten)]
    pub common: CommonOptions,
    #[command(subcommand)]
    pub command: Command,
}

impl CommandLine {
    /// Reads this process's command line and variables. Where they are wrong it says so and ends the process.
    pub fn read() -> CommandLine {
        CommandLine::try_parse().unwrap_or_else(|error| {
            let Some(variable) = variable_at_fault(&error) else {
                error.exit();
            };
            let _ = error.print();
            eprintln!("\nThe value is that of the variable {variable}.");
            std::process::exit(error.exit_code())
        })
    }
}

/// The variable that a bad value came from; clap names the flag either way.
fn variable_at_fault(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(named)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = named.split_whitespace().next()?;
    let given = std::env::args().any(|arg| arg.split('=').next() == Some(flag));
    let name = flag.strip_prefix("--")?.replace('-', "_").to_uppercase();
    let variable = format!("DF_{name}");
    (!given && std::env::var_os(&variable).is_some()).then_some(variable)
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct CommonOptions {
    /// A TOML file with options, named as the flags are: database_url = "postgres://…". Those listed
    /// under Tuning belong below [relay]: lease_seconds = 15
    #[arg(long, global = true, env = "DF_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the configuration with its secrets hidden, and stop
    #[arg(long, global = true)]
    pub print_config: bool,
    /// How logs are written to stderr [default: text]
    #[arg(long, global = true, env = "DF_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// error, warn, info, debug or trace, also per module: info,df_relay=debug [default: info]
    #[arg(long, global = true, env = "DF_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try it: a private Postgres with the schema and a running relay
    ///
    /// Boots a private Postgres from the system's own binaries, installs the schema, runs a relay, and
    /// prints `ready <connection string>` once workflows can be started. The role in that string is
    /// granted and no superuser. The data is kept for the next run; Ctrl-C stops everything.
    Dev(DevOptions),
    /// Install the schema, or upgrade it; safe to repeat
    ///
    /// Installs or upgrades the schema `df` in one transaction, as a superuser or as a role with
    /// CREATEROLE. Running it again, also from many places at once, changes nothing. DF_RELAY_PASSWORD
    /// becomes the password of the role df_relay; without it the statement that sets one is printed.
    /// The administrator's own password may come from PGPASSWORD.
    Install(InstallOptions),
    /// Remove the schema and all workflows
    ///
    /// Drops the schema `df` with every workflow in it, the step logins, and the df roles unless another
    /// database of the server needs them. Refuses where something else depends on it, as a view over its tables
    /// does: that would be dropped with it.
    Uninstall(UninstallOptions),
    /// Run workflows; any number of these may run
    ///
    /// The service. Logs in as df_relay unless the URL names another role; its password may come from
    /// DF_RELAY_PASSWORD. Waits for Postgres to come up or back. SIGTERM, Ctrl-C and SIGHUP finish the
    /// steps in flight and hand the rest over; a second one stops at once.
    Run(RunOptions),
    /// What is running and what is stuck
    ///
    /// Reads the database, as df_relay unless the URL names another role, and prints what it finds.
    /// Members of df_admin and superusers may, too.
    Status(ReportOptions),
    /// What in the set-up is wrong, and the statement that mends it
    ///
    /// Asks as df_relay unless the URL names another role; members of df_admin and superusers may, too.
    /// As df_relay it also logs in as the granted roles' steps do. Ends with 1 when something is wrong.
    Doctor(DoctorOptions),
    /// Print completions for a shell
    Completions(CompletionsOptions),
    /// Measure what workflows cost on your server, beside plain transactions
    ///
    /// Measures throughput, latency and costs, each beside its yardstick from the same run, and judges
    /// them by the project's targets. It makes a database of its own on the server that the URL names,
    /// as a superuser or a role with CREATEDB and CREATEROLE, and drops it; nothing else is touched.
    /// Without a URL it boots a private Postgres at default durability. Takes up to ten minutes.
    Bench(BenchOptions),
    /// Deliver the outbox again from its start; safe at any moment
    ///
    /// Compares every event of the outbox with what the database holds, and delivers what was lost: where
    /// nothing was lost, nothing changes. Prints what it found of each event. Relays may run meanwhile.
    Replay(ReplayOptions),
    /// Let relays run on this restored copy of a database
    ///
    /// A relay runs only where the first relay of a database ran: on a restored copy it would send the
    /// original's HTTP requests again. This makes the copy one that relays run on. A physical clone
    /// cannot be told from a failover: do not start relays on both.
    Adopt(AdoptOptions),
}

#[derive(Debug, Args)]
pub struct DevOptions {
    /// Where the data is kept [default: ~/.local/share/df-relay/dev; /var/lib/df-relay/dev as root]
    #[arg(long, env = "DF_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The port on 127.0.0.1 [default: that of the last run, or any free one]
    #[arg(long, env = "DF_PORT", value_name = "N")]
    pub port: Option<u16>,
    /// Open psql on it; leaving psql stops everything
    #[arg(long, env = "DF_PSQL", value_parser = BoolishValueParser::new())]
    pub psql: bool,
    #[command(flatten)]
    pub service: ServiceOptions,
    #[command(flatten)]
    pub tuning: Tuning,
}

#[derive(Debug, Args)]
pub struct DatabaseOptions {
    /// postgres://user:password@host:port/database?sslmode=…, or libpq's key=value form
    #[arg(
        long,
        env = "DF_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database_url: Option<String>,
}

#[derive(Debug, Args)]
pub struct InstallOptions {
    #[command(flatten)]
    pub database: DatabaseOptions,
    /// The schema for the operators (~>, |=>, …), on everybody's search_path [default: public]
    #[arg(long, env = "DF_OPERATOR_SCHEMA", value_name = "SCHEMA")]
    pub operator_schema: Option<String>,
    /// Print the SQL that would run, and change nothing
    #[arg(long, env = "DF_DRY_RUN", value_parser = BoolishValueParser::new())]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct UninstallOptions {
    #[command(flatten)]
    pub database: DatabaseOptions,
    /// Do not ask
    #[arg(long, env = "DF_YES", value_parser = BoolishValueParser::new())]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct RunOptions {
    #[command(flatten)]
    pub database: DatabaseOptions,
    #[command(flatten)]
    pub service: ServiceOptions,
    #[command(flatten)]
    pub tuning: Tuning,
}

/// What `run` and the relay of `dev` share.
#[derive(Debug, Args)]
pub struct ServiceOptions {
    /// How long a stop may wait for the steps in flight [default: 30]
    #[arg(long, env = "DF_SHUTDOWN_GRACE_SECONDS", value_name = "SECONDS")]
    pub shutdown_grace_seconds: Option<u64>,
    /// Serve /metrics, /healthz and /readyz on this address, e.g. 127.0.0.1:9187 [default: off]
    #[arg(long, env = "DF_LISTEN", value_name = "ADDRESS", value_parser = address)]
    pub listen: Option<SocketAddr>,
}

/// Where to listen; the standard library's own error does not say what is wanted.
fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "wanted are an IP address and a port, as in 127.0.0.1:9187 or [::1]:9187")
}

/// What `status` and `doctor` share.
#[derive(Debug, Args)]
pub struct ReportOptions {
    #[command(flatten)]
    pub database: DatabaseOptions,
    /// Print JSON
    #[arg(long, env = "DF_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

/// What the doctor is told besides.
#[derive(Debug, Args)]
pub struct DoctorOptions {
    #[command(flatten)]
    pub report: ReportOptions,
    /// The relays run with --poll-only, so that a transaction pooler in between is in order
    #[arg(long, env = "DF_POLL_ONLY", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          value_parser = BoolishValueParser::new())]
    pub poll_only: Option<bool>,
}

#[derive(Debug, Args)]
pub struct BenchOptions {
    #[command(flatten)]
    pub database: DatabaseOptions,
    /// Fewer samples, under three minutes
    #[arg(long)]
    pub quick: bool,
    /// A few samples of everything, to see that it runs
    #[arg(long, hide = true)]
    pub smoke: bool,
    /// Write every figure as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw throughput against clients and latency against load
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Measure again with N finished and N waiting instances present [N by default: 1000000]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1000000")]
    pub large: Option<u64>,
    /// Measure a queue written by hand as well, with nothing around it: what the targets leave
    #[arg(long)]
    pub by_hand: bool,
    /// Wait so many microseconds before each flush of the log, as a slower disk does, by Postgres's
    /// commit_delay; takes a superuser
    #[arg(long, value_name = "MICROSECONDS", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub commit_delay: Option<u32>,
    #[command(flatten)]
    pub tuning: Tuning,
}

#[derive(Debug, Args)]
pub struct ReplayOptions {
    #[command(flatten)]
    pub database: DatabaseOptions,
    /// Only this instance's events; may be given more than once
    #[arg(long = "instance", value_name = "ID")]
    pub instances: Vec<String>,
    /// Print one JSON object per event
    #[arg(long, env = "DF_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

/// For bash: df-relay completions bash > /etc/bash_completion.d/df-relay
#[derive(Debug, Args)]
pub struct CompletionsOptions {
    /// The shell
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct AdoptOptions {
    #[command(flatten)]
    pub database: DatabaseOptions,
}
