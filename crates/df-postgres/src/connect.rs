//! Opening connections. The task behind each connection ends with it and logs why, without
//! payloads; a broken connection shows itself to its client as a closed one.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, CancelToken, Client, Connection, NoTls, Notification};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::class::{ErrorClass, describe};
use crate::options::{ConnectOptions, TlsMode};
use crate::retry::{self, Attempt, RetryPolicy};

/// Notifications of one connection, in order; it ends with the connection. Unbounded, because the
/// connection must not stall behind its reader: read it promptly.
pub type Notifications = mpsc::UnboundedReceiver<Notification>;

impl ConnectOptions {
    /// One connection, its task spawned on the current runtime.
    pub async fn connect(&self) -> Result<Client, Error> {
        let (client, _notifications) = self.connect_listening().await?;
        Ok(client)
    }

    /// One connection, with what its `LISTEN`s bring.
    pub async fn connect_listening(&self) -> Result<(Client, Notifications), Error> {
        let refused = |source| Error::Connect {
            target: self.to_string(),
            source,
        };
        let (sender, notifications) = mpsc::unbounded_channel();
        let client = if self.tls_mode == TlsMode::Disable {
            let (client, connection) = self.config.connect(NoTls).await.map_err(refused)?;
            tokio::spawn(drive(connection, sender));
            client
        } else {
            let connector = self.tls_connector()?;
            let (client, connection) = self.config.connect(connector).await.map_err(refused)?;
            tokio::spawn(drive(connection, sender));
            client
        };
        Ok((client, notifications))
    }

    /// Asks the server to cancel what the token's connection runs, over a connection like it.
    pub async fn cancel(&self, token: &CancelToken) -> Result<(), Error> {
        let cancelled = if self.tls_mode == TlsMode::Disable {
            token.cancel_query(NoTls).await
        } else {
            token.cancel_query(self.tls_connector()?).await
        };
        cancelled.map_err(|source| Error::Connect {
            target: self.to_string(),
            source,
        })
    }
}

/// Connects, waiting for Postgres to come up or back. A refused login is waited out too, since the
/// role or the database may still be made; each failure is logged, with growing pauses.
/// Other errors, a bad certificate for example, end the wait.
pub async fn connect_when_up(
    options: &ConnectOptions,
    policy: &RetryPolicy,
    shutdown: &CancellationToken,
) -> Result<Client, Error> {
    let attempt = || async {
        options
            .connect()
            .await
            .map_err(|error| match error.class() {
                Some(ErrorClass::Permanent) | None => Attempt::Fatal(error),
                Some(_) => Attempt::Again(error),
            })
    };
    // The first failure is told at once, those of the quick tries after it to whoever asks for them.
    let told = AtomicBool::new(false);
    let on_retry = |error: &Error, pause: std::time::Duration| {
        let worth_a_line =
            !told.swap(true, Ordering::Relaxed) || pause >= std::time::Duration::from_secs(1);
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        match (error.class(), worth_a_line) {
            (Some(ErrorClass::Login), true) => {
                tracing::error!(%error, pause_ms, "postgres refuses the login; waiting");
            }
            (_, true) if !options.is_pooled() && is_refused_as_it_asks(error) => {
                tracing::error!(%error, pause_ms, "a pooler refuses the session; connect to Postgres itself, or run with --poll-only");
            }
            (_, true) => tracing::warn!(%error, pause_ms, "postgres is not reachable; waiting"),
            _ => tracing::debug!(%error, pause_ms, "no connection; waiting"),
        }
    };
    match retry::run(policy, shutdown, attempt, on_retry).await {
        Ok(client) => Ok(client),
        Err(retry::Error::Cancelled) => Err(Error::Cancelled),
        Err(retry::Error::Failed(error)) => Err(error),
    }
}

/// Whether it was refused for how it asks, which Postgres itself never does: the settings that come with it, for one.
fn is_refused_as_it_asks(error: &Error) -> bool {
    let Error::Connect { source, .. } = error else {
        return false;
    };
    matches!(
        source.code(),
        Some(&SqlState::PROTOCOL_VIOLATION | &SqlState::FEATURE_NOT_SUPPORTED)
    )
}

/// Runs a connection to its end.
async fn drive<S, T>(
    mut connection: Connection<S, T>,
    notifications: mpsc::UnboundedSender<Notification>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) =
        poll_fn(|cx| Pin::new(&mut connection).get_mut().poll_message(cx)).await
    {
        match message {
            // Nobody listens on most connections; their notifications are dropped.
            Ok(AsyncMessage::Notification(notification)) => drop(notifications.send(notification)),
            Ok(AsyncMessage::Notice(notice)) => {
                tracing::debug!(sqlstate = notice.code().code(), "notice from postgres");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(error = %describe(&error), "connection to postgres ended");
                return;
            }
        }
    }
}
