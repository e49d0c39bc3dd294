//! `df-relay dev`: a private Postgres with the schema and a relay in this process.
//!
//! stdout carries exactly one line, `ready <connection string>`; everything else is logged.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use df_local::{Cluster, ClusterConfig, StopMode};
use df_postgres::install::{InstallOptions, RelayPassword, install};
use df_postgres::schema::SchemaFiles;
use df_postgres::{ConnectOptions, RELAY_ROLE, quote_identifier, quote_literal};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::command_line::DevOptions;
use crate::config::Config;
use crate::run::until_stopped;
use crate::service::ReadySignal;
use crate::signals::{Interrupts, shutdown_token};

const DATABASE: &str = "dev";
/// The granted role that the printed connection string logs in as.
const ROLE: &str = "app";
/// How often the server is asked whether it still runs.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) async fn dev(options: &DevOptions, config: &Config) -> anyhow::Result<()> {
    let interrupts = if options.psql {
        Interrupts::LeftToChild
    } else {
        Interrupts::Stop
    };
    let shutdown = shutdown_token(interrupts)?;
    let data_dir = match &config.data_dir {
        Some(dir) => dir.clone(),
        None => default_data_dir()?,
    };
    tracing::info!(data_dir = %data_dir.display(), "starting a private postgres");
    let cluster_config = cluster_config(data_dir, config.port);
    let mut cluster = blocking(move || {
        let mut cluster = Cluster::create_or_open(cluster_config)?;
        cluster.start()?;
        Ok::<_, df_local::Error>(cluster)
    })
    .await?;
    let ended = with_cluster(&mut cluster, options, config, &shutdown).await;
    tracing::info!("stopping postgres");
    blocking(move || cluster.stop(StopMode::Fast)).await?;
    ended
}

/// Everything between the server's start and its stop.
async fn with_cluster(
    cluster: &mut Cluster,
    options: &DevOptions,
    config: &Config,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let url = prepare(cluster, shutdown).await?;
    let relay_url = cluster.url(RELAY_ROLE, &cluster.password_of(RELAY_ROLE)?, DATABASE);
    let ready = ReadySignal::default();
    let service_config = config.service(ConnectOptions::parse(&relay_url)?, ready.clone());
    let grace_seconds = config.shutdown_grace_seconds;
    let service = until_stopped(service_config, shutdown.clone(), grace_seconds);
    tokio::pin!(service);

    tokio::select! {
        ended = &mut service => return ended,
        () = ready.wait() => {}
    }
    let mut stdout = std::io::stdout();
    writeln!(stdout, "ready {url}")
        .and_then(|()| stdout.flush())
        .context("writing to stdout")?;

    let psql = open_psql(options.psql, cluster)?;
    let ended = tokio::select! {
        ended = &mut service => return ended,
        ended = psql => ended,
        ended = watch(cluster) => ended,
    };
    shutdown.cancel();
    service.await?;
    ended
}

fn cluster_config(data_dir: PathBuf, port: Option<u16>) -> ClusterConfig {
    let settings = vec![("max_connections".to_string(), "200".to_string())];
    ClusterConfig {
        data_dir: Some(data_dir),
        port,
        settings,
        ..ClusterConfig::default()
    }
}

/// Makes the database, installs the schema, grants the role; returns the role's connection string.
async fn prepare(cluster: &Cluster, shutdown: &CancellationToken) -> anyhow::Result<String> {
    let superuser = |database: &str| ConnectOptions::parse(&cluster.superuser_url(database));
    let server = superuser("postgres")?.connect().await?;
    let exists = "select exists (select from pg_database where datname = $1)";
    if !server
        .query_one(exists, &[&DATABASE])
        .await?
        .get::<_, bool>(0)
    {
        server
            .batch_execute(&format!("create database {}", quote_identifier(DATABASE)))
            .await?;
    }
    let database = superuser(DATABASE)?;
    let options = InstallOptions {
        relay_password: Some(RelayPassword(cluster.password_of(RELAY_ROLE)?)),
        ..InstallOptions::default()
    };
    let report = install(&database, &SchemaFiles::embedded()?, &options, shutdown).await?;
    tracing::info!("{}", report.outcome);

    let password = cluster.password_of(ROLE)?;
    grant(&database.connect().await?, &password)
        .await
        .context("granting the role of dev")?;
    Ok(cluster.url(ROLE, &password, DATABASE))
}

/// The role may start workflows, make HTTP requests, and keep tables of its own in `public`.
async fn grant(client: &Client, password: &str) -> anyhow::Result<()> {
    let exists = "select exists (select from pg_roles where rolname = $1)";
    let role = quote_identifier(ROLE);
    let verb = match client.query_one(exists, &[&ROLE]).await?.get(0) {
        true => "alter",
        false => "create",
    };
    let sql = format!(
        "{verb} role {role} login password {}; grant usage, create on schema public to {role};",
        quote_literal(password)
    );
    client.batch_execute(&sql).await?;
    client
        .query("select df.grant_usage($1, include_http => true)", &[&ROLE])
        .await?;
    Ok(())
}

/// Runs psql to its end; without `--psql` it never ends.
fn open_psql(
    wanted: bool,
    cluster: &Cluster,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + use<>> {
    let mut child = None;
    if wanted {
        let program = cluster.binaries().psql();
        let mut command = tokio::process::Command::new(&program);
        // Through the environment, since everybody may read the list of processes.
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", cluster.port().to_string());
        command
            .env("PGUSER", ROLE)
            .env("PGPASSWORD", cluster.password_of(ROLE)?);
        command.env("PGDATABASE", DATABASE).kill_on_drop(true);
        let spawned = command
            .spawn()
            .with_context(|| format!("running {}", program.display()));
        child = Some(spawned?);
    }
    Ok(async move {
        match child {
            Some(mut child) => child.wait().await.map(|_| ()).context("waiting for psql"),
            None => std::future::pending().await,
        }
    })
}

/// Ends when the server does, which it should not.
async fn watch(cluster: &mut Cluster) -> anyhow::Result<()> {
    while cluster.pid().is_some() {
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
    bail!(
        "postgres ended by itself; its log is {}",
        cluster.log_path().display()
    )
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, df_local::Error> + Send + 'static,
) -> anyhow::Result<T> {
    Ok(tokio::task::spawn_blocking(work)
        .await
        .context("a task of dev ended early")??)
}

/// Root's own home is closed to the account that is lent the server.
fn default_data_dir() -> anyhow::Result<PathBuf> {
    let home = env::var_os("HOME").map(PathBuf::from);
    if df_local::is_root() {
        return Ok(PathBuf::from("/var/lib/df-relay/dev"));
    }
    let data_home = env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let data_home = data_home.or_else(|| home.map(|home| home.join(".local/share")));
    let data_home = data_home.context("neither XDG_DATA_HOME nor HOME is set; give --data-dir")?;
    Ok(Path::new(&data_home).join("df-relay/dev"))
}
