//! Where and how to connect. Holds a password, so its `Debug` hides it.

use df_postgres::ConnectOptions;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Everything needed to open a connection.
#[derive(Clone)]
pub struct ConnectConfig {
    /// The servers, the TLS to them and the limit for connecting; nothing else of it is looked at.
    pub server: ConnectOptions,
    pub user: String,
    pub password: Option<String>,
    pub database: String,
    pub application_name: String,
    /// Run-time settings sent in the startup packet, in order; the session's defaults, so that
    /// RESET ALL returns to them.
    pub settings: Vec<(String, String)>,
    /// Which of the servers the last connection of this configuration or of a clone is on: it is tried first.
    pub served: Arc<AtomicUsize>,
}

impl ConnectConfig {
    /// A session on these servers, of whose user and database nothing is said yet.
    pub fn new(server: ConnectOptions) -> Self {
        ConnectConfig {
            server,
            user: String::new(),
            password: None,
            database: String::new(),
            application_name: String::new(),
            settings: Vec::new(),
            served: Arc::default(),
        }
    }
}

impl fmt::Debug for ConnectConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectConfig")
            .field("server", &self.server)
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}
