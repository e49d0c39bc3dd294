//! The relay as a service: waits for Postgres and for a schema that it knows, then runs until it is
//! asked to stop. It must not install anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use df_engine::{Engine, EngineConfig};
use df_postgres::retry::RetryPolicy;
use df_postgres::schema::{Fit, Installed, SchemaFiles};
use df_postgres::{ConnectOptions, Error, Session, connect_when_up};
use df_relay::{Relay, RelayConfig};
use tokio_util::sync::CancellationToken;

use crate::listener;
use crate::metrics::{Running, Sources};
use crate::schema_check;
use crate::wiring::{self, EngineOfRelay, ExecutorLimits};

/// The pauses between looks at a schema that is missing or old.
const SCHEMA_POLICY: RetryPolicy = RetryPolicy {
    initial_delay_ms: 1_000,
    max_delay_ms: 15_000,
    factor: 2.0,
    jitter: 0.2,
    max_elapsed_ms: None,
};

/// What the service needs to run.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    pub database: ConnectOptions,
    pub relay: RelayConfig,
    pub engine: EngineConfig,
    pub executor: ExecutorLimits,
    /// How long steps in flight may take to end when the service stops.
    pub grace: Duration,
    /// Where /metrics, /healthz and /readyz are served, if anywhere.
    pub listen: Option<SocketAddr>,
    /// Set by the service once workflows run.
    pub ready: ReadySignal,
}

/// Set once; anybody may wait for it.
#[derive(Debug, Clone, Default)]
pub struct ReadySignal(CancellationToken);

impl ReadySignal {
    pub fn set(&self) {
        self.0.cancel();
    }

    pub async fn wait(&self) {
        self.0.cancelled().await;
    }
}

/// Runs until `shutdown`; an error is one that waiting does not mend.
pub async fn run(config: ServiceConfig, shutdown: CancellationToken) -> anyhow::Result<()> {
    // The parts outlive the request to stop, so that steps in flight can end and be recorded.
    let parts = CancellationToken::new();
    let sources = sources(&config.database, &parts);
    if let Some(address) = config.listen {
        listener::start(address, sources.clone(), parts.clone()).await?;
    }
    let ended = match wait_for_schema(&config.database, &shutdown).await {
        Ok(true) => match refuse_a_copy(&config.database).await {
            Ok(()) => relay(&config, &sources, &parts, &shutdown).await,
            Err(copy) => Err(copy),
        },
        other => other.map(drop),
    };
    parts.cancel();
    ended
}

fn sources(database: &ConnectOptions, parts: &CancellationToken) -> Sources {
    let options = database.clone().with_application_name("df-relay health");
    Sources {
        metrics: Arc::default(),
        session: Arc::new(Session::new(options, parts.clone())),
        running: Arc::default(),
    }
}

/// Runs a relay over an engine over an executor, and takes them down in that order.
async fn relay(
    config: &ServiceConfig,
    sources: &Sources,
    parts: &CancellationToken,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let executor = wiring::executor(&config.database, &config.executor, parts, shutdown);
    let Some(executor) = shutdown.run_until_cancelled(executor).await else {
        return Ok(());
    };
    let engine_config = EngineConfig {
        observer: Some(sources.metrics.clone()),
        ..config.engine.clone()
    };
    let (engine, events) = Engine::start(engine_config, Arc::new(executor?)).await?;
    let (of_relay, events) = EngineOfRelay::new(engine.clone(), events);
    let database = config.database.clone();
    let relay = Relay::new(
        config.relay.clone(),
        database,
        of_relay,
        events,
        shutdown,
        parts,
    );
    let incarnation = relay.incarnation();
    *sources.running.write() = Some(Running {
        engine: engine.clone(),
        incarnation: incarnation.clone(),
    });
    config.ready.set();
    let ended = relay.run(shutdown.clone()).await;
    tracing::info!("finishing the steps in flight");
    engine.shutdown(config.grace).await;
    let incarnation = *incarnation.read();
    match Relay::release(&config.database, incarnation).await {
        Ok(handed_over) => tracing::info!(handed_over, "handed over"),
        Err(error) => tracing::warn!(%error, "could not hand over; the lease will run out"),
    }
    // As itself: the exit code and the message go by its kind.
    Ok(ended.map_err(|df_relay::Error::Postgres(error)| error)?)
}

