//! One private cluster: made once, then started, stopped, killed and restarted.
//!
//! Layout of its folder: `pgdata` (the server's), `superuser.password`, `port` (of the last run),
//! `socket`, `server.log`, `lock` (held while a [`Cluster`] uses the folder).

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rand::Rng;
use rand::distr::Alphanumeric;
use tempfile::TempDir;

use crate::account::Account;
use crate::guard::Guard;
use crate::pid_file::{self, PidFile};
use crate::{Binaries, ClusterConfig, Error, Listen, StopMode};

/// The name of the superuser that `initdb` makes.
const SUPERUSER: &str = "postgres";

const SOCKET_PATH_LIMIT_BYTES: usize = 107;
const LONGEST_SOCKET_NAME: &str = ".s.PGSQL.65535";
const PASSWORD_CHARS: usize = 32;
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How often a start is tried when its port, or memory that dying backends hold, is taken.
const START_ATTEMPTS: u32 = 50;
const LOG_TAIL_BYTES: u64 = 4096;

/// A private Postgres. Dropping it stops the server; a temporary one is removed too. Should this
/// process be killed, a guard process does the same.
#[derive(Debug)]
pub struct Cluster {
    config: ClusterConfig,
    binaries: Binaries,
    account: Account,
    folder: PathBuf,
    socket_dir: PathBuf,
    password: String,
    port: u16,
    server: Option<Child>,
    /// In the order in which they end: guard, lock, folders.
    guard: Option<Guard>,
    _lock: File,
    _temporary_sockets: Option<TempDir>,
    temporary: Option<TempDir>,
}

impl Cluster {
    /// Opens the cluster in `config.data_dir`, making it first where there is none. Not started.
    pub fn create_or_open(config: ClusterConfig) -> Result<Cluster, Error> {
        let binaries = Binaries::find(config.bin_dir.as_deref())?;
        let account = Account::choose()?;
        let (folder, temporary) = base_folder(&config, &account)?;
        let lock = lock_folder(&folder)?;
        account.check_reachable(&folder.join("pgdata"))?;
        let (socket_dir, temporary_sockets) = socket_folder(&config, &folder, &account)?;
        let password = initialise(&folder, &binaries, &account, temporary.is_some())?;
        let remembered = fs::read_to_string(folder.join("port")).ok();
        let port = config
            .port
            .or_else(|| remembered?.trim().parse().ok())
            .unwrap_or(0);
        Ok(Cluster {
            config,
            binaries,
            account,
            folder,
            socket_dir,
            password,
            port,
            server: None,
            guard: None,
            _lock: lock,
            _temporary_sockets: temporary_sockets,
            temporary,
        })
    }

    /// Starts the server and returns once it accepts connections. Nothing to do when it runs.
    pub fn start(&mut self) -> Result<(), Error> {
        if self.pid().is_some() {
            return Ok(());
        }
        self.stop_orphan()?;
        if self.guard.is_none() {
            let (mode, remove) = match &self.temporary {
                Some(temporary) => (StopMode::Immediate, Some(temporary.path())),
                None => (
                    StopMode::Fast,
                    self._temporary_sockets.as_ref().map(TempDir::path),
                ),
            };
            let guard = Guard::spawn(&self.pgdata(), mode, remove);
            self.guard = Some(guard.map_err(Error::io("start a guard for", &self.folder))?);
        }
        for _ in 1..START_ATTEMPTS {
            let log_start = fs::metadata(self.log_path()).map_or(0, |meta| meta.len());
            self.choose_port()?;
            match self.launch().and_then(|()| self.wait_ready(log_start)) {
                Err(Error::EndedWhileStarting(log)) if is_port_conflict(&log) => {
                    if let Some(port) = self.config.port {
                        return Err(Error::PortTaken(port));
                    }
                    self.port = 0;
                }
                Err(Error::EndedWhileStarting(log)) if is_memory_conflict(&log) => {
                    thread::sleep(POLL_INTERVAL * 10);
                }
                ended => {
                    ended?;
                    return self.remember_port();
                }
            }
        }
        Err(Error::EndedWhileStarting(tail(&self.log_path(), 0)))
    }

