//! What can go wrong with a private cluster, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

/// One error per crate; the source is kept where there is one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "no PostgreSQL server binaries found (looked for `initdb` and `postgres` in {looked_in}); \
         install them (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install \
         postgresql-server; macOS: brew install postgresql) or put their folder on PATH"
    )]
    NoBinaries { looked_in: String },

    #[error(
        "postgres refuses to run as root, and neither of the accounts `postgres` and `nobody` \
         exists; create one or start this as an ordinary user"
    )]
    NoUnprivilegedAccount,

    #[error(
        "the account `{account}` that runs postgres cannot enter {blocked}, so it cannot reach \
         {wanted}; choose a data directory elsewhere, for example under /var/lib or /tmp"
    )]
    Unreachable {
        account: String,
        blocked: PathBuf,
        wanted: PathBuf,
    },

    #[error("the data directory {0} is in use by another process that runs a private Postgres")]
    InUse(PathBuf),

    #[error(
        "the socket folder {0} is too long: with the socket's own name it may not exceed 107 bytes"
    )]
    SocketPathTooLong(PathBuf),

    #[error("port {0} on 127.0.0.1 is taken; choose another, or none to have a free one picked")]
    PortTaken(u16),

    #[error("initdb failed: {0}")]
    Initdb(String),

    #[error("postgres ended while starting; the end of its log:\n{0}")]
    EndedWhileStarting(String),

    #[error(
        "postgres was not ready within {timeout_seconds} s; the end of its log ({log}):\n{tail}"
    )]
    NotReady {
        timeout_seconds: u64,
        log: PathBuf,
        tail: String,
    },

    #[error("postgres (pid {pid}) did not stop within {timeout_seconds} s")]
    NotStopped { pid: u32, timeout_seconds: u64 },

    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: an I/O error with what was tried on which path.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { what, path, source }
    }
}
