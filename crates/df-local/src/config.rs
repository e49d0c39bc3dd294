//! How a private cluster is to be made and run.

use std::path::PathBuf;

/// Where the server listens besides its unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listen {
    /// TCP on 127.0.0.1.
    #[default]
    Loopback,
    /// The unix socket only.
    SocketOnly,
}

/// How to stop the server; the names are those of `pg_ctl stop -m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Ends sessions, rolls their transactions back, writes a checkpoint.
    Fast,
    /// Ends at once; the next start recovers from the log, as after a crash.
    Immediate,
}

/// What [`crate::Cluster::create_or_open`] needs. `Default` is a temporary cluster on a free port.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// The folder that holds everything of this cluster; made if absent, kept at the end.
    /// `None` is a temporary folder that goes away with the [`crate::Cluster`].
    pub data_dir: Option<PathBuf>,
    /// `None` takes the port of the last run if it is still free, else any free one.
    pub port: Option<u16>,
    /// `None` is a fresh short folder under /tmp, since a socket's path is limited to 107 bytes.
    pub socket_dir: Option<PathBuf>,
    pub listen: Listen,
    /// Server settings, as on postgres's command line (`-c name=value`).
    pub settings: Vec<(String, String)>,
    /// The folder of `initdb` and `postgres`; `None` searches for it.
    pub bin_dir: Option<PathBuf>,
    /// How long a start, with crash recovery, and a stop may take.
    pub start_timeout_seconds: u64,
    pub stop_timeout_seconds: u64,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        ClusterConfig {
            data_dir: None,
            port: None,
            socket_dir: None,
            listen: Listen::default(),
            settings: Vec::new(),
            bin_dir: None,
            start_timeout_seconds: 60,
            stop_timeout_seconds: 60,
        }
    }
}

impl ClusterConfig {
    /// A temporary cluster for tests: no fsync, since nobody needs its data after a power cut.
    pub fn for_tests() -> Self {
        let settings = [
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("max_connections", "400"),
            // A step that tries to prepare its transaction must not fail for want of a slot.
            ("max_prepared_transactions", "10"),
        ]
        .map(|(name, value)| (name.to_string(), value.to_string()));
        ClusterConfig {
            settings: settings.to_vec(),
            ..ClusterConfig::default()
        }
    }
}