    /// Stops the server and waits for its end. Nothing to do when it does not run.
    pub fn stop(&mut self, mode: StopMode) -> Result<(), Error> {
        let Some(pid) = self.pid() else { return Ok(()) };
        pid_file::send(pid, signal_of(mode));
        let deadline = Instant::now() + Duration::from_secs(self.config.stop_timeout_seconds);
        while self.pid().is_some() {
            if Instant::now() > deadline {
                let timeout_seconds = self.config.stop_timeout_seconds;
                return Err(Error::NotStopped {
                    pid,
                    timeout_seconds,
                });
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// SIGKILL for the postmaster, as in a crash; its backends notice and end by themselves.
    pub fn kill(&mut self) -> Result<(), Error> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        server
            .kill()
            .and_then(|()| server.wait())
            .map_err(Error::io("kill", &self.folder))?;
        Ok(())
    }

    /// A fast stop, where it runs, and a start on the same port.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop(StopMode::Fast)?;
        self.start()
    }

    /// The postmaster's process id while it runs.
    pub fn pid(&mut self) -> Option<u32> {
        let server = self.server.as_mut()?;
        if let Ok(Some(_ended)) = server.try_wait() {
            self.server = None;
            return None;
        }
        Some(server.id())
    }

    /// The TCP port, or the number in the socket's name; 0 before the first start.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    pub fn log_path(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// A connection string for the superuser, password included.
    pub fn superuser_url(&self, database: &str) -> String {
        self.url(SUPERUSER, &self.password, database)
    }

    /// A connection string (a URL) for any role: over TCP, or the socket where there is no TCP.
    pub fn url(&self, role: &str, password: &str, database: &str) -> String {
        let [role, password, database] = [role, password, database].map(encode);
        let port = self.port;
        match self.config.listen {
            Listen::Loopback => format!("postgres://{role}:{password}@127.0.0.1:{port}/{database}"),
            Listen::SocketOnly => {
                let host = encode(&self.socket_dir.display().to_string());
                format!("postgres://{role}:{password}@{host}:{port}/{database}")
            }
        }
    }

    /// A generated password that is kept with the cluster, for a role of that name. It is the
    /// caller's to give it to the role.
    pub fn password_of(&self, role: &str) -> Result<String, Error> {
        let path = self.folder.join(format!("{}.password", encode(role)));
        match fs::read_to_string(&path) {
            Ok(password) => Ok(password.trim().to_string()),
            Err(_) => {
                let password = generate_password();
                write_secret(&path, &password)?;
                Ok(password)
            }
        }
    }

    fn pgdata(&self) -> PathBuf {
        self.folder.join("pgdata")
    }

    /// Ends a server whose parent died without stopping it and whose guard died too. The lock on
    /// the folder says that no other living process uses it.
    fn stop_orphan(&self) -> Result<(), Error> {
        let Some(pid) = PidFile::orphan(&self.pgdata()) else {
            return Ok(());
        };
        tracing::info!(pid, "stopping a server that an earlier run left behind");
        pid_file::send(pid, signal_of(StopMode::Fast));
        let timeout_seconds = self.config.stop_timeout_seconds;
        let deadline = Instant::now() + Duration::from_secs(timeout_seconds);
        while pid_file::is_alive(pid) {
            if Instant::now() > deadline {
                return Err(Error::NotStopped {
                    pid,
                    timeout_seconds,
                });
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// Keeps the port of the last run where it is free. Another process may take the port between
    /// this look and the server's own bind; the caller then tries again.
    fn choose_port(&mut self) -> Result<(), Error> {
        if self.config.listen == Listen::SocketOnly {
            self.port = if self.port == 0 { 5432 } else { self.port };
            return Ok(());
        }
        if self.port != 0 && TcpListener::bind(("127.0.0.1", self.port)).is_ok() {
            return Ok(());
        }
        if let Some(port) = self.config.port {
            return Err(Error::PortTaken(port));
        }
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr());
        self.port = free
            .map_err(Error::io("find a free port for", &self.folder))?
            .port();
        Ok(())
    }

    fn launch(&mut self) -> Result<(), Error> {
        let log_path = self.log_path();
        let log = OpenOptions::new().create(true).append(true).open(&log_path);
        let log = log.map_err(Error::io("open", &log_path))?;
        let errors = log.try_clone().map_err(Error::io("open", &log_path))?;
        let listen = match self.config.listen {
            Listen::Loopback => "127.0.0.1",
            Listen::SocketOnly => "",
        };
        let program = self.binaries.program("postgres");
        let mut command = self.account.command(&program);
        command
            .arg("-D")
            .arg(self.pgdata())
            .arg("-p")
            .arg(self.port.to_string());
        let sockets = format!("unix_socket_directories={}", self.socket_dir.display());
        command.args(["-c", &format!("listen_addresses={listen}"), "-c", &sockets]);
        for (name, value) in &self.config.settings {
            command.args(["-c", &format!("{name}={value}")]);
        }
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        self.server = Some(command.spawn().map_err(Error::io("run", &program))?);
        Ok(())
    }

    /// Waits until `postmaster.pid` says `ready`, as `pg_ctl -w` does.
    fn wait_ready(&mut self, log_start: u64) -> Result<(), Error> {
        let timeout_seconds = self.config.start_timeout_seconds;
        let deadline = Instant::now() + Duration::from_secs(timeout_seconds);
        loop {
            let Some(pid) = self.pid() else {
                return Err(Error::EndedWhileStarting(tail(&self.log_path(), log_start)));
            };
            if PidFile::read(&self.pgdata()).is_some_and(|file| file.pid == pid && file.ready) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let (log, tail) = (self.log_path(), tail(&self.log_path(), log_start));
                return Err(Error::NotReady {
                    timeout_seconds,
                    log,
                    tail,
                });
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn remember_port(&self) -> Result<(), Error> {
        let path = self.folder.join("port");
        fs::write(&path, format!("{}\n", self.port)).map_err(Error::io("write", &path))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mode = if self.temporary.is_some() {
            StopMode::Immediate
        } else {
            StopMode::Fast
        };
        if let Err(error) = self.stop(mode) {
            tracing::warn!(%error, "the private postgres did not stop");
        }
    }
}

/// The cluster's folder, made if absent; a temporary one has a short name, for its socket's sake.
fn base_folder(
    config: &ClusterConfig,
    account: &Account,
) -> Result<(PathBuf, Option<TempDir>), Error> {
    let Some(folder) = &config.data_dir else {
        let temporary = temporary_folder()?;
        account.own(temporary.path())?;
        return Ok((temporary.path().to_path_buf(), Some(temporary)));
    };
    if !folder.exists() {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        // The server's account passes through, and reads nothing that is not its own.
        let passable = fs::Permissions::from_mode(0o711);
        fs::set_permissions(folder, passable).map_err(Error::io("set the mode of", folder))?;
    }
    let folder = folder
        .canonicalize()
        .map_err(Error::io("resolve", folder))?;
    Ok((folder, None))
}

fn temporary_folder() -> Result<TempDir, Error> {
    let short = PathBuf::from("/tmp");
    let root = if short.is_dir() {
        short
    } else {
        std::env::temp_dir()
    };
    tempfile::Builder::new()
        .prefix("df-")
        .tempdir_in(&root)
        .map_err(Error::io("create in", &root))
}

fn lock_folder(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let lock = lock.map_err(Error::io("open", &path))?;
    lock.try_lock()
        .map_err(|_| Error::InUse(folder.to_path_buf()))?;
    Ok(lock)
}

/// The folder of the unix socket: the cluster's own where the path is short enough.
fn socket_folder(
    config: &ClusterConfig,
    folder: &Path,
    account: &Account,
) -> Result<(PathBuf, Option<TempDir>), Error> {
    let fits =
        |dir: &Path| dir.join(LONGEST_SOCKET_NAME).as_os_str().len() <= SOCKET_PATH_LIMIT_BYTES;
    if let Some(asked) = &config.socket_dir {
        if !fits(asked) {
            return Err(Error::SocketPathTooLong(asked.clone()));
        }
        if !asked.exists() {
            account.make_private_folder(asked)?;
        }
        return Ok((asked.clone(), None));
    }
    let own = folder.join("socket");
    if fits(&own) {
        account.make_private_folder(&own)?;
        return Ok((own, None));
    }
    let temporary = temporary_folder()?;
    account.own(temporary.path())?;
    Ok((temporary.path().to_path_buf(), Some(temporary)))
}

/// Runs `initdb` unless the data directory is there; returns the superuser's password. It is made
/// under another name and renamed, so an interrupted run leaves no half-made data directory.
fn initialise(
    folder: &Path,
    binaries: &Binaries,
    account: &Account,
    temporary: bool,
) -> Result<String, Error> {
    let (pgdata, password_path) = (folder.join("pgdata"), folder.join("superuser.password"));
    if pgdata.join("PG_VERSION").exists() {
        let password = fs::read_to_string(&password_path);
        return Ok(password
            .map_err(Error::io("read", &password_path))?
            .trim()
            .to_string());
    }
    let password = generate_password();
    write_secret(&password_path, &password)?;
    account.own(&password_path)?;

    let unfinished = folder.join("pgdata.unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(Error::io("remove", &unfinished))?;
    }
    account.make_private_folder(&unfinished)?;
    let program = binaries.program("initdb");
    let mut command = account.command(&program);
    command.arg("-D").arg(&unfinished).arg("-U").arg(SUPERUSER);
    command.arg(format!("--pwfile={}", password_path.display()));
    command.args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]);
    if temporary {
        command.arg("--no-sync");
    }
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io("run", &program))?;
    if !output.status.success() {
        return Err(Error::Initdb(
            String::from_utf8_lossy(&output.stderr).trim().to_string(),
        ));
    }
    fs::rename(&unfinished, &pgdata).map_err(Error::io("rename", &unfinished))?;
    Ok(password)
}

/// Writes a file that is its owner's alone from the beginning.
fn write_secret(path: &Path, secret: &str) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    let file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| file.write_all(secret.as_bytes()))
        .map_err(Error::io("write", path))
}

/// A password of letters and digits, about 190 bits.
fn generate_password() -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(PASSWORD_CHARS)
        .map(char::from)
        .collect()
}

fn signal_of(mode: StopMode) -> Signal {
    match mode {
        StopMode::Fast => Signal::SIGINT,
        StopMode::Immediate => Signal::SIGQUIT,
    }
}

fn is_port_conflict(log: &str) -> bool {
    log.contains("Address already in use")
}

/// Backends of a killed postmaster hold its shared memory until they have noticed.
fn is_memory_conflict(log: &str) -> bool {
    log.contains("pre-existing shared memory block") || log.contains("lock file \"postmaster.pid\"")
}

/// The end of a log, from `start` bytes at the earliest.
fn tail(log: &Path, start: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let from = start.max(file.metadata()?.len().saturating_sub(LOG_TAIL_BYTES));
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_string())
    };
    read().unwrap_or_default()
}

/// Percent-encodes everything but letters, digits and `-._~`, as a URL's parts need.
fn encode(part: &str) -> String {
    let mut encoded = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
