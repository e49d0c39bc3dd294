//! Ending a statement from outside, with the key that the session was given.

use super::{ConnectConfig, stream};
use bytes::BytesMut;
use df_postgres::Endpoint;
use postgres_protocol::message::frontend;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// May be kept apart from its connection, and used while that one is busy.
#[derive(Clone)]
pub struct CancelHandle {
    pub(super) config: Arc<ConnectConfig>,
    /// The server that the session is on.
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) process_id: i32,
    pub(super) secret_key: i32,
}

impl CancelHandle {
    /// Sends the request, and waits until the server has passed it on or `limit` is over.
    ///
    /// The server says nothing of whether a statement was hit, and a signal may arrive late, so the
    /// connection must not be used for anything else afterwards.
    pub async fn cancel(&self, limit: Duration) -> io::Result<()> {
        let request = async {
            let mut stream = stream::open(&self.config.server, &self.endpoint).await?;
            let mut message = BytesMut::new();
            frontend::cancel_request(self.process_id, self.secret_key, &mut message);
            stream.write_all(&message).await?;
            stream.flush().await?;
            // The server closes the connection once it has signalled the session.
            let mut end = [0; 1];
            let _ = stream.read(&mut end).await;
            Ok(())
        };
        tokio::time::timeout(limit, request)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