/// Ends the service on a restored copy that nobody has adopted; notes where the database is when
/// nobody ran on it before.
async fn refuse_a_copy(database: &ConnectOptions) -> anyhow::Result<()> {
    let identity = match df_relay::adopt::identify(database).await {
        Ok(identity) => identity,
        // Registering looks again, once Postgres is back.
        Err(error) if error.is_retryable() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !identity.is_ours {
        bail!(
            "{database} is a copy: relays ran on it at {}, and this is {}. Running it would send \
             the original's HTTP requests again; `df-relay adopt` makes this copy the one to run",
            identity.first_run_at,
            identity.here
        );
    }
    Ok(())
}

/// What a look at the schema says.
enum Look {
    Usable,
    /// Somebody has to run `df-relay install`.
    NeedsInstall(&'static str),
}

/// Returns once the schema can be used: true, or false when asked to stop before.
async fn wait_for_schema(
    database: &ConnectOptions,
    shutdown: &CancellationToken,
) -> anyhow::Result<bool> {
    let files = SchemaFiles::embedded()?;
    let mut delays = SCHEMA_POLICY.delays();
    loop {
        let client = match connect_when_up(database, &RetryPolicy::default(), shutdown).await {
            Ok(client) => client,
            Err(Error::Cancelled) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        match look(&client, database, &files).await {
            Ok(Look::Usable) => {
                warn_of_a_superuser(&client).await;
                return Ok(true);
            }
            Ok(Look::NeedsInstall(why)) => {
                let command = "df-relay install --database-url <of an administrator>";
                tracing::warn!(%database, command, "{why}; waiting for it to be installed");
            }
            Err(error) if is_outage(&error) => {
                tracing::warn!(error = format!("{error:#}"), "lost the connection; waiting");
            }
            Err(error) => return Err(error),
        }
        let pause = delays
            .next_delay()
            .unwrap_or(Duration::from_millis(SCHEMA_POLICY.max_delay_ms));
        if shutdown
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return Ok(false);
        }
    }
}

/// Nothing needs one: steps run as their roles' own logins, and the rest as df_relay may.
async fn warn_of_a_superuser(client: &tokio_postgres::Client) {
    let asked = "select rolname::text from pg_roles where rolname = current_user and rolsuper";
    if let Ok(Some(row)) = client.query_opt(asked, &[]).await {
        let role: String = row.get(0);
        tracing::warn!(
            role,
            "a relay needs no superuser; let it log in as df_relay"
        );
    }
}

async fn look(
    client: &tokio_postgres::Client,
    database: &ConnectOptions,
    files: &SchemaFiles,
) -> anyhow::Result<Look> {
    let meta = match schema_check::look(client).await? {
        Installed::Missing => return Ok(Look::NeedsInstall("the schema df is missing")),
        Installed::Ours(meta) => meta,
        Installed::Foreign { whose } => {
            let database = database.to_string();
            return Err(Error::ForeignSchema { database, whose }.into());
        }
    };
    match meta.fit(files) {
        Fit::Same => Ok(Look::Usable),
        Fit::OtherFunctions => {
            tracing::info!(
                installed_by = meta.installed_by,
                "the schema is of another build; df-relay install with the newest binary in use mends it"
            );
            Ok(Look::Usable)
        }
        Fit::Older => Ok(Look::NeedsInstall("the schema df is older than this relay")),
        Fit::Newer => {
            let (found, known) = (meta.version, files.version());
            bail!(Error::NewerSchema {
                found,
                known,
                installed_by: meta.installed_by
            })
        }
    }
}

fn is_outage(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<Error>()
        .is_some_and(Error::is_retryable)
}
