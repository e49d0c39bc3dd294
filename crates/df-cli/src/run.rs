//! `df-relay run`: the service until it is asked to stop.

use std::time::Duration;

use anyhow::bail;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::service::{self, ReadySignal, ServiceConfig};
use crate::signals::{Interrupts, shutdown_token};

/// What handing over may take after the grace time.
const HAND_OVER_TIME: Duration = Duration::from_secs(10);

pub(crate) async fn run(config: &Config) -> anyhow::Result<()> {
    let service_config = config.service(config.relay_database()?, ReadySignal::default());
    let shutdown = shutdown_token(Interrupts::Stop)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), database = %service_config.database, "starting");
    until_stopped(service_config, shutdown, config.shutdown_grace_seconds).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Runs the service; once it is asked to stop it has the grace time to end.
pub(crate) async fn until_stopped(
    config: ServiceConfig,
    shutdown: CancellationToken,
    grace_seconds: u64,
) -> anyhow::Result<()> {
    let service = service::run(config, shutdown.clone());
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(Duration::from_secs(grace_seconds) + HAND_OVER_TIME).await;
    };
    tokio::select! {
        ended = service => ended,
        () = overdue => bail!(
            "the steps in flight did not end within {grace_seconds} s; other relays take them over"
        ),
    }
}
