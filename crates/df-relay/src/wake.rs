//! What wakes a sleeping relay: a notification. A wake-up can be lost at any time; the poll makes
//! up for it.

use std::sync::Arc;
use std::time::Duration;

use df_postgres::ConnectOptions;
use df_postgres::retry::RetryPolicy;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Listens until `shutdown`, over a connection of its own that comes back after an outage.
pub async fn listen(options: ConnectOptions, wake: Arc<Notify>, shutdown: CancellationToken) {
    let mut delays = RetryPolicy::default().delays();
    loop {
        let listening = async {
            let (client, mut notifications) = options.connect_listening().await?;
            client
                .batch_execute("listen df_relay")
                .await
                .map_err(|source| df_postgres::Error::Database {
                    doing: "listen df_relay".to_owned(),
                    source,
                })?;
            // Whatever was notified before is found by a look.
            wake.notify_one();
            while notifications.recv().await.is_some() {
                wake.notify_one();
            }
            Ok::<(), df_postgres::Error>(())
        };
        match shutdown.run_until_cancelled(listening).await {
            None => return,
            Some(Ok(())) => delays.reset(),
            Some(Err(error)) => tracing::debug!(%error, "not listening; the poll goes on"),
        }
        let pause = delays.next_delay().unwrap_or(Duration::from_secs(5));
        if shutdown
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
    }
}
